"""Closed bars of the past from Coinbase Advanced Trade candles."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Final

import msgspec

from core.feeds.answers import ask, decoded
from core.feeds.candles import aligned, join_bars, make_bar, offered
from core.feeds.windows import stretched
from core.model.errors import DataError
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe
from core.model.ports import Clock
from core.wire.http import HttpSession

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


class CandleHistory:
    """Pages through ``/api/v3/brokerage/market/products/{id}/candles``."""

    def __init__(self, http: HttpSession, clock: Clock) -> None:
        self._http = http
        self._clock = clock

    async def bars(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        """Return closed bars with start_ns <= open time < end_ns, oldest first.

        The venue leaves out periods without a trade and lists the newest first, so each page asks
        for a stretch that fits into one answer.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: Its answer is not what it documents.
            ConfigError: The venue has no bars of this length.
        """
        source, granularity = offered(_SOURCES, timeframe, instrument)
        start_ns, end_ns = aligned(timeframe, start_ns, end_ns, self._clock.now_ns())
        if instrument.listed_ns:
            start_ns = max(start_ns, instrument.listed_ns // timeframe.ns * timeframe.ns)
        page = partial(self._page, instrument, source, granularity)
        found = await stretched(page, start_ns, end_ns, PAGE * source.ns)
        return found if source is timeframe else list(join_bars(found, timeframe))

    async def _page(
        self,
        instrument: Instrument,
        source: Timeframe,
        granularity: str,
        start_ns: int,
        stop_ns: int,
    ) -> list[Bar]:
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
