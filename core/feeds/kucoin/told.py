"""Events of KuCoin's hot messages, made as they are read."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numba

from core.engine.best import left
from core.engine.made import delta, nothing, one, quote, taken, unmade
from core.engine.steady import straight
from core.feeds.desks import bare, free, rows, slip, told
from core.feeds.kucoin.forms import BOOK, TICKER
from core.feeds.scanner import Teller, scanned, teller
from core.feeds.slips import DESK as LENT
from core.feeds.slips import FREE, NAME

UPDATED: Final = FREE
QUOTED_NS: Final = FREE + 1
"""Figures of a slip: 1 if updates of the whole book come in; venue time of the newest quote."""


@numba.njit(cache=True)
def _tell(frame: bytes, place: int, conn: int, recv: Any) -> Any:
    """Make the update of a book and the best prices; all else is left to the decoder."""
    form = scanned(frame, place)
    on = told(place)
    if form == BOOK:
        _, _, bids, asks, end, first, last, ts_ns, _, _, _, _ = on
        # Of several changes the order is that of their numbers, which is not read here.
        if first == last or (first < last and asks - bids < 2 and end - asks < 2):
            of = slip(place)
            of[UPDATED] = 1
            levels = bare(place, bids, asks), bare(place, asks, end)
            if straight(of[LENT], taken(recv), first, last, -1, *levels):
                free(place, bids)
                return nothing()
            sides = rows(place, bids, asks), rows(place, asks, end)
            return one(delta(of[NAME], ts_ns, taken(recv), first, last, -1, *sides))
    elif form == TICKER:
        _, _, ts_ns, bid, bid_lots, ask, ask_lots, number, _, _, _, _ = on
        of = slip(place)
        if ts_ns < of[QUOTED_NS]:
            return nothing()
        of[QUOTED_NS] = ts_ns
        if left(of[LENT], ts_ns, taken(recv), bid, bid_lots, ask, ask_lots, number):
            return nothing()
        return one(quote(of[NAME], ts_ns, taken(recv), bid, bid_lots, ask, ask_lots, number))
    return unmade()


@cache
def compiled() -> Teller:
    """Compile or load the kernel, once a process."""
    return teller(_tell)
