"""What the answers of a venue mean for our orders and balances; the judging half of reconciling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple, TypeAlias

import msgspec

from core.model.accounts import Balance, VenuePosition
from core.model.ids import (
    ClientOrderId,
    ExecutionId,
    InstrumentId,
    VenueName,
    VenueOrderId,
    origin_of,
)
from core.model.orders import (
    Order,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderState,
    OrderType,
    PositionSide,
    VenueOrder,
)
from core.trading.desk import TradingDesk
from core.trading.tracked import Tracked

_NONE: Final = Decimal(0)
_TRIES_BEFORE_INFERRING: Final = 3
"""Looks at the fills that may lack what an order's filled size says, before it is worked out."""
_BETWEEN_DENIALS_NS: Final = 500_000_000
_UNANSWERED: Final = frozenset({OrderState.SUBMITTED, OrderState.UNKNOWN, OrderState.REJECTED})


PositionKey: TypeAlias = tuple[InstrumentId, PositionSide]


class PositionDifference(NamedTuple):
    """A position of which we and the venue do not say the same."""

    ours: Decimal
    theirs: VenuePosition | None
    """None: the venue has none."""

    @property
    def sizes(self) -> tuple[Decimal, Decimal]:
        """Ours and the venue's; its margin and liquidation price move with the market."""
        return self.ours, self.theirs.size if self.theirs is not None else Decimal(0)

    def words(self, key: PositionKey) -> str:
        """Say what differs."""
        side = "" if key[1] is PositionSide.NET else f" {key[1]}"
        ours, theirs = self.sizes
        return f"{key[0]}{side}: we hold {ours:f}, the venue says {theirs:f}"


