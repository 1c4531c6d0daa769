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
from typing import TYPE_CHECKING, ClassVar, Final

from msgspec.structs import replace
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical

from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import FeedStatus, Timeframe
from core.model.views import View
from link.replica import Topic
from tui.draw.ladder import LadderView, draw_ladder
from tui.draw.status import draw_header, draw_minds, draw_tabs
from tui.draw.tables import draw_table
from tui.draw.tape import draw_tape
from tui.draw.watchlist import WATCHLIST
from tui.grammar import PaneName
from tui.hand import Hand, SideName
from tui.keys import KEYS, HintSet, ScreenName, bindings
from tui.panes import ALL, LISTS, TOPICS, Lists, happenings
from tui.screens.deeds import Deeds
from tui.screens.layout import arrange
from tui.screens.live import LiveScreen, ShownList
from tui.widgets.pictures import Pictures
from tui.widgets.rows import RowsWidget

if TYPE_CHECKING:
    from tui.preferences import Preferences

_PICTURE_WORDS: Final = {
    "chart": "chart",
    "depth": "depth of the book; + and - change how far it reaches",
    "heatmap": "heatmap of the book; + and - zoom prices, [ and ] time",
}
_SPARK_S: Final = 5.0
_BOOK_S: Final = 0.15
_LONG_START_S: Final = 5
"""Levels of the book are drawn no more often: nobody reads sizes faster, and rows cost bytes."""


