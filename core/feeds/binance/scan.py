"""The quick way through a depth message: bytes to levels without a Python object per level.

The scanner knows one spelling, the one the venue sends; everything else it leaves to the parser in
`parse`, which is slower, takes any JSON and says what is wrong. What it does accept it must read
exactly as the parser would::

    {"stream":"nknusdt@depth@100ms","data":{"e":"depthUpdate","E":1633998512068,"s":"NKNUSDT",
     "U":499869750,"u":499869752,"b":[["0.35130000","6195.00000000"]],"a":[]}}
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, TypeAlias

import numba
import numpy as np
import numpy.typing as npt

from core.model.market import Levels

Layout: TypeAlias = npt.NDArray[np.int64]
"""How to read one instrument: price step digits and decimals, the same of size, its symbol."""


def _token(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8)


_HEAD: Final = _token('{"stream":"')
_DATA: Final = _token('","data":{"e":"depthUpdate","E":')
_SYMBOL: Final = _token(',"s":"')
_FIRST: Final = _token('","U":')
_LAST: Final = _token(',"u":')
_BIDS: Final = _token(',"b":[')
_ASKS: Final = _token('],"a":[')
_END: Final = _token("]}}")
_MAX_DIGITS: Final = 18

MAX_MS: Final = 4_102_444_800_000
"""Event times are before the year 2100, or they are no milliseconds."""


def layout(symbol: str, price_tick: Decimal, size_lot: Decimal) -> Layout | None:
    """Return how to scan an instrument, None when its steps are beyond the scanner."""
    numbers: list[int] = []
    for step in (price_tick, size_lot):
        exponent = step.normalize().as_tuple().exponent
        if not isinstance(exponent, int) or exponent < -_MAX_DIGITS:
            return None
        decimals = max(0, -exponent)
        digits = int(step.scaleb(decimals))
        if digits >= 10**_MAX_DIGITS:
            return None
        numbers += [digits, decimals]
    return np.array([*numbers, len(symbol), *symbol.encode()], np.int64)


@numba.njit(cache=True)
def _expect(data: bytes, at: int, token: npt.NDArray[np.uint8]) -> int:
    """Return the place after `token`, or a place beyond the end if it is not here."""
    if at + len(token) > len(data):
        return len(data) + 1
    for index in range(len(token)):
        if data[at + index] != token[index]:
            return len(data) + 1
    return at + len(token)


@numba.njit(cache=True)
def _whole(data: bytes, at: int) -> tuple[int, int]:
    """Return (value, place after it) of digits, place beyond the end if there are none or many."""
    value = 0
    start = at
    size = len(data)
    while at < size and 48 <= data[at] <= 57:
        value = value * 10 + (data[at] - 48)
        at += 1
        if at - start > _MAX_DIGITS:
            return 0, size + 1
    # JSON has no leading zeros; the parser shall say so.
    if at == start or (data[start] == 48 and at - start > 1):
        return 0, size + 1
    return value, at


@numba.njit(cache=True)
def _steps(  # noqa: C901  one pass over the digits, inlined
    data: bytes, at: int, step: int, decimals: int
) -> tuple[int, int]:
    """Return (steps, place after the closing quote) of a quoted decimal that is exact in steps."""
    size = len(data)
    fail = size + 1
    if at >= size or data[at] != 34:
        return 0, fail
    at += 1
    start = at
    value = 0
    digits = 0
    while at < size and 48 <= data[at] <= 57:
        value = value * 10 + (data[at] - 48)
        if value:
            digits += 1
        at += 1
        if digits > _MAX_DIGITS or at - start > 40:
            return 0, fail
    if at == start:
        return 0, fail
    kept = 0
    if at < size and data[at] == 46:
        at += 1
        start = at
        while at < size and 48 <= data[at] <= 57:
            digit = data[at] - 48
            if kept < decimals:
                value = value * 10 + digit
                kept += 1
                if value:
                    digits += 1
                if digits > _MAX_DIGITS:
                    return 0, fail
            elif digit:
                return 0, fail
            at += 1
        if at == start or at - start > 40:
            return 0, fail
    while kept < decimals:
        value *= 10
        kept += 1
        if value:
            digits += 1
        if digits > _MAX_DIGITS:
            return 0, fail
    if at >= size or data[at] != 34:
        return 0, fail
    if step != 1:
        if value % step:
            return 0, fail
        value //= step
    return value, at + 1


@numba.njit(cache=True)
def _levels(data: bytes, at: int, layout: Layout, out: Levels, n: int) -> tuple[int, int]:
    """Read ``["p","q"],...`` into `out` from row `n`; returns (next row, place after them)."""
    size = len(data)
    fail = size + 1
    if at < size and data[at] == 93:
        return n, at
    while True:
        if at >= size or data[at] != 91 or n >= out.shape[0]:
            return n, fail
        price, at = _steps(data, at + 1, layout[0], layout[1])
        if at >= size or data[at] != 44:
            return n, fail
        lots, at = _steps(data, at + 1, layout[2], layout[3])
        if at >= size or data[at] != 93 or price <= 0:
            return n, fail
        out[n, 0] = price
        out[n, 1] = lots
        n += 1
        at += 1
        if at >= size or data[at] != 44:
            return n, at
        at += 1


@numba.njit(cache=True)
def scan_depth(data: bytes, layout: Layout, out: Levels) -> tuple[int, int, int, int, int]:
    """Read a depth message into `out`, bids then asks.

    Returns (number of bids, number of asks, E, U, u), with -1 first when it is not spelt as known.
    """
    size = len(data)
    at = _expect(data, 0, _HEAD)
    while at < size and data[at] != 34:
        # A control character or an escape is for the parser to judge, and so is UTF-8.
        if data[at] < 32 or data[at] == 92 or data[at] > 126:
            return -1, 0, 0, 0, 0
        at += 1
    at = _expect(data, at, _DATA)
    event, at = _whole(data, at)
    at = _expect(data, at, _SYMBOL)
    length = layout[4]
    if at + length > size:
        return -1, 0, 0, 0, 0
    for index in range(length):
        if data[at + index] != layout[5 + index]:
            return -1, 0, 0, 0, 0
    at = _expect(data, at + length, _FIRST)
    first, at = _whole(data, at)
    at = _expect(data, at, _LAST)
    last, at = _whole(data, at)
    at = _expect(data, at, _BIDS)
    bids, at = _levels(data, at, layout, out, 0)
    at = _expect(data, at, _ASKS)
    total, at = _levels(data, at, layout, out, bids)
    at = _expect(data, at, _END)
    if at != size or event <= 0 or event >= MAX_MS:
        return -1, 0, 0, 0, 0
    return bids, total - bids, event, first, last


def warm() -> None:
    """Compile or load the scanner with the types used."""
    scan_depth(b"{}", np.zeros(8, np.int64), np.zeros((1, 2), np.int64))
