"""Facts about the account and the engine that the journal keeps beside order events."""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

import msgspec

from core.model.accounts import Balance, EntryKind, RiskState
from core.model.executors import ExecutorEnded, ExecutorPaused, ExecutorStarted
from core.model.ids import InstrumentId, OriginKind, StrategyId, VenueName
from core.model.instruments import Instrument
from core.model.orders import (
    AmendRejected,
    AmendSubmitted,
    CancelRejected,
    CancelSubmitted,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderDenied,
    OrderExpired,
    OrderFilled,
    OrderHeld,
    OrderRejected,
    OrderReleased,
    OrderSubmitted,
    OrderTriggered,
    OrderUnknown,
    PositionSide,
    TriggerMoved,
)


class SessionStarted(msgspec.Struct, frozen=True, kw_only=True, tag="session"):
    """An engine run began."""

    session: str
    """8 characters, unique per run."""
    version: str
    mode: str
    settings_sha256: str
    ts_ns: int


class BalanceSet(msgspec.Struct, frozen=True, kw_only=True, tag="balance"):
    """A venue's balance was adopted: the opening one, or a difference found in reconciliation."""

    venue: VenueName
    asset: str
    total: Decimal
    reason: str
    ts_ns: int


class CashMoved(msgspec.Struct, frozen=True, kw_only=True, tag="cash"):
    """Money moved at a venue without a fill: funding, interest, a settlement, a transfer."""

    venue: VenueName
    asset: str
    amount: Decimal
    """Positive: the account receives."""
    kind: EntryKind
    flow_id: str
    """The venue's own name of it; what is told twice is booked once by (venue, kind, this)."""
    instrument_id: InstrumentId | None = None
    ts_event_ns: int
    ts_ns: int


class PositionSet(msgspec.Struct, frozen=True, kw_only=True, tag="position"):
    """A position was adopted as the venue states it: the opening one, or a difference found."""

    venue: VenueName
    instrument_id: InstrumentId
    side: PositionSide = PositionSide.NET
    size: Decimal
    """Signed."""
    average_price: Decimal | None
    """None: flat, or the venue does not say."""
    reason: str
    ts_ns: int
    closed_at: Decimal | None = None
    """Where the venue closed what is gone, by force or at expiry; None: nobody says."""


class InstrumentKept(msgspec.Struct, frozen=True, kw_only=True, tag="instrument"):
    """The terms of a contract, before anything of it: a journal is read before venues answer."""

    instrument: Instrument
    ts_ns: int


class RiskStateChanged(msgspec.Struct, frozen=True, kw_only=True, tag="risk"):
    """The gate opened or closed."""

    state: RiskState
    reason: str
    origin: OriginKind
    ts_ns: int
    kill: str = ""
    """The kill switch's step (``pause``, ``reduce``, ``cancel``, ``flatten``) while it stands."""


class StrategyToggled(msgspec.Struct, frozen=True, kw_only=True, tag="strategy"):
    """A strategy was enabled, disabled, or stopped for cause."""

    strategy_id: StrategyId
    enabled: bool
    reason: str
    ts_ns: int


class DayOpened(msgspec.Struct, frozen=True, kw_only=True, tag="day"):
    """A UTC day began; the day's profit is counted from here, also after a restart."""

    total_pnl: Decimal
    """Realised + unrealised - fees of all positions since the journal began, in `asset`."""
    asset: str
    ts_ns: int
    parts: dict[str, Decimal] = {}
    """The same of each scope of limits, such as ``accounts.main``."""


class PeakReached(msgspec.Struct, frozen=True, kw_only=True, tag="peak"):
    """Trading profit was never higher; drawdown is counted from here, also after a restart."""

    profits: dict[str, Decimal]
    """Of each scope of limits, empty: of everything; in `asset`."""
    asset: str
    ts_ns: int


class EquityMarked(msgspec.Struct, frozen=True, kw_only=True, tag="equity"):
    """What the account was worth, noted now and then for its curve."""

    equity: Decimal
    total_pnl: Decimal
    """Realised + unrealised - fees since the journal began; deposits are none of it."""
    asset: str
    ts_ns: int


JournalRecord: TypeAlias = (
    OrderSubmitted
    | OrderDenied
    | OrderHeld
    | TriggerMoved
    | OrderReleased
    | OrderTriggered
    | AmendSubmitted
    | OrderAmended
    | AmendRejected
    | OrderAccepted
    | OrderRejected
    | OrderUnknown
    | OrderFilled
    | CancelSubmitted
    | CancelRejected
    | OrderCanceled
    | OrderExpired
    | SessionStarted
    | BalanceSet
    | CashMoved
    | PositionSet
    | InstrumentKept
    | ExecutorStarted
    | ExecutorPaused
    | ExecutorEnded
    | RiskStateChanged
    | StrategyToggled
    | EquityMarked
    | DayOpened
    | PeakReached
)
"""All state of the trading core is a projection of these, in journal order."""


class BalancesReported(msgspec.Struct, frozen=True, kw_only=True):
    """The venue said what the account holds."""

    venue: VenueName
    balances: tuple[Balance, ...]
    ts_event_ns: int
    ts_ns: int


class VenueConnected(msgspec.Struct, frozen=True, kw_only=True):
    """The venue's private stream is up; reconcile before trusting anything older."""

    venue: VenueName
    ts_ns: int


class VenueDisconnected(msgspec.Struct, frozen=True, kw_only=True):
    """The venue's private stream is gone; orders live on unseen."""

    venue: VenueName
    reason: str
    ts_ns: int


class DeadManSet(msgspec.Struct, frozen=True, kw_only=True):
    """The venue's dead-man switch was armed, renewed for other orders, or taken off."""

    venue: VenueName
    state: str
    """Such as ``cancels BTCUSDT 60 s after our last word``; empty: it is not armed."""
    ts_ns: int


class VenueWarned(msgspec.Struct, frozen=True, kw_only=True):
    """The venue, or what watches it, has something to say that a person must read."""

    venue: VenueName
    text: str
    """Such as a margin call with its figures."""
    ts_ns: int


class PositionForced(msgspec.Struct, frozen=True, kw_only=True):
    """The venue closed a position itself, with the money that moved: all is journaled at once."""

    venue: VenueName
    positions: tuple[PositionSet, ...]
    flows: tuple[CashMoved, ...]
    text: str
    """What a person must read, with the figures."""
    ts_ns: int


VenueEvent: TypeAlias = (
    OrderAccepted
    | OrderTriggered
    | OrderAmended
    | AmendRejected
    | OrderRejected
    | OrderUnknown
    | OrderFilled
    | CancelRejected
    | OrderCanceled
    | OrderExpired
    | CashMoved
    | BalancesReported
    | VenueConnected
    | VenueDisconnected
    | DeadManSet
    | VenueWarned
    | PositionForced
)
"""What a venue adapter tells the engine."""
