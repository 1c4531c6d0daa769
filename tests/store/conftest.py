"""What tests of the market store share."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from core.model.instruments import Instrument
from core.model.market import Timeframe, Trade
from core.model.stores import BarColumns, bar_columns
from store.market import MarketStore

START_NS = 1_704_067_200_000_000_000  # 2024-01-01


@pytest.fixture
def instrument() -> Instrument:
    return Instrument(
        id="BTC-USDT.binance",
        venue="binance",
        venue_symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        price_tick=Decimal("0.01"),
        size_lot=Decimal("0.00001"),
    )


@pytest.fixture
def market_path(tmp_path: Path) -> Path:
    return tmp_path / "market.sqlite"


@pytest.fixture
def market(market_path: Path) -> Iterator[MarketStore]:
    with MarketStore(market_path) as store:
        yield store


@pytest.fixture
def walk(instrument: Instrument) -> Callable[..., BarColumns]:
    """Make `count` bars that wander, from bar number `first` after 2024-01-01."""

    def make(
        count: int, timeframe: Timeframe = Timeframe.M1, first: int = 0, seed: int = 1
    ) -> BarColumns:
        rng = np.random.default_rng(seed)
        table = np.zeros((9, count), np.int64)
        table[0] = START_NS + (first + np.arange(count)) * timeframe.ns
        table[4] = 4_200_000 + np.cumsum(rng.integers(-500, 500, count))
        table[1] = table[4] - rng.integers(-300, 300, count)
        table[2] = np.maximum(table[1], table[4]) + rng.integers(0, 200, count)
        table[3] = np.minimum(table[1], table[4]) - rng.integers(0, 200, count)
        table[5] = rng.integers(1, 9_000_000, count)
        table[6] = rng.integers(1, 4000, count)
        return bar_columns(table, instrument.price_tick, instrument.size_lot)

    return make


@pytest.fixture
def tape(instrument: Instrument) -> Callable[..., list[Trade]]:
    """Make `count` trades with consecutive ids, from id `first`; one comes every `step_ns`."""

    def make(count: int, first: int = 1, step_ns: int = 250_000_000, seed: int = 2) -> list[Trade]:
        rng = np.random.default_rng(seed + first)
        prices = (4_200_000 + np.cumsum(rng.integers(-9, 10, count))).tolist()
        sizes = rng.integers(1, 90_000, count).tolist()
        return [
            Trade(
                instrument.id,
                START_NS + (first + n) * step_ns,
                START_NS + (first + n) * step_ns + 7_000_000,
                prices[n],
                sizes[n],
                bool(sizes[n] % 2),
                first + n,
            )
            for n in range(count)
        ]

    return make
