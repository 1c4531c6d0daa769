"""Deribit messages to market events.

::

    book.{i}.*      image (replaces the book) or change, chained by prev_change_id
    trades.{i}.*    trades, the taker's direction; a liquidation is an event more
    ticker.{i}.*    reference prices, greeks, and what changed of open interest and day statistics;
                    best quotes too, unless quote.{i} brings them sooner
    quote.{i}       best quotes
    chart.trades.*  candles in the making
    deribit_price_index.*, deribit_volatility_index.*   values of indices
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs, urlsplit

import msgspec

from core.feeds.decoder import Known
from core.feeds.deribit import frames
from core.feeds.deribit.numbers import nearest_lots, refuse_endless
from core.feeds.deribit.scanned import NO_LEVELS, DeribitKnown, ScannedMessages
from core.feeds.deribit.symbols import (
    PRICE_INDEX,
    VOLATILITY_INDEX,
    make_index,
    parse_instruments,
    parse_names,
)
from core.feeds.hosts import clock_sample
from core.feeds.levels import LevelReader
from core.model.errors import DataError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import (
    BookDelta,
    BookSnapshot,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OptionGreeks,
    Quote,
    Side,
    Trade,
    VenueBar,
)
from core.model.ports import FrameKind

DERIBIT: Final = VenueName("deribit")

REMEDIES: Final = {
    10028: "too many requests; the venue ends the session: fewer instruments, or wait",
    13004: "the keys are wrong: see api_key and api_secret of the feed",
    13009: "the session is not authorised any more: it must log in anew",
    13778: "raw channels need keys: set them, or a depth_ms of 100",
    10040: "the venue could not answer just then: it is asked again",
    11051: "the venue is under maintenance: wait",
    -32602: "a parameter is wrong; is the instrument still listed?",
}
"""What to do about the venue's error codes."""

_HEAD: Final = b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"'
_KIND: Final = slice(len(_HEAD), len(_HEAD) + 4)
_NAN: Final = math.nan
_REQUESTS: Final = 256
_RESOLUTIONS: Final = {
    "1": "1m", "3": "3m", "5": "5m", "10": "10m", "15": "15m", "30": "30m", "60": "1h",
    "120": "2h", "180": "3h", "360": "6h", "720": "12h", "1D": "1d",
}  # fmt: skip

_Events: TypeAlias = Sequence[MarketEvent]
_Reader: TypeAlias = Callable[[int, int, bytes], _Events]


