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

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cache
from typing import Any, Final, TypeAlias

import numba
import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import intrinsic, overload

from core.engine.compiled import address, entry, view
from core.feeds.binance import tokens
from core.model.market import Levels

Layout: TypeAlias = npt.NDArray[np.int64]
"""How to read one instrument: step digits, decimals and step in 1e-8 of price, the same of size,
then the length of the venue's symbol and its bytes."""

Table: TypeAlias = npt.NDArray[np.int64]
"""Layouts as rows, and in the last column a hash table of the rows by symbol: -1 is a free slot."""

Text: TypeAlias = bytes
"""To the compiled code a bare pointer: it is not counted, and two registers pass a frame."""

OTHER, QUOTE, TRADE, DEPTH, KLINE, AGGREGATE = range(6)
"""What `scan` found. Of `AGGREGATE` it tells the kind only, and of `OTHER` nothing."""

MAX_FRAME_BYTES: Final = 8 << 20
"""A larger frame is refused unread; a full book is a tenth of it."""

BLOCK: Final = 1 << 13
"""Levels read into one array before the next is begun."""

MAX_MS: Final = 4_102_444_800_000
"""Event times are before the year 2100, or they are no milliseconds."""

DESK: Final = 4
"""A desk's figures: address of the `table`, its rows, address of the `room`, its rows in use."""

_PRICE, _SIZE, _NAME, _WIDTH = 0, 3, 6, 32
_SLOT: Final = _WIDTH - 1
_MAX_SYMBOL: Final = _SLOT - _NAME - 1
_MAX_DIGITS: Final = 18
_MAX_LENGTH: Final = 40
_TENS: Final = 10 ** np.arange(8, dtype=np.int64)


def layout(symbol: str, price_tick: Decimal, size_lot: Decimal) -> Layout | None:
    """Return how to scan an instrument, None when its steps are beyond the scanners."""
    numbers: list[int] = []
    if not (symbol.isascii() and symbol.isalnum() and len(symbol) <= _MAX_SYMBOL):
        return None
    for step in (price_tick, size_lot):
        exponent = step.normalize().as_tuple().exponent
        if not isinstance(exponent, int) or exponent < -_MAX_DIGITS:
            return None
        decimals = max(0, -exponent)
        digits = int(step.scaleb(decimals))
        if digits >= 10**_MAX_DIGITS:
            return None
        eighths = int(step.scaleb(8)) if decimals <= 8 and digits < 10**9 else 0
        numbers += [digits, decimals, eighths]
    plan = np.zeros(_WIDTH, np.int64)
    plan[:_NAME] = numbers
    plan[_NAME] = len(symbol)
    plan[_NAME + 1 : _NAME + 1 + len(symbol)] = list(symbol.encode())
    return plan


def table(layouts: Sequence[Layout]) -> Table:
    """Return a table of layouts; the row of each is its place in the sequence."""
    slots = 4
    while slots < 2 * len(layouts):
        slots *= 2
    out = np.zeros((slots, _WIDTH), np.int64)
    out[:, _SLOT] = -1
    for row, plan in enumerate(layouts):
        out[row, :_SLOT] = plan[:_SLOT]
        symbol = bytes(plan[_NAME + 1 : _NAME + 1 + plan[_NAME]].tolist()).lower()
        slot = _hash(symbol, 0, len(symbol)) & (slots - 1)
        while out[slot, _SLOT] >= 0:
            slot = (slot + 1) & (slots - 1)
        out[slot, _SLOT] = row
    return out


@intrinsic
def _pointer(typing: Any, data: Any) -> Any:  # the signature is numba's
    """Give the compiled code the address of the first of some bytes."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return context.make_helper(builder, signature.args[0], values[0]).data

    return types.CPointer(types.uint8)(data), generate


@intrinsic
def _load(typing: Any, data: Any, at: Any) -> Any:
    """Load eight bytes that need not be aligned as one number, the first byte lowest."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        word = context.get_value_type(types.uint64)
        place = builder.gep(values[0], [values[1]], source_etype=values[0].type.pointee)
        return builder.load(builder.bitcast(place, word.as_pointer()), align=1)

    return types.uint64(types.CPointer(types.uint8), types.int64), generate


def _text(data: bytes) -> Text:
    """Return bytes as the functions here read them, while the caller holds them."""
    return data


