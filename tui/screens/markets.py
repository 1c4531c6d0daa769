"""The markets: groups of instruments, sorted, filtered and searched over all venues.

::

    ┌ MARKETS   by 24 h ▼                                 feeds   mode   armed ┐
    │ watchlist 6   majors 12   perps 8                          12 of 12 live │
    │ symbol     venue     last        24 h     course      volume      data … │
    │ ...                                                                      │
    ├──────────────────────────────────────────────────────────────────────────┤
    │ the chosen one: bid, ask, mark, index, liquidations, why its data is off │
    └ hints, notices, words to filter by ──────────────────────────────────────┘
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

from msgspec.structs import replace
from textual.app import ComposeResult
from textual.binding import BindingType

from core.model.errors import ClxError
from core.model.ids import InstrumentId
from core.model.market import FeedStatus
from core.model.views import View
from core.model.wording import counted
from link.replica import Topic
from tui.arranged import Arranged
from tui.begun import begin
from tui.draw.markets import MARKETS, SPARK, draw_details, draw_groups
from tui.draw.status import draw_header, screen_title
from tui.draw.tables import draw_table
from tui.keys import KEYS, ScreenName, bindings
from tui.markets import WATCHLIST, Markets
from tui.screens.live import LiveScreen, ShownList
from tui.widgets.rows import RowsWidget

if TYPE_CHECKING:
    from core.model.commands import Command

_SORT_S: Final = 1.0
"""Rows change places no more often: a hand must be able to follow."""
_ASK_S: Final = 30.0
"""How often courses and quality are asked for; they cross slow links, too."""
_LACKING_S: Final = 2.0
"""The same at first, while courses are missing: history comes after the first look."""
_FPS: Final = 4.0
"""Quotes of many instruments are read, not watched: this often is enough."""


class MarketsScreen(LiveScreen):
    """Many instruments at a glance."""

    NAME: ClassVar[ScreenName] = "markets"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(KEYS, "markets")]

    def __init__(self) -> None:
        super().__init__()
        self.markets = Markets(self.replica, self.clx.symbols)
        self._sort_due = 0.0
        self._ask_due = 0.0
        self._patience = _LACKING_S
        self._awaited = ""
        """A group being made or renamed, shown as soon as it is there."""

    def compose_body(self) -> ComposeResult:
        """Groups, rows and the chosen one's details."""
        yield RowsWidget(id="groups")
        yield RowsWidget(id="rows")
        yield RowsWidget(id="details")

    def divide(self, width: int, height: int) -> None:
        """Give the details more lines where there are many."""
        self.show_part("#details", height >= 20, height=3 if width >= 120 else 4)

    def target(self) -> InstrumentId | None:
        """Return the instrument under the cursor."""
        row = self.markets.chosen
        return row.id if row is not None else None

    def wanted_view(self) -> View | None:
        """Return the lines of the group shown."""
        members = self.markets.members(self.markets.group)
        return View(quotes=members, fps=min(_FPS, self.pace.fps), tape=False, depth=0)

    # -- drawing -----------------------------------------------------------------------------

    def before_draw(self, now: float) -> None:
        """Ask for what does not come by itself, now and then."""
        if self._awaited and self._awaited in dict(self.markets.groups()):
            self.markets.group, self._awaited = self._awaited, ""
            self._sort_due = self._ask_due = 0.0
        if now >= self._ask_due and self.clx.link.state == "up":
            members = self.markets.members(self.markets.group)
            lacks = any(not self.markets.courses.get(name) for name in members)
            self._ask_due = now + (self._patience if lacks else _ASK_S)
            self._patience = min(_ASK_S, self._patience * 2)
            self.clx.symbols.fetch()
            begin(self, partial(self._ask, self.markets.group))

    async def _ask(self, group: str) -> None:
        from core.model.commands import GetQuality, GetSparks

        members = self.markets.members(group)
        if not members:
            return
        try:
            sparks = await self.clx.link.request(GetSparks(instruments=members, points=SPARK))
            self.markets.courses |= {spark.instrument_id: spark.closes_ticks for spark in sparks}
            qualities = await self.clx.link.request(GetQuality(instruments=members))
            self.markets.take_qualities(qualities)
        except ClxError:
            # The rows stand without them; they are asked for again in a moment.
            return
        self._sort_due = 0.0

    def draw_body(self, dirty: set[Topic], everything: bool, slow: bool, now: float) -> None:
        """Draw groups, rows and details."""
        if not (everything or slow or dirty & {"quotes", "instruments", "feeds", "alerts"}):
            return
        link_up = self.clx.link.state == "up"
        if everything or now >= self._sort_due or link_up != self.markets.link_up:
            self.markets.link_up = link_up
            self._sort_due = now + _SORT_S
            self.markets.refresh()
        self._draw_rows()

    def _draw_rows(self) -> None:
        markets = self.markets
        rows, details = self.query_one("#rows", RowsWidget), self.query_one("#details", RowsWidget)
        glyphs, arranged = rows.look.glyphs, markets.arranged
        words = f"nothing has {arranged.words!r} in its name, here or in any listing"
        rows.show(
            draw_table(
                MARKETS,
                markets.rows,
                markets.cursor,
                *rows.size,
                glyphs,
                arranged.sign,
                words if arranged.words else "",
            )
        )
        if details.display:
            alerts = self.replica.alerts
            details.show(draw_details(markets.chosen, *details.size, glyphs, alerts))
        live, count = self._live()
        right = f"{live} of {count} live" if count and markets.link_up else ""
        groups = self.query_one("#groups", RowsWidget)
        tabs = draw_groups(markets.groups(), markets.group_at, right, self.size.width, glyphs)
        groups.show([tabs])

    def _live(self) -> tuple[int, int]:
        names = self.markets.members(self.markets.group)
        lines = [self.replica.quotes.get(name) for name in names]
        live = sum(line is not None and line.status == FeedStatus.LIVE for line in lines)
        return live, len(names)

    def draw_words(self) -> None:
        """Draw the first line."""
        header = self.query_one("#header", RowsWidget)
        arranged = self.markets.arranged
        words = []
        if arranged.column:
            sign = header.look.glyphs.down if arranged.down else header.look.glyphs.up
            words.append(f"by {arranged.column} {sign}")
        if arranged.words:
            words.append(f"with {arranged.words!r}")
        standing = replace(self.standing(), title=screen_title("MARKETS", words))
        header.show([draw_header(standing, self.size.width, header.look.glyphs)])

    def way_out(self) -> str:
        """Return the words at the end of the last line."""
        return "esc trade"

    # -- keys --------------------------------------------------------------------------------

    def shown_list(self) -> ShownList:
        """Return the rows."""

        def arrange(arranged: Arranged) -> None:
            self.markets.arranged = arranged
            self.markets.refresh()

        return ShownList(
            name=f"markets {self.markets.group}",
            table=MARKETS,
            items=self.markets.rows,
            arranged=self.markets.arranged,
            arrange=arrange,
        )

    def action_cursor(self, by: int) -> None:
        """Move the cursor."""
        self.markets.move(by)
        self._draw_rows()

    def action_next_group(self, by: int) -> None:
        """Show the next group."""
        self.markets.step_group(by)
        self._ask_due, self._patience = 0.0, _LACKING_S
        self.draw_all()

    def action_open(self) -> None:
        """Show the chosen instrument on the trade screen."""
        name = self.target()
        if name is not None:
            self.clx.deeds.show(name)

    def action_copy(self) -> None:
        """Copy the chosen instrument's id."""
        name = self.target()
        if name is not None:
            self.app.copy_to_clipboard(name)
            self.notice(f"copied {name}")

    def action_leave(self) -> None:
        """Close the line, take the filter away, else go back to the trade screen."""
        if self.typing or self._notice is not None:
            super().action_leave()
        elif self.markets.arranged.words:
            self.filter_list("")
        else:
            self.clx.screens.show("trade")

    def action_put(self) -> None:
        """Choose the groups that the instrument is in."""
        from tui.screens.groups import GroupsScreen

        name = self.target()
        if name is None:
            self.notice("no instrument here; f finds one of any venue")
            return
        self.app.push_screen(GroupsScreen(self.markets, name, self._send), self._put_done)

    def _put_done(self, new: bool | None) -> None:
        if new:
            self.action_new_group()
        self.draw_all()

    def action_take(self) -> None:
        """Take the instrument out of the group shown."""
        from core.model.commands import UnwatchInstrument

        row = self.markets.chosen
        if row is None or not row.member:
            self.notice("no instrument of this group under the cursor")
            return
        group = self.markets.as_named(self.markets.group)
        self._send(UnwatchInstrument(instrument=row.id, group=group))

    def action_new_group(self) -> None:
        """Ask for a name and make a group."""
        from core.model.commands import AddGroup

        self.open_line(
            "name of the new group", lambda name: self._named(AddGroup, name, group=name)
        )

    def action_rename_group(self) -> None:
        """Ask for another name of the group shown."""
        from core.model.commands import RenameGroup

        group = self.markets.group
        if group == WATCHLIST:
            self.notice("the watchlist keeps its name; tab turns to the next group")
            return
        self.open_line(
            f"another name for group {group}",
            lambda name: self._named(RenameGroup, name, group=group, to=name),
            group,
        )

    def _named(self, kind: type[Command], name: str, **fields: str) -> None:
        if name.strip():
            self._awaited = name.strip()
            self._send(kind(**fields))

    def action_drop_group(self) -> None:
        """Remove the group shown, pressed twice."""
        from core.model.commands import RemoveGroup

        group = self.markets.group
        if group == WATCHLIST:
            self.notice("the watchlist cannot be removed; x takes an instrument off it")
            return
        count = len(self.markets.members(group))
        if self.twice.press(f"drop {group}", time.monotonic()):
            self._send(RemoveGroup(group=group))
        else:
            self.notice(f"press again: remove group {group} with {counted(count, 'instrument')}")

    def _send(self, command: Command) -> None:
        self.clx.deeds.do(self.clx.desk.ask(command))
