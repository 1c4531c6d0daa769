"""What the oracle tells of accounts: everything that ever happened, without any fault."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from core.model.market import Side
from emulator.alpaca.trading.account import Account
from emulator.alpaca.trading.orders import Fill, Order
from emulator.market.truth import (
    AccountTruth,
    BalanceTruth,
    FillTruth,
    OrderTruth,
    PositionTruth,
    State,
)

_STATES: Final[dict[str, State]] = {
    "accepted": "open",
    "pending_new": "open",
    "new": "open",
    "held": "untriggered",
    "partially_filled": "partially_filled",
    "filled": "filled",
    "canceled": "canceled",
    "replaced": "canceled",
    "expired": "expired",
    "rejected": "rejected",
}


def tell_account(account: Account) -> AccountTruth:
    """Return everything of an account; its coins are positions, as the venue has them."""
    spoken = account.spoken_for(margin=False)
    return AccountTruth(
        owner=f"{account.owner} {account.name}",
        venue="alpaca",
        orders=[_order(order) for order in account.orders.values()],
        fills=[_fill(fill) for fill in account.fills],
        positions=[
            PositionTruth(symbol=symbol, size=_text(position.qty), entry=_text(position.entry))
            for symbol, position in account.positions.items()
        ],
        balances={
            "USD": BalanceTruth(
                total=_text(account.cash), free=_text(account.cash - spoken), locked=_text(spoken)
            )
        },
    )


def _text(value: Decimal) -> str:
    return format(value, "f")


def _order(order: Order) -> OrderTruth:
    state = _STATES[order.status]
    if order.conditional and order.open and not order.engine_id and not order.filled_qty:
        state = "untriggered"
    return OrderTruth(
        id=order.id,
        client_id=order.client_id,
        symbol=order.instrument.symbol,
        side="buy" if order.side is Side.BUY else "sell",
        type=order.type,
        price=_text(order.limit) if order.limit is not None else "",
        size=_text(order.qty),
        filled=_text(order.filled_qty),
        average=_text(order.average) if order.average is not None else "",
        state=state,
        trigger=_text(order.stop) if order.stop is not None else "",
        parent=order.parent.id if order.parent is not None else "",
        created_ms=order.created_ms,
        updated_ms=order.updated_ms,
    )


def _fill(fill: Fill) -> FillTruth:
    return FillTruth(
        id=fill.id,
        order_id=fill.order.id,
        client_id=fill.order.client_id,
        symbol=fill.order.instrument.symbol,
        side="buy" if fill.order.side is Side.BUY else "sell",
        price=_text(fill.price),
        size=_text(fill.qty),
        fee=_text(fill.fee),
        fee_asset=fill.fee_asset,
        maker=fill.maker,
        ts_ms=fill.ts_ms,
    )
