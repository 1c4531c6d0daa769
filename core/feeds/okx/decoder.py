"""OKX v5 frames to market events.

A frame begins with its channel, which alone decides how it is read; whatever is spelt otherwise
goes through `_other`, which takes any order and says what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs, urlsplit

import msgspec

from core.engine.called import Decode
from core.feeds.decimals import Decimals
from core.feeds.decoder import FeedDecoder
from core.feeds.hosts import clock_sample
from core.feeds.okx import frames
from core.feeds.okx.forms import BOOK, BOOKS, FORMS
from core.feeds.okx.refusals import remedy
from core.feeds.okx.rows import BARS, MS, OkxKnown, Rows
from core.feeds.okx.rule import OkxRule
from core.feeds.okx.symbols import INDEX_KEY, index_instrument, parse_listing
from core.feeds.okx.told import compiled
from core.feeds.scanner import FULL, Scanner
from core.feeds.sides import SideReader
from core.model.errors import DataError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import (
    BookCheck,
    BookDelta,
    BookSnapshot,
    CheckedDelta,
    Levels,
    MarketEvent,
)
from core.model.ports import FrameKind

OKX: Final = VenueName("okx")

TRUSTED: Final = frozenset({*BOOKS, "bbo-tbt", "trades", "tickers"})
"""Channels whose connection decides whether an instrument is trusted."""

_HEAD: Final = b'{"arg":{"channel":"'
_AT: Final = len(_HEAD)
_CANDLE: Final = re.compile(r"candle([0-9]{1,2}[smHDWM](?:utc)?)\Z", re.ASCII)
_NAMED: Final = re.compile(r"channel:([\w-]+).*?instId:([\w-]+)", re.ASCII)

_Reader: TypeAlias = Callable[[int, int, bytes], Sequence[MarketEvent]]
_Maker: TypeAlias = Callable[..., list[MarketEvent]]


class OkxDecoder(FeedDecoder):
    """Decodes stream frames, REST answers and our own requests.

    Args:
        venue: The name events carry.
        instruments: Tick and lot sizes; listings on the tape teach more.
    """

    def __init__(self, venue: VenueName = OKX, instruments: Collection[Instrument] = ()) -> None:
        self.index_of: dict[str, str] = {}
        """Of a derivative's symbol the index it hangs on, such as ``BTC-USD``."""
        self._hanging: dict[str, dict[str, None]] = {}
        values = Decimals(f"value of {venue}")
        self._scanner = Scanner(
            FORMS, lambda: [self._of(key).plan for key in self.instruments], compiled(), values
        )
        self._quick = Decode(compiled(), self._scanner.place, self._left, self.decode)
        self.decode = self._quick.call  # type: ignore[method-assign]  # the same, but quicker
        super().__init__(venue, OkxRule(), instruments)
        self._sides = SideReader(self.off_step)
        self._rows = rows = Rows(
            values, self._of, self._index_id, self._followers, self._followed, self._sides.resting
        )
        self._outer = msgspec.json.Decoder(frames.Outer, strict=False).decode
        self._answers: dict[str, tuple[Callable[[bytes], Any], _Maker]] = {
            "mark-price": (_answer(frames.Mark), rows.mark),
            "funding-rate": (_answer(frames.Funding), rows.funding),
            "open-interest": (_answer(frames.Interest), rows.interest),
            "opt-summary": (_answer(frames.Summary), rows.summary),
            "index-tickers": (_answer(frames.Index), rows.index),
        }
        """How REST answers are read that hold what a channel pushes."""
        self._book_frame = _frame(frames.Book)
        self._channels: dict[bytes, _Reader] = {
            b"books": self._book,
            b"books-l2-tbt": self._book,
            b"books50-l2-tbt": self._book,
            b"books5": self._book,
            b"bbo-tbt": _reader(frames.Top, rows.top),
            b"trades": _reader(frames.Trade, rows.trade),
            b"trades-all": _reader(frames.Trade, rows.fill),
            b"tickers": _reader(frames.Ticker, rows.ticker),
            b"mark-price": _reader(frames.Mark, rows.mark),
            b"index-tickers": _reader(frames.Index, rows.index),
            b"funding-rate": _reader(frames.Funding, rows.funding),
            b"open-interest": _reader(frames.Interest, rows.interest),
            b"liquidation-orders": _reader(frames.Liquidation, rows.liquidation),
            b"opt-summary": _reader(frames.Summary, rows.summary),
        }
        for bar in BARS:
            self._channels[b"candle" + bar.encode()] = _reader(list, rows.candle)

    def make_known(self, instrument: Instrument) -> OkxKnown:
        """Return what decoding needs of an instrument."""
        return OkxKnown(instrument)

    def learn(self, listing: bytes) -> Sequence[Instrument]:
        """Teach it an answer of ``/api/v5/public/instruments`` and return what it lists.

        Raises:
            DataError: It is not that.
        """
        found = parse_listing(listing, self.venue)
        self.index_of.update(found.index_of)
        for symbol, index in found.index_of.items():
            self._hanging.setdefault(index, {})[symbol] = None
        self.add_instruments(found.instruments)
        return found.instruments

    def add_instruments(self, instruments: Collection[Instrument]) -> None:
        """Teach it tick and lot sizes; a symbol it does not know is a `FrameRejected`."""
        super().add_instruments(instruments)
        self._scanner.heed(self.changes)
        self._quick.ready(ready=False)

    def decode(
        self, kind: FrameKind, conn: int, ts_recv_ns: int, url: str, data: bytes
    ) -> Sequence[MarketEvent]:
        """Return the frame's events in order; a frame it cannot read gives `FrameRejected`."""
        if kind != "recv":
            return super().decode(kind, conn, ts_recv_ns, url, data)
        scanner = self._scanner
        events: Sequence[MarketEvent] | None
        events = scanner.tell(data, scanner.place, conn, ts_recv_ns)
        self._quick.ready(ready=scanner.learned)
        return events if events is not None else self._left(kind, conn, ts_recv_ns, url, data)

    def _left(
        self, kind: FrameKind, conn: int, ts_recv_ns: int, url: str, data: bytes
    ) -> Sequence[MarketEvent]:
        """Return the events of what the kernel has scanned and left."""
        scanner = self._scanner
        form, row, a, b, c, d, e, f, g, h, i, j = scanner.found(scanner.place)
        # A checksum is over the texts of the levels: they are kept unless they are plain.
        if form == BOOK and (d or not h) and g >= -1:
            # Texts that are plain decimals need not be kept: the levels tell them.
            return self._changed(
                scanner.known[row], (conn, j), i == 1, (e, ts_recv_ns), (f, g),
                (scanner.room[b:c], scanner.room[a:b]), BookCheck(h) if h else None,
            )  # fmt: skip
        if form == FULL and scanner.renew():
            return self.decode(kind, conn, ts_recv_ns, url, data)
        return super().decode(kind, conn, ts_recv_ns, url, data)

    def message(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read a message of the stream.

        Raises:
            DataError: It is not what the venue documents.
            msgspec.DecodeError: It is not JSON of the documented shape.
        """
        if data.startswith(_HEAD):
            read = self._channels.get(data[_AT : data.find(b'"', _AT)])
            if read is not None:
                return read(conn, ts_recv_ns, data)
        return self._other(conn, ts_recv_ns, data)

    def _other(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read a frame in any spelling, or say what is wrong with it."""
        if data in (b"pong", b"ping"):
            return ()
        outer = self._outer(data)
        match outer.event:
            case "":
                pass
            case "error" | "channel-conn-count-error":
                return self._refused(outer, ts_recv_ns, data)
            case "subscribe" | "unsubscribe" | "login" | "notice" | "channel-conn-count":
                return ()
            case event:
                raise DataError(f"event {event[:40]!r} is not one the venue documents")
        if outer.arg is None or not outer.data:
            raise DataError("frame must have an event, or an arg and data")
        channel = outer.arg.channel
        read = self._channels.get(channel.encode())
        if read is None:
            if not _CANDLE.match(channel):
                raise DataError(f"channel {channel[:40]!r} is not one of market data we follow")
            read = self._channels[b"candle1m"]
        return read(conn, ts_recv_ns, data)

    def _refused(self, outer: frames.Outer, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        named = _NAMED.search(outer.msg)
        arg = outer.arg or frames.Arg()
        channel = arg.channel or (named[1] if named else "")
        symbol = arg.instId or (named[2] if named else "")
        known = self._known.get(symbol)
        return self.reject(
            ts_recv_ns,
            f"the venue refused {channel or 'a request'} {symbol} with code {outer.code}: "
            f"{outer.msg[:200]}; {remedy(outer.code)}",
            data,
            channel=channel,
            instrument_id=known.id if known else None,
        )

    # -- books -----------------------------------------------------------------------------

    def _book(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read a book message in any spelling."""
        frame = self._book_frame(data)
        known = self._of(frame.arg.instId)
        if frame.arg.channel not in BOOKS:
            raise DataError(f"channel {frame.arg.channel[:40]!r} has no book")
        source = conn, BOOKS.index(frame.arg.channel)
        image = frame.action == "snapshot" or frame.arg.channel == "books5"
        if not image and frame.action != "update":
            raise DataError(f"action must be snapshot or update, was {frame.action[:40]!r}")
        if image and frame.arg.channel == "books5" and known.owner not in (None, source):
            # A deeper book of the same instrument comes in as well.
            return ()
        out: list[MarketEvent] = []
        for book in frame.data:
            ts_ns = book.ts * MS
            check = None
            if book.checksum:
                check = BookCheck(
                    book.checksum, self._spelt(book.bids), self._spelt(book.asks)
                )  # fmt: skip
            side, plan = self._sides.side, known.plan
            sides = side(bytes(book.bids), plan), side(bytes(book.asks), plan)
            times, numbers = (ts_ns, ts_recv_ns), (book.seqId, book.prevSeqId)
            out += self._changed(known, source, image, times, numbers, sides, check)
        return out

    @staticmethod
    def _changed(
        known: OkxKnown,
        source: tuple[int, int],
        image: bool,
        times: tuple[int, int],
        numbers: tuple[int, int],
        sides: tuple[Levels, Levels],
        check: BookCheck | None,
    ) -> Sequence[MarketEvent]:
        """Return the event of a book's message, none where another channel brings the book.

        `times` are the venue's and ours, `numbers` its own and the one before, `sides` bids and
        asks.
        """
        last, before = numbers
        if image:
            known.owner = source
            return (BookSnapshot(known.id, *times, last, *sides, True, check),)
        if known.owner != source:
            if known.owner is not None:
                return ()
            known.owner = source
        # An update's first id is the one it follows: the ids between are not the book's.
        fields = known.id, *times, max(before, 0), last, before, *sides
        return (BookDelta(*fields) if check is None else CheckedDelta(*fields, check),)

    def _spelt(self, raw: msgspec.Raw) -> tuple[tuple[str, str], ...]:
        return tuple([(level.price, level.size) for level in self._sides.texts(raw)])

    # -- REST answers, requests and connections ----------------------------------------------

    def answer(self, ts_recv_ns: int, url: str, data: bytes) -> Sequence[MarketEvent]:
        """Read a REST answer by its URL; answers that hold no market events give none.

        Raises:
            DataError: It is not what the venue documents.
            msgspec.DecodeError: It is not JSON of the documented shape.
        """
        parts = urlsplit(url)
        endpoint = parts.path.rpartition("/")[2]
        if endpoint == "instruments":
            self.learn(data)
            return ()
        if endpoint == "time":
            (row,) = _good(_answer(_Time)(data)) or [_Time(0)]
            return clock_sample(self.venue, url, ts_recv_ns, row.ts * MS)
        if endpoint == "books":
            return self._image(ts_recv_ns, parse_qs(parts.query).get("instId", [""])[0], data)
        if endpoint == "history-trades":
            return self._missed(ts_recv_ns, parse_qs(parts.query), data)
        if endpoint not in self._answers:
            return ()
        read, make = self._answers[endpoint]
        return make(_good(read(data)), ts_recv_ns)

    def _missed(
        self, ts_recv_ns: int, query: Mapping[str, list[str]], data: bytes
    ) -> Sequence[MarketEvent]:
        """Read what was asked for by id; by time, history is asked for, and not read here."""
        bounds = [query.get(name, [""])[0] for name in ("before", "after")]
        if not all(bound.isdecimal() and len(bound) < 19 for bound in bounds):
            return ()
        first, last = int(bounds[0]) + 1, int(bounds[1]) - 2
        known = self._of(query.get("instId", [""])[0])
        rows = _good(_answer(frames.Trade)(data))
        return self._rows.missed(rows, ts_recv_ns, known, first, last)

    def _image(self, ts_recv_ns: int, symbol: str, data: bytes) -> Sequence[MarketEvent]:
        known = self._of(symbol)
        side, plan = self._sides.side, known.plan
        return [
            BookSnapshot(
                known.id, book.ts * MS, ts_recv_ns, book.seqId, side(bytes(book.bids), plan),
                side(bytes(book.asks), plan),
            )
            for book in _good(_answer(frames.Book)(data))
        ]  # fmt: skip

    def sent(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read a request of ours."""
        if data == b"ping":
            return ()
        request = msgspec.json.decode(data, type=frames.Request)
        named = [
            (arg.instId, arg.channel)
            for arg in request.args
            if arg.channel in TRUSTED and arg.instId
        ]
        # An index has the name of a spot pair, but a connection of its own.
        named += [
            (INDEX_KEY + arg.instId, arg.channel)
            for arg in request.args
            if arg.channel == "index-tickers" and INDEX_KEY + arg.instId in self._known
        ]
        if request.op == "subscribe":
            return self.carry(conn, ts_recv_ns, named)
        if request.op != "unsubscribe":
            return ()
        for symbol, channel in named:
            known = self._known.get(symbol)
            if channel in BOOKS and isinstance(known, OkxKnown):
                known.left((conn, BOOKS.index(channel)))
        return self.release(conn, ts_recv_ns, named)

    def disconnected(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Distrust what the connection carried and no other does."""
        for known in self._known.values():
            if isinstance(known, OkxKnown) and known.owner and known.owner[0] == conn:
                known.owner = None
        return super().disconnected(conn, ts_recv_ns, data)

    def label(
        self, kind: FrameKind, url: str, data: bytes, events: Sequence[MarketEvent]
    ) -> Sequence[str]:
        """Return such as ``books:update``, ``trades``, ``event:subscribe``, else the kind."""
        if kind != "recv":
            return (kind,)
        try:
            outer = msgspec.json.decode(data, type=_Labelled)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return (data.decode(),) if data in (b"pong", b"ping") else ("rejected",)
        if outer.event:
            return (f"event:{outer.event}",)
        if outer.arg is None:
            return ("other",)
        return (f"{outer.arg.channel}:{outer.action}" if outer.action else outer.arg.channel,)

    def _of(self, symbol: str) -> OkxKnown:
        known = self._known.get(symbol)
        if type(known) is OkxKnown:
            return known
        known = self.of(symbol)
        assert isinstance(known, OkxKnown)
        return known

    def _index_id(self, name: str) -> InstrumentId:
        known = self._known.get(INDEX_KEY + name)
        if known is None:
            self.add_instruments([index_instrument(name, self.venue)])
            known = self._known[INDEX_KEY + name]
        return known.id

    def _followed(self, symbol: str) -> OkxKnown | None:
        if not any(self._carried.values()):
            # A recording that does not say what was asked for.
            return self._of(symbol)
        known = self._known.get(symbol)
        return known if isinstance(known, OkxKnown) and self._is_carried(known.id) else None

    def _followers(self, index: str) -> Iterable[InstrumentId]:
        known = (self._known.get(symbol) for symbol in self._hanging.get(index, ()))
        return [item.id for item in known if item is not None and self._is_carried(item.id)]


class _Time(msgspec.Struct):
    ts: frames.Ms


class _Labelled(msgspec.Struct):
    event: str = ""
    arg: frames.Arg | None = None
    action: str = ""


def _frame(row: Any) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(frames.Frame[row], strict=False).decode


def _answer(row: Any) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(frames.Answer[row], strict=False).decode


def _reader(row: Any, make: _Maker) -> _Reader:
    read = _frame(frames.Candle if row is list else row)

    def rows(conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        frame = read(data)
        return make(frame.data, ts_recv_ns, frame.arg)

    return rows


def _good(answer: frames.Answer[Any]) -> list[Any]:
    if answer.code != "0":
        raise DataError(
            f"the venue answered code {answer.code}: {answer.msg[:200]}; {remedy(answer.code)}"
        )
    return answer.data
