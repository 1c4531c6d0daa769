"""Oscillators and trend strength: how far and how steadily the price moved.

Calling convention of a step: see `core.indicators.averages`.
"""

from __future__ import annotations

import math

from core.indicators.recurrences import (
    Cells,
    age,
    ema,
    highest,
    kernel,
    lag,
    lowest,
    mean,
    total,
    true_range,
    wilder,
)


@kernel
def balance(up: float, down: float) -> float:
    """Return 100 up / (up + down); 50 when nothing moved."""
    return 100.0 * up / (up + down) if up + down > 0.0 else 50.0


@kernel
def rsi_step(s: Cells, p: int, v: int, cl: float) -> None:
    """Wilder's relative strength. Cells: [started, previous close], gains, losses."""
    n = int(s[p])
    change = cl - s[p + 2]
    s[p + 2] = cl
    s[v] = math.nan
    if s[p + 1] == 0.0:
        s[p + 1] = 1.0
        return
    gain = wilder(s, p + 3, n, max(change, 0.0))
    loss = wilder(s, p + 5, n, max(-change, 0.0))
    if gain == gain:
        s[v] = balance(gain, loss)


@kernel
def macd_step(s: Cells, p: int, v: int, cl: float) -> None:
    """Fast less slow exponential average, its signal line and their difference."""
    fast = ema(s, p + 3, int(s[p]), cl)
    slow = ema(s, p + 5, int(s[p + 1]), cl)
    line = fast - slow
    signal = math.nan
    if line == line:
        signal = ema(s, p + 7, int(s[p + 2]), line)
    s[v] = line
    s[v + 1] = signal
    s[v + 2] = line - signal


@kernel
def stoch_step(s: Cells, p: int, v: int, hi: float, lo: float, cl: float) -> None:
    """Place of the close in the range of `n` bars: %K smoothed, and its average %D."""
    n = int(s[p])
    smoothing = int(s[p + 1])
    top = highest(s, p + 3, n, hi)
    bottom = lowest(s, p + 7 + n, n, lo)
    k = math.nan
    d = math.nan
    if top == top:
        k = mean(s, p + 11 + 2 * n, smoothing, balance(cl - bottom, top - cl))
        if k == k:
            d = mean(s, p + 14 + 2 * n + smoothing, int(s[p + 2]), k)
    s[v] = k
    s[v + 1] = d


@kernel
def willr_step(s: Cells, p: int, v: int, hi: float, lo: float, cl: float) -> None:
    """Williams %R: the stochastic from above, -100 to 0."""
    n = int(s[p])
    top = highest(s, p + 1, n, hi)
    bottom = lowest(s, p + 5 + n, n, lo)
    s[v] = balance(cl - bottom, top - cl) - 100.0 if top == top else math.nan


@kernel
def cci_step(s: Cells, p: int, v: int, hi: float, lo: float, cl: float) -> None:
    """Commodity channel index: distance from the mean in mean deviations, divided by 0.015."""
    n = int(s[p])
    typical = (hi + lo + cl) / 3.0
    average = mean(s, p + 1, n, typical)
    if average != average:
        s[v] = math.nan
        return
    deviation = 0.0
    for i in range(p + 4, p + 4 + n):
        deviation += abs(s[i] - average)
    # Equal prices leave only the rounding of their mean behind.
    flat = deviation <= 1e-13 * n * abs(average)
    s[v] = 0.0 if flat else (typical - average) / (0.015 * deviation / n)


@kernel
def roc_step(s: Cells, p: int, v: int, cl: float) -> None:
    """Rate of change over `n` bars, in per cent."""
    past = lag(s, p + 1, int(s[p]), cl)
    s[v] = 100.0 * (cl - past) / past if past != 0.0 else math.nan


@kernel
def mom_step(s: Cells, p: int, v: int, cl: float) -> None:
    """Momentum: the close less the one `n` bars ago."""
    s[v] = cl - lag(s, p + 1, int(s[p]), cl)


@kernel
def trix_step(s: Cells, p: int, v: int, cl: float) -> None:
    """Change of a triple exponential average in per cent. Cells: [started, before], 3 emas."""
    n = int(s[p])
    s[v] = math.nan
    x = ema(s, p + 3, n, cl)
    if x == x:
        x = ema(s, p + 5, n, x)
    if x == x:
        x = ema(s, p + 7, n, x)
    if x == x:
        if s[p + 1] == 1.0 and s[p + 2] != 0.0:
            s[v] = 100.0 * (x - s[p + 2]) / s[p + 2]
        s[p + 1] = 1.0
        s[p + 2] = x


@kernel
def adx_step(s: Cells, p: int, v: int, hi: float, lo: float, cl: float) -> None:
    """Wilder's trend strength and the directional indices +DI and -DI.

    Cells: [started, high, low, close], averages of true range, +DM, -DM and DX. Range and
    movements start together, with the second bar.
    """
    n = int(s[p])
    own = p + 1
    up = hi - s[own + 1]
    down = s[own + 2] - lo
    span = true_range(hi, lo, s[own + 3])
    s[own + 1] = hi
    s[own + 2] = lo
    s[own + 3] = cl
    s[v] = math.nan
    s[v + 1] = math.nan
    s[v + 2] = math.nan
    if s[own] == 0.0:
        s[own] = 1.0
        return
    span = wilder(s, own + 4, n, span)
    plus = wilder(s, own + 6, n, up if up > down and up > 0.0 else 0.0)
    minus = wilder(s, own + 8, n, down if down > up and down > 0.0 else 0.0)
    if span != span:
        return
    s[v + 1] = 100.0 * plus / span if span > 0.0 else 0.0
    s[v + 2] = 100.0 * minus / span if span > 0.0 else 0.0
    one_sided = 100.0 * abs(plus - minus) / (plus + minus) if plus + minus > 0.0 else 0.0
    s[v] = wilder(s, own + 10, n, one_sided)


@kernel
def aroon_step(s: Cells, p: int, v: int, hi: float, lo: float) -> None:
    """How lately the highest high and the lowest low of `n` + 1 bars were, 0 to 100."""
    n = int(s[p])
    top = highest(s, p + 1, n + 1, hi)
    lowest(s, p + 6 + n, n + 1, lo)
    s[v] = math.nan
    s[v + 1] = math.nan
    if top == top:
        s[v] = 100.0 * (n - age(s, p + 1, n + 1)) / n
        s[v + 1] = 100.0 * (n - age(s, p + 6 + n, n + 1)) / n


@kernel
def mfi_step(s: Cells, p: int, v: int, hi: float, lo: float, cl: float, vo: float) -> None:
    """Money flow index: relative strength of money traded. Cells: [started, before], totals."""
    n = int(s[p])
    typical = (hi + lo + cl) / 3.0
    before = s[p + 2]
    s[p + 2] = typical
    s[v] = math.nan
    if s[p + 1] == 0.0:
        s[p + 1] = 1.0
        return
    money = typical * vo
    up = total(s, p + 3, n, money if typical > before else 0.0)
    down = total(s, p + 6 + n, n, money if typical < before else 0.0)
    if up == up:
        s[v] = balance(max(up, 0.0), max(down, 0.0))
