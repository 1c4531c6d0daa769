"""Single trades are fetched stretch by stretch, as far as a venue remembers, through failures."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from core.engine.clock import SimClock
from core.history import pasttrades
from core.history.asking import ATTEMPTS
from core.history.backfill import Progress
from core.history.pasttrades import SETTLE_NS, TradeBackfill
from core.model.errors import DataError, TemporaryError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import Trade
from core.model.stores import DAY_NS, PastTrades
from store.market import MarketStore

S = 1_000_000_000
NOW = 20_000 * 86_400 * S
ITEM = Instrument(
    id=InstrumentId("BTC-USD.x"), venue=VenueName("x"), venue_symbol="BTC", base="BTC", quote="USD",
    price_tick=Decimal("0.01"), size_lot=Decimal("0.01"),
)  # fmt: skip


class Venue:
    """One trade a second for an hour, numbered; remembers the newest `memory` of them."""

    def __init__(self) -> None:
        self.memory = 3600
        self.failures: list[Exception] = []
        self.asked: list[tuple[int, int]] = []
        first = NOW - 3600 * S
        self.trades = [Trade(ITEM.id, first + n * S, 0, 100, 5, False, n + 1) for n in range(3600)]

    async def fetch(self, item: Instrument, start_ns: int, end_ns: int) -> PastTrades:
        if self.failures:
            raise self.failures.pop(0)
        self.asked.append((start_ns, end_ns))
        known = self.trades[-self.memory :]
        since = known[0].ts_event_ns if self.memory < 3600 else start_ns
        found = [trade for trade in known if start_ns <= trade.ts_event_ns < end_ns]
        return PastTrades(found, max(start_ns, since))


class Quick(Random):
    def uniform(self, a: float, b: float) -> float:
        return 0.0


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with MarketStore(tmp_path / "market.sqlite") as made:
        yield made


@pytest.fixture
def venue() -> Venue:
    return Venue()


def work(store: MarketStore, venue: Venue, **more: Any) -> TradeBackfill:
    return TradeBackfill(store.past, venue.fetch, clock=SimClock(NOW), rng=Quick(), **more)


def ids(store: MarketStore) -> list[int]:
    found: list[int] = store.trades.trades(ITEM.id, 0, NOW).trade_id.tolist()
    return found


async def test_all_but_the_newest_seconds_come_once_and_progress_ends_at_the_whole(
    store: MarketStore, venue: Venue
) -> None:
    told: list[Progress] = []
    filler = work(store, venue)
    done = await filler.fill(ITEM, NOW - 7200 * S, NOW, consecutive=True, told=told.append)
    whole = 3600 - SETTLE_NS // S
    assert ids(store) == list(range(1, whole + 1))
    assert (done.written.new, done.left, done.beyond_ns) == (whole, (), 0)
    assert told[-1].done == told[-1].total == 7200 * S - SETTLE_NS
    asked = len(venue.asked)
    assert asked < 30
    await filler.fill(ITEM, NOW - 7200 * S, NOW, consecutive=True)
    assert len(venue.asked) == asked


async def test_venue_that_stays_away_leaves_what_came_and_is_gone_on_with(
    store: MarketStore, venue: Venue
) -> None:
    filler = work(store, venue)
    await filler.fill(ITEM, NOW - 3600 * S, NOW - 3000 * S, consecutive=False)
    venue.failures = [TemporaryError("away")] * ATTEMPTS
    with pytest.raises(TemporaryError, match="run it again to go on"):
        await filler.fill(ITEM, NOW - 3600 * S, NOW, consecutive=False)
    assert ids(store) == list(range(1, 601))
    venue.failures = [TemporaryError("away")]
    await filler.fill(ITEM, NOW - 3600 * S, NOW, consecutive=False)
    assert ids(store) == list(range(1, 3600 - SETTLE_NS // S + 1))
    assert venue.asked[-1][0] >= NOW - 3000 * S


async def test_stretch_in_whose_midst_a_market_begins_is_cut(
    store: MarketStore, venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pasttrades, "AIM", 100)
    kept: list[int] = []
    await work(store, venue).fill(
        ITEM, NOW - 40 * DAY_NS, NOW, consecutive=True, told=lambda _: kept.append(len(ids(store)))
    )
    assert kept[-1] == 3600 - SETTLE_NS // S
    assert max(after - before for before, after in pairwise(kept)) <= 2 * 100
    assert len(venue.asked) < 200


async def test_time_before_a_venues_memory_is_said_skipped_and_never_called_whole(
    store: MarketStore, venue: Venue
) -> None:
    venue.memory = 100
    done = await work(store, venue).fill(ITEM, NOW - 3600 * S, NOW, consecutive=False)
    assert done.beyond_ns == 3500 * S
    assert len(ids(store)) == 100 - SETTLE_NS // S
    assert len(venue.asked) < 6
    span = store.past.missing(ITEM.id, NOW - 3600 * S, NOW - SETTLE_NS)
    assert span == [(NOW - 3600 * S, NOW - 100 * S)]


async def test_fills_told_one_by_one_take_the_place_of_joined_ones(
    store: MarketStore, venue: Venue
) -> None:
    joined = [msgspec.structs.replace(venue.trades[n], size_lots=10) for n in range(1, 3600, 2)]
    store.trades.put_trades(ITEM, joined)
    await work(store, venue, joins=True).fill(ITEM, NOW - 3600 * S, NOW, consecutive=False)
    rows = store.trades.trades(ITEM.id, 0, NOW)
    assert int(rows.size.sum()) == 5 * (3600 - SETTLE_NS // S) + 10 * (SETTLE_NS // S // 2)


async def test_hole_is_mended_and_what_the_venue_has_not_is_no_hole_any_more(
    store: MarketStore, venue: Venue
) -> None:
    gone = {50, 51, 52, 200}
    store.trades.put_trades(ITEM, [t for t in venue.trades if t.trade_id not in gone])
    venue.trades = [trade for trade in venue.trades if trade.trade_id != 200]
    holes = store.past.holes(ITEM.id, 0, NOW)
    assert [(hole.first_id, hole.last_id) for hole in holes] == [(50, 52), (200, 200)]
    done = await work(store, venue).mend(ITEM, holes)
    assert (done.written.new, done.left) == (3, ())
    assert store.past.holes(ITEM.id, 0, NOW) == []


async def test_trade_that_was_not_asked_for_is_refused(store: MarketStore, venue: Venue) -> None:
    async def wrong(item: Instrument, start_ns: int, end_ns: int) -> PastTrades:
        return PastTrades([venue.trades[0]], start_ns)

    filler = TradeBackfill(store.past, wrong, clock=SimClock(NOW), rng=Quick())
    with pytest.raises(DataError, match="was not asked for"):
        await filler.fill(ITEM, NOW - 100 * S, NOW, consecutive=True)
    assert ids(store) == []
