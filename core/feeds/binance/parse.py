"""Binance spot frames to market events.

The hot messages go through the scanner of `scan`. Whatever is rarer, or not spelt as the venue
spells it, falls through to `_other`, which takes any JSON in any order and says what is wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from struct import Struct
from typing import Final
from urllib.parse import parse_qs, urlsplit

import msgspec
import numpy as np

from core.engine.compiled import address
from core.feeds.binance import frames
from core.feeds.binance.rule import SpotRule
from core.feeds.binance.scan import (
    AGGREGATE,
    BLOCK,
    DEPTH,
    KLINE,
    MAX_FRAME_BYTES,
    QUOTE,
    TRADE,
    compiled,
    desk,
    layout,
    room,
    table,
)
from core.feeds.binance.symbols import parse_exchange_info
from core.feeds.steps import OffStep, Steps
from core.model.errors import DataError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import (
    BookDelta,
    BookSnapshot,
    FeedConnected,
    FeedDisconnected,
    FeedStatus,
    FeedStatusChanged,
    FrameRejected,
    Levels,
    MarketEvent,
    Quote,
    Trade,
    VenueBar,
)
from core.model.ports import FrameKind

BINANCE: Final = VenueName("binance")

_SAMPLE: Final = 120
_CANDLE: Final = Struct("=5q").unpack_from

_INTERVALS: Final = {
    int.from_bytes(name.encode(), "big"): name
    for name in (
        "1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d",
        "1w", "1M",
    )
}  # fmt: skip
"""Candle lengths as the scanner tells them."""


class _Known:
    """What decoding needs of one instrument."""

    __slots__ = ("id", "layout", "prices", "sizes")

    def __init__(self, instrument: Instrument) -> None:
        self.id = instrument.id
        self.prices = Steps(instrument.price_tick, "price", instrument.venue_symbol)
        self.sizes = Steps(instrument.size_lot, "size", instrument.venue_symbol)
        self.layout = layout(
            instrument.venue_symbol, instrument.price_tick, instrument.size_lot
        )  # fmt: skip


class BinanceDecoder:
    """Decodes combined and raw stream frames, REST answers and our own requests.

    Its only memory is what it was taught and which connection carries which instrument, both of
    which come from frames on the tape, so a tape decodes the same way twice.

    Args:
        venue: The name events carry.
        instruments: Tick and lot sizes; exchangeInfo frames teach more.
    """

    def __init__(
        self,
        venue: VenueName = BINANCE,
        instruments: Collection[Instrument] = (),
    ) -> None:
        self.venue = venue
        self.rule = SpotRule()
        self.instruments: dict[str, Instrument] = {}
        """By the venue's symbol."""
        self.off_step: dict[str, tuple[int, int]] = {}
        """Venue symbols that sent a value finer than the steps taught, and so lost a frame, with
        the decimal places its price and size would need."""
        self._known: dict[str, _Known] = {}
        self._by_stream: dict[bytes, _Known] = {}
        self._carried: dict[int, dict[InstrumentId, None]] = {}
        self._aggregate_frame = msgspec.json.Decoder(frames.Frame[frames.Aggregate]).decode
        self._scan = compiled()
        self._room = room()
        self._used = 0
        self._outer = msgspec.json.Decoder(frames.Outer).decode
        self.add_instruments(instruments)

    def add_instruments(self, instruments: Collection[Instrument]) -> None:
        """Teach it tick and lot sizes; a symbol it does not know is a `FrameRejected`."""
        for instrument in instruments:
            known = _Known(instrument)
            self.instruments[instrument.venue_symbol] = instrument
            self._known[instrument.venue_symbol] = known
            self._by_stream[instrument.venue_symbol.lower().encode()] = known
        plans = [known for known in self._known.values() if known.layout is not None]
        self._rows = [known.id for known in plans]
        self._table = table([known.layout for known in plans if known.layout is not None])
        self._lay_out()

    def _lay_out(self) -> None:
        """Tell the scanner where its arrays lie; they and the desk live as long as we do."""
        self._figures = memoryview(self._room.data).cast("B")
        self._desk = desk(self._table, self._room, self._used)
        self._desk_at = address(self._desk)

    def decode(
        self, kind: FrameKind, conn: int, ts_recv_ns: int, url: str, data: bytes
    ) -> Sequence[MarketEvent]:
        """Return the frame's events in order; a frame it cannot read gives `FrameRejected`."""
        try:
            if kind == "recv":
                known, row, a, b, c, d, e = self._scan(data, self._desk_at)
                if known == QUOTE:
                    return (Quote(self._rows[row], 0, ts_recv_ns, b, c, d, e, a),)
                if known == TRADE:
                    return (Trade(self._rows[row], a, ts_recv_ns, c, d, e == 1, b),)
                if known == DEPTH:
                    # The delta keeps views of the array; the next one is read behind them.
                    levels, start = self._room, self._used
                    self._used = b
                    return (
                        BookDelta(
                            self._rows[row], c, ts_recv_ns, d, e, -1,
                            levels[start:a], levels[a:b],
                        ),
                    )  # fmt: skip
                if known == KLINE and b in _INTERVALS:
                    first, high, low, last, volume = _CANDLE(self._figures, 16 * self._used)
                    return (
                        VenueBar(
                            self._rows[row], _INTERVALS[b], c * 1_000_000, ts_recv_ns, first, high,
                            low, last, volume, a == 1,
                        ),
                    )  # fmt: skip
                return self._rarer(known, ts_recv_ns, data)
            match kind:
                case "http":
                    return self._answer(ts_recv_ns, url, data)
                case "send":
                    return self._sent(conn, ts_recv_ns, data)
                case "connect":
                    return self._connected(conn, ts_recv_ns, url)
                case "disconnect":
                    return self._disconnected(conn, ts_recv_ns, data)
        except OffStep as error:
            error.note(self.off_step)
            return self._reject(ts_recv_ns, str(error), data)
        except (msgspec.DecodeError, DataError, UnicodeDecodeError, RecursionError) as error:
            return self._reject(ts_recv_ns, str(error), data)
        return self._reject(ts_recv_ns, f"unknown frame kind {kind!r}", data)

    # -- stream messages -------------------------------------------------------------------

    def _rarer(self, kind: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read a stream message the scanner did not."""
        if self._used and len(data) > 20 * (BLOCK - self._used):
            # It may have been a depth message the array had no room for.
            self._room, self._used = room(), 0
            self._lay_out()
            return self.decode("recv", 0, ts_recv_ns, "", data)
        try:
            if kind == AGGREGATE:
                return self._aggregates(self._aggregate_frame(data).data, ts_recv_ns)
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        return self._other(ts_recv_ns, data)

    def _other(self, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read a stream message in any spelling, or say what is wrong with it."""
        if len(data) > MAX_FRAME_BYTES:
            raise DataError(f"frame must be at most {MAX_FRAME_BYTES} bytes, was {len(data)}")
        outer = self._outer(data)
        stream = outer.stream
        if outer.data:
            data = bytes(outer.data)
            outer = self._outer(data)
        match outer.e:
            case "trade":
                return self._trades(msgspec.json.decode(data, type=frames.Trade), ts_recv_ns)
            case "aggTrade":
                return self._aggregates(
                    msgspec.json.decode(data, type=frames.Aggregate), ts_recv_ns
                )
            case "depthUpdate":
                return self._depth(msgspec.json.decode(data, type=frames.Depth), ts_recv_ns)
            case "kline":
                return self._kline(msgspec.json.decode(data, type=frames.Kline), ts_recv_ns)
            case "serverShutdown":  # The venue closes the connection itself, soon.
                return ()
            case "":
                return self._untyped(outer, stream, ts_recv_ns, data)
            case kind:
                raise DataError(f"event {kind[:40]!r} is not one of a market data stream")

    def _untyped(
        self, outer: frames.Outer, stream: str, ts_recv_ns: int, data: bytes
    ) -> Sequence[MarketEvent]:
        if outer.u and outer.B:
            quote = msgspec.json.decode(data, type=frames.Quote)
            known = self._of(quote.s)
            return (
                Quote(
                    known.id, 0, ts_recv_ns, known.prices[quote.b], known.sizes[quote.B],
                    known.prices[quote.a], known.sizes[quote.A], quote.u,
                ),
            )  # fmt: skip
        if outer.error or outer.code:
            raise DataError("the venue refused a request of ours")
        if outer.id and outer.result:
            return ()
        if outer.lastUpdateId:
            raise DataError(f"stream {stream[:40]!r} of top levels is not one we follow")
        raise DataError(f"message of stream {stream[:40]!r} has no event type")

    def _trades(self, trade: frames.Trade, ts_recv_ns: int) -> Sequence[MarketEvent]:
        known = self._of(trade.s)
        price = known.prices[trade.p]
        size = known.sizes[trade.q]
        if not price or not size:
            raise DataError(f"trade {trade.t} must have a price and a size above 0")
        return (
            Trade(
                known.id, trade.T * 1_000_000, ts_recv_ns, price, size, trade.m, trade.t
            ),
        )  # fmt: skip

    def _aggregates(self, trade: frames.Aggregate, ts_recv_ns: int) -> Sequence[MarketEvent]:
        known = self._of(trade.s)
        price = known.prices[trade.p]
        size = known.sizes[trade.q]
        if not price or not size:
            raise DataError(f"aggregate trade {trade.a} must have a price and a size above 0")
        return (
            Trade(
                known.id, trade.T * 1_000_000, ts_recv_ns, price, size, trade.m, trade.a,
                trade.f,
            ),
        )  # fmt: skip

    def _depth(self, depth: frames.Depth, ts_recv_ns: int) -> Sequence[MarketEvent]:
        known = self._of(depth.s)
        return (
            BookDelta(
                known.id, depth.E * 1_000_000, ts_recv_ns, depth.U, depth.u, -1,
                _levels(depth.b, known), _levels(depth.a, known),
            ),
        )  # fmt: skip

    def _kline(self, kline: frames.Kline, ts_recv_ns: int) -> Sequence[MarketEvent]:
        known, candle = self._of(kline.s), kline.k
        prices = known.prices
        return (
            VenueBar(
                known.id, candle.i, candle.t * 1_000_000, ts_recv_ns, prices[candle.o],
                prices[candle.h], prices[candle.l], prices[candle.c], known.sizes[candle.v],
                candle.x,
            ),
        )  # fmt: skip

    # -- REST answers, requests and connections ----------------------------------------------

    def _answer(self, ts_recv_ns: int, url: str, data: bytes) -> Sequence[MarketEvent]:
        """Read a REST answer by its URL; answers that are no market events give none."""
        parts = urlsplit(url)
        endpoint = parts.path.rpartition("/")[2]
        if endpoint not in ("depth", "exchangeInfo"):
            return ()
        if len(data) > MAX_FRAME_BYTES:
            raise DataError(f"answer must be at most {MAX_FRAME_BYTES} bytes, was {len(data)}")
        if endpoint == "exchangeInfo":
            self.add_instruments(parse_exchange_info(data, self.venue))
            return ()
        known = self._of(parse_qs(parts.query).get("symbol", [""])[0])
        image = msgspec.json.decode(data, type=frames.Image)
        return (
            BookSnapshot(
                known.id, 0, ts_recv_ns, image.lastUpdateId, _levels(image.bids, known),
                _levels(image.asks, known),
            ),
        )  # fmt: skip

    def _sent(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Note what a connection of ours carries from now on."""
        request = msgspec.json.decode(data, type=frames.Request)
        if request.method == "SUBSCRIBE":
            return self._carry(conn, ts_recv_ns, request.params)
        if request.method != "UNSUBSCRIBE":
            return ()
        carried = self._carried.get(conn, {})
        gone = [name for name in self._named(request.params) if name in carried]
        for name in gone:
            del carried[name]
        return [
            _status(name, ts_recv_ns, FeedStatus.UNSUBSCRIBED, "not subscribed") for name in gone
        ]

    def _connected(self, conn: int, ts_recv_ns: int, url: str) -> Sequence[MarketEvent]:
        self._carried[conn] = {}
        streams = parse_qs(urlsplit(url).query).get("streams", [""])[0].split("/")
        opened = FeedConnected(
            venue=self.venue, ts_recv_ns=ts_recv_ns, conn=conn, instrument_ids=()
        )
        return [opened, *self._carry(conn, ts_recv_ns, streams)]

    def _disconnected(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        return (
            FeedDisconnected(
                venue=self.venue,
                ts_recv_ns=ts_recv_ns,
                conn=conn,
                reason=data[:_SAMPLE].decode(errors="replace"),
                instrument_ids=tuple(self._carried.pop(conn, {})),
            ),
        )

    def _carry(
        self, conn: int, ts_recv_ns: int, streams: Sequence[str]
    ) -> Sequence[FeedStatusChanged]:
        carried = self._carried.setdefault(conn, {})
        fresh = [name for name in self._named(streams) if name not in carried]
        carried.update(dict.fromkeys(fresh))
        return [_status(name, ts_recv_ns, FeedStatus.SYNCING, "subscribed") for name in fresh]

    def _named(self, streams: Sequence[str]) -> list[InstrumentId]:
        """Return the instruments of stream names that have a book, each once."""
        symbols = (stream.partition("@") for stream in streams)
        named = (
            self._by_stream.get(symbol.encode())
            for symbol, _, channel in symbols
            if channel.startswith("depth")
        )
        return list(dict.fromkeys(known.id for known in named if known is not None))

    def _of(self, symbol: str) -> _Known:
        known = self._known.get(symbol)
        if known is None:
            raise DataError(f"unknown symbol {symbol[:40]!r}")
        return known

    def _reject(self, ts_recv_ns: int, reason: str, data: bytes) -> Sequence[MarketEvent]:
        sample = data[: 4 * _SAMPLE].decode(errors="replace")[:_SAMPLE]
        return (
            FrameRejected(venue=self.venue, ts_recv_ns=ts_recv_ns, reason=reason, sample=sample),
        )


def _levels(pairs: frames.Pairs, known: _Known) -> Levels:
    prices, sizes = known.prices, known.sizes
    out = np.array([(prices[price], sizes[size]) for price, size in pairs], np.int64)
    if len(pairs) and not out[:, 0].all():
        raise DataError("a level must have a price above 0")
    return out.reshape(-1, 2)


def _status(
    name: InstrumentId, ts_recv_ns: int, status: FeedStatus, reason: str
) -> FeedStatusChanged:
    return FeedStatusChanged(
        instrument_id=name, ts_recv_ns=ts_recv_ns, status=status, reason=reason
    )
