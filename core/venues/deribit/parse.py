"""Between Deribit's words and ours: parameters of orders, states, orders, fills, money."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

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
    TimeInForce,
    TriggerBy,
    VenueOrder,
)
from core.venues.deribit.messages import LogRow, OrderRow, PositionRow, Summary, TradeRow
from core.venues.symbols import Symbols

MS: Final = 1_000_000
TRIGGERED: Final = "triggered"
_STATES: Final[dict[str, OrderState]] = {
    "open": OrderState.ACCEPTED,
    "untriggered": OrderState.ACCEPTED,
    TRIGGERED: OrderState.ACCEPTED,
    "filled": OrderState.FILLED,
    "rejected": OrderState.REJECTED,
    "cancelled": OrderState.CANCELED,
}
ASKED_FOR: Final = frozenset({"", "user_request", "cancel_on_disconnect"})
"""Reasons of cancels that are ours; any other end is the venue's."""
_TYPES: Final[dict[OrderType, str]] = {
    OrderType.MARKET: "market",
    OrderType.LIMIT: "limit",
    OrderType.STOP: "stop_market",
    OrderType.STOP_LIMIT: "stop_limit",
    OrderType.TAKE_PROFIT: "take_market",
    OrderType.TAKE_PROFIT_LIMIT: "take_limit",
    OrderType.TRAILING_STOP: "trailing_stop",
}
_OUR_TYPES: Final = {word: kind for kind, word in _TYPES.items()} | {
    "market_limit": OrderType.LIMIT
}
_TIMES: Final = {
    TimeInForce.GTC: "good_til_cancelled",
    TimeInForce.IOC: "immediate_or_cancel",
    TimeInForce.FOK: "fill_or_kill",
}
_TRIGGERS: Final = {
    TriggerBy.LAST: "last_price",
    TriggerBy.MARK: "mark_price",
    TriggerBy.INDEX: "index_price",
}
_SIDES: Final[dict[str, Side]] = {"buy": Side.BUY, "sell": Side.SELL}
_KINDS: Final[dict[str, EntryKind]] = {
    "settlement": EntryKind.SETTLEMENT,
    "delivery": EntryKind.SETTLEMENT,
    "socialized_fund": EntryKind.LIQUIDATION,
    "liquidation": EntryKind.LIQUIDATION,
}
_SETTLED: Final = frozenset({"settlement", "delivery"})
_ROUNDED: Final = Decimal("0.00000005")
"""The venue rounds each part of a sum to eight decimals."""
_TOLD_ELSEWHERE: Final = frozenset({"trade", "options_settlement_summary"})

Json = dict[str, object]


def number(value: Decimal) -> msgspec.Raw:
    """Write a decimal as a JSON number, exactly."""
    text = format(value, "f")
    return msgspec.Raw((text.rstrip("0").rstrip(".") if "." in text else text).encode())


def side_of(word: str) -> Side:
    """Translate a direction.

    Raises:
        DataError: It is neither buy nor sell.
    """
    try:
        return _SIDES[word]
    except KeyError:
        raise DataError(f"direction must be buy or sell, was {word!r}") from None


def order_params(intent: OrderIntent, symbol: str) -> Json:
    """Return the parameters of ``private/buy`` or ``private/sell``.

    A post-only order is to be refused rather than moved to another price (`reject_post_only`).

    Raises:
        ConfigError: The intent is none the venue can carry out.
    """
    params: Json = {
        "instrument_name": symbol,
        "amount": number(intent.size),
        "type": _TYPES[intent.type],
        "label": intent.client_order_id,
    }
    if intent.type.limited:
        if intent.price is None:
            raise ConfigError(f"order {intent.client_order_id}: a limit order needs a price")
        params["price"] = number(intent.price)
    if intent.time_in_force not in _TIMES:
        raise ConfigError(
            f"order {intent.client_order_id}: time in force must be gtc, ioc or fok at Deribit, "
            f"was {intent.time_in_force}"
        )
    if intent.type is not OrderType.MARKET:
        params["time_in_force"] = _TIMES[intent.time_in_force]
    if intent.post_only:
        params |= {"post_only": True, "reject_post_only": True}
    if intent.reduce_only:
        params["reduce_only"] = True
    if intent.display_size is not None:
        params["display_amount"] = number(intent.display_size)
    if intent.type.conditional:
        params |= _trigger(intent)
    return params


def _trigger(intent: OrderIntent) -> Json:
    by: Json = {"trigger": _TRIGGERS[intent.trigger_by]}
    if intent.type is OrderType.TRAILING_STOP:
        if intent.trail is None:
            raise ConfigError(
                f"order {intent.client_order_id}: Deribit trails by a distance in price only"
            )
        return by | {"trigger_offset": number(intent.trail)}
    if intent.trigger_price is None:
        raise ConfigError(f"order {intent.client_order_id}: it needs a trigger price, has none")
    return by | {"trigger_price": number(intent.trigger_price)}


def edit_params(order: Order, change: AmendSubmitted) -> Json:
    """Return the parameters of ``private/edit``, less the order's id.

    Everything is said anew: what is left out, the venue takes for its own defaults (`post_only` is
    true there, `reduce_only` false).
    """
    intent = order.intent
    params: Json = {"amount": number(change.size if change.size is not None else intent.size)}
    price = change.price if change.price is not None else intent.price
    if price is not None:
        params["price"] = number(price)
    if change.trigger_price is not None:
        params["trigger_price"] = number(change.trigger_price)
    return params | {
        "post_only": intent.post_only,
        "reject_post_only": intent.post_only,
        "reduce_only": intent.reduce_only,
    }


