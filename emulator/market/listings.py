"""What is traded: steps, limits and the character of each instrument."""

from __future__ import annotations

from typing import Final

import msgspec

E8: Final = 100_000_000
"""Every asset amount is an integer of 1e-8 units."""


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument of the emulated venue."""

    symbol: str
    base: str
    quote: str
    price_decimals: int
    """The price tick is 10 to the minus this."""
    size_decimals: int
    """The size lot is 10 to the minus this."""
    long_run_price: float
    """Where the price is pulled back to over years."""
    daily_vol: float
    """Typical standard deviation of a day's log return."""
    common_share: float
    """Correlation of its returns with the market's common factor."""
    order_value: float
    """Median value of a resting order of the crowd, in quote."""
    max_lots: int
    max_market_lots: int
    max_price_ticks: int
    min_notional: int = 5
    """In whole units of quote."""

    @property
    def tick_e8(self) -> int:
        """One price tick, in 1e-8 of quote."""
        return int(10 ** (8 - self.price_decimals))

    @property
    def lot_e8(self) -> int:
        """One size lot, in 1e-8 of base."""
        return int(10 ** (8 - self.size_decimals))

    @property
    def notional_e8(self) -> int:
        """One tick times one lot, in 1e-8 of quote; exact for every listing."""
        return self.tick_e8 * self.lot_e8 // E8

    @property
    def tick(self) -> float:
        """One price tick, as a float for the price process."""
        return float(10.0**-self.price_decimals)

    def lots_worth(self, value: float, price_ticks: float) -> float:
        """Return how many lots cost `value` of quote at a price."""
        return value / (price_ticks * self.tick) * float(10**self.size_decimals)


LISTINGS: Final[tuple[Listing, ...]] = (
    Listing(
        symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        price_decimals=2,
        size_decimals=5,
        long_run_price=68_000.0,
        daily_vol=0.024,
        common_share=0.92,
        order_value=1_400.0,
        max_lots=900_000_000,
        max_market_lots=11_000_000,
        max_price_ticks=100_000_000,
    ),
    Listing(
        symbol="ETHUSDT",
        base="ETH",
        quote="USDT",
        price_decimals=2,
        size_decimals=4,
        long_run_price=3_100.0,
        daily_vol=0.032,
        common_share=0.85,
        order_value=1_000.0,
        max_lots=90_000_000,
        max_market_lots=27_000_000,
        max_price_ticks=100_000_000,
    ),
    Listing(
        symbol="SOLUSDT",
        base="SOL",
        quote="USDT",
        price_decimals=2,
        size_decimals=3,
        long_run_price=150.0,
        daily_vol=0.042,
        common_share=0.75,
        order_value=600.0,
        max_lots=90_000_000,
        max_market_lots=30_000_000,
        max_price_ticks=10_000_000,
    ),
    Listing(
        symbol="BNBUSDT",
        base="BNB",
        quote="USDT",
        price_decimals=2,
        size_decimals=3,
        long_run_price=580.0,
        daily_vol=0.028,
        common_share=0.78,
        order_value=500.0,
        max_lots=9_000_000,
        max_market_lots=2_300_000,
        max_price_ticks=10_000_000,
    ),
    Listing(
        symbol="XRPUSDT",
        base="XRP",
        quote="USDT",
        price_decimals=4,
        size_decimals=1,
        long_run_price=1.6,
        daily_vol=0.04,
        common_share=0.65,
        order_value=500.0,
        max_lots=92_141_000,
        max_market_lots=14_000_000,
        max_price_ticks=100_000_000,
    ),
    Listing(
        symbol="DOGEUSDT",
        base="DOGE",
        quote="USDT",
        price_decimals=5,
        size_decimals=0,
        long_run_price=0.16,
        daily_vol=0.048,
        common_share=0.62,
        order_value=400.0,
        max_lots=90_000_000,
        max_market_lots=18_000_000,
        max_price_ticks=100_000_000,
    ),
)
"""The six instruments of the emulated venue."""
