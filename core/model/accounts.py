"""What an account holds: balances, positions and the ledger behind them."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

import msgspec

from core.model.ids import InstrumentId, VenueName
from core.model.orders import PositionSide


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """One asset at one venue."""

    venue: VenueName
    asset: str
    total: Decimal
    held: Decimal = Decimal(0)
    """Locked in open orders."""
    step: Decimal = Decimal(0)
    """What the venue rounds its figure to; 0: it tells all of it."""

    @property
    def free(self) -> Decimal:
        """What can be spent."""
        return self.total - self.held


PositionKey: TypeAlias = tuple[InstrumentId, PositionSide, VenueName | None]


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """A netted position in one instrument; money is in the asset its profit is paid in."""

    instrument_id: InstrumentId
    size: Decimal
    """Signed base quantity, or contracts: positive long, negative short, 0 flat."""
    average_price: Decimal | None
    """Average entry price of the open part, None when flat."""
    realised_pnl: Decimal
    """Closed profit at average cost, fees not included."""
    fees: Decimal
    """Fees paid (other assets valued at the fill's price)."""
    mark_price: Decimal | None = None
    unrealised_pnl: Decimal = Decimal(0)
    side: PositionSide = PositionSide.NET
    """LONG or SHORT on accounts that hold the two apart."""
    venue: VenueName | None = None
    """The account that holds it; None: there never was one."""
    realised_fifo: Decimal = Decimal(0)
    """Closed profit when what was opened first is closed first."""
    oldest_price: Decimal | None = None
    """Entry price of the oldest open lot."""
    funding: Decimal = Decimal(0)
    """Funding received less paid."""
    liquidation_price: Decimal | None = None
    """As the venue last stated it."""
    leverage: Decimal | None = None
    unprotected: Decimal = Decimal(0)
    """What of it should have exits and is too small for any that the venue takes."""
    pays_in: str = ""
    """The asset that profit, fees and funding are counted in."""

    @property
    def key(self) -> PositionKey:
        """What tells it from other positions: instrument, side and account."""
        return self.instrument_id, self.side, self.venue


class VenuePosition(msgspec.Struct, frozen=True, kw_only=True):
    """A position of a derivatives account as the venue states it."""

    venue: VenueName
    instrument_id: InstrumentId
    side: PositionSide = PositionSide.NET
    size: Decimal
    """Signed, in the instrument's size units: positive long, negative short."""
    average_price: Decimal | None = None
    liquidation_price: Decimal | None = None
    leverage: Decimal | None = None
    margin: Decimal | None = None
    """What it ties up, in the settle asset."""
    ts_event_ns: int = 0


class EntryKind(StrEnum):
    """Why money moved."""

    OPENING = "opening"
    TRADE = "trade"
    FEE = "fee"
    ADJUSTMENT = "adjustment"
    """A difference the venue reported in reconciliation, with its reason."""
    PNL = "pnl"
    """Profit of a derivative, paid in its settle asset when it is closed."""
    FUNDING = "funding"
    BORROW = "borrow"
    """Interest on what was borrowed."""
    SETTLEMENT = "settlement"
    """Daily or final settlement of futures and options."""
    TRANSFER = "transfer"
    """Deposits, withdrawals, moves between accounts."""
    REBATE = "rebate"
    LIQUIDATION = "liquidation"
    """What the venue charges for closing a position by force."""


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
    """The settings key, such as ``risk.accounts.main.max_open_orders``."""
    used: Decimal
    allowed: Decimal
    unit: str
    scope: str = ""
    """Whose limit it is, such as ``accounts.main``; empty: of everything."""
    least: bool = False
    """`allowed` is the least, not the most."""

    @property
    def share(self) -> float:
        """How much of it is used, 1: all."""
        over, under = (self.allowed, self.used) if self.least else (self.used, self.allowed)
        return float(over / under) if under else 0.0
