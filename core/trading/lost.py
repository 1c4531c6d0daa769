"""Stops that their venue ended by itself, behind what is still held.

A dead-man switch that fired does so, and some venues clear orders when they restart. What an exit
protected is still there, so its siblings stay, and the engine holds another stop. That is decided
from how orders and positions stand, so an engine that dies before it is written down comes to the
same at its next start.
"""

from __future__ import annotations

from core.model.instruments import Instrument
from core.model.orders import Order, OrderState, Role
from core.trading.hands import Hands
from core.trading.tracked import UNASKED, Tracked


def ended_by_venue(order: Order) -> bool:
    """Return whether the venue ended an exit that nobody here wanted to end."""
    return order.state is OrderState.EXPIRED or (
        order.state is OrderState.CANCELED and order.note.endswith(UNASKED)
    )


def was_lost(order: Order) -> bool:
    """Return whether the venue ended a stop so before its time, and before anything came of it."""
    waited = order.intent.role is Role.STOP and not order.filled and not order.triggered_ns
    over = 0 < order.intent.expire_ns <= order.ts_updated_ns
    return waited and not over and ended_by_venue(order)


def is_missed(tracked: Tracked, hands: Hands, instrument: Instrument) -> bool:
    """Return whether what a lost stop protected has been held ever since it ended.

    A position that was opened later is none of it.
    """
    if hands.holding(tracked)[0] < instrument.size_lot:
        return False
    return hands.held_since_ns(tracked) <= tracked.order.ts_updated_ns
