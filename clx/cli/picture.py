"""Pictures for the shell, drawn by plotext."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import statistics
import sys
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

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


def draw_equity(
    ts_ns: Sequence[int],
    equity: Sequence[float],
    title: str,
    gaps: Sequence[tuple[int, int]] = (),
) -> None:
    """Draw an equity curve over time, and nothing in the gaps of it."""
    import plotext

    _start(title)
    ends = [at for begin, _ in gaps if (at := bisect_right(ts_ns, begin))]
    for begin, end in pairwise([0, *ends, len(ts_ns)]):
        times = [ts / 1e9 for ts in ts_ns[begin:end]]
        plotext.plot(times, list(equity[begin:end]), marker="braille")
    first, last = ts_ns[0], ts_ns[-1]
    named = [first + (last - first) * part // 4 for part in range(5)]
    plotext.xticks([ts / 1e9 for ts in named], _names(named))
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
    plotext.xticks(at, _names([ts_ns[i] for i in at]))


def _names(ts_ns: Sequence[int]) -> list[str]:
    """Return times as the axis names them."""
    wide = ts_ns[-1] - ts_ns[0] > 3 * 86_400 * 1_000_000_000
    style = "%Y-%m-%d" if wide else "%d %H:%M"
    return [dt.datetime.fromtimestamp(ts / 1e9, dt.UTC).strftime(style) for ts in ts_ns]
