"""Orders: the intent, the order, its states and everything that can happen to it.

Prices and sizes here are `Decimal`: people write them, venues read them, the journal keeps them,
and a later change of an instrument's tick must not change what an old record says.

::

    intent ──refused by us──► DENIED
      │ committed to the journal
      ▼
    SUBMITTED ──► ACCEPTED ──► PARTIALLY_FILLED ──► FILLED
      │   │          │ ▲             │
      │   │          ▼ │ refused     ▼
      │   │        PENDING_CANCEL ──► CANCELED
      │   └─refused by the venue──► REJECTED          EXPIRED
      └─no answer──► UNKNOWN ──asked by client order id──► any of the above
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

import msgspec

from core.model.ids import (
    ClientOrderId,
    ExecutionId,
    InstrumentId,
    OriginKind,
    StrategyId,
    VenueName,
    VenueOrderId,
)
from core.model.market import Side


class OrderType(StrEnum):
    """How an order is priced."""

    MARKET = "market"
    LIMIT = "limit"


class TimeInForce(StrEnum):
    """How long an order lives."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"


class OrderState(StrEnum):
    """Where an order is in its life; see the module's diagram."""

    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    PENDING_CANCEL = "pending_cancel"
    UNKNOWN = "unknown"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    DENIED = "denied"

    @property
    def terminal(self) -> bool:
        """True when nothing more can happen, save a late fill the venue reports."""
        return self in _TERMINAL


_TERMINAL = frozenset(
    {
        OrderState.FILLED,
        OrderState.CANCELED,
        OrderState.EXPIRED,
        OrderState.REJECTED,
        OrderState.DENIED,
    }
)


class OrderIntent(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants; the one door through which every order enters."""

    client_order_id: ClientOrderId
    instrument_id: InstrumentId
    side: Side
    type: OrderType
    size: Decimal
    price: Decimal | None = None
    """None for market orders."""
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    origin: OriginKind
    strategy_id: StrategyId | None = None
    reason: str = ""
    """Why, in the proposer's words; shown with the order for ever."""
    confidence: float = 1.0
    cause_seq: int = 0
    """The engine sequence number of the event that led to this."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the journal's events so far make it."""

    intent: OrderIntent
    venue: VenueName
    state: OrderState
    venue_order_id: VenueOrderId | None = None
    filled: Decimal = Decimal(0)
    average_price: Decimal | None = None
    fees: dict[str, Decimal] = {}
    """Fee total by asset."""
    ts_submitted_ns: int
    ts_updated_ns: int
    note: str = ""
    """The rule that denied it, the venue's words, or why its outcome is unknown."""

    @property
    def id(self) -> ClientOrderId:
        """The client order id."""
        return self.intent.client_order_id

    @property
    def remaining(self) -> Decimal:
        """Size not yet filled."""
        return self.intent.size - self.filled


class OrderSubmitted(msgspec.Struct, frozen=True, kw_only=True, tag="submitted"):
    """The intent passed risk and is durably recorded; sending may begin."""

    intent: OrderIntent
    venue: VenueName
    ts_ns: int

    @property
    def client_order_id(self) -> ClientOrderId:
        """The client order id."""
        return self.intent.client_order_id


class OrderDenied(msgspec.Struct, frozen=True, kw_only=True, tag="denied"):
    """We refused the intent; nothing was sent."""

    intent: OrderIntent
    venue: VenueName
    rule: str
    """The limit's name in the settings, such as ``risk.max_order_notional``."""
    reason: str
    """Words with the numbers: what was asked, what is allowed."""
    ts_ns: int

    @property
    def client_order_id(self) -> ClientOrderId:
        """The client order id."""
        return self.intent.client_order_id


class OrderAccepted(msgspec.Struct, frozen=True, kw_only=True, tag="accepted"):
    """The venue has it."""

    client_order_id: ClientOrderId
    venue_order_id: VenueOrderId
    ts_event_ns: int
    ts_ns: int


class OrderRejected(msgspec.Struct, frozen=True, kw_only=True, tag="rejected"):
    """The venue refused it, definitely."""

    client_order_id: ClientOrderId
    code: str
    reason: str
    ts_ns: int


class OrderUnknown(msgspec.Struct, frozen=True, kw_only=True, tag="unknown"):
    """No answer: it may or may not be at the venue."""

    client_order_id: ClientOrderId
    reason: str
    ts_ns: int


class OrderFilled(msgspec.Struct, frozen=True, kw_only=True, tag="filled"):
    """One execution, keyed by the venue's execution id."""

    client_order_id: ClientOrderId
    venue: VenueName
    instrument_id: InstrumentId
    venue_order_id: VenueOrderId
    execution_id: ExecutionId
    side: Side
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    ts_event_ns: int
    ts_ns: int
    inferred: bool = False
    """True when worked out from a cumulative quantity, not reported by the venue."""


class CancelSubmitted(msgspec.Struct, frozen=True, kw_only=True, tag="cancel_submitted"):
    """A cancel was durably recorded; sending may begin."""

    client_order_id: ClientOrderId
    origin: OriginKind
    ts_ns: int


class CancelRejected(msgspec.Struct, frozen=True, kw_only=True, tag="cancel_rejected"):
    """The venue refused the cancel; the order lives, or has ended in a way still to be learned."""

    client_order_id: ClientOrderId
    code: str
    reason: str
    ts_ns: int


class OrderCanceled(msgspec.Struct, frozen=True, kw_only=True, tag="canceled"):
    """It is out of the book; what was filled stays filled."""

    client_order_id: ClientOrderId
    ts_event_ns: int
    ts_ns: int
    reason: str = ""


class OrderExpired(msgspec.Struct, frozen=True, kw_only=True, tag="expired"):
    """The venue ended it: time in force, self-trade prevention, post-only."""

    client_order_id: ClientOrderId
    reason: str
    ts_event_ns: int
    ts_ns: int


OrderEvent: TypeAlias = (
    OrderSubmitted
    | OrderDenied
    | OrderAccepted
    | OrderRejected
    | OrderUnknown
    | OrderFilled
    | CancelSubmitted
    | CancelRejected
    | OrderCanceled
    | OrderExpired
)
"""Everything that can happen to an order; each is journaled before it takes effect."""


class VenueOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the venue states it when asked (reconciliation, resolving an unknown)."""

    client_order_id: ClientOrderId
    venue_order_id: VenueOrderId
    instrument_id: InstrumentId
    side: Side
    type: OrderType
    price: Decimal | None
    size: Decimal
    filled: Decimal
    state: OrderState
    """One of ACCEPTED, PARTIALLY_FILLED, FILLED, CANCELED, EXPIRED, REJECTED."""
    ts_event_ns: int
