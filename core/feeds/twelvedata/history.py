"""Closed bars of the past, in pieces the provider gives whole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import msgspec

from core.feeds.answers import decoded
from core.feeds.candles import aligned, join_bars, make_bar
from core.feeds.stamps import Stamps
from core.feeds.twelvedata.refusals import NothingThere
from core.model.errors import ConfigError, DataError
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Bar, Timeframe
from core.model.ports import Clock

ROWS: Final = 5000
"""Most rows the provider gives at once."""

_NAMES: Final = {
    Timeframe.M1: "1min",
    Timeframe.M5: "5min",
    Timeframe.M15: "15min",
    Timeframe.H1: "1h",
}
_HOURS: Final = frozenset({Timeframe.H1, Timeframe.H4, Timeframe.D1})
_MAX_ASKED: Final = 5000

Fetch = Callable[[list[tuple[str, str]], str], Awaitable[bytes]]
"""Asks ``/time_series``: parameters and what for; raises `NothingThere` where there are no rows."""


class _Row(msgspec.Struct):
    datetime: str
    open: str
    high: str
    low: str
    close: str
    volume: str = "0"


class _Series(msgspec.Struct):
    values: list[_Row] = []


class SeriesHistory:
    """Reads ``/time_series`` piece by piece.

    Args:
        fetch: Asks for rows.
        clock: Says which bars are closed.
    """

    def __init__(self, fetch: Fetch, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._stamps = Stamps()

    async def bars(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        """Return closed bars with start_ns <= open time < end_ns, oldest first.

        The provider does not say how many trades a bar holds, nor any volume of currencies and most
        coins: both are 0 then. Hours and days are joined from shorter bars, for its own begin with
        the exchange's session, not with the hour or with midnight UTC.

        Raises:
            TemporaryError: The provider is away or the plan's credits are spent.
            DataError: Its answer is not what it documents.
            ConfigError: It has no bars of this length.
        """
        source = timeframe
        if timeframe in _HOURS:
            stock = instrument.kind is InstrumentKind.STOCK
            source = Timeframe.M15 if stock else Timeframe.H1
        if source not in _NAMES:
            raise ConfigError(
                f"{instrument.venue} has bars of 1m, 5m, 15m, 1h, 4h and 1d; none of {timeframe}"
            )
        start_ns, end_ns = aligned(timeframe, start_ns, end_ns, self._clock.now_ns())
        found: dict[int, Bar] = {}
        # A full answer may be the oldest or the newest part of what was asked: the provider does
        # not say which. Whatever it leaves out on either side is asked for again.
        pieces = [(start_ns, end_ns)]
        for _ in range(_MAX_ASKED):
            if not pieces:
                break
            first_ns, last_ns = pieces.pop()
            if first_ns >= last_ns:
                continue
            rows = await self._piece(instrument, source, first_ns, last_ns)
            found.update((bar.ts_open_ns, bar) for bar in rows)
            if len(rows) >= ROWS:
                times = [bar.ts_open_ns for bar in rows]
                pieces += [(first_ns, min(times)), (max(times) + source.ns, last_ns)]
        else:
            raise DataError(f"bars of {instrument.id}: more than {_MAX_ASKED} answers needed")
        bars = [found[ts_ns] for ts_ns in sorted(found)]
        return bars if source is timeframe else list(join_bars(bars, timeframe))

    async def _piece(
        self, instrument: Instrument, source: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        what = f"bars of {instrument.id} {_NAMES[source]}"
        params = [
            ("symbol", instrument.venue_symbol), ("interval", _NAMES[source]),
            ("start_date", _text(start_ns)), ("end_date", _text(end_ns - source.ns)),
            ("timezone", "UTC"), ("order", "asc"), ("outputsize", str(ROWS)),
        ]  # fmt: skip
        try:
            body = await self._fetch(params, what)
        except NothingThere:
            return []
        bars = self.read(body, instrument, source, what)
        if any(not start_ns <= bar.ts_open_ns < end_ns for bar in bars):
            raise DataError(f"{what}: given a bar outside of {_text(start_ns)} to {_text(end_ns)}")
        return bars

    def read(self, body: bytes, instrument: Instrument, source: Timeframe, what: str) -> list[Bar]:
        """Return the bars of an answer in UTC, in its order.

        ::

            {"meta":{"symbol":"AAPL","interval":"1min","exchange_timezone":"America/New_York"},
             "values":[{"datetime":"2021-09-16 15:59:00","open":"148.73500","high":"148.86000",
              "low":"148.73000","close":"148.85001","volume":"624277"}],"status":"ok"}

        Raises:
            DataError: It is not that.
        """
        rows = decoded(body, _Series, what).values
        bars = []
        for row in rows:
            opened_ns = self._stamps.ns(f"{row.datetime.replace(' ', 'T')}Z")
            prices = (
                _decimal(row.open, what), _decimal(row.high, what), _decimal(row.low, what),
                _decimal(row.close, what),
            )  # fmt: skip
            bars.append(
                make_bar(instrument, source, opened_ns, prices, _decimal(row.volume, what), 0)
            )
        return bars


def _text(ts_ns: int) -> str:
    return datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _decimal(text: str, what: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:
        raise DataError(f"{what}: expected a number, was {text[:40]!r}") from None
