"""How Deribit writes orders, own trades, positions, accounts and the transaction log."""

from __future__ import annotations

from typing import Final

from emulator.deribit.instruments import currency, kind_of
from emulator.deribit.wire import Writer
from emulator.market.derivatives.account import MarginAccount
from emulator.market.derivatives.orders import (
    Category,
    Conditional,
    Ending,
    Entry,
    Fill,
    Order,
    Status,
    Wait,
)
from emulator.market.derivatives.position import Position
from emulator.market.derivatives.product import Economy, Product
from emulator.market.listings import E8
from emulator.market.triggers import Watched
from emulator.wire.telling import units
from emulator.wire.venue import Json

_STATES: Final = {
    Status.NEW: "open",
    Status.PARTIALLY_FILLED: "open",
    Status.FILLED: "filled",
    Status.CANCELED: "cancelled",
    Status.EXPIRED: "cancelled",
}
_WAITS: Final = {
    Wait.ARMED: "untriggered",
    Wait.TRIGGERED: "triggered",
    Wait.FINISHED: "triggered",
    Wait.CANCELED: "cancelled",
    Wait.EXPIRED: "cancelled",
    Wait.REJECTED: "rejected",
}
_REASONS: Final = {
    Ending.USER: "user_request",
    Ending.LIQUIDATION: "autoliquidation",
    Ending.DEAD_MAN: "cancel_on_disconnect",
    Ending.DISCONNECT: "cancel_on_disconnect",
    Ending.REDUCE_ONLY: "reduce_only",
    Ending.SELF_TRADE: "self_trade",
}
TRIGGERS: Final = {
    "last_price": Watched.LAST,
    "mark_price": Watched.MARK,
    "index_price": Watched.INDEX,
}
_WATCHED: Final = {watched: name for name, watched in TRIGGERS.items()}
_KINDS: Final = {
    "stop_limit": "SL",
    "stop_market": "SL",
    "take_limit": "TP",
    "take_market": "TP",
    "trailing_stop": "TS",
}
_LETTERS: Final = {Watched.LAST: "T", Watched.MARK: "M", Watched.INDEX: "I"}


def order_id(row: Order | Conditional) -> str:
    """Return an order's id: ``ETH-17``, ``USDC-SLMB-17``; at BTC there is no currency."""
    of = currency(row.product.shard.listing)
    prefix = "" if of == "BTC" else f"{of}-"
    if isinstance(row, Order):
        return f"{prefix}{row.id}"
    watched = row.branches[0].trigger.watches
    return f"{prefix}{_KINDS[row.words['order_type']]}{_LETTERS[watched]}B-{row.id}"


def _amounts(product: Product, writer: Writer, lots: int) -> tuple[float, float]:
    """Return a size as amount and as contracts."""
    amount = writer.scale.size_number(lots)
    return amount, amount if product.option else amount / max(1.0, writer.scale.size_number(1))


def average(row: Order, writer: Writer) -> float:
    """Return an order's average price, 0 before the first fill."""
    decimals = writer.scale.price_decimals + 4
    return round(writer.scale.price_number(1) * row.average_ticks, decimals)


def order(row: Order, writer: Writer) -> Json:
    """Write an order."""
    said, ticket = row.ticket.words, row.ticket
    amount, contracts = _amounts(row.product, writer, row.lots)
    told: Json = {
        "order_id": order_id(row),
        "order_state": _STATES[row.status],
        "order_type": said.get("order_type", "market"),
        "time_in_force": said.get("time_in_force", "good_til_cancelled"),
        "instrument_name": row.product.symbol,
        "creation_timestamp": row.created_ms,
        "last_update_timestamp": row.updated_ms,
        "direction": ticket.side.value,
        "price": writer.scale.price_number(row.price_ticks or round(row.average_ticks)),
        "label": ticket.client_id,
        "post_only": said.get("post_only", False),
        "reject_post_only": said.get("reject_post_only", False),
        "reduce_only": ticket.reduce_only,
        "api": True,
        "web": False,
        "mmp": False,
        "amount": amount,
        "contracts": contracts,
        "filled_amount": writer.scale.size_number(row.filled),
        "average_price": average(row, writer),
        "is_liquidation": ticket.category is Category.LIQUIDATION,
        "is_rebalance": False,
        "risk_reducing": ticket.only_closes,
        "replaced": row.amends > 0,
    }
    if ticket.peak:
        told["display_amount"] = writer.scale.size_number(ticket.peak)
    if row.parent is not None:
        told |= {
            "triggered": True,
            "trigger_order_id": order_id(row.parent),
            "trigger": _WATCHED[row.parent.branches[0].trigger.watches],
            "original_order_type": row.parent.words["order_type"],
        }
    if row.status in (Status.CANCELED, Status.EXPIRED) and row.ending is not None:
        told["cancel_reason"] = _REASONS.get(row.ending, "other")
    return told


