"""What a chart shows right now: data, zoom, scroll and layout in one immutable value.

::

    ◄──────────── plot width ────────────►◄─ axis ─►
    ┌──────────────────────────┬──────────┬─────────┐
    │ history                  │ live     │ axis    │  price rows
    │ closed bars              │ forming  │ prices, │
    │                          │ + room   │ last    │
    ├──────────────────────────┼──────────┤ price   │
    │ volume, sub-panes, time  │          │         │
    └──────────────────────────┴──────────┴─────────┘

The three parts are drawn by the same functions over different columns, so that a tick, which
changes only the forming bar and the last price, repaints a few cells of the two narrow ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from core.model.instruments import Instrument
from core.model.market import FormingBar, Timeframe
from core.model.views import BarColumns
from tui.draw.chart.scale import Scale
from tui.draw.glyphs import Glyphs

MAX_PITCH: Final = 3
_OVERLAYS: Final = frozenset(
    ("ema", "sma", "wma", "hma", "dema", "tema", "kama", "vwap", "bb", "donchian", "keltner")
)
"""Indicators drawn over the candles; the others get a pane of their own."""
_BANDS: Final = frozenset(["bb", "donchian", "keltner"])

MarkKind = Literal["fill_buy", "fill_sell", "signal_long", "signal_short", "signal_flat"]


class Line(NamedTuple):
    """An indicator output aligned with the bars."""

    name: str
    values: Sequence[float]
    role: str
    dotted: bool


class PriceLine(NamedTuple):
    """A horizontal line with words: an own order or the entry price."""

    ticks: int
    text: str
    short: str
    """One letter, for the axis."""
    role: str


class Mark(NamedTuple):
    """Something that happened at a bar."""

    ts_ns: int
    ticks: int
    """The price of a fill; 0 places a signal beside the candle."""
    kind: MarkKind
    letter: str


class Fan(NamedTuple):
    """A prediction ahead of the last closed bar, in ticks."""

    bars: int
    start: float
    middle: float
    low: float
    high: float
    p_up: float


class Pane(NamedTuple):
    """A sub-pane: one indicator with its lines."""

    name: str
    lines: tuple[Line, ...]


class Layout(NamedTuple):
    """How the rows and columns of a chart are divided."""

    width: int
    """Columns of the plot, axis not included."""
    live: int
    """Columns of the live part, at the right of the plot."""
    price_rows: int
    volume_rows: int
    pane_rows: tuple[int, ...]

    @property
    def height(self) -> int:
        """All rows, the time axis included."""
        return self.price_rows + self.volume_rows + sum(self.pane_rows) + 1


class ChartView(Struct, frozen=True):
    """Everything the drawing functions read."""

    instrument: Instrument
    timeframe: Timeframe
    bars: BarColumns
    forming: FormingBar | None
    layout: Layout
    scale: Scale
    volume_top: int
    pitch: int
    """Columns a bar takes, 1 to 3."""
    offset: int
    """Bars scrolled back; 0 shows the forming bar."""
    glyphs: Glyphs
    lines: tuple[Line, ...] = ()
    panes: tuple[Pane, ...] = ()
    price_lines: tuple[PriceLine, ...] = ()
    marks: tuple[Mark, ...] = ()
    fan: Fan | None = None
    crosshair: tuple[int, int] | None = None
    """(bar index, price row)."""
    trusted: bool = True
    """False draws the last price as stale."""

    @property
    def count(self) -> int:
        """Number of closed bars; also the index of the forming bar."""
        return len(self.bars.ts_open_ns)

    @property
    def margin(self) -> int:
        """Columns kept free to the right of the forming bar."""
        return self.layout.live - self.pitch

    def x_of(self, index: int) -> int:
        """Return the first column of a bar; may lie outside the plot."""
        first = self.layout.width - self.margin - self.pitch
        return first + (index - self.count + self.offset) * self.pitch

    def index_at(self, x: int) -> int:
        """Return the bar whose columns hold `x`."""
        first = self.layout.width - self.margin - self.pitch
        return self.count - self.offset + (x - first) // self.pitch

    def visible(self, x0: int, x1: int) -> range:
        """Return the indexes of closed bars with a column between `x0` and `x1`."""
        return range(max(0, self.index_at(x0)), min(self.count, self.index_at(x1 - 1) + 1))

    def index_of(self, ts_ns: int) -> int:
        """Return the bar a moment falls into; the forming bar for anything later."""
        low, high = 0, self.count
        opens = self.bars.ts_open_ns
        while low < high:
            middle = (low + high) // 2
            if opens[middle] <= ts_ns:
                low = middle + 1
            else:
                high = middle
        index = low - 1
        if index == self.count - 1 and index >= 0 and ts_ns >= opens[index] + self.timeframe.ns:
            return self.count
        return index

    @property
    def last_ticks(self) -> int | None:
        """The newest price."""
        if self.forming is not None:
            return self.forming.close_ticks
        return self.bars.close[-1] if self.bars.close else None

    @property
    def last_rises(self) -> bool:
        """Whether the newest bar stands at or above its opening."""
        if self.forming is not None:
            return self.forming.close_ticks >= self.forming.open_ticks
        return not self.bars.close or self.bars.close[-1] >= self.bars.open[-1]


def divide(width: int, height: int, pitch: int, panes: int) -> Layout:
    """Divide a chart's cells between price, volume, sub-panes and time.

    Price gets the most; panes are dropped from the last when rows are short.
    """
    margin = 0 if width < 24 else min(14, max(4, width // 12))
    live = min(max(1, width), pitch + margin)
    free = max(0, height - 1)
    volume = 0 if free < 8 else 1 if free < 16 else 2 if free < 26 else 3 if free < 44 else 4
    pane = 2 if free < 32 else 3 if free < 44 else 4
    fits = max(0, (free - volume - 9) // pane)
    if panes and not fits and free - volume >= 9:
        pane, fits = 1, 1
    heights = (pane,) * min(panes, fits)
    price = max(0, free - volume - sum(heights))
    return Layout(width, live, price, volume, heights)


def split_indicators(
    outputs: dict[str, list[float]], ticks_per_unit: float
) -> tuple[tuple[Line, ...], tuple[Pane, ...]]:
    """Sort indicator outputs into overlays (values turned into ticks) and sub-panes."""
    overlays: list[Line] = []
    panes: dict[str, list[Line]] = {}
    solid = 0
    for name, values in outputs.items():
        base, _, output = name.partition(").")
        kind = base.partition("(")[0].lower()
        if kind not in _OVERLAYS:
            known = panes.setdefault(base + ")" if output else name, [])
            known.append(Line(output or name, values, f"line_{min(3, len(known) + 1)}", False))
            continue
        in_ticks = [value * ticks_per_unit for value in values]
        if kind in _BANDS:
            if output not in ("middle", "mid", "basis"):
                overlays.append(Line(name, in_ticks, "band", True))
            continue
        solid += 1
        overlays.append(Line(name, in_ticks, f"line_{min(3, solid)}", False))
    overlays.sort(key=lambda line: not line.dotted)
    return tuple(overlays), tuple(Pane(name, tuple(lines)) for name, lines in panes.items())


def finite(value: float) -> bool:
    """Return whether a value can be drawn."""
    return math.isfinite(value)
