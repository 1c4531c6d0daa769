"""Parts of positions that are too small for any exit the venue takes.

A bracket's entry that ends with less than the venue's least leaves such a part. Its exits stay held
here, it is told what has none, and as soon as enough is held they go out: as large as the venue
asks for at least, of which the part is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_UP, Decimal
from typing import Final

from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.orders import Order, OrderIntent
from core.trading.form import check_least
from core.trading.hands import Hands
from core.trading.listing import listed
from core.trading.tracked import Tracked

_ZERO: Final = Decimal(0)
_HEADROOM: Final = Decimal("1.05")
"""A stop fills beyond its trigger, and is to be worth enough there, too."""


class Bare:
    """Knows the groups whose exits are too small."""

    def __init__(self, hands: Hands, instruments: Mapping[InstrumentId, Instrument]) -> None:
        self._hands = hands
        self._instruments = instruments
        self._groups: dict[str, Tracked] = {}
        """By name one of its exits."""

    def beside(self, order: Order) -> list[str]:
        """Return the groups that may have enough now that something happened to an order."""
        if not self._groups:
            return []
        where = (order.intent.instrument_id, order.venue)
        return [
            name
            for name, item in self._groups.items()
            if name != order.intent.group_id
            and (item.order.intent.instrument_id, item.order.venue) == where
        ]

    def size(self, tracked: Tracked, want: Decimal) -> Decimal:
        """Return the size an exit can go out with, 0: with none.

        That is what it is to close, or where this is too little the venue's least, if no other
        order has claimed as much of what is held.
        """
        intent = tracked.order.intent
        instrument = listed(self._instruments, intent.instrument_id)
        if not self.lacks(tracked, want):
            self._told(tracked, "")
            return want
        least = least_size(intent, instrument)
        if self._hands.holding(tracked)[1] < least:
            return _ZERO
        self._told(tracked, f"they close {least.normalize():f}, the least the venue takes")
        return least

    def lacks(self, tracked: Tracked, size: Decimal) -> bool:
        """Return whether an exit of a size is too small for its venue."""
        intent = tracked.order.intent
        instrument = listed(self._instruments, intent.instrument_id)
        return check_least(intent, instrument, size, worth_of(intent)) is not None

    def over(self, tracked: Tracked) -> bool:
        """Return whether not even a lot is left of what an exit is to close."""
        instrument = listed(self._instruments, tracked.order.intent.instrument_id)
        return self._hands.holding(tracked)[0] < instrument.size_lot

    def note(self, tracked: Tracked, want: Decimal) -> None:
        """Take it that an exit is too small; it is told once a group."""
        order = tracked.order
        name = order.intent.group_id
        if order.state.terminal or name in self._groups:
            return
        self._groups[name] = tracked
        intent = order.intent
        instrument = listed(self._instruments, intent.instrument_id)
        denial = check_least(intent, instrument, want, worth_of(intent))
        lacks = least_size(intent, instrument) - self._hands.holding(tracked)[1]
        why = denial.reason if denial is not None else "it is too little"
        self._hands.bare(
            tracked,
            want,
            f"an exit {why}; buy at least {lacks.normalize():f} more and they go out by themselves,"
            " or see to it by hand",
        )

    def forget(self, name: str) -> None:
        """Take it that a group is done with."""
        tracked = self._groups.pop(name, None)
        if tracked is not None:
            self._hands.bare(tracked, _ZERO, "")

    def _told(self, tracked: Tracked, how: str) -> None:
        """Say that a group has exits again."""
        if self._groups.pop(tracked.order.intent.group_id, None) is not None:
            self._hands.bare(tracked, _ZERO, how or "they are large enough now")


def least_size(intent: OrderIntent, instrument: Instrument) -> Decimal:
    """Return the smallest size of an exit that its venue takes."""
    worth = worth_of(intent)
    least = max(instrument.min_size, instrument.size_lot)
    if worth:
        wanted = instrument.min_notional * (_HEADROOM if intent.price is None else 1) / worth
        lots = (wanted / instrument.size_lot).to_integral_value(ROUND_UP)
        least = max(least, instrument.size(int(lots)))
    return least


def worth_of(intent: OrderIntent) -> Decimal | None:
    """Return the price an exit is expected to trade at, None if it does not say."""
    return intent.trigger_price if intent.price is None else intent.price
