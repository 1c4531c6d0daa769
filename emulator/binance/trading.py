"""Signed endpoints: orders, their queries, and the account."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from core.model.market import Side
from core.model.orders import TimeInForce
from emulator.binance.gate import errors
from emulator.binance.gate.errors import ApiError, missing
from emulator.binance.gate.params import Params
from emulator.binance.private_wire import (
    KINDS,
    SIDES,
    TIFS,
    canceled,
    own_trade,
    placed,
    queried,
)
from emulator.binance.symbols import check_open_orders, check_value, whole_lots, whole_ticks
from emulator.binance.venue import Venue
from emulator.binance.wire import Json, amount
from emulator.market.accounts import Account, DeskOrder, Kind, Refusal, Refused, Ticket
from emulator.market.listings import Listing
from emulator.market.shard import Shard

_DAY_MS: Final = 86_400_000
_MOST_ROWS: Final = 1_000
_REFUSALS: Final = {
    Refusal.NO_FUNDS: (-2010, errors.NO_FUNDS),
    Refusal.DUPLICATE: (-2010, errors.DUPLICATE),
    Refusal.WOULD_TAKE: (-2010, errors.WOULD_TAKE),
    Refusal.UNKNOWN_ORDER: (-2011, errors.UNKNOWN_ORDER),
    Refusal.NO_LIQUIDITY: (-1112, "No orders on book for symbol."),
}
_UNSUPPORTED: Final = {
    "STOP_LOSS": "Stop loss orders are not supported for this symbol.",
    "STOP_LOSS_LIMIT": "Stop loss limit orders are not supported for this symbol.",
    "TAKE_PROFIT": "Take profit orders are not supported for this symbol.",
    "TAKE_PROFIT_LIMIT": "Take profit limit orders are not supported for this symbol.",
}


async def place(venue: Venue, account: Account, params: Params) -> Json:
    """Place an order."""
    shard, ticket, detail = _parse(venue, account, params)
    venue.limiter.count_order(account.owner)
    try:
        order = venue.desk.place(account, shard, ticket, venue.market.now_ns)
    except Refused as refused:
        raise ApiError(*_REFUSALS[refused.reason]) from None
    return placed(order, venue.writers[order.symbol], detail)


async def place_test(venue: Venue, account: Account, params: Params) -> Json:
    """Check an order without placing it."""
    params.skip("computeCommissionRates")
    _parse(venue, account, params)
    return {}


def _parse(venue: Venue, account: Account, params: Params) -> tuple[Shard, Ticket, str]:
    """Return where, what and how to answer; every check the venue makes before matching.

    Raises:
        ApiError: In the venue's codes and words.
    """
    shard = venue.shard(params.symbol())
    listing = shard.listing
    side = params.choice("side", SIDES.__getitem__, ApiError(-1117, "Invalid side."))
    if (name := params.need("type")) in _UNSUPPORTED:
        raise ApiError(-2010, _UNSUPPORTED[name])
    kind = params.choice("type", KINDS.__getitem__, ApiError(-1116, "Invalid orderType."))
    price_e8, size_e8 = params.decimal_e8("price"), params.decimal_e8("quantity")
    quote_e8 = params.decimal_e8("quoteOrderQty")
    tif = params.text("timeInForce")
    client_id = params.client_id("newClientOrderId")
    detail = params.text("newOrderRespType") or ("ACK" if kind is Kind.LIMIT_MAKER else "FULL")
    if detail not in ("ACK", "RESULT", "FULL"):
        raise ApiError(-1130, "Data sent for parameter 'newOrderRespType' is not valid.")
    if params.text("selfTradePreventionMode") not in (None, "EXPIRE_TAKER"):
        raise ApiError(-1130, "Data sent for parameter 'selfTradePreventionMode' is not valid.")
    params.skip("strategyId", "strategyType")
    for name in ("stopPrice", "icebergQty", "trailingDelta"):
        if params.text(name) is not None:
            raise ApiError(-1106, f"Parameter '{name}' sent when not required.")
    _check_combination(kind, tif, price_e8, size_e8, quote_e8)
    if tif is not None and tif not in TIFS:
        raise ApiError(-1115, "Invalid timeInForce.")
    params.finish()
    ticket = Ticket(
        client_id=client_id or _made_up_id(venue),
        side=side,
        kind=kind,
        tif=TIFS[tif] if tif else TimeInForce.GTC,
        price_ticks=_ticks(venue, shard, price_e8, side),
        lots=whole_lots(listing, size_e8, kind) if size_e8 is not None else 0,
        budget=_budget(listing, quote_e8),
    )
    reference = ticket.price_ticks or venue.average_ticks(shard)
    check_value(listing, ticket.budget or reference * ticket.lots, kind)
    check_open_orders(account, listing.symbol)
    return shard, ticket, detail


def _check_combination(
    kind: Kind, tif: str | None, price: int | None, size: int | None, quote: int | None
) -> None:
    """Refuse parameters that the order type needs and lacks, or has and must not."""
    if kind is Kind.MARKET:
        for name, value in (("timeInForce", tif), ("price", price)):
            if value is not None:
                raise ApiError(-1106, f"Parameter '{name}' sent when not required.")
        if size is None and quote is None:
            raise ApiError(
                -1102,
                "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!",
            )
        if size is not None and quote is not None:
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        return
    if kind is Kind.LIMIT and tif is None:
        raise missing("timeInForce")
    if kind is Kind.LIMIT_MAKER and tif is not None:
        raise ApiError(-1106, "Parameter 'timeInForce' sent when not required.")
    for name, value in (("quantity", size), ("price", price)):
        if value is None:
            raise missing(name)
    if quote is not None:
        raise ApiError(-1106, "Parameter 'quoteOrderQty' sent when not required.")


def _ticks(venue: Venue, shard: Shard, price_e8: int | None, side: Side) -> int:
    if price_e8 is None:
        return 0
    return whole_ticks(shard.listing, price_e8, venue.average_ticks(shard), side)


def _budget(listing: Listing, quote_e8: int | None) -> int:
    if quote_e8 is None:
        return 0
    if quote_e8 <= 0:
        raise ApiError(-1013, "Invalid quoteOrderQty.")
    return quote_e8 // listing.notional_e8


def _made_up_id(venue: Venue) -> str:
    """Return a client id for an order or a cancel sent without one."""
    number = venue.desk.next_execution_id()
    return hashlib.sha256(str(number).encode()).hexdigest()[:22]


def _find(account: Account, params: Params, shard: Shard, unknown: ApiError) -> DeskOrder:
    order_id = params.integer("orderId")
    client_id = params.client_id("origClientOrderId")
    if order_id is None and client_id is None:
        raise ApiError(
            -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
        )
    order = account.find(shard.listing.symbol, order_id, client_id)
    if order is None:
        raise unknown
    return order


async def query(venue: Venue, account: Account, params: Params) -> Json:
    """Tell an order's state."""
    shard = venue.shard(params.symbol())
    order = _find(account, params, shard, ApiError(-2013, errors.NOT_SENT))
    params.finish()
    return queried(order, venue.writers[order.symbol])


