"""Kraken v2 messages to market events."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs, urlsplit

import msgspec

from core.feeds.decimals import Decimals
from core.feeds.decoder import Known
from core.feeds.holes import TradeHoles
from core.feeds.hosts import clock_sample
from core.feeds.kraken import frames
from core.feeds.kraken.history import map_trades
from core.feeds.kraken.rule import DEPTHS, KrakenRule
from core.feeds.kraken.symbols import of_channel, parse_pairs
from core.feeds.levels import LevelReader, Shape, SidePlan
from core.feeds.owners import OwningDecoder
from core.feeds.stamps import Stamps
from core.model.errors import DataError
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.market import (
    BookCheck,
    BookSnapshot,
    CheckedDelta,
    DayTicker,
    MarketEvent,
    Quote,
    Trade,
    VenueBar,
)
from core.model.ports import FrameKind

KRAKEN: Final = VenueName("kraken")

DEPTH_KEY: Final = "depth"
"""What the fragment of a taped listing's URL says of the books that follow."""

_PREFIX: Final = b'{"channel":"'
_KIND: Final = slice(12, 16)
_SYMBOL: Final = re.compile(rb'"symbol":"([^"]+)"')
_HARMLESS: Final = frozenset({b"trad", b"tick", b"ohlc", b"inst", b"stat", b"hear"})
"""Channels that bring no change of a book, should a message of theirs be unreadable."""

_LEVEL: Final = Shape(price="price", size="qty")
_MINUTES: Final = {
    1: "1m", 5: "5m", 15: "15m", 30: "30m", 60: "1h", 240: "4h", 1440: "1d", 10080: "1w",
}  # fmt: skip
_MINUTE_NS: Final = 60_000_000_000

_Events: TypeAlias = Sequence[MarketEvent]
_Reader: TypeAlias = Callable[[int, int, bytes], _Events]
_Texts: TypeAlias = tuple[tuple[str, str], ...]


class KrakenKnown(Known):
    """What decoding needs of one pair."""

    __slots__ = ("day", "levels", "seen")

    def __init__(self, instrument: Instrument) -> None:
        super().__init__(instrument)
        self.levels = SidePlan(self, _LEVEL)
        self.seen = TradeHoles()
        self.day = (b"", b"", b"", b"")


