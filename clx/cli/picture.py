"""Pictures for the shell, drawn by plotext."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import statistics
import sys
from collections.abc import Sequence

import click

from core.model.instruments import Instrument
from core.model.views import Chart


def draw_chart(chart: Chart, instrument: Instrument) -> None:
    """Draw closing prices and indicators; those of another scale go to the right axis."""
    import plotext

    bars = chart.bars
    if not bars.ts_open_ns:
        click.echo(f"no closed bars of {chart.instrument_id} {chart.timeframe.value} yet")
        return
    _start(f"{chart.instrument_id} {chart.timeframe.value}")
    closes = [float(instrument.price(ticks)) for ticks in bars.close]
    plotext.plot(list(range(len(closes))), closes, label="close", marker="braille")
    low, high = min(closes), max(closes)
    for name, values in chart.indicators.items():
        points = [(i, value) for i, value in enumerate(values) if value == value]
        if points:
            middle = statistics.median(value for _, value in points)
            side = "left" if low * 0.8 <= middle <= high * 1.2 else "right"
            x, y = [point[0] for point in points], [point[1] for point in points]
            plotext.plot(x, y, label=name, marker="braille", yside=side)
    _ticks(bars.ts_open_ns)
    _show()


def draw_equity(ts_ns: Sequence[int], equity: Sequence[float], title: str) -> None:
    """Draw an equity curve over time."""
    import plotext

    _start(title)
    plotext.plot(list(range(len(equity))), list(equity), marker="braille")
    _ticks(ts_ns)
    _show()


def _start(title: str) -> None:
    import plotext

    size = shutil.get_terminal_size((100, 30))
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(min(size.columns, 120), max(10, min(size.lines - 4, 24)))
    plotext.title(title)


def _show() -> None:
    import plotext

    text = plotext.build()
    plain = not sys.stdout.isatty() or bool(os.environ.get("NO_COLOR"))
    click.echo(plotext.uncolorize(text) if plain else text)


def _ticks(ts_ns: Sequence[int]) -> None:
    import plotext

    at = sorted({round(i * (len(ts_ns) - 1) / 4) for i in range(5)})
    wide = ts_ns[-1] - ts_ns[0] > 3 * 86_400 * 1_000_000_000
    style = "%Y-%m-%d" if wide else "%d %H:%M"
    names = [dt.datetime.fromtimestamp(ts_ns[i] / 1e9, dt.UTC).strftime(style) for i in at]
    plotext.xticks(at, names)
