"""Which connection a book comes from, for venues whose sequence is a connection's or is none.

While one connection takes over from another both send the same book. Changes of the two must never
mix: the connection that sent the newest image owns the book, and changes from others are dropped.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from core.feeds.decoder import FeedDecoder
from core.feeds.slips import CONN, FREE, OWNED
from core.feeds.steps import OffStep
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import MarketEvent, SequenceBroken
from core.model.ports import SequenceRule

_LOST: Final = "the connection that brought this book was lost"


class BookOwners:
    """Remembers by frames alone, so a tape decodes the same way twice.

    It does so on slips, where kernels look and take a book themselves.
    """

    __slots__ = ("_slips",)

    def __init__(self) -> None:
        self._slips: dict[InstrumentId, memoryview] = {}

    def show(self, name: InstrumentId, slip: memoryview) -> None:
        """Note who owns a book on this slip from now on, see `core.feeds.slips.foreign`."""
        before = self._slips.get(name)
        if before is not None:
            slip[OWNED], slip[CONN] = before[OWNED], before[CONN]
        self._slips[name] = slip

    def take(self, name: InstrumentId, conn: int) -> None:
        """Note that a connection sent an image of a book."""
        slip = self._slips.get(name)
        if slip is None:
            slip = self._slips[name] = memoryview(array("q", bytes(8 * FREE)))
        slip[OWNED] = 1
        slip[CONN] = conn

    def owns(self, name: InstrumentId, conn: int) -> bool:
        """Return whether changes of a connection count: it owns the book, or nobody does."""
        slip = self._slips.get(name)
        return slip is None or not slip[OWNED] or slip[CONN] == conn

    def of(self, conn: int) -> tuple[InstrumentId, ...]:
        """Return the books a connection owns."""
        return tuple(
            name for name, slip in self._slips.items() if slip[OWNED] and slip[CONN] == conn
        )

    def leave(self, name: InstrumentId, conn: int) -> None:
        """Note that a connection left a book's channel."""
        slip = self._slips.get(name)
        if slip is not None and slip[CONN] == conn:
            slip[OWNED] = 0

    def lose(self, conn: int) -> tuple[InstrumentId, ...]:
        """Forget a connection and return the books it owned."""
        gone = self.of(conn)
        for name in gone:
            self._slips[name][OWNED] = 0
        return gone


class OwningDecoder(FeedDecoder):
    """Base of decoders whose books belong to the connection of their image.

    Args:
        venue: The name events carry.
        rule: The venue's rule for the continuity of its books.
        instruments: Tick and lot sizes; listings on the tape teach more.
        symbol: Finds the venue's symbol in a message that cannot be read as a whole.
    """

    def __init__(
        self,
        venue: VenueName,
        rule: SequenceRule,
        instruments: Collection[Instrument],
        symbol: re.Pattern[bytes],
    ) -> None:
        self._owners = BookOwners()
        super().__init__(venue, rule, instruments)
        self._symbol = symbol

    def disconnected(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Distrust what the connection carried, and books another carries that it owned."""
        lost = self._owners.lose(conn)
        events = super().disconnected(conn, ts_recv_ns, data)
        orphans = tuple(name for name in lost if self._is_carried(name))
        if not orphans:
            return events
        return (*events, self._break(ts_recv_ns, orphans, _LOST))

    def left(self, conn: int, named: Iterable[tuple[str, str]], books: Collection[str]) -> None:
        """Note that a connection left the channels `books` of some symbols."""
        for symbol, channel in named:
            known = self._known.get(symbol)
            if channel in books and known is not None:
                self._owners.leave(known.id, conn)

    def unread(
        self, conn: int, ts_recv_ns: int, error: Exception, data: bytes
    ) -> Sequence[MarketEvent]:
        """Return the events of a message that may have been a book's and cannot be read.

        No number would show that a change is missing, so the book is not to be trusted: the one
        the message names, or all of the connection where it names none.
        """
        if isinstance(error, OffStep):
            error.note(self.off_step)
        found = self._symbol.search(data)
        known = self._known.get(found[1].decode(errors="replace")) if found is not None else None
        rejected = self.reject(
            ts_recv_ns, str(error), data, instrument_id=known.id if known is not None else None
        )
        if known is not None and not self._owners.owns(known.id, conn):
            return rejected
        names = (known.id,) if known is not None else self._owners.of(conn)
        if not names:
            return rejected
        return (*rejected, self._break(ts_recv_ns, names, "a message could not be read"))

    def _break(
        self, ts_recv_ns: int, names: tuple[InstrumentId, ...], reason: str
    ) -> SequenceBroken:
        return SequenceBroken(
            venue=self.venue, ts_recv_ns=ts_recv_ns, instrument_ids=names, reason=reason
        )