class Findings:
    """Turns answers into venue events for the desk, and remembers what is not settled yet."""

    def __init__(self, desk: TradingDesk) -> None:
        self._desk = desk
        self._missing: dict[ClientOrderId, int] = {}
        """Orders the venue did not know when asked, and when it first said so."""
        self._unsettled: dict[ClientOrderId, tuple[VenueOrder, int]] = {}
        """Orders ended or filled at the venue beyond what is booked, and looks taken so far."""

    def foreign(self, listed: Sequence[VenueOrder]) -> list[str]:
        """Recognise open orders that are not in our journal; they are left alone."""
        unknown = [o for o in listed if not self._desk.books.orders.used(o.client_order_id)]
        lost = [o.client_order_id for o in unknown if origin_of(o.client_order_id) is not None]
        notes = []
        if len(unknown) > len(lost):
            count = len(unknown) - len(lost)
            are = "order of others is" if count == 1 else "orders of others are"
            notes.append(f"{count} open {are} left alone")
        if lost:
            ids = ", ".join(lost[:3])
            notes.append(
                f"{len(lost)} open orders with a clx id are not in this journal ({ids}): another "
                "clx runs on this account, or a journal was lost; they are left alone"
            )
        return notes

    def missing(self, tracked: Tracked, visibility_ns: int) -> bool:
        """Take a "no such order"; return whether it was believed.

        A venue may not show an order it has just taken, so only a second denial counts, and both
        must come after the order can no longer be on its way.
        """
        order, now_ns = tracked.order, self._desk.now_ns()
        if now_ns - order.ts_submitted_ns < visibility_ns:
            return False
        first_ns = self._missing.setdefault(order.id, now_ns)
        if now_ns - first_ns < min(visibility_ns, _BETWEEN_DENIALS_NS) or first_ns == now_ns:
            return False
        del self._missing[order.id]
        if order.venue_order_id is None and not order.filled:
            reason = "it never reached the venue: no such order, asked twice"
            self._desk.on_venue_event(
                OrderRejected(
                    client_order_id=order.id, code="no_such_order", reason=reason, ts_ns=now_ns
                )
            )
        else:
            reason = "the venue took it and does not know it any more, asked twice"
            self._desk.on_venue_event(
                OrderExpired(
                    client_order_id=order.id, reason=reason, ts_event_ns=now_ns, ts_ns=now_ns
                )
            )
            self._desk.alert("warning", f"order {order.id}: {reason}; check its fills there")
        return True

    def align(self, tracked: Tracked, found: VenueOrder, visibility_ns: int) -> None:
        """Take what the venue says of an order; its end waits until its fills are booked.

        An amend may be on its way as an order may: until `visibility_ns` have passed, that the
        venue has the order as it was does not say that it stays so.
        """
        order = tracked.order
        travels = order.amending and self._desk.now_ns() - order.ts_updated_ns < visibility_ns
        self._missing.pop(order.id, None)
        rejected = found.state is OrderState.REJECTED
        if not rejected and (order.state in _UNANSWERED or order.venue_order_id is None):
            self._accept(order.id, found)
        if order.state is OrderState.REJECTED and not rejected:
            # Against a refusal the first acceptance only raises the question; this answers it.
            self._accept(order.id, found)
        otherwise = _otherwise(tracked.order, found)
        if not rejected and (otherwise or (order.amending and not travels)):
            self._amended(order.id, found)
        if found.state.terminal or found.filled > tracked.order.filled:
            known = self._unsettled.get(order.id)
            self._unsettled[order.id] = (found, known[1] if known is not None else 0)
        else:
            self._unsettled.pop(order.id, None)
            tracked.ask = travels and not otherwise

    def note_short(self, venue: VenueName) -> None:
        """Take up ended orders of which the venue counts more as filled than is booked."""
        for tracked in self._desk.books.orders.short():
            order = tracked.order
            if order.venue != venue or order.id in self._unsettled:
                continue
            stated = VenueOrder(
                client_order_id=order.id,
                venue_order_id=order.venue_order_id or VenueOrderId(order.id),
                instrument_id=order.intent.instrument_id,
                side=order.intent.side,
                type=order.intent.type,
                price=order.intent.price,
                size=order.intent.size,
                filled=tracked.stated,
                state=order.state,
                ts_event_ns=order.ts_updated_ns,
            )
            self._unsettled[order.id] = (stated, 0)

    def forget_ended(self) -> None:
        """Keep no memory of questions about orders that have ended otherwise."""
        live = {item.order.id for item in self._desk.books.orders.open()}
        self._missing = {key: ns for key, ns in self._missing.items() if key in live}

    def short_since(self, venue: VenueName) -> dict[InstrumentId, int]:
        """Return instruments with unsettled orders, and the time their fills may begin."""
        out: dict[InstrumentId, int] = {}
        for order_id in self._unsettled:
            tracked = self._desk.books.orders.get(order_id)
            if tracked is not None and tracked.order.venue == venue:
                key = tracked.order.intent.instrument_id
                start_ns = tracked.order.ts_submitted_ns - 60_000_000_000
                out[key] = min(out.get(key, start_ns), start_ns)
        return out

    def book(self, venue: VenueName, fills: Sequence[OrderFilled]) -> int:
        """Hand over fills of our orders that are not booked yet; return how many."""
        orders = self._desk.books.orders
        by_venue_id = {
            item.order.venue_order_id: item.order.id
            for item in orders.all()
            if item.order.venue == venue and item.order.venue_order_id is not None
        }
        missed = 0
        # What follows from one fill may follow otherwise once the next one is known.
        with self._desk.guard.waiting():
            for fill in fills:
                if not orders.used(fill.client_order_id):
                    ours = by_venue_id.get(fill.venue_order_id)
                    if ours is None:
                        continue
                    fill = msgspec.structs.replace(fill, client_order_id=ours)
                if not orders.has_execution(fill):
                    missed += 1
                    self._desk.on_venue_event(fill)
        return missed

    def settle(self, venue: VenueName) -> list[str]:
        """End orders the venue has ended once their fills are booked; work out what it never lists.

        A worked-out fill has an id made of the order and its filled size, so it is made once, and
        is taken back when the real one turns up.
        """
        notes: list[str] = []
        for order_id, (found, looks) in list(self._unsettled.items()):
            tracked = self._desk.books.orders.get(order_id)
            if tracked is None:
                del self._unsettled[order_id]
                continue
            if tracked.order.venue != venue:
                continue
            lacking = found.filled - tracked.order.filled
            if lacking > 0 and looks + 1 < _TRIES_BEFORE_INFERRING:
                self._unsettled[order_id] = (found, looks + 1)
                tracked.ask = True
                continue
            if lacking > 0 and not self._infer(tracked, found, lacking):
                tracked.ask = True
                continue
            if lacking > 0:
                notes.append(f"order {order_id}: {lacking} was filled without a listed fill")
            if lacking < 0:
                notes.append(
                    f"order {order_id}: {tracked.order.filled} is booked as filled, "
                    f"the venue says {found.filled}"
                )
            del self._unsettled[order_id]
            tracked.ask = False
            self._end(tracked, found)
        return notes

    def differences(
        self, venue: VenueName, reported: Sequence[Balance]
    ) -> dict[str, tuple[Decimal, Decimal]]:
        """Return by asset (what we have booked, what the venue says) where they are not equal.

        What a venue rounds away as it tells a figure is no difference: the books keep all of it.
        """
        ledger = self._desk.books.ledger
        theirs = {item.asset: item.total for item in reported}
        steps = {item.asset: item.step for item in reported}
        assets = set(theirs) | {asset for name, asset, _ in ledger.totals() if name == venue}
        return {
            asset: (ledger.total(venue, asset), theirs.get(asset, Decimal(0)))
            for asset in sorted(assets)
            if abs(ledger.total(venue, asset) - theirs.get(asset, _NONE)) > steps.get(asset, _NONE)
        }

    def adopt(
        self, venue: VenueName, differences: dict[str, tuple[Decimal, Decimal]], *, fresh: bool
    ) -> list[str]:
        """Take the venue's figures; say so, unless it is the first word on an asset.

        `fresh` is whether this is the first comparison of a new journal.
        """
        ledger = self._desk.books.ledger
        fresh = fresh or not ledger.knows(venue)
        notes: list[str] = []
        for asset, (ours, theirs) in differences.items():
            if fresh and not ledger.knows(venue, asset):
                self._desk.set_balance(venue, asset, theirs, "opening")
                continue
            had = f"{ours.normalize():f}"
            note = f"{venue} holds {theirs.normalize():f} {asset}, the ledger had {had}: adopted"
            self._desk.set_balance(venue, asset, theirs, f"reconciliation: {note}")
            self._desk.alert("warning", note)
            notes.append(note)
        return notes

    def position_differences(
        self, venue: VenueName, stated: Sequence[VenuePosition]
    ) -> dict[PositionKey, PositionDifference]:
        """Return the contracts of which we and the venue hold different sizes."""
        theirs = {(item.instrument_id, item.side): item for item in stated if item.size}
        ours = dict(self._desk.books.account.contracts(venue))
        return {
            key: PositionDifference(ours.get(key, Decimal(0)), theirs.get(key))
            for key in sorted(theirs.keys() | ours.keys())
            if ours.get(key, Decimal(0)) != (theirs[key].size if key in theirs else Decimal(0))
        }

    def adopt_positions(
        self,
        venue: VenueName,
        differences: Mapping[PositionKey, PositionDifference],
        *,
        fresh: bool,
    ) -> list[str]:
        """Take the venue's positions; say so, unless the journal is new."""
        notes: list[str] = []
        for key, found in differences.items():
            note = found.words(key)
            reason = "opening" if fresh else f"reconciliation: {note}: adopted"
            self._desk.set_position(venue, key, found.theirs, reason)
            if not fresh:
                self._desk.alert("warning", f"{venue}: {note}: adopted")
                notes.append(note)
        return notes

    def _accept(self, order_id: ClientOrderId, found: VenueOrder) -> None:
        self._desk.on_venue_event(
            OrderAccepted(
                client_order_id=order_id,
                venue_order_id=found.venue_order_id,
                ts_event_ns=found.ts_event_ns,
                ts_ns=self._desk.now_ns(),
            )
        )

    def _amended(self, order_id: ClientOrderId, found: VenueOrder) -> None:
        """Take an order as the venue has it; whether an amend of ours got there shows in it."""
        self._desk.on_venue_event(
            OrderAmended(
                client_order_id=order_id,
                venue_order_id=found.venue_order_id,
                size=found.size,
                price=found.price,
                trigger_price=found.trigger_price,
                ts_event_ns=found.ts_event_ns,
                ts_ns=self._desk.now_ns(),
            )
        )

    def _infer(self, tracked: Tracked, found: VenueOrder, lacking: Decimal) -> bool:
        """Book what the venue counts as filled but does not list; False without any price."""
        order = tracked.order
        price = order.intent.price or found.price or self._desk.mark(order.intent.instrument_id)
        if price is None:
            return False
        self._desk.on_venue_event(
            OrderFilled(
                client_order_id=order.id,
                venue=order.venue,
                instrument_id=order.intent.instrument_id,
                venue_order_id=found.venue_order_id,
                execution_id=ExecutionId(f"inferred-{order.id}-{found.filled.normalize():f}"),
                side=order.intent.side,
                price=price,
                size=lacking,
                fee=Decimal(0),
                fee_asset=order.intent.instrument_id.rpartition(".")[0].rpartition("-")[2],
                maker=False,
                ts_event_ns=found.ts_event_ns,
                ts_ns=self._desk.now_ns(),
                inferred=True,
            )
        )
        text = f"order {order.id}: {lacking} was filled without a listed fill, booked at {price}"
        self._desk.alert("warning", text)
        return True

    def _end(self, tracked: Tracked, found: VenueOrder) -> None:
        """Tell the desk that the venue has ended the order."""
        order_id, now_ns, ts_event_ns = tracked.order.id, self._desk.now_ns(), found.ts_event_ns
        if tracked.order.state.terminal:
            return
        reason = "the venue said so when asked"
        if found.state in {OrderState.CANCELED, OrderState.EXPIRED, OrderState.FILLED}:
            kind = OrderCanceled if found.state is OrderState.CANCELED else OrderExpired
            self._desk.on_venue_event(
                kind(
                    client_order_id=order_id, ts_event_ns=ts_event_ns, ts_ns=now_ns,
                    reason=reason, filled=found.filled,
                )
            )  # fmt: skip
        elif found.state is OrderState.REJECTED:
            self._desk.on_venue_event(
                OrderRejected(client_order_id=order_id, code="", reason=reason, ts_ns=now_ns)
            )


def _otherwise(order: Order, found: VenueOrder) -> bool:
    """Return whether the venue has an order at another size or limit: a change got there late.

    What it says may be older than a change it has told of since; that one is no news then.
    """
    intent = order.intent
    if order.state.terminal:
        return False
    # Of an order that fills, some venues tell the average in the place of the limit.
    limited = intent.type is OrderType.LIMIT and bool(found.price) and not found.filled
    return (bool(found.size) and found.size != intent.size) or (
        limited and found.price != intent.price
    )
