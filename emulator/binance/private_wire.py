"""How the venue writes orders, lists, executions and balances."""

from __future__ import annotations

from typing import Final

from core.model.market import Side
from core.model.orders import TimeInForce
from emulator.binance.wire import Json, Writer, amount
from emulator.market.accounts import (
    Amendment,
    BalancesMoved,
    DeskOrder,
    Fill,
    Kind,
    ListChanged,
    OrderList,
    Report,
    What,
)

KINDS: Final = {kind.name: kind for kind in Kind}
SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}
TIFS: Final = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}
_STP: Final = "EXPIRE_TAKER"
_ZERO: Final = amount(0)
_ALONE: Final = -1


def list_id(order: DeskOrder) -> int:
    """Return the id of the list an order is of, -1 for none."""
    return order.group.id if order.group is not None else _ALONE


def _core(order: DeskOrder, writer: Writer) -> Json:
    ticket = order.ticket
    return {
        "price": writer.price(ticket.price_ticks),
        "origQty": writer.size(order.lots),
        "executedQty": writer.size(order.filled),
        "origQuoteOrderQty": writer.quote(ticket.budget),
        "cummulativeQuoteQty": writer.quote(order.notional),
        "status": order.status.name,
        "timeInForce": ticket.tif.name,
        "type": ticket.kind.name,
        "side": ticket.side.name,
    }


def _conditional(order: DeskOrder, writer: Writer) -> Json:
    """Write the fields only some orders have."""
    ticket = order.ticket
    told: Json = {}
    if ticket.stop_ticks:
        told["stopPrice"] = writer.price(ticket.stop_ticks)
    if ticket.peak:
        told["icebergQty"] = writer.size(ticket.peak)
    if ticket.trail_bips:
        told["trailingDelta"] = ticket.trail_bips
        told["trailingTime"] = order.trailing_ms
    if ticket.strategy_id is not None:
        told["strategyId"] = ticket.strategy_id
    if ticket.strategy_type is not None:
        told["strategyType"] = ticket.strategy_type
    return told


def placed(order: DeskOrder, writer: Writer, detail: str) -> Json:
    """Write the answer to a new order: ``ACK``, ``RESULT`` or ``FULL``."""
    answer: Json = {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": list_id(order),
        "clientOrderId": order.ticket.client_id,
        "transactTime": order.created_ms,
    }
    if detail == "ACK":
        return answer
    answer |= _core(order, writer)
    answer["workingTime"] = order.working_ms
    if detail == "FULL":
        answer["fills"] = [
            {
                "price": writer.price(fill.price_ticks),
                "qty": writer.size(fill.lots),
                "commission": amount(fill.fee_e8),
                "commissionAsset": fill.fee_asset,
                "tradeId": fill.trade_id,
            }
            for fill in order.fills
            if not fill.maker
        ]
    return answer | _conditional(order, writer) | {"selfTradePreventionMode": _STP}


def queried(order: DeskOrder, writer: Writer) -> Json:
    """Write an order as asked for."""
    return {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": list_id(order),
        "clientOrderId": order.ticket.client_id,
        **_core(order, writer),
        "stopPrice": _ZERO,
        "icebergQty": _ZERO,
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": order.working_ms >= 0,
        "workingTime": order.working_ms,
        **_conditional(order, writer),
        "selfTradePreventionMode": _STP,
    }


def canceled(order: DeskOrder, writer: Writer) -> Json:
    """Write the answer to a cancel: the original id, and the cancel's own."""
    return {
        "symbol": order.symbol,
        "origClientOrderId": order.ticket.client_id,
        "orderId": order.id,
        "orderListId": list_id(order),
        "clientOrderId": order.cancel_id or order.ticket.client_id,
        "transactTime": order.updated_ms,
        **_core(order, writer),
        **_conditional(order, writer),
        "selfTradePreventionMode": _STP,
    }


def listed(group: OrderList) -> Json:
    """Write an order list without its orders' states."""
    return {
        "orderListId": group.id,
        "contingencyType": group.contingency,
        "listStatusType": "ALL_DONE" if group.done else "EXEC_STARTED",
        "listOrderStatus": "ALL_DONE" if group.done else "EXECUTING",
        "listClientOrderId": group.client_id,
        "transactionTime": group.created_ms,
        "symbol": group.shard.listing.symbol,
        "orders": _named(group),
    }


def _named(group: OrderList) -> list[Json]:
    return [
        {"symbol": order.symbol, "orderId": order.id, "clientOrderId": order.ticket.client_id}
        for order in group.orders
    ]


def list_placed(group: OrderList, writer: Writer, detail: str) -> Json:
    """Write the answer to a new list."""
    told = listed(group)
    if detail == "ACK":
        return told
    reports = [placed(order, writer, "RESULT") for order in group.orders]
    return {**told, "orderReports": reports}


def list_canceled(group: OrderList, writer: Writer) -> Json:
    """Write the answer to a cancel that ended a list."""
    reports = [canceled(order, writer) for order in group.orders]
    return {**listed(group), "orderReports": reports}


