"""Streaming indicators: twenty updated by one call a bar, beside talipp's twenty."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from core.indicators.bank import Bank
from core.indicators.batch import advance

BARS = 2_000
PAIRS: dict[str, tuple[str, tuple[float, ...], bool]] = {
    "sma(20)": ("SMA", (20,), True),
    "ema(20)": ("EMA", (20,), True),
    "wma(20)": ("WMA", (20,), True),
    "rma(14)": ("SMMA", (14,), True),
    "dema(20)": ("DEMA", (20,), True),
    "tema(20)": ("TEMA", (20,), True),
    "rsi(14)": ("RSI", (14,), True),
    "macd(12,26,9)": ("MACD", (12, 26, 9), True),
    "bb(20,2)": ("BB", (20, 2), True),
    "stddev(20)": ("StdDev", (20,), True),
    "roc(10)": ("ROC", (10,), True),
    "atr(14)": ("ATR", (14,), False),
    "adx(14)": ("ADX", (14, 14), False),
    "stoch(14,1,3)": ("Stoch", (14, 3), False),
    "cci(20)": ("CCI", (20,), False),
    "vwap": ("VWAP", (), False),
    "obv": ("OBV", (), False),
    "donchian(20)": ("DonchianChannels", (20,), False),
    "keltner(20,2,10)": ("KeltnerChannels", (20, 10, 2, 2), False),
    "supertrend(10,3)": ("SuperTrend", (10, 3), False),
}
"""Ours, and talipp's name, arguments and whether it takes closes only."""

Row = tuple[float, float, float, float, float, int]


def bars(count: int) -> list[Row]:
    """Make a random walk of one-minute bars."""
    rng = np.random.default_rng(7)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.001, count)))
    opened = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(opened, close) * (1 + np.abs(rng.normal(0, 0.0005, count)))
    low = np.minimum(opened, close) * (1 - np.abs(rng.normal(0, 0.0005, count)))
    volume = rng.exponential(5, count)
    ts = np.arange(count) * 60_000_000_000
    columns = (opened, high, low, close, volume)
    return list(zip(*(c.tolist() for c in columns), ts.tolist(), strict=True))


def best_ns(job: Callable[[], None], items: int, repeats: int) -> float:
    """Return nanoseconds per item of the fastest repeat."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter_ns()
        job()
        best = min(best, time.perf_counter_ns() - start)
    return best / items


def ours_streaming(rows: list[Row], repeats: int = 60) -> float:
    """Return nanoseconds a bar of one `Bank.update` for all."""
    update = Bank(list(PAIRS)).update

    def job() -> None:
        for o, h, low, c, v, t in rows:
            update(o, h, low, c, v, t)

    return best_ns(job, len(rows), repeats)


def ours_batch(rows: list[Row]) -> float:
    """Return nanoseconds a bar when all bars go in one call."""
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    bank = Bank(list(PAIRS))

    def job() -> None:
        advance(bank, *columns)

    return best_ns(job, len(rows), 60)


def talipp_streaming(rows: list[Row]) -> float:
    """Return nanoseconds a bar of talipp's indicators, added to one by one as it documents."""
    from talipp import indicators
    from talipp.ohlcv import OHLCV

    def job() -> None:
        closes = [getattr(indicators, n)(*args) for n, args, only in PAIRS.values() if only]
        others = [getattr(indicators, n)(*args) for n, args, only in PAIRS.values() if not only]
        for o, h, low, c, v, _ in rows:
            for item in closes:
                item.add(c)
            bar = OHLCV(o, h, low, c, v)
            for item in others:
                item.add(bar)

    return best_ns(job, len(rows), 2)


def run() -> list[dict[str, object]]:
    """Measure both in this run."""
    rows = bars(BARS)
    peer = talipp_streaming(rows)
    ours = ours_streaming(rows)
    batch = ours_batch(rows)
    return [
        {
            "name": f"{len(PAIRS)} indicators, one call a bar",
            "ours": ours, "peer": None, "ratio": ours,
            "target": "<= 400 ns", "unit": "ns/bar", "ok": ours <= 400,
        },
        {
            "name": f"{len(PAIRS)} indicators streaming, vs talipp",
            "ours": ours, "peer": peer, "ratio": peer / ours,
            "target": ">= 50x talipp", "unit": "ns/bar", "ok": peer / ours >= 50,
        },
        {
            "name": f"{len(PAIRS)} indicators, all bars in one call (floor)",
            "ours": batch, "peer": peer, "ratio": peer / batch,
            "target": "the kernel alone", "unit": "ns/bar", "ok": True,
        },
    ]  # fmt: skip
