"""The emulator's own clocks; nothing else in it reads the time."""

from __future__ import annotations

import time
from typing import Final, Protocol

MS: Final = 1_000_000
"""Nanoseconds in a millisecond."""
SECOND: Final = 1_000_000_000
"""Nanoseconds in a second."""


class Clock(Protocol):
    """Where the market gets its time from."""

    def now_ns(self) -> int:
        """Return UTC nanoseconds since the epoch; never goes back."""
        ...


class WallClock:
    """UTC at start plus a monotonic clock, so that a stepped wall clock never turns time back."""

    def __init__(self) -> None:
        self._offset = time.time_ns() - time.monotonic_ns()

    def now_ns(self) -> int:
        """Return UTC nanoseconds since the epoch."""
        return time.monotonic_ns() + self._offset


class VirtualClock:
    """A clock that moves only when told to."""

    def __init__(self, start_ns: int) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """Return the time it was last set to."""
        return self._now_ns

    def advance(self, by_ns: int) -> None:
        """Move forward.

        Raises:
            ValueError: `by_ns` is negative.
        """
        if by_ns < 0:
            raise ValueError(f"a clock only moves forward, was {by_ns} ns")
        self._now_ns += by_ns
