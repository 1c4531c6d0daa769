"""The restart gate: what a venue has that the journal does not, and what to do with it.

Until it is answered nothing is opened at that venue; exits and cancels go. Leaving the dialog
leaves the question; it stays in the status line, and D opens it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.types import CSSPathType
from textual.widgets import Static

from core.model.ids import VenueName
from core.model.views import VenueView
from tui.begun import begin
from tui.desk import Reply
from tui.screens.sheet import Sheet
from tui.widgets.fields import Words

if TYPE_CHECKING:
    from tui.desk import Desk

Answer = Literal["adopt", "protect", "flatten"]
ANSWERS: Final[tuple[tuple[Answer, str], ...]] = (
    ("adopt", "take them over as they are"),
    ("protect", "take them over, and put a stop behind each that has none"),
    ("flatten", "take them over, and close them at market"),
)


class GateScreen(Sheet[Reply | None]):
    """Enter chooses, a second Enter answers."""

    CSS_PATH: ClassVar[CSSPathType | None] = "../dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "later", show=False),
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("down,j", "move(1)", "down", show=False),
        Binding("1", "choose(0)", "adopt", show=False),
        Binding("2", "choose(1)", "protect", show=False),
        Binding("3", "choose(2)", "flatten", show=False),
        Binding("enter", "confirm", "confirm", show=False),
    ]

    def __init__(self, desk: Desk, view: VenueView) -> None:
        super().__init__()
        self.desk = desk
        self.view = view
        self.chosen_at = 0
        self.asked = False
        """True when the next Enter answers."""
        self.sending = False

    def compose(self) -> ComposeResult:
        """The differences, the answers, and the line that asks."""
        with VerticalScroll(id="gate", classes="sheet danger", can_focus=False):
            yield Words(f"{self.view.venue} HAS WHAT THE JOURNAL DOES NOT", field_id="form-title")
            for words in self.view.asks:
                yield Words(f"· {words}")
            yield Words("until it is answered nothing is opened there; exits go", classes="note")
            for name, _ in ANSWERS:
                yield Words(field_id=f"gate-{name}", classes="row")
            yield Words(field_id="kill-ask")
            yield Words("↑↓ or 1 2 3 choose   enter twice: answer   esc later", classes="keys")

    def on_mount(self) -> None:
        """Show the choice."""
        self._show()

    def action_move(self, by: int) -> None:
        """Choose the next or previous answer."""
        self.action_choose((self.chosen_at + by) % len(ANSWERS))

    def action_choose(self, number: int) -> None:
        """Choose an answer; it must be confirmed anew."""
        if not self.sending:
            self.chosen_at, self.asked = number, False
            self._show()

    def action_confirm(self) -> None:
        """Ask once, then answer."""
        if self.sending:
            return
        if self.asked:
            self.sending = True
            begin(self, self._answer)
        else:
            self.asked = True
        self._show()

    async def _answer(self) -> None:
        from core.model.commands import AnswerDifference

        answer = ANSWERS[self.chosen_at][0]
        venue = VenueName(self.view.venue)
        reply = await self.desk.ask(AnswerDifference(venue=venue, answer=answer))
        if reply.ok:
            self.dismiss(reply)
            return
        self.sending = self.asked = False
        self._show()
        self.query_one("#kill-ask", Static).update(f"✗ {reply.text}. Enter asks again")

    def action_close(self) -> None:
        """Leave the question open."""
        if not self.sending:
            self.dismiss(None)

    def _show(self) -> None:
        for number, (name, words) in enumerate(ANSWERS):
            mark = "►" if number == self.chosen_at else " "
            row = self.query_one(f"#gate-{name}", Static)
            row.set_class(number == self.chosen_at, "chosen")
            row.update(f"{mark} {number + 1} {name:<8} {words}", layout=False)
        line = self.query_one("#kill-ask", Static)
        line.set_class(self.asked, "wrong")
        answer = ANSWERS[self.chosen_at][0].upper()
        count = len(self.view.asks)
        if self.sending:
            line.update("answering…")
        elif self.asked:
            line.update(f"press Enter again to {answer} ({count} difference{'s' * (count != 1)})")
        else:
            line.update("Enter chooses")
