"""Events of what the scanners read, and what the decoder's quick and slow way both remember."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np

from core.feeds.decoder import Known
from core.feeds.deribit import frames, scan
from core.feeds.deribit.numbers import NumberSteps, decimal_of, refuse_endless
from core.feeds.deribit.rule import DeribitRule
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
    MarkPrice,
    OpenInterest,
    OptionGreeks,
    Quote,
)

NO_LEVELS: Final[Levels] = np.empty((0, 2), np.int64)

_SYMBOL: Final = re.compile(rb'"instrument_name":"([^"]+)"')
_CHANGE: Final = Shape(price=1, size=2)
_LEVEL: Final = Shape(price=0, size=1)
_LETTER: Final = len(b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"b')
"""Where the second letter of a message's channel is, which tells them all apart."""

_BOOK, _TICKER, _QUOTE = ord("o"), ord("i"), ord("u")
_OTHER, _IMAGE, _BARE = scan.OTHER, scan.IMAGE, scan.QUOTE
_MARK, _INDEX, _FUNDING = 1 << scan.MARK, 1 << scan.INDEX, 1 << scan.FUNDING
_PRICED, _GREEKS = _MARK | _INDEX, 1 << scan.GREEKS
_INTEREST, _LAST = 1 << scan.INTEREST, 1 << scan.LAST

_TENTHS: Final = scan.TENTHS

_Events: TypeAlias = Sequence[MarketEvent]


class DeribitKnown(Known):
    """What decoding needs of one instrument, and what its ticker last said."""

    __slots__ = (
        "amounts", "changes", "interest", "last", "levels", "numbers", "quoted", "seen", "stats",
    )  # fmt: skip

    def __init__(self, instrument: Instrument) -> None:
        super().__init__(instrument)
        self.numbers = NumberSteps(self.prices)
        self.amounts = NumberSteps(self.sizes)
        self.changes = SidePlan(self, _CHANGE)
        self.levels = SidePlan(self, _LEVEL)
        self.seen = TradeHoles()
        self.quoted = False
        """Best quotes come in a channel of their own."""
        self.interest: float | None = None
        self.last: float | None = None
        self.stats = b""


