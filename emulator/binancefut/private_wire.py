"""How USD-M writes orders, executions, algo orders and what accounts hold."""

from __future__ import annotations

from typing import Final

from core.model.market import Side
from emulator.market.derivatives.account import MarginAccount
from emulator.market.derivatives.orders import (
    Category,
    Conditional,
    ConditionalReport,
    Ending,
    Fill,
    Moved,
    Order,
    OrderReport,
    Status,
    Wait,
    Warned,
    What,
)
from emulator.market.derivatives.position import Leg, Position
from emulator.wire.numbers import Scale, fixed
from emulator.wire.telling import average_e8
from emulator.wire.venue import Json

LEGS: Final = {Leg.NET: "BOTH", Leg.LONG: "LONG", Leg.SHORT: "SHORT"}
_WAITS: Final = {
    Wait.ARMED: "NEW",
    Wait.TRIGGERED: "TRIGGERED",
    Wait.FINISHED: "FINISHED",
    Wait.CANCELED: "CANCELED",
    Wait.EXPIRED: "EXPIRED",
    Wait.REJECTED: "REJECTED",
}
_WHY: Final = {
    "order": "ORDER",
    "funding": "FUNDING_FEE",
    "insurance": "INSURANCE_CLEAR",
}
_EXECUTIONS: Final = {
    What.NEW: "NEW",
    What.TRADE: "TRADE",
    What.AMENDED: "AMENDMENT",
    What.CANCELED: "CANCELED",
    What.EXPIRED: "EXPIRED",
}
_PLAIN: Final[Json] = {"type": "MARKET", "tif": "GTC", "stp": "EXPIRE_MAKER", "match": "NONE"}
"""The words of orders the venue makes itself."""


def amount(e8: int) -> str:
    """Write an amount with eight decimals."""
    return fixed(e8, 8)


def status(order: Order) -> str:
    """Return an order's state in the venue's words."""
    if order.status is Status.EXPIRED and order.ending is Ending.SELF_TRADE:
        return "EXPIRED_IN_MATCH"
    return order.status.name


def words(order: Order) -> Json:
    """Return what the order was called when it was placed."""
    return {**_PLAIN, **order.ticket.words}


def told(order: Order, scale: Scale, *, acknowledged: bool = False) -> Json:
    """Write an order; one that is only acknowledged is told as it was before it met the book."""
    said, ticket = words(order), order.ticket
    filled = 0 if acknowledged else order.filled
    return {
        "orderId": order.id,
        "symbol": order.product.symbol,
        "status": "NEW" if acknowledged else status(order),
        "clientOrderId": ticket.client_id,
        "price": scale.price(order.price_ticks),
        "avgPrice": amount(0 if acknowledged else average_e8(order.product, order)),
        "origQty": scale.size(order.lots),
        "executedQty": scale.size(filled),
        "cumQty": scale.size(filled),
        "cumQuote": amount(0 if acknowledged else order.worth_e8),
        "timeInForce": said["tif"],
        "type": said["type"],
        "reduceOnly": ticket.reduce_only,
        "closePosition": ticket.close and ticket.category is Category.NORMAL,
        "side": ticket.side.name,
        "positionSide": LEGS[ticket.leg],
        "stopPrice": scale.price(0),
        "workingType": said.get("working", "CONTRACT_PRICE"),
        "priceProtect": False,
        "origType": said["type"],
        "priceMatch": said["match"],
        "selfTradePreventionMode": said["stp"],
        "goodTillDate": ticket.expires_ms,
        "updateTime": order.updated_ms,
    }


def queried(order: Order, scale: Scale) -> Json:
    """Write an order as asked for."""
    row = told(order, scale)
    del row["cumQty"]
    return {**row, "time": order.created_ms}


def own_trade(fill: Fill, scale: Scale) -> Json:
    """Write an execution as userTrades lists it."""
    return {
        "symbol": fill.product.symbol,
        "id": fill.trade_id,
        "orderId": fill.order.id,
        "side": fill.side.name,
        "price": scale.price(fill.price_ticks),
        "qty": scale.size(fill.lots),
        "realizedPnl": amount(fill.realized_e8),
        "quoteQty": amount(fill.worth_e8),
        "commission": amount(fill.fee_e8),
        "commissionAsset": fill.fee_asset,
        "time": fill.ts_ms,
        "positionSide": LEGS[fill.order.ticket.leg],
        "buyer": fill.side is Side.BUY,
        "maker": fill.maker,
    }


