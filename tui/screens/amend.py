"""Changing an order that stands: its size, price or trigger, checked by the engine before it goes.

Where the venue cannot change it, it is cancelled and what is left is sent anew; the engine's check
says which.
"""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.types import CSSPathType
from textual.widgets import Input, Static

from core.model.errors import ConfigError
from core.model.grammar import parse_number
from core.model.instruments import Instrument
from core.model.orders import Order
from tui.begun import begin
from tui.desk import Reply, order_words
from tui.widgets.fields import PressButton, Words

if TYPE_CHECKING:
    from tui.desk import Desk

CHECK_AFTER_S = 0.3
FIELDS: Final = ("size", "price", "trigger")


class AmendScreen(ModalScreen[Reply | None]):
    """Edits what may change of one order."""

    CSS_PATH: ClassVar[CSSPathType | None] = "../dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "close", show=False),
        Binding("f9", "send", "send", show=False),
        Binding("f8", "arm", "arm", show=False),
        Binding("down", "app.focus_next", "next field", show=False),
        Binding("up", "app.focus_previous", "previous field", show=False),
    ]

    def __init__(self, desk: Desk, instrument: Instrument, order: Order) -> None:
        super().__init__()
        self.desk = desk
        self.instrument = instrument
        self.order = order
        self.sending = False
        self._check: Timer | None = None

    def compose(self) -> ComposeResult:
        """The order, the fields it has, and Send."""
        intent = self.order.intent
        standing = {
            "size": intent.size,
            "price": intent.price,
            "trigger": intent.trigger_price,
        }
        with Vertical(id="amend", classes=f"sheet {intent.side.value}"):
            yield Words(f"AMEND {order_words(self.order)}", field_id="ticket-title")
            for name, value in standing.items():
                if value is not None:
                    note = "whole, what is filled included" if name == "size" else ""
                    if name == "size" and self.order.filled:
                        note = f"whole; {self.order.filled:f} of it is filled"
                    yield Horizontal(
                        Words(name, classes="name"),
                        Input(f"{value:f}", id=name, compact=True, select_on_focus=True),
                        Words(note, classes="note", field_id=f"{name}-note"),
                        classes="field",
                    )
            yield Horizontal(
                Words("checks", classes="name"), Words(field_id="checks"), classes="field"
            )
            yield Words(field_id="ticket-error")
            with Horizontal(id="ticket-foot"):
                yield PressButton("Send change", field_id="send")
                yield Words("F9 send   F8 arm   enter next   esc close", field_id="ticket-keys")

    def on_mount(self) -> None:
        """Start at the price where it has one, for that is what is changed most."""
        names = [name for name in ("price", "trigger", "size") if self.query(f"#{name}")]
        self.query_one(f"#{names[0]}").focus()
        self._say_checks("change a field")

    # -- what is typed -----------------------------------------------------------------------

    def changes(self) -> dict[str, Decimal]:
        """Return the fields that differ from how the order stands.

        Raises:
            ConfigError: A field cannot be read, or is off the venue's steps.
        """
        item, intent = self.instrument, self.order.intent
        known = {"size": intent.size, "price": intent.price, "trigger": intent.trigger_price}
        found: dict[str, Decimal] = {}
        for name in FIELDS:
            for field in self.query(f"#{name}").results(Input):
                value = parse_number(field.value, name)
                item.lots(value) if name == "size" else item.ticks(value)
                if value != known[name]:
                    found[name] = value
        return found

    @on(Input.Changed)
    def _changed(self) -> None:
        if self._check is not None:
            self._check.stop()
        self._check = self.set_timer(CHECK_AFTER_S, self._start_check)

    @on(Input.Submitted)
    def _next(self) -> None:
        self.focus_next("Input, PressButton")

    def _start_check(self) -> None:
        try:
            changed = self.changes()
        except ConfigError as error:
            self._say_checks(f"✗ {error}", wrong=True)
            return
        if not changed:
            self._say_checks("change a field")
            return
        begin(self, partial(self._run_check, changed), group="checks", exclusive=True)

    async def _run_check(self, changed: dict[str, Decimal]) -> None:
        reply = await self._ask(changed, dry_run=True)
        note = reply.order.note if reply.order is not None else ""
        self._say_checks(note or "ok" if reply.ok else f"✗ {reply.text}", wrong=not reply.ok)

    async def _ask(self, changed: dict[str, Decimal], dry_run: bool = False) -> Reply:
        size, price, trigger = (changed.get(name) for name in FIELDS)
        return await self.desk.amend(
            self.order.id, size=size, price=price, trigger=trigger, dry_run=dry_run
        )

    def _say_checks(self, words: str, wrong: bool = False) -> None:
        line = self.query_one("#checks", Static)
        line.set_class(wrong, "wrong")
        line.update(words)

    def _say(self, words: str, wrong: bool = True) -> None:
        line = self.query_one("#ticket-error", Static)
        line.set_class(wrong, "wrong")
        line.update(words)

    # -- sending -----------------------------------------------------------------------------

    @on(PressButton.Pressed)
    def _pressed(self) -> None:
        self.action_send()

    def action_send(self) -> None:
        """Send what changed, when armed."""
        if self.sending:
            return
        try:
            changed = self.changes()
        except ConfigError as error:
            self._say(f"not sent: {error}")
            return
        if not changed:
            self._say("not sent: nothing is changed")
            return
        if not self.desk.armed_left_s(self.instrument.id):
            symbol, seconds = self.instrument.symbol, self.desk.arm_seconds
            self._say(f"DISARMED: press F8 to arm {symbol} for {seconds} s, then send")
            return
        self.sending = True
        self._say("sending…", wrong=False)
        begin(self, partial(self._send, changed), group="send")

    async def _send(self, changed: dict[str, Decimal]) -> None:
        reply = await self._ask(changed)
        self.sending = False
        if reply.level == "error":
            # The same change may be sent again: it asks for a state, not for a step.
            self._say(f"not sent: {reply.text}" if not reply.unknown else reply.text)
        else:
            self.dismiss(reply)

    def action_arm(self) -> None:
        """Arm this instrument without leaving."""
        begin(self, self._arm, group="arm", exclusive=True)

    async def _arm(self) -> None:
        reply = await self.desk.arm(self.instrument.id)
        self._say(reply.text, wrong=not reply.ok)

    def action_close(self) -> None:
        """Leave without a change."""
        if not self.sending:
            self.dismiss(None)
