"""A full screen of one list at a time, turned with tab; each is filtered and sorted alone."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from msgspec import Struct
from msgspec.structs import replace
from textual.app import ComposeResult

from core.model.ids import InstrumentId
from core.model.views import View
from core.model.wording import counted
from link.replica import Topic
from tui.arranged import Arranged
from tui.draw.runs import Row
from tui.draw.status import draw_header, draw_tabs, screen_title
from tui.draw.tables import Table, draw_table
from tui.screens.live import LiveScreen, ShownList
from tui.widgets.rows import RowsWidget

_AS_IT_COMES = Arranged()


class Page(Struct, frozen=True):
    """One list of a screen."""

    name: str
    table: Table[Any]


class PagedScreen(LiveScreen):
    """Shows one of its pages; what stands above and below the list is the screen's own."""

    PAGES: ClassVar[Sequence[Page]]

    def __init__(self) -> None:
        super().__init__()
        self.page = self.PAGES[0]
        self._arranged: dict[str, Arranged] = {}
        self._cursors: dict[str, int] = {}
        self._shown: Sequence[Any] = ()

    def compose_body(self) -> ComposeResult:
        """Tabs, what stands above, the list, what stands below."""
        yield RowsWidget(id="tabs")
        yield RowsWidget(id="above")
        yield RowsWidget(id="rows")
        yield RowsWidget(id="below")

    def divide(self, width: int, height: int) -> None:
        """Give the list what the other parts leave."""
        above, below = self.heights(width, height)
        self.show_part("#above", above > 0, height=above)
        self.show_part("#below", below > 0, height=below)

    # -- what a screen says itself -----------------------------------------------------------

    def heights(self, width: int, height: int) -> tuple[int, int]:
        """Return the rows of what stands above and below the list."""
        return 0, 0

    @abstractmethod
    def all_items(self, page: str) -> Sequence[Any]:
        """Return a page's items as they come."""

    def draw_above(self, width: int, height: int) -> list[Row]:
        """Draw what stands above the list."""
        return []

    def draw_below(self, width: int, height: int) -> list[Row]:
        """Draw what stands below the list."""
        return []

    def title_words(self) -> list[str]:
        """Return what the first line says beside the screen's name."""
        return []

    def tab_count(self, page: str) -> int:
        """Return what a page's tab counts, 0: nothing."""
        return 0

    def empty_words(self) -> str:
        """Return why there is nothing to list; empty: the list's own words."""
        return ""

    # -- the list ----------------------------------------------------------------------------

    @property
    def arranged(self) -> Arranged:
        """How the page is arranged."""
        return self._arranged.get(self.page.name, _AS_IT_COMES)

    def items(self) -> Sequence[Any]:
        """Return the page's items as they are arranged."""
        return self.arranged.apply(self.page.table, self.all_items(self.page.name))

    def cursor(self) -> int | None:
        """Return the row of the cursor, None in an empty list."""
        if not self._shown:
            return None
        return min(self._cursors.get(self.page.name, 0), len(self._shown) - 1)

    def chosen(self) -> Any:
        """Return the item under the cursor, None in an empty list."""
        at = self.cursor()
        return None if at is None else self._shown[at]

    def shown_list(self) -> ShownList:
        """Return the page, for filter, sort and export."""
        name = self.page.name

        def arrange(arranged: Arranged) -> None:
            self._arranged[name] = arranged

        return ShownList(name, self.page.table, self.items(), self.arranged, arrange)

    def target(self) -> InstrumentId | None:
        """Return the instrument of the item under the cursor."""
        item = self.chosen()
        intent = getattr(item, "intent", None)
        return getattr(intent or item, "instrument_id", None)

    def wanted_view(self) -> View | None:
        """Return that no market data is wanted but the lines that value what is held."""
        names = {position.instrument_id for position in self.replica.positions.values()}
        return View(quotes=tuple(sorted(names)), fps=min(2.0, self.pace.fps), tape=False, depth=0)

    # -- drawing -----------------------------------------------------------------------------

    def draw_body(self, dirty: set[Topic], everything: bool, slow: bool, now: float) -> None:
        """Draw the parts, all of them together: they change seldom."""
        if not (everything or slow):
            return
        self._shown = self.items()
        rows, tabs = self.query_one("#rows", RowsWidget), self.query_one("#tabs", RowsWidget)
        glyphs, words = rows.look.glyphs, self.arranged.words
        names = [(page.name, self.tab_count(page.name)) for page in self.PAGES]
        tabs.show([draw_tabs(names, self.page.name, self.tab_words(), self.size.width, glyphs)])
        empty = f"nothing here has {words!r}; esc shows all" if words else self.empty_words()
        rows.show(
            draw_table(
                self.page.table,
                self._shown,
                self.cursor(),
                *rows.size,
                glyphs,
                self.arranged.sign,
                empty,
            )
        )
        for name, draw in (("#above", self.draw_above), ("#below", self.draw_below)):
            part = self.query_one(name, RowsWidget)
            if part.display and part.size.height:
                part.show(draw(*part.size))

    def tab_words(self) -> str:
        """Return what stands at the end of the tabs."""
        replica = self.replica
        return f"equity {replica.equity:,.2f}" if replica.equity else ""

    def draw_words(self) -> None:
        """Draw the first line."""
        header = self.query_one("#header", RowsWidget)
        words = [*self.title_words(), counted(len(self._shown), "row")]
        if self.arranged.column:
            glyphs = header.look.glyphs
            sign = glyphs.down if self.arranged.down else glyphs.up
            words.append(f"sorted by {self.arranged.column} {sign}")
        if self.arranged.words:
            words.append(f"with {self.arranged.words!r}")
        standing = replace(self.standing(), title=screen_title(self.NAME.upper(), words))
        header.show([draw_header(standing, self.size.width, header.look.glyphs)])

    def way_out(self) -> str:
        """Return the words at the end of the last line."""
        return "esc trade"

    # -- keys --------------------------------------------------------------------------------

    def action_next_page(self, by: int) -> None:
        """Turn to the next or previous list."""
        at = self.PAGES.index(self.page)
        self.show_page(self.PAGES[(at + by) % len(self.PAGES)].name)

    def show_page(self, name: str) -> None:
        """Turn to a list."""
        self.page = next(page for page in self.PAGES if page.name == name)
        self.lay_out()

    def action_cursor(self, by: int) -> None:
        """Move the cursor."""
        at = self.cursor()
        if at is not None:
            self._cursors[self.page.name] = max(0, min(len(self._shown) - 1, at + by))
            self.draw_all()

    def action_open(self) -> None:
        """Show everything about the chosen item."""
        from tui.screens.result import ResultScreen

        item = self.chosen()
        if item is not None:
            self.app.push_screen(ResultScreen(self.page.name, item))

    def action_copy(self) -> None:
        """Copy the chosen item."""
        from tui.screens.result import tabulate

        item = self.chosen()
        if item is not None:
            self.app.copy_to_clipboard("\n".join(tabulate(item)))
            self.notice("copied")

    def action_leave(self) -> None:
        """Close the line, take the filter away, else go back to the trade screen."""
        if self.typing or self._notice is not None:
            super().action_leave()
        elif self.arranged.words:
            self.filter_list("")
        else:
            self.clx.screens.show("trade")
