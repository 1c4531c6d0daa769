"""Signed endpoints of USD-M about orders: place, change, cancel, ask."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

import msgspec
import orjson

from emulator.binance.gate.errors import ApiError, missing
from emulator.binance.gate.params import Params
from emulator.binancefut import asked
from emulator.binancefut.private_wire import own_trade, queried, told
from emulator.binancefut.venue import BinanceFutures
from emulator.market.derivatives.account import MarginAccount
from emulator.market.derivatives.orders import Fill, Order, PostOnly, Refused
from emulator.market.derivatives.product import Product
from emulator.wire.numbers import digits
from emulator.wire.venue import Json

_MOST_OPEN: Final = 200
_MOST_AMENDS: Final = 10_000
_MOST_IN_BATCH: Final = 5
_MOST_CANCELS: Final = 10
_WEEK_MS: Final = 7 * 86_400_000
_DONE: Final[Json] = {
    "code": 200,
    "msg": "The operation of cancel all open order is done.",
}
FOREVER: Final = 1 << 62


def refused(error: Refused) -> ApiError:
    """Return a refusal of the desk in the venue's words."""
    return ApiError(*asked.REFUSALS[error.reason])


def made_up_id(venue: BinanceFutures) -> str:
    """Return a client id for an order sent without one."""
    number = venue.house.desk.next_number()
    return hashlib.sha256(str(number).encode()).hexdigest()[:22]


async def place(venue: BinanceFutures, account: MarginAccount, params: Params) -> Json:
    """Place an order."""
    return _place(venue, account, params)


def _place(venue: BinanceFutures, account: MarginAccount, params: Params) -> Json:
    product, ticket, detail = _parsed(venue, account, params)
    asked.check_trading(product)
    venue.count_order(account.owner)
    if len(account.open_orders(product.symbol)) >= _MOST_OPEN:
        raise ApiError(-2025, "Reach max open order limit.")
    try:
        order = venue.house.desk.place(account, product, ticket)
    except Refused as error:
        raise refused(error) from None
    scale = venue.scales[product.symbol]
    return told(order, scale, acknowledged=detail == "ACK")


async def place_test(venue: BinanceFutures, account: MarginAccount, params: Params) -> Json:
    """Check an order without placing it."""
    _parsed(venue, account, params)
    return {}


def _parsed(
    venue: BinanceFutures, account: MarginAccount, params: Params
) -> tuple[Product, Any, str]:
    product = asked.product_of(venue.house.products, params)
    ticket = asked.ask(product, account, params, venue.now_ms(), made_up_id(venue))
    detail = params.text("newOrderRespType") or "ACK"
    if detail not in ("ACK", "RESULT"):
        raise ApiError(-1130, "Data sent for parameter 'newOrderRespType' is not valid.")
    params.finish()
    return product, ticket, detail


async def place_batch(venue: BinanceFutures, account: MarginAccount, params: Params) -> list[Json]:
    """Place up to five orders; each is answered for itself."""
    return _each(params, _MOST_IN_BATCH, lambda one: _place(venue, account, one))


async def amend_batch(venue: BinanceFutures, account: MarginAccount, params: Params) -> list[Json]:
    """Change up to five orders; each is answered for itself."""
    return _each(params, _MOST_IN_BATCH, lambda one: _amend(venue, account, one))


def _each(params: Params, most: int, work: Callable[[Params], Json]) -> list[Json]:
    rows = _list(params, "batchOrders")
    params.finish()
    if not rows or len(rows) > most or not all(isinstance(row, dict) for row in rows):
        raise ApiError(-4082, "Invalid number of batch place orders.")
    answers = []
    for row in rows:
        try:
            answers.append(work(Params.of_json(row)))
        except ApiError as error:
            answers.append(error.body)
    return answers


def _list(params: Params, name: str) -> list[Any]:
    text = params.need(name)
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, list):
        raise ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")
    return found


async def amend(venue: BinanceFutures, account: MarginAccount, params: Params) -> Json:
    """Change price and size of a resting limit order."""
    return _amend(venue, account, params)