async def cancel(venue: Venue, account: Account, params: Params) -> Json:
    """Cancel an order."""
    shard = venue.shard(params.symbol())
    unknown = ApiError(-2011, errors.UNKNOWN_ORDER)
    order = _find(account, params, shard, unknown)
    cancel_id = params.client_id("newClientOrderId")
    restriction = params.text("cancelRestrictions")
    params.finish()
    wanted = {"ONLY_NEW": "NEW", "ONLY_PARTIALLY_FILLED": "PARTIALLY_FILLED"}
    if restriction is not None and restriction not in wanted:
        raise ApiError(-1145, "Invalid cancelRestrictions.")
    if restriction is not None and order.status.open and order.status.name != wanted[restriction]:
        raise ApiError(-2011, "Order was not canceled due to cancel restrictions.")
    _cancel(venue, account, order, cancel_id)
    return canceled(order, venue.writers[order.symbol])


async def cancel_all(venue: Venue, account: Account, params: Params) -> list[Json]:
    """Cancel all open orders of a symbol."""
    shard = venue.shard(params.symbol())
    params.finish()
    orders = account.open_orders(shard.listing.symbol)
    if not orders:
        raise ApiError(-2011, errors.UNKNOWN_ORDER)
    for order in orders:
        _cancel(venue, account, order, None)
    writer = venue.writers[shard.listing.symbol]
    return [canceled(order, writer) for order in orders]


