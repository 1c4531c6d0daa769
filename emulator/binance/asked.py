"""What clients ask for: parameters of orders and lists, checked as the venue checks them."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from core.model.market import Side
from core.model.orders import TimeInForce
from emulator.binance.gate.errors import ApiError, missing
from emulator.binance.gate.params import Params
from emulator.binance.private_wire import KINDS, SIDES, TIFS
from emulator.binance.symbols import (
    check_numbers,
    check_parts,
    check_trail,
    check_value,
    stop_ticks,
    whole_lots,
    whole_ticks,
)
from emulator.binance.venue import Venue
from emulator.market.accounts import Account, Kind, Ticket
from emulator.market.listings import Listing
from emulator.market.lists import ListTicket
from emulator.market.shard import Shard

_LEAST_STRATEGY_TYPE: Final = 1_000_000
_DETAILS: Final = ("ACK", "RESULT", "FULL")
_TIMED: Final = (Kind.LIMIT, Kind.STOP_LOSS_LIMIT, Kind.TAKE_PROFIT_LIMIT)
_MOST_TRAIL: Final = 1 << 31


class Names(msgspec.Struct, frozen=True):
    """What the parameters of one order are called."""

    prefix: str = ""

    def of(self, name: str) -> str:
        """Return a parameter's name: ``stopPrice``, or ``aboveStopPrice`` in a list."""
        if not self.prefix:
            return "newClientOrderId" if name == "clientOrderId" else name
        return self.prefix + name[0].upper() + name[1:]


_PLAIN: Final = Names()


class _Values(msgspec.Struct, frozen=True, kw_only=True):
    """One order's parameters as numbers, None where they were not sent."""

    kind: Kind
    tif: str | None
    price: int | None
    size: int | None
    quote: int | None
    stop: int | None
    trail: int | None
    iceberg: int | None


def order(venue: Venue, account: Account, params: Params) -> tuple[Shard, Ticket, str]:
    """Return where, what and how to answer; every check the venue makes before matching.

    Raises:
        ApiError: In the venue's codes and words.
    """
    shard = tradable(venue, params)
    side = params.choice("side", SIDES.__getitem__, ApiError(-1117, "Invalid side."))
    size, quote = params.decimal_e8("quantity"), params.decimal_e8("quoteOrderQty")
    ticket = _ticket(venue, shard, params, _PLAIN, side, size, quote)
    detail = how_told(params, ticket.kind)
    _skip_prevention(params)
    params.finish()
    check_numbers(account, shard.listing.symbol, [ticket])
    return shard, ticket, detail


def oco(venue: Venue, account: Account, params: Params) -> tuple[Shard, ListTicket, str]:
    """Return an OCO as asked for: an order above the market and one below.

    Raises:
        ApiError: In the venue's codes and words.
    """
    shard = tradable(venue, params)
    side = params.choice("side", SIDES.__getitem__, ApiError(-1117, "Invalid side."))
    size = params.decimal_e8("quantity")
    above, below = _pair(venue, shard, params, "", side, size)
    return _list(venue, account, shard, params, above=above, below=below)


def old_oco(venue: Venue, account: Account, params: Params) -> tuple[Shard, ListTicket, str]:
    """Return an OCO as it was asked for until 2024: a limit order and a stop.

    Raises:
        ApiError: In the venue's codes and words.
    """
    shard = tradable(venue, params)
    side = params.choice("side", SIDES.__getitem__, ApiError(-1117, "Invalid side."))
    size = params.decimal_e8("quantity")
    stop_price, trail = params.decimal_e8("stopPrice"), params.integer("trailingDelta")
    limit_price = params.decimal_e8("stopLimitPrice")
    tif = params.text("stopLimitTimeInForce")
    if limit_price is not None and tif is None:
        raise missing("stopLimitTimeInForce")
    maker = _made(
        venue,
        shard,
        side,
        _Values(
            kind=Kind.LIMIT_MAKER,
            tif=None,
            price=params.decimal_e8("price"),
            size=size,
            quote=None,
            stop=None,
            trail=None,
            iceberg=params.decimal_e8("limitIcebergQty"),
        ),
        params,
        Names("limit"),
    )
    stop = _made(
        venue,
        shard,
        side,
        _Values(
            kind=Kind.STOP_LOSS_LIMIT if limit_price is not None else Kind.STOP_LOSS,
            tif=tif,
            price=limit_price,
            size=size,
            quote=None,
            stop=stop_price,
            trail=trail,
            iceberg=params.decimal_e8("stopIcebergQty"),
        ),
        params,
        Names("stop"),
    )
    above, below = (maker, stop) if side is Side.SELL else (stop, maker)
    return _list(venue, account, shard, params, above=above, below=below)


