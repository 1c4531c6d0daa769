"""Events of Binance's hot messages, made as they are read."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

import numba

from core.engine.best import left
from core.engine.called import called
from core.engine.compiled import Grid, view
from core.engine.made import (
    delta,
    levels,
    nothing,
    one,
    quote,
    taken,
    trade,
    unmade,
)
from core.engine.steady import straight
from core.feeds.binance.scan import DEPTH, DESK, QUOTE, TRADE, scan_at

Teller: TypeAlias = Callable[[bytes, int, int], Any]
"""Takes a frame, the address of a `desk` and when it came; returns its events or None."""


@numba.njit(cache=True)
def change(
    on: Grid, row: int, ts_ns: int, recv: int, ids: tuple[int, int, int], rows: tuple[int, int, int]
) -> Any:
    """Take the change of a book to the desk that is lent for it, or make it.

    `on` is a `desk`; `rows` say where in its room the bids begin, where they end and the asks do.
    """
    first, last, prev = ids
    start, middle, end = rows
    room = on[2]
    bids, asks = (
        view(room + 16 * start, middle - start, 2),
        view(room + 16 * middle, end - middle, 2),
    )
    lent = view(on[6], 1, row + 1)[0, row]
    if straight(lent, recv, first, last, prev, bids, asks):
        # Nobody holds the levels, so the next ones are read to the same place.
        on[3] = start
        return nothing()
    sides = levels(on[5], room, start, middle), levels(on[5], room, middle, end)
    name = view(on[4], 1, row + 1)[0, row]
    return one(delta(name, ts_ns, recv, first, last, prev, *sides))


@numba.njit(cache=True)
def _tell(frame: bytes, desk: int, recv: Any) -> Any:
    """Make quotes, trades and changes of books; what else there is is left to the decoder."""
    on = view(desk, 1, DESK)[0]
    start = on[3]
    kind, row, a, b, c, d, e = scan_at(frame, desk)
    if kind == DEPTH:
        return change(on, row, c, taken(recv), (d, e, -1), (start, a, b))
    if kind in (QUOTE, TRADE):
        name = view(on[4], 1, row + 1)[0, row]
        if kind == QUOTE:
            if left(view(on[6], 1, row + 1)[0, row], 0, taken(recv), b, c, d, e, a):
                return nothing()
            return one(quote(name, 0, taken(recv), b, c, d, e, a))
        return one(trade(name, a, taken(recv), c, d, e, b, 0))
    return unmade()


def compiled(kernel: Any) -> Teller:
    """Compile or load a kernel that tells of frames."""
    if not hasattr(kernel, "overloads"):
        # numba is switched off (NUMBA_DISABLE_JIT), and Python makes all events.
        return lambda frame, desk, recv: None
    made: Teller = called(kernel, 1)
    return made


@cache
def teller() -> Teller:
    """Compile or load the kernel, once a process."""
    return compiled(_tell)
