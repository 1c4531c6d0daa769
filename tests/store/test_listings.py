from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from core.model.errors import ConfigError, DataError
from core.model.instruments import Instrument
from core.model.market import Timeframe, Trade
from core.model.stores import (
    DAY_NS,
    BarColumns,
    BarSource,
    EmptyKind,
    QualityCounts,
    Stretch,
)
from store.market import MarketStore

Walk = Callable[..., BarColumns]
M1 = Timeframe.M1
EVER = (0, 1 << 62)


def named(instrument: Instrument, name: str) -> Instrument:
    return msgspec.structs.replace(instrument, id=f"{name}-USDT.binance")


def test_a_renamed_instrument_has_its_history_under_both_names(
    market: MarketStore, instrument: Instrument, walk: Walk
) -> None:
    old, new = named(instrument, "MATIC"), named(instrument, "POL")
    market.bars.put_bars(old, M1, walk(100), BarSource.VENUE)
    market.upkeep.rename(old.id, new.id)
    market.bars.put_bars(new, M1, walk(50, first=100), BarSource.VENUE)
    for name in (old.id, new.id):
        assert len(market.bars.bars(name, M1, *EVER)) == 150
    assert [info.instrument_id for info in market.upkeep.series()] == [new.id]
    listing = market.listings.find(old.id)
    assert listing is not None
    assert market.listings.names(listing) == [old.id, new.id]
    market.upkeep.rename(old.id, new.id)  # said twice, it changes nothing
    assert len(market.bars.bars(new.id, M1, *EVER)) == 150


def test_what_both_names_hold_is_joined_by_a_late_rename(
    market: MarketStore, instrument: Instrument, walk: Walk, tape: Callable[..., list[Trade]]
) -> None:
    old, new = named(instrument, "MATIC"), named(instrument, "POL")
    market.bars.put_bars(old, M1, walk(100), BarSource.VENUE)
    market.bars.put_bars(new, M1, walk(60, first=90, seed=5), BarSource.IMPORT)
    trades = [msgspec.structs.replace(trade, instrument_id=new.id) for trade in tape(30)]
    market.trades.put_trades(new, trades)
    market.bars.mark_empty(new.id, Stretch(start_ns=0, end_ns=DAY_NS, kind=EmptyKind.NOT_OFFERED))
    for name in (old.id, new.id):
        market.quality.add(name, 0, QualityCounts(frames=1))
    market.upkeep.rename(old.id, new.id)
    bars = market.bars.bars(new.id, M1, *EVER)
    assert len(bars) == 150
    # The venue's bars win over imported ones where both were.
    assert bars.source.tolist() == [5] * 100 + [3] * 50
    assert np.array_equal(bars.close[:100], walk(100).close)
    assert len(market.trades.trades(old.id, *EVER)) == 30
    assert len(market.bars.empties(old.id)) == 1
    assert len(market.quality.days(old.id)) == 1
    assert market.upkeep.verify() == []
    assert len(market.listings.all()) == 1


def test_a_rename_needs_data_and_stays_on_its_venue(
    market: MarketStore, instrument: Instrument, walk: Walk
) -> None:
    market.bars.put_bars(instrument, M1, walk(3), BarSource.VENUE)
    with pytest.raises(ConfigError, match=r"nothing is stored under ETH-USDT.binance"):
        market.upkeep.rename("ETH-USDT.binance", "POL-USDT.binance")
    with pytest.raises(ConfigError, match="stays on its venue"):
        market.upkeep.rename(instrument.id, "BTC-USDT.okx")


def test_a_name_used_again_starts_a_history_of_its_own(
    market: MarketStore, instrument: Instrument, walk: Walk
) -> None:
    luna = named(instrument, "LUNA")
    market.bars.put_bars(luna, M1, walk(100), BarSource.VENUE)
    start = int(walk(1, first=200).ts_open_ns[0])
    assert market.listings.relist(luna.id, start) == 1
    assert len(market.bars.bars(luna.id, M1, *EVER)) == 0
    with pytest.raises(DataError, match=r"listed anew on 2024-01-01.*belongs to epoch 0"):
        market.bars.put_bars(luna, M1, walk(10), BarSource.VENUE)
    market.bars.put_bars(luna, M1, walk(10, first=200), BarSource.VENUE)
    market.bars.put_bars(luna, M1, walk(5, first=100), BarSource.VENUE, epoch=0)
    assert len(market.bars.bars(luna.id, M1, *EVER)) == 10
    assert len(market.bars.bars(luna.id, M1, *EVER, epoch=0)) == 105
    assert [(info.epoch, info.rows) for info in market.upkeep.series()] == [(0, 105), (1, 10)]
    with pytest.raises(ConfigError, match="listed anew on 2024-01-01 already"):
        market.listings.relist(luna.id, start)
    with pytest.raises(ConfigError, match="has no listing 7"):
        market.bars.put_bars(luna, M1, walk(5, first=300), BarSource.VENUE, epoch=7)


def test_a_new_thing_under_the_old_name_of_a_renamed_one_stays_apart(
    market: MarketStore, instrument: Instrument, walk: Walk
) -> None:
    old, new = named(instrument, "MATIC"), named(instrument, "POL")
    market.bars.put_bars(old, M1, walk(100), BarSource.VENUE)
    market.upkeep.rename(old.id, new.id)
    assert market.listings.relist(old.id, int(walk(1, first=500).ts_open_ns[0])) == 1
    market.bars.put_bars(old, M1, walk(10, first=500), BarSource.VENUE)
    assert len(market.bars.bars(old.id, M1, *EVER)) == 10
    assert len(market.bars.bars(new.id, M1, *EVER)) == 100
