"""The form of a TWAP or a scaled entry: one wish, how its orders will lie, and Start.

::

     START  BTC-USDT.binance   DISARMED
     kind      [twap] scaled
     side      [buy] sell
     size      2               BTC of all orders   = 128,437.00 USDT
     orders    10
     minutes   30              from the first to the last
     worst     64500           a part trades there or better; empty: at market
     only      [-] post  reduce
     plan      10 orders of 0.2 at market, one every 3 min 20 s, the last at 14:32:10 UTC
     checks    ok
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
from textual.widget import Widget
from textual.widgets import Input

from core.model.errors import ConfigError
from core.model.instruments import Instrument
from tui.begun import begin
from tui.desk import Reply, new_order_id
from tui.plans import KINDS, ONLY, Plan, PlanText, cost_words, plan_words, read
from tui.widgets.fields import Choice, PressButton, Words

if TYPE_CHECKING:
    from tui.desk import Desk

CHECK_AFTER_S: Final = 0.3
_TYPED: Final = ("size", "orders", "minutes", "worst", "first", "last")
_SHOWN: Final = {"twap": ("minutes", "worst"), "scaled": ("first", "last")}
_NAMES: Final = {"first": "from", "last": "to"}


class PlanScreen(ModalScreen[Reply | None]):
    """Edits one plan and starts it at most once: it keeps its id."""

    CSS_PATH: ClassVar[CSSPathType | None] = "../dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "close", show=False),
        Binding("f9", "send", "start", show=False),
        Binding("f8", "arm", "arm", show=False),
        Binding("down", "app.focus_next", "next field", show=False),
        Binding("up", "app.focus_previous", "previous field", show=False),
    ]

    def __init__(self, desk: Desk, instrument: Instrument, text: PlanText | None = None) -> None:
        super().__init__()
        self.desk = desk
        self.instrument = instrument
        self.prefill = text or PlanText()
        self.plan_id = new_order_id()
        """Made once here: starting again after a lost link is the same plan."""
        self.sending = False
        self._check: Timer | None = None

    def compose(self) -> ComposeResult:
        """Lay the fields out, one on a line; those of the other kind are hidden."""
        text, item = self.prefill, self.instrument
        unit = "contracts" if item.derivative else item.base
        with Vertical(id="plan", classes=f"sheet {text.side}"):
            yield Words(field_id="ticket-title")
            yield _line("kind", Choice(KINDS, text.kind, field_id="kind"))
            yield _line("side", Choice(("buy", "sell"), text.side, field_id="way"))
            yield _line("size", _input("size", text.size), f"{unit}, of all orders")
            yield _line("orders", _input("orders", text.orders), "2 to 500")
            yield _line(
                "minutes", _input("minutes", text.minutes), "from the first part to the last"
            )
            worst = "trades there or better; empty: at market"
            yield _line("worst", _input("worst", text.worst), worst)
            yield _line("first", _input("first", text.first), f"{item.quote}, of the first order")
            yield _line("last", _input("last", text.last), f"{item.quote}, of the last order")
            yield _line("only", Choice(ONLY, text.only, field_id="only"))
            yield _line("plan", Words(field_id="plan-words"))
            yield _line("checks", Words(field_id="checks"))
            yield Words(field_id="ticket-error")
            with Horizontal(id="ticket-foot"):
                yield PressButton("Start", field_id="send")
                yield Words(
                    "F9 start  F8 arm  enter next  ←→ choose  esc close", field_id="ticket-keys"
                )

    def on_mount(self) -> None:
        """Begin at the size; everything else has an answer already."""
        self.query_one("#size").focus()
        self.set_interval(0.5, self._title)
        self._changed()

    @property
    def text(self) -> PlanText:
        """The fields as they stand."""
        typed = {name: self.query_one(f"#{name}", Input).value for name in _TYPED}
        chosen = {name: self.query_one(f"#{name}", Choice).value for name in ("kind", "way")}
        return PlanText(
            kind=chosen["kind"],
            side=chosen["way"],
            only=self.query_one("#only", Choice).value,
            **typed,
        )

    # -- what is typed -----------------------------------------------------------------------

    @on(Input.Changed)
    @on(Choice.Changed)
    def _changed(self) -> None:
        text = self.text
        for kind, names in _SHOWN.items():
            for name in names:
                self.query_one(f"#{name}-line").display = kind == text.kind
        sheet = self.query_one("#plan")
        sheet.set_class(text.side == "buy", "buy")
        sheet.set_class(text.side == "sell", "sell")
        self._title()
        self._say("", wrong=False)
        plan = self._read(text)
        if plan is None:
            return
        cost = cost_words(plan, self.instrument, self._market())
        unit = "contracts" if self.instrument.derivative else self.instrument.base
        self.query_one("#size-note", Words).update(f"{unit}, of all orders   {cost}")
        now_ns = self.desk.clock.now_ns(self.desk.link.replica)
        self.query_one("#plan-words", Words).update(plan_words(plan, self.instrument, now_ns))
        self._say_checks("asking…")
        if self._check is not None:
            self._check.stop()
        self._check = self.set_timer(CHECK_AFTER_S, self._start_check)

    def _read(self, text: PlanText) -> Plan | None:
        if not text.size.strip():
            self._blank("type a size")
            return None
        try:
            return read(text, self.instrument)
        except ConfigError as error:
            self._blank(f"✗ {error}", wrong=True)
            return None

    def _blank(self, words: str, wrong: bool = False) -> None:
        if self._check is not None:
            self._check.stop()
        self.query_one("#plan-words", Words).update("")
        self._say_checks(words, wrong=wrong)

    def _market(self) -> Decimal | None:
        line = self.desk.link.replica.quotes.get(self.instrument.id)
        ticks = None if line is None else line.last_ticks
        return self.instrument.price(ticks) if ticks else None

    @on(Input.Submitted)
    @on(Choice.Done)
    def _next(self) -> None:
        self.focus_next("Input, Choice, PressButton")

    def _start_check(self) -> None:
        plan = self._read(self.text)
        if plan is not None:
            begin(self, partial(self._run_check, plan), group="checks", exclusive=True)

    async def _run_check(self, plan: Plan) -> None:
        command = plan.command(self.plan_id, self.instrument, dry_run=True)
        reply = await self.desk.ask(command)
        words = "ok; each part is checked by every limit when it goes out"
        self._say_checks(words if reply.ok else f"✗ {reply.text}", wrong=not reply.ok)

    def _title(self) -> None:
        left = self.desk.armed_left_s(self.instrument.id)
        armed = f"ARMED {left // 60}:{left % 60:02d}" if left else "DISARMED"
        status = self.desk.link.replica.status
        mode = status.mode if status is not None else "no engine"
        title = f"START  {self.instrument.symbol}  {self.instrument.venue}   {mode}   {armed}"
        self.query_one("#ticket-title", Words).update(title)

    def _say_checks(self, words: str, wrong: bool = False) -> None:
        line = self.query_one("#checks", Words)
        line.set_class(wrong, "wrong")
        line.update(words)

    def _say(self, words: str, wrong: bool = True) -> None:
        line = self.query_one("#ticket-error", Words)
        line.set_class(wrong, "wrong")
        line.update(words)

    # -- starting ----------------------------------------------------------------------------

    @on(PressButton.Pressed)
    def _pressed(self) -> None:
        self.action_send()

    def action_send(self) -> None:
        """Start it, when armed."""
        if self.sending:
            return
        plan = self._read(self.text)
        if plan is None:
            self._say("not started: mend the fields first")
            return
        if not self.desk.armed_left_s(self.instrument.id):
            symbol, seconds = self.instrument.symbol, self.desk.arm_seconds
            self._say(f"DISARMED: press F8 to arm {symbol} for {seconds} s, then start")
            return
        self.sending = True
        self._say("starting…", wrong=False)
        begin(self, partial(self._send, plan), group="send")

    async def _send(self, plan: Plan) -> None:
        reply = await self.desk.ask(plan.command(self.plan_id, self.instrument, dry_run=False))
        self.sending = False
        if reply.unknown:
            self._say(f"{reply.text}. The same form may be started again safely: it keeps its id")
        elif not reply.ok:
            self._say(f"not started: {reply.text}")
        else:
            self.dismiss(reply)

    def action_arm(self) -> None:
        """Arm this instrument without leaving."""
        begin(self, self._arm, group="arm", exclusive=True)

    async def _arm(self) -> None:
        reply = await self.desk.arm(self.instrument.id)
        self._say(reply.text, wrong=not reply.ok)
        self._title()

    def action_close(self) -> None:
        """Leave without starting anything."""
        if not self.sending:
            self.dismiss(None)


def _input(name: str, value: str) -> Input:
    return Input(value, id=name, compact=True, select_on_focus=True)


def _line(name: str, control: Widget, note: str = "") -> Horizontal:
    parts = [Words(_NAMES.get(name, name), classes="name"), control]
    if note:
        parts.append(Words(note, field_id=f"{name}-note", classes="note"))
    return Horizontal(*parts, classes="field", id=f"{name}-line")
