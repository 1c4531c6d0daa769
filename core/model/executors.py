"""Executors: one wish carried out by many orders, over time or over prices."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from core.model.ids import InstrumentId, OriginKind, StrategyId, VenueName
from core.model.market import Side


class ExecutorKind(StrEnum):
    """How the orders of an executor lie."""

    TWAP = "twap"
    """Equal parts, evenly apart in time."""
    SCALED = "scaled"
    """Equal parts, evenly apart in price, all at once."""


class ExecutorPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What an executor is to do."""

    id: str
    """The group of its orders; at most 28 of ``[A-Za-z0-9_-]``, for they are named after it."""
    kind: ExecutorKind
    instrument_id: InstrumentId
    side: Side
    size: Decimal
    orders: int
    """Into how many parts it goes."""
    start_ns: int
    end_ns: int
    """When the last part of a TWAP goes out; for a scaled one the start."""
    price: Decimal | None = None
    """A TWAP's worst price, None: at market; a scaled one's first price."""
    last_price: Decimal | None = None
    """A scaled one's last price."""
    post_only: bool = False
    reduce_only: bool = False
    account: VenueName | None = None
    origin: OriginKind
    strategy_id: StrategyId | None = None
    reason: str = ""


class ExecutorView(msgspec.Struct, frozen=True, kw_only=True):
    """How far an executor is."""

    plan: ExecutorPlan
    sent: int
    filled: Decimal
    average_price: Decimal | None
    open_size: Decimal
    """In orders that rest now."""
    next_ns: int = 0
    """When the next part is due, 0: none is."""
    paused_ns: int = 0
    """Since when it is paused, 0: it is not."""
    refused: int = 0
    """How many parts were refused, by us or by the venue."""
    note: str = ""
    """Why the newest refused part was."""
    ended: str = ""
    """Why it ended, empty while it runs."""
    waits: str = ""
    """Why the part that is due does not go yet, such as a venue that is not reconciled."""

    @property
    def state(self) -> str:
        """``running``, ``paused``, ``done`` or ``ended``."""
        if self.ended:
            return "done" if self.ended == "done" else "ended"
        return "paused" if self.paused_ns else "running"


class ExecutorStarted(msgspec.Struct, frozen=True, kw_only=True, tag="executor_started"):
    """An executor was taken on; its orders follow, each journaled on its own."""

    plan: ExecutorPlan
    ts_ns: int


class ExecutorPaused(msgspec.Struct, frozen=True, kw_only=True, tag="executor_paused"):
    """An executor's time stands still, or goes on."""

    executor_id: str
    paused: bool
    ts_ns: int


class ExecutorEnded(msgspec.Struct, frozen=True, kw_only=True, tag="executor_ended"):
    """An executor sends no more orders."""

    executor_id: str
    reason: str
    ts_ns: int
