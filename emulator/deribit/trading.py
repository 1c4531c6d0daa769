"""Deribit's private methods about orders: buy, sell, edit, cancel, close."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from core.model.market import Side
from core.model.orders import TimeInForce
from emulator.deribit.instruments import currency, kind_of
from emulator.deribit.private_wire import TRIGGERS, conditional, order, order_id, trade
from emulator.deribit.venue import Deribit, RpcError, invalid
from emulator.market.derivatives.account import MarginAccount
from emulator.market.derivatives.orders import (
    Branch,
    Conditional,
    Order,
    PostOnly,
    Refusal,
    Refused,
    SelfTrade,
    Ticket,
    Wait,
)
from emulator.market.derivatives.product import Product
from emulator.market.history import DAY_MS
from emulator.market.listings import E8
from emulator.market.triggers import Trigger
from emulator.wire.numbers import digits
from emulator.wire.venue import Json

Params = dict[str, Any]
_TIFS: Final = {
    "good_til_cancelled": TimeInForce.GTC,
    "good_til_day": TimeInForce.GTD,
    "fill_or_kill": TimeInForce.FOK,
    "immediate_or_cancel": TimeInForce.IOC,
}
_PLAIN: Final = ("limit", "market", "market_limit")
_WAITING: Final = ("stop_limit", "stop_market", "take_limit", "take_market", "trailing_stop")
_LONGEST_LABEL: Final = 64
_NOT_FOUND: Final = RpcError(10004, "order_not_found")
_REFUSALS: Final = {
    Refusal.NO_FUNDS: (10009, "not_enough_funds", None),
    Refusal.WOULD_TAKE: (11054, "post_only_reject", None),
    Refusal.REDUCE_ONLY: (11030, "other_reject", {"reason": "reduce_only_order_would_not_reduce"}),
    Refusal.NO_POSITION: (11030, "other_reject", {"reason": "no_position"}),
    Refusal.NO_LIQUIDITY: (11030, "other_reject", {"reason": "no_liquidity"}),
    Refusal.NOT_OPEN: (11044, "not_open_order", None),
}


def refused(error: Refused) -> RpcError:
    """Return a refusal of the desk in the venue's words."""
    return RpcError(*_REFUSALS[error.reason])


def flag(params: Params, name: str) -> bool:
    """Return a true/false parameter, given as one or as text.

    Raises:
        RpcError: -32602.
    """
    value = params.get(name, False)
    text = str(value).lower()
    if text not in ("true", "false"):
        raise invalid(name, "must be a boolean")
    return text == "true"


def decimal_e8(params: Params, name: str) -> int | None:
    """Return a positive number in 1e-8, None when it was not given.

    Raises:
        RpcError: -32602.
    """
    value = params.get(name)
    if value is None:
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise invalid(name, "must be a number") from None
    if not number.is_finite() or not 0 < number < 10**18:
        raise invalid(name, "must be a positive number")
    return int(number * E8)


def product_of(venue: Deribit, params: Params) -> Product:
    """Return the instrument asked for."""
    return venue.house.products[venue.shard(params.get("instrument_name")).listing.symbol]


def price_ticks(product: Product, params: Params, name: str = "price") -> int:
    """Return a limit price in ticks.

    Raises:
        RpcError: -32602 without one, 10043 off the tick.
    """
    price_e8 = decimal_e8(params, name)
    if price_e8 is None:
        raise invalid(name, "must be provided")
    ticks, rest = divmod(price_e8, product.tick_e8)
    if rest or ticks % product.shard.tick_at(ticks):
        raise RpcError(10043, "price_wrong_tick")
    return ticks


def lots_of(product: Product, params: Params) -> int:
    """Return a size in lots, of ``amount`` or ``contracts``.

    Raises:
        RpcError: -32602, 10002 below the least, 10021 off the lot.
    """
    amount_e8, contracts_e8 = decimal_e8(params, "amount"), decimal_e8(params, "contracts")
    listing = product.shard.listing
    unit = E8 if product.option else max(E8, listing.lot_e8)
    if contracts_e8 is not None:
        in_contracts = contracts_e8 * unit // E8
        if amount_e8 is not None and amount_e8 != in_contracts:
            raise invalid("contracts", "amount and contracts do not match")
        amount_e8 = in_contracts
    if amount_e8 is None:
        raise invalid("amount", "must be provided")
    if amount_e8 < listing.lot_e8:
        raise RpcError(10002, "qty_too_low")
    lots, rest = divmod(amount_e8, listing.lot_e8)
    if rest:
        raise RpcError(10021, "invalid_amount")
    return lots


