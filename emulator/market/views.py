"""How a venue sees an asset: a little late, a little off, and as futures and options price it."""

from __future__ import annotations

import math
from typing import Final

from emulator.clock import MS
from emulator.market.history import CARRY_PER_YEAR, DAY_MS
from emulator.market.latent import LiveValue, normals, stream
from emulator.market.listings import Listing
from emulator.market.world import QUANTUM_NS

_KEPT_A_SECOND: Final = 0.995
"""The basis forgets half of itself in a little over two minutes."""
_NEW_A_SECOND: Final = math.sqrt(1.0 - _KEPT_A_SECOND**2)


class VenueValue:
    """What an instrument of one venue is worth: the asset's value with its lag and basis."""

    def __init__(
        self, seed: int, listing: Listing, asset: LiveValue, log_price: float, now_ms: int
    ) -> None:
        self._asset = asset
        self._lag = listing.lag_ms * MS // QUANTUM_NS
        self._tick = listing.tick
        self._deviation = listing.basis_bps * 1e-4
        self._expiry_ms = listing.expiry_ms
        self._normals = normals(stream(seed, "basis", listing.flow_name, "live"))
        self.carry = 0.0
        self._renew_carry(now_ms)
        self.basis = log_price - asset.log_price - self.carry
        """How far its log price is from the asset's, carry apart."""

    @property
    def ticks(self) -> float:
        """The value in price ticks."""
        return self.price / self._tick

    @property
    def price(self) -> float:
        """The value in quote."""
        return math.exp(self._asset.log_price_before(self._lag) + self.basis + self.carry)

    @property
    def index(self) -> float:
        """The asset's own price."""
        return self._asset.price

    @property
    def second_vol(self) -> float:
        """Standard deviation of the next second's log return."""
        return self._asset.second_vol

    @property
    def activity(self) -> float:
        """How lively the market is against its mean."""
        return self._asset.activity

    def second(self, now_ms: int) -> None:
        """Let the basis wander back to where it belongs."""
        self.basis = _KEPT_A_SECOND * self.basis + _NEW_A_SECOND * self._deviation * next(
            self._normals
        )
        self._renew_carry(now_ms)

    def _renew_carry(self, now_ms: int) -> None:
        if self._expiry_ms:
            left = max(0, self._expiry_ms - now_ms) / (365.0 * DAY_MS)
            self.carry = CARRY_PER_YEAR * left
