"""The quick way through Deribit's hot messages: bytes to numbers without any object on the way.

Keys come in any order, for the venue has moved and added some over the years. What is not as known
in every value is left to the decoder, which is slower, takes any JSON and says what is wrong; what
is accepted is read exactly as the decoder would. Samples are in `frames`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import cache
from typing import Final, TypeAlias

import numba
import numpy as np

from core.engine.compiled import Grid, address, entry, view
from core.feeds.binance.digits import byte, read_whole, text_of
from core.feeds.deribit.values import (
    key_table,
    past_null,
    past_object,
    past_scalar,
    read_key,
    read_number,
    steps_of,
)
from core.feeds.levels import _number
from core.feeds.literals import literal, past, text_end
from core.feeds.symboltable import COLUMNS, find, symbol_table
from core.model.market import Levels

BookFound: TypeAlias = tuple[int, int, int, int, int, int, int, int, int]
TickerFound: TypeAlias = tuple[
    int, int, int, int, int, int, int, int, int, int, int, int, int, int,
    float, float, float, float, float, float, float, float, float, float, float,
]  # fmt: skip

FULL, OTHER, CHANGE, IMAGE, TICKER, QUOTE = range(-1, 5)
"""What was found; of `OTHER` nothing more is told, and `FULL` is a room too small to begin."""

MAX_FRAME_BYTES: Final = 32 << 20

BLOCK: Final = 1 << 14
"""Rows read into one array before the next is begun."""

_ROW_BYTES: Final = 8
"""A level is never spelt in fewer."""

(
    MARK, INDEX, FUNDING, INTEREST, LAST, UNDERLYING, MARK_IV, BID_IV, ASK_IV,
    DELTA, GAMMA, VEGA, THETA, RHO, FUNDING_8H, BID, BID_SIZE, ASK, ASK_SIZE,
    STATS, GREEKS, _NAME, _TIME,
) = range(23)  # fmt: skip
"""Fields of a ticker; bit n of what is told of it says that the n-th was there and not null."""

_NUMBERS: Final = ASK_SIZE + 1
_NULLABLE: Final = (
    1 << MARK | 1 << INDEX | 1 << FUNDING | 1 << FUNDING_8H | 1 << INTEREST | 1 << LAST
    | 1 << BID | 1 << BID_SIZE | 1 << ASK | 1 << ASK_SIZE | 1 << STATS | 1 << GREEKS
)  # fmt: skip
_ALL_GREEKS: Final = 1 << DELTA | 1 << GAMMA | 1 << VEGA | 1 << THETA | 1 << RHO
_NEED: Final = 1 << _NAME | 1 << _TIME
_TICKER_KEYS: Final = key_table(
    {
        "mark_price": MARK, "index_price": INDEX, "current_funding": FUNDING,
        "funding_8h": FUNDING_8H, "open_interest": INTEREST, "last_price": LAST,
        "underlying_price": UNDERLYING, "mark_iv": MARK_IV, "bid_iv": BID_IV, "ask_iv": ASK_IV,
        "best_bid_price": BID, "best_bid_amount": BID_SIZE, "best_ask_price": ASK,
        "best_ask_amount": ASK_SIZE, "stats": STATS, "greeks": GREEKS, "instrument_name": _NAME,
        "timestamp": _TIME,
    }
)  # fmt: skip
_GREEK_KEYS: Final = key_table(
    {"delta": DELTA, "gamma": GAMMA, "vega": VEGA, "theta": THETA, "rho": RHO}
)

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

TABLE, SLOTS, ROOM, ROWS, USED, _VALUE = 0, 1, 2, 3, 4, 5
_PLACES: Final = _VALUE + _NUMBERS
DESK: Final = _PLACES + _NUMBERS
"""A desk's figures: address and slots of the symbols, address, rows and rows in use of the room;
then a ticker's numbers, and how many digits of each are decimals."""

NS: Final = 1_000_000
_MAX_MS: Final = 9_000_000_000_000
_TENS: Final = 10.0 ** np.arange(16)
_PLACE_BITS: Final = 5
_PLACE_MASK: Final = 31
_MINUS: Final = 6
"""The bit of a number's decimals that says there is a minus before it."""

_BOOK: Final = literal('{"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.')
_TICK: Final = literal('{"jsonrpc":"2.0","method":"subscription","params":{"channel":"ticker.')
_QUOTED: Final = literal('{"jsonrpc":"2.0","method":"subscription","params":{"channel":"quote.')
_DATA: Final = literal('","data":{')
_CHANGED: Final = literal('"change"')
_SNAPSHOT: Final = literal('"snapshot"')


