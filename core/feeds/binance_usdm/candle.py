"""The quick way through USD-M's candles, of which a sample is in the spot `frames`."""

from __future__ import annotations

from typing import Final, TypeAlias

import numba
import numpy as np

from core.engine.compiled import view
from core.feeds.binance.digits import Text, byte, expect, read_whole, text_of
from core.feeds.binance.scan import (
    DESK,
    MAX_MS,
    NS,
    PRICE,
    SIZE,
    WIDTH,
    Layout,
    past_symbol,
    past_text,
    read_field,
)
from core.feeds.binance_usdm.scan import key_of, skipped

Candle: TypeAlias = tuple[int, int, int, int, int, int, int, int, bool]
"""Place and length of the interval, length 0 if something is odd; open time; open, high, low and
close in ticks; volume in lots; and whether it is closed."""

_TRUE: Final = np.frombuffer(b"true", np.uint8)
_FALSE: Final = np.frombuffer(b"false", np.uint8)
_END: Final = np.frombuffer(b"}}", np.uint8)
_KLINE: Final = np.frombuffer(b'"kline"', np.uint8)

# Keys as numbers, as `key_of` tells them.
_c, _e, _h, _i, _k, _l, _o, _s, _t, _v, _x = 99, 101, 104, 105, 107, 108, 111, 115, 116, 118, 120
_ST: Final = (115 << 8) + 116

_EVENT, _SYMBOL, _INNER, _PLAIN = 0, 1, 2, 11
_NEED: Final = (1 << _PLAIN) - 1
_INTERVAL: Final = 16
"""Most letters of an interval."""


@numba.njit(cache=True, forceinline=True)
def _outer(data: Text, size: int, at: int, key: int, layout: Layout) -> tuple[int, int]:
    """Return (which part, place after it) of a field around the candle."""
    if key == _e:
        return _EVENT, int(expect(data, size, at, _KLINE))
    if key == _s:
        if byte(data, at) != 34:
            return _PLAIN, size + 1
        at = past_symbol(data, size, at + 1, layout)
        return _SYMBOL, at + 1 if at < size and byte(data, at) == 34 else size + 1
    if key == _ST:
        value, at = read_whole(data, size, at)
        return _PLAIN, at if value == 1 else size + 1
    return _PLAIN, int(skipped(data, size, at))


@numba.njit(cache=True, forceinline=True)
def _part(data: Text, size: int, at: int, key: int, layout: Layout) -> tuple[int, int, int]:
    """Return (which part, its value, place after it) of a field of the candle."""
    if key == _t:
        value, at = read_whole(data, size, at)
        return 3, value, at if 0 < value < MAX_MS else size + 1
    if key == _i:
        end = past_text(data, size, at + 1) if byte(data, at) == 34 else size + 1
        return 4, at + 1, end + 1 if end < size and end - at - 1 <= _INTERVAL else size + 1
    if key == _x:
        value = 1 if byte(data, at) == 116 else 0
        return 5, value, int(expect(data, size, at, _TRUE if value else _FALSE))
    if key == _v:
        value, at = read_field(data, size, at, layout, SIZE)
        return 6, value, at
    if key in (_o, _h, _l, _c):
        value, at = read_field(data, size, at, layout, PRICE)
        return 7 if key == _o else 8 if key == _h else 9 if key == _l else 10, value, at
    return _PLAIN, 0, int(skipped(data, size, at))


@numba.njit(cache=True)
def _read(data: Text, size: int, at: int, layout: Layout) -> Candle:  # noqa: C901  one pass
    """Read the fields of a message of which `at` is the first, in any order."""
    odd = (0, 0, 0, 0, 0, 0, 0, 0, False)
    has = interval = length = opened = volume = first = high = low = last = 0
    closed = inner = False
    while True:
        key, at = key_of(data, size, at)
        if at >= size:
            return odd
        value = 0
        if inner:
            part, value, at = _part(data, size, at, key, layout)
        elif key == _k:
            part = _INNER
            inner = True
            at = at + 1 if byte(data, at) == 123 else size + 1
        else:
            part, at = _outer(data, size, at, key, layout)
        if at >= size or value < 0 or (part != _PLAIN and has >> part & 1):
            return odd
        has |= 1 << part
        if part == _INNER:
            continue
        if part == 3:
            opened = value * NS
        elif part == 4:
            interval, length = value, at - 1 - value
        elif part == 5:
            closed = value == 1
        elif part == 6:
            volume = value
        elif part == 7:
            first = value
        elif part == 8:
            high = value
        elif part == 9:
            low = value
        elif part == 10:
            last = value
        if inner and byte(data, at) == 125:
            inner = False
            at += 1
        if at >= size or byte(data, at) != 44:
            break
        at += 1
    if inner or expect(data, size, at, _END) != size or has & _NEED != _NEED:
        return odd
    return interval, length, opened, first, high, low, last, volume, closed


@numba.njit(cache=True)
def candle_at(data: bytes, desk: int, row: int, at: int) -> Candle:
    """Read a candle of the instrument in a row of what lies on a `desk`, from a place on."""
    on = view(desk, 1, DESK)
    layout = view(on[0, 0], on[0, 1], WIDTH)[row]
    found: Candle = _read(text_of(data), len(data), at, layout)
    return found
