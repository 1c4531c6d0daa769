"""The quick way through Deribit's hot messages: bytes to numbers without any object on the way.

Keys come in any order, for the venue has moved and added some over the years. What is not as known
in every value is left to the decoder, which is slower, takes any JSON and says what is wrong; what
is accepted is read exactly as the decoder would. Samples are in `frames`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Final, TypeAlias

import numba
import numpy as np

from core.engine.compiled import Grid, address, entry, view
from core.feeds.binance.digits import byte, read_whole, text_of
from core.feeds.deribit.values import key_memory, key_table, past_scalar, read_key
from core.feeds.levels import PLAN, _number
from core.feeds.literals import literal, past, text_end
from core.feeds.slips import FREE
from core.feeds.symboltable import COLUMNS, find, symbol_table
from core.model.market import Levels

BookFound: TypeAlias = tuple[int, int, int, int, int, int, int, int, int]

FULL, OTHER, CHANGE, IMAGE = range(-1, 3)
"""What was found; of `OTHER` nothing more is told, and `FULL` is a room too small to begin."""

MAX_FRAME_BYTES: Final = 32 << 20

BLOCK: Final = 1 << 14
"""Rows read into one array before the next is begun."""

_ROW_BYTES: Final = 8
"""A level is never spelt in fewer."""

_B_TYPE, _B_NAME, _B_TIME, _B_ID, _B_PREV, _B_BIDS, _B_ASKS = range(7)
_B_NEED: Final = (
    1 << _B_TYPE | 1 << _B_NAME | 1 << _B_TIME | 1 << _B_ID | 1 << _B_BIDS | (1 << _B_ASKS)
)
_BOOK_KEYS: Final = key_table(
    {
        "type": _B_TYPE, "instrument_name": _B_NAME, "timestamp": _B_TIME, "change_id": _B_ID,
        "prev_change_id": _B_PREV, "bids": _B_BIDS, "asks": _B_ASKS,
    }
)  # fmt: skip

TABLE, SLOTS, ROOM, ROWS, USED, HELD, SLIP_AT, KEYS_AT, OUT = range(9)
"""A desk's figures: address and slots of the symbols, address, rows and rows in use of the room and
the array itself; address of the slip of the instrument read last; address of what `read_next_key`
remembers; and what was found of a book. Behind them are a ticker's numbers, see `tickers`."""

FOUND: Final = 9
"""Figures told of a book."""
NUMBERS_AT: Final = OUT + FOUND
FIELDS: Final = 28
"""Of a ticker."""
DESK: Final = NUMBERS_AT + 2 * FIELDS

SEEN, QUOTED, SAID_AT, INVERSE = range(FREE, FREE + 4)
"""Figures of a slip: the newest trade; whether best quotes have a channel of their own; the address
of what the last ticker said; whether the contract is inverse."""

NS: Final = 1_000_000
MAX_MS: Final = 9_000_000_000_000
_BOOK: Final = literal('{"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.')
DATA: Final = literal('","data":{')
_CHANGED: Final = literal('"change"')
_SNAPSHOT: Final = literal('"snapshot"')


@numba.njit(cache=True, forceinline=True)
def ends(data: bytes, size: int, at: int) -> bool:
    """Return whether a message ends with its data, whose closing brace is here."""
    if at + 3 != size:
        return False
    odd = (byte(data, at) ^ 125) | (byte(data, at + 1) ^ 125) | (byte(data, at + 2) ^ 125)
    return bool(odd == 0)


@numba.njit(cache=True)
def begin(data: bytes, size: int, at: int) -> tuple[int, int]:
    """Return (points in the rest of a channel's name, place of the first key of the data)."""
    end = text_end(data, size, at)
    points = 0
    if end <= size:
        while at < end:
            points += byte(data, at) == 46
            at += 1
    return points, int(past(data, size, end, DATA))


@numba.njit(cache=True, forceinline=True)
def named(data: bytes, size: int, at: int, table: Grid) -> tuple[int, int]:
    """Return (slot, place after it) of a quoted symbol, beyond the end if it is none of ours."""
    if at >= size or byte(data, at) != 34:
        return -1, size + 1
    slot, at = find(data, size, at + 1, table)
    return slot, at + 1


@numba.njit(cache=True)
def _side(data: bytes, size: int, at: int, plan: Grid, out: Levels, n: int) -> tuple[int, int]:
    """Read ``[["new",0.001,2.6],...]`` from row `n` on; returns (next row, place after it)."""
    fail = size + 1
    places, unit, size_places, size_unit = plan[0, 0], plan[0, 1], plan[0, 2], plan[0, 3]
    if at + 2 > size or byte(data, at) != 91:
        return n, fail
    at += 1
    if byte(data, at) == 93:
        return n, at + 1
    while True:
        if at + 3 > size or byte(data, at) != 91 or byte(data, at + 1) != 34:
            return n, fail
        # Whether a level is new, changed or deleted its amount says as well.
        at = text_end(data, size, at + 2)
        if at + 2 > size or byte(data, at + 1) != 44:
            return n, fail
        price, at = _number(data, size, at + 2, places, unit)
        if at < 0 or price == 0 or at >= size or byte(data, at) != 44:
            return n, fail
        amount, at = _number(data, size, at + 1, size_places, size_unit)
        if at < 0 or at + 1 >= size or byte(data, at) != 93:
            return n, fail
        out[n, 0] = price
        out[n, 1] = amount
        n += 1
        at += 2
        if byte(data, at - 1) == 93:
            return n, at
        if byte(data, at - 1) != 44:
            return n, fail


