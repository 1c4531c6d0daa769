"""The quick way through Coinbase's messages: bytes to integers without a Python object on the way.

The scanner knows one spelling, the one the venue sends; all else it leaves to the decoder, which is
slower, takes any JSON and says what is wrong. What it does accept it reads exactly as the decoder
would. Samples are in `frames`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Final, TypeAlias

import numba
import numpy as np

from core.engine.compiled import Grid, address, entry, view
from core.feeds.binance.digits import byte, eight_bytes, read_whole, text_of
from core.feeds.coinbase.values import read_decimal, read_moment, read_steps
from core.feeds.levels import PLAN, SLIP, _number
from core.feeds.literals import literal, past, text_end
from core.feeds.slips import FREE
from core.feeds.symboltable import COLUMNS, find, symbol_table
from core.model.market import Levels

Found: TypeAlias = tuple[int, int, int, int, int, int, int, int, int]

FULL, OTHER, UPDATE, IMAGE, TICKER, TRADES, OLD_TRADES, CANDLES, BEAT, TRADE = range(-1, 9)
"""What was found; of `OTHER` it tells nothing, and `FULL` is a room too small to begin."""

MAX_FRAME_BYTES: Final = 32 << 20

BLOCK: Final = 1 << 14
"""Rows read into one array before the next is begun."""

_ROW_BYTES: Final = 16
"""What fills a row is never spelt in fewer."""

TABLE, SLOTS, ROOM, ROWS, USED, HELD, COUNTS, SLIP_AT, MOMENT, FIELDS, OUT = (
    0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 22,
)  # fmt: skip
"""A desk's figures: address and slots of the symbols, address, rows and rows in use of the room and
the array itself; address of the connections' `Counts`; address of the slip of the instrument read
last; the second last read; what `Desk.statistics` tells; and what was found."""

FOUND: Final = 9
"""Figures told of a message."""
DESK: Final = OUT + FOUND

SEEN: Final = FREE
"""Figure of a slip: the newest trade."""
DAY_AT: Final = FREE + 1
"""Figure of a slip: the address of what is remembered of the product's day."""

DAY: Final = 17
"""What is remembered of a product's last day: how many bytes it took, and their words."""

DAY_LEAST, DAY_MOST = 8, 8 * (DAY - 1)
"""How many bytes of a day can be remembered so."""

CANDLE_NS: Final = 300_000_000_000
"""The candles channel knows this length only."""

_SECOND_NS: Final = 1_000_000_000

_HEAD: Final = literal('{"channel":"')
_BOOK: Final = literal('l2_data"')
_TRADE: Final = literal('market_trades"')
_TICK: Final = literal('ticker","')
_CANDLE: Final = literal('candles"')
_BEAT: Final = literal('heartbeats"')
_CLIENT: Final = literal(',"client_id":""')
_STAMP: Final = literal(',"timestamp":"')
_NUMBER: Final = literal(',"sequence_num":')
_UPDATE: Final = literal(',"events":[{"type":"update","')
_SNAPSHOT: Final = literal(',"events":[{"type":"snapshot","')
_BOOK_PRODUCT: Final = literal('product_id":"')
_LINES: Final = literal('","updates":[')
_BID: Final = literal('{"side":"bid","event_time":"')
_OFFER: Final = literal('{"side":"offer","event_time":"')
_PRICE_LEVEL: Final = literal('","price_level":')
_QUANTITY: Final = literal(',"new_quantity":')
_LIST: Final = literal('trades":[')
_PRODUCT: Final = literal('{"product_id":"')
_TRADE_ID: Final = literal('","trade_id":"')
_PRICE: Final = literal('","price":')
_SIZE: Final = literal(',"size":')
_TIME: Final = literal(',"time":"')
_SELL: Final = literal(',"side":"SELL"}')
_BUY: Final = literal(',"side":"BUY"}')
_TICKERS: Final = literal('tickers":[{"type":"ticker","product_id":"')
_LAST: Final = literal('","price":"')
_VOLUME: Final = literal('","volume_24_h":"')
_LOW: Final = literal('","low_24_h":"')
_HIGH: Final = literal('","high_24_h":"')
_YEAR_LOW: Final = literal('","low_52_w":"')
_YEAR_HIGH: Final = literal('","high_52_w":"')
_CHANGE: Final = literal('","price_percent_chg_24_h":"')
_BEST_BID: Final = literal('","best_bid":')
_BEST_ASK: Final = literal(',"best_ask":')
_BID_SIZE: Final = literal(',"best_bid_quantity":')
_ASK_SIZE: Final = literal(',"best_ask_quantity":')
_BARS: Final = literal('candles":[')
_START: Final = literal('{"start":"')
_BAR_HIGH: Final = literal('","high":"')
_BAR_LOW: Final = literal('","low":"')
_BAR_OPEN: Final = literal('","open":"')
_BAR_CLOSE: Final = literal('","close":"')
_BAR_VOLUME: Final = literal('","volume":"')
_BAR_PRODUCT: Final = literal('","product_id":"')
_NOW: Final = literal(',"events":[{"current_time":"')
_COUNT: Final = literal('","heartbeat_counter":')


