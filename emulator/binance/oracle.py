"""What the oracle tells of spot accounts: everything that ever happened, without any fault."""

from __future__ import annotations

from typing import Final

from core.model.market import Side
from emulator.binance.wire import Writer, amount
from emulator.market.accounts import Account, DeskOrder, Fill, Status
from emulator.market.truth import AccountTruth, BalanceTruth, FillTruth, OrderTruth, State

_STATES: Final[dict[Status, State]] = {
    Status.PENDING_NEW: "untriggered",
    Status.NEW: "open",
    Status.PARTIALLY_FILLED: "partially_filled",
    Status.FILLED: "filled",
    Status.CANCELED: "canceled",
    Status.EXPIRED: "expired",
    Status.EXPIRED_IN_MATCH: "expired",
}


def tell_account(account: Account, writers: dict[str, Writer]) -> AccountTruth:
    """Return everything of an account."""
    names = {(o.symbol, o.id): o.ticket.client_id for o in account.orders.values()}
    return AccountTruth(
        owner=str(account.owner),
        venue="binance",
        orders=[_order(order, writers[order.symbol]) for order in account.orders.values()],
        fills=[
            _fill(fill, names[(fill.symbol, fill.order_id)], writers[fill.symbol])
            for fill in account.fills
        ],
        positions=[],
        balances={
            asset: BalanceTruth(
                total=amount(free + locked), free=amount(free), locked=amount(locked)
            )
            for asset, (free, locked) in account.balances(tuple(account.free)).items()
        },
    )


def _order(order: DeskOrder, writer: Writer) -> OrderTruth:
    ticket = order.ticket
    state = _STATES[order.status]
    if order.status is Status.NEW and order.working_ms < 0:
        state = "untriggered"
    average = ""
    if order.filled:
        average = amount(order.notional * order.shard.listing.tick_e8 // order.filled)
    return OrderTruth(
        id=str(order.id),
        client_id=ticket.client_id,
        symbol=order.symbol,
        side="buy" if ticket.side is Side.BUY else "sell",
        type=ticket.kind.value,
        price=writer.price(ticket.price_ticks) if ticket.price_ticks else "",
        size=writer.size(order.lots),
        filled=writer.size(order.filled),
        average=average,
        state=state,
        trigger=writer.price(ticket.stop_ticks) if ticket.stop_ticks else "",
        created_ms=order.created_ms,
        updated_ms=order.updated_ms,
    )


def _fill(fill: Fill, client_id: str, writer: Writer) -> FillTruth:
    return FillTruth(
        id=str(fill.trade_id),
        order_id=str(fill.order_id),
        client_id=client_id,
        symbol=fill.symbol,
        side="buy" if fill.side is Side.BUY else "sell",
        price=writer.price(fill.price_ticks),
        size=writer.size(fill.lots),
        fee=amount(fill.fee_e8),
        fee_asset=fill.fee_asset,
        maker=fill.maker,
        ts_ms=fill.ts_ms,
    )
