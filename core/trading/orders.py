"""All orders as the events so far make them; fills counted once, however often they are told."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final

import msgspec

from core.model.ids import ClientOrderId, ExecutionId, StrategyId
from core.model.orders import (
    AmendRejected,
    AmendSubmitted,
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
    OrderReleased,
    OrderState,
    OrderSubmitted,
)
from core.trading import changes
from core.trading.ledger import EXACT
from core.trading.past import Past
from core.trading.recent import Recent
from core.trading.states import Verdict, happening_of, step
from core.trading.tracked import (
    ENTERS,
    ExecutionKey,
    Tracked,
    end,
    entered,
    entry_note,
    filled,
    told,
)

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
_UNKNOWN: Final = OrderState.UNKNOWN
_REFUSED: Final = frozenset({OrderState.REJECTED, OrderState.DENIED})
_ENDED: Final = frozenset({OrderState.CANCELED, OrderState.EXPIRED})
_CANCELABLE: Final = frozenset({OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED})
_ENDS: Final = (OrderCanceled, OrderExpired)
_CHANGES: Final = frozenset(changes.CHANGES)
_ENTRIES: Final = (OrderSubmitted, OrderDenied, OrderHeld)


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

    def past(self, book: Callable[[OrderFilled, StrategyId | None], None]) -> Past:
        """Return what takes events that are read back; `book` gets each execution."""
        return Past(
            book=book,
            apply=self.apply,
            retire=self._retire,
            tracked=self._tracked,
            opened=self._open,
            ids=self._ids,
            executions=self._executions,
        )

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
            return self._ours(event.client_order_id) and not self.has_execution(event)
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
        if kind in ENTERS and isinstance(event, _ENTRIES):
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
        verdict = told(tracked, event)
        if not (tracked.order.state.terminal or before.state.terminal):  # it stays where it is
            problem = _contradicts(before, event) if verdict is _ODD else ""
            return Applied(before, tracked.order, verdict, (), problem)
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
        tracked = self._tracked[order_id] = entered(event)
        self._file(tracked)
        return Applied(None, tracked.order, _OK)

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
            state=ENTERS[type(event)],
            held_by="engine" if isinstance(event, OrderHeld) else "",
            ts_updated_ns=event.ts_ns,
            note=entry_note(event),
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
        if not self._ours(fill.client_order_id) or not self._executions.add(key):
            return None
        if tracked is None:
            problem = f"order {fill.client_order_id} ended long ago and filled {fill.size} more"
            return Applied(None, None, Verdict.LATE, (fill,), problem)
        before = tracked.order
        plain = fill.inferred or not tracked.inferred
        booked = (fill,) if plain else (*self._reversals(tracked, fill), fill)
        if fill.inferred:
            tracked.inferred.append(fill)
        verdict = filled(tracked, fill, booked)
        order = tracked.order
        if order.state.terminal or before.state.terminal:
            self._file(tracked)
        problem = _fill_problem(before, fill, order.filled)
        return Applied(before, order, verdict, booked, problem)

    def _ours(self, order_id: ClientOrderId) -> bool:
        """Return whether an order was ever ours; one in memory is, however long ago it began."""
        return order_id in self._tracked or order_id in self._ids

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
        end(tracked)
        self._retire(order_id)

    def _retire(self, order_id: ClientOrderId) -> ClientOrderId | None:
        """Keep an order among the ended ones; return the one that gave way to it."""
        self._open.pop(order_id, None)
        self._ended[order_id] = None
        if len(self._ended) <= self._max_ended:
            return None
        oldest, _ = self._ended.popitem(last=False)
        self._short.pop(oldest, None)
        del self._tracked[oldest]
        return oldest


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


def _contradicts(before: Order, event: OrderEvent) -> str:
    return f"order {before.id} was {before.state}, then the venue said {_words(event)}"


def _words(event: OrderEvent) -> str:
    reason = getattr(event, "reason", "")
    kind = type(event).__struct_config__.tag
    return f"{kind}: {reason}" if reason else str(kind)
