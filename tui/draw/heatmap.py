"""A book over time: columns are seconds, rows are prices, shade is the size that waits there.

::

    ◄───────── old ─────────►◄─ new ─►◄─ axis ─►
    ┌────────────────────────┬────────┬─────────┐
    │░░▒▒▒▒▒▒▒▒▒▒░░░░▓▓▓▓▓▓▓▓│▓▓▓     │  64,230 │
    │                 ▴─▴    │        │         │
    │──▴───▾▾──▾──▴─▴─   ▾───│▾─▴     │► 64,218 │   the middle of the touch, and trades on it
    │░░░▒▒▒▒▒░░░░░░░░        │░░░     │         │
    └────────────────────────┴────────┴─────────┘

`old` is drawn again only when `new` is full, so that a second costs a few cells.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from core.model.instruments import Instrument
from tui.draw import numbers
from tui.draw.chart.scale import nice_top
from tui.draw.glyphs import Glyphs
from tui.draw.runs import Grid, Row, Run
from tui.heat import Moment

LEVELS: Final = 5
NEW: Final = 10
"""Columns of the part that fills."""
EVERY_S: Final = (1, 2, 5, 10)
"""Seconds a column may stand for."""
_ROOMY: Final = 60
"""From this width on every shade is explained."""
_LOUD: Final = 0.2
"""Trades of this share of the largest in sight are marked by side; smaller ones are dots."""


class Cell(NamedTuple):
    """What a column says of one row."""

    bid: float
    ask: float


class HeatView(Struct, frozen=True):
    """How a heatmap is divided: the same for all of its columns."""

    instrument: Instrument
    row_ticks: int
    """Ticks a row stands for."""
    top_row: int
    """The number of the uppermost row: price ticks // row_ticks."""
    rows: int
    every_s: int
    """Seconds a column stands for."""
    full_lots: float
    """A size that is drawn in the strongest shade."""
    loud_lots: float
    """Trades of this size and more are marked by their side."""

    def row_of(self, ticks: float) -> int:
        """Return the row of a price, counted from the top; may lie outside."""
        return self.top_row - math.floor(ticks / self.row_ticks)

    def least(self, level: int) -> float:
        """Return the size from which on a shade is used; small sizes are told apart better."""
        return float(self.full_lots * ((level - 0.5) / LEVELS) ** 2)


class Column(NamedTuple):
    """One column, ready to be drawn."""

    levels: tuple[int, ...]
    """Shade by row; negative for bids, positive for asks."""
    middle: int
    """The row of the middle of the touch."""
    trades: Mapping[int, tuple[int, int]]
    """Row to lots bought and sold."""


def make_column(view: HeatView, moments: Sequence[Moment]) -> Column | None:
    """Return a column of the moments that fall into it, None without any."""
    if not moments:
        return None
    bids, asks = [0.0] * view.rows, [0.0] * view.rows
    for moment in moments:
        _add(view, moment, bids, asks)
    count = len(moments)
    edges = [view.least(level) * count for level in range(1, LEVELS + 1)]
    levels = tuple(
        bisect_right(edges, ask) if ask >= bid else -bisect_right(edges, bid)
        for bid, ask in zip(bids, asks, strict=True)
    )
    trades: dict[int, tuple[int, int]] = {}
    for moment in moments:
        for ticks, (bought, sold) in moment.trades.items():
            row = view.row_of(ticks)
            known = trades.get(row, (0, 0))
            trades[row] = (known[0] + bought, known[1] + sold)
    return Column(levels, view.row_of(moments[-1].mid_ticks), trades)


def _add(view: HeatView, moment: Moment, bids: list[float], asks: list[float]) -> None:
    """Add a moment's sizes to its rows."""
    group, odd = divmod(view.row_ticks, moment.step_ticks)
    if odd or not group:
        # Recorded for another zoom: its buckets do not fall into rows evenly.
        _add_each(view, moment, bids, asks)
        return
    above, below = moment.asks, moment.bids
    first_ask, first_bid = moment.ask_bucket, moment.bid_bucket
    most_ask, most_bid = len(above), len(below)
    for y in range(view.rows):
        bucket = (view.top_row - y) * group
        start = bucket - first_ask
        if start + group > 0 and start < most_ask:
            asks[y] += sum(above[max(0, start) : start + group])
        start = first_bid - bucket - group + 1
        if start + group > 0 and start < most_bid:
            bids[y] += sum(below[max(0, start) : start + group])


def _add_each(view: HeatView, moment: Moment, bids: list[float], asks: list[float]) -> None:
    """Add every bucket to the row its lower edge falls into."""
    step, ticks, top = moment.step_ticks, view.row_ticks, view.top_row
    for sizes, first, sign, rows in (
        (moment.bids, moment.bid_bucket, -1, bids),
        (moment.asks, moment.ask_bucket, 1, asks),
    ):
        for at, size in enumerate(sizes):
            row = top - (first + sign * at) * step // ticks
            if 0 <= row < view.rows:
                rows[row] += size


