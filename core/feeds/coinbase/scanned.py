"""Events of what the scanner reads, and what the decoder's quick and slow way both remember."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from core.feeds.coinbase import scan
from core.feeds.coinbase.rule import CoinbaseRule
from core.feeds.decimals import Decimals
from core.feeds.decoder import Known
from core.feeds.holes import TradeHoles
from core.feeds.levels import Shape, SidePlan
from core.feeds.owners import OwningDecoder
from core.model.errors import DataError
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.market import (
    BookDelta,
    BookSnapshot,
    DayTicker,
    Levels,
    MarketEvent,
    Quote,
    SequenceBroken,
    Trade,
    VenueBar,
)

CANDLE_NS: Final = 300_000_000_000
"""The candles channel knows this length only."""

_SYMBOL: Final = re.compile(rb'"product_id":"([^"]+)"')

NO_LEVELS: Final[Levels] = np.empty((0, 2), np.int64)
_LEVEL: Final = Shape(price="price_level", size="new_quantity")
_SIDED: Final = Shape(price="price_level", size="new_quantity", flag="side")
_OTHER, _UPDATE, _IMAGE, _TICKER = scan.OTHER, scan.UPDATE, scan.IMAGE, scan.TICKER
_TRADES, _OLD_TRADES, _CANDLES = scan.TRADES, scan.OLD_TRADES, scan.CANDLES

_Events: TypeAlias = Sequence[MarketEvent]
_Day: TypeAlias = tuple[str, str, str, str]


class CoinbaseKnown(Known):
    """What decoding needs of one product."""

    __slots__ = ("day", "levels", "row", "seen", "sided")

    def __init__(self, instrument: Instrument) -> None:
        super().__init__(instrument)
        self.levels = SidePlan(self, _LEVEL)
        self.sided = SidePlan(self, _SIDED)
        self.seen = TradeHoles()
        self.day: _Day = ("", "", "", "")
        """Last price, low, high and volume as the last ticker spelt them."""
        self.row = 0
        """Which row of the scanner it is."""


class ScannedMessages(OwningDecoder):
    """A decoder whose messages go through a compiled scanner first."""

    def __init__(self, venue: VenueName, instruments: Collection[Instrument]) -> None:
        self._desk = scan.Desk()
        self._desk_at = self._desk.at
        self._compiled = scan.compiled()
        self._scan: Callable[[bytes, int], scan.Found] = self._learned
        self._rows: list[CoinbaseKnown] = []
        self._next: dict[int, int] = {}
        """Number of each connection's next message."""
        self._decimals = Decimals(f"statistics of {venue}")
        super().__init__(venue, CoinbaseRule(), instruments, _SYMBOL)

    def make_known(self, instrument: Instrument) -> Known:
        """Return what decoding needs of an instrument."""
        # A listing comes as many instruments: the scanner learns them at the next message.
        self._scan = self._learned
        return CoinbaseKnown(instrument)

    def _learned(self, data: bytes, desk_at: int) -> scan.Found:
        """Scan a message with instruments the scanner does not know yet."""
        rows: dict[int, Any] = {id(known): known for known in self._known.values()}
        self._rows = list(rows.values())
        for row, known in enumerate(self._rows):
            known.row = row
        symbols = [
            (symbol, known.levels.at, known.row)
            for symbol, known in self._known.items()
            if isinstance(known, CoinbaseKnown)
        ]
        self._desk.learn(symbols, len(self._rows))
        self._scan = self._compiled
        return self._scan(data, desk_at)

    def scanned(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events | None:
        """Return the events of a message; None: it is for the slower parser.

        Raises:
            DataError: It is not what the venue documents, and nothing of it was remembered.
        """
        kind, row, ts_ns, number, a, b, c, d, changed = self._scan(data, self._desk_at)
        if kind <= _OTHER:
            if kind == _OTHER:
                return None
            self._desk.renew(len(data))
            return self.scanned(conn, ts_recv_ns, data)
        if kind <= _IMAGE:
            return self._scanned_book(conn, ts_recv_ns, (kind, row, ts_ns, number, a, b, c))
        events: list[MarketEvent]
        if kind == _TICKER:
            known = self._rows[row]
            events = [Quote(known.id, ts_ns, ts_recv_ns, a, b, c, d, 0)]
            if changed:
                events += self._scanned_day(known, ts_ns, ts_recv_ns, data)
        elif kind == _TRADES or (kind == _OLD_TRADES and self._wanted(row, c)):
            events = self._scanned_trades(ts_recv_ns, a, b, old=kind == _OLD_TRADES)
        elif kind == _CANDLES:
            events = self._scanned_candles(ts_ns, ts_recv_ns, a, b)
        else:
            events = []
        if self._next.get(conn) == number:
            self._next[conn] = number + 1
            return events
        return [*self._follow(conn, ts_recv_ns, number), *events]

    def _scanned_book(
        self, conn: int, ts_recv_ns: int, found: tuple[int, int, int, int, int, int, int]
    ) -> _Events:
        kind, row, ts_ns, number, start, middle, end = found
        wanted = self._next.get(conn, number)
        if number == wanted - 1:
            # The very same message once more: nothing of it is missing.
            return ()
        self._next[conn] = number + 1
        name = self._rows[row].id
        room = self._desk.room
        bids = room[start:middle] if middle > start else NO_LEVELS
        asks = room[middle:end] if end > middle else NO_LEVELS
        event: MarketEvent
        if kind == _IMAGE:
            self._owners.take(name, conn)
            event = BookSnapshot(name, ts_ns, ts_recv_ns, number, bids, asks, reset=True)
        elif self._owners.get(name, conn) == conn:
            event = BookDelta(name, ts_ns, ts_recv_ns, number, number, -1, bids, asks)
        else:
            return () if wanted == number else self._broken(conn, ts_recv_ns, wanted, number)
        if wanted == number:
            return (event,)
        return (*self._broken(conn, ts_recv_ns, wanted, number), event)

    def _scanned_day(
        self, known: CoinbaseKnown, ts_ns: int, ts_recv_ns: int, data: bytes
    ) -> _Events:
        at = self._desk.texts()
        day = (
            data[at[0] : at[1]].decode(), data[at[4] : at[5]].decode(),
            data[at[6] : at[7]].decode(), data[at[2] : at[3]].decode(),
        )  # fmt: skip
        if day == known.day:
            return ()
        try:
            return (self.day_of(known, ts_ns, ts_recv_ns, day),)
        except DataError:
            self._desk.forget_day(known.row)
            raise

    def day_of(self, known: CoinbaseKnown, ts_ns: int, ts_recv_ns: int, day: _Day) -> DayTicker:
        """Return the event of a product's changed day, and remember it.

        Raises:
            DataError: A text is neither empty nor a number.
        """
        last, low, high, volume = map(self._decimals.__getitem__, day)
        known.day = day
        return DayTicker(
            instrument_id=known.id, ts_event_ns=ts_ns, ts_recv_ns=ts_recv_ns, last=last, low=low,
            high=high, volume=volume,
        )  # fmt: skip

    def _wanted(self, row: int, newest: int) -> bool:
        """Return whether some of the trades told again may have been missed."""
        if row < 0:
            return True
        seen = self._rows[row].seen
        return 0 < seen.last < newest or seen.missing() is not None

    def _scanned_trades(
        self, ts_recv_ns: int, start: int, end: int, *, old: bool
    ) -> list[MarketEvent]:
        """Return the trades of the room's rows, which are newest first."""
        numbers = self._desk.numbers[2 * start : 2 * end].tolist()
        rows = self._rows
        out: list[MarketEvent] = []
        seen: list[tuple[TradeHoles, int]] = []
        for at in range(len(numbers) - 6, -1, -6):
            number, price, lots, ts_ns, row, sold = numbers[at : at + 6]
            known = rows[row]
            if not old or known.seen.wants(number):
                out.append(Trade(known.id, ts_ns, ts_recv_ns, price, lots, sold == 1, number))
                seen.append((known.seen, number))
        # Not before all of them were asked for: some may fill the same hole.
        for holes, number in seen:
            holes.see(number)
        return out

    def _scanned_candles(
        self, ts_ns: int, ts_recv_ns: int, start: int, end: int
    ) -> list[MarketEvent]:
        numbers = self._desk.numbers[2 * start : 2 * end].tolist()
        rows = self._rows
        out: list[MarketEvent] = []
        for at in range(0, len(numbers), 8):
            row, second, first, high, low, last, volume, _ = numbers[at : at + 8]
            start_ns = second * 1_000_000_000
            out.append(
                VenueBar(
                    rows[row].id, "5m", start_ns, ts_recv_ns, first, high, low, last, volume,
                    closed=ts_ns >= start_ns + CANDLE_NS,
                )
            )  # fmt: skip
        return out

    # -- the number of a connection's messages -------------------------------------------------

    def _follow(self, conn: int, ts_recv_ns: int, number: int) -> _Events:
        """Note a message's number and return what a hole before it concerns."""
        wanted = self._next.get(conn, number)
        if number == wanted - 1:
            # The very same message once more: nothing of it is missing.
            return ()
        self._next[conn] = number + 1
        return () if number == wanted else self._broken(conn, ts_recv_ns, wanted, number)

    def _broken(self, conn: int, ts_recv_ns: int, wanted: int, number: int) -> _Events:
        what = "messages are missing" if number > wanted else "its numbers went back"
        return (
            SequenceBroken(
                venue=self.venue,
                ts_recv_ns=ts_recv_ns,
                instrument_ids=tuple(
                    name for name in self.carried_by(conn) if self._owners.owns(name, conn)
                ),
                reason=f"connection {conn}: {what}",
                expected_id=wanted,
                received_id=number,
            ),
        )
