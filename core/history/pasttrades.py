"""Fills a store with a venue's single trades, stretch by stretch, each kept at once.

::

    spans the store lacks ─► stretch ─► venue ─► store, with what they are all of ─► next stretch

As with bars, nothing is remembered but what the store holds: work that was stopped, or killed, goes
on where it was.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from core.history.asking import asked
from core.history.backfill import Progress
from core.model.errors import DataError
from core.model.instruments import Instrument
from core.model.market import Trade
from core.model.ports import Clock
from core.model.stores import DAY_NS, PastTrades, PastTradeStore, TradeHole, Written

SETTLE_NS: Final = 10_000_000_000
"""Younger trades are left to the stream: the venue's history may lag behind it."""

AIM: Final = 5_000
"""Trades a stretch should hold: what is lost when we are killed, and how often progress is told."""

FIRST_NS: Final = 10_000_000_000
SHORTEST_NS: Final = 1_000_000_000
LONGEST_NS: Final = DAY_NS

FetchTrades = Callable[[Instrument, int, int], Awaitable[PastTrades]]
"""Trades with start_ns <= event time < end_ns; see `core.model.ports.TellsTrades`."""


class FilledTrades(msgspec.Struct, frozen=True, kw_only=True):
    """What came of filling one instrument's trades."""

    instrument: Instrument
    written: Written
    beyond_ns: int
    """Time within what was asked for of which the venue remembers no trades any more."""
    left: tuple[TradeHole, ...]
    """Ids that are still missing."""