class DeribitDecoder(ScannedMessages):
    """Decodes messages of the stream, REST answers and requests of ours."""

    def __init__(
        self, venue: VenueName = DERIBIT, instruments: Collection[Instrument] = ()
    ) -> None:
        super().__init__(venue, instruments)
        self._levels = LevelReader()
        self._asked: dict[tuple[int, str], list[str]] = {}
        self._outer = msgspec.json.Decoder(frames.Outer).decode
        self._joined = msgspec.json.Decoder(list[str]).decode
        self._books = msgspec.json.Decoder(frames.Frame[frames.Book]).decode
        self._tickers = msgspec.json.Decoder(frames.Frame[frames.Ticker]).decode
        self._trades = msgspec.json.Decoder(frames.Frame[list[frames.Trade]]).decode
        self._quotes = msgspec.json.Decoder(frames.Frame[frames.Quote]).decode
        self._candles = msgspec.json.Decoder(frames.Frame[frames.Candle]).decode
        self._indices = msgspec.json.Decoder(frames.Frame[frames.Index]).decode
        self._readers: dict[bytes, _Reader] = {
            b"book": self._book,
            b"tick": self._ticker,
            b"trad": self._trade,
            b"quot": self._quote,
            b"char": self._candle,
            b"deri": self._index,
        }

    def of(self, symbol: str) -> Known:
        """Return what is known of a venue symbol; an index needs no listing, its name says all.

        Raises:
            DataError: Nothing is known, and no one can say.
        """
        if symbol not in self._known:
            index = make_index(symbol, self.venue)
            if index is not None:
                self.add_instruments([index])
        return super().of(symbol)

    def decode(self, kind: FrameKind, conn: int, ts_recv_ns: int, url: str, data: bytes) -> _Events:
        """Return the frame's events in order; a frame it cannot read gives `FrameRejected`."""
        if kind != "recv":
            return super().decode(kind, conn, ts_recv_ns, url, data)
        events: _Events | None = self._tell(data, self._desk_at, conn, ts_recv_ns)
        self._quick.ready(ready=self._tell is self._teller)
        return events if events is not None else self._left(kind, conn, ts_recv_ns, url, data)

    def _left(self, kind: FrameKind, conn: int, ts_recv_ns: int, url: str, data: bytes) -> _Events:
        """Return the events of what the kernel left."""
        events = self.leftover(conn, ts_recv_ns, data)
        if events is not None:
            return events
        # Nearly all messages are of a channel: spare them every detour.
        if data.startswith(_HEAD):
            reader = self._readers.get(data[_KIND])
            if reader is not None:
                try:
                    return reader(conn, ts_recv_ns, data)
                except (ValueError, DataError, RecursionError):
                    # Read again, to say what is wrong: nothing changes until all is read.
                    pass
        return super().decode(kind, conn, ts_recv_ns, url, data)

    def message(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        """Read a message of the stream."""
        return self._other(conn, ts_recv_ns, data)

    def answer(self, ts_recv_ns: int, url: str, data: bytes) -> _Events:
        """Read a REST answer by its URL; answers that hold no market events give none."""
        match urlsplit(url).path.rpartition("/")[2]:
            case "get_instruments" | "get_instrument":
                self.add_instruments(parse_instruments(data, self.venue).instruments)
            case "get_index_price_names" | "get_supported_index_names":
                self.add_instruments(parse_names(data, self.venue))
            case "get_last_trades_by_instrument":
                return self._told_again(ts_recv_ns, url, data)
            case "get_time":
                server_ms = msgspec.json.decode(data, type=_Time).result
                return clock_sample(self.venue, url, ts_recv_ns, server_ms * 1_000_000)
        return ()

    def sent(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        """Note what a request of ours joins or leaves."""
        request = msgspec.json.decode(data, type=frames.Request)
        named = [name for name in map(_parted, request.params.channels) if name is not None]
        action = request.method.rpartition("/")[2]
        if action == "subscribe":
            if len(self._asked) >= _REQUESTS:
                self._asked.pop(next(iter(self._asked)))
            self._asked[conn, str(request.id)] = request.params.channels
            out = self.carry(conn, ts_recv_ns, named)
            self._mark_quoted(named, quoted=True)
            return out
        if action == "unsubscribe":
            self._mark_quoted(named, quoted=False)
            self.left(conn, named, ("book",))
            return self.release(conn, ts_recv_ns, named)
        return ()

    def label(
        self, kind: FrameKind, url: str, data: bytes, events: Sequence[MarketEvent]
    ) -> Sequence[str]:
        """Return what a frame is: ``ticker``, ``book:change``, ``rpc result``..."""
        if kind != "recv":
            return (kind,)
        try:
            outer = self._outer(data)
            if outer.error is not None:
                return ("rpc error",)
            if outer.method != "subscription" or outer.params is None:
                return ("rpc result",) if outer.result else (outer.method or "unknown",)
            channel = outer.params.channel.partition(".")[0]
            if channel != "book":
                return (channel,)
            return (f"book:{self._books(data).params.data.type or 'snapshot'}",)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return ("unreadable",)

    # -- subscriptions -----------------------------------------------------------------------

    def _book(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        params = self._books(data).params
        book = params.data
        known = self._deribit(book.instrument_name)
        name = known.id
        plan = known.changes
        if book.type != "change" and params.channel.count(".") > 2:
            # book.{i}.{group}.{depth}.{interval}: the best levels alone, an image each time.
            plan = known.levels
        raw = bytes(book.bids)
        # Most changes are of one side.
        bids = NO_LEVELS if raw == b"[]" else self._levels.side(raw, plan)
        raw = bytes(book.asks)
        asks = NO_LEVELS if raw == b"[]" else self._levels.side(raw, plan)
        ts_ns = book.timestamp * 1_000_000
        if book.type == "change" and book.prev_change_id:
            if not self._owners.owns(name, conn):
                return ()
            return (
                BookDelta(
                    name, ts_ns, ts_recv_ns, book.change_id, book.change_id, book.prev_change_id,
                    bids, asks,
                ),
            )  # fmt: skip
        if book.type not in ("snapshot", "change", ""):
            raise DataError(f"book message type must be snapshot or change, was {book.type[:40]!r}")
        # A change of nothing, id 0, is the first the book ever saw: the whole of it.
        self._owners.take(name, conn)
        return (BookSnapshot(name, ts_ns, ts_recv_ns, book.change_id, bids, asks, reset=True),)

    def _trade(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        out: list[MarketEvent] = []
        trades = self._trades(data).params.data
        for trade in trades:
            self._one(trade, ts_recv_ns, out)
        # Not before all of it is read: a message refused must leave nothing behind.
        for trade in trades:
            self._deribit(trade.instrument_name).seen.see(trade.trade_seq)
        return out

    def _one(self, trade: frames.Trade, ts_recv_ns: int, out: list[MarketEvent]) -> None:
        known = self._deribit(trade.instrument_name)
        price = known.numbers[trade.price]
        lots = known.amounts[trade.amount]
        sold = trade.direction == "sell"
        if not price or not lots or not (sold or trade.direction == "buy"):
            raise DataError(
                f"trade {trade.trade_seq} of {known.id} must have a price and an amount above "
                f"0 and a direction, was {trade.direction[:20]!r}"
            )
        ts_ns = trade.timestamp * 1_000_000
        out.append(Trade(known.id, ts_ns, ts_recv_ns, price, lots, sold, trade.trade_seq))
        out.extend(
            Liquidation(
                instrument_id=known.id, ts_event_ns=ts_ns, ts_recv_ns=ts_recv_ns,
                side=side, price_ticks=price, size_lots=lots, lossy=False,
            )
            for side in _forced(trade.liquidation, sold)
        )  # fmt: skip

    def lacks(self, symbol: str) -> tuple[int, int] | None:
        """Return the oldest and newest trade number that a symbol left out; None: there is none."""
        known: Any = self._known.get(symbol)
        found: tuple[int, int] | None = known.seen.missing() if known is not None else None
        return found

    def _told_again(self, ts_recv_ns: int, url: str, data: bytes) -> _Events:
        """Read trades of REST that were asked for by number, and take what is missing."""
        asked = parse_qs(urlsplit(url).query)
        span = [asked.get(name, [""])[0] for name in ("start_seq", "end_seq")]
        symbol = asked.get("instrument_name", [""])[0]
        if not all(text.isdigit() and len(text) < 19 for text in span):
            return ()
        known = self._deribit(symbol)
        out: list[MarketEvent] = []
        trades = msgspec.json.decode(data, type=_Trades).result.trades
        fresh = [trade for trade in trades if known.seen.wants(trade.trade_seq)]
        for trade in sorted(fresh, key=lambda trade: trade.trade_seq):
            if trade.instrument_name == symbol and int(span[0]) <= trade.trade_seq <= int(span[1]):
                self._one(trade, ts_recv_ns, out)
        known.seen.forget(int(span[0]), int(span[1]))
        return out

    def _quote(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        quote = self._quotes(data).params.data
        known = self._deribit(quote.instrument_name)
        numbers, amounts = known.numbers, known.amounts
        return (
            Quote(
                known.id, quote.timestamp * 1_000_000, ts_recv_ns,
                numbers[quote.best_bid_price or 0.0], amounts[quote.best_bid_amount or 0.0],
                numbers[quote.best_ask_price or 0.0], amounts[quote.best_ask_amount or 0.0], 0,
            ),
        )  # fmt: skip

    def _ticker(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        ticker = self._tickers(data).params.data
        known = self._deribit(ticker.instrument_name)
        name = known.id
        ts_ns = ticker.timestamp * 1_000_000
        out: list[MarketEvent] = []
        if not known.quoted:
            numbers, amounts = known.numbers, known.amounts
            out.append(
                Quote(
                    name, ts_ns, ts_recv_ns, numbers[ticker.best_bid_price or 0.0],
                    amounts[ticker.best_bid_amount or 0.0], numbers[ticker.best_ask_price or 0.0],
                    amounts[ticker.best_ask_amount or 0.0], 0,
                )
            )  # fmt: skip
        if ticker.mark_price is not None or ticker.index_price is not None:
            refuse_endless(ticker.mark_price, ticker.index_price, ticker.current_funding)
            out.append(
                MarkPrice(
                    instrument_id=name, ts_event_ns=ts_ns, ts_recv_ns=ts_recv_ns,
                    mark=ticker.mark_price, index=ticker.index_price,
                    # Funding flows all the time here; this is its rate over eight hours.
                    funding_rate=ticker.current_funding,
                )
            )  # fmt: skip
        greeks = ticker.greeks
        if greeks is not None:
            out.append(
                OptionGreeks(
                    instrument_id=name, ts_event_ns=ts_ns, ts_recv_ns=ts_recv_ns,
                    # The venue writes 0 for the volatility of a side without a price.
                    mark_iv=ticker.mark_iv / 100 or _NAN, bid_iv=ticker.bid_iv / 100 or _NAN,
                    ask_iv=ticker.ask_iv / 100 or _NAN, delta=greeks.delta, gamma=greeks.gamma,
                    vega=greeks.vega, theta=greeks.theta, rho=greeks.rho,
                    underlying=ticker.underlying_price,
                )
            )  # fmt: skip
        self.remember(
            known, ts_ns, ts_recv_ns, ticker.open_interest, ticker.last_price, bytes(ticker.stats),
            out,
        )  # fmt: skip
        return out

    def _candle(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        params = self._candles(data).params
        parts = params.channel.split(".")
        if len(parts) != 4:
            raise DataError(f"channel must be chart.trades.NAME.RESOLUTION, was {params.channel!r}")
        known, candle = self._deribit(parts[2]), params.data
        numbers = known.numbers
        # Inverse contracts are counted in the quote asset, as their trades and books are.
        volume = candle.cost if known.instrument.inverse else candle.volume
        return (
            VenueBar(
                known.id, _RESOLUTIONS.get(parts[3], parts[3]), candle.tick * 1_000_000,
                ts_recv_ns, numbers[candle.open], numbers[candle.high], numbers[candle.low],
                numbers[candle.close], nearest_lots(volume, known.instrument.size_lot),
                closed=False,
            ),
        )  # fmt: skip

    def _index(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        params = self._indices(data).params
        index = params.data
        value = index.volatility if index.price is None else index.price
        if not params.channel.startswith((PRICE_INDEX, VOLATILITY_INDEX)):
            raise DataError(f"channel {params.channel[:60]!r} is not one we follow")
        if value is None or not value.is_finite():
            raise DataError(f"index {index.index_name[:40]!r} must have a value, was {value}")
        return (
            MarkPrice(
                instrument_id=self._deribit(params.channel).id,
                ts_event_ns=index.timestamp * 1_000_000, ts_recv_ns=ts_recv_ns, index=value,
            ),
        )  # fmt: skip

    # -- everything else ---------------------------------------------------------------------

    def _other(self, conn: int, ts_recv_ns: int, data: bytes) -> _Events:
        outer = self._outer(data)
        if outer.method == "subscription" and outer.params is not None:
            reader = self._readers.get(outer.params.channel[:4].encode())
            if reader is None:
                raise DataError(f"channel {outer.params.channel[:60]!r} is not one we follow")
            return reader(conn, ts_recv_ns, data)
        if outer.method == "heartbeat":
            return ()
        asked = self._asked.pop((conn, str(outer.id)), [])
        if outer.error is not None:
            return self._refused(ts_recv_ns, outer.error, asked, data)
        if not outer.result:
            raise DataError("message is neither of a channel nor an answer")
        if not asked:
            return ()
        joined = set(self._joined(outer.result))
        return [
            event
            for channel in asked
            if channel not in joined
            for event in self.reject(
                ts_recv_ns,
                f"the venue did not join {channel[:60]}: is the instrument still listed?",
                data,
                channel=channel,
                instrument_id=self._name_of(channel),
            )
        ]

    def _refused(
        self, ts_recv_ns: int, error: frames.Error, asked: Sequence[str], data: bytes
    ) -> _Events:
        remedy = REMEDIES.get(error.code, "see the venue's list of error codes")
        first = asked[0] if asked else ""
        what = f"{first[:60]} and {len(asked) - 1} more" if len(asked) > 1 else first[:60]
        return self.reject(
            ts_recv_ns,
            f"the venue refused {what or 'a request'}: {error.code} {error.message[:80]}; {remedy}",
            data,
            channel=first,
            instrument_id=self._name_of(first) if len(asked) == 1 else None,
        )

    def _deribit(self, symbol: str) -> DeribitKnown:
        known: Any = self._known.get(symbol) or self.of(symbol)
        found: DeribitKnown = known
        return found

    def _mark_quoted(self, named: Sequence[tuple[str, str]], *, quoted: bool) -> None:
        for symbol, channel in named:
            known = self._known.get(symbol)
            if channel == "quote" and isinstance(known, DeribitKnown):
                known.quoted = quoted

    def _name_of(self, channel: str) -> InstrumentId | None:
        named = _parted(channel)
        known = self._known.get(named[0]) if named is not None else None
        return known.id if known is not None else None


class _Page(msgspec.Struct):
    trades: list[frames.Trade] = []


class _Trades(msgspec.Struct):
    result: _Page


class _Time(msgspec.Struct):
    result: frames.Ms


def _parted(channel: str) -> tuple[str, str] | None:
    """Return (symbol, channel) of a channel of one instrument or index, else None."""
    if channel.startswith((PRICE_INDEX, VOLATILITY_INDEX)):
        return channel, "index"
    kind, _, rest = channel.partition(".")
    parts = rest.split(".")
    if kind == "chart" and len(parts) == 3:
        return parts[1], kind
    if kind == "trades" and len(parts) != 2:
        return None
    return (parts[0], kind) if kind in ("book", "ticker", "trades", "quote") else None


def _forced(liquidation: str, sold: bool) -> Sequence[Side]:
    """Return the sides that were forced: ``T`` the taker, ``M`` the maker, ``MT`` both."""
    taker = Side.SELL if sold else Side.BUY
    if not liquidation or liquidation == "none":
        return ()
    sides = {"T": (taker,), "M": (taker.opposite,), "MT": (taker, taker.opposite)}
    if liquidation not in sides:
        raise DataError(f"liquidation must be M, T or MT, was {liquidation[:20]!r}")
    return sides[liquidation]
