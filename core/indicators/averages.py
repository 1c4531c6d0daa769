"""Moving averages of the close.

A step is called as ``step(s, p, v, ...)``: parameters start at `p`, its own cells follow them, and
it writes its outputs from `v` on, NaN while warming up.
"""

from __future__ import annotations

import math

from core.indicators.recurrences import Cells, ema, kernel, lag, mean, total, weighted, wilder


@kernel
def sma_step(s: Cells, p: int, v: int, cl: float) -> None:
    """Simple average."""
    s[v] = mean(s, p + 1, int(s[p]), cl)


@kernel
def ema_step(s: Cells, p: int, v: int, cl: float) -> None:
    """Exponential average, seeded with the simple one."""
    s[v] = ema(s, p + 1, int(s[p]), cl)


@kernel
def rma_step(s: Cells, p: int, v: int, cl: float) -> None:
    """Wilder's average."""
    s[v] = wilder(s, p + 1, int(s[p]), cl)


@kernel
def wma_step(s: Cells, p: int, v: int, cl: float) -> None:
    """Linearly weighted average."""
    s[v] = weighted(s, p + 1, int(s[p]), cl)


@kernel
def dema_step(s: Cells, p: int, v: int, cl: float) -> None:
    """Double exponential average: 2 e1 - e2."""
    n = int(s[p])
    s[v] = math.nan
    first = ema(s, p + 1, n, cl)
    if first == first:
        s[v] = 2.0 * first - ema(s, p + 3, n, first)


@kernel
def tema_step(s: Cells, p: int, v: int, cl: float) -> None:
    """Triple exponential average: 3 e1 - 3 e2 + e3."""
    n = int(s[p])
    s[v] = math.nan
    first = ema(s, p + 1, n, cl)
    if first == first:
        second = ema(s, p + 3, n, first)
        if second == second:
            s[v] = 3.0 * first - 3.0 * second + ema(s, p + 5, n, second)


@kernel
def hma_step(s: Cells, p: int, v: int, cl: float) -> None:
    """Hull average: a short weighted average of 2 wma(n / 2) - wma(n)."""
    n = int(s[p])
    half = n // 2
    s[v] = math.nan
    slow = weighted(s, p + 1, n, cl)
    fast = weighted(s, p + 5 + n, half, cl)
    if slow == slow:
        s[v] = weighted(s, p + 9 + n + half, int(math.sqrt(n)), 2.0 * fast - slow)


@kernel
def kama_step(s: Cells, p: int, v: int, cl: float) -> None:
    """Kaufman's adaptive average: quick in a straight move, slow in noise.

    Cells after the parameters: [started, previous close, value], lag, total.
    """
    n = int(s[p])
    own = p + 3
    before = s[own + 1]
    s[own + 1] = cl
    past = lag(s, own + 3, n, cl)
    s[v] = math.nan
    if s[own] == 0.0:
        s[own] = 1.0
        return
    path = total(s, own + 5 + n, n, abs(cl - before))
    if path != path:
        return
    if s[own] == 1.0:
        s[own] = 2.0
        s[own + 2] = before
    straight = abs(cl - past) / path if path > 0.0 else 0.0
    quick = 2.0 / (s[p + 1] + 1.0)
    slow = 2.0 / (s[p + 2] + 1.0)
    weight = (straight * (quick - slow) + slow) ** 2
    s[own + 2] += weight * (cl - s[own + 2])
    s[v] = s[own + 2]
