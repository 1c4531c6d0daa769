"""Book messages in one pass: symbol, numbers and both sides, without a Python object on the way.

The scanner takes a message whose parts it knows by name, in any order, as JSON without white space
or escapes, which is how venues write it. Whatever else there is must be sound JSON and is passed
over; whatever it will not take, it leaves to the venue's slower parser, which says what is wrong::

    {"topic":"orderbook.200.BTCUSDT","type":"delta","ts":1786310818130,"data":{"s":"BTCUSDT",
     "b":[["65095.30","0.005"]],"a":[],"u":15076953,"seq":753843913870},"cts":1786310818129}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Final

import msgspec
import numba
import numpy as np
import numpy.typing as npt

from core.engine.compiled import address, entry, view
from core.feeds.levels import SidePlan, _number, text
from core.model.market import Levels

TEXT, WHOLE, SIDE, SIGNED = range(4)
"""What a named part is: a text, of which a hash is kept; a whole number, quoted or not; a side; a
whole number that may be negative."""

PLAIN: Final = 8
"""Where in `BookScanner.figures` it says whether each level is written as short as can be."""

_NOTHING: Final[Levels] = np.zeros((0, 2), np.int64)
_BLOCK: Final = 1 << 14
_KEYS: Final = 12
_DESK: Final = 9 + 3 * _KEYS
_AT: Final = 9
"""Of each part three figures from here on: its value or place, its end, and if it was found."""

_FNV: Final = np.uint64(0xCBF29CE484222325)
_PRIME: Final = np.uint64(0x100000001B3)
_DEPTH: Final = 30


@numba.njit(cache=True, forceinline=True)
def _string(data: bytes, size: int, at: int) -> tuple[int, np.uint64]:
    """Return (place after the closing quote, hash) of a plain text; place -1: it is not plain."""
    value = _FNV
    while at < size and data[at] != 34:
        letter = data[at]
        # Brackets in texts would mislead the reading of sides; they do not occur.
        if letter < 32 or letter > 126 or letter == 92 or letter == 91 or letter == 93:
            return -1, value
        value = (value ^ np.uint64(letter)) * _PRIME
        at += 1
    return (at + 1 if at < size else -1), value


@numba.njit(cache=True, forceinline=True)
def _scalar(data: bytes, size: int, at: int) -> int:
    """Return the place after a plain number or literal, -1 if it is none."""
    start = at
    if at < size and data[at] == 45:
        at += 1
    first = at
    while at < size and 48 <= data[at] <= 57:
        at += 1
    if at > first:
        if data[first] == 48 and at - first > 1:
            return -1
        if at < size and data[at] == 46:
            at += 1
            first = at
            while at < size and 48 <= data[at] <= 57:
                at += 1
            if at == first:
                return -1
        return at
    if at != start:
        return -1
    if at + 4 <= size and data[at] == 116 and data[at + 1] == 114:
        return at + 4 if data[at + 2] == 117 and data[at + 3] == 101 else -1
    if at + 4 <= size and data[at] == 110 and data[at + 1] == 117:
        return at + 4 if data[at + 2] == 108 and data[at + 3] == 108 else -1
    if at + 5 <= size and data[at] == 102 and data[at + 1] == 97 and data[at + 2] == 108:
        return at + 5 if data[at + 3] == 115 and data[at + 4] == 101 else -1
    return -1


@numba.njit(cache=True, forceinline=True)
def _whole(data: bytes, at: int, end: int) -> int:
    """Return the number written between two places; -1: it is none of ours."""
    if end - at < 1 or end - at > 18 or (data[at] == 48 and end - at > 1):
        return -1
    value = 0
    while at < end:
        if not 48 <= data[at] <= 57:
            return -1
        value = value * 10 + data[at] - 48
        at += 1
    return value


@numba.njit(cache=True, forceinline=True)
def _short(data: bytes, start: int, end: int) -> bool:
    """Return whether a quoted number between two places has no digit to spare."""
    if data[start] != 34 or end - start < 3:
        return False
    if data[start + 1] == 48 and end - start > 3 and data[start + 2] != 46:
        return False
    pointed = False
    for at in range(start + 1, end - 1):
        if data[at] == 46:
            pointed = True
        elif data[at] > 57:
            return False
    return not pointed or data[end - 2] != 48


@numba.njit(cache=True)
def _levels(  # noqa: C901  one pass over the side
    data: bytes, at: int, end: int, plan: npt.NDArray[np.int64], room: Levels, used: int,
    desk: npt.NDArray[np.int64],
) -> int:  # fmt: skip
    """Read a side that is sound JSON behind `used` rows; count, -1: not so, -2: no room."""
    count = 0
    at += 1
    if data[at] == 93:
        return 0
    while at < end:
        if data[at] != 91 or used + count >= room.shape[0]:
            return -1 if data[at] != 91 else -2
        start = at + 1
        price, at = _number(data, end, start, plan[0], plan[1])
        if at < 0 or data[at] != 44:
            return -1
        middle = at + 1
        lots, at = _number(data, end, middle, plan[2], plan[3])
        if at < 0:
            return -1
        if desk[PLAIN] and not (_short(data, start, middle - 1) and _short(data, middle, at)):
            desk[PLAIN] = 0
        while at < end and data[at] != 93:
            if data[at] == 91 or data[at] == 123:
                return -1
            at += 1
        at += 1
        if price > 0:
            room[used + count, 0] = price
            room[used + count, 1] = lots
            count += 1
        elif not desk[7]:
            return -1
        if at >= end:
            return -1
        if data[at] == 93:
            return count
        at += 1
    return -1


@numba.njit(cache=True, forceinline=True)
def _slot_of(keys: npt.NDArray[np.int64], hashed: np.uint64) -> int:
    """Return which part a name is, -1 if none."""
    name = np.int64(hashed >> np.uint64(1))
    found = -1
    for index in range(keys.shape[0]):
        if keys[index, 0] == name:
            found = index
    return found


@numba.njit(cache=True, forceinline=True)
def _keep(
    data: bytes, start: int, end: int, desk: npt.NDArray[np.int64], slot: int, kind: int,
    hashed: np.uint64,
) -> bool:  # fmt: skip
    """Note the value of a part that is no array, and return whether it is of the part's kind."""
    value = np.int64(hashed >> np.uint64(1))
    if kind == SIDE or (kind == TEXT and data[start] != 34):
        return False
    if kind in (WHOLE, SIGNED):
        quoted = data[start] == 34
        minus = kind == SIGNED and data[start + quoted] == 45
        value = _whole(data, start + quoted + minus, end - quoted)
        if value < 0:
            return False
        if minus:
            value = -value
    desk[_AT + 3 * slot] = value
    return True