@numba.njit(cache=True, forceinline=True)
def _ends(data: bytes, size: int, at: int) -> bool:
    """Return whether a message ends with its data, whose closing brace is here."""
    if at + 3 != size:
        return False
    odd = (byte(data, at) ^ 125) | (byte(data, at + 1) ^ 125) | (byte(data, at + 2) ^ 125)
    return bool(odd == 0)


@numba.njit(cache=True)
def _begin(data: bytes, size: int, at: int) -> tuple[int, int]:
    """Return (points in the rest of a channel's name, place of the first key of the data)."""
    end = text_end(data, size, at)
    points = 0
    if end <= size:
        while at < end:
            points += byte(data, at) == 46
            at += 1
    return points, int(past(data, size, end, _DATA))


@numba.njit(cache=True, forceinline=True)
def _named(data: bytes, size: int, at: int, table: Grid) -> tuple[int, int]:
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
def _book(  # noqa: C901  one pass over the fields
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
    points, at = _begin(data, size, past(data, size, 0, _BOOK))
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
            slot, at = _named(data, size, at, table)
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
    if not _ends(data, size, at) or (seen | 1 << 4) != 127 or when >= _MAX_MS or slot < 0:
        return other
    desk[USED] = used
    if before == 0:
        kind = 2
    return kind, table[slot, 6], when * NS, number, before, bids, bids_end, asks, asks_end


@numba.njit(cache=True)
def _greeks(data: bytes, size: int, at: int, desk: Grid) -> int:
    """Read ``{"delta":0.03127,...}`` to the desk; returns the place after it."""
    fail = size + 1
    if at >= size or byte(data, at) != 123:
        return fail
    seen = 0
    while True:
        key, at = read_key(data, size, at + 1, _GREEK_KEYS)
        if key >= 0:
            if seen >> key & 1:
                return fail
            seen |= 1 << key
            minus, value, places, at = read_number(data, size, at)
            desk[_VALUE + key] = value
            desk[_PLACES + key] = places | minus << _MINUS
        else:
            at = past_scalar(data, size, at)
        if at >= size:
            return fail
        if byte(data, at) != 44:
            break
    return at + 1 if byte(data, at) == 125 and seen == _ALL_GREEKS else fail


@numba.njit(cache=True)
def _fields(  # noqa: C901  one pass over the fields
    data: bytes, size: int, at: int, table: Grid, desk: Grid
) -> tuple[int, int, int, int, int]:
    """Read the fields of a ticker, numbers to the desk; -1 first when it is odd.

    Returns slot of the instrument, milliseconds, which fields there are, and where the statistics
    begin and end.
    """
    odd = (-1, 0, 0, 0, 0)
    slot = -1
    when = seen = nulls = start = stop = 0
    while True:
        key, at = read_key(data, size, at, _TICKER_KEYS)
        if at >= size:
            return odd
        if key < 0:
            at = past_scalar(data, size, at)
        else:
            if seen >> key & 1:
                return odd
            seen |= 1 << key
            if byte(data, at) == 110:
                # null
                nulls |= 1 << key
                start, stop = (at, at + 4) if key == 19 else (start, stop)
                at = past_null(data, size, at)
            elif key < 19:
                minus, value, places, at = read_number(data, size, at)
                desk[_VALUE + key] = value
                desk[_PLACES + key] = places | minus << _MINUS
            elif key == 19:
                start = at
                if byte(data, at) != 123:
                    return odd
                stop = at = past_object(data, size, at)
            elif key == 20:
                at = _greeks(data, size, at, desk)
                seen |= _ALL_GREEKS
            elif key == 21:
                slot, at = _named(data, size, at, table)
            else:
                when, at = read_whole(data, size, at)
        if at >= size:
            return odd
        if byte(data, at) != 44:
            break
        at += 1
    if not _ends(data, size, at) or seen & _NEED != _NEED or nulls & ~_NULLABLE or slot < 0:
        return odd
    if when >= _MAX_MS:
        return odd
    return slot, when * NS, seen & ~nulls, start, stop


@numba.njit(cache=True, forceinline=True)
def _steps(desk: Grid, has: int, field: int, plan: Grid, column: int) -> int:
    """Return a price or size in steps, 0 where there is none, -1 if it is not exact."""
    if not has >> field & 1:
        return 0
    if desk[_PLACES + field] >> _MINUS:
        return -1
    return int(steps_of(desk[_VALUE + field], desk[_PLACES + field], plan, column))


@numba.njit(cache=True, forceinline=True)
def _signed(desk: Grid, has: int, field: int) -> int:
    """Return the digits of a number with its sign, 0 where there is none."""
    if not has >> field & 1:
        return 0
    value = desk[_VALUE + field]
    return int(-value if desk[_PLACES + field] >> _MINUS else value)


@numba.njit(cache=True, forceinline=True)
def _double(desk: Grid, has: int, field: int, absent: float) -> float:
    """Return the double of a number: both parts are exact, so one division rounds rightly."""
    if not has >> field & 1:
        return absent
    value = desk[_VALUE + field] / _TENS[desk[_PLACES + field] & _PLACE_MASK]
    return float(-value if desk[_PLACES + field] >> _MINUS else value)


@numba.njit(cache=True, forceinline=True)
def _volatility(desk: Grid, has: int, field: int) -> float:
    """Return a fraction; the venue writes 0 for the volatility of a side without a price."""
    value = _double(desk, has, field, 0.0) / 100
    return value if value != 0.0 else np.nan


@numba.njit(cache=True)
def _ticker(frame: bytes, place: int) -> TickerFound:
    """Read a ticker or a quote with what lies on a desk.

    Returns its kind, row of the instrument, time, which fields there are, bid, its size, ask, its
    size, the digits of mark price, index price and funding, of each in five bits how many of them
    are decimals, where the statistics begin and end; and as floats: open interest, last price,
    volatilities of mark, bid and ask, delta, gamma, vega, theta, rho, price of the underlying.
    """
    nan = np.nan
    other = (
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan,
    )  # fmt: skip
    size = len(frame)
    data = text_of(frame)
    desk = view(place, 1, DESK)[0]
    kind = 3
    at = past(data, size, 0, _TICK)
    if at > size:
        kind = 4
        at = past(data, size, 0, _QUOTED)
    _, at = _begin(data, size, at)
    if at > size or size > MAX_FRAME_BYTES:
        return other
    table = view(desk[TABLE], desk[SLOTS], COLUMNS)
    slot, ts_ns, has, start, stop = _fields(data, size, at, table, desk)
    if slot < 0:
        return other
    plan = view(table[slot, 5], 1, 4)
    bid, bid_size = _steps(desk, has, 15, plan, 0), _steps(desk, has, 16, plan, 2)
    ask, ask_size = _steps(desk, has, 17, plan, 0), _steps(desk, has, 18, plan, 2)
    if min(bid, bid_size, ask, ask_size) < 0:
        return other
    for field in (0, 1, 2):
        if desk[_PLACES + field] >> _MINUS and desk[_VALUE + field] == 0 and has >> field & 1:
            # A minus before nothing would be lost.
            return other
    places = desk[_PLACES] & _PLACE_MASK
    places |= (desk[_PLACES + 1] & _PLACE_MASK) << _PLACE_BITS
    places |= (desk[_PLACES + 2] & _PLACE_MASK) << 2 * _PLACE_BITS
    return (
        kind, table[slot, 6], ts_ns, has, bid, bid_size, ask, ask_size,
        _signed(desk, has, 0), _signed(desk, has, 1), _signed(desk, has, 2), places, start, stop,
        _double(desk, has, 3, nan), _double(desk, has, 4, nan), _volatility(desk, has, 6),
        _volatility(desk, has, 7), _volatility(desk, has, 8), _double(desk, has, 9, nan),
        _double(desk, has, 10, nan), _double(desk, has, 11, nan), _double(desk, has, 12, nan),
        _double(desk, has, 13, nan), _double(desk, has, 5, nan),
    )  # fmt: skip


@cache
def compiled() -> tuple[Callable[[bytes, int], BookFound], Callable[[bytes, int], TickerFound]]:
    """Compile or load the scanners of books and of tickers, once a process.

    Both take a frame and the address of a `Desk`, and return what `_book` and `_ticker` do.
    """
    return entry(_book, b"{}", 0), entry(_ticker, b"{}", 0)


class Desk:
    """The arrays the scanners work with; what they read stays valid as long as it is held."""

    def __init__(self) -> None:
        self._desk = np.zeros((1, DESK), np.int64)
        self._figures = memoryview(self._desk.data).cast("B").cast("q")
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


TENTHS: Final = tuple(Decimal(1).scaleb(-places) for places in range(_PLACE_MASK + 1))
"""``-197 * TENTHS[5]`` is Decimal("-0.00197"), spelt as -0.00197 was."""