@overload(_text)
def _compiled_text(data: Any) -> Callable[[Any], Any]:
    def text(data: Any) -> Any:
        return _pointer(data)

    return text


def _word(data: Text, at: int) -> np.uint64:
    """Return eight bytes less "0" each, the first lowest; they must all be there."""
    return np.uint64(int.from_bytes(data[at : at + 8], "little") ^ 0x3030303030303030)


@overload(_word)
def _compiled_word(data: Any, at: Any) -> Callable[[Any, Any], Any]:
    def word(data: Any, at: Any) -> Any:
        return _load(data, at) ^ np.uint64(0x3030303030303030)

    return word


@numba.njit(cache=True, forceinline=True)
def _byte(data: Text, at: int) -> int:
    """Return the byte at a place that is never negative: numba need not look for that."""
    return data[np.uint64(at)]


@numba.njit(cache=True, forceinline=True)
def _expect(data: Text, size: int, at: int, token: npt.NDArray[np.uint8]) -> int:
    """Return the place after `token`, or a place beyond the end if it is not here."""
    if at + len(token) > size:
        return size + 1
    wrong = 0
    for index in range(len(token)):
        wrong |= _byte(data, at + index) ^ token[np.uint64(index)]
    return size + 1 if wrong else at + len(token)


@numba.njit(cache=True, forceinline=True)
def _digits(word: np.uint64) -> np.int64:
    """Return how many bytes of a `_word` are digits before the first that is none."""
    # A sum overflows into later bytes only, and only behind the first that is no digit.
    odd = (word | (word + np.uint64(0x7676767676767676))) & np.uint64(0x8080808080808080)
    before = (odd - np.uint64(1)) & ~odd & np.uint64(0x8080808080808080)
    return np.int64(((before >> np.uint64(7)) * np.uint64(0x0101010101010101)) >> np.uint64(56))


@numba.njit(cache=True, forceinline=True)
def _eight(word: np.uint64) -> np.int64:
    """Return the value of a `_word` of eight digits."""
    # Pairs, then fours, then all eight are joined by multiplications.
    word = word * np.uint64(10) + (word >> np.uint64(8))
    mask = np.uint64(0x000000FF000000FF)
    high = (word & mask) * np.uint64(0x000F424000000064)
    low = ((word >> np.uint64(16)) & mask) * np.uint64(0x0000271000000001)
    return np.int64((high + low) >> np.uint64(32))


@numba.njit(cache=True, forceinline=True)
def _few(word: np.uint64, digits: int) -> np.int64:
    """Return the value of the first digits of a `_word`, at most seven."""
    # Zeros are put before them; in two steps, for a word cannot be shifted by 64.
    value: np.int64 = _eight((word << np.uint64(56 - 8 * digits)) << np.uint64(8))
    return value


@numba.njit(cache=True, forceinline=True)
def _whole(data: Text, size: int, at: int) -> tuple[int, int]:
    """Return (value, place after it) of digits, place beyond the end if there are none or many."""
    if at + 16 <= size:
        word = _word(data, at)
        count = _digits(word)
        if 0 < count < 8:
            # JSON has no leading zeros; the parser shall say so.
            if count > 1 and _byte(data, at) == 48:
                return 0, size + 1
            return int(_few(word, count)), at + count
        if count == 8 and _byte(data, at) != 48:
            rest = _word(data, at + 8)
            more = _digits(rest)
            if more < 8:
                tens = _TENS[np.uint64(more)]
                return int(_eight(word) * tens + _few(rest, more)), at + 8 + more
    found: tuple[int, int] = _any_whole(data, size, at)
    return found


@numba.njit(cache=True)
def _any_whole(data: Text, size: int, at: int) -> tuple[int, int]:
    """Do the work of `_whole` for any number of digits at any place."""
    value = 0
    start = at
    while at < size and 48 <= _byte(data, at) <= 57:
        value = value * 10 + _byte(data, at) - 48
        at += 1
        if at - start > _MAX_DIGITS:
            return 0, size + 1
    if at == start or (_byte(data, start) == 48 and at - start > 1):
        return 0, size + 1
    return value, at


