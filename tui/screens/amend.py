"""Changing an order that stands: its size, price or trigger, checked by the engine before it goes.

Where the venue cannot change it, it is cancelled and what is left is sent anew; the engine's check
says which.
"""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Final

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from core.model.errors import ConfigError
from core.model.grammar import parse_number
from core.model.instruments import Instrument
from core.model.orders import Order
from tui.begun import begin
from tui.desk import Reply, order_words
from tui.screens.checked import CheckedForm
from tui.widgets.fields import PressButton, Words

if TYPE_CHECKING:
    from tui.desk import Desk

FIELDS: Final = ("size", "price", "trigger")


class AmendScreen(CheckedForm):
    """Edits what may change of one order."""

    def __init__(self, desk: Desk, instrument: Instrument, order: Order) -> None:
        super().__init__(desk, instrument)
        self.order = order

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
        self.say_checks("change a field")

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
        if not self.sending:
            self.say("", wrong=False)
        self.check_soon()

    @on(Input.Submitted)
    def _next(self) -> None:
        self.focus_next("Input, PressButton")

    def start_check(self) -> None:
        """Ask the engine what it would do of the change."""
        try:
            changed = self.changes()
        except ConfigError as error:
            self.say_checks(f"✗ {error}", wrong=True)
            return
        if not changed:
            self.say_checks("change a field")
            return
        begin(self, partial(self._run_check, changed), group="checks", exclusive=True)

    async def _run_check(self, changed: dict[str, Decimal]) -> None:
        reply = await self._ask(changed, dry_run=True)
        note = reply.order.note if reply.order is not None else ""
        self.say_checks(note or "ok" if reply.ok else f"✗ {reply.text}", wrong=not reply.ok)

    async def _ask(self, changed: dict[str, Decimal], dry_run: bool = False) -> Reply:
        size, price, trigger = (changed.get(name) for name in FIELDS)
        return await self.desk.amend(
            self.order.id, size=size, price=price, trigger=trigger, dry_run=dry_run
        )

    # -- sending -----------------------------------------------------------------------------

    def action_send(self) -> None:
        """Send what changed, when armed."""
        if self.sending:
            return
        try:
            changed = self.changes()
        except ConfigError as error:
            self.say(f"not sent: {error}")
            return
        if not changed:
            self.say("not sent: nothing is changed")
            return
        if not self.is_armed("send"):
            return
        self.sending = True
        self.say("sending…", wrong=False)
        begin(self, partial(self._send, changed), group="send")

    async def _send(self, changed: dict[str, Decimal]) -> None:
        reply = await self._ask(changed)
        self.sending = False
        if reply.level == "error":
            # The same change may be sent again: it asks for a state, not for a step.
            self.say(f"not sent: {reply.text}" if not reply.unknown else reply.text)
        else:
            self.dismiss(reply)
