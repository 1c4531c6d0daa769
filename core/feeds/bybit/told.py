"""Events of Bybit's hot messages, made as they are read."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numba

from core.engine.made import (
    delta,
    every,
    nothing,
    one,
    put,
    several,
    taken,
    trade,
    unmade,
)
from core.feeds.bybit.forms import BOOK, TICKER, TRADES
from core.feeds.desks import figures, rows, slip, told
from core.feeds.forms import ROW
from core.feeds.scanner import Teller, scanned, teller
from core.feeds.slips import FREE, NAME, owned

SEQ: Final = FREE
ID: Final = FREE + 1
"""Figures of a slip: the numbers of the newest book message."""


@numba.njit(cache=True)
def _tell(frame: bytes, place: int, conn: int, recv: Any) -> Any:
    """Make the change of a book that goes on as it did, and trades; all else is left."""
    form = scanned(frame, place)
    if form == BOOK:
        _, _, bids, asks, end, image, ts_ns, cross_ns, number, seq, topic, _ = told(place)
        of = slip(place)
        if owned(of, conn, topic) and not image and number != 1:
            of[SEQ], of[ID] = seq, number
            return one(
                delta(
                    of[NAME], cross_ns or ts_ns, taken(recv), number, number, -1,
                    rows(place, bids, asks), rows(place, asks, end),
                )
            )  # fmt: skip
    elif form == TICKER:
        # One that tells only of what other topics tell sooner is nothing new.
        return unmade() if told(place)[4] else nothing()
    elif form == TRADES:
        found = told(place)
        return _trades(found[2], found[4], slip(place)[NAME], place, taken(recv))
    return unmade()


@numba.njit(cache=True)
def _trades(start: int, end: int, name: int, place: int, recv: int) -> Any:
    """Make the trades of some rows of the room."""
    count = (end - start) * 2 // ROW
    told_of = figures(place, start, count)
    for index in range(count):
        _, price, lots, _, _, _ = told_of[index]
        if not price or not lots:
            return unmade()
    events = several(count)
    for index in range(count):
        ts_ns, price, lots, sold, number, _ = told_of[index]
        event = trade(name, ts_ns, recv, price, lots, sold, number, 0)
        events = put(events, index, event)
    return every(events)


@cache
def compiled() -> Teller:
    """Compile or load the kernel, once a process."""
    return teller(_tell)
