"""The rows below the price: volume columns, indicator panes and the time axis."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from tui.draw.chart.dots import Dots
from tui.draw.chart.plot import centre, draw_line, time_marks
from tui.draw.chart.view import ChartView, Pane
from tui.draw.runs import Grid

_DAY_NS = 86_400_000_000_000


def draw_volume(view: ChartView, x0: int, x1: int) -> Grid:
    """Draw columns `x0` to `x1` of the volume strip, in eighths of a cell."""
    rows = view.layout.volume_rows
    grid = Grid(x1 - x0, rows)
    if not rows:
        return grid
    columns = view.glyphs.columns
    steps = len(columns) - 1
    width, shift = max(1, view.pitch - 1), int(view.pitch >= 3) - x0
    chars, codes = grid.cells()
    most, per_lot = rows * steps, rows * steps / view.volume_top
    bars = [(i, view.bars.volume[i], "volume") for i in view.visible(x0, x1)]
    if view.forming is not None:
        bars.append((view.count, view.forming.volume_lots, "volume_now"))
    for index, volume, role in bars:
        if volume <= 0:
            continue
        units = min(most, max(1, round(volume * per_lot)))
        first = view.x_of(index) + shift
        code = grid.code(role)
        for x in range(max(0, first), min(grid.width, first + width)):
            left, y = units, rows
            while left > 0:
                y -= 1
                chars[y][x] = columns[left] if left < steps else columns[steps]
                codes[y][x] = code
                left -= steps
    return grid


def draw_pane(view: ChartView, pane: Pane, rows: int, x0: int, x1: int) -> Grid:
    """Draw columns `x0` to `x1` of an indicator pane."""
    grid = Grid(x1 - x0, rows)
    if not grid.width or not rows:
        return grid
    value_range = pane_range(view, pane)
    if value_range is None:
        return grid
    dots = Dots(grid.width, rows, view.glyphs, 2 * (view.x_of(0) - x0))
    for number, line in enumerate(pane.lines):
        mark = view.glyphs.marks[min(number, len(view.glyphs.marks) - 1)]
        draw_line(view, dots, line, (x0, x1), value_range, mark)
    dots.draw_on(grid)
    return grid


def pane_range(view: ChartView, pane: Pane) -> tuple[float, float] | None:
    """Return the value range of a pane; RSI and its kin keep 20 to 80 in sight."""
    seen = view.visible(0, view.layout.width)
    values = [
        value
        for line in pane.lines
        for value in line.values[seen.start : seen.stop]
        if math.isfinite(value)
    ]
    if not values:
        return None
    low, high = min(values), max(values)
    if pane.name.lower().startswith(("rsi", "stoch", "mfi")):
        return min(low, 20.0), max(high, 80.0) + 1e-9
    if high <= low:
        return low - 1.0, high + 1.0
    room = (high - low) * 0.05
    return low - room, high + room


def draw_times(view: ChartView, x0: int, x1: int) -> Grid:
    """Draw columns `x0` to `x1` of the time axis."""
    grid = Grid(x1 - x0, 1)
    width = view.layout.width
    cursor = _cursor_label(view)
    taken = -1
    for index, ts_ns in time_marks(view):
        text = time_label(view, ts_ns)
        # The label begins at its bar, so that both parts of the chart agree without overlap.
        x = view.x_of(index) + centre(view)
        under = (
            cursor is not None and x < cursor[0] + len(cursor[1]) + 1 and x + len(text) >= cursor[0]
        )
        if x > taken and x + len(text) <= width and not under:
            grid.put(x - x0, 0, text, "axis")
            taken = x + len(text) + 1
    if cursor is not None:
        grid.put(cursor[0] - x0, 0, cursor[1], "cursor")
    return grid


def _cursor_label(view: ChartView) -> tuple[int, str] | None:
    """Return (column, words) of the time under the crosshair."""
    opened = _open_of(view, view.crosshair[0]) if view.crosshair is not None else None
    if view.crosshair is None or opened is None:
        return None
    text = f" {_full_label(view, opened)} "
    x = view.x_of(view.crosshair[0]) - len(text) // 2
    return min(max(0, x), max(0, view.layout.width - len(text))), text


def time_label(view: ChartView, ts_ns: int) -> str:
    """Return the words for a time on the axis: time of day, or the date at midnight."""
    moment = datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC)
    if ts_ns % _DAY_NS == 0 or view.timeframe.ns >= _DAY_NS:
        if moment.month == 1 and moment.day == 1:
            return moment.strftime("%Y")
        return moment.strftime("%d %b")
    return moment.strftime("%H:%M:%S" if view.timeframe.ns < 60_000_000_000 else "%H:%M")


def _full_label(view: ChartView, ts_ns: int) -> str:
    moment = datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC)
    if view.timeframe.ns >= _DAY_NS:
        return moment.strftime("%d %b %Y")
    return moment.strftime(
        "%d %b %H:%M:%S" if view.timeframe.ns < 60_000_000_000 else "%d %b %H:%M"
    )


def _open_of(view: ChartView, index: int) -> int | None:
    if 0 <= index < view.count:
        return view.bars.ts_open_ns[index]
    if index == view.count and view.forming is not None:
        return view.forming.ts_open_ns
    return None
