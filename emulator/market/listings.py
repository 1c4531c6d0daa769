"""What is traded: steps, limits and the character of each instrument."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

E8: Final = 100_000_000
"""Every asset amount is an integer of 1e-8 units."""


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument of the emulated venue."""

    symbol: str
    base: str
    quote: str
    price_decimals: int
    """The price tick is `tick_step` times 10 to the minus this."""
    size_decimals: int
    """The size lot is `lot_step` times 10 to the minus this."""
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
    venue: str = ""
    """Keeps the order flow of venues apart; empty for the first venue there was."""
    asset: str = ""
    """The asset whose value it follows; empty: its own symbol."""
    kind: Literal["spot", "perpetual", "future", "option", "stock"] = "spot"
    tick_step: int = 1
    lot_step: int = 1
    contract: float = 1.0
    """What one unit of size stands for: base, or quote when `inverse`."""
    inverse: bool = False
    """Sizes are worth a fixed amount of quote, whatever the price."""
    tick_above: tuple[int, int] | None = None
    """From so many ticks on the price moves in steps of so many ticks."""
    expiry_ms: int = 0
    """When a future or an option settles."""
    strike: int = 0
    call: bool = True
    pace: float = 1.0
    """Order flow against the venue's usual rate."""
    resting: int = 300
    """Crowd orders a side that additions and cancels balance around."""
    reach_ticks: float = 48.0
    """The least median distance of a resting order from the best price, in ticks."""
    lag_ms: int = 0
    """How long after the leading venue its price moves."""
    one_second_bars: bool = True
    """Whether its venue has bars of one second."""
    basis_bps: float = 0.0
    """Typical distance of its price from the asset's, in hundredths of a percent."""

    @property
    def follows(self) -> str:
        """The asset whose value it follows."""
        return self.asset or self.symbol

    @property
    def flow_name(self) -> str:
        """Names its own random streams."""
        return f"{self.venue}{self.symbol}"

    @property
    def tick_e8(self) -> int:
        """One price tick, in 1e-8 of quote."""
        return self.tick_step * int(10 ** (8 - self.price_decimals))

    @property
    def lot_e8(self) -> int:
        """One size lot, in 1e-8 of a unit of size."""
        return self.lot_step * int(10 ** (8 - self.size_decimals))

    @property
    def notional_e8(self) -> int:
        """One tick times one lot, in 1e-8 of quote; exact for every listing."""
        return self.tick_e8 * self.lot_e8 // E8

    @property
    def worth_unit(self) -> int:
        """Ticks times lots that candles count as one.

        The worth of days of lots of 1e-9 is more than 64 bits hold.
        """
        return 1_000_000 if self.size_decimals > 8 else 1

    @property
    def tick(self) -> float:
        """One price tick, as a float for the price process."""
        return float(self.tick_step * 10.0**-self.price_decimals)

    def lots_worth(self, value: float, price_ticks: float) -> float:
        """Return how many lots cost `value` of quote at a price."""
        lots: float = 10**self.size_decimals / (self.lot_step * self.contract)
        return value * lots if self.inverse else value / (price_ticks * self.tick) * lots


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

STOCKS: Final[tuple[Listing, ...]] = tuple(
    Listing(
        symbol=name,
        base=name,
        quote="USD",
        price_decimals=2,
        size_decimals=0,
        long_run_price=price,
        daily_vol=vol,
        common_share=0.35,
        order_value=value,
        max_lots=10_000_000,
        max_market_lots=1_000_000,
        max_price_ticks=100_000_000,
        venue="stocks",
        one_second_bars=False,
        kind="stock",
        resting=120,
        reach_ticks=12.0,
    )
    for name, price, vol, value in (
        ("AAPL", 260.0, 0.014, 24_000.0),
        ("MSFT", 480.0, 0.013, 26_000.0),
        ("NVDA", 185.0, 0.024, 22_000.0),
        ("SPY", 660.0, 0.009, 40_000.0),
    )
)
"""Shares and a fund, as a stock data vendor shows them."""

ASSETS: Final[dict[str, Listing]] = {listing.symbol: listing for listing in (*LISTINGS, *STOCKS)}
"""What there is to have a value, by the name listings follow it by."""