@numba.njit(cache=True)
def _any_steps(  # noqa: C901  one pass over the digits
    data: Text, size: int, at: int, step: int, decimals: int
) -> tuple[int, int]:
    """Return (steps, place after the closing quote) of an exact decimal; `at` is after the first.

    Any number of digits; a place beyond the end when it is no plain number or not exact.
    """
    fail = size + 1
    start = at
    value = 0
    digits = 0
    while at < size and 48 <= _byte(data, at) <= 57:
        value = value * 10 + _byte(data, at) - 48
        if value:
            digits += 1
        at += 1
        if digits > _MAX_DIGITS or at - start > _MAX_LENGTH:
            return 0, fail
    if at == start:
        return 0, fail
    kept = 0
    if at < size and _byte(data, at) == 46:
        at += 1
        start = at
        while at < size and 48 <= _byte(data, at) <= 57:
            digit = _byte(data, at) - 48
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
        if at == start or at - start > _MAX_LENGTH:
            return 0, fail
    while kept < decimals:
        value *= 10
        kept += 1
        if value:
            digits += 1
        if digits > _MAX_DIGITS:
            return 0, fail
    if at >= size or _byte(data, at) != 34 or value % step:
        return 0, fail
    return value // step, at + 1


@numba.njit(cache=True, forceinline=True)
def _steps(
    data: Text, size: int, at: int, step: int, decimals: int, eighths: int
) -> tuple[int, int]:
    """Return (steps, place after the closing quote) of a quoted decimal.

    Steps are negative or the place is beyond the end when it is not exact in steps.
    """
    if at >= size or _byte(data, at) != 34:
        return 0, size + 1
    start = at + 1
    # Binance writes eight decimals nearly always.
    if eighths and start + 8 <= size:
        word = _word(data, start)
        count = _digits(word)
        point = start + count
        if (
            0 < count < 8
            and point + 10 <= size
            and _byte(data, point) == 46
            and _byte(data, point + 9) == 34
        ):
            fraction = _word(data, point + 1)
            if _digits(fraction) == 8:
                value = np.uint64(_few(word, count) * 100_000_000 + _eight(fraction))
                each = np.uint64(eighths)
                steps = value // each
                # The next field is read meanwhile, so its place must not hang on the division.
                return int(np.int64(steps) if steps * each == value else -1), point + 10
    found: tuple[int, int] = _any_steps(data, size, start, step, decimals)
    return found


@numba.njit(cache=True, forceinline=True)
def _hash(data: Text, start: int, stop: int) -> int:
    value = 0
    for index in range(start, stop):
        value = (value * 31 + _byte(data, index)) & 0xFFFFFFFF
    return value


@numba.njit(cache=True, forceinline=True)
def _row(data: Text, start: int, stop: int, table: Table) -> int:
    """Return the row of the lower-case symbol between two places, -1 when there is none."""
    mask = table.shape[0] - 1
    slot = _hash(data, start, stop) & mask
    while table[slot, _SLOT] >= 0:
        row = table[slot, _SLOT]
        if table[row, _NAME] == stop - start:
            same = True
            for index in range(stop - start):
                letter = table[row, _NAME + 1 + index]
                if 65 <= letter <= 90:
                    letter += 32
                if letter != _byte(data, start + index):
                    same = False
                    break
            if same:
                return int(row)
        slot = (slot + 1) & mask
    return -1


@numba.njit(cache=True, forceinline=True)
def _stream(data: Text, size: int, at: int) -> int:
    """Return the place of the quote that ends the stream's name, beyond the end if it is odd."""
    while at < size and _byte(data, at) != 34:
        # A control character or an escape is for the parser to judge, and so is UTF-8.
        if _byte(data, at) < 32 or _byte(data, at) == 92 or _byte(data, at) > 126:
            return size + 1
        at += 1
    return at


@numba.njit(cache=True, forceinline=True)
def _symbol(data: Text, size: int, at: int, layout: Layout) -> int:
    """Return the place after the instrument's own symbol, beyond the end if it is another."""
    length = int(layout[_NAME])
    if at + length > size:
        return size + 1
    for index in range(length):
        if _byte(data, at + index) != layout[_NAME + 1 + index]:
            return size + 1
    return at + length