def conditional(waits: Conditional, writer: Writer) -> Json:
    """Write an order that waits for its trigger."""
    said, ticket, trigger = waits.words, waits.ticket, waits.branches[0].trigger
    amount, contracts = _amounts(waits.product, writer, ticket.lots)
    told: Json = {
        "order_id": order_id(waits),
        "order_state": _WAITS[waits.state],
        "order_type": said["order_type"],
        "time_in_force": said["time_in_force"],
        "instrument_name": waits.product.symbol,
        "creation_timestamp": waits.created_ms,
        "last_update_timestamp": waits.updated_ms,
        "direction": ticket.side.value,
        "price": (
            "market_price" if ticket.market else writer.scale.price_number(ticket.price_ticks)
        ),
        "label": waits.client_id,
        "post_only": said["post_only"],
        "reject_post_only": said["reject_post_only"],
        "reduce_only": ticket.reduce_only,
        "api": True,
        "web": False,
        "mmp": False,
        "amount": amount,
        "contracts": contracts,
        "is_liquidation": False,
        "is_rebalance": False,
        "risk_reducing": ticket.only_closes,
        "replaced": bool(said.get("replaced")),
        "triggered": waits.child is not None,
        "trigger": _WATCHED[trigger.watches],
        "trigger_price": units(trigger.price),
    }
    if trigger.trailing:
        told["trigger_offset"] = units(trigger.trail)
        told["trigger_reference_price"] = units(trigger.best)
    if waits.state in (Wait.CANCELED, Wait.EXPIRED):
        told["cancel_reason"] = _REASONS.get(waits.ending or Ending.USER, "other")
    return told


def trade(fill: Fill, writer: Writer) -> Json:
    """Write an own trade."""
    product, made = fill.product, fill.order
    amount, contracts = _amounts(product, writer, fill.lots)
    told: Json = {
        "trade_id": writer.own_trade_id(fill.trade_id),
        "trade_seq": fill.trade_id,
        "instrument_name": product.symbol,
        "timestamp": fill.ts_ms,
        "order_type": made.ticket.words.get("order_type", "market"),
        "order_id": order_id(made),
        "matching_id": None,
        "direction": fill.side.value,
        "tick_direction": 1,
        "index_price": writer.index(),
        "price": writer.scale.price_number(fill.price_ticks),
        "amount": amount,
        "contracts": contracts,
        "liquidity": "M" if fill.maker else "T",
        "fee": units(fill.fee_e8),
        "fee_currency": fill.fee_asset,
        "label": made.ticket.client_id,
        "state": _STATES[made.status],
        "reduce_only": made.ticket.reduce_only,
        "post_only": bool(made.ticket.words.get("post_only", False)),
        "mmp": False,
        "risk_reducing": made.ticket.only_closes,
        "api": True,
        "profit_loss": units(fill.realized_e8),
        "mark_price": units(fill.mark_e8),
    }
    if made.ticket.category is not Category.NORMAL:
        told["liquidation"] = "M" if fill.maker else "T"
    return told


def position(row: Position, account: MarginAccount, writer: Writer) -> Json:
    """Write a position; sizes are in dollars where the contract is inverse."""
    product, mark = row.product, row.product.mark_e8()
    scale = writer.scale
    size = scale.size_number(row.lots)
    floating = units(row.unrealized_e8(mark))
    in_coin = size
    if product.economy is Economy.INVERSE:
        in_coin = units(product.worth_e8(mark, abs(row.lots))) * (1 if row.lots > 0 else -1)
    told: Json = {
        "instrument_name": product.symbol,
        "kind": kind_of(product.shard.listing),
        "average_price": units(row.entry_e8),
        "direction": "buy" if row.lots > 0 else "sell" if row.lots < 0 else "zero",
        "mark_price": units(mark),
        "delta": in_coin,
        "index_price": writer.index(),
        "initial_margin": units(account.position_margin_e8(row)) if row.lots else 0.0,
        "maintenance_margin": units(product.maintenance_e8(row.lots, mark)) if row.lots else 0.0,
        "settlement_price": units(mark),
        "total_profit_loss": floating + units(row.realized_e8),
        "floating_profit_loss": floating,
        "realized_profit_loss": units(row.realized_e8),
        "size": size,
        "estimated_liquidation_price": units(account.liquidation_e8(row)),
        "open_orders_margin": 0.0,
    }
    if product.option:
        told |= {"average_price_usd": told["average_price"] * writer.index(), "gamma": 0.0}
        told |= {"vega": 0.0, "theta": 0.0, "floating_profit_loss_usd": floating * writer.index()}
        return told
    told |= {
        "size_currency": in_coin,
        "leverage": account.leverage_of(product),
        "realized_funding": units(row.funding_e8),
        "interest_value": writer.future.funding_rate if writer.future is not None else 0.0,
    }
    return told


