"""Signed endpoints: orders, their queries, and their ends."""

from __future__ import annotations

from typing import Any, Final

from emulator.binance import asked
from emulator.binance.gate import errors
from emulator.binance.gate.errors import ApiError, filter_failure
from emulator.binance.gate.params import Params
from emulator.binance.private_wire import (
    amended,
    amendment,
    canceled,
    list_canceled,
    list_id,
    own_trade,
    placed,
    queried,
)
from emulator.binance.symbols import MAX_AMENDS, check_value, whole_lots
from emulator.binance.venue import Venue
from emulator.binance.wire import Json, amount
from emulator.market.accounts import Account, DeskOrder, Refusal, Refused
from emulator.market.desk import FEE_BPS
from emulator.market.shard import Shard

_DAY_MS: Final = 86_400_000
_MOST_ROWS: Final = 1_000
_REFUSALS: Final = {
    Refusal.NO_FUNDS: (-2010, errors.NO_FUNDS),
    Refusal.DUPLICATE: (-2010, errors.DUPLICATE),
    Refusal.WOULD_TAKE: (-2010, errors.WOULD_TAKE),
    Refusal.WOULD_TRIGGER: (-2010, errors.WOULD_TRIGGER),
    Refusal.BAD_PRICES: (-2010, errors.BAD_PRICES),
    Refusal.UNKNOWN_ORDER: (-2011, errors.UNKNOWN_ORDER),
    Refusal.NO_LIQUIDITY: (-1112, "No orders on book for symbol."),
    Refusal.NOT_SMALLER: (-2038, "Order amend (quantity increase) is not supported."),
    Refusal.NO_CHANGE: (-2038, "The requested action would change no state; rejecting."),
}
_RATE: Final = amount(FEE_BPS * 10_000)
_NONE: Final = amount(0)
_RESTRICTIONS: Final = {"ONLY_NEW": "NEW", "ONLY_PARTIALLY_FILLED": "PARTIALLY_FILLED"}


def refusal(refused: Refused) -> ApiError:
    """Return the desk's no in the venue's code and words."""
    return ApiError(*_REFUSALS[refused.reason])


async def place(venue: Venue, account: Account, params: Params) -> Json:
    """Place an order."""
    shard, ticket, detail = asked.order(venue, account, params)
    venue.limiter.count_order(account.owner)
    try:
        order = venue.desk.place(account, shard, ticket, venue.market.now_ns)
    except Refused as refused:
        raise refusal(refused) from None
    return placed(order, venue.writers[order.symbol], detail)


async def place_test(venue: Venue, account: Account, params: Params) -> Json:
    """Check an order without placing it."""
    told = params.flag("computeCommissionRates", default=False)
    asked.order(venue, account, params)
    if not told:
        return {}
    return {
        "standardCommissionForOrder": {"maker": _RATE, "taker": _RATE},
        "specialCommissionForOrder": {"maker": _NONE, "taker": _NONE},
        "taxCommissionForOrder": {"maker": _NONE, "taker": _NONE},
        "discount": _DISCOUNT,
    }


_DISCOUNT: Final = {
    "enabledForAccount": False,
    "enabledForSymbol": False,
    "discountAsset": "BNB",
    "discount": "0.75000000",
}


async def commission(venue: Venue, account: Account, params: Params) -> Json:
    """Tell what trading a symbol costs the account."""
    shard = venue.shard(params.symbol())
    params.finish()
    none = dict.fromkeys(("maker", "taker", "buyer", "seller"), _NONE)
    return {
        "symbol": shard.listing.symbol,
        "standardCommission": {**none, "maker": _RATE, "taker": _RATE},
        "specialCommission": none,
        "taxCommission": none,
        "discount": _DISCOUNT,
    }


def seen(venue: Venue, order: DeskOrder) -> bool:
    """Return whether queries find an order: a fault may hide it for a while."""
    return order.hidden_until_ms <= venue.now_ms()


def find(
    account: Account,
    shard: Shard,
    order_id: int | None,
    client_id: str | None,
    unknown: ApiError,
    names: tuple[str, str] = ("origClientOrderId", "orderId"),
) -> DeskOrder:
    """Return an order by one of its ids.

    Raises:
        ApiError: -1102 without any id, -2039 when the two name different orders, or `unknown`.
    """
    if order_id is None and client_id is None:
        raise ApiError(
            -1102, f"Param '{names[0]}' or '{names[1]}' must be sent, but both were empty/null!"
        )
    order = account.find(shard.listing.symbol, order_id, client_id)
    if order is not None:
        return order
    if order_id is not None and client_id is not None:
        there = account.find(shard.listing.symbol, order_id, None)
        if there is not None:
            raise ApiError(-2039, "Client order ID is not correct for this order ID.")
    raise unknown


