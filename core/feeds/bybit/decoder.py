"""Bybit v5 frames to market events.

Spot pairs and perpetuals bear the same symbols, and only the socket's URL tells which is meant: it
is remembered of each connection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs, urlsplit

import msgspec

from core.feeds.bybit import frames
from core.feeds.bybit.forms import BEST_BOOK, BOOK, CANDLE, FORMS, TICKER
from core.feeds.bybit.refusals import check
from core.feeds.bybit.rule import BybitRule
from core.feeds.bybit.symbols import SPOT_KEY, parse_listing
from core.feeds.bybit.tickers import BybitKnown, TickerReader
from core.feeds.bybit.told import compiled
from core.feeds.decimals import Decimals
from core.feeds.decoder import FeedDecoder, Known
from core.feeds.hosts import clock_sample
from core.feeds.jsonbytes import hash_of, ident_of
from core.feeds.levels import SidePlan
from core.feeds.scanner import FULL, Scanner
from core.feeds.sides import Level, SideReader
from core.feeds.steps import OffStep
from core.model.errors import DataError, TemporaryError
from core.model.ids import VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import (
    BookDelta,
    BookSnapshot,
    Levels,
    Liquidation,
    MarketEvent,
    Quote,
    Side,
    Trade,
    VenueBar,
)
from core.model.ports import FrameKind

BYBIT: Final = VenueName("bybit")

BARS: Final = {
    "1": "1m", "3": "3m", "5": "5m", "15": "15m", "30": "30m", "60": "1h", "120": "2h",
    "240": "4h", "360": "6h", "720": "12h", "D": "1d", "W": "1w", "M": "1M",
}  # fmt: skip
"""The venue's names of candle lengths, and ours."""

_BARS: Final = {hash_of(name): bar for name, bar in BARS.items()}
_TOPIC: Final = b'"topic":"'
_NEAR: Final = 100
"""Bytes within which a frame has its topic; of options an id comes first."""

_BEST: Final = b"orderbook.1."
_MS: Final = 1_000_000

_Reader: TypeAlias = Callable[[int, int, bytes], Sequence[MarketEvent]]


