"""The order ticket: one ticket, one client order id, and only Send sends.

::

     BUY BTC-USDT  binance   SIM   ARMED 4:59
     type     [limit] market  stop  stop limit  tp  tp limit  trail  oco
     size      0.5           [BTC] USDT  % equity  % risk    = what that comes to
     price     64215.50      USDT    2.99 below last   queue ahead ~2.75
     trigger   63000         by [last] mark  index           of a conditional one
     stop      63000         risk 157.75   0.16 %            exits make it a bracket
     target    67000         reward 342.25   2.17 : 1
     lives    [gtc] post  ioc  fok  day  gtd  post gtd       of shares: day ext
     cost      32,107.75 USDT   32.1 % of equity   fee ~32.11
     after     long 0.750 BTC @ 64,100.00
     checks    ok
"""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from msgspec import Struct
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.types import CSSPathType
from textual.widget import Widget
from textual.widgets import Input, Static

from core.model.amounts import Unit
from core.model.inspection import OrderPreview
from core.model.instruments import Instrument
from tui.begun import begin
from tui.desk import Reply, new_order_id, submit
from tui.preview import (
    LIMITED,
    TYPES,
    WAITING,
    WITH_EXITS,
    Draft,
    Said,
    SideName,
    TicketText,
    in_unit,
    lives_of,
    place_words,
    preview_words,
    read,
)
from tui.screens.sheet import Sheet
from tui.widgets.fields import Choice, PressButton, Words

if TYPE_CHECKING:
    from core.model.commands import Command
    from tui.desk import Desk

CHECK_AFTER_S = 0.3
"""Quiet time after the last key before the engine is asked to work it out and check."""
FOLLOW_S: Final = 2.0
"""How often it is asked again while the market moves."""
_UNITS: Final = (Unit.QUANTITY, Unit.NOTIONAL, Unit.EQUITY, Unit.RISK)
_DISARMED = "DISARMED: press F8 to arm {symbol} for {seconds} s, then send"
_UNKNOWN = "{why}. The same ticket may be sent again safely: it keeps its id"
_KEYS = "F9 send  F6 more  enter next  ←→ choose  esc close"

Phase = Literal["editing", "sending", "unknown", "done"]


class Prefill(Struct, frozen=True):
    """What a ticket opens with; the price was captured when the key went down."""

    text: TicketText
    focus: Literal["size", "send"] = "size"
    more: bool = False
    """Whether the rarer fields are shown at once."""

    @property
    def side(self) -> SideName:
        """Buy or sell; a ticket never changes it."""
        return self.text.side


