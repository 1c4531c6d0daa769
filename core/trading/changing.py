"""Changing orders that are on their way: amends, and what the guard wants done.

What a venue cannot amend is cancelled and sent anew under an id of its own; the new order is
written down before the cancel goes out, so that a restart between the two goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from decimal import Decimal
from typing import Final, Literal

import msgspec

from core.model.abilities import VenueAbilities
from core.model.errors import ConfigError
from core.model.ids import ClientOrderId, InstrumentId, OriginKind, VenueName
from core.model.instruments import Instrument
from core.model.orders import (
    UNPROTECTED,
    AmendSubmitted,
    Link,
    Order,
    OrderAmended,
    OrderCanceled,
    OrderHeld,
    OrderIntent,
    OrderReleased,
    OrderState,
    Role,
    TriggerMoved,
)
from core.model.ports import Clock, Marks, Venue
from core.trading.board import Board
from core.trading.books import Books
from core.trading.flow import OrderFlow
from core.trading.form import Denial
from core.trading.guard import COVERS, STANDS_IN, Guard
from core.trading.judging import Latest
from core.trading.risk import RiskGate
from core.trading.routing import wire_form
from core.trading.tracked import Tracked

_ZERO: Final = Decimal(0)
_MAX_GROUP: Final = 30
"""Orders of one group, after which a person has to look."""
_MAX_RESIZES: Final = 2
"""Changes the venue may leave undone before an order is sent anew."""
_WORKING: Final = frozenset({OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED})
_LATER: Final = frozenset({"parent", "replace", "siblings", "more"})
"""What waits for other orders is judged when it goes out."""
_CHILDREN: Final = frozenset({Link.OCO, Link.BRACKET})


class Changer:
    """Amends orders, and is the guard's hands."""

    def __init__(
        self,
        *,
        books: Books,
        flow: OrderFlow,
        gate: RiskGate,
        board: Board,
        venues: Mapping[VenueName, Venue],
        clock: Clock,
        next_id: Callable[[], ClientOrderId],
    ) -> None:
        self._books = books
        self._flow = flow
        self._gate = gate
        self._board = board
        self._venues = venues
        self._clock = clock
        self._next_id = next_id

    def make_guard(self, marks: Marks, instruments: Mapping[InstrumentId, Instrument]) -> Guard:
        """Return a guard whose hands this is."""
        return Guard(
            self._books.orders,
            marks,
            instruments,
            lambda order: self._flow.abilities_of(order.intent),
            self,
        )

    # -- amends ----------------------------------------------------------------------------

    def amend(
        self,
        tracked: Tracked,
        origin: OriginKind,
        *,
        size: Decimal | None = None,
        price: Decimal | None = None,
        trigger_price: Decimal | None = None,
        dry_run: bool = False,
    ) -> Order:
        """Change an order's whole size, price or trigger.

        Raises:
            ConfigError: Nothing would change, the order cannot be changed now, or a rule says no.
        """
        order = tracked.order
        intent = _with(order.intent, size, price, trigger_price)
        self._may_amend(tracked, intent, origin)
        before = self._gate.judge.latest
        with self._gate.trying() if dry_run else nullcontext():
            denial = self._check(tracked, intent)
        if denial is not None:
            raise ConfigError(f"order {order.id} is not amended: {denial.rule}: {denial.reason}")
        if dry_run:
            return msgspec.structs.replace(order, intent=intent, note="dry run: would be amended")
        latest = self._flow.judged(before)
        if order.state is OrderState.HELD:
            self._note(tracked, intent, latest, self._amended(tracked, intent))
            return tracked.order
        if _can(order.intent, intent, self._flow.abilities_of(intent)):
            self._note(tracked, intent, latest, self._send_amend(tracked, intent, origin))
            return tracked.order
        return self._replace(tracked, intent, origin)

    def _may_amend(self, tracked: Tracked, intent: OrderIntent, origin: OriginKind) -> None:
        order = tracked.order
        if intent == order.intent:
            raise ConfigError(f"order {order.id} already stands so: nothing to amend")
        if order.amending:
            raise ConfigError(f"order {order.id} is being amended: wait for the venue's answer")
        if order.state not in _WORKING | {OrderState.HELD}:
            raise ConfigError(f"order {order.id} is {order.state}: only working orders are amended")
        if intent.size <= order.filled:
            raise ConfigError(
                f"size of {order.id} must be above the {order.filled} filled, was {intent.size}; "
                "cancel it instead"
            )
        exits = order.intent.link in _CHILDREN and order.intent.role is not Role.ENTRY
        if exits and intent.size != order.intent.size and origin != "engine":
            raise ConfigError(f"size of {order.id} follows its group; amend its entry instead")

    def _check(self, tracked: Tracked, intent: OrderIntent) -> Denial | None:
        """Judge an order as it would stand, as if it were not there yet."""
        left = msgspec.structs.replace(intent, size=intent.size - tracked.order.filled)
        with self._books.holds.without(tracked.order):
            return self._gate.check(
                left,
                self._clock.now_ns(),
                self._clock.monotonic_ns(),
                held=True,
                later=tracked.waits in _LATER,
            )

    def _note(
        self, tracked: Tracked, intent: OrderIntent, latest: Latest | None, ts_ns: int
    ) -> None:
        """Keep what the gate saw of a change: the order as if it were not there yet."""
        order = tracked.order
        left = msgspec.structs.replace(intent, size=intent.size - order.filled)
        monotonic_ns = self._clock.monotonic_ns()
        with self._books.holds.without(order):
            self._flow.passed.note(
                left,
                order.venue,
                latest,
                ts_ns,
                monotonic_ns,
                counted=False,
                later=tracked.waits in _LATER,
            )

    def _send_amend(self, tracked: Tracked, intent: OrderIntent, origin: OriginKind) -> int:
        """Record the change and send it; return the record's time."""
        order = tracked.order
        change = AmendSubmitted(
            client_order_id=order.id,
            origin=origin,
            size=intent.size if intent.size != order.intent.size else None,
            price=intent.price if intent.price != order.intent.price else None,
            trigger_price=(
                intent.trigger_price if intent.trigger_price != order.intent.trigger_price else None
            ),
            ts_ns=self._clock.now_ns(),
        )
        self._flow.record(change)
        self._gate.count_message(order.intent, self._clock.monotonic_ns())
        try:
            self._venues[order.venue].amend(self._on_wire(order), change)
        except Exception as error:  # an adapter may die without us
            tracked.ask = True
            self._board.alert("error", f"amend of {order.id}: the adapter failed: {error!r}")
        return change.ts_ns

    def _replace(self, tracked: Tracked, intent: OrderIntent, origin: OriginKind) -> Order:
        """Cancel an order and send a new one once it has ended."""
        heir = msgspec.structs.replace(
            intent,
            client_order_id=self._next_id(),
            replaces=tracked.order.id,
            size=intent.size + self._books.orders.filled_before(intent),
            reason=intent.reason or f"replaces {tracked.order.id}",
        )
        now_ns = self._clock.now_ns()
        self._flow.record(
            OrderHeld(intent=heir, venue=tracked.order.venue, waits="replace", ts_ns=now_ns)
        )
        self._flow.cancel([tracked], origin)
        made = self._books.orders.get(heir.client_order_id)
        return made.order if made is not None else tracked.order

    def _amended(self, tracked: Tracked, intent: OrderIntent) -> int:
        now_ns = self._clock.now_ns()
        self._flow.record(
            OrderAmended(
                client_order_id=tracked.order.id,
                size=intent.size,
                price=intent.price,
                trigger_price=intent.trigger_price,
                ts_event_ns=now_ns,
                ts_ns=now_ns,
            )
        )
        return now_ns

    def _on_wire(self, order: Order) -> Order:
        """Return an order as the venue has it."""
        intent = wire_form(
            order.intent,
            self._flow.abilities_of(order.intent),
            triggered=bool(order.triggered_ns),
        )
        return order if intent is order.intent else msgspec.structs.replace(order, intent=intent)

    # -- what the guard has done -----------------------------------------------------------

    def release(self, tracked: Tracked, reason: str, size: Decimal | None = None) -> None:
        """Check, journal and send a held order."""
        order = tracked.order
        intent = order.intent
        if size is not None and size != intent.size:
            intent = msgspec.structs.replace(intent, size=size)
        triggered = tracked.waits in {"trigger", "siblings"}
        left = self._gate.left_to_close(intent, order) if triggered else _ZERO
        if _ZERO < left < intent.size:
            # As a venue lets a reduce-only order: what else was closed meanwhile is not there.
            intent = msgspec.structs.replace(intent, size=left)
        plain = wire_form(intent, self._flow.abilities_of(intent), triggered=triggered)
        record = OrderReleased(
            client_order_id=order.id,
            reason=reason,
            size=None if intent is order.intent else intent.size,
            triggered=triggered,
            ts_ns=self._clock.now_ns(),
        )
        self._flow.release(tracked, record, plain)

    def rehold(
        self, tracked: Tracked, waits: Literal["trigger", "siblings", "more"], size: Decimal
    ) -> None:
        """Let a held order wait for something else, and be of another size."""
        intent = msgspec.structs.replace(tracked.order.intent, size=size)
        now_ns = self._clock.now_ns()
        self._flow.record(
            OrderHeld(intent=intent, venue=tracked.order.venue, waits=waits, ts_ns=now_ns)
        )

    def drop(self, tracked: Tracked, reason: str) -> None:
        """End a held order; it was never sent."""
        now_ns = self._clock.now_ns()
        self._flow.record(
            OrderCanceled(
                client_order_id=tracked.order.id, ts_event_ns=now_ns, ts_ns=now_ns, reason=reason
            )
        )

    def end(self, tracked: Tracked) -> None:
        """Ask for the cancel of an order the venue may have."""
        self._flow.cancel([tracked], "engine")

    def resize(self, tracked: Tracked, size: Decimal) -> None:
        """Change an order's whole size; one the venue cannot or will not resize is sent anew."""
        try:
            if tracked.resizes < _MAX_RESIZES or tracked.order.state is OrderState.HELD:
                self.amend(tracked, "engine", size=size)
            else:
                self._replace_refused(tracked, size)
        except ConfigError as error:
            if not tracked.order.state.terminal:
                self._board.alert("warning", str(error))

    def _replace_refused(self, tracked: Tracked, size: Decimal) -> None:
        """Send an order anew that the venue keeps from being resized.

        It is cancelled first: two of them might both fill. What is left is sent with the cancel's
        answer, so nothing protects for one way there and back.
        """
        order = tracked.order
        why = f"the venue left {order.id} at {order.intent.size} when asked for {size}"
        intent = msgspec.structs.replace(order.intent, size=size, reason=why)
        self._may_amend(tracked, intent, "engine")
        denial = self._check(tracked, intent)
        if denial is not None:
            raise ConfigError(f"order {order.id} is not sent anew: {denial.rule}: {denial.reason}")
        self._board.alert("warning", f"{why}, {tracked.resizes} times: it is sent anew")
        self._replace(tracked, intent, "engine")

    def move_trigger(self, tracked: Tracked, price: Decimal) -> None:
        """Write down where a trailing trigger has got to."""
        self._flow.record(
            TriggerMoved(
                client_order_id=tracked.order.id, trigger_price=price, ts_ns=self._clock.now_ns()
            )
        )

    def protect(self, tracked: Tracked) -> None:
        """Put a stop of the engine's own in place of one the venue refused, or ended itself."""
        order = tracked.order
        how = "refused" if order.state is OrderState.REJECTED else "ended"
        intent = msgspec.structs.replace(
            order.intent,
            client_order_id=self._next_id(),
            replaces=order.id,
            reason=f"{STANDS_IN} {order.id}, which the venue {how}",
        )
        self._board.alert(
            "error", f"stop {order.id} was {how} ({order.note}): the engine holds it itself now"
        )
        now_ns = self._clock.now_ns()
        self._flow.record(
            OrderHeld(intent=intent, venue=order.venue, waits="trigger", ts_ns=now_ns)
        )

    def cover(self, tracked: Tracked, size: Decimal) -> None:
        """Hold another exit like one that has ended, of the size its group has entered."""
        order = tracked.order
        tries = sum(
            item.order.intent.group_id == order.intent.group_id for item in self._books.orders.all()
        )
        if tries > _MAX_GROUP:
            text = f"{order.intent.instrument_id}: group {order.intent.group_id} is not closed"
            self._board.alert("error", f"{text} by {tries} orders; close it by hand")
            return
        intent = msgspec.structs.replace(
            order.intent,
            client_order_id=self._next_id(),
            size=size,
            replaces=None,
            reason=f"{COVERS} {order.id}",
        )
        waits: Literal["trigger", "parent"] = "trigger" if intent.type.conditional else "parent"
        now_ns = self._clock.now_ns()
        self._flow.record(OrderHeld(intent=intent, venue=order.venue, waits=waits, ts_ns=now_ns))

    def holding(self, tracked: Tracked) -> tuple[Decimal, Decimal]:
        """Return what there is of the position an exit closes, and what no other order has."""
        order = tracked.order
        intent = order.intent
        held = self._position(order)
        way = (intent.instrument_id, intent.side, intent.position_side)
        claims: dict[str, Decimal] = {}
        for item in self._books.orders.open():
            other = item.order.intent
            mine = (other.instrument_id, other.side, other.position_side) == way
            if not mine or item.order.venue != order.venue or other.group_id == intent.group_id:
                continue
            if item.waits not in _LATER:
                # Exits of one group fill for each other.
                name = other.group_id or item.order.id
                claims[name] = max(claims.get(name, _ZERO), item.order.remaining)
        return held, max(_ZERO, held - sum(claims.values(), _ZERO))

    def held_since_ns(self, tracked: Tracked) -> int:
        """Return when the position was opened that an exit closes, 0: there never was one."""
        intent, venue = tracked.order.intent, tracked.order.venue
        return self._books.account.since_ns(intent.instrument_id, intent.position_side, venue)

    def closes(self, tracked: Tracked) -> Decimal | None:
        """Return what there is of the position an exit closes, None while that is not sure."""
        order = tracked.order
        intent = order.intent
        if order.venue in self._books.switches.closed_venues:
            return None
        for item in self._books.orders.short():
            other = item.order.intent
            if other.instrument_id == intent.instrument_id and item.order.venue == order.venue:
                return None
        return self._position(order)

    def _position(self, order: Order) -> Decimal:
        """Return what there is of the position an order closes."""
        intent = order.intent
        size = self._books.account.size(intent.instrument_id, intent.position_side, order.venue)
        return max(_ZERO, -size * intent.side.sign)

    def bare(self, tracked: Tracked, size: Decimal, why: str) -> None:
        """Say that so much has no exits, and why; 0: it has them again."""
        order = tracked.order
        self._books.account.unprotected(order, size)
        instrument = order.intent.instrument_id
        if size:
            what = f"{size.normalize():f} of {instrument} at {order.venue} have no exits"
            self._board.alert("error", f"{UNPROTECTED}: {what}: {why}")
        elif why:
            self._board.alert("info", f"{instrument} at {order.venue} has its exits again: {why}")

    def alert(self, text: str) -> None:
        """Tell people."""
        self._board.alert("warning", text)


def _with(
    intent: OrderIntent,
    size: Decimal | None,
    price: Decimal | None,
    trigger_price: Decimal | None,
) -> OrderIntent:
    changes = {"size": size, "price": price, "trigger_price": trigger_price}
    if price is not None and not intent.type.limited:
        raise ConfigError(f"a {intent.type} order has no price to amend, was given {price}")
    if trigger_price is not None and not intent.type.conditional:
        raise ConfigError(f"a {intent.type} order has no trigger, was given {trigger_price}")
    given = {name: value for name, value in changes.items() if value is not None}
    return msgspec.structs.replace(intent, **given)


def _can(before: OrderIntent, after: OrderIntent, abilities: VenueAbilities) -> bool:
    """Return whether the venue itself can make one of the other."""
    if before.type not in abilities.amend_types:
        return False
    if abilities.amend == "any":
        return True
    same = msgspec.structs.replace(after, size=before.size) == before
    return abilities.amend == "smaller" and same and after.size < before.size