@numba.njit(cache=True, forceinline=True)
def _field(data: Text, size: int, at: int, layout: Layout, field: int) -> tuple[int, int]:
    """Return (steps, place after it) of a quoted price or size."""
    found: tuple[int, int] = _steps(
        data, size, at, layout[field], layout[field + 1], layout[field + 2]
    )
    return found


@numba.njit(cache=True)
def _levels(data: Text, size: int, at: int, layout: Layout, out: Levels, n: int) -> tuple[int, int]:
    """Read ``["p","q"],...`` into `out` from row `n`; returns (next row, place after them)."""
    fail = size + 1
    if at < size and _byte(data, at) == 93:
        return n, at
    step, decimals, eighths = layout[0], layout[1], layout[2]
    lot, lot_decimals, lot_eighths = layout[3], layout[4], layout[5]
    least = 0
    while True:
        if at >= size or _byte(data, at) != 91 or n >= out.shape[0]:
            return n, fail
        price, at = _steps(data, size, at + 1, step, decimals, eighths)
        if at >= size or _byte(data, at) != 44:
            return n, fail
        lots, at = _steps(data, size, at + 1, lot, lot_decimals, lot_eighths)
        if at >= size or _byte(data, at) != 93:
            return n, fail
        least = min(least, price - 1, lots)
        out[n, 0] = price
        out[n, 1] = lots
        n += 1
        at += 1
        if at >= size or _byte(data, at) != 44:
            return n, at if least == 0 else fail
        at += 1


@numba.njit(cache=True)
def _depth(
    data: Text, size: int, at: int, layout: Layout, out: Levels, used: int
) -> tuple[int, int, int, int, int]:
    """Return (number of bids, of asks, E, U, u), -1 first when odd; levels go behind `used`."""
    event, at = _whole(data, size, _expect(data, size, at, tokens.DEPTH_HEAD))
    at = _symbol(data, size, _expect(data, size, at, tokens.SYMBOL), layout)
    first, at = _whole(data, size, _expect(data, size, at, tokens.FIRST))
    last, at = _whole(data, size, _expect(data, size, at, tokens.LAST))
    bids, at = _levels(data, size, _expect(data, size, at, tokens.BIDS), layout, out, used)
    total, at = _levels(data, size, _expect(data, size, at, tokens.ASKS), layout, out, bids)
    # The closing bracket of the asks, then the two braces.
    if at >= size or _byte(data, at) != 93:
        return -1, 0, 0, 0, 0
    at = _expect(data, size, at + 1, tokens.END)
    if at != size or event <= 0 or event >= MAX_MS:
        return -1, 0, 0, 0, 0
    return bids - used, total - bids, event, first, last


@numba.njit(cache=True)
def _quote(data: Text, size: int, at: int, layout: Layout) -> tuple[int, int, int, int, int]:
    """Return (u, bid, bid size, ask, ask size), -1 first when odd."""
    update, at = _whole(data, size, _expect(data, size, at, tokens.QUOTE_HEAD))
    at = _symbol(data, size, _expect(data, size, at, tokens.SYMBOL), layout)
    bid, at = _field(data, size, _expect(data, size, at, tokens.BID), layout, _PRICE)
    bid_lots, at = _field(data, size, _expect(data, size, at, tokens.BID_SIZE), layout, _SIZE)
    ask, at = _field(data, size, _expect(data, size, at, tokens.ASK), layout, _PRICE)
    ask_lots, at = _field(data, size, _expect(data, size, at, tokens.ASK_SIZE), layout, _SIZE)
    if _expect(data, size, at, tokens.END) != size or min(bid, bid_lots, ask, ask_lots) < 0:
        return -1, 0, 0, 0, 0
    return update, bid, bid_lots, ask, ask_lots


