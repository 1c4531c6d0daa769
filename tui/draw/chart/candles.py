"""The whole chart as rows of runs: history, live part and the line above them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from core.model.market import Timeframe
from tui.draw import numbers
from tui.draw.chart.panes import draw_pane, draw_times, draw_volume
from tui.draw.chart.plot import draw_plot
from tui.draw.chart.view import ChartView
from tui.draw.glyphs import Glyphs
from tui.draw.runs import Grid, Row, plain


def draw_columns(view: ChartView, x0: int, x1: int) -> list[Row]:
    """Draw columns `x0` to `x1` of everything but the axis, one row each."""
    layout = view.layout
    rows = draw_plot(view, x0, x1).rows()
    rows += draw_volume(view, x0, x1).rows()
    for pane, height in zip(view.panes, layout.pane_rows, strict=False):
        rows += draw_pane(view, pane, height, x0, x1).rows()
    rows += draw_times(view, x0, x1).rows()
    return rows


def draw_history(view: ChartView) -> list[Row]:
    """Draw the closed bars: everything left of the live part."""
    return draw_columns(view, 0, view.layout.width - view.layout.live)


def draw_live(view: ChartView) -> list[Row]:
    """Draw the live part: the forming bar and the room ahead of it."""
    return draw_columns(view, view.layout.width - view.layout.live, view.layout.width)


def draw_message(width: int, height: int, lines: Sequence[str]) -> list[Row]:
    """Draw a few words in the middle of an empty pane."""
    grid = Grid(width, height)
    top = max(0, (height - len(lines)) // 2)
    for number, line in enumerate(lines):
        text = plain(line)[:width]
        grid.put(max(0, (width - len(text)) // 2), top + number, text, "muted")
    return grid.rows()


def draw_head(view: ChartView | None, timeframe: Timeframe, width: int, glyphs: Glyphs) -> Row:
    """Draw the line above a chart: timeframes, then the bar under the crosshair or the legend."""
    grid = Grid(width, 1)
    x = 1
    for frame in Timeframe:
        text = f"[{frame.value}]" if frame is timeframe else f" {frame.value} "
        if x + len(text) > width:
            break
        grid.put(x, 0, text, "title" if frame is timeframe else "muted")
        x += len(text)
    if view is None:
        return grid.row(0)
    x += 3
    parts = _bar_words(view) if view.crosshair is not None else _legend(view, glyphs)
    for text, role in parts:
        if x + len(text) > width:
            break
        grid.put(x, 0, text, role)
        x += len(text)
    return grid.row(0)


def _legend(view: ChartView, glyphs: Glyphs) -> list[tuple[str, str]]:
    out: list[tuple[str, str]] = []
    seen: set[str] = set()
    for line in sorted(view.lines, key=lambda item: item.dotted):
        name = _words(line.name.partition(").")[0])
        if name not in seen:
            seen.add(name)
            sign = glyphs.dot if line.dotted else glyphs.line
            out += [(f"{sign} ", line.role), (f"{name}  ", "muted")]
    for pane in view.panes:
        out.append((f"{_words(pane.name)}  ", "muted"))
    return out


def _words(name: str) -> str:
    """Return ``ema(20)`` as ``EMA 20``."""
    kind, _, rest = name.partition("(")
    return f"{kind.upper()} {rest.rstrip(')').replace(',', ' ')}".strip()


def _bar_words(view: ChartView) -> list[tuple[str, str]]:
    assert view.crosshair is not None
    index, bars = view.crosshair[0], view.bars
    if 0 <= index < view.count:
        ohlc = (bars.open[index], bars.high[index], bars.low[index], bars.close[index])
        lots = bars.volume[index]
    elif view.forming is not None:
        bar = view.forming
        ohlc = (bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks)
        lots = bar.volume_lots
    else:
        return [("no bar here", "muted")]
    role = "up" if ohlc[3] >= ohlc[0] else "down"
    out: list[tuple[str, str]] = []
    for name, ticks in zip("OHLC", ohlc, strict=True):
        out += [(f"{name} ", "muted"), (f"{numbers.price(view.instrument, ticks)} ", role)]
    out.append((f"{numbers.percent(numbers.change(ohlc[3], ohlc[0]))} ", role))
    out += [("V ", "muted"), (f"{numbers.short(float(lots * view.instrument.size_lot))} ", "text")]
    tick = float(view.instrument.price_tick)
    for line in sorted(view.lines, key=lambda item: item.dotted):
        value = line.values[index] if index < len(line.values) else math.nan
        if math.isfinite(value):
            text = f"{value * tick:,.{view.instrument.price_decimals}f}"
            out += [(f"{_words(line.name)} ", "muted"), (f"{text} ", line.role)]
    return out
