"""Questions about orders before, during and after their life, and about what it all came to."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from core.model.commands.base import Command, Tier
from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.inspection import OrderLife, OrderPreview, PortfolioView
from core.model.market import Side
from core.model.orders import OrderType, PositionSide


class PreviewOrder(Command):
    """Work out what an order would come to."""

    name = "preview_order"
    title = "Preview order"
    help = "Work out an order's size, cost, fee, margin, risk and the position after it."
    tier = Tier.READ
    result = OrderPreview
    instrument: InstrumentId
    side: Side
    amount: str = Field(description="0.5, $1000, 10% (of equity) or r1% (lost at the stop)")
    type: OrderType = OrderType.LIMIT
    price: Decimal | None = Field(None, gt=0, description="of a limit order")
    trigger_price: Decimal | None = Field(None, gt=0, description="of a conditional order")
    post_only: bool = False
    stop_price: Decimal | None = Field(None, gt=0, description="the stop's trigger")
    stop_trail: Decimal | None = Field(None, gt=0, description="its distance, if it trails")
    stop_trail_pct: Decimal | None = Field(None, gt=0, lt=100, description="the same in per cent")
    target_price: Decimal | None = Field(None, gt=0)
    position_side: PositionSide = PositionSide.NET
    account: VenueName | None = None


class GetOrderLife(Command):
    """The whole life of one order."""

    name = "get_order_life"
    title = "Why"
    help = "Tell an order's whole life: intent, checks, bytes sent, answers, fills and times."
    tier = Tier.READ
    result = OrderLife
    client_order_id: ClientOrderId = Field(description="or its end, where only one order has it")


class GetPortfolio(Command):
    """What the account came to."""

    name = "get_portfolio"
    title = "Portfolio"
    help = "Show the equity curve, exposure, and profit by strategy, instrument and day."
    tier = Tier.READ
    result = PortfolioView
    points: int = Field(400, ge=2, le=5000, description="points of the curve at most")
    hours: int = Field(0, ge=0, le=24 * 366, description="how far back the curve goes; 0: all")
