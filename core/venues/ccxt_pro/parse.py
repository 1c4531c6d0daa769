"""Between ccxt's unified structures and ours; numbers are texts, and stay exact."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from core.model.errors import ConfigError, DataError
from core.model.ids import (
    ClientOrderId,
    ExecutionId,
    InstrumentId,
    VenueName,
    VenueOrderId,
)
from core.model.market import Side
from core.model.orders import (
    OrderFilled,
    OrderIntent,
    OrderState,
    OrderType,
    PositionSide,
    TimeInForce,
    VenueOrder,
)
from core.venues.ccxt_pro.ways import Ways

MS: Final = 1_000_000
_NO_MS: Final = 100_000_000_000_000
"""Milliseconds of the year 5138: a greater number counts nanoseconds."""
Row = Mapping[str, Any]

_ENDED: Final = {
    "canceled": OrderState.CANCELED,
    "canceling": OrderState.ACCEPTED,
    "expired": OrderState.EXPIRED,
    "rejected": OrderState.REJECTED,
}
_SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}
_TRIGGERS: Final[Mapping[OrderType, str]] = {
    OrderType.STOP: "stopLossPrice",
    OrderType.STOP_LIMIT: "stopLossPrice",
    OrderType.TAKE_PROFIT: "takeProfitPrice",
    OrderType.TAKE_PROFIT_LIMIT: "takeProfitPrice",
}


def exact(value: object, what: str) -> Decimal | None:
    """Return a number ccxt gave as text, None where it gave none.

    Raises:
        DataError: It is no finite number, or a float: then it is not what the exchange wrote.
    """
    if value is None:
        return None
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise DataError(f"{what} must be a number as text, was {value!r}")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise DataError(f"{what} must be a number, was {value!r}") from None
    if not number.is_finite():
        raise DataError(f"{what} must be a finite number, was {value!r}")
    return number


def needed(row: Row, name: str) -> Decimal:
    """Return a number a structure must have.

    Raises:
        DataError: It has none.
    """
    number = exact(row.get(name), name)
    if number is None:
        raise DataError(f"{name} must be there, was missing (id {row.get('id')!r})")
    return number


def number(value: Decimal) -> str:
    """Write a decimal exactly, without exponent or trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def order_call(
    intent: OrderIntent, market: Row, client_id: str, ways: Ways, *, by_cost: bool
) -> tuple[str, str, str, str, str | None, dict[str, Any]]:
    """Return the arguments of ``create_order``.

    Raises:
        ConfigError: ccxt has no such order at the exchange; says why.
    """
    what = f"order {intent.client_order_id}"
    params: dict[str, Any] = {ways.client_id: client_id}
    spot = market["type"] == "spot"
    if intent.type is OrderType.MARKET and intent.side is Side.BUY and spot:
        if by_cost and not ways.coins and not ways.market_buy:
            raise ConfigError(
                f"{what}: market buys of {market['symbol']} are for an amount of money at this "
                "exchange, not for so many coins; use a limit order with time_in_force ioc"
            )
        params |= ways.market_buy
    tif = intent.time_in_force
    if intent.type.limited and tif is not TimeInForce.GTC:
        params["timeInForce"] = tif.value.upper()
    elif tif is TimeInForce.FOK:
        # What a market order cannot fill at once it gives up: that is IOC, and no more.
        raise ConfigError(f"{what}: a {intent.type} order cannot be fok, use a limit")
    if intent.post_only:
        params["postOnly"] = True
    if intent.reduce_only:
        params["reduceOnly"] = True
    if intent.position_side is not PositionSide.NET:
        raise ConfigError(f"{what}: long and short are not held apart through ccxt")
    if intent.type is OrderType.TRAILING_STOP:
        if intent.trail is not None:
            params["trailingAmount"] = number(intent.trail)
        elif intent.trail_pct is not None:
            params["trailingPercent"] = number(intent.trail_pct)
    elif intent.trigger_price is not None:
        params[_TRIGGERS[intent.type]] = number(intent.trigger_price)
    kind = "limit" if intent.type.limited else "market"
    price = None if intent.price is None else number(intent.price)
    return market["symbol"], kind, intent.side.value, number(intent.size), price, params


def order_state(row: Row, filled: Decimal, size: Decimal) -> OrderState:
    """Translate an order's status.

    Raises:
        DataError: ccxt gives none: nothing is known of the order.
    """
    status = row.get("status")
    if status == "open":
        return OrderState.PARTIALLY_FILLED if filled else OrderState.ACCEPTED
    if status == "closed":
        # Where an exchange has one word for both, what was filled tells them apart.
        return OrderState.FILLED if filled >= size else OrderState.CANCELED
    state = _ENDED.get(str(status))
    if state is None:
        raise DataError(f"status of order {row.get('id')!r} must be known, was {status!r}")
    if state is OrderState.REJECTED and filled:
        return OrderState.EXPIRED
    return state