def algo(waits: Conditional, scale: Scale) -> Json:
    """Write a conditional order."""
    said, ticket, branch = waits.words, waits.ticket, waits.branches[0]
    trailing = branch.trigger.trailing
    return {
        "algoId": waits.id,
        "clientAlgoId": waits.client_id,
        "algoType": "CONDITIONAL",
        "orderType": said["type"],
        "symbol": waits.product.symbol,
        "side": ticket.side.name,
        "positionSide": LEGS[ticket.leg],
        "timeInForce": said["tif"],
        "quantity": scale.size(ticket.lots),
        "algoStatus": _WAITS[waits.state],
        "triggerPrice": scale.price(0) if trailing else amount_price(branch.trigger.price, scale),
        "price": scale.price(ticket.price_ticks),
        "icebergQuantity": None,
        "selfTradePreventionMode": said["stp"],
        "workingType": said["working"],
        "priceMatch": said["match"],
        "closePosition": ticket.close,
        "priceProtect": said["protect"],
        "reduceOnly": ticket.reduce_only,
        "activatePrice": amount_price(branch.trigger.active_at, scale) if trailing else "",
        "callbackRate": said.get("callback", ""),
        "createTime": waits.created_ms,
        "updateTime": waits.updated_ms,
        "triggerTime": waits.triggered_ms,
        "goodTillDate": waits.expires_ms,
    }


def algo_queried(waits: Conditional, scale: Scale) -> Json:
    """Write a conditional order as asked for: with the order it placed."""
    child = waits.child
    return {
        **algo(waits, scale),
        "actualOrderId": str(child.id) if child is not None else "",
        "actualPrice": amount(average_e8(child.product, child)) if child is not None else "0.00000",
        "actualType": words(child)["type"] if child is not None else "",
        "actualQty": scale.size(child.filled) if child is not None else "0",
        "tpTriggerPrice": scale.price(0),
        "tpPrice": scale.price(0),
        "slTriggerPrice": scale.price(0),
        "slPrice": scale.price(0),
        "tpOrderType": "",
    }


