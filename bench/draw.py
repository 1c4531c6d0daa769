"""What drawing costs: charts, ladder, markets, depth and heat; charts beside plotext's.

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
from types import SimpleNamespace

import msgspec
from rich.segment import Segment
from rich.text import Text
from textual.strip import Strip

from core.model.commands import ListedSymbols
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import FeedStatus, FormingBar, Timeframe
from core.model.views import BarColumns, BookProfile, BookView, Chart, QuoteLine, TapeRow
from link.replica import Replica
from tui.draw.chart.axis import axis_width, draw_axis
from tui.draw.chart.build import Happenings, Zoom, build_view, with_forming
from tui.draw.chart.candles import draw_history, draw_live
from tui.draw.chart.view import ChartView
from tui.draw.depth import DepthView, draw_depth, top_of
from tui.draw.glyphs import BLOCK
from tui.draw.heatmap import Column, HeatView, draw_cells, draw_heat_axis, make_column
from tui.draw.ladder import LadderView, draw_ladder
from tui.draw.markets import MARKETS
from tui.draw.runs import Row
from tui.draw.tables import draw_table
from tui.heat import MOMENTS, HeatTape, Moment
from tui.markets import Markets
from tui.style import Look
from tui.symbols import Symbols
from tui.theme import load_theme

BARS = 200
SIZES = ((120, 40, 15), (240, 60, 8))
"""Columns, rows, times faster than plotext, whose cost hardly grows with the size."""
MINUTE_NS = 60_000_000_000
FRAME_MS = 20.0
"""What one picture may take of a frame of 100 ms; drawn anew whole is rare."""
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
    return rows + books_and_markets(look)


def books_and_markets(look: Look) -> list[dict[str, object]]:
    """Screens that have no peer: they must leave a frame's time to the rest."""
    tape, replica = recorded(), quoted(200)
    markets = Markets(replica, Symbols(SimpleNamespace(replica=replica), lambda _: None))
    symbols = Symbols(SimpleNamespace(replica=replica), lambda _: None)
    symbols.take(
        ListedSymbols(
            venue=VenueName(f"venue{number}"),
            kind=InstrumentKind.PERPETUAL,
            trading=True,
            symbols=" ".join(f"C{coin}-USDT-PERP" for coin in range(2000)),
        )
        for number in range(10)
    )
    view = HeatView(ITEM, 800, 6_400_000 // 800 + 22, 45, 1, 1e6, 1e5)
    moments = list(tape.moments)
    profile = a_profile(6_400_000, 0)
    depth = DepthView(ITEM, profile, 0.005, top_of(profile, 0.005, 150), {})
    columns = [make_column(view, [moment]) for moment in moments[-150:]]
    works: dict[str, Callable[[], None]] = {
        "markets: sort and draw 200 rows, 240x60": partial(paint_markets, markets, look),
        "heatmap: every column anew, 150x45": partial(paint_heat, view, moments[-150:], look),
        "heatmap: one second more": partial(paint_second, view, moments[-1:], columns[-10:], look),
        "symbols: two words among 20,000": lambda: symbols.search("c19 perp"),
        "depth chart, 150x45": lambda: paint(draw_depth(depth, 150, 45, BLOCK), look),
    }
    rows: list[dict[str, object]] = []
    for name, ours in zip(works, in_turns(list(works.values())), strict=True):
        rows.append(
            {
                "name": name,
                "ours": ours,
                "peer": None,
                "ratio": FRAME_MS / ours,
                "target": f"<= {FRAME_MS:g}",
                "unit": "ms",
                "ok": ours <= FRAME_MS,
            }
        )
    return rows


def paint_markets(markets: Markets, look: Look) -> None:
    markets.refresh()
    arranged = markets.arranged
    paint(draw_table(MARKETS, markets.rows, markets.cursor, 240, 54, BLOCK, arranged.sign), look)


def paint_heat(view: HeatView, moments: Sequence[Moment], look: Look) -> None:
    paint(draw_cells(view, [make_column(view, [one]) for one in moments], 150, BLOCK), look)


def paint_second(
    view: HeatView, newest: Sequence[Moment], columns: Sequence[Column | None], look: Look
) -> None:
    fresh = [*columns[:-1], make_column(view, newest)]
    paint(draw_cells(view, fresh, len(fresh), BLOCK), look)
    paint(draw_heat_axis(view, 6_400_000, True, 11, BLOCK), look)


def a_profile(mid: int, second: int) -> BookProfile:
    """400 buckets a side of different sizes."""
    rng = random.Random(second)
    sizes = [rng.randint(0, 900_000) for _ in range(800)]
    return BookProfile(
        instrument_id=ITEM.id,
        ts_ns=second * 1_000_000_000,
        step_ticks=200,
        bid_ticks=mid - 1,
        ask_ticks=mid + 1,
        bids=sizes[:400],
        asks=sizes[400:],
    )


def recorded() -> HeatTape:
    """As many seconds as are kept."""
    tape, rng, mid = HeatTape(), random.Random(5), 6_400_000
    for second in range(MOMENTS):
        mid += rng.randint(-300, 300)
        tape.take(a_profile(mid, second))
        trades = [TapeRow(0, mid + rng.randint(-50, 50), 1000 + n, n % 2 == 0) for n in range(20)]
        tape.take_trades(trades)
    return tape


def quoted(count: int) -> Replica:
    """A replica with a watchlist of that many instruments."""
    replica = Replica()
    items = [
        msgspec.structs.replace(ITEM, id=InstrumentId(f"C{n}-USDT.binance")) for n in range(count)
    ]
    replica.instruments = {item.id: item for item in items}
    replica.watchlist = tuple(replica.instruments)
    rng = random.Random(9)
    for name in replica.watchlist:
        mid = rng.randint(1000, 9_000_000)
        replica.quotes[name] = QuoteLine(
            instrument_id=name,
            bid_ticks=mid - 1,
            ask_ticks=mid + 1,
            last_ticks=mid,
            open_24h_ticks=int(mid * rng.uniform(0.9, 1.1)),
            high_24h_ticks=mid,
            low_24h_ticks=mid,
            volume_24h_lots=rng.randint(0, 10**9),
            status=FeedStatus.LIVE,
            ts_event_ns=0,
            age_ms=rng.randint(0, 900),
        )
    return replica


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
