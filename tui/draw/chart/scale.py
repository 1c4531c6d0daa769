"""Scales: from prices to rows, nice steps for axes, nice times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

_ROOM: Final = 0.06
"""Free share above and below the data when a scale is chosen anew."""
_SPARE: Final = 0.5
"""A scale is kept while the data uses at least this share of it."""

_TIME_STEPS_S: Final = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200,
    86400, 172800, 604800, 1209600, 2592000, 7776000, 31536000,
)  # fmt: skip


class Scale(NamedTuple):
    """A vertical range in ticks; `low` is the bottom edge of the last row, `high` the top."""

    low: float
    high: float

    def part(self, value: float, parts: int) -> int:
        """Return which of `parts` equal slices from the top holds `value`, clipped to them."""
        at = math.floor((self.high - value) / (self.high - self.low) * parts)
        return min(max(at, 0), parts - 1)

    def holds(self, value: float) -> bool:
        """Return whether `value` lies inside."""
        return self.low <= value <= self.high

    def value(self, row: int, rows: int) -> float:
        """Return the value in the middle of a row."""
        return self.high - (row + 0.5) * (self.high - self.low) / rows


def fit_scale(previous: Scale | None, low: float, high: float) -> Scale:
    """Return a scale for data between `low` and `high`, the previous one while it serves.

    Keeping it is what makes a chart calm and cheap: a tick inside the range moves nothing else.
    """
    span = high - low
    if previous is not None and previous.low <= low and high <= previous.high:
        whole = previous.high - previous.low
        if span >= whole * _SPARE or (span <= 0 and whole <= max(2.0, abs(high) * 0.004)):
            return previous
    if span <= 0:
        room = max(1.0, abs(high) * 0.001)
        return Scale(low - room, high + room)
    return Scale(low - span * _ROOM, high + span * _ROOM)


def nice_step(span: float, most: int, least: float = 0.0) -> float:
    """Return the smallest 1, 2, 2.5 or 5 times a power of ten with at most `most` steps in `span`.

    Never below `least`, the smallest step that means anything.
    """
    raw = max(span / max(1, most), least)
    if raw <= 0 or not math.isfinite(raw):
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(raw))
    for factor in (1.0, 2.0, 2.5, 5.0, 10.0):
        step = factor * power
        # 2.5 of the smallest unit would need a decimal more than the unit has.
        if step >= raw * (1 - 1e-9) and (factor != 2.5 or step >= least * 100):
            return step
    return 10.0 * power


def nice_top(value: int) -> int:
    """Return the smallest 1, 2 or 5 times a power of ten that is not below `value` (at least 1)."""
    if value <= 1:
        return 1
    power: int = 10 ** (len(str(value)) - 1)
    for factor in (1, 2, 5):
        if factor * power >= value:
            return factor * power
    return 10 * power


def time_step_s(bar_s: int, bars_apart: int) -> int:
    """Return the smallest nice time step that keeps labels `bars_apart` bars from each other."""
    wanted = bar_s * max(1, bars_apart)
    return next((step for step in _TIME_STEPS_S if step >= wanted), _TIME_STEPS_S[-1])


def extremes(low: Sequence[int], high: Sequence[int]) -> tuple[int, int] | None:
    """Return the least low and greatest high, None without data."""
    if not low or not high:
        return None
    return min(low), max(high)
