"""Stay inside a bucket of requests that fills at a steady rate, together with other programs.

::

    level ──fills at `rate`──► `burst`        a request of weight w goes once min(w, burst) is in,
      └── what others used since the last look is taken out of it       and takes w out
"""

from __future__ import annotations

import asyncio
from typing import Final

from core.model.ports import Clock
from core.wire.budget import Budgets, Company

_NS: Final = 1_000_000_000
_COMPANY_S: Final = 60.0
_UNIT: Final = 1000
"""Weights may be parts of one; the shared count is of whole numbers."""
_NEARLY: Final = 1e-6


class Pace:
    """A bucket of requests; what is urgent goes before what waits."""

    def __init__(self, *, clock: Clock, rate: float, burst: float, part: float = 1.0) -> None:
        """`rate` is weight a second, `burst` how much may go at once.

        `part` of both is used, where others we cannot see may use the same key.
        """
        self._clock = clock
        self._part = part
        self._rate = rate * part
        self._burst = max(1.0, burst * part)
        self._left = self._burst
        self._at_ns = clock.monotonic_ns()
        self._urgent = 0
        self._blocked_ns = 0
        self._company: Company | None = None

    def share(self, budgets: Budgets, name: str) -> None:
        """Count together with all programs of the home that use the same name."""
        self._company = budgets.company(name, _COMPANY_S)

    def set(self, rate: float, burst: float) -> None:
        """Take what the venue says it allows."""
        if rate > 0 and burst > 0:
            self._rate = rate * self._part
            self._burst = max(1.0, burst * self._part)
            self._left = min(self._left, self._burst)

    def block(self, for_s: float) -> None:
        """Let nothing through for a while: the venue asked for it."""
        self._blocked_ns = max(self._blocked_ns, self._clock.now_ns() + int(for_s * _NS))
        if self._company is not None:
            self._company.block(self._blocked_ns)

    def take(self, weight: float = 1.0, *, urgent: bool = True) -> float:
        """Count a request that is about to be sent, or return for how long it must wait."""
        blocked_s = self._blocked_s()
        if blocked_s:
            return blocked_s
        now_ns = self._clock.monotonic_ns()
        self._left = min(self._burst, self._left + (now_ns - self._at_ns) / _NS * self._rate)
        self._at_ns = now_ns
        if self._company is not None:
            self._left -= self._company.fresh() / _UNIT
        missing = min(weight, self._burst) - self._left
        if missing <= _NEARLY and (urgent or not self._urgent):
            self._left -= weight
            if self._company is not None:
                self._company.add(round(weight * _UNIT))
            return 0.0
        return (missing if urgent else max(missing, 1.0)) / self._rate

    async def wait(self, weight: float = 1.0, *, urgent: bool = True) -> None:
        """Count a request once there is room for it."""
        self._urgent += urgent
        try:
            # The time it takes is known beforehand; there is nothing an event could tell.
            while delay_s := self.take(weight, urgent=urgent):  # noqa: ASYNC110
                await asyncio.sleep(delay_s)
        finally:
            self._urgent -= urgent

    def _blocked_s(self) -> float:
        until_ns = self._blocked_ns
        if self._company is not None:
            until_ns = max(until_ns, self._company.blocked_until_ns())
        return max(0, until_ns - self._clock.now_ns()) / _NS