def _amend(venue: BinanceFutures, account: MarginAccount, params: Params) -> Json:
    product = asked.product_of(venue.house.products, params)
    side = params.choice("side", asked.SIDES.__getitem__, ApiError(-1117, "Invalid side."))
    size_e8 = params.decimal_e8("quantity")
    if size_e8 is None:
        raise missing("quantity")
    order = find(account, params, product, ApiError(-2013, asked.NO_SUCH_ORDER))
    ticks, match = asked.limit_price(product, params, side, market=False)
    params.finish()
    lots = asked.lots_of(product.shard, size_e8, market=False)
    venue.count_order(account.owner)
    if not order.status.open:
        raise ApiError(-2013, asked.NO_SUCH_ORDER)
    if order.ticket.market or side is not order.ticket.side:
        raise ApiError(-4086, "Invalid order: side or type cannot be modified.")
    if order.amends >= _MOST_AMENDS:
        raise ApiError(-5026, "Exceed maximum modify order limit.")
    if (ticks, lots) == (order.price_ticks, order.lots):
        raise ApiError(-5027, "No need to modify the order.")
    said = {**order.ticket.words, "match": match}
    ticket = msgspec.structs.replace(order.ticket, words=said)
    if ticket.post_only is PostOnly.REFUSE:
        # A post-only order that would take once it is changed is cancelled.
        ticket = msgspec.structs.replace(ticket, post_only=PostOnly.CANCEL)
    try:
        venue.house.desk.amend(
            account, order, price_ticks=ticks, lots=lots, keeps_place=False, ticket=ticket
        )
    except Refused as error:
        raise refused(error) from None
    return {**told(order, venue.scales[product.symbol]), "pair": product.symbol}


def find(account: MarginAccount, params: Params, product: Product, unknown: ApiError) -> Order:
    """Return the order meant by ``orderId`` or ``origClientOrderId``."""
    order_id = params.integer("orderId")
    named = asked.client_id(params, "origClientOrderId")
    if order_id is None and named is None:
        raise ApiError(
            -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
        )
    order = account.find(order_id, named)
    if order is None or order.product is not product:
        raise unknown
    return order


async def query(venue: BinanceFutures, account: MarginAccount, params: Params) -> Json:
    """Tell an order's state."""
    product = asked.product_of(venue.house.products, params)
    unknown = ApiError(-2013, asked.NO_SUCH_ORDER)
    order = find(account, params, product, unknown)
    params.finish()
    if order.hidden_until_ms > venue.now_ms():
        raise unknown
    return queried(order, venue.scales[product.symbol])


async def query_open(venue: BinanceFutures, account: MarginAccount, params: Params) -> Json:
    """Tell an order's state while it rests."""
    row = await query(venue, account, params)
    if row["status"] not in ("NEW", "PARTIALLY_FILLED"):
        raise ApiError(-2013, asked.NO_SUCH_ORDER)
    return row


async def cancel(venue: BinanceFutures, account: MarginAccount, params: Params) -> Json:
    """Cancel an order."""
    product = asked.product_of(venue.house.products, params)
    order = find(account, params, product, ApiError(-2011, "Unknown order sent."))
    params.finish()
    return _cancel(venue, account, order)


def _cancel(venue: BinanceFutures, account: MarginAccount, order: Order) -> Json:
    try:
        venue.house.desk.cancel(account, order)
    except Refused as error:
        raise refused(error) from None
    return told(order, venue.scales[order.product.symbol])


async def cancel_all(venue: BinanceFutures, account: MarginAccount, params: Params) -> Json:
    """Cancel all open orders of a symbol."""
    product = asked.product_of(venue.house.products, params)
    params.finish()
    venue.house.desk.cancel_all(account, lambda order: order.product is product)
    return _DONE


async def cancel_batch(venue: BinanceFutures, account: MarginAccount, params: Params) -> list[Json]:
    """Cancel up to ten orders by their ids; each is answered for itself."""
    product = asked.product_of(venue.house.products, params)
    # Clients in use write the names in small letters too, and the venue takes both.
    names = ("orderIdList", "orderidlist", "origClientOrderIdList", "origclientorderidlist")
    name = next((name for name in names if params.text(name) is not None), names[0])
    by_id = name.lower() == "orderidlist"
    wanted = _list(params, name)
    params.finish()
    if not wanted or len(wanted) > _MOST_CANCELS:
        raise ApiError(-4082, "Invalid number of batch cancel orders.")
    if by_id and not all(digits(str(each)) for each in wanted):
        raise ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")
    answers = []
    for each in wanted:
        order = account.find(int(each), None) if by_id else account.find(None, str(each))
        try:
            if order is None or order.product is not product:
                raise ApiError(-2011, "Unknown order sent.")
            answers.append(_cancel(venue, account, order))
        except ApiError as error:
            answers.append(error.body)
    return answers


