"""The restart gate: positions of which a venue and the journal do not say the same.

Until it is answered nothing is opened at that venue; exits and cancels go. Leaving the dialog
leaves the question; it stays in the status line, and D opens it again. A question that changes
meanwhile is shown anew and must be confirmed anew; one that somebody else answered closes it.
"""

from __future__ import annotations

from collections.abc import Callable
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
_SHOWN: Final = 6
"""Differences that leave room for the answers on 24 lines."""
_LOOK_S: Final = 0.5


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

    def __init__(self, desk: Desk, view: VenueView, look: Callable[[], VenueView | None]) -> None:
        """Ask what `view` asks; `look` returns how the venue stands now."""
        super().__init__()
        self.desk = desk
        self.view = view
        self._look = look
        self.chosen_at = 0
        self.asked = False
        """True when the next Enter answers."""
        self.sending = False

    def compose(self) -> ComposeResult:
        """The differences, the answers, and the line that asks."""
        with VerticalScroll(id="gate", classes="sheet danger", can_focus=False):
            title = f"{self.view.venue} HOLDS OTHER POSITIONS THAN THE JOURNAL"
            yield Words(title, field_id="form-title")
            yield Words(_listed(self.view), field_id="gate-asks")
            yield Words("until it is answered nothing is opened there; exits go", classes="note")
            for name, _ in ANSWERS:
                yield Words(field_id=f"gate-{name}", classes="row")
            yield Words(field_id="kill-ask")
            yield Words("↑↓ or 1 2 3 choose   enter twice: answer   esc later", classes="keys")

    def on_mount(self) -> None:
        """Show the choice, and follow the question."""
        self._show()
        self.set_interval(_LOOK_S, self.refreshed)

    def refreshed(self) -> None:
        """Follow the question: it may have changed, or be answered from elsewhere."""
        view = self._look()
        if self.sending or view is None or view.asks == self.view.asks:
            return
        if not view.asks:
            self.dismiss(Reply(f"{view.venue} asks nothing any more"))
            return
        self.view, self.asked = view, False
        self.query_one("#gate-asks", Static).update(_listed(view))
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


def _listed(view: VenueView) -> str:
    """Return the differences as lines, the last one counting what has no room."""
    lines = [f"· {words}" for words in view.asks[:_SHOWN]]
    more = len(view.asks) - _SHOWN
    if more > 0:
        lines.append(f"  and {more} more: `clx status` lists them all")
    return "\n".join(lines)
