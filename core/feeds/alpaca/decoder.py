"""Alpaca frames to market events.

A frame is an array of messages of many kinds and symbols. All are read in one pass; where one of
them is not what is documented, they are read one by one, and only that one is lost.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from core.feeds.alpaca import frames
from core.feeds.alpaca.contracts import PATH as CONTRACTS
from core.feeds.alpaca.contracts import read_contracts
from core.feeds.alpaca.packing import plain
from core.feeds.alpaca.rule import AlpacaRule
from core.feeds.alpaca.symbols import parse_assets
from core.feeds.arrays import ArrayDecoder, Reader
from core.feeds.decoder import Known
from core.feeds.hosts import clock_sample
from core.feeds.levels import LevelReader, Shape, SidePlan
from core.feeds.stamps import Stamps
from core.feeds.takers import TakerGuess
from core.model.errors import DataError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import (
    BookDelta,
    BookSnapshot,
    DayTicker,
    FeedStatus,
    FeedStatusChanged,
    MarketEvent,
    OptionGreeks,
    Quote,
    SequenceBroken,
    Trade,
    TradeCanceled,
    VenueBar,
)
from core.model.ports import FrameKind

ALPACA: Final = VenueName("alpaca")

_SHAPE: Final = Shape(price="p", size="s")
_HALTED: Final = frozenset({"H", "P", "2"})
_RESUMED: Final = frozenset({"T", "3"})
"""Status codes of a halt or pause and of its end: letters of UTP, digits of CTA."""

_SNAPSHOTS: Final = "/v1beta1/options/snapshots"

_NOBODY: Final = -1
_LOST: Final = -2

_EXCHANGE_BITS: Final = 7
_CHANNELS: Final = (
    "trades", "quotes", "bars", "updatedBars", "dailyBars", "orderbooks", "statuses", "lulds",
)  # fmt: skip

REMEDIES: Final = {
    400: "a request of ours was not understood; please report it with the tape",
    401: "the connection asked for data before it was let in; it is opened anew",
    402: "check api_key and api_secret of the feed, and that they belong to its environment",
    403: "the connection was let in already; nothing to do",
    404: "the key arrived too late: 10 s are given; the connection is opened anew",
    405: "the plan allows fewer symbols: unsubscribe some or choose another plan",
    406: "another program holds the account's one connection: stop it, or give it another account",
    407: "this machine reads too slowly: subscribe to less",
    408: "the account has no access to this data: see its plan",
    409: "the account's plan does not contain this feed: set `plan` to iex, or upgrade",
    410: "this feed does not have that channel",
    412: "options come in msgpack alone; please report it with the tape",
    413: "quotes of options must be named one by one; please report it with the tape",
    500: "the provider is in trouble; the connection is opened anew",
}
"""What to do about each error of the stream."""


class _Asset(Known):
    __slots__ = ("coin", "guess", "halted", "option", "owner", "plan", "quoted_ns")

    def __init__(self, instrument: Instrument) -> None:
        super().__init__(instrument)
        self.coin = instrument.kind is InstrumentKind.SPOT
        self.option = instrument.kind is InstrumentKind.OPTION
        self.quoted_ns = 0
        """When its newest quote was made."""
        self.guess = TakerGuess()
        self.plan = SidePlan(self, _SHAPE)
        self.owner = _NOBODY
        """Connection that sent the newest whole book; changes of others are not of it. _LOST: a
        change could not be read, and the book must come whole again."""
        self.halted = False


class AlpacaDecoder(ArrayDecoder):
    """Decodes the stock and crypto streams, assets and clock.

    Args:
        venue: The name events carry.
        instruments: Tick and lot sizes; assets on the tape teach more.
    """

    def __init__(self, venue: VenueName = ALPACA, instruments: Collection[Instrument] = ()) -> None:
        super().__init__(venue, AlpacaRule(), instruments, messages=frames.Message, readers=_READ)
        self._stamps = Stamps()
        self._levels = LevelReader()
        self._kind = msgspec.json.Decoder(frames.Kind).decode

    def make_known(self, instrument: Instrument) -> Known:
        """Return what decoding needs of an instrument."""
        return _Asset(instrument)

    def answer(self, ts_recv_ns: int, url: str, data: bytes) -> Sequence[MarketEvent]:
        """Read listings, options as polled, and the clock; bars are history, read elsewhere."""
        path = urlsplit(url).path
        if path.endswith(_SNAPSHOTS):
            return self._snapshots(ts_recv_ns, data)
        if path.endswith(CONTRACTS):
            self.add_instruments(read_contracts(data, self.venue))
            return ()
        if path.endswith("/v2/assets"):
            self.add_instruments([item for item, _ in parse_assets([data], self.venue)])
            return ()
        if path.endswith("/v2/clock"):
            clock = msgspec.json.decode(data, type=frames.Clock)
            there_ns = self._stamps.ns(clock.timestamp)
            return clock_sample(self.venue, url, ts_recv_ns, there_ns)
        return ()

    def message(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read an array of messages, packed or not."""
        return super().message(conn, ts_recv_ns, plain(data))

    def label(
        self, kind: FrameKind, url: str, data: bytes, events: Sequence[MarketEvent]
    ) -> Sequence[str]:
        """Return each message's kind as the provider names it."""
        try:
            return super().label(kind, url, plain(data), events)
        except DataError:
            return ()

    def sent(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read a request of ours."""
        request = msgspec.json.decode(data, type=frames.Request)
        named = [
            (symbol, channel)
            for channel in _CHANNELS
            for symbol in getattr(request, channel)
        ]  # fmt: skip
        if request.action == "subscribe":
            return self.carry(conn, ts_recv_ns, named)
        if request.action == "unsubscribe":
            for symbol, channel in named:
                known = self._known.get(symbol)
                if channel == "orderbooks" and isinstance(known, _Asset) and known.owner == conn:
                    known.owner = _NOBODY
            return self.release(conn, ts_recv_ns, named)
        return ()

    def disconnected(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Distrust what the connection carried; a later one of its number sends books anew."""
        for known in self._known.values():
            if isinstance(known, _Asset) and known.owner == conn:
                known.owner = _NOBODY
        return super().disconnected(conn, ts_recv_ns, data)

    # -- messages ----------------------------------------------------------------------------

    def name_of(self, part: msgspec.Raw) -> tuple[str, str]:
        """Return a message's kind and symbol."""
        kind = self._kind(part)
        # The account's stream of orders is another connection; its words name it.
        return kind.T or kind.stream, kind.S

    def lost(
        self, conn: int, ts_recv_ns: int, kind: str, known: Known | None
    ) -> Sequence[MarketEvent]:
        """Give up the books of which a change may be missing: no number of theirs would show it."""
        if kind and not (kind == "o" and isinstance(known, _Asset)):
            return ()
        books = dict.fromkeys(self._known.values() if known is None else [known])
        mine = [asset for asset in books if isinstance(asset, _Asset) and asset.owner == conn]
        if not mine:
            return ()
        for asset in mine:
            asset.owner = _LOST
        return (
            SequenceBroken(
                venue=self.venue, ts_recv_ns=ts_recv_ns,
                instrument_ids=tuple(asset.id for asset in mine),
                reason="a change of the book could not be read",
            ),
        )  # fmt: skip

    def _asset(self, symbol: str) -> _Asset:
        known = self._known.get(symbol)
        # Known nearly always: spare each message the detour.
        if type(known) is _Asset:
            return known
        known = self.of(symbol)
        assert isinstance(known, _Asset)
        return known

    def _trade(self, conn: int, ts_recv_ns: int, trade: frames.Trade) -> Sequence[MarketEvent]:
        asset = self._asset(trade.S)
        price = asset.prices[str(trade.p, "ascii")]
        size = asset.sizes[str(trade.s, "ascii")]
        if not price or not size:
            raise DataError(f"trade {trade.i} must have a price and a size above 0")
        asset.halted = False
        return (
            Trade(
                asset.id,
                self._stamps.ns(trade.t),
                ts_recv_ns,
                price,
                size,
                _sold(trade.tks, asset, price),
                trade_id(trade.i, trade.x) if trade.i >= 0 else _made_id(trade, asset),
            ),
        )

    def _quote(self, conn: int, ts_recv_ns: int, quote: frames.Quote) -> Sequence[MarketEvent]:
        asset = self._asset(quote.S)
        bid = asset.prices[str(quote.bp, "ascii")]
        ask = asset.prices[str(quote.ap, "ascii")]
        bid_lots = asset.sizes[str(quote.bs, "ascii")]
        ask_lots = asset.sizes[str(quote.asks, "ascii")]
        ts_event_ns = asset.quoted_ns = self._stamps.ns(quote.t)
        asset.guess.quote(bid, ask)
        if not bid or not ask or asset.halted:
            # A side may be empty before and after hours: then there is no best price to speak of.
            # While it is halted nobody can have the prices quoted.
            return ()
        return (Quote(asset.id, ts_event_ns, ts_recv_ns, bid, bid_lots, ask, ask_lots, 0),)

    def _snapshots(self, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read options as polled: what is older than the stream's newest quote is known."""
        out: list[MarketEvent] = []
        answer = msgspec.json.decode(data, type=frames.OptionSnapshots)
        for symbol, told in answer.snapshots.items():
            asset, quote = self._asset(symbol), told.latestQuote
            if quote is None:
                continue
            at_ns = self._stamps.ns(quote.t)
            if at_ns >= asset.quoted_ns:
                row = frames.Quote(symbol, quote.t, quote.bp, quote.bs, quote.ap, quote.asks)
                out.extend(self._quote(_NOBODY, ts_recv_ns, row))
            if told.greeks is not None:
                out.append(_greeks(asset.id, at_ns, ts_recv_ns, told))
        return out

    def _minute(
        self, conn: int, ts_recv_ns: int, bar: frames.Bar | frames.UpdatedBar
    ) -> Sequence[MarketEvent]:
        asset = self._asset(bar.S)
        prices, sizes = asset.prices, asset.sizes
        out = VenueBar(
            asset.id, "1m", self._stamps.ns(bar.t), ts_recv_ns, prices[str(bar.o, "ascii")],
            prices[str(bar.h, "ascii")], prices[str(bar.l, "ascii")], prices[str(bar.c, "ascii")],
            sizes[str(bar.v, "ascii")], closed=True,
        )  # fmt: skip
        return (out,) if bar.n else ()

    def _day(self, conn: int, ts_recv_ns: int, bar: frames.DailyBar) -> Sequence[MarketEvent]:
        asset = self._asset(bar.S)
        prices, item = asset.prices, asset.instrument
        first, high, low, last = (
            item.price(prices[str(raw, "ascii")]) for raw in (bar.o, bar.h, bar.l, bar.c)
        )
        return (
            DayTicker(
                instrument_id=asset.id,
                ts_event_ns=self._stamps.ns(bar.t),
                ts_recv_ns=ts_recv_ns,
                open=first,
                high=high,
                low=low,
                last=last,
                volume=item.size(asset.sizes[str(bar.v, "ascii")]),
            ),
        )

    def _correction(
        self, conn: int, ts_recv_ns: int, wrong: frames.Correction
    ) -> Sequence[MarketEvent]:
        asset = self._asset(wrong.S)
        price = asset.prices[str(wrong.cp, "ascii")]
        size = asset.sizes[str(wrong.cs, "ascii")]
        ts_event_ns = self._stamps.ns(wrong.t)
        right = Trade(
            asset.id, ts_event_ns, ts_recv_ns, price, size, asset.guess.sold(price),
            trade_id(wrong.ci, wrong.x),
        )  # fmt: skip
        return (
            TradeCanceled(
                instrument_id=asset.id,
                ts_event_ns=ts_event_ns,
                ts_recv_ns=ts_recv_ns,
                trade_id=trade_id(wrong.oi, wrong.x),
                corrected=right if size else None,
            ),
        )

    def _cancel(self, conn: int, ts_recv_ns: int, cancel: frames.Cancel) -> Sequence[MarketEvent]:
        asset = self._asset(cancel.S)
        return (
            TradeCanceled(
                instrument_id=asset.id,
                ts_event_ns=self._stamps.ns(cancel.t),
                ts_recv_ns=ts_recv_ns,
                trade_id=trade_id(cancel.i, cancel.x),
            ),
        )

    def _book(self, conn: int, ts_recv_ns: int, book: frames.Book) -> Sequence[MarketEvent]:
        asset = self._asset(book.S)
        if not book.r and asset.owner != conn:
            if asset.owner == _NOBODY:
                asset.owner = _LOST
                raise DataError("levels changed before the book came whole; it is asked for anew")
            return ()  # It waits for the whole book, or is of a connection about to be left.
        bids = self._levels.side(bytes(book.b), asset.plan)
        asks = self._levels.side(bytes(book.a), asset.plan)
        ts_event_ns = self._stamps.ns(book.t)
        if book.r:
            asset.owner = conn
            return (
                BookSnapshot(
                    asset.id, ts_event_ns, ts_recv_ns, 0, bids[bids[:, 1] > 0],
                    asks[asks[:, 1] > 0], reset=True,
                ),
            )  # fmt: skip
        return (BookDelta(asset.id, ts_event_ns, ts_recv_ns, 0, 0, -1, bids, asks),)

    def _status(self, conn: int, ts_recv_ns: int, status: frames.Status) -> Sequence[MarketEvent]:
        asset = self._asset(status.S)
        if status.sc in _RESUMED:
            asset.halted = False
        if status.sc not in _HALTED:
            return ()
        asset.halted = True
        why = ", ".join(text for text in (status.sm, status.rc, status.rm) if text)
        return (
            FeedStatusChanged(
                instrument_id=asset.id,
                ts_recv_ns=ts_recv_ns,
                status=FeedStatus.STALE,
                reason=f"halted by its exchange: {why or status.sc}"[:160],
            ),
        )

    def _error(self, conn: int, ts_recv_ns: int, error: frames.Error) -> Sequence[MarketEvent]:
        remedy = REMEDIES.get(error.code, "see the provider's documentation")
        reason = f"{self.venue} answers {error.code} {error.msg[:80]}: {remedy}"
        return self.reject(ts_recv_ns, reason, msgspec.json.encode(error), channel="error")

    def _nothing(self, conn: int, ts_recv_ns: int, message: Any) -> Sequence[MarketEvent]:
        """Take note of nothing: an acknowledgement, a price band, an auction's imbalance."""
        return ()


def _sold(side: str, asset: _Asset, price: int) -> bool:
    if side == "S":
        return True
    if side == "B":
        return False
    if side or asset.coin:
        raise DataError(f"taker side of a trade must be B or S, was {side[:8]!r}")
    return asset.guess.sold(price)


def trade_id(number: int, exchange: str) -> int:
    """Return an id of its own for a trade: stock ids are counted by each exchange for itself.

    Raises:
        DataError: The two do not fit one number of 63 bits.
    """
    if not exchange:
        return number
    if number >> (63 - _EXCHANGE_BITS) or len(exchange) > 1 or ord(exchange) >> _EXCHANGE_BITS:
        raise DataError(f"trade id must be below 2**56, was {number} at {exchange[:8]!r}")
    return number << _EXCHANGE_BITS | ord(exchange)


def _made_id(trade: frames.Trade, asset: _Asset) -> int:
    """Return an id for an option's trade, which has none: made of all that is told of it."""
    if not asset.option:
        raise DataError(f"a trade of {trade.S[:20]} must have an id")
    told = b" ".join((trade.t.encode(), bytes(trade.p), bytes(trade.s), trade.x.encode()))
    return int.from_bytes(blake2b(told, digest_size=8).digest(), "big") >> 1


def _greeks(
    name: InstrumentId, at_ns: int, ts_recv_ns: int, told: frames.OptionSnapshot
) -> OptionGreeks:
    greeks, iv = told.greeks, told.impliedVolatility
    assert greeks is not None
    return OptionGreeks(
        instrument_id=name, ts_event_ns=at_ns, ts_recv_ns=ts_recv_ns,
        mark_iv=math.nan if iv is None else iv, bid_iv=math.nan, ask_iv=math.nan,
        delta=greeks.delta, gamma=greeks.gamma, vega=greeks.vega, theta=greeks.theta,
        rho=greeks.rho, underlying=math.nan,
    )  # fmt: skip


_READ: Final[dict[type, Reader]] = {
    frames.Trade: AlpacaDecoder._trade,
    frames.Quote: AlpacaDecoder._quote,
    frames.Bar: AlpacaDecoder._minute,
    frames.UpdatedBar: AlpacaDecoder._minute,
    frames.DailyBar: AlpacaDecoder._day,
    frames.Correction: AlpacaDecoder._correction,
    frames.Cancel: AlpacaDecoder._cancel,
    frames.Book: AlpacaDecoder._book,
    frames.Status: AlpacaDecoder._status,
    frames.LimitBand: AlpacaDecoder._nothing,
    frames.Imbalance: AlpacaDecoder._nothing,
    frames.Success: AlpacaDecoder._nothing,
    frames.Subscription: AlpacaDecoder._nothing,
    frames.Error: AlpacaDecoder._error,
}
