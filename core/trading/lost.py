"""Stops that their venue ended by itself, behind what is still held.

A dead-man switch that fired does so, and some venues clear orders when they restart. What an exit
protected is still there, so its siblings stay, and the engine holds another stop.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from core.model.ids import ClientOrderId, InstrumentId
from core.model.instruments import Instrument
from core.model.orders import Order, OrderState, Role
from core.trading.hands import Hands
from core.trading.listing import listed
from core.trading.tracked import UNASKED, Tracked


def ended_by_venue(order: Order) -> bool:
    """Return whether the venue ended an exit that nobody here wanted to end."""
    return order.state is OrderState.EXPIRED or (
        order.state is OrderState.CANCELED and order.note.endswith(UNASKED)
    )


class LostStops:
    """Remembers the stops of this session that were told to have ended so."""

    def __init__(self, hands: Hands, instruments: Mapping[InstrumentId, Instrument]) -> None:
        self._hands = hands
        self._instruments = instruments
        self._told: set[ClientOrderId] = set()

    def note(self, order: Order) -> None:
        """Take it that something happened to an order."""
        waited = order.intent.role is Role.STOP and not order.filled and not order.triggered_ns
        if waited and ended_by_venue(order):
            self._told.add(order.id)

    def missed(self, tracked: Tracked, want: Decimal) -> bool:
        """Return whether a stop is one of them that should still protect `want`."""
        order = tracked.order
        if order.id not in self._told:
            return False
        lot = listed(self._instruments, order.intent.instrument_id).size_lot
        return want >= lot and self._hands.holding(tracked)[0] >= lot

    def forget(self, names: Iterable[ClientOrderId]) -> None:
        """Take it that nothing more is to be decided about some orders."""
        self._told.difference_update(names)
