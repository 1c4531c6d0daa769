"""What the oracle tells of margin accounts, in exact decimals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from emulator.market.derivatives.account import MarginAccount
from emulator.market.derivatives.orders import Conditional, Fill, Order, Status, Wait
from emulator.market.derivatives.product import Product
from emulator.market.listings import E8
from emulator.market.truth import (
    AccountTruth,
    BalanceTruth,
    FillTruth,
    OrderTruth,
    PositionTruth,
    State,
)
from emulator.wire.numbers import Scale, short

_STATES: Final[dict[Status, State]] = {
    Status.NEW: "open",
    Status.PARTIALLY_FILLED: "partially_filled",
    Status.FILLED: "filled",
    Status.CANCELED: "canceled",
    Status.EXPIRED: "expired",
}
_WAITS: Final[dict[Wait, State]] = {
    Wait.ARMED: "untriggered",
    Wait.TRIGGERED: "triggered",
    Wait.FINISHED: "triggered",
    Wait.CANCELED: "canceled",
    Wait.EXPIRED: "expired",
    Wait.REJECTED: "rejected",
}


Name = Callable[[Order | Conditional], str]
"""Gives an order's id as its venue has it."""


def e8(amount: int) -> str:
    """Write an amount of 1e-8."""
    return short(amount, 8)


def average_e8(product: Product, order: Order) -> int:
    """Return an order's average price in 1e-8, to the nearest."""
    if not order.filled:
        return 0
    return (2 * order.notional * product.tick_e8 + order.filled) // (2 * order.filled)


def _number(row: Order | Conditional) -> str:
    return str(row.id)


def account_truth(
    venue: str,
    account: MarginAccount,
    scales: dict[str, Scale],
    name: Name = _number,
) -> AccountTruth:
    """Return everything about an account; `name` gives an order's id as the venue has it."""
    orders = [
        (each.created_ms, each.id, _order(each, scales, name)) for each in account.orders.values()
    ]
    orders += [
        (each.created_ms, each.id, _conditional(each, scales, name))
        for each in account.conditionals.values()
    ]
    orders.sort(key=lambda each: each[:2])
    assets = sorted({*account.cash, *(p.product.settle for p in account.open_positions())})
    return AccountTruth(
        owner=str(account.owner),
        venue=venue,
        orders=[truth for _, _, truth in orders],
        fills=[_fill(each, scales, name) for each in account.fills],
        positions=[
            PositionTruth(
                symbol=each.product.symbol,
                side=each.leg.value,
                size=scales[each.product.symbol].short_size(each.lots),
                entry=e8(each.entry_e8),
            )
            for each in account.open_positions()
        ],
        balances={
            asset: BalanceTruth(
                total=e8(account.cash.get(asset, 0)),
                free=e8(account.available_e8(asset)),
                locked=e8(account.held.get(asset, 0)),
            )
            for asset in assets
        },
    )


def _order(order: Order, scales: dict[str, Scale], name: Name) -> OrderTruth:
    scale, ticket = scales[order.product.symbol], order.ticket
    return OrderTruth(
        id=name(order),
        client_id=ticket.client_id,
        symbol=order.product.symbol,
        side=ticket.side.value,
        type="market" if ticket.market else "limit",
        price="" if ticket.market else scale.short_price(order.price_ticks),
        size=scale.short_size(order.lots),
        filled=scale.short_size(order.filled),
        average=e8(average_e8(order.product, order)) if order.filled else "",
        state=_STATES[order.status],
        reduce_only=ticket.only_closes,
        position_side=ticket.leg.value,
        parent=name(order.parent) if order.parent is not None else "",
        created_ms=order.created_ms,
        updated_ms=order.updated_ms,
    )


def _conditional(waits: Conditional, scales: dict[str, Scale], name: Name) -> OrderTruth:
    scale, ticket = scales[waits.product.symbol], waits.ticket
    trigger = (waits.fired or waits.branches[0]).trigger
    return OrderTruth(
        id=name(waits),
        client_id=waits.client_id,
        symbol=waits.product.symbol,
        side=ticket.side.value,
        type=str(waits.words.get("type", "conditional")).lower(),
        price="" if ticket.market else scale.short_price(ticket.price_ticks),
        size="" if ticket.close else scale.short_size(ticket.lots),
        filled="0",
        average="",
        state=_WAITS[waits.state],
        reduce_only=ticket.only_closes,
        position_side=ticket.leg.value,
        trigger=e8(trigger.price),
        created_ms=waits.created_ms,
        updated_ms=waits.updated_ms,
    )


def _fill(fill: Fill, scales: dict[str, Scale], name: Name) -> FillTruth:
    scale = scales[fill.product.symbol]
    return FillTruth(
        id=str(fill.trade_id),
        order_id=name(fill.order),
        client_id=fill.order.ticket.client_id,
        symbol=fill.product.symbol,
        side=fill.side.value,
        price=scale.short_price(fill.price_ticks),
        size=scale.short_size(fill.lots),
        fee=e8(fill.fee_e8),
        fee_asset=fill.fee_asset,
        maker=fill.maker,
        position_side=fill.order.ticket.leg.value,
        realized=e8(fill.realized_e8),
        ts_ms=fill.ts_ms,
    )


def units(amount_e8: int) -> float:
    """Return an amount as a JSON number."""
    return amount_e8 / E8