async def query(venue: Venue, account: Account, params: Params) -> Json:
    """Tell an order's state."""
    shard = venue.shard(params.symbol())
    order_id, client_id = params.integer("orderId"), params.client_id("origClientOrderId")
    unknown = ApiError(-2013, errors.NOT_SENT)
    order = find(account, shard, order_id, client_id, unknown)
    params.finish()
    if not seen(venue, order):
        raise unknown
    return queried(order, venue.writers[order.symbol])


async def cancel(venue: Venue, account: Account, params: Params) -> Json:
    """Cancel an order; one of a list takes the others with it."""
    shard = venue.shard(params.symbol())
    order_id, client_id = params.integer("orderId"), params.client_id("origClientOrderId")
    unknown = ApiError(-2011, errors.UNKNOWN_ORDER)
    order = find(account, shard, order_id, client_id, unknown)
    cancel_id = params.client_id("newClientOrderId")
    restriction = params.text("cancelRestrictions")
    params.finish()
    return cancel_one(venue, account, order, cancel_id, restriction)


def cancel_one(
    venue: Venue,
    account: Account,
    order: DeskOrder,
    cancel_id: str | None,
    restriction: str | None,
) -> Json:
    """Cancel an order and write the answer.

    Raises:
        ApiError: -1145 for bad words, -2011.
    """
    if restriction is not None and restriction not in _RESTRICTIONS:
        raise ApiError(
            -1145,
            "cancelRestrictions has to be either ONLY_NEW or ONLY_PARTIALLY_FILLED.",
        )
    wanted = _RESTRICTIONS.get(restriction or "", order.status.name)
    if order.status.open and order.status.name != wanted:
        raise ApiError(-2011, "Order was not canceled due to cancel restrictions.")
    end(venue, account, order, cancel_id)
    writer = venue.writers[order.symbol]
    if order.group is not None:
        return list_canceled(order.group, writer)
    return canceled(order, writer)


async def cancel_all(venue: Venue, account: Account, params: Params) -> list[Json]:
    """Cancel all open orders of a symbol."""
    shard = venue.shard(params.symbol())
    params.finish()
    orders = account.open_orders(shard.listing.symbol)
    if not orders:
        raise ApiError(-2011, errors.UNKNOWN_ORDER)
    # One of a list ends the others, and is answered for them.
    heads = {id(order.group or order): order for order in orders}
    return [cancel_one(venue, account, order, None, None) for order in heads.values()]


def end(venue: Venue, account: Account, order: DeskOrder, cancel_id: str | None) -> None:
    """Cancel an order.

    Raises:
        ApiError: -2011.
    """
    name = cancel_id or asked.made_up_id(venue)
    try:
        venue.desk.cancel(account, order, name, venue.market.now_ns)
    except Refused as refused:
        raise refusal(refused) from None


async def amend(venue: Venue, account: Account, params: Params) -> Json:
    """Make an order smaller where it stands."""
    shard = venue.shard(params.symbol())
    order_id, client_id = params.integer("orderId"), params.client_id("origClientOrderId")
    order = find(account, shard, order_id, client_id, ApiError(-2013, errors.NOT_SENT))
    new_id = params.client_id("newClientOrderId") or asked.made_up_id(venue)
    size = params.decimal_e8("newQty")
    params.finish()
    if size is None:
        raise errors.missing("newQty")
    lots = whole_lots(shard.listing, size, order.ticket.kind)
    price = order.ticket.price_ticks or order.ticket.stop_ticks or venue.average_ticks(shard)
    check_value(shard.listing, price * lots, order.ticket.kind)
    if len(order.amendments) >= MAX_AMENDS:
        raise filter_failure("MAX_NUM_ORDER_AMENDS")
    old_id = order.ticket.client_id
    if new_id != old_id and any(o.ticket.client_id == new_id for o in account.open.values()):
        raise refusal(Refused(Refusal.DUPLICATE))
    try:
        change = venue.desk.amend(account, order, lots, new_id, venue.market.now_ns)
    except Refused as refused:
        if refused.reason is Refusal.UNKNOWN_ORDER:
            raise ApiError(-2038, errors.UNKNOWN_ORDER) from None
        raise refusal(refused) from None
    if new_id != old_id:
        venue.desk.tell_renamed(account, order)
    return amended(order, change, venue.writers[order.symbol])


