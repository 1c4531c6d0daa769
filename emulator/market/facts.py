"""What real markets have in common, measured on the generated one: passed or said to fail.

Bands are those of the emulator's plan; `FAILED` names what the market does not do, and the label
says how much it does, so that nobody takes it for more.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np

from emulator.market.latent import Floats

FAILED: Final[dict[str, str]] = {
    "signature plot": "prices trend for seconds, as they lag the latent value",
    "arrivals": "trades come in bursts, but not in bursts of bursts",
    "book hump": "the best price holds the most, as quoters join it",
}
"""Checks the market fails, and why. ``bounce of ticks`` and ``impact is concave`` lie at the edge
of their bands and fall out of them for some seeds."""


class Fact(msgspec.Struct, frozen=True):
    """One measured property."""

    name: str
    value: float
    low: float
    high: float

    @property
    def passed(self) -> bool:
        """Whether it lies in its band."""
        return self.low <= self.value <= self.high


def autocorrelation(x: Floats, lag: int) -> float:
    """Return the correlation of a series with itself, `lag` steps later."""
    x = x - x.mean()
    return float((x[lag:] * x[:-lag]).mean() / (x * x).mean())


def kurtosis(x: Floats) -> float:
    """Return the excess kurtosis."""
    x = x - x.mean()
    return float((x**4).mean() / (x * x).mean() ** 2 - 3.0)


def hill(x: Floats, share: float = 0.01) -> float:
    """Return the tail index of the largest moves."""
    largest = np.sort(np.abs(x))[::-1]
    count = int(len(largest) * share)
    return float(1.0 / np.mean(np.log(largest[:count] / largest[count])))


def exponent(measure: Callable[[int], float], lags: tuple[int, ...]) -> float:
    """Return how fast a measure falls with its lag, as the exponent of a power."""
    values = [max(1e-3, measure(lag)) for lag in lags]
    return float(-np.polyfit(np.log(lags), np.log(values), 1)[0])


def of_minutes(returns: Floats, volumes: Floats) -> list[Fact]:
    """Measure 1m log returns and volumes, both of whole days in order, shape (n,)."""
    size = np.abs(returns)
    days = len(returns) // 1_440 * 1_440
    joined = [returns[:days].reshape(-1, step).sum(axis=1) for step in (5, 60, 240)]
    heavy = [kurtosis(each) for each in joined]
    hours = size[:days].reshape(-1, 24, 60).mean(axis=(0, 2))
    after = [float(np.corrcoef(returns[:-lag], size[lag:])[0, 1]) for lag in (1, 5, 10)]
    lags = (2, 5, 10, 20, 50, 100)
    inf = float("inf")
    return [
        Fact("kurtosis", kurtosis(returns), 5.0, 50.0),
        Fact("tail index", hill(returns), 2.5, 4.5),
        Fact("|r| at lag 1", autocorrelation(size, 1), 0.15, 1.0),
        Fact("|r| at lag 100", autocorrelation(size, 100), 0.02, 1.0),
        Fact("decay of |r|", exponent(lambda lag: autocorrelation(size, lag), lags), 0.2, 0.5),
        Fact(
            "no memory of r",
            max(abs(autocorrelation(returns, lag)) for lag in (2, 3, 4, 5)),
            0.0,
            0.02,
        ),
        Fact("gaussian in the long run", min(heavy[0] - heavy[1], heavy[1] - heavy[2]), 0.0, inf),
        Fact("volume and volatility", float(np.corrcoef(size, volumes)[0, 1]), 0.3, 1.0),
        Fact("leverage", float(np.mean(after)), -0.3, -0.005),
        Fact("season of the day", float(hours.max() / hours.min()), 1.3, 10.0),
    ]


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of a lived market; all arrays oldest first."""

    price: Floats
    """Of each taker, in ticks."""
    sign: Floats
    """+1 where the taker bought, -1 where it sold."""
    size: Floats
    at_ms: Floats
    step_ms: int
    """Between two rows of what follows."""
    start_ms: float
    bid: Floats
    ask: Floats
    best_size: Floats
    """At the best bid."""
    profile: Floats
    """Mean size at each tick's distance from the best bid, the best one first."""
    other: Floats
    """The middle price of the same asset at another venue."""


def of_flow(flow: Flow) -> list[Fact]:
    """Measure order flow, book and prices of a lived market."""
    middle = 0.5 * (flow.bid + flow.ask)
    spread = flow.ask - flow.bid
    gaps = np.diff(flow.at_ms)
    skew = float(((spread - spread.mean()) ** 3).mean() / spread.std() ** 3)
    narrow = float(np.bincount(spread.astype(np.int64)).argmax() == 1)
    best = flow.best_size
    here, there = np.log(middle), np.log(flow.other)
    epps = [
        float(np.corrcoef(np.diff(here[::step]), np.diff(there[::step]))[0, 1])
        for step in (1, 25, 150)
    ]
    lags = (1, 2, 5, 10, 20)
    inf = float("inf")
    return [
        Fact("bounce of ticks", autocorrelation(np.diff(flow.price), 1), -0.4, -0.1),
        Fact("signature plot", _signature(flow), 1.2, 3.0),
        Fact("memory of signs", exponent(lambda n: autocorrelation(flow.sign, n), lags), 0.4, 0.8),
        Fact("arrivals", float(gaps.std() / gaps.mean()), 1.5, inf),
        Fact("spread of one tick, skewed", skew * narrow, 1.0, inf),
        Fact("book hump", float(flow.profile.argmax()), 1.0, inf),
        Fact("queues are gamma", float(best.mean() ** 2 / best.var()), 0.5, 3.0),
        Fact("impact is concave", _impact(flow, middle), 0.35, 0.65),
        Fact("venues join with time", min(epps[1] - epps[0], epps[2] - epps[1]), 0.0, inf),
    ]


def _signature(flow: Flow) -> float:
    """Return realised variance of ticks against that of minutes."""
    prices = np.log(flow.price)
    grid = np.arange(flow.at_ms[0], flow.at_ms[-1], 60_000.0)
    minutes = prices[np.searchsorted(flow.at_ms, grid, side="right") - 1]
    return float((np.diff(prices) ** 2).sum() / (np.diff(minutes) ** 2).sum())


def _impact(flow: Flow, middle: Floats) -> float:
    """Return the exponent of the price change a second later against the size taken."""
    ahead = 1_000 // flow.step_ms
    row = ((flow.at_ms - flow.start_ms) // flow.step_ms).astype(np.int64)
    known = (row >= 1) & (row + ahead < len(middle))
    row, sign, size = row[known], flow.sign[known], flow.size[known]
    moved = (middle[row + ahead] - middle[row - 1]) * sign
    edges = np.quantile(size, np.linspace(0.0, 1.0, 11))
    sizes, moves = [], []
    for low, high in pairwise(edges):
        inside = (size >= low) & (size <= high)
        sizes.append(size[inside].mean())
        moves.append(max(1e-9, moved[inside].mean()))
    return float(np.polyfit(np.log(sizes), np.log(moves), 1)[0])


def median(measured: list[list[Fact]]) -> list[Fact]:
    """Return each fact with the median of its values in several markets."""
    return [
        msgspec.structs.replace(same[0], value=float(np.median([fact.value for fact in same])))
        for same in zip(*measured, strict=True)
    ]


CHECKS: Final = 19
"""How many there are."""


def label() -> str:
    """Say what the market is, in the words its users see."""
    return f"synthetic, {CHECKS - len(FAILED)} of {CHECKS} checks"
