"""What Binance USD-M lists, and how exchangeInfo tells it."""

from __future__ import annotations

from typing import Final

from emulator.market.listings import Listing
from emulator.market.shard import Shard
from emulator.wire.numbers import Scale, short
from emulator.wire.venue import Json

WEIGHT_PER_MINUTE: Final = 2_400
_FOREVER_MS: Final = 4_133_404_800_000
_ONBOARD_MS: Final = 1_569_398_400_000

LISTINGS: Final[tuple[Listing, ...]] = tuple(
    Listing(
        symbol=f"{base}USDT",
        base=base,
        quote="USDT",
        venue="binancefut",
        asset=f"{base}USDT",
        kind="perpetual",
        price_decimals=decimals,
        tick_step=step,
        size_decimals=sizes,
        long_run_price=1.0,
        daily_vol=0.03,
        common_share=0.8,
        order_value=value,
        max_lots=1_000_000,
        max_market_lots=120_000,
        max_price_ticks=100_000_000,
        min_notional=5,
        resting=200,
        lag_ms=0,
        basis_bps=1.5,
        one_second_bars=False,
    )
    for base, decimals, step, sizes, value in (
        ("BTC", 2, 10, 3, 4_000.0),
        ("ETH", 2, 1, 3, 2_500.0),
        ("SOL", 4, 100, 2, 1_200.0),
    )
)

RATE_LIMITS: Final[list[Json]] = [
    {
        "rateLimitType": "REQUEST_WEIGHT",
        "interval": "MINUTE",
        "intervalNum": 1,
        "limit": WEIGHT_PER_MINUTE,
    },
    {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1_200},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
]


def describe(shard: Shard, scale: Scale) -> Json:
    """Return a symbol as exchangeInfo lists it."""
    listing = shard.listing
    lot = scale.size(1)
    return {
        "symbol": listing.symbol,
        "pair": listing.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": _FOREVER_MS,
        "onboardDate": _ONBOARD_MS,
        "status": "BREAK" if shard.halted else "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": listing.base,
        "quoteAsset": listing.quote,
        "marginAsset": listing.quote,
        "pricePrecision": listing.price_decimals,
        "quantityPrecision": listing.size_decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["PoW"],
        "settlePlan": 0,
        "triggerProtect": "0.0500",
        "liquidationFee": "0.015000",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10_000,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": scale.price(1),
                "maxPrice": scale.price(listing.max_price_ticks),
                "tickSize": scale.price(shard.coarse),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": lot,
                "maxQty": scale.size(listing.max_lots),
                "stepSize": lot,
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": lot,
                "maxQty": scale.size(listing.max_market_lots),
                "stepSize": lot,
            },
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10},
            {"filterType": "MIN_NOTIONAL", "notional": short(listing.min_notional, 0)},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": "1.0500",
                "multiplierDown": "0.9500",
                "multiplierDecimal": "4",
            },
        ],
        "orderTypes": [
            "LIMIT",
            "MARKET",
            "STOP",
            "STOP_MARKET",
            "TAKE_PROFIT",
            "TAKE_PROFIT_MARKET",
            "TRAILING_STOP_MARKET",
        ],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }
