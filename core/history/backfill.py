"""Fills a store with a venue's bars: what is missing, piece by piece, each kept at once.

::

    gaps of the store ─► piece ─► venue ─► store ─► what the venue left out is marked ─► next piece

Nothing is remembered but what the store holds, so work that was stopped, or killed, goes on where
it was by asking the store again what is missing.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final

import msgspec

from core.history.asking import asked
from core.history.holes import Hole, holes_in
from core.model.errors import ConfigError, DataError
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe
from core.model.ports import Clock
from core.model.stores import (
    BarSource,
    BarStore,
    EmptyKind,
    Gap,
    Stretch,
    Written,
    columns_of_bars,
)

PIECE_BARS: Final = 5000
"""Bars asked for at once: what is lost when we are killed, and how often progress is told."""

SETTLE_NS: Final = 10 * 60 * 1_000_000_000
"""Holes younger than this are not marked: the venue may still close or correct those bars."""

Fetch = Callable[[Instrument, Timeframe, int, int], Awaitable[list[Bar]]]
"""Closed bars with start_ns <= open time < end_ns, oldest first; see `core.model.ports.Feed`."""


class Progress(msgspec.Struct, frozen=True):
    """How far one series has come."""

    instrument: Instrument
    timeframe: Timeframe | None
    """None: single trades."""
    done: int
    """Periods settled: bars kept and stretches known to be empty; of trades the time, in ns."""
    total: int
    at_ns: int
    note: str = ""
    """What is waited for; with a total, what has come."""


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """What came of filling one series."""

    instrument: Instrument
    timeframe: Timeframe
    written: Written
    holes: tuple[Hole, ...]
    """What the venue itself does not have; marked, so it is not asked for again."""
    left: tuple[Gap, ...]
    """What is still missing."""

    @property
    def outages(self) -> tuple[Hole, ...]:
        """Stretches in which the venue was away."""
        return tuple(hole for hole in self.holes if hole.kind is EmptyKind.OUTAGE)


class Backfill:
    """Fetches what a store lacks.

    Args:
        store: Keeps the bars; called in threads.
        fetch: Asks the venue.
        clock: Says how far the past goes.
        rng: Jitters the back-off.
        piece_bars: Bars asked for at once.
    """

    def __init__(
        self,
        store: BarStore,
        fetch: Fetch,
        *,
        clock: Clock,
        rng: random.Random,
        piece_bars: int = PIECE_BARS,
    ) -> None:
        self._store = store
        self._fetch = fetch
        self._clock = clock
        self._rng = rng
        self._piece_bars = piece_bars

    async def fill(
        self,
        instrument: Instrument,
        timeframe: Timeframe,
        start_ns: int,
        end_ns: int,
        *,
        told: Callable[[Progress], None] = lambda progress: None,
    ) -> Filled:
        """Fetch every bar of [start_ns, end_ns) that the store lacks and the venue has.

        Raises:
            TemporaryError: The venue stayed away; what came before is kept.
            DataError: Its answer is not what it documents.
            ConfigError: The venue has no bars of this length.
            StoreError: The store cannot be written; what came before is kept.
        """
        step_ns = timeframe.ns
        start_ns = max(0, -(-start_ns // step_ns) * step_ns)
        end_ns = min(end_ns, self._clock.now_ns()) // step_ns * step_ns
        gaps = await self._gaps(instrument, timeframe, start_ns, end_ns)
        total = max(0, (end_ns - start_ns) // step_ns)
        done = total - sum(gap.bars for gap in gaps)
        written = Written()
        holes: list[Hole] = []
        told(Progress(instrument, timeframe, done, total, start_ns))
        for piece_start, piece_end in self._pieces(gaps, step_ns):
            bars = await self._ask(instrument, timeframe, piece_start, piece_end, told)
            oldest = await asyncio.to_thread(self._store.oldest, instrument.id, timeframe)
            first = oldest is None or oldest >= piece_end
            put = await asyncio.to_thread(self._keep, instrument, timeframe, bars)
            written += put
            found = holes_in(
                [bar.ts_open_ns for bar in bars], piece_start, piece_end, step_ns, first=first
            )
            settled = [hole for hole in found if self._may_mark(hole, step_ns)]
            await asyncio.to_thread(self._mark, instrument, timeframe, settled)
            holes += settled
            done += (piece_end - piece_start) // step_ns
            told(Progress(instrument, timeframe, done, total, piece_end))
        left = await self._gaps(instrument, timeframe, start_ns, end_ns)
        return Filled(
            instrument=instrument,
            timeframe=timeframe,
            written=written,
            holes=tuple(holes),
            left=tuple(left),
        )

    async def _gaps(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Gap]:
        if start_ns >= end_ns:
            return []
        return await asyncio.to_thread(self._store.gaps, instrument.id, timeframe, start_ns, end_ns)

    def _pieces(self, gaps: Sequence[Gap], step_ns: int) -> Iterator[tuple[int, int]]:
        """Yield ranges to ask for, near gaps as one: a question costs more than a few bars."""
        span_ns = self._piece_bars * step_ns
        joined: list[tuple[int, int]] = []
        for gap in gaps:
            near = joined and gap.start_ns - joined[-1][1] <= span_ns // 20
            if near and gap.end_ns - joined[-1][0] <= span_ns:
                joined[-1] = (joined[-1][0], gap.end_ns)
            else:
                joined.append((gap.start_ns, gap.end_ns))
        for start_ns, end_ns in joined:
            for at in range(start_ns, end_ns, span_ns):
                yield at, min(at + span_ns, end_ns)

    async def _ask(
        self,
        instrument: Instrument,
        timeframe: Timeframe,
        start_ns: int,
        end_ns: int,
        told: Callable[[Progress], None],
    ) -> list[Bar]:
        async def ask() -> list[Bar]:
            bars = await self._fetch(instrument, timeframe, start_ns, end_ns)
            return _checked(bars, instrument, timeframe, start_ns, end_ns)

        def waits(why: str) -> None:
            note = f"waiting for {instrument.venue}: {why}"
            told(Progress(instrument, timeframe, 0, 0, start_ns, note))

        return await asked(ask, f"{instrument.id} {timeframe}", rng=self._rng, waits=waits)

    def _keep(self, instrument: Instrument, timeframe: Timeframe, bars: list[Bar]) -> Written:
        columns = columns_of_bars(instrument, bars)
        return self._store.put_bars(instrument, timeframe, columns, BarSource.VENUE)

    def _mark(self, instrument: Instrument, timeframe: Timeframe, holes: Sequence[Hole]) -> None:
        for hole in holes:
            # An outage holds for every length of bar; a quiet minute, or a history that does not
            # go back so far, only for this one.
            shared = hole.kind is EmptyKind.OUTAGE
            self._store.mark_empty(
                instrument.id,
                Stretch(
                    start_ns=hole.start_ns,
                    end_ns=hole.end_ns,
                    kind=hole.kind,
                    timeframe=None if shared else timeframe,
                    note=f"{instrument.venue} answered without bars",
                ),
            )

    def _may_mark(self, hole: Hole, step_ns: int) -> bool:
        return hole.end_ns + max(SETTLE_NS, step_ns) <= self._clock.now_ns()


def _checked(
    bars: list[Bar], instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
) -> list[Bar]:
    """Return an answer that is what was asked for.

    Raises:
        DataError: It is not: out of order, doubled, off the grid or beyond the range.
    """
    before = start_ns - 1
    for bar in bars:
        if not before < bar.ts_open_ns < end_ns or bar.ts_open_ns % timeframe.ns:
            raise DataError(
                f"{instrument.venue} history of {instrument.id} {timeframe}: bar at"
                f" {bar.ts_open_ns} ns does not follow {before} within the range asked for"
            )
        if bar.timeframe is not timeframe or bar.instrument_id != instrument.id:
            raise ConfigError(f"asked for {instrument.id} {timeframe}, got {bar.instrument_id}")
        before = bar.ts_open_ns
    return bars
