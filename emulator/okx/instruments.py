"""What OKX lists, and how it is told."""

from __future__ import annotations

from typing import Final

from emulator.market.derivatives.product import PPM, Product
from emulator.market.listings import E8, Listing
from emulator.market.shard import Shard
from emulator.wire.numbers import Scale, short
from emulator.wire.venue import Json

_LISTED_MS: Final = "1548133413000"
_CODES: Final = 10_459


def _listing(
    symbol: str, base: str, quote: str, price: int, size: int, value: float, **more: object
) -> Listing:
    given: dict[str, object] = {
        "symbol": symbol,
        "base": base,
        "quote": quote,
        "venue": "okx",
        "asset": f"{base}USDT",
        "price_decimals": price,
        "size_decimals": size,
        "long_run_price": 1.0,
        "daily_vol": 0.03,
        "common_share": 0.8,
        "order_value": value,
        "max_lots": 10**14,
        "max_market_lots": 10**12,
        "max_price_ticks": 10**8,
        "resting": 150,
        "lag_ms": 40,
        "basis_bps": 1.0,
        **more,
    }
    return Listing(**given)  # type: ignore[arg-type]  # the table above is the struct's own fields


LISTINGS: Final[tuple[Listing, ...]] = (
    _listing("BTC-USDT", "BTC", "USDT", 1, 8, 1_500.0),
    _listing("ETH-USDT", "ETH", "USDT", 2, 6, 1_100.0),
    _listing("SOL-USDT", "SOL", "USDT", 2, 6, 700.0),
    _listing(
        "BTC-USDT-SWAP", "BTC", "USDT", 1, 2, 3_500.0,
        kind="perpetual", contract=0.01, basis_bps=2.0, lag_ms=20,
    ),
    _listing(
        "ETH-USDT-SWAP", "ETH", "USDT", 2, 2, 2_500.0,
        kind="perpetual", contract=0.1, basis_bps=2.0, lag_ms=20,
    ),
    _listing(
        "BTC-USD-SWAP", "BTC", "USD", 1, 0, 2_500.0,
        kind="perpetual", contract=100.0, inverse=True, basis_bps=3.0,
    ),
)  # fmt: skip


def inst_type(listing: Listing) -> str:
    """Return ``SPOT`` or ``SWAP``."""
    return "SPOT" if listing.kind == "spot" else "SWAP"


def family(listing: Listing) -> str:
    """Return the underlying of a contract, such as ``BTC-USD``."""
    return f"{listing.base}-{listing.quote}"


def describe(shard: Shard, scale: Scale, number: int) -> Json:
    """Return an instrument as the venue lists it."""
    listing = shard.listing
    swap = inst_type(listing) == "SWAP"
    settle = (listing.base if listing.inverse else listing.quote) if swap else ""
    contract_of = ("USD" if listing.inverse else listing.base) if swap else ""
    return {
        "alias": "",
        "auctionEndTime": "",
        "baseCcy": "" if swap else listing.base,
        "category": "1",
        "contTdSwTime": _LISTED_MS,
        "ctMult": "1" if swap else "",
        "ctType": ("inverse" if listing.inverse else "linear") if swap else "",
        "ctVal": f"{listing.contract:g}" if swap else "",
        "ctValCcy": contract_of,
        "expTime": "",
        "futureSettlement": False,
        "groupId": "1",
        "instCategory": "1",
        "instFamily": family(listing) if swap else "",
        "instId": listing.symbol,
        "instIdCode": _CODES + number,
        "instType": inst_type(listing),
        "lever": "100" if swap else "10",
        "listTime": _LISTED_MS,
        "lotSz": scale.short_size(1),
        "maxIcebergSz": scale.short_size(listing.max_lots),
        "maxLmtAmt": "20000000",
        "maxLmtSz": scale.short_size(listing.max_lots),
        "maxMktAmt": "1000000",
        "maxMktSz": scale.short_size(listing.max_market_lots),
        "maxStopSz": scale.short_size(listing.max_market_lots),
        "maxTriggerSz": scale.short_size(listing.max_lots),
        "maxTwapSz": scale.short_size(listing.max_lots),
        "minSz": scale.short_size(1),
        "openType": "",
        "optType": "",
        "posLmtAmt": "",
        "posLmtPct": "",
        "preMktSwTime": "",
        "quoteCcy": "" if swap else listing.quote,
        "ruleType": "normal",
        "settleCcy": settle,
        "state": "suspend" if shard.halted else "live",
        "stk": "",
        "tickSz": short(shard.coarse * listing.tick_step, listing.price_decimals),
        "tradeQuoteCcyList": [] if swap else [listing.quote],
        "uly": family(listing) if swap else "",
    }


def position_tiers(product: Product) -> list[Json]:
    """Return the tiers of a perpetual as the venue tells them, in contracts."""
    floors = (0, *(each.up_to for each in product.terms.brackets))
    name = family(product.shard.listing)
    return [
        {
            "baseMaxLoan": "",
            "imr": short(E8 // each.leverage, 8),
            "instFamily": name,
            "instId": "",
            "maxLever": str(each.leverage),
            "maxSz": str(each.up_to),
            "minSz": str(floors[number]),
            "mmr": short(each.maintenance_ppm * (E8 // PPM), 8),
            "optMgnFactor": "0",
            "quoteMaxLoan": "",
            "tier": str(number + 1),
            "uly": name,
        }
        for number, each in enumerate(product.terms.brackets)
    ]
