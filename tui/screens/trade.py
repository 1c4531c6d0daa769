"""The main screen: chart, ladder, tape and lists; one timer pulls from the replica and repaints.

::

    ≥ 100 columns                                narrower
    ┌ header ──────────────────────────────┐     ┌ header ───────────────┐
    │ chart            │ ladder │ tape     │     │ chart       │ ladder  │  with that pane chosen
    │                  │ models, strategies│     │             │ or tape │
    ├ tabs ────────────┴────────┴──────────┤     ├ tabs ─────────────────┤
    │ list                    │ watchlist  │     │ list                  │  with any other
    └ hints, notices, command line ────────┘     └ hints ────────────────┘
"""

from __future__ import annotations

import textwrap
import time
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Resize
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Input

from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import FeedStatus, Timeframe
from core.model.views import View
from link.replica import Replica, Topic
from tui.draw.ladder import LadderView, draw_ladder
from tui.draw.status import Standing, draw_header, draw_hints, draw_minds, draw_notice, draw_tabs
from tui.draw.tables import draw_table
from tui.draw.tape import draw_tape
from tui.draw.watchlist import WATCHLIST
from tui.grammar import PaneName
from tui.hand import Hand
from tui.keys import KEYS, bindings, hints
from tui.pace import Pace
from tui.panes import ALL, LISTS, TOPICS, Lists, happenings
from tui.safety import Twice
from tui.screens.deeds import Deeds
from tui.screens.layout import WIDE, arrange
from tui.widgets.chart import ChartWidget
from tui.widgets.fields import Words
from tui.widgets.rows import RowsWidget

if TYPE_CHECKING:
    from tui.app import ClxApp, Preferences

_CHART_TOPICS: Final = frozenset({"chart", "orders", "fills", "signals", "positions", "models"})
_NOTICE_S: Final = 4.0
_SLOW_S: Final = 0.5
"""What changes with time alone is drawn this often."""
_SPARK_S: Final = 5.0
_BOOK_S: Final = 0.15
"""Levels of the book are drawn no more often: nobody reads sizes faster, and rows cost bytes."""


