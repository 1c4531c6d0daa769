"""Closed bars of the past from Binance klines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from core.feeds.answers import ask, decoded
from core.feeds.candles import aligned, join_bars
from core.model.errors import ConfigError, DataError
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe
from core.model.ports import Clock
from core.wire.http import HttpSession

__all__ = ["PAGE", "KlineHistory", "join_bars", "map_rows"]

PAGE: Final = 1000
"""Most rows the spot venue gives at once."""

_WEIGHT: Final = 2
_MAX_PAGES: Final = 5000


class KlineHistory:
    """Pages through a venue's klines, oldest first.

    Args:
        http: The venue's REST host.
        clock: Tells which bars are closed.
        path: The endpoint.
        page: Most rows it gives at once.
        weight: Request weight of a page by its limit.
        shortest: Its shortest candle; bars of 5 s are joined from those of 1 s where it has them.
    """

    def __init__(
        self,
        http: HttpSession,
        clock: Clock,
        *,
        path: str = "/api/v3/klines",
        page: int = PAGE,
        weight: Callable[[int], int] = lambda limit: _WEIGHT,
        shortest: Timeframe = Timeframe.S1,
    ) -> None:
        self._http = http
        self._clock = clock
        self._path = path
        self._page_rows = page
        self._weight = weight
        self._shortest = shortest

    async def bars(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        """Return closed bars with start_ns <= open time < end_ns, oldest first.

        Periods without a trade give no bar.

        Raises:
            TemporaryError: The venue is away or asked for patience.
            DataError: Its answer is not what it documents.
            ConfigError: The venue has no bars so short.
        """
        if timeframe.ns < self._shortest.ns:
            raise ConfigError(
                f"{instrument.venue} keeps no bars shorter than {self._shortest}, asked for "
                f"{timeframe} of {instrument.id}"
            )
        source = Timeframe.S1 if timeframe is Timeframe.S5 else timeframe
        start_ns, end_ns = aligned(timeframe, start_ns, end_ns, self._clock.now_ns())
        found: list[Bar] = []
        for _ in range(_MAX_PAGES):
            if start_ns >= end_ns:
                break
            limit = min(self._page_rows, -((start_ns - end_ns) // source.ns))
            rows = await self._page(instrument, source, start_ns, end_ns, limit)
            found.extend(bar for bar in map_rows(rows, instrument, source)
                         if start_ns <= bar.ts_open_ns < end_ns)  # fmt: skip
            if len(rows) < limit:
                break
            next_ns = rows[-1][0] * 1_000_000 + source.ns
            if next_ns <= start_ns:
                raise DataError(
                    f"klines of {instrument.id} {timeframe}: the last row must open at or after "
                    f"{start_ns // 1_000_000}, was {rows[-1][0]}"
                )
            start_ns = next_ns
        return found if source is timeframe else list(join_bars(found, timeframe))

    async def _page(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int, limit: int
    ) -> list[list[Any]]:
        what = f"klines of {instrument.id} {timeframe}"
        reply = await ask(
            self._http,
            self._path,
            what=what,
            params=(
                ("symbol", instrument.venue_symbol),
                ("interval", timeframe.value),
                ("startTime", str(start_ns // 1_000_000)),
                ("endTime", str(end_ns // 1_000_000 - 1)),
                ("limit", str(limit)),
            ),
            weight=self._weight(limit),
        )
        return decoded(reply.body, list[list[Any]], what)


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