class TicketScreen(Sheet[Reply | None]):
    """Edits one order and sends it at most once; stays open until the outcome is known."""

    CSS_PATH: ClassVar[CSSPathType | None] = "../dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "close", show=False),
        Binding("f9", "send", "send", show=False),
        Binding("f8", "arm", "arm", show=False),
        Binding("f6", "more", "more fields", show=False),
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
        self.found: OrderPreview | None = None
        """What the engine worked out for the draft, None: nothing yet."""
        self._more = prefill.more
        self._said = Said()
        self._words = ""
        self._check: Timer | None = None
        self._sent: Command | None = None
        """What was sent; sending again after a lost link is this very command."""

    # -- fields ------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Lay the fields out, one on a line."""
        text, coin = self.prefill.text, self.instrument
        base = "contracts" if coin.derivative else coin.base
        units = (base, coin.quote, "% equity", "% risk")
        with Vertical(id="ticket", classes=f"sheet {text.side}"):
            yield Words(field_id="ticket-title")
            yield self._line("type", Choice(TYPES, text.type, field_id="type"))
            yield self._line(
                "size", self._input("size", text.size), Choice(units, base, field_id="unit")
            )
            yield self._line("price", self._input("price", text.price), self._unit(coin.quote))
            by = Choice(("last", "mark", "index"), text.by, field_id="by")
            yield self._line("trigger", self._input("trigger", text.trigger), by)
            yield self._line("stop", self._input("stop", text.stop))
            yield self._line("target", self._input("target", text.target))
            yield self._line(
                "lives", Choice(lives_of(coin, text.lives), text.lives, field_id="lives")
            )
            yield self._line("until", self._input("until", text.until), self._unit("UTC"))
            reduce = "yes" if text.reduce_only else "no"
            yield self._line("reduce", Choice(("no", "yes"), reduce, field_id="reduce"))
            yield self._line("show", self._input("show", text.show), self._unit(base))
            sides = Choice(("net", "long", "short"), text.position_side, field_id="position")
            yield self._line("position", sides)
            yield self._line("account", self._input("account", text.account))
            yield self._line("cost", Words(field_id="cost"))
            yield self._line("after", Words(field_id="after"))
            yield self._line("checks", Words(field_id="checks"))
            yield Words(field_id="ticket-error")
            with Horizontal(id="ticket-foot"):
                yield PressButton(f"Send {text.side}", field_id="send")
                yield Words(_KEYS, field_id="ticket-keys")

    def on_mount(self) -> None:
        """Show everything and start following the market."""
        self.query_one("#send" if self.prefill.focus == "send" else "#size").focus()
        self.set_interval(0.5, self._refresh_words)
        self.set_interval(FOLLOW_S, self._start_checks)
        self._changed()

    @staticmethod
    def _unit(words: str) -> Words:
        return Words(words, classes="unit")

    @staticmethod
    def _line(name: str, control: Widget, beside: Widget | None = None) -> Horizontal:
        if isinstance(control, Words):
            return Horizontal(Words(name, classes="name"), control, classes="field")
        parts = [Words(name, classes="name"), control, *([beside] if beside is not None else [])]
        note = Words(field_id=f"{name}-note", classes="note")
        return Horizontal(*parts, note, classes="field", id=f"{name}-line")

    @staticmethod
    def _input(name: str, value: str) -> Input:
        return Input(value, id=name, compact=True, select_on_focus=True)

    @property
    def text(self) -> TicketText:
        """The fields as they stand."""

        def typed(name: str) -> str:
            return self.query_one(f"#{name}", Input).value

        def chosen(name: str) -> str:
            return self.query_one(f"#{name}", Choice).value

        return TicketText(
            side=self.prefill.side,
            type=chosen("type"),
            size=typed("size"),
            price=typed("price"),
            trigger=typed("trigger"),
            by=chosen("by"),
            stop=typed("stop"),
            target=typed("target"),
            lives=chosen("lives"),
            until=typed("until"),
            reduce_only=chosen("reduce") == "yes",
            show=typed("show"),
            position_side=chosen("position"),
            account=typed("account"),
        )

    def action_more(self) -> None:
        """Show or hide the rarer fields."""
        self._more = not self._more
        self._show_fields(self.text)

    def _show_fields(self, text: TicketText) -> None:
        """Show the fields that this type has."""
        rare = self._more
        shown = {
            "price": text.type in LIMITED,
            "trigger": text.type in WAITING,
            "stop": text.type in WITH_EXITS,
            "target": text.type in WITH_EXITS,
            "until": text.lives.endswith("gtd"),
            "reduce": text.type != "oco",
            "show": rare or bool(text.show),
            "position": rare or text.position_side != "net",
            "account": rare or bool(text.account),
        }
        for name, there in shown.items():
            self.query_one(f"#{name}-line").display = there
        label = self.query_one("#trigger-line .name", Static)
        label.update("trail" if text.type == "trail" else "trigger", layout=False)

    # -- what is typed -----------------------------------------------------------------------

    @on(Choice.Changed, "#unit")
    def _other_unit(self, event: Choice.Changed) -> None:
        """Say the present size in another unit."""
        event.stop()
        unit = _UNITS[event.choice.options.index(event.choice.value)]
        if self.draft is not None and self.draft.line.amount.unit is unit:
            return
        field = self.query_one("#size", Input)
        blank = {Unit.QUANTITY: "", Unit.NOTIONAL: "$", Unit.EQUITY: "10%", Unit.RISK: "r1%"}
        field.value = in_unit(unit, self.found) if self.found is not None else blank[unit]

    @on(Input.Changed)
    @on(Choice.Changed)
    def _changed(self) -> None:
        text = self.text
        self._show_fields(text)
        self.draft = read(text, self.instrument)
        self.found, self._said = None, Said()
        unit = self.query_one("#unit", Choice)
        if "size" not in self.draft.errors:
            with self.prevent(Choice.Changed):
                unit.value = unit.options[_UNITS.index(self.draft.line.amount.unit)]
        self._say("")
        self._refresh_words()
        self._ask_for_checks()

    @on(Input.Submitted)
    @on(Choice.Done)
    def _next_field(self) -> None:
        self.focus_next("Input, Choice, PressButton")

    def _refresh_words(self) -> None:
        """Follow the market: what it costs, where it stands, whether it may be sent."""
        draft, said = self.draft, self._said
        if draft is None:
            return
        errors = draft.errors
        price = place_words(draft, self.instrument, self.desk.link.replica)
        self._note("size", said.size, errors)
        self._note("price", price, errors)
        self._note("trigger", "", errors)
        self._note("stop", said.stop or "exit at a loss: 63000, trail 2%", errors)
        self._note("target", said.target or "exit at a profit", errors)
        hints = {"until": "such as 2026-12-01T12:00", "show": "what the book shows"}
        for name in ("lives", "until", "reduce", "show", "position", "account"):
            self._note(name, hints.get(name, ""), errors)
        self._set("#cost", said.cost)
        self._set("#after", said.after)
        self._set("#ticket-title", self._title())

    def _title(self) -> Text:
        symbol = self.instrument.symbol
        status = self.desk.link.replica.status
        left = self._armed_s()
        armed = f"ARMED {left // 60}:{left % 60:02d}" if left else "DISARMED"
        mode = status.mode if status is not None else "no engine"
        head = f"{self.prefill.side.upper()} {symbol}"
        exits = "   bracket" if self.draft and self.draft.line.bracket else ""
        return Text.assemble(
            (head, "bold"),
            f"  {self.instrument.venue}   {mode}   ",
            (armed, "bold" if left else ""),
            exits if self.draft is not None and not self.draft.oco else "",
        )

    def _note(self, name: str, words: str, errors: dict[str, str]) -> None:
        note = self.query_one(f"#{name}-note", Static)
        error = errors.get(name)
        note.set_class(error is not None, "wrong")
        self._set(f"#{name}-note", f"✗ {error}" if error else words)

    def _set(self, selector: str, words: str | Text) -> None:
        part = self.query_one(selector, Static)
        lines = -(-len(words) // max(1, part.size.width))
        # What follows the market moves the sheet only where it needs another line.
        grows = selector == "#cost" and lines != part.size.height
        part.update(words, layout=grows or selector == "#checks")

    def _say(self, words: str, wrong: bool = True) -> None:
        if words == self._words:
            return
        self._words = words
        line = self.query_one("#ticket-error", Static)
        line.set_class(wrong, "wrong")
        line.update(words)

    def _armed_s(self) -> int:
        return self.desk.armed_left_s(self.instrument.id)

    # -- the engine's own sums and checks ----------------------------------------------------

    def _ask_for_checks(self) -> None:
        if self._check is not None:
            self._check.stop()
            self._check = None
        if self.draft is None or self.draft.errors or self.phase != "editing":
            mend = self.draft is not None and bool(self.draft.errors)
            self._set("#checks", "mend the fields first" if mend else "")
            return
        self._set("#checks", "asking…")
        self._check = self.set_timer(CHECK_AFTER_S, self._start_checks)

    def _start_checks(self) -> None:
        if self.draft is not None and not self.draft.errors and self.phase == "editing":
            begin(
                self,
                partial(self._run_checks, self.draft),
                group="checks",
                exclusive=True,
            )

    async def _run_checks(self, draft: Draft) -> None:
        from core.model.placing import preview_order

        asked = await self.desk.ask(preview_order(draft.line))
        if draft is not self.draft or self.phase != "editing":
            return
        if isinstance(asked.result, OrderPreview):
            self.found = asked.result
            self._said = preview_words(asked.result, draft, self.instrument)
            self._refresh_words()
        size = self._order_size(draft)
        if size is None:
            self._checked(asked.text if not asked.ok else "the size is not worked out", ok=False)
            return
        reply = await self.desk.ask(submit(self.order_id, draft, size, dry_run=True))
        if draft is self.draft and self.phase == "editing":
            if reply.unknown:
                self._checked("not available: the engine cannot be reached", ok=False, mark="")
            else:
                why = reply.order.note if reply.order is not None else ""
                # What is said of an order that would go is of no use here.
                self._checked("ok" if reply.ok else why or reply.text, ok=reply.ok)

    def _checked(self, words: str, *, ok: bool, mark: str = "✗ ") -> None:
        self._set("#checks", words if ok else f"{mark}{words}")
        self.query_one("#checks").set_class(not ok, "wrong")

    def _order_size(self, draft: Draft) -> Decimal | None:
        """Return the size that would be sent, None while it is not worked out."""
        if draft.line.amount.unit is Unit.QUANTITY:
            return draft.line.amount.value
        return self.found.size if self.found is not None else None

    # -- sending -----------------------------------------------------------------------------

    @on(PressButton.Pressed, "#send")
    def _pressed(self) -> None:
        self.action_send()

    def action_send(self) -> None:
        """Send, unless it is on its way or must not go."""
        if self.phase in ("sending", "done"):
            return
        command = self._sent if self.phase == "unknown" else self._command()
        if command is None:
            return
        if not self._armed_s():
            symbol, seconds = self.instrument.symbol, self.desk.arm_seconds
            self._say(_DISARMED.format(symbol=symbol, seconds=seconds))
            return
        self.phase, self._sent = "sending", command
        self._lock(True)
        self._say("sending…", wrong=False)
        begin(self, partial(self._send, command), group="send")

    def _command(self) -> Command | None:
        """Return what would be sent; None: what is in the way was said."""
        draft = self.draft
        if draft is None or draft.errors:
            self._refuse(draft)
            return None
        size = self._order_size(draft)
        if not size:
            self._say("not sent: the engine has not worked out the size yet; see checks")
            return None
        return submit(self.order_id, draft, size)

    def _refuse(self, draft: Draft | None) -> None:
        for name, words in (draft.errors if draft is not None else {}).items():
            self._say(f"not sent: {words}")
            self.query_one(f"#{name}").focus()
            return

    async def _send(self, command: Command) -> None:
        reply = await self.desk.ask(command)
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

    def action_arm(self) -> None:
        """Arm this instrument without leaving the ticket."""
        begin(self, self._arm, group="arm", exclusive=True)

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