def _cancel(venue: Venue, account: Account, order: DeskOrder, cancel_id: str | None) -> None:
    try:
        venue.desk.cancel(account, order, cancel_id or _made_up_id(venue), venue.market.now_ns)
    except Refused as refused:
        raise ApiError(*_REFUSALS[refused.reason]) from None


def open_orders_weight(params: Params) -> int:
    """Return what an openOrders query weighs."""
    return 6 if params.text("symbol") is not None else 80


async def open_orders(venue: Venue, account: Account, params: Params) -> list[Json]:
    """List resting orders, of one symbol or all."""
    symbol = params.text("symbol")
    if symbol is not None:
        venue.shard(params.symbol())
    params.finish()
    return [queried(o, venue.writers[o.symbol]) for o in account.open_orders(symbol)]


async def all_orders(venue: Venue, account: Account, params: Params) -> list[Json]:
    """List a symbol's orders: from an id, within times, or the newest."""
    shard = venue.shard(params.symbol())
    from_id = params.integer("orderId")
    first, last, limit = _range(params)
    params.finish()
    rows = [
        order
        for order in account.orders.values()
        if order.symbol == shard.listing.symbol
        and (from_id is None or order.id >= from_id)
        and first <= order.created_ms <= last
    ]
    rows = rows[:limit] if from_id is not None or first else rows[-limit:]
    return [queried(order, venue.writers[order.symbol]) for order in rows]


def my_trades_weight(params: Params) -> int:
    """Return what a myTrades query weighs."""
    return 5 if params.text("orderId") is not None else 20


async def my_trades(venue: Venue, account: Account, params: Params) -> list[Json]:
    """List a symbol's own executions: of an order, from an id, within times, or the newest."""
    shard = venue.shard(params.symbol())
    order_id, from_id = params.integer("orderId"), params.integer("fromId")
    first, last, limit = _range(params)
    params.finish()
    if from_id is not None and (first or last < 1 << 62):
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    rows = [
        fill
        for fill in account.fills
        if fill.symbol == shard.listing.symbol
        and (order_id is None or fill.order_id == order_id)
        and (from_id is None or fill.trade_id >= from_id)
        and first <= fill.ts_ms <= last
    ]
    rows = rows[:limit] if from_id is not None or first else rows[-limit:]
    return [own_trade(fill, venue.writers[fill.symbol]) for fill in rows]


def _range(params: Params) -> tuple[int, int, int]:
    """Return (first ms, last ms, limit); at most 24 hours when both ends are given."""
    start, end = params.integer("startTime"), params.integer("endTime")
    if start is not None and end is not None and end - start > _DAY_MS:
        raise ApiError(-1127, "More than 24 hours between startTime and endTime.")
    return (
        start or 0,
        end if end is not None else 1 << 62,
        params.between("limit", 500, 1, _MOST_ROWS),
    )


async def account_info(venue: Venue, account: Account, params: Params) -> Json:
    """Tell the account's balances, fees and rights."""
    hide_zero = params.flag("omitZeroBalances", default=False)
    params.finish()
    return {
        "makerCommission": 10,
        "takerCommission": 10,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {
            "maker": "0.00100000",
            "taker": "0.00100000",
            "buyer": "0.00000000",
            "seller": "0.00000000",
        },
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": account.updated_ms,
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": amount(free), "locked": amount(locked)}
            for asset, (free, locked) in account.balances(tuple(account.free)).items()
            if free or locked or not hide_zero
        ],
        "permissions": ["SPOT"],
        "uid": account.owner,
    }


async def order_counts(venue: Venue, account: Account, params: Params) -> Any:
    """Tell how many orders were placed against the limits."""
    params.finish()
    in_10s, in_day = venue.limiter.orders(account.owner)
    return [
        {
            "rateLimitType": "ORDERS",
            "interval": interval,
            "intervalNum": number,
            "limit": limit,
            "count": count,
        }
        for interval, number, limit, count in (
            ("SECOND", 10, 100, in_10s),
            ("DAY", 1, 200_000, in_day),
        )
    ]
