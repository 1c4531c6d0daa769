"""Where the screen's wishes become commands, and the engine's answers become words.

Every request ends in a `Reply`: refusals and a lost link are answers to be shown, not exceptions.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct

from core.model.errors import ClxError, LinkError
from core.model.ids import ClientOrderId, InstrumentId, StrategyId, client_order_id
from core.model.orders import Order, OrderState
from core.model.views import StrategyView
from tui.preview import Draft
from tui.safety import EngineClock, armed_left_s

if TYPE_CHECKING:
    from core.model.commands import Command, SubmitOrder
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
        from core.model.commands import Done, KillReport, OrderReport

        try:
            result = await self.link.request(command)
        except LinkError as error:
            return Reply(f"outcome unknown: {error}", "error", unknown=True)
        except ClxError as error:
            return Reply(str(error), "error")
        match result:
            case OrderReport():
                return order_reply(result.order)
            case KillReport():
                closing = len(result.closing_orders)
                words = f"gate {result.risk_state.value}, {_count(result.cancels, 'cancel')}"
                return Reply(words + (f", {closing} closing" if closing else ""), result=result)
            case Done():
                return Reply(result.text, result=result)
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

    async def cancel_all(self, instrument: InstrumentId) -> Reply:
        """Cancel all orders of an instrument."""
        from core.model.commands import CancelAll

        return await self.ask(CancelAll(instrument=instrument))

    async def close(self, instrument: InstrumentId) -> Reply:
        """Close a position at market."""
        from core.model.commands import ClosePosition

        return await self.ask(ClosePosition(client_order_id=new_order_id(), instrument=instrument))

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
    return client_order_id("tui", time.time_ns(), secrets.randbits(40))


def submit_order(
    order_id: ClientOrderId, instrument: InstrumentId, draft: Draft, dry_run: bool = False
) -> SubmitOrder:
    """Return the command of an understood ticket.

    Raises:
        ValueError: The draft has errors; they must be shown and mended first.
    """
    from core.model.commands import SubmitOrder
    from core.model.market import Side
    from core.model.orders import OrderType, TimeInForce

    if draft.errors or draft.size is None:
        raise ValueError(f"a ticket with errors cannot be sent: {draft.errors}")
    return SubmitOrder(
        client_order_id=order_id,
        instrument=instrument,
        side=Side(draft.side),
        type=OrderType(draft.type),
        size=draft.size,
        price=draft.price,
        time_in_force=TimeInForce(draft.time_in_force),
        post_only=draft.post_only,
        reduce_only=draft.reduce_only,
        dry_run=dry_run,
        reason="by hand",
    )


def order_words(order: Order) -> str:
    """Return an order in a few words: ``BUY 0.5 BTC-USDT @ 64,250.00``."""
    intent = order.intent
    symbol = intent.instrument_id.rpartition(".")[0]
    price = "at market" if intent.price is None else f"@ {intent.price:,f}"
    return f"{intent.side.value.upper()} {intent.size:f} {symbol} {price}"


def order_reply(order: Order) -> Reply:
    """Return what became of an order, as far as its state says."""
    words = f"{order_words(order)}: {order.state.value.replace('_', ' ')}"
    if order.note:
        words += f", {order.note}"
    if order.state in _REFUSED:
        return Reply(words, "error", order=order)
    return Reply(words, "warning" if order.state is OrderState.UNKNOWN else "info", order=order)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
