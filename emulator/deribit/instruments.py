"""What Deribit lists: perpetuals, a dated future, and options around the asset's price."""

from __future__ import annotations

import datetime as dt
from typing import Final

from emulator.clock import MS
from emulator.market.history import DAY_MS
from emulator.market.listings import ASSETS, Listing
from emulator.market.shard import Shard
from emulator.market.world import World
from emulator.wire.numbers import Scale
from emulator.wire.venue import Json

_SETTLES_H: Final = 8
_FRIDAY: Final = 4
_FOREVER_MS: Final = 32_503_708_800_000
_CREATED_MS: Final = 1_534_167_754_000
_STRIKES: Final = 3
"""Strikes on each side of the one at the money."""


def _listing(symbol: str, base: str, quote: str, **more: object) -> Listing:
    given: dict[str, object] = {
        "symbol": symbol,
        "base": base,
        "quote": quote,
        "venue": "deribit",
        "asset": f"{base}USDT",
        "long_run_price": 1.0,
        "daily_vol": 0.03,
        "common_share": 0.8,
        "max_lots": 10**9,
        "max_market_lots": 10**9,
        "max_price_ticks": 10**9,
        "resting": 150,
        "lag_ms": 60,
        "basis_bps": 2.0,
        "one_second_bars": False,
        **more,
    }
    return Listing(**given)  # type: ignore[arg-type]  # the table above is the struct's own fields


def last_friday(year: int, month: int) -> dt.date:
    """Return a month's last Friday."""
    after = dt.date(year + month // 12, month % 12 + 1, 1)
    day = after - dt.timedelta(days=1)
    return day - dt.timedelta(days=(day.weekday() - _FRIDAY) % 7)


def expiries(now_ms: int) -> tuple[dt.date, dt.date]:
    """Return the next weekly expiry two days or more away, and a month's end four weeks later."""
    today = dt.datetime.fromtimestamp(now_ms / 1_000, dt.UTC).date()
    near = today + dt.timedelta(days=(_FRIDAY - today.weekday()) % 7)
    if (near - today).days < 2:
        near += dt.timedelta(days=7)
    far = last_friday(near.year, near.month)
    while (far - near).days < 21:
        year, month = divmod(far.year * 12 + far.month, 12)
        far = last_friday(year, month + 1)
    return near, far


def _ms(day: dt.date) -> int:
    settles = dt.datetime(day.year, day.month, day.day, _SETTLES_H, tzinfo=dt.UTC)
    return int(settles.timestamp() * 1_000)


def named(day: dt.date) -> str:
    """Write an expiry as names have it: ``25DEC26``."""
    return f"{day.day}{day:%b%y}".upper()


def listings(world: World) -> tuple[Listing, ...]:
    """Return the instruments of a moment."""
    now_ms = world.started_ns // MS
    near, far = expiries(now_ms)
    made = [
        _listing(
            "BTC-PERPETUAL", "BTC", "USD", kind="perpetual", price_decimals=1, tick_step=5,
            size_decimals=0, lot_step=10, inverse=True, order_value=6_000.0,
        ),
        _listing(
            "ETH-PERPETUAL", "ETH", "USD", kind="perpetual", price_decimals=2, tick_step=5,
            size_decimals=0, inverse=True, order_value=4_000.0,
        ),
        _listing(
            "SOL_USDC-PERPETUAL", "SOL", "USDC", kind="perpetual", price_decimals=4, tick_step=10,
            size_decimals=1, order_value=800.0,
        ),
        _listing(
            f"BTC-{named(far)}", "BTC", "USD", kind="future", price_decimals=1, tick_step=25,
            size_decimals=0, lot_step=10, inverse=True, order_value=3_000.0, expiry_ms=_ms(far),
            pace=0.5, resting=80,
        ),
    ]  # fmt: skip
    for base, days, steps in (("BTC", (near, far), (1_000, 5_000)), ("ETH", (near,), (100,))):
        price = world.asset(ASSETS[f"{base}USDT"]).value.price
        for day, step in zip(days, steps, strict=True):
            middle = round(price / step) * step
            made += [
                _option(base, day, middle + index * step, call=call)
                for index in range(-_STRIKES, _STRIKES + 1)
                for call in (True, False)
            ]
    return tuple(made)


def _option(base: str, day: dt.date, strike: int, *, call: bool) -> Listing:
    return _listing(
        f"{base}-{named(day)}-{strike}-{'C' if call else 'P'}",
        base,
        base,
        kind="option",
        price_decimals=4,
        tick_above=(50, 5),
        size_decimals=1 if base == "BTC" else 0,
        order_value=0.05 if base == "BTC" else 0.5,
        expiry_ms=_ms(day),
        strike=strike,
        call=call,
        pace=0.03,
        resting=8,
        reach_ticks=8.0,
    )  # fmt: skip


def currency(listing: Listing) -> str:
    """Return the currency an instrument is filed under."""
    return listing.quote if listing.quote == "USDC" else listing.base


def kind_of(listing: Listing) -> str:
    """Return ``future`` or ``option``."""
    return "option" if listing.kind == "option" else "future"


def index_name(listing: Listing) -> str:
    """Return the index an instrument settles by, such as ``btc_usd``."""
    quote = "usdc" if listing.quote == "USDC" else "usd"
    return f"{listing.base.lower()}_{quote}"


def describe(shard: Shard, scale: Scale, number: int) -> Json:
    """Return an instrument as the venue lists it."""
    listing = shard.listing
    option = listing.kind == "option"
    linear = listing.quote == "USDC"
    tick = scale.price_number(shard.coarse)
    told: Json = {
        "price_index": index_name(listing),
        "kind": kind_of(listing),
        "instrument_name": listing.symbol,
        "instrument_id": 200_000 + number,
        "instrument_type": "linear" if linear else "reversed",
        "is_active": shard.listed,
        "state": "open" if not shard.halted else "closed",
        "rfq": False,
        "base_currency": listing.base,
        "counter_currency": "USDC" if linear else "USD",
        "quote_currency": listing.base if option else ("USDC" if linear else "USD"),
        "settlement_currency": "USDC" if linear else listing.base,
        "settlement_period": "perpetual" if listing.kind == "perpetual" else "month",
        "creation_timestamp": _CREATED_MS,
        "expiration_timestamp": listing.expiry_ms or _FOREVER_MS,
        "contract_size": 1 if option else int(max(1, scale.size_number(1))),
        "min_trade_amount": scale.size_number(1),
        "tick_size": tick,
        "tick_size_steps": [],
        "maker_commission": 0.0003 if option else 0.0,
        "taker_commission": 0.0003 if option else 0.0005,
        "block_trade_commission": 0.0003 if option else 0.00025,
        "block_trade_min_trade_amount": 25 if option else 200_000,
        "block_trade_tick_size": tick,
    }
    if option:
        above = listing.tick_above or (50, 5)
        told["strike"] = float(listing.strike)
        told["option_type"] = "call" if listing.call else "put"
        told["settlement_period"] = (
            "week" if listing.expiry_ms - _now(shard) < 8 * DAY_MS else ("month")
        )
        told["tick_size_steps"] = [
            {
                "above_price": scale.price_number(above[0]),
                "tick_size": scale.price_number(above[1] * shard.coarse),
            }
        ]
    else:
        told["future_type"] = "linear" if linear else "reversed"
        told["max_leverage"] = 50
        told["max_liquidation_commission"] = 0.0075
    return told


def _now(shard: Shard) -> int:
    return shard.last_ns // MS
