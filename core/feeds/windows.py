"""Paging through bars in ranges that cannot hold more than an answer does.

Venues do not say which rows of a longer range they leave out; of a range that fits there are none.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import ClassVar, TypeAlias

from core.feeds.candles import aligned, join_bars, offered
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe
from core.model.ports import Clock
from core.wire.http import HttpSession

Page: TypeAlias = Callable[[int, int], Awaitable[dict[int, Bar]]]
"""Asks for the bars with start <= open time < end (ns) and gives them by open time; rows without
volume count as well, so that an answer without any means that there are none."""


async def windowed(page: Page, start_ns: int, end_ns: int, length_ns: int, rows: int) -> list[Bar]:
    """Return the bars with start_ns <= open time < end_ns that have a volume, oldest first.

    Args:
        page: Asks the venue.
        start_ns: Aligned to the bars.
        end_ns: Aligned to the bars.
        length_ns: A bar's length.
        rows: Most bars of an answer.
    """
    found: dict[int, Bar] = {}
    while end_ns > start_ns:
        from_ns = max(start_ns, end_ns - rows * length_ns)
        some = await page(from_ns, end_ns)
        found.update(some)
        end_ns = from_ns
        if some or end_ns <= start_ns:
            continue
        # Before a listing there is nothing for years: one question tells.
        older = await page(start_ns, end_ns)
        if not older:
            break
        if len(older) < rows:
            found.update(older)
            break
        end_ns = max(older) + length_ns
    return [bar for _, bar in sorted(found.items()) if bar.volume_lots]


async def stretched(
    page: Callable[[int, int], Awaitable[list[Bar]]], start_ns: int, end_ns: int, span_ns: int
) -> list[Bar]:
    """Return the bars with start_ns <= open time < end_ns, asked for stretch by stretch.

    For venues that leave out periods without a trade, so that an empty stretch means nothing for
    those beside it.

    Args:
        page: Asks the venue for one stretch and gives its bars, oldest first.
        start_ns: Aligned to the bars.
        end_ns: Aligned to the bars.
        span_ns: What an answer has room for.
    """
    found: list[Bar] = []
    while start_ns < end_ns:
        stop_ns = min(end_ns, start_ns + span_ns)
        found += await page(start_ns, stop_ns)
        start_ns = stop_ns
    return found


class StretchedHistory(ABC):
    """Bars of the past from a venue that lists the newest first and leaves out quiet periods.

    Each page asks for a stretch that fits into one answer.

    Args:
        http: The venue's REST host.
        clock: Says which bars are closed.
    """

    sources: ClassVar[Mapping[Timeframe, tuple[Timeframe, str]]]
    """Which candles a timeframe is made of, and what the venue calls them."""
    rows: ClassVar[int]
    """Most candles of an answer."""

    def __init__(self, http: HttpSession, clock: Clock) -> None:
        self._http = http
        self._clock = clock

    async def bars(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        """Return closed bars with start_ns <= open time < end_ns, oldest first.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: Its answer is not what it documents.
            ConfigError: The venue has no bars of this length.
        """
        source, granularity = offered(self.sources, timeframe, instrument)
        start_ns, end_ns = aligned(timeframe, start_ns, end_ns, self._clock.now_ns())
        if instrument.listed_ns:
            start_ns = max(start_ns, instrument.listed_ns // timeframe.ns * timeframe.ns)
        page = partial(self.page, instrument, source, granularity)
        found = await stretched(page, start_ns, end_ns, self.rows * source.ns)
        return found if source is timeframe else list(join_bars(found, timeframe))

    @abstractmethod
    async def page(
        self,
        instrument: Instrument,
        source: Timeframe,
        granularity: str,
        start_ns: int,
        stop_ns: int,
    ) -> list[Bar]:
        """Return one stretch of candles, oldest first; see `bars`."""