@numba.njit(cache=True)
def _outline(  # noqa: C901  one pass over the message
    data: bytes, size: int, desk: npt.NDArray[np.int64], keys: npt.NDArray[np.int64]
) -> bool:
    """Note the values of all parts and the places of the sides; False: it is not for us."""
    # Bit n of `arrays` says that the bracket open at depth n is of an array.
    arrays = np.int64(0)
    depth = 1
    at = 1
    side = -1
    side_depth = 0
    fresh = True
    hashed = _FNV
    while depth > 0:
        if at >= size:
            return False
        of_array = (arrays >> depth) & 1
        if data[at] == (93 if of_array else 125):
            depth -= 1
            at += 1
            fresh = False
            if side >= 0 and depth < side_depth:
                desk[_AT + 3 * side + 1] = at
                side = -1
            continue
        if not fresh:
            if data[at] != 44 or at + 1 >= size:
                return False
            at += 1
        fresh = False
        slot = -1
        if not of_array:
            if data[at] != 34:
                return False
            at, hashed = _string(data, size, at + 1)
            if at < 0 or at + 1 >= size or data[at] != 58:
                return False
            at += 1
            slot = _slot_of(keys, hashed)
            if slot >= 0:
                if desk[_AT + 3 * slot + 2] or side >= 0:
                    return False
                desk[_AT + 3 * slot + 2] = 1
        start = at
        letter = data[at]
        if letter == 91 or letter == 123:
            depth += 1
            if depth > _DEPTH or (slot >= 0 and (keys[slot, 1] != SIDE or letter != 91)):
                return False
            if slot >= 0:
                desk[_AT + 3 * slot] = start
                side = slot
                side_depth = depth
            arrays = arrays | (1 << depth) if letter == 91 else arrays & ~(1 << depth)
            at += 1
            fresh = True
            continue
        if letter == 34:
            at, hashed = _string(data, size, at + 1)
        else:
            at = _scalar(data, size, at)
        if at < 0:
            return False
        if slot >= 0 and not _keep(data, start, at, desk, slot, keys[slot, 1], hashed):
            return False
    return at == size