def _label(params: Params) -> str:
    label = str(params.get("label") or "")
    if len(label) > _LONGEST_LABEL:
        raise RpcError(13032, "label_too_long")
    return label


def _ticket(venue: Deribit, product: Product, params: Params, side: Side, session: str) -> Ticket:
    kind = str(params.get("type", "limit"))
    if kind not in (*_PLAIN, *_WAITING):
        raise invalid("type", "wrong format")
    if params.get("advanced") or params.get("linked_order_type") or params.get("otoco_config"):
        raise RpcError(10033, "not_implemented")
    word = str(params.get("time_in_force", "good_til_cancelled"))
    if word not in _TIFS:
        raise invalid("time_in_force", "wrong format")
    market = kind in ("market", "stop_market", "take_market", "trailing_stop")
    post, reject = flag(params, "post_only"), flag(params, "reject_post_only")
    lots = lots_of(product, params)
    ticks = 0 if market or kind == "market_limit" else price_ticks(product, params)
    if kind == "market_limit":
        best = (
            product.shard.engine.best_ask()
            if side is Side.BUY
            else (product.shard.engine.best_bid())
        )
        if best is None:
            raise refused(Refused(Refusal.NO_LIQUIDITY))
        ticks = best
    now_ms = venue.house.desk.now_ms
    shown = decimal_e8(params, "display_amount")
    return Ticket(
        client_id=_label(params),
        side=side,
        market=market,
        tif=_TIFS[word],
        post_only=(PostOnly.NO if not post else PostOnly.REFUSE if reject else PostOnly.REPRICE),
        price_ticks=ticks,
        lots=lots,
        reduce_only=flag(params, "reduce_only"),
        peak=shown // product.shard.listing.lot_e8 if shown else 0,
        expires_ms=(now_ms // DAY_MS + 1) * DAY_MS if word == "good_til_day" else 0,
        self_trade=SelfTrade.MAKER,
        words={
            "order_type": {"market_limit": "limit"}.get(kind, kind),
            "time_in_force": word,
            "post_only": post,
            "reject_post_only": reject,
            "session": session,
        },
    )


def _check_deadline(venue: Deribit, params: Params) -> None:
    until = params.get("valid_until")
    if until is not None and int(until) < venue.now_ms():
        raise RpcError(13888, "timed_out")


def place(venue: Deribit, account: MarginAccount, params: Params, side: Side, session: str) -> Json:
    """Place an order, or let it wait for its trigger."""
    _check_deadline(venue, params)
    product = product_of(venue, params)
    if product.shard.halted:
        raise RpcError(10012, "book_closed")
    ticket = _ticket(venue, product, params, side, session)
    if ticket.words["order_type"] in _WAITING:
        return _wait(venue, account, product, params, ticket)
    before = len(account.fills)
    try:
        made = venue.house.desk.place(account, product, ticket)
    except Refused as error:
        raise refused(error) from None
    return told(venue, account, made, before)


def told(venue: Deribit, account: MarginAccount, made: Order, before: int) -> Json:
    """Write an order with the trades since a count of the account's fills."""
    writer = venue.writers[made.product.symbol]
    rows = [fill for fill in account.fills[before:] if fill.order is made]
    return {"order": order(made, writer), "trades": [trade(fill, writer) for fill in rows]}


def _wait(
    venue: Deribit, account: MarginAccount, product: Product, params: Params, ticket: Ticket
) -> Json:
    kind = ticket.words["order_type"]
    by = str(params.get("trigger", ""))
    if by not in TRIGGERS:
        raise invalid("trigger", "wrong format")
    buys = ticket.side is Side.BUY
    if kind == "trailing_stop":
        offset = decimal_e8(params, "trigger_offset")
        if offset is None:
            raise invalid("trigger_offset", "must be provided")
        trigger = Trigger(id=0, rises=buys, watches=TRIGGERS[by], trail=offset)
    else:
        price = price_ticks(product, params, "trigger_price") * product.tick_e8
        rises = buys is kind.startswith("stop")
        trigger = Trigger(id=0, rises=rises, watches=TRIGGERS[by], price=price)
    now_ms = venue.house.desk.now_ms
    child = {**ticket.words, "order_type": "market" if ticket.market else "limit"}
    waits = Conditional(
        id=venue.house.desk.next_number(),
        client_id=ticket.client_id,
        product=product,
        branches=[Branch(trigger=trigger, ticket=msgspec.structs.replace(ticket, words=child))],
        created_ms=now_ms,
        updated_ms=now_ms,
        words=dict(ticket.words),
    )
    try:
        venue.house.waiting.arm(account, waits, refuse_met=True)
    except Refused:
        # A price that is there already is too high or too low for its side.
        word = "too_low" if trigger.rises else "too_high"
        raise RpcError(10034 if word == "too_high" else 10035, f"stop_price_{word}") from None
    return {"order": conditional(waits, venue.writers[product.symbol]), "trades": []}


def find(account: MarginAccount, params: Params) -> Order | Conditional:
    """Return the order meant by ``order_id``.

    Raises:
        RpcError: -32602 or 10004.
    """
    text = params.get("order_id")
    if not isinstance(text, (str, int)) or not str(text):
        raise invalid("order_id", "must be provided")
    number = str(text).rpartition("-")[2]
    if digits(number):
        found = account.orders.get(int(number)) or account.conditionals.get(int(number))
        if found is not None and order_id(found) == str(text):
            return found
    raise _NOT_FOUND


def edit(venue: Deribit, account: MarginAccount, params: Params) -> Json:
    """Change price, size or trigger; smaller at the same price it keeps its place."""
    _check_deadline(venue, params)
    return _edit(venue, account, find(account, params), params)


def edit_by_label(venue: Deribit, account: MarginAccount, params: Params) -> Json:
    """Change the one open order of a label and an instrument."""
    _check_deadline(venue, params)
    product, label = product_of(venue, params), _label(params)
    every: list[Order | Conditional] = [*account.open.values(), *account.armed.values()]
    rows = [row for row in every if row.product is product and _label_of(row) == label]
    if len(rows) != 1:
        raise _NOT_FOUND
    return _edit(venue, account, rows[0], params)


def _edit(
    venue: Deribit, account: MarginAccount, found: Order | Conditional, params: Params
) -> Json:
    product = found.product
    lots = None
    if params.get("amount") is not None or params.get("contracts") is not None:
        lots = lots_of(product, params)
    price = price_ticks(product, params) if params.get("price") is not None else None
    if isinstance(found, Conditional):
        return _rearm(venue, account, found, params, lots, price)
    if not found.status.open:
        raise (
            RpcError(11008, "already_filled")
            if not found.left
            else refused(Refused(Refusal.NOT_OPEN))
        )
    if (lots, price) == (None, None):
        raise invalid("amount", "must be provided")
    before = len(account.fills)
    try:
        venue.house.desk.amend(account, found, price_ticks=price, lots=lots)
    except Refused as error:
        if error.reason is not Refusal.NO_CHANGE:
            raise refused(error) from None
        # To ask for what is there already changes nothing, and is no error.
    return told(venue, account, found, before)


def _rearm(
    venue: Deribit,
    account: MarginAccount,
    waits: Conditional,
    params: Params,
    lots: int | None,
    price: int | None,
) -> Json:
    if waits.state is not Wait.ARMED:
        raise refused(Refused(Refusal.NOT_OPEN))
    branch, product = waits.branches[0], waits.product
    at = 0
    if params.get("trigger_price") is not None:
        at = price_ticks(product, params, "trigger_price") * product.tick_e8
    offset = decimal_e8(params, "trigger_offset")
    if offset is not None and branch.trigger.trailing:
        branch.trigger.trail = offset
    branch.ticket = msgspec.structs.replace(
        branch.ticket,
        lots=lots or branch.ticket.lots,
        price_ticks=price if price and not branch.ticket.market else branch.ticket.price_ticks,
    )
    waits.words["replaced"] = True
    venue.house.waiting.rearm(account, waits, [at])
    return {"order": conditional(waits, venue.writers[product.symbol]), "trades": []}


def written(venue: Deribit, row: Order | Conditional) -> Json:
    """Write an order of either kind."""
    writer = venue.writers[row.product.symbol]
    return order(row, writer) if isinstance(row, Order) else conditional(row, writer)


def cancel(venue: Deribit, account: MarginAccount, params: Params) -> Json:
    """Cancel an order."""
    found = find(account, params)
    try:
        _end(venue, account, found)
    except Refused as error:
        filled = isinstance(found, Order) and not found.left
        raise (RpcError(11008, "already_filled") if filled else refused(error)) from None
    return written(venue, found)


def _end(venue: Deribit, account: MarginAccount, found: Order | Conditional) -> None:
    if isinstance(found, Order):
        venue.house.desk.cancel(account, found)
    else:
        venue.house.waiting.disarm(account, found)


def _label_of(row: Order | Conditional) -> str:
    return row.ticket.client_id if isinstance(row, Order) else row.client_id


def meant(account: MarginAccount, params: Params) -> list[Order]:
    """Return the orders a cancel may be meant for."""
    if params.get("order_id") is not None:
        try:
            found = find(account, params)
        except RpcError:
            return []
        return [found] if isinstance(found, Order) else []
    label, name = params.get("label"), params.get("instrument_name")
    return [
        row
        for row in account.open.values()
        if label in (None, row.ticket.client_id) and name in (None, row.product.symbol)
    ]


Wanted = Callable[[Order | Conditional], bool]


def matching(venue: Deribit, params: Params) -> Wanted:
    """Return what an order must be like to be meant by instrument, currency, kind, type, label."""
    name, of, kind = (params.get(key) for key in ("instrument_name", "currency", "kind"))
    if name is not None:
        venue.shard(name)
    label, type_ = params.get("label"), str(params.get("type", "all"))

    def wanted(row: Order | Conditional) -> bool:
        listing = row.product.shard.listing
        waits = isinstance(row, Conditional)
        said = row.words if isinstance(row, Conditional) else row.ticket.words
        fits = (
            type_ == "all"
            or (type_ == "trigger_all" and waits)
            or (type_ == "limit" and not waits)
            or said.get("order_type") == type_
        )
        return (
            fits
            and name in (None, listing.symbol)
            and of in (None, "any", currency(listing))
            and kind in (None, "any", kind_of(listing))
            and label in (None, _label_of(row))
        )

    return wanted


def cancel_all(venue: Deribit, account: MarginAccount, params: Params) -> Any:
    """Cancel every open and waiting order that is meant; how many there were, or what they are."""
    wanted = matching(venue, params)
    rows: list[Order | Conditional] = [*account.open.values(), *account.armed.values()]
    ended = []
    for row in rows:
        if wanted(row):
            try:
                _end(venue, account, row)
            except Refused:
                continue  # the one before took it along
            ended.append(row)
    if not flag(params, "detailed"):
        return len(ended)
    return [
        {
            "type": "trigger" if isinstance(row, Conditional) else "limit",
            "currency": currency(row.product.shard.listing),
            "instrument_name": row.product.symbol,
            "result": [written(venue, row)],
        }
        for row in ended
    ]


def cancel_by_label(venue: Deribit, account: MarginAccount, params: Params) -> Any:
    """Cancel the orders of a label."""
    if not params.get("label"):
        raise invalid("label", "must be provided")
    return cancel_all(venue, account, params)


def close(venue: Deribit, account: MarginAccount, params: Params) -> Json:
    """Close a position, at the market or at a limit."""
    product = product_of(venue, params)
    kind = str(params.get("type", ""))
    if kind not in ("market", "limit"):
        raise invalid("type", "wrong format")
    market = kind == "market"
    held = account.open_positions()
    mine = next((row for row in held if row.product is product), None)
    if mine is None:
        raise refused(Refused(Refusal.NO_POSITION))
    before = len(account.fills)
    ticket = Ticket(
        side=Side.SELL if mine.lots > 0 else Side.BUY,
        market=market,
        price_ticks=0 if market else price_ticks(product, params),
        lots=abs(mine.lots),
        reduce_only=True,
        self_trade=SelfTrade.MAKER,
        words={"order_type": kind, "time_in_force": "good_til_cancelled"},
    )
    try:
        made = venue.house.desk.place(account, product, ticket)
    except Refused as error:
        raise refused(error) from None
    return told(venue, account, made, before)
