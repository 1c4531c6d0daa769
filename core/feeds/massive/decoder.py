"""Massive frames to market events."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from core.feeds.arrays import ArrayDecoder, Reader
from core.feeds.decoder import Known
from core.feeds.hosts import clock_sample
from core.feeds.levels import LevelReader, Shape, SidePlan
from core.feeds.massive import frames
from core.feeds.massive.rule import MassiveRule
from core.feeds.massive.symbols import parse_tickers, split_results
from core.feeds.stamps import Stamps
from core.feeds.takers import TakerGuess
from core.model.errors import DataError
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.market import (
    BookSnapshot,
    DayTicker,
    MarketEvent,
    Quote,
    Trade,
    VenueBar,
)

MASSIVE: Final = VenueName("massive")

COINBASE: Final = 1
"""The exchange whose crypto books and quotes are followed where it has the pair."""

_MS: Final = 1_000_000
_SHAPE: Final = Shape(price=0, size=1)
_SOLD: Final = 1
_BOUGHT: Final = 2
_PLAIN_BITS: Final = 46
_QUIET: Final = frozenset({"connected", "auth_success", "success"})

REMEDIES: Final = {
    "auth_failed": "check api_key of the feed",
    "auth_timeout": "the key arrived too late; the connection is opened anew",
    "max_connections": "another program holds the account's one connection to this market: stop it",
    "slow_consumer": "this machine reads too slowly: subscribe to less",
    "force_disconnect": "the provider ended the connection; it is opened anew",
    "not_authorized": "the account's plan does not contain this: see `plan` of the feed",
    "error": "see the provider's words",
}
"""What to do about each status that is none of success."""


class _Ticker(Known):
    __slots__ = ("exchange", "guess", "plan")

    def __init__(self, instrument: Instrument) -> None:
        super().__init__(instrument)
        self.guess = TakerGuess()
        self.plan = SidePlan(self, _SHAPE)
        self.exchange = -1
        """Whose book and quotes are followed: the first that spoke, or Coinbase once it does."""


class MassiveDecoder(ArrayDecoder):
    """Decodes the stock and crypto clusters, reference tickers and the server's time.

    Quotes and books of a crypto pair come from several exchanges in turn. Mixed they would be
    nobody's, so those of one exchange are taken; trades are taken of all.

    Args:
        venue: The name events carry.
        instruments: Tick and lot sizes; tickers on the tape teach more.
        books: Whether books of crypto pairs are subscribed to.
    """

    def __init__(
        self,
        venue: VenueName = MASSIVE,
        instruments: Collection[Instrument] = (),
        *,
        books: bool = False,
    ) -> None:
        super().__init__(
            venue, MassiveRule(books=books), instruments, messages=frames.Message, readers=_READ
        )
        self._levels = LevelReader()
        self._kind = msgspec.json.Decoder(frames.Kind).decode

    def make_known(self, instrument: Instrument) -> Known:
        """Return what decoding needs of an instrument."""
        return _Ticker(instrument)

    def answer(self, ts_recv_ns: int, url: str, data: bytes) -> Sequence[MarketEvent]:
        """Read tickers and the time; bars are history, which reads them itself."""
        path = urlsplit(url).path
        if path.endswith("/v3/reference/tickers"):
            raws = split_results([data], f"tickers of {self.venue}")
            self.add_instruments([item for item, _ in parse_tickers(raws, self.venue)])
            return ()
        if path.endswith("/v1/marketstatus/now"):
            there_ns = Stamps().ns(msgspec.json.decode(data, type=frames.Now).serverTime)
            # Cut to whole seconds, it lies half a second further on average.
            return clock_sample(self.venue, url, ts_recv_ns, there_ns + 500 * _MS)
        return ()

    def sent(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read a request of ours."""
        request = msgspec.json.decode(data, type=frames.Request)
        if request.action not in {"subscribe", "unsubscribe"}:
            return ()
        parts = [part.partition(".") for part in request.params.split(",")]
        named = [(symbol, channel) for channel, _, symbol in parts]
        change = self.carry if request.action == "subscribe" else self.release
        return change(conn, ts_recv_ns, named)

    def name_of(self, part: msgspec.Raw) -> tuple[str, str]:
        """Return a message's kind and symbol."""
        kind = self._kind(part)
        return kind.ev, kind.sym or kind.pair

    def disconnected(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Distrust what the connection carried, and choose its exchanges anew."""
        gone = set(self.carried_by(conn))
        for known in self._known.values():
            if isinstance(known, _Ticker) and known.id in gone:
                known.exchange = -1
        return super().disconnected(conn, ts_recv_ns, data)

    # -- messages ----------------------------------------------------------------------------

    def _ticker(self, symbol: str) -> _Ticker:
        known = self._known.get(symbol)
        # Known nearly always: spare each message the detour.
        if type(known) is _Ticker:
            return known
        known = self.of(symbol)
        assert isinstance(known, _Ticker)
        return known

    def _trade(self, conn: int, ts_recv_ns: int, trade: frames.Trade) -> Sequence[MarketEvent]:
        ticker = self._ticker(trade.sym)
        price = ticker.prices[str(trade.p, "ascii")]
        size = ticker.sizes[trade.ds or str(trade.s, "ascii")]
        if not price or not size:
            raise DataError(f"trade {trade.i[:40]!r} must have a price and a size above 0")
        number = trade_id(trade.i or f"q{trade.q}", trade.x, trade.trfi)
        sold = ticker.guess.sold(price)
        return (Trade(ticker.id, trade.t * _MS, ts_recv_ns, price, size, sold, number),)

    def _coin_trade(
        self, conn: int, ts_recv_ns: int, trade: frames.CoinTrade
    ) -> Sequence[MarketEvent]:
        ticker = self._ticker(trade.pair)
        price = ticker.prices[str(trade.p, "ascii")]
        size = ticker.sizes[str(trade.s, "ascii")]
        if not price or not size:
            raise DataError(f"trade {str(trade.i)[:40]!r} must have a price and a size above 0")
        # Where the exchange states neither side it is estimated, as stocks' are.
        guess = ticker.guess.sold(price)
        sold = _SOLD in trade.c or (_BOUGHT not in trade.c and guess)
        number = trade_id(str(trade.i) or f"{trade.t} {price} {size}", trade.x, 0)
        return (Trade(ticker.id, trade.t * _MS, ts_recv_ns, price, size, sold, number),)

    def _quote(self, conn: int, ts_recv_ns: int, quote: frames.Quote) -> Sequence[MarketEvent]:
        return self._best(self._ticker(quote.sym), quote, quote.q, ts_recv_ns)

    def _coin_quote(
        self, conn: int, ts_recv_ns: int, quote: frames.CoinQuote
    ) -> Sequence[MarketEvent]:
        ticker = self._ticker(quote.pair)
        return self._best(ticker, quote, 0, ts_recv_ns) if _followed(ticker, quote.x) else ()

    def _best(
        self,
        ticker: _Ticker,
        quote: frames.Quote | frames.CoinQuote,
        number: int,
        ts_recv_ns: int,
    ) -> Sequence[MarketEvent]:
        bid = ticker.prices[str(quote.bp, "ascii")]
        ask = ticker.prices[str(quote.ap, "ascii")]
        bid_lots = ticker.sizes[str(quote.bs, "ascii")]
        ask_lots = ticker.sizes[str(quote.asks, "ascii")]
        ticker.guess.quote(bid, ask)
        if not bid or not ask:
            # A side may be empty before and after hours: then there is no best price to speak of.
            return ()
        return (
            Quote(ticker.id, quote.t * _MS, ts_recv_ns, bid, bid_lots, ask, ask_lots, number),
        )  # fmt: skip

    def _book(self, conn: int, ts_recv_ns: int, book: frames.CoinBook) -> Sequence[MarketEvent]:
        ticker = self._ticker(book.pair)
        if not _followed(ticker, book.x):
            return ()
        bids = self._levels.side(bytes(book.b), ticker.plan)
        asks = self._levels.side(bytes(book.a), ticker.plan)
        return (
            BookSnapshot(
                ticker.id, book.t * _MS, ts_recv_ns, 0, bids[bids[:, 1] > 0], asks[asks[:, 1] > 0],
                reset=True,
            ),
        )  # fmt: skip

    def _second(self, conn: int, ts_recv_ns: int, bar: frames.Second) -> Sequence[MarketEvent]:
        return (_bar(self._ticker(bar.sym), "1s", bar, bar.dv, ts_recv_ns),)

    def _minute(self, conn: int, ts_recv_ns: int, bar: frames.Minute) -> Sequence[MarketEvent]:
        ticker = self._ticker(bar.sym)
        minute = _bar(ticker, "1m", bar, bar.dv, ts_recv_ns)
        if not bar.op or not bar.av:
            return (minute,)
        item = ticker.instrument
        day = DayTicker(
            instrument_id=ticker.id,
            ts_event_ns=bar.s * _MS,
            ts_recv_ns=ts_recv_ns,
            last=item.price(minute.close_ticks),
            open=item.price(ticker.prices[str(bar.op, "ascii")]),
            volume=item.size(ticker.sizes[bar.dav or str(bar.av, "ascii")]),
        )
        return minute, day

    def _coin_minute(
        self, conn: int, ts_recv_ns: int, bar: frames.CoinMinute
    ) -> Sequence[MarketEvent]:
        return (_bar(self._ticker(bar.pair), "1m", bar, "", ts_recv_ns),)

    def _coin_second(
        self, conn: int, ts_recv_ns: int, bar: frames.CoinSecond
    ) -> Sequence[MarketEvent]:
        return (_bar(self._ticker(bar.pair), "1s", bar, "", ts_recv_ns),)

    def _status(self, conn: int, ts_recv_ns: int, status: frames.Status) -> Sequence[MarketEvent]:
        if status.status in _QUIET:
            return ()
        words = status.message[:80]
        refused = "not_authorized" if "not authorized" in words.lower() else status.status
        remedy = REMEDIES.get(refused, "see the provider's documentation")
        return self.reject(
            ts_recv_ns,
            f"{self.venue} answers {status.status[:40]} {words}: {remedy}",
            msgspec.json.encode(status),
            channel="status",
        )

    def _nothing(self, conn: int, ts_recv_ns: int, message: Any) -> Sequence[MarketEvent]:
        """Take note of nothing: a price band, an auction's imbalance."""
        return ()


def trade_id(text: str, exchange: int, facility: int) -> int:
    """Return an id of its own for a trade: ids are counted by each exchange for itself.

    Up to 46 bits of number, 8 of exchange and 9 of reporting facility side by side; whatever does
    not fit is hashed to 63 bits.
    """
    if text.isdigit() and text.isascii() and len(text) < 15 and exchange < 256 and facility < 512:
        number = int(text)
        if number >> _PLAIN_BITS == 0:
            return number << 17 | exchange << 9 | facility
    digest = blake2b(f"{exchange}:{facility}:{text}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def _followed(ticker: _Ticker, exchange: int) -> bool:
    if ticker.exchange < 0 or exchange == COINBASE:
        ticker.exchange = exchange
    return ticker.exchange == exchange


def _bar(
    ticker: _Ticker,
    timeframe: str,
    bar: frames.Second | frames.Minute | frames.CoinMinute | frames.CoinSecond,
    volume: str,
    ts_recv_ns: int,
) -> VenueBar:
    prices = ticker.prices
    return VenueBar(
        ticker.id, timeframe, bar.s * _MS, ts_recv_ns, prices[str(bar.o, "ascii")],
        prices[str(bar.h, "ascii")], prices[str(bar.l, "ascii")], prices[str(bar.c, "ascii")],
        ticker.sizes[volume or str(bar.v, "ascii")], closed=True,
    )  # fmt: skip


_READ: Final[dict[type, Reader]] = {
    frames.Trade: MassiveDecoder._trade,
    frames.Quote: MassiveDecoder._quote,
    frames.Second: MassiveDecoder._second,
    frames.Minute: MassiveDecoder._minute,
    frames.CoinTrade: MassiveDecoder._coin_trade,
    frames.CoinQuote: MassiveDecoder._coin_quote,
    frames.CoinBook: MassiveDecoder._book,
    frames.CoinMinute: MassiveDecoder._coin_minute,
    frames.CoinSecond: MassiveDecoder._coin_second,
    frames.LimitBand: MassiveDecoder._nothing,
    frames.Imbalance: MassiveDecoder._nothing,
    frames.Status: MassiveDecoder._status,
}
