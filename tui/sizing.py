"""The preset size of one-key orders, stepped along 1, 2, 5, 10."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from core.model.instruments import Instrument

_STEPS: Final = (Decimal(1), Decimal(2), Decimal(5), Decimal(10))


def preset(instrument: Instrument, price: Decimal, equity: Decimal) -> Decimal:
    """Return a first size: round, worth about a thousandth of the equity, never below the minimum.

    The size is 0 when no price is known yet: then there is no honest preset.
    """
    if price <= 0:
        return Decimal(0)
    wanted = max(equity / 1000, instrument.min_notional * 2) / price
    return clamp(instrument, _round_up(max(wanted, instrument.min_size, instrument.size_lot)))


def step(instrument: Instrument, size: Decimal, up: bool) -> Decimal:
    """Return the next larger or smaller size of the 1-2-5 sequence the instrument allows."""
    if size <= 0:
        return Decimal(0)
    power = Decimal(1).scaleb(size.adjusted())
    if up:
        following = next(power * item for item in _STEPS if power * item > size)
    else:
        smaller = [power * item for item in _STEPS if power * item < size]
        following = smaller[-1] if smaller else power / 2
    return clamp(instrument, following)


def clamp(instrument: Instrument, size: Decimal) -> Decimal:
    """Return the nearest size down that is whole lots and within the venue's limits."""
    size = max(size, instrument.min_size, instrument.size_lot)
    if instrument.max_size:
        size = min(size, instrument.max_size)
    return instrument.size(instrument.floor_lots(size))


def _round_up(size: Decimal) -> Decimal:
    power = Decimal(1).scaleb(size.adjusted())
    return next(power * item for item in _STEPS if power * item >= size)
