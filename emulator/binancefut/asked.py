"""What a client asks for: parameters of orders into tickets, refused in the venue's words."""

from __future__ import annotations

import re
from typing import Final

from core.model.market import Side
from core.model.orders import TimeInForce
from emulator.binance.gate.errors import ApiError, bad_symbol, illegal, missing
from emulator.binance.gate.params import Params
from emulator.market.derivatives.account import MarginAccount
from emulator.market.derivatives.orders import PostOnly, Refusal, SelfTrade, Ticket
from emulator.market.derivatives.position import Leg
from emulator.market.derivatives.product import Product
from emulator.market.listings import E8
from emulator.market.shard import Shard
from emulator.wire.numbers import fixed

SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}
_LEGS: Final = {"BOTH": Leg.NET, "LONG": Leg.LONG, "SHORT": Leg.SHORT}
_TIFS: Final = {
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "GTX": TimeInForce.GTC,
    "GTD": TimeInForce.GTD,
}
_STPS: Final = {
    "EXPIRE_TAKER": SelfTrade.TAKER,
    "EXPIRE_MAKER": SelfTrade.MAKER,
    "EXPIRE_BOTH": SelfTrade.BOTH,
}
_CLIENT_ID: Final = r"^[\.A-Z\:/a-z0-9_-]{1,36}$"
_GTD_AHEAD_MS: Final = 600_000
_GTD_LATEST_MS: Final = 253_402_300_799_000
_BAND_PERCENT: Final = 5
CONDITIONAL: Final = (
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
)
REFUSALS: Final = {
    Refusal.NO_FUNDS: (-2019, "Margin is insufficient."),
    Refusal.DUPLICATE: (-4116, "ClientOrderId is duplicated."),
    Refusal.WOULD_TAKE: (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected. "
        "The order will not be recorded in the order history",
    ),
    Refusal.REDUCE_ONLY: (-2022, "ReduceOnly Order is rejected."),
    Refusal.NO_POSITION: (-2022, "ReduceOnly Order is rejected."),
    Refusal.NO_LIQUIDITY: (
        -4131,
        "The counterparty's best price does not meet the PERCENT_PRICE filter limit.",
    ),
    Refusal.WOULD_TRIGGER: (-2021, "Order would immediately trigger."),
    Refusal.NOT_OPEN: (-2011, "Unknown order sent."),
    Refusal.NO_CHANGE: (-5027, "No need to modify the order."),
}
NO_SUCH_ORDER: Final = "Order does not exist."
_FOK_FAILED: Final = (
    "Due to the order could not be filled immediately, the FOK order has been rejected. "
    "The order will not be recorded in the order history"
)


def client_id(params: Params, name: str) -> str | None:
    """Return a client order id, None when it was not sent.

    Raises:
        ApiError: -1100.
    """
    value = params.text(name)
    if value is not None and not re.fullmatch(_CLIENT_ID, value):
        raise illegal(name, _CLIENT_ID)
    return value


def leg_of(params: Params, account: MarginAccount) -> Leg:
    """Return which position an order is for.

    Raises:
        ApiError: -1117, or -4061 where it does not fit the account's mode.
    """
    name = params.text("positionSide") or "BOTH"
    if name not in _LEGS:
        raise ApiError(-1116, "Invalid positionSide.")
    leg = _LEGS[name]
    if (leg is not Leg.NET) is not account.hedge:
        raise ApiError(-4061, "Order's position side does not match user's setting.")
    return leg


def reduce_only(params: Params, account: MarginAccount) -> bool:
    """Return the flag.

    Raises:
        ApiError: -1106 in hedge mode.
    """
    if account.hedge and params.text("reduceOnly") is not None:
        raise ApiError(-1106, "Parameter 'reduceonly' sent when not required.")
    return params.flag("reduceOnly", default=False)


def self_trade(params: Params) -> tuple[SelfTrade, str]:
    """Return who gives way, and in the venue's word."""
    name = params.text("selfTradePreventionMode") or "EXPIRE_MAKER"
    if name not in _STPS:
        raise ApiError(-1130, "Data sent for parameter 'selfTradePreventionMode' is not valid.")
    return _STPS[name], name


def tif_of(params: Params, kind: str, now_ms: int) -> tuple[str, int]:
    """Return time in force in the venue's word, and when it ends (0: never).

    Raises:
        ApiError: -1102, -1115, or -4208 for a date too soon.
    """
    name = params.text("timeInForce")
    if kind == "LIMIT" and name is None:
        raise missing("timeInForce")
    name = name or "GTC"
    if name not in _TIFS:
        raise ApiError(-1115, "Invalid timeInForce.")
    until = params.integer("goodTillDate")
    if name != "GTD":
        return name, 0
    if until is None:
        raise missing("goodTillDate")
    until = until // 1_000 * 1_000
    if not now_ms + _GTD_AHEAD_MS < until < _GTD_LATEST_MS:
        raise ApiError(
            -4208,
            "The goodTillDate timestamp must be greater than the current time plus 600 seconds and "
            "smaller than 253402300799000.",
        )
    return name, until


