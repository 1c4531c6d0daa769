"""The price rows of a chart: candles, overlays, price lines, marks, prediction, crosshair."""

from __future__ import annotations

from typing import Final

from tui.draw.chart.dots import Dots, Stroke
from tui.draw.chart.scale import nice_step, time_step_s
from tui.draw.chart.view import ChartView, Line, Mark, PriceLine
from tui.draw.runs import Grid

_FAINT: Final = frozenset(("", "grid", "band"))
"""Roles that words may be written over."""
_MARK_ROLES: Final = {
    "fill_buy": "mark_up",
    "fill_sell": "mark_down",
    "signal_long": "up",
    "signal_short": "down",
    "signal_flat": "muted",
}


def draw_plot(view: ChartView, x0: int, x1: int) -> Grid:
    """Draw columns `x0` to `x1` of the price rows."""
    grid = Grid(x1 - x0, view.layout.price_rows)
    if not grid.width or not grid.height:
        return grid
    _grid_dots(view, grid, x0)
    _lines(view, grid, x0, x1)
    _candles(view, grid, x0, x1)
    _last_price_line(view, grid, x0)
    if view.fan is not None:
        _fan(view, grid, x0)
    for mark in view.marks:
        _mark(view, grid, x0, mark)
    for line in view.price_lines:
        _price_line(view, grid, x0, line)
    if view.crosshair is not None:
        _crosshair(view, grid, x0, view.crosshair)
    return grid


