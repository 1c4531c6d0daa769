"""Pictures for the shell, drawn by plotext."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Sequence

import click

from core.model.views import Chart


def draw_chart(chart: Chart) -> None:
    """Draw closing prices and indicators of a chart in ticks, then say its last bar."""
    import plotext

    bars = chart.bars
    if not bars.ts_open_ns:
        click.echo(f"no closed bars of {chart.instrument_id} {chart.timeframe.value} yet")
        return
    _start(plotext, f"{chart.instrument_id} {chart.timeframe.value} (ticks)")
    x = list(range(len(bars.close)))
    plotext.plot(x, bars.close, label="close", marker="braille")
    for name, values in chart.indicators.items():
        points = [(i, v) for i, v in zip(x, values, strict=False) if v == v]
        if points:
            plotext.plot(
                [p[0] for p in points], [p[1] for p in points], label=name, marker="braille"
            )
    _ticks(plotext, bars.ts_open_ns)
    plotext.show()


def draw_equity(ts_ns: Sequence[int], equity: Sequence[float], title: str) -> None:
    """Draw an equity curve over time."""
    import plotext

    _start(plotext, title)
    plotext.plot(list(range(len(equity))), list(equity), marker="braille")
    _ticks(plotext, ts_ns)
    plotext.show()


def _start(plotext: object, title: str) -> None:
    size = shutil.get_terminal_size((100, 30))
    plotext.clear_figure()  # type: ignore[attr-defined]  # plotext is untyped
    plotext.theme("clear")  # type: ignore[attr-defined]
    plotext.plotsize(min(size.columns, 120), min(size.lines - 4, 24))  # type: ignore[attr-defined]
    plotext.title(title)  # type: ignore[attr-defined]


def _ticks(plotext: object, ts_ns: Sequence[int]) -> None:
    if not ts_ns:
        return
    at = sorted({round(i * (len(ts_ns) - 1) / 4) for i in range(5)})
    wide = ts_ns[-1] - ts_ns[0] > 3 * 86_400 * 1_000_000_000
    style = "%Y-%m-%d" if wide else "%d %H:%M"
    names = [dt.datetime.fromtimestamp(ts_ns[i] / 1e9, dt.UTC).strftime(style) for i in at]
    plotext.xticks(at, names)  # type: ignore[attr-defined]
