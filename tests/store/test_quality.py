import sqlite3
import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.errors import StoreError
from core.model.stores import DAY_NS, QualityCounts
from store.market import MarketStore
from store.quality import _bucket, _centre

BTC = "BTC-USDT.binance"


def test_counts_of_one_day_add_up_and_days_stay_apart(market: MarketStore) -> None:
    market.quality.add(BTC, 5 * DAY_NS, QualityCounts(gaps=2, live_s=10.5, frames=100))
    market.quality.add(BTC, 6 * DAY_NS - 1, QualityCounts(gaps=1, stale_s=3.0, checksums_bad=4))
    market.quality.add(BTC, 6 * DAY_NS, QualityCounts(duplicate_trades=7))
    market.quality.add("ETH-USDT.binance", 6 * DAY_NS, QualityCounts(outages=1, outage_s=60.0))
    one, two = market.quality.days(BTC)
    assert one.day_ns == 5 * DAY_NS
    assert one.counts == QualityCounts(
        gaps=3, live_s=10.5, stale_s=3.0, frames=100, checksums_bad=4
    )
    assert two.counts == QualityCounts(duplicate_trades=7)
    assert [day.instrument_id for day in market.quality.days()] == [BTC, BTC, "ETH-USDT.binance"]
    assert market.quality.days(BTC, 6 * DAY_NS, 6 * DAY_NS + 1) == [two]
    assert market.quality.days("XRP-USDT.binance") == []


@given(st.lists(st.integers(-(10**13), 10**13), min_size=1, max_size=50))
def test_every_offset_falls_in_a_bucket_near_it_and_buckets_keep_the_order(
    offsets: list[int],
) -> None:
    for offset in offsets:
        assert abs(_centre(_bucket(offset)) - offset) <= abs(offset) / 32
    ordered = sorted(offsets)
    buckets = [_bucket(offset) for offset in ordered]
    assert buckets == sorted(buckets)


def test_clock_offsets_give_exact_ends_and_a_median_within_five_per_cent(
    market: MarketStore,
) -> None:
    offsets = [n * n * 997 - 4_000_000 for n in range(201)]
    assert market.quality.days() == []
    market.quality.add(BTC, 0, QualityCounts(frames=1))
    assert market.quality.days()[0].clock_median_ns is None
    for low in range(0, 201, 20):
        counts = QualityCounts(clock_offsets_ns=tuple(offsets[low : low + 20]))
        market.quality.add(BTC, DAY_NS - 1, counts)
    day = market.quality.days(BTC)[0]
    assert (day.clock_samples, day.clock_min_ns, day.clock_max_ns) == (
        201,
        min(offsets),
        max(offsets),
    )
    assert day.clock_median_ns == pytest.approx(statistics.median(offsets), rel=0.05)


def test_a_damaged_record_is_named_and_dropped_by_a_repair(
    market: MarketStore, market_path: Path
) -> None:
    market.quality.add(BTC, 0, QualityCounts(frames=1))
    market.quality.add(BTC, DAY_NS, QualityCounts(frames=2))
    connection = sqlite3.connect(market_path)
    connection.execute("UPDATE quality SET record = x'ff' WHERE day_ns = 0")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match=r"BTC-USDT.binance on 1970-01-01.*clx data repair"):
        market.quality.days(BTC)
    found = market.upkeep.verify()
    assert [str(item) for item in found] == [
        f"{BTC} quality 1970-01-01: record cannot be read",
    ]
    assert market.upkeep.repair(BTC) == found
    assert market.upkeep.verify() == []
    assert [day.counts.frames for day in market.quality.days(BTC)] == [2]