class ScannedMessages(OwningDecoder):
    """A decoder whose books, tickers and quotes go through compiled scanners first."""

    def __init__(self, venue: VenueName, instruments: Collection[Instrument]) -> None:
        self._desk = scan.Desk()
        self._desk_at = self._desk.at
        self._scan_book, self._scan_ticker = scan.compiled()
        self._learned = False
        self._rows: list[DeribitKnown] = []
        self._statistics = msgspec.json.Decoder(frames.Stats).decode
        super().__init__(venue, DeribitRule(), instruments, _SYMBOL)

    def make_known(self, instrument: Instrument) -> Known:
        """Return what decoding needs of an instrument."""
        # A listing comes as thousands: the scanners learn them at the next message.
        self._learned = False
        return DeribitKnown(instrument)

    def scanned(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events | None:
        """Return the events of a message; None: it is for the slower parser.

        Raises:
            DataError: It is not what the venue documents, and nothing of it was remembered.
            msgspec.DecodeError: The same.
        """
        if not self._learned:
            self._learn()
        letter = data[_LETTER] if len(data) > _LETTER else 0
        if letter in (_TICKER, _QUOTE):
            found = self._scan_ticker(data, self._desk_at)
            return self._of_ticker(ts_recv_ns, data, found) if found[0] else None
        if letter != _BOOK:
            return None
        kind, row, ts_ns, number, before, bids_at, bids_end, asks_at, asks_end = self._scan_book(
            data, self._desk_at
        )
        if kind <= _OTHER:
            if kind == _OTHER:
                return None
            self._desk.renew(len(data))
            return self.scanned(conn, ts_recv_ns, data)
        name = self._rows[row].id
        room = self._desk.room
        bids = room[bids_at:bids_end] if bids_end > bids_at else NO_LEVELS
        asks = room[asks_at:asks_end] if asks_end > asks_at else NO_LEVELS
        if kind == _IMAGE:
            self._owners.take(name, conn)
            return (BookSnapshot(name, ts_ns, ts_recv_ns, number, bids, asks, reset=True),)
        if self._owners.get(name, conn) != conn:
            return ()
        return (BookDelta(name, ts_ns, ts_recv_ns, number, number, before, bids, asks),)

    def _learn(self) -> None:
        known: dict[str, Any] = self._known
        self._rows = list(known.values())
        self._desk.learn(
            (symbol, item.changes.at, row) for row, (symbol, item) in enumerate(known.items())
        )
        self._learned = True

    def _of_ticker(self, ts_recv_ns: int, data: bytes, found: scan.TickerFound) -> _Events:
        (
            kind, row, ts_ns, has, bid, bid_lots, ask, ask_lots, mark, index, funding, places,
            start, stop, interest, last, mark_iv, bid_iv, ask_iv, delta, gamma, vega, theta, rho,
            underlying,
        ) = found  # fmt: skip
        known = self._rows[row]
        name = known.id
        quote = Quote(name, ts_ns, ts_recv_ns, bid, bid_lots, ask, ask_lots, 0)
        if kind == _BARE:
            return (quote,)
        out: list[MarketEvent] = [] if known.quoted else [quote]
        if has & _PRICED:
            out.append(
                MarkPrice(
                    instrument_id=name, ts_event_ns=ts_ns, ts_recv_ns=ts_recv_ns,
                    mark=mark * _TENTHS[places & 31] if has & _MARK else None,
                    index=index * _TENTHS[places >> 5 & 31] if has & _INDEX else None,
                    # Funding flows all the time here; this is its rate over eight hours.
                    funding_rate=funding * _TENTHS[places >> 10] if has & _FUNDING else None,
                )
            )  # fmt: skip
        if has & _GREEKS:
            out.append(
                OptionGreeks(
                    instrument_id=name, ts_event_ns=ts_ns, ts_recv_ns=ts_recv_ns, mark_iv=mark_iv,
                    bid_iv=bid_iv, ask_iv=ask_iv, delta=delta, gamma=gamma, vega=vega,
                    theta=theta, rho=rho, underlying=underlying,
                )
            )  # fmt: skip
        stats = data[start:stop]
        if stats != known.stats or last != known.last or interest != known.interest:
            self.remember(
                known, ts_ns, ts_recv_ns, interest if has & _INTEREST else None,
                last if has & _LAST else None, stats, out,
            )  # fmt: skip
        return out

    def remember(
        self,
        known: DeribitKnown,
        ts_ns: int,
        ts_recv_ns: int,
        interest: float | None,
        last: float | None,
        stats: bytes,
        out: list[MarketEvent],
    ) -> None:
        """Add the events of what a ticker says otherwise than the one before, and remember it.

        Raises:
            DataError: A value is none, and nothing was remembered.
            msgspec.DecodeError: The same.
        """
        if interest != known.interest and interest is not None:
            out.append(
                OpenInterest(
                    instrument_id=known.id, ts_event_ns=ts_ns, ts_recv_ns=ts_recv_ns,
                    size=decimal_of(interest),
                )
            )  # fmt: skip
        if stats != known.stats or last != known.last:
            out.append(self._day(known, ts_ns, ts_recv_ns, last, stats))
        known.interest, known.last, known.stats = interest, last, stats

    def _day(
        self, known: DeribitKnown, ts_ns: int, ts_recv_ns: int, last: float | None, raw: bytes
    ) -> DayTicker:
        high = low = volume = turnover = None
        if raw not in (b"", b"null"):
            stats = self._statistics(raw)
            high, low = stats.high, stats.low
            turnover = stats.volume_notional if stats.volume_usd is None else stats.volume_usd
            # A day's volume is counted in coin; inverse contracts are traded in the quote asset.
            volume = turnover if known.instrument.inverse else stats.volume
            refuse_endless(turnover, volume, high, low)
        return DayTicker(
            instrument_id=known.id, ts_event_ns=ts_ns, ts_recv_ns=ts_recv_ns,
            last=None if last is None else decimal_of(last), high=high, low=low, volume=volume,
            quote_volume=turnover,
        )  # fmt: skip
