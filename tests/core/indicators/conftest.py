"""Bars for the indicator tests."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

F64 = npt.NDArray[np.float64]
MINUTE_NS = 60_000_000_000


class Bars(NamedTuple):
    """Columns in the order the bank takes them."""

    open: F64
    high: F64
    low: F64
    close: F64
    volume: F64
    ts_open_ns: npt.NDArray[np.int64]


def make_bars(seed: int, count: int, tick: float = 0.01, start: float = 100.0) -> Bars:
    """Make a random walk on a grid of ticks, so that equal prices and flat stretches occur."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 0.002, count) * (rng.random(count) > 0.2)
    close = np.round(start * np.exp(np.cumsum(steps)) / tick) * tick
    opened = np.concatenate(([start], close[:-1]))
    reach = np.abs(rng.normal(0, 0.001, (2, count))) * (rng.random(count) > 0.1)
    high = np.round(np.maximum(opened, close) * (1 + reach[0]) / tick) * tick
    low = np.round(np.minimum(opened, close) * (1 - reach[1]) / tick) * tick
    high, low = (
        np.maximum(high, np.maximum(opened, close)),
        np.minimum(low, np.minimum(opened, close)),
    )
    volume = np.round(rng.exponential(5, count), 3) * (rng.random(count) > 0.05)
    ts = 1_700_000_000_000_000_000 // MINUTE_NS * MINUTE_NS + np.arange(count) * MINUTE_NS
    return Bars(opened, high, low, close, volume, ts)


@pytest.fixture(scope="session")
def bars() -> Bars:
    return make_bars(seed=3, count=3000)


@pytest.fixture(scope="session")
def make() -> type[Bars]:
    return make_bars  # type: ignore[return-value]  # a fixture is how conftest lends a function
