"""Frames of ccxt's parsed structures to market events."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from hashlib import blake2b
from typing import Final
from urllib.parse import urlsplit

import msgspec
import numpy as np

from core.feeds.ccxt_pro import frames
from core.feeds.ccxt_pro.rule import CcxtRule
from core.feeds.ccxt_pro.symbols import Listing, make_instruments
from core.feeds.decimals import Decimals
from core.feeds.decoder import FeedDecoder, Known
from core.feeds.hosts import clock_sample
from core.feeds.levels import LevelReader, Shape, SidePlan
from core.feeds.steps import OffStep
from core.model.errors import DataError
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.market import (
    BookSnapshot,
    DayTicker,
    FeedStatus,
    FeedStatusChanged,
    Levels,
    MarketEvent,
    Quote,
    Trade,
)
from core.model.ports import FrameKind

CHANNELS: Final = ("trades", "book", "ticker")

_MS: Final = 1_000_000
_SHAPE: Final = Shape(price=0, size=1)


class _Market(Known):
    __slots__ = ("plan",)

    def __init__(self, instrument: Instrument) -> None:
        super().__init__(instrument)
        self.plan = SidePlan(self, _SHAPE)


class CcxtDecoder(FeedDecoder):
    """Decodes what `core.feeds.ccxt_pro.feed` puts on the tape.

    Args:
        venue: The name events carry, such as ``ccxt:kraken`` or a name of the user's.
        instruments: Steps; listings on the tape teach more.
        exchange: ccxt's name of the exchange; empty: as the venue's name says.
    """

    def __init__(
        self, venue: VenueName, instruments: Collection[Instrument] = (), exchange: str = ""
    ) -> None:
        name = exchange or venue.removeprefix("ccxt:")
        self._rule = CcxtRule(name)
        super().__init__(venue, self._rule, instruments)
        self._levels = LevelReader()
        self._decimals = Decimals(f"{venue} value")
        self._one = msgspec.json.Decoder(frames.Message).decode

    def make_known(self, instrument: Instrument) -> Known:
        """Return what decoding needs of an instrument."""
        return _Market(instrument)

    def message(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read a structure."""
        message: frames.Message = self._one(data)
        known = self.of(message.s)
        assert isinstance(known, _Market)
        match message:
            case frames.Trades():
                return self._trades(message, known, ts_recv_ns, data)
            case frames.Book():
                return (self._book(message, known, ts_recv_ns),)
            case frames.Ticker():
                return self._ticker(message, known, ts_recv_ns)
            case frames.Failed():
                return self._failed(message, known, ts_recv_ns, data)

    def answer(self, ts_recv_ns: int, url: str, data: bytes) -> Sequence[MarketEvent]:
        """Read a listing or the exchange's time."""
        path = urlsplit(url).path
        if path.endswith("/markets"):
            listing = msgspec.json.decode(data, type=Listing)
            self._rule.exchange = listing.exchange
            self.add_instruments(make_instruments(listing.markets, self.venue))
        elif path.endswith("/time"):
            there_ms = msgspec.json.decode(data, type=frames.Time).ms
            return clock_sample(self.venue, url, ts_recv_ns, there_ms * _MS)
        return ()

    def sent(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read what is watched from now on, or no longer."""
        request = msgspec.json.decode(data, type=frames.Request)
        named = [(symbol, channel) for symbol in request.symbols for channel in CHANNELS]
        change = self.carry if request.action == "watch" else self.release
        return change(conn, ts_recv_ns, named)

    def label(
        self, kind: FrameKind, url: str, data: bytes, events: Sequence[MarketEvent]
    ) -> Sequence[str]:
        """Return the kind of structure, such as ``book``."""
        if kind != "recv":
            return ()
        try:
            return [str(self._one(data).__struct_config__.tag)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return ()

    def _trades(
        self, trades: frames.Trades, market: _Market, ts_recv_ns: int, data: bytes
    ) -> Sequence[MarketEvent]:
        out: list[MarketEvent] = []
        for row in trades.rows:
            try:
                out.append(_trade(row, market, ts_recv_ns))
            except DataError as error:
                if isinstance(error, OffStep):
                    error.note(self.off_step)
                out += self.reject(
                    ts_recv_ns, str(error), data, channel="trades", instrument_id=market.id
                )
        return out

    def _book(self, book: frames.Book, market: _Market, ts_recv_ns: int) -> BookSnapshot:
        return BookSnapshot(
            market.id, (book.timestamp or 0) * _MS, ts_recv_ns, max(book.nonce or 0, 0),
            self._side(book.bids, market), self._side(book.asks, market), reset=True,
        )  # fmt: skip

    def _side(self, raw: msgspec.Raw, market: _Market) -> Levels:
        """Return the levels that hold something."""
        try:
            side = self._levels.side(bytes(raw), market.plan)
        except OffStep as error:
            if error.what != "size":
                raise
            # Orders older than the present lot rest in some books: what is there never vanishes.
            rows = msgspec.json.decode(raw, type=list[tuple[msgspec.Raw, msgspec.Raw]])
            side = np.array(
                [
                    (market.prices[str(price, "ascii")], market.sizes.nearest(str(size, "ascii")))
                    for price, size in rows
                ],
                np.int64,
            ).reshape(-1, 2)
        return side[side[:, 1] > 0]

    def _ticker(
        self, ticker: frames.Ticker, market: _Market, ts_recv_ns: int
    ) -> Sequence[MarketEvent]:
        ts_event_ns = (ticker.timestamp or 0) * _MS
        day = DayTicker(
            instrument_id=market.id, ts_event_ns=ts_event_ns, ts_recv_ns=ts_recv_ns,
            last=self._value(ticker.last), open=self._value(ticker.open),
            high=self._value(ticker.high), low=self._value(ticker.low),
            volume=self._value(ticker.baseVolume), quote_volume=self._value(ticker.quoteVolume),
        )  # fmt: skip
        bid, ask = _steps(ticker.bid, market.prices), _steps(ticker.ask, market.prices)
        if not bid or not ask:
            return (day,)
        bid_lots = _steps(ticker.bidVolume, market.sizes)
        ask_lots = _steps(ticker.askVolume, market.sizes)
        return day, Quote(
            market.id, ts_event_ns, ts_recv_ns, bid, bid_lots, ask, ask_lots, 0
        )  # fmt: skip

    def _failed(
        self, failed: frames.Failed, market: _Market, ts_recv_ns: int, data: bytes
    ) -> Sequence[MarketEvent]:
        rejected = self.reject(
            ts_recv_ns, f"watching {failed.channel} of {failed.s} failed: {failed.reason}", data,
            channel=failed.channel, instrument_id=market.id,
        )  # fmt: skip
        if failed.channel == "ticker":
            return rejected
        return (
            *rejected,
            FeedStatusChanged(
                instrument_id=market.id, ts_recv_ns=ts_recv_ns, status=FeedStatus.STALE,
                reason=f"{failed.channel} failed: {failed.reason}"[:160],
            ),
        )  # fmt: skip

    def _value(self, raw: msgspec.Raw) -> Decimal | None:
        text = str(raw, "ascii")
        return None if text == "null" else self._decimals[text]


def _trade(row: frames.TradeRow, market: _Market, ts_recv_ns: int) -> Trade:
    price = market.prices[str(row.price, "ascii")]
    size = market.sizes[str(row.amount, "ascii")]
    if not price or not size:
        raise DataError(f"trade {row.id!r} must have a price and a size above 0")
    if row.side not in {"buy", "sell"}:
        raise DataError(f"trade {row.id!r} must say who took it, was {row.side!r}")
    ts_event_ns = (row.timestamp or 0) * _MS
    # Some exchanges number no trades; then these four tell one from another.
    number = trade_id(row.id or f"{ts_event_ns} {price} {size} {row.side}")
    return Trade(market.id, ts_event_ns, ts_recv_ns, price, size, row.side == "sell", number)


def trade_id(text: str) -> int:
    """Return a trade's number, or 63 bits of hash where it is no number."""
    if text.isdigit() and text.isascii() and len(text) < 19:
        return int(text)
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def _steps(raw: msgspec.Raw, steps: dict[str, int]) -> int:
    """Return a value in steps, 0 where there is none."""
    text = str(raw, "ascii")
    return 0 if text == "null" else steps[text]
