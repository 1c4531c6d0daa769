"""Bars of every length kept are mended, whoever looks at them."""

from __future__ import annotations

import random

import pytest

from core.engine.clock import SimClock
from core.history.backfill import Backfill
from core.history.keeper import Keeper
from core.history.mending import AGAIN_NS, REST_NS, Mender
from core.model.errors import ConfigError, DataError, StoreError, TemporaryError
from core.model.instruments import Instrument
from core.model.market import Timeframe
from store.market import MarketStore

M5 = Timeframe.M5
STEP = M5.ns
START = 20_000 * Timeframe.D1.ns


class Engine:
    """Keeps bars of five minutes as they close live, some of which it lacks."""

    def __init__(self, past, market: MarketStore, clock: SimClock, rng: random.Random) -> None:
        self.past, self.market, self.clock = past, market, clock
        self.told: list[str] = []
        item = past.instrument
        fetching = Backfill(market.bars, past.history, clock=clock, rng=rng)

        async def fill(instrument: Instrument, timeframe: Timeframe, start: int, end: int) -> None:
            await fetching.fill(instrument, timeframe, start, end)

        self.mender = Mender(
            market.bars, fill, instrument=lambda _: item, clock=clock, told=self.told.append
        )
        self.keeper = Keeper(
            market.bars, market.quality, instrument=lambda _: item, told=self.told.append,
            timeframes=(M5,), written=self.mender.written,
        )  # fmt: skip

    async def closes(self, *numbers: int) -> None:
        """Keep these bars, and mend."""
        for number in numbers:
            self.keeper.take(self.past.bar(START + number * STEP, M5))
        ended = START + (numbers[-1] + 1) * STEP
        self.clock.set(max(self.clock.now_ns(), ended))
        await self.keeper.write_bars()
        await self.mender.mend()

    def kept(self) -> list[int]:
        found = self.market.bars.bars(self.past.instrument.id, M5, 0, 1 << 62).ts_open_ns
        return [(at - START) // STEP for at in found.tolist()]


@pytest.fixture
def engine(past, market: MarketStore, clock: SimClock, quick: random.Random) -> Engine:
    return Engine(past, market, clock, quick)


async def test_a_bar_over_an_outage_is_fetched_once_the_next_one_closed(engine, past):
    await engine.closes(0, 1)
    assert not past.asked, "nothing lacks"
    await engine.closes(4)
    assert engine.kept() == [0, 1, 2, 3, 4]
    await engine.closes(5, 6)
    assert len(past.asked) == 1


async def test_the_time_the_engine_did_not_run_is_fetched_at_the_next_start(
    engine, past, market, clock, quick
):
    await engine.closes(0, 1)
    again = Engine(past, market, clock, quick)
    await again.closes(40)
    assert again.kept() == list(range(41))


async def test_a_venue_that_is_away_is_asked_again_and_one_that_cannot_is_named(engine, past):
    await engine.closes(0)
    past.failures = [TemporaryError("away")] * 20
    await engine.closes(3)
    assert engine.kept() == [0, 3]
    (text,) = engine.told
    assert text.startswith(f"holes in stored bars stay for now: of {past.instrument.id} 5m, asked")
    assert "in 1 min: " in text
    assert "away" in text
    past.failures = []
    engine.clock.set(engine.clock.now_ns() + AGAIN_NS)
    await engine.mender.mend()
    assert engine.kept() == [0, 1, 2, 3]
    past.failures = [ConfigError("no bars of 5m")]
    engine.clock.set(engine.clock.now_ns() + REST_NS)
    await engine.closes(9)
    name = past.instrument.id
    assert engine.told[1:] == [
        f"a hole in bars of {name} 5m stays: no bars of 5m; once that is mended, "
        f"`clx data repair {name}` fills it"
    ]


@pytest.mark.parametrize("error", [TemporaryError("away"), DataError("html"), StoreError("full")])
async def test_what_passes_is_asked_for_soon_and_then_ever_more_rarely(engine, past, error):
    await engine.closes(0)
    asked: list[int] = []
    began = engine.clock.now_ns()

    async def away(*_: object) -> None:
        asked.append((engine.clock.now_ns() - began) // AGAIN_NS)
        raise error

    engine.mender._fill = away
    await engine.closes(3)
    began = engine.clock.now_ns()
    for _ in range(60):
        engine.clock.set(engine.clock.now_ns() + AGAIN_NS)
        await engine.mender.mend()
    # The last two waits are a quarter of an hour each.
    assert asked[1:] == [1, 3, 7, 15, 30, 45, 60]


async def test_where_few_trade_a_venue_is_not_asked_after_every_bar(engine, past):
    await engine.closes(0)
    await engine.closes(2)
    assert len(past.asked) == 1
    await engine.closes(4)
    assert len(past.asked) == 1, "the last question was a moment ago"
    await engine.closes(6)
    assert engine.kept() == list(range(7))
    assert len(past.asked) == 2
