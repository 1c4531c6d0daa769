"""Closed bars of the past from Binance klines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from core.model.errors import DataError, OutcomeUnknown, RateLimited, TemporaryError
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe
from core.model.ports import Clock
from core.wire.http import HttpSession

PAGE: Final = 1000
"""Most rows the venue gives at once."""

_WEIGHT: Final = 2
_MAX_PAGES: Final = 5000


class KlineHistory:
    """Pages through ``GET /api/v3/klines``."""

    def __init__(self, http: HttpSession, clock: Clock) -> None:
        self._http = http
        self._clock = clock

    async def bars(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        """Return closed bars with start_ns <= open time < end_ns, oldest first.

        Periods without a trade give no bar. The venue has no 5 s candles; they are joined from
        its 1 s candles.

        Raises:
            TemporaryError: The venue is away or asked for patience.
            DataError: Its answer is not what it documents.
        """
        source = Timeframe.S1 if timeframe is Timeframe.S5 else timeframe
        start_ns = -(-start_ns // timeframe.ns) * timeframe.ns
        end_ns = min(end_ns, self._clock.now_ns() // timeframe.ns * timeframe.ns)
        found: list[Bar] = []
        for _ in range(_MAX_PAGES):
            if start_ns >= end_ns:
                break
            rows = await self._page(instrument, source, start_ns, end_ns)
            found.extend(bar for bar in map_rows(rows, instrument, source)
                         if start_ns <= bar.ts_open_ns < end_ns)  # fmt: skip
            if len(rows) < PAGE:
                break
            start_ns = rows[-1][0] * 1_000_000 + source.ns
        return found if source is timeframe else list(join_bars(found, timeframe))

    async def _page(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[list[Any]]:
        what = f"klines of {instrument.id} {timeframe}"
        try:
            reply = await self._http.request(
                "GET",
                "/api/v3/klines",
                params=(
                    ("symbol", instrument.venue_symbol),
                    ("interval", timeframe.value),
                    ("startTime", str(start_ns // 1_000_000)),
                    ("endTime", str(end_ns // 1_000_000 - 1)),
                    ("limit", str(PAGE)),
                ),
                weight=_WEIGHT,
            )
        except (OutcomeUnknown, RateLimited) as error:
            # Asking again is always safe for a question.
            raise TemporaryError(f"{what}: {error}") from None
        if reply.status in (418, 429) or reply.status >= 500:
            raise TemporaryError(f"{what}: the venue answered {reply.status}")
        if reply.status != 200:
            raise DataError(f"{what}: the venue answered {reply.status} {reply.body[:200]!r}")
        try:
            return msgspec.json.decode(reply.body, type=list[list[Any]])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DataError(f"{what}: {error}") from None


def map_rows(
    rows: Iterable[Sequence[Any]], instrument: Instrument, timeframe: Timeframe
) -> Iterator[Bar]:
    """Yield the bars of kline rows that have a trade.

    ::

        [1588740120000,"9033.34000000","9039.99000000","9027.91000000","9039.75000000",
         "46.64648000",1588740179999,"421456.19186182",601,"25.64648000","231680.97","0"]

    Steps may have been finer in the past: what is no whole number of today's is rounded to the
    nearest, for a bar is drawn and computed with, never traded.

    Raises:
        DataError: A row is not that.
    """
    lot = instrument.size_lot
    for row in rows:
        try:
            open_ms, trades = row[0], row[8]
            if not isinstance(open_ms, int) or not isinstance(trades, int):
                raise TypeError("times and counts are integers")
            prices = [instrument.nearest_ticks(Decimal(text)) for text in row[1:5]]
            lots = int((Decimal(row[5]) / lot).to_integral_value())
        except (IndexError, TypeError, ValueError, InvalidOperation, OverflowError) as error:
            raise DataError(
                f"kline of {instrument.id} {timeframe}: {error!r} in {str(row)[:120]}"
            ) from None
        first, high, low, last = prices
        if not (0 < low <= min(first, last) <= max(first, last) <= high):
            raise DataError(
                f"kline of {instrument.id} {timeframe}: low and high must enclose open and "
                f"close, was {str(row)[:120]}"
            )
        if trades:
            yield Bar(
                instrument.id, timeframe, open_ms * 1_000_000, first, high, low, last, lots, trades
            )


def join_bars(bars: Iterable[Bar], timeframe: Timeframe) -> Iterator[Bar]:
    """Yield longer bars joined from shorter ones in order."""
    joined: Bar | None = None
    for bar in bars:
        opened = bar.ts_open_ns - bar.ts_open_ns % timeframe.ns
        if joined is not None and joined.ts_open_ns == opened:
            joined = msgspec.structs.replace(
                joined,
                high_ticks=max(joined.high_ticks, bar.high_ticks),
                low_ticks=min(joined.low_ticks, bar.low_ticks),
                close_ticks=bar.close_ticks,
                volume_lots=joined.volume_lots + bar.volume_lots,
                trades=joined.trades + bar.trades,
            )
            continue
        if joined is not None:
            yield joined
        joined = msgspec.structs.replace(bar, timeframe=timeframe, ts_open_ns=opened)
    if joined is not None:
        yield joined
