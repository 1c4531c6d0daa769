"""Events of what the scanners read, and what the decoder's quick and slow way both remember."""

from __future__ import annotations

import math
import re
from abc import abstractmethod
from collections.abc import Collection, Sequence
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np

from core.engine.called import Decode
from core.engine.compiled import address
from core.feeds.decoder import Known
from core.feeds.deribit import frames, scan, tickers
from core.feeds.deribit.numbers import NumberSteps, decimal_of, refuse_endless
from core.feeds.deribit.rule import DeribitRule
from core.feeds.deribit.told import Teller, teller
from core.feeds.holes import TradeHoles
from core.feeds.levels import Shape, SidePlan
from core.feeds.owners import OwningDecoder
from core.feeds.slips import DESK
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.market import (
    BookSnapshot,
    DayTicker,
    Levels,
    MarketEvent,
    OpenInterest,
)
from core.model.ports import FrameKind

NO_LEVELS: Final[Levels] = np.empty((0, 2), np.int64)

_SYMBOL: Final = re.compile(rb'"instrument_name":"([^"]+)"')
_CHANGE: Final = Shape(price=1, size=2)
_LEVEL: Final = Shape(price=0, size=1)
_NULL: Final = b"null"
_NAN: Final = math.nan

_Events: TypeAlias = Sequence[MarketEvent]


class DeribitKnown(Known):
    """What decoding needs of one instrument, and what its ticker last said."""

    __slots__ = ("_long", "_said", "_slip", "amounts", "changes", "levels", "numbers", "seen")

    def __init__(self, instrument: Instrument) -> None:
        super().__init__(instrument)
        self.numbers = NumberSteps(self.prices)
        self.amounts = NumberSteps(self.sizes)
        self.changes = SidePlan(self, _CHANGE)
        self.levels = SidePlan(self, _LEVEL)
        self._slip = self.changes.slip
        self.seen = TradeHoles(self._slip, scan.SEEN)
        # A kernel goes on with it, see `tickers.remember`.
        self._said = np.zeros((1, tickers.SAID), np.int64)
        self._long = b""
        self.interest = self.last = None
        self._slip[scan.SAID_AT] = address(self._said)
        self._slip[scan.INVERSE] = instrument.inverse

    def lend(self, place: int) -> None:
        """Have the kernel take changes of the book to the desk at a place, 0: tell them."""
        self._slip[DESK] = place

    @property
    def slip(self) -> memoryview:
        """What the kernels and the decoder both note."""
        return self._slip

    @property
    def quoted(self) -> bool:
        """Best quotes come in a channel of their own."""
        return bool(self._slip[scan.QUOTED])

    @quoted.setter
    def quoted(self, quoted: bool) -> None:
        self._slip[scan.QUOTED] = quoted

    @property
    def interest(self) -> float | None:
        """Open interest."""
        return self._number(tickers.SAID_INTEREST)

    @interest.setter
    def interest(self, value: float | None) -> None:
        self._said.view(np.float64)[0, tickers.SAID_INTEREST] = _NAN if value is None else value

    @property
    def last(self) -> float | None:
        """Last price."""
        return self._number(tickers.SAID_LAST)

    @last.setter
    def last(self, value: float | None) -> None:
        self._said.view(np.float64)[0, tickers.SAID_LAST] = _NAN if value is None else value

    @property
    def stats(self) -> bytes:
        """Statistics of the day as they were spelt."""
        length = int(self._said[0, tickers.SAID_LENGTH])
        if length == len(_NULL):
            return _NULL
        if length < tickers.SAID_LEAST:
            return self._long if length else b""
        return tickers.kept_text(self._said[0, tickers.SAID_WORDS :].tobytes(), length)

    @stats.setter
    def stats(self, stats: bytes) -> None:
        length = len(stats)
        if tickers.SAID_LEAST <= length <= tickers.SAID_MOST:
            words = np.frombuffer(tickers.kept_words(stats), np.int64)
            self._said[0, tickers.SAID_WORDS :] = words
        elif stats not in (b"", _NULL):
            self._long, length = stats, tickers.UNKEPT
        self._said[0, tickers.SAID_LENGTH] = length

    def _number(self, figure: int) -> float | None:
        value = float(self._said.view(np.float64)[0, figure])
        return None if math.isnan(value) else value


class ScannedMessages(OwningDecoder):
    """A decoder whose hot messages go through a compiled kernel first."""

    def __init__(self, venue: VenueName, instruments: Collection[Instrument]) -> None:
        self._desk = scan.Desk()
        self._desk_at = self._desk.at
        self._teller = teller()
        self._tell: Teller = self._learn
        self._found = scan.compiled()
        self._quick = Decode(self._teller, self._desk_at, self._left, self.decode)
        self.decode = self._quick.call  # type: ignore[method-assign]  # the same, but quicker
        self._rows: list[DeribitKnown] = []
        self._statistics = msgspec.json.Decoder(frames.Stats).decode
        super().__init__(venue, DeribitRule(), instruments, _SYMBOL)

    def make_known(self, instrument: Instrument) -> Known:
        """Return what decoding needs of an instrument."""
        # A listing comes as thousands: the kernel learns them at the next message.
        self._tell = self._learn
        self._quick.ready(ready=False)
        known = DeribitKnown(instrument)
        self._owners.show(known.id, known.slip)
        return known

    @abstractmethod
    def _left(self, kind: FrameKind, conn: int, ts_recv_ns: int, url: str, data: bytes) -> _Events:
        """Return the events of a frame off the stream that the kernel left."""

    def leftover(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events | None:
        """Return the events of what the kernel left; None: it is for the slower parser."""
        kind, row, ts_ns, number, _, bids_at, bids_end, asks_at, asks_end = self._found(
            self._desk_at
        )
        if kind == scan.FULL:
            self._desk.renew(len(data))
            events: _Events | None = self._tell(data, self._desk_at, conn, ts_recv_ns)
            return self.leftover(conn, ts_recv_ns, data) if events is None else events
        if kind != scan.IMAGE:
            return None
        name = self._rows[row].id
        room = self._desk.room
        bids = room[bids_at:bids_end] if bids_end > bids_at else NO_LEVELS
        asks = room[asks_at:asks_end] if asks_end > asks_at else NO_LEVELS
        self._owners.take(name, conn)
        return (BookSnapshot(name, ts_ns, ts_recv_ns, number, bids, asks, reset=True),)

    def _learn(self, data: bytes, desk_at: int, conn: int, ts_recv_ns: int) -> Any:
        """Tell of a message with instruments the kernel does not know yet."""
        known: dict[str, Any] = self._known
        self._rows = list(known.values())
        self._desk.learn(
            (symbol, item.changes.at, row) for row, (symbol, item) in enumerate(known.items())
        )
        self._tell = self._teller
        return self._tell(data, desk_at, conn, ts_recv_ns)

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
