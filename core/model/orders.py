"""Orders: the intent, the order, its states and everything that can happen to it.

Prices and sizes here are `Decimal`: people write them, venues read them, the journal keeps them,
and a later change of an instrument's tick must not change what an old record says.

::

    intent ──refused by us──► DENIED
      │ committed to the journal
      ├──► HELD by the engine: a trigger, a parent's fill or a cancel is waited for
      ▼      │ released, once
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
from typing import Final, Literal, TypeAlias

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
    """How an order is priced, and what it waits for."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    """A market order once the market trades at the trigger or worse for its side."""
    STOP_LIMIT = "stop_limit"
    TAKE_PROFIT = "take_profit"
    """A market order once the market trades at the trigger or better for its side."""
    TAKE_PROFIT_LIMIT = "take_profit_limit"
    TRAILING_STOP = "trailing_stop"
    """A stop whose trigger follows the best price seen at a distance."""

    @property
    def limited(self) -> bool:
        """Whether it needs a price of its own."""
        return self is _LIMIT or self in _LIMITED

    @property
    def conditional(self) -> bool:
        """Whether it waits for a trigger before it may trade."""
        return self is not _LIMIT and self is not _MARKET


_LIMITED = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT})
_MARKET = OrderType.MARKET
_LIMIT = OrderType.LIMIT


class TriggerBy(StrEnum):
    """Which price a trigger is held against."""

    LAST = "last"
    MARK = "mark"
    INDEX = "index"


class PositionSide(StrEnum):
    """Which position an order changes, on accounts that hold long and short apart."""

    NET = "net"
    LONG = "long"
    SHORT = "short"


class Role(StrEnum):
    """What an order is to its group."""

    SINGLE = ""
    ENTRY = "entry"
    STOP = "stop"
    TARGET = "target"
    SLICE = "slice"
    """One of the orders of an executor."""


class Link(StrEnum):
    """How the orders of a group hang together."""

    NONE = ""
    OCO = "oco"
    """When one fills, the others are cancelled; what one fills in part shrinks the others."""
    OTO = "oto"
    """The others wait until the first fills."""
    BRACKET = "bracket"
    """An entry, and a stop and a target that wait for its fills and cancel each other."""


class TimeInForce(StrEnum):
    """How long an order lives."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    GTD = "gtd"
    """Until a time."""
    DAY = "day"
    """Until the venue's trading day ends; only where a venue has such days."""


class OrderState(StrEnum):
    """Where an order is in its life; see the module's diagram."""

    HELD = "held"
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
    """None for orders that trade at the market."""
    time_in_force: TimeInForce = TimeInForce.GTC
    expire_ns: int = 0
    """UTC end of a GTD order, else 0."""
    post_only: bool = False
    extended_hours: bool = False
    """It may trade before and after the venue's regular hours, too."""
    reduce_only: bool = False
    trigger_price: Decimal | None = None
    """Of a conditional order; of a trailing stop its trigger so far, None: not known yet."""
    trigger_by: TriggerBy = TriggerBy.LAST
    trail: Decimal | None = None
    """A trailing stop's distance in price; None: `trail_pct` gives it."""
    trail_pct: Decimal | None = None
    """A trailing stop's distance in per cent of the best price seen."""
    display_size: Decimal | None = None
    """The part of an iceberg that the book shows; None: all of it."""
    position_side: PositionSide = PositionSide.NET
    account: VenueName | None = None
    """Which of the accounts of the instrument's venue; None: the one set up for it."""
    group_id: str = ""
    """Shared by the orders of a bracket, OCO or OTO, and by those of an executor."""
    link: Link = Link.NONE
    role: Role = Role.SINGLE
    parent_id: ClientOrderId | None = None
    """The order whose fills let this one go."""
    replaces: ClientOrderId | None = None
    """The order this one is sent in place of once that has ended, less what that filled."""
    origin: OriginKind
    strategy_id: StrategyId | None = None
    reason: str = ""
    """Why, in the proposer's words; shown with the order for ever."""
    confidence: float = 1.0
    cause_seq: int = 0
    """The engine sequence number of the event that led to this."""


