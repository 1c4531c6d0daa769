"""How the venue writes orders, positions, accounts and activities; numbers are text."""

from __future__ import annotations

import datetime as dt
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from core.model.market import Side
from emulator.alpaca.trading.account import Account, Activity, Position, Update
from emulator.alpaca.trading.assets import CONTRACT, QUOTED, Contract, Instrument, asset_id
from emulator.alpaca.trading.orders import Fill, Order
from emulator.wire.venue import Json

_CENT: Final = Decimal("0.01")
_NINE: Final = Decimal("1e-9")
_NONE: Final = Decimal(0)


def number(value: Decimal) -> str:
    """Write a number without trailing zeros, at most nine decimals."""
    if value != value.to_integral_value():
        value = value.quantize(_NINE, ROUND_HALF_EVEN)
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def cents(value: Decimal) -> str:
    """Write dollars and cents."""
    return number(value.quantize(_CENT, ROUND_HALF_EVEN))


def _maybe(value: Decimal | None) -> str | None:
    return None if value is None else number(value)


def moment(ms: int) -> str | None:
    """Write a time, None for 0."""
    if not ms:
        return None
    at = dt.datetime.fromtimestamp(ms // 1_000, dt.UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{ms % 1_000:03d}Z"


def side(order: Order) -> str:
    """Write a side."""
    return "buy" if order.side is Side.BUY else "sell"


def intent(order: Order) -> str:
    """Return what an order does to a position, in the venue's words."""
    return f"{side(order)}_to_{'open' if order.opens else 'close'}"


def order(order: Order, *, nested: bool = True) -> Json:
    """Write an order; its legs are inside when `nested`."""
    instrument = order.instrument
    legs = list(order.legs) if nested else []
    return {
        "id": order.id,
        "client_order_id": order.client_id,
        "created_at": moment(order.created_ms),
        "updated_at": moment(order.updated_ms),
        "submitted_at": moment(order.created_ms),
        "filled_at": moment(order.filled_ms) if order.status == "filled" else None,
        "expired_at": moment(order.expired_ms),
        "canceled_at": moment(order.canceled_ms),
        "failed_at": moment(order.failed_ms),
        "replaced_at": moment(order.replaced_ms),
        "replaced_by": order.replaced_by or None,
        "replaces": order.replaces or None,
        "asset_id": instrument.id,
        "symbol": instrument.symbol,
        "asset_class": instrument.kind,
        "notional": _maybe(order.notional),
        "qty": None if order.notional is not None else number(order.qty),
        "filled_qty": number(order.filled_qty),
        "filled_avg_price": _maybe(order.average),
        "order_class": order.order_class or ("" if instrument.kind == "crypto" else "simple"),
        "order_type": order.type,
        "type": order.type,
        "side": side(order),
        "position_intent": intent(order),
        "time_in_force": order.tif,
        "limit_price": _maybe(order.limit),
        "stop_price": _maybe(order.stop),
        "status": order.status,
        "extended_hours": order.extended,
        "legs": [order_of(leg) for leg in legs] or None,
        "trail_percent": _maybe(order.trail_percent),
        "trail_price": _maybe(order.trail_price),
        "hwm": _maybe(order.hwm),
        "subtag": None,
        "source": None,
    }


def order_of(leg: Order) -> Json:
    """Write a leg, which has none of its own."""
    return order(leg, nested=False)


def update(update: Update) -> Json:
    """Write what happened to an order, as ``trade_updates`` tells it."""
    told: Json = {
        "event": update.event,
        "execution_id": update.execution_id,
        "timestamp": moment(update.ts_ms),
        "order": order(update.order),
    }
    if update.fill is not None:
        told["price"] = number(update.fill.price)
        told["qty"] = number(update.fill.qty)
        told["position_qty"] = number(update.position_qty)
    return {"stream": "trade_updates", "data": told}


def position(held: Position, available: Decimal) -> Json:
    """Write a position."""
    instrument, last, before = held.instrument, held.instrument.last, held.instrument.before()
    times = instrument.multiplier
    gain = held.value - held.basis
    today = held.qty * (last - before) * times
    began = abs(held.qty * before * times)
    return {
        "asset_id": instrument.id,
        "symbol": instrument.short,
        "exchange": {"us_equity": "NASDAQ", "crypto": "CRYPTO"}.get(instrument.kind, ""),
        "asset_class": instrument.kind,
        "asset_marginable": instrument.kind == "us_equity",
        "qty": number(held.qty),
        "avg_entry_price": number(held.entry),
        "side": "long" if held.qty > 0 else "short",
        "market_value": cents(held.value),
        "cost_basis": number(held.basis),
        "unrealized_pl": number(gain),
        "unrealized_plpc": number(gain / abs(held.basis) if held.basis else _NONE),
        "unrealized_intraday_pl": number(today),
        "unrealized_intraday_plpc": number(today / began if began else _NONE),
        "current_price": number(last),
        "lastday_price": number(before),
        "change_today": number((last - before) / before if before else _NONE),
        "qty_available": number(available),
    }


def account(account: Account, cash: Decimal, equity: Decimal) -> Json:
    """Write an account; `cash` and `equity` may be of the past, by a fault."""
    long, short = account.worth(long=True), account.worth(long=False)
    spoken = account.spoken_for(margin=False)
    power = cents(account.buying_power)
    return {
        "id": account.id,
        "account_number": f"PA{account.owner:010d}",
        "status": "ACTIVE",
        "crypto_status": "ACTIVE",
        "options_approved_level": 2,
        "options_trading_level": 2,
        "options_buying_power": cents(account.cash_power),
        "currency": "USD",
        "buying_power": power,
        "regt_buying_power": power,
        "daytrading_buying_power": "0",
        "effective_buying_power": power,
        "non_marginable_buying_power": cents(account.cash_power),
        "cash": cents(cash - spoken),
        "accrued_fees": "0",
        "portfolio_value": cents(equity),
        "equity": cents(equity),
        "last_equity": cents(account.started_with),
        "long_market_value": cents(long),
        "short_market_value": cents(short),
        "position_market_value": cents(long + short),
        "initial_margin": cents(account.initial_margin),
        "maintenance_margin": cents(account.maintenance_margin),
        "last_maintenance_margin": "0",
        "sma": "0",
        "multiplier": "2",
        "shorting_enabled": not account.settings["no_shorting"],
        "daytrade_count": 0,
        "pattern_day_trader": False,
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": bool(account.settings["suspend_trade"]),
        "created_at": "2024-01-02T15:00:00Z",
        "balance_asof": "2024-01-02",
    }


def fill(done: Fill) -> Json:
    """Write a fill as account activities list it."""
    order, whole = done.order, done.cum_qty == done.order.qty
    return {
        "id": done.id,
        "activity_type": "FILL",
        "transaction_time": moment(done.ts_ms),
        "type": "fill" if whole else "partial_fill",
        "price": number(done.price),
        "qty": number(done.qty),
        "side": _short_side(order),
        "symbol": order.instrument.symbol,
        "leaves_qty": number(order.qty - done.cum_qty),
        "order_id": order.id,
        "cum_qty": number(done.cum_qty),
        "order_status": "filled" if whole else "partially_filled",
    }


def _short_side(order: Order) -> str:
    if order.side is Side.SELL and order.opens:
        return "sell_short"
    return side(order)


def activity(done: Activity) -> Json:
    """Write what happened besides fills."""
    return {
        "id": done.id,
        "activity_type": done.type,
        "date": (moment(done.ts_ms) or "")[:10],
        "net_amount": number(done.net),
        "description": done.description,
        "symbol": done.symbol.replace("/", ""),
        "qty": number(done.qty),
        "price": number(done.price),
        "per_share_amount": "0",
        "status": "executed",
    }


def option_quote(option: Contract, now_ms: int) -> Json:
    """Write what an option's market maker bids and asks."""
    bid, ask = option.quote()
    size = int(QUOTED)
    return {
        "t": moment(now_ms),
        "bp": float(bid),
        "bs": size,
        "bx": "C",
        "ap": float(ask),
        "as": size,
        "ax": "C",
        "c": "A",
    }


def option_trade(price: Decimal, qty: Decimal, now_ms: int) -> Json:
    """Write a trade of an option; such trades have no ids."""
    return {"t": moment(now_ms), "p": float(price), "s": int(qty), "x": "C", "c": "a"}


def contract(instrument: Instrument, now: dt.date) -> Json:
    """Write an option contract."""
    option = instrument.contract
    assert option is not None
    root = option.underlying.listing.symbol
    kind = "Call" if option.call else "Put"
    strike = number(option.strike)
    bid, ask = option.quote()
    return {
        "id": instrument.id,
        "symbol": instrument.symbol,
        "name": f"{root} {option.expiry:%b %d %Y} {strike} {kind}",
        "status": "active" if option.expiry >= now else "inactive",
        "tradable": option.expiry >= now,
        "expiration_date": option.expiry.isoformat(),
        "root_symbol": root,
        "underlying_symbol": root,
        "underlying_asset_id": asset_id(root),
        "type": kind.lower(),
        "style": "american",
        "strike_price": strike,
        "multiplier": str(CONTRACT),
        "size": str(CONTRACT),
        "open_interest": "1000",
        "open_interest_date": now.isoformat(),
        "close_price": number((bid + ask) / 2),
        "close_price_date": now.isoformat(),
    }