def price_steps(view: ChartView) -> list[tuple[int, int]]:
    """Return (row, ticks) of the prices labelled on the axis, top first."""
    rows = view.layout.price_rows
    if rows <= 0:
        return []
    tick = float(view.instrument.price_tick)
    low, high = view.scale.low * tick, view.scale.high * tick
    step = max(1, round(nice_step(high - low, max(2, rows // 2), tick) / tick))
    first = int(view.scale.high // step) * step
    found: dict[int, int] = {}
    at = first
    while at >= view.scale.low and len(found) <= rows:
        found.setdefault(view.scale.part(at, rows), at)
        at -= step
    return list(found.items())


def time_marks(view: ChartView) -> list[tuple[int, int]]:
    """Return (bar index, opening time) of the bars labelled on the time axis."""
    seconds = view.timeframe.ns // 1_000_000_000
    step_ns = time_step_s(seconds, -(-14 // view.pitch)) * 1_000_000_000
    opens = view.bars.ts_open_ns
    return [
        (index, opens[index])
        for index in view.visible(0, view.layout.width)
        if index and opens[index] // step_ns != opens[index - 1] // step_ns
    ]


def centre(view: ChartView) -> int:
    """Return the column of a bar, counted from its first, where its wick is."""
    return 1 if view.pitch >= 3 else 0


def _grid_dots(view: ChartView, grid: Grid, x0: int) -> None:
    columns = [view.x_of(index) + centre(view) - x0 for index, _ in time_marks(view)]
    columns = [x for x in columns if 0 <= x < grid.width]
    chars, codes = grid.cells()
    code = grid.code("grid")
    for row, _ in price_steps(view):
        for x in columns:
            chars[row][x] = view.glyphs.dot
            codes[row][x] = code


def _lines(view: ChartView, grid: Grid, x0: int, x1: int) -> None:
    dots = Dots(grid.width, grid.height, view.glyphs, 2 * (view.x_of(0) - x0))
    for line in view.lines:
        mark = view.glyphs.marks[-1] if line.dotted else view.glyphs.marks[line.role == "line_2"]
        draw_line(view, dots, line, (x0, x1), (view.scale.low, view.scale.high), mark)
    dots.draw_on(grid)


def draw_line(
    view: ChartView,
    dots: Dots,
    line: Line,
    columns: tuple[int, int],
    value_range: tuple[float, float],
    mark: str,
) -> None:
    """Put an indicator line on `dots`, one bar beyond each edge so that parts join."""
    x0, x1 = columns
    seen = view.visible(x0, x1)
    first = max(0, seen.start - 1)
    x = 2 * (view.x_of(first) + centre(view) - x0)
    values = line.values[first : seen.stop + 1]
    stroke = Stroke(line.role, line.dotted, mark)
    dots.polyline(x, 2 * view.pitch, values, value_range, stroke)


def _candles(view: ChartView, grid: Grid, x0: int, x1: int) -> None:
    bars, seen = view.bars, view.visible(x0, x1)
    part = slice(seen.start, seen.stop)
    x = view.x_of(seen.start) - x0
    for prices in zip(
        bars.open[part], bars.high[part], bars.low[part], bars.close[part], strict=True
    ):
        _candle(view, grid, x, prices)
        x += view.pitch
    bar = view.forming
    if bar is not None:
        x = view.x_of(view.count) - x0
        if -view.pitch < x < grid.width:
            prices = (bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks)
            _candle(view, grid, x, prices, forming=True)


def _candle(
    view: ChartView, grid: Grid, x: int, prices: tuple[int, int, int, int], *, forming: bool = False
) -> None:
    first, high, low, last = prices
    top_edge, last_half = view.scale.high, grid.height * 2 - 1
    if high < view.scale.low or low > top_edge:
        return
    rises = last >= first
    per_tick = (last_half + 1) / (top_edge - view.scale.low)
    top = min(last_half, max(0, int((top_edge - high) * per_tick)))
    bottom = min(last_half, int((top_edge - low) * per_tick))
    upper, lower = (last, first) if rises else (first, last)
    body_top = min(last_half, max(0, int((top_edge - upper) * per_tick)))
    body_bottom = min(last_half, max(0, int((top_edge - lower) * per_tick)))
    glyphs = view.glyphs
    role = ("up_now" if rises else "down_now") if forming else ("up" if rises else "down")
    wide = view.pitch >= 3
    if wide:
        table = glyphs.wide_up if rises else glyphs.wide_down
    elif 0 <= x < grid.width:
        table = glyphs.candle_up if rises else glyphs.candle_down
    else:
        return
    chars, codes = grid.cells()
    code = grid.code(role)
    for y in range(top >> 1, (bottom >> 1) + 1):
        half = 2 * y
        shape = 6 if body_top <= half <= body_bottom else 3 if top <= half <= bottom else 0
        half += 1
        shape += 2 if body_top <= half <= body_bottom else 1 if top <= half <= bottom else 0
        if wide:
            grid.put(x, y, table[shape], role)
        else:
            chars[y][x] = table[shape]
            codes[y][x] = code


def _last_price_line(view: ChartView, grid: Grid, x0: int) -> None:
    last = view.last_ticks
    if last is None or not view.scale.holds(last) or view.offset:
        return
    start = view.x_of(view.count) + view.pitch - x0
    length = grid.width - start
    if length > 0:
        row = view.scale.part(last, grid.height)
        grid.put_blank(start, row, view.glyphs.dash * length, "grid")


def _fan(view: ChartView, grid: Grid, x0: int) -> None:
    fan, scale = view.fan, view.scale
    if fan is None or view.margin < 3:
        return
    start = view.x_of(view.count - 1) + centre(view)
    room = view.layout.width - 2 - start
    if start >= view.layout.width or room < 2:
        return
    end = start + min(max(2, fan.bars * view.pitch), room)
    dots = Dots(grid.width, grid.height, view.glyphs, 2 * (view.x_of(0) - x0))
    x, step = 2 * (start - x0) + 1, 2 * (end - start) - 1
    for value, dotted in ((fan.low, True), (fan.high, True), (fan.middle, False)):
        stroke = Stroke("predict", dotted, view.glyphs.dot)
        dots.polyline(x, step, (fan.start, value), (scale.low, scale.high), stroke)
    dots.draw_on(grid, after=start - x0, blank_only=True)
    arrow = view.glyphs.arrow_flat
    if abs(fan.p_up - 0.5) >= 0.02:
        arrow = view.glyphs.arrow_up if fan.p_up > 0.5 else view.glyphs.arrow_down
    grid.put(end + 1 - x0, scale.part(fan.middle, grid.height), arrow, "predict")


def _price_line(view: ChartView, grid: Grid, x0: int, line: PriceLine) -> None:
    """Draw a price line to the right edge, its words in the rightmost free stretch of the history.

    Where the bars leave no room for the words, the axis still marks the line.
    """
    if not view.scale.holds(line.ticks) or not grid.width:
        return
    row, glyphs = view.scale.part(line.ticks, grid.height), view.glyphs
    start = 0
    if x0 == 0:
        start = grid.width - grid.width // 4
        least = grid.width * 2 // 5
        for words in (line.text, line.text.partition(" @")[0]):
            text = f"{glyphs.line * 2} {words} "
            room = grid.last_room(row, len(text), _FAINT)
            if room is not None and room >= least:
                grid.put(room, row, text, line.role)
                start = room + len(text)
                break
    grid.put_blank(start, row, glyphs.line * (grid.width - start), line.role)


def _mark(view: ChartView, grid: Grid, x0: int, mark: Mark) -> None:
    index = view.index_of(mark.ts_ns)
    if index < 0 or index > view.count:
        return
    x = view.x_of(index) + centre(view) - x0
    if not 0 <= x < grid.width:
        return
    rows, role = grid.height, _MARK_ROLES[mark.kind]
    if mark.kind in ("fill_buy", "fill_sell"):
        if view.scale.holds(mark.ticks):
            grid.put(x, view.scale.part(mark.ticks, rows), mark.letter, role)
        return
    span = _bar_span(view, index)
    if span is None:
        return
    low, high = span
    if mark.kind == "signal_short":
        y = view.scale.part(high, rows) - 1
        grid.put(x, y, view.glyphs.down, role)
        grid.put(x, y - 1, mark.letter, role)
    else:
        y = view.scale.part(low, rows) + 1
        grid.put(x, y, view.glyphs.up if mark.kind == "signal_long" else view.glyphs.flat, role)
        grid.put(x, y + 1, mark.letter, role)


def _bar_span(view: ChartView, index: int) -> tuple[int, int] | None:
    if index < view.count:
        return view.bars.low[index], view.bars.high[index]
    bar = view.forming
    return (bar.low_ticks, bar.high_ticks) if bar is not None else None


def _crosshair(view: ChartView, grid: Grid, x0: int, at: tuple[int, int]) -> None:
    index, row = at
    x = view.x_of(index) + centre(view) - x0
    for y in range(grid.height):
        grid.put_blank(x, y, view.glyphs.dotted_wall, "cross")
    grid.put_blank(0, row, view.glyphs.dash * grid.width, "cross")
