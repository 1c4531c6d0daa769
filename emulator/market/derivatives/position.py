"""Positions: what is held, what it cost, and what has been made with it."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from emulator.market.derivatives.product import Product


class Leg(StrEnum):
    """Which of an instrument's positions an order is for."""

    NET = "net"
    LONG = "long"
    SHORT = "short"


class Position(msgspec.Struct, kw_only=True):
    """One position; flat ones are kept, for what was made with them."""

    product: Product
    leg: Leg
    lots: int = 0
    """Negative when short."""
    cost_e8: int = 0
    """What was paid for what is held, signed: see `Product.debit_e8`."""
    realized_e8: int = 0
    """Made since it was opened, fees and funding apart."""
    fees_e8: int = 0
    funding_e8: int = 0
    opened_ms: int = 0
    updated_ms: int = 0
    trade_id: int = 0
    """The last trade that changed it."""
    number: int = 0
    """Names this opening of it, where the venue does."""

    @property
    def entry_e8(self) -> int:
        """The average entry price, 0 when flat."""
        return self.product.average_e8(self.cost_e8, self.lots)

    def worth_e8(self, price_e8: int) -> int:
        """Return what closing it at a price would bring in, signed like its cost."""
        worth = self.product.worth_e8(price_e8, abs(self.lots)) * self.product.sign
        return worth if self.lots > 0 else -worth

    def unrealized_e8(self, mark_e8: int) -> int:
        """Return what it would make, closed at a price."""
        return self.worth_e8(mark_e8) - self.cost_e8 if self.lots else 0

    def apply(self, lots: int, debit_e8: int) -> int:
        """Add a trade of signed lots, and return the profit of what it closed."""
        held = self.lots
        if not held or (held > 0) == (lots > 0):
            self.lots += lots
            self.cost_e8 += debit_e8
            return 0
        closing = min(abs(held), abs(lots))
        # Both parts add up to the whole, whatever the rounding.
        cost = self.cost_e8 * closing // abs(held) if closing < abs(held) else self.cost_e8
        debit = debit_e8 * closing // abs(lots) if closing < abs(lots) else debit_e8
        self.lots += lots
        self.cost_e8 = self.cost_e8 - cost + debit_e8 - debit
        profit = -debit - cost
        self.realized_e8 += profit
        return profit

    def closable(self, side_sign: int) -> int:
        """Return how many lots an order of a side could close."""
        return max(0, -self.lots * side_sign)
