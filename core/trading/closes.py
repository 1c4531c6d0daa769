"""Which orders can only close a position, whatever becomes of it before they fill.

Of contracts the venue itself keeps a reduce-only order from doing more than close, and where long
and short are held apart the side says it. Such an order may therefore stand beside others for the
same position: what comes late finds nothing left to close.
"""

from __future__ import annotations

from typing import Final

from core.model.instruments import Instrument
from core.model.market import Side
from core.model.orders import Order, OrderIntent, PositionSide, TimeInForce

_NET: Final = PositionSide.NET
_LONG: Final = PositionSide.LONG
_SELL: Final = Side.SELL
_AT_ONCE: Final = frozenset({TimeInForce.IOC, TimeInForce.FOK})


def only_closes(intent: OrderIntent, instrument: Instrument) -> bool:
    """Return whether an order can do nothing but close, of contracts."""
    if not instrument.derivative:
        return False
    side = intent.position_side
    if side is _NET:
        return intent.reduce_only
    return (intent.side is _SELL) is (side is _LONG)


def gives_way(order: Order, instrument: Instrument) -> bool:
    """Return whether an order only waits to close what is left by then, as stops and targets do.

    One that trades at once closes what no other one may close any more.
    """
    intent = order.intent
    if not only_closes(intent, instrument):
        return False
    if intent.type.conditional and not order.triggered_ns:
        return True
    return intent.type.limited and intent.time_in_force not in _AT_ONCE
