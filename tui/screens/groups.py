"""Choose the groups an instrument is in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.types import CSSPathType
from textual.widgets import Static

from core.model.ids import InstrumentId
from tui.markets import Markets
from tui.screens.sheet import Sheet
from tui.widgets.fields import Words

if TYPE_CHECKING:
    from core.model.commands import Command

SHOWN: Final = 12
_LOOK_S: Final = 0.1
"""How often it is looked whether the engine has done what was asked."""


class GroupsScreen(Sheet[bool]):
    """Space puts the instrument in and out; answers True when a new group is wanted."""

    CSS_PATH: ClassVar[CSSPathType | None] = "../dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(False)", "close", show=False),
        Binding("enter,space", "in_or_out", "in or out", show=False),
        Binding("down,j", "move(1)", "down", show=False),
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("n", "dismiss(True)", "new group", show=False),
    ]

    def __init__(
        self, markets: Markets, name: InstrumentId, send: Callable[[Command], None]
    ) -> None:
        super().__init__()
        self.markets = markets
        self.instrument = name
        self.at = markets.group_at
        self._send = send

    def compose(self) -> ComposeResult:
        """The groups, one on a line."""
        with Vertical(id="put", classes="sheet"):
            yield Words(f"{self.instrument} is in", field_id="form-title")
            yield Words(field_id="put-list")
            yield Words("space in or out   n new group   esc done", classes="keys")

    def on_mount(self) -> None:
        """Show the marks, and follow them."""
        self._show()
        self.set_interval(_LOOK_S, self._show)

    def action_move(self, by: int) -> None:
        """Choose the next or previous group."""
        self.at = (self.at + by) % len(self.markets.groups())
        self._show()

    def action_in_or_out(self) -> None:
        """Put the instrument into the group, or take it out."""
        from core.model.commands import UnwatchInstrument, WatchInstrument

        name, _ = self.markets.groups()[self.at]
        inside = self.instrument in self.markets.members(name)
        kind = UnwatchInstrument if inside else WatchInstrument
        self._send(kind(instrument=self.instrument, group=self.markets.as_named(name)))

    def _show(self) -> None:
        groups = self.markets.groups()
        self.at = min(self.at, len(groups) - 1)
        first = max(0, min(self.at - SHOWN // 2, len(groups) - SHOWN))
        text = Text(no_wrap=True, overflow="ellipsis")
        for number, (name, count) in enumerate(groups[first : first + SHOWN], first):
            mark = "►" if number == self.at else " "
            inside = "x" if self.instrument in self.markets.members(name) else " "
            style = "bold" if number == self.at else ""
            text.append(f"{mark} [{inside}] {name:<24} {count:>4}\n", style)
        self.query_one("#put-list", Static).update(text, layout=False)
