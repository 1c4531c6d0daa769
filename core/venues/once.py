"""Say everything once: answers to requests and the private stream tell the same story twice."""

from __future__ import annotations

from collections import OrderedDict
from enum import IntEnum
from typing import Final

import msgspec

from core.model.ids import ClientOrderId, ExecutionId, InstrumentId, origin_of
from core.model.orders import (
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderTriggered,
    OrderUnknown,
)
from core.model.ports import VenueSink

_REMEMBERED: Final = 50_000
"""Orders and fills remembered; far more than can be told twice within a time-out."""


class _Told(IntEnum):
    OWED = 0
    """Submitted; nothing said of it yet."""
    UNKNOWN = 1
    LIVE = 2
    ENDED = 3


class OnceSink:
    """Pass an order's events on, the first telling of each only.

    ::

        OWED ──► UNKNOWN ──► LIVE ──► ENDED     each step at most once, steps may be skipped

    What changes a living order (a trigger touched, an amend) is told once as it is worded.
    """

    def __init__(self, sink: VenueSink) -> None:
        self._sink = sink
        self._orders: OrderedDict[ClientOrderId, _Told] = OrderedDict()
        self._fills: OrderedDict[tuple[InstrumentId, ExecutionId], None] = OrderedDict()
        self._changes: OrderedDict[OrderTriggered | OrderAmended, None] = OrderedDict()

    def ours(self, order_id: str) -> bool:
        """Return whether clx made this client order id, now or in an earlier session."""
        return order_id in self._orders or origin_of(order_id) is not None

    def expect(self, order_id: ClientOrderId) -> None:
        """Note a submission: one outcome is owed."""
        self._tell(order_id, _Told.OWED)

    def adopt(self, order_id: ClientOrderId) -> None:
        """Note an order the engine knows to live, from before or by asking."""
        if self._orders.get(order_id, _Told.UNKNOWN) is _Told.UNKNOWN:
            self._tell(order_id, _Told.LIVE)

    def accepted(self, event: OrderAccepted) -> None:
        """Pass on that the venue has it, unless it said so or filled it before."""
        if self._orders.get(event.client_order_id, _Told.OWED) < _Told.LIVE:
            self._tell(event.client_order_id, _Told.LIVE)
            self._sink(event)

    def rejected(self, event: OrderRejected) -> None:
        """Pass on a refusal, unless the venue has shown that it has the order."""
        if self._orders.get(event.client_order_id, _Told.OWED) < _Told.LIVE:
            self._tell(event.client_order_id, _Told.ENDED)
            self._sink(event)

    def unknown(self, event: OrderUnknown) -> None:
        """Pass on that no answer came, only while the outcome is still owed."""
        if self._orders.get(event.client_order_id) is _Told.OWED:
            self._tell(event.client_order_id, _Told.UNKNOWN)
            self._sink(event)

    def filled(self, event: OrderFilled) -> None:
        """Pass on an execution the first time its id is seen."""
        key = (event.instrument_id, event.execution_id)
        if key in self._fills:
            return
        self._fills[key] = None
        if len(self._fills) > _REMEMBERED:
            self._fills.popitem(last=False)
        if self._orders.get(event.client_order_id, _Told.OWED) < _Told.LIVE:
            self._tell(event.client_order_id, _Told.LIVE)
        self._sink(event)

    def ended(self, event: OrderCanceled | OrderExpired) -> None:
        """Pass on an order's end, once."""
        if self._orders.get(event.client_order_id) is not _Told.ENDED:
            self._tell(event.client_order_id, _Told.ENDED)
            self._sink(event)

    def triggered(self, event: OrderTriggered) -> None:
        """Pass on that a trigger was touched; acceptance is told before it, by whoever calls."""
        self._change(event, msgspec.structs.replace(event, ts_event_ns=0, ts_ns=0))

    def amended(self, event: OrderAmended) -> None:
        """Pass on that an order stands changed, once for each time of the venue's."""
        self._change(event, msgspec.structs.replace(event, ts_ns=0))

    def _change(
        self, event: OrderTriggered | OrderAmended, key: OrderTriggered | OrderAmended
    ) -> None:
        ended = self._orders.get(event.client_order_id) is _Told.ENDED
        if ended or key in self._changes:
            return
        self._changes[key] = None
        if len(self._changes) > _REMEMBERED:
            self._changes.popitem(last=False)
        self._sink(event)

    def _tell(self, order_id: ClientOrderId, told: _Told) -> None:
        self._orders[order_id] = told
        if len(self._orders) > _REMEMBERED:
            self._orders.popitem(last=False)
