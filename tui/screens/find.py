"""Find an instrument of any venue by parts of its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.types import CSSPathType
from textual.widgets import Input, Static

from core.model.ids import InstrumentId
from core.model.instruments import InstrumentKind
from link.replica import Replica
from tui.screens.sheet import Sheet
from tui.symbols import Listed, Symbols
from tui.widgets.fields import Words

SHOWN: Final = 10
_MOST: Final = 200
_LATE_S: Final = 0.2
"""How often it is looked whether the listing has come meanwhile."""


class FindScreen(Sheet[InstrumentId | None]):
    """Type, choose, Enter; answers with the instrument."""

    CSS_PATH: ClassVar[CSSPathType | None] = "../dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "close", show=False),
        Binding("down,ctrl+n", "move(1)", "down", show=False),
        Binding("up", "move(-1)", "up", show=False),
        Binding("pagedown", "move(10)", "far down", show=False),
        Binding("pageup", "move(-10)", "far up", show=False),
    ]

    def __init__(self, symbols: Symbols, replica: Replica) -> None:
        super().__init__()
        self.symbols = symbols
        self.replica = replica
        self.found: Sequence[Listed] = ()
        self.at = 0
        self._version = -1

    def compose(self) -> ComposeResult:
        """A line to type on, the matches below."""
        with Vertical(id="find", classes="sheet"):
            yield Input(placeholder="such as eth, or: sol perp bybit", id="find-text", compact=True)
            yield Words(field_id="find-list")
            yield Words("↑↓ choose   enter show and watch it   esc leave", classes="keys")

    def on_mount(self) -> None:
        """List what is watched at first, and look for a listing that comes later."""
        self._search("")
        self.set_interval(_LATE_S, self._look_again)

    def _look_again(self) -> None:
        if self.symbols.version != self._version:
            self._search(self.query_one("#find-text", Input).value)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._search(event.value)

    @on(Input.Submitted)
    def _chosen(self) -> None:
        if self.found:
            self.dismiss(self.found[self.at].id)

    def action_move(self, by: int) -> None:
        """Choose the next or previous match."""
        if self.found:
            step = by if abs(by) > 1 else by % len(self.found)
            at = self.at + step
            self.at = max(0, min(len(self.found) - 1, at)) if abs(by) > 1 else at % len(self.found)
            self._show()

    def _search(self, text: str) -> None:
        self._version = self.symbols.version
        self.found = matches(text, self.symbols, self.replica)
        self.at = 0
        self._show()

    def _show(self) -> None:
        text = Text(no_wrap=True, overflow="ellipsis")
        first = max(0, min(self.at - SHOWN // 2, len(self.found) - SHOWN))
        shown = self.found[first : first + SHOWN]
        width = max((len(item.id) for item in shown), default=0)
        for number, item in enumerate(shown, first):
            mark = "►" if number == self.at else " "
            watched = "watched" if item.id in self.replica.watchlist else ""
            index = item.kind == InstrumentKind.INDEX
            state = watched if item.trading or index else "halted"
            words = f"{mark} {item.id:<{width}}  {item.kind:<10} {state}"
            text.append(words.rstrip() + "\n", "bold" if number == self.at else "")
        if not self.found:
            text.append("no instrument has this in its name", "italic")
        more = len(self.found) - len(shown)
        if more > 0:
            count = f"{more}+" if len(self.found) >= _MOST else str(more)
            text.append(f"  {count} more; of {len(self.symbols):,} listed", "dim")
        self.query_one("#find-list", Static).update(text, layout=False)


def matches(text: str, symbols: Symbols, replica: Replica) -> list[Listed]:
    """Return the instruments found, watched ones first, in their order, then as they are ranked."""
    found = symbols.search(text, _MOST)
    watched = {name: number for number, name in enumerate(replica.watchlist)}
    return sorted(found, key=lambda item: watched.get(item.id, len(watched)))