async def amendments(venue: Venue, account: Account, params: Params) -> list[Json]:
    """List how an order was changed."""
    shard = venue.shard(params.symbol())
    order_id = params.integer("orderId")
    first = params.integer("fromExecutionId") or 0
    limit = params.between("limit", 500, 1, _MOST_ROWS)
    params.finish()
    if order_id is None:
        raise errors.missing("orderId")
    order = account.find(shard.listing.symbol, order_id, None)
    if order is None:
        raise ApiError(-2013, errors.NOT_SENT)
    writer = venue.writers[order.symbol]
    rows = [change for change in order.amendments if change.execution_id >= first]
    return [amendment(order, change, writer) for change in rows[:limit]]


def open_orders_weight(params: Params) -> int:
    """Return what an openOrders query weighs."""
    return 6 if params.text("symbol") is not None else 80


async def open_orders(venue: Venue, account: Account, params: Params) -> list[Json]:
    """List orders that rest or wait, of one symbol or all."""
    symbol = params.text("symbol")
    if symbol is not None:
        venue.shard(params.symbol())
    params.finish()
    orders = [order for order in account.open_orders(symbol) if seen(venue, order)]
    return [queried(order, venue.writers[order.symbol]) for order in orders]


async def all_orders(venue: Venue, account: Account, params: Params) -> list[Json]:
    """List a symbol's orders: from an id, within times, or the newest."""
    shard = venue.shard(params.symbol())
    from_id = params.integer("orderId")
    first, last, limit = between(params)
    params.finish()
    rows = [
        order
        for order in account.orders.values()
        if order.symbol == shard.listing.symbol
        and (from_id is None or order.id >= from_id)
        and first <= order.created_ms <= last
        and seen(venue, order)
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
    first, last, limit = between(params)
    params.finish()
    timed = first > 0 or last < 1 << 62
    if timed and (from_id is not None or order_id is not None):
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    symbol = shard.listing.symbol
    rows = [
        fill
        for fill in account.fills
        if fill.symbol == symbol
        and (order_id is None or fill.order_id == order_id)
        and (from_id is None or fill.trade_id >= from_id)
        and first <= fill.ts_ms <= last
    ]
    rows = rows[:limit] if from_id is not None or first else rows[-limit:]
    writer = venue.writers[symbol]
    groups = {fill.order_id: list_id(account.orders[(symbol, fill.order_id)]) for fill in rows}
    return [own_trade(fill, writer, groups[fill.order_id]) for fill in rows]


def between(params: Params) -> tuple[int, int, int]:
    """Return (first ms, last ms, limit); at most 24 hours when both ends are given.

    Raises:
        ApiError: -1127, -1130.
    """
    start, end_ms = params.integer("startTime"), params.integer("endTime")
    if start is not None and end_ms is not None:
        if end_ms - start > _DAY_MS:
            raise ApiError(-1127, "More than 24 hours between startTime and endTime.")
        if end_ms < start:
            raise ApiError(
                -1102, "'startTime' contains unexpected value. Cannot be greater than 'endTime'."
            )
    return (
        start or 0,
        end_ms if end_ms is not None else 1 << 62,
        params.between("limit", 500, 1, _MOST_ROWS),
    )


async def account_info(venue: Venue, account: Account, params: Params) -> Json:
    """Tell the account's balances, fees and rights."""
    hide_zero = params.flag("omitZeroBalances", default=False)
    params.finish()
    stale = venue.struck("stale_account")
    balances = account.before if stale else account.balances(tuple(account.free))
    return {
        "makerCommission": FEE_BPS,
        "takerCommission": FEE_BPS,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {"maker": _RATE, "taker": _RATE, "buyer": _NONE, "seller": _NONE},
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
            for asset, (free, locked) in balances.items()
            if free or locked or not hide_zero
        ],
        "permissions": ["SPOT"],
        "uid": account.owner,
    }


async def order_counts(venue: Venue, account: Account, params: Params) -> Any:
    """Tell how many orders were placed against the limits."""
    params.finish()
    return venue.limiter.order_limits(account.owner)
