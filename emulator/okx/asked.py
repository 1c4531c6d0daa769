"""What a client of OKX asks for: arguments of orders into tickets, refused in the venue's words."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from core.model.market import Side
from core.model.orders import TimeInForce
from emulator.market.derivatives.account import MarginAccount
from emulator.market.derivatives.orders import PostOnly, Refusal, SelfTrade, Ticket
from emulator.market.derivatives.position import Leg
from emulator.market.derivatives.product import Product
from emulator.market.listings import E8
from emulator.okx.venue import Okx
from emulator.wire.numbers import digits
from emulator.wire.venue import Json

_CLIENT_ID: Final = re.compile(r"[A-Za-z0-9]{1,32}")
_TAG: Final = re.compile(r"[A-Za-z0-9]{0,16}")
_CODES: Final = 10_459
"""The first instrument's `instIdCode`."""
_TIFS: Final = {
    "market": TimeInForce.IOC,
    "limit": TimeInForce.GTC,
    "post_only": TimeInForce.GTC,
    "fok": TimeInForce.FOK,
    "ioc": TimeInForce.IOC,
    "optimal_limit_ioc": TimeInForce.IOC,
}
_STPS: Final = {
    "cancel_maker": SelfTrade.MAKER,
    "cancel_taker": SelfTrade.TAKER,
    "cancel_both": SelfTrade.BOTH,
}
_SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}
NO_INSTRUMENT: Final = "Instrument ID, Instrument ID code, or Spread ID doesn't exist."


class Declined(Exception):
    """One operation is refused: `code` and `words` go into its row."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(f"{code}: {words}")
        self.code = code
        self.words = words


def wrong(name: str) -> Declined:
    """Return the refusal of a parameter that is wrong."""
    return Declined("51000", f"Parameter {name} error")


def refused(reason: Refusal, product: Product) -> Declined:
    """Return a refusal of the desk in the venue's words."""
    asset = product.settle
    what = "balance" if product.spot else "margin"
    return {
        Refusal.NO_FUNDS: Declined(
            "51008",
            f"Order failed. Your available {asset} {what} is insufficient.",
        ),
        Refusal.DUPLICATE: Declined("51016", "Client order ID already exists."),
        Refusal.REDUCE_ONLY: Declined(
            "51169",
            "Order failed because you don't have any positions in this direction for this "
            "contract to reduce or close.",
        ),
        Refusal.NO_POSITION: Declined("51023", "Position doesn't exist."),
        Refusal.NO_LIQUIDITY: Declined("51020", "Order failed: there is nobody to trade with."),
        Refusal.NO_CHANGE: Declined("51513", "No modifications made."),
    }.get(reason, Declined("51000", f"Parameter error: {reason.value}"))


def text(args: Json, name: str) -> str:
    """Return an argument as text, empty when it was not given."""
    value = args.get(name)
    return "" if value is None else str(value)


def flag(args: Json, name: str) -> bool:
    """Return a true/false argument, given as one or as text."""
    return text(args, name).lower() == "true"


def client_id(args: Json, name: str = "clOrdId") -> str:
    """Return a client order id, empty when there is none.

    Raises:
        Declined: 51000 for anything but 32 letters and digits.
    """
    value = text(args, name)
    if value and not _CLIENT_ID.fullmatch(value):
        raise wrong(name)
    return value


def decimal_e8(args: Json, name: str) -> int | None:
    """Return a positive decimal in 1e-8, None when it was not given.

    Raises:
        Declined: 51000.
    """
    value = text(args, name)
    if not value:
        return None
    try:
        scaled = Decimal(value) * E8
    except InvalidOperation:
        raise wrong(name) from None
    if not scaled.is_finite() or not 0 < scaled < 1 << 100 or scaled != int(scaled):
        raise wrong(name)
    return int(scaled)


def product_of(venue: Okx, args: Json) -> Product:
    """Return the instrument, by ``instIdCode`` first and then ``instId``.

    Raises:
        Declined: 51001.
    """
    name = text(args, "instId")
    code = text(args, "instIdCode")
    if code:
        names = [shard.listing.symbol for shard in venue.shards()]
        number = int(code) - _CODES if digits(code) else -1
        name = names[number] if 0 <= number < len(names) else ""
    if not name:
        raise Declined("51000", "Parameter instId error")
    product = venue.house.products.get(name)
    if product is None or not product.shard.listed:
        raise Declined("51001", NO_INSTRUMENT)
    return product


def price_ticks(product: Product, args: Json, name: str, side: Side) -> int:
    """Return a limit price in ticks.

    Raises:
        Declined: 51000 off the tick, 51006 beyond the price limit.
    """
    price_e8 = decimal_e8(args, name)
    if price_e8 is None:
        raise wrong(name)
    ticks, rest = divmod(price_e8, product.tick_e8)
    if rest or ticks % product.shard.coarse:
        raise wrong(name)
    last = product.last_ticks()
    most, least = last * 102 // 100, last * 98 // 100
    if ticks > most if side is Side.BUY else ticks < least:
        scale = product.tick_e8 / E8
        raise Declined(
            "51006",
            "Order price is not within the price limit (max buy price: "
            f"{most * scale:g} min sell price: {least * scale:g})",
        )
    return ticks