@numba.njit(cache=True, forceinline=True)
def _ends(data: bytes, size: int, at: int) -> bool:
    """Return whether a message ends here: behind its last row, in the last of its events."""
    if at + 4 != size:
        return False
    odd = (byte(data, at) ^ 93) | (byte(data, at + 1) ^ 125)
    odd |= (byte(data, at + 2) ^ 93) | (byte(data, at + 3) ^ 125)
    return bool(odd == 0)


@numba.njit(cache=True, forceinline=True)
def _past_time(data: bytes, size: int, at: int, known: int, width: int) -> int:
    """Return the place after a level's time and what follows it.

    `width` bytes at a place that is `known` are such a time, or none is known yet: of most levels
    it is the time of the one before.
    """
    end = at + width
    if width and end <= size:
        wrong = eight_bytes(data, end - 8) ^ eight_bytes(data, known + width - 8)
        for part in range(0, width - 8, 8):
            wrong |= eight_bytes(data, at + part) ^ eight_bytes(data, known + part)
        if not wrong:
            return end
    return int(past(data, size, text_end(data, size, at), _PRICE_LEVEL))


@numba.njit(cache=True)
def _lines(data: bytes, size: int, at: int, plan: Grid, out: Levels, n: int) -> tuple[int, int]:
    """Read all levels into `out` from row `n` on; returns (row after bids, row after offers).

    The venue lists bids before offers; -1 first for anything else.
    """
    places, unit, size_places, size_unit = plan[0, 0], plan[0, 1], plan[0, 2], plan[0, 3]
    bids = -1
    known = 0
    width = 0
    while True:
        start = past(data, size, at, _BID)
        if start <= size:
            if bids >= 0:
                return -1, 0
        else:
            start = past(data, size, at, _OFFER)
            if start > size:
                return -1, 0
            if bids < 0:
                bids = n
        at = _past_time(data, size, start, known, width)
        if at > size:
            return -1, 0
        width = at - start
        known = start
        price, at = _number(data, size, at, places, unit)
        if at < 0 or price == 0:
            return -1, 0
        at = past(data, size, at, _QUANTITY)
        if at > size:
            return -1, 0
        lots, at = _number(data, size, at, size_places, size_unit)
        if at < 0 or at + 1 >= size or byte(data, at) != 125:
            return -1, 0
        out[n, 0] = price
        out[n, 1] = lots
        n += 1
        if byte(data, at + 1) != 44:
            break
        at += 2
    if not _ends(data, size, at + 1):
        return -1, 0
    return bids if bids >= 0 else n, n


@numba.njit(cache=True)
def _book(
    data: bytes, size: int, at: int, table: Grid, out: Levels, used: int
) -> tuple[int, int, int]:
    """Return (slot, row after the bids, row after the asks), -1 first when it is odd."""
    slot, at = find(data, size, past(data, size, at, _BOOK_PRODUCT), table)
    at = past(data, size, at, _LINES)
    if at > size:
        return -1, 0, 0
    bids, end = _lines(data, size, at, view(table[slot, 5], 1, 4), out, used)
    return slot if bids >= 0 else -1, bids, end


