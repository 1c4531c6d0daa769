"""A course of money over time: a line, its figures at the right, its times below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from tui.draw.chart.dots import Dots, Stroke
from tui.draw.chart.scale import fit_scale, nice_step
from tui.draw.glyphs import Glyphs
from tui.draw.runs import Grid, Row

_DAY_S: Final = 86_400
_LEAST_WIDE: Final = 24
_ROWS_APART: Final = 3
"""Rows between figures of the axis, at least."""


def draw_curve(
    points: Sequence[tuple[int, float]],
    width: int,
    height: int,
    glyphs: Glyphs,
    empty: str,
    gaps: Sequence[tuple[int, int]] = (),
) -> list[Row]:
    """Draw (UTC ns, value) points, oldest first; `empty` is said where there are not two.

    Nothing is drawn between the times of a gap.
    """
    grid = Grid(width, height)
    if height < 2 or width < _LEAST_WIDE:
        return grid.rows()
    if len(points) < 2:
        grid.put(1, 0, empty, "muted")
        return grid.rows()
    values = [value for _, value in points]
    scale = fit_scale(None, min(values), max(values))
    step = nice_step(scale.high - scale.low, max(1, (height - 1) // _ROWS_APART))
    figures = _figures(scale.low, scale.high, step)
    decimals = 0 if step >= 1 else 2
    gutter = 2 + max(len(f"{value:,.{decimals}f}") for value in [*figures, values[-1]])
    rows, room = height - 1, width - gutter
    for value in figures:
        y = scale.part(value, rows)
        grid.put(1, y, glyphs.dash * (room - 1), "grid")
        grid.put_right(width, y, f"{value:,.{decimals}f}", "axis")
    _line(grid, points, gaps, room, rows, (scale.low, scale.high), glyphs)
    last = scale.part(values[-1], rows)
    grid.put_right(width, last, f"{values[-1]:,.{decimals}f}", "title")
    _times(grid, points, room, rows)
    return grid.rows()


def _figures(low: float, high: float, step: float) -> list[float]:
    first = -(-low // step) * step
    count = int((high - first) // step) + 1
    return [first + number * step for number in range(max(0, count))]


def _line(
    grid: Grid,
    points: Sequence[tuple[int, float]],
    gaps: Sequence[tuple[int, int]],
    room: int,
    rows: int,
    edges: tuple[float, float],
    glyphs: Glyphs,
) -> None:
    """Draw one dot a column: what was sampled there, else a straight line from sample to sample.

    In a gap there is none. The value known last would look like an account that stood still.
    """
    first, last = points[0][0], points[-1][0]
    columns = (room - 1) * 2
    values: list[float] = []
    at = 0
    for column in range(columns):
        since = first + (last - first) * column // columns
        until = first + (last - first) * (column + 1) // columns
        while at + 1 < len(points) and points[at + 1][0] <= until:
            at += 1
        ts, value = points[at]
        if ts < since:
            unknown = any(begin <= since and until <= end for begin, end in gaps)
            after_ts, after = points[min(at + 1, len(points) - 1)]
            part = (until - ts) / (after_ts - ts) if after_ts > ts else 0.0
            value = math.nan if unknown else value + (after - value) * part
        values.append(value)
    # A canvas of fewer rows than the grid leaves the last one to the times.
    canvas = Dots(grid.width, rows, glyphs)
    rising = points[-1][1] >= points[0][1]
    canvas.polyline(2, 1, values, edges, Stroke("up" if rising else "down", False, glyphs.marks[0]))
    canvas.draw_on(grid)


def _times(grid: Grid, points: Sequence[tuple[int, float]], room: int, y: int) -> None:
    """Name the first, middle and newest time."""
    first, last = points[0][0], points[-1][0]
    wide = (last - first) / 1e9 > 2 * _DAY_S
    names = [
        f"{datetime.fromtimestamp(ts / 1e9, UTC):{'%d %b' if wide else '%H:%M:%S'}}"
        for ts in (first, (first + last) // 2, last)
    ]
    grid.put(1, y, names[0], "muted")
    if room > 4 * len(names[1]):
        grid.put((room - len(names[1])) // 2, y, names[1], "muted")
    grid.put_right(room, y, names[2], "muted")
