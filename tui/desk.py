"""Where the screen's wishes become commands, and the engine's answers become words.

Every request ends in a `Reply`: refusals and a lost link are answers to be shown, not exceptions.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from msgspec import Struct

from core.model.accounts import Position
from core.model.errors import ClxError, LinkError
from core.model.executors import ExecutorView
from core.model.ids import ClientOrderId, InstrumentId, StrategyId, client_order_id
from core.model.orders import Order, OrderState
from core.model.views import StrategyView
from core.model.wording import counted
from tui.preview import Draft
from tui.safety import EngineClock, armed_left_s

if TYPE_CHECKING:
    from core.model.commands import Command
    from link.port import EngineLink

Level: TypeAlias = Literal["info", "warning", "error"]
"""How loudly an outcome is said."""

_REFUSED = frozenset({OrderState.DENIED, OrderState.REJECTED})


class Reply(Struct, frozen=True):
    """What became of a request."""

    text: str
    level: Level = "info"
    unknown: bool = False
    """True: the link broke before the answer; the same command may safely be sent again."""
    order: Order | None = None
    result: object = None

    @property
    def ok(self) -> bool:
        """True when the engine carried it out."""
        return self.level == "info"


class Desk:
    """Asks the engine for things on behalf of a person."""

    def __init__(self, link: EngineLink, arm_seconds: int = 300) -> None:
        self.link = link
        self.arm_seconds = arm_seconds
        self.clock = EngineClock()

    def armed_left_s(self, instrument: InstrumentId | None) -> int:
        """Return how many more seconds an instrument is armed; 0 is DISARMED."""
        replica = self.link.replica
        return armed_left_s(replica.status, instrument, self.clock.now_ns(replica))

    async def ask(self, command: Command) -> Reply:
        """Have a command carried out and return the outcome in words."""
        from core.model.commands import (
            Done,
            FlattenReport,
            GroupReport,
            KillReport,
            OrderReport,
        )

        try:
            result = await self.link.request(command)
        except LinkError as error:
            return Reply(f"outcome unknown: {error}", "error", unknown=True)
        except ClxError as error:
            return Reply(str(error), "error")
        match result:
            case OrderReport():
                return order_reply(result.order)
            case GroupReport():
                return group_reply(result.orders)
            case FlattenReport():
                would = "would cancel" if result.dry_run else "cancelling"
                words = f"{would} {counted(result.cancels, 'order')}, closing "
                return Reply(words + counted(result.positions, "position"), result=result)
            case KillReport():
                closing = len(result.closing_orders)
                words = f"gate {result.risk_state.value}, {counted(result.cancels, 'cancel')}"
                return Reply(words + (f", {closing} closing" if closing else ""), result=result)
            case Done():
                return Reply(result.text, result=result)
            case ExecutorView():
                return Reply(
                    f"{result.plan.kind} {result.plan.id[-6:]} {_stands(result)}", result=result
                )
            case StrategyView():
                return Reply(f"{result.info.id} is {result.state}", result=result)
            case _:
                return Reply(f"{command.title}: answered", result=result)

    async def arm(self, instrument: InstrumentId) -> Reply:
        """Let the keyboard trade an instrument for a while."""
        from core.model.commands import Arm

        return await self.ask(Arm(instrument=instrument, seconds=self.arm_seconds))

    async def disarm(self, instrument: InstrumentId) -> Reply:
        """Refuse orders from the keyboard again."""
        from core.model.commands import Disarm

        return await self.ask(Disarm(instrument=instrument))

    async def cancel(self, order_id: ClientOrderId) -> Reply:
        """Cancel one order."""
        from core.model.commands import CancelOrder

        return await self.ask(CancelOrder(client_order_id=order_id))

    async def amend(
        self,
        order_id: ClientOrderId,
        *,
        size: Decimal | None = None,
        price: Decimal | None = None,
        trigger: Decimal | None = None,
        dry_run: bool = False,
    ) -> Reply:
        """Change an order's whole size, price or trigger; None stays."""
        from core.model.commands import AmendOrder

        command = AmendOrder(
            client_order_id=order_id,
            size=size,
            price=price,
            trigger_price=trigger,
            dry_run=dry_run,
        )
        return await self.ask(command)

    async def cancel_all(self, instrument: InstrumentId) -> Reply:
        """Cancel all orders of an instrument."""
        from core.model.commands import CancelAll

        return await self.ask(CancelAll(instrument=instrument))

    async def close(self, position: Position) -> Reply:
        """Close a position at market: this one, also where another is held apart."""
        from core.model.commands import ClosePosition

        command = ClosePosition(
            client_order_id=new_order_id(),
            instrument=position.instrument_id,
            position_side="long" if position.size > 0 else "short",
            account=position.venue or None,
        )
        return await self.ask(command)

    async def pause_executor(self, executor_id: str) -> Reply:
        """Let a TWAP's time stand still."""
        from core.model.commands import PauseExecutor

        return await self.ask(PauseExecutor(executor_id=executor_id))

    async def resume_executor(self, executor_id: str) -> Reply:
        """Let a paused TWAP go on."""
        from core.model.commands import ResumeExecutor

        return await self.ask(ResumeExecutor(executor_id=executor_id))

    async def stop_executor(self, executor_id: str) -> Reply:
        """Send no more of an executor's orders, and cancel those that rest."""
        from core.model.commands import StopExecutor

        return await self.ask(StopExecutor(executor_id=executor_id))

    async def toggle_strategy(self, view: StrategyView) -> Reply:
        """Enable a strategy that is off, disable one that is on."""
        from core.model.commands import DisableStrategy, EnableStrategy

        name = StrategyId(view.info.id)
        kind = DisableStrategy if view.enabled else EnableStrategy
        return await self.ask(kind(strategy=name))

    async def watch(self, instrument: InstrumentId) -> Reply:
        """Add an instrument to the watchlist."""
        from core.model.commands import WatchInstrument

        return await self.ask(WatchInstrument(instrument=instrument))


