"""The quick way through the hot messages of USD-M: bytes to integers, fields in any order.

The venue has moved and added fields over the years, so a message is read key by key. What is not as
known in every value is left to the decoder, which is slower and says what is wrong. Samples are in
`frames`. What is read must be exact, as in the scanner of spot, whose parts are used here.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numba
import numpy as np

from core.engine.compiled import view
from core.feeds.binance.digits import Text, byte, expect, read_whole, text_of
from core.feeds.binance.scan import (
    BLOCK,
    DEPTH,
    DESK,
    KLINE,
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
    past_symbol,
    past_text,
    read_field,
    read_levels,
    row_of,
)
from core.model.market import Levels

__all__ = ["DEPTH", "KLINE", "OTHER", "QUOTE", "TRADE", "scan_at"]

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
_KL: Final = (107 << 8) + 108
_PU, _ST = (112 << 8) + 117, (115 << 8) + 116

# A message's six figures have a bit each, then its symbol and its event.
_SYMBOL_BIT, _EVENT_BIT = 64, 128
_NEED: Final = 255
_FIRST_BIT: Final = 32
"""Of the first id, which single trades do not have."""


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
def skipped(data: Text, size: int, at: int) -> int:
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


@numba.njit(cache=True, forceinline=True)
def key_of(data: Text, size: int, at: int) -> tuple[int, int]:
    """Return (key as a number, place of its value); place beyond the end when it is odd."""
    fail = size + 1
    if at + 5 > size or byte(data, at) != 34:
        return 0, fail
    key = byte(data, at + 1)
    if key == 34 or key == 92 or key < 32 or key > 126:
        return 0, fail
    at += 2
    if byte(data, at) != 34:
        second = byte(data, at)
        if second == 92 or second < 32 or second > 126:
            return 0, fail
        key = (key << 8) + second
        at += 1
    if byte(data, at) != 34:
        # A longer name is none of those we need.
        key = 0
        at = past_text(data, size, at)
    if at + 2 > size or byte(data, at) != 34 or byte(data, at + 1) != 58:
        return 0, fail
    return key, at + 2


@numba.njit(cache=True, forceinline=True)
def _of_quote(data: Text, size: int, at: int, key: int, layout: Layout) -> tuple[int, int, int]:
    """Return (which figure, its value, place after it) of a field, -1 first for one not needed."""
    if key == _u:
        value, at = read_whole(data, size, at)
        return 1, value, at
    if key in (_b, _a):
        value, at = read_field(data, size, at, layout, PRICE)
        return 2 if key == _b else 4, value, at
    if key in (_B, _A):
        value, at = read_field(data, size, at, layout, SIZE)
        return 3 if key == _B else 5, value, at
    return -1, 0, int(skipped(data, size, at))


@numba.njit(cache=True, forceinline=True)
def _of_trade(
    data: Text, size: int, at: int, key: int, letter: int, layout: Layout
) -> tuple[int, int, int]:
    """Return (which figure, its value, place after it) of a field, -1 first for one not needed."""
    if key == letter:  # a of an aggregate, t of a single one
        value, at = read_whole(data, size, at)
        return 1, value, at
    if key == _p:
        value, at = read_field(data, size, at, layout, PRICE)
        return 2, value if value else -1, at
    if key == _q:
        value, at = read_field(data, size, at, layout, SIZE)
        return 3, value if value else -1, at
    if key == _M:
        value = 1 if byte(data, at) == 116 else 0
        return 4, value, int(expect(data, size, at, _TRUE if value else _FALSE))
    if key == _f and letter == _a:
        value, at = read_whole(data, size, at)
        return 5, value, at
    if key == _X and expect(data, size, at + 1, _OFF_BOOK) <= size:
        return -1, 0, size + 1
    return -1, 0, int(skipped(data, size, at))


@numba.njit(cache=True, forceinline=True)
def _of_depth(
    data: Text, size: int, at: int, key: int, layout: Layout, out: Levels, used: int, bids: int
) -> tuple[int, int, int]:
    """Return (which figure, its value, place after it) of a field, -1 first for one not needed.

    Levels go behind the rows in use, asks behind the bids: `bids` is the row after these, or -1.
    """
    if key in (_U, _u, _PU):
        value, at = read_whole(data, size, at)
        return 1 if key == _U else 2 if key == _u else 3, value, at
    if key == _b:
        value, at = _side(data, size, at, layout, out, used)
        return 4, value, at
    if key == _a:
        if bids < 0:
            return -1, 0, size + 1
        value, at = _side(data, size, at, layout, out, bids)
        return 5, value, at
    return -1, 0, int(skipped(data, size, at))


@numba.njit(cache=True, forceinline=True)
def _of_any(
    data: Text, size: int, at: int, key: int, letter: int, layout: Layout
) -> tuple[int, int, int]:
    """Return (bit, value, place after it) of a field all messages have, bit -1 for another one."""
    if key == _s:
        if byte(data, at) != 34:
            return 0, 0, size + 1
        at = past_symbol(data, size, at + 1, layout)
        if at >= size or byte(data, at) != 34:
            return 0, 0, size + 1
        return _SYMBOL_BIT, 0, at + 1
    if key in (_E, _T):
        value, at = read_whole(data, size, at)
        trade = letter in (_a, _t)
        return 1 if (key == _T) == trade else 0, value, at
    if key == _ST:
        value, at = read_whole(data, size, at)
        return 0, 0, at if value == 1 else size + 1
    if key == _e:
        return _EVENT_BIT, 0, int(_event(data, size, at, letter))
    return -1, 0, at


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
    has = 0
    when = one = two = three = four = five = 0
    while True:
        key, at = key_of(data, size, at)
        if at > size:
            return odd
        bit, value, at = _of_any(data, size, at, key, letter, layout)
        if bit == 1:
            when = value
        elif bit < 0:
            if kind == 1:
                figure, value, at = _of_quote(data, size, at, key, layout)
            elif kind == 2:
                figure, value, at = _of_trade(data, size, at, key, letter, layout)
            else:
                bids = four if has & 16 else -1
                figure, value, at = _of_depth(data, size, at, key, layout, out, used, bids)
            bit = 1 << figure if figure >= 0 else 0
            if figure == 1:
                one = value
            elif figure == 2:
                two = value
            elif figure == 3:
                three = value
            elif figure == 4:
                four = value
            elif figure == 5:
                five = value
        if has & bit or at >= size:
            return odd
        has |= bit
        if byte(data, at) != 44:
            break
        at += 1
    if letter == _t:
        has |= _FIRST_BIT
    if expect(data, size, at, _END) != size or has != _NEED or when <= 0 or when >= MAX_MS:
        return odd
    return (when * NS, one, two, three, four, five) if min(two, three, four, five) >= 0 else odd


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
    # bookTicker, aggTrade, trade, kline
    elif name not in ((98 << 8) + 111, (97 << 8) + 103, (116 << 8) + 114, _KL):
        return other
    row = row_of(data, size, start, at, table)
    at = past_text(data, size, at)
    if row < 0 or at > size:
        return other
    at = expect(data, size, at, _DATA)
    if name == _KL:
        return (4, row, at, 0, 0, 0, 0, 0) if at < size else other
    a, b, c, d, e, f = _read(data, size, at, letter, table[row], out, used)
    return (_kind(letter), row, a, b, c, d, e, f) if a >= 0 else other


@numba.njit(cache=True)
def scan_at(data: bytes, desk: int) -> Found:
    """Scan a frame with what lies on a `desk`; levels become part of the room in use.

    Returns the kind, the row of the instrument and the six figures of `_read`; of `KLINE` only the
    place of the first field, for `candle`.
    """
    on = view(desk, 1, DESK)
    size = len(data)
    if size > MAX_FRAME_BYTES:
        return (0, 0, 0, 0, 0, 0, 0, 0)
    rows, out = view(on[0, 0], on[0, 1], WIDTH), view(on[0, 2], BLOCK, 2)
    found: Found = _scan(text_of(data), size, rows, out, on[0, 3])
    if found[0] == 3:
        on[0, 3] = found[7]
    return found
