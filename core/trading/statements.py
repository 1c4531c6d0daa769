"""What venues state of money and positions, taken over into the books."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from core.model.accounts import VenuePosition
from core.model.facts import BalanceSet, BalancesReported, PositionForced, PositionSet
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.orders import PositionSide
from core.model.ports import Clock
from core.trading.board import Board
from core.trading.books import Books
from core.trading.flow import OrderFlow
from core.trading.links import VenueLinks
from core.trading.listing import listed


class Statements:
    """Journals what is adopted, then lets it take effect."""

    def __init__(
        self,
        *,
        books: Books,
        flow: OrderFlow,
        board: Board,
        links: VenueLinks,
        instruments: Mapping[InstrumentId, Instrument],
        clock: Clock,
    ) -> None:
        self._books = books
        self._flow = flow
        self._board = board
        self._links = links
        self._instruments = instruments
        self._clock = clock

    def balance(self, venue: VenueName, asset: str, total: Decimal, reason: str) -> None:
        """Adopt a balance as the venue states it."""
        self._flow.record(
            BalanceSet(
                venue=venue, asset=asset, total=total, reason=reason, ts_ns=self._clock.now_ns()
            )
        )
        self._board.account_dirty = True

    def position(
        self,
        venue: VenueName,
        key: tuple[InstrumentId, PositionSide],
        stated: VenuePosition | None,
        reason: str,
    ) -> None:
        """Adopt a position as the venue states it; None: it has none."""
        self._flow.introduce(listed(self._instruments, key[0]))
        self._flow.record(
            PositionSet(
                venue=venue,
                instrument_id=key[0],
                side=key[1],
                size=stated.size if stated is not None else Decimal(0),
                average_price=stated.average_price if stated is not None else None,
                reason=reason,
                ts_ns=self._clock.now_ns(),
            )
        )
        self._board.account_dirty = True

    def opening(self, event: BalancesReported) -> None:
        """Take a venue's first word on balances; later ones are compared by reconciliation.

        A report and the fills behind it come in no fixed order, so it must not be booked as news.
        """
        if event.venue not in self._links or self._books.ledger.knows(event.venue):
            return
        for item in event.balances:
            self.balance(event.venue, item.asset, item.total, "opening")
        self._board.show_account()

    def forced(self, event: PositionForced) -> None:
        """Book what a venue closed itself, positions and money in one commit."""
        if not all(self._books.is_news(flow) for flow in event.flows):
            return
        self._flow.record_all((*event.positions, *event.flows))
        self._board.alert("error", f"{event.venue}: {event.text}")
        self._board.account_dirty = True
