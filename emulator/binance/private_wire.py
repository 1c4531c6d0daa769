"""How the venue writes orders, executions and balances."""

from __future__ import annotations

from typing import Final

from core.model.market import Side
from core.model.orders import TimeInForce
from emulator.binance.wire import Json, Writer, amount
from emulator.market.accounts import BalancesMoved, DeskOrder, Fill, Kind, Report, What

KINDS: Final = {"LIMIT": Kind.LIMIT, "LIMIT_MAKER": Kind.LIMIT_MAKER, "MARKET": Kind.MARKET}
SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}
TIFS: Final = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}
_STP: Final = "EXPIRE_TAKER"
_EXECUTIONS: Final = {
    What.NEW: "NEW",
    What.TRADE: "TRADE",
    What.CANCELED: "CANCELED",
    What.EXPIRED: "EXPIRED",
}
_ZERO: Final = amount(0)


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


def placed(order: DeskOrder, writer: Writer, detail: str) -> Json:
    """Write the answer to a new order: ``ACK``, ``RESULT`` or ``FULL``."""
    answer: Json = {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": order.ticket.client_id,
        "transactTime": order.created_ms,
    }
    if detail == "ACK":
        return answer
    answer |= _core(order, writer)
    answer["workingTime"] = order.created_ms
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
    answer["selfTradePreventionMode"] = _STP
    return answer


def queried(order: DeskOrder, writer: Writer) -> Json:
    """Write an order as asked for."""
    return {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": order.ticket.client_id,
        **_core(order, writer),
        "stopPrice": _ZERO,
        "icebergQty": _ZERO,
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": True,
        "workingTime": order.created_ms,
        "selfTradePreventionMode": _STP,
    }


def canceled(order: DeskOrder, writer: Writer) -> Json:
    """Write the answer to a cancel: the original id, and the cancel's own."""
    return {
        "symbol": order.symbol,
        "origClientOrderId": order.ticket.client_id,
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": order.cancel_id,
        "transactTime": order.updated_ms,
        **_core(order, writer),
        "selfTradePreventionMode": _STP,
    }


def own_trade(fill: Fill, writer: Writer) -> Json:
    """Write an execution as myTrades lists it."""
    return {
        "symbol": fill.symbol,
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "orderListId": -1,
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
    """Write an ``executionReport``; on a cancel `c` is the cancel's id and `C` the order's."""
    order, fill, ticket = report.order, report.fill, report.order.ticket
    ended_by_cancel = report.what is What.CANCELED
    message: Json = {
        "e": "executionReport",
        "E": now_ms,
        "s": order.symbol,
        "c": order.cancel_id if ended_by_cancel else ticket.client_id,
        "S": ticket.side.name,
        "o": ticket.kind.name,
        "f": ticket.tif.name,
        "q": writer.size(order.lots),
        "p": writer.price(ticket.price_ticks),
        "P": _ZERO,
        "F": _ZERO,
        "g": -1,
        "C": ticket.client_id if ended_by_cancel else "",
        "x": _EXECUTIONS[report.what],
        "X": order.status.name,
        "r": "NONE",
        "i": order.id,
        "l": writer.size(fill.lots) if fill else _ZERO,
        "z": writer.size(order.filled),
        "L": writer.price(fill.price_ticks) if fill else _ZERO,
        "n": amount(fill.fee_e8) if fill else "0",
        "N": fill.fee_asset if fill else None,
        "T": report.ts_ms,
        "t": fill.trade_id if fill else -1,
        "I": report.execution_id,
        "w": order.status.open and ticket.kind is not Kind.MARKET,
        "m": fill.maker if fill else False,
        "M": False,
        "O": order.created_ms,
        "Z": writer.quote(order.notional),
        "Y": writer.quote(fill.price_ticks * fill.lots) if fill else _ZERO,
        "Q": writer.quote(ticket.budget),
        "W": order.created_ms,
        "V": _STP,
    }
    return message


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