def lots_of(product: Product, args: Json, name: str, *, market: bool) -> int:
    """Return a size in lots.

    Raises:
        Declined: 51000, 51020 below the least, 51121 off the lot, 51005 above the most.
    """
    size_e8 = decimal_e8(args, name)
    if size_e8 is None:
        raise wrong(name)
    listing = product.shard.listing
    if size_e8 < listing.lot_e8:
        raise Declined("51020", "Your order should meet or exceed the minimum order amount.")
    lots, rest = divmod(size_e8, listing.lot_e8)
    if rest:
        raise Declined("51121", "Order quantity must be a multiple of the lot size.")
    if lots > (listing.max_market_lots if market else listing.max_lots):
        raise Declined("51005", "Your order amount exceeds the max order amount.")
    return lots


def leg_of(args: Json, account: MarginAccount, product: Product) -> Leg:
    """Return which position an order is for.

    Raises:
        Declined: 51000 where it does not fit the account's mode.
    """
    name = text(args, "posSide")
    if product.spot:
        return Leg.NET
    if account.hedge and name not in ("long", "short"):
        raise wrong("posSide")
    if not account.hedge and name not in ("", "net"):
        raise wrong("posSide")
    return Leg(name or "net")


def check_mode(args: Json, product: Product) -> str:
    """Return the trade mode.

    Raises:
        Declined: 51000, or 51010 for what the account has not.
    """
    mode = text(args, "tdMode")
    if mode not in ("cash", "cross", "isolated", "spot_isolated"):
        raise wrong("tdMode")
    if mode != ("cash" if product.spot else "cross"):
        raise Declined("51010", "You can't complete this request under your current account mode.")
    return mode


def side_of(args: Json) -> Side:
    """Return the side.

    Raises:
        Declined: 51000.
    """
    side = _SIDES.get(text(args, "side"))
    if side is None:
        raise wrong("side")
    return side


def self_trade(args: Json) -> tuple[SelfTrade, str]:
    """Return who gives way, and in the venue's word.

    Raises:
        Declined: 51000.
    """
    name = text(args, "stpMode") or "cancel_maker"
    if name not in _STPS:
        raise wrong("stpMode")
    return _STPS[name], name


def ask(product: Product, account: MarginAccount, args: Json) -> Ticket:
    """Read a new order; every check the venue makes before matching.

    Raises:
        Declined: In the venue's codes and words.
    """
    mode, side = check_mode(args, product), side_of(args)
    kind = text(args, "ordType")
    if kind not in _TIFS:
        raise wrong("ordType")
    market = kind in ("market", "optimal_limit_ioc")
    give_way, stp = self_trade(args)
    tag = text(args, "tag")
    if not _TAG.fullmatch(tag):
        raise wrong("tag")
    target = text(args, "tgtCcy") if product.spot and market else ""
    if target not in ("", "base_ccy", "quote_ccy"):
        raise wrong("tgtCcy")
    if product.spot and market and not target:
        # Without a word, a market buy at spot is sized in what it pays with.
        target = "quote_ccy" if side is Side.BUY else "base_ccy"
    ticks = 0 if market else price_ticks(product, args, "px", side)
    lots, budget = 0, 0
    if target == "quote_ccy":
        paid_e8 = decimal_e8(args, "sz")
        if paid_e8 is None:
            raise wrong("sz")
        budget = paid_e8 * E8 // (product.tick_e8 * product.shard.listing.lot_e8)
    else:
        lots = lots_of(product, args, "sz", market=market)
    said: Json = {
        "ordType": kind,
        "tdMode": mode,
        "stpMode": stp,
        "tag": tag,
        "tgtCcy": target,
        "sz": text(args, "sz"),
    }
    attached = args.get("attachAlgoOrds")
    if attached:
        said["attach"] = attached_orders(attached)
    return Ticket(
        client_id=client_id(args),
        side=side,
        market=market,
        tif=_TIFS[kind],
        post_only=PostOnly.CANCEL if kind == "post_only" else PostOnly.NO,
        price_ticks=ticks,
        lots=lots,
        budget=budget,
        leg=leg_of(args, account, product),
        reduce_only=flag(args, "reduceOnly") and not product.spot,
        self_trade=give_way,
        words=said,
    )


def attached_orders(rows: Any) -> list[Json]:
    """Return the take-profits and stops that come with an order.

    Raises:
        Declined: 51000.
    """
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise wrong("attachAlgoOrds")
    made = []
    for row in rows:
        for name in ("tpTriggerPx", "slTriggerPx"):
            decimal_e8(row, name)
        if not (text(row, "tpTriggerPx") or text(row, "slTriggerPx")):
            raise wrong("attachAlgoOrds")
        names = (
            "attachAlgoClOrdId", "tpTriggerPx", "tpOrdPx", "tpTriggerPxType",
            "slTriggerPx", "slOrdPx", "slTriggerPxType", "sz",
        )  # fmt: skip
        made.append(
            {
                "attachAlgoId": "",
                "amendPxOnTriggerType": "0",
                "failCode": "",
                "failReason": "",
                "tpOrdKind": "condition",
                **{name: text(row, name) for name in names},
            }
        )
    return made
