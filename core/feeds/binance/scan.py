"""The quick way through the hot messages: bytes to integers without a Python object on the way.

The scanners know one spelling, the one the venue sends; everything else they leave to the parser in
`parse`, which is slower, takes any JSON and says what is wrong. What they do accept they read
exactly as the parser would::

    {"stream":"nknusdt@depth@100ms","data":{"e":"depthUpdate","E":1633998512068,"s":"NKNUSDT",
     "U":499869750,"u":499869752,"b":[["0.35130000","6195.00000000"]],"a":[]}}
    {"stream":"btcusdt@bookTicker","data":{"u":50093239212,"s":"BTCUSDT","b":"61837.63000000",
     "B":"3.78826000","a":"61837.64000000","A":"1.54698000"}}
    {"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,
     "p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}

and candles, of which a sample is in `frames`.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, TypeAlias

import numba
import numpy as np
import numpy.typing as npt

from core.engine.compiled import address, view
from core.feeds.binance import tokens
from core.feeds.binance.digits import (
    MAX_DIGITS,
    Text,
    byte,
    eight_bytes,
    exact_steps,
    expect,
    inverse_of,
    read_steps,
    read_whole,
    text_of,
    width_of,
)
from core.model.market import Levels

Layout: TypeAlias = npt.NDArray[np.int64]
"""How to read one instrument: step digits, decimals and step in 1e-8 of price, the same of size,
how to divide by them, then the length of the venue's symbol and its words, lower case and as is."""

Names: TypeAlias = npt.NDArray[np.int64]
Table: TypeAlias = npt.NDArray[np.int64]
"""Layouts as rows, and in the last column a hash table of the rows by symbol: -1 is a free slot."""

OTHER, QUOTE, TRADE, DEPTH, KLINE, AGGREGATE = range(6)
"""What `scan` found. Of `AGGREGATE` it tells the kind only, and of `OTHER` nothing."""

MAX_FRAME_BYTES: Final = 8 << 20
"""A larger frame is refused unread; a full book is a tenth of it."""

BLOCK: Final = 1 << 13
"""Levels read into one array before the next is begun."""

MAX_MS: Final = 4_102_444_800_000
"""Event times are before the year 2100, or they are no milliseconds."""

OUT: Final = 7
DESK: Final = OUT + 7
"""A desk's figures: address of the `table`, its rows, address of the `room`, its rows in use;
address of the names of the table's instruments, and that of the array that the room is; address of
the places lent for the instruments' books, see `core.engine.steady.straight`; what was found."""

PRICE, SIZE, _EXACT, _LENGTH, _LOWER, _UPPER, WIDTH = 0, 3, 6, 12, 13, 16, 20
_SLOT: Final = WIDTH - 1
NS: Final = 1_000_000
MAX_SYMBOL: Final = 8 * (_UPPER - _LOWER)


def layout(symbol: str, price_tick: Decimal, size_lot: Decimal) -> Layout | None:
    """Return how to scan an instrument, None when its steps are beyond the scanners."""
    numbers: list[int] = []
    inverses: list[int] = []
    plain = symbol.replace("_", "")
    if not (plain.isascii() and plain.isalnum() and len(symbol) <= MAX_SYMBOL):
        return None
    for step in (price_tick, size_lot):
        exponent = step.normalize().as_tuple().exponent
        if not isinstance(exponent, int) or exponent < -MAX_DIGITS:
            return None
        decimals = max(0, -exponent)
        digits = int(step.scaleb(decimals))
        if digits >= 10**MAX_DIGITS:
            return None
        eighths = int(step.scaleb(8)) if decimals <= 8 and digits < 10**9 else 0
        numbers += [digits, decimals, eighths]
        inverses += inverse_of(eighths)
    plan = np.zeros(WIDTH, np.int64)
    plan[:_LENGTH] = numbers + inverses
    plan[_LENGTH] = len(symbol)
    plan[_LOWER:_UPPER] = _words(symbol.lower())
    plan[_UPPER:_SLOT] = _words(symbol)
    return plan


def _words(symbol: str) -> list[int]:
    """Return a symbol as `name_word` gives its parts."""
    parts = [symbol[at : at + 8].encode() for at in range(0, MAX_SYMBOL, 8)]
    return [int.from_bytes(bytes(byte ^ 48 for byte in part), "little") for part in parts]


