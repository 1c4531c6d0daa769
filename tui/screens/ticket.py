"""The order ticket: one ticket, one client order id, and only Send sends."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, Literal

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.types import CSSPathType
from textual.widget import Widget
from textual.widgets import Input, Static

from core.model.instruments import Instrument
from tui.desk import Reply, new_order_id, submit_order
from tui.preview import Draft, SideName, TicketText, preview, read
from tui.widgets.fields import Choice, PressButton, Words

if TYPE_CHECKING:
    from tui.desk import Desk

CHECK_AFTER_S = 0.3
"""Quiet time after the last key before the engine is asked to check."""
_LIVES = {
    "gtc": ("gtc", False),
    "post": ("gtc", True),
    "ioc": ("ioc", False),
    "fok": ("fok", False),
}
_DISARMED = "DISARMED: press F8 to arm {symbol} for {seconds} s, then send"
_UNKNOWN = "{why}. The same ticket may be sent again safely: it keeps its id"

Phase = Literal["editing", "sending", "unknown", "done"]


@dataclass(frozen=True)
class Prefill:
    """What a ticket opens with; the price was captured when the key went down."""

    side: SideName
    size: Decimal | None = None
    price: Decimal | None = None
    type: Literal["limit", "market"] = "limit"
    lives: str = "gtc"
    reduce_only: bool = False
    focus: Literal["size", "send"] = "size"


class TicketScreen(ModalScreen[Reply | None]):
    """Edits one order and sends it at most once; stays open until the outcome is known."""

    CSS_PATH: ClassVar[CSSPathType | None] = "../dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "close", show=False),
        Binding("f9", "send", "send", show=False),
        Binding("f8", "arm", "arm", show=False),
        Binding("down", "app.focus_next", "next field", show=False),
        Binding("up", "app.focus_previous", "previous field", show=False),
    ]

    def __init__(self, desk: Desk, instrument: Instrument, prefill: Prefill) -> None:
        super().__init__()
        self.desk = desk
        self.instrument = instrument
        self.prefill = prefill
        self.order_id = new_order_id()
        """Made once here; sending again after a lost link is the same order."""
        self.phase: Phase = "editing"
        self.draft: Draft | None = None
        self._words = ""
        self._check: Timer | None = None

    def compose(self) -> ComposeResult:
        """Lay the fields out, one on a line."""
        fill, coin = self.prefill, self.instrument
        with Vertical(id="ticket", classes=f"sheet {fill.side}"):
            yield Words(field_id="ticket-title")
            yield self._line("type", Choice(("limit", "market"), fill.type, field_id="type"))
            yield self._line("size", self._input("size", fill.size), coin.base)
            yield self._line("price", self._input("price", fill.price), coin.quote)
            yield self._line("lives", Choice(tuple(_LIVES), fill.lives, field_id="lives"))
            reduce = "yes" if fill.reduce_only else "no"
            yield self._line("reduce", Choice(("no", "yes"), reduce, field_id="reduce"))
            yield self._line("after", Words(field_id="after"))
            yield self._line("checks", Words(field_id="checks"))
            yield Words(field_id="ticket-error")
            with Horizontal(id="ticket-foot"):
                yield PressButton(f"Send {fill.side}", field_id="send")
                yield Words(
                    "F9 send   enter next field   ←→ choose   esc close", field_id="ticket-keys"
                )

    def on_mount(self) -> None:
        """Show everything and start following the market."""
        if self.prefill.focus == "send":
            self.query_one("#send").focus()
        else:
            self.query_one("#size").focus()
        self.set_interval(0.5, self._refresh_words)
        self._changed()

    @staticmethod
    def _line(name: str, control: Widget, unit: str = "") -> Horizontal:
        if isinstance(control, Words):
            return Horizontal(Words(name, classes="name"), control, classes="field")
        note = Words(field_id=f"{name}-note", classes="note")
        return Horizontal(
            Words(name, classes="name"), control, Words(unit, classes="unit"), note,
            classes="field", id=f"{name}-line",
        )  # fmt: skip

    @staticmethod
    def _input(name: str, value: Decimal | None) -> Input:
        text = f"{value:f}" if value is not None else ""
        return Input(text, id=name, compact=True, select_on_focus=True)

    # What is typed

    @property
    def text(self) -> TicketText:
        """The fields as they stand."""
        force, post = _LIVES[self.query_one("#lives", Choice).value]
        return TicketText(
            side=self.prefill.side,
            type=self.query_one("#type", Choice).value,
            size=self.query_one("#size", Input).value,
            price=self.query_one("#price", Input).value,
            time_in_force=force,
            post_only=post,
            reduce_only=self.query_one("#reduce", Choice).value == "yes",
        )

    @on(Input.Changed)
    @on(Choice.Changed)
    def _changed(self) -> None:
        text = self.text
        self.query_one("#price", Input).disabled = text.type == "market"
        self.draft = read(text, self.instrument)
        self._say("")
        self._refresh_words()
        self._ask_for_checks()

    @on(Input.Submitted)
    @on(Choice.Done)
    def _next_field(self) -> None:
        self.focus_next("Input, Choice, PressButton")

    def _refresh_words(self) -> None:
        """Follow the market: what it costs, where it stands, whether it may be sent."""
        if self.draft is None:
            return
        words = preview(self.draft, self.instrument, self.desk.link.replica)
        errors = self.draft.errors
        self._note("size", words.size, errors.get("size"))
        self._note("price", words.price, errors.get("price"))
        self._note("lives", "", errors.get("post"))
        self._set("#after", words.after)
        self._set("#ticket-title", self._title())

    def _title(self) -> Text:
        symbol = self.instrument.symbol
        status = self.desk.link.replica.status
        left = self._armed_s()
        armed = f"ARMED {left // 60}:{left % 60:02d}" if left else "DISARMED"
        mode = status.mode if status is not None else "no engine"
        head = f"{self.prefill.side.upper()} {symbol}"
        return Text.assemble(
            (head, "bold"),
            f"  {self.instrument.venue}   {mode}   ",
            (armed, "bold" if left else ""),
        )

    def _note(self, name: str, words: str, error: str | None) -> None:
        note = self.query_one(f"#{name}-note", Static)
        note.set_class(error is not None, "wrong")
        self._set(f"#{name}-note", f"✗ {error}" if error else words)

    def _set(self, selector: str, words: str | Text) -> None:
        # Checks may need a second line; what follows the market never moves the sheet.
        self.query_one(selector, Static).update(words, layout=selector == "#checks")

    def _say(self, words: str, wrong: bool = True) -> None:
        if words == self._words:
            return
        self._words = words
        line = self.query_one("#ticket-error", Static)
        line.set_class(wrong, "wrong")
        line.update(words)

    def _armed_s(self) -> int:
        return self.desk.armed_left_s(self.instrument.id)

    # The engine's own checks

    def _ask_for_checks(self) -> None:
        if self._check is not None:
            self._check.stop()
            self._check = None
        if self.draft is None or self.draft.errors or self.phase != "editing":
            self._set(
                "#checks", "mend the fields first" if self.draft and self.draft.errors else ""
            )
            return
        self._set("#checks", "asking…")
        self._check = self.set_timer(CHECK_AFTER_S, self._start_checks)

    def _start_checks(self) -> None:
        self.run_worker(self._run_checks(), group="checks", exclusive=True, exit_on_error=False)

    async def _run_checks(self) -> None:
        draft = self.draft
        if draft is None or draft.errors:
            return
        command = submit_order(self.order_id, self.instrument.id, draft, dry_run=True)
        reply = await self.desk.ask(command)
        if draft is self.draft and self.phase == "editing":
            if reply.unknown:
                self._set("#checks", "not available: the engine cannot be reached")
            else:
                why = reply.order.note if reply.order is not None else ""
                self._set("#checks", "ok" if reply.ok else f"✗ {why or reply.text}")
            self.query_one("#checks").set_class(not reply.ok, "wrong")

    # Sending

    @on(PressButton.Pressed, "#send")
    def _pressed(self) -> None:
        self.action_send()

    def action_send(self) -> None:
        """Send, unless it is on its way or must not go."""
        if self.phase in ("sending", "done"):
            return
        draft = read(self.text, self.instrument) if self.phase == "editing" else self.draft
        if draft is None or draft.errors:
            self._refuse(draft)
            return
        self.draft = draft
        if not self._armed_s():
            symbol, seconds = self.instrument.symbol, self.desk.arm_seconds
            self._say(_DISARMED.format(symbol=symbol, seconds=seconds))
            return
        self.phase = "sending"
        self._lock(True)
        self._say("sending…", wrong=False)
        self.run_worker(self._send(draft), group="send", exit_on_error=False)

    def _refuse(self, draft: Draft | None) -> None:
        errors = draft.errors if draft is not None else {}
        for name, words in errors.items():
            self._say(f"not sent: {words}")
            self.query_one("#lives" if name == "post" else f"#{name}").focus()
            return

    async def _send(self, draft: Draft) -> None:
        reply = await self.desk.ask(submit_order(self.order_id, self.instrument.id, draft))
        if reply.unknown:
            self.phase = "unknown"
            self.query_one("#send", PressButton).disabled = False
            self.query_one("#send").focus()
            self._say(_UNKNOWN.format(why=reply.text))
        elif reply.level == "error":
            # A refused order has used up its id: what is sent next is another order.
            self.order_id = new_order_id() if reply.order is not None else self.order_id
            self.phase = "editing"
            self._lock(False)
            self.query_one("#size").focus()
            self._say(f"not sent: {reply.text}")
        else:
            self.phase = "done"
            self.dismiss(reply)

    def _lock(self, locked: bool) -> None:
        for control in self.query("Input, Choice, PressButton"):
            control.disabled = locked
        if not locked:
            self.query_one("#price", Input).disabled = self.text.type == "market"

    def action_arm(self) -> None:
        """Arm this instrument without leaving the ticket."""
        self.run_worker(self._arm(), group="arm", exclusive=True, exit_on_error=False)

    async def _arm(self) -> None:
        reply = await self.desk.arm(self.instrument.id)
        self._refresh_words()
        self._say(reply.text, wrong=not reply.ok)

    def action_close(self) -> None:
        """Close; a ticket whose outcome is unknown says so once more in the log."""
        if self.phase == "sending":
            self._say("still sending; the answer comes or the link gives up", wrong=False)
            return
        if self.phase == "unknown":
            self.dismiss(Reply(f"order {self.order_id}: outcome unknown", "error", unknown=True))
            return
        self.dismiss(None)
