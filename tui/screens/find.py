"""Find an instrument by part of its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.types import CSSPathType
from textual.widgets import Input, Static

from core.model.ids import InstrumentId
from link.replica import Replica
from tui.widgets.fields import Words

SHOWN: Final = 10


class FindScreen(ModalScreen[InstrumentId | None]):
    """Type, choose, Enter; answers with the instrument."""

    CSS_PATH: ClassVar[CSSPathType | None] = "../dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "close", show=False),
        Binding("down", "move(1)", "down", show=False),
        Binding("up", "move(-1)", "up", show=False),
    ]

    def __init__(self, replica: Replica) -> None:
        super().__init__()
        self.replica = replica
        self.found: Sequence[InstrumentId] = ()
        self.at = 0

    def compose(self) -> ComposeResult:
        """A line to type on, the matches below."""
        with Vertical(id="find", classes="sheet"):
            yield Input(placeholder="part of a name, such as eth", id="find-text", compact=True)
            yield Words(field_id="find-list")
            yield Words("↑↓ choose   enter show it   esc leave", classes="keys")

    def on_mount(self) -> None:
        """List everything at first."""
        self._search("")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._search(event.value)

    @on(Input.Submitted)
    def _chosen(self) -> None:
        if self.found:
            self.dismiss(self.found[self.at])

    def action_move(self, by: int) -> None:
        """Choose the next or previous match."""
        if self.found:
            self.at = (self.at + by) % len(self.found)
            self._show()

    def _search(self, text: str) -> None:
        self.found = matches(text, self.replica)
        self.at = 0
        self._show()

    def _show(self) -> None:
        text = Text(no_wrap=True)
        first = max(0, min(self.at - SHOWN // 2, len(self.found) - SHOWN))
        for number, name in enumerate(self.found[first : first + SHOWN], first):
            mark = "►" if number == self.at else " "
            watched = "" if name in self.replica.watchlist else "   not watched; enter adds it"
            text.append(f"{mark} {name}{watched}\n", "bold" if number == self.at else "")
        if not self.found:
            text.append("no instrument has this in its name", "italic")
        self.query_one("#find-list", Static).update(text, layout=False)


def matches(text: str, replica: Replica) -> list[InstrumentId]:
    """Return instruments whose id contains `text`, watched and nearer ones first."""
    part = text.strip().upper()
    watched = {name: number for number, name in enumerate(replica.watchlist)}
    found = [
        name
        for name in replica.instruments
        if part in name.upper() or part in name.replace("-", "").upper()
    ]
    return sorted(
        found,
        key=lambda name: (
            not name.upper().startswith(part),
            watched.get(name, len(watched)),
            name,
        ),
    )
