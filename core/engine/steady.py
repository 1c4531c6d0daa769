"""The step of a book that goes on as it did, taken by a kernel: the next change, applied.

A gate's own way judges, applies, counts and turns; nearly always all of that comes to "it follows,
so apply it". A `Desk` says where nothing else can come of it. Whatever is otherwise the kernel
leaves to the gate, which then does all of it itself: levels are absolute, so it does no harm that
some were applied before.

A change can come as an event, or straight from the kernel that read it off the wire: a decoder
that was lent the desk spares making an event that would only be taken apart again here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numba
import numpy as np

from core.engine.book import OrderBook, _apply, last_id, note_id
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
    RECV_NS,
    kind_of,
    known,
    levels,
    number,
    whole,
)
from core.model.market import Levels
from core.model.ports import Link

if TYPE_CHECKING:
    from core.engine.slate import Slate

Step: TypeAlias = Callable[[int, Any], int]
"""Takes the place of a desk and a delta; returns 0 where it left the delta to the gate."""

STEADY, BOOK, LINK, DELTAS, CHECKS, RECV, STRAIGHT, CHECKER, SLATE, SPARED, QUOTES, BEST = range(12)
WIDTH: Final = BEST + 8
"""Figures of a desk: whether nothing but the next delta is awaited; place of the book; how a delta
follows another; deltas taken and checksums met; when anything last came, our time; what was
taken and was no event; place of the checker's memory, 0 if there is none; that of the slate of the
instrument, see `core.engine.slate`; whether quotes and marks need be no events; quotes that were
none; and the newest of these, see `core.engine.best`."""

Figures: TypeAlias = "memoryview[int]"

_LINKS: Final = tuple(Link)


@numba.njit(cache=True, forceinline=True)
def _goes_on(link: int, before: int, last: int, first: int, prev: int) -> bool:
    """Return whether a delta certainly follows a book at an id; the link says which ids count."""
    if link == 1:  # STEP
        return last == before + 1
    if link == 2:  # NEXT
        return first == before + 1 and last > before
    if link == 3:  # PREVIOUS
        return prev == before
    if link == 4:  # RISING
        return last >= before
    # PREVIOUS_IF_ANY
    return link == 5 and (prev == before or (prev < 0 and last == before == 0))


@numba.njit(cache=True, forceinline=True)
def follows(event: int, link: int, before: int) -> tuple[int, bool]:
    """Return a delta's last id, and whether the delta certainly follows a book at id `before`."""
    last, good = number(event, LAST_ID)
    other = 0
    if good and (link == 2 or link == 3 or link == 5):
        other, good = number(event, FIRST_ID if link == 2 else PREV_ID)
    return last, good and _goes_on(link, before, last, other, other)


@numba.njit(cache=True)
def _step(place: int, delta: Any) -> int:
    on = view(place, 1, WIDTH)[0]
    event = taken(delta)
    if not on[STEADY] or not known(READABLE) or kind_of(event) != known(DELTA):
        return 0
    last, good = follows(event, on[LINK], last_id(on[BOOK]))
    recv_ns, told = number(event, RECV_NS)
    if not (good and told):
        return 0
    bids, bids_good = levels(event, BIDS)
    asks, asks_good = levels(event, ASKS)
    if not (bids_good and asks_good) or _apply(on[BOOK], bids, asks):
        return 0
    took(place, last, recv_ns, 0)
    return 1


@numba.njit(cache=True, forceinline=True)
def moved(place: int, first: int, last: int, prev: int, bids: Levels, asks: Levels) -> bool:
    """Change the book of a desk if the change goes on as ever; what `took` it must be said then."""
    on = view(place, 1, WIDTH)[0]
    if not on[STEADY] or not _goes_on(on[LINK], last_id(on[BOOK]), last, first, prev):
        return False
    return bool(_apply(on[BOOK], bids, asks) == 0)


@numba.njit(cache=True, forceinline=True)
def took(place: int, last: int, recv_ns: int, checks: int) -> None:
    """Note a change up to an id, when it came, and how many checksums it met."""
    on = view(place, 1, WIDTH)[0]
    note_id(on[BOOK], last)
    on[DELTAS] += 1
    on[CHECKS] += checks
    on[RECV] = recv_ns


@numba.njit(cache=True)
def straight(
    place: int, recv: int, first: int, last: int, prev: int, bids: Levels, asks: Levels
) -> bool:
    """Take a change that a kernel read to a desk it was lent, 0 if none; False: make an event.

    `recv` is the object that says when it came.
    """
    if not place:
        return False
    recv_ns, good = whole(recv)
    if not good or not moved(place, first, last, prev, bids, asks):
        return False
    took(place, last, recv_ns, 0)
    view(place, 1, WIDTH)[0, STRAIGHT] += 1
    return True


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
        book: The gate's book, which lives as long as the desk.
        link: How a delta follows another.
        checker: The place of its checker's memory, 0 if there is none.
    """

    __slots__ = ("_book", "_desk", "_slate", "figures", "place")

    def __init__(self, book: OrderBook, link: Link, checker: int = 0) -> None:
        self._book = book
        figures = [0, book.place, _LINKS.index(link), 0, 0, 0, 0, checker, *[0] * (WIDTH - SLATE)]
        self._desk = np.array([figures], np.int64)
        self.figures: Figures = self._desk[0].data
        """See `WIDTH`."""
        self.place = address(self._desk)

    def show(self, slate: Slate) -> None:
        """Have kernels write down there what is stated of the instrument and nobody awaits."""
        self._slate = slate
        self.figures[SLATE] = slate.place

    @property
    def shown(self) -> bool:
        """Whether there is such a place."""
        return self.figures[SLATE] != 0

    def spare(self, *, spared: bool) -> None:
        """Have kernels leave quotes and marks here, or tell them as events."""
        self.figures[SPARED] = spared
