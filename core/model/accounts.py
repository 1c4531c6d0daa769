"""What an account holds: balances, positions and the ledger behind them."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from core.model.ids import InstrumentId, VenueName


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """One asset at one venue."""

    venue: VenueName
    asset: str
    total: Decimal
    held: Decimal = Decimal(0)
    """Locked in open orders."""

    @property
    def free(self) -> Decimal:
        """What can be spent."""
        return self.total - self.held


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """A netted position in one instrument, in quote currency terms."""

    instrument_id: InstrumentId
    size: Decimal
    """Signed base quantity: positive long, negative short, 0 flat."""
    average_price: Decimal | None
    """Average entry price of the open part, None when flat."""
    realised_pnl: Decimal
    """Closed profit in the quote asset, fees not included."""
    fees: Decimal
    """Fees paid, in the quote asset (other assets valued at the fill's price)."""
    mark_price: Decimal | None = None
    unrealised_pnl: Decimal = Decimal(0)


class EntryKind(StrEnum):
    """Why money moved."""

    OPENING = "opening"
    TRADE = "trade"
    FEE = "fee"
    ADJUSTMENT = "adjustment"
    """A difference the venue reported in reconciliation, with its reason."""


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One leg of a transaction; per (transaction, asset) the legs sum to zero."""

    transaction: int
    kind: EntryKind
    account: str
    """``venue:binance``, ``trading:BTC-USDT.binance``, ``fees:binance`` or ``equity:opening``."""
    asset: str
    amount: Decimal
    """Positive: the account receives."""
    ts_ns: int
    ref: str
    """The client order id and execution id, or why."""


class RiskState(StrEnum):
    """What the risk gate lets through."""

    ACTIVE = "active"
    REDUCING = "reducing"
    """Only orders that bring a position nearer to flat."""
    HALTED = "halted"
    """Nothing but cancels."""


class LimitUse(msgspec.Struct, frozen=True, kw_only=True):
    """One limit as a bar: how much of it is used."""

    rule: str
    used: Decimal
    allowed: Decimal
    unit: str