@numba.njit(cache=True)
def book_at(  # noqa: C901  one pass over the fields
    frame: bytes, place: int
) -> BookFound:
    """Read a change or an image of a book with what lies on a desk.

    Returns its kind, row of the instrument, time, id, previous id, and the room's rows where bids
    and asks begin and end.
    """
    other = (0, 0, 0, 0, 0, 0, 0, 0, 0)
    size = len(frame)
    data = text_of(frame)
    desk = view(place, 1, DESK)[0]
    used = desk[USED]
    points, at = begin(data, size, past(data, size, 0, _BOOK))
    # book.{i}.{interval}: more parts are of images of the best levels, which are written otherwise.
    if at > size or points != 1 or size > MAX_FRAME_BYTES:
        return other
    if (desk[ROWS] - used) * _ROW_BYTES < size:
        return (-1, 0, 0, 0, 0, 0, 0, 0, 0)
    table = view(desk[TABLE], desk[SLOTS], COLUMNS)
    out = view(desk[ROOM], desk[ROWS], 2)
    slot = -1
    kind = when = number = before = bids = bids_end = asks = asks_end = seen = 0
    while True:
        key, at = read_key(data, size, at, _BOOK_KEYS)
        if at > size:
            return other
        if key >= 0:
            if seen >> key & 1:
                return other
            seen |= 1 << key
        if key == 0:
            end = past(data, size, at, _CHANGED)
            kind = 1
            if end > size:
                end = past(data, size, at, _SNAPSHOT)
                kind = 2
            at = end
        elif key == 1:
            slot, at = named(data, size, at, table)
        elif key == 2:
            when, at = read_whole(data, size, at)
        elif key == 3:
            number, at = read_whole(data, size, at)
        elif key == 4:
            before, at = read_whole(data, size, at)
        elif key >= 5:
            if slot < 0:
                return other
            start = used
            used, at = _side(data, size, at, view(table[slot, 5], 1, 4), out, used)
            if key == 5:
                bids, bids_end = start, used
            else:
                asks, asks_end = start, used
        else:
            at = past_scalar(data, size, at)
        if at >= size:
            return other
        if byte(data, at) != 44:
            break
        at += 1
    if not ends(data, size, at) or (seen | 1 << 4) != 127 or when >= MAX_MS or slot < 0:
        return other
    desk[USED] = used
    desk[SLIP_AT] = table[slot, 5] + 8 * PLAN
    if before == 0:
        kind = 2
    return kind, table[slot, 6], when * NS, number, before, bids, bids_end, asks, asks_end


@numba.njit(cache=True)
def _found(place: int) -> BookFound:
    """Return what `leave` left."""
    out = view(place + 8 * OUT, 1, FOUND)[0]
    return out[0], out[1], out[2], out[3], out[4], out[5], out[6], out[7], out[8]


@numba.njit(cache=True, forceinline=True)
def leave(place: int, found: BookFound) -> None:
    """Leave what was found for `compiled` to tell."""
    out = view(place + 8 * OUT, 1, FOUND)[0]
    out[0], out[1], out[2], out[3], out[4], out[5], out[6], out[7], out[8] = found


@cache
def compiled() -> Callable[[int], BookFound]:
    """Compile or load what tells of a message that was left, once a process.

    It takes the address of a `Desk`, and returns what `book_at` does.
    """
    tell: Callable[[int], BookFound] = entry(_found, 0)
    return tell


class Desk:
    """The arrays the scanners work with; what they read stays valid as long as it is held."""

    def __init__(self) -> None:
        self._desk = np.zeros((1, DESK), np.int64)
        self._figures = memoryview(self._desk.data).cast("B").cast("q")
        self._keys = key_memory()
        self._figures[KEYS_AT] = address(self._keys)
        self.at = address(self._desk)
        """Where the scanners find it, as long as this object lives."""
        self.learn([])
        self.renew(0)

    def learn(self, symbols: Iterable[tuple[str, int, int]]) -> None:
        """Take (symbol, address of its `SidePlan`, row) anew."""
        self._table = symbol_table(symbols)
        self._figures[TABLE] = address(self._table)
        self._figures[SLOTS] = len(self._table)

    def renew(self, size: int) -> None:
        """Begin a new room, in which a message of `size` bytes finds its place."""
        rows = max(BLOCK, size // _ROW_BYTES + 1)
        self.room: Levels = np.empty((rows, 2), np.int64)
        self._figures[ROOM] = address(self.room)
        self._figures[ROWS] = rows
        self._figures[USED] = 0
        self._figures[HELD] = id(self.room)
