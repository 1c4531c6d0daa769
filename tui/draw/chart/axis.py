"""The price axis on the right: nice prices, the boxed last one, own orders, pane values."""

from __future__ import annotations

import math

from tui.draw import numbers
from tui.draw.chart.plot import price_steps
from tui.draw.chart.view import ChartView, Pane
from tui.draw.runs import Grid, Row, clip


def axis_width(view: ChartView) -> int:
    """Return the columns the axis needs; at least room for the pane names."""
    texts = [numbers.price(view.instrument, ticks) for _, ticks in price_steps(view)]
    if view.last_ticks is not None:
        texts.append(numbers.price(view.instrument, view.last_ticks))
    return max(9, max((len(text) for text in texts), default=0)) + 3


def draw_axis(view: ChartView, width: int) -> list[Row]:
    """Draw the axis beside all rows of the chart."""
    layout = view.layout
    grid = Grid(width, layout.height)
    if not width:
        return grid.rows()
    glyphs = view.glyphs
    for y in range(layout.height - 1):
        grid.put(0, y, glyphs.wall, "grid")
    for row, ticks in price_steps(view):
        grid.put(3, row, numbers.price(view.instrument, ticks), "axis")
    for line in view.price_lines:
        if view.scale.holds(line.ticks) and layout.price_rows:
            row = view.scale.part(line.ticks, layout.price_rows)
            text = numbers.price(view.instrument, line.ticks)
            grid.put(0, row, " " * width, line.role)
            grid.put(0, row, f"{glyphs.tee}{line.short} {text}", line.role)
    if view.crosshair is not None and 0 <= view.crosshair[1] < layout.price_rows:
        row = view.crosshair[1]
        ticks = round(view.scale.value(row, layout.price_rows))
        text = f"  {numbers.price(view.instrument, ticks)}"
        grid.put(1, row, text.ljust(width - 1), "cursor")
    _last_price(view, grid)
    y = layout.price_rows
    if layout.volume_rows:
        _pane_value(view, grid, y, "vol", _newest_volume(view))
    y += layout.volume_rows
    for pane, rows in zip(view.panes, layout.pane_rows, strict=False):
        _pane(view, grid, y, pane)
        y += rows
    return grid.rows()


def _last_price(view: ChartView, grid: Grid) -> None:
    last, rows = view.last_ticks, view.layout.price_rows
    if last is None or not rows:
        return
    glyphs = view.glyphs
    text = numbers.price(view.instrument, last)
    if not view.scale.holds(last):
        row = 0 if last > view.scale.high else rows - 1
        pointer = glyphs.up if last > view.scale.high else glyphs.down
    else:
        row, pointer = view.scale.part(last, rows), glyphs.pointer
    role = ("last_up" if view.last_rises else "last_down") if view.trusted else "chip_warn"
    grid.put(0, row, glyphs.tee, "grid")
    grid.put(1, row, f"{pointer} {text}".ljust(grid.width - 1), role)


def _newest_volume(view: ChartView) -> str:
    lots = view.forming.volume_lots if view.forming is not None else None
    if view.crosshair is not None and 0 <= view.crosshair[0] < view.count:
        lots = view.bars.volume[view.crosshair[0]]
    elif lots is None and view.bars.volume:
        lots = view.bars.volume[-1]
    return numbers.short(float(lots * view.instrument.size_lot)) if lots is not None else ""


def _pane(view: ChartView, grid: Grid, y: int, pane: Pane) -> None:
    values = pane.lines[0].values if pane.lines else ()
    index = min(view.count, len(values)) - 1
    if view.crosshair is not None and 0 <= view.crosshair[0] < len(values):
        index = view.crosshair[0]
    value = values[index] if index >= 0 else math.nan
    name = pane.name.partition("(")[0].upper()
    text = numbers.NOTHING if not math.isfinite(value) else _value(value)
    _pane_value(view, grid, y, name, text)


def _value(value: float) -> str:
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def _pane_value(view: ChartView, grid: Grid, y: int, name: str, text: str) -> None:
    name = clip(name, max(0, grid.width - 4 - len(text)), view.glyphs.ellipsis)
    grid.put(3, y, f"{name} ", "muted")
    grid.put(4 + len(name), y, text, "text")
