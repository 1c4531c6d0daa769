"""What the risk gate lets through: each limit as a bar, and what stands in front of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual.binding import BindingType

from tui.draw.runs import Row, clip, fitted, plain
from tui.draw.sums import RISK, draw_venues, venue_rows
from tui.keys import KEYS, ScreenName, bindings
from tui.screens.paged import Page, PagedScreen
from tui.widgets.rows import RowsWidget

_WORDS = {
    "active": "ACTIVE: entries and exits go, within the limits below",
    "reducing": "REDUCING: only what brings a position nearer to flat goes",
    "halted": "HALTED: nothing but cancels goes",
}


class RiskScreen(PagedScreen):
    """The limits, the most used first when sorted so; the venues below."""

    NAME: ClassVar[ScreenName] = "risk"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(KEYS, "risk")]
    PAGES: ClassVar[Sequence[Page]] = (Page("limits", RISK),)

    def heights(self, width: int, height: int) -> tuple[int, int]:
        """Give the state two rows above, and every venue one below."""
        venues = list(self.replica.venues.values())
        return 2, venue_rows(venues, width, 4) if height >= 18 else 0

    def all_items(self, page: str) -> Sequence[Any]:
        """Return every limit."""
        return self.replica.limits

    def draw_above(self, width: int, height: int) -> list[Row]:
        """Say what the gate lets through, and why."""
        status = self.replica.status
        if status is None:
            return [fitted(((" no engine yet", "muted"),), width)] * height
        state = status.risk_state.value
        words = _WORDS.get(state, state.upper())
        if status.risk_reason:
            words += f" ({status.risk_reason})"
        calm = state == "active" and status.journal_ok
        if not status.journal_ok:
            words += "   JOURNAL FAILED: no entry can be recorded, so none goes"
        armed = ", ".join(sorted(status.armed)) or "nothing"
        hint = f"armed: {armed}   ctrl+k kills, and lets entries through again"
        rows = [(words, "text" if calm else "warn"), (hint, "muted")]
        return [fitted(((f" {clip(plain(text), width - 2)}", role),), width) for text, role in rows]

    def draw_below(self, width: int, height: int) -> list[Row]:
        """Say how each venue's private side stands."""
        glyphs = self.query_one("#below", RowsWidget).look.glyphs
        return draw_venues(list(self.replica.venues.values()), width, height, glyphs)