def price_ticks(product: Product, price_e8: int, side: Side) -> int:
    """Return a limit price in ticks.

    Raises:
        ApiError: -4013, -4014, -4016 or -4024.
    """
    shard = product.shard
    if price_e8 <= 0:
        raise ApiError(-4013, "Price less than min price.")
    ticks, rest = divmod(price_e8, product.tick_e8)
    if rest or ticks % shard.coarse:
        raise ApiError(-4014, "Price not increased by tick size.")
    decimals = shard.listing.price_decimals
    mark = product.mark_e8()
    most, least = mark * (100 + _BAND_PERCENT) // 100, mark * (100 - _BAND_PERCENT) // 100
    unit = 10 ** (8 - decimals)
    if side is Side.BUY and price_e8 > most:
        raise ApiError(-4016, f"Limit price can't be higher than {fixed(most // unit, decimals)}.")
    if side is Side.SELL and price_e8 < least:
        raise ApiError(-4024, f"Limit price can't be lower than {fixed(least // unit, decimals)}.")
    return ticks


def lots_of(shard: Shard, size_e8: int, *, market: bool) -> int:
    """Return a size in lots.

    Raises:
        ApiError: -4003, -1111 or -4005.
    """
    listing = shard.listing
    if size_e8 <= 0:
        raise ApiError(-4003, "Quantity less than or equal to zero.")
    lots, rest = divmod(size_e8, listing.lot_e8)
    if rest:
        raise ApiError(-1111, "Precision is over the maximum defined for this asset.")
    if lots > (listing.max_market_lots if market else listing.max_lots):
        raise ApiError(-4005, "Quantity greater than max quantity.")
    return lots


def matched_price(shard: Shard, name: str, side: Side) -> int:
    """Return the price a priceMatch stands for.

    Raises:
        ApiError: -1130.
    """
    word, _, deep = name.partition("_")
    if word not in ("OPPONENT", "QUEUE") or deep not in ("", "5", "10", "20"):
        raise ApiError(-1130, "Data sent for parameter 'priceMatch' is not valid.")
    of = side.opposite if word == "OPPONENT" else side
    levels = shard.engine.depth(of, int(deep or 1))
    if not levels:
        raise ApiError(*REFUSALS[Refusal.NO_LIQUIDITY])
    return levels[-1][0]


def ask(product: Product, account: MarginAccount, params: Params, now_ms: int, made: str) -> Ticket:
    """Read a new order; every check the venue makes before matching.

    Raises:
        ApiError: In the venue's codes and words.
    """
    shard = product.shard
    side = params.choice("side", SIDES.__getitem__, ApiError(-1117, "Invalid side."))
    kind = params.need("type")
    if kind in CONDITIONAL:
        raise ApiError(
            -4120,
            "Order type not supported for this endpoint. Please use the Algo Order API endpoints "
            "instead.",
        )
    if kind not in ("LIMIT", "MARKET"):
        raise ApiError(-1116, "Invalid orderType.")
    market = kind == "MARKET"
    leg, reduces = leg_of(params, account), reduce_only(params, account)
    mode, stp = self_trade(params)
    if market and params.text("timeInForce") is not None:
        raise ApiError(-1106, "Parameter 'timeInForce' sent when not required.")
    tif, until = tif_of(params, kind, now_ms)
    size_e8 = params.decimal_e8("quantity")
    if size_e8 is None:
        raise missing("quantity")
    ticks, match = limit_price(product, params, side, market=market)
    lots = lots_of(shard, size_e8, market=market)
    reference_e8 = ticks * product.tick_e8 or product.mark_e8()
    least = shard.listing.min_notional
    if product.worth_e8(reference_e8, lots) < least * E8 and not reduces and leg is Leg.NET:
        raise ApiError(
            -4164,
            f"Order's notional must be no smaller than {least} (unless you choose reduce only).",
        )
    if tif == "FOK" and shard.engine.fillable(side, ticks, lots, account.owner) < lots:
        raise ApiError(-5021, _FOK_FAILED)
    for name in ("stopPrice", "activationPrice", "callbackRate", "workingType", "priceProtect"):
        params.skip(name)
    if params.flag("closePosition", default=False):
        raise ApiError(-4136, "Target strategy invalid for orderType MARKET,closePosition true")
    return Ticket(
        client_id=client_id(params, "newClientOrderId") or made,
        side=side,
        market=market,
        tif=_TIFS[tif],
        post_only=PostOnly.REFUSE if tif == "GTX" else PostOnly.NO,
        price_ticks=ticks,
        lots=lots,
        leg=leg,
        reduce_only=reduces,
        expires_ms=until,
        self_trade=mode,
        words={"type": kind, "tif": tif, "stp": stp, "match": match},
    )


def limit_price(product: Product, params: Params, side: Side, *, market: bool) -> tuple[int, str]:
    """Return the price in ticks (0 at the market), and the priceMatch in the venue's word."""
    price_e8, match = params.decimal_e8("price"), params.text("priceMatch") or "NONE"
    if market:
        if price_e8 is not None:
            raise ApiError(-1106, "Parameter 'price' sent when not required.")
        return 0, match
    if match != "NONE":
        if price_e8 is not None:
            raise ApiError(-1106, "Parameter 'price' sent when not required.")
        return matched_price(product.shard, match, side), match
    if price_e8 is None:
        raise missing("price")
    return price_ticks(product, price_e8, side), match


def product_of(products: dict[str, Product], params: Params) -> Product:
    """Return the instrument asked for.

    Raises:
        ApiError: -1121, or -1102 without a symbol.
    """
    product = products.get(params.symbol())
    if product is None or not product.shard.listed:
        raise bad_symbol()
    return product


def check_trading(product: Product) -> None:
    """Refuse new orders while a symbol does not trade.

    Raises:
        ApiError: -4141.
    """
    if product.shard.halted:
        raise ApiError(-4141, "Symbol is closed.")
