"""What changes of an order while its state stays: amends, triggers, and being held.

Amends may be told late, twice or in the wrong order: the newest by the venue's own time stands.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, TypeAlias

import msgspec

from core.model.orders import (
    AmendRejected,
    AmendSubmitted,
    Order,
    OrderAmended,
    OrderEvent,
    OrderReleased,
    OrderState,
    OrderTriggered,
    TriggerMoved,
)

Change: TypeAlias = TriggerMoved | OrderTriggered | AmendSubmitted | OrderAmended | AmendRejected
CHANGES: Final = (TriggerMoved, OrderTriggered, AmendSubmitted, OrderAmended, AmendRejected)

_AMENDABLE: Final = frozenset({OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED})


def is_news(order: Order, event: Change, amended_ns: int) -> bool:
    """Return whether a change would change anything.

    `amended_ns` is the venue's time of the newest amend the order has seen.
    """
    intent = order.intent
    match event:
        case TriggerMoved():
            moved = event.trigger_price != intent.trigger_price
            return order.state is OrderState.HELD and moved
        case OrderTriggered():
            renamed = event.venue_order_id not in {None, order.venue_order_id}
            return renamed or not order.triggered_ns
        case AmendSubmitted():
            return order.state in _AMENDABLE and not order.amending
        case OrderAmended():
            stands = (intent.size, intent.price, intent.trigger_price)
            told = (event.size, event.price, event.trigger_price or intent.trigger_price)
            renamed = event.venue_order_id not in {None, order.venue_order_id}
            newer = event.ts_event_ns >= amended_ns
            return newer and (stands != told or renamed or order.amending)
        case AmendRejected():
            return order.amending


def changed(order: Order, event: Change) -> Order:
    """Return the order after a change that is news."""
    replace = msgspec.structs.replace
    match event:
        case TriggerMoved():
            intent = replace(order.intent, trigger_price=event.trigger_price)
            order = replace(order, intent=intent)
        case OrderTriggered():
            order = replace(
                order,
                triggered_ns=order.triggered_ns or event.ts_event_ns,
                venue_order_id=event.venue_order_id or order.venue_order_id,
                held_by="",
            )
        case AmendSubmitted():
            order = replace(order, amending=True)
        case OrderAmended():
            intent = replace(
                order.intent,
                size=event.size,
                price=event.price,
                trigger_price=event.trigger_price or order.intent.trigger_price,
            )
            order = replace(
                order,
                intent=intent,
                venue_order_id=event.venue_order_id or order.venue_order_id,
                amending=False,
                state=_state_at(order, event.size),
            )
        case AmendRejected():
            note = f"amend refused: {event.reason} (code {event.code})"
            order = replace(order, amending=False, note=note)
    return replace(order, ts_updated_ns=max(order.ts_updated_ns, event.ts_ns))


def released(order: Order, event: OrderReleased) -> Order:
    """Return a held order as it goes out."""
    intent = order.intent
    if event.size is not None:
        intent = msgspec.structs.replace(intent, size=event.size)
    return msgspec.structs.replace(
        order,
        intent=intent,
        held_by="",
        note="",
        triggered_ns=event.ts_ns if event.triggered else order.triggered_ns,
    )


def is_change(event: OrderEvent) -> bool:
    """Return whether an event leaves the state to the order's figures."""
    return isinstance(event, CHANGES)


def _state_at(order: Order, size: Decimal) -> OrderState:
    """Return the state of an order whose whole size is now another one."""
    if not order.filled or order.state is OrderState.HELD:
        return order.state
    if order.filled >= size:
        return OrderState.FILLED if not order.state.terminal else order.state
    return OrderState.PARTIALLY_FILLED if order.state is OrderState.FILLED else order.state
