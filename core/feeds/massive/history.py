"""Closed bars of the past, page by page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

import msgspec

from core.feeds.answers import decoded
from core.feeds.candles import aligned, join_bars, make_bar
from core.feeds.massive.symbols import read_page
from core.feeds.stamps import whole_ns
from core.model.errors import DataError
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe
from core.model.ports import Clock

LIMIT: Final = 50_000
"""Most base bars, of seconds or minutes, the provider reads for one page."""

_SOURCES: Final = {
    Timeframe.S1: (Timeframe.S1, "1/second"),
    Timeframe.S5: (Timeframe.S5, "5/second"),
    Timeframe.M1: (Timeframe.M1, "1/minute"),
    Timeframe.M5: (Timeframe.M5, "5/minute"),
    Timeframe.M15: (Timeframe.M15, "15/minute"),
    Timeframe.H1: (Timeframe.H1, "1/hour"),
    # Theirs begin at midnight of New York, ours at midnight UTC.
    Timeframe.H4: (Timeframe.H1, "1/hour"),
    Timeframe.D1: (Timeframe.H1, "1/hour"),
}
"""What to ask for, and whether it must be joined."""

_MS: Final = 1_000_000
_MAX_PAGES: Final = 5000

Fetch = Callable[[str, str, str], Awaitable[bytes]]
"""Asks the REST host: path, query and what for; returns a good answer's body."""


class _Row(msgspec.Struct):
    t: int
    o: Decimal
    h: Decimal
    l: Decimal  # noqa: E741  the provider's spelling
    c: Decimal
    v: Decimal
    n: int = 0


class AggregateHistory:
    """Pages through ``/v2/aggs/ticker/{ticker}/range/...`` by the links it gives.

    Args:
        fetch: Asks the REST host.
        clock: Says which bars are closed.
    """

    def __init__(self, fetch: Fetch, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock

    async def bars(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        """Return closed bars with start_ns <= open time < end_ns, oldest first.

        Prices are as traded, not adjusted for splits. The provider leaves trades of some conditions
        out of its bars, so they may differ from bars built of all trades; periods without a trade
        give none.

        Raises:
            TemporaryError: The provider is away or asks for patience.
            DataError: Its answer is not what it documents.
        """
        source, span = _SOURCES[timeframe]
        start_ns, end_ns = aligned(timeframe, start_ns, end_ns, self._clock.now_ns())
        if start_ns >= end_ns:
            return []
        what = f"bars of {instrument.id} {span}"
        path = (
            f"/v2/aggs/ticker/{instrument.venue_symbol}/range/{span}"
            f"/{start_ns // _MS}/{end_ns // _MS - 1}"
        )
        query = f"adjusted=false&sort=asc&limit={LIMIT}"
        found: list[Bar] = []
        for _ in range(_MAX_PAGES):
            page = read_page(await self._fetch(path, query, what), what)
            for row in _rows(page.results, what):
                opened_ns = whole_ns(row.t, _MS, f"{what}: t")
                if start_ns <= opened_ns < end_ns:
                    prices = (row.o, row.h, row.l, row.c)
                    found.append(
                        make_bar(instrument, source, opened_ns, prices, row.v, row.n)
                    )  # fmt: skip
            following = link(page.next_url)
            if following is None:
                _check_order(found, what)
                return found if source is timeframe else list(join_bars(found, timeframe))
            if following == (path, query):
                raise DataError(f"{what}: the provider's next page is the same page again")
            path, query = following
        raise DataError(f"{what}: more than {_MAX_PAGES} pages; ask for a shorter time")


def link(next_url: str | None) -> tuple[str, str] | None:
    """Return path and query of a link to the next page.

    Its host is left out: the key goes to the host of the settings and to no other.
    """
    if not next_url:
        return None
    parts = urlsplit(next_url)
    return parts.path, parts.query


def _rows(results: msgspec.Raw, what: str) -> list[_Row]:
    """Return rows.

    ::

        {"c":75.0875,"h":75.15,"l":73.7975,"n":1,"o":74.06,"t":1577941200000,"v":135647456,
         "vw":74.6099}

    Raises:
        DataError: They are not that.
    """
    return decoded(results, list[_Row], what)


def _check_order(bars: list[Bar], what: str) -> None:
    last_ns = -1
    for bar in bars:
        if bar.ts_open_ns <= last_ns:
            raise DataError(f"{what}: rows must rise in time, was {bar.ts_open_ns} after {last_ns}")
        last_ns = bar.ts_open_ns
