"""The chart: history, live part and axis as three widgets, so that a tick repaints few cells."""

from __future__ import annotations

from msgspec.structs import replace
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.events import Click
from textual.message import Message

from core.model.instruments import Instrument
from core.model.market import FormingBar, Timeframe
from core.model.views import Chart
from tui.draw.chart.axis import axis_width, draw_axis
from tui.draw.chart.build import Happenings, Zoom, build_view, with_crosshair, with_forming
from tui.draw.chart.candles import ALONE, Heading, draw_head, draw_history, draw_live, draw_message
from tui.draw.chart.view import MAX_PITCH, ChartView
from tui.widgets.rows import RowsWidget


class ChartWidget(Vertical):
    """Draws a chart; told what changed, it repaints only that."""

    class Crossed(Message):
        """A person put the crosshair at a moment, or took it away (None)."""

        def __init__(self, chart: ChartWidget, ts_ns: int | None) -> None:
            super().__init__()
            self.chart = chart
            self.ts_ns = ts_ns

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's own name
        super().__init__(id=id)
        self.head = RowsWidget(id="chart-head")
        self.history = RowsWidget(id="chart-history")
        self.live = RowsWidget(id="chart-live")
        self.axis = RowsWidget(id="chart-axis")
        self.zoom = Zoom()
        self.view: ChartView | None = None
        self.heading: Heading = ALONE
        """What the line above says of this chart among others."""
        self._axis_width = 12

    def compose(self) -> ComposeResult:
        """Head above, the three parts side by side."""
        yield self.head
        with Horizontal(id="chart-body"):
            yield self.history
            yield self.live
            yield self.axis

    def show_message(self, timeframe: Timeframe, *lines: str) -> None:
        """Say why there is no chart."""
        self.view = None
        width, height = self.size.width, max(0, self.size.height - 1)
        self._widths(0, 0)
        self.history.show(draw_message(width, height, lines))
        self.head.show([draw_head(None, timeframe, width, self.history.look.glyphs, self.heading)])

    def show_chart(
        self,
        chart: Chart,
        forming: FormingBar | None,
        instrument: Instrument,
        happenings: Happenings,
        *,
        trusted: bool,
    ) -> None:
        """Draw everything anew: bars closed, orders changed, zoom or size changed."""
        height = self.size.height - 1
        room = self.size.width - self._axis_width
        if height < 3 or room < 8:
            return
        glyphs = self.history.look.glyphs
        view = build_view(
            chart, forming, instrument, (room, height), self.zoom, happenings, glyphs, self.view,
            trusted=trusted,
        )  # fmt: skip
        wanted = axis_width(view)
        if wanted != self._axis_width:
            self._axis_width = wanted
            room = self.size.width - wanted
            view = build_view(
                chart, forming, instrument, (room, height), self.zoom, happenings, glyphs,
                trusted=trusted,
            )  # fmt: skip
        self.view = view
        self._widths(view.layout.live, wanted)
        self.history.show(draw_history(view))
        self._show_live(view)

    def show_forming(self, forming: FormingBar | None, *, trusted: bool) -> None:
        """Draw a tick: the forming bar and the last price; history only if the scale moved."""
        view = self.view
        if view is None:
            return
        moved = replace(with_forming(view, forming), trusted=trusted)
        self.view = moved
        if moved.scale != view.scale or moved.volume_top != view.volume_top:
            self.history.show(draw_history(moved))
        self._show_live(moved)

    def set_zoom(self, zoom: Zoom) -> None:
        """Zoom and scroll; the caller draws anew."""
        self.zoom = replace(zoom, pitch=min(MAX_PITCH, max(1, zoom.pitch)))

    # -- the crosshair -----------------------------------------------------------------------------

    def inspect(self) -> None:
        """Put the crosshair on the newest bar in sight, or take it away."""
        view = self.view
        if view is None or self.zoom.crosshair is not None:
            self.cross_off()
            return
        seen = view.visible(0, view.layout.width)
        if seen.stop > seen.start:
            self._cross((view.bars.ts_open_ns[seen.stop - 1], -1))

    def cross_off(self) -> None:
        """Take the crosshair away, if there is one."""
        if self.zoom.crosshair is not None:
            self._cross(None)

    def cross_at(self, ts_ns: int | None) -> None:
        """Follow the crosshair of another chart, without telling anybody."""
        at = None if ts_ns is None else (ts_ns, -1)
        if self.zoom.crosshair != at:
            self._place(at)

    def step(self, by: int) -> int:
        """Move the crosshair by bars; return how many the chart must scroll to keep it in sight.

        Without a crosshair that is all of `by`.
        """
        view = self.view
        if view is None or view.crosshair is None or not view.count:
            return by
        index = max(0, min(view.count - 1, view.crosshair[0] + by))
        self._cross((view.bars.ts_open_ns[index], -1))
        seen = view.visible(0, view.layout.width - view.layout.live)
        if index < seen.start:
            return index - seen.start
        return max(0, index + 1 - seen.stop) if view.offset else 0

    def on_click(self, event: Click) -> None:
        """Read out the bar under the pointer; the same bar again puts the crosshair away."""
        view = self.view
        if view is None or not view.count:
            return
        spot = event.screen_offset - self.history.region.offset
        if not (0 <= spot.x < view.layout.width and 0 <= spot.y < view.layout.price_rows):
            return
        index = max(0, min(view.count - 1, view.index_at(spot.x)))
        event.stop()
        if view.crosshair is not None and view.crosshair[0] == index:
            self._cross(None)
        else:
            self._cross((view.bars.ts_open_ns[index], spot.y))

    def _cross(self, at: tuple[int, int] | None) -> None:
        self._place(at)
        self.post_message(self.Crossed(self, at[0] if at is not None else None))

    def _place(self, at: tuple[int, int] | None) -> None:
        self.zoom = replace(self.zoom, crosshair=at)
        if self.view is not None:
            self.view = with_crosshair(self.view, at)
            self.history.show(draw_history(self.view))
            self._show_live(self.view)

    def _show_live(self, view: ChartView) -> None:
        self.live.show(draw_live(view))
        self.axis.show(draw_axis(view, self._axis_width))
        width = self.size.width
        self.head.show([draw_head(view, view.timeframe, width, view.glyphs, self.heading)])

    def _widths(self, live: int, axis: int) -> None:
        for widget, width in ((self.live, live), (self.axis, axis)):
            value = widget.styles.width
            if value is None or value.value != width:
                widget.styles.width = width
