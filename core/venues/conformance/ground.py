"""What is put to the test: an adapter, and the emulated venue it talks to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from decimal import Decimal

import msgspec

from core.model.errors import TemporaryError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.ports import Clock, Venue
from core.model.settings import VenueSettings
from core.model.views import ReferenceView
from core.venues.conformance.control import Control


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """A fresh market with one account, and how to make an adapter for it.

    ::

        adapter ──REST, streams──► emulator ◄──faults, crowd, oracle── Control
    """

    name: VenueName
    """The ``[venues.<name>]`` table the adapter was made for."""
    table: VenueSettings
    control: Control
    instrument: Instrument
    """What is traded; at least a dozen levels must rest on both sides of its book."""
    instruments: tuple[Instrument, ...]
    size: Decimal
    """The size of an ordinary order: some lots, more than the least notional."""
    unfit: Mapping[str, Decimal] = {}
    """What makes an order one the venue refuses, where a price of one tick does not."""
    tells_triggers: bool = True
    """Whether the venue says that a trigger was touched."""
    make: Callable[[Clock], Venue]
    """Make an adapter of the account; a second one stands for a restart."""
    hedge: Callable[[Venue], Awaitable[None]] | None = None
    """Let the account hold long and short apart, None where it cannot."""


Subject = Callable[[], AbstractAsyncContextManager[Ground]]
"""Opens a fresh ground; each case gets one of its own."""


class SkippingClock:
    """A clock that can be put forward, so that patience costs no time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead_ns = 0

    def skip(self, seconds: float) -> None:
        """Put it forward."""
        self._ahead_ns += int(seconds * 1_000_000_000)

    def now_ns(self) -> int:
        """Return UTC nanoseconds, with what was skipped."""
        return self._clock.now_ns() + self._ahead_ns

    def monotonic_ns(self) -> int:
        """Return nanoseconds that never step back."""
        return self._clock.monotonic_ns() + self._ahead_ns


class OracleMarks:
    """The market of the ground as last looked at; it is always trusted."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._top: tuple[int, int] | None = None
        self._last: int | None = None

    async def look(self) -> None:
        """Ask the oracle how the market stands.

        Raises:
            TemporaryError: A side of the book is empty.
        """
        book = await self._ground.control.book()
        if not book.bids or not book.asks:
            raise TemporaryError(f"the book of {self._ground.instrument.id} has an empty side")
        ticks = self._ground.instrument.ticks
        self._top = ticks(book.bids[0][0]), ticks(book.asks[0][0])
        last = await self._ground.control.last()
        self._last = None if last is None else ticks(last)

    def top(self, instrument_id: InstrumentId) -> tuple[int, int] | None:
        """Return best bid and ask in ticks."""
        return self._top if instrument_id == self._ground.instrument.id else None

    def trusted(self, instrument_id: InstrumentId) -> bool:
        """Return whether there is a market."""
        return self.top(instrument_id) is not None

    def last(self, instrument_id: InstrumentId) -> int | None:
        """Return the ticks of the newest trade."""
        return self._last if instrument_id == self._ground.instrument.id else None

    def reference(self, instrument_id: InstrumentId) -> ReferenceView | None:
        """Return nothing: the cases hold their triggers against trades."""
        return None


def by_id(instruments: tuple[Instrument, ...]) -> Mapping[InstrumentId, Instrument]:
    """Return instruments by their ids, without the bounds of prices that the gate would keep.

    What the venue refuses is for its adapter to tell, so it must get there.
    """
    return {each.id: msgspec.structs.replace(each, price_band=None) for each in instruments}