def oto(venue: Venue, account: Account, params: Params) -> tuple[Shard, ListTicket, str]:
    """Return an OTO as asked for: a working order and one that waits for it.

    Raises:
        ApiError: In the venue's codes and words.
    """
    shard, working = _working(venue, params)
    side = params.choice("pendingSide", SIDES.__getitem__, ApiError(-1117, "Invalid side."))
    size = params.decimal_e8("pendingQuantity")
    pending = _ticket(venue, shard, params, Names("pending"), side, size, None)
    return _list(venue, account, shard, params, working=working, below=pending)


def otoco(venue: Venue, account: Account, params: Params) -> tuple[Shard, ListTicket, str]:
    """Return an OTOCO as asked for: a working order, and an OCO that waits for it.

    Raises:
        ApiError: In the venue's codes and words.
    """
    shard, working = _working(venue, params)
    side = params.choice("pendingSide", SIDES.__getitem__, ApiError(-1117, "Invalid side."))
    size = params.decimal_e8("pendingQuantity")
    above, below = _pair(venue, shard, params, "pending", side, size)
    return _list(venue, account, shard, params, working=working, above=above, below=below)


def made_up_id(venue: Venue) -> str:
    """Return a client id for an order or a cancel sent without one."""
    number = venue.desk.next_execution_id()
    return hashlib.sha256(str(number).encode()).hexdigest()[:22]


def how_told(params: Params, kind: Kind) -> str:
    """Return how much an answer to a new order tells.

    Raises:
        ApiError: -1130.
    """
    usual = "FULL" if kind in (Kind.LIMIT, Kind.MARKET) else "ACK"
    detail = params.text("newOrderRespType") or usual
    if detail not in _DETAILS:
        raise ApiError(-1130, "Data sent for parameter 'newOrderRespType' is not valid.")
    return detail


def tradable(venue: Venue, params: Params) -> Shard:
    """Return the instrument of an order.

    Raises:
        ApiError: -1121, or -1013 while it is halted.
    """
    shard = venue.shard(params.symbol())
    if shard.halted:
        raise ApiError(-1013, "Market is closed.")
    return shard


def _working(venue: Venue, params: Params) -> tuple[Shard, Ticket]:
    shard = tradable(venue, params)
    names = Names("working")
    side = params.choice("workingSide", SIDES.__getitem__, ApiError(-1117, "Invalid side."))
    size = params.decimal_e8("workingQuantity")
    ticket = _ticket(venue, shard, params, names, side, size, None)
    if ticket.kind not in (Kind.LIMIT, Kind.LIMIT_MAKER):
        raise ApiError(-1130, "Data sent for parameter 'workingType' is not valid.")
    return shard, ticket


def _list(
    venue: Venue, account: Account, shard: Shard, params: Params, **tickets: Ticket
) -> tuple[Shard, ListTicket, str]:
    client_id = params.client_id("listClientOrderId") or made_up_id(venue)
    detail = params.text("newOrderRespType") or "RESULT"
    if detail not in _DETAILS:
        raise ApiError(-1130, "Data sent for parameter 'newOrderRespType' is not valid.")
    _skip_prevention(params)
    params.finish()
    asked = ListTicket(client_id=client_id, **tickets)
    check_numbers(account, shard.listing.symbol, asked.tickets, lists=1)
    return shard, asked, detail


def _skip_prevention(params: Params) -> None:
    if params.text("selfTradePreventionMode") not in (None, "EXPIRE_TAKER"):
        raise ApiError(-1130, "Data sent for parameter 'selfTradePreventionMode' is not valid.")


def _ticket(
    venue: Venue,
    shard: Shard,
    params: Params,
    names: Names,
    side: Side,
    size: int | None,
    quote: int | None,
) -> Ticket:
    bad_type = ApiError(-1116, "Invalid orderType.")
    values = _Values(
        kind=params.choice(names.of("type"), KINDS.__getitem__, bad_type),
        tif=params.text(names.of("timeInForce")),
        price=params.decimal_e8(names.of("price")),
        size=size,
        quote=quote,
        stop=params.decimal_e8(names.of("stopPrice")),
        trail=params.integer(names.of("trailingDelta")),
        iceberg=params.decimal_e8(names.of("icebergQty")),
    )
    return _made(venue, shard, side, values, params, names)


