"""The running net of one position's fills, at average cost and first in, first out.

What a contract is worth in its profit's asset, `m` its contract size::

    linear   size * m * price              long gains what the worth rises
    inverse  size * m / price              long gains what the worth falls
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Final

from core.model.instruments import Instrument
from core.trading.ledger import EXACT

MAX_LOTS: Final = 10_000
"""Open lots kept apart for first in, first out; beyond it the two oldest become one."""
_ZERO: Final = Decimal(0)
_add: Final = EXACT.add
_subtract: Final = EXACT.subtract
_multiply: Final = EXACT.multiply
_STEP: Final = Decimal("1e-18")
"""A part of a cost basis is rounded to this; the rest keeps what rounding left."""


class Net:
    """Size, cost and profit of one position; amounts are in the asset its profit is paid in."""

    __slots__ = (
        "_inverse", "_lots", "_multiplier", "_single", "cost", "fees", "last_price", "other_fees",
        "realised", "realised_fifo", "size",
    )  # fmt: skip

    def __init__(self, instrument: Instrument) -> None:
        self._multiplier = instrument.contract_size if instrument.derivative else Decimal(1)
        self._inverse = instrument.inverse
        self._single = self._multiplier == 1 and not self._inverse
        self._lots: deque[tuple[Decimal, Decimal]] = deque()
        """(size, cost) of what is open, oldest first, both positive."""
        self.size = _ZERO
        self.cost = _ZERO
        """What the open part was worth when it was opened; never negative."""
        self.realised = _ZERO
        self.realised_fifo = _ZERO
        self.fees = _ZERO
        """Fees in the asset of the profit, and those in the base asset at their fill's price."""
        self.other_fees: dict[str, Decimal] = {}
        self.last_price = _ZERO

    def worth(self, size: Decimal, price: Decimal) -> Decimal:
        """Return what an unsigned size is worth at a price."""
        if self._single:
            return _multiply(size, price)
        units = _multiply(size, self._multiplier)
        if not self._inverse:
            return _multiply(units, price)
        return (units / price).quantize(_STEP, context=EXACT)

    def trade(self, size: Decimal, price: Decimal) -> Decimal:
        """Take a signed size at a price: close what it closes, open the rest; return the gain."""
        self.last_price = price
        gain, held = _ZERO, self.size
        if held and size.is_signed() is not held.is_signed():
            part = min(size.copy_abs(), held.copy_abs())
            gain = self._close(part, price)
            size = _subtract(size, part.copy_sign(size))
        if size:
            whole, lots = size.copy_abs(), self._lots
            cost = _multiply(whole, price) if self._single else self.worth(whole, price)
            self.size = _add(self.size, size)
            self.cost = _add(self.cost, cost)
            lots.append((whole, cost))
            if len(lots) > MAX_LOTS:
                (size_a, cost_a), (size_b, cost_b) = lots.popleft(), lots.popleft()
                lots.appendleft((_add(size_a, size_b), _add(cost_a, cost_b)))
        return gain

    def adopt(self, size: Decimal, price: Decimal) -> None:
        """Be of a signed size, opened at a price; what was gained before stays."""
        self.size, self.cost = size, self.worth(abs(size), price) if size else _ZERO
        self._lots.clear()
        if size:
            self._lots.append((abs(size), self.cost))

    def average(self) -> Decimal | None:
        """Return the average entry price of the open part, None when flat."""
        return self._price(abs(self.size), self.cost)

    def oldest(self) -> Decimal | None:
        """Return the entry price of the oldest open lot, None when flat."""
        return self._price(*self._lots[0]) if self._lots else None

    def unrealised(self, mark: Decimal) -> Decimal:
        """Return the open profit at a mark price."""
        return self._gain(self.worth(abs(self.size), mark), self.cost, long=self.size > 0)

    def _close(self, part: Decimal, price: Decimal) -> Decimal:
        """Close a part of what is open and return the gain at average cost."""
        long, whole = not self.size.is_signed(), self.size.copy_abs()
        cost = self.cost if part == whole else _share(self.cost, part, whole)
        worth = self.worth(part, price)
        gain = self._gain(worth, cost, long=long)
        oldest = self._take_lots(part)
        self.realised = _add(self.realised, gain)
        fifo = self._gain(worth, oldest, long=long)
        self.realised_fifo = _add(self.realised_fifo, fifo)
        self.cost = _subtract(self.cost, cost)
        self.size = _subtract(self.size, part.copy_sign(self.size))
        return gain

    def _take_lots(self, part: Decimal) -> Decimal:
        """Take a size from the oldest lots and return their cost."""
        cost = _ZERO
        while part:
            size, lot_cost = self._lots.popleft()
            if size > part:
                used = _share(lot_cost, part, size)
                left = _subtract(size, part), _subtract(lot_cost, used)
                self._lots.appendleft(left)
                return _add(cost, used)
            cost = _add(cost, lot_cost)
            part = _subtract(part, size)
        return cost

    def _gain(self, worth: Decimal, cost: Decimal, *, long: bool) -> Decimal:
        rises = _subtract(worth, cost)
        return rises if long is not self._inverse else rises.copy_negate()

    def _price(self, size: Decimal, cost: Decimal) -> Decimal | None:
        units = _multiply(size, self._multiplier)
        if not units or not cost:
            return None
        return units / cost if self._inverse else cost / units


def _share(cost: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    return (cost * part / whole).quantize(_STEP, context=EXACT)