def amount_price(price_e8: int, scale: Scale) -> str:
    """Write a price of 1e-8 with the symbol's decimals."""
    return fixed(price_e8 // 10 ** (8 - scale.price_decimals), scale.price_decimals)


def order_update(report: OrderReport, scale: Scale, account: MarginAccount, now_ms: int) -> Json:
    """Write an ``ORDER_TRADE_UPDATE``."""
    order, fill = report.order, report.fill
    said, ticket = words(order), order.ticket
    open_worth = {Side.BUY: 0, Side.SELL: 0}
    for each in account.open.values():
        if each.product is order.product:
            price_e8 = each.price_ticks * order.product.tick_e8
            open_worth[each.ticket.side] += order.product.worth_e8(price_e8, each.left)
    forced = ticket.category is not Category.NORMAL and fill is not None
    event: Json = {
        "s": order.product.symbol,
        "c": ticket.client_id,
        "S": ticket.side.name,
        "o": "LIQUIDATION" if ticket.category is Category.LIQUIDATION else said["type"],
        "f": said["tif"],
        "q": scale.size(order.lots),
        "p": scale.price(order.price_ticks),
        "ap": amount(average_e8(order.product, order)),
        "sp": scale.price(0),
        "x": "CALCULATED" if forced else _EXECUTIONS[report.what],
        "X": status(order),
        "i": order.id,
        "l": scale.size(fill.lots if fill else 0),
        "z": scale.size(order.filled),
        "L": scale.price(fill.price_ticks if fill else 0),
        "n": amount(fill.fee_e8 if fill else 0),
        "N": fill.fee_asset if fill else order.product.settle,
        "T": report.ts_ms,
        "t": fill.trade_id if fill else 0,
        "b": amount(open_worth[Side.BUY]),
        "a": amount(open_worth[Side.SELL]),
        "m": fill.maker if fill else False,
        "R": ticket.reduce_only,
        "wt": said.get("working", "CONTRACT_PRICE"),
        "ot": said.get("original", said["type"]),
        "ps": LEGS[ticket.leg],
        "cp": ticket.close and not forced,
        "rp": amount(fill.realized_e8 if fill else 0),
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": said["stp"],
        "pm": said["match"],
        "gtd": ticket.expires_ms,
        "er": "0",
    }
    return {"e": "ORDER_TRADE_UPDATE", "E": now_ms, "T": report.ts_ms, "o": event}


def trade_lite(fill: Fill, scale: Scale, now_ms: int) -> Json:
    """Write a ``TRADE_LITE``: the same fill, sooner and shorter."""
    order = fill.order
    return {
        "e": "TRADE_LITE",
        "E": now_ms,
        "T": fill.ts_ms,
        "s": order.product.symbol,
        "q": scale.size(order.lots),
        "p": scale.price(order.price_ticks),
        "m": fill.maker,
        "c": order.ticket.client_id,
        "S": order.ticket.side.name,
        "L": scale.price(fill.price_ticks),
        "l": scale.size(fill.lots),
        "t": fill.trade_id,
        "i": order.id,
    }


def algo_update(report: ConditionalReport, scale: Scale, now_ms: int) -> Json:
    """Write an ``ALGO_UPDATE``."""
    waits = report.conditional
    said, ticket, child = waits.words, waits.ticket, waits.child
    branch = waits.branches[0]
    event: Json = {
        "caid": waits.client_id,
        "aid": waits.id,
        "at": "CONDITIONAL",
        "o": said["type"],
        "s": waits.product.symbol,
        "S": ticket.side.name,
        "ps": LEGS[ticket.leg],
        "f": said["tif"],
        "q": scale.size(ticket.lots),
        "X": _WAITS[report.told],
        "ai": str(child.id) if child is not None else "",
        "ap": amount(average_e8(child.product, child)) if child is not None else "0.00000",
        "aq": scale.size(child.filled) if child is not None else "0.00000",
        "act": words(child)["type"] if child is not None else "0",
        "tp": amount_price(branch.trigger.price, scale),
        "p": scale.price(ticket.price_ticks),
        "V": said["stp"],
        "wt": said["working"],
        "pm": said["match"],
        "cp": ticket.close,
        "pP": said["protect"],
        "R": ticket.reduce_only,
        "tt": waits.triggered_ms,
        "gtd": waits.expires_ms,
        "rm": waits.failure.value if waits.failure is not None else "",
    }
    return {"e": "ALGO_UPDATE", "T": report.ts_ms, "E": now_ms, "o": event}


def account_update(moved: Moved, account: MarginAccount, now_ms: int) -> Json:
    """Write an ``ACCOUNT_UPDATE``; `bc` leaves out what trades made or cost."""
    funding = moved.why == "funding"
    return {
        "e": "ACCOUNT_UPDATE",
        "E": now_ms,
        "T": moved.ts_ms,
        "a": {
            "m": _WHY.get(moved.why, "ORDER"),
            "B": [
                {
                    "a": asset,
                    "wb": amount(account.cash.get(asset, 0)),
                    "cw": amount(account.cash.get(asset, 0)),
                    "bc": amount(0 if moved.why == "order" else change),
                }
                for asset, change in moved.assets.items()
            ],
            "P": [] if funding else [_position_event(each) for each in moved.positions],
        },
    }


def _position_event(position: Position) -> Json:
    product = position.product
    return {
        "s": product.symbol,
        "pa": signed_size(position),
        "ep": amount(position.entry_e8),
        "bep": amount(break_even_e8(position)),
        "cr": amount(position.realized_e8),
        "up": amount(position.unrealized_e8(product.mark_e8())),
        "mt": "cross",
        "iw": "0",
        "ps": LEGS[position.leg],
    }


def margin_call(warned: Warned, account: MarginAccount, now_ms: int) -> Json:
    """Write a ``MARGIN_CALL``."""
    return {
        "e": "MARGIN_CALL",
        "E": now_ms,
        "cw": amount(account.cash.get(warned.settle, 0)),
        "p": [
            {
                "s": each.product.symbol,
                "ps": LEGS[each.leg],
                "pa": signed_size(each),
                "mt": "CROSSED",
                "iw": "0",
                "mp": amount(each.product.mark_e8()),
                "up": amount(each.unrealized_e8(each.product.mark_e8())),
                "mm": amount(each.product.maintenance_e8(each.lots, each.product.mark_e8())),
            }
            for each in warned.positions
        ],
    }


def signed_size(position: Position) -> str:
    """Write a position's size, negative when short."""
    listing = position.product.shard.listing
    return fixed(position.lots * listing.lot_step, listing.size_decimals)


def break_even_e8(position: Position) -> int:
    """Return the price at which closing, its fee apart, gives back what was paid in fees."""
    if not position.lots:
        return 0
    return position.product.average_e8(position.cost_e8 + position.fees_e8, position.lots)


def risk(position: Position, account: MarginAccount) -> Json:
    """Write a position as positionRisk lists it."""
    product = position.product
    mark = product.mark_e8()
    notional = product.worth_e8(mark, abs(position.lots)) * (1 if position.lots >= 0 else -1)
    margin = account.position_margin_e8(position)
    return {
        "symbol": product.symbol,
        "positionSide": LEGS[position.leg],
        "positionAmt": signed_size(position),
        "entryPrice": amount(position.entry_e8),
        "breakEvenPrice": amount(break_even_e8(position)),
        "markPrice": amount(mark),
        "unRealizedProfit": amount(position.unrealized_e8(mark)),
        "liquidationPrice": amount(account.liquidation_e8(position)),
        "isolatedMargin": "0",
        "notional": amount(notional),
        "marginAsset": product.settle,
        "isolatedWallet": "0",
        "initialMargin": amount(margin),
        "maintMargin": amount(product.maintenance_e8(position.lots, mark)),
        "positionInitialMargin": amount(margin),
        "openOrderInitialMargin": "0",
        "adl": 2,
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": position.updated_ms,
    }