def amended(order: DeskOrder, change: Amendment, writer: Writer) -> Json:
    """Write the answer to a change that kept an order's place."""
    core = _core(order, writer)
    told: Json = {
        "transactTime": change.ts_ms,
        "executionId": change.execution_id,
        "amendedOrder": {
            "symbol": order.symbol,
            "orderId": order.id,
            "orderListId": list_id(order),
            "origClientOrderId": change.old_id,
            "clientOrderId": change.new_id,
            "price": core["price"],
            "qty": core["origQty"],
            "executedQty": core["executedQty"],
            "preventedQty": _ZERO,
            "quoteOrderQty": core["origQuoteOrderQty"],
            "cumulativeQuoteQty": core["cummulativeQuoteQty"],
            "status": core["status"],
            "timeInForce": core["timeInForce"],
            "type": core["type"],
            "side": core["side"],
            **({"workingTime": order.working_ms} if order.working_ms >= 0 else {}),
            **_conditional(order, writer),
            "selfTradePreventionMode": _STP,
        },
    }
    group = order.group
    if group is not None:
        told["listStatus"] = {
            "orderListId": group.id,
            "contingencyType": group.contingency,
            "listOrderStatus": "ALL_DONE" if group.done else "EXECUTING",
            "listClientOrderId": group.client_id,
            "symbol": order.symbol,
            "orders": _named(group),
        }
    return told


def amendment(order: DeskOrder, change: Amendment, writer: Writer) -> Json:
    """Write one change as the history of an order lists it."""
    return {
        "symbol": order.symbol,
        "orderId": order.id,
        "executionId": change.execution_id,
        "origClientOrderId": change.old_id,
        "newClientOrderId": change.new_id,
        "origQty": writer.size(change.old_lots),
        "newQty": writer.size(change.new_lots),
        "time": change.ts_ms,
    }


def own_trade(fill: Fill, writer: Writer, group: int = _ALONE) -> Json:
    """Write an execution as myTrades lists it."""
    return {
        "symbol": fill.symbol,
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "orderListId": group,
        "price": writer.price(fill.price_ticks),
        "qty": writer.size(fill.lots),
        "quoteQty": writer.quote(fill.price_ticks * fill.lots),
        "commission": amount(fill.fee_e8),
        "commissionAsset": fill.fee_asset,
        "time": fill.ts_ms,
        "isBuyer": fill.side is Side.BUY,
        "isMaker": fill.maker,
        "isBestMatch": True,
    }


def execution_report(report: Report, writer: Writer, now_ms: int) -> Json:
    """Write an ``executionReport``; where an id changed, `c` is the new one and `C` the old."""
    order, fill, ticket = report.order, report.fill, report.order.ticket
    client_id, old_id = ticket.client_id, report.old_id
    if report.what is What.CANCELED:
        client_id, old_id = order.cancel_id or client_id, client_id
    working = order.working_ms >= 0
    message: Json = {
        "e": "executionReport",
        "E": now_ms,
        "s": order.symbol,
        "c": client_id,
        "S": ticket.side.name,
        "o": ticket.kind.name,
        "f": ticket.tif.name,
        "q": writer.size(order.lots),
        "p": writer.price(ticket.price_ticks),
        "P": writer.price(ticket.stop_ticks),
        "F": writer.size(ticket.peak),
        "g": list_id(order),
        "C": old_id,
        "x": report.what.name,
        "X": order.status.name,
        "r": order.reason,
        "i": order.id,
        "l": writer.size(fill.lots) if fill else _ZERO,
        "z": writer.size(order.filled),
        "L": writer.price(fill.price_ticks) if fill else _ZERO,
        "n": amount(fill.fee_e8) if fill else "0",
        "N": fill.fee_asset if fill else None,
        "T": report.ts_ms,
        "t": fill.trade_id if fill else -1,
        "I": report.execution_id,
        "w": working and order.status.open and ticket.kind.priced,
        "m": fill.maker if fill else False,
        "M": False,
        "O": order.created_ms,
        "Z": writer.quote(order.notional),
        "Y": writer.quote(fill.price_ticks * fill.lots) if fill else _ZERO,
        "Q": writer.quote(ticket.budget),
        "V": _STP,
    }
    if working:
        message["W"] = order.working_ms
    if ticket.trail_bips:
        message["d"] = ticket.trail_bips
        if order.trailing_ms >= 0:
            message["D"] = order.trailing_ms
    if ticket.strategy_id is not None:
        message["j"] = ticket.strategy_id
    if ticket.strategy_type is not None:
        message["J"] = ticket.strategy_type
    return message


def list_status(changed: ListChanged, now_ms: int) -> Json:
    """Write a ``listStatus``."""
    group = changed.orders
    symbol = group.shard.listing.symbol
    return {
        "e": "listStatus",
        "E": now_ms,
        "s": symbol,
        "g": group.id,
        "c": group.contingency,
        "l": changed.what,
        "L": "ALL_DONE" if group.done else "EXECUTING",
        "r": "NONE",
        "C": group.client_id,
        "T": changed.ts_ms,
        "O": [{"s": symbol, "i": order.id, "c": order.ticket.client_id} for order in group.orders],
    }


def account_position(moved: BalancesMoved, now_ms: int) -> Json:
    """Write an ``outboundAccountPosition``."""
    return {
        "e": "outboundAccountPosition",
        "E": now_ms,
        "u": moved.ts_ms,
        "B": [
            {"a": asset, "f": amount(free), "l": amount(locked)}
            for asset, (free, locked) in moved.assets.items()
        ],
    }
