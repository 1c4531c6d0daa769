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

    speed: float
    """How fast it runs against the world outside."""

    def now_ns(self) -> int:
        """Return UTC nanoseconds since the epoch; never goes back."""
        ...


def monotonic_ns() -> int:
    """Return real nanoseconds, for what a connection does in real time whatever the market's."""
    return time.monotonic_ns()


class WallClock:
    """UTC at start plus a monotonic clock, so that a stepped wall clock never turns time back.

    It can run faster than real time from any moment on, and jump ahead.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._base_ns = time.time_ns()
        self._since_ns = time.monotonic_ns()

    def now_ns(self) -> int:
        """Return UTC nanoseconds since the epoch."""
        passed = time.monotonic_ns() - self._since_ns
        return self._base_ns + (passed if self.speed == 1.0 else int(passed * self.speed))

    def run_at(self, speed: float) -> None:
        """Run at another speed from now on.

        Raises:
            ValueError: It is not above 0.
        """
        if not speed > 0.0:
            raise ValueError(f"speed must be above 0, was {speed:g}")
        self._base_ns, self._since_ns = self.now_ns(), time.monotonic_ns()
        self.speed = speed

    def jump(self, by_ns: int) -> None:
        """Skip some time, as a machine that slept does.

        Raises:
            ValueError: `by_ns` is negative.
        """
        if by_ns < 0:
            raise ValueError(f"a clock only moves forward, was {by_ns} ns")
        self._base_ns += by_ns


class VirtualClock:
    """A clock that moves only when told to."""

    def __init__(self, start_ns: int) -> None:
        self.speed = 1.0
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