async def dead_man(venue: BinanceFutures, account: MarginAccount, params: Params) -> Json:
    """Cancel all orders of a symbol in so many ms, unless told otherwise before; 0 disarms."""
    product = asked.product_of(venue.house.products, params)
    wait_ms = params.integer("countdownTime")
    if wait_ms is None:
        raise missing("countdownTime")
    params.finish()
    if wait_ms:
        account.dead_man[product.symbol] = venue.house.desk.now_ms + wait_ms
    else:
        account.dead_man.pop(product.symbol, None)
    return {"symbol": product.symbol, "countdownTime": str(wait_ms)}


def open_weight(params: Params) -> float:
    """Return what a query of open orders weighs."""
    return 1 if params.text("symbol") is not None else 40


async def open_orders(venue: BinanceFutures, account: MarginAccount, params: Params) -> list[Json]:
    """List resting orders, of one symbol or all."""
    symbol = params.text("symbol")
    if symbol is not None:
        asked.product_of(venue.house.products, params)
    params.finish()
    return [
        queried(order, venue.scales[order.product.symbol])
        for order in account.open_orders(symbol, venue.now_ms())
    ]


async def all_orders(venue: BinanceFutures, account: MarginAccount, params: Params) -> list[Json]:
    """List a symbol's orders: from an id, within times, or the newest."""
    product = asked.product_of(venue.house.products, params)
    from_id = params.integer("orderId")
    first, last, limit = window(params, 500)
    params.finish()
    now_ms = venue.now_ms()
    rows = [
        order
        for order in account.orders.values()
        if order.product is product
        and (from_id is None or order.id >= from_id)
        and first <= order.created_ms <= last
        and order.hidden_until_ms <= now_ms
    ]
    kept = rows[:limit] if from_id is not None or first else rows[-limit:]
    return [queried(order, venue.scales[product.symbol]) for order in kept]


async def user_trades(venue: BinanceFutures, account: MarginAccount, params: Params) -> list[Json]:
    """List a symbol's own executions: of an order, from an id, within times, or the newest."""
    product = asked.product_of(venue.house.products, params)
    order_id, from_id = params.integer("orderId"), params.integer("fromId")
    first, last, limit = window(params, 500)
    params.finish()
    if from_id is not None and (first or last < FOREVER):
        raise ApiError(-1128, "Combination of optional parameters invalid.")

    def wanted(fill: Fill) -> bool:
        return (
            fill.product is product
            and (order_id is None or fill.order.id == order_id)
            and (from_id is None or fill.trade_id >= from_id)
            and first <= fill.ts_ms <= last
        )

    rows = [fill for fill in account.fills if wanted(fill)]
    kept = rows[:limit] if from_id is not None or first else rows[-limit:]
    return [own_trade(fill, venue.scales[product.symbol]) for fill in kept]


async def forced_orders(
    venue: BinanceFutures, account: MarginAccount, params: Params
) -> list[Json]:
    """List the orders that closed positions by force."""
    symbol, kind = params.text("symbol"), params.text("autoCloseType")
    first, last, limit = window(params, 50)
    params.finish()
    wanted = ("liquidation", "adl") if kind is None else ("adl" if kind == "ADL" else "liquidation")
    rows = [
        order
        for order in account.orders.values()
        if order.ticket.category in wanted
        and symbol in (None, order.product.symbol)
        and first <= order.created_ms <= last
    ]
    return [queried(order, venue.scales[order.product.symbol]) for order in rows[-limit:]]


def window(params: Params, usual: int) -> tuple[int, int, int]:
    """Return (first ms, last ms, limit); at most seven days when both ends are given.

    Raises:
        ApiError: -4165.
    """
    start, end = params.integer("startTime"), params.integer("endTime")
    if start is not None and end is not None and end - start > _WEEK_MS:
        raise ApiError(-4165, "Invalid time interval: maximum is 7 days.")
    last = end if end is not None else FOREVER
    return start or 0, last, params.between("limit", usual, 1, 1_000)
