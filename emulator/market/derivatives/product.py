"""What an instrument is worth, and what it takes to trade and to hold it; integers only.

Amounts are in 1e-8 of the asset the instrument settles in, prices in 1e-8 of what it is quoted in.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final

import msgspec

from emulator.market.listings import E8
from emulator.market.shard import Shard

PPM: Final = 1_000_000
_OPTION_FEE_CAP: Final = 125_000
"""No more of an option's premium than this, in millionths."""
_SHORT_OPTION_PPM: Final = 150_000
_SHORT_OPTION_KEPT_PPM: Final = 75_000


class Economy(StrEnum):
    """How profit comes about."""

    SPOT = "spot"
    LINEAR = "linear"
    INVERSE = "inverse"
    OPTION = "option"
    """The premium is paid at once; the position is worth its mark price."""


class Bracket(msgspec.Struct, frozen=True):
    """What a position up to a size needs."""

    up_to: int
    """In units of the settle asset, or in contracts."""
    maintenance_ppm: int
    leverage: int


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue charges and demands; rates in millionths."""

    maker_ppm: int
    """Negative for a rebate."""
    taker_ppm: int
    most_leverage: int = 125
    usual_leverage: int = 20
    maintenance_ppm: int = 4_000
    liquidation_ppm: int = 12_500
    """Of what is closed by force, to the insurance fund."""
    brackets: tuple[Bracket, ...] = ()
    """Smallest first; without any, `maintenance_ppm` holds for every size."""
    by_contracts: bool = False
    """A bracket goes by contracts and its rate is that of the whole position, as at OKX; else it
    goes by the worth and each part of it has the rate of its own bracket, as at Binance."""

    def deduction_e8(self, number: int) -> int:
        """Return what makes the margin of a bracket begin where that of the one before ends."""
        if self.by_contracts:
            return 0
        total = 0
        for before, this in zip(self.brackets[:number], self.brackets[1:], strict=False):
            total += before.up_to * E8 * (this.maintenance_ppm - before.maintenance_ppm) // PPM
        return total


class Product:
    """One instrument as margin sees it."""

    def __init__(
        self, shard: Shard, economy: Economy, settle: str, terms: Terms, mark: Callable[[], float]
    ) -> None:
        self.shard = shard
        self.economy = economy
        self.settle = settle
        self.terms = terms
        self._mark = mark
        listing = shard.listing
        self._contract_e8 = round(listing.contract * E8)
        self._lot_e8 = listing.lot_e8
        self.tick_e8 = listing.tick_e8
        self.sign = -1 if economy is Economy.INVERSE else 1
        """-1 where buying is to owe less of the settle asset the higher the price."""

    @property
    def symbol(self) -> str:
        """The venue's symbol now."""
        return self.shard.listing.symbol

    @property
    def spot(self) -> bool:
        """Whether assets change hands and no position is held."""
        return self.economy is Economy.SPOT

    @property
    def option(self) -> bool:
        """Whether the premium is paid at once."""
        return self.economy is Economy.OPTION

    def amount_e8(self, lots: int) -> int:
        """Return a size in 1e-8 of base (of quote where it is inverse)."""
        return lots * self._lot_e8 * self._contract_e8 // E8

    def mark_e8(self) -> int:
        """Return the price positions are valued at."""
        return max(1, round(self._mark() * E8))

    def last_ticks(self) -> int:
        """Return the last trade's price."""
        shard = self.shard
        return shard.trades[-1].price_ticks if shard.trades else shard.candles.last_close

    def worth_e8(self, price_e8: int, lots: int) -> int:
        """Return what lots (not negative) are worth at a price."""
        if self.economy is Economy.INVERSE:
            return self.amount_e8(lots) * E8 // price_e8
        return price_e8 * lots * self._lot_e8 * self._contract_e8 // (E8 * E8)

    def debit_e8(self, price_ticks: int, lots: int) -> int:
        """Return what a trade of signed lots costs; negative where it brings in."""
        worth = self.worth_e8(price_ticks * self.tick_e8, abs(lots))
        return worth * self.sign if lots > 0 else -worth * self.sign

    def average_e8(self, cost_e8: int, lots: int) -> int:
        """Return the average price of signed lots that cost so much."""
        if not lots:
            return 0
        if self.economy is Economy.INVERSE:
            return self.amount_e8(abs(lots)) * E8 // max(1, abs(cost_e8))
        # Rounded to the nearest, as an exact average of ticks often ends beyond 1e-8.
        units = abs(lots) * self._lot_e8 * self._contract_e8
        return (2 * abs(cost_e8) * E8 * E8 + units) // (2 * units)

    def fee_e8(self, worth_e8: int, lots: int, *, maker: bool) -> int:
        """Return the fee of a fill, negative for a rebate."""
        ppm = self.terms.maker_ppm if maker else self.terms.taker_ppm
        if self.option:
            return min(self.amount_e8(lots) * ppm // PPM, worth_e8 * _OPTION_FEE_CAP // PPM)
        return worth_e8 * ppm // PPM

    def initial_e8(self, lots: int, price_e8: int, leverage: int) -> int:
        """Return the margin signed lots need to be opened or held."""
        worth = self.worth_e8(price_e8, abs(lots))
        if self.option:
            return 0 if lots > 0 else worth + self.amount_e8(-lots) * _SHORT_OPTION_PPM // PPM
        return worth // leverage

    def maintenance_e8(self, lots: int, price_e8: int) -> int:
        """Return the margin below which signed lots are closed by force."""
        worth = self.worth_e8(price_e8, abs(lots))
        if self.option:
            return 0 if lots > 0 else worth + self.amount_e8(-lots) * _SHORT_OPTION_KEPT_PPM // PPM
        terms = self.terms
        if not terms.brackets:
            return worth * terms.maintenance_ppm // PPM
        measured = abs(lots) * self._lot_e8 if terms.by_contracts else worth
        last = len(terms.brackets) - 1
        inside = (n for n, each in enumerate(terms.brackets) if measured <= each.up_to * E8)
        number = next(inside, last)
        kept = worth * terms.brackets[number].maintenance_ppm // PPM
        return kept - terms.deduction_e8(number)
