"""The life of an order as one table: (state, event) to the next state and how to take it.

::

                     ┌──────────── cancel asked ───────────┐
                     │                                     ▼
    (new) ─submit─► SUBMITTED ─accept─► ACCEPTED ─────► PENDING_CANCEL ─cancel─► CANCELED
      │               │  │                │ ▲ ▲              │      │
      │               │  └─reject─► REJECTED│ └──refused─────┘      ├─fill to the end─► FILLED
      deny            │               │   fill                      └─expire─► EXPIRED
      │               └─no answer─┐   │   ▼                            ▲
      ▼                           │   │  PARTIALLY_FILLED ─────────────┘
    DENIED                        ▼   ▼   │
                                UNKNOWN ◄─┘ contradiction (a refused order that fills...):
                                   │        ask the venue, believe only its answer
                                   └─► any of the above

    (new) ─hold─► HELD ─release─► SUBMITTED      HELD ─► CANCELED, EXPIRED, DENIED: never sent

An amend and a venue's word that a trigger was touched change the order, not its state; but where an
amended size meets what is filled, the order is filled, and where it grows beyond, it works again.

Three rules make any order of arrival end the same way: a fill to the end always ends FILLED; a
cancel or expiry outlives everything but that; accept against reject is a contradiction and asks.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from core.model.orders import (
    AmendRejected,
    AmendSubmitted,
    CancelRejected,
    CancelSubmitted,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderDenied,
    OrderEvent,
    OrderExpired,
    OrderHeld,
    OrderRejected,
    OrderReleased,
    OrderState,
    OrderSubmitted,
    OrderTriggered,
    OrderUnknown,
    TriggerMoved,
)


class Happening(StrEnum):
    """A kind of event, as far as the table tells them apart."""

    SUBMIT = "submit"
    HOLD = "hold"
    RELEASE = "release"
    DENY = "deny"
    ACCEPT = "accept"
    REJECT = "reject"
    UNKNOWN = "unknown"
    FILL = "fill"
    """Some of the size is still open after it."""
    FILL_UP = "fill_up"
    """Nothing is open after it."""
    CANCEL_ASK = "cancel_ask"
    CANCEL_REJECT = "cancel_reject"
    CANCEL = "cancel"
    EXPIRE = "expire"
    CHANGE = "change"
    """Something of the order changes that is no state: an amend, a trigger."""


class Verdict(StrEnum):
    """How an event is to be taken."""

    OK = "ok"
    STALE = "stale"
    """Known already or overtaken: an echo, a late answer. Silent."""
    LATE = "late"
    """A fill after the end: money moved, book it. Worth a word."""
    ODD = "odd"
    """It contradicts what was said before. Reported, never a crash."""


class Step(NamedTuple):
    """Where an event leads, and how it is to be taken."""

    state: OrderState
    verdict: Verdict


Row: TypeAlias = dict[Happening, Step]

_S: Final = OrderState
_H: Final = Happening
_V: Final = Verdict


def _row(state: OrderState, **steps: OrderState | tuple[OrderState, Verdict]) -> Row:
    """Build a row: named steps, and for the rest "stay" with a verdict of its kind."""
    row: Row = {}
    for happening in Happening:
        step = steps.get(happening.value)
        if step is None:
            odd = happening in {_H.SUBMIT, _H.HOLD, _H.RELEASE, _H.DENY}
            row[happening] = Step(state, _V.ODD if odd else _V.STALE)
        elif isinstance(step, tuple):
            row[happening] = Step(*step)
        else:
            row[happening] = Step(step, _V.OK)
    return row


def _working(state: OrderState) -> dict[str, OrderState | tuple[OrderState, Verdict]]:
    """Return the steps common to orders the venue is known to have."""
    return {
        "reject": (_S.UNKNOWN, _V.ODD),
        "fill": _S.PENDING_CANCEL if state is _S.PENDING_CANCEL else _S.PARTIALLY_FILLED,
        "fill_up": _S.FILLED,
        "cancel_ask": _S.PENDING_CANCEL,
        "cancel": _S.CANCELED,
        "expire": _S.EXPIRED,
    }


TABLE: Final[dict[OrderState, Row]] = {
    _S.HELD: _row(
        _S.HELD,
        hold=_S.HELD,
        release=_S.SUBMITTED,
        deny=_S.DENIED,
        accept=(_S.UNKNOWN, _V.ODD),
        reject=(_S.UNKNOWN, _V.ODD),
        fill=(_S.UNKNOWN, _V.ODD),
        fill_up=(_S.FILLED, _V.ODD),
        cancel=_S.CANCELED,
        expire=_S.EXPIRED,
    ),
    _S.SUBMITTED: _row(
        _S.SUBMITTED,
        accept=_S.ACCEPTED,
        reject=_S.REJECTED,
        unknown=_S.UNKNOWN,
        fill=_S.PARTIALLY_FILLED,
        fill_up=_S.FILLED,
        cancel_ask=_S.SUBMITTED,
        cancel=_S.CANCELED,
        expire=_S.EXPIRED,
    ),
    _S.ACCEPTED: _row(_S.ACCEPTED, **_working(_S.ACCEPTED)),
    _S.PARTIALLY_FILLED: _row(_S.PARTIALLY_FILLED, **_working(_S.PARTIALLY_FILLED)),
    _S.PENDING_CANCEL: _row(
        _S.PENDING_CANCEL, **(_working(_S.PENDING_CANCEL) | {"cancel_reject": _S.ACCEPTED})
    ),
    _S.UNKNOWN: _row(
        _S.UNKNOWN,
        accept=_S.ACCEPTED,
        reject=_S.REJECTED,
        fill=_S.PARTIALLY_FILLED,
        fill_up=_S.FILLED,
        cancel_ask=_S.UNKNOWN,
        cancel=_S.CANCELED,
        expire=_S.EXPIRED,
    ),
    _S.FILLED: _row(
        _S.FILLED,
        reject=(_S.FILLED, _V.ODD),
        fill=(_S.FILLED, _V.ODD),
        fill_up=(_S.FILLED, _V.ODD),
    ),
    _S.CANCELED: _row(
        _S.CANCELED,
        reject=(_S.CANCELED, _V.ODD),
        fill=(_S.CANCELED, _V.LATE),
        fill_up=(_S.FILLED, _V.LATE),
    ),
    _S.EXPIRED: _row(
        _S.EXPIRED,
        reject=(_S.EXPIRED, _V.ODD),
        fill=(_S.EXPIRED, _V.LATE),
        fill_up=(_S.FILLED, _V.LATE),
    ),
    _S.REJECTED: _row(
        _S.REJECTED,
        accept=(_S.UNKNOWN, _V.ODD),
        fill=(_S.UNKNOWN, _V.ODD),
        fill_up=(_S.FILLED, _V.ODD),
        cancel=(_S.CANCELED, _V.ODD),
        expire=(_S.EXPIRED, _V.ODD),
    ),
    _S.DENIED: _row(
        _S.DENIED,
        accept=(_S.UNKNOWN, _V.ODD),
        reject=(_S.DENIED, _V.ODD),
        unknown=(_S.DENIED, _V.ODD),
        fill=(_S.UNKNOWN, _V.ODD),
        fill_up=(_S.FILLED, _V.ODD),
        cancel=(_S.DENIED, _V.ODD),
        expire=(_S.DENIED, _V.ODD),
    ),
}
"""Every state times every happening; nothing is left out."""


def step(state: OrderState, happening: Happening, *, has_fills: bool) -> Step:
    """Return where `happening` leads from `state`.

    `has_fills` is whether anything is filled after it; it tells ACCEPTED from PARTIALLY_FILLED,
    and that a refused order with fills is no refused order.
    """
    return (_WITH_FILLS if has_fills else TABLE)[state][happening]


def _with_fills(state: OrderState, found: Step) -> Step:
    if found.state is _S.ACCEPTED:
        return Step(_S.PARTIALLY_FILLED, found.verdict)
    if found.state is _S.REJECTED and state is not _S.REJECTED:
        return Step(_S.UNKNOWN, _V.ODD)
    return found


_WITH_FILLS: Final[dict[OrderState, Row]] = {
    state: {happening: _with_fills(state, found) for happening, found in row.items()}
    for state, row in TABLE.items()
}
"""The table for orders of which something is filled."""


_FILL: Final = _H.FILL
_FILL_UP: Final = _H.FILL_UP
_HAPPENINGS: Final[dict[type[OrderEvent], Happening]] = {
    OrderSubmitted: _H.SUBMIT,
    OrderHeld: _H.HOLD,
    OrderReleased: _H.RELEASE,
    OrderDenied: _H.DENY,
    OrderAccepted: _H.ACCEPT,
    OrderRejected: _H.REJECT,
    OrderUnknown: _H.UNKNOWN,
    CancelSubmitted: _H.CANCEL_ASK,
    CancelRejected: _H.CANCEL_REJECT,
    OrderCanceled: _H.CANCEL,
    OrderExpired: _H.EXPIRE,
    TriggerMoved: _H.CHANGE,
    OrderTriggered: _H.CHANGE,
    AmendSubmitted: _H.CHANGE,
    OrderAmended: _H.CHANGE,
    AmendRejected: _H.CHANGE,
}
"""Every kind of order event but fills, which need their order to be told apart."""


def happening_of(event: OrderEvent, *, fills_up: bool) -> Happening:
    """Name the kind of `event`; `fills_up` is whether a fill leaves nothing open."""
    known = _HAPPENINGS.get(type(event))
    if known is not None:
        return known
    return _FILL_UP if fills_up else _FILL
