"""Build a chart's view from what the replica holds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from core.model.accounts import Position
from core.model.instruments import Instrument
from core.model.market import FormingBar, Side
from core.model.orders import Order, OrderFilled
from core.model.signals import Direction, Prediction, Signal
from core.model.views import Chart
from tui.draw import numbers
from tui.draw.chart.scale import Scale, extremes, fit_scale, nice_top
from tui.draw.chart.view import (
    ChartView,
    Fan,
    Mark,
    MarkKind,
    PriceLine,
    divide,
    split_indicators,
)
from tui.draw.glyphs import Glyphs
from tui.draw.runs import plain

_SIGNALS: Final[dict[Direction, MarkKind]] = {
    Direction.LONG: "signal_long",
    Direction.SHORT: "signal_short",
    Direction.FLAT: "signal_flat",
}


class Zoom(Struct, frozen=True):
    """What the person chose: how wide a bar is, how far back, and where the crosshair stands."""

    pitch: int = 1
    offset: int = 0
    crosshair: tuple[int, int] | None = None
    """(opening time of the bar, price row); row -1 stands at the bar's close."""


class Happenings(Struct, frozen=True):
    """What is drawn on top of the bars; only this instrument's."""

    orders: tuple[Order, ...] = ()
    fills: tuple[OrderFilled, ...] = ()
    signals: tuple[Signal, ...] = ()
    position: Position | None = None


def build_view(
    chart: Chart,
    forming: FormingBar | None,
    instrument: Instrument,
    size: tuple[int, int],
    zoom: Zoom,
    happenings: Happenings,
    glyphs: Glyphs,
    previous: ChartView | None = None,
    *,
    trusted: bool = True,
) -> ChartView:
    """Build the view of a chart whose plot is `size` (columns without the axis, rows).

    `previous` lends its scale while that still serves, if it shows the same instrument.
    """
    lines, panes = split_indicators(chart.indicators, 1.0 / float(instrument.price_tick))
    layout = divide(size[0], size[1], zoom.pitch, len(panes))
    view = ChartView(
        instrument=instrument,
        timeframe=chart.timeframe,
        bars=chart.bars,
        forming=forming,
        layout=layout,
        scale=Scale(0.0, 1.0),
        volume_top=1,
        pitch=zoom.pitch,
        offset=zoom.offset,
        glyphs=glyphs,
        lines=lines,
        panes=panes[: len(layout.pane_rows)],
        price_lines=price_lines(instrument, happenings),
        fan=fan_of(chart, instrument, zoom.offset),
        trusted=trusted,
    )
    same = (
        previous is not None
        and previous.instrument.id == instrument.id
        and previous.timeframe == chart.timeframe
        and previous.layout == layout
    )
    view = rescaled(view, previous.scale if same and previous is not None else None)
    first = view.visible(0, layout.width).start
    since = chart.bars.ts_open_ns[first] if first < view.count else 0
    view = replace(view, marks=marks(instrument, happenings, since))
    return with_crosshair(view, zoom.crosshair)


def with_crosshair(view: ChartView, at: tuple[int, int] | None) -> ChartView:
    """Return the view with its crosshair at (opening time, price row), or without one."""
    if at is None:
        return replace(view, crosshair=None)
    index, row = view.index_of(at[0]), at[1]
    if row < 0 and view.layout.price_rows:
        close = view.bars.close[index] if 0 <= index < view.count else view.last_ticks
        row = view.scale.part(close or 0, view.layout.price_rows)
    return replace(view, crosshair=(index, row))


def with_forming(view: ChartView, forming: FormingBar | None) -> ChartView:
    """Return the view with a new forming bar; its scale stays unless the bar leaves it."""
    moved = replace(view, forming=forming)
    if forming is None or view.offset:
        return moved
    inside = view.scale.holds(forming.low_ticks) and view.scale.holds(forming.high_ticks)
    if inside and forming.volume_lots <= view.volume_top:
        return moved
    return rescaled(moved, view.scale)


