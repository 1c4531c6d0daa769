"""Events of what the scanner reads, and what the decoder's quick and slow way both remember."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from typing import Any, Final, TypeAlias

import numpy as np

from core.feeds.coinbase import scan
from core.feeds.coinbase.rule import CoinbaseRule
from core.feeds.decoder import Known
from core.feeds.holes import TradeHoles
from core.feeds.levels import Shape, SidePlan
from core.feeds.owners import OwningDecoder
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

_SYMBOL: Final = re.compile(rb'"product_id":"([^"]+)"')

NO_LEVELS: Final[Levels] = np.empty((0, 2), np.int64)
_LEVEL: Final = Shape(price="price_level", size="new_quantity")
_SIDED: Final = Shape(price="price_level", size="new_quantity", flag="side")
_FULL, _OTHER, _UPDATE, _IMAGE, _TICKER = (
    scan.FULL,
    scan.OTHER,
    scan.UPDATE,
    scan.IMAGE,
    scan.TICKER,
)
_TRADE, _TRADES, _OLD_TRADES = scan.TRADE, scan.TRADES, scan.OLD_TRADES
_CANDLES, _BEAT = scan.CANDLES, scan.BEAT
_CANDLE_NUMBERS: Final = 8
_TENTHS: Final = tuple(Decimal(1).scaleb(-places) for places in range(19))
"""``197 * _TENTHS[2]`` is Decimal("1.97"), spelt as 1.97 was."""

_Events: TypeAlias = Sequence[MarketEvent]


class CoinbaseKnown(Known):
    """What decoding needs of one product."""

    __slots__ = ("day", "levels", "row", "seen", "sided")

    def __init__(self, instrument: Instrument) -> None:
        super().__init__(instrument)
        self.levels = SidePlan(self, _LEVEL)
        self.sided = SidePlan(self, _SIDED)
        self.seen = TradeHoles()
        self.day = b""
        """Last price, volume, low and high as the last ticker spelt them, see `day_said`."""
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
        """Return the events of a message; None: it is for the slower parser."""
        found = self._scan(data, self._desk_at)
        kind, row, ts_ns, number, a, b, c, d, changed = found
        if self._next.get(conn) == number:
            # Nearly all messages: spare them every detour.
            if kind == _UPDATE:
                name = self._rows[row].id
                self._next[conn] = number + 1
                if self._owners.get(name, conn) != conn:
                    return ()
                room = self._desk.room
                return (
                    BookDelta(
                        name, ts_ns, ts_recv_ns, number, number, -1,
                        room[a:b] if b > a else NO_LEVELS, room[b:c] if c > b else NO_LEVELS,
                    ),
                )  # fmt: skip
            if kind == _TICKER and not changed:
                self._next[conn] = number + 1
                return (Quote(self._rows[row].id, ts_ns, ts_recv_ns, a, b, c, d, 0),)
            if kind == _TRADE:
                self._next[conn] = number + 1
                known = self._rows[row]
                known.seen.see(c)
                return (Trade(known.id, ts_ns, ts_recv_ns, a, b, d == 1, c),)
            if kind == _BEAT:
                self._next[conn] = number + 1
                return ()
        if kind == _OTHER:
            return None
        if kind == _FULL:
            self._desk.renew(len(data))
            return self.scanned(conn, ts_recv_ns, data)
        if kind in (_UPDATE, _IMAGE):
            return self._scanned_book(conn, ts_recv_ns, found)
        # What they say is told all the same where the very same message comes once more.
        events = self._others(ts_recv_ns, data, found)
        return [*self._follow(conn, ts_recv_ns, number), *events]

    def _others(self, ts_recv_ns: int, data: bytes, found: scan.Found) -> list[MarketEvent]:
        kind, row, ts_ns, _, a, b, c, d, changed = found
        events: list[MarketEvent] = []
        if kind == _TICKER:
            known = self._rows[row]
            events.append(Quote(known.id, ts_ns, ts_recv_ns, a, b, c, d, 0))
            if changed:
                events += self._scanned_day(known, ts_ns, ts_recv_ns, data)
        elif kind == _TRADE:
            known = self._rows[row]
            known.seen.see(c)
            events.append(Trade(known.id, ts_ns, ts_recv_ns, a, b, d == 1, c))
        elif kind == _TRADES:
            self._scanned_trades(ts_recv_ns, a, b, events)
        elif kind == _OLD_TRADES:
            if self._wanted(row, c):
                self._missed_trades(ts_recv_ns, a, b, events)
        elif kind == _CANDLES:
            self._scanned_candles(ts_recv_ns, a, b, events)
        return events

    def _scanned_book(self, conn: int, ts_recv_ns: int, found: scan.Found) -> _Events:
        kind, row, ts_ns, number, start, middle, end, _, _ = found
        if number == self._next.get(conn, number) - 1:
            # The very same message once more: nothing of it is missing.
            return ()
        broken = self._follow(conn, ts_recv_ns, number)
        name = self._rows[row].id
        room = self._desk.room
        bids = room[start:middle] if middle > start else NO_LEVELS
        asks = room[middle:end] if end > middle else NO_LEVELS
        if kind == _IMAGE:
            self._owners.take(name, conn)
            image = BookSnapshot(name, ts_ns, ts_recv_ns, number, bids, asks, reset=True)
            return (*broken, image)
        if not self._owners.owns(name, conn):
            return broken
        return (*broken, BookDelta(name, ts_ns, ts_recv_ns, number, number, -1, bids, asks))

    def _scanned_day(
        self, known: CoinbaseKnown, ts_ns: int, ts_recv_ns: int, data: bytes
    ) -> _Events:
        start, end, last, last_at, volume, volume_at, low, low_at, high, high_at = (
            self._desk.statistics()
        )
        day = data[start:end]
        if day == known.day:
            return ()
        known.day = day
        return (
            DayTicker(
                instrument_id=known.id, ts_event_ns=ts_ns, ts_recv_ns=ts_recv_ns,
                last=last * _TENTHS[last_at], low=low * _TENTHS[low_at],
                high=high * _TENTHS[high_at], volume=volume * _TENTHS[volume_at],
            ),
        )  # fmt: skip

    def _scanned_trades(
        self, ts_recv_ns: int, start: int, end: int, out: list[MarketEvent]
    ) -> None:
        """Add the trades of the room's rows, which are newest first."""
        numbers = self._desk.numbers[2 * start : 2 * end].tolist()
        rows = self._rows
        for at in range(len(numbers) - 6, -1, -6):
            number, price, lots, ts_ns, row, sold = numbers[at : at + 6]
            known = rows[row]
            out.append(Trade(known.id, ts_ns, ts_recv_ns, price, lots, sold == 1, number))
            known.seen.see(number)

    def _wanted(self, row: int, newest: int) -> bool:
        """Return whether some of the trades told again may have been missed."""
        if row < 0:
            return True
        seen = self._rows[row].seen
        return 0 < seen.last < newest or seen.missing() is not None

    def _missed_trades(self, ts_recv_ns: int, start: int, end: int, out: list[MarketEvent]) -> None:
        """Add those of the trades told again that were missed."""
        numbers = self._desk.numbers[2 * start : 2 * end].tolist()
        rows = self._rows
        seen: list[tuple[TradeHoles, int]] = []
        for at in range(len(numbers) - 6, -1, -6):
            number, price, lots, ts_ns, row, sold = numbers[at : at + 6]
            known = rows[row]
            if known.seen.wants(number):
                out.append(Trade(known.id, ts_ns, ts_recv_ns, price, lots, sold == 1, number))
                seen.append((known.seen, number))
        # Not before all of them were asked for: the newest would make the others old.
        for holes, number in seen:
            holes.see(number)

    def _scanned_candles(
        self, ts_recv_ns: int, start: int, end: int, out: list[MarketEvent]
    ) -> None:
        numbers = iter(self._desk.numbers[2 * start : 2 * end].tolist())
        rows = self._rows
        for row, start_ns, first, high, low, last, volume, over in zip(
            *[numbers] * _CANDLE_NUMBERS, strict=True
        ):
            out.append(
                VenueBar(
                    rows[row].id, "5m", start_ns, ts_recv_ns, first, high, low, last, volume,
                    over == 1,
                )
            )  # fmt: skip

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


def day_said(last: str, volume: str, low: str, high: str) -> bytes:
    """Return a day as it stands in a ticker of the venue, from first to last of its values."""
    return f'{last}","volume_24_h":"{volume}","low_24_h":"{low}","high_24_h":"{high}'.encode()
