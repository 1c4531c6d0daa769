"""Closed bars of the past from Coinbase Exchange candles."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, TypeAlias

from core.feeds.answers import ask, decoded
from core.feeds.candles import make_bar
from core.feeds.stamps import rfc3339
from core.feeds.windows import StretchedHistory
from core.model.errors import DataError
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe

PAGE: Final = 300
"""Most candles the venue gives at once."""

TRADES_PAGE: Final = 1000
"""Most trades of an answer."""

REMEDIES: Final = {
    403: "the venue blocks this address: wait, or move",
    404: "the product is not listed",
}
"""What to do about a definite no."""

_SOURCES: Final = {
    Timeframe.M1: (Timeframe.M1, "60"),
    Timeframe.M5: (Timeframe.M5, "300"),
    Timeframe.M15: (Timeframe.M15, "900"),
    Timeframe.H1: (Timeframe.H1, "3600"),
    Timeframe.H4: (Timeframe.H1, "3600"),
    Timeframe.D1: (Timeframe.D1, "86400"),
}
"""Which candles a timeframe is made of; four hours are joined from single ones."""

_Row: TypeAlias = tuple[int, Decimal, Decimal, Decimal, Decimal, Decimal]
"""Time in seconds, low, high, open, close, volume: an order of its own."""


class ExchangeHistory(StretchedHistory):
    """Pages through ``/products/{id}/candles``."""

    sources = _SOURCES
    rows = PAGE

    async def page(
        self,
        instrument: Instrument,
        source: Timeframe,
        granularity: str,
        start_ns: int,
        stop_ns: int,
    ) -> list[Bar]:
        """Return one stretch of candles, oldest first."""
        what = f"bars of {instrument.id}"
        reply = await ask(
            self._http,
            f"/products/{instrument.venue_symbol}/candles",
            what=what,
            params=(
                ("granularity", granularity),
                ("start", rfc3339(start_ns)),
                # Both ends count.
                ("end", rfc3339(stop_ns - source.ns)),
            ),
            remedies=REMEDIES,
        )
        bars = map_candles(reply.body, instrument, source)
        return [bar for bar in bars if start_ns <= bar.ts_open_ns < stop_ns]


def map_candles(body: bytes, instrument: Instrument, timeframe: Timeframe) -> list[Bar]:
    """Return the bars of a page of candles, oldest first.

    ::

        [[1517443740,10106,10120.21,10106.01,10120.21,2.85107455], ...]

    Raises:
        DataError: It is not that.
    """
    what = f"bars of {instrument.id}"
    rows = decoded(body, list[_Row], what)
    bars = [
        make_bar(
            instrument, timeframe, open_s * 1_000_000_000, (first, high, low, last), volume, 0
        )
        for open_s, low, high, first, last, volume in rows
    ]  # fmt: skip
    if any(bar.ts_open_ns % timeframe.ns for bar in bars):
        raise DataError(f"{what}: bars must open on multiples of {timeframe}")
    return sorted(bars, key=lambda bar: bar.ts_open_ns)
