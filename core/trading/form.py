"""What an order must look like, whatever the market and the limits: fields, steps and bounds."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple

from core.model.errors import ConfigError
from core.model.instruments import Instrument
from core.model.market import Side
from core.model.orders import OrderIntent, OrderType, Role, TimeInForce

_HUNDRED: Final = Decimal(100)
_LIMIT: Final = OrderType.LIMIT
_MARKET: Final = OrderType.MARKET
_SINGLE: Final = Role.SINGLE
_GTD: Final = TimeInForce.GTD
_TRAILING: Final = OrderType.TRAILING_STOP
_STOPS: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})


class Denial(NamedTuple):
    """Why an intent is refused."""

    rule: str
    """A settings key such as ``risk.max_order_notional``, or ``balance``, ``disarmed``..."""
    reason: str


def check_form(
    intent: OrderIntent, instrument: Instrument, expected: Decimal | None
) -> Denial | None:
    """Check what the order says against what the venue lists: steps, bounds, least value.

    `expected` is the price a market order is valued at, None when there is no market.
    """
    return (
        _check_fields(intent)
        or (_check_market(intent, instrument) if intent.type is _MARKET else None)
        or _check_steps(intent, instrument)
        or _check_bounds(intent.size, intent.price, instrument)
        or check_least(
            intent, instrument, intent.size, expected if intent.price is None else intent.price
        )
    )


def check_least(
    intent: OrderIntent, instrument: Instrument, size: Decimal, worth: Decimal | None
) -> Denial | None:
    """Check whether an order would be large enough; `worth` is what one is worth, if known.

    What closes contracts may be worth less (Binance USD-M, error -4164: "unless you choose reduce
    only").
    """
    if size < instrument.min_size:
        return Denial("instrument.min_size", f"must be at least {instrument.min_size}, was {size}")
    if worth is None or (intent.reduce_only and instrument.derivative):
        return None
    notional = size * worth
    if notional < instrument.min_notional:
        return Denial(
            "instrument.min_notional",
            f"must be worth at least {instrument.min_notional} {instrument.quote}, was {notional}",
        )
    return None


def check_band(
    intent: OrderIntent, instrument: Instrument, reference: Decimal | None
) -> Denial | None:
    """Check a limit price against what the venue allows around its own price, if that is known."""
    band, price = instrument.price_band, intent.price
    if band is None or price is None or reference is None or intent.type is not _LIMIT:
        return None
    buys = intent.side is Side.BUY
    low, high = (band.buy_low, band.buy_high) if buys else (band.sell_low, band.sell_high)
    if low and price < reference * low:
        bound = f"at least {low.normalize():f}"
    elif high and price > reference * high:
        bound = f"at most {high.normalize():f}"
    else:
        return None
    return Denial(
        "instrument.price_band",
        f"{instrument.venue} takes {intent.side} prices of {bound} times the market's {reference}, "
        f"was {price}",
    )


def touched(intent: OrderIntent, price: Decimal, trigger: Decimal) -> bool:
    """Return whether a price touches an order's trigger."""
    falls = (intent.side is Side.SELL) is (intent.type in _STOPS)
    return price <= trigger if falls else price >= trigger


def _check_fields(intent: OrderIntent) -> Denial | None:
    size, price, kind = intent.size, intent.price, intent.type
    if not size.is_finite() or size <= 0:
        return Denial("size", f"must be above 0, was {size}")
    if (price is None) is (kind is _LIMIT or kind.limited):
        wants = "needs a price" if price is None else f"takes no price, was {price}"
        return Denial("price", f"a {kind} order {wants}")
    if price is not None and (not price.is_finite() or price <= 0):
        return Denial("price", f"must be above 0, was {price}")
    if intent.post_only and kind is not _LIMIT:
        return Denial("post_only", f"a {kind} order cannot be post-only")
    gtd = intent.time_in_force is _GTD
    if gtd is not bool(intent.expire_ns):
        wants = "needs an end" if gtd else "takes no end"
        return Denial("expire_ns", f"a {intent.time_in_force} order {wants}")
    plain = kind is _LIMIT or kind is _MARKET
    if plain and intent.trigger_price is intent.trail is intent.trail_pct is None:
        return None
    return _check_trigger(intent)


def _check_market(intent: OrderIntent, instrument: Instrument) -> Denial | None:
    """Check the size of an order at market; exits of a group go to the venue all the same."""
    most = instrument.max_market_size
    if intent.role is not _SINGLE or not most or intent.size <= most:
        return None
    return Denial("instrument.max_market_size", f"must be at most {most}, was {intent.size}")


def _check_trigger(intent: OrderIntent) -> Denial | None:
    kind, trigger = intent.type, intent.trigger_price
    trails = kind is _TRAILING
    if trigger is not None and (not trigger.is_finite() or trigger <= 0):
        return Denial("trigger_price", f"must be above 0, was {trigger}")
    if (trigger is not None) and not kind.conditional:
        return Denial("trigger_price", f"a {kind} order takes no trigger, was {trigger}")
    if trigger is None and kind.conditional and not trails:
        return Denial("trigger_price", f"a {kind} order needs a trigger")
    given = [value for value in (intent.trail, intent.trail_pct) if value is not None]
    if len(given) != trails:
        wants = "needs one of trail and trail_pct" if trails else "takes no trail"
        return Denial("trail", f"a {kind} order {wants}, {len(given)} were given")
    if any(not value.is_finite() or value <= 0 for value in given):
        return Denial("trail", f"must be above 0, was {given[0]}")
    if intent.trail_pct is not None and intent.trail_pct >= _HUNDRED:
        return Denial("trail_pct", f"must be below 100, was {intent.trail_pct}")
    return None


def _check_steps(intent: OrderIntent, instrument: Instrument) -> Denial | None:
    shown, price = intent.display_size, intent.price
    if shown is intent.trigger_price is None and not (
        _off(intent.size, instrument.size_lot)
        or (price is not None and _off(price, instrument.price_tick))
    ):
        return None
    if shown is not None and not 0 < shown < intent.size:
        return Denial("display_size", f"must be above 0 and below {intent.size}, was {shown}")
    try:
        for size in (intent.size, shown):
            if size is not None and _off(size, instrument.size_lot):
                instrument.lots(size)
    except ConfigError as error:
        return Denial("instrument.size_lot", str(error))
    if intent.type is _TRAILING:
        return None
    try:
        for wanted in (price, intent.trigger_price):
            if wanted is not None and _off(wanted, instrument.price_tick):
                instrument.ticks(wanted)
    except ConfigError as error:
        return Denial("instrument.price_tick", str(error))
    return None


def _off(value: Decimal, step: Decimal) -> bool:
    """Return whether a value may be no whole number of steps, so that it must be looked into."""
    try:
        return bool(value % step)
    except InvalidOperation:
        return True


def _check_bounds(size: Decimal, price: Decimal | None, instrument: Instrument) -> Denial | None:
    if instrument.max_size and size > instrument.max_size:
        return Denial("instrument.max_size", f"must be at most {instrument.max_size}, was {size}")
    if price is not None and price < instrument.min_price:
        return Denial("instrument.min_price", f"must be >= {instrument.min_price}, was {price}")
    if price is not None and instrument.max_price and price > instrument.max_price:
        return Denial("instrument.max_price", f"must be <= {instrument.max_price}, was {price}")
    return None
