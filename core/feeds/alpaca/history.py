"""Closed bars of the past, page by page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from itertools import pairwise
from typing import Final

import msgspec

from core.feeds.answers import decoded
from core.feeds.candles import aligned, join_bars, make_bar
from core.feeds.stamps import Stamps, rfc3339
from core.model.errors import ConfigError, DataError
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Bar, Timeframe
from core.model.ports import Clock

PAGE: Final = 10_000
"""Most rows the provider gives at once."""

_SOURCES: Final = {
    Timeframe.M1: (Timeframe.M1, "1Min"),
    Timeframe.M5: (Timeframe.M5, "5Min"),
    Timeframe.M15: (Timeframe.M15, "15Min"),
    Timeframe.H1: (Timeframe.H1, "1Hour"),
    # Theirs begin at midnight of New York or Chicago, ours at midnight UTC.
    Timeframe.H4: (Timeframe.H1, "1Hour"),
    Timeframe.D1: (Timeframe.H1, "1Hour"),
}
"""What to ask for, and whether it must be joined."""

_MAX_PAGES: Final = 5000

Fetch = Callable[[str, list[tuple[str, str]], str], Awaitable[bytes]]
"""Asks the data host: path, parameters and what for; returns a good answer's body."""


class _Row(msgspec.Struct):
    t: str
    o: Decimal
    h: Decimal
    l: Decimal  # noqa: E741  the provider's spelling
    c: Decimal
    v: Decimal
    n: int | None = None


class _Page(msgspec.Struct):
    bars: dict[str, list[_Row]] | None
    next_page_token: str | None = None


class BarHistory:
    """Pages through ``/v2/stocks/bars``, ``/v1beta3/crypto/us/bars``, ``/v1beta1/options/bars``.

    Args:
        fetch: Asks the data host.
        clock: Says which bars are closed.
        feed: The ``feed`` parameter of stocks, such as ``iex``.
        delay_ns: How old data must be for the plan.
    """

    def __init__(self, fetch: Fetch, clock: Clock, *, feed: str, delay_ns: int = 0) -> None:
        self._fetch = fetch
        self._clock = clock
        self._feed = feed
        self._delay_ns = delay_ns
        self._stamps = Stamps()

    async def bars(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        """Return closed bars with start_ns <= open time < end_ns, oldest first.

        Prices are as traded, not adjusted for splits. Minutes without a trade give no bar; where
        crypto has bars of quote middles in their place, those are left out.

        Raises:
            TemporaryError: The provider is away or asks for patience.
            DataError: Its answer is not what it documents.
            ConfigError: It has no bars of this length.
        """
        if timeframe not in _SOURCES:
            known = ", ".join(_SOURCES)
            raise ConfigError(
                f"{instrument.venue} has bars of {known}; none of {timeframe}, take one of these"
            )
        source, name = _SOURCES[timeframe]
        now_ns = self._clock.now_ns() - self._delay_ns
        start_ns, end_ns = aligned(timeframe, start_ns, end_ns, now_ns)
        if start_ns >= end_ns:
            return []
        found = await self._pages(instrument, source, name, start_ns, end_ns)
        return found if source is timeframe else list(join_bars(found, timeframe))

    async def _pages(
        self, instrument: Instrument, source: Timeframe, name: str, start_ns: int, end_ns: int
    ) -> list[Bar]:
        crypto = "/" in instrument.venue_symbol
        option = instrument.kind is InstrumentKind.OPTION
        what = f"bars of {instrument.id} {name}"
        params = [
            ("symbols", instrument.venue_symbol), ("timeframe", name),
            ("start", rfc3339(start_ns)), ("end", rfc3339(end_ns - 1)),
            ("limit", str(PAGE)), ("sort", "asc"),
        ]  # fmt: skip
        if not crypto and not option:
            params += [("adjustment", "raw"), ("feed", self._feed)]
        path = "/v1beta3/crypto/us/bars" if crypto else "/v2/stocks/bars"
        path = "/v1beta1/options/bars" if option else path
        found: list[Bar] = []
        token = ""
        for _ in range(_MAX_PAGES):
            body = await self._fetch(
                path, [*params, ("page_token", token)] if token else params, what
            )
            rows, following = read_page(body, instrument, what)
            found.extend(
                bar for bar in self._map(rows, instrument, source)
                if start_ns <= bar.ts_open_ns < end_ns
            )  # fmt: skip
            if not following:
                return _ordered(found, what)
            if following == token:
                raise DataError(f"{what}: the provider gave the same page token twice: {token!r}")
            token = following
        raise DataError(f"{what}: more than {_MAX_PAGES} pages; ask for a shorter time")

    def _map(self, rows: list[_Row], instrument: Instrument, source: Timeframe) -> list[Bar]:
        return [
            make_bar(
                instrument, source, self._stamps.ns(row.t), (row.o, row.h, row.l, row.c), row.v,
                row.n or 0,
            )
            for row in rows
            if row.n or (row.n is None and row.v)
        ]  # fmt: skip


def read_page(body: bytes, instrument: Instrument, what: str) -> tuple[list[_Row], str]:
    """Return a page's rows of the instrument, and the token of the next page, empty at the end.

    ::

        {"bars":{"AAPL":[{"t":"2022-02-01T05:00:00Z","o":174,"h":174.84,"l":172.31,"c":174.61,
          "v":85998033,"n":732412,"vw":173.703516}]},"next_page_token":"QUFQTHxE..."}

    Raises:
        DataError: It is not that.
    """
    page = decoded(body, _Page, what)
    series = page.bars or {}
    other = [name for name in series if name != instrument.venue_symbol]
    if other:
        raise DataError(f"{what}: asked for {instrument.venue_symbol}, was given {other[0][:20]!r}")
    return series.get(instrument.venue_symbol, []), page.next_page_token or ""


def _ordered(bars: list[Bar], what: str) -> list[Bar]:
    for one, next_one in pairwise(bars):
        if one.ts_open_ns >= next_one.ts_open_ns:
            raise DataError(
                f"{what}: rows must rise in time, was {next_one.ts_open_ns} after {one.ts_open_ns}"
            )
    return bars
