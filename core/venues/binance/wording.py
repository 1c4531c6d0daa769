"""Orders as Binance spot is told of them: one by one, in lists, and changed where they rest."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Final, TypeAlias

from core.model.abilities import VenueAbilities
from core.model.errors import ConfigError
from core.model.market import Side
from core.model.orders import AmendSubmitted, Link, Order, OrderIntent, OrderType, TimeInForce
from core.venues.binance.parse import number

Param: TypeAlias = tuple[str, str]

ABILITIES: Final = VenueAbilities(
    types=frozenset(OrderType),
    times=frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK}),
    # Not brackets: an OTOCO's exits wait until the whole entry has filled, and then sell as much as
    # it bought, which is more than there is once the fee was taken of it.
    links=frozenset({Link.OCO}),
    amend="smaller",
    iceberg=True,
    trail_pct=(Decimal("0.1"), Decimal(20), Decimal("0.01")),
)
"""What of spot the adapter uses; https://developers.binance.com/docs/binance-spot-api-docs/filters
says how a trailing delta may be: 10 to 2000 basis points unless a symbol's own filter is tighter.
"""

_KINDS: Final = MappingProxyType(
    {
        OrderType.MARKET: "MARKET",
        OrderType.LIMIT: "LIMIT",
        OrderType.STOP: "STOP_LOSS",
        OrderType.STOP_LIMIT: "STOP_LOSS_LIMIT",
        OrderType.TAKE_PROFIT: "TAKE_PROFIT",
        OrderType.TAKE_PROFIT_LIMIT: "TAKE_PROFIT_LIMIT",
        OrderType.TRAILING_STOP: "STOP_LOSS",
    }
)
_MAKER: Final = "LIMIT_MAKER"
_OF_AN_OCO: Final = frozenset(
    {OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP}
)
_BIPS: Final = 100
"""Basis points of a per cent."""


def order_params(intent: OrderIntent, symbol: str) -> list[Param]:
    """Return the parameters that place an order, exact and unsigned.

    The FULL answer is asked for: it carries the fills with their trade ids, so an order that
    executes at once is known even while the user stream is down. Spot has no reduce-only; the
    risk gate keeps that promise.

    Raises:
        ConfigError: The intent is none the venue can carry out.
    """
    kind = _MAKER if intent.post_only else _KINDS[intent.type]
    return [
        ("symbol", symbol),
        ("side", intent.side.upper()),
        *_leg(intent, kind, ""),
        ("quantity", number(intent.size)),
        ("newClientOrderId", intent.client_order_id),
        ("newOrderRespType", "FULL"),
    ]


def oco_params(intents: Sequence[OrderIntent], symbol: str) -> list[Param]:
    """Return the parameters of a stop and a target of which one cancels the other.

    The higher of the two is named first, whatever it is: a seller's target, a buyer's stop. The
    target rests as a maker only, which is how the venue has it.

    Raises:
        ConfigError: The two are no such pair.
    """
    first = intents[0]
    target = [item for item in intents if item.type is OrderType.LIMIT]
    stop = [item for item in intents if item.type.conditional]
    same = {(item.side, item.size, item.instrument_id) for item in intents}
    known = all(item.type in _OF_AN_OCO for item in intents)
    if len(target) != 1 or len(stop) != 1 or len(same) != 1 or not known:
        types = ", ".join(item.type for item in intents)
        raise ConfigError(
            f"group {first.group_id}: an OCO is one stop and one limit order of the same side and "
            f"size, was {types}"
        )
    sells = first.side is Side.SELL
    above, below = (target[0], stop[0]) if sells else (stop[0], target[0])
    params = [
        ("symbol", symbol),
        ("side", first.side.upper()),
        ("quantity", number(first.size)),
    ]
    for leg, where in ((above, "above"), (below, "below")):
        kind = _MAKER if leg is target[0] else _KINDS[leg.type]
        params += _leg(leg, kind, where)
        params.append((f"{where}ClientOrderId", leg.client_order_id))
    return [*params, ("newOrderRespType", "RESULT")]


def amend_params(order: Order, change: AmendSubmitted, symbol: str) -> list[Param]:
    """Return the parameters that make an order smaller where it stands, under the id it has.

    Raises:
        ConfigError: Something else than its size is to change.
    """
    if change.size is None or change.price is not None or change.trigger_price is not None:
        raise ConfigError(f"order {order.id}: only its size can be amended")
    return [
        ("symbol", symbol),
        ("origClientOrderId", order.id),
        ("newClientOrderId", order.id),
        ("newQty", number(change.size)),
    ]


def _leg(intent: OrderIntent, kind: str, where: str) -> list[Param]:
    """Return what an order waits for and trades at; `where` is its place in a list, or empty."""

    def name(plain: str) -> str:
        return where + plain[0].upper() + plain[1:] if where else plain

    params = [(name("type"), kind)]
    if intent.type.limited:
        if intent.price is None:
            raise ConfigError(f"order {intent.client_order_id}: a limit order needs a price")
        if kind != _MAKER:
            params.append((name("timeInForce"), intent.time_in_force.upper()))
        elif intent.time_in_force is not TimeInForce.GTC:
            raise ConfigError(
                f"order {intent.client_order_id}: a post-only order must be gtc, "
                f"was {intent.time_in_force.value}"
            )
        params.append((name("price"), number(intent.price)))
    if intent.type is OrderType.TRAILING_STOP:
        params.append((name("trailingDelta"), _delta(intent)))
    elif intent.type.conditional:
        if intent.trigger_price is None:
            raise ConfigError(f"order {intent.client_order_id}: a {intent.type} needs a trigger")
        params.append((name("stopPrice"), number(intent.trigger_price)))
    if intent.display_size is not None:
        params.append((name("icebergQty"), number(intent.display_size)))
    return params


def _delta(intent: OrderIntent) -> str:
    """Return a trailing distance in basis points.

    Raises:
        ConfigError: It is none, or no whole number of them.
    """
    bips = None if intent.trail_pct is None else intent.trail_pct * _BIPS
    if bips is None or bips != bips.to_integral_value():
        raise ConfigError(
            f"order {intent.client_order_id}: a trailing distance must be a whole number of basis "
            f"points, was {intent.trail_pct} % (trail {intent.trail})"
        )
    return str(int(bips))
