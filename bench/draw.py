"""What drawing costs: a whole chart, a tick on it, a ladder; the peer is plotext's candle chart.

Bytes and latency on a real terminal are measured in `bench.tui`.
"""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial

import msgspec
from rich.segment import Segment
from rich.text import Text
from textual.strip import Strip

from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import FormingBar, Timeframe
from core.model.views import BarColumns, BookView, Chart
from tui.draw.chart.axis import axis_width, draw_axis
from tui.draw.chart.build import Happenings, Zoom, build_view, with_forming
from tui.draw.chart.candles import draw_history, draw_live
from tui.draw.chart.view import ChartView
from tui.draw.glyphs import BLOCK
from tui.draw.ladder import LadderView, draw_ladder
from tui.draw.runs import Row
from tui.style import Look
from tui.theme import load_theme

BARS = 200
SIZES = ((120, 40, 15), (240, 60, 8))
"""Columns, rows, times faster than plotext, whose cost hardly grows with the size."""
MINUTE_NS = 60_000_000_000
ITEM = Instrument(
    id=InstrumentId("BTC-USDT.binance"),
    venue=VenueName("binance"),
    venue_symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    price_tick=Decimal("0.01"),
    size_lot=Decimal("0.00001"),
)


def run() -> list[dict[str, object]]:
    chart = market()
    bare = msgspec.structs.replace(chart, indicators={})
    last = chart.bars.close[-1]
    opened = chart.bars.ts_open_ns[-1] + MINUTE_NS
    forming = [
        FormingBar(
            ITEM.id, Timeframe.M1, opened, last, last + 900, last - 400, last + move, 500_000, 9
        )
        for move in (0, 300)
    ]
    look = Look(load_theme("clx-dark"), few_colours=False, glyphs="block")
    rows: list[dict[str, object]] = []
    for width, height, times in SIZES:
        size = (width - 12, height)
        view = build_view(chart, forming[0], ITEM, size, Zoom(), Happenings(), BLOCK)
        # In turns, so that a busy moment of the machine meets all of them.
        peer, peer_lines, candles, whole, tick, ladder = in_turns(
            [
                plotext_frame(bare, width, height),
                plotext_frame(chart, width, height),
                partial(paint_chart, bare, forming[0], size, look),
                partial(paint_chart, chart, forming[0], size, look),
                partial(paint_tick, view, forming[1], look),
                partial(paint_ladder, last, height, look),
            ]
        )
        for name, ours, theirs in (
            ("chart: candles, volume, axis", candles, peer),
            ("the same with 4 lines and RSI; plotext: 4 lines", whole, peer_lines),
            ("tick on that; plotext: anew", tick, peer_lines),
            ("ladder; plotext: the candles", ladder, peer),
        ):
            rows.append(
                {
                    "name": f"{width}x{height} {name}",
                    "ours": ours,
                    "peer": theirs,
                    "ratio": theirs / ours,
                    "target": f">= {times}x",
                    "unit": "ms",
                    "ok": theirs / ours >= times,
                }
            )
    return rows


def market() -> Chart:
    """A random walk with two averages, a band and an oscillator on it."""
    rng, price = random.Random(7), 6_400_000
    bars = BarColumns(ts_open_ns=[], open=[], high=[], low=[], close=[], volume=[])
    for index in range(BARS):
        close = price + round(rng.gauss(0, 2500))
        bars.ts_open_ns.append(1_726_000_020_000_000_000 + index * MINUTE_NS)
        bars.open.append(price)
        bars.high.append(max(price, close) + round(abs(rng.gauss(0, 1200))))
        bars.low.append(min(price, close) - round(abs(rng.gauss(0, 1200))))
        bars.close.append(close)
        bars.volume.append(round(abs(rng.gauss(1_000_000, 600_000))))
        price = close
    lines: dict[str, list[float]] = {}
    for length in (20, 50):
        level, values = bars.close[0] / 100, []
        for close in bars.close:
            level += (close / 100 - level) * 2 / (length + 1)
            values.append(level)
        lines[f"ema({length})"] = values
    middle = lines["ema(20)"]
    lines["bb(20,2).upper"] = [value + 60 for value in middle]
    lines["bb(20,2).lower"] = [value - 60 for value in middle]
    lines["rsi(14)"] = [50 + 25 * math.sin(index / 9) for index in range(BARS)]
    return Chart(
        instrument_id=ITEM.id, timeframe=Timeframe.M1, bars=bars, indicators=lines, predictions=[]
    )


def paint(rows: Sequence[Row], look: Look) -> None:
    """Make strips of rows, as the widgets do."""
    for row in rows:
        Strip([Segment(text, look.style(role)) for text, role in row])


def paint_chart(chart: Chart, forming: FormingBar, size: tuple[int, int], look: Look) -> None:
    view = build_view(chart, forming, ITEM, size, Zoom(), Happenings(), BLOCK)
    paint(draw_history(view), look)
    paint(draw_live(view), look)
    paint(draw_axis(view, axis_width(view)), look)


def paint_tick(view: ChartView, forming: FormingBar, look: Look) -> None:
    moved = with_forming(view, forming)
    paint(draw_live(moved), look)
    paint(draw_axis(moved, axis_width(moved)), look)


def paint_ladder(last: int, height: int, look: Look) -> None:
    bids = [(last - 1 - 10 * i, 40_000 + 7_000 * (i % 9)) for i in range(height)]
    asks = [(last + 1 + 10 * i, 30_000 + 9_000 * (i % 7)) for i in range(height)]
    book = BookView(instrument_id=ITEM.id, bids=bids, asks=asks, last_id=1)
    paint(draw_ladder(LadderView(ITEM, book, {}, last), 40, height, BLOCK), look)


def plotext_frame(chart: Chart, width: int, height: int) -> Callable[[], None]:
    """Return what textual-plotext does for each frame: build, then parse the escape codes."""
    import plotext

    dates = [f"01/01/2024 {i // 60:02d}:{i % 60:02d}" for i in range(BARS)]
    columns = ("open", "high", "low", "close")
    data = {name.capitalize(): [v / 100 for v in getattr(chart.bars, name)] for name in columns}
    lines = [values for name, values in chart.indicators.items() if not name.startswith("rsi")]

    def frame() -> None:
        plotext.clear_figure()
        plotext.date_form("d/m/Y H:M")
        plotext.plot_size(width, height)
        plotext.candlestick(dates, data)
        for values in lines:
            plotext.plot(dates, values, marker="braille")
        Text.from_ansi(plotext.build())

    return frame


def in_turns(works: Sequence[Callable[[], None]], rounds: int = 15) -> list[float]:
    """Return the median milliseconds of each."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, kept in zip(works, times, strict=True):
            began = time.perf_counter()
            work()
            kept.append(time.perf_counter() - began)
    return [statistics.median(kept) * 1e3 for kept in times]
