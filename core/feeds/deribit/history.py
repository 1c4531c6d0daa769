"""Closed bars of the past from Deribit's chart data."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from core.feeds.answers import decoded
from core.feeds.candles import aligned, join_bars, make_bar
from core.feeds.decoder import Known
from core.feeds.deribit import frames
from core.feeds.deribit.answers import call
from core.model.errors import ConfigError, DataError
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Bar, Timeframe, Trade
from core.model.ports import Clock
from core.wire.http import HttpSession

PAGE: Final = 5000
"""Bars asked for at once; the venue gives no more than about this many."""

TRADES_PAGE: Final = 1000
MAX_PAGES: Final = 2000

_SOURCES: Final = {
    Timeframe.M1: (Timeframe.M1, "1"),
    Timeframe.M5: (Timeframe.M5, "5"),
    Timeframe.M15: (Timeframe.M15, "15"),
    Timeframe.H1: (Timeframe.H1, "60"),
    Timeframe.H4: (Timeframe.H1, "60"),
    # The venue's days turn at its own hour of settlement; ours at midnight UTC.
    Timeframe.D1: (Timeframe.H1, "60"),
}
"""Which candles a timeframe is made of: those of its own length, or hours to join."""


class Chart(msgspec.Struct, gc=False):
    """Columns of chart data; a period without a trade repeats the last price with volume 0.

    ::

        {"ticks":[1554373800000],"open":[4963.42],"high":[4986.29],"low":[4963.42],
         "close":[4984.02],"volume":[0.25],"cost":[1240.0],"status":"ok"}
    """

    status: str
    ticks: list[int] = []
    open: list[Decimal] = []
    high: list[Decimal] = []
    low: list[Decimal] = []
    close: list[Decimal] = []
    volume: list[Decimal] = []
    cost: list[Decimal] = []


class _Answer(msgspec.Struct, gc=False):
    result: Chart


class _TradePage(msgspec.Struct, gc=False):
    trades: list[frames.Trade] = []
    has_more: bool = False


class _Trades(msgspec.Struct, gc=False):
    result: _TradePage


class ChartHistory:
    """Pages through ``public/get_tradingview_chart_data`` and the trades of the past."""

    def __init__(self, http: HttpSession, clock: Clock) -> None:
        self._http = http
        self._clock = clock

    async def bars(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        """Return closed bars with start_ns <= open time < end_ns, oldest first.

        Each page asks for a stretch that fits into one answer, so the order in which the venue
        would cut a longer one does not matter.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: Its answer is not what it documents.
            ConfigError: The venue has no bars of this length or of this instrument.
        """
        if timeframe not in _SOURCES or instrument.kind is InstrumentKind.INDEX:
            raise ConfigError(
                f"deribit has no {timeframe} bars of {instrument.id}; take "
                f"{', '.join(_SOURCES)} of something that trades"
            )
        source, resolution = _SOURCES[timeframe]
        start_ns, end_ns = aligned(timeframe, start_ns, end_ns, self._clock.now_ns())
        if instrument.listed_ns:
            start_ns = max(start_ns, instrument.listed_ns // timeframe.ns * timeframe.ns)
        found: list[Bar] = []
        while start_ns < end_ns:
            stop_ns = min(end_ns, start_ns + PAGE * source.ns)
            chart = await self._page(instrument, resolution, start_ns, stop_ns)
            found.extend(
                bar
                for bar in map_chart(chart, instrument, source)
                if start_ns <= bar.ts_open_ns < stop_ns
            )
            start_ns = stop_ns
        return found if source is timeframe else list(join_bars(found, timeframe))

    async def trades(self, instrument: Instrument, start_ns: int, end_ns: int) -> list[Trade]:
        """Return the trades with start_ns <= time < end_ns, oldest first.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: Its answer is not what it documents, or there are too many.
        """
        what = f"trades of {instrument.id}"
        found: dict[int, Trade] = {}
        start_ms = -(-start_ns // 1_000_000)
        end_ms = -(-end_ns // 1_000_000) - 1
        for _ in range(MAX_PAGES):
            if start_ms > end_ms:
                break
            reply = await call(
                self._http,
                "get_last_trades_by_instrument_and_time",
                (
                    ("instrument_name", instrument.venue_symbol),
                    ("start_timestamp", str(start_ms)),
                    ("end_timestamp", str(end_ms)),
                    ("count", str(TRADES_PAGE)),
                    ("sorting", "asc"),
                ),
                what,
            )
            page, more = map_trades(reply.body, instrument)
            before = len(found)
            found |= {trade.trade_id: trade for trade in page}
            if not more or not page:
                break
            # The next page begins with the last millisecond again: it may hold more trades.
            start_ms = page[-1].ts_event_ns // 1_000_000
            if len(found) == before:
                raise DataError(f"{what}: over {TRADES_PAGE} trades within {start_ms} ms")
        else:
            raise DataError(
                f"{what}: more than {MAX_PAGES * TRADES_PAGE} trades; ask for a shorter stretch"
            )
        return [found[number] for number in sorted(found)]

    async def _page(
        self, instrument: Instrument, resolution: str, start_ns: int, stop_ns: int
    ) -> Chart:
        what = f"bars of {instrument.id}"
        reply = await call(
            self._http,
            "get_tradingview_chart_data",
            (
                ("instrument_name", instrument.venue_symbol),
                ("start_timestamp", str(start_ns // 1_000_000)),
                ("end_timestamp", str(stop_ns // 1_000_000 - 1)),
                ("resolution", resolution),
            ),
            what,
        )
        return decoded(reply.body, _Answer, what).result


def map_trades(body: bytes, instrument: Instrument) -> tuple[list[Trade], bool]:
    """Return the trades of an answer in order, and whether there are more.

    ::

        {"result":{"has_more":true,"trades":[{"amount":1.0,"direction":"sell","price":2968.3,
         "instrument_name":"ETH-PERPETUAL","timestamp":1766332040636,"trade_seq":203024587}]}}

    Raises:
        DataError: It is not that.
    """
    what = f"trades of {instrument.id}"
    result = decoded(body, _Trades, what).result
    known = Known(instrument)
    trades: list[Trade] = []
    for row in result.trades:
        if row.direction not in ("buy", "sell"):
            raise DataError(f"{what}: direction must be buy or sell, was {row.direction[:20]!r}")
        price, lots = known.prices.nearest(repr(row.price)), known.sizes.nearest(repr(row.amount))
        trades.append(
            Trade(
                known.id, row.timestamp * 1_000_000, 0, price, lots, row.direction == "sell",
                row.trade_seq,
            )
        )  # fmt: skip
    return sorted(trades, key=lambda trade: (trade.ts_event_ns, trade.trade_id)), result.has_more


def map_chart(chart: Chart, instrument: Instrument, timeframe: Timeframe) -> list[Bar]:
    """Return the bars of chart data that have a trade, oldest first.

    Raises:
        DataError: The columns do not fit together, or a row is no bar.
    """
    if chart.status not in ("ok", "no_data"):
        raise DataError(f"chart of {instrument.id} has status {chart.status[:40]!r}")
    # Inverse contracts are counted in the quote asset, as their trades and books are.
    volumes = chart.cost if instrument.inverse else chart.volume
    columns = (chart.open, chart.high, chart.low, chart.close, volumes)
    if any(len(column) != len(chart.ticks) for column in columns):
        raise DataError(f"chart of {instrument.id}: columns must be of one length")
    bars = [
        make_bar(instrument, timeframe, ms * 1_000_000, (first, high, low, last), volume, 0)
        for ms, first, high, low, last, volume in zip(chart.ticks, *columns, strict=True)
        if volume or not volume.is_finite()
    ]
    if any(bar.ts_open_ns % timeframe.ns for bar in bars):
        raise DataError(f"chart of {instrument.id}: bars must open on multiples of their length")
    return sorted(bars, key=lambda bar: bar.ts_open_ns)
