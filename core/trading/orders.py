"""All orders as the events so far make them; fills counted once, however often they are told."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import msgspec

from core.model.ids import ClientOrderId, ExecutionId, InstrumentId, OriginKind, VenueName
from core.model.orders import (
    AmendRejected,
    AmendSubmitted,
    CancelRejected,
    CancelSubmitted,
    Order,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderDenied,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderHeld,
    OrderIntent,
    OrderRejected,
    OrderReleased,
    OrderState,
    OrderSubmitted,
    OrderUnknown,
)
from core.trading import changes
from core.trading.ledger import EXACT
from core.trading.recent import Recent
from core.trading.states import Verdict, happening_of, step

MAX_ENDED: Final = 10_000
"""Ended orders kept in memory; the oldest give way, the journal keeps them all."""
MAX_IDS: Final = 100_000
"""Client order ids and executions remembered to recognise repeats; the oldest give way."""
_ZERO: Final = Decimal(0)
# A member of an enumeration is looked up anew each time it is named.
_OK: Final = Verdict.OK
_ODD: Final = Verdict.ODD
_STALE: Final = Verdict.STALE
_HELD: Final = OrderState.HELD
_PENDING: Final = OrderState.PENDING_CANCEL
_REJECTED: Final = OrderState.REJECTED
UNASKED: Final = "ended by the venue, unasked"
"""How the note of an exit ends that nobody here cancelled."""
_UNKNOWN: Final = OrderState.UNKNOWN
_REFUSED: Final = frozenset({OrderState.REJECTED, OrderState.DENIED})
_ENDED: Final = frozenset({OrderState.CANCELED, OrderState.EXPIRED})
_CANCELABLE: Final = frozenset({OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED})
_ENDS: Final = (OrderCanceled, OrderExpired)
_WORDED: Final = frozenset(
    {
        OrderRejected, OrderUnknown, OrderCanceled, OrderExpired, CancelSubmitted, CancelRejected,
        OrderReleased,
    }
)  # fmt: skip
_CHANGES: Final = frozenset(changes.CHANGES)
_ENTRIES: Final = (OrderSubmitted, OrderDenied, OrderHeld)
_ENTERS: Final = {
    OrderSubmitted: OrderState.SUBMITTED,
    OrderDenied: OrderState.DENIED,
    OrderHeld: OrderState.HELD,
}

_WAITS: Final = {
    "trigger": "held by the engine until its trigger",
    "parent": "held by the engine until its entry fills",
    "replace": "held by the engine until the order it replaces is cancelled",
    "siblings": "held by the engine until the others of its group are cancelled",
}

ExecutionKey = tuple[VenueName, InstrumentId, ExecutionId]


def _left_alone(tracked: Tracked) -> bool:
    """Return whether nobody here asked for an exit's end."""
    order = tracked.order
    asked = order.state in {_PENDING, OrderState.HELD} or tracked.cancel_wanted is not None
    return order.intent.parent_id is not None and not asked


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


class Applied(msgspec.Struct, frozen=True):
    """What an event did."""

    before: Order | None
    order: Order | None
    """None when the order is no longer in memory; a fill of it still moves money."""
    verdict: Verdict
    fills: tuple[OrderFilled, ...] = ()
    """What to book, in order: the reversal of an inferred fill, then the real one."""
    problem: str = ""
    """What a person should read, or empty."""


