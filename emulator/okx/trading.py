"""OKX orders, the same over REST and the socket: each operation is answered by a row of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from core.model.market import Side
from emulator.market.derivatives.account import MarginAccount
from emulator.market.derivatives.orders import Order, Refusal, Refused, Ticket
from emulator.market.derivatives.position import Leg
from emulator.okx.asked import (
    Declined,
    ask,
    client_id,
    flag,
    lots_of,
    price_ticks,
    product_of,
    refused,
    text,
    wrong,
)
from emulator.okx.venue import Okx
from emulator.wire.numbers import digits
from emulator.wire.venue import Json

_MOST_IN_BATCH: Final = 20
_FAILED: Final = "All operations failed"
_PARTLY: Final = "Bulk operation partially succeeded."
NOT_CANCELABLE: Final = (
    "Cancellation failed as the order has been filled, canceled or does not exist."
)
NOT_AMENDABLE: Final = (
    "Order modification failed as the order has been filled, canceled or does not exist."
)

Operation = Callable[[Okx, MarginAccount, Json], Json]


def carried_out(venue: Okx, account: MarginAccount, operation: Operation, args: Any) -> Json:
    """Carry out one operation, or each of a batch; the answer's ``code``, ``msg`` and ``data``."""
    rows = args if isinstance(args, list) else [args]
    if not rows or len(rows) > _MOST_IN_BATCH or not all(isinstance(row, dict) for row in rows):
        return {"code": "50014", "msg": "Parameter args can not be empty.", "data": []}
    answers = []
    for row in rows:
        try:
            answers.append({**operation(venue, account, row), "sCode": "0", "sMsg": ""})
        except Declined as declined:
            said = {"sCode": declined.code, "sMsg": declined.words}
            answers.append({**_blank(venue, row), **said})
    failed = sum(row["sCode"] != "0" for row in answers)
    code = "0" if not failed else "1" if failed == len(answers) else "2"
    return {"code": code, "msg": ("", _FAILED, _PARTLY)[int(code)], "data": answers}


def _blank(venue: Okx, row: Json) -> Json:
    return {
        "clOrdId": text(row, "clOrdId"),
        "ordId": text(row, "ordId"),
        "tag": text(row, "tag"),
        "ts": str(venue.now_ms()),
    }


def _row(venue: Okx, order: Order) -> Json:
    return {
        "clOrdId": order.ticket.client_id,
        "ordId": str(order.id),
        "tag": order.ticket.words.get("tag", ""),
        "ts": str(venue.now_ms()),
    }


def place(venue: Okx, account: MarginAccount, args: Json) -> Json:
    """Place an order."""
    check_time(venue, args)
    product = product_of(venue, args)
    ticket = ask(product, account, args)
    if product.shard.halted:
        raise Declined("51022", "Instrument ID is suspended.")
    try:
        order = venue.house.desk.place(account, product, ticket)
    except Refused as error:
        raise refused(error.reason, product) from None
    return _row(venue, order)


def check_time(venue: Okx, args: Json) -> None:
    """Refuse what comes after its own deadline.

    Raises:
        Declined: 51149.
    """
    until = text(args, "expTime")
    if digits(until) and int(until) < venue.now_ms():
        raise Declined("51149", "Order timed out. Please try again later.")


def find(venue: Okx, account: MarginAccount, args: Json, missing: Declined) -> Order:
    """Return the order meant by ``ordId`` or ``clOrdId``.

    Raises:
        Declined: 51003 without either, 51001, or `missing`.
    """
    product = product_of(venue, args)
    number, named = text(args, "ordId"), client_id(args)
    if not (number or named):
        raise Declined("51003", "Either client order ID or order ID is required.")
    wanted = (int(number) if digits(number) else -1) if number else None
    order = account.find(wanted, named)
    if order is None or order.product is not product:
        raise missing
    return order


