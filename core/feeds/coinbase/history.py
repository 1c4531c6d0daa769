"""Closed bars of the past from Coinbase Advanced Trade candles."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec

from core.feeds.answers import ask, decoded
from core.feeds.candles import make_bar
from core.feeds.windows import StretchedHistory
from core.model.errors import DataError
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe

PAGE: Final = 350
"""Most candles the venue gives at once."""

_SOURCES: Final = {
    Timeframe.M1: (Timeframe.M1, "ONE_MINUTE"),
    Timeframe.M5: (Timeframe.M5, "FIVE_MINUTE"),
    Timeframe.M15: (Timeframe.M15, "FIFTEEN_MINUTE"),
    Timeframe.H1: (Timeframe.H1, "ONE_HOUR"),
    Timeframe.H4: (Timeframe.H1, "ONE_HOUR"),
    Timeframe.D1: (Timeframe.D1, "ONE_DAY"),
}
"""Which candles a timeframe is made of; four hours are joined from single ones."""


class Candle(msgspec.Struct, gc=False):
    """One row: seconds and decimals as text."""

    start: str
    low: str
    high: str
    open: str
    close: str
    volume: str


class _Answer(msgspec.Struct, gc=False):
    candles: list[Candle]


class CandleHistory(StretchedHistory):
    """Pages through ``/api/v3/brokerage/market/products/{id}/candles``."""

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
            f"/api/v3/brokerage/market/products/{instrument.venue_symbol}/candles",
            what=what,
            params=(
                ("start", str(start_ns // 1_000_000_000)),
                ("end", str((stop_ns - source.ns) // 1_000_000_000)),
                ("granularity", granularity),
                ("limit", str(PAGE)),
            ),
            remedies=REMEDIES,
        )
        rows = decoded(reply.body, _Answer, what).candles
        bars = sorted(
            (_bar(row, instrument, source) for row in rows), key=lambda bar: bar.ts_open_ns
        )
        return [bar for bar in bars if start_ns <= bar.ts_open_ns < stop_ns]


REMEDIES: Final = {
    401: "public addresses need no key: is rest_url right?",
    403: "the venue blocks this address: wait, or move",
    404: "the product is not listed",
}
"""What to do about a definite no."""


def _bar(row: Candle, instrument: Instrument, timeframe: Timeframe) -> Bar:
    if not (row.start.isdigit() and row.start.isascii() and len(row.start) < 11):
        raise DataError(f"bar of {instrument.id} must start at a second, was {row.start[:40]!r}")
    try:
        prices = (Decimal(row.open), Decimal(row.high), Decimal(row.low), Decimal(row.close))
        volume = Decimal(row.volume)
    except InvalidOperation:
        raise DataError(f"bar of {instrument.id}: no numbers in {row!r}"[:240]) from None
    start_ns = int(row.start) * 1_000_000_000
    if start_ns % timeframe.ns:
        raise DataError(f"bar of {instrument.id} {timeframe} must not start at {row.start}")
    return make_bar(instrument, timeframe, start_ns, prices, volume, 0)
