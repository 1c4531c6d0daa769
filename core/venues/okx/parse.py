"""Between OKX's words and ours: bodies of requests, states, orders, fills, money."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

from core.model.accounts import Balance, EntryKind, VenuePosition
from core.model.errors import ConfigError, DataError
from core.model.facts import CashMoved
from core.model.ids import ClientOrderId, ExecutionId, VenueName, VenueOrderId
from core.model.instruments import Instrument
from core.model.market import Side
from core.model.orders import (
    AmendSubmitted,
    Order,
    OrderFilled,
    OrderIntent,
    OrderState,
    OrderType,
    PositionSide,
    TimeInForce,
    TriggerBy,
    VenueOrder,
)
from core.venues.okx.messages import AlgoRow, BillRow, Detail, FillRow, OrderRow, PositionRow
from core.venues.okx.names import from_wire, to_wire
from core.venues.symbols import Symbols

MS: Final = 1_000_000
AT_MARKET: Final = "-1"
CANCELS: Final[dict[str, str]] = {
    "20": "the dead-man switch",
}
"""What ``cancelSource`` says of cancels that were not asked for one by one."""
_STATES: Final[dict[str, OrderState]] = {
    "live": OrderState.ACCEPTED,
    "partially_filled": OrderState.PARTIALLY_FILLED,
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELED,
    "mmp_canceled": OrderState.CANCELED,
}
_ALGO_STATES: Final[dict[str, OrderState]] = {
    "live": OrderState.ACCEPTED,
    "pause": OrderState.ACCEPTED,
    "effective": OrderState.ACCEPTED,
    "partially_effective": OrderState.ACCEPTED,
    "canceled": OrderState.CANCELED,
    "order_failed": OrderState.EXPIRED,
    "partially_failed": OrderState.EXPIRED,
}
ENDINGS: Final[dict[str, str]] = {
    "0": "the venue ended it",
    "3": "the position was liquidated",
    "13": "could not be filled whole (fok)",
    "14": "the rest found nobody to trade with (ioc)",
    "22": "there is no position left to reduce",
    "32": "self-trade prevention",
}
"""What ``cancelSource`` says where nobody asked for the cancel."""
_SIDES: Final[dict[str, Side]] = {"buy": Side.BUY, "sell": Side.SELL}
_TIFS: Final = {TimeInForce.GTC: "limit", TimeInForce.IOC: "ioc", TimeInForce.FOK: "fok"}
_POSITIONS: Final = {
    "": PositionSide.NET,
    "net": PositionSide.NET,
    "long": PositionSide.LONG,
    "short": PositionSide.SHORT,
}
_STOPS: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
_CONTRACTS: Final = frozenset({"SWAP", "FUTURES", "OPTION"})
_FLOWS: Final[dict[str, EntryKind]] = {
    "1": EntryKind.TRANSFER,
    "3": EntryKind.SETTLEMENT,
    "5": EntryKind.LIQUIDATION,
    "7": EntryKind.BORROW,
    "8": EntryKind.FUNDING,
    "9": EntryKind.LIQUIDATION,
    "10": EntryKind.LIQUIDATION,
    "12": EntryKind.TRANSFER,
}
"""Types of bills; any other moved money without a fill as well, and is a transfer to us."""
_BY_FILLS: Final = "2"
_WITHIN: Final = "6"
"""Margin moved between a position and the balance it is part of."""

Body = dict[str, object]


def number(value: Decimal) -> str:
    """Write a decimal exactly, without exponent or trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def decimal(text: str, what: str) -> Decimal:
    """Read a number.

    Raises:
        DataError: It is none.
    """
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise DataError(f"{what} must be a number, was {text!r}")
    return value


def maybe(text: str, what: str) -> Decimal | None:
    """Read a number that may be missing; the venue writes nothing, 0 or -1 for it.

    Raises:
        DataError: It is something else.
    """
    return None if text in {"", "0", AT_MARKET} else decimal(text, what)


def time_ns(text: str) -> int:
    """Read a time in milliseconds, 0 where there is none.

    Raises:
        DataError: It is no time.
    """
    if text and not text.isdecimal():
        raise DataError(f"a time must be milliseconds, was {text!r}")
    return int(text or 0) * MS


def side_of(word: str) -> Side:
    """Translate a side.

    Raises:
        DataError: It is neither buy nor sell.
    """
    try:
        return _SIDES[word]
    except KeyError:
        raise DataError(f"side must be buy or sell, was {word!r}") from None


