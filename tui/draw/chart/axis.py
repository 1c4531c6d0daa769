"""The price axis on the right: nice prices, the boxed last one, own orders, pane values."""

from __future__ import annotations

import math

from tui.draw import numbers
from tui.draw.chart.plot import price_steps
from tui.draw.chart.view import ChartView, Pane
from tui.draw.runs import Grid, Row


def axis_width(view: ChartView) -> int:
    """Return the columns the axis needs; at least room for the pane names."""
    ticks = [ticks for _, ticks in price_steps(view)]
    ticks += [line.ticks for line in view.price_lines]
    if view.last_ticks is not None:
        ticks.append(view.last_ticks)
    decimals = axis_decimals(view)
    return 3 + max(7, max((len(_price(view, item, decimals)) for item in ticks), default=0))


def axis_decimals(view: ChartView) -> int:
    """Return the decimals of prices on the axis: as many as tell neighbouring rows apart."""
    rows = max(1, view.layout.price_rows)
    row = (view.scale.high - view.scale.low) / rows * float(view.instrument.price_tick)
    wanted = 0 if row >= 1 else math.ceil(-math.log10(row)) if row > 0 else 12
    return min(view.instrument.price_decimals, wanted)


def _price(view: ChartView, ticks: float, decimals: int) -> str:
    return f"{ticks * float(view.instrument.price_tick):,.{decimals}f}"


def draw_axis(view: ChartView, width: int) -> list[Row]:
    """Draw the axis beside all rows of the chart."""
    layout, glyphs = view.layout, view.glyphs
    grid = Grid(width, layout.height)
    if not width:
        return grid.rows()
    decimals = axis_decimals(view)
    for y in range(layout.height - 1):
        grid.put(0, y, glyphs.wall, "grid")
    for row, ticks in price_steps(view):
        grid.put(3, row, _price(view, ticks, decimals), "axis")
    for line in view.price_lines:
        if view.scale.holds(line.ticks) and layout.price_rows:
            row = view.scale.part(line.ticks, layout.price_rows)
            text = _price(view, line.ticks, decimals)
            grid.put(0, row, f"{glyphs.tee}{line.short} {text}".ljust(width), line.role)
    if view.crosshair is not None and 0 <= view.crosshair[1] < layout.price_rows:
        row = view.crosshair[1]
        text = _price(view, view.scale.value(row, layout.price_rows), decimals)
        grid.put(1, row, f"  {text}".ljust(width - 1), "cursor")
    _last_price(view, grid, decimals)
    y = layout.price_rows
    if layout.volume_rows:
        _pane_value(view, grid, y, "vol", _newest_volume(view))
    y += layout.volume_rows
    for pane, rows in zip(view.panes, layout.pane_rows, strict=False):
        _pane(view, grid, y, pane)
        y += rows
    return grid.rows()


def _last_price(view: ChartView, grid: Grid, decimals: int) -> None:
    last, rows = view.last_ticks, view.layout.price_rows
    if last is None or not rows:
        return
    glyphs = view.glyphs
    text = _price(view, last, decimals)
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
    size = abs(value)
    return f"{value:.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.3g}"


def _pane_value(view: ChartView, grid: Grid, y: int, name: str, text: str) -> None:
    x = 2
    if x + len(name) + 1 + len(text) <= grid.width:
        grid.put(x, y, name, "muted")
        x += len(name) + 1
    grid.put(x, y, text, "text")
