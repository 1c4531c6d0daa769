"""What forms share whose wish the engine checks while it is typed, and that go when armed."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType
from textual.timer import Timer
from textual.types import CSSPathType

from core.model.instruments import Instrument
from tui.begun import begin
from tui.desk import Reply
from tui.screens.sheet import Sheet
from tui.widgets.fields import PressButton, Words

if TYPE_CHECKING:
    from tui.desk import Desk

CHECK_AFTER_S: Final = 0.3


class CheckedForm(Sheet[Reply | None]):
    """Fields, a line of checks, a line of trouble, and a button; sent at most once at a time."""

    CSS_PATH: ClassVar[CSSPathType | None] = "../dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "close", show=False),
        Binding("f9", "send", "send", show=False),
        Binding("f8", "arm", "arm", show=False),
        Binding("down", "app.focus_next", "next field", show=False),
        Binding("up", "app.focus_previous", "previous field", show=False),
    ]

    def __init__(self, desk: Desk, instrument: Instrument) -> None:
        super().__init__()
        self.desk = desk
        self.instrument = instrument
        self.sending = False
        self._check: Timer | None = None

    @abstractmethod
    def start_check(self) -> None:
        """Ask the engine, now that nothing was typed for a moment."""

    @abstractmethod
    def action_send(self) -> None:
        """Send what the fields say, when armed."""

    def refreshed(self) -> None:
        """Show what arming has changed."""

    def check_soon(self) -> None:
        """Have it checked when nothing more is typed for a moment."""
        self.check_not()
        self._check = self.set_timer(CHECK_AFTER_S, self.start_check)

    def check_not(self) -> None:
        """Forget what was to be checked."""
        if self._check is not None:
            self._check.stop()

    def say_checks(self, words: str, wrong: bool = False) -> None:
        """Say what the engine thinks of it."""
        self._tell("#checks", words, wrong)

    def say(self, words: str, wrong: bool = True) -> None:
        """Say what became of it."""
        self._tell("#ticket-error", words, wrong)

    def _tell(self, line: str, words: str, wrong: bool) -> None:
        shown = self.query_one(line, Words)
        shown.set_class(wrong, "wrong")
        shown.update(words)

    def is_armed(self, verb: str) -> bool:
        """Return whether the instrument is armed; say how to `verb` if not."""
        if self.desk.armed_left_s(self.instrument.id):
            return True
        symbol, seconds = self.instrument.symbol, self.desk.arm_seconds
        self.say(f"DISARMED: press F8 to arm {symbol} for {seconds} s, then {verb}")
        return False

    @on(PressButton.Pressed)
    def _pressed(self) -> None:
        self.action_send()

    def action_arm(self) -> None:
        """Arm this instrument without leaving."""
        begin(self, self._arm, group="arm", exclusive=True)

    async def _arm(self) -> None:
        reply = await self.desk.arm(self.instrument.id)
        self.say(reply.text, wrong=not reply.ok)
        self.refreshed()

    def action_close(self) -> None:
        """Leave without sending anything."""
        if not self.sending:
            self.dismiss(None)
