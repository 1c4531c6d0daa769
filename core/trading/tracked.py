"""One order and what is kept beside it, and how events change it; each event is taken once."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from core.model.ids import ExecutionId, InstrumentId, OriginKind, VenueName
from core.model.orders import (
    UNPROTECTED,
    CancelRejected,
    CancelSubmitted,
    Order,
    OrderAccepted,
    OrderCanceled,
    OrderDenied,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderHeld,
    OrderRejected,
    OrderReleased,
    OrderState,
    OrderSubmitted,
    OrderUnknown,
    Role,
)
from core.trading import changes
from core.trading.ledger import EXACT
from core.trading.states import Verdict, happening_of, step

UNASKED: Final = "ended by the venue, unasked"
"""How the note of an exit ends that nobody here cancelled."""
ENTERS: Final = {
    OrderSubmitted: OrderState.SUBMITTED,
    OrderDenied: OrderState.DENIED,
    OrderHeld: OrderState.HELD,
}
"""The state an order is in after the event it begins with."""
_ZERO: Final = Decimal(0)
# A member of an enumeration is looked up anew each time it is named.
_OK: Final = Verdict.OK
_STALE: Final = Verdict.STALE
_PENDING: Final = OrderState.PENDING_CANCEL
_REJECTED: Final = OrderState.REJECTED
_UNKNOWN: Final = OrderState.UNKNOWN
_WORDED: Final = frozenset(
    {
        OrderRejected, OrderUnknown, OrderCanceled, OrderExpired, CancelSubmitted, CancelRejected,
        OrderReleased,
    }
)  # fmt: skip
_EXITS: Final = frozenset({Role.STOP, Role.TARGET})
_WAITS: Final = {
    "trigger": "held by the engine until its trigger",
    "parent": "held by the engine until its entry fills",
    "replace": "held by the engine until the order it replaces is cancelled",
    "siblings": "held by the engine until the others of its group are cancelled",
    "more": f"{UNPROTECTED}: less than the venue takes; held by the engine until more is bought",
}


ExecutionKey = tuple[VenueName, InstrumentId, ExecutionId]


class Tracked:
    """An order and what is kept beside it."""

    __slots__ = (
        "amended_ns", "ask", "asked", "cancel_wanted", "inferred", "order", "resizes", "stated",
        "value", "waits",
    )  # fmt: skip

    def __init__(self, order: Order) -> None:
        self.order = order
        self.asked = order.intent.size
        """The size it was entered with, whatever amends made of it."""
        self.value = _ZERO
        """Sum of price times size of its fills."""
        self.inferred: list[OrderFilled] = []
        """Fills worked out from a cumulative quantity, until the real ones are reported."""
        self.cancel_wanted: OriginKind | None = None
        """Who asked for a cancel that cannot take effect before the venue has the order.

        It stands if the venue refuses the order, as of a refusal there is more to be said.
        """
        self.ask = False
        """True when only the venue can tell how it stands."""
        self.waits = ""
        """What a held order waits for, see `OrderHeld.waits`."""
        self.amended_ns = 0
        """The venue's time of the newest amend."""
        self.resizes = 0
        """Changes of the engine's own since the last one that the venue carried out."""
        self.stated = _ZERO
        """What the venue counted as filled in all when it told the end."""

    @property
    def lacks(self) -> Decimal:
        """What the venue said was filled as the order ended, and is not booked yet."""
        if not self.stated or not self.order.state.terminal:
            return _ZERO
        return max(EXACT.subtract(self.stated, self.order.filled), _ZERO)

    @property
    def may_fill(self) -> Order:
        """The order, or where fills of an ended one are missing, one that still brings them."""
        if not self.lacks:
            return self.order
        intent = msgspec.structs.replace(self.order.intent, size=self.stated)
        return msgspec.structs.replace(self.order, intent=intent, state=_PENDING)

    @property
    def unwanted(self) -> bool:
        """Whether it was cancelled, or refused when somebody beside the engine had asked for it."""
        state = self.order.state
        asked = self.cancel_wanted not in {None, "engine"}
        return state is OrderState.CANCELED or (state is OrderState.REJECTED and asked)

    @property
    def over(self) -> bool:
        """Whether nothing of it can change any more: it ended, and all its fills are booked."""
        return self.order.state.terminal and not self.lacks


