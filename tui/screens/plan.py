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
from typing import TYPE_CHECKING, Final

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Input

from core.model.errors import ConfigError
from core.model.instruments import Instrument
from tui.begun import begin
from tui.desk import new_order_id
from tui.plans import KINDS, ONLY, Plan, PlanText, cost_words, plan_words, read
from tui.screens.checked import CheckedForm
from tui.widgets.fields import Choice, PressButton, Words

if TYPE_CHECKING:
    from tui.desk import Desk

_TYPED: Final = ("size", "orders", "minutes", "worst", "first", "last")
_SHOWN: Final = {"twap": ("minutes", "worst"), "scaled": ("first", "last")}
_NAMES: Final = {"first": "from", "last": "to"}


class PlanScreen(CheckedForm):
    """Edits one plan and starts it at most once: it keeps its id."""

    def __init__(self, desk: Desk, instrument: Instrument, text: PlanText | None = None) -> None:
        super().__init__(desk, instrument)
        self.prefill = text or PlanText()
        self.plan_id = new_order_id()
        """Made once here: starting again after a lost link is the same plan."""

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
        self.set_interval(0.5, self.refreshed)
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
        self.refreshed()
        self.say("", wrong=False)
        plan = self._read(text)
        if plan is None:
            return
        cost = cost_words(plan, self.instrument, self._market())
        unit = "contracts" if self.instrument.derivative else self.instrument.base
        self.query_one("#size-note", Words).update(f"{unit}, of all orders   {cost}")
        now_ns = self.desk.clock.now_ns(self.desk.link.replica)
        self.query_one("#plan-words", Words).update(plan_words(plan, self.instrument, now_ns))
        self.say_checks("asking…")
        self.check_soon()

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
        self.check_not()
        self.query_one("#plan-words", Words).update("")
        self.say_checks(words, wrong=wrong)

    def _market(self) -> Decimal | None:
        line = self.desk.link.replica.quotes.get(self.instrument.id)
        ticks = None if line is None else line.last_ticks
        return self.instrument.price(ticks) if ticks else None

    @on(Input.Submitted)
    @on(Choice.Done)
    def _next(self) -> None:
        self.focus_next("Input, Choice, PressButton")

    def start_check(self) -> None:
        """Ask the engine what it thinks of the plan."""
        plan = self._read(self.text)
        if plan is not None:
            begin(self, partial(self._run_check, plan), group="checks", exclusive=True)

    async def _run_check(self, plan: Plan) -> None:
        command = plan.command(self.plan_id, self.instrument, dry_run=True)
        reply = await self.desk.ask(command)
        words = "ok; each part is checked by every limit when it goes out"
        self.say_checks(words if reply.ok else f"✗ {reply.text}", wrong=not reply.ok)

    def refreshed(self) -> None:
        """Show whether it is armed, and for how long."""
        left = self.desk.armed_left_s(self.instrument.id)
        armed = f"ARMED {left // 60}:{left % 60:02d}" if left else "DISARMED"
        status = self.desk.link.replica.status
        mode = status.mode if status is not None else "no engine"
        title = f"START  {self.instrument.symbol}  {self.instrument.venue}   {mode}   {armed}"
        self.query_one("#ticket-title", Words).update(title)

    # -- starting ----------------------------------------------------------------------------

    def action_send(self) -> None:
        """Start it, when armed."""
        if self.sending:
            return
        plan = self._read(self.text)
        if plan is None:
            self.say("not started: mend the fields first")
            return
        if not self.is_armed("start"):
            return
        self.sending = True
        self.say("starting…", wrong=False)
        begin(self, partial(self._send, plan), group="send")

    async def _send(self, plan: Plan) -> None:
        reply = await self.desk.ask(plan.command(self.plan_id, self.instrument, dry_run=False))
        self.sending = False
        if reply.unknown:
            self.say(f"{reply.text}. The same form may be started again safely: it keeps its id")
        elif not reply.ok:
            self.say(f"not started: {reply.text}")
        else:
            self.dismiss(reply)


def _input(name: str, value: str) -> Input:
    return Input(value, id=name, compact=True, select_on_focus=True)


def _line(name: str, control: Widget, note: str = "") -> Horizontal:
    parts = [Words(_NAMES.get(name, name), classes="name"), control]
    if note:
        parts.append(Words(note, field_id=f"{name}-note", classes="note"))
    return Horizontal(*parts, classes="field", id=f"{name}-line")
