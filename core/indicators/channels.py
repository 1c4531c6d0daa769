"""Volatility, the channels drawn from it, and volume.

Calling convention of a step: see `core.indicators.averages`.
"""

from __future__ import annotations

import math

from core.indicators.recurrences import (
    Cells,
    ema,
    highest,
    kernel,
    lowest,
    moments,
    total,
    true_range,
    wilder,
)

DAY_NS = 86_400_000_000_000
"""A UTC day in nanoseconds."""


@kernel
def average_range(s: Cells, at: int, n: int, hi: float, lo: float, cl: float) -> float:
    """Advance Wilder's average true range. Cells: [started, previous close], average."""
    span = true_range(hi, lo, s[at + 1]) if s[at] == 1.0 else hi - lo
    s[at] = 1.0
    s[at + 1] = cl
    return wilder(s, at + 2, n, span)


@kernel
def atr_step(s: Cells, p: int, v: int, hi: float, lo: float, cl: float) -> None:
    """Average true range; the first bar's range is high less low."""
    s[v] = average_range(s, p + 1, int(s[p]), hi, lo, cl)


@kernel
def natr_step(s: Cells, p: int, v: int, hi: float, lo: float, cl: float) -> None:
    """Average true range in per cent of the close."""
    span = average_range(s, p + 1, int(s[p]), hi, lo, cl)
    s[v] = 100.0 * span / cl if cl != 0.0 else math.nan


@kernel
def stddev_step(s: Cells, p: int, v: int, cl: float) -> None:
    """Population standard deviation."""
    n = int(s[p])
    s[v] = math.sqrt(s[p + 4] / n) if moments(s, p + 1, n, cl) else math.nan


@kernel
def bb_step(s: Cells, p: int, v: int, cl: float) -> None:
    """Bollinger bands: mean and `k` population standard deviations either side."""
    n = int(s[p])
    if moments(s, p + 2, n, cl):
        middle = s[p + 4]
        away = s[p + 1] * math.sqrt(s[p + 5] / n)
        s[v] = middle + away
        s[v + 1] = middle
        s[v + 2] = middle - away
    else:
        s[v] = math.nan
        s[v + 1] = math.nan
        s[v + 2] = math.nan


@kernel
def keltner_step(s: Cells, p: int, v: int, hi: float, lo: float, cl: float) -> None:
    """Keltner channel: exponential average and `k` average true ranges either side."""
    middle = ema(s, p + 3, int(s[p]), cl)
    away = s[p + 1] * average_range(s, p + 5, int(s[p + 2]), hi, lo, cl)
    s[v] = middle + away
    s[v + 1] = middle + 0.0 * away
    s[v + 2] = middle - away


@kernel
def donchian_step(s: Cells, p: int, v: int, hi: float, lo: float) -> None:
    """Donchian channel: highest high, lowest low and their middle."""
    n = int(s[p])
    top = highest(s, p + 1, n, hi)
    bottom = lowest(s, p + 5 + n, n, lo)
    s[v] = top
    s[v + 1] = 0.5 * (top + bottom)
    s[v + 2] = bottom


@kernel
def supertrend_step(s: Cells, p: int, v: int, hi: float, lo: float, cl: float) -> None:
    """Trailing stop at `k` average true ranges, and which side it is on: 1 below, -1 above.

    Cells: [direction or 0, upper, lower, previous close], average range. Starts below the price.
    """
    own = p + 2
    span = average_range(s, own + 4, int(s[p]), hi, lo, cl)
    before = s[own + 3]
    s[own + 3] = cl
    if span != span:
        s[v] = math.nan
        s[v + 1] = math.nan
        return
    middle = 0.5 * (hi + lo)
    upper = middle + s[p + 1] * span
    lower = middle - s[p + 1] * span
    direction = s[own]
    if direction == 0.0:
        direction = 1.0
    else:
        if upper >= s[own + 1] and before <= s[own + 1]:
            upper = s[own + 1]
        if lower <= s[own + 2] and before >= s[own + 2]:
            lower = s[own + 2]
        if direction > 0.0 and cl < lower:
            direction = -1.0
        elif direction < 0.0 and cl > upper:
            direction = 1.0
    s[own] = direction
    s[own + 1] = upper
    s[own + 2] = lower
    s[v] = lower if direction > 0.0 else upper
    s[v + 1] = direction


@kernel
def vwap_step(
    s: Cells, p: int, v: int, hi: float, lo: float, cl: float, vo: float, ts: int
) -> None:
    """Volume-weighted average of the typical price since midnight UTC.

    Cells: [day + 1 or 0, money, volume]. NaN until the day's first trade; history that starts
    within a day is anchored at its first bar.
    """
    day = float(ts // DAY_NS) + 1.0
    if day != s[p]:
        s[p] = day
        s[p + 1] = 0.0
        s[p + 2] = 0.0
    s[p + 1] += vo * (hi + lo + cl) / 3.0
    s[p + 2] += vo
    s[v] = s[p + 1] / s[p + 2] if s[p + 2] > 0.0 else math.nan


@kernel
def obv_step(s: Cells, p: int, v: int, cl: float, vo: float) -> None:
    """On-balance volume from the first bar's volume on. Cells: [started, close, sum]."""
    if s[p] == 0.0:
        s[p] = 1.0
        s[p + 2] = vo
    elif cl > s[p + 1]:
        s[p + 2] += vo
    elif cl < s[p + 1]:
        s[p + 2] -= vo
    s[p + 1] = cl
    s[v] = s[p + 2]


@kernel
def money_flow(hi: float, lo: float, cl: float, vo: float) -> float:
    """Return the volume, signed and weighed by where in its range the bar closed."""
    return vo * ((cl - lo) - (hi - cl)) / (hi - lo) if hi > lo else 0.0


@kernel
def adl_step(s: Cells, p: int, v: int, hi: float, lo: float, cl: float, vo: float) -> None:
    """Accumulation and distribution line: the running sum of money flow volume."""
    s[p] += money_flow(hi, lo, cl, vo)
    s[v] = s[p]


@kernel
def cmf_step(s: Cells, p: int, v: int, hi: float, lo: float, cl: float, vo: float) -> None:
    """Chaikin money flow: money flow volume over volume, -1 to 1."""
    n = int(s[p])
    flow = total(s, p + 1, n, money_flow(hi, lo, cl, vo))
    volume = total(s, p + 4 + n, n, vo)
    s[v] = flow / volume if volume > 0.0 else (0.0 if volume == volume else math.nan)