def table(layouts: Sequence[Layout]) -> Table:
    """Return a table of layouts; the row of each is its place in the sequence."""
    slots = 4
    while slots < 2 * len(layouts):
        slots *= 2
    out = np.zeros((slots, WIDTH), np.int64)
    out[:, _SLOT] = -1
    for row, plan in enumerate(layouts):
        out[row, :_SLOT] = plan[:_SLOT]
        value = np.uint64(0)
        for part in range((int(plan[_LENGTH]) + 7) // 8):
            value = np.uint64(_mixed(value, np.uint64(plan[_LOWER + part])))
        slot = int(value >> np.uint64(40)) & (slots - 1)
        while out[slot, _SLOT] >= 0:
            slot = (slot + 1) & (slots - 1)
        out[slot, _SLOT] = row
    return out


@numba.njit(cache=True, forceinline=True)
def _mixed(value: np.uint64, word: np.uint64) -> np.uint64:
    """Return a hash with one more word in it, good in the high bits."""
    return (value ^ word) * np.uint64(0x9E3779B97F4A7C15)


@numba.njit(cache=True, forceinline=True)
def _name_word(data: Text, at: int, left: int) -> np.uint64:
    """Return the next eight bytes of a name as a word, zeros behind its end; 1 or more are left."""
    return eight_bytes(data, at) & (
        np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(64 - 8 * min(left, 8))
    )


@numba.njit(cache=True, forceinline=True)
def _is_name(data: Text, size: int, at: int, length: int, layout: Layout, words: int) -> bool:
    """Return whether a name is the one whose words stand in a layout from a column on."""
    if layout[_LENGTH] != length or at + ((length + 7) & ~7) > size:
        return False
    wrong = np.uint64(0)
    for part in range((length + 7) >> 3):
        word = _name_word(data, at + 8 * part, length - 8 * part)
        wrong |= word ^ np.uint64(layout[words + part])
    return bool(wrong == np.uint64(0))


@numba.njit(cache=True, forceinline=True)
def row_of(data: Text, size: int, start: int, stop: int, table: Table) -> int:
    """Return the row of the lower-case symbol between two places, -1 when there is none."""
    length = stop - start
    if length < 1 or length > MAX_SYMBOL or start + MAX_SYMBOL > size:
        return -1
    value = np.uint64(0)
    for part in range((length + 7) >> 3):
        value = _mixed(value, _name_word(data, start + 8 * part, length - 8 * part))
    mask = table.shape[0] - 1
    slot = int(value >> np.uint64(40)) & mask
    while table[slot, _SLOT] >= 0:
        row = table[slot, _SLOT]
        if _is_name(data, size, start, length, table[row], _LOWER):
            return int(row)
        slot = (slot + 1) & mask
    return -1


@numba.njit(cache=True, forceinline=True)
def past_text(data: Text, size: int, at: int) -> int:
    """Return the place of the quote that ends a text, beyond the end if the text is odd."""
    while at < size and byte(data, at) != 34:
        # A control character or an escape is for the parser to judge, and so is UTF-8.
        if byte(data, at) < 32 or byte(data, at) == 92 or byte(data, at) > 126:
            return size + 1
        at += 1
    return at


@numba.njit(cache=True, forceinline=True)
def past_symbol(data: Text, size: int, at: int, layout: Layout) -> int:
    """Return the place after the instrument's own symbol, beyond the end if it is another."""
    length = int(layout[_LENGTH])
    return at + length if _is_name(data, size, at, length, layout, _UPPER) else size + 1


@numba.njit(cache=True, forceinline=True)
def read_field(data: Text, size: int, at: int, layout: Layout, field: int) -> tuple[int, int]:
    """Return (steps, place after it) of a quoted price or size."""
    found: tuple[int, int] = read_steps(
        data, size, at, layout[field], layout[field + 1], layout[field + 2]
    )
    return found


@numba.njit(cache=True)
def read_levels(
    data: Text, size: int, at: int, layout: Layout, out: Levels, n: int
) -> tuple[int, int]:
    """Read ``["p","q"],...`` into `out` from row `n`; returns (next row, place after them).

    A level is first read as if its numbers had as many digits as those of the level before: then
    no byte of it waits for another one to be understood.
    """
    fail = size + 1
    if at < size and byte(data, at) == 93:
        return n, at
    step, decimals, eighths = layout[0], layout[1], layout[2]
    lot, lot_decimals, lot_eighths = layout[3], layout[4], layout[5]
    inverse, turn, most = layout[_EXACT], layout[_EXACT + 1], layout[_EXACT + 2]
    lot_inverse, lot_turn, lot_most = layout[_EXACT + 3], layout[_EXACT + 4], layout[_EXACT + 5]
    quick = eighths > 0 and lot_eighths > 0
    wide = slim = 1
    least = 0
    while True:
        if n >= out.shape[0]:
            return n, fail
        point = at + 2 + wide
        dot = point + 12 + slim
        if quick and dot + 11 <= size:
            odd = (byte(data, at) ^ 91) | (byte(data, at + 1) ^ 34) | (byte(data, point) ^ 46)
            odd |= (byte(data, point + 9) ^ 34) | (byte(data, point + 10) ^ 44)
            odd |= (byte(data, point + 11) ^ 34) | (byte(data, dot) ^ 46)
            odd |= (byte(data, dot + 9) ^ 34) | (byte(data, dot + 10) ^ 93)
            if odd == 0:
                whole, fraction = eight_bytes(data, at + 2), eight_bytes(data, point + 1)
                price = exact_steps(whole, fraction, wide, inverse, turn)
                whole, fraction = eight_bytes(data, point + 12), eight_bytes(data, dot + 1)
                lots = exact_steps(whole, fraction, slim, lot_inverse, lot_turn)
                if price <= np.uint64(most) and lots <= np.uint64(lot_most):
                    least = min(least, int(price) - 1)
                    out[n, 0] = price
                    out[n, 1] = lots
                    n += 1
                    at = dot + 11
                    if at >= size or byte(data, at) != 44:
                        return n, at if least == 0 else fail
                    at += 1
                    continue
        if at >= size or byte(data, at) != 91:
            return n, fail
        wide = width_of(data, size, at + 1)
        value, at = read_steps(data, size, at + 1, step, decimals, eighths)
        if at >= size or byte(data, at) != 44:
            return n, fail
        least = min(least, value - 1)
        out[n, 0] = value
        slim = width_of(data, size, at + 1)
        value, at = read_steps(data, size, at + 1, lot, lot_decimals, lot_eighths)
        if at >= size or byte(data, at) != 93:
            return n, fail
        least = min(least, value)
        out[n, 1] = value
        n += 1
        at += 1
        if at >= size or byte(data, at) != 44:
            return n, at if least == 0 else fail
        at += 1


@numba.njit(cache=True)
def _depth(
    data: Text, size: int, at: int, layout: Layout, out: Levels, used: int
) -> tuple[int, int, int, int, int]:
    """Return (number of bids, of asks, E, U, u), -1 first when odd; levels go behind `used`."""
    event, at = read_whole(data, size, expect(data, size, at, tokens.DEPTH_HEAD))
    at = past_symbol(data, size, expect(data, size, at, tokens.SYMBOL), layout)
    first, at = read_whole(data, size, expect(data, size, at, tokens.FIRST))
    last, at = read_whole(data, size, expect(data, size, at, tokens.LAST))
    bids, at = read_levels(data, size, expect(data, size, at, tokens.BIDS), layout, out, used)
    total, at = read_levels(data, size, expect(data, size, at, tokens.ASKS), layout, out, bids)
    # The closing bracket of the asks, then the two braces.
    if at >= size or byte(data, at) != 93:
        return -1, 0, 0, 0, 0
    at = expect(data, size, at + 1, tokens.END)
    if at != size or event <= 0 or event >= MAX_MS:
        return -1, 0, 0, 0, 0
    return bids - used, total - bids, event, first, last


@numba.njit(cache=True)
def _quote(data: Text, size: int, at: int, layout: Layout) -> tuple[int, int, int, int, int]:
    """Return (u, bid, bid size, ask, ask size), -1 first when odd."""
    update, at = read_whole(data, size, expect(data, size, at, tokens.QUOTE_HEAD))
    at = past_symbol(data, size, expect(data, size, at, tokens.SYMBOL), layout)
    bid, at = read_field(data, size, expect(data, size, at, tokens.BID), layout, PRICE)
    bid_lots, at = read_field(data, size, expect(data, size, at, tokens.BID_SIZE), layout, SIZE)
    ask, at = read_field(data, size, expect(data, size, at, tokens.ASK), layout, PRICE)
    ask_lots, at = read_field(data, size, expect(data, size, at, tokens.ASK_SIZE), layout, SIZE)
    if expect(data, size, at, tokens.END) != size or min(bid, bid_lots, ask, ask_lots) < 0:
        return -1, 0, 0, 0, 0
    return update, bid, bid_lots, ask, ask_lots


@numba.njit(cache=True)
def _trade(data: Text, size: int, at: int, layout: Layout) -> tuple[int, int, int, int, int]:
    """Return (T, t, price, size, 1 if the buyer was the maker), -1 first when odd."""
    _, at = read_whole(data, size, expect(data, size, at, tokens.TRADE_HEAD))
    at = past_symbol(data, size, expect(data, size, at, tokens.SYMBOL), layout)
    number, at = read_whole(data, size, expect(data, size, at, tokens.TRADE_ID))
    price, at = read_field(data, size, expect(data, size, at, tokens.TRADE_PRICE), layout, PRICE)
    lots, at = read_field(data, size, expect(data, size, at, tokens.TRADE_SIZE), layout, SIZE)
    event, at = read_whole(data, size, expect(data, size, at, tokens.TRADE_TIME))
    maker = 1
    after = expect(data, size, at, tokens.SOLD)
    if after > size:
        maker = 0
        after = expect(data, size, at, tokens.BOUGHT)
    end = expect(data, size, after, tokens.TRUE)
    if end != size:
        end = expect(data, size, after, tokens.FALSE)
    if end != size or event <= 0 or event >= MAX_MS or price <= 0 or lots <= 0:
        return -1, 0, 0, 0, 0
    return event, number, price, lots, maker


@numba.njit(cache=True)
def _kline(
    data: Text, size: int, at: int, layout: Layout, out: Levels, used: int
) -> tuple[int, int, int, int, int]:
    """Return (1 if the candle is over, interval, t, 0, 0), -1 first when odd.

    The interval is its bytes as a number, the first highest. Open, high, low, close, volume and a
    0 go into three rows of `out` from `used` on.
    """
    odd = (-1, 0, 0, 0, 0)
    _, at = read_whole(data, size, expect(data, size, at, tokens.KLINE_HEAD))
    at = past_symbol(data, size, expect(data, size, at, tokens.SYMBOL), layout)
    opened, at = read_whole(data, size, expect(data, size, at, tokens.CANDLE))
    _, at = read_whole(data, size, expect(data, size, at, tokens.CANDLE_END))
    at = past_symbol(data, size, expect(data, size, at, tokens.SYMBOL), layout)
    at = expect(data, size, at, tokens.INTERVAL)
    interval = 0
    while at < size and 48 <= byte(data, at) <= 122 and interval < 1 << 24:
        interval = (interval << 8) + byte(data, at)
        at += 1
    _, at = read_whole(data, size, expect(data, size, at, tokens.FIRST_TRADE))
    _, at = read_whole(data, size, expect(data, size, at, tokens.LAST_TRADE))
    first, at = read_field(data, size, expect(data, size, at, tokens.OPEN), layout, PRICE)
    last, at = read_field(data, size, expect(data, size, at, tokens.CLOSE), layout, PRICE)
    high, at = read_field(data, size, expect(data, size, at, tokens.HIGH), layout, PRICE)
    low, at = read_field(data, size, expect(data, size, at, tokens.LOW), layout, PRICE)
    volume, at = read_field(data, size, expect(data, size, at, tokens.VOLUME), layout, SIZE)
    _, at = read_whole(data, size, expect(data, size, at, tokens.TRADES))
    over = 1
    after = expect(data, size, at, tokens.OVER)
    if after > size:
        over = 0
        after = expect(data, size, at, tokens.FORMING)
    # Turnover and takers' parts are not used, whatever text they are.
    at = expect(data, size, past_text(data, size, after), tokens.TAKER)
    at = expect(data, size, past_text(data, size, at), tokens.TAKER_QUOTE)
    at = expect(data, size, past_text(data, size, at), tokens.UNUSED)
    at = expect(data, size, past_text(data, size, at), tokens.KLINE_END)
    if at != size or opened <= 0 or opened >= MAX_MS or used + 3 > out.shape[0]:
        return odd
    if min(first, last, high, low, volume) < 0:
        return odd
    out[used, 0] = first
    out[used, 1] = high
    out[used + 1, 0] = low
    out[used + 1, 1] = last
    out[used + 2, 0] = volume
    out[used + 2, 1] = 0
    return over, interval, opened, 0, 0


@numba.njit(cache=True, forceinline=True)
def scan(
    data: bytes, table: Table, out: Levels, used: int
) -> tuple[int, int, int, int, int, int, int]:
    """Read a frame of a combined stream.

    Returns its kind, the row of its instrument and five figures in ticks, lots and milliseconds:
    `QUOTE`: u, bid, bid size, ask, ask size; `TRADE`: T, t, price, size, 1 if the buyer was the
    maker; `DEPTH`: number of bids and of asks in `out` from row `used` on, E, U, u; `KLINE`: see
    `_kline`. What is not spelt as known, not exact, or has no room in `out`, is `OTHER`.
    """
    other = (0, 0, 0, 0, 0, 0, 0)
    size = len(data)
    if size > MAX_FRAME_BYTES:
        return other
    text = text_of(data)
    start = expect(text, size, 0, tokens.HEAD)
    at = start
    while at < size and byte(text, at) != 64:
        at += 1
        if at - start > MAX_SYMBOL:
            return other
    if at + 2 >= size:
        return other
    letter = byte(text, at + 1)
    if letter == 97:  # aggTrade
        return (5, 0, 0, 0, 0, 0, 0)
    row = row_of(text, size, start, at, table)
    at = past_text(text, size, at)
    if row < 0 or at > size:
        return other
    kind = 0
    a, b, c, d, e = -1, 0, 0, 0, 0
    if letter == 98:  # bookTicker
        kind = 1
        a, b, c, d, e = _quote(text, size, at, table[row])
    elif letter == 116:  # trade
        kind = 2
        a, b, c, d, e = _trade(text, size, at, table[row])
    elif letter == 100:  # depth
        kind = 3
        a, b, c, d, e = _depth(text, size, at, table[row], out, used)
    elif letter == 107:  # kline
        kind = 4
        a, b, c, d, e = _kline(text, size, at, table[row], out, used)
    return (kind, row, a, b, c, d, e) if a >= 0 else other


@numba.njit(cache=True)
def scan_at(data: bytes, desk: int) -> tuple[int, int, int, int, int, int, int]:
    """Do `scan` with what lies on a `desk`, where what is found stays.

    Levels become part of the room in use; `DEPTH` gives the rows where the bids and the asks end.
    Times of `DEPTH` and `TRADE` are in nanoseconds.
    """
    on = view(desk, 1, DESK)[0]
    used = on[3]
    found = scan(data, view(on[0], on[1], WIDTH), view(on[2], BLOCK, 2), used)
    kind, row, a, b, c, d, e = found
    if kind == 2:
        a *= NS
    elif kind == 3:
        a += used
        b += a
        c *= NS
        on[3] = b
    on[OUT], on[OUT + 1], on[OUT + 2], on[OUT + 3] = kind, row, a, b
    on[OUT + 4], on[OUT + 5], on[OUT + 6] = c, d, e
    return kind, row, a, b, c, d, e


def desk(
    rows: Table, out: Levels, used: int, names: Names | None = None, lent: Names | None = None
) -> Levels:
    """Return the array that tells the scanner where its arrays lie; hold on to all of them.

    `names` are the addresses of the names of the table's instruments, for kernels that make events,
    and `lent` the places lent for their books.
    """
    named = 0 if names is None else address(names)
    places = [address(rows), len(rows), address(out), used, named, id(out)]
    places.append(0 if lent is None else address(lent))
    return np.array([[*places, *[0] * (DESK - OUT)]], np.int64)


def room() -> Levels:
    """Return an array into which depth messages are read, one behind the other."""
    return np.empty((BLOCK, 2), np.int64)
