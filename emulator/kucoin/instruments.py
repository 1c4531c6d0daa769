"""What KuCoin lists, and how it is told."""

from __future__ import annotations

from typing import Final

from emulator.market.listings import Listing
from emulator.market.shard import Shard
from emulator.wire.numbers import Scale, short
from emulator.wire.venue import Json

LISTINGS: Final[tuple[Listing, ...]] = tuple(
    Listing(
        symbol=f"{base}-USDT",
        base=base,
        quote="USDT",
        venue="kucoin",
        asset=f"{base}USDT",
        price_decimals=price,
        size_decimals=size,
        long_run_price=1.0,
        daily_vol=0.03,
        common_share=0.8,
        order_value=value,
        max_lots=10**13,
        max_market_lots=10**12,
        max_price_ticks=10**8,
        resting=150,
        lag_ms=80,
        basis_bps=1.5,
        one_second_bars=False,
    )
    for base, price, size, value in (
        ("BTC", 1, 8, 900.0),
        ("ETH", 2, 7, 700.0),
        ("SOL", 3, 4, 400.0),
    )
)


def describe(shard: Shard, scale: Scale) -> Json:
    """Return a symbol as the venue lists it."""
    listing = shard.listing
    return {
        "symbol": listing.symbol,
        "name": listing.symbol,
        "baseCurrency": listing.base,
        "quoteCurrency": listing.quote,
        "feeCurrency": listing.quote,
        "market": "USDS",
        "baseMinSize": scale.short_size(1_000),
        "quoteMinSize": "0.1",
        "baseMaxSize": "10000000000",
        "quoteMaxSize": "99999999",
        "baseIncrement": scale.short_size(1),
        "quoteIncrement": "0.000001",
        "priceIncrement": short(shard.coarse * listing.tick_step, listing.price_decimals),
        "priceLimitRate": "0.1",
        "minFunds": "0.1",
        "isMarginEnabled": True,
        "enableTrading": not shard.halted,
        "feeCategory": 1,
        "makerFeeCoefficient": "1.00",
        "takerFeeCoefficient": "1.00",
        "st": False,
        "callauctionIsEnabled": False,
        "callauctionPriceFloor": None,
        "callauctionPriceCeiling": None,
        "callauctionFirstStageStartTime": None,
        "callauctionSecondStageStartTime": None,
        "callauctionThirdStageStartTime": None,
        "tradingStartTime": None,
    }
