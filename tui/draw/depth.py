"""The depth of a book: how much waits within a distance of the middle, both sides as hills.

::

     depth  ±0.25 %  sizes in BTC
    50│█▄                          │                       ▄█
      │██▆▃                        │                 ▂▄▆▇████
    25│██████▅▃▁                   │           ▁▃▅▆██████████
      │███████████▇▅▃▁             │     ▁▂▄▆████████████████
      │█████████████████▆▄▂▁       │▂▄▆██████████████████████
       64,058      64,138      64,218       64,299      64,379
      within 0.05 %  bids 8.1  asks 7.7  +0.03     0.10 %  ...
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct

from core.model.instruments import Instrument
from core.model.market import Side
from core.model.views import BookProfile
from tui.draw import numbers
from tui.draw.glyphs import Glyphs
from tui.draw.runs import Grid, Row, Run

SPANS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05)
"""How far from the middle is shown, as a fraction of the price."""
_AXIS: Final = 8
"""Cells of the sizes on the right."""
_BANDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05)
_LEAST_ROWS: Final = 4
_ROUND: Final = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 60, 80, 100)
"""What two leading digits of the upper edge may be."""


class DepthView(Struct, frozen=True):
    """What a depth chart is drawn from."""

    instrument: Instrument
    profile: BookProfile
    span: float
    """How far from the middle is shown."""
    top_lots: int
    """The size at the upper edge."""
    own: Mapping[int, tuple[Side, Decimal]]

    @property
    def mid(self) -> float:
        """The middle of the touch in ticks."""
        return (self.profile.bid_ticks + self.profile.ask_ticks) / 2


def sums(buckets: Sequence[int]) -> list[int]:
    """Return running totals from the touch outwards."""
    out, total = [], 0
    for lots in buckets:
        total += lots
        out.append(total)
    return out


def within(profile: BookProfile, fraction: float) -> tuple[int, int] | None:
    """Return lots bid and asked within a fraction of the middle; None beyond the known book."""
    mid, step = (profile.bid_ticks + profile.ask_ticks) / 2, profile.step_ticks
    low, high = mid * (1 - fraction), mid * (1 + fraction)
    down = math.floor(profile.bid_ticks / step) - math.floor(low / step)
    up = math.floor(high / step) - math.floor(profile.ask_ticks / step)
    if down >= len(profile.bids) or up >= len(profile.asks):
        return None
    return sum(profile.bids[: down + 1]), sum(profile.asks[: up + 1])


def covered(profile: BookProfile) -> float:
    """Return how far from the middle both sides of the book are known, as a fraction."""
    mid, step = (profile.bid_ticks + profile.ask_ticks) / 2, profile.step_ticks
    low = (profile.bid_ticks // step - len(profile.bids) + 1) * step
    high = (profile.ask_ticks // step + len(profile.asks)) * step
    return max(0.0, min(mid - low, high - mid) / mid)


def fitting_span(profile: BookProfile) -> float:
    """Return the widest of the spans that the known book fills, half a per cent at most."""
    known = covered(profile)
    fits = [span for span in SPANS if span <= min(known * 1.05, 0.005)]
    return fits[-1] if fits else SPANS[0]


def top_of(profile: BookProfile, span: float, columns: int) -> int:
    """Return a round size that the hills of both sides stay below."""
    mid, step = (profile.bid_ticks + profile.ask_ticks) / 2, profile.step_ticks
    count = max(1, math.ceil(mid * span / step))
    bids, asks = sum(profile.bids[:count]), sum(profile.asks[:count])
    return _round_up(max(bids, asks, 1))


def _round_up(lots: int) -> int:
    """Return a round number not far above `lots`; its quarters are round, too."""
    power: int = 10 ** max(0, len(str(lots)) - 2)
    return next(step * power for step in _ROUND if step * power >= lots)


def draw_depth(view: DepthView, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """Draw the whole pane: head, hills, prices, figures."""
    grid = Grid(width, height)
    plot = width - _AXIS
    figures = 2 if height >= 14 else 1
    rows = height - 2 - figures
    if rows < _LEAST_ROWS or plot < 20:
        grid.put(0, 0, " depth: no room", "muted")
        return grid.rows()
    pen = _Pen(view, grid, plot, rows, glyphs)
    pen.head()
    pen.hills()
    pen.sizes()
    pen.prices()
    pen.figures(height - figures, figures)
    return grid.rows()


class _Pen:
    """Draws one depth chart; the plot begins below the head."""

    def __init__(self, view: DepthView, grid: Grid, plot: int, rows: int, glyphs: Glyphs) -> None:
        self.view, self.grid, self.glyphs = view, grid, glyphs
        self.plot, self.rows = plot, rows
        self.around = "+-" if glyphs.name == "ascii" else "±"
        self.middle = plot // 2
        """The column of the middle line."""
        self.per_column = view.mid * view.span / max(1, self.middle)
        """Ticks a column stands for."""
        price = float(view.mid * float(view.instrument.price_tick))
        self.decimals = numbers.size_decimals(view.instrument, max(1, int(view.mid)))
        self.price_decimals = self._price_decimals(price)

    def _price_decimals(self, price: float) -> int:
        apart = price * self.view.span / 3
        wanted = 0 if apart >= 10 else math.ceil(-math.log10(apart)) + 1 if apart > 0 else 8
        return max(0, min(self.view.instrument.price_decimals, wanted))

    def size(self, lots: float) -> str:
        return numbers.short(lots * float(self.view.instrument.size_lot))

    def price(self, ticks: float) -> str:
        return f"{ticks * float(self.view.instrument.price_tick):,.{self.price_decimals}f}"

    def head(self) -> None:
        view, grid = self.view, self.grid
        x = 1
        item = view.instrument
        known = covered(view.profile)
        words: list[Run] = [
            ("depth", "title"),
            (f"{self.around}{view.span:.2%}".replace("%", " %"), "text"),
            (f"sizes in {item.base}", "muted"),
        ]
        if known < view.span * 0.98:
            words.append((f"book known to {self.around}{known:.2%}".replace("%", " %"), "warn"))
        for text, role in words:
            if x + len(text) < grid.width:
                grid.put(x, 0, text, role)
                x += len(text) + 2

    def hills(self) -> None:
        profile = self.view.profile
        bids, asks = sums(profile.bids), sums(profile.asks)
        step = profile.step_ticks
        first_bid, first_ask = profile.bid_ticks // step, profile.ask_ticks // step
        chars, codes = self.grid.cells()
        for x in range(self.plot):
            if x == self.middle:
                continue
            if x < self.middle:
                edge = self.view.mid - (self.middle - x) * self.per_column
                at = first_bid - math.floor(edge / step)
                known, side = bids, "bid"
            else:
                edge = self.view.mid + (x - self.middle) * self.per_column
                at = math.floor(edge / step) - first_ask
                known, side = asks, "ask"
            if 0 <= at < len(known):
                self._column(x, known[at], side, chars, codes)
        wall = self.glyphs.dotted_wall
        for y in range(1, self.rows + 1):
            self.grid.put(self.middle, y, wall, "axis")
        self.grid.put_blank(1, 1, "BIDS", "bid")
        self.grid.put_blank(self.plot - 5, 1, "ASKS", "ask")

    def _column(
        self, x: int, lots: int, side: str, chars: list[list[str]], codes: list[list[str]]
    ) -> None:
        columns = self.glyphs.columns
        steps = len(columns) - 1
        units = min(self.rows * steps, round(lots / self.view.top_lots * self.rows * steps))
        if lots > 0:
            units = max(units, 1)
        full, rest = divmod(units, steps)
        fill, edge = self.grid.code(f"{side}_bar"), self.grid.code(side)
        for number in range(full):
            y = self.rows - number
            chars[y][x], codes[y][x] = columns[-1], fill
        if rest:
            y = self.rows - full
            chars[y][x], codes[y][x] = columns[rest], edge
        elif full:
            codes[self.rows - full + 1][x] = edge

    def sizes(self) -> None:
        """Name the sizes on the right, top and quarters."""
        x = self.plot
        for y in range(1, self.rows + 1):
            self.grid.put(x, y, self.glyphs.wall, "grid")
        parts = 4 if self.rows >= 12 else 2
        for part in range(parts):
            y = 1 + part * self.rows // parts
            lots = self.view.top_lots * (parts - part) / parts
            self.grid.put(x, y, self.glyphs.tee, "grid")
            self.grid.put(x + 2, y, self.size(lots), "axis")

    def prices(self) -> None:
        """Name prices below the hills, and own orders where they stand."""
        y = self.rows + 1
        count = max(2, min(8, self.plot // 14) // 2 * 2)
        for number in range(count + 1):
            part = number / count * 2 - 1
            text = self.price(self.view.mid * (1 + part * self.view.span))
            x = round(self.middle + part * self.middle) - len(text) // 2
            role = "title" if number == count // 2 else "axis"
            self.grid.put(max(0, min(self.plot - len(text), x)), y, text, role)
        for ticks, (side, _) in self.view.own.items():
            x = round(self.middle + (ticks - self.view.mid) / self.per_column)
            if 0 <= x < self.plot and x != self.middle:
                self.grid.put(x, y - 1, "B" if side is Side.BUY else "S", "own")

    def figures(self, y: int, lines: int) -> None:
        """Say how much stands within some distances, and which side has more."""
        x, bottom = 1, y + lines
        for fraction in _BANDS:
            found = within(self.view.profile, fraction)
            if found is None:
                break
            bids, asks = found
            lean = (bids - asks) / (bids + asks) if bids + asks else 0.0
            runs: list[Run] = [
                (f"{fraction:.2%}".replace("%", " %"), "muted"),
                (f" {self.size(bids)}", "bid"),
                (" / ", "muted"),
                (self.size(asks), "ask"),
                (f" {lean:+.2f}", "text"),
            ]
            length = sum(len(text) for text, _ in runs)
            if x + length > self.grid.width:
                x, y = 1, y + 1
            if y >= bottom:
                break
            for text, role in runs:
                self.grid.put(x, y, text, role)
                x += len(text)
            x += 4
