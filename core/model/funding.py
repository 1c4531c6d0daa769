"""Funding of the past, as a venue tells it publicly."""

from __future__ import annotations

from decimal import Decimal

import msgspec


class FundingPaid(msgspec.Struct, frozen=True):
    """One payment that was due: longs paid `share` of what they held, shorts received it."""

    at_ns: int
    """To the whole second, as flows are named by it."""
    share: Decimal
    """A fraction of the worth; negative: shorts paid."""
    price: Decimal | None = None
    """What the worth was taken at; None: the venue does not say."""


def whole_second(ts_ms: int) -> int:
    """Return a time in ns to the nearest second: some venues are milliseconds late."""
    return (ts_ms + 500) // 1_000 * 1_000_000_000
