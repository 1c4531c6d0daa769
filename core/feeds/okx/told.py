"""Events of OKX's hot messages, made as they are read."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numba

from core.engine.best import left
from core.engine.made import (
    checked,
    delta,
    every,
    nothing,
    one,
    put,
    quote,
    several,
    taken,
    trade,
    unmade,
)
from core.engine.slate import DAY, day_of, slate_of, written
from core.engine.stated import dropped, looked_up, nil, ticker
from core.engine.steady import straight
from core.feeds.desks import bare, free, level, rows, slip, texts, told, values
from core.feeds.jsonbytes import hash_of
from core.feeds.levels import text
from core.feeds.okx.checksum import compared
from core.feeds.okx.forms import BEST, BOOK, TICKER, TRADE
from core.feeds.scanner import Teller, scanned, teller
from core.feeds.slips import DESK as LENT
from core.feeds.slips import FREE, NAME, owned

SINGLE: Final = FREE
QUOTED_NS: Final = FREE + 1
"""Figures of a slip: 1 if single fills come in; venue time of the newest quote."""

_SPOT: Final = hash_of("SPOT")
_MARGIN: Final = hash_of("MARGIN")
_STATED: Final = 6


@numba.njit(cache=True)
def _tell(frame: bytes, place: int, conn: int, recv: Any) -> Any:
    """Make the update of a book that goes on as it did, a trade, best prices and a ticker."""
    form = scanned(frame, place)
    on = told(place)
    if form == BOOK:
        return _book(place, conn, taken(recv))
    if form == TRADE:
        _, _, ts_ns, number, price, lots, sold, single, count, _, _, _ = on
        of = slip(place)
        if price and lots and 0 < count <= number:
            first = number - count + 1
            if single:
                of[SINGLE] = 1
                first = 0
            elif of[SINGLE]:
                return nothing()
            return one(trade(of[NAME], ts_ns, taken(recv), price, lots, sold, number, first))
    elif form == BEST:
        _, _, asks, bids, end, ts_ns, number, _, _, _, _, _ = on
        if asks == bids or bids == end:
            # Half a quote is none.
            return nothing()
        of = slip(place)
        of[QUOTED_NS] = ts_ns
        ask, bid = level(place, asks), level(place, bids)
        if left(of[LENT], ts_ns, taken(recv), bid[0], bid[1], ask[0], ask[1], number):
            free(place, asks)
            return nothing()
        return one(
            quote(of[NAME], ts_ns, taken(recv), bid[0], bid[1], ask[0], ask[1], number)
        )  # fmt: skip
    elif form == TICKER:
        return _ticker(text(frame), place, taken(recv))
    return unmade()


@numba.njit(cache=True)
def _book(place: int, conn: int, recv: int) -> Any:
    """Take the update of a book to a desk that is lent for it, or make it."""
    _, _, asks, bids, end, plain, ts_ns, last, before, checksum, image, channel = told(place)
    of = slip(place)
    # A checksum is over the texts of the levels: they are kept unless they are plain.
    if image or before < -1 or not (plain or not checksum) or not owned(of, conn, channel):
        return unmade()
    levels = bare(place, bids, end), bare(place, asks, bids)
    first = max(before, 0)
    if checksum:
        good = compared(of[LENT], recv, first, last, before, *levels, checksum)
    else:
        good = straight(of[LENT], recv, first, last, before, *levels)
    if good:
        free(place, asks)
        return nothing()
    sides = rows(place, bids, end), rows(place, asks, bids)
    if checksum:
        return one(checked(of[NAME], ts_ns, recv, first, last, before, *sides, checksum))
    return one(delta(of[NAME], ts_ns, recv, first, last, before, *sides))


@numba.njit(cache=True)
def _ticker(data: Any, place: int, recv: int) -> Any:
    """Make the statistics of the day, and the best prices unless newer ones are known."""
    _, _, kind, ts_ns, bid, bid_lots, ask, ask_lots, _, _, _, _ = told(place)
    of, on = slip(place), texts(place, _STATED)
    # Of derivatives the last figure is in the base, which is no turnover.
    spot = kind in (_SPOT, _MARGIN)
    slate, recv_ns = slate_of(of[LENT], recv)
    spared = slate != 0 and day_of(slate, data, on, _STATED if spot else _STATED - 1)
    if spared:
        # Nobody awaits it, so it is only written down.
        written(slate, of[LENT], DAY, ts_ns, recv_ns)
    elif not looked_up(data, on, values(place)):
        return unmade()
    elif not spot:
        dropped(on[_STATED - 1 :])
        on[_STATED - 1] = nil()
    newer = ts_ns > of[QUOTED_NS]
    if newer:
        of[QUOTED_NS] = ts_ns
        newer = not left(of[LENT], ts_ns, recv, bid, bid_lots, ask, ask_lots, 0)
    events = several(newer + (not spared))
    if newer:
        event = quote(of[NAME], ts_ns, recv, bid, bid_lots, ask, ask_lots, 0)
        events = put(events, 0, event)
    if spared:
        return every(events)
    event = ticker(of[NAME], ts_ns, recv, on[0], on[1], on[2], on[3], on[4], on[5])
    return every(put(events, int(newer), event))


@cache
def compiled() -> Teller:
    """Compile or load the kernel, once a process."""
    return teller(_tell)
