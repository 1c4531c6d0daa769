"""Closed bars of the past through ccxt's ``fetch_ohlcv``, page by page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from core.feeds.candles import aligned, join_bars, make_bar
from core.feeds.stamps import whole_ns
from core.model.errors import ConfigError, DataError
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe
from core.model.ports import Clock

PAGE: Final = 500
"""Rows asked for at once; many exchanges give fewer, and few give more."""

_MS: Final = 1_000_000
_MAX_PAGES: Final = 10_000
_SHORTER: Final = {
    Timeframe.S5: (Timeframe.S1,),
    Timeframe.M5: (Timeframe.M1,),
    Timeframe.M15: (Timeframe.M5, Timeframe.M1),
    Timeframe.H1: (Timeframe.M15, Timeframe.M5, Timeframe.M1),
    Timeframe.H4: (Timeframe.H1, Timeframe.M15),
    Timeframe.D1: (Timeframe.H4, Timeframe.H1),
}
"""Of what a length may be joined where the exchange does not have it, the longest first."""

Fetch = Callable[[str, str, int, int], Awaitable[Sequence[Sequence[Any]]]]
"""``fetch_ohlcv``: symbol, length, since (ms), limit; the errors of the feed."""


class OhlcvHistory:
    """Pages through an exchange's bars.

    Args:
        fetch: Asks the exchange.
        clock: Says which bars are closed.
    """

    def __init__(self, fetch: Fetch, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock

    async def bars(
        self,
        instrument: Instrument,
        timeframe: Timeframe,
        start_ns: int,
        end_ns: int,
        lengths: Sequence[str],
    ) -> list[Bar]:
        """Return closed bars with start_ns <= open time < end_ns, oldest first.

        ccxt does not say how many trades a bar holds: it is 0. Bars without volume are left out.
        An exchange that keeps no bars so old gives those it has.

        Raises:
            TemporaryError: The exchange is away.
            DataError: Its answer is not what ccxt documents.
            ConfigError: It has no bars of this length.
        """
        choices = (timeframe, *_SHORTER.get(timeframe, ()))
        source = next((length for length in choices if length.value in lengths), None)
        if source is None:
            raise ConfigError(
                f"{instrument.venue} has bars of {', '.join(lengths) or 'no length'}; none that "
                f"{timeframe} could be joined from"
            )
        start_ns, end_ns = aligned(timeframe, start_ns, end_ns, self._clock.now_ns())
        found: dict[int, Bar] = {}
        at_ns = start_ns
        for _ in range(_MAX_PAGES):
            if at_ns >= end_ns:
                break
            rows = await self._fetch(instrument.venue_symbol, source.value, at_ns // _MS, PAGE)
            last_ns = -1
            for row in rows:
                opened_ns, bar = _bar(row, instrument, source)
                last_ns = max(last_ns, opened_ns)
                if start_ns <= opened_ns < end_ns and bar is not None:
                    found[opened_ns] = bar
            # Nothing there, or nothing newer: look further on rather than for ever.
            at_ns = last_ns + source.ns if last_ns >= at_ns else at_ns + PAGE * source.ns
        else:
            raise DataError(
                f"bars of {instrument.id}: more than {_MAX_PAGES} pages; ask for a shorter time"
            )
        bars = [found[ts_ns] for ts_ns in sorted(found)]
        return bars if source is timeframe else list(join_bars(bars, timeframe))


def _bar(row: Sequence[Any], instrument: Instrument, source: Timeframe) -> tuple[int, Bar | None]:
    """Return open time and bar of ``[1723075200000,1.5,2,1,1.75,10]``, None without volume."""
    what = f"bar of {instrument.id} {source}"
    try:
        opened_ns = whole_ns(int(row[0]), _MS, what)
        first, high, low, last = (Decimal(str(value)) for value in row[1:5])
        volume = Decimal(str(row[5] or 0))
    except (IndexError, TypeError, ValueError, InvalidOperation) as error:
        raise DataError(f"{what}: {error!r} in {str(row)[:120]}") from None
    if opened_ns % source.ns:
        raise DataError(f"{what}: opens at {opened_ns}, which is no begin of a bar of UTC")
    if not volume:
        return opened_ns, None
    return opened_ns, make_bar(instrument, source, opened_ns, (first, high, low, last), volume, 0)