def held_side(word: str) -> PositionSide:
    """Translate which position an order or fill is of.

    Raises:
        DataError: It is none the venue documents.
    """
    try:
        return _POSITIONS[word]
    except KeyError:
        raise DataError(f"posSide must be net, long or short, was {word!r}") from None


def order_body(intent: OrderIntent, instrument: Instrument) -> Body:
    """Return what places a plain order, for ``POST /api/v5/trade/order``.

    A market order at spot would be sized in the quote when it buys; it is told not to.

    Raises:
        ConfigError: The intent is none the venue can carry out.
    """
    body = _who(intent, instrument) | {"clOrdId": to_wire(intent.client_order_id)}
    if intent.type is OrderType.MARKET:
        body["ordType"] = "market"
        if not instrument.derivative:
            body["tgtCcy"] = "base_ccy"
        return body
    if intent.price is None:
        raise ConfigError(f"order {intent.client_order_id}: a limit order needs a price, has none")
    if intent.time_in_force not in _TIFS:
        raise ConfigError(
            f"order {intent.client_order_id}: time in force must be gtc, ioc or fok at OKX, was "
            f"{intent.time_in_force}"
        )
    if intent.post_only and intent.time_in_force is not TimeInForce.GTC:
        raise ConfigError(
            f"order {intent.client_order_id}: a post-only order must be gtc, was "
            f"{intent.time_in_force}"
        )
    body["ordType"] = "post_only" if intent.post_only else _TIFS[intent.time_in_force]
    body["px"] = number(intent.price)
    return body


def algo_body(intent: OrderIntent, instrument: Instrument) -> Body:
    """Return what lets an order wait for its trigger, for ``POST /api/v5/trade/order-algo``.

    Raises:
        ConfigError: The intent is none the venue can carry out.
    """
    body = _who(intent, instrument) | {"algoClOrdId": to_wire(intent.client_order_id)}
    if intent.type is OrderType.TRAILING_STOP:
        body["ordType"] = "move_order_stop"
        if intent.trail is not None:
            body["callbackSpread"] = number(intent.trail)
        elif intent.trail_pct is not None:
            body["callbackRatio"] = number(intent.trail_pct / 100)
        else:
            raise ConfigError(f"order {intent.client_order_id}: a trailing stop needs a distance")
        return body
    if intent.trigger_price is None:
        raise ConfigError(f"order {intent.client_order_id}: it needs a trigger price, has none")
    leg = "sl" if intent.type in _STOPS else "tp"
    body["ordType"] = "conditional"
    body[f"{leg}TriggerPx"] = number(intent.trigger_price)
    body[f"{leg}TriggerPxType"] = intent.trigger_by.value
    body[f"{leg}OrdPx"] = AT_MARKET if intent.price is None else number(intent.price)
    return body


def amend_body(order: Order, change: AmendSubmitted, symbol: str) -> Body:
    """Return what changes an order that is in the book, for ``POST /api/v5/trade/amend-order``."""
    body: Body = {"instId": symbol}
    if order.triggered_ns and order.venue_order_id is not None:
        body["ordId"] = order.venue_order_id
    else:
        body["clOrdId"] = to_wire(order.id)
    if change.size is not None:
        body["newSz"] = number(change.size)
    if change.price is not None:
        body["newPx"] = number(change.price)
    return body


def amend_algo_body(order: Order, change: AmendSubmitted, symbol: str) -> Body:
    """Return what changes a waiting order, for ``POST /api/v5/trade/amend-algos``.

    Raises:
        ConfigError: It is a trailing stop, which the venue does not change.
    """
    if order.intent.type is OrderType.TRAILING_STOP:
        raise ConfigError("OKX changes no trailing stop; cancel it and send another")
    leg = "Sl" if order.intent.type in _STOPS else "Tp"
    body: Body = {"instId": symbol, "algoClOrdId": to_wire(order.id)}
    if change.size is not None:
        body["newSz"] = number(change.size)
    if change.trigger_price is not None:
        body[f"new{leg}TriggerPx"] = number(change.trigger_price)
        body[f"new{leg}TriggerPxType"] = order.intent.trigger_by.value
    if change.price is not None:
        body[f"new{leg}OrdPx"] = number(change.price)
    return body


def _who(intent: OrderIntent, instrument: Instrument) -> Body:
    body: Body = {
        "instId": instrument.venue_symbol,
        "tdMode": "cross" if instrument.derivative else "cash",
        "side": intent.side.value,
        "sz": number(intent.size),
    }
    if intent.position_side is not PositionSide.NET:
        # In long/short mode the side says whether it opens or closes; reduceOnly is not taken.
        body["posSide"] = intent.position_side.value
    elif intent.reduce_only:
        body["reduceOnly"] = True
    return body


