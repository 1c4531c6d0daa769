"""Orders, and what lets them through."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field

from core.model.commands.base import Command, Done, Tier
from core.model.commands.reports import FlattenReport, GroupReport, KillReport, OrderReport
from core.model.executors import ExecutorKind, ExecutorView
from core.model.ids import ClientOrderId, InstrumentId, StrategyId, VenueName
from core.model.market import Side
from core.model.orders import OrderType, PositionSide, TimeInForce, TriggerBy


class Arm(Command):
    """Let the keyboard trade an instrument for a while."""

    name = "arm"
    title = "Arm"
    help = "Let orders from the terminal through for one instrument, for a limited time."
    tier = Tier.TRADE
    result = Done
    instrument: InstrumentId
    seconds: int | None = Field(None, ge=5, le=3600)
    """None: as long as trading.arm_seconds says."""
    dry_run: bool = Field(False, description="say whether it would be armed")


class Disarm(Command):
    """End arming."""

    name = "disarm"
    title = "Disarm"
    help = "Refuse orders from the terminal again, for one instrument or all."
    tier = Tier.MUTATE
    result = Done
    instrument: InstrumentId | None = None
    dry_run: bool = Field(False, description="say what would be disarmed")


class SubmitOrder(Command):
    """Place an order."""

    name = "submit_order"
    title = "Submit order"
    help = "Place an order of any type; the same client order id never sends twice."
    tier = Tier.TRADE
    result = OrderReport
    client_order_id: ClientOrderId
    instrument: InstrumentId
    side: Side
    type: OrderType = OrderType.LIMIT
    size: Decimal = Field(gt=0, description="in the base asset, or contracts")
    price: Decimal | None = Field(None, gt=0, description="needed for a limit order")
    time_in_force: TimeInForce = TimeInForce.GTC
    expire_ns: int = Field(0, ge=0, description="UTC end of a gtd order")
    extended_hours: bool = Field(False, description="trade outside of regular hours, too")
    post_only: bool = False
    reduce_only: bool = False
    trigger_price: Decimal | None = Field(None, gt=0, description="of a stop or take-profit order")
    trigger_by: TriggerBy = TriggerBy.LAST
    trail: Decimal | None = Field(None, gt=0, description="a trailing stop's distance in price")
    trail_pct: Decimal | None = Field(None, gt=0, lt=100, description="the same in per cent")
    display_size: Decimal | None = Field(None, gt=0, description="what an iceberg shows")
    position_side: PositionSide = PositionSide.NET
    account: VenueName | None = Field(None, description="one of the venue's accounts")
    dry_run: bool = Field(False, description="check everything, send nothing")
    reason: str = Field("", max_length=200)


class SubmitBracket(Command):
    """Place an entry with its exits."""

    name = "submit_bracket"
    title = "Submit bracket"
    help = "Place an entry with a stop and, if wanted, a target, held back until it fills."
    tier = Tier.TRADE
    result = GroupReport
    client_order_id: ClientOrderId
    """Of the entry; the exits' ids are made of it."""
    instrument: InstrumentId
    side: Side = Field(description="of the entry")
    type: OrderType = OrderType.LIMIT
    size: Decimal = Field(gt=0)
    price: Decimal | None = Field(None, gt=0, description="of the entry; needed for a limit order")
    entry_trigger: Decimal | None = Field(None, gt=0, description="of a stop entry")
    time_in_force: TimeInForce = TimeInForce.GTC
    expire_ns: int = Field(0, ge=0, description="UTC end of a gtd entry")
    post_only: bool = Field(False, description="of the entry")
    position_side: PositionSide = PositionSide.NET
    stop_price: Decimal | None = Field(None, gt=0, description="the stop's trigger")
    stop_limit: Decimal | None = Field(None, gt=0, description="the stop's limit; none: at market")
    trail: Decimal | None = Field(None, gt=0, description="a trailing stop's distance in price")
    trail_pct: Decimal | None = Field(None, gt=0, lt=100, description="the same in per cent")
    target_price: Decimal | None = Field(None, gt=0, description="the target's limit price")
    trigger_by: TriggerBy = TriggerBy.LAST
    account: VenueName | None = None
    dry_run: bool = False
    reason: str = Field("", max_length=200)


