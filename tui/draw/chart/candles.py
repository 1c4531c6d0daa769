"""The whole chart as rows of runs: history, live part and the line above them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from core.model.market import Timeframe
from tui.draw import numbers
from tui.draw.chart.panes import draw_pane, draw_times, draw_volume
from tui.draw.chart.plot import draw_plot
from tui.draw.chart.view import ChartView
from tui.draw.glyphs import Glyphs
from tui.draw.runs import Grid, Row, Run, plain

_ROOMY: Final = 62
"""From this width on the timeframes stand wide apart."""


class Heading(NamedTuple):
    """What the line above a chart says of it among others."""

    alone: bool = True
    """The only one seen: all timeframes are offered."""
    chosen: bool = False
    """The one that keys act on, of several seen."""
    label: str = ""
    """Which of several it is, where only one is seen."""


ALONE: Final = Heading()


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


def draw_head(
    view: ChartView | None,
    timeframe: Timeframe,
    width: int,
    glyphs: Glyphs,
    heading: Heading = ALONE,
) -> Row:
    """Draw the line above a chart: timeframes, then the bar under the crosshair or the legend."""
    grid = Grid(width, 1)
    x, tight = 1, width < _ROOMY
    if heading.chosen:
        grid.put(0, 0, glyphs.pointer, "accent")
    # Under a crosshair its figures are what is wanted.
    reading = view is not None and view.crosshair is not None
    for frame in [timeframe] if reading or not heading.alone else Timeframe:
        chosen = frame is timeframe
        text = f"[{frame.value}]" if chosen else frame.value if tight else f" {frame.value} "
        if x + len(text) > width:
            break
        grid.put(x, 0, text, "title" if chosen else "muted")
        x += len(text) + tight
    if heading.label:
        grid.put(x, 0, f" {heading.label} ", "accent")
        x += len(heading.label) + 2
    if view is None:
        return grid.row(0)
    x += 1 if reading else 2
    for group in _bar_words(view, width - x) if reading else _legend(view, glyphs):
        if x + sum(len(text) for text, _ in group) > width:
            break
        for text, role in group:
            grid.put(x, 0, text, role)
            x += len(text)
        x += 1 if reading else 2
    return grid.row(0)


def _legend(view: ChartView, glyphs: Glyphs) -> list[list[Run]]:
    out: list[list[Run]] = []
    seen: set[str] = set()
    for line in sorted(view.lines, key=lambda item: item.dotted):
        name = _words(line.name.partition(").")[0])
        if name not in seen:
            seen.add(name)
            sign = glyphs.dot if line.dotted else glyphs.line
            out.append([(f"{sign} ", line.role), (name, "muted")])
    out += [[(_words(pane.name), "muted")] for pane in view.panes]
    return out


def _words(name: str) -> str:
    """Return ``ema(20)`` as ``EMA 20``."""
    kind, _, rest = name.partition("(")
    return f"{kind.upper()} {rest.rstrip(')').replace(',', ' ')}".strip()


def _bar_words(view: ChartView, room: int) -> list[list[Run]]:
    """Return the figures of the bar under the crosshair; the close leads where `room` is short."""
    assert view.crosshair is not None
    index, bars = view.crosshair[0], view.bars
    if 0 <= index < view.count:
        ohlc = (bars.open[index], bars.high[index], bars.low[index], bars.close[index])
        lots = bars.volume[index]
    elif index == view.count and view.forming is not None:
        bar = view.forming
        ohlc = (bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks)
        lots = bar.volume_lots
    else:
        return [[("no bar here", "muted")]]
    item = view.instrument
    role = "up" if ohlc[3] >= ohlc[0] else "down"
    words = {
        name: [(f"{name} ", "muted"), (numbers.price(item, ticks), role)]
        for name, ticks in zip("OHLC", ohlc, strict=True)
    }
    change: list[Run] = [(numbers.percent(numbers.change(ohlc[3], ohlc[0])), role)]
    used = sum(len(text) for group in words.values() for text, _ in group) + len(words)
    order = "OHLC" if used <= room else "CHLO"
    out = [words[name] for name in order]
    out.insert(4 if order == "OHLC" else 1, change)
    out.append([("V ", "muted"), (numbers.short(float(lots * item.size_lot)), "text")])
    tick = float(item.price_tick)
    for line in sorted(view.lines, key=lambda line: line.dotted):
        value = line.values[index] if 0 <= index < len(line.values) else math.nan
        if math.isfinite(value):
            text = f"{value * tick:,.{item.price_decimals}f}"
            out.append([(f"{_words(line.name)} ", "muted"), (text, line.role)])
    return out
