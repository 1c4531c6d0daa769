"""The picture of the instrument: one to four charts, the depth of its book, or a heatmap of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from msgspec import Struct
from msgspec.structs import replace
from textual import on
from textual.app import ComposeResult
from textual.containers import Container

from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import FormingBar, Timeframe
from core.model.views import Chart, ChartWish
from link.replica import Replica, Topic
from tui.draw.chart.build import Happenings
from tui.draw.chart.candles import Heading
from tui.draw.chart.scale import nice_top
from tui.draw.ladder import own_orders
from tui.widgets.chart import ChartWidget

if TYPE_CHECKING:
    from tui.heat import HeatTape
    from tui.widgets.depth import DepthWidget
    from tui.widgets.heat import HeatWidget

PictureName: TypeAlias = Literal["chart", "depth", "heatmap"]
PICTURES: Final[tuple[PictureName, ...]] = ("chart", "depth", "heatmap")
_MAIN_TOPICS: Final = frozenset({"chart", "orders", "fills", "signals", "positions", "models"})
_MORE_TOPICS: Final = (_MAIN_TOPICS - {"chart"}) | {"charts"}
_LEAST: Final = (44, 11)
"""Cells a chart needs to stand beside another."""
_BUCKET: Final = 0.000025
"""Width of a bucket of the book as a fraction of the price: a quarter of a basis point."""
_BUCKETS: Final = 400
"""Buckets a side: one per cent."""
_LADDER: Final = (Timeframe.M15, Timeframe.H1, Timeframe.H4, Timeframe.D1, Timeframe.M5)
"""What further charts show at first, as far as no other chart does."""


class Layout(NamedTuple):
    """How several charts share the room."""

    name: str
    charts: int
    columns: int
    rows: int


LAYOUTS: Final = (
    Layout("one chart", 1, 1, 1),
    Layout("two charts side by side", 2, 2, 1),
    Layout("two charts stacked", 2, 1, 2),
    Layout("three charts", 3, 2, 2),
    Layout("four charts", 4, 2, 2),
)


class Plan(Struct, frozen=True):
    """What one chart shows."""

    timeframe: Timeframe
    indicators: tuple[str, ...]

    def shows(self, chart: Chart, item: Instrument) -> bool:
        """Return whether a chart is what this plan asks for."""
        return chart.instrument_id == item.id and chart.timeframe is self.timeframe


class Pictures(Container):
    """Holds the charts and the pictures of the book; draws the ones that are seen."""

    def __init__(self, timeframe: Timeframe, indicators: tuple[str, ...]) -> None:
        super().__init__(id="pictures")
        self._plans = [Plan(timeframe, indicators)]
        """Those of layouts left again are kept for when they come back."""
        self.active = 0
        self.layout_at = 0
        self.kind: PictureName = "chart"
        self._charts = [ChartWidget(id="chart")]
        self.depth: DepthWidget | None = None
        self.heat: HeatWidget | None = None
        self.tape: HeatTape | None = None
        """Recorded from the first look at depth or heatmap on."""
        self._step: tuple[InstrumentId | None, int] = (None, 0)

    def compose(self) -> ComposeResult:
        """One chart at first; the others are made when they are wanted."""
        with Container(id="charts"):
            yield self._charts[0]

    # -- what is shown -----------------------------------------------------------------------

    @property
    def chosen(self) -> ChartWidget:
        """The chart that keys act on."""
        return self._charts[self.active]

    @property
    def plans(self) -> Sequence[Plan]:
        """What the charts of the layout show, the main one first."""
        return self._plans[: LAYOUTS[self.layout_at].charts]

    def take(self, timeframe: Timeframe, indicators: tuple[str, ...]) -> None:
        """Have the main chart show something else."""
        self._plans[0] = Plan(timeframe, indicators)

    @property
    def plan(self) -> Plan:
        """What the chosen chart shows."""
        return self._plans[self.active]

    @property
    def wishes(self) -> tuple[ChartWish, ...]:
        """The charts beside the main one, as the engine is asked for them."""
        bars = max(300, min(2000, self.size.width * 2))
        return tuple(
            ChartWish(timeframe=plan.timeframe, bars=bars, indicators=plan.indicators)
            for plan in self.plans[1:]
        )

    @property
    def arrangement(self) -> Layout:
        """The layout in force: as chosen, or another of as many charts that fits, else one."""
        wanted = LAYOUTS[self.layout_at]
        width, height = self.size
        for layout in (wanted, *LAYOUTS):
            fits = width // layout.columns >= _LEAST[0] and height // layout.rows >= _LEAST[1]
            if fits and layout.charts == wanted.charts:
                return layout
        return LAYOUTS[0]

    def show_frame(self, timeframe: Timeframe) -> None:
        """Give the chosen chart a timeframe; one that shows it already takes the old one."""
        before = self.plan.timeframe
        for at, plan in enumerate(self._plans):
            if plan.timeframe is timeframe and at != self.active:
                self._plans[at] = replace(plan, timeframe=before)
                self._charts[at].view = None
        self._plans[self.active] = replace(self.plan, timeframe=timeframe)
        self.reset_zoom()

    def show_indicators(self, indicators: tuple[str, ...]) -> None:
        """Give the chosen chart its own indicators."""
        self._plans[self.active] = replace(self.plan, indicators=indicators)

    def reset_zoom(self, every: bool = False) -> None:
        """Show the newest bar again, without a crosshair."""
        for chart in self._charts if every else [self.chosen]:
            chart.set_zoom(replace(chart.zoom, offset=0, crosshair=None))

    def step_layout(self, by: int) -> Layout:
        """Take the next layout; charts that come new show longer bars than the others."""
        self.layout_at = (self.layout_at + by) % len(LAYOUTS)
        wanted = LAYOUTS[self.layout_at]
        while len(self._plans) < wanted.charts:
            used = {plan.timeframe for plan in self._plans}
            frame = next(frame for frame in _LADDER if frame not in used)
            self._plans.append(Plan(frame, self._plans[0].indicators))
        while len(self._charts) < wanted.charts:
            chart = ChartWidget(id=f"chart-{len(self._charts)}")
            self._charts.append(chart)
            self.query_one("#charts").mount(chart)
        self.active = min(self.active, wanted.charts - 1)
        self.place()
        return wanted

    def step_active(self, by: int) -> None:
        """Choose the next chart."""
        self.active = (self.active + by) % len(self.plans)
        self.place()

    def step_picture(self, by: int) -> PictureName:
        """Turn to the next picture; those of the book are made at the first look."""
        self.kind = PICTURES[(PICTURES.index(self.kind) + by) % len(PICTURES)]
        if self.tape is None:
            from tui.heat import HeatTape

            self.tape = HeatTape()
        if self.kind == "depth" and self.depth is None:
            from tui.widgets.depth import DepthWidget

            self.depth = DepthWidget()
            self.mount(self.depth)
        if self.kind == "heatmap" and self.heat is None:
            from tui.widgets.heat import HeatWidget

            self.heat = HeatWidget()
            self.mount(self.heat)
        self.place()
        return self.kind

    def zoom(self, by: int) -> None:
        """Zoom the picture of the book that is shown."""
        shown = self.depth if self.kind == "depth" else self.heat
        if shown is not None:
            shown.zoom(by)

    def profile_wish(self, name: InstrumentId, mid_ticks: int) -> tuple[int, int]:
        """Return the bucket's ticks and how many a side are asked for; zeros where none are."""
        if self.tape is None or mid_ticks <= 0:
            return 0, 0
        known, step = self._step
        fine = max(1, nice_top(int(mid_ticks * _BUCKET)))
        if known != name or not step // 4 <= fine <= step * 4:
            step = fine
            self._step = (name, step)
        if self.kind == "depth" and self.depth is not None:
            wide = int(mid_ticks * self.depth.shown_span / _BUCKETS * 1.1)
            step = max(step, nice_top(wide) if wide > step else step)
        return step, _BUCKETS

    def place(self) -> None:
        """Show the charts that are seen, in their places."""
        now = self.arrangement
        box = self.query_one("#charts")
        if box.display != (self.kind == "chart"):
            box.display = self.kind == "chart"
        if self.depth is not None:
            self.depth.display = self.kind == "depth"
        if self.heat is not None:
            self.heat.display = self.kind == "heatmap"
        # What is set anew is laid out anew, be it the same.
        grid = box.styles.grid_size_columns, box.styles.grid_size_rows
        if grid != (now.columns, now.rows):
            box.styles.grid_size_columns, box.styles.grid_size_rows = now.columns, now.rows
        many = len(self.plans) > 1
        for at, chart in enumerate(self._charts):
            seen = at < len(self.plans) and (now.charts > 1 or at == self.active)
            span = 2 if now.charts == 3 and at == 0 else 1
            if (chart.display, chart.styles.row_span) != (seen, span):
                chart.display, chart.styles.row_span = seen, span
            label = f"{at + 1}/{len(self.plans)}" if many and now.charts == 1 else ""
            chart.heading = Heading(
                alone=now.charts == 1, chosen=at == self.active and now.charts > 1, label=label
            )
            if not seen:
                chart.view = None

    # -- drawing -----------------------------------------------------------------------------

    def draw(
        self,
        replica: Replica,
        item: Instrument | None,
        dirty: set[Topic],
        happenings: Happenings | None,
        why: Sequence[str],
        *,
        trusted: bool,
    ) -> None:
        """Draw what changed; `why` is said where there is no chart and the link is to blame."""
        if self.kind != "chart":
            return
        self._draw_charts(replica, item, dirty, happenings, why, trusted)

    def draw_book(
        self, replica: Replica, item: Instrument, dirty: set[Topic], why: str, last_ticks: int
    ) -> None:
        """Record the book, and draw its picture where it is shown; `why` says why it is old."""
        tape, profile = self.tape, replica.profile
        if tape is None:
            return
        if profile is not None and profile.instrument_id != item.id:
            profile = None
        if profile is not None and "profile" in dirty:
            tape.take(profile)
        if "tape" in dirty and tape.instrument_id == item.id:
            tape.take_trades(replica.tape)
        if self.kind == "depth" and self.depth is not None:
            if profile is None or why:
                self.depth.show_message(why or "waiting for the book…")
            elif dirty & {"profile", "orders", "all"}:
                own = own_orders(list(replica.orders.values()), item)
                self.depth.show_profile(profile, item, own)
        elif self.kind == "heatmap" and self.heat is not None:
            if tape.instrument_id != item.id or not tape.moments:
                self.heat.show_message(why or "recording the book; the first second comes now…")
            elif dirty & {"profile", "all"}:
                self.heat.show_tape(tape, item, last_ticks)

    def _draw_charts(
        self,
        replica: Replica,
        item: Instrument | None,
        dirty: set[Topic],
        happenings: Happenings | None,
        why: Sequence[str],
        trusted: bool,
    ) -> None:
        for at, (chart, plan) in enumerate(zip(self._charts, self.plans, strict=False)):
            if not chart.display:
                continue
            main = at == 0
            data = replica.chart if main else replica.charts.get(plan.timeframe)
            forming = replica.forming if main else replica.formings.get(plan.timeframe)
            whole = dirty & (_MAIN_TOPICS if main else _MORE_TOPICS)
            ticked = ("forming" if main else "formings") in dirty
            if item is None or happenings is None or data is None or not plan.shows(data, item):
                chart.show_message(plan.timeframe, *(why or ("loading…",)))
                continue
            if not data.bars.ts_open_ns and forming is None:
                words = "loading history…" if data.loading else _NO_BARS
                chart.show_message(plan.timeframe, words)
                continue
            self._draw_chart(chart, data, forming, item, happenings, bool(whole), ticked, trusted)

    @staticmethod
    def _draw_chart(
        chart: ChartWidget,
        data: Chart,
        forming: FormingBar | None,
        item: Instrument,
        happenings: Happenings,
        whole: bool,
        ticked: bool,
        trusted: bool,
    ) -> None:
        if chart.view is None or whole:
            chart.show_chart(data, forming, item, happenings, trusted=trusted)
        elif ticked or chart.view.trusted != trusted:
            chart.show_forming(forming, trusted=trusted)

    def forget(self) -> None:
        """Draw everything anew at the next draw, after a change of theme."""
        for chart in self._charts:
            chart.view = None
        if self.heat is not None:
            self.heat.forget()

    # -- one crosshair for all ------------------------------------------------------------------

    @on(ChartWidget.Crossed)
    def _crossed(self, event: ChartWidget.Crossed) -> None:
        """Put the crosshair of the other charts at the same moment."""
        event.stop()
        if event.chart is not self.chosen and event.chart in self._charts:
            self.active = self._charts.index(event.chart)
            self.place()
        for chart in self._charts[: len(self.plans)]:
            if chart is not event.chart:
                chart.cross_at(event.ts_ns)

    def cross_off(self) -> None:
        """Take the crosshair away, if there is one."""
        for chart in self._charts:
            chart.cross_off()


_NO_BARS: Final = "no bars yet; the first trade makes one"
