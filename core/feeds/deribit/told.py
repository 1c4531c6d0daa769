"""Events of Deribit's hot messages, made as they are read."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final, TypeAlias

import numba
import numpy as np

from core.engine import slate
from core.engine.best import left, left_at
from core.engine.called import called
from core.engine.compiled import Grid, view
from core.engine.made import (
    Object,
    delta,
    every,
    image,
    levels,
    nothing,
    one,
    put,
    quote,
    several,
    taken,
    trade,
    unmade,
)
from core.engine.stated import interest, mark, nil, ticker
from core.engine.steady import straight
from core.engine.valued import decimal, greeks
from core.feeds.binance.digits import byte, text_of
from core.feeds.deribit.scan import (
    CHANGE,
    DESK,
    HELD,
    IMAGE,
    INVERSE,
    OUT,
    QUOTED,
    ROOM,
    SAID_AT,
    SEEN,
    SLIP_AT,
    USED,
    book_at,
    leave,
)
from core.feeds.deribit.tickers import (
    ASK,
    ASK_IV,
    ASK_SIZE,
    BID,
    BID_IV,
    BID_SIZE,
    DELTA,
    FUNDING,
    GAMMA,
    GREEKS,
    HIGH,
    INDEX,
    INTEREST,
    LAST,
    LOW,
    MARK,
    MARK_IV,
    NOTIONAL,
    RHO,
    SAID,
    SAID_LEAST,
    SAID_MOST,
    STATS,
    THETA,
    UNDERLYING,
    USD,
    VEGA,
    VOLUME,
    double,
    remember,
    same_number,
    same_statistics,
    shortest,
    spelt,
    statistics_at,
    steps,
    ticker_at,
    volatility,
)
from core.feeds.deribit.trades import ROW, trades_at
from core.feeds.levels import PLAN, SLIP
from core.feeds.slips import DESK as LENT
from core.feeds.slips import NAME, foreign, own

Teller: TypeAlias = Callable[[bytes, int, int, int], Any]
"""Takes a message, the address of a `Desk`, its connection and when it came, and returns its
events, or None where Python is to make them of what was found."""

_LETTER: Final = len(b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"b')
"""Where the second letter of a message's channel is, which tells them all apart."""
_BOOK, _TICKER, _QUOTE, _TRADE = ord("o"), ord("i"), ord("u"), ord("r")
_PRICED: Final = 1 << MARK | 1 << INDEX


@numba.njit(cache=True)
def _tell(frame: bytes, place: int, conn: int, recv: Any) -> Any:
    """Make books, tickers, quotes and trades; all else is left to the decoder."""
    letter = byte(text_of(frame), _LETTER) if len(frame) > _LETTER else 0
    desk = view(place, 1, DESK)[0]
    desk[OUT] = 0
    if letter == _BOOK:
        return _book(frame, place, conn, taken(recv))
    elif letter == _TICKER:
        return _tickers(frame, place, taken(recv))
    elif letter == _QUOTE:
        at, ts_ns, has, _, _ = ticker_at(frame, place, True)
        if at:
            bid, bid_lots, ask, ask_lots = _best(desk, at, has)
            if min(bid, bid_lots, ask, ask_lots) >= 0:
                slip = view(at + 8 * PLAN, 1, SLIP)[0]
                if left(slip[LENT], ts_ns, taken(recv), bid, bid_lots, ask, ask_lots, 0):
                    return nothing()
                name = slip[NAME]
                return one(quote(name, ts_ns, taken(recv), bid, bid_lots, ask, ask_lots, 0))
    elif letter == _TRADE:
        at, count = trades_at(frame, place)
        if at > 0:
            return _trades(desk, count, view(at + 8 * PLAN, 1, SLIP)[0], taken(recv))
        desk[OUT] = at
    return unmade()


@numba.njit(cache=True)
def _book(frame: bytes, place: int, conn: int, recv: int) -> Any:
    """Take the change of a book to a desk that is lent for it, or make it; or make an image."""
    found = book_at(frame, place)
    kind, _, ts_ns, number, before, bids, bids_end, asks, asks_end = found
    if kind != CHANGE and kind != IMAGE:
        leave(place, found)
        return unmade()
    desk = view(place, 1, DESK)[0]
    slip = view(desk[SLIP_AT], 1, SLIP)[0]
    room = desk[ROOM]
    if kind == CHANGE:
        if foreign(slip, conn):
            return nothing()
        sides = (
            view(room + 16 * bids, bids_end - bids, 2), view(room + 16 * asks, asks_end - asks, 2)
        )  # fmt: skip
        if straight(slip[LENT], recv, number, number, before, *sides):
            desk[USED] = min(bids, asks)
            return nothing()
    told = levels(desk[HELD], room, bids, bids_end), levels(desk[HELD], room, asks, asks_end)
    if kind == CHANGE:
        return one(delta(slip[NAME], ts_ns, recv, number, number, before, *told))
    own(slip, conn)
    return one(image(slip[NAME], ts_ns, recv, number, *told))


