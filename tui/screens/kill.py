"""The kill switch: choose how far, then confirm."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.types import CSSPathType
from textual.widgets import Static

from core.model.wording import counted
from tui.begun import begin
from tui.desk import Reply
from tui.screens.sheet import Sheet
from tui.widgets.fields import Words

if TYPE_CHECKING:
    from tui.desk import Desk

Level = Literal["pause", "reduce", "cancel", "flatten", "resume"]
LEVELS: Final[tuple[tuple[Level, str], ...]] = (
    ("pause", "block entries; open orders and positions stay"),
    ("reduce", "block entries and cancel open ones; exits and stops stay"),
    ("cancel", "block entries and cancel all open orders"),
    ("flatten", "block entries, cancel all orders, close all at market"),
    ("resume", "let entries through again"),
)
_STEP: Final = re.compile(r"^kill \((\w+)\)")


class KillScreen(Sheet[Reply | None]):
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
        Binding("5", "level(4)", "resume", show=False),
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
            yield Words(field_id="kill-keys", classes="keys")

    def on_mount(self) -> None:
        """Show the choice."""
        self._show()

    def action_move(self, by: int) -> None:
        """Choose the next or previous level."""
        self.action_level((self.chosen + by) % (len(LEVELS) - (not self._shut())))

    def action_level(self, number: int) -> None:
        """Choose a level; it must be confirmed anew."""
        if self.sending or (LEVELS[number][0] == "resume" and not self._shut()):
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
        begin(self, self._kill)

    async def _kill(self) -> None:
        from core.model.commands import Kill, Resume

        level = LEVELS[self.chosen][0]
        if level == "resume":
            reply = await self.desk.ask(Resume())
        else:
            reply = await self.desk.ask(Kill(level=level, reason="by hand"))
        if reply.ok:
            said = Reply(f"KILLED ({level}): {reply.text}", "warning")
            self.dismiss(reply if level == "resume" else said)
            return
        self.sending = self.asked = False
        self._show()
        verb = "resume" if level == "resume" else "kill"
        self._ask(f"✗ {reply.text}. Enter asks again; `clx {verb}` works from the shell too")

    def action_close(self) -> None:
        """Leave without doing anything."""
        if not self.sending:
            self.dismiss(None)

    def _shut(self) -> bool:
        """Return whether the gate stops entries now."""
        status = self.desk.link.replica.status
        return status is not None and status.risk_state.value != "active"

    def _show(self) -> None:
        status, replica = self.desk.link.replica.status, self.desk.link.replica
        found = _STEP.match(status.risk_reason) if status is not None and self._shut() else None
        step = found[1] if found else ""
        for number, (name, words) in enumerate(LEVELS):
            mark = "►" if number == self.chosen else " "
            row = self.query_one(f"#kill-{name}", Static)
            row.set_class(number == self.chosen, "chosen")
            now = "   (in force)" if name == step else ""
            row.update(f"{mark} {number + 1} {name:<8} {words}{now}", layout=False)
            row.display = name != "resume" or self._shut()
        last = len(LEVELS) - (not self._shut())
        keys = f"↑↓ or 1 to {last} choose   enter twice: do it   esc leave"
        self.query_one("#kill-keys", Static).update(keys)
        gate = status.risk_state.value.upper() if status is not None else "unknown"
        why = f": {status.risk_reason}" if status is not None and status.risk_reason else ""
        self.query_one("#kill-title", Static).update(f"KILL SWITCH   gate {gate}{why}")
        orders = sum(not order.state.terminal for order in replica.orders.values())
        held = sum(bool(position.size) for position in replica.positions.values())
        there = f"{counted(orders, 'open order')}, {counted(held, 'position')}"
        if self.sending:
            self._ask("sending…")
        elif self.asked:
            self._ask(f"press Enter again to {LEVELS[self.chosen][0].upper()} ({there})")
        else:
            self._ask(f"now {there}; Enter chooses")

    def _ask(self, words: str) -> None:
        line = self.query_one("#kill-ask", Static)
        line.set_class(self.asked, "wrong")
        line.update(words)
