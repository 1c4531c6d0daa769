"""Bars for the model tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

F64 = npt.NDArray[np.float64]
MINUTE_NS = 60_000_000_000


class Bars(NamedTuple):
    """Columns in the order the feature kernel takes them."""

    open: F64
    high: F64
    low: F64
    close: F64
    volume: F64
    ts_open_ns: npt.NDArray[np.int64]


def make_bars(seed: int, count: int) -> Bars:
    """Make a random walk with clustered volatility."""
    rng = np.random.default_rng(seed)
    vol = 0.001 * np.exp(np.cumsum(rng.normal(0, 0.03, count)).clip(-1, 1))
    close = 100 * np.exp(np.cumsum(vol * rng.standard_normal(count)))
    opened = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(opened, close) * (1 + vol * np.abs(rng.standard_normal(count)))
    low = np.minimum(opened, close) * (1 - vol * np.abs(rng.standard_normal(count)))
    volume = rng.exponential(5, count)
    ts = 28_333_333 * MINUTE_NS + np.arange(count) * MINUTE_NS
    return Bars(opened, high, low, close, volume, ts)


@pytest.fixture(scope="session")
def make() -> Callable[[int, int], Bars]:
    return make_bars
