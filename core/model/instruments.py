"""Instruments: what can be traded, in which steps, and how steps become text."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from typing import Literal

import msgspec

from core.model.errors import ConfigError
from core.model.ids import InstrumentId, VenueName


class InstrumentKind(StrEnum):
    """What an instrument is."""

    SPOT = "spot"
    PERPETUAL = "perpetual"
    FUTURE = "future"
    OPTION = "option"
    STOCK = "stock"
    FX = "fx"
    INDEX = "index"
    """Computed by the venue, such as a price or volatility index; nobody can trade it."""


# A tuple: a member of it is told by identity, a member of a set by its hash.
_DERIVATIVES = (InstrumentKind.PERPETUAL, InstrumentKind.FUTURE, InstrumentKind.OPTION)


class PriceBand(msgspec.Struct, frozen=True, kw_only=True):
    """How far from the market a venue lets limit prices be, as multiples of its price; 0: any."""

    buy_low: Decimal = Decimal(0)
    buy_high: Decimal = Decimal(0)
    sell_low: Decimal = Decimal(0)
    sell_high: Decimal = Decimal(0)


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One tradable thing on one venue, with the venue's own steps and limits."""

    id: InstrumentId
    venue: VenueName
    venue_symbol: str
    """The venue's own spelling, such as ``BTCUSDT``."""
    base: str
    quote: str
    kind: InstrumentKind = InstrumentKind.SPOT
    price_tick: Decimal
    """Smallest price step; an integer price tick times this is the price."""
    size_lot: Decimal
    """Smallest size step; an integer lot times this is the size."""
    min_size: Decimal = Decimal(0)
    max_size: Decimal = Decimal(0)
    """0 means the venue states none."""
    max_market_size: Decimal = Decimal(0)
    """Of an order at market; 0 means that `max_size` holds for it, too."""
    min_notional: Decimal = Decimal(0)
    min_price: Decimal = Decimal(0)
    max_price: Decimal = Decimal(0)
    """0 means the venue states none."""
    price_band: PriceBand | None = None
    trading: bool = True
    """False while the venue lists it but halts it."""
    contract_size: Decimal = Decimal(1)
    """What one unit of size stands for: of the base, or of the quote where `inverse`."""
    inverse: bool = False
    """Whether profit is paid in the base."""
    settle: str = ""
    """Asset a derivative is settled in."""
    expiry_ns: int = 0
    """End of a future or option, UTC; 0 for all others."""
    strike: Decimal = Decimal(0)
    option_right: Literal["", "call", "put"] = ""
    listed_ns: int = 0
    """When the venue listed it, 0 if it does not say; a ticker used anew is another instrument."""
    aliases: tuple[str, ...] = ()
    """Former or other spellings of the venue, such as ``MATICUSDT`` of ``POLUSDT``."""
    maker_fee: Decimal | None = None
    """What the venue lists as its fee, a fraction of what is traded; None: it does not list it."""
    taker_fee: Decimal | None = None
    max_leverage: Decimal = Decimal(0)
    """Most a position may be worth over its margin; 0 means the venue states none."""
    liquidation_fee: Decimal | None = None
    """What closing a position by force costs, a fraction of its worth; None: it is not listed."""

    @property
    def symbol(self) -> str:
        """Our symbol, without the venue."""
        return self.id.rpartition(".")[0]

    @property
    def derivative(self) -> bool:
        """Whether a position in it is a contract, not a holding of the base."""
        return self.kind in _DERIVATIVES

    @property
    def pays_in(self) -> str:
        """The asset its profit is paid in."""
        if not self.derivative:
            return self.quote
        return self.settle or (self.base if self.inverse else self.quote)

    @property
    def price_decimals(self) -> int:
        """Decimal places of a price."""
        return decimals_of(self.price_tick)

    @property
    def size_decimals(self) -> int:
        """Decimal places of a size."""
        return decimals_of(self.size_lot)

    def same_steps(self, other: Instrument) -> bool:
        """Return whether ticks and lots of another mean the same as its own."""
        return self.price_tick == other.price_tick and self.size_lot == other.size_lot

    def price(self, ticks: int) -> Decimal:
        """Return the price of `ticks`, quantized to the tick's decimals."""
        return ticks * self.price_tick

    def size(self, lots: int) -> Decimal:
        """Return the size of `lots`, quantized to the lot's decimals."""
        return lots * self.size_lot

    def ticks(self, price: Decimal) -> int:
        """Return the exact tick of `price`.

        Raises:
            ConfigError: The price is not a whole number of ticks.
        """
        return _steps(price, self.price_tick, f"{self.id} price", "price tick")

    def lots(self, size: Decimal) -> int:
        """Return the exact lot count of `size`.

        Raises:
            ConfigError: The size is not a whole number of lots.
        """
        return _steps(size, self.size_lot, f"{self.id} size", "size lot")

    def nearest_ticks(self, price: Decimal) -> int:
        """Return the tick nearest to `price` (half to even)."""
        return int((price / self.price_tick).to_integral_value(ROUND_HALF_EVEN))

    def floor_lots(self, size: Decimal) -> int:
        """Return the largest lot count that is not above `size`."""
        return int((size / self.size_lot).to_integral_value(ROUND_DOWN))


def decimals_of(step: Decimal) -> int:
    """Return the number of decimal places a step needs, 0 for 1, 10, 100..."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _steps(value: Decimal, step: Decimal, what: str, name: str) -> int:
    count = value / step
    whole = count.to_integral_value()
    if count != whole:
        near = (whole or 1) * step
        raise ConfigError(
            f"{what} must be a whole number of {name}s of {step:f}, was {value:f}; "
            f"nearest is {near:f}"
        )
    return int(whole)