def order_state(row: OrderRow) -> OrderState:
    """Translate an order's state; what nobody asked to cancel has expired.

    Raises:
        DataError: It is none the venue documents.
    """
    state = _STATES.get(row.state)
    if state is None:
        raise DataError(f"order state must be one of {', '.join(_STATES)}, was {row.state!r}")
    if state is OrderState.CANCELED and row.cancelSource in ENDINGS:
        return OrderState.EXPIRED
    return state


def algo_state(row: AlgoRow) -> OrderState:
    """Translate the state of an order that waits or waited.

    Raises:
        DataError: It is none the venue documents.
    """
    state = _ALGO_STATES.get(row.state)
    if state is None:
        raise DataError(f"algo state must be one of {', '.join(_ALGO_STATES)}, was {row.state!r}")
    if state is OrderState.CANCELED and row.failCode not in {"", "0"}:
        return OrderState.EXPIRED
    return state


def name_of(row: OrderRow) -> ClientOrderId:
    """Return our id of an order; one that was triggered bears the name of what waited."""
    return from_wire(row.clOrdId or row.algoClOrdId or row.ordId)


def venue_order(row: OrderRow, symbols: Symbols) -> VenueOrder:
    """Make an order of a listed row.

    Raises:
        DataError: A field is none the venue documents.
    """
    price = maybe(row.px, "px") if row.ordType not in {"market", "optimal_limit_ioc"} else None
    filled = decimal(row.accFillSz or "0", "accFillSz")
    return VenueOrder(
        client_order_id=name_of(row),
        venue_order_id=VenueOrderId(row.ordId),
        instrument_id=symbols.ours(row.instId),
        side=side_of(row.side),
        type=OrderType.MARKET if price is None else OrderType.LIMIT,
        price=price,
        size=decimal(row.sz, "sz"),
        filled=filled,
        state=order_state(row),
        ts_event_ns=time_ns(row.uTime or row.cTime),
        average_price=maybe(row.avgPx, "avgPx") if filled else None,
        reduce_only=str(row.reduceOnly).lower() == "true",
    )


def venue_algo(row: AlgoRow, symbols: Symbols) -> VenueOrder:
    """Make an order of a listed row of what waits; of an OCO its stop is what is told.

    Raises:
        DataError: A field is none the venue documents.
    """
    kind, trigger, price = _algo_kind(row)
    return VenueOrder(
        client_order_id=from_wire(row.algoClOrdId or row.algoId),
        venue_order_id=VenueOrderId(row.algoId),
        instrument_id=symbols.ours(row.instId),
        side=side_of(row.side),
        type=kind,
        price=price,
        # What closes a whole position has no size of its own.
        size=decimal(row.sz or "0", "sz"),
        filled=Decimal(0),
        state=algo_state(row),
        ts_event_ns=time_ns(row.uTime or row.cTime),
        trigger_price=trigger,
        reduce_only=str(row.reduceOnly).lower() == "true",
    )


def _algo_kind(row: AlgoRow) -> tuple[OrderType, Decimal | None, Decimal | None]:
    """Return type, trigger and limit price."""
    if row.ordType == "move_order_stop":
        return OrderType.TRAILING_STOP, maybe(row.moveTriggerPx, "moveTriggerPx"), None
    if row.ordType == "trigger":
        limit, at = maybe(row.ordPx, "ordPx"), maybe(row.triggerPx, "triggerPx")
        return (OrderType.STOP if limit is None else OrderType.STOP_LIMIT), at, limit
    if row.slTriggerPx:
        limit, at = maybe(row.slOrdPx, "slOrdPx"), maybe(row.slTriggerPx, "slTriggerPx")
        return (OrderType.STOP if limit is None else OrderType.STOP_LIMIT), at, limit
    limit, at = maybe(row.tpOrdPx, "tpOrdPx"), maybe(row.tpTriggerPx, "tpTriggerPx")
    return (OrderType.TAKE_PROFIT if limit is None else OrderType.TAKE_PROFIT_LIMIT), at, limit


def pushed_fill(row: OrderRow, venue: VenueName, symbols: Symbols, ts_ns: int) -> OrderFilled:
    """Make a fill of a push of the orders channel.

    Raises:
        DataError: A field is none the venue documents.
    """
    contract = row.instType in _CONTRACTS
    fee, fee_asset, profit = _told_of(row)
    return OrderFilled(
        client_order_id=name_of(row),
        venue=venue,
        instrument_id=symbols.ours(row.instId),
        venue_order_id=VenueOrderId(row.ordId),
        execution_id=ExecutionId(row.tradeId),
        side=side_of(row.side),
        price=decimal(row.fillPx, "fillPx"),
        size=decimal(row.fillSz, "fillSz"),
        fee=fee,
        fee_asset=fee_asset,
        maker=row.execType == "M",
        ts_event_ns=time_ns(row.fillTime),
        ts_ns=ts_ns,
        position_side=held_side(row.posSide),
        realised=profit if contract else None,
    )