@numba.njit(cache=True)
def _trades(desk: Grid, count: int, slip: Grid, recv: int) -> Any:
    """Make trades of the room's free rows."""
    rows = view(desk[ROOM] + 16 * desk[USED], count, ROW)
    events = several(count)
    for index in range(count):
        number, price, lots, ts_ns, sold, _ = rows[index]
        event = trade(slip[NAME], ts_ns, recv, price, lots, sold, number, 0)
        events = put(events, index, event)
    slip[SEEN] = rows[count - 1, 0]
    return every(events)


@numba.njit(cache=True, forceinline=True)
def _best(desk: Grid, at: int, has: int) -> tuple[int, int, int, int]:
    """Return the best quotes of a ticker, one below 0 if it is not exact."""
    plan = view(at, 1, 4)
    return (
        steps(desk, has, BID, plan, 0), steps(desk, has, BID_SIZE, plan, 2),
        steps(desk, has, ASK, plan, 0), steps(desk, has, ASK_SIZE, plan, 2),
    )  # fmt: skip


@numba.njit(cache=True)
def _tickers(frame: bytes, place: int, recv: int) -> Any:
    """Make all that a ticker says, of open interest and day only what it says otherwise."""
    at, ts_ns, has, start, stop = ticker_at(frame, place, False)
    desk = view(place, 1, DESK)[0]
    if not at or (has >> STATS & 1 and not SAID_LEAST <= stop - start <= SAID_MOST):
        return unmade()
    slip = view(at + 8 * PLAN, 1, SLIP)[0]
    name, said = slip[NAME], view(slip[SAID_AT], 1, SAID)[0]
    contracts, last = double(desk, has, INTEREST, np.nan), double(desk, has, LAST, np.nan)
    fresh_day = not (same_number(said, 1, last) and same_statistics(frame, start, stop, said))
    fresh_interest = bool(has >> INTEREST & 1 and not same_number(said, 0, contracts))
    stated = statistics_at(frame, place, start, stop) if fresh_day else 0
    bid, bid_lots, ask, ask_lots = _best(desk, at, has)
    if min(bid, bid_lots, ask, ask_lots, stated) < 0:
        return unmade()
    best, priced, valued = not slip[QUOTED], has & _PRICED != 0, has >> GREEKS & 1 != 0
    said_new = fresh_day or fresh_interest or not has >> INTEREST & 1
    written, recv_ns = slate.slate_of(slip[LENT], recv)
    if written:
        # Where nobody awaits these, they are only written down.
        news = fresh_day, fresh_interest, valued
        _write(desk, has, stated, slip, written, ts_ns, recv_ns, news)
        fresh_day = fresh_interest = valued = False
        if priced and slate.spared(slip[LENT]):
            _put(desk, has, MARK, written, slate.MARKED)
            _put(desk, has, INDEX, written, slate.INDEX)
            _put(desk, has, FUNDING, written, slate.FUNDING)
            slate.written(written, slip[LENT], slate.MARK, ts_ns, recv_ns)
            priced = False
        if best and left_at(slip[LENT], ts_ns, recv_ns, bid, bid_lots, ask, ask_lots, 0):
            best = False
    events = several(best + priced + valued + fresh_interest + fresh_day)
    count = 0
    if best:
        events = put(events, 0, quote(name, ts_ns, recv, bid, bid_lots, ask, ask_lots, 0))
        count += 1
    if priced:
        events = put(events, count, _mark(desk, has, name, ts_ns, recv))
        count += 1
    if valued:
        events = put(events, count, _greeks(desk, has, name, ts_ns, recv))
        count += 1
    if fresh_interest:
        digits, places = shortest(desk, INTEREST)
        size = decimal(digits, places)
        events = put(events, count, interest(name, ts_ns, recv, size, nil()))
        count += 1
    if fresh_day:
        events = put(events, count, _day(desk, has, stated, slip[INVERSE] != 0, name, ts_ns, recv))
    if said_new:
        remember(frame, start, stop, contracts, last, said)
    return every(events)