@numba.njit(cache=True)
def _scan(frame: bytes, place: int) -> int:
    """Read a message; 1: done, 0: it is not for us, -2: no room for its levels."""
    size = len(frame)
    data = text(frame)
    desk = view(place, 1, _DESK)[0]
    keys = view(desk[0], desk[1], 3)
    for slot in range(desk[1]):
        desk[_AT + 3 * slot] = keys[slot, 2]
        desk[_AT + 3 * slot + 2] = 0
    if size < 2 or data[0] != 123 or not _outline(data, size, desk, keys):
        return 0
    # The first part is the symbol, and the next two are the sides.
    for slot in range(3):
        if not desk[_AT + 3 * slot + 2]:
            return 0
    table = view(desk[2], desk[3], 3)
    mask = desk[3] - 1
    row = desk[_AT] & mask
    while table[row, 1] and table[row, 0] != desk[_AT]:
        row = (row + 1) & mask
    if not table[row, 1]:
        return 0
    desk[_AT + 2] = table[row, 2]
    plan = view(table[row, 1], 1, 4)[0]
    room = view(desk[4], desk[5], 2)
    used = desk[6]
    desk[PLAIN] = 1
    for slot in range(1, 3):
        found = _AT + 3 * slot
        count = _levels(data, desk[found], desk[found + 1], plan, room, used, desk)
        if count < 0:
            return 0 if count == -1 else -2
        used += count
        desk[found] = count
    return 1


@cache
def _kernel() -> Callable[[bytes, int], int]:
    compiled: Callable[[bytes, int], int] = entry(_scan, b"{}", 0)
    return compiled


def hash_of(word: str) -> int:
    """Return the number a text is told by."""
    value = int(_FNV)
    for byte in word.encode():
        value = ((value ^ byte) * int(_PRIME)) & ((1 << 64) - 1)
    return value >> 1


class Part(msgspec.Struct, frozen=True):
    """A named part of a message."""

    name: str
    kind: int
    default: int = -1
    """What is told of a message without it, unless it is the symbol or a side."""


def place(part: int) -> int:
    """Return where in `BookScanner.figures` a part's value is after a scan."""
    return _AT + 3 * part


class BookScanner:
    """Scans one venue's book messages.

    Args:
        parts: What is read; the first three are the symbol, the bids and the asks.
        drop_zero: Leave out levels at price 0; otherwise a message with one is not taken.
    """

    def __init__(self, parts: Sequence[Part], *, drop_zero: bool = False) -> None:
        self._scan = _kernel()
        keys = [[hash_of(part.name), part.kind, part.default] for part in parts]
        self._keys = np.array(keys, np.int64)
        self._desk = np.zeros((1, _DESK), np.int64)
        self.figures = self._desk.data.cast("B").cast("q")
        """The numbers of the message last scanned, each at its `place`."""
        self._place = address(self._desk)
        self.figures[0] = address(self._keys)
        self.figures[1] = len(parts)
        self.figures[7] = drop_zero
        self._plans: list[SidePlan] = []
        self.learn([])
        self._begin()

    def learn(self, plans: Iterable[SidePlan]) -> None:
        """Take the instruments anew, by the venue's symbols."""
        self._plans = list(plans)
        slots = 4
        while slots < 2 * len(self._plans):
            slots *= 2
        self._table = np.zeros((slots, 3), np.int64)
        for row, plan in enumerate(self._plans):
            name = hash_of(plan.known.instrument.venue_symbol)
            slot = name & (slots - 1)
            while self._table[slot, 1]:
                slot = (slot + 1) & (slots - 1)
            self._table[slot] = name, plan.at, row
        self.figures[2] = address(self._table)
        self.figures[3] = slots

    def scan(self, frame: bytes) -> tuple[SidePlan, Levels, Levels] | None:
        """Return instrument, bids and asks of a message; None: it is for the slower parser."""
        found = self._scan(frame, self._place)
        if found == 1:
            figures = self.figures
            start = figures[6]
            middle = start + figures[_AT + 3]
            figures[6] = end = middle + figures[_AT + 6]
            room = self._room
            return (
                self._plans[figures[_AT + 2]],
                room[start:middle] if middle > start else _NOTHING,
                room[middle:end] if end > middle else _NOTHING,
            )
        if found == -2 and self.figures[6]:
            self._begin()
            return self.scan(frame)
        return None

    def _begin(self) -> None:
        self._room: Levels = np.empty((_BLOCK, 2), np.int64)
        self.figures[4] = address(self._room)
        self.figures[5] = _BLOCK
        self.figures[6] = 0
