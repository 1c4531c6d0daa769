"""Closed bars for the engine: from the store what it has, from the venue what it lacks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Final

from core.history.backfill import Backfill
from core.model.errors import ConfigError, StoreError
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe
from core.model.ports import Clock, Feed
from core.model.stores import BarStore, Finding, bars_of_columns

SHORTEST: Final = Timeframe.M1
"""Shorter bars are too many to keep for everyone; they are asked for each time."""


class Archive:
    """Bars of any instrument and time, each asked of its venue once.

    Args:
        store: Keeps them; called in threads.
        feeds: Ask the venues.
        clock: Says how far the past goes.
        rng: Jitters back-off.
        told: Hears in words what could not be kept or read.
    """

    def __init__(
        self,
        store: BarStore,
        feeds: Mapping[VenueName, Feed],
        *,
        clock: Clock,
        rng: random.Random,
        told: Callable[[str], None],
    ) -> None:
        self._store = store
        self._feeds = feeds
        self._told = told
        self._backfill = Backfill(store, self._fetch, clock=clock, rng=rng)
        self._busy: dict[tuple[str, Timeframe], asyncio.Lock] = {}

    async def bars(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        """Return closed bars with start_ns <= open time < end_ns, oldest first.

        A store that fails costs only the keeping: the venue is asked directly then.

        Raises:
            TemporaryError: The venue is away and the store lacks something.
            DataError: The venue's answer is not what it documents.
            ConfigError: The venue has no feed, or no bars of this length.
        """
        if timeframe.ns < SHORTEST.ns:
            return await self._fetch(instrument, timeframe, start_ns, end_ns)
        try:
            async with self._lock(instrument, timeframe):
                await self._backfill.fill(instrument, timeframe, start_ns, end_ns)
                return await asyncio.to_thread(self._read, instrument, timeframe, start_ns, end_ns)
        except StoreError as error:
            self._told(f"bars of {instrument.id} {timeframe} cannot be kept: {error}")
            return await self._fetch(instrument, timeframe, start_ns, end_ns)

    async def fill(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> None:
        """Fetch what the store lacks of [start_ns, end_ns), and keep it.

        Raises:
            TemporaryError: The venue is away.
            DataError: The venue's answer is not what it documents.
            ConfigError: The venue has no feed, or no bars of this length.
            StoreError: The store cannot be read or written.
        """
        async with self._lock(instrument, timeframe):
            await self._backfill.fill(instrument, timeframe, start_ns, end_ns)

    def _lock(self, instrument: Instrument, timeframe: Timeframe) -> asyncio.Lock:
        return self._busy.setdefault((str(instrument.id), timeframe), asyncio.Lock())

    def _read(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        damaged: list[Finding] = []
        columns = self._store.bars(instrument.id, timeframe, start_ns, end_ns, damaged=damaged)
        for finding in damaged:
            self._told(f"{finding}; `clx data repair {instrument.id}` fetches it again")
        # Steps may have become coarser since; a bar is drawn and computed with, never traded.
        return bars_of_columns(instrument, timeframe, columns, nearest=True)

    async def _fetch(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        feed = self._feeds.get(instrument.venue)
        if feed is None:
            raise ConfigError(f"no feed is configured for {instrument.id}")
        return await feed.history(instrument.id, timeframe, start_ns, end_ns)
