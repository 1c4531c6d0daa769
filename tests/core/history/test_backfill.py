"""Backfill fetches what lacks, once, keeps each piece, and goes on where it was stopped."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.engine.clock import SimClock
from core.history.backfill import Backfill, Progress
from core.model.errors import DataError, RateLimited, TemporaryError
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe
from core.model.stores import BarSource, EmptyKind, columns_of_bars
from store.market import MarketStore

M1 = Timeframe.M1
MIN = M1.ns
NOW = 20_000 * Timeframe.D1.ns
FROM = NOW - 2000 * MIN


@pytest.fixture
def backfill(market: MarketStore, past: Any, clock: SimClock, quick: random.Random) -> Backfill:
    return Backfill(market.bars, past.history, clock=clock, rng=quick, piece_bars=300)


def stored(market: MarketStore, instrument: Instrument) -> list[int]:
    return market.bars.bars(instrument.id, M1, 0, NOW).ts_open_ns.tolist()


async def test_empty_store_is_filled_in_pieces_with_progress(
    backfill: Backfill, market: MarketStore, past: Any, instrument: Instrument
) -> None:
    told: list[Progress] = []
    filled = await backfill.fill(instrument, M1, FROM, NOW, told=told.append)
    assert stored(market, instrument) == list(range(FROM, NOW, MIN))
    assert filled.written.new == 2000
    assert filled.left == ()
    assert [item.done for item in told] == [0, 300, 600, 900, 1200, 1500, 1800, 2000]
    assert len(past.asked) == 7


async def test_second_run_asks_nothing(
    backfill: Backfill, past: Any, instrument: Instrument
) -> None:
    await backfill.fill(instrument, M1, FROM, NOW)
    past.asked.clear()
    await backfill.fill(instrument, M1, FROM, NOW)
    assert past.asked == []


async def test_outage_of_the_venue_is_told_from_a_hole_of_ours_and_not_asked_again(
    backfill: Backfill, market: MarketStore, past: Any, instrument: Instrument
) -> None:
    gone = (FROM + 500 * MIN, FROM + 560 * MIN)
    past.outages.append(gone)
    filled = await backfill.fill(instrument, M1, FROM, NOW)
    assert [(hole.start_ns, hole.end_ns) for hole in filled.outages] == [gone]
    assert filled.left == ()
    assert market.bars.empties(instrument.id)[0].kind is EmptyKind.OUTAGE
    past.asked.clear()
    await backfill.fill(instrument, M1, FROM, NOW)
    assert past.asked == []


async def test_time_before_the_listing_is_remembered_as_never_offered(
    backfill: Backfill, market: MarketStore, past: Any, instrument: Instrument
) -> None:
    past.listed_ns = FROM + 700 * MIN
    filled = await backfill.fill(instrument, M1, FROM, NOW)
    assert {hole.kind for hole in filled.holes} == {EmptyKind.NOT_OFFERED}
    assert stored(market, instrument)[0] == past.listed_ns


async def test_newest_hole_is_left_open_for_the_venue_may_still_fill_it(
    backfill: Backfill, past: Any, instrument: Instrument
) -> None:
    past.outages.append((NOW - 4 * MIN, NOW))
    filled = await backfill.fill(instrument, M1, FROM, NOW)
    assert [(gap.start_ns, gap.bars) for gap in filled.left] == [(NOW - 4 * MIN, 4)]


async def test_work_that_was_stopped_goes_on_where_it_was(
    backfill: Backfill, market: MarketStore, past: Any, instrument: Instrument
) -> None:
    def stop(progress: Progress) -> None:
        if progress.done >= 600:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await backfill.fill(instrument, M1, FROM, NOW, told=stop)
    assert len(stored(market, instrument)) == 600
    past.asked.clear()
    await backfill.fill(instrument, M1, FROM, NOW)
    assert past.asked[0][0] == FROM + 600 * MIN
    assert stored(market, instrument) == list(range(FROM, NOW, MIN))


async def test_venue_that_is_away_for_a_while_is_waited_for(
    backfill: Backfill, past: Any, instrument: Instrument
) -> None:
    past.failures = [TemporaryError("away"), RateLimited("429", "slow down", 0.0)]
    told: list[str] = []
    filled = await backfill.fill(
        instrument, M1, FROM, NOW, told=lambda progress: told.append(progress.note)
    )
    assert filled.left == ()
    assert any("away" in note for note in told)


async def test_venue_that_stays_away_ends_the_work_and_says_what_is_kept(
    backfill: Backfill, market: MarketStore, past: Any, instrument: Instrument
) -> None:
    await backfill.fill(instrument, M1, FROM, FROM + 300 * MIN)
    past.failures = [TemporaryError("no such host")] * 50
    with pytest.raises(TemporaryError, match=r"no such host; given up .* run it again"):
        await backfill.fill(instrument, M1, FROM, NOW)
    assert len(stored(market, instrument)) == 300


async def test_good_bars_are_never_replaced_by_worse(
    backfill: Backfill, market: MarketStore, past: Any, instrument: Instrument
) -> None:
    await backfill.fill(instrument, M1, FROM, NOW)
    wrong = [Bar(instrument.id, M1, FROM, 9, 9, 9, 9, 9, 9)]
    market.bars.put_bars(instrument, M1, columns_of_bars(instrument, wrong), BarSource.TRADES)
    assert market.bars.bars(instrument.id, M1, FROM, FROM + MIN).open.tolist() == [
        past.bar(FROM).open_ticks
    ]


async def test_answer_that_is_out_of_order_is_refused(
    market: MarketStore, past: Any, instrument: Instrument, clock: SimClock, quick: random.Random
) -> None:
    async def backwards(*asked: Any) -> list[Bar]:
        return list(reversed(await past.history(*asked)))

    work = Backfill(market.bars, backwards, clock=clock, rng=quick)
    with pytest.raises(DataError, match="does not follow"):
        await work.fill(instrument, M1, FROM, NOW)
    assert stored(market, instrument) == []


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    outages=st.lists(st.tuples(st.integers(0, 1900), st.integers(1, 90)), max_size=5),
    stops=st.lists(st.integers(0, 6), max_size=4),
)
async def test_any_stops_and_outages_end_with_every_bar_once(
    tmp_path_factory: pytest.TempPathFactory, instrument: Instrument, clock: SimClock,
    quick: random.Random, past: Any, outages: list[tuple[int, int]], stops: list[int],
) -> None:  # fmt: skip
    past.outages = [(FROM + at * MIN, FROM + (at + length) * MIN) for at, length in outages]
    with MarketStore(tmp_path_factory.mktemp("s") / "m.sqlite") as market:
        work = Backfill(market.bars, past.history, clock=clock, rng=quick, piece_bars=300)
        for pieces in stops:
            left = pieces

            def told(progress: Progress) -> None:
                nonlocal left
                left -= 1
                if left < 0:
                    raise asyncio.CancelledError

            try:
                await work.fill(instrument, M1, FROM, NOW, told=told)
            except asyncio.CancelledError:
                continue
        await work.fill(instrument, M1, FROM, NOW)
        assert stored(market, instrument) == list(past.opens(FROM, NOW, MIN))