def new_order_id() -> ClientOrderId:
    """Make the one id an order will have for ever."""
    return client_order_id("tui", time.time_ns(), int.from_bytes(os.urandom(5)))


def submit(order_id: ClientOrderId, draft: Draft, size: Decimal, dry_run: bool = False) -> Command:
    """Return the command of an understood ticket: an order, a bracket or an OCO.

    Raises:
        ValueError: The draft has errors; they must be shown and mended first.
    """
    from core.model import placing

    if draft.errors or not size:
        raise ValueError(f"a ticket with errors cannot be sent: {draft.errors}")
    if draft.oco:
        build: Any = placing.submit_oco
    else:
        build = placing.submit_bracket if draft.line.bracket else placing.submit_order
    command: Command = build(draft.line, size, order_id, dry_run=dry_run, reason="by hand")
    return command


def order_words(order: Order) -> str:
    """Return an order in a few words: ``BUY 0.5 BTC-USDT @ 64,250.00``."""
    intent = order.intent
    symbol = intent.instrument_id.rpartition(".")[0]
    price = "at market" if intent.price is None else f"@ {intent.price:,f}"
    words = f"{intent.side.value.upper()} {intent.size.normalize():f} {symbol} {price}"
    if intent.type.conditional:
        trigger = f" {intent.trigger_price:,f}" if intent.trigger_price is not None else ""
        words += f" {intent.type.value.replace('_', ' ')}{trigger}"
    return words


def order_reply(order: Order) -> Reply:
    """Return what became of an order, as far as its state says."""
    state = order.state.value.replace("_", " ")
    # What holds an order says that it is held.
    notes = [order.note] if order.note.startswith(state) else [state, order.note]
    if order.filled and order.average_price is not None:
        at = f"at {round(order.average_price, 8).normalize():,f}"
        whole = order.intent.size.normalize()
        part = f"{order.filled.normalize():f} of {whole:f} filled {at}"
        notes = [f"filled {at}"] if order.state is OrderState.FILLED else [state, part, order.note]
    if order.amending:
        notes.append("a change is on its way")
    words = f"{order_words(order)}: {', '.join(filter(None, notes))}"
    if order.state in _REFUSED:
        return Reply(words, "error", order=order)
    return Reply(words, "warning" if order.state is OrderState.UNKNOWN else "info", order=order)


def group_reply(orders: Sequence[Order]) -> Reply:
    """Return what became of orders that hang together: the worst of them is said first."""
    replies = [order_reply(order) for order in orders]
    loudness = ("error", "warning", "info")
    replies.sort(key=lambda reply: loudness.index(reply.level))
    if replies and replies[0].level == "error":
        return replies[0]
    words = "; ".join(
        f"{order.intent.role.value or 'order'} {order_words(order)}: {_standing(order)}"
        for order in orders
    )
    level: Level = replies[0].level if replies else "info"
    return Reply(words, level, order=orders[0] if orders else None)


def _standing(order: Order) -> str:
    words = order.state.value.replace("_", " ")
    return f"{words} by the {order.held_by}" if order.held_by else words


def _stands(view: ExecutorView) -> str:
    """Return how an executor stands: ``is paused, 0.2 of 2 filled``."""
    words = view.ended or f"is {view.state}"
    return f"{words}, {view.filled.normalize():f} of {view.plan.size.normalize():f} filled"
