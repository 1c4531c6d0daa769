"""What the engine answers where a plain noun does not do."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from core.model.accounts import LimitUse, RiskState
from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.instruments import InstrumentKind
from core.model.orders import Order
from core.model.views import (
    Alert,
    EngineStatus,
    FeedView,
    VenueView,
    WatchGroup,
)


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """The engine, its feeds, venues and limits."""

    status: EngineStatus
    feeds: tuple[FeedView, ...]
    venues: tuple[VenueView, ...]
    equity: Decimal
    day_pnl: Decimal
    limits: tuple[LimitUse, ...]
    alerts: tuple[Alert, ...]


class OrderReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a submit or cancel so far; ``DENIED`` orders carry the rule in `note`."""

    order: Order


class GroupReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a bracket or OCO so far, the entry or stop first."""

    orders: tuple[Order, ...]


class KillReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the kill switch set in motion."""

    risk_state: RiskState
    cancels: int
    closing_orders: tuple[ClientOrderId, ...] = ()
    spared: int = 0
    """Open orders left alone: exits and protective stops on the lower steps."""
    positions: int = 0
    """Positions that are, or would be, closed."""
    dry_run: bool = False


class FlattenReport(msgspec.Struct, frozen=True, kw_only=True):
    """What flattening set in motion, or would; closing goes on while cancels are under way."""

    instruments: tuple[InstrumentId, ...]
    cancels: int
    positions: int
    dry_run: bool = False


class ListedSymbols(msgspec.Struct, frozen=True, kw_only=True):
    """Part of a venue's listing in little room: thousands of symbols cross a slow link once."""

    venue: VenueName
    kind: InstrumentKind
    trading: bool
    """False: listed but halted."""
    symbols: str
    """Our symbols without the venue, parted by blanks, sorted."""


class Spark(msgspec.Struct, frozen=True, kw_only=True):
    """The course of a price in a few points."""

    instrument_id: InstrumentId
    closes_ticks: tuple[int, ...]
    """Oldest first, evenly apart; empty while nothing is known."""


class WatchReport(msgspec.Struct, frozen=True, kw_only=True):
    """The watchlist and the groups beside it."""

    watchlist: tuple[InstrumentId, ...]
    groups: tuple[WatchGroup, ...]
