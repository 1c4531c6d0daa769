"""OKX algo orders: trigger, conditional, oco, move_order_stop; and what comes with an order."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec

from core.model.market import Side
from core.model.orders import TimeInForce
from emulator.market.derivatives.account import MarginAccount
from emulator.market.derivatives.orders import (
    Branch,
    Conditional,
    Order,
    Refusal,
    Refused,
    Ticket,
    Wait,
)
from emulator.market.derivatives.position import Leg
from emulator.market.derivatives.product import PPM, Product
from emulator.market.triggers import Trigger, Watched
from emulator.okx.asked import (
    Declined,
    check_mode,
    client_id,
    decimal_e8,
    flag,
    leg_of,
    lots_of,
    product_of,
    self_trade,
    side_of,
    text,
    wrong,
)
from emulator.okx.trading import NOT_AMENDABLE, NOT_CANCELABLE
from emulator.okx.venue import Okx
from emulator.wire.numbers import digits
from emulator.wire.venue import Json

_KINDS: Final = ("conditional", "oco", "trigger", "move_order_stop")
_WATCHED: Final = {
    "": Watched.LAST,
    "last": Watched.LAST,
    "mark": Watched.MARK,
    "index": Watched.INDEX,
}
_AT_MARKET: Final = "-1"
_SIDES: Final = {
    # (take-profit, buys): what is said of a trigger price on the wrong side of the last one.
    (True, True): ("51277", "TP trigger price cannot be higher than the last price."),
    (False, True): ("51278", "SL trigger price cannot be lower than the last price."),
    (True, False): ("51279", "TP trigger price cannot be lower than the last price."),
    (False, False): ("51280", "SL trigger price cannot be higher than the last price."),
}


def _row(waits: Conditional) -> Json:
    return {
        "algoClOrdId": waits.client_id,
        "algoId": str(waits.id),
        "clOrdId": "",
        "tag": waits.words.get("tag", ""),
    }


def place(venue: Okx, account: MarginAccount, args: Json) -> Json:
    """Let an algo order wait."""
    product = product_of(venue, args)
    kind = text(args, "ordType")
    if kind not in _KINDS:
        raise wrong("ordType")
    mode, side, leg = check_mode(args, product), side_of(args), leg_of(args, account, product)
    give_way, stp = self_trade(args)
    closes = text(args, "closeFraction")
    if closes not in ("", "1"):
        raise wrong("closeFraction")
    reduces = flag(args, "reduceOnly") and not product.spot
    if closes and leg is Leg.NET and not reduces:
        raise wrong("reduceOnly")
    ticket = Ticket(
        side=side,
        market=True,
        lots=0 if closes else lots_of(product, args, "sz", market=True),
        leg=leg,
        reduce_only=reduces,
        close=bool(closes),
        self_trade=give_way,
        words={"ordType": "market", "tdMode": mode, "stpMode": stp, "tag": text(args, "tag")},
    )
    said: Json = {
        "ordType": kind,
        "tdMode": mode,
        "stpMode": stp,
        "tag": text(args, "tag"),
        "px": {},
    }
    branches = _branches(product, args, kind, ticket, said)
    waits = _made(venue, product, client_id(args, "algoClOrdId"), branches, said)
    waits.dies_with_position = flag(args, "cxlOnClosePos")
    _arm(venue, account, waits)
    return _row(waits)


def _made(
    venue: Okx, product: Product, named: str, branches: list[Branch], said: Json
) -> Conditional:
    now_ms = venue.house.desk.now_ms
    return Conditional(
        id=venue.house.desk.next_number(),
        client_id=named,
        product=product,
        branches=branches,
        created_ms=now_ms,
        updated_ms=now_ms,
        words=said,
    )


def _arm(venue: Okx, account: MarginAccount, waits: Conditional) -> None:
    try:
        venue.house.waiting.arm(account, waits, refuse_met=True)
    except Refused as error:
        if error.reason is Refusal.DUPLICATE:
            raise Declined("51065", "algoClOrdId already exists.") from None
        branch = next(
            each
            for each in waits.branches
            if each.trigger.met(venue.house.waiting.of(waits.product).seen(each.trigger.watches))
        )
        buys = branch.ticket.side is Side.BUY
        raise Declined(*_SIDES[(branch.name == "tp", buys)]) from None


def _branches(product: Product, args: Json, kind: str, ticket: Ticket, said: Json) -> list[Branch]:
    if kind == "move_order_stop":
        return [Branch(trigger=_trail(product, args, ticket.side, said), ticket=ticket)]
    if kind == "trigger":
        price = _price(args, "triggerPx")
        watches = _watched(args, "triggerPxType")
        seen = product.mark_e8() if watches is Watched.MARK else _last(product)
        said["px"][""] = text(args, "orderPx") or _AT_MARKET
        trigger = Trigger(id=0, rises=price > seen, price=price, watches=watches)
        return [Branch(trigger=trigger, ticket=_priced(product, args, "orderPx", ticket))]
    branches = [
        _protection(product, args, name, ticket, said)
        for name in ("tp", "sl")
        if text(args, f"{name}TriggerPx")
    ]
    if not branches or (kind == "oco" and len(branches) < 2):
        raise wrong("slTriggerPx" if branches and branches[0].name == "tp" else "tpTriggerPx")
    return branches


def _protection(product: Product, args: Json, name: str, ticket: Ticket, said: Json) -> Branch:
    """Return a take-profit (``tp``) or a stop (``sl``)."""
    said["px"][name] = text(args, f"{name}OrdPx") or _AT_MARKET
    buys = ticket.side is Side.BUY
    trigger = Trigger(
        id=0,
        rises=buys is (name == "sl"),
        price=_price(args, f"{name}TriggerPx"),
        watches=_watched(args, f"{name}TriggerPxType"),
    )
    return Branch(trigger=trigger, ticket=_priced(product, args, f"{name}OrdPx", ticket), name=name)


def _priced(product: Product, args: Json, name: str, ticket: Ticket) -> Ticket:
    """Return the ticket with the limit price of an argument; -1 or nothing is the market."""
    if text(args, name) in ("", _AT_MARKET):
        return ticket
    price_e8 = decimal_e8(args, name)
    if price_e8 is None or price_e8 % product.tick_e8:
        raise wrong(name)
    return msgspec.structs.replace(
        ticket,
        market=False,
        tif=TimeInForce.GTC,
        price_ticks=price_e8 // product.tick_e8,
        words={**ticket.words, "ordType": "limit"},
    )


def _trail(product: Product, args: Json, side: Side, said: Json) -> Trigger:
    ratio, spread = text(args, "callbackRatio"), decimal_e8(args, "callbackSpread")
    if bool(ratio) is (spread is not None):
        raise wrong("callbackRatio")
    ppm = 0
    if ratio:
        try:
            ppm = int(Decimal(ratio) * PPM)
        except InvalidOperation:
            raise wrong("callbackRatio") from None
        if not 0 < ppm <= PPM:
            raise wrong("callbackRatio")
    said["callbackRatio"], said["callbackSpread"] = ratio, text(args, "callbackSpread")
    buys = side is Side.BUY
    active = decimal_e8(args, "activePx") or 0
    last = _last(product)
    if active and (active > last if buys else active < last):
        raise Declined(
            "51259",
            "Trail-order placement failed. The trigger price of a buy order should be lower than "
            "the last transaction price, and the trigger price of a sell order higher.",
        )
    return Trigger(
        id=0,
        rises=buys,
        trail=spread or 0,
        trail_ppm=ppm,
        active_at=active,
        active_rises=not buys,
    )


def _price(args: Json, name: str) -> int:
    price = decimal_e8(args, name)
    if price is None:
        raise wrong(name)
    return price


def _watched(args: Json, name: str) -> Watched:
    word = text(args, name)
    if word not in _WATCHED:
        raise wrong(name)
    return _WATCHED[word]


def _last(product: Product) -> int:
    return product.last_ticks() * product.tick_e8


def find(account: MarginAccount, args: Json) -> Conditional | None:
    """Return the algo order meant by ``algoId`` or ``algoClOrdId``."""
    number, named = text(args, "algoId"), text(args, "algoClOrdId")
    if not (number or named):
        raise Declined("51003", "Either client order ID or order ID is required.")
    wanted = (int(number) if digits(number) else -1) if number else None
    return account.find_conditional(wanted, named)


def cancel(venue: Okx, account: MarginAccount, args: Json) -> Json:
    """Cancel an algo order."""
    waits = find(account, args)
    try:
        if waits is None:
            raise Refused(Refusal.NOT_OPEN)
        venue.house.waiting.disarm(account, waits)
    except Refused:
        raise Declined("51400", NOT_CANCELABLE) from None
    return _row(waits)


def amend(venue: Okx, account: MarginAccount, args: Json) -> Json:
    """Change size, trigger prices or limit prices of a waiting algo order, all of it or nothing."""
    waits = find(account, args)
    gone = Declined("51503", NOT_AMENDABLE)
    if waits is None or waits.state is not Wait.ARMED:
        raise gone
    tickets = [_ordered(waits.product, args, branch) for branch in waits.branches]
    if text(args, "newSz"):
        lots = lots_of(waits.product, args, "newSz", market=True)
        tickets = [msgspec.structs.replace(ticket, lots=lots) for ticket in tickets]
    for branch in waits.branches:
        kind = f"new{branch.name.title()}TriggerPxType"
        if text(args, kind) and _watched(args, kind) is not branch.trigger.watches:
            raise wrong(kind)
    names = [f"new{branch.name.title()}TriggerPx" for branch in waits.branches]
    prices = [decimal_e8(args, name) or 0 for name in names]
    for branch, ticket in zip(waits.branches, tickets, strict=True):
        branch.ticket = ticket
        given = text(args, f"new{branch.name.title()}OrdPx")
        if given:
            waits.words["px"][branch.name] = given
    venue.house.waiting.rearm(account, waits, prices)
    return {
        "algoClOrdId": waits.client_id,
        "algoId": str(waits.id),
        "reqId": text(args, "reqId"),
    }


def _ordered(product: Product, args: Json, branch: Branch) -> Ticket:
    """Return a branch's ticket at the limit price now asked for, -1: at the market."""
    name = f"new{branch.name.title()}OrdPx"
    if text(args, name) != _AT_MARKET:
        return _priced(product, args, name, branch.ticket)
    words = {**branch.ticket.words, "ordType": "market"}
    return msgspec.structs.replace(branch.ticket, market=True, price_ticks=0, words=words)


def attach(venue: Okx, account: MarginAccount, order: Order) -> None:
    """Let the take-profits and stops that came with an order wait, once it is filled."""
    ticket, product = order.ticket, order.product
    leg = ticket.leg
    for asked in ticket.words.get("attach", ()):
        closing = Ticket(
            side=ticket.side.opposite,
            market=True,
            lots=order.filled,
            leg=leg,
            reduce_only=leg is Leg.NET and not product.spot,
            self_trade=ticket.self_trade,
            words={**ticket.words, "ordType": "market", "attach": []},
        )
        said: Json = {
            "ordType": "oco" if asked["tpTriggerPx"] and asked["slTriggerPx"] else "conditional",
            "tdMode": ticket.words.get("tdMode", "cross"),
            "px": {},
            "linked": str(order.id),
        }
        branches = [
            _protection(product, asked, name, closing, said)
            for name in ("tp", "sl")
            if asked[f"{name}TriggerPx"]
        ]
        waits = _made(venue, product, asked["attachAlgoClOrdId"], branches, said)
        waits.dies_with_position = not product.spot
        # What the price has passed by already fires with the next one.
        venue.house.waiting.arm(account, waits, refuse_met=False)
