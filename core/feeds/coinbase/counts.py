"""The number of each connection's next message, where a kernel finds it and goes on by itself."""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from core.engine.compiled import address, view

_SLOTS: Final = 64
_FREE: Final = -1
"""Number of a slot that is nobody's."""
_LARGEST: Final = (1 << 63) - 1


class Counts:
    """Says of connections which number comes next.

    Each connection has its slot, but shares it with others: the one that spoke last is there.
    """

    __slots__ = ("_figures", "_others", "_slots", "place")

    def __init__(self) -> None:
        self._slots = np.array([[0, _FREE]] * _SLOTS, np.int64)
        self._figures = memoryview(self._slots.data).cast("B").cast("q")
        self._others: dict[int, int] = {}
        self.place = address(self._slots)
        """Where `goes_on` finds it, as long as this object lives."""

    def get(self, conn: int) -> int | None:
        """Return the number, None where none is known."""
        at = 2 * (conn % _SLOTS)
        if self._figures[at] == conn and self._figures[at + 1] != _FREE:
            return self._figures[at + 1]
        return self._others.get(conn)

    def put(self, conn: int, number: int) -> None:
        """Note the number."""
        at = 2 * (conn % _SLOTS)
        other = self._figures[at]
        if self._figures[at + 1] != _FREE and other != conn:
            self._others[other] = self._figures[at + 1]
        self._others.pop(conn, None)
        if number > _LARGEST:
            # No venue's is, but a mangled message may say so.
            self._others[conn] = number
            number = _FREE
        self._figures[at] = conn
        self._figures[at + 1] = number

    def forget(self, conn: int) -> None:
        """Know of no number any more."""
        at = 2 * (conn % _SLOTS)
        self._others.pop(conn, None)
        if self._figures[at] == conn:
            self._figures[at + 1] = _FREE


@numba.njit(cache=True, forceinline=True)
def goes_on(place: int, conn: int, number: int) -> bool:
    """Return whether a number is the one that comes next, which is noted then."""
    slot = view(place + 16 * (conn & (_SLOTS - 1)), 1, 2)[0]
    if slot[0] != conn or slot[1] != number:
        return False
    slot[1] = number + 1
    return True
