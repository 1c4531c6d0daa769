"""The checksum of OKX books: a CRC32 over the text of the best levels."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cache, partial
from typing import Any, Final
from zlib import crc32

import numba
import numpy as np

from core.engine.book import _apply, last_id, level_at, side_of
from core.engine.compiled import address, entry, view
from core.engine.made import Made, taken
from core.engine.opened import (
    ASK_TEXTS,
    ASKS,
    BID_TEXTS,
    BIDS,
    CHECK,
    CHECKED,
    CHECKS,
    CHECKSUM,
    NO_TEXTS,
    READABLE,
    RECV_NS,
    field,
    kind_of,
    known,
    levels,
    number,
    whole,
)
from core.engine.steady import BOOK, CHECKER, LINK, STEADY, STRAIGHT, WIDTH, follows, moved, took
from core.feeds.crc import (
    FULL,
    SLOT_WIDTH,
    SLOTS,
    Row,
    Tables,
    before,
    lying,
    power,
    product,
    reduced,
    slot,
    summed,
    tables,
)
from core.feeds.levels import _scale
from core.model.instruments import Instrument
from core.model.market import BookCheck, BookDelta, BookSnapshot, CheckedDelta, Levels
from core.model.ports import BookTop

CHECKED_LEVELS: Final = 25
"""Levels a side that the checksum covers."""

_MOST: Final = 2 * CHECKED_LEVELS

_COLON: Final = 58
_POINT: Final = 46
_TEN: Final = np.uint64(10)
_LINK: Final = 4
"""Figures of a level in the last sum: ticks, lots, register and length of its text."""

_PLAN: Final = 10
_BIDS, _ASKS, _PLAIN, _SUM, _TABLES = range(5, _PLAN)
"""Figures of a plan: bids and asks in the last sum; 1 if every level of a book that is compared is
known by its decimals; the last sum; where the tables lie."""
_TEXT: Final = 2 * 42
"""Bytes that a level can take: of each number 40 digits, a point and a colon."""


@numba.njit(cache=True)
def _number(out: Row, at: int, value: int, places: int) -> int:
    """Write a number without zeros at its end, and return the place after it.

    15 with two places is ``0.15``.
    """
    # Unsigned division by a constant is a multiplication, and that is most of the work.
    left = np.uint64(value)
    tenth = left // _TEN
    while places > 0 and left == tenth * _TEN:
        left = tenth
        tenth = left // _TEN
        places -= 1
    start = at
    digits = 0
    while left or digits <= places:
        if digits == places and places:
            out[at] = _POINT
            at += 1
        tenth = left // _TEN
        out[at] = 48 + np.int64(left - tenth * _TEN)
        at += 1
        digits += 1
        left = tenth
    # They came last digit first.
    low, high = start, at - 1
    while low < high:
        out[low], out[high] = out[high], out[low]
        low += 1
        high -= 1
    return at


@numba.njit(cache=True)
def _total(desk: int, own: int, on: Tables) -> int:
    """Return the checksum of the book whose figures lie at `desk`.

    `own`: places and unit of price, then of size, the register at first, and the other figures of a
    plan; room for a text; levels remembered; those of the last sum, which most are still.
    """
    plan = view(own, 1, _PLAN)[0]
    text = view(own + 8 * _PLAN, 1, _TEXT)[0]
    slots = view(own + 8 * (_PLAN + _TEXT), SLOTS, SLOT_WIDTH)
    chain = view(own + 8 * (_PLAN + _TEXT + SLOTS * SLOT_WIDTH), _MOST, _LINK)
    bids, bid_lots, n_bids = side_of(desk, 0)
    asks, ask_lots, n_asks = side_of(desk, 1)
    n_bids, n_asks = min(n_bids, CHECKED_LEVELS), min(n_asks, CHECKED_LEVELS)
    same = _noted(bids, bid_lots, n_bids, 1, chain, plan, text, slots, on)
    # Ask prices are negated.
    same &= _noted(asks, ask_lots, n_asks, -1, chain[CHECKED_LEVELS:], plan, text, slots, on)
    if not same or plan[_BIDS] != n_bids or plan[_ASKS] != n_asks:
        plan[_BIDS] = n_bids
        plan[_ASKS] = n_asks
        plan[_SUM] = _joined(plan[4], chain, n_bids, n_asks, on)
    return int(plan[_SUM])


@numba.njit(cache=True, forceinline=True)
def _noted(
    prices: Row,
    sizes: Row,
    count: int,
    sign: int,
    chain: Row,
    plan: Row,
    text: Row,
    slots: Row,
    on: Tables,
) -> bool:
    """Note the best levels of a side, which are the last; returns whether all were known."""
    same = True
    at = len(prices)
    for index in range(count):
        at = level_at(sizes, at - 1)
        ticks, lots = sign * prices[np.uint64(at)], sizes[np.uint64(at)]
        link = chain[np.uint64(index)]
        if link[0] != ticks or link[1] != lots:
            same = False
            _note(link, ticks, lots, plan, text, slots, on)
    return same


@numba.njit(cache=True, forceinline=True)
def _note(link: Row, ticks: int, lots: int, plan: Row, text: Row, slots: Row, on: Tables) -> None:
    """Note a level and the register and length of its text."""
    known = slots[slot(ticks)]
    if known[0] != ticks or known[1] != lots:
        text[0] = _COLON
        length = _number(text, 1, ticks * plan[1], plan[0])
        text[length] = _COLON
        length = _number(text, length + 1, lots * plan[3], plan[2])
        known[0] = ticks
        known[1] = lots
        known[2] = summed(text, length, on)
        known[3] = length
    link[0] = ticks
    link[1] = lots
    link[2] = known[2]
    link[3] = known[3]


@numba.njit(cache=True)
def _joined(first: int, chain: Row, n_bids: int, n_asks: int, on: Tables) -> int:
    """Return the checksum of so many levels behind the register `first`: bid, ask, bid, ask..."""
    products = np.uint64(0)
    behind = 0
    for at in range(max(n_bids, n_asks) - 1, -1, -1):
        # Where one side ends the other goes on alone.
        if at < n_asks:
            ask = chain[np.uint64(CHECKED_LEVELS + at)]
            products ^= product(np.uint64(ask[2]), power(behind, on))
            behind += ask[3]
        if at < n_bids:
            bid = chain[np.uint64(at)]
            products ^= product(np.uint64(bid[2]), power(behind, on))
            behind += bid[3]
    products ^= product(np.uint64(first), power(behind, on))
    return int(reduced(products, on) ^ FULL) if behind else 0


@numba.njit(cache=True)
def _checked(own: int, on: Tables, place: int, delta: Any) -> int:
    """Take a delta of a steady book that has a checksum and no texts, see `core.engine.steady`."""
    desk = view(place, 1, WIDTH)[0]
    event = taken(delta)
    plan = view(own, 1, _PLAN)[0]
    if not (plan[_PLAIN] and desk[STEADY] and known(READABLE)) or kind_of(event) != known(CHECKED):
        return 0
    book = desk[BOOK]
    before = last_id(book)
    last, good = follows(event, desk[LINK], before)
    recv_ns, told = number(event, RECV_NS)
    check = field(event, CHECK)
    if not (good and told) or (last and last == before) or kind_of(check) != known(CHECKS):
        return 0
    none = known(NO_TEXTS)
    checksum, good = number(check, CHECKSUM)
    if not good or not checksum or field(check, BID_TEXTS) != none:
        return 0
    bids, bids_good = levels(event, BIDS)
    asks, asks_good = levels(event, ASKS)
    if not (bids_good and asks_good) or field(check, ASK_TEXTS) != none:
        return 0
    if _apply(book, bids, asks) or _total(book, own, on) != checksum & FULL:
        return 0
    took(place, last, recv_ns, 1)
    return 1


@numba.njit(cache=True)
def compared(
    place: int,
    recv: int,
    first: int,
    last: int,
    prev: int,
    bids: Levels,
    asks: Levels,
    checksum: int,
) -> bool:
    """Do as `core.engine.steady.straight` does, and compare the book with its checksum."""
    if not place:
        return False
    desk = view(place, 1, WIDTH)[0]
    own = desk[CHECKER]
    recv_ns, good = whole(recv)
    if not own or not good or (last and last == last_id(desk[BOOK])):
        return False
    plan = view(own, 1, _PLAN)[0]
    if not plan[_PLAIN] or not moved(place, first, last, prev, bids, asks):
        return False
    if _total(desk[BOOK], own, lying(plan[_TABLES])) != checksum & FULL:
        return False
    took(place, last, recv_ns, 1)
    desk[STRAIGHT] += 1
    return True


@cache
def _step() -> Callable[[int, Tables, int, Any], int]:
    if not hasattr(_checked, "overloads"):
        # numba is switched off (NUMBA_DISABLE_JIT), and the gate does everything itself.
        return lambda own, on, place, delta: 0
    compiled: Callable[[int, Tables, int, Any], int] = entry(_checked, 1, tables(), 1, Made())
    return compiled


@cache
def _kernel() -> Callable[[int, int, Tables], int]:
    compiled: Callable[[int, int, Tables], int] = entry(_total, 1, 1, tables())
    return compiled


class OkxChecker:
    """Compares a book with the venue's CRC32 over the text of its best levels.

    ::

        bid1:size1:ask1:size1:bid2:size2:ask2:size2:...        signed 32 bits

    The text is the wire's own; where a side ends the other goes on alone. A check that comes
    without texts says that all of them were the plain decimals of the levels, which nearly all are;
    of the others the text is kept. The venue stopped sending checksums in 2026 and writes 0
    instead, so 0 says nothing.
    """

    __slots__ = ("_odd", "_on", "_own", "_steps", "_total", "_whole", "place")

    def __init__(self, instrument: Instrument) -> None:
        self._total = _kernel()
        self._on = tables()
        self._steps = instrument.price_tick, instrument.size_lot
        self._own = np.zeros(_PLAN + _TEXT + SLOTS * SLOT_WIDTH + _LINK * _MOST, np.int64)
        # Every level's text begins with a colon, so the first must find the register before it.
        steps = *_scale(self._steps[0]), *_scale(self._steps[1])
        self._own[:5] = *steps, before(b":")
        self._own[_TABLES] = self._on.ctypes.data
        self.place = address(self._own)
        self._odd: tuple[dict[int, str], dict[int, str]] = {}, {}
        """Of bids and asks the texts of levels that are not their plain decimals, by ticks."""
        self._whole = False

    def step(self) -> Callable[[int, CheckedDelta], int]:
        """Return what takes a delta to a gate's desk and compares; 0: it did not."""
        return partial(_step(), self.place, self._on)

    def on_snapshot(self, image: BookSnapshot) -> None:
        """Note an image that was loaded."""
        for side in self._odd:
            side.clear()
        self._whole = image.check is not None
        if image.check is not None:
            self._note(0, image.bids, image.check.bids)
            self._note(1, image.asks, image.check.asks)
        self._look()

    def on_delta(self, delta: BookDelta) -> None:
        """Note an update that was applied; one without a check ends the comparing."""
        check = delta.check if isinstance(delta, CheckedDelta) else None
        if check is None:
            self._whole = self._whole and not len(delta.bids) and not len(delta.asks)
            self._look()
            return
        if check.bids or self._odd[0]:
            self._note(0, delta.bids, check.bids)
        if check.asks or self._odd[1]:
            self._note(1, delta.asks, check.asks)
        self._look()

    def _look(self) -> None:
        # Whether every level of a book that is compared is known by its plain decimals.
        self._own[_PLAIN] = self._whole and not self._odd[0] and not self._odd[1]

    def verify(self, book: BookTop, check: BookCheck) -> bool | None:
        """Return whether the book is what the venue says; None: it says nothing this time."""
        if not self._whole or not check.checksum:
            return None
        if self._odd[0] or self._odd[1]:
            found = self._spelt(*book.top(CHECKED_LEVELS))
        else:
            found = self._total(book.place, self.place, self._on)
        return found == check.checksum & 0xFFFFFFFF

    def _note(self, side: int, levels: Levels, texts: tuple[tuple[str, str], ...]) -> None:
        odd = self._odd[side]
        if not odd and not texts:
            return
        for index, (ticks, lots) in enumerate(levels.tolist()):
            odd.pop(ticks, None)
            if texts and lots:
                text = ":".join(texts[index])
                if text != self._plain(ticks, lots):
                    odd[ticks] = text

    def _spelt(self, bids: Levels, asks: Levels) -> int:
        sides = [
            [odd.get(ticks) or self._plain(ticks, lots) for ticks, lots in levels.tolist()]
            for odd, levels in zip(self._odd, (bids, asks), strict=True)
        ]
        out: list[str] = []
        for index in range(max(map(len, sides))):
            out += [side[index] for side in sides if index < len(side)]
        return crc32(":".join(out).encode())

    def _plain(self, ticks: int, lots: int) -> str:
        tick, lot = self._steps
        return f"{_text(ticks * tick)}:{_text(lots * lot)}"


def _text(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
