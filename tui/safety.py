"""What stands between a key and an order: arming with a time-out, and pressing twice."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from core.model.ids import InstrumentId
from core.model.views import EngineStatus
from link.replica import Replica

TWICE_S: Final = 1.0
"""The second press counts within this many seconds."""
_NS: Final = 1_000_000_000


def armed_left_s(status: EngineStatus | None, name: InstrumentId | None, now_ns: int) -> int:
    """Return how many more seconds an instrument is armed (0: DISARMED), rounded up."""
    if status is None or name is None:
        return 0
    left_ns = status.armed.get(name, 0) - now_ns
    return max(0, -(-left_ns // _NS))


class Twice:
    """Destructive keys work when pressed twice for the same thing within a second."""

    def __init__(self) -> None:
        self._what = ""
        self._until_s = 0.0

    def press(self, what: str, now_s: float) -> bool:
        """Note a press; True when it is the second one and the deed may be done."""
        if what == self._what and now_s < self._until_s:
            self._what = ""
            return True
        self._what, self._until_s = what, now_s + TWICE_S
        return False


class EngineClock:
    """The engine's time as far as its frames tell it, carried on by our own clock in between.

    Arming ends by the engine's clock; over ssh that is another machine's.
    """

    def __init__(
        self,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._monotonic_ns = monotonic_ns
        self._wall_ns = wall_ns
        self._frame_ns = 0
        self._seen_ns = 0

    def now_ns(self, replica: Replica) -> int:
        """Return the engine's UTC nanoseconds, ours before its first frame."""
        if replica.frame_ts_ns != self._frame_ns:
            self._frame_ns = replica.frame_ts_ns
            self._seen_ns = self._monotonic_ns()
        if not self._frame_ns:
            return self._wall_ns()
        return self._frame_ns + self._monotonic_ns() - self._seen_ns