@numba.njit(cache=True)
def _trades(
    data: bytes, size: int, at: int, table: Grid, out: Levels, n: int, last: Grid
) -> tuple[int, int, int]:
    """Read trades into three rows each from `n` on; returns (row after them, slot, newest id).

    A row is -1 when it is odd, and the slot where they are of several. The rows hold id and price,
    size and time, instrument and 1 if the taker sold.
    """
    odd = (-1, -1, 0)
    at = past(data, size, at, _LIST)
    of = -2
    newest = 0
    while True:
        slot, at = find(data, size, past(data, size, at, _PRODUCT), table)
        start = past(data, size, at, _TRADE_ID)
        if start > size:
            return odd
        plan = view(table[slot, 5], 1, 4)
        number, at = read_whole(data, size, start)
        if at - start > 15:
            return odd
        price, at = read_steps(data, size, past(data, size, at, _PRICE), plan[0, 0], plan[0, 1])
        lots, at = read_steps(data, size, past(data, size, at, _SIZE), plan[0, 2], plan[0, 3])
        ts_ns, at = read_moment(data, size, past(data, size, at, _TIME), last)
        sold = 0
        end = past(data, size, at, _SELL)
        if end > size:
            sold = 1
            end = past(data, size, at, _BUY)
        if end >= size or price <= 0 or lots <= 0:
            return odd
        out[n, 0] = number
        out[n, 1] = price
        out[n + 1, 0] = lots
        out[n + 1, 1] = ts_ns
        out[n + 2, 0] = table[slot, 6]
        out[n + 2, 1] = sold
        n += 3
        newest = max(newest, number)
        of = slot if of in (-2, slot) else -1
        if byte(data, end) != 44:
            return (n, of, newest) if _ends(data, size, end) else odd
        at = end + 1


@numba.njit(cache=True)
def _candles(data: bytes, size: int, at: int, table: Grid, out: Levels, n: int, now_ns: int) -> int:
    """Read candles into four rows each from `n` on; returns the row after them, -1 when odd.

    They hold instrument and start, open and high, low and close, volume and 1 if it is over.
    """
    at = past(data, size, at, _BARS)
    while True:
        start = past(data, size, at, _START)
        opened, at = read_whole(data, size, start)
        high_at = past(data, size, at, _BAR_HIGH)
        if high_at > size or at - start > 10:
            return -1
        # The instrument comes last, and only with it the numbers can be read.
        low_at = past(data, size, text_end(data, size, high_at), _BAR_LOW)
        open_at = past(data, size, text_end(data, size, low_at), _BAR_OPEN)
        close_at = past(data, size, text_end(data, size, open_at), _BAR_CLOSE)
        volume_at = past(data, size, text_end(data, size, close_at), _BAR_VOLUME)
        end = past(data, size, text_end(data, size, volume_at), _BAR_PRODUCT)
        slot, end = find(data, size, end, table)
        if end + 3 > size or byte(data, end + 1) != 125:
            return -1
        plan = view(table[slot, 5], 1, 4)
        places, unit = plan[0, 0], plan[0, 1]
        out[n, 0] = table[slot, 6]
        out[n, 1] = opened * _SECOND_NS
        worst = 0
        out[n + 1, 0], at = read_steps(data, size, open_at - 1, places, unit)
        worst = max(worst, at)
        out[n + 1, 1], at = read_steps(data, size, high_at - 1, places, unit)
        worst = max(worst, at)
        out[n + 2, 0], at = read_steps(data, size, low_at - 1, places, unit)
        worst = max(worst, at)
        out[n + 2, 1], at = read_steps(data, size, close_at - 1, places, unit)
        worst = max(worst, at)
        out[n + 3, 0], at = read_steps(data, size, volume_at - 1, plan[0, 2], plan[0, 3])
        worst = max(worst, at)
        out[n + 3, 1] = now_ns >= opened * _SECOND_NS + CANDLE_NS
        if worst > size:
            return -1
        n += 4
        if byte(data, end + 2) != 44:
            return n if _ends(data, size, end + 2) else -1
        at = end + 3


@numba.njit(cache=True)
def _same_day(data: bytes, size: int, at: int, days: Grid) -> bool:
    """Return whether a day's statistics are as those remembered, byte for byte."""
    length = days[0]
    if length == 0 or at + length > size:
        return False
    wrong = eight_bytes(data, at + length - 8) ^ np.uint64(days[DAY - 1])
    for part in range(0, length - 8, 8):
        wrong |= eight_bytes(data, at + part) ^ np.uint64(days[1 + (part >> 3)])
    return not wrong


@numba.njit(cache=True)
def _day(data: bytes, size: int, at: int, desk: Grid) -> int:
    """Read a day's statistics to the desk; returns the place of the quote after the last."""
    desk[FIELDS] = at
    desk[FIELDS + 2], desk[FIELDS + 3], at = read_decimal(data, size, at)
    at = past(data, size, at, _VOLUME)
    desk[FIELDS + 4], desk[FIELDS + 5], at = read_decimal(data, size, at)
    at = past(data, size, at, _LOW)
    desk[FIELDS + 6], desk[FIELDS + 7], at = read_decimal(data, size, at)
    at = past(data, size, at, _HIGH)
    desk[FIELDS + 8], desk[FIELDS + 9], at = read_decimal(data, size, at)
    desk[FIELDS + 1] = at
    return at