@numba.njit(cache=True)
def _trade(data: Text, size: int, at: int, layout: Layout) -> tuple[int, int, int, int, int]:
    """Return (T, t, price, size, 1 if the buyer was the maker), -1 first when odd."""
    _, at = _whole(data, size, _expect(data, size, at, tokens.TRADE_HEAD))
    at = _symbol(data, size, _expect(data, size, at, tokens.SYMBOL), layout)
    number, at = _whole(data, size, _expect(data, size, at, tokens.TRADE_ID))
    price, at = _field(data, size, _expect(data, size, at, tokens.TRADE_PRICE), layout, _PRICE)
    lots, at = _field(data, size, _expect(data, size, at, tokens.TRADE_SIZE), layout, _SIZE)
    event, at = _whole(data, size, _expect(data, size, at, tokens.TRADE_TIME))
    maker = 1
    after = _expect(data, size, at, tokens.SOLD)
    if after > size:
        maker = 0
        after = _expect(data, size, at, tokens.BOUGHT)
    end = _expect(data, size, after, tokens.TRUE)
    if end != size:
        end = _expect(data, size, after, tokens.FALSE)
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
    _, at = _whole(data, size, _expect(data, size, at, tokens.KLINE_HEAD))
    at = _symbol(data, size, _expect(data, size, at, tokens.SYMBOL), layout)
    opened, at = _whole(data, size, _expect(data, size, at, tokens.CANDLE))
    _, at = _whole(data, size, _expect(data, size, at, tokens.CANDLE_END))
    at = _symbol(data, size, _expect(data, size, at, tokens.SYMBOL), layout)
    at = _expect(data, size, at, tokens.INTERVAL)
    interval = 0
    while at < size and 48 <= _byte(data, at) <= 122 and interval < 1 << 24:
        interval = (interval << 8) + _byte(data, at)
        at += 1
    _, at = _whole(data, size, _expect(data, size, at, tokens.FIRST_TRADE))
    _, at = _whole(data, size, _expect(data, size, at, tokens.LAST_TRADE))
    first, at = _field(data, size, _expect(data, size, at, tokens.OPEN), layout, _PRICE)
    last, at = _field(data, size, _expect(data, size, at, tokens.CLOSE), layout, _PRICE)
    high, at = _field(data, size, _expect(data, size, at, tokens.HIGH), layout, _PRICE)
    low, at = _field(data, size, _expect(data, size, at, tokens.LOW), layout, _PRICE)
    volume, at = _field(data, size, _expect(data, size, at, tokens.VOLUME), layout, _SIZE)
    _, at = _whole(data, size, _expect(data, size, at, tokens.TRADES))
    over = 1
    after = _expect(data, size, at, tokens.OVER)
    if after > size:
        over = 0
        after = _expect(data, size, at, tokens.FORMING)
    # Turnover and takers' parts are not used, whatever text they are.
    at = _expect(data, size, _stream(data, size, after), tokens.TAKER)
    at = _expect(data, size, _stream(data, size, at), tokens.TAKER_QUOTE)
    at = _expect(data, size, _stream(data, size, at), tokens.UNUSED)
    at = _expect(data, size, _stream(data, size, at), tokens.KLINE_END)
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
    text = _text(data)
    start = _expect(text, size, 0, tokens.HEAD)
    at = start
    while at < size and _byte(text, at) != 64:
        at += 1
        if at - start > _MAX_SYMBOL:
            return other
    if at + 2 >= size:
        return other
    letter = _byte(text, at + 1)
    if letter == 97:  # aggTrade
        return (5, 0, 0, 0, 0, 0, 0)
    row = _row(text, start, at, table)
    at = _stream(text, size, at)
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
def _scan_at(data: bytes, desk: int) -> tuple[int, int, int, int, int, int, int]:
    """Do `scan` with what lies on a `desk`: one address is handed over quicker than four."""
    on = view(desk, 1, DESK)
    found: tuple[int, int, int, int, int, int, int] = scan(
        data, view(on[0, 0], on[0, 1], _WIDTH), view(on[0, 2], BLOCK, 2), on[0, 3]
    )
    return found


Scan: TypeAlias = Callable[[bytes, int], tuple[int, int, int, int, int, int, int]]


@cache
def compiled() -> Scan:
    """Compile or load the scanner, once a process.

    It takes a frame and the address of a `desk`.
    """
    rows, out = table([]), room()
    on = desk(rows, out, 0)
    return entry(_scan_at, b"{}", address(on))


def desk(rows: Table, out: Levels, used: int) -> Levels:
    """Return the array that tells the scanner where its arrays lie; hold on to all three."""
    return np.array([[address(rows), len(rows), address(out), used]], np.int64)


def room() -> Levels:
    """Return an array into which depth messages are read, one behind the other."""
    return np.empty((BLOCK, 2), np.int64)


def warm() -> None:
    """Compile or load the scanner with the types used, so that the first frame does not wait."""
    compiled()