class TradeScreen(Screen[None]):
    """Everything about one instrument, and the lists."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(KEYS, everywhere=False)]
    AUTO_FOCUS: ClassVar[str | None] = ""
    """Keys belong to the screen until a field is opened."""

    def __init__(self) -> None:
        super().__init__()
        app = self.clx
        self.replica: Replica = app.link.replica
        self.lists = Lists(self.replica)
        self.hand = Hand()
        self.twice = Twice()
        self.pane: PaneName = "ladder"
        self.list_pane: PaneName = "orders"
        self.focus_id: InstrumentId | None = None
        self.timeframe = Timeframe(app.preferences.timeframe)
        self.pace = Pace(app.preferences.fps)
        self.deeds = Deeds(self)
        self._sent_view: View | None = None
        self._notice: tuple[str, str, float] | None = None
        self._alerts_seen = 0
        self._slow_due = 0.0
        self._spark_due = 0.0
        self._book_due = 0.0
        self._book_waits = False
        self._price_drawn: tuple[InstrumentId | None, int] = (None, 0)
        self._last_state = ""
        self._timer: Timer | None = None

    @property
    def clx(self) -> ClxApp:
        """The app, by its own type."""
        return cast("ClxApp", self.app)

    def compose(self) -> ComposeResult:
        """All widgets; which are seen depends on the size."""
        yield RowsWidget(id="header")
        with Horizontal(id="top"):
            yield ChartWidget(id="chart")
            with Vertical(id="side"):
                with Horizontal(id="book"):
                    yield RowsWidget(id="ladder")
                    yield RowsWidget(id="tape")
                yield RowsWidget(id="minds")
        yield RowsWidget(id="tabs")
        with Horizontal(id="bottom"):
            yield RowsWidget(id="list")
            yield RowsWidget(id="watch")
        yield RowsWidget(id="foot")
        yield Input(id="line", placeholder="b 0.5 BTC-USDT @64250 post   BTC-USDT 5m   POS   help")
        yield Words(
            "clx needs 60 x 16 cells at least; make the window larger", field_id="too-small"
        )

    def on_mount(self) -> None:
        """Start the one timer of this screen."""
        self._restart_timer()
        self._lay_out()

    def on_screen_suspend(self) -> None:
        """Dialogs leave the market moving; the pause they make is no slow terminal."""
        self.pace.forget()

    def _restart_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_interval(1 / self.pace.fps, self._tick)

    # -- layout ----------------------------------------------------------------------------

    @on(Resize)
    def _resized(self) -> None:
        self._lay_out()

    def _lay_out(self) -> None:
        width, height = self.size
        if not width:
            return
        parts = arrange(width, height, self.pane)
        self._set("#too-small", parts.too_small)
        self._set("#side", parts.side > 0, width=parts.side)
        self._set("#tape", parts.tape > 0, width=parts.tape)
        self._set("#ladder", parts.ladder)
        self._set("#minds", parts.minds > 0, height=parts.minds)
        self._set("#bottom", parts.bottom > 0, height=parts.bottom)
        self._set("#watch", parts.watch > 0, width=parts.watch)
        self.call_after_refresh(self.draw_all)

    def _set(self, selector: str, shown: bool, width: int = 0, height: int = 0) -> None:
        styles = self.query_one(selector).styles
        styles.display = "block" if shown else "none"
        if width:
            styles.width = width
        if height:
            styles.height = height

    # -- the tick --------------------------------------------------------------------------

    def _tick(self) -> None:
        if self.pace.tick(time.monotonic()):
            self._restart_timer()
        self.draw(self.replica.take_dirty())

    def draw_all(self) -> None:
        """Draw everything anew."""
        self.draw(set(self.replica.take_dirty()) | {"chart", "all"})

    def draw(self, dirty: set[Topic]) -> None:
        """Draw what changed, in one batch."""
        now = time.monotonic()
        everything = "all" in dirty
        if self.clx.link.state != self._last_state:
            # Nothing may look live a frame longer than it is.
            dirty = dirty | {"status", "chart"}
        slow = now >= self._slow_due or self.clx.link.state != self._last_state
        if slow:
            self._slow_due = now + _SLOW_S
            self._last_state = self.clx.link.state
        if now >= self._spark_due:
            self._spark_due = now + _SPARK_S
            self.lists.sample()
        self._follow_focus()
        self._watch()
        with self.app.batch_update():
            self._draw_chart(dirty)
            self._draw_book(dirty, everything, now)
            self._draw_lists(dirty, everything, slow)
            if slow or everything or dirty & {"status", "alerts"}:
                self._draw_words(now)

    @property
    def instrument(self) -> Instrument | None:
        """What is looked at."""
        return self.replica.instruments.get(self.focus_id) if self.focus_id else None

    @property
    def trusted(self) -> bool:
        """Whether the link is up and the instrument's data live."""
        line = self.replica.quotes.get(self.focus_id) if self.focus_id else None
        live = line is None or line.status == FeedStatus.LIVE
        return live and self.clx.link.state == "up"

    def _follow_focus(self) -> None:
        if self.focus_id is None and self.replica.watchlist:
            known = [name for name in self.replica.watchlist if name in self.replica.instruments]
            self.focus_id = known[0] if known else None
        if self.instrument is not None:
            self.hand.follow(self.instrument)

    def _watch(self) -> None:
        if self.focus_id is None:
            return
        width = self.query_one("#chart", ChartWidget).size.width
        height = self.query_one("#ladder", RowsWidget).size.height
        view = View(
            focus=self.focus_id,
            timeframe=self.timeframe,
            bars=max(300, min(2000, width * 3)),
            depth=max(10, min(100, height)),
            tape=True,
            quotes=self.replica.watchlist,
            indicators=self.clx.preferences.indicators,
            fps=self.pace.fps,
        )
        if view != self._sent_view:
            self._sent_view = view
            self.clx.link.watch(view)

    # -- drawing ---------------------------------------------------------------------------

    def _draw_chart(self, dirty: set[Topic]) -> None:
        widget = self.query_one("#chart", ChartWidget)
        chart, item = self.replica.chart, self.instrument
        here = chart is not None and chart.instrument_id == self.focus_id
        if chart is None or item is None or not here or chart.timeframe is not self.timeframe:
            widget.show_message(self.timeframe, *self._why_no_chart())
            return
        if not chart.bars.ts_open_ns and self.replica.forming is None:
            words = (
                "loading history…" if chart.loading else "no bars yet; the first trade makes one"
            )
            widget.show_message(self.timeframe, words)
            return
        if widget.view is None or dirty & _CHART_TOPICS:
            widget.show_chart(
                chart,
                self.replica.forming,
                item,
                happenings(self.replica, item),
                trusted=self.trusted,
            )
        elif "forming" in dirty or widget.view.trusted != self.trusted:
            widget.show_forming(self.replica.forming, trusted=self.trusted)

    @property
    def _starting(self) -> bool:
        """Whether an engine was started just now and lives, but does not answer yet."""
        app = self.clx
        return app.starting and self.replica.status is None and not app.why_no_engine()

    def _why_no_chart(self) -> tuple[str, ...]:
        app, status = self.clx, self.replica.status
        if app.link.state != "up":
            if self._starting:
                return ("starting the engine…",)
            why = app.why_no_engine() or app.link.reason
            room = max(20, self.query_one("#chart").size.width - 4)
            return ("no engine yet; trying again…", *textwrap.wrap(why, room))
        if status is not None and status.phase != "running":
            return (status.phase,)
        if self.focus_id is None:
            return ("the watchlist is empty; / finds an instrument",)
        return ("loading…",)

    def _draw_book(self, dirty: set[Topic], everything: bool, now: float) -> None:
        item = self.instrument
        if item is None:
            return
        ladder, tape = self.query_one("#ladder", RowsWidget), self.query_one("#tape", RowsWidget)
        self._book_waits |= bool(dirty & {"book", "tape"})
        due = self._book_waits and now >= self._book_due
        if due:
            self._book_waits, self._book_due = False, now + _BOOK_S
        if ladder.display and (everything or due or dirty & {"orders", "feeds", "status"}):
            self.draw_ladder_now()
        if tape.display and (everything or due):
            width, height = tape.size
            rows = draw_tape(
                list(self.replica.tape),
                self.replica.tape_skipped,
                item,
                width,
                height,
                tape.look.glyphs,
            )
            tape.show(rows)

    def draw_ladder_now(self) -> None:
        """Draw the ladder, after a move of its cursor too."""
        ladder = self.query_one("#ladder", RowsWidget)
        view = self.hand.view(self.replica, trusted=self.trusted, why=self._why_stale())
        if view is not None and ladder.size.height:
            ladder.show(
                draw_ladder(view, ladder.size.width, ladder.size.height, ladder.look.glyphs)
            )

    def _why_stale(self) -> str:
        if self.clx.link.state != "up":
            return "LINK DOWN"
        feed = self.replica.feeds.get(self.focus_id) if self.focus_id else None
        return f"{FeedStatus(feed.status).name}: {feed.reason}" if feed is not None else ""

    def _draw_lists(self, dirty: set[Topic], everything: bool, slow: bool) -> None:
        widget = self.query_one("#list", RowsWidget)
        pane = self.list_pane
        if everything or dirty & TOPICS[pane] or (slow and pane == "watchlist"):
            active = self.pane == pane
            rows = draw_table(
                LISTS[pane],
                self.lists.items(pane),
                self.lists.cursor(pane) if active else None,
                widget.size.width,
                widget.size.height,
                widget.look.glyphs,
            )
            widget.show(rows)
        watch = self.query_one("#watch", RowsWidget)
        if watch.display and (everything or slow):
            items = self.lists.items("watchlist")
            glyphs = watch.look.glyphs
            watch.show(draw_table(WATCHLIST, items, None, *watch.size, glyphs))
        minds = self.query_one("#minds", RowsWidget)
        if minds.display and (everything or dirty & {"models", "strategies", "signals"}):
            models, strategies = self.replica.models.values(), self.replica.strategies.values()
            minds.show(draw_minds(list(models), list(strategies), *minds.size, minds.look.glyphs))

    def _draw_words(self, now: float) -> None:
        header = self.query_one("#header", RowsWidget)
        glyphs, replica = header.look.glyphs, self.replica
        standing = Standing(
            instrument=self.instrument,
            quote=replica.quotes.get(self.focus_id) if self.focus_id else None,
            status=replica.status,
            link="starting" if self._starting else self.clx.link.state,
            reason=self.clx.link.reason,
            armed_s=self.clx.desk.armed_left_s(self.focus_id),
            day_pnl=replica.day_pnl,
            slow_fps=self.pace.fps if self.pace.slow else 0.0,
            flash=self._price_moved(),
        )
        header.show([draw_header(standing, self.size.width, glyphs)])
        tabs = self.query_one("#tabs", RowsWidget)
        names = [(name, self.lists.count(name)) for name in ALL]
        equity = f"equity {replica.equity:,.2f}" if replica.equity else ""
        tabs.show([draw_tabs(names, self.pane, equity, self.size.width, glyphs)])
        self._note_alerts(now)
        self._draw_foot(now)

    def _price_moved(self) -> int:
        """Return which way the price went since the last call, 0 where it is not to flash."""
        line = self.replica.quotes.get(self.focus_id) if self.focus_id else None
        now = (self.focus_id, line.last_ticks if line is not None else 0)
        before, self._price_drawn = self._price_drawn, now
        if not self.clx.preferences.flash or before[0] != now[0] or not before[1]:
            return 0
        return (now[1] > before[1]) - (now[1] < before[1])

    def _note_alerts(self, now: float) -> None:
        alerts = self.replica.alerts
        newest = alerts[-1].ts_ns if alerts else 0
        if newest > self._alerts_seen:
            first, self._alerts_seen = self._alerts_seen == 0, newest
            alert = alerts[-1]
            if not first and alert.level != "info":
                self.notice(f"{alert.source}: {alert.text}", alert.level)

    def _draw_foot(self, now: float) -> None:
        notice = self._notice
        if notice is not None and notice[2] and now > notice[2]:
            notice = self._notice = None
        if notice is None and self.clx.link.state != "up" and self.replica.status is not None:
            why = self.clx.why_no_engine() or self.clx.link.reason
            notice = (f"link down: {why}; what is shown is old. Trying again…", "warn", now)
        foot = self.query_one("#foot", RowsWidget)
        if notice is None:
            leave = "q detaches; the engine goes on" if self.size.width >= WIDE else "q detach"
            rows = [draw_hints(hints(self.clx.key_table), leave, self.size.width)]
        else:
            tail = "" if notice[2] else "   (esc: read)"
            rows = draw_notice(notice[0] + tail, notice[1], self.size.width)
        height = foot.styles.height
        if height is None or height.value != len(rows):
            foot.styles.height = len(rows)
        foot.show(rows)

    def notice(self, text: str, level: str = "info") -> None:
        """Say something in the last line; warnings and errors stay until read."""
        until = time.monotonic() + _NOTICE_S if level == "info" else 0.0
        role = {"info": "text", "warning": "warn", "error": "warn"}.get(level, "text")
        self._notice = (text, role, until)
        if self.is_mounted:
            self._draw_foot(time.monotonic())

    def repaint(self) -> None:
        """Paint everything anew, after a change of theme."""
        for widget in self.query(RowsWidget):
            widget.repaint()
        self.query_one("#chart", ChartWidget).view = None
        self.draw_all()

    def take_preferences(self, preferences: Preferences) -> None:
        """Follow changed settings."""
        self.timeframe = Timeframe(preferences.timeframe)
        self.pace = Pace(preferences.fps)
        self._restart_timer()
        self.repaint()

    # -- looking around ----------------------------------------------------------------------

    def look_at(self, name: InstrumentId | None = None, timeframe: str | None = None) -> None:
        """Show an instrument, a timeframe, or both."""
        if name is not None:
            self.focus_id = name
        if timeframe is not None:
            self.timeframe = Timeframe(timeframe)
        chart = self.query_one("#chart", ChartWidget)
        chart.set_zoom(replace(chart.zoom, offset=0, crosshair=None))
        self.draw_all()

    def action_pane(self, name: PaneName) -> None:
        """Turn to a pane."""
        self.pane = name
        if name in LISTS:
            self.list_pane = name
        if name != "ladder":
            self.hand.release()
        self._lay_out()

    def action_next_pane(self, by: int) -> None:
        """Turn to the next or previous pane."""
        self.action_pane(ALL[(ALL.index(self.pane) + by) % len(ALL)])

    def action_timeframe(self, by: int) -> None:
        """Show longer or shorter bars."""
        frames = list(Timeframe)
        at = frames.index(self.timeframe) + by
        self.look_at(timeframe=frames[max(0, min(len(frames) - 1, at))].value)

    def action_pan(self, by: int) -> None:
        """Scroll the chart in time, or move its crosshair."""
        chart = self.query_one("#chart", ChartWidget)
        count = len(self.replica.chart.bars.ts_open_ns) if self.replica.chart else 0
        offset = max(0, min(max(0, count - 5), chart.zoom.offset - chart.step(by)))
        self._zoom(offset=offset)

    def action_inspect(self) -> None:
        """Show or hide the crosshair."""
        self.query_one("#chart", ChartWidget).inspect()

    def action_latest(self) -> None:
        """Show the newest bar."""
        self._zoom(offset=0)

    def action_plus(self) -> None:
        """Zoom in; at the ladder, a larger size."""
        self._plus(1)

    def action_minus(self) -> None:
        """Zoom out; at the ladder, a smaller size."""
        self._plus(-1)

    def _plus(self, by: int) -> None:
        view = self.ladder_view()
        if self.pane == "ladder" and self.hand.cursor is not None and view is not None:
            size = self.hand.resize(self.replica, view, larger=by > 0)
            self.notice(f"size {size:f} {view.instrument.base}")
            return
        self._zoom(pitch=self.query_one("#chart", ChartWidget).zoom.pitch + by)

    def _zoom(self, **changes: int) -> None:
        chart = self.query_one("#chart", ChartWidget)
        chart.set_zoom(replace(chart.zoom, **changes))  # type: ignore[arg-type]  # int fields only
        self.draw({"chart"})

    def ladder_view(self) -> LadderView | None:
        """Return what the ladder shows now."""
        return self.hand.view(self.replica, trusted=self.trusted, why=self._why_stale())

    def action_cursor(self, by: int) -> None:
        """Move the cursor of the ladder or of the list."""
        if self.pane == "ladder":
            view = self.ladder_view()
            if view is not None:
                height = self.query_one("#ladder", RowsWidget).size.height
                self.hand.move(view, by, height)
                self.draw_ladder_now()
        elif self.pane in LISTS:
            self.lists.move(self.pane, by)
            self._draw_lists(set(), everything=True, slow=False)

    def action_centre(self) -> None:
        """Let the ladder follow the market again."""
        self.hand.release()
        self.draw_ladder_now()

    def action_read_notice(self) -> None:
        """Put the notice away, and the ladder's cursor."""
        self._notice = None
        self.query_one("#chart", ChartWidget).cross_off()
        self.hand.release()
        self.draw_ladder_now()
        self._draw_foot(time.monotonic())

    # -- words -------------------------------------------------------------------------------

    def action_command_line(self) -> None:
        """Open the command line."""
        line = self.query_one("#line", Input)
        line.value = ""
        line.add_class("open")
        self.query_one("#foot").add_class("hidden")
        line.focus()

    def close_line(self) -> None:
        """Close the command line."""
        self.query_one("#line", Input).remove_class("open")
        self.query_one("#foot").remove_class("hidden")
        self.set_focus(None)

    @on(Input.Submitted, "#line")
    def _entered(self, event: Input.Submitted) -> None:
        self.close_line()
        if event.value.strip():
            self.deeds.line(event.value)

    def key_escape(self) -> None:
        """Leave the command line."""
        if self.query_one("#line", Input).has_focus:
            self.close_line()
        else:
            self.action_read_notice()

    # -- deeds: each is one call on the object that knows how ---------------------------------

    def action_find(self) -> None:
        """Find an instrument."""
        self.deeds.find()

    def action_help(self) -> None:
        """Show all keys and commands."""
        self.deeds.help()

    def action_detach(self) -> None:
        """Leave; the engine goes on."""
        self.app.exit(message="detached; the engine goes on (clx attaches again)")

    def action_next_theme(self) -> None:
        """Take the next theme."""
        self.clx.next_theme()

    def action_open(self) -> None:
        """Open what the cursor is on."""
        self.deeds.open()

    def action_copy(self) -> None:
        """Copy the chosen row."""
        self.deeds.copy()

    def action_ticket(self, side: str) -> None:
        """Open a ticket at the cursor's price."""
        self.deeds.ticket(side)

    def action_quick(self, side: str) -> None:
        """Join the best price at once, when armed."""
        self.deeds.quick(side)

    def action_cancel(self) -> None:
        """Cancel the order at the cursor."""
        self.deeds.cancel()

    def action_cancel_all(self) -> None:
        """Cancel all orders of the instrument, pressed twice."""
        self.deeds.cancel_all()

    def action_close(self) -> None:
        """Close the position in the instrument, pressed twice."""
        self.deeds.close()

    def action_arm(self) -> None:
        """Arm or disarm the instrument."""
        self.deeds.arm()

    def action_toggle_strategy(self) -> None:
        """Enable or disable the chosen strategy."""
        self.deeds.toggle_strategy()
