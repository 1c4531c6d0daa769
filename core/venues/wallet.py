"""The balances of a simulated account, with what open orders lock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from core.model.accounts import Balance
from core.model.ids import VenueName
from core.trading.ledger import EXACT

_ZERO: Final = Decimal(0)


class Wallet:
    """Totals by asset, the part locked in open orders, and fees those orders may still cost."""

    def __init__(self, venue: VenueName, totals: Mapping[str, Decimal]) -> None:
        self._venue = venue
        self._totals: defaultdict[str, Decimal] = defaultdict(Decimal, totals)
        self._held: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._fees: defaultdict[str, Decimal] = defaultdict(Decimal)

    def free(self, asset: str) -> Decimal:
        """Return what a new order may use."""
        return (
            self._totals.get(asset, _ZERO)
            - self._held.get(asset, _ZERO)
            - self._fees.get(asset, _ZERO)
        )

    def total(self, asset: str) -> Decimal:
        """Return all there is of an asset."""
        return self._totals.get(asset, _ZERO)

    def hold(self, asset: str, amount: Decimal, fee: Decimal = _ZERO) -> None:
        """Lock an amount, and keep a fee aside that no statement shows; negative ones release."""
        self._held[asset] = EXACT.add(self._held[asset], amount)
        self._fees[asset] = EXACT.add(self._fees[asset], fee)

    def move(self, asset: str, amount: Decimal) -> None:
        """Add to a total; negative amounts take away."""
        self._totals[asset] = EXACT.add(self._totals[asset], amount)

    def replace(self, balances: Mapping[str, Decimal]) -> None:
        """Start from other totals, with nothing locked."""
        self._totals = defaultdict(Decimal, balances)
        self._held.clear()
        self._fees.clear()

    def balances(self) -> list[Balance]:
        """Return what the account holds, by asset name."""
        return [
            Balance(venue=self._venue, asset=asset, total=total, held=self._held.get(asset, _ZERO))
            for asset, total in sorted(self._totals.items())
        ]
