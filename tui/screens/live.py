"""What every full screen shares: the one timer, the first and last line, and the command line."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from msgspec import Struct
from msgspec.structs import replace
from textual import on
from textual.app import ComposeResult
from textual.events import Resize, ScreenResume
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Input

from core.model.errors import ClxError
from core.model.ids import InstrumentId
from core.model.market import FeedStatus
from core.model.orders import Order
from core.model.wording import counted
from link.replica import Replica, Topic
from tui.arranged import Arranged
from tui.desk import order_reply
from tui.draw.status import Standing, draw_hints, draw_notice
from tui.draw.tables import Table
from tui.keys import HintSet, ScreenName, hints
from tui.pace import Pace
from tui.safety import Twice
from tui.screens.layout import SMALLEST, WIDE
from tui.widgets.rows import RowsWidget

if TYPE_CHECKING:
    from core.model.views import View
    from tui.app import ClxApp
    from tui.preferences import Preferences

_FILTER: Final = "words to filter by; enter keeps them, esc takes them away"
_NOTICE_S: Final = 4.0
_SLOW_S: Final = 0.5
"""What changes with time alone is drawn this often."""


class _Line(Struct, frozen=True):
    """What becomes of the words typed at the foot."""

    entered: Callable[[str], None] = lambda words: None
    typed: Callable[[str], None] | None = None
    left: Callable[[], None] | None = None


class ShownList(Struct, frozen=True):
    """The list that keys act on, and how to arrange it."""

    name: str
    table: Table[Any]
    items: Sequence[Any]
    """As they are arranged."""
    arranged: Arranged
    arrange: Callable[[Arranged], None]


class LiveScreen(Screen[None]):
    """A screen that follows the replica; only the uppermost one draws and says what it looks at."""

    AUTO_FOCUS: ClassVar[str | None] = ""
    """Keys belong to the screen until a field is opened."""
    HORIZONTAL_BREAKPOINTS = []  # noqa: RUF012  as declared there
    VERTICAL_BREAKPOINTS = []  # noqa: RUF012  as declared there
    """Full screens divide themselves; every class of theirs that changes styles all parts anew."""
    NAME: ClassVar[ScreenName]
    PLACEHOLDER: ClassVar[str] = "b 0.5 BTC-USDT @64250 post   BTC-USDT 5m   POS   help"

    def __init__(self) -> None:
        super().__init__()
        app = self.clx
        self.replica: Replica = app.link.replica
        self.twice = Twice()
        self.pace = Pace(app.preferences.fps)
        self._sent_view: View | None = None
        self._notice: tuple[str, str, float] | None = None
        self._followed: Order | None = None
        """The order the notice speaks of, as it speaks of it."""
        self._alerts_seen = 0
        self._slow_due = 0.0
        self._last_state = ""
        self._timer: Timer | None = None
        self._laid_out_for = (0, 0)
        self._draws = False
        """Whether the parts have their sizes and were drawn once."""
        self._draw_queued = False
        self._line = _Line()
        self._styled = app.look

    @property
    def clx(self) -> ClxApp:
        """The app, by its own type."""
        return cast("ClxApp", self.app)

    def compose(self) -> ComposeResult:
        """First line, body, last line."""
        yield RowsWidget(id="header")
        yield from self.compose_body()
        yield RowsWidget(id="foot")

    @abstractmethod
    def compose_body(self) -> ComposeResult:
        """Everything between first and last line."""

    def on_mount(self) -> None:
        """Start the one timer of this screen."""
        self._restart_timer()
        self.lay_out()

    def on_screen_suspend(self) -> None:
        """Dialogs leave the market moving; the pause they make is no slow terminal."""
        self.pace.forget()

    @on(ScreenResume)
    def _resumed(self, event: ScreenResume) -> None:
        # Its parts were styled as they came; only another theme makes them look different since.
        event.refresh_styles = self._styled != self.clx.look
        self._styled = self.clx.look
        # Another screen may have looked at something else, and taken what changed.
        self._sent_view = None
        if self._draws:
            self.draw_all()
        elif self.is_mounted:
            # The framework divides the screen now. What it would paint of it is held back until
            # there is something in its parts.
            with ExitStack() as held:
                held.enter_context(self.app.batch_update())
                self.call_later(self._draw_first, held.pop_all())

    def _draw_first(self, held: ExitStack) -> None:
        with held:
            self._draws = True
            self.draw_all()
        if self._sent_view is not None:
            self._look_out(self._sent_view)

    @property
    def covered(self) -> bool:
        """Whether another full screen lies above this one; dialogs do not count."""
        return self.clx.live_screen is not self

    def _restart_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_interval(1 / self.pace.fps, self._tick)

    # -- layout ----------------------------------------------------------------------------

    @on(Resize)
    def _resized(self, event: Resize) -> None:
        if self._laid_out_for == event.size == self.size:
            # A new screen is told its size three times, and would be divided anew each time.
            event.prevent_default()
        else:
            self.lay_out()

    def lay_out(self) -> None:
        """Divide the screen anew."""
        width, height = self.size
        if not width:
            return
        self._laid_out_for = (width, height)
        self._say_too_small(width < SMALLEST[0] or height < SMALLEST[1])
        self.divide(width, height)
        if self._draws:
            self.draw_soon()

    def draw_soon(self) -> None:
        """Draw everything anew once the parts have the sizes they are to have."""
        if not self._draw_queued:
            self._draw_queued = True
            self.call_after_refresh(self._draw_queue)

    def _draw_queue(self) -> None:
        self._draw_queued = False
        self.draw_all()

    def _say_too_small(self, small: bool) -> None:
        if small and not self.query("#too-small"):
            from tui.widgets.fields import Words

            words = "clx needs 60 x 16 cells at least; make the window larger"
            self.mount(Words(words, field_id="too-small"))
        for part in self.query("#too-small"):
            part.display = small

    def divide(self, width: int, height: int) -> None:
        """Show and hide the parts of the body."""

    def show_part(self, selector: str, shown: bool, width: int = 0, height: int = 0) -> None:
        """Show or hide a part, and give it a size."""
        styles = self.query_one(selector).styles
        styles.display = "block" if shown else "none"
        if width:
            styles.width = width
        if height:
            styles.height = height

    # -- the tick --------------------------------------------------------------------------

    def _tick(self) -> None:
        if self.covered:
            return
        if self.pace.tick(time.monotonic()):
            self._restart_timer()
        self.draw(self.replica.take_dirty())

    def draw_all(self) -> None:
        """Draw everything anew."""
        if not self.covered:
            self.draw(set(self.replica.take_dirty()) | {"chart", "charts", "all"})

    def draw(self, dirty: set[Topic]) -> None:
        """Draw what changed, in one batch."""
        now = time.monotonic()
        everything = "all" in dirty
        if self.clx.link.state != self._last_state:
            # Nothing may look live a frame longer than it is.
            dirty = dirty | {"status", "chart"}
        if "venues" in dirty or everything:
            self.clx.deeds.gate_if_asked()
        if everything or dirty & {"alerts", "fills"}:
            self.clx.ring(now)
        if "orders" in dirty:
            self._keep_true()
        slow = now >= self._slow_due or self.clx.link.state != self._last_state
        if slow:
            self._slow_due = now + _SLOW_S
            self._last_state = self.clx.link.state
        self.before_draw(now)
        self.wish()
        with self.app.batch_update():
            self.draw_body(dirty, everything, slow, now)
            if slow or everything or dirty & {"status", "alerts"}:
                self.draw_words()
                self._note_alerts()
                self.draw_foot()

    def before_draw(self, now: float) -> None:
        """Take up what the replica says before anything is drawn."""

    @abstractmethod
    def draw_body(self, dirty: set[Topic], everything: bool, slow: bool, now: float) -> None:
        """Draw what changed between first and last line."""

    @abstractmethod
    def draw_words(self) -> None:
        """Draw the first line and other words that follow time."""

    @abstractmethod
    def wanted_view(self) -> View | None:
        """Return what market data this screen needs, None while that is not known."""

    def wish(self) -> None:
        """Ask for the market data that is seen, where that is not what was asked for last."""
        view = self.wanted_view()
        if view is not None and view != self._sent_view:
            self._sent_view = view
            self.clx.link.watch(view)
            if self._draws:
                self._look_out(view)

    def _look_out(self, view: View) -> None:
        """Draw a chart that was asked for when it comes: the next tick may be long to wait for."""
        if view.focus is not None:
            self.replica.when_charted(partial(self.call_later, self._draw_chart, view))

    def _draw_chart(self, view: View) -> None:
        if view == self._sent_view and not self.covered:
            self.draw_all()

    @abstractmethod
    def target(self) -> InstrumentId | None:
        """Return the instrument that commands are meant for."""

    def standing(self) -> Standing:
        """Return how things stand for the first line, as far as every screen says it."""
        replica, app = self.replica, self.clx
        feeds = [feed for feed in replica.feeds.values() if feed.status]
        target = self.target()
        armed = replica.status.armed if replica.status is not None else {}
        return Standing(
            instrument=None,
            quote=None,
            status=replica.status,
            link="starting" if self.engine_starting else app.link.state,
            reason=app.link.reason,
            armed_s=app.desk.armed_left_s(target),
            armed_others=sum(bool(app.desk.armed_left_s(name)) for name in armed if name != target),
            day_pnl=replica.day_pnl,
            slow_fps=self.pace.fps if self.pace.slow else 0.0,
            venues_down=tuple(sorted(v.venue for v in replica.venues.values() if not v.connected)),
            feeds=(sum(feed.status == FeedStatus.LIVE for feed in feeds), len(feeds)),
        )

    @property
    def engine_starting(self) -> bool:
        """Whether an engine was started just now and lives, but does not answer yet."""
        app = self.clx
        return app.starting and self.replica.status is None and not app.why_no_engine()

    # -- the last line ---------------------------------------------------------------------

    def _note_alerts(self) -> None:
        alerts = self.replica.alerts
        newest = alerts[-1].ts_ns if alerts else 0
        if newest > self._alerts_seen:
            first, self._alerts_seen = self._alerts_seen == 0, newest
            alert = alerts[-1]
            if not first and alert.level != "info":
                self.notice(f"{alert.source}: {alert.text}", alert.level)

    def draw_foot(self) -> None:
        """Draw the last line: a notice, or what keys do."""
        now, notice = time.monotonic(), self._notice
        if notice is not None and notice[2] and now > notice[2]:
            notice = self._notice = None
        if notice is None and self.clx.link.state != "up" and self.replica.status is not None:
            why = self.clx.why_no_engine() or self.clx.link.reason
            notice = (f"link down: {why}; what is shown is old. Trying again…", "warn", now)
        foot = self.query_one("#foot", RowsWidget)
        if notice is None:
            leave = self.way_out()
            words = hints(self.clx.key_table, self.hint_set())
            rows = [draw_hints(words, leave, self.size.width)]
        else:
            tail = "" if notice[2] else "   (esc: read)"
            rows = draw_notice(notice[0] + tail, notice[1], self.size.width)
        height = foot.styles.height
        if height is None or height.value != len(rows):
            foot.styles.height = len(rows)
        foot.show(rows)

    def hint_set(self) -> HintSet:
        """Return which keys the last line speaks of."""
        return self.NAME

    def way_out(self) -> str:
        """Return the words at the end of the last line."""
        return "q detaches; the engine goes on" if self.size.width >= WIDE else "q detach"

    def notice(self, text: str, level: str = "info") -> None:
        """Say something in the last line; warnings and errors stay until read."""
        until = time.monotonic() + _NOTICE_S if level == "info" else 0.0
        role = {"info": "text", "warning": "warn", "error": "warn"}.get(level, "text")
        self._notice, self._followed = (text, role, until), None
        if self.is_mounted:
            self.draw_foot()

    def follow(self, order: Order) -> None:
        """Let the notice, which speaks of an order, go along with what becomes of it."""
        self._followed = order
        self._keep_true()

    def _keep_true(self) -> None:
        """Say how the followed order stands by now; it may be filled before it is read."""
        said = self._followed
        order = self.replica.orders.get(said.id) if said is not None else None
        if said is None or order is None or self._notice is None:
            return
        news = (order.state, order.amending) != (said.state, said.amending)
        if news and order.ts_updated_ns >= said.ts_updated_ns:
            reply = order_reply(order)
            self.notice(reply.text, reply.level)
            self._followed = order

    def repaint(self) -> None:
        """Paint everything anew, after a change of theme."""
        for widget in self.query(RowsWidget):
            widget.repaint()
        self.draw_all()

    def take_preferences(self, preferences: Preferences) -> None:
        """Follow changed settings."""
        self.pace = Pace(preferences.fps)
        self._restart_timer()
        self.repaint()

    # -- words and ways every screen has ------------------------------------------------------

    def open_line(
        self,
        asks: str,
        entered: Callable[[str], None],
        text: str = "",
        typed: Callable[[str], None] | None = None,
        left: Callable[[], None] | None = None,
    ) -> None:
        """Open the line at the foot; `asks` says what for while it is empty.

        `entered` takes the words at Enter, `typed` at every key; `left` is called at Escape.
        """
        self._line = _Line(entered, typed, left)
        line = self._line_at_foot()
        line.placeholder = asks
        line.value = text
        line.cursor_position = len(text)
        line.add_class("open")
        self.query_one("#foot").add_class("hidden")
        line.focus()

    def _line_at_foot(self) -> Input:
        """Return the line; it is made when it is first opened, no first paint waits for it."""
        line = next(iter(self.query("#line").results(Input)), None)
        if line is None:
            line = Input(id="line")
            self.mount(line, after="#foot")
        return line

    def close_line(self) -> None:
        """Close the line at the foot."""
        self._line_at_foot().remove_class("open")
        self.query_one("#foot").remove_class("hidden")
        self._line = _Line()
        self.set_focus(None)

    @property
    def typing(self) -> bool:
        """Whether the line at the foot is open."""
        return any(line.has_focus for line in self.query("#line"))

    def action_command_line(self) -> None:
        """Open the command line."""
        self.clx.symbols.fetch()
        self.open_line(self.PLACEHOLDER, self._command)

    def _command(self, words: str) -> None:
        if words.strip():
            self.clx.deeds.line(words)

    @on(Input.Submitted, "#line")
    def _entered(self, event: Input.Submitted) -> None:
        entered = self._line.entered
        self.close_line()
        entered(event.value)

    @on(Input.Changed, "#line")
    def _typed(self, event: Input.Changed) -> None:
        if self._line.typed is not None and self.typing:
            self._line.typed(event.value)

    # -- the list that keys act on ------------------------------------------------------------

    @abstractmethod
    def shown_list(self) -> ShownList | None:
        """Return the list that keys act on, None where there is none."""

    def _arrange(self, change: Callable[[ShownList], Arranged]) -> ShownList | None:
        shown = self.shown_list()
        if shown is None:
            self.notice("turn to a list first; tab goes through the panes")
            return None
        shown.arrange(change(shown))
        self.draw_all()
        return self.shown_list()

    def filter_list(self, words: str) -> None:
        """Show only the rows that have these words."""
        self._arrange(lambda shown: replace(shown.arranged, words=words))

    def action_filter(self) -> None:
        """Type words that rows must have."""
        shown = self.shown_list()
        if shown is not None:
            self.open_line(
                _FILTER,
                self.filter_list,
                shown.arranged.words,
                self.filter_list,
                lambda: self.filter_list(""),
            )

    def action_find(self) -> None:
        """Filter the list."""
        self.action_filter()

    def action_sort(self, by: int) -> None:
        """Sort by the next or previous column."""
        shown = self._arrange(lambda shown: shown.arranged.step(shown.table, by))
        if shown is not None:
            self.notice(_sorted_words(shown))

    def action_reverse(self) -> None:
        """Turn the order round."""
        shown = self._arrange(lambda shown: shown.arranged.turned())
        if shown is not None:
            self.notice(_sorted_words(shown))

    def action_export(self) -> None:
        """Write the list as CSV."""
        from tui.export import csv_text, export_csv

        shown, folder = self.shown_list(), self.clx.exports
        if shown is None:
            self.notice("turn to a list first; tab goes through the panes")
        elif not shown.items:
            self.notice(f"{shown.name}: nothing to export")
        elif folder is None:
            self.notice("no folder for exports is known", "warning")
        else:
            try:
                path = export_csv(folder, shown.name, csv_text(shown.table, shown.items))
            except ClxError as error:
                self.notice(str(error), "error")
            else:
                self.notice(f"{counted(len(shown.items), 'row')} of {shown.name} written to {path}")

    def action_leave(self) -> None:
        """Close the line, else put the notice away."""
        if self.typing:
            left = self._line.left
            self.close_line()
            if left is not None:
                left()
            return
        self._notice = None
        self.draw_foot()

    def action_gate(self) -> None:
        """Answer what a venue has that the journal does not."""
        self.clx.deeds.gate()

    def action_symbol(self) -> None:
        """Find an instrument of any venue."""
        self.clx.deeds.find()

    def action_help(self) -> None:
        """Show all keys and commands."""
        self.clx.deeds.help()

    def action_detach(self) -> None:
        """Leave; the engine goes on."""
        self.app.exit(message="detached; the engine goes on (clx attaches again)")

    def action_next_theme(self) -> None:
        """Take the next theme."""
        self.clx.next_theme()

    def action_screen(self, name: ScreenName) -> None:
        """Turn to another screen."""
        self.clx.screens.show(name)


def _sorted_words(shown: ShownList) -> str:
    arranged = shown.arranged
    if not arranged.column:
        return f"{shown.name} as they come" + (", the other way round" if arranged.down else "")
    return f"{shown.name} by {arranged.column}, {'largest' if arranged.down else 'smallest'} first"