@numba.njit(cache=True, forceinline=True)
def _decimal(desk: Grid, has: int, field: int) -> Object:
    """Make the decimal of a number as the venue spelt it, None where there is none."""
    if not has >> field & 1:
        return nil()
    digits, places = spelt(desk, field)
    return decimal(digits, places)


@numba.njit(cache=True)
def _mark(desk: Grid, has: int, name: int, ts_ns: int, recv: int) -> Object:
    """Make reference prices; funding flows all the time, and is told as its rate of eight hours."""
    price, index = _decimal(desk, has, MARK), _decimal(desk, has, INDEX)
    return mark(name, ts_ns, recv, price, index, _decimal(desk, has, FUNDING), 0)


@numba.njit(cache=True)
def _write(
    desk: Grid,
    has: int,
    stated: int,
    slip: Grid,
    written: int,
    ts_ns: int,
    recv_ns: int,
    which: tuple[bool, bool, bool],
) -> None:
    """Write down what a ticker says: of the day, of open interest, of an option's worth."""
    day, contracts, valued = which
    if day:
        if has >> LAST & 1:
            slate.value(written, slate.LAST, *shortest(desk, LAST))
        turnover = USD if stated >> USD & 1 else NOTIONAL
        volume = turnover if slip[INVERSE] else VOLUME
        _put(desk, stated, HIGH, written, slate.HIGH)
        _put(desk, stated, LOW, written, slate.LOW)
        _put(desk, stated, volume, written, slate.VOLUME)
        _put(desk, stated, turnover, written, slate.TURNOVER)
        slate.written(written, slip[LENT], slate.DAY, ts_ns, recv_ns)
    if contracts:
        slate.size(written, *shortest(desk, INTEREST))
        slate.written(written, slip[LENT], slate.INTEREST, ts_ns, recv_ns)
    if valued:
        slate.doubles(written, *_worth(desk, has))
        slate.written(written, slip[LENT], slate.GREEKS, ts_ns, recv_ns)


@numba.njit(cache=True, forceinline=True)
def _put(desk: Grid, has: int, field: int, written: int, which: int) -> None:
    """Write down a number as the venue spelt it, if there is one."""
    if has >> field & 1:
        slate.value(written, which, *spelt(desk, field))


@numba.njit(cache=True)
def _greeks(desk: Grid, has: int, name: int, ts_ns: int, recv: int) -> Object:
    """Make an option's values."""
    return greeks(name, ts_ns, recv, *_worth(desk, has))


@numba.njit(cache=True, forceinline=True)
def _worth(
    desk: Grid, has: int
) -> tuple[tuple[float, float, float], tuple[float, float, float, float, float], float]:
    """Return an option's volatilities, greeks and underlying."""
    ivs = (
        volatility(desk, has, MARK_IV), volatility(desk, has, BID_IV),
        volatility(desk, has, ASK_IV),
    )  # fmt: skip
    values = (
        double(desk, has, DELTA, np.nan), double(desk, has, GAMMA, np.nan),
        double(desk, has, VEGA, np.nan), double(desk, has, THETA, np.nan),
        double(desk, has, RHO, np.nan),
    )  # fmt: skip
    return ivs, values, double(desk, has, UNDERLYING, np.nan)


@numba.njit(cache=True)
def _day(
    desk: Grid, has: int, stated: int, inverse: bool, name: int, ts_ns: int, recv: int
) -> Object:
    """Make the statistics of a day.

    Its volume is counted in coin; inverse contracts are traded in the quote asset.
    """
    if has >> LAST & 1:
        digits, places = shortest(desk, LAST)
        last = decimal(digits, places)
    else:
        last = nil()
    turnover = USD if stated >> USD & 1 else NOTIONAL
    high, low = _decimal(desk, stated, HIGH), _decimal(desk, stated, LOW)
    volume = _decimal(desk, stated, turnover if inverse else VOLUME)
    return ticker(
        name, ts_ns, recv, last, nil(), high, low, volume, _decimal(desk, stated, turnover)
    )


@numba.njit(cache=True)
def _left(frame: bytes, place: int) -> None:
    """Scan a book and leave it to Python, and all else unread."""
    leave(place, book_at(frame, place))


@cache
def teller() -> Teller:
    """Compile or load the kernel, once a process."""
    if not hasattr(_tell, "overloads"):
        # numba is switched off (NUMBA_DISABLE_JIT), and Python makes all events.
        return lambda frame, place, conn, recv: _left(frame, place)
    compiled: Teller = called(_tell, 2)
    return compiled
