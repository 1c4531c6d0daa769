"""Events of USD-M's hot messages, made as they are read."""

from __future__ import annotations

from functools import cache
from typing import Any

import numba

from core.engine.best import left
from core.engine.compiled import view
from core.engine.made import bar, nothing, one, quote, taken, trade, unmade
from core.engine.stated import spelt
from core.feeds.binance.digits import text_of
from core.feeds.binance.scan import DESK
from core.feeds.binance.told import Teller, change, compiled
from core.feeds.binance_usdm.candle import candle_at
from core.feeds.binance_usdm.scan import DEPTH, KLINE, QUOTE, TRADE, scan_at


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
        if left(view(on[6], 1, row + 1)[0, row], ts_ns, taken(recv), b, c, d, e, a):
            return nothing()
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
    return compiled(_tell)
