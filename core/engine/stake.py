"""What one strategy holds of one instrument, from its own fills alone."""

from __future__ import annotations

from decimal import Decimal

from core.model.instruments import Instrument
from core.model.orders import OrderFilled


class Stake:
    """A strategy's own position at average cost.

    Fees in the base asset shrink the size, as they do at the venue: a target of zero must not
    ask for more than there is.
    """

    __slots__ = ("average", "realised", "size")

    def __init__(self) -> None:
        self.size = Decimal(0)
        """Signed base quantity."""
        self.average = Decimal(0)
        """Entry price of the open part."""
        self.realised = Decimal(0)
        """Closed profit in the quote asset, after fees in quote or base."""

    def take(self, fill: OrderFilled, instrument: Instrument) -> None:
        """Add a fill."""
        signed = fill.side.sign * fill.size
        if self.size * signed < 0:
            part = min(abs(signed), abs(self.size))
            gain = part * (fill.price - self.average)
            self.realised += gain if self.size > 0 else -gain
        after = self.size + signed
        if self.size * signed >= 0 and after:
            total = abs(self.size) * self.average + abs(signed) * fill.price
            self.average = total / abs(after)
        elif self.size * after < 0:
            self.average = fill.price
        self.size = after
        if fill.fee_asset == instrument.base:
            self.size -= fill.fee
            self.realised -= fill.fee * fill.price
        elif fill.fee_asset == instrument.quote:
            self.realised -= fill.fee