def _made(
    venue: Venue, shard: Shard, side: Side, values: _Values, params: Params, names: Names
) -> Ticket:
    listing = shard.listing
    client_id = params.client_id(names.of("clientOrderId")) or made_up_id(venue)
    strategy_id = params.integer(names.of("strategyId"))
    strategy_type = params.integer(names.of("strategyType"))
    if strategy_type is not None and strategy_type < _LEAST_STRATEGY_TYPE:
        raise ApiError(-1134, "strategyType was less than 1000000.")
    _check_combination(values, names)
    if values.tif is not None and values.tif not in TIFS:
        raise ApiError(-1115, "Invalid timeInForce.")
    if values.trail:
        check_trail(min(values.trail, _MOST_TRAIL))
    average = venue.average_ticks(shard)
    price = 0
    if values.price is not None:
        price = whole_ticks(listing, values.price, average, side)
    ticket = Ticket(
        client_id=client_id,
        side=side,
        kind=values.kind,
        tif=TIFS[values.tif] if values.tif else TimeInForce.GTC,
        price_ticks=price,
        lots=whole_lots(listing, values.size, values.kind) if values.size is not None else 0,
        budget=_budget(listing, values.quote),
        stop_ticks=stop_ticks(listing, values.stop) if values.stop is not None else 0,
        trail_bips=values.trail or 0,
        peak=whole_lots(listing, values.iceberg, values.kind) if values.iceberg else 0,
        strategy_id=strategy_id,
        strategy_type=strategy_type,
    )
    check_parts(ticket.lots, ticket.peak)
    reference = ticket.price_ticks or ticket.stop_ticks or average
    check_value(listing, ticket.budget or reference * ticket.lots, ticket.kind)
    return ticket


def _check_combination(values: _Values, names: Names) -> None:
    """Refuse parameters that the order type needs and lacks, or has and must not."""
    kind = values.kind
    unwanted = {
        "timeInForce": values.tif if kind not in _TIMED else None,
        "price": values.price if not kind.priced else None,
        "stopPrice": values.stop if not kind.conditional else None,
        "trailingDelta": values.trail if not kind.conditional else None,
        "icebergQty": values.iceberg if not kind.priced else None,
        "quoteOrderQty": values.quote if kind is not Kind.MARKET else None,
    }
    for name, value in unwanted.items():
        if value is not None:
            raise ApiError(-1106, f"Parameter '{names.of(name)}' sent when not required.")
    if kind is Kind.MARKET:
        if values.size is None and values.quote is None:
            raise _one_of("quantity", "quoteOrderQty")
        if values.size is not None and values.quote is not None:
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        return
    if kind in _TIMED and values.tif is None:
        raise missing(names.of("timeInForce"))
    if values.size is None:
        raise missing("quantity")
    if kind.priced and values.price is None:
        raise missing(names.of("price"))
    if kind.conditional and values.stop is None and not values.trail:
        raise _one_of(names.of("stopPrice"), names.of("trailingDelta"))
    if values.iceberg and values.tif not in (None, "GTC"):
        if names.prefix:
            raise ApiError(
                -1160,
                f"Parameter '{names.of('icebergQty')}' is not supported if "
                f"'{names.of('timeInForce')}' is not GTC.",
            )
        raise ApiError(-1014, "Unsupported order combination.")


def _one_of(first: str, second: str) -> ApiError:
    return ApiError(-1102, f"Param '{first}' or '{second}' must be sent, but both were empty/null!")


def _pair(
    venue: Venue, shard: Shard, params: Params, prefix: str, side: Side, size: int | None
) -> tuple[Ticket, Ticket]:
    """Return the orders above and below the market."""
    words = ("Above", "Below") if prefix else ("above", "below")
    names = [Names(prefix + word) for word in words]
    for each in names:
        if params.peek(each.of("type")) in (Kind.MARKET.name, Kind.LIMIT.name):
            raise ApiError(-1158, "Order type not supported in OCO.")
    above, below = (_ticket(venue, shard, params, each, side, size, None) for each in names)
    _check_pair(side, above, below)
    return above, below


def _check_pair(side: Side, above: Ticket, below: Ticket) -> None:
    """Refuse two orders of which the market cannot lie between."""
    buys = side is Side.BUY
    if not (above.kind.conditional or below.kind.conditional):
        raise ApiError(-1168, "At least one OCO order must be contingent.")
    makers = [ticket for ticket in (above, below) if ticket.kind is Kind.LIMIT_MAKER]
    if makers and (makers[0] is above) is buys:
        if buys:
            raise ApiError(-1165, "A limit order in a buy OCO must be below.")
        raise ApiError(-1166, "A limit order in a sell OCO must be above.")
    for ticket, is_above in ((above, True), (below, False)):
        if ticket.kind.stops and is_above is not buys:
            if buys:
                raise ApiError(-1196, "A stop loss order in a buy OCO must be above.")
            raise ApiError(-1197, "A stop loss order in a sell OCO must be below.")
        if ticket.kind.conditional and not ticket.kind.stops and is_above is buys:
            if buys:
                raise ApiError(-1198, "A take profit order in a buy OCO must be below.")
            raise ApiError(-1199, "A take profit order in a sell OCO must be above.")


def _budget(listing: Listing, quote_e8: int | None) -> int:
    if quote_e8 is None:
        return 0
    if quote_e8 <= 0:
        raise ApiError(-1013, "Invalid quoteOrderQty.")
    return quote_e8 // listing.notional_e8
