from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from core.model.errors import ConfigError
from core.model.instruments import Instrument
from core.model.market import Timeframe, Trade
from core.model.settings import StoreSettings
from core.model.stores import (
    DAY_NS,
    BarColumns,
    BarSource,
    EmptyKind,
    QualityCounts,
    Stretch,
)
from store.market import MarketStore
from store.settings import flatten, load_settings, set_in_file

Walk = Callable[..., BarColumns]
M1, M5, H1, D1 = Timeframe.M1, Timeframe.M5, Timeframe.H1, Timeframe.D1
EVER = (0, 1 << 62)
START_NS = 1_704_067_200_000_000_000
KEEP_ALL = StoreSettings(bars_days={}, trades_days=0, quality_days=0)


def only(**fields: object) -> StoreSettings:
    return KEEP_ALL.model_copy(update=fields)


def resampled(bars: BarColumns, timeframe: Timeframe) -> list[tuple[int, ...]]:
    """Join bars the slow way."""
    out: dict[int, list[int]] = {}
    for ts, o, h, low, c, volume, trades in zip(
        *(
            getattr(bars, name).tolist()
            for name in ("ts_open_ns", "open", "high", "low", "close", "volume", "trades")
        ),
        strict=True,
    ):
        opened = ts // timeframe.ns * timeframe.ns
        bar = out.setdefault(opened, [o, h, low, c, 0, 0])
        bar[1], bar[2], bar[3] = max(bar[1], h), min(bar[2], low), c
        bar[4] += volume
        bar[5] += trades
    return [(opened, *bar) for opened, bar in out.items()]


def figures(bars: BarColumns) -> list[tuple[int, ...]]:
    names = ("ts_open_ns", "open", "high", "low", "close", "volume", "trades")
    return list(zip(*(getattr(bars, name).tolist() for name in names), strict=True))


def test_old_minutes_become_longer_bars_and_go(
    market: MarketStore, instrument: Instrument, walk: Walk
) -> None:
    bars = walk(10 * 1440)
    market.bars.put_bars(instrument, M1, bars, BarSource.VENUE)
    now = START_NS + 10 * DAY_NS + 3
    policy = only(bars_days={M1: 4})
    plan = market.retention.plan(policy, now)
    assert [str(item) for item in plan] == ["BTC-USDT.binance 1m before 2024-01-07: 8640 rows"]
    assert len(market.bars.bars(instrument.id, M1, *EVER)) == 10 * 1440
    done = market.retention.apply(policy, now)
    assert [item.rows for item in done] == [8640]
    left = market.bars.bars(instrument.id, M1, *EVER)
    assert figures(left) == figures(bars)[6 * 1440 :]
    for timeframe in (M5, Timeframe.M15, H1, Timeframe.H4, D1):
        made = market.bars.bars(instrument.id, timeframe, *EVER)
        rows = 6 * DAY_NS // timeframe.ns
        assert figures(made) == resampled(bars, timeframe)[:rows]
        assert set(made.source.tolist()) == {BarSource.DERIVED.rank}
    assert market.retention.apply(policy, now) == []
    assert market.upkeep.verify() == []


def test_one_sweep_also_drops_what_it_made_itself_and_a_plan_counts_what_goes(
    market: MarketStore, instrument: Instrument, walk: Walk
) -> None:
    market.bars.put_bars(instrument, M1, walk(10 * 1440), BarSource.VENUE)
    policy = only(bars_days={M1: 4, M5: 6})
    done = market.retention.apply(policy, START_NS + 10 * DAY_NS)
    assert [str(item) for item in done] == [
        "BTC-USDT.binance 1m before 2024-01-07: 8640 rows",
        "BTC-USDT.binance 5m before 2024-01-05: 1152 rows",
    ]
    later = START_NS + 11 * DAY_NS
    plan = market.retention.plan(policy, later)
    assert [item.rows for item in plan] == [1440, 288]
    assert [item.rows for item in market.retention.apply(policy, later)] == [1440, 288]
    assert market.retention.apply(policy, later) == []


