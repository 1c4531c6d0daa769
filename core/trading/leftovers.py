"""Exits that outlive what they were to close, because another order closed it.

A stop for a position of contracts that is gone would close the next one, which it was not made for;
and where long and short are held apart, venues refuse an exit larger than its position just when
it is needed. Looked for by how things stand, so a restart comes to the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from core.model.ids import ClientOrderId, InstrumentId
from core.model.instruments import Instrument
from core.model.orders import Order, OrderState, PositionSide, Role
from core.trading.closes import gives_way
from core.trading.hands import Hands
from core.trading.orders import OrderCache
from core.trading.tracked import Tracked

_EVERY_NS: Final = 1_000_000_000
"""Also how long nothing must be left: fills and ends of one moment come one by one."""
_WORKING: Final = frozenset({OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED})


class Leftover(NamedTuple):
    """An exit that is larger than what there is to close."""

    tracked: Tracked
    held: Decimal
    """What there is, 0: nothing."""


class Leftovers:
    """Finds them, once a second."""

    def __init__(
        self, orders: OrderCache, instruments: Mapping[InstrumentId, Instrument], hands: Hands
    ) -> None:
        self._orders = orders
        self._instruments = instruments
        self._hands = hands
        self._looked_ns = 0
        self._seen: dict[ClientOrderId, Decimal] = {}
        """Too large the last time, and what there was to close."""

    def look(self, now_ns: int) -> Iterator[Leftover]:
        """Yield the exits that were as much too large a look ago."""
        if 0 <= now_ns - self._looked_ns < _EVERY_NS:
            return
        self._looked_ns = now_ns
        before, self._seen = self._seen, {}
        for tracked in list(self._orders.open()):
            held = self._too_large(tracked)
            if held is None:
                continue
            self._seen[tracked.order.id] = held
            if before.get(tracked.order.id) == held:
                yield Leftover(tracked, held)

    def most(self, tracked: Tracked) -> Decimal | None:
        """Return the whole size of an exit beyond which its venue may refuse it, None: any."""
        order = tracked.order
        apart = order.intent.position_side is not PositionSide.NET
        if not apart or order.state.terminal or order.intent.role is Role.ENTRY:
            return None
        held = self._hands.closes(tracked)
        return order.filled + held if held else None

    def _too_large(self, tracked: Tracked) -> Decimal | None:
        """Return what there is to close for an exit that is too large for it, else None."""
        order = tracked.order
        if not self._waits(tracked) or tracked.ask or order.amending:
            return None
        held = self._hands.closes(tracked)
        if held is None:
            return None
        instrument = self._instruments[order.intent.instrument_id]
        if held < instrument.size_lot:
            return Decimal(0)
        # Elsewhere the venue, or the engine that holds it, lets it close what is left by then.
        refused = order.intent.position_side is not PositionSide.NET and order.state in _WORKING
        return held if refused and order.remaining > held else None

    def _waits(self, tracked: Tracked) -> bool:
        """Return whether it is an exit that waits for its price, and no part of an executor."""
        order: Order = tracked.order
        held = order.state is OrderState.HELD and tracked.waits == "trigger"
        if order.intent.role is Role.SLICE or not (held or order.state in _WORKING):
            return False
        instrument = self._instruments.get(order.intent.instrument_id)
        return instrument is not None and gives_way(order, instrument)
