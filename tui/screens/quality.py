"""Data quality: today's record of every instrument or venue, and earlier days of the chosen one."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Final

from msgspec.structs import replace
from textual.app import ComposeResult
from textual.binding import BindingType

from core.model.errors import ClxError
from core.model.ids import InstrumentId
from core.model.views import QualityView, View
from link.replica import Topic
from tui.arranged import Arranged
from tui.begun import begin
from tui.draw.quality import QUALITY, QualityRow, by_venue, draw_days
from tui.draw.status import draw_header, screen_title
from tui.draw.tables import draw_table
from tui.keys import KEYS, ScreenName, bindings
from tui.screens.live import LiveScreen, ShownList
from tui.widgets.rows import RowsWidget

_ASK_S: Final = 2.0
_ASK_EACH_S: Final = 0.05
"""So much later for every record: a slow link must carry the answers."""
_ASK_DAYS_S: Final = 30.0
DAYS_BACK: Final = 14
_MOST: Final = 200
"""Instruments whose lines are asked for."""


class QualityScreen(LiveScreen):
    """Whether the data can be trusted, and since when not."""

    NAME: ClassVar[ScreenName] = "quality"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(KEYS, "quality")]

    def __init__(self) -> None:
        super().__init__()
        self.arranged = Arranged()
        self.by_venue = False
        self.rows: Sequence[QualityRow] = ()
        self.days: Sequence[QualityView] = ()
        self._views: Sequence[QualityView] = ()
        self._rates: dict[InstrumentId, float] = {}
        self._counted: dict[InstrumentId, tuple[float, int]] = {}
        self._at = 0
        self._chosen: str | None = None
        self._days_of: str | None = None
        self._problem = ""
        self._ask_due = self._days_due = 0.0

    def compose_body(self) -> ComposeResult:
        """Rows of today above, days of the chosen one below."""
        yield RowsWidget(id="rows")
        yield RowsWidget(id="days")

    def divide(self, width: int, height: int) -> None:
        """Give the days up to a third of the screen."""
        self.show_part("#days", height >= 20, height=min(DAYS_BACK + 2, height // 3))

    def target(self) -> InstrumentId | None:
        """Return the instrument under the cursor."""
        row = self._row()
        return row.view.instrument_id if row is not None and not row.is_venue else None

    def wanted_view(self) -> View | None:
        """Return the lines of what is followed: they tell ages."""
        names = [feed.instrument_id for feed in self.replica.feeds.values() if feed.status]
        names = list(dict.fromkeys([*self.replica.watchlist, *names]))[:_MOST]
        return View(quotes=tuple(sorted(names)), fps=min(2.0, self.pace.fps), tape=False, depth=0)

    # -- what is asked for -------------------------------------------------------------------

    def before_draw(self, now: float) -> None:
        """Ask for the records now and then."""
        if self.clx.link.state != "up":
            return
        row = self._row()
        name = row.view.instrument_id if row is not None and not row.is_venue else None
        if now >= self._ask_due:
            self._ask_due = now + _ASK_S + len(self._views) * _ASK_EACH_S
            begin(self, self._ask)
        if name is not None and (name != self._days_of or now >= self._days_due):
            self._days_of, self._days_due = name, now + _ASK_DAYS_S
            begin(self, partial(self._ask_days, name))

    async def _ask(self) -> None:
        from core.model.commands import GetQuality

        try:
            views = await self.clx.link.request(GetQuality())
        except ClxError as error:
            self._problem = str(error)
            self.draw_all()
            return
        self._problem = ""
        self.take(views, time.monotonic())

    async def _ask_days(self, name: InstrumentId) -> None:
        from core.model.commands import GetQuality

        try:
            views = await self.clx.link.request(GetQuality(instruments=(name,), days=DAYS_BACK))
        except ClxError:
            # Said already by the question asked every other second.
            return
        if self._days_of == name:
            self.days = sorted(views, key=lambda view: view.day, reverse=True)
            self.draw_all()

    def take(self, views: Sequence[QualityView], now_s: float) -> None:
        """Take today's records; two of them tell the rate between, the first that of late."""
        for view in views:
            before = self._counted.get(view.instrument_id)
            self._counted[view.instrument_id] = (now_s, view.frames)
            if before is not None and view.frames >= before[1] and now_s > before[0]:
                rate = (view.frames - before[1]) / (now_s - before[0])
                self._rates[view.instrument_id] = rate
            elif before is None and view.rate_per_s:
                self._rates[view.instrument_id] = view.rate_per_s
        self._views = views
        self._refresh()

    def _refresh(self) -> None:
        quotes = self.replica.quotes
        rows = []
        for view in self._views:
            line = quotes.get(view.instrument_id)
            rows.append(
                QualityRow(
                    view=view,
                    age_ms=float(line.age_ms) if line is not None else math.nan,
                    rate_now=self._rates.get(view.instrument_id, math.nan),
                    link_up=self.clx.link.state == "up",
                )
            )
        self.rows = self.arranged.apply(QUALITY, by_venue(rows) if self.by_venue else rows)

    def _row(self) -> QualityRow | None:
        at = self._cursor()
        return None if at is None else self.rows[at]

    def _cursor(self) -> int | None:
        if not self.rows:
            return None
        for at, row in enumerate(self.rows):
            if row.view.instrument_id == self._chosen:
                self._at = at
                return at
        self._at = min(self._at, len(self.rows) - 1)
        return self._at

    # -- drawing -----------------------------------------------------------------------------

    def draw_body(self, dirty: set[Topic], everything: bool, slow: bool, now: float) -> None:
        """Draw both tables."""
        if not (everything or slow):
            return
        self._refresh()
        rows, days = self.query_one("#rows", RowsWidget), self.query_one("#days", RowsWidget)
        glyphs, words = rows.look.glyphs, self.arranged.words
        empty = f"nothing here has {words!r}; esc shows all" if words else self._problem
        rows.show(
            draw_table(
                QUALITY,
                self.rows,
                self._cursor(),
                *rows.size,
                glyphs,
                self.arranged.sign,
                empty,
            )
        )
        if days.display:
            row = self._row()
            mine = row is not None and row.view.instrument_id == self._days_of
            days.show(draw_days(row, self.days if mine else (), *days.size, glyphs))

    def draw_words(self) -> None:
        """Draw the first line."""
        header = self.query_one("#header", RowsWidget)
        words = ["today by venue" if self.by_venue else "today by instrument"]
        if self.arranged.column:
            glyphs = header.look.glyphs
            sign = glyphs.down if self.arranged.down else glyphs.up
            words.append(f"sorted by {self.arranged.column} {sign}")
        if self.arranged.words:
            words.append(f"with {self.arranged.words!r}")
        standing = replace(self.standing(), title=screen_title("DATA QUALITY", words))
        header.show([draw_header(standing, self.size.width, header.look.glyphs)])

    def way_out(self) -> str:
        """Return the words at the end of the last line."""
        return "esc trade"

    # -- keys --------------------------------------------------------------------------------

    def shown_list(self) -> ShownList:
        """Return the rows of today."""

        def arrange(arranged: Arranged) -> None:
            self.arranged = arranged
            self._refresh()

        return ShownList("quality", QUALITY, self.rows, self.arranged, arrange)

    def action_cursor(self, by: int) -> None:
        """Move the cursor."""
        at = self._cursor()
        if at is not None:
            self._at = max(0, min(len(self.rows) - 1, at + by))
            self._chosen = self.rows[self._at].view.instrument_id
            self.draw_all()

    def action_side(self) -> None:
        """Turn from instruments to venues and back."""
        self.by_venue = not self.by_venue
        self._at, self._chosen = 0, None
        self.draw_all()

    def action_open(self) -> None:
        """Show the chosen instrument on the trade screen; of a venue, its instruments."""
        row = self._row()
        if row is None:
            return
        if row.is_venue:
            self.by_venue = False
            self.filter_list(row.venue)
        else:
            self.clx.deeds.show(row.view.instrument_id)

    def action_copy(self) -> None:
        """Copy the chosen record."""
        from tui.screens.result import tabulate

        row = self._row()
        if row is not None:
            self.app.copy_to_clipboard("\n".join(tabulate(row.view)))
            self.notice("copied")

    def action_leave(self) -> None:
        """Close the line, take the filter away, else go back to the trade screen."""
        if self.typing or self._notice is not None:
            super().action_leave()
        elif self.arranged.words:
            self.filter_list("")
        else:
            self.clx.screens.show("trade")
