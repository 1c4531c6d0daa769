"""What the kernel asks of venues and decoders beyond the rest.

Venues learn instruments and live with a market; decoders take books straight.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol, runtime_checkable

from core.engine.steady import Desk
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.market import MarketEvent, MarkPrice, Quote, Trade
from core.model.ports import Venue


@runtime_checkable
class LearnsInstruments(Protocol):
    """A venue that must know symbols and steps before it takes an order."""

    name: VenueName

    def add_instruments(self, instruments: Collection[Instrument]) -> None:
        """Learn symbols, steps and limits."""
        ...


def market_of(pupil: LearnsInstruments) -> VenueName:
    """Return the feed whose instruments a venue trades: another one's, for a second account."""
    market: VenueName = getattr(pupil, "market", pupil.name)
    return market


class FollowsTrades(Protocol):
    """Something that wants every trade as it comes."""

    def on_trade(self, trade: Trade) -> None:
        """Take a public trade, before the engine's own state has it."""
        ...


@runtime_checkable
class FollowsMarket(FollowsTrades, Protocol):
    """A venue that lives with the engine (paper, simulation) and fills against its market."""

    def on_quote(self, quote: Quote) -> None:
        """Take a quote, before the engine's own state has it."""
        ...


@runtime_checkable
class FollowsMarks(Protocol):
    """One of them that holds contracts."""

    def on_mark(self, event: MarkPrice) -> None:
        """Take reference prices, before the engine's own state has them."""
        ...


@runtime_checkable
class TakesDesks(Protocol):
    """A decoder whose kernel changes books by itself where a change goes on as ever."""

    def lend(self, instrument: Instrument, desk: Desk) -> None:
        """Take such changes to the desk of a book from now on, and tell no event of them."""
        ...


class Locals:
    """Venues that want more than orders, and who else takes the market's events as they come."""

    def __init__(self, venues: Iterable[Venue]) -> None:
        known = list(venues)
        self._local: list[FollowsMarket] = [x for x in known if isinstance(x, FollowsMarket)]
        self._by_mark = [x for x in known if isinstance(x, FollowsMarks)]
        self.takers: list[FollowsTrades] = [*self._local]
        """Told of every trade."""
        self.pupils = [x for x in known if isinstance(x, LearnsInstruments)]
        """Taught instruments."""

    @property
    def quoted(self) -> bool:
        """Whether somebody acts upon quotes or marks as they come."""
        return bool(self._local or self._by_mark)

    def tell(self, event: MarketEvent) -> None:
        """Tell of a market event before the engine's own state has it."""
        if type(event) is Quote:
            for local in self._local:
                local.on_quote(event)
        elif type(event) is Trade:
            for taker in self.takers:
                taker.on_trade(event)
        elif type(event) is MarkPrice:
            for pupil in self._by_mark:
                pupil.on_mark(event)