def order_state(row: OrderRow) -> OrderState:
    """Translate an order's state; what nobody asked to cancel has expired.

    Raises:
        DataError: It is none the venue documents.
    """
    state = _STATES.get(row.order_state)
    if state is None:
        raise DataError(f"order state must be one of {', '.join(_STATES)}, was {row.order_state!r}")
    if state is OrderState.CANCELED and row.cancel_reason not in ASKED_FOR:
        return OrderState.EXPIRED
    if state is OrderState.ACCEPTED and row.filled_amount:
        return OrderState.PARTIALLY_FILLED
    return state


def price_of(row: OrderRow) -> Decimal | None:
    """Return an order's limit price, None if it trades at the market.

    Raises:
        DataError: It is none.
    """
    kind = type_of(row)
    raw = bytes(row.price)
    if not kind.limited or not raw or raw == b'"market_price"' or raw == b"null":
        return None
    try:
        return msgspec.json.decode(raw, type=Decimal)
    except msgspec.MsgspecError:
        raise DataError(f"price must be a number, was {raw[:40]!r}") from None


def type_of(row: OrderRow) -> OrderType:
    """Translate an order's type.

    Raises:
        DataError: It is none the venue documents.
    """
    kind = _OUR_TYPES.get(row.order_type)
    if kind is None:
        raise DataError(
            f"order_type must be one of {', '.join(_OUR_TYPES)}, was {row.order_type!r}"
        )
    return kind


def name_of(row: OrderRow | TradeRow) -> ClientOrderId:
    """Return our id of an order; one without a label is somebody else's."""
    return ClientOrderId(row.label or row.order_id)


def venue_order(row: OrderRow, symbols: Symbols) -> VenueOrder:
    """Make an order of a listed row.

    Raises:
        DataError: A field is none the venue documents.
    """
    return VenueOrder(
        client_order_id=name_of(row),
        venue_order_id=VenueOrderId(row.order_id),
        instrument_id=symbols.ours(row.instrument_name),
        side=side_of(row.direction),
        type=type_of(row),
        price=price_of(row),
        size=row.amount or Decimal(0),
        filled=row.filled_amount,
        state=order_state(row),
        ts_event_ns=row.last_update_timestamp * MS,
        trigger_price=row.trigger_price,
        average_price=(row.average_price or None) if row.filled_amount else None,
        reduce_only=row.reduce_only,
    )


def fill_of(row: TradeRow, venue: VenueName, symbols: Symbols, ts_ns: int) -> OrderFilled:
    """Make a fill of an own trade; a rebate is a negative fee.

    Raises:
        DataError: A field is none the venue documents.
    """
    return OrderFilled(
        client_order_id=name_of(row),
        venue=venue,
        instrument_id=symbols.ours(row.instrument_name),
        venue_order_id=VenueOrderId(row.order_id),
        execution_id=ExecutionId(row.trade_id),
        side=side_of(row.direction),
        price=row.price,
        size=row.amount,
        fee=row.fee,
        fee_asset=row.fee_currency,
        maker=row.liquidity == "M",
        ts_event_ns=row.timestamp * MS,
        ts_ns=ts_ns,
        realised=row.profit_loss,
    )


def balance(row: Summary, venue: VenueName) -> Balance:
    """Make a balance: cash and realised profit, without what open positions are worth.

    Deribit keeps the profit of futures out of ``balance`` until the day is settled; it was booked
    with the fill that brought it. Whether it is left out shows in the venue's own sum of equity.
    """
    total = row.balance
    if row.equity is not None and row.futures_session_rpl:
        settled = row.equity - row.futures_session_upl - row.options_value
        if abs(settled - row.balance - row.futures_session_rpl) <= _ROUNDED:
            total += row.futures_session_rpl
    return Balance(venue=venue, asset=row.currency.upper(), total=total)


def position(row: PositionRow, venue: VenueName, symbols: Symbols) -> VenuePosition | None:
    """Make a position, None for a flat one.

    Raises:
        DataError: A field is none the venue documents.
    """
    if not row.size:
        return None
    return VenuePosition(
        venue=venue,
        instrument_id=symbols.ours(row.instrument_name),
        size=abs(row.size) * side_of(row.direction).sign,
        average_price=row.average_price,
        liquidation_price=row.estimated_liquidation_price or None,
        leverage=row.leverage,
        margin=row.initial_margin,
    )


def flows(row: LogRow, venue: VenueName, symbols: Symbols, ts_ns: int) -> list[CashMoved]:
    """Make movements of money of a row of the log; trades are told as fills.

    A settlement pays in one what the day brought: the profit of what was closed, which was booked
    with its fills; the funding that is part of that; and the profit of what is still open.
    """
    if row.type in _TOLD_ELSEWHERE or row.trade_id:
        return []
    funding, rest = Decimal(0), row.change
    if row.type in _SETTLED:
        funding = row.total_interest_pl or row.interest_pl or Decimal(0)
        rest -= row.session_rpl or funding
    parts = [(funding, EntryKind.FUNDING), (rest, _KINDS.get(row.type, EntryKind.TRANSFER))]
    return [
        CashMoved(
            venue=venue,
            asset=row.currency,
            amount=amount,
            kind=kind,
            flow_id=str(row.id),
            instrument_id=symbols.ours(row.instrument_name) if row.instrument_name else None,
            ts_event_ns=row.timestamp * MS,
            ts_ns=ts_ns,
        )
        for amount, kind in parts
        if amount
    ]


def filed_under(instrument: Instrument) -> str:
    """Return the currency whose lists have an instrument's orders."""
    return instrument.pays_in if instrument.derivative else instrument.base