class SubmitOco(Command):
    """Place two exits of which one cancels the other."""

    name = "submit_oco"
    title = "Submit OCO"
    help = "Place a stop and a target for a position; what one fills, the other gives up."
    tier = Tier.TRADE
    result = GroupReport
    client_order_id: ClientOrderId
    """Of the group; the orders' ids are made of it."""
    instrument: InstrumentId
    side: Side = Field(description="of both orders")
    size: Decimal = Field(gt=0)
    stop_price: Decimal = Field(gt=0, description="the stop's trigger")
    stop_limit: Decimal | None = Field(None, gt=0, description="the stop's limit; none: at market")
    target_price: Decimal = Field(gt=0, description="the target's limit price")
    trigger_by: TriggerBy = TriggerBy.LAST
    account: VenueName | None = None
    dry_run: bool = False
    reason: str = Field("", max_length=200)


class AmendOrder(Command):
    """Change an order."""

    name = "amend_order"
    title = "Amend order"
    help = "Change size, price or trigger; where the venue cannot, it is cancelled and sent anew."
    tier = Tier.TRADE
    result = OrderReport
    client_order_id: ClientOrderId
    size: Decimal | None = Field(None, gt=0, description="the new whole size, what filled included")
    price: Decimal | None = Field(None, gt=0)
    trigger_price: Decimal | None = Field(None, gt=0)
    dry_run: bool = False


class CancelOrder(Command):
    """Cancel one order."""

    name = "cancel_order"
    title = "Cancel order"
    help = "Cancel an order by its client order id."
    tier = Tier.TRADE
    result = OrderReport
    client_order_id: ClientOrderId
    dry_run: bool = Field(False, description="say what would be cancelled")


class CancelAll(Command):
    """Cancel all orders."""

    name = "cancel_all"
    title = "Cancel all"
    help = "Cancel all open orders of clx, or those of one instrument or strategy."
    tier = Tier.TRADE
    result = KillReport
    instrument: InstrumentId | None = None
    strategy: StrategyId | None = None
    dry_run: bool = Field(False, description="count what would be cancelled")


class Flatten(Command):
    """Cancel orders and close positions."""

    name = "flatten"
    title = "Flatten"
    help = "Cancel the orders and close the positions of one instrument, or of all; entries go on."
    tier = Tier.DANGEROUS
    result = FlattenReport
    instrument: InstrumentId | None = None
    reason: str = Field("", max_length=200)
    dry_run: bool = Field(False, description="count what would be cancelled and closed")


class ClosePosition(Command):
    """Close a position at market."""

    name = "close_position"
    title = "Close position"
    help = "Close a position with a reduce-only market order; of two held apart, say which side."
    tier = Tier.TRADE
    result = OrderReport
    client_order_id: ClientOrderId
    instrument: InstrumentId
    position_side: Literal["long", "short"] | None = Field(
        None, description="needed where long and short are held apart and both are open"
    )
    account: VenueName | None = Field(None, description="needed where several hold a position")
    dry_run: bool = False


class StartExecutor(Command):
    """Spread an order over time or prices."""

    name = "start_executor"
    title = "Start executor"
    help = "Carry out a wish by many orders: a TWAP over time, or a scaled entry over prices."
    tier = Tier.TRADE
    result = ExecutorView
    executor_id: str = Field(description="its orders are named after it; the same one starts once")
    kind: ExecutorKind
    instrument: InstrumentId
    side: Side
    size: Decimal = Field(gt=0, description="of all orders together")
    orders: int = Field(10, ge=2, le=500, description="into how many parts it goes")
    seconds: int = Field(0, ge=0, le=7 * 86_400, description="of a TWAP, from first to last part")
    price: Decimal | None = Field(None, gt=0, description="a TWAP's worst, a scaled one's first")
    last_price: Decimal | None = Field(None, gt=0, description="a scaled one's last price")
    post_only: bool = False
    reduce_only: bool = False
    account: VenueName | None = None
    dry_run: bool = False
    reason: str = Field("", max_length=200)


class StopExecutor(Command):
    """Stop an executor."""

    name = "stop_executor"
    title = "Stop executor"
    help = "Send no more of an executor's orders, and cancel those that rest."
    tier = Tier.TRADE
    result = ExecutorView
    executor_id: str
    dry_run: bool = Field(False, description="say how far it is, stop nothing")


class PauseExecutor(Command):
    """Let a TWAP's time stand still."""

    name = "pause_executor"
    title = "Pause executor"
    help = "Send none of a TWAP's parts until it is resumed; its end moves back by as much."
    tier = Tier.TRADE
    result = ExecutorView
    executor_id: str
    dry_run: bool = Field(False, description="say whether it can be paused")


class ResumeExecutor(Command):
    """Let a paused TWAP go on."""

    name = "resume_executor"
    title = "Resume executor"
    help = "Let a paused TWAP go on where it stood; what the pause left out is not caught up."
    tier = Tier.TRADE
    result = ExecutorView
    executor_id: str
    dry_run: bool = Field(False, description="say whether it can go on")
