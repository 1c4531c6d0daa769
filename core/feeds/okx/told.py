"""Events of OKX's hot messages, made as they are read."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numba

from core.engine.made import checked, delta, nothing, one, taken, trade, unmade
from core.feeds.desks import rows, slip, told
from core.feeds.okx.forms import BOOK, TRADE
from core.feeds.scanner import Teller, scanned, teller
from core.feeds.slips import FREE, NAME, owned

SINGLE: Final = FREE
"""Figure of a slip: 1 if single fills come in."""


@numba.njit(cache=True)
def _tell(frame: bytes, place: int, conn: int, recv: Any) -> Any:
    """Make the update of a book that goes on as it did, and a trade; all else is left."""
    form = scanned(frame, place)
    on = told(place)
    if form == BOOK:
        _, _, asks, bids, end, plain, ts_ns, last, before, checksum, image, channel = on
        of = slip(place)
        # A checksum is over the texts of the levels: they are kept unless they are plain.
        if (plain or not checksum) and before >= -1 and not image and owned(of, conn, channel):
            sides = rows(place, bids, end), rows(place, asks, bids)
            first = max(before, 0)
            if not checksum:
                return one(delta(of[NAME], ts_ns, taken(recv), first, last, before, *sides))
            return one(
                checked(of[NAME], ts_ns, taken(recv), first, last, before, *sides, checksum)
            )  # fmt: skip
    elif form == TRADE:
        _, _, ts_ns, number, price, lots, sold, single, _, _, _, _ = on
        of = slip(place)
        if price and lots:
            if single:
                of[SINGLE] = 1
            elif of[SINGLE]:
                return nothing()
            return one(trade(of[NAME], ts_ns, taken(recv), price, lots, sold, number, 0))
    return unmade()


@cache
def compiled() -> Teller:
    """Compile or load the kernel, once a process."""
    return teller(_tell)