def _told_of(row: OrderRow) -> tuple[Decimal, str, Decimal]:
    """Return fee, its asset and profit of what was just filled.

    A push that leaves the fill's own out has the order's: the same where one fill is all of it.

    Raises:
        DataError: They are of several fills; REST lists each with its own.
    """
    if row.fillFee:
        profit = decimal(row.fillPnl or "0", "fillPnl")
        return -decimal(row.fillFee, "fillFee"), row.fillFeeCcy, profit
    fee, profit = decimal(row.fee or "0", "fee"), decimal(row.fillPnl or row.pnl or "0", "pnl")
    if (fee or profit) and decimal(row.accFillSz, "accFillSz") != decimal(row.fillSz, "fillSz"):
        raise DataError(f"fillFee of order {row.ordId} must be there, was {row.fillFee!r}")
    return -fee, row.fillFeeCcy or row.feeCcy, profit


def listed_fill(
    row: FillRow, client_order_id: ClientOrderId, venue: VenueName, symbols: Symbols, ts_ns: int
) -> OrderFilled:
    """Make a fill of a listed execution.

    Raises:
        DataError: A field is none the venue documents.
    """
    contract = row.instType in _CONTRACTS
    return OrderFilled(
        client_order_id=client_order_id,
        venue=venue,
        instrument_id=symbols.ours(row.instId),
        venue_order_id=VenueOrderId(row.ordId),
        execution_id=ExecutionId(row.tradeId),
        side=side_of(row.side),
        price=decimal(row.fillPx, "fillPx"),
        size=decimal(row.fillSz, "fillSz"),
        fee=-decimal(row.fee or "0", "fee"),
        fee_asset=row.feeCcy,
        maker=row.execType == "M",
        ts_event_ns=time_ns(row.fillTime or row.ts),
        ts_ns=ts_ns,
        position_side=held_side(row.posSide),
        realised=decimal(row.fillPnl or "0", "fillPnl") if contract else None,
    )


def balance(row: Detail, venue: VenueName) -> Balance:
    """Make a balance; unrealised profit is not part of it.

    Raises:
        DataError: A number is none.
    """
    return Balance(
        venue=venue,
        asset=row.ccy,
        total=decimal(row.cashBal or "0", f"cashBal of {row.ccy}"),
        held=decimal(row.ordFrozen or "0", f"ordFrozen of {row.ccy}"),
    )


def position(row: PositionRow, venue: VenueName, symbols: Symbols) -> VenuePosition | None:
    """Make a position, None for one in coins (margin trading) or of nothing.

    Raises:
        DataError: A field is none the venue documents.
    """
    size = decimal(row.pos or "0", "pos")
    if row.instType not in _CONTRACTS or not size:
        return None
    side = held_side(row.posSide)
    return VenuePosition(
        venue=venue,
        instrument_id=symbols.ours(row.instId),
        side=side,
        size=-abs(size) if side is PositionSide.SHORT else size,
        average_price=maybe(row.avgPx, "avgPx"),
        liquidation_price=maybe(row.liqPx, "liqPx"),
        leverage=maybe(row.lever, "lever"),
        margin=maybe(row.margin or row.imr, "margin"),
        ts_event_ns=time_ns(row.uTime),
    )


def flow(row: BillRow, venue: VenueName, symbols: Symbols, ts_ns: int) -> CashMoved | None:
    """Make a movement of money, None for what a fill tells or what moved nothing.

    Raises:
        DataError: A field is none the venue documents.
    """
    amount = decimal(row.balChg or "0", "balChg")
    if row.type in {_BY_FILLS, _WITHIN} or row.tradeId or not amount:
        return None
    return CashMoved(
        venue=venue,
        asset=row.ccy,
        amount=amount,
        kind=_FLOWS.get(row.type, EntryKind.TRANSFER),
        flow_id=row.billId,
        instrument_id=symbols.ours(row.instId) if row.instId else None,
        ts_event_ns=time_ns(row.ts),
        ts_ns=ts_ns,
    )


def trigger_prices(instrument: Instrument) -> frozenset[TriggerBy]:
    """Return what a trigger may be held against: at spot there is no mark."""
    return frozenset(TriggerBy) if instrument.derivative else frozenset({TriggerBy.LAST})
