"""Between Alpaca's words and ours: order bodies, states, fills, times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from core.model.errors import ConfigError, DataError
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Side
from core.model.orders import (
    AmendSubmitted,
    Link,
    OrderIntent,
    OrderState,
    OrderType,
    Role,
    TimeInForce,
)
from core.venues.alpaca.messages import OrderRow
from core.venues.alpaca.names import group_name

_STATES: Final[dict[str, OrderState]] = {
    "new": OrderState.ACCEPTED,
    "accepted": OrderState.ACCEPTED,
    "pending_new": OrderState.ACCEPTED,
    "accepted_for_bidding": OrderState.ACCEPTED,
    "held": OrderState.ACCEPTED,
    "stopped": OrderState.ACCEPTED,
    "suspended": OrderState.ACCEPTED,
    "calculated": OrderState.ACCEPTED,
    # It goes on tomorrow.
    "done_for_day": OrderState.ACCEPTED,
    "pending_cancel": OrderState.ACCEPTED,
    "pending_replace": OrderState.ACCEPTED,
    "pending_review": OrderState.ACCEPTED,
    "partially_filled": OrderState.PARTIALLY_FILLED,
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELED,
    "replaced": OrderState.CANCELED,
    "expired": OrderState.EXPIRED,
    "rejected": OrderState.REJECTED,
}
_TYPES: Final[dict[str, OrderType]] = {
    "market": OrderType.MARKET,
    "limit": OrderType.LIMIT,
    "stop": OrderType.STOP,
    "stop_limit": OrderType.STOP_LIMIT,
    "trailing_stop": OrderType.TRAILING_STOP,
}
_SIDES: Final[dict[str, Side]] = {
    "buy": Side.BUY,
    "sell": Side.SELL,
    "sell_short": Side.SELL,
    "buy_minus": Side.BUY,
    "sell_plus": Side.SELL,
    "sell_short_exempt": Side.SELL,
}
_ROLES: Final = frozenset({Role.ENTRY, Role.TARGET, Role.STOP})
_AT_ONCE: Final = frozenset({OrderType.MARKET, OrderType.LIMIT})


def number(value: Decimal) -> str:
    """Write a decimal exactly, without exponent or trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def nanoseconds(text: str) -> int:
    """Return the UTC time of ``2026-09-18T13:24:50.018261663Z`` or of a day alone.

    Raises:
        DataError: It is neither.
    """
    head, dot, tail = text.partition(".")
    digits = tail[: len(tail) - len(tail.lstrip("0123456789"))] if dot else ""
    zone = tail[len(digits) :] if dot else ""
    try:
        at = datetime.fromisoformat(f"{head}{zone}")
    except ValueError:
        raise DataError(f"a time must look like 2026-09-18T13:24:50.018Z, was {text!r}") from None
    seconds = int((at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp())
    return seconds * 1_000_000_000 + int(digits[:9].ljust(9, "0") if digits else 0)


def moment(ts_ns: int) -> str:
    """Write a UTC time as queries take it."""
    at = datetime.fromtimestamp(max(ts_ns, 0) // 1_000_000_000, UTC)
    millis = max(ts_ns, 0) // 1_000_000 % 1_000
    return f"{at:%Y-%m-%dT%H:%M:%S}.{millis:03d}Z"


def order_time(row: OrderRow) -> int:
    """Return when an order came to stand as it does, 0 where the venue does not say.

    Raises:
        DataError: It is no time.
    """
    text = row.submitted_at or row.created_at or ""
    return nanoseconds(text) if text else 0


def order_body(intent: OrderIntent, instrument: Instrument, client_id: str) -> dict[str, object]:
    """Return the body that places an order.

    Raises:
        ConfigError: The venue has no such order; says what it has.
    """
    body: dict[str, object] = {
        "symbol": instrument.venue_symbol,
        "side": intent.side.value,
        "type": intent.type.value,
        "qty": number(intent.size),
        "time_in_force": _time_in_force(intent, instrument),
        "client_order_id": client_id,
    }
    if intent.type not in _TYPES.values():
        raise ConfigError(f"order {intent.client_order_id}: Alpaca has no {intent.type} orders")
    if intent.price is not None:
        body["limit_price"] = number(intent.price)
    if intent.extended_hours:
        body["extended_hours"] = True
    if intent.type is OrderType.TRAILING_STOP:
        if intent.trail is not None:
            body["trail_price"] = number(intent.trail)
        elif intent.trail_pct is not None:
            body["trail_percent"] = number(intent.trail_pct)
    elif intent.trigger_price is not None:
        body["stop_price"] = number(intent.trigger_price)
    return body


def _time_in_force(intent: OrderIntent, instrument: Instrument) -> str:
    tif, what = intent.time_in_force, f"order {intent.client_order_id}"
    whole, market = not intent.size % 1, intent.type is OrderType.MARKET
    if instrument.kind is InstrumentKind.OPTION:
        if not whole:
            raise ConfigError(f"{what}: options are traded whole, size was {intent.size}")
        if tif is not TimeInForce.DAY:
            raise ConfigError(f"{what}: options are traded for the day, was {tif}")
        return tif.value
    if instrument.kind is not InstrumentKind.STOCK or whole:
        if tif in {TimeInForce.IOC, TimeInForce.FOK} and intent.type not in _AT_ONCE:
            raise ConfigError(f"{what}: a {intent.type} order must be day or gtc, was {tif}")
        return tif.value
    if intent.type is OrderType.TRAILING_STOP:
        raise ConfigError(f"{what}: parts of shares cannot trail, size was {intent.size}")
    # A market order fills at once, or at the next opening: it needs no more than a day.
    if tif is TimeInForce.DAY or (market and tif is not TimeInForce.FOK):
        return "day"
    raise ConfigError(
        f"{what}: parts of shares are traded for the day only, time_in_force was {tif} and size "
        f"{intent.size}; use day, or whole shares"
    )


def group_body(intents: Sequence[OrderIntent], instrument: Instrument) -> dict[str, object]:
    """Return the body that places a group whole; its name tells all its orders.

    Raises:
        ConfigError: Alpaca cannot hold this group; says why.
    """
    what = f"group {intents[0].group_id}"
    by_role = {intent.role: intent for intent in intents}
    entry, target, stop = (by_role.get(r) for r in (Role.ENTRY, Role.TARGET, Role.STOP))
    if len(intents) < 2 or len(by_role) < len(intents) or not by_role.keys() <= _ROLES:
        raise ConfigError(f"{what}: must be an entry, a stop and a target at most")
    _check_alike(intents, what)
    if target is not None and target.type is not OrderType.LIMIT:
        raise ConfigError(f"{what}: its target must be a limit order, was {target.type}")
    if stop is not None and stop.type not in {OrderType.STOP, OrderType.STOP_LIMIT}:
        raise ConfigError(f"{what}: its stop must be stop or stop_limit, was {stop.type}")
    head = entry if intents[0].link is not Link.OCO else target
    if head is None or (head is target) is (entry is not None) or head.type not in _AT_ONCE:
        raise ConfigError(f"{what}: needs a market or limit entry, or for oco a target and a stop")
    order_class = "oco" if head is target else "bracket" if len(intents) == 3 else "oto"
    ids = [each.client_order_id for each in (entry, target, stop) if each is not None]
    body = order_body(head, instrument, group_name(ids)) | {"order_class": order_class}
    if target is not None and target.price is not None:
        body["take_profit"] = {"limit_price": number(target.price)}
    if stop is not None and stop.trigger_price is not None:
        loss = {"stop_price": number(stop.trigger_price)}
        if stop.price is not None:
            loss["limit_price"] = number(stop.price)
        body["stop_loss"] = loss
    return body


def _check_alike(intents: Sequence[OrderIntent], what: str) -> None:
    """Refuse a group whose orders are not of one size and one life."""
    if len({each.size for each in intents}) > 1:
        raise ConfigError(f"{what}: all its orders must be of one size at Alpaca")
    if len({each.time_in_force for each in intents}) > 1:
        raise ConfigError(f"{what}: all its orders must live equally long at Alpaca")
    if intents[0].time_in_force not in {TimeInForce.DAY, TimeInForce.GTC} or intents[0].size % 1:
        raise ConfigError(f"{what}: must be day or gtc and of whole shares at Alpaca")


def change_body(
    change: AmendSubmitted, client_id: str, before: Decimal = Decimal(0)
) -> dict[str, object]:
    """Return the body that replaces an order; `before` is what earlier ones in its place filled."""
    body: dict[str, object] = {"client_order_id": client_id}
    if change.size is not None:
        body["qty"] = number(change.size - before)
    if change.price is not None:
        body["limit_price"] = number(change.price)
    if change.trigger_price is not None:
        body["stop_price"] = number(change.trigger_price)
    return body


def order_state(row: OrderRow) -> OrderState:
    """Translate an order's status.

    Raises:
        DataError: It is none the venue documents.
    """
    try:
        state = _STATES[row.status]
    except KeyError:
        raise DataError(
            f"order status must be one of {', '.join(_STATES)}, was {row.status!r}"
        ) from None
    if state is OrderState.ACCEPTED and row.filled_qty:
        return OrderState.PARTIALLY_FILLED
    return state


def order_type(row: OrderRow) -> OrderType:
    """Translate an order's type.

    Raises:
        DataError: It is none the venue documents.
    """
    try:
        return _TYPES[row.type]
    except KeyError:
        raise DataError(f"type must be one of {', '.join(_TYPES)}, was {row.type!r}") from None


def side_of(word: str) -> Side:
    """Translate a side.

    Raises:
        DataError: It is none the venue documents.
    """
    try:
        return _SIDES[word]
    except KeyError:
        raise DataError(f"side must be one of {', '.join(_SIDES)}, was {word!r}") from None


def execution_id(activity_id: str) -> str:
    """Return the name the stream has for a fill that activities list.

    ``20220202135509981::2d7be4ff-d1f3-43e9-856a-0f5cf5c5088e`` is ``2d7be4ff-..`` there.
    """
    return activity_id.rpartition("::")[2]
