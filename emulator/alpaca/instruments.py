"""What Alpaca shows: shares, a fund, the test symbol, and coins against dollars."""

from __future__ import annotations

import uuid
from typing import Final

import msgspec

from emulator.market.listings import STOCKS, Listing
from emulator.market.shard import Shard
from emulator.wire.numbers import Scale
from emulator.wire.venue import Json

TEST_SYMBOL: Final = "FAKEPACA"
_NAMES: Final = {
    "AAPL": "Apple Inc. Common Stock",
    "MSFT": "Microsoft Corporation Common Stock",
    "NVDA": "NVIDIA Corporation Common Stock",
    "SPY": "SPDR S&P 500 ETF Trust",
    TEST_SYMBOL: "Fake Paca",
}

_COINS: Final = tuple(
    Listing(
        symbol=f"{base}/USD",
        base=base,
        quote="USD",
        venue="alpaca",
        asset=f"{base}USDT",
        price_decimals=decimals,
        size_decimals=9,
        long_run_price=1.0,
        daily_vol=0.03,
        common_share=0.8,
        order_value=value,
        max_lots=10**16,
        max_market_lots=10**15,
        max_price_ticks=10**9,
        resting=60,
        lag_ms=120,
        basis_bps=3.0,
        one_second_bars=False,
        pace=0.6,
    )
    for base, decimals, value in (("BTC", 2, 5_000.0), ("ETH", 3, 3_000.0), ("SOL", 4, 1_500.0))
)

LISTINGS: Final[tuple[Listing, ...]] = (
    *STOCKS,
    msgspec.structs.replace(
        STOCKS[0], symbol=TEST_SYMBOL, base=TEST_SYMBOL, long_run_price=130.0, pace=0.3
    ),
    *_COINS,
)


def describe(shard: Shard, scale: Scale) -> Json:
    """Return an asset as the trading API lists it."""
    listing = shard.listing
    stock = listing.kind == "stock"
    told: Json = {
        "id": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{listing.symbol}.alpaca.emulated")),
        "class": "us_equity" if stock else "crypto",
        "exchange": "NASDAQ" if stock else "CRYPTO",
        "symbol": listing.symbol,
        "name": _NAMES.get(listing.base, f"{listing.base} / US Dollar"),
        "status": "active" if shard.listed else "inactive",
        "tradable": shard.listed and not shard.halted,
        "marginable": stock,
        "maintenance_margin_requirement": 30 if stock else 100,
        "margin_requirement_long": "30" if stock else "100",
        "margin_requirement_short": "30" if stock else "100",
        "shortable": stock,
        "easy_to_borrow": stock,
        "fractionable": True,
        "attributes": ["has_options", "fractional_eh_enabled"] if stock else [],
    }
    if not stock:
        told["min_order_size"] = scale.short_size(10**5)
        told["min_trade_increment"] = scale.short_size(listing.lot_step)
        told["price_increment"] = scale.short_price(shard.coarse)
    return told
