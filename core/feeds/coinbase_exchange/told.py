"""Events of Coinbase Exchange's hot messages, made as they are read."""

from __future__ import annotations

from functools import cache
from typing import Any

import numba

from core.engine.made import delta, nothing, one, taken, unmade
from core.engine.steady import straight
from core.feeds.coinbase_exchange.forms import UPDATE
from core.feeds.desks import bare, free, rows, slip, told
from core.feeds.scanner import Teller, scanned, teller
from core.feeds.slips import DESK as LENT
from core.feeds.slips import NAME, foreign


@numba.njit(cache=True)
def _tell(frame: bytes, place: int, conn: int, recv: Any) -> Any:
    """Make the change of a book; all else is left to the decoder."""
    if scanned(frame, place) == UPDATE:
        on, of = told(place), slip(place)
        if foreign(of, conn):
            return nothing()
        levels = bare(place, on[2], on[3]), bare(place, on[3], on[4])
        if straight(of[LENT], taken(recv), 0, 0, -1, *levels):
            free(place, on[2])
            return nothing()
        sides = rows(place, on[2], on[3]), rows(place, on[3], on[4])
        return one(delta(of[NAME], on[5], taken(recv), 0, 0, -1, *sides))
    return unmade()


@cache
def compiled() -> Teller:
    """Compile or load the kernel, once a process."""
    return teller(_tell)
