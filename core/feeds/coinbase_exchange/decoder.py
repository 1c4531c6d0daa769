"""Coinbase Exchange messages to market events."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import msgspec

from core.feeds.coinbase_exchange import frames
from core.feeds.coinbase_exchange.forms import FORMS, MATCH
from core.feeds.coinbase_exchange.rule import ExchangeRule
from core.feeds.coinbase_exchange.symbols import parse_products
from core.feeds.coinbase_exchange.told import compiled
from core.feeds.decimals import Decimals
from core.feeds.decoder import Known
from core.feeds.holes import TradeHoles
from core.feeds.hosts import clock_sample
from core.feeds.levels import LevelReader, Shape, SidePlan
from core.feeds.owners import OwningDecoder
from core.feeds.scanner import FULL, Scanner
from core.feeds.slips import DESK
from core.feeds.stamps import Stamps
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
)
from core.model.ports import FrameKind

COINBASE_EXCHANGE: Final = VenueName("coinbase_exchange")

_PREFIX: Final = b'{"type":"'
_KIND: Final = slice(9, 13)
_LEVEL: Final = Shape(price=0, size=1)
_CHANGE: Final = Shape(price=1, size=2)
_SIDED: Final = Shape(price=1, size=2, flag=0)
_SYMBOL: Final = re.compile(rb'"product_id":"([^"]+)"')
_HARMLESS: Final = frozenset({b"matc", b"last", b"tick", b"hear", b"subs", b"erro"})
"""Types that bring no change of a book, should one of them be unreadable."""

_BUY: Final = b'["buy"'
_SELL: Final = b'["sell"'
_B: Final = ord("b")
_S: Final = ord("s")
_NO_TIME: Final = "0001-"
_IGNORED: Final = frozenset({"subscriptions"})
_BOOKS: Final = frozenset({"level2", "level2_batch", "level2_50"})

_Events: TypeAlias = Sequence[MarketEvent]
_Reader: TypeAlias = Callable[[int, int, bytes], _Events]


class ExchangeKnown(Known):
    """What decoding needs of one product."""

    __slots__ = ("awaited", "changes", "day", "levels", "seen", "sided")

    def __init__(self, instrument: Instrument) -> None:
        super().__init__(instrument)
        self.levels = SidePlan(self, _LEVEL)
        self.changes = SidePlan(self, _CHANGE)
        self.sided = SidePlan(self, _SIDED)
        self.seen = TradeHoles()
        self.awaited = 0
        """A newer trade id that a heartbeat told of."""
        self.day = ("", "", "", "", "")

    def lend(self, place: int) -> None:
        """Have the kernel take changes of the book to the desk at a place, 0: tell them."""
        self.levels.slip[DESK] = place


class ExchangeDecoder(OwningDecoder):
    """Decodes messages of the stream, REST answers and requests of ours."""

    def __init__(
        self, venue: VenueName = COINBASE_EXCHANGE, instruments: Collection[Instrument] = ()
    ) -> None:
        self._scanner = Scanner(
            FORMS,
            lambda: [self._exchange(symbol).levels for symbol in self.instruments],
            compiled(),
        )
        super().__init__(venue, ExchangeRule(), instruments, _SYMBOL)
        self._levels = LevelReader()
        self._stamps = Stamps()
        self._decimals = Decimals(f"statistics of {venue}")
        self._outer = msgspec.json.Decoder(frames.Outer).decode
        self._snapshots = msgspec.json.Decoder(frames.Snapshot).decode
        self._updates = msgspec.json.Decoder(frames.Update).decode
        self._matches = msgspec.json.Decoder(frames.Match).decode
        self._tickers = msgspec.json.Decoder(frames.Ticker).decode
        self._beats = msgspec.json.Decoder(frames.Heartbeat).decode
        self._by_type: dict[str, _Reader] = {
            "l2update": self._update,
            "snapshot": self._snapshot,
            "match": self._match,
            "last_match": self._last_match,
            "ticker": self._ticker,
            "heartbeat": self._heartbeat,
        }
        self._readers = {name[:4].encode(): reader for name, reader in self._by_type.items()}

    def make_known(self, instrument: Instrument) -> Known:
        """Return what decoding needs of an instrument."""
        known = ExchangeKnown(instrument)
        self._owners.show(known.id, known.levels.slip)
        return known

    def add_instruments(self, instruments: Collection[Instrument]) -> None:
        """Teach it tick and lot sizes; a symbol it does not know is a `FrameRejected`."""
        super().add_instruments(instruments)
        self._scanner.heed(self.changes)

    def decode(self, kind: FrameKind, conn: int, ts_recv_ns: int, url: str, data: bytes) -> _Events:
        """Return the frame's events in order; a frame it cannot read gives `FrameRejected`."""
        if kind == "recv":
            scanner = self._scanner
            events: _Events | None = scanner.tell(data, scanner.place, conn, ts_recv_ns)
            if events is not None:
                return events
            form, row, a, b, c, d, e, _, _, _, _, _ = scanner.found(scanner.place)
            if form == MATCH and c and d:
                known = scanner.known[row]
                known.seen.see(b)
                # The side is the resting order's.
                return (Trade(known.id, a, ts_recv_ns, c, d, e == 0, b),)
            if form == FULL and scanner.renew():
                return self.decode(kind, conn, ts_recv_ns, url, data)
        return super().decode(kind, conn, ts_recv_ns, url, data)

    def message(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        """Read a message of the stream."""
        try:
            return self._read(conn, ts_recv_ns, data)
        except (DataError, ValueError, RecursionError) as error:
            if data[_KIND] in _HARMLESS:
                raise
            return self.unread(conn, ts_recv_ns, error, data)

    def _read(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        if data.startswith(_PREFIX):
            reader = self._readers.get(data[_KIND])
            if reader is not None:
                return reader(conn, ts_recv_ns, data)
        outer = self._outer(data)
        reader = self._by_type.get(outer.type)
        if reader is not None:
            return reader(conn, ts_recv_ns, data)
        if outer.type == "error":
            return self.reject(
                ts_recv_ns,
                f"the venue refused a request: {outer.message[:80]} {outer.reason[:120]}; level2 "
                "needs keys where level2_batch does not; is the product listed?",
                data,
            )
        if outer.type in _IGNORED:
            return ()
        odd = f"message type {outer.type[:40]!r} is not one we follow"
        return self.reject(ts_recv_ns, odd, data, channel=outer.type[:40])

    def answer(self, ts_recv_ns: int, url: str, data: bytes) -> _Events:
        """Read a REST answer by its URL; answers that hold no market events give none.

        A book of REST has nothing that tells where it belongs in the stream: it gives the best
        quotes and no more.
        """
        parts = urlsplit(url).path.split("/")
        if parts[-1] == "time":
            epoch = msgspec.json.decode(data, type=frames.Time).epoch
            if not epoch.is_finite() or not 0 < epoch < 9_000_000_000:
                raise DataError(f"epoch must be a time, was {epoch}")
            return clock_sample(self.venue, url, ts_recv_ns, int(epoch * 1_000_000_000))
        if parts[-1] == "book" and len(parts) > 2:
            return self._top(parts[-2], msgspec.json.decode(data, type=frames.Book), ts_recv_ns)
        if parts[-1] == "trades" and len(parts) > 2:
            return self._told_again(parts[-2], ts_recv_ns, data)
        if "products" in parts[-2:]:
            self.add_instruments(parse_products(data, self.venue).instruments)
        return ()

    def sent(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        """Note what a request of ours joins or leaves."""
        request = msgspec.json.decode(data, type=frames.Request)
        named: list[tuple[str, str]] = []
        for channel in request.channels:
            if isinstance(channel, str):
                named += [(symbol, channel) for symbol in request.product_ids]
            else:
                symbols = channel.product_ids or request.product_ids
                named += [(symbol, channel.name) for symbol in symbols]
        if request.type == "subscribe":
            return self.carry(conn, ts_recv_ns, named)
        if request.type != "unsubscribe":
            return ()
        self.left(conn, named, _BOOKS)
        return self.release(conn, ts_recv_ns, named)

    def label(
        self, kind: FrameKind, url: str, data: bytes, events: Sequence[MarketEvent]
    ) -> Sequence[str]:
        """Return a message's own type."""
        if kind != "recv":
            return (kind,)
        try:
            return (self._outer(data).type or "unknown",)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return ("unreadable",)

    # -- messages --------------------------------------------------------------------------------

    def _update(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        update = self._updates(data)
        known = self._exchange(update.product_id)
        name = known.id
        bids, asks = self._sides(bytes(update.changes), known)
        if not self._owners.owns(name, conn):
            return ()
        return (BookDelta(name, self._ns(update.time), ts_recv_ns, 0, 0, -1, bids, asks),)

    def _sides(self, raw: bytes, known: ExchangeKnown) -> tuple[Levels, Levels]:
        levels = self._levels.side(raw, known.changes)
        count = len(levels)
        # Nearly always there is one change, or all are of one side.
        if raw.count(_BUY) == count:
            return levels, levels[count:]
        if raw.count(_SELL) == count:
            return levels[count:], levels
        levels, sides = self._levels.flagged(raw, known.sided)
        is_bid, is_ask = sides == _B, sides == _S
        if not (is_bid | is_ask).all():
            raise DataError(f"change of {known.id} must be a buy or a sell")
        return levels[is_bid], levels[is_ask]

    def _snapshot(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        image = self._snapshots(data)
        known = self._exchange(image.product_id)
        bids = self._levels.side(bytes(image.bids), known.levels)
        asks = self._levels.side(bytes(image.asks), known.levels)
        self._owners.take(known.id, conn)
        ts_ns = self._ns(image.time)
        return (BookSnapshot(known.id, ts_ns, ts_recv_ns, 0, bids, asks, reset=True),)

    def _match(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        match = self._matches(data)
        known = self._exchange(match.product_id)
        trade = self._trade(match, known, match.trade_id, ts_recv_ns)
        known.seen.see(match.trade_id)
        return (trade,)

    def _last_match(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        """Read the last trade before a subscription: news only after a lost connection."""
        match = self._matches(data)
        known = self._exchange(match.product_id)
        if known.seen.wants(match.trade_id):
            return self._match(conn, ts_recv_ns, data)
        known.seen.see(match.trade_id)
        return ()

    def _ticker(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        ticker = self._tickers(data)
        known = self._exchange(ticker.product_id)
        ts_ns = self._ns(ticker.time)
        out: list[MarketEvent] = []
        # Until 2022 best prices came without sizes: such are no quote.
        if ticker.best_bid_size and ticker.best_ask_size:
            out.append(
                Quote(
                    known.id, ts_ns, ts_recv_ns, known.prices[ticker.best_bid],
                    known.sizes[ticker.best_bid_size], known.prices[ticker.best_ask],
                    known.sizes[ticker.best_ask_size], 0,
                )
            )  # fmt: skip
        day = (ticker.price, ticker.open_24h, ticker.low_24h, ticker.high_24h, ticker.volume_24h)
        if day != known.day:
            known.day = day
            last, first, low, high, volume = (self._decimals[text] for text in day)
            out.append(
                DayTicker(
                    instrument_id=known.id, ts_event_ns=ts_ns, ts_recv_ns=ts_recv_ns, last=last,
                    open=first, low=low, high=high, volume=volume,
                )
            )  # fmt: skip
        return out

    def _heartbeat(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        """Compare the last trade the venue tells of with the last one that came.

        A heartbeat may overtake a trade, so the next one decides.
        """
        beat = self._beats(data)
        known = self._exchange(beat.product_id)
        missed, seen = known.awaited, known.seen.last
        known.awaited = beat.last_trade_id if beat.last_trade_id > seen > 0 else 0
        if not missed or seen >= missed:
            return ()
        known.seen.miss(missed)
        return (
            SequenceBroken(
                venue=self.venue,
                ts_recv_ns=ts_recv_ns,
                instrument_ids=(known.id,),
                reason="trades a heartbeat told of never came",
                expected_id=seen + 1,
                received_id=missed,
            ),
        )

    def lacks(self, symbol: str) -> tuple[int, int] | None:
        """Return the oldest and newest trade id that a product left out; None: there is none."""
        known: Any = self._known.get(symbol)
        found: tuple[int, int] | None = known.seen.missing() if known is not None else None
        return found

    def _told_again(self, symbol: str, ts_recv_ns: int, data: bytes) -> _Events:
        """Read a page of REST trades, newest first, and take what is missing."""
        known = self._exchange(symbol)
        rows = sorted(
            msgspec.json.decode(data, type=list[frames.PastTrade]), key=lambda row: row.trade_id
        )
        if not rows:
            return ()
        # What the stream has not come to yet will come in the stream.
        found = [row for row in rows if row.trade_id <= known.seen.last]
        out = [
            self._trade(row, known, row.trade_id, ts_recv_ns)
            for row in found
            if known.seen.wants(row.trade_id)
        ]
        known.seen.forget(rows[0].trade_id, rows[-1].trade_id)
        return out

    def _trade(
        self,
        row: frames.PastTrade | frames.Match,
        known: ExchangeKnown,
        number: int,
        ts_recv_ns: int,
    ) -> Trade:
        price = known.prices[row.price]
        size = known.sizes[row.size]
        if not price or not size:
            raise DataError(f"trade {number} of {known.id} must have a price and a size above 0")
        if row.side not in ("buy", "sell"):
            raise DataError(f"trade {number}: side must be buy or sell, was {row.side[:20]!r}")
        # The side is the resting order's.
        ts_ns = self._ns(row.time)
        return Trade(known.id, ts_ns, ts_recv_ns, price, size, row.side == "buy", number)

    def _top(self, symbol: str, book: frames.Book, ts_recv_ns: int) -> _Events:
        known = self._exchange(symbol)
        if not book.bids or not book.asks:
            return ()
        (bid, bid_size, _), (ask, ask_size, _) = book.bids[0], book.asks[0]
        return (
            Quote(
                known.id, self._ns(book.time), ts_recv_ns, known.prices[bid],
                known.sizes[bid_size], known.prices[ask], known.sizes[ask_size], 0,
            ),
        )  # fmt: skip

    def _ns(self, text: str) -> int:
        """Return a time, 0 where the venue states none: it writes that as the year 1."""
        return 0 if not text or text.startswith(_NO_TIME) else self._stamps.ns(text)

    def _exchange(self, symbol: str) -> ExchangeKnown:
        known: Any = self._known.get(symbol) or self.of(symbol)
        found: ExchangeKnown = known
        return found
