"""Coinbase Advanced Trade messages to market events.

Every message of a connection carries its number, over all channels. A number left out may have been
anything, so all books the connection brings are distrusted at once, and joined anew one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import msgspec

from core.feeds.coinbase import frames
from core.feeds.coinbase.scan import CANDLE_NS
from core.feeds.coinbase.scanned import NO_LEVELS, CoinbaseKnown, ScannedMessages, day_said
from core.feeds.coinbase.symbols import parse_products
from core.feeds.coinbase.trades import map_trades
from core.feeds.decimals import Decimals
from core.feeds.holes import TradeHoles
from core.feeds.hosts import clock_sample
from core.feeds.levels import LevelReader
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
    Trade,
    VenueBar,
)
from core.model.ports import FrameKind

COINBASE: Final = VenueName("coinbase")

_KIND: Final = slice(12, 16)
_PREFIX: Final = b'{"channel":"'
_BID: Final = b'"side":"bid"'
_OFFER: Final = b'"side":"offer"'
_B: Final = ord("b")
_O: Final = ord("o")
_LONG: Final = 8_192
"""Bytes of updates above which looking for sides in the text costs more than noting each."""

_Events: TypeAlias = Sequence[MarketEvent]
_Reader: TypeAlias = Callable[[int, int, bytes], _Events]


class CoinbaseDecoder(ScannedMessages):
    """Decodes messages of the stream, REST answers and requests of ours."""

    def __init__(
        self, venue: VenueName = COINBASE, instruments: Collection[Instrument] = ()
    ) -> None:
        super().__init__(venue, instruments)
        self._levels = LevelReader()
        self._stamps = Stamps()
        self._decimals = Decimals(f"statistics of {venue}")
        self._outer = msgspec.json.Decoder(frames.Outer).decode
        self._books = msgspec.json.Decoder(frames.Frame[frames.Book]).decode
        self._trades = msgspec.json.Decoder(frames.Frame[frames.Trades]).decode
        self._tickers = msgspec.json.Decoder(frames.Frame[frames.Tickers]).decode
        self._candles = msgspec.json.Decoder(frames.Frame[frames.Candles]).decode
        self._readers: dict[bytes, _Reader] = {
            b"l2_d": self._book,
            b"mark": self._trade,
            b"tick": self._ticker,
            b"cand": self._candle,
        }

    def decode(self, kind: FrameKind, conn: int, ts_recv_ns: int, url: str, data: bytes) -> _Events:
        """Return the frame's events in order; a frame it cannot read gives `FrameRejected`."""
        if kind == "recv":
            events: _Events | None = self._tell(data, self._desk_at, conn, ts_recv_ns)
            if events is None:
                events = self.leftover(conn, ts_recv_ns, data)
            if events is not None:
                return events
        return super().decode(kind, conn, ts_recv_ns, url, data)

    def message(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        """Read a message of the stream.

        The number of one that cannot be read does not count as seen: what it held is missing.
        """
        number = self._next.get(conn)
        try:
            return self._read(conn, ts_recv_ns, data)
        except (DataError, ValueError, RecursionError):
            if number is not None:
                self._next.put(conn, number)
            raise

    def _read(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        reader = self._readers.get(data[_KIND]) if data.startswith(_PREFIX) else None
        if reader is not None:
            return reader(conn, ts_recv_ns, data)
        outer = self._outer(data)
        reader = self._readers.get(outer.channel[:4].encode())
        if reader is not None:
            return reader(conn, ts_recv_ns, data)
        if outer.type == "error":
            return self.reject(
                ts_recv_ns,
                f"the venue refused a request: {outer.message[:120]}; is the product listed, and "
                "are there fewer than 8 requests a second?",
                data,
            )
        if outer.sequence_num is None:
            raise DataError("message has no sequence_num")
        broken = self._follow(conn, ts_recv_ns, outer.sequence_num)
        if outer.channel in ("heartbeats", "subscriptions"):
            return broken
        odd = f"channel {outer.channel[:40]!r} is not one we follow"
        return (*broken, *self.reject(ts_recv_ns, odd, data, channel=outer.channel[:40]))

    def answer(self, ts_recv_ns: int, url: str, data: bytes) -> _Events:
        """Read a REST answer by its URL; answers that hold no market events give none.

        A book of REST has no number that would tell where it belongs in the stream: it gives the
        best quotes and no more.
        """
        parts = urlsplit(url).path.split("/")
        if parts[-1] == "time":
            millis = msgspec.json.decode(data, type=frames.Time).epochMillis
            server_ms = _number(millis, "epochMillis")
            return clock_sample(self.venue, url, ts_recv_ns, server_ms * 1_000_000)
        if parts[-1] == "product_book":
            book = msgspec.json.decode(data, type=frames.ProductBook).pricebook
            return self._top(book, ts_recv_ns)
        if parts[-1] == "ticker":
            told = map_trades(data, self.of(parts[-2]).instrument, self._stamps)
            return [msgspec.structs.replace(row, ts_recv_ns=ts_recv_ns) for row in reversed(told)]
        if "products" in parts[-2:]:
            self.add_instruments(parse_products(data, self.venue).instruments)
        return ()

    def sent(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        """Note what a request of ours joins or leaves."""
        request = msgspec.json.decode(data, type=frames.Request)
        named = [(symbol, request.channel) for symbol in request.product_ids]
        if request.type == "subscribe":
            return self.carry(conn, ts_recv_ns, named)
        if request.type != "unsubscribe":
            return ()
        self.left(conn, named, ("level2",))
        return self.release(conn, ts_recv_ns, named)

    def connected(self, conn: int, ts_recv_ns: int, url: str) -> _Events:
        """Note a connection that carries nothing yet, and whose numbers start anew."""
        self._next.forget(conn)
        return super().connected(conn, ts_recv_ns, url)

    def disconnected(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        """Distrust what the connection carried, and books another carries that it owned."""
        self._next.forget(conn)
        return super().disconnected(conn, ts_recv_ns, data)

    def label(
        self, kind: FrameKind, url: str, data: bytes, events: Sequence[MarketEvent]
    ) -> Sequence[str]:
        """Return channel and type of each event: ``l2_data:update``, ``subscriptions:None``."""
        if kind != "recv":
            return (kind,)
        try:
            outer = self._outer(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return ("unreadable",)
        if outer.type == "error":
            return ("error",)
        return [f"{outer.channel}:{event.type}" for event in outer.events]

    # -- channels --------------------------------------------------------------------------------

    def _book(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        frame = self._books(data)
        number = frame.sequence_num
        ts_ns = self._stamps.ns(frame.timestamp)
        out: list[MarketEvent] = []
        wanted = self._next.get(conn)
        if number + 1 == wanted:
            # The very same message once more: nothing of it is missing.
            return ()
        if wanted is not None and wanted != number:
            out.extend(self._broken(conn, ts_recv_ns, wanted, number))
        for book in frame.events:
            known = self._coinbase(book.product_id)
            name = known.id
            bids, asks = self._sides(bytes(book.updates), known)
            if book.type == "update":
                if self._owners.owns(name, conn):
                    out.append(BookDelta(name, ts_ns, ts_recv_ns, number, number, -1, bids, asks))
            elif book.type == "snapshot":
                self._owners.take(name, conn)
                out.append(
                    BookSnapshot(name, ts_ns, ts_recv_ns, number, bids, asks, reset=True)
                )  # fmt: skip
            else:
                raise DataError(f"event type must be snapshot or update, was {book.type[:40]!r}")
        self._next.put(conn, number + 1)
        return out

    def _sides(self, raw: bytes, known: CoinbaseKnown) -> tuple[Levels, Levels]:
        if len(raw) > _LONG:
            return self._sorted(raw, known)
        levels = self._levels.side(raw, known.levels)
        count = len(levels)
        bids = raw.count(_BID)
        if bids == count:
            return levels, NO_LEVELS
        offers = raw.count(_OFFER)
        if offers == count:
            return NO_LEVELS, levels
        # The venue lists bids before offers; anything else is sorted level by level.
        if bids + offers == count and raw.rfind(_BID) < raw.find(_OFFER):
            return levels[:bids], levels[bids:]
        return self._sorted(raw, known)

    def _sorted(self, raw: bytes, known: CoinbaseKnown) -> tuple[Levels, Levels]:
        """Return the levels of each side, told apart one by one."""
        levels, sides = self._levels.flagged(raw, known.sided)
        is_bid, is_offer = sides == _B, sides == _O
        if not (is_bid | is_offer).all():
            raise DataError(f"level of {known.id} must be a bid or an offer")
        return levels[is_bid], levels[is_offer]

    def _trade(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        frame = self._trades(data)
        out: list[MarketEvent] = [*self._follow(conn, ts_recv_ns, frame.sequence_num)]
        seen: list[tuple[TradeHoles, int]] = []
        for event in frame.events:
            if event.type not in ("snapshot", "update"):
                raise DataError(f"trades must be snapshot or update, was {event.type[:40]!r}")
            # Newest first on the wire. The hundred before the subscription were never all we saw of
            # their time; only those that were lost on the way belong here.
            for trade in reversed(event.trades):
                known = self._coinbase(trade.product_id)
                number = _number(trade.trade_id, "trade_id")
                if event.type == "update" or known.seen.wants(number):
                    out.append(self._one(trade, known, number, ts_recv_ns))
                    seen.append((known.seen, number))
        # Not before all of it is read: a message refused must leave nothing behind.
        for holes, number in seen:
            holes.see(number)
        return out

    def _one(
        self, trade: frames.Trade, known: CoinbaseKnown, number: int, ts_recv_ns: int
    ) -> Trade:
        price = known.prices[trade.price]
        size = known.sizes[trade.size]
        if not price or not size:
            raise DataError(f"trade {number} of {known.id} must have a price and a size above 0")
        if trade.side not in ("BUY", "SELL"):
            raise DataError(f"trade {number}: side must be BUY or SELL, was {trade.side[:20]!r}")
        # The side is the resting order's: of the capture's trades every SELL is at the offer.
        return Trade(
            known.id, self._stamps.ns(trade.time), ts_recv_ns, price, size, trade.side == "BUY",
            number,
        )  # fmt: skip

    def _ticker(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        frame = self._tickers(data)
        out: list[MarketEvent] = [*self._follow(conn, ts_recv_ns, frame.sequence_num)]
        ts_ns = self._stamps.ns(frame.timestamp)
        for event in frame.events:
            for ticker in event.tickers:
                known = self._coinbase(ticker.product_id)
                if ticker.best_bid and ticker.best_ask:
                    out.append(
                        Quote(
                            known.id, ts_ns, ts_recv_ns, known.prices[ticker.best_bid],
                            known.sizes[ticker.best_bid_quantity], known.prices[ticker.best_ask],
                            known.sizes[ticker.best_ask_quantity], 0,
                        )
                    )  # fmt: skip
                day = day_said(ticker.price, ticker.volume_24_h, ticker.low_24_h, ticker.high_24_h)
                if day != known.day:
                    out.append(self._day(known, ts_ns, ts_recv_ns, ticker))
                    known.day = day
        return out

    def _day(
        self, known: CoinbaseKnown, ts_ns: int, ts_recv_ns: int, ticker: frames.Ticker
    ) -> DayTicker:
        texts = self._decimals
        return DayTicker(
            instrument_id=known.id, ts_event_ns=ts_ns, ts_recv_ns=ts_recv_ns,
            last=texts[ticker.price], low=texts[ticker.low_24_h], high=texts[ticker.high_24_h],
            volume=texts[ticker.volume_24_h],
        )  # fmt: skip

    def _candle(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        frame = self._candles(data)
        out: list[MarketEvent] = [*self._follow(conn, ts_recv_ns, frame.sequence_num)]
        ts_ns = self._stamps.ns(frame.timestamp)
        for event in frame.events:
            for candle in event.candles:
                known = self._coinbase(candle.product_id)
                if (
                    not (candle.start.isdigit() and candle.start.isascii())
                    or len(candle.start) > 10
                ):
                    raise DataError(f"candle must start at a second, was {candle.start[:40]!r}")
                start_ns = int(candle.start) * 1_000_000_000
                prices = known.prices
                out.append(
                    VenueBar(
                        known.id, "5m", start_ns, ts_recv_ns, prices[candle.open],
                        prices[candle.high], prices[candle.low], prices[candle.close],
                        known.sizes[candle.volume],
                        closed=ts_ns >= start_ns + CANDLE_NS,
                    )
                )  # fmt: skip
        return out

    def _top(self, book: frames.PriceBook, ts_recv_ns: int) -> _Events:
        known = self._coinbase(book.product_id)
        if not book.bids or not book.asks:
            return ()
        bid, ask = book.bids[0], book.asks[0]
        return (
            Quote(
                known.id, self._stamps.ns(book.time), ts_recv_ns, known.prices[bid.price],
                known.sizes[bid.size], known.prices[ask.price], known.sizes[ask.size], 0,
            ),
        )  # fmt: skip

    def _coinbase(self, symbol: str) -> CoinbaseKnown:
        known: Any = self._known.get(symbol) or self.of(symbol)
        found: CoinbaseKnown = known
        return found


def _number(text: str, what: str) -> int:
    if not (text.isdigit() and text.isascii() and len(text) < 16):
        raise DataError(f"{what} must be a whole number, was {text[:40]!r}")
    return int(text)