def cancel(venue: Okx, account: MarginAccount, args: Json) -> Json:
    """Cancel an order."""
    gone = Declined("51400", NOT_CANCELABLE)
    order = find(venue, account, args, gone)
    try:
        venue.house.desk.cancel(account, order)
    except Refused:
        raise gone from None
    return _row(venue, order)


def amend(venue: Okx, account: MarginAccount, args: Json) -> Json:
    """Change price or size; smaller at the same price it keeps its place."""
    check_time(venue, args)
    gone = Declined("51503", NOT_AMENDABLE)
    order = find(venue, account, args, gone)
    request = client_id(args, "reqId")
    if not order.status.open:
        raise gone
    if not (text(args, "newSz") or text(args, "newPx")):
        raise Declined("51500", "You must enter a price, quantity, or TP/SL.")
    product = order.product
    lots = lots_of(product, args, "newSz", market=False) if text(args, "newSz") else None
    price = price_ticks(product, args, "newPx", order.ticket.side) if text(args, "newPx") else None
    if lots is not None and lots <= order.filled:
        raise Declined("51505", "The new size must be larger than what is filled already.")
    venue.users.amending(order, request)
    try:
        venue.house.desk.amend(account, order, price_ticks=price, lots=lots)
    except Refused as error:
        venue.users.amended(order)
        if error.reason is Refusal.NOT_OPEN:
            raise gone from None
        if flag(args, "cxlOnFail"):
            venue.house.desk.cancel(account, order)
        raise refused(error.reason, product) from None
    venue.users.amended(order)
    row = _row(venue, order)
    del row["tag"]
    return {**row, "reqId": request}


def close(venue: Okx, account: MarginAccount, args: Json) -> Json:
    """Close a whole position at the market.

    Raises:
        Declined: 51000, 51001 or 51023.
    """
    product = product_of(venue, args)
    if product.spot or text(args, "mgnMode") != "cross":
        raise wrong("mgnMode")
    name = text(args, "posSide") or "net"
    if name not in ("net", "long", "short") or (name != "net") is not account.hedge:
        raise wrong("posSide")
    leg = Leg(name)
    held = account.position(product, leg)
    if not held.lots:
        raise Declined("51023", "Position doesn't exist.")
    if flag(args, "autoCxl"):
        venue.house.desk.cancel_all(
            account, lambda o: o.product is product and o.ticket.only_closes
        )
    ticket = Ticket(
        client_id=client_id(args),
        side=Side.SELL if held.lots > 0 else Side.BUY,
        market=True,
        leg=leg,
        close=True,
        reduce_only=leg is Leg.NET,
        words={"ordType": "market", "tdMode": "cross", "tag": text(args, "tag")},
    )
    try:
        venue.house.desk.place(account, product, ticket)
    except Refused as error:
        raise refused(error.reason, product) from None
    return {
        "clOrdId": ticket.client_id,
        "instId": product.symbol,
        "posSide": name,
        "tag": text(args, "tag"),
    }


def dead_man(venue: Okx, account: MarginAccount, args: Json) -> Json:
    """Cancel all orders (of a tag) in so many seconds, unless told otherwise before; 0 disarms.

    Raises:
        Declined: 51000.
    """
    seconds = text(args, "timeOut")
    if not digits(seconds) or not (int(seconds) == 0 or 10 <= int(seconds) <= 120):
        raise wrong("timeOut")
    tag = text(args, "tag")
    at_ms = 0
    if int(seconds):
        at_ms = venue.house.desk.now_ms + int(seconds) * 1_000
        account.dead_man[tag] = at_ms
    else:
        account.dead_man.pop(tag, None)
    return {"triggerTime": str(at_ms), "tag": tag, "ts": str(venue.now_ms())}


def meant(account: MarginAccount, args: Any) -> list[Order]:
    """Return the orders that cancels are meant for."""
    found = []
    for row in args if isinstance(args, list) else [args]:
        if isinstance(row, dict):
            number = text(row, "ordId")
            order = account.find(
                int(number) if digits(number) else None, text(row, "clOrdId") or None
            )
            found += [order] if order is not None else []
    return found
