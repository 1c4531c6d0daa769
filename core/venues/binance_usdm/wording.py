"""Orders as USD-M is told of them: plain ones, conditional ones, and changes."""

from __future__ import annotations

from decimal import Decimal
from types import MappingProxyType
from typing import Final, TypeAlias

from core.model.abilities import VenueAbilities
from core.model.errors import ConfigError
from core.model.orders import (
    AmendSubmitted,
    Order,
    OrderIntent,
    OrderType,
    PositionSide,
    TimeInForce,
    TriggerBy,
)
from core.venues.binance.parse import number
from core.venues.kinds import switch_words

Param: TypeAlias = tuple[str, str]

_KINDS: Final = MappingProxyType(
    {
        OrderType.MARKET: "MARKET",
        OrderType.LIMIT: "LIMIT",
        OrderType.STOP: "STOP_MARKET",
        OrderType.STOP_LIMIT: "STOP",
        OrderType.TAKE_PROFIT: "TAKE_PROFIT_MARKET",
        OrderType.TAKE_PROFIT_LIMIT: "TAKE_PROFIT",
        OrderType.TRAILING_STOP: "TRAILING_STOP_MARKET",
    }
)
_WATCHED: Final = MappingProxyType({TriggerBy.LAST: "CONTRACT_PRICE", TriggerBy.MARK: "MARK_PRICE"})
_POST_ONLY: Final = "GTX"


def abilities(*, hedging: bool | None, dead_man_s: float) -> VenueAbilities:
    """Return what of USD-M the adapter uses.

    A good-till-date order is ended by the engine: the venue takes none that ends within 10 minutes.
    """
    return VenueAbilities(
        types=frozenset(OrderType),
        times=frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK}),
        triggers=frozenset(_WATCHED),
        amend="any",
        amend_types=frozenset({OrderType.LIMIT}),
        reduce_only=True,
        trail_pct=(Decimal("0.1"), Decimal(10), Decimal("0.1")),
        hedging=hedging,
        dead_man=dead_man_s > 0,
        switch=switch_words(dead_man_s, by_symbol=True),
    )


def order_params(intent: OrderIntent, symbol: str, *, hedging: bool) -> list[Param]:
    """Return the parameters of a plain order for ``POST /fapi/v1/order``.

    Raises:
        ConfigError: The intent is none the venue can carry out.
    """
    return [
        *_common(intent, symbol, hedging=hedging),
        ("newClientOrderId", intent.client_order_id),
        ("newOrderRespType", "RESULT"),
    ]


def algo_params(intent: OrderIntent, symbol: str, *, hedging: bool) -> list[Param]:
    """Return the parameters of a conditional order for ``POST /fapi/v1/algoOrder``.

    Raises:
        ConfigError: The intent is none the venue can carry out.
    """
    watched = _WATCHED.get(intent.trigger_by)
    if watched is None:
        raise ConfigError(
            f"order {intent.client_order_id}: triggers watch last or mark price here, "
            f"was {intent.trigger_by}"
        )
    params = [
        ("algoType", "CONDITIONAL"),
        *_common(intent, symbol, hedging=hedging),
        ("clientAlgoId", intent.client_order_id),
        ("workingType", watched),
    ]
    if intent.type is OrderType.TRAILING_STOP:
        if intent.trail_pct is None:
            raise ConfigError(
                f"order {intent.client_order_id}: a trailing distance must be in per cent here, "
                f"was {intent.trail}"
            )
        return [*params, ("callbackRate", number(intent.trail_pct))]
    if intent.trigger_price is None:
        raise ConfigError(f"order {intent.client_order_id}: a {intent.type} needs a trigger")
    return [*params, ("triggerPrice", number(intent.trigger_price))]


def amend_params(order: Order, change: AmendSubmitted, symbol: str) -> list[Param]:
    """Return the parameters that change a limit order; it loses its place in the queue.

    Raises:
        ConfigError: It is none that can be changed.
    """
    price = change.price if change.price is not None else order.intent.price
    size = change.size if change.size is not None else order.intent.size
    if price is None or change.trigger_price is not None:
        raise ConfigError(f"order {order.id}: only price and size of limit orders can be amended")
    return [
        ("symbol", symbol),
        ("origClientOrderId", order.id),
        ("side", order.intent.side.value.upper()),
        ("quantity", number(size)),
        ("price", number(price)),
    ]


def _common(intent: OrderIntent, symbol: str, *, hedging: bool) -> list[Param]:
    """Return what plain and conditional orders are told alike."""
    params = [
        ("symbol", symbol),
        ("side", intent.side.value.upper()),
        ("type", _KINDS[intent.type]),
        *_sided(intent, hedging=hedging),
    ]
    if intent.type.limited:
        if intent.price is None:
            raise ConfigError(f"order {intent.client_order_id}: a limit order needs a price")
        params += [("timeInForce", _time(intent)), ("price", number(intent.price))]
    return [*params, ("quantity", number(intent.size))]


def _time(intent: OrderIntent) -> str:
    if not intent.post_only:
        return intent.time_in_force.value.upper()
    if intent.time_in_force is not TimeInForce.GTC:
        raise ConfigError(
            f"order {intent.client_order_id}: a post-only order must be gtc, "
            f"was {intent.time_in_force.value}"
        )
    return _POST_ONLY


def _sided(intent: OrderIntent, *, hedging: bool) -> list[Param]:
    """Return which position an order is for; where sides are held apart, the side says it all.

    Raises:
        ConfigError: It does not fit how the account holds positions.
    """
    side = intent.position_side
    if hedging is (side is PositionSide.NET):
        held = "apart, say which (long or short)" if hedging else "as one, say none"
        raise ConfigError(
            f"order {intent.client_order_id}: this account holds long and short {held}; "
            f"was {side.value}"
        )
    if hedging:
        return [("positionSide", side.value.upper())]
    return [("reduceOnly", "true")] if intent.reduce_only else []
