"""Time: the only place in core that reads it."""

from __future__ import annotations

import time

from core.model.errors import InvariantError


class SystemClock:
    """The machine's clock."""

    def now_ns(self) -> int:
        """Return UTC nanoseconds since the epoch."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Return nanoseconds of a clock that never steps."""
        return time.monotonic_ns()


class SimClock:
    """A clock that stands still until it is set; for backtests, replays and tests."""

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        """Return the time it was set to."""
        return self._now_ns

    def monotonic_ns(self) -> int:
        """Return the same time: a simulated clock never steps back."""
        return self._now_ns

    def set(self, now_ns: int) -> None:
        """Move to a time.

        Raises:
            InvariantError: The time is before the present one.
        """
        if now_ns < self._now_ns:
            raise InvariantError(
                f"a simulated clock cannot go back from {self._now_ns} to {now_ns}"
            )
        self._now_ns = now_ns

    def advance(self, by_ns: int) -> None:
        """Move forward by a duration (ns)."""
        self.set(self._now_ns + by_ns)
