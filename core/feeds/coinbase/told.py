"""Events of Coinbase's hot messages, made as they are read."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final, TypeAlias

import numba

from core.engine.best import left
from core.engine.called import called
from core.engine.compiled import Grid, view
from core.engine.made import (
    Object,
    delta,
    every,
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
from core.engine.stated import nil, ticker
from core.engine.steady import straight
from core.engine.valued import decimal
from core.feeds.binance.digits import text_of
from core.feeds.coinbase.counts import goes_on
from core.feeds.coinbase.scan import (
    BEAT,
    COUNTS,
    DAY,
    DAY_AT,
    DAY_LEAST,
    DAY_MOST,
    DESK,
    FIELDS,
    HELD,
    ROOM,
    SEEN,
    SLIP_AT,
    TICKER,
    TRADE,
    TRADES,
    UPDATE,
    USED,
    leave,
    remember_day,
    scan_at,
)
from core.feeds.levels import SLIP
from core.feeds.slips import DESK as LENT
from core.feeds.slips import NAME, foreign

Teller: TypeAlias = Callable[[bytes, int, int, int], Any]
"""Takes a message, the address of a `Desk`, its connection and when it came, and returns its
events, or None where Python is to make them of what was found."""

_ROWS: Final = 3
"""Rows of the room that a trade takes."""


@numba.njit(cache=True)
def _tell(  # noqa: C901  a way for each kind of message
    frame: bytes, place: int, conn: int, recv: Any
) -> Any:
    """Make what goes on as it did; all else is left to the decoder, its number not yet noted."""
    found = scan_at(frame, place)
    kind, row, ts_ns, number, a, b, c, d, changed = found
    desk = view(place, 1, DESK)[0]
    slip = view(desk[SLIP_AT], 1, SLIP)[0]
    if kind == UPDATE:
        if goes_on(desk[COUNTS], conn, number):
            if foreign(slip, conn):
                return nothing()
            sides = view(desk[ROOM] + 16 * a, b - a, 2), view(desk[ROOM] + 16 * b, c - b, 2)
            if straight(slip[LENT], taken(recv), number, number, -1, *sides):
                desk[USED] = a
                return nothing()
            bids = levels(desk[HELD], desk[ROOM], a, b)
            asks = levels(desk[HELD], desk[ROOM], b, c)
            return one(delta(slip[NAME], ts_ns, taken(recv), number, number, -1, bids, asks))
    elif kind == TICKER:
        if not changed:
            if goes_on(desk[COUNTS], conn, number):
                if left(slip[LENT], ts_ns, taken(recv), a, b, c, d, 0):
                    return nothing()
                return one(quote(slip[NAME], ts_ns, taken(recv), a, b, c, d, 0))
        elif _fits(desk) and goes_on(desk[COUNTS], conn, number):
            days = view(slip[DAY_AT], 1, DAY)[0]
            remember_day(text_of(frame), desk[FIELDS], desk[FIELDS + 1], days)
            events = several(2)
            events = put(events, 0, quote(slip[NAME], ts_ns, taken(recv), a, b, c, d, 0))
            return every(put(events, 1, _day(desk, slip[NAME], ts_ns, taken(recv))))
    elif kind == TRADE:
        if c == slip[SEEN] + 1 and goes_on(desk[COUNTS], conn, number):
            slip[SEEN] = c
            return one(trade(slip[NAME], ts_ns, taken(recv), a, b, d, c, 0))
    elif kind == TRADES and row >= 0:
        count = (b - a) // _ROWS
        rows = view(desk[ROOM] + 16 * a, count, 2 * _ROWS)
        if _consecutive(rows, slip[SEEN]) and goes_on(desk[COUNTS], conn, number):
            slip[SEEN] = c
            return _trades(rows, slip[NAME], taken(recv))
    elif kind == BEAT and goes_on(desk[COUNTS], conn, number):
        return nothing()
    leave(place, found)
    return unmade()


@numba.njit(cache=True, forceinline=True)
def _fits(desk: Grid) -> bool:
    """Return whether the statistics of the ticker read last can be remembered."""
    return bool(DAY_LEAST <= desk[FIELDS + 1] - desk[FIELDS] <= DAY_MOST)


@numba.njit(cache=True, forceinline=True)
def _day(desk: Grid, name: int, ts_ns: int, recv: int) -> Object:
    """Make the statistics of the ticker read last."""
    last = decimal(desk[FIELDS + 2], desk[FIELDS + 3])
    volume = decimal(desk[FIELDS + 4], desk[FIELDS + 5])
    low = decimal(desk[FIELDS + 6], desk[FIELDS + 7])
    high = decimal(desk[FIELDS + 8], desk[FIELDS + 9])
    return ticker(name, ts_ns, recv, last, nil(), high, low, volume, nil())


@numba.njit(cache=True)
def _consecutive(rows: Grid, last: int) -> bool:
    """Return whether trades, newest first, leave none out after the one of an id."""
    for index in range(rows.shape[0] - 1, -1, -1):
        last += 1
        if rows[index, 0] != last:
            return False
    return True


@numba.njit(cache=True)
def _trades(rows: Grid, name: int, recv: int) -> Any:
    """Make trades, which are read newest first and told oldest first."""
    count = rows.shape[0]
    events = several(count)
    for index in range(count):
        number, price, lots, ts_ns, _, sold = rows[count - 1 - index]
        events = put(events, index, trade(name, ts_ns, recv, price, lots, sold, number, 0))
    return every(events)


@numba.njit(cache=True)
def _left(frame: bytes, place: int) -> None:
    """Scan a message and leave all of it to Python."""
    leave(place, scan_at(frame, place))


@cache
def teller() -> Teller:
    """Compile or load the kernel, once a process."""
    if not hasattr(_tell, "overloads"):
        # numba is switched off (NUMBA_DISABLE_JIT), and Python makes all events.
        return lambda frame, place, conn, recv: _left(frame, place)
    compiled: Teller = called(_tell, 2)
    return compiled
