"""What the venue refuses, in its codes and words: bad requests (422) and forbidden ones (403)."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal, InvalidOperation
from typing import Any, Final

import orjson

from core.model.market import Side
from emulator.alpaca.trading.account import Account
from emulator.alpaca.trading.assets import Instrument
from emulator.alpaca.trading.orders import Order
from emulator.alpaca.trading.wire import number
from emulator.wire.rest import Refusal
from emulator.wire.venue import Json

_NINE: Final = Decimal("1e-9")
_ONE: Final = Decimal(1)
_PENNY: Final = Decimal("0.01")
_LEAST_COIN_COST: Final = 10
_LARGEST: Final = 10**12
_LEAST_TRAIL: Final = Decimal("0.01")
_MOST_TRAIL: Final = 100
_NONE: Final = Decimal(0)


def bad(message: str, code: int = 42210000, **more: Any) -> Refusal:
    """Return the refusal of a request that makes no sense."""
    return Refusal(422, {**more, "code": code, "message": message})


def forbidden(message: str, **more: Any) -> Refusal:
    """Return the refusal of an order the account may not place."""
    return Refusal(403, {**more, "code": 40310000, "message": message})


def body(raw: bytes) -> Json:
    """Return a request's JSON object.

    Raises:
        Refusal: 400.
    """
    try:
        asked = orjson.loads(raw)
    except orjson.JSONDecodeError:
        asked = None
    if not isinstance(asked, dict):
        raise Refusal(400, {"code": 40010000, "message": "request body format is invalid"})
    return asked


def amount(asked: Json, name: str) -> Decimal | None:
    """Return a number sent as text or number, None when it was not sent.

    Raises:
        Refusal: 422.
    """
    value = asked.get(name)
    if value is None or value == "":
        return None
    try:
        parsed = Decimal(str(value))
    except InvalidOperation:
        raise bad(f"invalid {name}: {value}", 40010001) from None
    if not parsed.is_finite():
        raise bad(f"invalid {name}: {value}", 40010001)
    if parsed <= 0:
        raise bad(f"{name} must be > 0", 40010001)
    if parsed > _LARGEST:
        raise bad(f"{name} must be <= {_LARGEST}", 40010001)
    return parsed


def check_prices(made: Order) -> None:
    """Refuse prices the type lacks, or has and must not, or finer than a step.

    Raises:
        Refusal: 422.
    """
    needs = {
        "market": (),
        "limit": ("limit",),
        "stop": ("stop",),
        "stop_limit": ("limit", "stop"),
        "trailing_stop": (),
    }[made.type]
    words = {"limit": "limit price", "stop": "stop price"}
    for name in ("limit", "stop"):
        value: Decimal | None = getattr(made, name)
        if value is None and name in needs:
            raise bad(f"{made.type.replace('_', ' ')} orders require a {words[name]}", 40010001)
        if value is not None and name not in needs:
            if made.type == "market":
                raise bad("market orders require no stop or limit price", 40010001)
            raise bad(f"{made.type.replace('_', ' ')} orders require no {words[name]}", 40010001)
        if value is not None:
            check_step(made.instrument, f"{name}_price", value)
    trails = [made.trail_price, made.trail_percent].count(None)
    if made.type == "trailing_stop" and trails != 1:
        raise bad("trailing stop orders must specify one of trail_price or trail_percent", 40010001)
    if made.type != "trailing_stop" and trails != 2:
        raise bad("trail_price and trail_percent are for trailing_stop orders alone", 40010001)
    if made.trail_price is not None:
        check_step(made.instrument, "trail_price", made.trail_price)
        if made.trail_price >= made.instrument.last:
            raise bad("trail_price must be less than the price of the asset")
    percent = made.trail_percent
    if percent is not None and not _LEAST_TRAIL <= percent < _MOST_TRAIL:
        raise bad("trail_percent must be >= 0.01 and < 100")


def check_step(instrument: Instrument, name: str, value: Decimal) -> None:
    """Refuse a price between two steps.

    Raises:
        Refusal: 422.
    """
    if value % instrument.tick:
        if instrument.kind == "us_equity":
            raise bad(
                f"invalid {name} {number(value)}. "
                "sub-penny increment does not fulfill minimum pricing criteria"
            )
        raise bad(f"invalid {name} {number(value)}. price increment is {number(instrument.tick)}")


def check_rules(made: Order) -> None:
    """Refuse combinations of type, time and size an asset class does not have.

    Raises:
        Refusal: 422.
    """
    if made.qty % _NINE or made.qty <= 0:
        raise bad("qty must be > 0 with at most 9 decimals", 40010001)
    {"crypto": _coin_rules, "us_option": _option_rules}.get(made.instrument.kind, _share_rules)(
        made
    )


def _coin_rules(made: Order) -> None:
    if made.type not in ("market", "limit", "stop_limit"):
        raise bad("invalid order type for crypto order", 40010001)
    if made.tif not in ("gtc", "ioc"):
        raise bad("invalid crypto time_in_force")
    if made.extended:
        raise bad("extended hours is not allowed for crypto orders")


def _option_rules(made: Order) -> None:
    if made.type not in ("market", "limit"):
        raise bad("invalid order type for options trading", 40010001)
    if made.tif != "day":
        raise bad("invalid time_in_force for options trading")
    if made.extended:
        raise bad("extended hours is not allowed for options orders")
    if made.order_class in ("bracket", "oco", "oto"):
        raise bad("options orders must be simple orders")
    if made.qty % _ONE or made.notional is not None:
        raise bad("options qty must be a whole number", 40010001)


def _share_rules(made: Order) -> None:
    advanced = made.order_class in ("bracket", "oco", "oto")
    if made.extended and (made.type != "limit" or made.tif not in ("day", "gtc")):
        raise bad("extended hours order must be DAY or GTC limit orders")
    if made.extended and advanced:
        raise bad("extended hours is not allowed for advanced orders")
    if made.type not in ("market", "limit") and made.tif not in ("day", "gtc"):
        raise bad(f"invalid time_in_force {made.tif} for {made.type} order")
    if not made.qty % _ONE and made.notional is None:
        return
    if made.tif != "day":
        raise bad("fractional orders must be DAY orders")
    if advanced:
        raise bad("fractional orders must be simple orders")
    if made.type == "trailing_stop":
        raise bad("fractional orders cannot be trailing stop orders")


def check_account(account: Account, made: Order) -> None:
    """Refuse what the account has not: shares, coins, dollars, or the right to short.

    Raises:
        Refusal: 403, or 422 for a class that does not fit the position.
    """
    instrument, held = made.instrument, account.held(made.instrument.symbol)
    signed = made.qty * made.side.sign
    made.opens = held * signed >= 0
    if made.role == "target" and made.parent is None and made.opens:
        raise bad("oco orders must be exit orders")
    if made.role == "entry" and made.order_class == "bracket" and not made.opens:
        raise bad("bracket orders must be entry orders")
    _check_wash(account, made)
    cost = made.cost
    if instrument.kind == "crypto":
        if made.qty * made.reference < _LEAST_COIN_COST:
            raise forbidden(
                f"cost basis must be >= minimal amount of order {_LEAST_COIN_COST}",
            )
        _check_coin(account, made, cost)
        return
    if not made.opens:
        available = account.available(instrument.symbol)
        if made.qty > available:
            related = [order.id for order in account.closing(instrument.symbol)]
            raise forbidden(
                f"insufficient qty available for order (requested: {number(made.qty)}, "
                f"available: {number(available)})",
                available=number(available),
                existing_qty=number(abs(held)),
                held_for_orders=number(abs(held) - available),
                related_orders=related,
                symbol=instrument.symbol,
            )
        return
    if made.side is Side.SELL:
        _check_short(account, made)
    power = account.cash_power if instrument.kind == "us_option" else account.buying_power
    if cost > power:
        raise forbidden(
            "insufficient buying power"
            if instrument.kind != "us_option"
            else "insufficient options buying power",
            buying_power=number(power.quantize(_PENNY, ROUND_DOWN)),
            cost_basis=number(cost),
        )


def _check_short(account: Account, made: Order) -> None:
    if made.instrument.kind == "us_option":
        raise forbidden("account not eligible to trade uncovered option contracts")
    if account.settings["no_shorting"]:
        raise forbidden("account is not allowed to short")
    if made.qty % _ONE or made.notional is not None:
        raise bad("fractional orders cannot be sold short")


def _check_coin(account: Account, made: Order, cost: Decimal) -> None:
    base = made.instrument.symbol.partition("/")[0]
    if made.side is Side.SELL:
        have, asset, want = account.available(made.instrument.symbol), base, made.qty
        if account.held(made.instrument.symbol) <= 0:
            have = _NONE
        total = account.held(made.instrument.symbol)
    else:
        have, asset, want, total = account.cash_power, "USD", cost, account.cash
    if want > have:
        raise forbidden(
            f"insufficient balance for {asset} (requested: {number(want)}, "
            f"available: {number(have)})",
            available=number(have),
            balance=number(total),
            symbol=asset,
        )
    made.opens = made.side is Side.BUY


def _check_wash(account: Account, made: Order) -> None:
    """Refuse an order that an own one on the other side could meet, or whose legs could."""
    if made.role == "target":
        return
    for other in account.open.values():
        if other.instrument is not made.instrument or other.side is made.side:
            continue
        if other.parent is not None or other.role == "target":
            continue
        entry = "entry" in (made.role, other.role)
        unpriced = other.limit is None or made.limit is None
        crosses = entry or unpriced or (made.limit - other.limit) * made.side.sign >= 0  # type: ignore[operator]  # both are priced
        if crosses:
            what = "market/stop" if other.limit is None else "limit"
            raise forbidden(
                "potential wash trade detected. use complex orders",
                existing_order_id=other.id,
                reject_reason=f"opposite side {what} order exists",
            )


def check_room(account: Account, old: Order, made: Order) -> None:
    """Refuse a change that takes more than the account has beside the old order.

    Raises:
        Refusal: 403.
    """
    if account.opening(old):
        shares = made.instrument.kind == "us_equity"
        power = account.buying_power if shares else account.cash_power
        if made.cost > power + old.cost:
            raise forbidden(
                "insufficient buying power",
                buying_power=number(power.quantize(_PENNY, ROUND_DOWN)),
                cost_basis=number(made.cost),
            )
    elif old.live and made.qty > account.available(made.instrument.symbol) + old.left:
        raise forbidden("insufficient qty available for order", symbol=made.instrument.symbol)