def portfolio(account: MarginAccount, asset: str, dollars: float) -> Json:
    """Write what ``user.portfolio`` tells of a currency that is worth so many dollars.

    Profit is paid into the balance as it is made, so of the session's none is left to be settled:
    equity is balance, session profit and what is open, as everywhere at the venue.
    """
    rows = account.open_positions(asset)
    options = [row for row in rows if row.product.option]
    worth = sum(row.worth_e8(row.product.mark_e8()) for row in options)
    floating = sum(
        row.unrealized_e8(row.product.mark_e8()) for row in rows if not row.product.option
    )
    realized = sum(
        row.realized_e8 for row in account.positions.values() if row.product.settle == asset
    )
    equity, initial = account.equity_e8(asset), account.initial_e8(asset)
    maintenance = account.maintenance_e8(asset)
    delta = sum(_delta(row) for row in rows)
    zero = (
        "options_delta options_gamma options_pl options_session_rpl options_session_upl "
        "options_theta options_vega additional_reserve spot_reserve fee_balance locked_balance"
    )
    return {
        **dict.fromkeys(zero.split(), 0.0),
        "options_gamma_map": {},
        "options_theta_map": {},
        "options_vega_map": {},
        "delta_total_map": {},
        "currency": asset,
        "balance": units(account.cash.get(asset, 0)),
        "equity": units(equity),
        "margin_balance": units(equity),
        "available_funds": units(account.available_e8(asset)),
        "available_withdrawal_funds": units(
            max(0, min(account.available_e8(asset), account.cash.get(asset, 0)))
        ),
        "initial_margin": units(initial),
        "maintenance_margin": units(maintenance),
        "projected_initial_margin": units(initial),
        "projected_maintenance_margin": units(maintenance),
        "delta_total": delta,
        "projected_delta_total": delta,
        "futures_pl": units(floating + realized),
        "futures_session_rpl": 0.0,
        "futures_session_upl": units(floating),
        "options_value": units(worth),
        "session_rpl": 0.0,
        "session_upl": units(floating),
        "total_pl": units(floating + realized),
        "total_equity_usd": units(equity) * dollars,
        "total_margin_balance_usd": units(equity) * dollars,
        "total_initial_margin_usd": units(initial) * dollars,
        "total_maintenance_margin_usd": units(maintenance) * dollars,
        "total_delta_total_usd": delta * dollars,
        "margin_model": "segregated_sm",
        "portfolio_margining_enabled": False,
        "cross_collateral_enabled": False,
    }


def _delta(row: Position) -> float:
    product = row.product
    if product.economy is Economy.INVERSE:
        coins = units(product.worth_e8(product.mark_e8(), abs(row.lots)))
        return coins if row.lots > 0 else -coins
    return row.lots * product.shard.listing.lot_e8 / E8


def log_row(number: int, entries: list[Entry], uid: int, writer: Writer) -> Json:
    """Write what a trade or a payment of funding did to the balance."""
    first = entries[0]
    fill, product = first.fill, first.product
    change = sum(entry.amount_e8 for entry in entries)
    fee = -sum(entry.amount_e8 for entry in entries if entry.kind == "fee")
    told: Json = {
        "id": number,
        "currency": first.asset,
        "timestamp": first.ts_ms,
        "user_id": uid,
        "username": "emulated",
        "commission": units(fee),
        "cashflow": units(change + fee),
        "balance": units(entries[-1].balance_e8),
        "change": units(change),
        "user_seq": number,
        "type": {"funding": "settlement", "insurance": "socialized_fund"}.get(first.kind, "trade"),
        "instrument_name": product.symbol,
        "mark_price": units(first.mark_e8),
        "index_price": writer.index(),
        "equity": units(entries[-1].balance_e8),
        "position": writer.scale.size_number(first.position_lots),
        "info": {},
    }
    if first.kind == "funding":
        told |= {"interest_pl": units(change), "total_interest_pl": units(change)}
        told |= {"session_rpl": 0.0, "session_upl": 0.0}
    if fill is not None:
        amount, contracts = _amounts(product, writer, fill.lots)
        told |= {
            "amount": amount,
            "contracts": contracts,
            "price": writer.scale.price_number(fill.price_ticks),
            "price_currency": currency(product.shard.listing) if product.option else "USD",
            "side": f"{'open' if not fill.realized_e8 else 'close'} {fill.side.value}",
            "trade_id": writer.own_trade_id(fill.trade_id),
            "order_id": order_id(fill.order),
            "user_role": "maker" if fill.maker else "taker",
            "fee_role": "maker" if fill.maker else "taker",
            "profit_as_cashflow": not product.option,
        }
    return told
