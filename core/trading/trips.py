"""How long a venue takes to answer: from a request's record to the first record of its answer.

Orders, changes and cancels that somebody had to ask about are left out, and so are refusals: they
may not have left this computer at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from core.model.facts import JournalRecord
from core.model.ids import ClientOrderId, VenueName
from core.model.orders import (
    AmendRejected,
    AmendSubmitted,
    CancelRejected,
    CancelSubmitted,
    Order,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReleased,
    OrderState,
    OrderSubmitted,
    OrderUnknown,
)

Kind: TypeAlias = Literal["order", "amend", "cancel"]
_BEGINS: Final[Mapping[type, Kind]] = MappingProxyType(
    {
        OrderSubmitted: "order",
        OrderReleased: "order",
        AmendSubmitted: "amend",
        CancelSubmitted: "cancel",
    }
)
_ENDS: Final[Mapping[type, Kind]] = MappingProxyType(
    {
        OrderAccepted: "order",
        OrderFilled: "order",
        OrderAmended: "amend",
        OrderCanceled: "cancel",
    }
)
_ALL: Final[tuple[Kind, ...]] = ("order", "amend", "cancel")
_VOIDS: Final[Mapping[type, tuple[Kind, ...]]] = MappingProxyType(
    {
        OrderCanceled: _ALL,
        OrderExpired: _ALL,
        OrderRejected: _ALL,
        OrderUnknown: _ALL,
        AmendRejected: ("amend",),
        CancelRejected: ("cancel",),
    }
)
"""Records after which no answer to a request can be one in time."""
_MOST: Final = 10_000
"""Requests followed at a time; the oldest give way."""
_LONGEST_NS: Final = 30_000_000_000
"""What took longer was not answered, but found out."""


class RoundTrips:
    """Follows requests through the records they leave."""

    def __init__(self, told: Callable[[VenueName, Kind, int], None]) -> None:
        """`told` gets the account, the kind and nanoseconds of each round trip."""
        self._told = told
        self._begun: dict[tuple[ClientOrderId, Kind], tuple[VenueName, int]] = {}

    def take(self, record: JournalRecord, order: Order | None) -> None:
        """Take a record that took effect, and the order as it is now."""
        if order is None:
            return
        kind = _BEGINS.get(type(record))
        if kind is not None:
            # A cancel of what the venue may not have yet waits, and is sent later.
            if kind != "cancel" or order.state is OrderState.PENDING_CANCEL:
                self._begin(order, kind, record.ts_ns)
            return
        kind = _ENDS.get(type(record))
        inferred = isinstance(record, OrderFilled) and record.inferred
        if kind is not None and not inferred:
            self._end(order, kind, record.ts_ns)
        for each in _VOIDS.get(type(record), ()):
            self._begun.pop((order.id, each), None)

    def _begin(self, order: Order, kind: Kind, ts_ns: int) -> None:
        self._begun[order.id, kind] = (order.venue, ts_ns)
        if len(self._begun) > _MOST:
            del self._begun[next(iter(self._begun))]

    def _end(self, order: Order, kind: Kind, ts_ns: int) -> None:
        begun = self._begun.pop((order.id, kind), None)
        if begun is not None and 0 < ts_ns - begun[1] <= _LONGEST_NS:
            self._told(begun[0], kind, ts_ns - begun[1])