_AT_THE_VENUE: Final = frozenset(
    {OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED, OrderState.PENDING_CANCEL}
)


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the journal's events so far make it."""

    intent: OrderIntent
    """As it stands: an amend that the venue took has changed size, price or trigger."""
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
    held_by: Literal["", "engine"] = ""
    """Whether the engine keeps it back: until its trigger, its parent, or what it replaces."""
    triggered_ns: int = 0
    """When its trigger was touched, 0: not yet."""
    amending: bool = False
    """An amend is on its way; `intent` says what still stands."""

    @property
    def id(self) -> ClientOrderId:
        """The client order id."""
        return self.intent.client_order_id

    @property
    def remaining(self) -> Decimal:
        """Size not yet filled."""
        return self.intent.size - self.filled

    @property
    def watched_by(self) -> Literal["", "engine", "venue"]:
        """Who makes it act when the time comes; empty: it acts already, or has ended."""
        if self.state.terminal:
            return ""
        waits = self.intent.type.conditional and not self.triggered_ns
        return self.held_by or ("venue" if waits and self.state in _AT_THE_VENUE else "")

    @property
    def acts_at(self) -> Decimal | None:
        """The price at which it acts while it is open: its trigger while it waits for one.

        None for an order at market, and for one held back until another fills.
        """
        if self.state.terminal:
            return None
        if self.intent.type.conditional and not self.triggered_ns:
            return self.intent.trigger_price
        return None if self.state is OrderState.HELD else self.intent.price


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


UNPROTECTED: Final = "UNPROTECTED"
"""How the note of an exit begins that is too small to be sent."""


class OrderHeld(msgspec.Struct, frozen=True, kw_only=True, tag="held"):
    """The intent passed risk and is durably recorded; the engine keeps it until it is released."""

    intent: OrderIntent
    venue: VenueName
    waits: Literal["trigger", "parent", "replace", "siblings", "more"]
    """For the market, for fills of `intent.parent_id`, for that order's end, for the end of the
    others of its group, whose cancels free what it needs, or until enough is held for the venue."""
    ts_ns: int

    @property
    def client_order_id(self) -> ClientOrderId:
        """The client order id."""
        return self.intent.client_order_id


class TriggerMoved(msgspec.Struct, frozen=True, kw_only=True, tag="trigger_moved"):
    """A trailing stop's trigger followed the market; kept so that a restart goes on from it."""

    client_order_id: ClientOrderId
    trigger_price: Decimal
    ts_ns: int


class OrderReleased(msgspec.Struct, frozen=True, kw_only=True, tag="released"):
    """What a held order waited for has happened; sending may begin, once."""

    client_order_id: ClientOrderId
    reason: str
    """Such as ``last traded at 61800 <= 61850``."""
    size: Decimal | None = None
    """The size that goes out where it is less than was asked for, as the parent filled less."""
    triggered: bool = False
    """Its trigger was touched: what goes out is the plain order behind it."""
    ts_ns: int


class OrderTriggered(msgspec.Struct, frozen=True, kw_only=True, tag="triggered"):
    """The venue says that a conditional order it holds was triggered."""

    client_order_id: ClientOrderId
    venue_order_id: VenueOrderId | None = None
    """The id of the order it became, where that is another one."""
    ts_event_ns: int
    ts_ns: int


class AmendSubmitted(msgspec.Struct, frozen=True, kw_only=True, tag="amend_submitted"):
    """A change of an order was durably recorded; sending may begin."""

    client_order_id: ClientOrderId
    origin: OriginKind
    size: Decimal | None = None
    """The new whole size, what is filled included; None: as it was."""
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    ts_ns: int


class OrderAmended(msgspec.Struct, frozen=True, kw_only=True, tag="amended"):
    """The order stands changed."""

    client_order_id: ClientOrderId
    venue_order_id: VenueOrderId | None = None
    """Its id from now on, where the venue gave another one."""
    size: Decimal
    price: Decimal | None
    trigger_price: Decimal | None = None
    ts_event_ns: int
    ts_ns: int


class AmendRejected(msgspec.Struct, frozen=True, kw_only=True, tag="amend_rejected"):
    """The venue refused the change; the order stands as it was, or has ended."""

    client_order_id: ClientOrderId
    code: str
    reason: str
    ts_ns: int


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
    position_side: PositionSide = PositionSide.NET
    """Which position it changed, where long and short are held apart."""
    realised: Decimal | None = None
    """What the venue says a derivative's closing brought, fees not included; None: not said."""


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
    filled: Decimal | None = None
    """What the venue counts as filled of it in all; None: it does not say."""
    venue_order_id: VenueOrderId | None = None
    """Where its acceptance may never have been told; None: it does not say."""


class OrderExpired(msgspec.Struct, frozen=True, kw_only=True, tag="expired"):
    """The venue ended it: time in force, self-trade prevention, post-only."""

    client_order_id: ClientOrderId
    reason: str
    ts_event_ns: int
    ts_ns: int
    filled: Decimal | None = None
    """What the venue counts as filled of it in all; None: it does not say."""
    venue_order_id: VenueOrderId | None = None
    """Where its acceptance may never have been told; None: it does not say."""


OrderEvent: TypeAlias = (
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
    trigger_price: Decimal | None = None
    average_price: Decimal | None = None
    """None: nothing is filled, or the venue does not say."""
    reduce_only: bool = False
