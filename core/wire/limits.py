"""Stay inside a venue's request budget, with room kept for what must get through."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from core.model.errors import ConfigError
from core.model.ports import Clock
from core.wire.budget import Budgets, Company, Role, Window

_NS: Final = 1_000_000_000
_COMPANY_S: Final = 60.0


class WeightLimiter:
    """Count request weight per window, as venues with fixed windows do.

    The venue's own figure, read from its answers, wins whenever it is higher than ours: other
    programs may share the address. `reserve` is left to urgent requests (orders and cancels).
    """

    def __init__(
        self, *, clock: Clock, capacity: int, window_s: float = 60.0, reserve: int = 0
    ) -> None:
        """Take the venue's limit per window.

        Raises:
            ConfigError: The reserve leaves nothing, or the window has no length.
        """
        if not 0 <= reserve < capacity or window_s <= 0:
            raise ConfigError(
                "limiter needs 0 <= reserve < capacity and window_s > 0, "
                f"was reserve={reserve} capacity={capacity} window_s={window_s}"
            )
        self._clock = clock
        self._capacity = capacity
        self._reserve = reserve
        self._window_ns = int(window_s * _NS)
        self._window = -1
        self._used = 0
        self._blocked_until_ns = 0
        self._shared: Window | None = None
        self._strangers = 0
        """Weight of the present window that no program of ours used, by the venue's own count."""

    @property
    def window_s(self) -> float:
        """Length of a window."""
        return self._window_ns / _NS

    def resize(self, capacity: int, *, reserve: int) -> None:
        """Take another limit per window: some venues say it with every answer."""
        if 0 <= reserve < capacity:
            self._capacity, self._reserve = capacity, reserve

    def share(self, window: Window) -> None:
        """Count together with all other limiters of the same budget, in whatever process."""
        self._shared = window

    @property
    def used(self) -> int:
        """Weight spent in the present window."""
        self._roll()
        if self._shared is None:
            return self._used
        return self._shared.used(self._window)[0] + self._strangers

    def take(self, weight: int, *, urgent: bool = False) -> float:
        """Count a request that is about to be sent, or return how long it must wait, uncounted."""
        delay_s = self.blocked_s()
        if delay_s:
            return delay_s
        left_ns = self._roll()
        if self._shared is None:
            if not self._fits(weight, 0, urgent=urgent):
                return left_ns / _NS
            self._used += weight
            return 0.0
        # Counted first and judged then: of two that do so at once, at least one sees both.
        self._shared.add(self._window, weight)
        if self._fits(0, weight, urgent=urgent):
            return 0.0
        self._shared.add(self._window, -weight)
        return left_ns / _NS

    def delay_s(self, weight: int, *, urgent: bool = False) -> float:
        """Return how long a request must wait, 0.0 when it may go now."""
        delay_s = self.blocked_s()
        if delay_s:
            return delay_s
        left_ns = self._roll()
        return 0.0 if self._fits(weight, 0, urgent=urgent) else left_ns / _NS

    def spend(self, weight: int) -> None:
        """Count a request that is about to be sent."""
        self._roll()
        if self._shared is not None:
            self._shared.add(self._window, weight)
        else:
            self._used += weight

    def observe(self, used: int) -> None:
        """Adopt the venue's own count of the present window, if it is higher than ours."""
        self._roll()
        if self._shared is None:
            self._used = max(self._used, used)
        else:
            ours, _, _ = self._shared.used(self._window)
            self._strangers = max(self._strangers, used - ours)

    def block(self, for_s: float) -> None:
        """Let nothing through for a while: the venue asked for it; never shortens a block."""
        until_ns = self._clock.monotonic_ns() + int(for_s * _NS)
        self._blocked_until_ns = max(self._blocked_until_ns, until_ns)
        if self._shared is not None:
            self._shared.block(self._clock.now_ns() + int(for_s * _NS))

    def close(self) -> None:
        """Leave a shared budget to the others."""
        if self._shared is not None:
            shared, self._shared = self._shared, None
            shared.close()

    def _fits(self, weight: int, counted: int, *, urgent: bool) -> bool:
        """Return whether a weight may be used, of which some is counted already."""
        limit = self._capacity if urgent else self._capacity - self._reserve
        if self._shared is None:
            total, bulk, live = self._used, 0, False
        else:
            total, bulk, live = self._shared.used(self._window)
        total += self._strangers
        # A request heavier than the whole budget still goes, alone in a fresh window.
        if total == counted:
            return True
        if self._shared is not None and self._shared.role is Role.BULK and live:
            part = int(self._shared.share * self._capacity)
            if bulk + weight > part and bulk > counted:
                return False
        return total + weight <= limit

    def blocked_s(self) -> float:
        """Return how long the venue wants nobody to ask."""
        blocked_ns = self._blocked_until_ns - self._clock.monotonic_ns()
        if self._shared is not None:
            blocked_ns = max(blocked_ns, self._shared.blocked_until_ns() - self._clock.now_ns())
        return max(0, blocked_ns) / _NS

    def _roll(self) -> int:
        """Enter the present window and return how many nanoseconds of it are left."""
        window, into_ns = divmod(self._clock.now_ns(), self._window_ns)
        if window != self._window:
            self._window = window
            self._used = 0
            self._strangers = 0
        return self._window_ns - into_ns


CONNECTS: Final = 300
"""Attempts to connect in `CONNECTS_S`: what Binance allows an address; others tell no figure."""
CONNECTS_S: Final = 300.0


class AttemptLimiter:
    """Spread attempts, such as opening connections, so that none is over a sliding window's limit.

    A venue that is asked too often answers with a ban, and then nothing reconnects at all.
    """

    def __init__(self, *, clock: Clock, attempts: int, window_s: float) -> None:
        """Take how many attempts a window of some seconds allows.

        Raises:
            ConfigError: It allows none.
        """
        if attempts < 1 or window_s <= 0:
            raise ConfigError(
                "attempt limiter needs attempts >= 1 and window_s > 0, "
                f"was attempts={attempts} window_s={window_s}"
            )
        self._clock = clock
        self._window_ns = int(window_s * _NS)
        self._made: deque[int] = deque(maxlen=attempts)
        self._company: Company | None = None

    def share(self, budgets: Budgets, name: str) -> None:
        """Count together with all programs of the home that attempt the same."""
        length_s = max(_COMPANY_S, self._window_ns / _NS)
        self._company = budgets.company(f"{name}-attempts", length_s)

    def take(self) -> float:
        """Count an attempt that is about to be made, or return how long it must wait."""
        now_ns = self._clock.monotonic_ns()
        if self._company is not None:
            others = min(self._company.fresh(), self._made.maxlen or 0)
            self._made.extend([now_ns] * others)
        full = len(self._made) == self._made.maxlen
        wait_ns = self._made[0] + self._window_ns - now_ns if full else 0
        if wait_ns > 0:
            return wait_ns / _NS
        self._made.append(now_ns)
        if self._company is not None:
            self._company.add(1)
        return 0.0

    async def wait(self) -> None:
        """Return when the next attempt may be made, and count it."""
        # The time it takes is known beforehand; there is nothing an event could tell.
        while delay_s := self.take():  # noqa: ASYNC110
            await asyncio.sleep(delay_s)
