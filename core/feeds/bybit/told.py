"""Events of Bybit's hot messages, made as they are read."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numba

from core.engine.made import delta, one, taken, unmade
from core.feeds.bybit.forms import BOOK
from core.feeds.scanner import Teller, rows, scanned, slip, teller, told
from core.feeds.slips import FREE, NAME, owned

SEQ: Final = FREE
ID: Final = FREE + 1
"""Figures of a slip: the numbers of the newest book message."""


@numba.njit(cache=True)
def _tell(frame: bytes, place: int, conn: int, recv: Any) -> Any:
    """Make the change of a book that goes on as it did; all else is left to the decoder."""
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
    return unmade()


@cache
def compiled() -> Teller:
    """Compile or load the kernel, once a process."""
    return teller(_tell)