class TradeScreen(LiveScreen):
    """Everything about one instrument, and the lists."""

    NAME: ClassVar[ScreenName] = "trade"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(KEYS, "trade")]

    def __init__(self) -> None:
        super().__init__()
        preferences = self.clx.preferences
        self.lists = Lists(self.replica)
        self.hand = Hand()
        self.pane: PaneName = "ladder"
        self.list_pane: PaneName = "orders"
        self.focus_id: InstrumentId | None = None
        self.pictures = Pictures(Timeframe(preferences.timeframe), preferences.indicators)
        self.deeds = Deeds(self)
        self._spark_due = 0.0
        self._book_due = 0.0
        self._book_waits = False
        self._parts = arrange(0, 0, self.pane)
        self._price_drawn: tuple[InstrumentId | None, int] = (None, 0)

    def compose_body(self) -> ComposeResult:
        """All widgets; which are seen depends on the size."""
        with Horizontal(id="top"):
            yield self.pictures
            with Vertical(id="side"):
                with Horizontal(id="book"):
                    yield RowsWidget(id="ladder")
                    yield RowsWidget(id="tape")
                yield RowsWidget(id="minds")
        yield RowsWidget(id="tabs")
        with Horizontal(id="bottom"):
            yield RowsWidget(id="list")
            yield RowsWidget(id="watch")

    # -- layout ----------------------------------------------------------------------------

    def divide(self, width: int, height: int) -> None:
        """Show and hide parts by size and chosen pane."""
        parts = self._parts = arrange(width, height, self.pane)
        self.show_part("#side", parts.side > 0, width=parts.side)
        self.show_part("#tape", parts.tape > 0, width=parts.tape)
        self.show_part("#ladder", parts.ladder)
        self.show_part("#minds", parts.minds > 0, height=parts.minds)
        self.show_part("#bottom", parts.bottom > 0, height=parts.bottom)
        self.show_part("#watch", parts.watch > 0, width=parts.watch)
        self.call_after_refresh(self.pictures.place)
        # The engine puts the chart together while the screen is.
        self._follow_focus()
        self.wish()

    # -- the tick --------------------------------------------------------------------------

    def target(self) -> InstrumentId | None:
        """Return what is looked at."""
        return self.focus_id

    def before_draw(self, now: float) -> None:
        """Follow the focus, and note prices for the sparklines."""
        if now >= self._spark_due:
            self._spark_due = now + _SPARK_S
            self.lists.sample()
        self._follow_focus()

    def draw_body(self, dirty: set[Topic], everything: bool, slow: bool, now: float) -> None:
        """Draw what changed of chart, book and lists."""
        self._draw_pictures(dirty)
        self._draw_book(dirty, everything, now)
        self._draw_lists(dirty, everything, slow)

    @property
    def instrument(self) -> Instrument | None:
        """What is looked at."""
        return self.replica.instruments.get(self.focus_id) if self.focus_id else None

    @property
    def timeframe(self) -> Timeframe:
        """The bars of the chosen chart."""
        return self.pictures.plan.timeframe

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

    def wanted_view(self) -> View | None:
        """Return the chart, book and lines that are looked at."""
        if self.focus_id is None:
            return None
        pictures = self.pictures
        line = self.replica.quotes.get(self.focus_id)
        touch = (line.bid_ticks + line.ask_ticks) // 2 if line is not None else 0
        step, buckets = pictures.profile_wish(self.focus_id, touch)
        width, height = self.size
        return View(
            focus=self.focus_id,
            timeframe=pictures.plans[0].timeframe,
            bars=max(300, min(2000, (width - self._parts.side) * 3)),
            depth=max(10, min(100, height - self._parts.bottom)),
            tape=True,
            quotes=self.replica.watchlist,
            indicators=pictures.plans[0].indicators,
            fps=self.pace.fps,
            charts=pictures.wishes,
            profile_step=step,
            profile_rows=buckets,
        )

    # -- drawing ---------------------------------------------------------------------------

    def _draw_pictures(self, dirty: set[Topic]) -> None:
        item = self.instrument
        self.pictures.draw(
            self.replica,
            item,
            dirty,
            happenings(self.replica, item) if item is not None else None,
            self._why_no_chart(),
            trusted=self.trusted,
        )
        if item is not None:
            line = self.replica.quotes.get(item.id)
            last = line.last_ticks if line is not None else 0
            why = "" if self.trusted else self._why_stale() or "not to be trusted now"
            self.pictures.draw_book(self.replica, item, dirty, why, last)

    def _why_no_chart(self) -> tuple[str, ...]:
        """Return what to say where there is no chart; empty while it is only on its way."""
        app, status = self.clx, self.replica.status
        if app.link.state != "up":
            if self.engine_starting:
                return self._starting()
            why = app.why_no_engine() or app.link.reason
            room = max(20, self.pictures.size.width - 4)
            return ("no engine yet; trying again…", *textwrap.wrap(why, room))
        if status is not None and status.phase != "running":
            return (status.phase,)
        if self.focus_id is None:
            return ("the watchlist is empty; / finds an instrument",)
        return ()

    def _starting(self) -> tuple[str, ...]:
        """Return for how long an engine has been starting, and what takes it long."""
        waited_s = int(time.monotonic() - self.clx.opened_s)
        if waited_s < _LONG_START_S:
            return ("starting the engine…",)
        return (
            f"starting the engine… {waited_s} s",
            "after an install or upgrade it compiles",
            "its kernels first, a minute or two",
        )

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
            active, arranged = self.pane == pane, self.lists.arranged(pane)
            rows = draw_table(
                LISTS[pane],
                self.lists.items(pane),
                self.lists.cursor(pane) if active else None,
                widget.size.width,
                widget.size.height,
                widget.look.glyphs,
                arranged.sign,
                f"no {pane} with {arranged.words!r}; / changes it" if arranged.words else "",
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

    def draw_words(self) -> None:
        """Draw the first line and the tabs."""
        header = self.query_one("#header", RowsWidget)
        glyphs, replica = header.look.glyphs, self.replica
        standing = replace(
            self.standing(),
            instrument=self.instrument,
            quote=replica.quotes.get(self.focus_id) if self.focus_id else None,
            flash=self._price_moved(),
        )
        header.show([draw_header(standing, self.size.width, glyphs)])
        tabs = self.query_one("#tabs", RowsWidget)
        names = [(name, self.lists.count(name)) for name in ALL]
        equity = f"equity {replica.equity:,.2f}" if replica.equity else ""
        tabs.show([draw_tabs(names, self.pane, equity, self.size.width, glyphs)])

    def _price_moved(self) -> int:
        """Return which way the price went since the last call, 0 where it is not to flash."""
        line = self.replica.quotes.get(self.focus_id) if self.focus_id else None
        now = (self.focus_id, line.last_ticks if line is not None else 0)
        before, self._price_drawn = self._price_drawn, now
        if not self.clx.preferences.flash or before[0] != now[0] or not before[1]:
            return 0
        return (now[1] > before[1]) - (now[1] < before[1])

    def repaint(self) -> None:
        """Paint everything anew, after a change of theme."""
        self.pictures.forget()
        super().repaint()

    def take_preferences(self, preferences: Preferences) -> None:
        """Follow changed settings."""
        self.pictures.take(Timeframe(preferences.timeframe), preferences.indicators)
        super().take_preferences(preferences)

    # -- looking around ----------------------------------------------------------------------

    def look_at(self, name: InstrumentId | None = None, timeframe: str | None = None) -> None:
        """Show an instrument, a timeframe, or both."""
        if name is not None:
            self.focus_id = name
        if timeframe is not None:
            self.pictures.show_frame(Timeframe(timeframe))
        self.pictures.reset_zoom(every=name is not None)
        self.draw_all()

    def action_pane(self, name: PaneName) -> None:
        """Turn to a pane."""
        self.pane = name
        if name in LISTS:
            self.list_pane = name
        if name != "ladder":
            self.hand.release()
        self.lay_out()

    def action_next_pane(self, by: int) -> None:
        """Turn to the next or previous pane."""
        self.action_pane(ALL[(ALL.index(self.pane) + by) % len(ALL)])

    def action_timeframe(self, by: int) -> None:
        """Show longer or shorter bars."""
        heat = self.pictures.heat
        if self.pictures.kind == "heatmap" and heat is not None:
            self.notice(f"a column stands for {heat.step_every(by)} s")
            self.draw_all()
            return
        frames = list(Timeframe)
        at = frames.index(self.timeframe) + by
        self.look_at(timeframe=frames[max(0, min(len(frames) - 1, at))].value)

    def action_pan(self, by: int) -> None:
        """Scroll the chart in time, or move its crosshair."""
        chart = self.pictures.chosen
        count = chart.view.count if chart.view is not None else 0
        offset = max(0, min(max(0, count - 5), chart.zoom.offset - chart.step(by)))
        self._zoom(offset=offset)

    def action_inspect(self) -> None:
        """Show or hide the crosshair."""
        self.pictures.chosen.inspect()

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
        if self.pictures.kind != "chart":
            self.pictures.zoom(by)
            self.draw_all()
            return
        self._zoom(pitch=self.pictures.chosen.zoom.pitch + by)

    def _zoom(self, **changes: int) -> None:
        chart = self.pictures.chosen
        chart.set_zoom(replace(chart.zoom, **changes))
        self.draw({"chart", "charts"})

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

    def action_leave(self) -> None:
        """Close the line, else put the notice away, and cursors."""
        if not self.typing:
            self.pictures.cross_off()
            self.hand.release()
            self.draw_ladder_now()
        super().action_leave()

    def action_picture(self, by: int) -> None:
        """Turn from chart to depth to heatmap."""
        kind = self.pictures.step_picture(by)
        self.notice(_PICTURE_WORDS[kind])
        self.draw_soon()

    def action_layout(self, by: int) -> None:
        """Take the next layout of charts."""
        wanted = self.pictures.step_layout(by)
        now = self.pictures.arrangement
        words = now.name
        if now.charts < wanted.charts:
            words = f"{wanted.name}: one at a time here, n turns to the next"
        self.notice(words)
        self.draw_soon()

    def action_next_chart(self, by: int) -> None:
        """Choose the next of several charts."""
        if len(self.pictures.plans) == 1:
            self.notice("only one chart; w shows more")
            return
        self.pictures.step_active(by)
        self.draw_all()

    # -- deeds: each is one call on the object that knows how ---------------------------------

    def action_find(self) -> None:
        """Filter the list under the cursor; elsewhere find an instrument."""
        if self.pane in LISTS and self.pane != "watchlist":
            self.action_filter()
        else:
            self.deeds.find()

    def hint_set(self) -> HintSet:
        """Return which keys the last line speaks of: those of a list while one is chosen."""
        return "lists" if self.pane in LISTS and self.pane != "watchlist" else self.NAME

    def shown_list(self) -> ShownList | None:
        """Return the list of the chosen pane."""
        pane = self.pane
        if pane not in LISTS:
            return None
        return ShownList(
            name=pane,
            table=LISTS[pane],
            items=self.lists.items(pane),
            arranged=self.lists.arranged(pane),
            arrange=lambda arranged: self.lists.arrange(pane, arranged),
        )

    def action_open(self) -> None:
        """Open what the cursor is on."""
        self.deeds.open()

    def action_copy(self) -> None:
        """Copy the chosen row."""
        self.deeds.copy()

    def action_ticket(self, side: str) -> None:
        """Open a ticket at the cursor's price."""
        self.deeds.ticket(side)

    def action_quick(self, side: SideName) -> None:
        """Join the best price at once, when armed."""
        self.deeds.ladder.join(side)

    def action_take(self, side: SideName) -> None:
        """Take the best price of the other side at once, when armed."""
        self.deeds.ladder.take(side)

    def action_move(self, by: int) -> None:
        """Move the orders at the ladder's cursor by a row, when armed."""
        self.deeds.ladder.move(by)

    def action_amend(self) -> None:
        """Change the order at the cursor."""
        self.deeds.amend()

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