class BybitDecoder(FeedDecoder):
    """Decodes stream frames, REST answers and our own requests.

    Args:
        venue: The name events carry.
        instruments: Tick and lot sizes; listings on the tape teach more.
    """

    def __init__(self, venue: VenueName = BYBIT, instruments: Collection[Instrument] = ()) -> None:
        self._prefixes: dict[int, str] = {}
        """Of each connection what its symbols get in front as keys."""
        values = Decimals(f"value of {venue}")
        self._scanner = Scanner(FORMS, lambda: self._plans(spot=False), compiled(), values)
        self._spot_scanner = Scanner(FORMS, lambda: self._plans(spot=True), compiled(), values)
        self._scanner_of: dict[int, Scanner] = {}
        """Of connections of the spot market."""
        super().__init__(venue, BybitRule(), instruments)
        self._sides = SideReader(self.off_step)
        self._tickers = TickerReader(values, self._sides.resting)
        self._outer = msgspec.json.Decoder(frames.Outer).decode
        self._book_frame = _frame(frames.Book)
        self._best_frame = _frame(frames.Best)
        self._trade_frame = _frame(list[frames.Trade])
        self._ticker_frame = _frame(frames.Ticker)
        self._candle_frame = _frame(list[frames.Candle])
        self._liquidation_frame = _frame(list[frames.Liquidation])
        self._old_liquidation_frame = _frame(frames.OldLiquidation)
        self._topics: dict[bytes, _Reader] = {
            b"orderbook": self._book,
            b"publicTrade": self._trades,
            b"tickers": self._ticker,
            b"kline": self._candles,
            b"allLiquidation": self._liquidations,
            b"liquidation": self._old_liquidation,
        }

    def key_of(self, instrument: Instrument) -> str:
        """Return what `of` finds an instrument by."""
        spot = instrument.kind is InstrumentKind.SPOT
        return f"{SPOT_KEY}{instrument.venue_symbol}" if spot else instrument.venue_symbol

    def make_known(self, instrument: Instrument) -> BybitKnown:
        """Return what decoding needs of an instrument."""
        return BybitKnown(instrument, self.key_of(instrument))

    def of(self, symbol: str) -> Known:
        """Return what is known of a venue symbol, which of spot has `SPOT_KEY` in front.

        Raises:
            DataError: Nothing is, and no one can say.
        """
        if symbol not in self._known and self.unlisted is not None:
            made = self.unlisted(symbol.removeprefix(SPOT_KEY))
            if made is not None:
                kind = _kind(symbol)
                self.add_instruments([msgspec.structs.replace(made, kind=kind)])
        return super().of(symbol)

    def add_instruments(self, instruments: Collection[Instrument]) -> None:
        """Teach it tick and lot sizes; a symbol it does not know is a `FrameRejected`."""
        super().add_instruments(instruments)
        self._scanner.heed(self.changes)
        self._spot_scanner.heed(self.changes)

    def decode(
        self, kind: FrameKind, conn: int, ts_recv_ns: int, url: str, data: bytes
    ) -> Sequence[MarketEvent]:
        """Return the frame's events in order; a frame it cannot read gives `FrameRejected`."""
        if kind == "recv":
            scanner = self._scanner_of.get(conn, self._scanner)
            events: Sequence[MarketEvent] | None
            events = scanner.tell(data, scanner.place, conn, ts_recv_ns)
            if events is not None:
                return events
            form, row, a, b, c, d, e, f, g, h, i, _ = scanner.found(scanner.place)
            if form == BOOK:
                bids, asks = scanner.room[a:b], scanner.room[b:c]
                return self._changed(
                    scanner.known[row], (conn, i), d == 1, f or e, ts_recv_ns, g, h, bids, asks
                )  # fmt: skip
            if form == BEST_BOOK:
                known = scanner.known[row]
                levels = scanner.room[a:c].tolist()
                return self._quoted(
                    known, d == 1, f or e, ts_recv_ns, g, levels[: b - a], levels[b - a :]
                )
            if form == TICKER:
                try:
                    told = self._ticker_frame(data).data
                    return self._tickers.read(scanner.known[row], told, False, b, ts_recv_ns)
                except (msgspec.DecodeError, DataError):
                    # Read again, to say what is wrong.
                    pass
            if form == CANDLE and a in _BARS:
                name = scanner.known[row].id
                return (VenueBar(name, _BARS[a], b, ts_recv_ns, c, d, e, f, g, h == 1),)
            if form == FULL and scanner.renew():
                return self.decode(kind, conn, ts_recv_ns, url, data)
        return super().decode(kind, conn, ts_recv_ns, url, data)

    def message(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read a message of the stream.

        Raises:
            DataError: It is not what the venue documents.
            msgspec.DecodeError: It is not JSON of the documented shape.
        """
        at = data.find(_TOPIC, 0, _NEAR) + len(_TOPIC)
        read = self._topics.get(data[at : data.find(b".", at)])
        if read is not None:
            if data.startswith(_BEST, at):
                read = self._best
            return read(conn, ts_recv_ns, data)
        return self._other(conn, ts_recv_ns, data)

    def _other(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read a frame in any spelling, or say what is wrong with it."""
        outer = self._outer(data)
        if outer.topic:
            channel = outer.topic.partition(".")[0]
            read = self._topics.get(channel.encode())
            if outer.topic.startswith(_BEST.decode()):
                read = self._best
            if read is None:
                raise DataError(f"topic {channel[:40]!r} is not one of market data we follow")
            return read(conn, ts_recv_ns, data)
        if outer.type == "COMMAND_RESP" and outer.data:
            failed = msgspec.json.decode(outer.data, type=frames.Topics).failTopics
            if failed:
                return self._refused(conn, ts_recv_ns, failed[0], outer.ret_msg, data)
        if outer.success is False:
            # ``error:handler not found,topic:publicTrade.XYZ``
            topic = outer.ret_msg.rpartition("topic:")[2]
            return self._refused(conn, ts_recv_ns, topic, outer.ret_msg, data)
        if outer.op in ("subscribe", "unsubscribe", "ping", "pong") or outer.success:
            return ()
        raise DataError(f"operation {outer.op[:40]!r} is not one of a market data stream")

    def _refused(
        self, conn: int, ts_recv_ns: int, topic: str, words: str, data: bytes
    ) -> Sequence[MarketEvent]:
        symbol = topic.rpartition(".")[2]
        known = self._known.get(self._prefixes.get(conn, "") + symbol)
        return self.reject(
            ts_recv_ns,
            f"the venue refused {topic[:60] or 'a request'}: {words[:200]}; check the symbol, and "
            "that its market is the socket's",
            data,
            channel=topic[:60],
            instrument_id=known.id if known else None,
        )

    # -- books -----------------------------------------------------------------------------

    def _book(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read a book message in any spelling."""
        frame = self._book_frame(data)
        book = frame.data
        known = self._find(conn, book.s)
        if frame.type not in ("snapshot", "delta"):
            raise DataError(f"type must be snapshot or delta, was {frame.type[:40]!r}")
        side, plan = self._sides.side, known.plan
        return self._changed(
            known, (conn, hash_of(frame.topic)), frame.type == "snapshot",
            (frame.cts or frame.ts) * _MS, ts_recv_ns, book.u, book.seq, side(bytes(book.b), plan),
            side(bytes(book.a), plan),
        )  # fmt: skip

    @staticmethod
    def _changed(
        known: BybitKnown,
        source: tuple[int, int],
        image: bool,
        ts_ns: int,
        ts_recv_ns: int,
        u: int,
        seq: int,
        bids: Levels,
        asks: Levels,
    ) -> Sequence[MarketEvent]:
        # The number of a service that began anew is 1, and all it says is an image.
        if image or u == 1:
            known.owner = source
            known.numbers = seq, u
            return (BookSnapshot(known.id, ts_ns, ts_recv_ns, u, bids, asks, True),)
        if known.owner != source:
            if known.owner is not None:
                return ()
            known.owner = source
        known.numbers = seq, u
        return (BookDelta(known.id, ts_ns, ts_recv_ns, u, u, -1, bids, asks),)

    def _plans(self, *, spot: bool) -> list[SidePlan]:
        every = [self._known_as("", key) for key in self.instruments]
        return [
            known.plan for known in every if (known.instrument.kind is InstrumentKind.SPOT) == spot
        ]

    def _best(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read a book of one level in any spelling."""
        frame = self._best_frame(data)
        best = frame.data
        known = self._find(conn, best.s)
        ts_ns = (frame.cts or frame.ts) * _MS
        bids, asks = self._steps(best.b, known), self._steps(best.a, known)
        whole = frame.type == "snapshot"
        return self._quoted(known, whole, ts_ns, ts_recv_ns, best.seq, bids, asks)

    def _steps(self, rows: list[Level], known: BybitKnown) -> list[list[int]]:
        levels = []
        for row in rows:
            price = known.prices[row.price]
            lots, _ = self._sides.resting(known, row.size, row.size)
            if not price:
                raise DataError(f"level of {known.id} must have a price above 0")
            levels.append([price, lots])
        return levels

    @staticmethod
    def _quoted(
        known: BybitKnown,
        whole: bool,
        ts_ns: int,
        ts_recv_ns: int,
        seq: int,
        bids: list[list[int]],
        asks: list[list[int]],
    ) -> Sequence[MarketEvent]:
        """Take a book of one level; a side that is empty in a change stays as it was."""
        if ts_ns < known.quoted_ns:
            # An older connection lags behind the one that takes over.
            return ()
        known.quoted_ns = ts_ns
        known.bid = _level(bids, None if whole else known.bid)
        known.ask = _level(asks, None if whole else known.ask)
        if known.bid is None or known.ask is None:
            return ()
        # Numbers of this depth are not the book's: in those, it is either newer or not.
        book_seq, book_id = known.numbers
        return (
            Quote(
                known.id, ts_ns, ts_recv_ns, *known.bid, *known.ask,
                book_id + 1 if seq > book_seq else book_id,
            ),
        )  # fmt: skip

    # -- other topics ------------------------------------------------------------------------

    def _trades(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        rows = self._trade_frame(data).data
        out: list[MarketEvent] = []
        known: BybitKnown | None = None
        symbol = ""
        for row in rows:
            if row.s != symbol:
                symbol = row.s
                known = self._followed(conn, symbol)
            if known is None:
                continue
            price, size = known.prices[row.p], known.sizes[row.v]
            if not price or not size:
                raise DataError(f"trade {row.i[:40]!r} must have a price and a size above 0")
            sold = row.S == "Sell"
            if not sold and row.S != "Buy":
                raise _odd_side(row.S)
            out.append(
                Trade(known.id, row.T * _MS, ts_recv_ns, price, size, sold, trade_number(row.i))
            )  # fmt: skip
        return out

    def _ticker(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        frame = self._ticker_frame(data)
        known = self._find(conn, frame.data.symbol)
        whole = frame.type == "snapshot"
        return self._tickers.read(known, frame.data, whole, frame.ts * _MS, ts_recv_ns)

    def _candles(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        frame = self._candle_frame(data)
        known = self._find(conn, frame.topic.rpartition(".")[2])
        prices = known.prices
        return [
            VenueBar(
                known.id, BARS.get(row.interval, row.interval), row.start * _MS, ts_recv_ns,
                prices[row.open], prices[row.high], prices[row.low], prices[row.close],
                known.sizes[row.volume], row.confirm,
            )
            for row in frame.data
        ]  # fmt: skip

    def _liquidations(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        rows = self._liquidation_frame(data).data
        return [
            _forced(self._find(conn, row.s), row.T, ts_recv_ns, row.S, row.p, row.v, lossy=False)
            for row in rows
        ]

    def _old_liquidation(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        row = self._old_liquidation_frame(data).data
        known = self._find(conn, row.symbol)
        return (
            _forced(
                known, row.updatedTime, ts_recv_ns, row.side, row.price, row.size, lossy=True
            ),
        )  # fmt: skip

    # -- REST answers, requests and connections ----------------------------------------------

    def answer(self, ts_recv_ns: int, url: str, data: bytes) -> Sequence[MarketEvent]:
        """Read a REST answer by its URL; answers that hold no market events give none.

        Raises:
            DataError: It is not what the venue documents.
            msgspec.DecodeError: It is not JSON of the documented shape.
        """
        parts = urlsplit(url)
        endpoint = parts.path.rpartition("/")[2]
        if endpoint == "instruments-info":
            try:
                self.add_instruments(parse_listing(data, self.venue).instruments)
            except TemporaryError as error:
                # On a tape there is nobody to ask again.
                raise DataError(str(error)) from None
        elif endpoint == "time":
            time = _result(data, frames.Time)
            return clock_sample(self.venue, url, ts_recv_ns, time.timeNano)
        elif endpoint == "orderbook":
            category = parse_qs(parts.query).get("category", [""])[0]
            image = _result(data, frames.Image)
            known = self._known_as(SPOT_KEY if category == "spot" else "", image.s)
            side, plan = self._sides.side, known.plan
            return (
                BookSnapshot(
                    known.id, image.ts * _MS, ts_recv_ns, image.u, side(bytes(image.b), plan),
                    side(bytes(image.a), plan),
                ),
            )  # fmt: skip
        return ()

    def connected(self, conn: int, ts_recv_ns: int, url: str) -> Sequence[MarketEvent]:
        """Note a connection, and by its URL of which market it is."""
        spot = urlsplit(url).path.rstrip("/").endswith("/spot")
        self._prefixes[conn] = SPOT_KEY if spot else ""
        if spot:
            self._scanner_of[conn] = self._spot_scanner
        return super().connected(conn, ts_recv_ns, url)

    def disconnected(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Distrust what the connection carried and no other does."""
        self._prefixes.pop(conn, None)
        self._scanner_of.pop(conn, None)
        for known in self._known.values():
            if isinstance(known, BybitKnown) and known.owner and known.owner[0] == conn:
                known.owner = None
        return super().disconnected(conn, ts_recv_ns, data)

    def sent(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read a request of ours."""
        request = msgspec.json.decode(data, type=frames.Request)
        prefix = self._prefixes.get(conn, "")
        pairs = []
        for topic in request.args:
            channel, _, symbol = topic.rpartition(".")
            # Trades of options are asked for by coin.
            if channel and (prefix or "-" in symbol or not _is_coin(topic, self._known)):
                pairs.append((prefix + symbol, channel))
        if request.op == "subscribe":
            return self.carry(conn, ts_recv_ns, pairs)
        if request.op != "unsubscribe":
            return ()
        for symbol, channel in pairs:
            known = self._known.get(symbol)
            topic = f"{channel}.{symbol.removeprefix(SPOT_KEY)}"
            if isinstance(known, BybitKnown) and known.owner == (conn, hash_of(topic)):
                known.owner = None
        return self.release(conn, ts_recv_ns, pairs)

    def label(
        self, kind: FrameKind, url: str, data: bytes, events: Sequence[MarketEvent]
    ) -> Sequence[str]:
        """Return such as ``orderbook:delta`` or ``ack``, else the kind."""
        if kind != "recv":
            return (kind,)
        try:
            outer = self._outer(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ("rejected",)
        if outer.topic:
            return (f"{outer.topic.partition('.')[0]}:{outer.type}",)
        return ("pong",) if outer.op in ("ping", "pong") else ("ack",)

    def _find(self, conn: int, symbol: str) -> BybitKnown:
        return self._known_as(self._prefixes.get(conn, ""), symbol)

    def _known_as(self, prefix: str, symbol: str) -> BybitKnown:
        known = self._known.get(prefix + symbol)
        if type(known) is BybitKnown:
            return known
        known = self.of(prefix + symbol)
        assert isinstance(known, BybitKnown)
        return known

    def _followed(self, conn: int, symbol: str) -> BybitKnown | None:
        """Return an instrument, None of options we do not follow: their trades come by coin."""
        known = self._find(conn, symbol)
        if known.instrument.kind is not InstrumentKind.OPTION or not self._carried.get(conn):
            return known
        return known if known.id in self._carried[conn] else None


def _frame(body: Any) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(frames.Frame[body]).decode


def _kind(key: str) -> InstrumentKind:
    """Return what an instrument no listing named must be, by its key."""
    if key.startswith(SPOT_KEY):
        return InstrumentKind.SPOT
    # ``BTC-28JUN24-60000-P``
    return InstrumentKind.OPTION if key.count("-") > 2 else InstrumentKind.PERPETUAL


def _level(rows: list[list[int]], level: tuple[int, int] | None) -> tuple[int, int] | None:
    """Return a level after its changes."""
    for price, lots in rows:
        if lots:
            level = price, lots
        elif level is not None and level[0] == price:
            level = None
    return level


def _is_coin(topic: str, known: dict[str, Known]) -> bool:
    channel, _, name = topic.rpartition(".")
    return channel == "publicTrade" and name not in known and name.isalpha() and len(name) < 6


def _side(text: str) -> Side:
    if text == "Buy":
        return Side.BUY
    if text == "Sell":
        return Side.SELL
    raise _odd_side(text)


def _odd_side(text: str) -> DataError:
    return DataError(f"side must be Buy or Sell, was {text[:40]!r}")


def trade_number(text: str) -> int:
    """Return a trade's id if it is a number, else 63 bits that are always the same for it."""
    if not text:
        raise DataError("a trade must have an id")
    return ident_of(text)


def _forced(
    known: BybitKnown,
    ts: int,
    ts_recv_ns: int,
    position: str,
    price: str,
    size: str,
    *,
    lossy: bool,
) -> Liquidation:
    try:
        ticks = known.prices[price]
    except OffStep:
        # A bankruptcy price is computed, and need not be a whole number of ticks.
        ticks = known.prices.nearest(price)
    return Liquidation(
        instrument_id=known.id,
        ts_event_ns=ts * _MS,
        ts_recv_ns=ts_recv_ns,
        side=_side(position).opposite,
        price_ticks=ticks,
        size_lots=known.sizes[size],
        lossy=lossy,
    )


def _result(data: bytes, body: Any) -> Any:
    try:
        check(data, "an answer")
    except TemporaryError as error:
        # On a tape there is nobody to ask again.
        raise DataError(str(error)) from None
    return msgspec.json.decode(data, type=frames.Answer[body], strict=False).result