@numba.njit(cache=True)
def remember_day(data: bytes, start: int, end: int, days: Grid) -> None:
    """Remember a day's statistics, which fit."""
    length = end - start
    days[0] = length
    for part in range(0, length - 8, 8):
        days[1 + (part >> 3)] = np.int64(eight_bytes(data, start + part))
    days[DAY - 1] = np.int64(eight_bytes(data, end - 8))


@numba.njit(cache=True)
def _ticker(
    data: bytes, size: int, at: int, table: Grid, desk: Grid
) -> tuple[int, int, int, int, int, int]:
    """Return (slot, bid, its size, ask, its size, 1 if the day may be new), -1 first if odd."""
    odd = (-1, 0, 0, 0, 0, 0)
    slot, at = find(data, size, past(data, size, at, _TICKERS), table)
    at = past(data, size, at, _LAST)
    if at > size:
        return odd
    days = view(view(table[slot, 5] + 8 * PLAN, 1, SLIP)[0, DAY_AT], 1, DAY)[0]
    changed = 0
    if _same_day(data, size, at, days):
        at += days[0]
    else:
        changed = 1
        at = _day(data, size, at, desk)
    at = text_end(data, size, past(data, size, at, _YEAR_LOW))
    at = text_end(data, size, past(data, size, at, _YEAR_HIGH))
    at = text_end(data, size, past(data, size, at, _CHANGE))
    plan = view(table[slot, 5], 1, 4)
    places, unit, size_places, size_unit = plan[0, 0], plan[0, 1], plan[0, 2], plan[0, 3]
    bid, at = read_steps(data, size, past(data, size, at, _BEST_BID), places, unit)
    ask, at = read_steps(data, size, past(data, size, at, _BEST_ASK), places, unit)
    at = past(data, size, at, _BID_SIZE)
    bid_lots, at = read_steps(data, size, at, size_places, size_unit)
    at = past(data, size, at, _ASK_SIZE)
    ask_lots, at = read_steps(data, size, at, size_places, size_unit)
    if at >= size or byte(data, at) != 125 or not _ends(data, size, at + 1):
        return odd
    return slot, bid, bid_lots, ask, ask_lots, changed


@numba.njit(cache=True)
def _beats(data: bytes, size: int, at: int) -> bool:
    """Return whether a heartbeat is sound; nobody needs what it says."""
    at = past(data, size, text_end(data, size, past(data, size, at, _NOW)), _COUNT)
    quoted = at < size and byte(data, at) == 34
    _, at = read_whole(data, size, at + quoted)
    if quoted:
        if at >= size or byte(data, at) != 34:
            return False
        at += 1
    return (
        at + 3 == size
        and byte(data, at) == 125
        and byte(data, at + 1) == 93
        and (byte(data, at + 2) == 125)
    )


@numba.njit(cache=True, forceinline=True)
def _channel(data: bytes, size: int) -> tuple[int, int]:
    """Return (kind, place after the channel's closing quote), the kind as of an update."""
    at = past(data, size, 0, _HEAD)
    end = past(data, size, at, _BOOK)
    if end <= size:
        return 1, end
    end = past(data, size, at, _TICK)
    if end <= size:
        return 3, end - 2
    end = past(data, size, at, _TRADE)
    if end <= size:
        return 4, end
    end = past(data, size, at, _BEAT)
    if end <= size:
        return 7, end
    end = past(data, size, at, _CANDLE)
    return 6 if end <= size else 0, end