def full_size(view: HeatView, moments: Sequence[Moment], before: float) -> float:
    """Return a round size that few rows exceed; the one before while it still serves."""
    sizes: list[float] = []
    for moment in moments[-120::10] or moments[-1:]:
        bids, asks = [0.0] * view.rows, [0.0] * view.rows
        _add(view, moment, bids, asks)
        sizes += [size for size in (*bids, *asks) if size > 0]
    if not sizes:
        return before or 1.0
    sizes.sort()
    high = sizes[min(len(sizes) - 1, int(len(sizes) * 0.95))]
    if before and before * 0.4 <= high <= before * 1.6:
        return before
    return float(nice_top(max(1, int(high))))


def loud_size(moments: Sequence[Moment]) -> float:
    """Return the size from which on trades are marked by their side."""
    sizes = [max(both) for moment in moments[-240:] for both in moment.trades.values()]
    return max(sizes, default=1) * _LOUD


def draw_cells(
    view: HeatView, columns: Sequence[Column | None], width: int, glyphs: Glyphs
) -> list[Row]:
    """Draw columns side by side, from the left; None leaves a gap."""
    grid = Grid(width, view.rows)
    chars, codes = grid.cells()
    shades = glyphs.shades
    asks = [grid.code(f"heat_ask_{level}") for level in range(LEVELS + 1)]
    bids = [grid.code(f"heat_bid_{level}") for level in range(LEVELS + 1)]
    for x, column in enumerate(columns[:width]):
        if column is None:
            continue
        for y, level in enumerate(column.levels):
            if level:
                size = abs(level)
                chars[y][x] = shades[size]
                codes[y][x] = asks[size] if level > 0 else bids[size]
        if 0 <= column.middle < view.rows:
            grid.put(x, column.middle, glyphs.line, "axis")
        for row, (bought, sold) in column.trades.items():
            if 0 <= row < view.rows:
                _trade(grid, x, row, bought, sold, view.loud_lots, glyphs)
    return grid.rows()


def _trade(grid: Grid, x: int, y: int, bought: int, sold: int, loud: float, glyphs: Glyphs) -> None:
    rises = bought >= sold
    if max(bought, sold) < loud:
        grid.put(x, y, glyphs.dot, "text")
    else:
        grid.put(x, y, glyphs.taker_buy if rises else glyphs.taker_sell, "up" if rises else "down")


def draw_heat_axis(
    view: HeatView, last_ticks: int, rises: bool, width: int, glyphs: Glyphs
) -> list[Row]:
    """Draw the prices beside the rows, the last one boxed."""
    grid = Grid(width, view.rows)
    apart = max(2, min(5, view.rows // 4))
    for y in range(view.rows):
        grid.put(0, y, glyphs.wall, "grid")
        number = view.top_row - y
        if number % apart == 0:
            grid.put(3, y, heat_price(view, number * view.row_ticks), "axis")
    y = view.row_of(last_ticks)
    if last_ticks > 0:
        inside = 0 <= y < view.rows
        sign = glyphs.pointer if inside else glyphs.up if y < 0 else glyphs.down
        text = f"{sign} {heat_price(view, last_ticks)}".ljust(width - 1)
        grid.put(0, max(0, min(view.rows - 1, y)), glyphs.tee, "grid")
        role = "last_up" if rises else "last_down"
        grid.put(1, max(0, min(view.rows - 1, y)), text, role)
    return grid.rows()


def heat_price(view: HeatView, ticks: float) -> str:
    """Return a price with as many decimals as tell rows apart."""
    item = view.instrument
    row = view.row_ticks * float(item.price_tick)
    wanted = 0 if row >= 1 else math.ceil(-math.log10(row)) + (0 if row in (0.1, 0.01) else 1)
    decimals = max(0, min(item.price_decimals, wanted))
    return f"{ticks * float(item.price_tick):,.{decimals}f}"


def draw_heat_head(view: HeatView, width: int, glyphs: Glyphs) -> Row:
    """Draw the line above: what a cell stands for, and the size of every shade."""
    grid = Grid(width, 1)
    item = view.instrument
    lot = float(item.size_lot)
    row = numbers.price(item, view.row_ticks)
    runs: list[list[Run]] = [
        [("heatmap", "title")],
        [(f"{view.every_s} s by {row}", "text")],
    ]
    for level in range(1, LEVELS + 1) if width >= _ROOMY else (1, 3, 5):
        size = numbers.short(view.least(level) * lot)
        runs.append([(glyphs.shades[level], f"heat_ask_{level}"), (f" {size}", "muted")])
    runs.append([(f"{item.base} or more", "muted")])
    runs.append([(glyphs.taker_buy, "up"), (" bought ", "muted")])
    runs.append([(glyphs.taker_sell, "down"), (" sold", "muted")])
    x = 1
    for group in runs:
        length = sum(len(text) for text, _ in group)
        if x + length >= width:
            break
        for text, role in group:
            grid.put(x, 0, text, role)
            x += len(text)
        x += 2
    return grid.row(0)


def draw_heat_times(view: HeatView, first_column: int, width: int, glyphs: Glyphs) -> Row:
    """Draw the UTC times below the columns, every 20 of them."""
    grid = Grid(width, 1)
    for x in range(width):
        number = first_column + x
        if number % 20 == 0 and x + 8 <= width:
            grid.put(x, 0, numbers.clock(number * view.every_s * 1_000_000_000), "axis")
    return grid.row(0)
