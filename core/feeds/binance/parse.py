"""Binance spot frames to market events.

The hot messages go through the scanner of `scan`. Whatever is rarer, or not spelt as the venue
spells it, falls through to `_other`, which takes any JSON in any order and says what is wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from struct import Struct
from typing import Final

import msgspec

from core.feeds.binance import frames
from core.feeds.binance.decoder import day_ticker, reader
from core.feeds.binance.rule import SpotRule
from core.feeds.binance.scan import (
    AGGREGATE,
    KLINE,
    MAX_FRAME_BYTES,
)
from core.feeds.binance.scanned import ScannedStreams
from core.feeds.binance.symbols import parse_exchange_info
from core.feeds.binance.told import teller
from core.feeds.decimals import Decimals
from core.model.errors import DataError
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.market import BookDelta, MarketEvent, Quote, Trade, VenueBar
from core.model.ports import FrameKind

BINANCE: Final = VenueName("binance")

_CANDLE: Final = Struct("=5q").unpack_from

_INTERVALS: Final = {
    int.from_bytes(name.encode(), "big"): name
    for name in (
        "1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d",
        "1w", "1M",
    )
}  # fmt: skip
"""Candle lengths as the scanner tells them."""


class BinanceDecoder(ScannedStreams):
    """Decodes combined and raw stream frames, REST answers and our own requests.

    Its only memory is what it was taught and which connection carries which instrument, both of
    which come from frames on the tape, so a tape decodes the same way twice.

    Args:
        venue: The name events carry.
        instruments: Tick and lot sizes; exchangeInfo frames teach more.
    """

    most_bytes = MAX_FRAME_BYTES

    def __init__(
        self,
        venue: VenueName = BINANCE,
        instruments: Collection[Instrument] = (),
    ) -> None:
        self._aggregate_frame = reader(frames.Frame[frames.Aggregate])
        self._tell = teller()
        self._outer = reader(frames.Outer)
        self._values = Decimals(f"statistics of {venue}")
        super().__init__(venue, SpotRule(), instruments)

    def learn(self, listing: bytes) -> None:
        """Teach it an exchangeInfo.

        Raises:
            DataError: It is none.
        """
        self.add_instruments(parse_exchange_info(listing, self.venue))

    def decode(
        self, kind: FrameKind, conn: int, ts_recv_ns: int, url: str, data: bytes
    ) -> Sequence[MarketEvent]:
        """Return the frame's events in order; a frame it cannot read gives `FrameRejected`."""
        if kind == "recv":
            events: Sequence[MarketEvent] | None = self._tell(data, self._desk_at, ts_recv_ns)
            if events is not None:
                return events
            self._used = int(self._desk[0, 3])
            known, row, a, b, c, _, _ = self._found.tolist()
            if known == KLINE and (interval := _INTERVALS.get(b)) is not None:
                first, high, low, last, volume = _CANDLE(self._figures, 16 * self._used)
                return (
                    VenueBar(
                        self._rows[row], interval, c * 1_000_000, ts_recv_ns, first, high,
                        low, last, volume, a == 1,
                    ),
                )  # fmt: skip
            if self._renewed(data):
                return self.decode(kind, conn, ts_recv_ns, url, data)
            if known == AGGREGATE:
                try:
                    return self._aggregates(self._aggregate_frame(data).data, ts_recv_ns)
                except (msgspec.DecodeError, DataError, UnicodeDecodeError):
                    pass  # Read it again, to say what is wrong.
        return super().decode(kind, conn, ts_recv_ns, url, data)

    # -- stream messages -------------------------------------------------------------------

    def message(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read a stream message in any spelling, or say what is wrong with it."""
        return self._other(ts_recv_ns, data)

    def _other(self, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
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
            case "24hrMiniTicker" | "24hrTicker":
                return self._ticker(msgspec.json.decode(data, type=frames.Ticker), ts_recv_ns)
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
            known = self.of(quote.s)
            return (
                Quote(
                    known.id, 0, ts_recv_ns, known.prices[quote.b], known.sizes[quote.B],
                    known.prices[quote.a], known.sizes[quote.A], quote.u,
                ),
            )  # fmt: skip
        refusal = self.refused(outer)
        if refusal is not None:
            raise refusal
        if outer.id and outer.result:
            return ()
        if outer.lastUpdateId:
            raise DataError(f"stream {stream[:40]!r} of top levels is not one we follow")
        raise DataError(f"message of stream {stream[:40]!r} has no event type")

    def _trades(self, trade: frames.Trade, ts_recv_ns: int) -> Sequence[MarketEvent]:
        known = self.of(trade.s)
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
        known = self.of(trade.s)
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
        known = self.of(depth.s)
        return (
            BookDelta(
                known.id, depth.E * 1_000_000, ts_recv_ns, depth.U, depth.u, -1,
                self.levels(depth.b, known), self.levels(depth.a, known),
            ),
        )  # fmt: skip

    def _kline(self, kline: frames.Kline, ts_recv_ns: int) -> Sequence[MarketEvent]:
        known, candle = self.of(kline.s), kline.k
        prices = known.prices
        return (
            VenueBar(
                known.id, candle.i, candle.t * 1_000_000, ts_recv_ns, prices[candle.o],
                prices[candle.h], prices[candle.l], prices[candle.c], known.sizes[candle.v],
                candle.x,
            ),
        )  # fmt: skip

    def _ticker(self, ticker: frames.Ticker, ts_recv_ns: int) -> Sequence[MarketEvent]:
        return (day_ticker(ticker, self.of(ticker.s).id, ts_recv_ns, self._values),)