def entered(event: OrderSubmitted | OrderDenied | OrderHeld) -> Tracked:
    """Return the order an event begins with."""
    held = isinstance(event, OrderHeld)
    tracked = Tracked(
        Order(
            intent=event.intent,
            venue=event.venue,
            state=ENTERS[type(event)],
            ts_submitted_ns=event.ts_ns,
            ts_updated_ns=event.ts_ns,
            note=entry_note(event),
            held_by="engine" if held else "",
        )
    )
    tracked.waits = event.waits if isinstance(event, OrderHeld) else ""
    return tracked


def filled(tracked: Tracked, fill: OrderFilled, booked: tuple[OrderFilled, ...]) -> Verdict:
    """Let an order be filled by what is booked for an execution."""
    before = tracked.order
    filled, fees = before.filled, dict(before.fees)
    for item in booked:
        ours = item.side is before.intent.side
        signed = item.size if ours else item.size.copy_negate()
        filled = EXACT.add(filled, signed)
        tracked.value = EXACT.add(tracked.value, EXACT.multiply(signed, item.price))
        if item.fee:
            fees[item.fee_asset] = EXACT.add(fees.get(item.fee_asset, _ZERO), item.fee)
    happening = happening_of(fill, fills_up=filled >= before.intent.size)
    state, verdict = step(before.state, happening, has_fills=True)
    tracked.order = msgspec.structs.replace(
        before,
        state=state,
        venue_order_id=before.venue_order_id or fill.venue_order_id,
        filled=filled,
        average_price=tracked.value / filled if filled else None,
        fees=fees,
        ts_updated_ns=fill.ts_ns,
        note="" if before.state is _UNKNOWN else before.note,
    )
    return verdict


def told(tracked: Tracked, event: OrderEvent) -> Verdict:
    """Let an order be as an event says that is neither its begin, nor a fill, nor a change."""
    order = tracked.order
    happening = happening_of(event, fills_up=False)
    state, verdict = step(order.state, happening, has_fills=order.filled > 0)
    venue_order_id, note = order.venue_order_id, order.note
    if isinstance(event, OrderAccepted):
        venue_order_id = venue_order_id or event.venue_order_id
        note = "" if state is not order.state else note
    elif type(event) in _WORDED:
        order, note = _worded(tracked, event, state, verdict)
        if isinstance(event, (OrderCanceled, OrderExpired)):
            venue_order_id = venue_order_id or event.venue_order_id
            if event.filled is not None:
                tracked.stated = max(tracked.stated, event.filled)
    if state is _UNKNOWN:
        tracked.ask = True
    tracked.order = msgspec.structs.replace(
        order,
        state=state,
        venue_order_id=venue_order_id,
        note=note,
        ts_updated_ns=order.ts_updated_ns if verdict is _STALE else event.ts_ns,
    )
    return verdict


def _worded(
    tracked: Tracked, event: OrderEvent, state: OrderState, verdict: Verdict
) -> tuple[Order, str]:
    """Return the order as it goes out, where it does, and what there is to say of it."""
    order, note = tracked.order, tracked.order.note
    match event:
        case OrderRejected() if verdict is not _STALE:
            note = f"{event.reason} (code {event.code})"
        case OrderUnknown() | OrderCanceled() | OrderExpired() if verdict is not _STALE:
            note = event.reason
            if isinstance(event, OrderCanceled) and _left_alone(tracked):
                note = f"{note}; {UNASKED}" if note else UNASKED
        case CancelSubmitted():
            pending = state is _PENDING
            tracked.cancel_wanted = None if pending or state.terminal else event.origin
        case CancelRejected() if not state.terminal:
            note = f"cancel refused: {event.reason} (code {event.code})"
            tracked.ask = True
        case OrderReleased() if verdict is _OK:
            order = changes.released(order, event)
            tracked.waits, note = "", ""
        case _:
            pass
    return order, note


def end(tracked: Tracked) -> None:
    """Forget what is only of an order that has not ended."""
    tracked.ask = False
    if tracked.order.state is not _REJECTED:
        tracked.cancel_wanted = None


def entry_note(event: OrderSubmitted | OrderDenied | OrderHeld) -> str:
    """Return what there is to say of an order as it begins."""
    if isinstance(event, OrderSubmitted):
        return ""
    if isinstance(event, OrderDenied):
        return f"{event.rule}: {event.reason}"
    return _WAITS[event.waits]


def _left_alone(tracked: Tracked) -> bool:
    """Return whether nobody here asked for an exit's end."""
    order = tracked.order
    asked = order.state in {_PENDING, OrderState.HELD} or tracked.cancel_wanted is not None
    return order.intent.role in _EXITS and not asked
