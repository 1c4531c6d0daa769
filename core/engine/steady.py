"""The step of a book that goes on as it did, taken by a kernel: the next change, applied.

A gate's own way judges, applies, counts and turns; nearly always all of that comes to "it follows,
so apply it". A `Desk` says where nothing else can come of it. Whatever is otherwise the kernel
leaves to the gate, which then does all of it itself: levels are absolute, so it does no harm that
some were applied before.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final, TypeAlias

import numba
import numpy as np

from core.engine.book import _apply, last_id, note_id
from core.engine.compiled import address, entry, view
from core.engine.made import Made, taken
from core.engine.opened import (
    ASKS,
    BIDS,
    DELTA,
    FIRST_ID,
    LAST_ID,
    PREV_ID,
    READABLE,
    kind_of,
    known,
    levels,
    number,
)
from core.model.ports import Link

Step: TypeAlias = Callable[[int, Any], int]
"""Takes the place of a desk and a delta; returns 0 where it left the delta to the gate."""

STEADY, BOOK, LINK, DELTAS, CHECKS = range(5)
WIDTH: Final = 5

_LINKS: Final = tuple(Link)


@numba.njit(cache=True, forceinline=True)
def follows(event: int, link: int, last: int) -> tuple[int, bool]:
    """Return a delta's last id, and whether the delta certainly follows a book at id `last`."""
    number_of, good = number(event, LAST_ID)
    if not good:
        return 0, False
    if link == 1:  # STEP
        return number_of, number_of == last + 1
    if link == 4:  # RISING
        return number_of, number_of >= last
    other, good = number(event, FIRST_ID if link == 2 else PREV_ID)
    if link == 2:  # NEXT
        return number_of, good and other == last + 1 and number_of > last
    if link == 5 and other < 0 and number_of == 0 and last == 0:  # PREVIOUS_IF_ANY
        return number_of, good
    return number_of, good and other == last and (link == 3 or link == 5)


@numba.njit(cache=True)
def _step(place: int, delta: Any) -> int:
    on = view(place, 1, WIDTH)[0]
    event = taken(delta)
    if not on[STEADY] or not known(READABLE) or kind_of(event) != known(DELTA):
        return 0
    last, good = follows(event, on[LINK], last_id(on[BOOK]))
    if not good:
        return 0
    bids, bids_good = levels(event, BIDS)
    asks, asks_good = levels(event, ASKS)
    if not (bids_good and asks_good) or _apply(on[BOOK], bids, asks):
        return 0
    note_id(on[BOOK], last)
    on[DELTAS] += 1
    return 1


def step(kernel: Any) -> Step:
    """Compile or load a kernel that takes such a step."""
    if not hasattr(kernel, "overloads"):
        # numba is switched off (NUMBA_DISABLE_JIT), and the gate does everything itself.
        return lambda place, delta: 0
    compiled: Step = entry(kernel, 1, Made())
    return compiled


@cache
def plain() -> Step:
    """Compile or load the step of a delta without a checksum, once a process."""
    return step(_step)


class Desk:
    """What a gate and its kernels both know of it.

    Args:
        book: The place of the gate's book.
        link: How a delta follows another.
    """

    __slots__ = ("_desk", "figures", "place")

    def __init__(self, book: int, link: Link) -> None:
        self._desk = np.array([[0, book, _LINKS.index(link), 0, 0]], np.int64)
        self.figures = self._desk[0].data
        """Whether nothing but the next delta is awaited, the above, deltas taken and checks met."""
        self.place = address(self._desk)
