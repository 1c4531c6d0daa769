"""Every indicator against its textbook formula, written plainly and slowly."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from core.indicators.batch import compute
from core.indicators.catalogue import CATALOGUE, parse

NAN = math.nan


def sma(x, n):
    return np.array([np.mean(x[i - n + 1 : i + 1]) if i >= n - 1 else NAN for i in range(len(x))])


def rolling(x, n, f):
    return np.array([f(x[i - n + 1 : i + 1]) if i >= n - 1 else NAN for i in range(len(x))])


def recursive(x, n, alpha):
    """Seed with the mean of the first n finite values, then decay."""
    out = np.full(len(x), NAN)
    start = int(np.argmax(np.isfinite(x)))
    if len(x) - start < n or not np.isfinite(x).any():
        return out
    value = math.fsum(x[start : start + n]) / n
    out[start + n - 1] = value
    for i in range(start + n, len(x)):
        value = (1 - alpha) * value + alpha * x[i]
        out[i] = value
    return out


def ema(x, n):
    return recursive(x, n, 2 / (n + 1))


def rma(x, n):
    return recursive(x, n, 1 / n)


def wma(x, n):
    weights = np.arange(1, n + 1)
    return rolling(x, n, lambda w: float((w * weights).sum() / weights.sum()))


def shift(x, n):
    return np.concatenate((np.full(n, NAN), x[:-n]))


def true_range(b, first=True):
    before = shift(b.close, 1)
    out = np.nanmax([b.high - b.low, abs(b.high - before), abs(b.low - before)], axis=0)
    if not first:
        out[0] = NAN
    return out


def typical(b):
    return (b.high + b.low + b.close) / 3


def share(up, down):
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(up + down > 0, 100 * up / (up + down), np.where(np.isnan(up), NAN, 50.0))


def rsi(b, n):
    change = np.diff(b.close, prepend=NAN)
    up = rma(np.where(np.isnan(change), NAN, np.maximum(change, 0)), n)
    down = rma(np.where(np.isnan(change), NAN, np.maximum(-change, 0)), n)
    return (share(up, down),)


def macd(b, fast, slow, signal):
    line = ema(b.close, fast) - ema(b.close, slow)
    average = ema(line, signal)
    return line, average, line - average


def stoch(b, n, smoothing, signal):
    top, bottom = rolling(b.high, n, max), rolling(b.low, n, min)
    k = np.full(len(top), NAN)
    k[n - 1 :] = sma(share(b.close - bottom, top - b.close)[n - 1 :], smoothing)
    d = np.full(len(top), NAN)
    d[n + smoothing - 2 :] = sma(k[n + smoothing - 2 :], signal)
    return k, d


def cci(b, n):
    price = typical(b)
    away = rolling(price, n, lambda w: float(np.abs(w - np.mean(w)).mean()))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (np.where(away < 1e-12, 0.0, (price - sma(price, n)) / (0.015 * away)),)


def trix(b, n):
    triple = ema(ema(ema(b.close, n), n), n)
    return (100 * (triple / shift(triple, 1) - 1),)


def adx(b, n):
    up, down = np.diff(b.high, prepend=NAN), -np.diff(b.low, prepend=NAN)
    blank = np.isnan(up)
    plus = rma(np.where(blank, NAN, np.where((up > down) & (up > 0), up, 0)), n)
    minus = rma(np.where(blank, NAN, np.where((down > up) & (down > 0), down, 0)), n)
    span = rma(true_range(b, first=False), n)
    total = plus + minus
    dx = np.where(total == 0, 0, 100 * abs(plus - minus) / np.where(total == 0, 1, total))
    return rma(dx, n), 100 * plus / span, 100 * minus / span


def aroon(b, n):
    up = rolling(b.high, n + 1, lambda w: 100 * (n - np.argmax(w[::-1])) / n)
    return up, rolling(b.low, n + 1, lambda w: 100 * (n - np.argmin(w[::-1])) / n)


def mfi(b, n):
    price = typical(b)
    change = np.diff(price, prepend=NAN)
    up = rolling(np.where(change > 0, price * b.volume, 0), n, math.fsum)
    down = rolling(np.where(change < 0, price * b.volume, 0), n, math.fsum)
    out = share(up, down)
    out[n - 1] = NAN
    return (out,)


def kama(b, n, fast, slow):
    out = np.full(len(b.close), NAN)
    value = b.close[n - 1]
    for i in range(n, len(out)):
        path = np.abs(np.diff(b.close[i - n : i + 1])).sum()
        straight = abs(b.close[i] - b.close[i - n]) / path if path > 1e-9 else 0.0
        weight = (straight * (2 / (fast + 1) - 2 / (slow + 1)) + 2 / (slow + 1)) ** 2
        value += weight * (b.close[i] - value)
        out[i] = value
    return (out,)


def bands(middle, away):
    return middle + away, middle, middle - away


def keltner(b, n, k, m):
    away = k * rma(true_range(b), m)
    middle = ema(b.close, n)
    return bands(np.where(np.isnan(away), NAN, middle), away)


def donchian(b, n):
    top, bottom = rolling(b.high, n, max), rolling(b.low, n, min)
    return top, (top + bottom) / 2, bottom


def supertrend(b, n, k):
    away = k * rma(true_range(b), n)
    stop, side = np.full(len(away), NAN), np.full(len(away), NAN)
    top = bottom = direction = None
    for i in range(n - 1, len(away)):
        middle = (b.high[i] + b.low[i]) / 2
        up, down = middle + away[i], middle - away[i]
        if direction is None:
            direction = 1
        else:
            top_moves = up < top or b.close[i - 1] > top
            bottom_moves = down > bottom or b.close[i - 1] < bottom
            up, down = (up if top_moves else top), (down if bottom_moves else bottom)
            if direction == 1 and b.close[i] < down:
                direction = -1
            elif direction == -1 and b.close[i] > up:
                direction = 1
        top, bottom = up, down
        stop[i], side[i] = (bottom if direction == 1 else top), direction
    return stop, side


def vwap(b):
    out = np.full(len(b.close), NAN)
    days = b.ts_open_ns // 86_400_000_000_000
    for day in np.unique(days):
        spot = days == day
        volume = np.cumsum(b.volume[spot])
        money = np.cumsum((b.volume * typical(b))[spot])
        out[spot] = np.where(volume > 0, money / np.where(volume > 0, volume, 1), NAN)
    return (out,)


def flow(b):
    span = b.high - b.low
    place = (2 * b.close - b.high - b.low) / np.where(span > 0, span, 1)
    return np.where(span > 0, b.volume * place, 0)


def cmf(b, n):
    return (rolling(flow(b), n, math.fsum) / rolling(b.volume, n, math.fsum),)


REFERENCES: dict[str, tuple[str, Callable]] = {
    "sma": ("sma(20)", lambda b, n: (sma(b.close, n),)),
    "ema": ("ema(20)", lambda b, n: (ema(b.close, n),)),
    "rma": ("rma(14)", lambda b, n: (rma(b.close, n),)),
    "wma": ("wma(9)", lambda b, n: (wma(b.close, n),)),
    "dema": ("dema(10)", lambda b, n: (2 * ema(b.close, n) - ema(ema(b.close, n), n),)),
    "tema": ("tema(8)", lambda b, n: (
        3 * ema(b.close, n) - 3 * ema(ema(b.close, n), n) + ema(ema(ema(b.close, n), n), n),)),
    "hma": ("hma(16)", lambda b, n: (
        np.concatenate((np.full(n - 1, NAN), wma(
            (2 * wma(b.close, n // 2) - wma(b.close, n))[n - 1:], math.isqrt(n)))),)),
    "kama": ("kama(10,2,30)", kama),
    "rsi": ("rsi(14)", rsi),
    "macd": ("macd(12,26,9)", macd),
    "stoch": ("stoch(14,3,5)", stoch),
    "willr": ("willr(14)", lambda b, n: (
        share(b.close - rolling(b.low, n, min), rolling(b.high, n, max) - b.close) - 100,)),
    "cci": ("cci(20)", cci),
    "roc": ("roc(10)", lambda b, n: (100 * (b.close / shift(b.close, n) - 1),)),
    "mom": ("mom(10)", lambda b, n: (b.close - shift(b.close, n),)),
    "trix": ("trix(7)", trix),
    "adx": ("adx(14)", adx),
    "aroon": ("aroon(25)", aroon),
    "mfi": ("mfi(14)", mfi),
    "atr": ("atr(14)", lambda b, n: (rma(true_range(b), n),)),
    "natr": ("natr(14)", lambda b, n: (100 * rma(true_range(b), n) / b.close,)),
    "stddev": ("stddev(20)", lambda b, n: (rolling(b.close, n, np.std),)),
    "bb": ("bb(20,2.5)", lambda b, n, k: bands(sma(b.close, n), k * rolling(b.close, n, np.std))),
    "keltner": ("keltner(20,2,10)", keltner),
    "donchian": ("donchian(20)", donchian),
    "supertrend": ("supertrend(10,3)", supertrend),
    "vwap": ("vwap", vwap),
    "obv": ("obv", lambda b: (
        b.volume[0] + np.cumsum(np.sign(np.diff(b.close, prepend=b.close[0])) * b.volume),)),
    "adl": ("adl", lambda b: (np.cumsum(flow(b)),)),
    "cmf": ("cmf(20)", cmf),
}  # fmt: skip


def test_every_indicator_has_a_reference() -> None:
    assert set(REFERENCES) == set(CATALOGUE)


@pytest.mark.parametrize("name", REFERENCES)
def test_equals_the_plain_formula(name, bars) -> None:
    expression, reference = REFERENCES[name]
    spec = parse(expression)
    ours = compute([expression], *bars)
    args = [int(p) if p == int(p) else p for p in spec.params]
    for output, expected in zip(spec.outputs, reference(bars, *args), strict=True):
        np.testing.assert_allclose(ours[output], expected, rtol=1e-9, atol=1e-8, err_msg=output)


@pytest.mark.parametrize("name", REFERENCES)
def test_first_finite_value_is_where_the_catalogue_says(name, make) -> None:
    spec = parse(REFERENCES[name][0])
    bars = make(seed=5, count=300)
    bars = bars._replace(volume=bars.volume + 1)
    ours = np.array(list(compute([spec.base], *bars).values()))
    ready = np.isfinite(ours).all(axis=0)
    assert int(np.argmax(ready)) + 1 == spec.warmup
    assert ready[spec.warmup - 1 :].all()


def test_rsi_of_wilders_own_example() -> None:
    # The closes of StockCharts' worked RSI sheet; its figures are rounded to two decimals.
    close = [44.3389, 44.0902, 44.1497, 43.6124, 44.3278, 44.8264, 45.0955, 45.4245, 45.8433,
             46.0826, 45.8931, 46.0328, 45.6140, 46.2820, 46.2820, 46.0028, 46.0328, 46.4116,
             46.2222, 45.6439, 46.2122, 46.2521, 45.7137, 46.4515, 45.7835, 45.3548, 44.0288,
             44.1783, 44.2181, 44.5672, 43.4205, 42.6628, 43.1314]  # fmt: skip
    expected = [70.53, 66.32, 66.55, 69.41, 66.36, 57.97, 62.93, 63.26, 56.06, 62.38, 54.71,
                50.42, 39.99, 41.46, 41.87, 45.46, 37.30, 33.08, 37.77]  # fmt: skip
    ours = compute(["rsi(14)"], close, close, close, close, [1.0] * 33, range(33))["rsi(14)"]
    assert np.isnan(ours[:14]).all()
    np.testing.assert_allclose(ours[14:], expected, atol=0.006)


def test_bollinger_keeps_its_digits_on_a_huge_price(make) -> None:
    bars = make(seed=8, count=500)
    shifted = [column + 1e9 for column in bars[:4]]
    away = compute(["stddev(20)"], *bars)["stddev(20)"]
    huge = compute(["stddev(20)"], *shifted, *bars[4:])["stddev(20)"]
    # A price near 1e9 itself resolves 1e-7; a difference of squares would be off by about 10.
    np.testing.assert_allclose(huge, away, atol=2e-6)


def test_a_wild_bar_leaves_no_trace_once_it_left_the_window(make) -> None:
    bars = make(seed=9, count=400)
    wild = bars.close.copy()
    wild[100] = 1e15
    names = ["sma(20)", "wma(20)", "stddev(20)"]
    clean = compute(names, *bars)
    dirty = compute(names, *bars._replace(close=wild))
    for name in names:
        np.testing.assert_allclose(dirty[name][160:], clean[name][160:], rtol=1e-9, atol=1e-9)


def test_flat_market_gives_neutral_figures() -> None:
    flat = np.full(200, 25.0)
    names = ["rsi", "stoch", "willr", "cci", "mfi", "adx", "bb", "atr", "roc"]
    last = {name: column[-1] for name, column in compute(
        names, flat, flat, flat, flat, np.ones(200), np.arange(200)).items()}  # fmt: skip
    assert last["rsi(14)"] == last["stoch(14,3,3).k"] == last["mfi(14)"] == 50
    assert last["willr(14)"] == -50
    assert last["cci(20)"] == last["adx(14).adx"] == last["atr(14)"] == last["roc(10)"] == 0
    assert last["bb(20,2).upper"] == last["bb(20,2).lower"] == 25
