"""The kill switch: choose how far, then confirm."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.types import CSSPathType
from textual.widgets import Static

from tui.desk import Reply
from tui.widgets.fields import Words

if TYPE_CHECKING:
    from tui.desk import Desk

Level = Literal["pause", "reduce", "cancel", "flatten"]
LEVELS: Final[tuple[tuple[Level, str], ...]] = (
    ("pause", "block entries; open orders and positions stay"),
    ("reduce", "block entries and cancel open ones; exits and stops stay"),
    ("cancel", "block entries and cancel all open orders"),
    ("flatten", "block entries, cancel all orders, close all at market"),
)


class KillScreen(ModalScreen[Reply | None]):
    """Enter chooses, a second Enter does it."""

    CSS_PATH: ClassVar[CSSPathType | None] = "../dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "close", show=False),
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("down,j", "move(1)", "down", show=False),
        Binding("1", "level(0)", "pause", show=False),
        Binding("2", "level(1)", "reduce", show=False),
        Binding("3", "level(2)", "cancel", show=False),
        Binding("4", "level(3)", "flatten", show=False),
        Binding("enter", "confirm", "confirm", show=False),
    ]

    def __init__(self, desk: Desk, level: str = "cancel") -> None:
        super().__init__()
        self.desk = desk
        names: list[str] = [name for name, _ in LEVELS]
        self.chosen = names.index(level) if level in names else 2
        self.asked = False
        """True when the next Enter does it."""
        self.sending = False

    def compose(self) -> ComposeResult:
        """Lay out the levels and the line that asks."""
        with Vertical(id="kill", classes="sheet danger"):
            yield Words("KILL SWITCH", field_id="kill-title")
            for name, _ in LEVELS:
                yield Words(field_id=f"kill-{name}", classes="row")
            yield Words(field_id="kill-ask")
            yield Words("↑↓ or 1 2 3 choose   enter twice: do it   esc leave", classes="keys")

    def on_mount(self) -> None:
        """Show the choice."""
        self._show()

    def action_move(self, by: int) -> None:
        """Choose the next or previous level."""
        self.action_level((self.chosen + by) % len(LEVELS))

    def action_level(self, number: int) -> None:
        """Choose a level; it must be confirmed anew."""
        if self.sending:
            return
        self.chosen, self.asked = number, False
        self._show()

    def action_confirm(self) -> None:
        """Ask once, then do it."""
        if self.sending:
            return
        if not self.asked:
            self.asked = True
            self._show()
            return
        self.sending = True
        self._show()
        self.run_worker(self._kill(), exit_on_error=False)

    async def _kill(self) -> None:
        from core.model.commands import Kill

        reply = await self.desk.ask(Kill(level=LEVELS[self.chosen][0], reason="by hand"))
        if reply.ok:
            self.dismiss(Reply(f"KILLED ({LEVELS[self.chosen][0]}): {reply.text}", "warning"))
            return
        self.sending = self.asked = False
        self._show()
        self._ask(f"✗ {reply.text}. Enter asks again; `clx kill` works from the shell too")

    def action_close(self) -> None:
        """Leave without doing anything."""
        if not self.sending:
            self.dismiss(None)

    def _show(self) -> None:
        for number, (name, words) in enumerate(LEVELS):
            mark = "►" if number == self.chosen else " "
            row = self.query_one(f"#kill-{name}", Static)
            row.set_class(number == self.chosen, "chosen")
            row.update(f"{mark} {number + 1} {name:<8} {words}", layout=False)
        replica = self.desk.link.replica
        orders = sum(not order.state.terminal for order in replica.orders.values())
        held = sum(bool(position.size) for position in replica.positions.values())
        there = (
            f"{orders} open order{'' if orders == 1 else 's'},"
            f" {held} position{'' if held == 1 else 's'}"
        )
        if self.sending:
            self._ask("sending…")
        elif self.asked:
            self._ask(f"press Enter again to {LEVELS[self.chosen][0].upper()} ({there})")
        else:
            self._ask(f"there are {there}; Enter chooses")

    def _ask(self, words: str) -> None:
        line = self.query_one("#kill-ask", Static)
        line.set_class(self.asked, "wrong")
        line.update(words)