def rescaled(view: ChartView, previous: Scale | None) -> ChartView:
    """Return the view with scales that hold every visible bar."""
    seen = view.visible(0, view.layout.width)
    bars, forming = view.bars, view.forming
    lows, highs = bars.low[seen.start : seen.stop], bars.high[seen.start : seen.stop]
    volumes = bars.volume[seen.start : seen.stop]
    if forming is not None and view.offset <= view.margin // view.pitch:
        lows, highs = [*lows, forming.low_ticks], [*highs, forming.high_ticks]
        volumes = [*volumes, forming.volume_lots]
    found = extremes(lows, highs)
    scale = fit_scale(previous, *found) if found is not None else Scale(0.0, 1.0)
    return replace(view, scale=scale, volume_top=nice_top(max(volumes, default=1)))


def price_lines(instrument: Instrument, happenings: Happenings) -> tuple[PriceLine, ...]:
    """Return the lines of the entry price and of every open order with a price.

    The axis says the price, the line what stands there.
    """
    out: list[PriceLine] = []
    position = happenings.position
    if position is not None and position.size and position.average_price is not None:
        word = "long" if position.size > 0 else "short"
        ticks = instrument.nearest_ticks(position.average_price)
        text = f"{word} {numbers.trimmed(abs(position.size))}"
        out.append(PriceLine(ticks, text, "E", "position"))
    for order in happenings.orders:
        intent, price = order.intent, order.acts_at
        if price is None:
            continue
        ticks = instrument.nearest_ticks(price)
        left = numbers.trimmed(max(order.remaining, Decimal(0)))
        text = f"{intent.side.value} {left}"
        if intent.type.conditional and not order.triggered_ns:
            text = f"{intent.type.value.replace('_', ' ')} {text}"
        letter = "B" if intent.side is Side.BUY else "S"
        out.append(PriceLine(ticks, text, letter, "own"))
    return tuple(out)


def marks(instrument: Instrument, happenings: Happenings, since_ns: int) -> tuple[Mark, ...]:
    """Return the marks of fills and signals not older than `since_ns`."""
    out: list[Mark] = []
    for signal in happenings.signals:
        if signal.ts_event_ns >= since_ns:
            letter = plain(signal.strategy_id[:1]) or "?"
            out.append(Mark(signal.ts_event_ns, 0, _SIGNALS[signal.direction], letter))
    for fill in happenings.fills:
        when = fill.ts_event_ns or fill.ts_ns
        if when >= since_ns:
            buys = fill.side is Side.BUY
            kind: MarkKind = "fill_buy" if buys else "fill_sell"
            ticks = instrument.nearest_ticks(fill.price)
            out.append(Mark(when, ticks, kind, "B" if buys else "S"))
    return tuple(out)


def fan_of(chart: Chart, instrument: Instrument, offset: int) -> Fan | None:
    """Return the newest prediction while its horizon still lies ahead."""
    newest = _newest(chart.predictions)
    bars = chart.bars
    if newest is None or offset or not bars.ts_open_ns:
        return None
    behind = (bars.ts_open_ns[-1] - newest.ts_bar_ns) // chart.timeframe.ns
    if not 0 <= behind < newest.horizon_bars or behind >= len(bars.close):
        return None
    start = float(bars.close[-1 - behind])
    values = [newest.expected_return, newest.low_return, newest.high_return]
    if not all(math.isfinite(value) and abs(value) < 1 for value in values):
        return None
    middle, low, high = (start * math.exp(value) for value in values)
    return Fan(newest.horizon_bars - behind, start, middle, low, high, newest.p_up)


def _newest(predictions: Iterable[Prediction]) -> Prediction | None:
    return max(
        (item for item in predictions if item.valid), key=lambda item: item.ts_bar_ns, default=None
    )
