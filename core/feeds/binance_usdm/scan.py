"""The quick way through the hot messages of USD-M: bytes to integers, fields in any order.

The venue has moved and added fields over the years, so a message is read key by key. What is not as
known in every value is left to the decoder, which is slower and says what is wrong. Samples are in
`frames`. What is read must be exact, as in the scanner of spot, whose parts are used here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final, TypeAlias

import numba
import numpy as np
import numpy.typing as npt

from core.engine.compiled import address, entry, view
from core.feeds.binance.digits import Text, byte, expect, read_whole, text_of
from core.feeds.binance.scan import (
    BLOCK,
    DEPTH,
    DESK,
    MAX_FRAME_BYTES,
    MAX_MS,
    MAX_SYMBOL,
    NS,
    OTHER,
    PRICE,
    QUOTE,
    SIZE,
    TRADE,
    WIDTH,
    Layout,
    Table,
    desk,
    past_symbol,
    past_text,
    read_field,
    read_levels,
    room,
    row_of,
    table,
)
from core.model.market import Levels

__all__ = ["DEPTH", "OTHER", "QUOTE", "TRADE", "compiled"]

Found: TypeAlias = tuple[int, int, int, int, int, int, int, int]

_HEAD: Final = np.frombuffer(b'{"stream":"', np.uint8)
_DATA: Final = np.frombuffer(b'","data":{', np.uint8)
_TRUE: Final = np.frombuffer(b"true", np.uint8)
_FALSE: Final = np.frombuffer(b"false", np.uint8)
_END: Final = np.frombuffer(b"}}", np.uint8)
_QUOTES: Final = np.frombuffer(b'"bookTicker"', np.uint8)
_DEPTHS: Final = np.frombuffer(b'"depthUpdate"', np.uint8)
_AGGREGATES: Final = np.frombuffer(b'"aggTrade"', np.uint8)
_TRADES: Final = np.frombuffer(b'"trade"', np.uint8)
_OFF_BOOK: Final = np.frombuffer(b"NA", np.uint8)

# Keys as numbers; of two letters the first is the higher byte.
_A, _B, _D, _E, _T, _U, _M, _X = 65, 66, 100, 69, 84, 85, 109, 88
_a, _b, _e, _f, _p, _q, _s, _t, _u = 97, 98, 101, 102, 112, 113, 115, 116, 117
_PU, _ST = (112 << 8) + 117, (115 << 8) + 116

# What was found of a message, a bit each; `_NEED` says what a kind must have.
_HAS_E, _HAS_T, _HAS_S, _HAS_ID = 1, 2, 4, 8
_HAS_1, _HAS_2, _HAS_3, _HAS_4, _HAS_EVENT = 16, 32, 64, 128, 256
_NEED: Final[npt.NDArray[np.int64]] = np.array([-1, 253, 126, 253, 254], np.int64) | _HAS_EVENT


@numba.njit(cache=True, forceinline=True)
def _kind(letter: int) -> int:
    """Return the kind of messages whose event begins with a letter."""
    if letter == _b:  # bookTicker
        return 1
    return 3 if letter == _D else 2  # depthUpdate; aggTrade or trade


@numba.njit(cache=True)
def _event(data: Text, size: int, at: int, letter: int) -> int:
    """Return the place after the name of the event, beyond the end if it is another one."""
    if letter == _b:
        return int(expect(data, size, at, _QUOTES))
    if letter == _D:
        return int(expect(data, size, at, _DEPTHS))
    return int(expect(data, size, at, _AGGREGATES if letter == _a else _TRADES))


@numba.njit(cache=True)
def _skipped(data: Text, size: int, at: int) -> int:
    """Return the place after a value nobody needs, beyond the end for one that is not plain."""
    if at >= size:
        return size + 1
    if byte(data, at) == 34:
        at = past_text(data, size, at + 1)
        return at + 1 if at < size else size + 1
    if byte(data, at) == 116:
        return int(expect(data, size, at, _TRUE))
    if byte(data, at) == 102:
        return int(expect(data, size, at, _FALSE))
    return int(read_whole(data, size, at)[1])


@numba.njit(cache=True)
def _side(
    data: Text, size: int, at: int, layout: Layout, out: Levels, used: int
) -> tuple[int, int]:
    """Read ``[["p","q"],...]`` from row `used` on; returns (next row, place after it)."""
    if at >= size or byte(data, at) != 91:
        return used, size + 1
    end, at = read_levels(data, size, at + 1, layout, out, used)
    if at >= size or byte(data, at) != 93:
        return used, size + 1
    return end, at + 1


@numba.njit(cache=True)
def _read(  # noqa: C901  one pass over the fields
    data: Text, size: int, at: int, letter: int, layout: Layout, out: Levels, used: int
) -> tuple[int, int, int, int, int, int]:
    """Read the fields of a message, of which `at` is the first; -1 first when it is odd.

    Its event begins with `letter`. `QUOTE`: E, u, bid, bid size, ask, ask size; `TRADE`: T, id,
    price, size, 1 if the buyer was the maker, first id of an aggregate; `DEPTH`: E, U, u, pu, row
    after the bids, row after the asks.
    """
    odd = (-1, 0, 0, 0, 0, 0)
    kind = _kind(letter)
    need = _NEED[4 if letter == _a else kind]
    letter_of_id = letter
    has = 0
    event = traded = number = first = last = prev = maker = 0
    one = two = three = four = 0
    bids = asks = used
    while True:
        if at + 5 > size or byte(data, at) != 34:
            return odd
        key = byte(data, at + 1)
        if key == 34 or key == 92 or key < 32 or key > 126:
            return odd
        at += 2
        if byte(data, at) != 34:
            letter_two = byte(data, at)
            if letter_two == 92 or letter_two < 32 or letter_two > 126:
                return odd
            key = (key << 8) + letter_two
            at += 1
        if byte(data, at) != 34:
            # A longer name is none of those we need.
            key = 0
            at = past_text(data, size, at)
        if at + 2 > size or byte(data, at) != 34 or byte(data, at + 1) != 58:
            return odd
        at += 2
        flag = 0
        if key == _s:
            if byte(data, at) != 34:
                return odd
            at = past_symbol(data, size, at + 1, layout)
            if at >= size or byte(data, at) != 34:
                return odd
            at += 1
            flag = _HAS_S
        elif key == _E:
            event, at = read_whole(data, size, at)
            flag = _HAS_E
        elif key == _T:
            traded, at = read_whole(data, size, at)
            flag = _HAS_T if kind == TRADE else 0
        elif key == _ST:
            market, at = read_whole(data, size, at)
            if market != 1:
                return odd
        elif key == _e:
            at = _event(data, size, at, letter)
            flag = _HAS_EVENT
        elif kind == QUOTE and key == _u:
            number, at = read_whole(data, size, at)
            flag = _HAS_ID
        elif kind == QUOTE and key == _b:
            one, at = read_field(data, size, at, layout, PRICE)
            flag = _HAS_1
        elif kind == QUOTE and key == _B:
            two, at = read_field(data, size, at, layout, SIZE)
            flag = _HAS_2
        elif kind == QUOTE and key == _a:
            three, at = read_field(data, size, at, layout, PRICE)
            flag = _HAS_3
        elif kind == QUOTE and key == _A:
            four, at = read_field(data, size, at, layout, SIZE)
            flag = _HAS_4
        elif kind == TRADE and key == letter_of_id:
            number, at = read_whole(data, size, at)
            flag = _HAS_ID
        elif kind == TRADE and key == _p:
            one, at = read_field(data, size, at, layout, PRICE)
            flag = _HAS_1
        elif kind == TRADE and key == _q:
            two, at = read_field(data, size, at, layout, SIZE)
            flag = _HAS_2
        elif letter == _a and key == _f:
            first, at = read_whole(data, size, at)
            flag = _HAS_4
        elif kind == TRADE and key == _M:
            maker = 1 if byte(data, at) == 116 else 0
            at = expect(data, size, at, _TRUE if maker else _FALSE)
            flag = _HAS_3
        elif kind == TRADE and key == _X:
            if expect(data, size, at + 1, _OFF_BOOK) <= size:
                return odd
            at = _skipped(data, size, at)
        elif kind == DEPTH and key == _U:
            first, at = read_whole(data, size, at)
            flag = _HAS_ID
        elif kind == DEPTH and key == _u:
            last, at = read_whole(data, size, at)
            flag = _HAS_1
        elif kind == DEPTH and key == _PU:
            prev, at = read_whole(data, size, at)
            flag = _HAS_2
        elif kind == DEPTH and key == _b:
            bids, at = _side(data, size, at, layout, out, used)
            flag = _HAS_3
        elif kind == DEPTH and key == _a:
            # Behind the bids, so these must have come.
            if not has & _HAS_3:
                return odd
            asks, at = _side(data, size, at, layout, out, bids)
            flag = _HAS_4
        else:
            at = _skipped(data, size, at)
        if has & flag or at >= size:
            return odd
        has |= flag
        if byte(data, at) != 44:
            break
        at += 1
    at = expect(data, size, at, _END)
    if at != size or has & need != need or event < 0 or min(one, two, three, four) < 0:
        return odd
    if kind == TRADE:
        if traded <= 0 or traded >= MAX_MS or one <= 0 or two <= 0:
            return odd
        return traded * NS, number, one, two, maker, first
    if event <= 0 or event >= MAX_MS:
        return odd
    if kind == QUOTE:
        return event * NS, number, one, two, three, four
    return event * NS, first, last, prev, bids, asks


@numba.njit(cache=True)
def _scan(data: Text, size: int, table: Table, out: Levels, used: int) -> Found:
    other = (0, 0, 0, 0, 0, 0, 0, 0)
    start = expect(data, size, 0, _HEAD)
    at = start
    while at < size and byte(data, at) != 64:
        at += 1
        if at - start > MAX_SYMBOL:
            return other
    if at + 20 >= size:
        return other
    name = (byte(data, at + 1) << 8) + byte(data, at + 2)
    letter = byte(data, at + 1)
    if name == (100 << 8) + 101:  # depth, but no depth20
        if 48 <= byte(data, at + 6) <= 57:
            return other
    # bookTicker, aggTrade, trade
    elif name != (98 << 8) + 111 and name != (97 << 8) + 103 and name != (116 << 8) + 114:
        return other
    row = row_of(data, start, at, table)
    at = past_text(data, size, at)
    if row < 0 or at > size:
        return other
    at = expect(data, size, at, _DATA)
    a, b, c, d, e, f = _read(data, size, at, letter, table[row], out, used)
    return (_kind(letter), row, a, b, c, d, e, f) if a >= 0 else other


@numba.njit(cache=True)
def _scan_at(data: bytes, desk: int) -> Found:
    """Scan a frame with what lies on a `desk`; levels become part of the room in use."""
    on = view(desk, 1, DESK)
    size = len(data)
    if size > MAX_FRAME_BYTES:
        return (0, 0, 0, 0, 0, 0, 0, 0)
    rows, out = view(on[0, 0], on[0, 1], WIDTH), view(on[0, 2], BLOCK, 2)
    found: Found = _scan(text_of(data), size, rows, out, on[0, 3])
    if found[0] == 3:
        on[0, 3] = found[7]
    return found


@cache
def compiled() -> Callable[[bytes, int], Found]:
    """Compile or load the scanner, once a process; it takes a frame and the address of a `desk`.

    Returns the kind, the row of the instrument and the six figures of `_read`.
    """
    rows, out = table([]), room()
    on = desk(rows, out, 0)
    return entry(_scan_at, b"{}", address(on))


def warm() -> None:
    """Compile or load the scanner, so that the first frame does not wait."""
    compiled()
