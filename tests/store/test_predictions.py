import math
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.model.errors import StoreError
from core.model.market import Timeframe
from core.model.signals import Prediction
from store.predictions import SqlitePredictions


def prediction(n: int, p_up: float = 0.6, **fields: str) -> Prediction:
    return Prediction(
        model_id=fields.get("model", "tiny-1m"),
        version=fields.get("version", "abc123"),
        instrument_id=fields.get("instrument", "BTC-USDT.binance"),
        timeframe=Timeframe.M1,
        ts_bar_ns=n * 60_000_000_000,
        ts_ns=n * 60_000_000_000 + 5,
        horizon_bars=5,
        p_up=p_up,
        expected_return=0.001,
        low_return=-0.01,
        high_return=0.012,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "predictions.db"


@pytest.fixture
def kept(path: Path) -> Iterator[SqlitePredictions]:
    store = SqlitePredictions(path, batch=4, keep=10)
    yield store
    store.close()


def bars(found: list[Prediction]) -> list[int]:
    return [item.ts_bar_ns // 60_000_000_000 for item in found]


def test_the_newest_come_back_oldest_first_and_survive_a_restart(
    kept: SqlitePredictions, path: Path
) -> None:
    kept.put([prediction(n) for n in (3, 1, 2, 5, 4)])
    assert bars(kept.recent("tiny-1m", "BTC-USDT.binance", 3)) == [3, 4, 5]
    again = SqlitePredictions(path)
    assert again.recent("tiny-1m", "BTC-USDT.binance", 1) == [prediction(5)]
    again.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_same_bar_and_version_replaces_another_version_does_not(
    kept: SqlitePredictions,
) -> None:
    kept.put([prediction(1, 0.2), prediction(1, 0.9), prediction(1, 0.5, version="zzz")])
    found = kept.recent("tiny-1m", "BTC-USDT.binance", 10)
    assert [(item.version, item.p_up) for item in found] == [("abc123", 0.9), ("zzz", 0.5)]


def test_models_and_instruments_are_kept_apart_and_bounded(kept: SqlitePredictions) -> None:
    kept.put([prediction(n) for n in range(30)])
    kept.put([prediction(n, instrument="ETH-USDT.binance") for n in range(3)])
    assert bars(kept.recent("tiny-1m", "BTC-USDT.binance", 100)) == list(range(20, 30))
    assert bars(kept.recent("tiny-1m", "ETH-USDT.binance", 100)) == [0, 1, 2]
    assert kept.recent("other", "BTC-USDT.binance", 100) == []


def test_what_is_not_finite_is_kept_as_it_is(kept: SqlitePredictions) -> None:
    kept.put([prediction(1, math.nan)])
    assert math.isnan(kept.recent("tiny-1m", "BTC-USDT.binance", 1)[0].p_up)


def test_a_full_disk_keeps_the_batch_for_later(kept: SqlitePredictions) -> None:
    kept.put([prediction(0)])
    kept.flush()
    kept._connection.execute("PRAGMA max_page_count = 3")
    many = [prediction(n, instrument=f"I{n}-USDT.binance") for n in range(200)]
    with pytest.raises(StoreError, match=r"200 could not be written: .*full.*kept in memory"):
        kept.put(many)
    assert kept.recent("tiny-1m", "I199-USDT.binance", 5) == [many[199]]
    assert kept.recent("tiny-1m", "BTC-USDT.binance", 5) == [prediction(0)]
    kept._connection.execute("PRAGMA max_page_count = 100000")
    assert kept.recent("tiny-1m", "I7-USDT.binance", 1) == [many[7]]
    assert kept.recent("tiny-1m", "I199-USDT.binance", 1) == [many[199]]


def test_a_damaged_row_is_an_error_with_a_remedy(kept: SqlitePredictions) -> None:
    kept.put([prediction(1)])
    kept.flush()
    kept._connection.execute("UPDATE predictions SET data = x'00'")
    with pytest.raises(StoreError, match=r"predictions .*tiny-1m BTC-USDT\.binance.*deleted"):
        kept.recent("tiny-1m", "BTC-USDT.binance", 1)
