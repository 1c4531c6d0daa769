"""Events of USD-M's hot messages, made as they are read."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

import numba

from core.engine.compiled import entry, view
from core.engine.made import Made, bar, one, quote, taken, trade, unmade
from core.engine.stated import spelt
from core.feeds.binance.digits import text_of
from core.feeds.binance.scan import DESK
from core.feeds.binance.told import change
from core.feeds.binance_usdm.candle import candle_at
from core.feeds.binance_usdm.scan import DEPTH, KLINE, QUOTE, TRADE, scan_at

Teller: TypeAlias = Callable[[bytes, int, int], Any]
"""Takes a frame, the address of a `desk` and when it came; returns its events or None."""


@numba.njit(cache=True)
def _tell(frame: bytes, desk: int, recv: Any) -> Any:
    """Make all the scanner reads; what it does not is left to the decoder."""
    on = view(desk, 1, DESK)[0]
    start = on[3]
    kind, row, ts_ns, a, b, c, d, e = scan_at(frame, desk)
    if not kind:
        return unmade()
    name = view(on[4], 1, row + 1)[0, row]
    if kind == QUOTE:
        return one(quote(name, ts_ns, taken(recv), b, c, d, e, a))
    if kind == TRADE:
        return one(trade(name, ts_ns, taken(recv), b, c, d, a, e))
    if kind == DEPTH:
        return change(on, row, ts_ns, taken(recv), (a, b, c), (start, d, e))
    if kind == KLINE:
        at, length, opened_ns, first, high, low, last, lots, closed = candle_at(
            frame, desk, row, ts_ns
        )  # fmt: skip
        if length:
            frame_of = spelt(text_of(frame), at, length)
            return one(
                bar(name, frame_of, opened_ns, taken(recv), first, high, low, last, lots, closed)
            )  # fmt: skip
    return unmade()


@cache
def teller() -> Teller:
    """Compile or load the kernel, once a process."""
    if not hasattr(_tell, "overloads"):
        # numba is switched off (NUMBA_DISABLE_JIT), and Python makes all events.
        return lambda frame, desk, recv: None
    compiled: Teller = entry(_tell, b"{}", 1, Made())
    return compiled