def side_of(row: Row) -> Side:
    """Translate a side.

    Raises:
        DataError: It is neither buy nor sell.
    """
    side = _SIDES.get(str(row.get("side")))
    if side is None:
        raise DataError(f"side of {row.get('id')!r} must be buy or sell, was {row.get('side')!r}")
    return side


def time_ns(row: Row, *names: str) -> int:
    """Return the first time a structure has, 0 where it has none.

    What KuCoin's stream writes in nanoseconds ccxt may hand on as its milliseconds.
    """
    for name in names:
        value = row.get(name)
        if isinstance(value, int):
            return value if value > _NO_MS else value * MS
    return 0


def venue_order(
    row: Row, order_id: ClientOrderId, instrument: InstrumentId, intent: OrderIntent | None
) -> VenueOrder:
    """Make an order of ccxt's structure; of ours, what it leaves out is as it was sent.

    Raises:
        DataError: It lacks what cannot be known otherwise.
    """
    filled = exact(row.get("filled"), "filled")
    if filled is None:
        raise DataError(f"filled of order {row.get('id')!r} must be there, was missing")
    size = exact(row.get("amount"), "amount") or (intent.size if intent is not None else None)
    if size is None:
        raise DataError(f"amount of order {row.get('id')!r} must be there, was missing")
    trigger = next(
        (
            value
            for name in ("triggerPrice", "stopLossPrice", "takeProfitPrice")
            if (value := exact(row.get(name), name))
        ),
        None,
    )
    price = exact(row.get("price"), "price") or None
    kind = intent.type if intent is not None else None
    if kind is None:
        kind = OrderType.MARKET if row.get("type") == "market" else OrderType.LIMIT
    state = order_state(row, filled, size)
    at_once = intent is not None and intent.time_in_force in {TimeInForce.IOC, TimeInForce.FOK}
    if at_once and state is OrderState.CANCELED:
        state = OrderState.EXPIRED
    return VenueOrder(
        client_order_id=order_id,
        venue_order_id=VenueOrderId(str(row["id"])),
        instrument_id=instrument,
        side=side_of(row),
        type=kind,
        price=price if kind.limited else None,
        size=size,
        filled=filled,
        state=state,
        ts_event_ns=time_ns(row, "lastUpdateTimestamp", "lastTradeTimestamp", "timestamp"),
        trigger_price=trigger,
        average_price=exact(row.get("average"), "average") if filled else None,
        reduce_only=row.get("reduceOnly") is True,
    )


def fill(
    row: Row,
    order_id: ClientOrderId,
    instrument: InstrumentId,
    venue: VenueName,
    *,
    quote: str,
    ts_ns: int,
) -> OrderFilled:
    """Make a fill of ccxt's trade.

    Raises:
        DataError: It lacks its id, order, price or size.
    """
    if not row.get("id") or not row.get("order"):
        raise DataError(f"a fill needs id and order, was {row.get('id')!r} of {row.get('order')!r}")
    # What an exchange does not tell shows in its balances, which are compared.
    fee, asset = cost_of(row, quote) or (Decimal(0), quote)
    return OrderFilled(
        client_order_id=order_id,
        venue=venue,
        instrument_id=instrument,
        venue_order_id=VenueOrderId(str(row["order"])),
        execution_id=ExecutionId(str(row["id"])),
        side=side_of(row),
        price=needed(row, "price"),
        size=needed(row, "amount"),
        fee=fee,
        fee_asset=asset,
        maker=row.get("takerOrMaker") == "maker",
        ts_event_ns=time_ns(row, "timestamp"),
        ts_ns=ts_ns,
    )


def cost_of(row: Row, quote: str) -> tuple[Decimal, str] | None:
    """Return fee and asset of a trade, None where ccxt does not say.

    Raises:
        DataError: It says several in different assets, or one that is no number.
    """
    fees = [fee for fee in (row.get("fees") or [row.get("fee")]) if fee]
    costs = [(exact(fee.get("cost"), "fee"), str(fee.get("currency") or quote)) for fee in fees]
    if not costs or any(cost is None for cost, _ in costs):
        return None
    if len({asset for _, asset in costs}) > 1:
        raise DataError(f"trade {row.get('id')!r} has fees in several assets: {fees!r}")
    return sum((cost for cost, _ in costs if cost is not None), Decimal(0)), costs[0][1]
