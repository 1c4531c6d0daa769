"""Events of what the scanner reads, and what the decoder's quick and slow way both remember."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from core.engine.compiled import address
from core.engine.valued import TENTHS
from core.feeds.coinbase import scan
from core.feeds.coinbase.counts import Counts
from core.feeds.coinbase.rule import CoinbaseRule
from core.feeds.coinbase.told import Teller, teller
from core.feeds.decoder import Known
from core.feeds.holes import TradeHoles
from core.feeds.levels import Shape, SidePlan
from core.feeds.owners import OwningDecoder
from core.feeds.slips import DESK
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
_ZEROS: Final = 0x3030303030303030
"""What turns a word of `eight_bytes` back into bytes."""

_Events: TypeAlias = Sequence[MarketEvent]


class CoinbaseKnown(Known):
    """What decoding needs of one product."""

    __slots__ = ("_day", "_long", "levels", "row", "seen", "sided")

    def __init__(self, instrument: Instrument) -> None:
        super().__init__(instrument)
        self.levels = SidePlan(self, _LEVEL)
        self.sided = SidePlan(self, _SIDED)
        self.seen = TradeHoles(self.levels.slip, scan.SEEN)
        self._day = np.zeros((1, scan.DAY), np.int64)
        self._long = b""
        self.levels.slip[scan.DAY_AT] = address(self._day)
        self.row = 0
        """Which row of the scanner it is."""

    def lend(self, place: int) -> None:
        """Have the kernel take changes of the book to the desk at a place, 0: tell them."""
        self.levels.slip[DESK] = place

    @property
    def day(self) -> bytes:
        """Last price, volume, low and high as the last ticker spelt them, see `day_said`."""
        length = int(self._day[0, 0])
        if not length:
            return self._long
        words = (self._day[0, 1:] ^ _ZEROS).tobytes()
        return words[: length - 8] + words[-8:]

    @day.setter
    def day(self, day: bytes) -> None:
        self._long = day
        length = len(day)
        if not scan.DAY_LEAST <= length <= scan.DAY_MOST:
            self._day[0, 0] = 0
            return
        # Where a kernel goes on with it, see `scan.remember_day`.
        words = bytearray(scan.DAY_MOST)
        whole = (length - 1) // 8 * 8
        words[:whole], words[-8:] = day[:whole], day[-8:]
        self._day[0, 0] = length
        self._day[0, 1:] = np.frombuffer(words, np.int64) ^ _ZEROS


class ScannedMessages(OwningDecoder):
    """A decoder whose messages go through a compiled scanner first."""

    def __init__(self, venue: VenueName, instruments: Collection[Instrument]) -> None:
        self._next = Counts()
        """Number of each connection's next message."""
        self._desk = scan.Desk(self._next.place)
        self._desk_at = self._desk.at
        self._teller = teller()
        self._tell: Teller = self._learned
        self._found = scan.compiled()
        self._rows: list[CoinbaseKnown] = []
        super().__init__(venue, CoinbaseRule(), instruments, _SYMBOL)

    def make_known(self, instrument: Instrument) -> Known:
        """Return what decoding needs of an instrument."""
        # A listing comes as many instruments: the scanner learns them at the next message.
        self._tell = self._learned
        known = CoinbaseKnown(instrument)
        self._owners.show(known.id, known.levels.slip)
        return known

    def _learned(self, data: bytes, desk_at: int, conn: int, ts_recv_ns: int) -> Any:
        """Tell of a message with instruments the scanner does not know yet."""
        rows: dict[int, Any] = {id(known): known for known in self._known.values()}
        self._rows = list(rows.values())
        for row, known in enumerate(self._rows):
            known.row = row
        symbols = [
            (symbol, known.levels.at, known.row)
            for symbol, known in self._known.items()
            if isinstance(known, CoinbaseKnown)
        ]
        self._desk.learn(symbols)
        self._tell = self._teller
        return self._tell(data, desk_at, conn, ts_recv_ns)

    def leftover(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events | None:
        """Return the events of what the kernel left; None: it is for the slower parser."""
        found = self._found(self._desk_at)
        kind, _, _, number, _, _, _, _, _ = found
        if kind == _OTHER:
            return None
        if kind == _FULL:
            self._desk.renew(len(data))
            events: _Events | None = self._tell(data, self._desk_at, conn, ts_recv_ns)
            return self.leftover(conn, ts_recv_ns, data) if events is None else events
        if kind in (_UPDATE, _IMAGE):
            return self._scanned_book(conn, ts_recv_ns, found)
        # What they say is told all the same where the very same message comes once more.
        others = self._others(ts_recv_ns, data, found)
        return [*self._follow(conn, ts_recv_ns, number), *others]

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
        if number + 1 == self._next.get(conn):
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
                last=last * TENTHS[last_at], low=low * TENTHS[low_at],
                high=high * TENTHS[high_at], volume=volume * TENTHS[volume_at],
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
        wanted = self._next.get(conn)
        if number + 1 == wanted:
            # The very same message once more: nothing of it is missing.
            return ()
        self._next.put(conn, number + 1)
        if wanted is None or wanted == number:
            return ()
        return self._broken(conn, ts_recv_ns, wanted, number)

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
