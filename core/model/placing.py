"""The commands that an order line comes to, once its size is known; the same for every face."""

from __future__ import annotations

from decimal import Decimal

from core.model.commands.inspecting import PreviewOrder
from core.model.commands.trading import SubmitBracket, SubmitOco, SubmitOrder
from core.model.errors import ConfigError
from core.model.grammar import OrderLine
from core.model.ids import ClientOrderId
from core.model.orders import OrderType


def preview_order(line: OrderLine) -> PreviewOrder:
    """Return the question what a line would come to."""
    return PreviewOrder(
        instrument=line.instrument,
        side=line.side,
        amount=line.amount.text,
        type=line.type,
        price=line.price,
        trigger_price=line.trigger_price,
        post_only=line.post_only,
        stop_price=line.stop_price,
        stop_trail=line.stop_trail,
        stop_trail_pct=line.stop_trail_pct,
        target_price=line.target_price,
        position_side=line.position_side,
        account=line.account,
    )


def submit_order(
    line: OrderLine, size: Decimal, order_id: ClientOrderId, *, dry_run: bool, reason: str = ""
) -> SubmitOrder:
    """Return the command of a line without exits."""
    return SubmitOrder(
        client_order_id=order_id,
        instrument=line.instrument,
        side=line.side,
        type=line.type,
        size=size,
        price=line.price,
        time_in_force=line.time_in_force,
        expire_ns=line.expire_ns,
        extended_hours=line.extended_hours,
        post_only=line.post_only,
        reduce_only=line.reduce_only,
        trigger_price=line.trigger_price,
        trigger_by=line.trigger_by,
        trail=line.trail,
        trail_pct=line.trail_pct,
        display_size=line.display_size,
        position_side=line.position_side,
        account=line.account,
        dry_run=dry_run,
        reason=reason,
    )


def submit_bracket(
    line: OrderLine, size: Decimal, order_id: ClientOrderId, *, dry_run: bool, reason: str = ""
) -> SubmitBracket:
    """Return the command of a line with exits.

    Raises:
        ConfigError: It is for extended hours, which exits do not have.
    """
    if line.extended_hours:
        raise ConfigError("'ext': orders with exits trade in regular hours alone; drop sl and tp")
    return SubmitBracket(
        client_order_id=order_id,
        instrument=line.instrument,
        side=line.side,
        type=line.type,
        size=size,
        price=line.price,
        entry_trigger=line.trigger_price,
        time_in_force=line.time_in_force,
        expire_ns=line.expire_ns,
        post_only=line.post_only,
        position_side=line.position_side,
        stop_price=line.stop_price,
        stop_limit=line.stop_limit,
        trail=line.stop_trail,
        trail_pct=line.stop_trail_pct,
        target_price=line.target_price,
        trigger_by=line.trigger_by,
        account=line.account,
        dry_run=dry_run,
        reason=reason,
    )


def submit_oco(
    line: OrderLine, size: Decimal, group_id: ClientOrderId, *, dry_run: bool, reason: str = ""
) -> SubmitOco:
    """Return the command of two exits of which one cancels the other.

    Raises:
        ConfigError: The line says something two exits cannot have, or lacks one of them.
    """
    if line.price is not None:
        raise ConfigError(f"an OCO takes its prices by sl and tp, was @{line.price:f}")
    if line.stop_price is None or line.target_price is None:
        raise ConfigError("an OCO needs both its exits, such as: sl 63000 tp 67000")
    manners = line.expire_ns or line.post_only or line.extended_hours
    if line.type is not OrderType.MARKET or manners:
        raise ConfigError("an OCO has exits only: drop the trigger, gtd, ext and post")
    return SubmitOco(
        client_order_id=group_id,
        instrument=line.instrument,
        side=line.side,
        size=size,
        stop_price=line.stop_price,
        stop_limit=line.stop_limit,
        target_price=line.target_price,
        trigger_by=line.trigger_by,
        account=line.account,
        dry_run=dry_run,
        reason=reason,
    )
