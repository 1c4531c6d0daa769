"""Signed endpoints of USD-M's algo service: orders that wait for a price."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

from core.model.market import Side
from core.model.orders import TimeInForce
from emulator.binance.gate.errors import ApiError, missing
from emulator.binance.gate.params import Params
from emulator.binancefut import asked
from emulator.binancefut.private_wire import algo, algo_queried
from emulator.binancefut.trading import FOREVER, made_up_id, refused, window
from emulator.binancefut.venue import BinanceFutures
from emulator.market.derivatives.account import MarginAccount
from emulator.market.derivatives.orders import (
    Branch,
    Conditional,
    PostOnly,
    Refusal,
    Refused,
    Ticket,
)
from emulator.market.derivatives.position import Leg
from emulator.market.derivatives.product import Product
from emulator.market.triggers import Trigger, Watched
from emulator.wire.venue import Json

_MOST_WAITING: Final = 200
_WATCHED: Final = {"CONTRACT_PRICE": Watched.LAST, "MARK_PRICE": Watched.MARK}
_PPM_A_PERCENT: Final = 10_000
_TIFS: Final = {
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "GTX": TimeInForce.GTC,
    "GTD": TimeInForce.GTD,
}
_UNKNOWN: Final = "Unknown order sent."


async def place(venue: BinanceFutures, account: MarginAccount, params: Params) -> Json:
    """Let a conditional order wait."""
    product = asked.product_of(venue.house.products, params)
    waits = _asked(venue, account, product, params)
    params.finish()
    asked.check_trading(product)
    venue.count_order(account.owner)
    waiting = [each for each in account.armed.values() if each.product is product]
    if len(waiting) >= _MOST_WAITING:
        raise ApiError(-4045, "Reach max stop order limit.")
    try:
        venue.house.waiting.arm(account, waits, refuse_met=True)
    except Refused as error:
        if error.reason is Refusal.DUPLICATE:
            raise ApiError(-4116, "ClientOrderId is duplicated.") from None
        raise refused(error) from None
    return algo(waits, venue.scales[product.symbol])


def _asked(
    venue: BinanceFutures, account: MarginAccount, product: Product, params: Params
) -> Conditional:
    """Read a conditional order.

    Raises:
        ApiError: In the venue's codes and words.
    """
    if params.need("algoType") != "CONDITIONAL":
        raise ApiError(-1130, "Data sent for parameter 'algoType' is not valid.")
    side = params.choice("side", asked.SIDES.__getitem__, ApiError(-1117, "Invalid side."))
    kind = params.need("type")
    if kind not in asked.CONDITIONAL:
        raise ApiError(-1116, "Invalid orderType.")
    leg, reduces = asked.leg_of(params, account), asked.reduce_only(params, account)
    mode, stp = asked.self_trade(params)
    tif, until = asked.tif_of(params, kind, venue.now_ms())
    working = params.text("workingType") or "CONTRACT_PRICE"
    if working not in _WATCHED:
        raise ApiError(-1130, "Data sent for parameter 'workingType' is not valid.")
    close = params.flag("closePosition", default=False)
    market = kind.endswith("MARKET")
    lots = _lots(product, params, kind, leg, side, close=close, reduces=reduces)
    ticks, match = asked.limit_price(product, params, side, market=market)
    said: Json = {
        "type": kind,
        "tif": tif,
        "stp": stp,
        "match": match,
        "working": working,
        "protect": params.flag("priceProtect", default=False),
    }
    trigger = _trigger(product, params, kind, side, _WATCHED[working], said)
    named = asked.client_id(params, "clientAlgoId") or made_up_id(venue)
    params.skip("newOrderRespType")
    ticket = Ticket(
        client_id=named,
        side=side,
        market=market,
        tif=_TIFS[tif],
        post_only=PostOnly.CANCEL if tif == "GTX" else PostOnly.NO,
        price_ticks=ticks,
        lots=lots,
        leg=leg,
        reduce_only=reduces,
        close=close,
        expires_ms=until,
        self_trade=mode,
        words={**said, "type": "MARKET" if market else "LIMIT", "original": kind},
    )
    now_ms = venue.house.desk.now_ms
    return Conditional(
        id=venue.house.desk.next_number(),
        client_id=named,
        product=product,
        branches=[Branch(trigger=trigger, ticket=ticket)],
        created_ms=now_ms,
        updated_ms=now_ms,
        expires_ms=until,
        words=said,
    )


def _lots(
    product: Product,
    params: Params,
    kind: str,
    leg: Leg,
    side: Side,
    *,
    close: bool,
    reduces: bool,
) -> int:
    size_e8 = params.decimal_e8("quantity")
    if not close:
        if size_e8 is None:
            raise missing("quantity")
        return asked.lots_of(product.shard, size_e8, market=kind.endswith("MARKET"))
    if kind not in ("STOP_MARKET", "TAKE_PROFIT_MARKET"):
        raise ApiError(-4136, f"Target strategy invalid for orderType {kind},closePosition true")
    if size_e8 is not None or reduces:
        name = "quantity" if size_e8 is not None else "reduceOnly"
        raise ApiError(-1106, f"Parameter '{name}' sent when not required.")
    if leg is not Leg.NET and (leg is Leg.LONG) is (side is Side.BUY):
        raise ApiError(-2022, "ReduceOnly Order is rejected.")
    return 0


def _trigger(
    product: Product, params: Params, kind: str, side: Side, watches: Watched, said: Json
) -> Trigger:
    buys = side is Side.BUY
    price_e8, active_e8 = params.decimal_e8("triggerPrice"), params.decimal_e8("activatePrice")
    rate = params.text("callbackRate")
    if kind != "TRAILING_STOP_MARKET":
        if price_e8 is None:
            raise missing("triggerPrice")
        if price_e8 <= 0 or price_e8 % product.tick_e8:
            raise ApiError(-4014, "Price not increased by tick size.")
        for name, value in (("activatePrice", active_e8), ("callbackRate", rate)):
            if value is not None:
                raise ApiError(-1106, f"Parameter '{name}' sent when not required.")
        stops = kind.startswith("STOP")
        return Trigger(id=0, rises=buys is stops, price=price_e8, watches=watches)
    if rate is None:
        raise missing("callbackRate")
    try:
        percent = Decimal(rate)
    except InvalidOperation:
        raise ApiError(-1130, "Data sent for parameter 'callbackRate' is not valid.") from None
    if not Decimal("0.1") <= percent <= 10:
        raise ApiError(-4114, "Invalid callBack rate.")
    said["callback"] = rate
    return Trigger(
        id=0,
        rises=buys,
        watches=watches,
        trail_ppm=int(percent * _PPM_A_PERCENT),
        active_at=_activation(product, active_e8, watches, buys=buys),
        active_rises=not buys,
    )


def _activation(product: Product, active_e8: int | None, watches: Watched, *, buys: bool) -> int:
    latest = (
        product.mark_e8() if watches is Watched.MARK else product.last_ticks() * product.tick_e8
    )
    if active_e8 is None:
        return latest
    if active_e8 >= latest if buys else active_e8 <= latest:
        raise ApiError(-2021, "Order would immediately trigger.")
    return active_e8


def _find(account: MarginAccount, params: Params, unknown: ApiError) -> Conditional:
    number, named = params.integer("algoId"), asked.client_id(params, "clientAlgoId")
    if number is None and named is None:
        raise ApiError(
            -1102, "Param 'algoid' or 'clientalgoid' must be sent, but both were empty/null!"
        )
    found = account.find_conditional(number, named)
    if found is None:
        raise unknown
    return found


async def cancel(venue: BinanceFutures, account: MarginAccount, params: Params) -> Json:
    """Cancel a conditional order."""
    waits = _find(account, params, ApiError(-2011, _UNKNOWN))
    params.skip("symbol")
    params.finish()
    try:
        venue.house.waiting.disarm(account, waits)
    except Refused as error:
        raise refused(error) from None
    return {
        "algoId": waits.id,
        "clientAlgoId": waits.client_id,
        "code": "200",
        "msg": "success",
    }


async def cancel_all(venue: BinanceFutures, account: MarginAccount, params: Params) -> Json:
    """Cancel all conditional orders of a symbol."""
    product = asked.product_of(venue.house.products, params)
    params.finish()
    for waits in list(account.armed.values()):
        if waits.product is product:
            venue.house.waiting.disarm(account, waits)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


async def query(venue: BinanceFutures, account: MarginAccount, params: Params) -> Json:
    """Tell a conditional order's state."""
    unknown = ApiError(-2013, asked.NO_SUCH_ORDER)
    waits = _find(account, params, unknown)
    params.skip("symbol")
    params.finish()
    if waits.hidden_until_ms > venue.now_ms():
        raise unknown
    return algo_queried(waits, venue.scales[waits.product.symbol])


async def waiting(venue: BinanceFutures, account: MarginAccount, params: Params) -> list[Json]:
    """List conditional orders that wait."""
    symbol, number = params.text("symbol"), params.integer("algoId")
    params.skip("algoType")
    params.finish()
    return [
        algo_queried(waits, venue.scales[waits.product.symbol])
        for waits in account.armed.values()
        if symbol in (None, waits.product.symbol)
        and number in (None, waits.id)
        and waits.hidden_until_ms <= venue.now_ms()
    ]


async def all_algos(venue: BinanceFutures, account: MarginAccount, params: Params) -> list[Json]:
    """List a symbol's conditional orders: from an id, within times, or the newest."""
    product = asked.product_of(venue.house.products, params)
    from_id = params.integer("algoId")
    params.skip("page")
    first, last, limit = window(params, 500)
    params.finish()
    rows = [
        waits
        for waits in account.conditionals.values()
        if waits.product is product
        and (from_id is None or waits.id >= from_id)
        and first <= waits.created_ms <= min(last, FOREVER)
        and waits.hidden_until_ms <= venue.now_ms()
    ]
    kept = rows[:limit] if from_id is not None or first else rows[-limit:]
    return [algo_queried(waits, venue.scales[product.symbol]) for waits in kept]
