"""The same bars through talipp, an independent streaming library, where definitions agree."""

from __future__ import annotations

import numpy as np
import pytest

from core.indicators.batch import compute

talipp = pytest.importorskip("talipp.indicators", reason="the peer talipp is not installed")
from talipp.ohlcv import OHLCV  # noqa: E402  after the skip

CASES = {
    "sma(20)": ("SMA", (20,), None),
    "ema(20)": ("EMA", (20,), None),
    "rma(14)": ("SMMA", (14,), None),
    "wma(9)": ("WMA", (9,), None),
    "dema(10)": ("DEMA", (10,), None),
    "tema(8)": ("TEMA", (8,), None),
    "kama(10,2,30)": ("KAMA", (10, 2, 30), None),
    "rsi(14)": ("RSI", (14,), None),
    "macd(12,26,9)": ("MACD", (12, 26, 9), ("macd", "signal", "histogram")),
    "atr(14)": ("ATR", (14,), None),
    "adx(14).adx": ("ADX", (14, 14), ("adx",)),
    "aroon(25)": ("Aroon", (25,), ("up", "down")),
    "obv": ("OBV", (), None),
    "roc(10)": ("ROC", (10,), None),
    "stddev(20)": ("StdDev", (20,), None),
    "bb(20,2)": ("BB", (20, 2), ("ub", "cb", "lb")),
    "donchian(20)": ("DonchianChannels", (20,), ("ub", "cb", "lb")),
    "keltner(20,2,10)": ("KeltnerChannels", (20, 10, 2, 2), ("ub", "cb", "lb")),
}
CLOSE_ONLY = {case[0] for case in CASES.values()} - {
    "ATR",
    "ADX",
    "Aroon",
    "OBV",
    "DonchianChannels",
    "KeltnerChannels",
}
# talipp smooths ADX from the first bar's range; the difference decays with Wilder's average.
SETTLE = {"adx(14).adx": 300}


@pytest.mark.parametrize("expression", CASES)
def test_agrees_with_talipp(expression, make) -> None:
    bars = make(seed=21, count=800)
    name, args, fields = CASES[expression]
    peer = getattr(talipp, name)(*args)
    rows = zip(*(column.tolist() for column in bars[:5]), strict=True)
    for row in rows:
        peer.add(row[3] if name in CLOSE_ONLY else OHLCV(*row))
    for place, column in enumerate(compute([expression], *bars).values()):
        values = [v if fields is None or v is None else getattr(v, fields[place]) for v in peer]
        theirs = np.array([np.nan if v is None else v for v in values], dtype=float)
        start = SETTLE.get(expression, 0)
        np.testing.assert_allclose(column[start:], theirs[start:], rtol=1e-6, atol=1e-6)
