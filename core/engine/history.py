"""Fetching closed bars: a few at a time, again until they come, ranges of one series as one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, Protocol

from core.engine.demand import Series
from core.engine.local import FollowsTrades
from core.model.errors import ClxError, TemporaryError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe
from core.model.ports import Clock, Feed
from core.model.views import QualityView
from core.wire.backoff import Backoff

WORKERS: Final = 3
TIMEOUT_S: Final = 60.0
SETTLE_NS: Final = 1_500_000_000
"""A bar is asked for this long after its end, when the venue has closed it too."""


class Library(Protocol):
    """Keeps market data across lives of the engine; `core.history.library` is one."""

    @property
    def follower(self) -> FollowsTrades | None:
        """Wants every trade as it comes; None: does not."""
        ...

    async def bars(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> Sequence[Bar]:
        """Return closed bars, from disk what is there, from the venue what is not.

        Raises:
            TemporaryError: The venue is away.
        """
        ...

    def take(self, bar: Bar) -> None:
        """Keep a closed or revised bar; never blocks."""
        ...

    async def whole(self, views: Iterable[QualityView]) -> Sequence[QualityView]:
        """Return records of today together with what was counted before this engine ran."""
        ...

    async def quality(self, names: Collection[InstrumentId], days: int) -> Sequence[QualityView]:
        """Return the kept quality records of earlier days, newest day first."""
        ...

    async def run(self, views: Callable[[], Iterable[QualityView]]) -> None:
        """Write what was taken and what `views` says, until cancelled."""
        ...


class HistoryLoader:
    """Fetches what was asked for and hands it over; what a venue cannot give comes back empty.

    Args:
        instrument: The instrument of an id.
        library: Where bars are kept; None asks the venue each time.
        arrived: Takes each answer.
        told: Hears in words why a series cannot be had.
    """

    def __init__(
        self,
        feeds: Mapping[VenueName, Feed],
        instrument: Callable[[InstrumentId], Instrument],
        *,
        library: Library | None = None,
        clock: Clock,
        rng: random.Random,
        arrived: Callable[[Series, Sequence[Bar]], None],
        told: Callable[[str, str], None],
    ) -> None:
        self._feeds = feeds
        self._instrument = instrument
        self._library = library
        self._clock = clock
        self._rng = rng
        self._arrived = arrived
        self._told = told
        self._wanted: dict[Series, tuple[int, int]] = {}
        """At most one range per series, so it is bounded by what can be looked at."""
        self._more = asyncio.Event()

    def request(self, series: Series, start_ns: int, end_ns: int) -> None:
        """Have bars with start_ns <= open time < end_ns fetched; returns at once."""
        start, end = self._wanted.get(series, (start_ns, end_ns))
        self._wanted[series] = min(start, start_ns), max(end, end_ns)
        self._more.set()

    async def run(self) -> None:
        """Fetch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(WORKERS):
                tasks.create_task(self._work())

    async def _work(self) -> None:
        backoff = Backoff(self._rng, first_s=0.5, max_s=15.0)
        while True:
            while not self._wanted:
                self._more.clear()
                await self._more.wait()
            series = next(iter(self._wanted))
            start_ns, end_ns = self._wanted.pop(series)
            try:
                bars = await self._fetch(series, start_ns, end_ns)
            except TemporaryError as error:
                self._told("history", f"{series[0]} {series[1]}: {error}; trying again")
                self.request(series, start_ns, end_ns)
                await asyncio.sleep(backoff.next_s())
                continue
            except ClxError as error:
                self._told("history", f"{series[0]} {series[1]}: {error}")
                bars = []
            backoff.reset()
            self._arrived(series, bars)

    async def _fetch(self, series: Series, start_ns: int, end_ns: int) -> Sequence[Bar]:
        wait_ns = end_ns + SETTLE_NS - self._clock.now_ns()
        if 0 < wait_ns <= SETTLE_NS:
            await asyncio.sleep(wait_ns / 1e9)
        instrument = self._instrument(series[0])
        feed = self._feeds.get(instrument.venue)
        if feed is None:
            return []
        try:
            async with asyncio.timeout(TIMEOUT_S):
                if self._library is not None:
                    return await self._library.bars(instrument, series[1], start_ns, end_ns)
                return await feed.history(*series, start_ns, end_ns)
        except TimeoutError:
            raise TemporaryError(f"no answer within {TIMEOUT_S:g} s") from None