class OrderCache:
    """Projection of order events."""

    def __init__(self, *, max_ended: int = MAX_ENDED, max_ids: int = MAX_IDS) -> None:
        self._tracked: dict[ClientOrderId, Tracked] = {}
        self._open: dict[ClientOrderId, Tracked] = {}
        # Of a plain dict the first key is the dearer to find the more were taken from its front.
        self._ended: OrderedDict[ClientOrderId, None] = OrderedDict()
        self._short: dict[ClientOrderId, Tracked] = {}
        self._ids: Recent[ClientOrderId] = Recent(max_ids)
        self._executions: Recent[ExecutionKey] = Recent(max_ids)
        self._max_ended = max_ended

    def get(self, order_id: ClientOrderId) -> Tracked | None:
        """Return the order, None when unknown or no longer in memory."""
        return self._tracked.get(order_id)

    def filled_before(self, intent: OrderIntent) -> Decimal:
        """Return what the orders filled that this one stands in for, one after the other."""
        filled = _ZERO
        while intent.replaces is not None:
            before = self._tracked.get(intent.replaces)
            if before is None:
                break
            filled = EXACT.add(filled, before.order.filled)
            intent = before.order.intent
        return filled

    def used(self, order_id: ClientOrderId) -> bool:
        """Return whether this client order id was ever used."""
        return order_id in self._ids

    def all(self) -> Iterator[Tracked]:
        """Yield all orders in memory, oldest first."""
        return iter(self._tracked.values())

    def open(self) -> Iterator[Tracked]:
        """Yield the orders that have not ended, oldest first."""
        return iter(self._open.values())

    def short(self) -> Iterator[Tracked]:
        """Yield ended orders of which fills are missing, see `Tracked.lacks`."""
        return iter(self._short.values())

    @property
    def open_count(self) -> int:
        """Number of orders that have not ended."""
        return len(self._open)

    def has_execution(self, fill: OrderFilled) -> bool:
        """Return whether this execution is booked already."""
        return _key(fill) in self._executions

    def is_news(self, event: OrderEvent) -> bool:
        """Return whether applying `event` would change anything; repeats need no journal."""
        if isinstance(event, OrderFilled):
            return event.client_order_id in self._ids and not self.has_execution(event)
        tracked = self._tracked.get(event.client_order_id)
        if isinstance(event, OrderSubmitted | OrderDenied | OrderHeld):
            if tracked is None or tracked.order.state is not _HELD:
                return event.client_order_id not in self._ids
            again = isinstance(event, OrderHeld) and event.waits != tracked.waits
            return again or isinstance(event, OrderDenied)
        if tracked is None:
            return False
        order = tracked.order
        if isinstance(event, changes.CHANGES):
            return changes.is_news(order, event, tracked.amended_ns)
        if isinstance(event, OrderReleased):
            return order.state is _HELD
        if isinstance(event, OrderAccepted) and order.venue_order_id is None:
            return True
        if isinstance(event, CancelSubmitted):
            waiting = order.state in {OrderState.SUBMITTED, _UNKNOWN}
            # What the engine wishes follows from how a group stands, what somebody else does stays.
            known = tracked.cancel_wanted not in {None, "engine"} or (
                event.origin == tracked.cancel_wanted
            )
            return order.state in _CANCELABLE or (waiting and not known)
        if isinstance(event, _ENDS) and (event.filled or _ZERO) > max(tracked.stated, order.filled):
            return True
        happening = happening_of(event, fills_up=False)
        return step(order.state, happening, has_fills=order.filled > 0).verdict is not _STALE

    def apply(self, event: OrderEvent) -> Applied | None:
        """Take an event; None when it is a repeat or concerns no order of ours."""
        # A start takes every event there ever was: kinds are told by one look into a table.
        kind = type(event)
        if kind in _ENTERS and isinstance(event, _ENTRIES):
            tracked = self._tracked.get(event.intent.client_order_id)
            if tracked is None or tracked.order.state is not _HELD:
                return self._enter(event)
            return self._held(tracked, event)
        tracked = self._tracked.get(event.client_order_id)
        if isinstance(event, OrderFilled):
            return self._fill(tracked, event)
        if tracked is None:
            return None
        if kind in _CHANGES and isinstance(event, changes.CHANGES):
            return self._change(tracked, event)
        before = tracked.order
        happening = happening_of(event, fills_up=False)
        state, verdict = step(before.state, happening, has_fills=before.filled > 0)
        tracked.order = self._noted(tracked, event, state, verdict)
        if not (state.terminal or before.state.terminal):  # it stays where it is filed
            problem = _contradicts(before, event) if verdict is _ODD else ""
            return Applied(before, tracked.order, verdict, (), problem)
        if isinstance(event, _ENDS) and event.filled is not None:
            tracked.stated = max(tracked.stated, event.filled)
        self._file(tracked)
        problem = ""
        if verdict is _ODD:
            problem = _contradicts(before, event)
        elif isinstance(event, _ENDS) and (event.filled or before.filled) < before.filled:
            problem = (
                f"order {before.id}: {before.filled} is booked as filled, "
                f"the venue says {event.filled}"
            )
        return Applied(before, tracked.order, verdict, (), problem)

    def _enter(self, event: OrderSubmitted | OrderDenied | OrderHeld) -> Applied | None:
        order_id = event.intent.client_order_id
        if not self._ids.add(order_id):
            return None
        held = isinstance(event, OrderHeld)
        order = Order(
            intent=event.intent,
            venue=event.venue,
            state=_ENTERS[type(event)],
            ts_submitted_ns=event.ts_ns,
            ts_updated_ns=event.ts_ns,
            note=_entry_note(event),
            held_by="engine" if held else "",
        )
        tracked = self._tracked[order_id] = Tracked(order)
        tracked.waits = event.waits if isinstance(event, OrderHeld) else ""
        self._file(tracked)
        return Applied(None, order, _OK)

    def _held(
        self, tracked: Tracked, event: OrderSubmitted | OrderDenied | OrderHeld
    ) -> Applied | None:
        """Hold an order that waits for something else now, or refuse it at its release."""
        before = tracked.order
        if isinstance(event, OrderSubmitted) or not self.is_news(event):
            return None
        tracked.waits = event.waits if isinstance(event, OrderHeld) else ""
        tracked.order = msgspec.structs.replace(
            before,
            intent=event.intent,
            state=_ENTERS[type(event)],
            held_by="engine" if isinstance(event, OrderHeld) else "",
            ts_updated_ns=event.ts_ns,
            note=_entry_note(event),
        )
        self._file(tracked)
        return Applied(before, tracked.order, _OK)

    def _change(self, tracked: Tracked, event: changes.Change) -> Applied | None:
        before = tracked.order
        if not changes.is_news(before, event, tracked.amended_ns):
            return None
        tracked.order = changes.changed(before, event)
        if isinstance(event, AmendSubmitted):
            tracked.resizes += event.origin == "engine"
        elif tracked.order.intent != before.intent:
            tracked.resizes = 0
        if isinstance(event, OrderAmended):
            tracked.amended_ns = event.ts_event_ns
        reopened = before.state.terminal and not tracked.order.state.terminal
        self._file(tracked)
        if reopened or isinstance(event, AmendRejected):
            tracked.ask = not tracked.order.state.terminal
        return Applied(before, tracked.order, _OK)

    def _fill(self, tracked: Tracked | None, fill: OrderFilled) -> Applied | None:
        key = _key(fill)
        if fill.client_order_id not in self._ids or not self._executions.add(key):
            return None
        if tracked is None:
            problem = f"order {fill.client_order_id} ended long ago and filled {fill.size} more"
            return Applied(None, None, Verdict.LATE, (fill,), problem)
        before = tracked.order
        plain = fill.inferred or not tracked.inferred
        booked = (fill,) if plain else (*self._reversals(tracked, fill), fill)
        if fill.inferred:
            tracked.inferred.append(fill)
        filled, fees = before.filled, dict(before.fees)
        for item in booked:
            ours = item.side is before.intent.side
            signed = item.size if ours else item.size.copy_negate()
            filled = EXACT.add(filled, signed)
            tracked.value = EXACT.add(tracked.value, EXACT.multiply(signed, item.price))
            if item.fee:
                fees[item.fee_asset] = EXACT.add(fees.get(item.fee_asset, _ZERO), item.fee)
        size = before.intent.size
        happening = happening_of(fill, fills_up=filled >= size)
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
        if state.terminal or before.state.terminal:
            self._file(tracked)
        return Applied(before, tracked.order, verdict, booked, _fill_problem(before, fill, filled))

    def _reversals(self, tracked: Tracked, fill: OrderFilled) -> tuple[OrderFilled, ...]:
        """Take back as much of the inferred fills as the real one explains."""
        out: list[OrderFilled] = []
        left = fill.size
        while tracked.inferred and left > 0:
            guess = tracked.inferred[0]
            size = min(guess.size, left)
            left -= size
            out.append(
                msgspec.structs.replace(
                    guess,
                    execution_id=ExecutionId(f"{guess.execution_id}-reversed-{fill.execution_id}"),
                    side=guess.side.opposite,
                    size=size,
                    ts_event_ns=fill.ts_event_ns,
                    ts_ns=fill.ts_ns,
                )
            )
            if size == guess.size:
                del tracked.inferred[0]
            else:
                tracked.inferred[0] = msgspec.structs.replace(guess, size=guess.size - size)
        return tuple(out)

    def _noted(
        self, tracked: Tracked, event: OrderEvent, state: OrderState, verdict: Verdict
    ) -> Order:
        """Return the order after an event that is no fill."""
        order = tracked.order
        venue_order_id, note = order.venue_order_id, order.note
        if isinstance(event, OrderAccepted):
            venue_order_id = venue_order_id or event.venue_order_id
            note = "" if state is not order.state else note
        elif type(event) in _WORDED:
            order, note = self._noted_words(tracked, event, state, verdict)
            if isinstance(event, (OrderCanceled, OrderExpired)):
                venue_order_id = venue_order_id or event.venue_order_id
        if state is _UNKNOWN:
            tracked.ask = True
        return msgspec.structs.replace(
            order,
            state=state,
            venue_order_id=venue_order_id,
            note=note,
            ts_updated_ns=order.ts_updated_ns if verdict is _STALE else event.ts_ns,
        )

    @staticmethod
    def _noted_words(
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

    def _file(self, tracked: Tracked) -> None:
        """Keep the order among the open or the ended ones, and those few enough."""
        order = tracked.order
        order_id, state = order.intent.client_order_id, order.state
        if tracked.stated:  # nothing is lacking where nothing was said
            if tracked.lacks:
                self._short[order_id] = tracked
            else:
                self._short.pop(order_id, None)
        if not state.terminal:
            self._ended.pop(order_id, None)
            self._open[order_id] = tracked
            return
        tracked.ask = False
        if state is not _REJECTED:
            tracked.cancel_wanted = None
        self._open.pop(order_id, None)
        self._ended[order_id] = None
        if len(self._ended) > self._max_ended:
            oldest, _ = self._ended.popitem(last=False)
            self._short.pop(oldest, None)
            del self._tracked[oldest]


def _key(fill: OrderFilled) -> ExecutionKey:
    return fill.venue, fill.instrument_id, fill.execution_id


def _fill_problem(before: Order, fill: OrderFilled, filled: Decimal) -> str:
    size = before.intent.size
    if filled > size and not before.amending:
        return f"order {before.id} of {size} is overfilled: {filled} in all (booked as reported)"
    if fill.venue != before.venue:
        return f"order {before.id} is at {before.venue}, its fill is reported by {fill.venue}"
    if fill.side is not before.intent.side:
        return f"order {before.id} is a {before.intent.side}, the venue reports a {fill.side} fill"
    if before.state in _REFUSED:
        return f"order {before.id} was {before.state} and filled {fill.size} at {fill.price}"
    if before.state in _ENDED:
        return f"order {before.id} was {before.state}; a late fill of {fill.size} is booked"
    return ""


def _entry_note(event: OrderSubmitted | OrderDenied | OrderHeld) -> str:
    if isinstance(event, OrderSubmitted):
        return ""
    if isinstance(event, OrderDenied):
        return f"{event.rule}: {event.reason}"
    return _WAITS[event.waits]


def _contradicts(before: Order, event: OrderEvent) -> str:
    return f"order {before.id} was {before.state}, then the venue said {_words(event)}"


def _words(event: OrderEvent) -> str:
    reason = getattr(event, "reason", "")
    kind = type(event).__struct_config__.tag
    return f"{kind}: {reason}" if reason else str(kind)