@numba.njit(cache=True)
def scan_at(  # noqa: C901  a way for each kind of message
    frame: bytes, place: int
) -> Found:
    """Read a message with what lies on a desk.

    Returns its kind, row of the instrument, time, number and five figures. Of books: the room's row
    where bids begin, where asks begin, where they end. Of a single trade, with its own time: price,
    size, id, 1 if the taker sold. Of trades and candles: where their rows begin and end, and the
    newest id of trades, whose row is -1 where they are of several instruments. Of tickers: bid, its
    size, ask, its size, 1 if the day may have changed.
    """
    other = (0, 0, 0, 0, 0, 0, 0, 0, 0)
    size = len(frame)
    data = text_of(frame)
    desk = view(place, 1, DESK)[0]
    kind, at = _channel(data, size)
    if kind == 0 or size > MAX_FRAME_BYTES:
        return other
    used = desk[USED]
    if (desk[ROWS] - used) * _ROW_BYTES < size:
        return (-1, 0, 0, 0, 0, 0, 0, 0, 0)
    after = past(data, size, at, _CLIENT)
    at = past(data, size, after if after <= size else at, _STAMP)
    last = desk[MOMENT : MOMENT + 4]
    ts_ns, at = read_moment(data, size, at, last)
    number, at = read_whole(data, size, past(data, size, at, _NUMBER))
    if at > size:
        return other
    if kind == 7:
        return (kind, 0, ts_ns, number, 0, 0, 0, 0, 0) if _beats(data, size, at) else other
    after = past(data, size, at, _UPDATE)
    old = after > size
    at = past(data, size, at, _SNAPSHOT) if old else after
    table = view(desk[TABLE], desk[SLOTS], COLUMNS)
    out = view(desk[ROOM], desk[ROWS], 2)
    if kind == 1:
        slot, middle, end = _book(data, size, at, table, out, used)
        if slot < 0:
            return other
        desk[USED] = end
        desk[SLIP_AT] = table[slot, 5] + 8 * PLAN
        return kind + old, table[slot, 6], ts_ns, number, used, middle, end, 0, 0
    if kind == 3:
        slot, bid, bid_lots, ask, ask_lots, changed = _ticker(data, size, at, table, desk)
        if slot < 0:
            return other
        desk[SLIP_AT] = table[slot, 5] + 8 * PLAN
        return kind, table[slot, 6], ts_ns, number, bid, bid_lots, ask, ask_lots, changed
    if kind == 4:
        end, slot, newest = _trades(data, size, at, table, out, used, last)
        if end < 0:
            return other
        row = -1
        if slot >= 0:
            row = table[slot, 6]
            desk[SLIP_AT] = table[slot, 5] + 8 * PLAN
        if end == used + 3 and not old:
            price, lots, sold = out[used, 1], out[used + 1, 0], out[used + 2, 1]
            return 8, row, out[used + 1, 1], number, price, lots, newest, sold, 0
        return kind + old, row, ts_ns, number, used, end, newest, 0, 0
    end = _candles(data, size, at, table, out, used, ts_ns)
    return (kind, 0, ts_ns, number, used, end, 0, 0, 0) if end >= 0 else other


@numba.njit(cache=True)
def _found(place: int) -> Found:
    """Return what `leave` left."""
    out = view(place + 8 * OUT, 1, FOUND)[0]
    return out[0], out[1], out[2], out[3], out[4], out[5], out[6], out[7], out[8]


@numba.njit(cache=True, forceinline=True)
def leave(place: int, found: Found) -> None:
    """Leave what was found for `compiled` to tell."""
    out = view(place + 8 * OUT, 1, FOUND)[0]
    out[0], out[1], out[2], out[3], out[4], out[5], out[6], out[7], out[8] = found


@cache
def compiled() -> Callable[[int], Found]:
    """Compile or load what tells of a message that was left, once a process.

    It takes the address of a `Desk`, and returns what `scan_at` does.
    """
    tell: Callable[[int], Found] = entry(_found, 0)
    return tell


class Desk:
    """The arrays a scanner works with; what it read stays valid as long as it is held.

    Args:
        counts: The address of the connections' `Counts`.
    """

    def __init__(self, counts: int) -> None:
        self._desk = np.zeros((1, DESK), np.int64)
        self.figures = memoryview(self._desk.data).cast("B").cast("q")
        """Its numbers, each at its place."""
        self.at = address(self._desk)
        """Where the scanner finds it, as long as this object lives."""
        self.figures[COUNTS] = counts
        self.learn([])
        self.renew(0)

    def learn(self, symbols: Iterable[tuple[str, int, int]]) -> None:
        """Take (symbol, address of its `SidePlan`, row) anew."""
        self._table = symbol_table(symbols)
        self.figures[TABLE] = address(self._table)
        self.figures[SLOTS] = len(self._table)

    def statistics(self) -> list[int]:
        """Return where the day of the last ticker begins and ends, and what it says.

        Of last price, volume, low and high the digits, and how many of them are decimals.
        """
        found: list[int] = self.figures[FIELDS : FIELDS + 10].tolist()
        return found

    def renew(self, size: int) -> None:
        """Begin a new room, in which a message of `size` bytes finds its place."""
        rows = max(BLOCK, size // _ROW_BYTES + 1)
        self.room: Levels = np.empty((rows, 2), np.int64)
        self.numbers = memoryview(self.room.data).cast("B").cast("q")
        """The room's numbers, row after row."""
        self.figures[ROOM] = address(self.room)
        self.figures[ROWS] = rows
        self.figures[USED] = 0
        self.figures[HELD] = id(self.room)
