"""Turns closed bars back into the market events a live feed would have sent.

A bar says four prices and no order among them. The path taken is open, then the extreme nearer to
the open, then the other, then close: the usual convention (backtesting.py, TradingView). Times
within the bar leave room for the order of a strategy that spoke at the bar before::

    0 ms     quote at the open        the previous bar is closed by the timer, strategies speak
    + lag    trade at the open        orders of the previous close meet the open
    1/4      trade at one extreme
    1/2      trade at the other
    3/4      trade and quote at the close
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import numpy as np

from core.model.instruments import Instrument
from core.model.market import Bar, BookSnapshot, MarketEvent, Quote, Trade

DEPTH_LOTS: Final = 1 << 50
"""Size at the touch: bars say nothing of depth, so a taker meets as much as it wants."""

CLOSE_NS: Final = 300_000_000
"""When the timer closes the previous bar: after the engine's grace for late trades."""


class BarMarket:
    """Makes the events of one instrument's bars.

    Args:
        half_spread_bps: Half of the spread a taker pays, in basis points of the price; at least
            one tick each side.
        latency_ns: How long an order travels; the open's trade comes after it.
    """

    def __init__(
        self, instrument: Instrument, *, half_spread_bps: Decimal, latency_ns: int
    ) -> None:
        self._id = instrument.id
        self._half_spread = float(half_spread_bps) / 1e4
        self._latency_ns = latency_ns
        self._number = 0

    def opening(self, bar: Bar) -> Iterator[MarketEvent]:
        """Yield what is known at the first moment of a bar."""
        yield from self._touch(bar.open_ticks, bar.ts_open_ns)

    def within(self, bar: Bar) -> Iterator[MarketEvent]:
        """Yield the rest of the bar in order of time."""
        length = bar.timeframe.ns
        near_low = bar.open_ticks - bar.low_ticks <= bar.high_ticks - bar.open_ticks
        extremes = (bar.low_ticks, bar.high_ticks) if near_low else (bar.high_ticks, bar.low_ticks)
        first = min(CLOSE_NS + self._latency_ns + 1_000_000, length // 4 + CLOSE_NS // 4)
        step = (length - first) // 4
        prices = (bar.open_ticks, *extremes, bar.close_ticks)
        quarter, rest = divmod(bar.volume_lots, 4)
        for count, ticks in enumerate(prices):
            self._number += 1
            ts_ns = bar.ts_open_ns + first + count * step
            size = quarter + (rest if count == 3 else 0)
            yield Trade(self._id, ts_ns, ts_ns, ticks, size, count % 2 == 1, self._number)
        last_ns = bar.ts_open_ns + first + 3 * step
        yield from self._touch(bar.close_ticks, last_ns)

    def _touch(self, ticks: int, ts_ns: int) -> Iterator[MarketEvent]:
        half = max(1, round(ticks * self._half_spread))
        bid, ask = max(1, ticks - half), ticks + half
        self._number += 1
        yield Quote(self._id, ts_ns, ts_ns, bid, DEPTH_LOTS, ask, DEPTH_LOTS, self._number)
        yield BookSnapshot(
            self._id,
            ts_ns,
            ts_ns,
            self._number,
            np.array([[bid, DEPTH_LOTS]], dtype=np.int64),
            np.array([[ask, DEPTH_LOTS]], dtype=np.int64),
        )
