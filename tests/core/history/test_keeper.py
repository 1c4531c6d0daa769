"""What the engine makes is kept off its loop; a full disk loses nothing that can wait."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from core.engine.quality import COUNTS
from core.history.keeper import _COUNTS, Keeper
from core.history.library import kept_view
from core.model.errors import StoreError
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import Timeframe, Trade
from core.model.stores import QualityCounts, QualityDay
from core.model.views import QualityView
from store.market import MarketStore

NOW = 20_000 * Timeframe.D1.ns
MIN = Timeframe.M1.ns


class Full:
    """A store on a disk that is full for a while."""

    def __init__(self, market: MarketStore) -> None:
        self.market = market
        self.full = False

    def put_bars(self, *args: Any, **more: Any) -> Any:
        if self.full:
            raise StoreError("disk full")
        return self.market.bars.put_bars(*args, **more)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def disk(market: MarketStore) -> Full:
    return Full(market)


@pytest.fixture
def keeper(disk: Full, market: MarketStore, instrument: Instrument, told: list[str]) -> Keeper:
    return Keeper(
        disk,  # type: ignore[arg-type]  # the one method used
        market.quality,
        instrument=lambda name: instrument,
        told=told.append,
        timeframes=(Timeframe.M1,),
    )


async def test_closed_bars_are_kept_and_a_revision_replaces(
    keeper: Keeper, market: MarketStore, past: Any, instrument: Instrument
) -> None:
    for at in range(NOW, NOW + 3 * MIN, MIN):
        keeper.take(past.bar(at))
    await keeper.write_bars()
    keeper.take(msgspec.structs.replace(past.bar(NOW), high_ticks=9999, revision=1))
    await keeper.write_bars()
    found = market.bars.bars(instrument.id, Timeframe.M1, NOW, NOW + 10 * MIN)
    assert len(found) == 3
    assert found.high[0] == 9999


async def test_bars_wait_while_the_disk_is_full(
    keeper: Keeper, disk: Full, market: MarketStore, past: Any, told: list[str],
    instrument: Instrument,
) -> None:  # fmt: skip
    disk.full = True
    keeper.take(past.bar(NOW))
    await keeper.write()
    assert told == [
        f"not all can be kept for now: bars of {instrument.id} 1m, 1 rows wait: disk full",
    ]
    disk.full = False
    keeper.take(past.bar(NOW + MIN))
    await keeper.write()
    await keeper.write()
    assert told[1:] == ["what waited is on disk, and all is kept again"]
    assert len(market.bars.bars(instrument.id, Timeframe.M1, NOW, NOW + 10 * MIN)) == 2


async def test_other_lengths_are_not_kept(
    keeper: Keeper, market: MarketStore, past: Any, instrument: Instrument
) -> None:
    keeper.take(past.bar(NOW, Timeframe.S1))
    await keeper.write_bars()
    assert market.upkeep.series() == []


async def test_quality_is_added_once_however_often_it_is_told(
    keeper: Keeper, market: MarketStore, instrument: Instrument
) -> None:
    day = "2024-10-04"
    first = QualityView(instrument_id=instrument.id, day=day, gaps=2, trades=10, live_s=60.0)
    await keeper.write_quality([first])
    await keeper.write_quality([first])
    await keeper.write_quality([msgspec.structs.replace(first, trades=15, live_s=90.0)])
    (kept,) = market.quality.days(instrument.id)
    view = kept_view(kept)
    assert (view.day, view.gaps, view.trades, view.live_s) == (day, 2, 15, 90.0)


async def test_record_of_today_holds_what_was_before_the_restart(
    keeper: Keeper, market: MarketStore, instrument: Instrument, told: list[str]
) -> None:
    day = "2024-10-04"
    ts_ns = 1_728_000_000 * 10**9
    counts = QualityCounts(gaps=3, live_s=600.0, resubscribed=2, off_band=5)
    market.quality.add(instrument.id, ts_ns, counts)
    now = QualityView(
        instrument_id=instrument.id, day=day, gaps=1, live_s=60.0, rate_per_s=7.0,
        resubscribed=1, off_band=1,
    )  # fmt: skip
    for _ in range(2):
        (whole,) = await keeper.whole([now])
        assert (whole.gaps, whole.live_s, whole.rate_per_s) == (4, 660.0, 7.0)
        assert (whole.resubscribed, whole.off_band) == (3, 6)
        await keeper.write_quality([now])
    (fresh,) = await keeper.whole([msgspec.structs.replace(now, day="2024-10-05")])
    assert fresh.gaps == 1
    assert not told


async def test_records_that_cannot_be_kept_are_told_in_one_word_and_added_later(
    keeper: Keeper, market: MarketStore, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    day = "2024-10-04"
    views = [QualityView(instrument_id=InstrumentId(f"{n}.okx"), day=day, gaps=1) for n in "ABC"]
    add = market.quality.add

    def full(*_: object) -> None:
        raise StoreError("disk full")

    monkeypatch.setattr(market.quality, "add", full)
    await keeper.write_quality(views)
    assert told == ["data quality is not kept for now: of A.okx and 2 more: disk full"]
    monkeypatch.setattr(market.quality, "add", add)
    await keeper.write_quality(views)
    assert [kept_view(item).gaps for item in market.quality.days()] == [1, 1, 1]


async def test_day_that_ended_and_the_new_one_are_kept_apart(
    keeper: Keeper, market: MarketStore, instrument: Instrument
) -> None:
    for day, gaps in (("2024-10-04", 3), ("2024-10-05", 1)):
        await keeper.write_quality([QualityView(instrument_id=instrument.id, day=day, gaps=gaps)])
    assert [kept_view(day).gaps for day in market.quality.days(instrument.id)] == [3, 1]


async def test_trades_are_kept_once_however_often_they_come(
    disk: Full, market: MarketStore, instrument: Instrument, told: list[str]
) -> None:
    keeper = Keeper(
        disk,  # type: ignore[arg-type]  # the one method used
        market.quality,
        instrument=lambda name: instrument,
        told=told.append,
        timeframes=(),
        trades=market.trades,
    )
    trades = [Trade(instrument.id, NOW + n, NOW + n, 100 + n, 1, False, n) for n in range(1, 6)]
    for trade in (*trades, *trades[:2]):
        keeper.on_trade(trade)
    await keeper.write_trades()
    keeper.on_trade(trades[4])
    await keeper.write_trades()
    kept = market.trades.trades(instrument.id, NOW, NOW + 100)
    assert kept.trade_id.tolist() == [1, 2, 3, 4, 5]


def test_every_count_of_a_day_is_kept() -> None:
    assert set(_COUNTS.values()) == set(COUNTS)
    sums = {name: 2.0 if name.endswith("_s") else 2 for name in QualityCounts.__struct_fields__}
    day = QualityDay(
        instrument_id=InstrumentId("BTC-USDT.x"), day_ns=0, clock_samples=0, clock_min_ns=None,
        clock_median_ns=None, clock_max_ns=None,
        counts=QualityCounts(**{**sums, "clock_offsets_ns": ()}),
    )  # fmt: skip
    view = kept_view(day)
    assert {name: getattr(view, name) for name in COUNTS} == dict.fromkeys(COUNTS, 2)