def test_old_seconds_become_every_longer_bar(
    market: MarketStore, instrument: Instrument, walk: Walk
) -> None:
    bars = walk(2 * 86_400 + 5000, Timeframe.S1)
    market.bars.put_bars(instrument, Timeframe.S1, bars, BarSource.TRADES)
    policy = only(bars_days={Timeframe.S1: 1})
    done = market.retention.apply(policy, START_NS + 3 * DAY_NS)
    assert [item.rows for item in done] == [2 * 86_400]
    assert market.bars.oldest(instrument.id, Timeframe.S1) == START_NS + 2 * DAY_NS
    for timeframe in (Timeframe.S5, M1, M5, D1):
        made = market.bars.bars(instrument.id, timeframe, *EVER)
        assert figures(made) == resampled(bars, timeframe)[: 2 * DAY_NS // timeframe.ns]
        assert set(made.source.tolist()) == {BarSource.DERIVED.rank}


def test_downsampling_never_touches_a_bar_that_is_there_and_marks_what_is_not_whole(
    market: MarketStore, instrument: Instrument, walk: Walk
) -> None:
    bars = walk(1440)
    keep = np.ones(1440, bool)
    keep[[62, 130]] = False
    holed = msgspec.structs.replace(
        bars,
        **{
            name: getattr(bars, name)[keep]
            for name in BarColumns.__struct_fields__
            if name not in ("price_tick", "size_lot")
        },
    )
    market.bars.put_bars(instrument, M1, holed, BarSource.VENUE)
    quiet = START_NS + 130 * M1.ns
    market.bars.mark_empty(
        instrument.id, Stretch(start_ns=quiet, end_ns=quiet + M1.ns, kind=EmptyKind.NO_TRADE)
    )
    hours = walk(1, H1, seed=9)
    market.bars.put_bars(instrument, H1, hours, BarSource.VENUE)
    market.retention.apply(only(bars_days={M1: 1}), START_NS + 3 * DAY_NS)
    made = market.bars.bars(instrument.id, H1, *EVER)
    assert figures(made)[0] == figures(hours)[0]
    assert made.source.tolist()[:4] == [5, 1, 2, 2]  # there, a hole, a quiet minute, whole
    assert figures(made)[1:] == resampled(holed, H1)[1:]


def test_trades_become_minutes_that_are_whole_where_their_ids_prove_it(
    market: MarketStore, instrument: Instrument, tape: Callable[..., list[Trade]]
) -> None:
    trades = tape(12_000, step_ns=20_000_000_000)  # three a minute, for 2.8 days
    lost = [trade for trade in trades if trade.trade_id != 500]
    market.trades.put_trades(instrument, lost)
    done = market.retention.apply(only(trades_days=1), START_NS + 3 * DAY_NS)
    gone = [trade for trade in lost if trade.ts_event_ns < START_NS + 2 * DAY_NS]
    assert [(item.timeframe, item.rows) for item in done] == [(None, len(gone))]
    assert len(market.trades.trades(instrument.id, *EVER)) == len(lost) - len(gone)
    bars = market.bars.bars(instrument.id, M1, *EVER)
    assert len(bars) == 2 * 1440
    minute = (500 * 20) // 60  # the last one of its minute, so it may be of the next as well
    partial = [n for n, rank in enumerate(bars.source.tolist()) if rank == BarSource.PARTIAL.rank]
    assert partial == [0, minute, minute + 1]  # the first has no trade before it
    assert set(bars.source.tolist()) == {BarSource.PARTIAL.rank, BarSource.TRADES.rank}
    inside = [trade for trade in gone if trade.ts_event_ns // M1.ns == (START_NS // M1.ns) + 777]
    assert figures(bars)[777] == (
        START_NS + 777 * M1.ns,
        inside[0].price_ticks,
        max(trade.price_ticks for trade in inside),
        min(trade.price_ticks for trade in inside),
        inside[-1].price_ticks,
        sum(trade.size_lots for trade in inside),
        3,
    )


def test_without_downsampling_old_data_just_goes_and_the_disk_gets_room_back(
    market: MarketStore, instrument: Instrument, walk: Walk
) -> None:
    market.bars.put_bars(instrument, M1, walk(60 * 1440), BarSource.VENUE)
    market.retention.apply(KEEP_ALL, START_NS + 100 * DAY_NS)
    full = market.upkeep.bytes_on_disk()
    policy = only(bars_days={M1: 45}, downsample=False)
    market.retention.apply(policy, START_NS + 100 * DAY_NS)
    assert [info.timeframe for info in market.upkeep.series()] == [M1]
    assert market.bars.oldest(instrument.id, M1) == START_NS + 55 * DAY_NS
    assert market.upkeep.bytes_on_disk() < full / 3


def test_old_quality_records_go_and_nothing_else(market: MarketStore) -> None:
    for day in range(5):
        market.quality.add("BTC-USDT.binance", day * DAY_NS, QualityCounts(frames=day))
    assert market.retention.apply(only(quality_days=2), 5 * DAY_NS) == []
    assert [day.counts.frames for day in market.quality.days()] == [3, 4]


@pytest.mark.parametrize("days", [0, 400])
def test_what_is_kept_for_ever_or_young_stays(
    days: int, market: MarketStore, instrument: Instrument, walk: Walk
) -> None:
    market.bars.put_bars(instrument, M1, walk(3000), BarSource.VENUE)
    policy = only(bars_days={M1: days})
    assert market.retention.plan(policy, START_NS + 100 * DAY_NS) == []
    assert market.retention.apply(policy, START_NS + 100 * DAY_NS) == []
    assert market.upkeep.series()[0].rows == 3000


def test_the_policy_is_read_from_the_settings_file_and_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[store]\ntrades_days = 7\n[store.bars_days]\n"1m" = 90\n')
    settings = load_settings(path, {"CLX_STORE__DOWNSAMPLE": "false"})
    assert settings.store == StoreSettings(
        bars_days={M1: 90}, trades_days=7, quality_days=400, downsample=False
    )
    assert flatten(settings)["store.bars_days.1m"] == "90"
    set_in_file(path, "store.bars_days.5m", "30")
    assert load_settings(path, {}).store.bars_days == {M1: 90, M5: 30}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("trades_days = -1", r"store.trades_days: .*was -1"),
        ('bars_days = {"7m" = 3}', r"store.bars_days.7m: .*'1m'.*was '7m'"),
        ("trade_days = 3", r"unknown key store.trade_days .*did you mean 'trades_days'"),
    ],
)
def test_a_wrong_policy_is_refused(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"[store]\n{text}\n")
    with pytest.raises(ConfigError, match=words):
        load_settings(path, {})
