"""What Coinbase Advanced Trade lists, with the -USDC aliases of its -USD books."""

from __future__ import annotations

from typing import Final

from emulator.clock import MS
from emulator.market.listings import Listing
from emulator.market.shard import Shard
from emulator.wire.numbers import Scale, short
from emulator.wire.venue import Json

_NAMES: Final = {"BTC": "Bitcoin", "ETH": "Ethereum", "SOL": "Solana"}
_QUOTES: Final = {"USD": "US Dollar", "USDC": "USDC"}

LISTINGS: Final[tuple[Listing, ...]] = tuple(
    Listing(
        symbol=f"{base}-USD",
        base=base,
        quote="USD",
        venue="coinbase",
        asset=f"{base}USDT",
        price_decimals=2,
        size_decimals=8,
        long_run_price=1.0,
        daily_vol=0.03,
        common_share=0.8,
        order_value=value,
        max_lots=340_000_000_000,
        max_market_lots=340_000_000_000,
        max_price_ticks=10**9,
        resting=250,
        lag_ms=100,
        basis_bps=2.0,
        one_second_bars=False,
    )
    for base, value in (("BTC", 1_200.0), ("ETH", 900.0), ("SOL", 500.0))
)


def real(product: str) -> str:
    """Return the book behind a product: ``BTC-USDC`` trades in ``BTC-USD``."""
    return product.removesuffix("C") if product.endswith("-USDC") else product


def describe(shard: Shard, scale: Scale, quote: str) -> Json:
    """Return a product as the venue lists it, or its alias in another quote."""
    listing = shard.listing
    now_ms = shard.last_ns // MS
    _, o, h, low, c, lots, notional, *_ = shard.candles.last_day(now_ms)
    product = f"{listing.base}-{quote}"
    alias = quote != listing.quote
    return {
        "product_id": product,
        "price": scale.short_price(shard.candles.last_close),
        "price_percentage_change_24h": f"{(c - o) / o * 100:.14f}",
        "volume_24h": scale.short_size(lots),
        "volume_percentage_change_24h": "0",
        "base_increment": short(listing.lot_step, listing.size_decimals),
        "quote_increment": short(listing.tick_step, listing.price_decimals),
        "quote_min_size": "1",
        "quote_max_size": "150000000",
        "base_min_size": short(listing.lot_step, listing.size_decimals),
        "base_max_size": scale.short_size(listing.max_lots),
        "base_name": _NAMES.get(listing.base, listing.base),
        "quote_name": _QUOTES[quote],
        "watched": False,
        "is_disabled": False,
        "new": False,
        "status": "online",
        "cancel_only": False,
        "limit_only": False,
        "post_only": False,
        "trading_disabled": shard.halted,
        "auction_mode": False,
        "product_type": "SPOT",
        "quote_currency_id": quote,
        "base_currency_id": listing.base,
        "fcm_trading_session_details": None,
        "mid_market_price": "",
        "alias": listing.symbol if alias else "",
        "alias_to": [] if alias else [f"{listing.base}-USDC"],
        "base_display_symbol": listing.base,
        "quote_display_symbol": "USD",
        "view_only": False,
        "price_increment": short(shard.coarse * listing.tick_step, listing.price_decimals),
        "display_name": product,
        "product_venue": "CBE",
        "approximate_quote_24h_volume": scale.worth(notional),
        "new_at": "2023-01-01T00:00:00Z",
        "best_bid_price": "",
        "best_ask_price": "",
        "high_24h": scale.short_price(h),
        "low_24h": scale.short_price(low),
    }