class TradeBackfill:
    """Fetches the single trades a store lacks.

    Args:
        store: Keeps them; called in threads.
        fetch: Asks the venue.
        clock: Says how far the past goes.
        rng: Jitters the back-off.
        joins: The venue's stream joins what its history tells one by one, which takes its place.
    """

    def __init__(
        self,
        store: PastTradeStore,
        fetch: FetchTrades,
        *,
        clock: Clock,
        rng: random.Random,
        joins: bool = False,
    ) -> None:
        self._store = store
        self._fetch = fetch
        self._clock = clock
        self._rng = rng
        self._joins = joins

    async def fill(
        self,
        instrument: Instrument,
        start_ns: int,
        end_ns: int,
        *,
        consecutive: bool,
        told: Callable[[Progress], None] = lambda progress: None,
    ) -> FilledTrades:
        """Fetch every trade of [start_ns, end_ns) that the store lacks and the venue has.

        Raises:
            TemporaryError: The venue stayed away; what came before is kept.
            DataError: Its answer is not what it documents.
            ConfigError: The venue tells no trades of the past.
            StoreError: The store cannot be written; what came before is kept.
        """
        end_ns = min(end_ns, self._clock.now_ns() - SETTLE_NS)
        known = consecutive and not self._joins
        spans: list[tuple[int, int]] = []
        if start_ns < end_ns:
            spans = await asyncio.to_thread(
                self._store.missing, instrument.id, start_ns, end_ns, consecutive=known
            )
        total = max(0, end_ns - start_ns)
        done = total - sum(stop - start for start, stop in spans)
        written, beyond_ns, length_ns, quiet = Written(), 0, FIRST_NS, False
        told(_progress(instrument, done, total, start_ns))
        for start, stop in spans:
            at = start
            while at < stop:
                until = min(stop, at + length_ns)
                if quiet:
                    until = await self._cut(instrument, at, until, told)
                    length_ns = min(length_ns, until - at)
                past = await self._ask(instrument, at, until, told)
                whole_ns = max(at, min(past.since_ns, until))
                written += await asyncio.to_thread(
                    self._keep, instrument, past.trades, whole_ns, until, known
                )
                length_ns = _next_length(until - at, len(past.trades), length_ns)
                quiet = not past.trades
                # Where its memory begins later still, nothing before that is asked for.
                after = max(until, min(past.since_ns, stop))
                beyond_ns += whole_ns - at + after - until
                done += after - at
                at = after
                note = f"{written.new:,} new"
                told(_progress(instrument, done, total, at, note))
        left: list[TradeHole] = []
        if known:
            left = await asyncio.to_thread(self._store.holes, instrument.id, start_ns, end_ns)
        return FilledTrades(
            instrument=instrument, written=written, beyond_ns=beyond_ns, left=tuple(left)
        )

    async def mend(
        self,
        instrument: Instrument,
        holes: list[TradeHole],
        *,
        told: Callable[[Progress], None] = lambda progress: None,
    ) -> FilledTrades:
        """Fetch the trades of some holes; ids the venue itself has not are holes no longer.

        Raises:
            TemporaryError: The venue stayed away; what came before is kept.
            DataError: Its answer is not what it documents.
            StoreError: The store cannot be written; what came before is kept.
        """
        written, beyond_ns = Written(), 0
        for count, hole in enumerate(holes):
            past = await self._ask(instrument, hole.start_ns, hole.end_ns, told)
            whole_ns = max(hole.start_ns, min(past.since_ns, hole.end_ns))
            beyond_ns += whole_ns - hole.start_ns
            written += await asyncio.to_thread(
                self._keep, instrument, past.trades, whole_ns, hole.end_ns, True
            )
            told(_progress(instrument, count + 1, len(holes), hole.end_ns))
        left = [
            found
            for hole in holes
            for found in await asyncio.to_thread(
                self._store.holes, instrument.id, hole.start_ns, hole.end_ns
            )
        ]
        return FilledTrades(
            instrument=instrument, written=written, beyond_ns=beyond_ns, left=tuple(left)
        )

    async def _cut(
        self, instrument: Instrument, at: int, until: int, told: Callable[[Progress], None]
    ) -> int:
        """Return where a stretch that follows one without trades should end.

        Stretches without trades grow, and the market may begin, or wake, in the midst of a long
        one. So its end is looked at first: at that rate all of it must not be fuller than aimed at.
        """
        while until - at > FIRST_NS:
            end = await self._ask(instrument, until - FIRST_NS, until, told)
            if len(end.trades) * (until - at) <= AIM * FIRST_NS:
                break
            until = at + (until - at) // 2
        return until

    def _keep(
        self, instrument: Instrument, trades: list[Trade], start_ns: int, end_ns: int, known: bool
    ) -> Written:
        # Trades from before the venue's memory is whole are true, but not all of their time; in
        # the stead of joined ones they would count twice.
        if self._joins:
            trades = [trade for trade in trades if trade.ts_event_ns >= start_ns]
        return self._store.keep(
            instrument, trades, start_ns, end_ns, consecutive=known, replace=self._joins
        )

    async def _ask(
        self,
        instrument: Instrument,
        start_ns: int,
        end_ns: int,
        told: Callable[[Progress], None],
    ) -> PastTrades:
        async def ask() -> PastTrades:
            return _checked(
                await self._fetch(instrument, start_ns, end_ns), instrument, start_ns, end_ns
            )

        def waits(why: str) -> None:
            note = f"waiting for {instrument.venue}: {why}"
            told(_progress(instrument, 0, 0, start_ns, note))

        return await asked(ask, f"{instrument.id} trades", rng=self._rng, waits=waits)


def _next_length(asked_ns: int, count: int, length_ns: int) -> int:
    """Return how long the next stretch should be, given how many trades the last one held."""
    if not count:
        return min(LONGEST_NS, 2 * length_ns)
    fitting = asked_ns * AIM // count
    return max(SHORTEST_NS, min(LONGEST_NS, 2 * length_ns, fitting))


def _progress(
    item: Instrument, done_ns: int, total_ns: int, at_ns: int, note: str = ""
) -> Progress:
    return Progress(item, None, done_ns, total_ns, at_ns, note)


def _checked(past: PastTrades, instrument: Instrument, start_ns: int, end_ns: int) -> PastTrades:
    """Return an answer that is what was asked for, by time.

    Raises:
        DataError: It is not: of another instrument, or beyond the range.
    """
    for trade in past.trades:
        if trade.instrument_id != instrument.id or not start_ns <= trade.ts_event_ns < end_ns:
            raise DataError(
                f"{instrument.venue} trades of {instrument.id}: trade {trade.trade_id} of"
                f" {trade.instrument_id} at {trade.ts_event_ns} ns was not asked for"
            )
    # By id they may lie a little out of order of time.
    return PastTrades(sorted(past.trades, key=lambda trade: trade.ts_event_ns), past.since_ns)
