"""Closed bars of the past: intraday a month a question, days all at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from core.feeds.alphavantage.cache import AnswerCache
from core.feeds.alphavantage.series import parse_csv, parse_json
from core.feeds.candles import aligned, join_bars
from core.model.errors import ConfigError
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Bar, Timeframe
from core.model.ports import Clock

_INTERVALS: Final = {
    Timeframe.M1: (Timeframe.M1, "1min"),
    Timeframe.M5: (Timeframe.M5, "5min"),
    Timeframe.M15: (Timeframe.M15, "15min"),
    Timeframe.H1: (Timeframe.H1, "60min"),
    Timeframe.H4: (Timeframe.H1, "60min"),
}
"""What to ask for, and whether it must be joined."""

_DAY_NS: Final = 86_400 * 1_000_000_000

Fetch = Callable[[list[tuple[str, str]], str], Awaitable[bytes]]
"""Asks a question: parameters and what for; returns a good answer's body."""


class TableHistory:
    """Reads tables of bars, and keeps those of months that are over.

    Args:
        fetch: Asks a question.
        clock: Says which bars are closed.
        cache: Keeps answers that stay true.
    """

    def __init__(self, fetch: Fetch, clock: Clock, cache: AnswerCache) -> None:
        self._fetch = fetch
        self._clock = clock
        self._cache = cache

    async def bars(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        """Return closed bars with start_ns <= open time < end_ns, oldest first.

        The provider does not say how many trades a bar holds. Prices are as traded. A stock's day
        holds the exchange's regular hours and counts as that day of UTC.

        Raises:
            TemporaryError: The provider is away, or the budget is spent: ask again later, what was
                read meanwhile is kept.
            DataError: Its answer is not what it documents.
            ConfigError: It has no bars of this length.
        """
        if timeframe is not Timeframe.D1 and timeframe not in _INTERVALS:
            raise ConfigError(
                f"{instrument.venue} has bars of 1m, 5m, 15m, 1h, 4h and 1d; none of {timeframe}"
            )
        start_ns, end_ns = aligned(timeframe, start_ns, end_ns, self._clock.now_ns())
        if start_ns >= end_ns:
            return []
        if timeframe is Timeframe.D1:
            found = await self._days(instrument, end_ns - start_ns)
        elif instrument.kind is InstrumentKind.STOCK:
            found = await self._months(instrument, timeframe, start_ns, end_ns)
        else:
            found = await self._recent(instrument, timeframe)
        within = [bar for bar in found if start_ns <= bar.ts_open_ns < end_ns]
        return list(join_bars(within, timeframe)) if timeframe is Timeframe.H4 else within

    async def _months(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        source, interval = _INTERVALS[timeframe]
        found: list[Bar] = []
        for month in months_between(start_ns, end_ns):
            name = f"{instrument.venue_symbol}-{interval}-{month}"
            what = f"bars of {instrument.id} {interval} of {month}"
            body = self._cache.get(name)
            if body is None:
                body = await self._fetch(
                    [
                        ("function", "TIME_SERIES_INTRADAY"), ("symbol", instrument.venue_symbol),
                        ("interval", interval), ("month", month), ("outputsize", "full"),
                        ("adjusted", "false"), ("extended_hours", "true"), ("datatype", "csv"),
                    ],
                    what,
                )  # fmt: skip
            bars = parse_csv(body, instrument, source)
            if month < self._month_safely_past() and bars:
                self._cache.put(name, body)
            found += bars
        return found

    def _month_safely_past(self) -> str:
        """Return the month three days ago: months before it are complete."""
        now = datetime.fromtimestamp((self._clock.now_ns() - 3 * _DAY_NS) // 10**9, UTC)
        return now.strftime("%Y-%m")

    async def _days(self, instrument: Instrument, length_ns: int) -> list[Bar]:
        base, quote = instrument.base, instrument.quote
        # The last hundred days are in every plan; more are asked for only where they are wanted.
        size = ("outputsize", "compact" if length_ns < 90 * _DAY_NS else "full")
        what = f"days of {instrument.id}"
        match instrument.kind:
            case InstrumentKind.STOCK:
                params = [
                    ("function", "TIME_SERIES_DAILY"), ("symbol", instrument.venue_symbol), size,
                    ("datatype", "csv"),
                ]  # fmt: skip
                return parse_csv(await self._fetch(params, what), instrument, Timeframe.D1)
            case InstrumentKind.FX:
                params = [
                    ("function", "FX_DAILY"), ("from_symbol", base), ("to_symbol", quote), size,
                ]  # fmt: skip
            case _:
                params = [
                    ("function", "DIGITAL_CURRENCY_DAILY"), ("symbol", base), ("market", quote)
                ]  # fmt: skip
        return parse_json(await self._fetch(params, what), instrument, Timeframe.D1)

    async def _recent(self, instrument: Instrument, timeframe: Timeframe) -> list[Bar]:
        """Return the newest bars of a pair: there are no months of them to be asked for."""
        source, interval = _INTERVALS[timeframe]
        base, quote = instrument.base, instrument.quote
        named = (
            [("function", "FX_INTRADAY"), ("from_symbol", base), ("to_symbol", quote)]
            if instrument.kind is InstrumentKind.FX
            else [("function", "CRYPTO_INTRADAY"), ("symbol", base), ("market", quote)]
        )
        params = [*named, ("interval", interval), ("outputsize", "full")]
        body = await self._fetch(params, f"bars of {instrument.id} {interval}")
        return parse_json(body, instrument, source)


def months_between(start_ns: int, end_ns: int) -> list[str]:
    """Return the months of New York a time touches, as ``2024-03``, oldest first.

    A day is added on either side: an hour of one month there may be another month's here.
    """
    day = datetime.fromtimestamp(start_ns // 10**9, UTC) - timedelta(days=1)
    last = datetime.fromtimestamp((end_ns - 1) // 10**9, UTC)
    months = []
    while (day.year, day.month) <= (last.year, last.month):
        months.append(day.strftime("%Y-%m"))
        day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return months
