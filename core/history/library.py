"""The engine's shelf of market data: an archive to read from, a keeper that writes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

from core.history.archive import Archive
from core.history.keeper import Keeper
from core.history.mending import Mender
from core.model.errors import StoreError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe
from core.model.ports import Clock, Feed
from core.model.stores import DAY_NS, BarStore, QualityDay, QualityStore, TradeStore, day_text
from core.model.views import QualityView

KEPT: Final = (Timeframe.M1, Timeframe.M5, Timeframe.M15, Timeframe.H1, Timeframe.H4, Timeframe.D1)
"""Lengths of the bars built here that are kept; shorter ones are too many."""


TIDY_AFTER_S: Final = 600.0
TIDY_EVERY_S: Final = 24 * 3600.0
"""The policy on what is old is applied some minutes after the start, then once a day."""


class MarketLibrary:
    """Implements `core.engine.history.Library` on the store's ports.

    Args:
        bars: Keeps bars.
        quality: Keeps quality records.
        trades: Keeps every trade; None keeps none.
        feeds: Ask the venues for what is missing.
        instrument: Returns an instrument's steps.
        clock: Says what is past.
        rng: Jitters back-off.
        told: Hears in words what could not be kept.
        tidy: Applies the store's policy on what is old, given the time; called in a thread.
    """

    def __init__(
        self,
        bars: BarStore,
        quality: QualityStore,
        feeds: Mapping[VenueName, Feed],
        *,
        trades: TradeStore | None = None,
        instrument: Callable[[InstrumentId], Instrument],
        clock: Clock,
        rng: random.Random,
        told: Callable[[str], None],
        tidy: Callable[[int], object] = lambda now_ns: None,
    ) -> None:
        self._told = told
        self._tidy = tidy
        self._quality = quality
        self._clock = clock
        self._archive = Archive(bars, feeds, clock=clock, rng=rng, told=told)
        self._mender = Mender(
            bars, self._archive.fill, instrument=instrument, clock=clock, told=told
        )
        self._keeper = Keeper(
            bars,
            quality,
            instrument=instrument,
            told=told,
            timeframes=KEPT,
            trades=trades,
            written=self._mender.written,
        )
        self.follower: Keeper | None = self._keeper if trades is not None else None
        """Wants every trade as it comes; None: does not."""

    async def bars(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> Sequence[Bar]:
        """Return closed bars, from disk what is there, from the venue what is not.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
        """
        return await self._archive.bars(instrument, timeframe, start_ns, end_ns)

    def take(self, bar: Bar) -> None:
        """Keep a closed or revised bar; never blocks."""
        self._keeper.take(bar)

    async def run(self, views: Callable[[], Iterable[QualityView]]) -> None:
        """Write what was taken and what `views` says, mend, and tidy up daily, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keeper.run(views))
            tasks.create_task(self._mender.run())
            tasks.create_task(self._keep_tidy())

    async def _keep_tidy(self) -> None:
        await asyncio.sleep(TIDY_AFTER_S)
        while True:
            try:
                await asyncio.to_thread(self._tidy, self._clock.now_ns())
            except StoreError as error:
                self._told(f"old market data stays for now: {error}")
            await asyncio.sleep(TIDY_EVERY_S)

    async def whole(self, views: Iterable[QualityView]) -> Sequence[QualityView]:
        """Return records of today together with what was counted before this engine ran."""
        return await self._keeper.whole(views)

    async def quality(self, names: Collection[InstrumentId], days: int) -> Sequence[QualityView]:
        """Return the kept quality records of days before today, newest day first.

        Raises:
            StoreError: They cannot be read.
        """
        today_ns = self._clock.now_ns() // DAY_NS * DAY_NS
        since_ns = today_ns - (days - 1) * DAY_NS
        found: list[QualityDay] = []
        for name in names if days > 1 else ():
            found += await asyncio.to_thread(self._quality.days, name, since_ns, today_ns)
        found.sort(key=lambda day: (-day.day_ns, day.instrument_id))
        return [kept_view(day) for day in found]


def kept_view(day: QualityDay) -> QualityView:
    """Return a kept record as faces are shown it."""
    counts = day.counts
    return QualityView(
        instrument_id=day.instrument_id,
        day=day_text(day.day_ns),
        reason="kept",
        live_s=counts.live_s,
        stale_s=counts.stale_s,
        frames=counts.frames,
        trades=counts.trades,
        gaps=counts.gaps,
        resyncs=counts.resyncs,
        crossed=counts.crossed,
        outages=counts.outages,
        rejected=counts.rejected,
        checksum_ok=counts.checksums_ok,
        checksum_bad=counts.checksums_bad,
        late_trades=counts.late_trades,
        trade_holes=counts.trade_id_holes,
        trades_refilled=counts.trades_refilled,
        duplicates=counts.duplicate_trades,
        off_band=counts.off_band,
        resubscribed=counts.resubscribed,
        rate_per_s=counts.frames / (counts.live_s + counts.stale_s or 1.0),
        clock_offset_ms=(day.clock_median_ns or 0) / 1e6,
    )
