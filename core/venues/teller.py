"""Tells the engine what became of orders, each thing once and stamped with our time."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from core.model.accounts import Balance
from core.model.facts import BalancesReported, CashMoved
from core.model.ids import ClientOrderId, VenueName, VenueOrderId
from core.model.orders import (
    AmendRejected,
    CancelRejected,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderTriggered,
    OrderUnknown,
)
from core.model.ports import Clock, VenueSink
from core.venues.once import OnceSink


class Teller:
    """The words an adapter has for the engine; what was told before is not told again."""

    def __init__(self, venue: VenueName, *, clock: Clock, sink: VenueSink) -> None:
        self.venue = venue
        self.once = OnceSink(sink)
        self._clock = clock
        self._sink = sink

    def now_ns(self) -> int:
        """Return our time."""
        return self._clock.now_ns()

    def accepted(self, order_id: ClientOrderId, venue_order_id: str, ts_event_ns: int) -> None:
        """Tell that the venue has an order."""
        self.once.accepted(
            OrderAccepted(
                client_order_id=order_id,
                venue_order_id=VenueOrderId(venue_order_id),
                ts_event_ns=ts_event_ns,
                ts_ns=self.now_ns(),
            )
        )

    def refused(self, order_id: ClientOrderId, code: str, reason: str) -> None:
        """Tell that an order is definitely not at the venue."""
        self.once.rejected(
            OrderRejected(client_order_id=order_id, code=code, reason=reason, ts_ns=self.now_ns())
        )

    def unknown(self, order_id: ClientOrderId, reason: str) -> None:
        """Tell that an order may or may not be at the venue."""
        self.once.unknown(
            OrderUnknown(client_order_id=order_id, reason=reason, ts_ns=self.now_ns())
        )

    def filled(self, fill: OrderFilled) -> None:
        """Tell an execution."""
        self.once.filled(fill)

    def canceled(
        self,
        order_id: ClientOrderId,
        ts_event_ns: int,
        reason: str = "",
        *,
        filled: Decimal | None = None,
        venue_order_id: str | None = None,
    ) -> None:
        """Tell that an order is out of the book, and what the venue counts as filled of it."""
        self.once.ended(
            OrderCanceled(
                client_order_id=order_id,
                ts_event_ns=ts_event_ns,
                ts_ns=self.now_ns(),
                reason=reason,
                filled=filled,
                venue_order_id=None if venue_order_id is None else VenueOrderId(venue_order_id),
            )
        )

    def expired(
        self,
        order_id: ClientOrderId,
        reason: str,
        ts_event_ns: int,
        *,
        filled: Decimal | None = None,
        venue_order_id: str | None = None,
    ) -> None:
        """Tell that the venue ended an order, and what it counts as filled of it."""
        self.once.ended(
            OrderExpired(
                client_order_id=order_id,
                reason=reason,
                ts_event_ns=ts_event_ns,
                ts_ns=self.now_ns(),
                filled=filled,
                venue_order_id=None if venue_order_id is None else VenueOrderId(venue_order_id),
            )
        )

    def triggered(
        self, order_id: ClientOrderId, ts_event_ns: int, venue_order_id: str | None = None
    ) -> None:
        """Tell that a trigger was touched, and the id of what the order became."""
        self.once.triggered(
            OrderTriggered(
                client_order_id=order_id,
                venue_order_id=None if venue_order_id is None else VenueOrderId(venue_order_id),
                ts_event_ns=ts_event_ns,
                ts_ns=self.now_ns(),
            )
        )

    def amended(
        self,
        order_id: ClientOrderId,
        *,
        size: Decimal,
        price: Decimal | None,
        trigger_price: Decimal | None = None,
        ts_event_ns: int,
        venue_order_id: str | None = None,
    ) -> None:
        """Tell how an order stands after a change."""
        self.once.amended(
            OrderAmended(
                client_order_id=order_id,
                venue_order_id=None if venue_order_id is None else VenueOrderId(venue_order_id),
                size=size,
                price=price,
                trigger_price=trigger_price,
                ts_event_ns=ts_event_ns,
                ts_ns=self.now_ns(),
            )
        )

    def amend_refused(self, order_id: ClientOrderId, code: str, reason: str) -> None:
        """Tell that a change was not carried out."""
        self._sink(
            AmendRejected(client_order_id=order_id, code=code, reason=reason, ts_ns=self.now_ns())
        )

    def cancel_refused(self, order_id: ClientOrderId, code: str, reason: str) -> None:
        """Tell that a cancel was not carried out."""
        self._sink(
            CancelRejected(client_order_id=order_id, code=code, reason=reason, ts_ns=self.now_ns())
        )

    def cash(self, moved: CashMoved) -> None:
        """Tell that money moved without a fill."""
        self._sink(moved)

    def balances(self, rows: Iterable[Balance], ts_event_ns: int) -> None:
        """Tell what the account holds."""
        self._sink(
            BalancesReported(
                venue=self.venue,
                balances=tuple(rows),
                ts_event_ns=ts_event_ns,
                ts_ns=self.now_ns(),
            )
        )
