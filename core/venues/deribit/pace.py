"""Stay inside Deribit's credits: whoever asks too often loses the session, not just the answer."""

from __future__ import annotations

import asyncio
from typing import Final

from core.model.ports import Clock

_NS: Final = 1_000_000_000
_SHARE: Final = 0.8
"""Of what the venue allows: other programs may use the same key."""


class Pace:
    """A bucket of requests that fills at a steady rate."""

    def __init__(self, *, clock: Clock, rate: float, burst: float) -> None:
        """`rate` is requests a second, `burst` how many may go at once."""
        self._clock = clock
        self._rate = rate * _SHARE
        self._burst = max(1.0, burst * _SHARE)
        self._left = self._burst
        self._at_ns = clock.monotonic_ns()

    def set(self, rate: float, burst: float) -> None:
        """Take what the venue says it allows."""
        if rate > 0 and burst > 0:
            self._rate = rate * _SHARE
            self._burst = max(1.0, burst * _SHARE)
            self._left = min(self._left, self._burst)

    def take(self) -> float:
        """Count a request that is about to be sent, or return for how long it must wait."""
        now_ns = self._clock.monotonic_ns()
        self._left = min(self._burst, self._left + (now_ns - self._at_ns) / _NS * self._rate)
        self._at_ns = now_ns
        if self._left >= 1.0:
            self._left -= 1.0
            return 0.0
        return (1.0 - self._left) / self._rate

    async def wait(self) -> None:
        """Count a request once there is room for it."""
        # The time it takes is known beforehand; there is nothing an event could tell.
        while delay_s := self.take():  # noqa: ASYNC110
            await asyncio.sleep(delay_s)