class KrakenDecoder(OwningDecoder):
    """Decodes messages of the stream, REST answers and requests of ours."""

    def __init__(self, venue: VenueName = KRAKEN, instruments: Collection[Instrument] = ()) -> None:
        self.books = KrakenRule()
        """The rule, with the depth books are subscribed with."""
        super().__init__(venue, self.books, instruments, _SYMBOL)
        self._levels = LevelReader()
        self._stamps = Stamps()
        self._decimals = Decimals(f"statistics of {venue}")
        self._outer = msgspec.json.Decoder(frames.Outer).decode
        self._book_frames = msgspec.json.Decoder(frames.Frame[frames.Book]).decode
        self._trade_frames = msgspec.json.Decoder(frames.Frame[frames.Trade]).decode
        self._ticker_frames = msgspec.json.Decoder(frames.Frame[frames.Ticker]).decode
        self._candle_frames = msgspec.json.Decoder(frames.Frame[frames.Candle]).decode
        self._texts = msgspec.json.Decoder(list[frames.Level]).decode
        self._by_channel: dict[str, _Reader] = {
            "book": self._book,
            "trade": self._trade,
            "ticker": self._ticker,
            "ohlc": self._candle,
            "instrument": self._pairs,
            "status": self._status,
            "heartbeat": _nothing,
        }
        self._readers = {name[:4].encode(): reader for name, reader in self._by_channel.items()}

    def make_known(self, instrument: Instrument) -> Known:
        """Return what decoding needs of an instrument."""
        return KrakenKnown(instrument)

    def message(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        """Read a message of the stream."""
        try:
            return self._read(conn, ts_recv_ns, data)
        except (DataError, ValueError, RecursionError) as error:
            if data[_KIND] in _HARMLESS:
                raise
            # Below the ten best levels no checksum would show that a change is missing.
            return self.unread(conn, ts_recv_ns, error, data)

    def _read(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        if data.startswith(_PREFIX):
            reader = self._readers.get(data[_KIND])
            if reader is not None:
                return reader(conn, ts_recv_ns, data)
        outer = self._outer(data)
        if outer.method:
            return self._answered(ts_recv_ns, outer, data)
        reader = self._by_channel.get(outer.channel)
        if reader is None:
            odd = f"channel {outer.channel[:40]!r} is not one we follow"
            return self.reject(ts_recv_ns, odd, data, channel=outer.channel[:40])
        return reader(conn, ts_recv_ns, data)

    def answer(self, ts_recv_ns: int, url: str, data: bytes) -> _Events:
        """Read a REST answer by its URL; answers that hold no market events give none.

        A taped listing's URL says which depth the books have: ``.../AssetPairs?pair=..#depth=10``.
        """
        parts = urlsplit(url)
        match parts.path.rpartition("/")[2]:
            case "AssetPairs":
                depth = parse_qs(parts.fragment).get(DEPTH_KEY, [""])[0]
                if depth.isdigit():
                    self._deepen(int(depth))
                self.add_instruments(parse_pairs(data, self.venue).instruments)
            case "Trades":
                known = self.of(parse_qs(parts.query).get("pair", [""])[0])
                return [
                    msgspec.structs.replace(trade, ts_recv_ns=ts_recv_ns)
                    for trade in map_trades(data, known)
                ]
            case "Time":
                # Whole seconds, cut: half of one is the best guess.
                seconds = msgspec.json.decode(data, type=_Time).result.unixtime
                server_ns = seconds * 1_000_000_000 + 500_000_000
                return clock_sample(self.venue, url, ts_recv_ns, server_ns)
        return ()

    def sent(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        """Note what a request of ours joins or leaves, and how deep."""
        request = msgspec.json.decode(data, type=frames.Request)
        channel = request.params.channel
        named = [(symbol, channel) for symbol in request.params.symbol]
        if request.method == "subscribe":
            if channel == "book":
                self._deepen(request.params.depth)
            return self.carry(conn, ts_recv_ns, named)
        if request.method != "unsubscribe":
            return ()
        self.left(conn, named, ("book",))
        return self.release(conn, ts_recv_ns, named)

    def label(
        self, kind: FrameKind, url: str, data: bytes, events: Sequence[MarketEvent]
    ) -> Sequence[str]:
        """Return channel and type, such as ``book:update``, or the method answered."""
        if kind != "recv":
            return (kind,)
        try:
            outer = self._outer(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return ("unreadable",)
        if outer.method:
            return (outer.method,)
        return (f"{outer.channel}:{outer.type}" if outer.type else outer.channel or "unknown",)

    # -- channels --------------------------------------------------------------------------------

    def _book(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        frame = self._book_frames(data)
        out: list[MarketEvent] = []
        for book in frame.data:
            known = self._kraken(book.symbol)
            name = known.id
            raw_bids, raw_asks = bytes(book.bids), bytes(book.asks)
            bids = self._levels.side(raw_bids, known.levels)
            asks = self._levels.side(raw_asks, known.levels)
            ts_ns = self._stamps.ns(book.timestamp) if book.timestamp else 0
            if frame.type == "update":
                if self._owners.owns(name, conn):
                    check = BookCheck(book.checksum)
                    out.append(
                        CheckedDelta(name, ts_ns, ts_recv_ns, 0, 0, -1, bids, asks, check)
                    )  # fmt: skip
            elif frame.type == "snapshot":
                check = BookCheck(book.checksum, self._spelt(raw_bids), self._spelt(raw_asks))
                self._owners.take(name, conn)
                out.append(
                    BookSnapshot(
                        name, ts_ns, ts_recv_ns, 0, bids, asks, reset=True, check=check
                    )
                )  # fmt: skip
            else:
                raise DataError(f"book type must be snapshot or update, was {frame.type[:40]!r}")
        return out

    def _spelt(self, raw: bytes) -> _Texts:
        """Return levels as the wire spells them."""
        return tuple(
            (bytes(level.price).decode(), bytes(level.qty).decode()) for level in self._texts(raw)
        )

    def _trade(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        frame = self._trade_frames(data)
        if frame.type not in ("snapshot", "update"):
            raise DataError(f"trade type must be snapshot or update, was {frame.type[:40]!r}")
        out: list[MarketEvent] = []
        seen: list[tuple[TradeHoles, int]] = []
        for trade in sorted(frame.data, key=_trade_id):
            known = self._kraken(trade.symbol)
            number = trade.trade_id
            # The fifty before the subscription were never all of their time; only those that were
            # lost on the way belong here.
            if frame.type == "snapshot" and not known.seen.wants(number):
                continue
            price = known.prices[_text(trade.price)]
            size = known.sizes[_text(trade.qty)]
            sold = trade.side == "sell"
            if not price or not size or not (sold or trade.side == "buy"):
                raise DataError(
                    f"trade {number} of {known.id} must have a price and a size above 0 and a "
                    f"side, was {trade.side[:20]!r}"
                )
            ts_ns = self._stamps.ns(trade.timestamp)
            out.append(Trade(known.id, ts_ns, ts_recv_ns, price, size, sold, number))
            seen.append((known.seen, number))
        # Not before all of it is read: a message refused must leave nothing behind.
        for holes, number in seen:
            holes.see(number)
        return out

    def _ticker(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        out: list[MarketEvent] = []
        for ticker in self._ticker_frames(data).data:
            known = self._kraken(ticker.symbol)
            ts_ns = self._stamps.ns(ticker.timestamp) if ticker.timestamp else 0
            bid, ask = _text(ticker.bid), _text(ticker.ask)
            if bid and ask:
                out.append(
                    Quote(
                        known.id, ts_ns, ts_recv_ns, known.prices[bid],
                        known.sizes[_text(ticker.bid_qty)], known.prices[ask],
                        known.sizes[_text(ticker.ask_qty)], 0,
                    )
                )  # fmt: skip
            day = (bytes(ticker.last), bytes(ticker.low), bytes(ticker.high), bytes(ticker.volume))
            if day != known.day:
                known.day = day
                last, low, high, volume = (self._decimals[_plain(raw)] for raw in day)
                out.append(
                    DayTicker(
                        instrument_id=known.id, ts_event_ns=ts_ns, ts_recv_ns=ts_recv_ns,
                        last=last, low=low, high=high, volume=volume,
                    )
                )  # fmt: skip
        return out

    def _candle(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        frame = self._candle_frames(data)
        ts_ns = self._stamps.ns(frame.timestamp) if frame.timestamp else 0
        out: list[MarketEvent] = []
        for candle in frame.data:
            known = self._kraken(candle.symbol)
            prices = known.prices
            begin_ns = self._stamps.ns(candle.interval_begin)
            out.append(
                VenueBar(
                    known.id, _MINUTES.get(candle.interval, f"{candle.interval}m"), begin_ns,
                    ts_recv_ns, prices[_text(candle.open)], prices[_text(candle.high)],
                    prices[_text(candle.low)], prices[_text(candle.close)],
                    known.sizes[_text(candle.volume)],
                    closed=ts_ns >= begin_ns + candle.interval * _MINUTE_NS,
                )
            )  # fmt: skip
        return out

    def _pairs(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        """Learn pairs that the listing does not have; what is in use keeps its steps."""
        out: list[MarketEvent] = []
        for pair in msgspec.json.decode(data, type=frames.Instruments).data.pairs:
            known = self._known.get(pair.symbol)
            fresh = of_channel(pair, self.venue)
            if known is None:
                self.add_instruments([fresh])
            elif (known.instrument.price_tick, known.instrument.size_lot) != (
                fresh.price_tick, fresh.size_lot,
            ):  # fmt: skip
                out += self.reject(
                    ts_recv_ns,
                    f"steps of {known.id} were {known.instrument.price_tick} and "
                    f"{known.instrument.size_lot}, are now {fresh.price_tick} and "
                    f"{fresh.size_lot}: fetch the listing anew",
                    data,
                    channel="instrument",
                    instrument_id=known.id,
                )
        return out

    def _status(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        """Tell when the venue's engine is not simply online."""
        systems = {state.system for state in msgspec.json.decode(data, type=_Statuses).data}
        odd = sorted(systems - {"online", ""})
        if not odd:
            return ()
        return self.reject(
            ts_recv_ns,
            f"the venue's engine is {', '.join(odd)[:80]}: data may stand still until it is online",
            data,
            channel="status",
        )

    # -- answers ---------------------------------------------------------------------------------

    def _answered(self, ts_recv_ns: int, outer: frames.Outer, data: bytes) -> _Events:
        if outer.success is not False:
            return ()
        known = self._known.get(outer.symbol)
        return self.reject(
            ts_recv_ns,
            f"the venue refused to {outer.method[:20]} {outer.symbol[:40]}: {outer.error[:120]}; "
            "is the pair still listed?",
            data,
            channel=outer.method,
            instrument_id=known.id if known is not None else None,
        )

    def _deepen(self, depth: int) -> None:
        if depth not in DEPTHS:
            raise DataError(f"depth must be one of {', '.join(map(str, DEPTHS))}, was {depth}")
        self.books.depth = depth

    def _kraken(self, symbol: str) -> KrakenKnown:
        known: Any = self._known.get(symbol) or self.of(symbol)
        found: KrakenKnown = known
        return found


class _Seconds(msgspec.Struct):
    unixtime: frames.Id


class _Time(msgspec.Struct):
    result: _Seconds


class _Statuses(msgspec.Struct):
    data: list[frames.Status] = []


def _nothing(conn: int, ts_recv_ns: int, data: bytes) -> _Events:
    """Read a heartbeat."""
    if not data.endswith(b"}"):
        raise DataError("message is cut short")
    return ()


def _trade_id(trade: frames.Trade) -> int:
    return trade.trade_id


def _text(raw: msgspec.Raw) -> str:
    """Return a number's own text; empty where it is null or missing."""
    return _plain(bytes(raw))


def _plain(raw: bytes) -> str:
    return "" if raw == b"null" else raw.decode()
