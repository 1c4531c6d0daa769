"""Binance USD-M frames to market events."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final

import msgspec

from core.feeds.binance.decoder import MS, day_ticker, reader
from core.feeds.binance.frames import Pairs
from core.feeds.binance.scanned import Laid, ScannedStreams
from core.feeds.binance_usdm import frames
from core.feeds.binance_usdm.frames import COINM
from core.feeds.binance_usdm.rule import UsdmRule
from core.feeds.binance_usdm.symbols import parse_exchange_info
from core.feeds.binance_usdm.told import teller
from core.feeds.decimals import Decimals
from core.feeds.decoder import Known
from core.feeds.levels import LevelReader, Shape, SidePlan
from core.feeds.steps import OffStep
from core.model.errors import DataError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import (
    BookDelta,
    FeedDisconnected,
    FeedStatus,
    FeedStatusChanged,
    Levels,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    Quote,
    Side,
    Trade,
    VenueBar,
)
from core.model.ports import FrameKind

BINANCE_USDM: Final = VenueName("binance_usdm")

_SHAPE: Final = Shape(price=0, size=1)
_SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}


class _Contract(Laid):
    """What decoding needs of one contract."""

    __slots__ = ("plan",)

    def __init__(self, instrument: Instrument) -> None:
        super().__init__(instrument)
        self.plan = SidePlan(self, _SHAPE)


class UsdmDecoder(ScannedStreams):
    """Decodes stream frames of any of the routed roots, REST answers and our own requests.

    Args:
        venue: The name events carry.
        instruments: Tick and lot sizes; exchangeInfo frames teach more.
    """

    trusted = ("depth", "aggTrade", "trade")

    def __init__(
        self, venue: VenueName = BINANCE_USDM, instruments: Collection[Instrument] = ()
    ) -> None:
        self._tell = teller()
        self._deaf: set[InstrumentId] = set()
        """Contracts of which one root's connection is lost: without trades a book is no market."""
        self._combined = reader(frames.Frame[frames.Message])
        self._arrays = reader(frames.Frame[list[frames.Message]])
        self._raw = reader(frames.Message)
        self._outer = reader(frames.Outer)
        self._levels = LevelReader()
        self._pairs = reader(Pairs)
        self._values = Decimals(f"statistics of {venue}")
        self._makers: dict[type, Callable[[Any, int], Sequence[MarketEvent]]] = {
            frames.Quote: self._quote,
            frames.Depth: self._depth,
            frames.Trade: self._trade,
            frames.Aggregate: self._aggregate,
            frames.Kline: self._kline,
            frames.Mark: self._mark,
            frames.ForceOrder: self._liquidation,
            frames.DayTicker: self._ticker,
            frames.MiniTicker: self._ticker,
        }
        super().__init__(venue, UsdmRule(), instruments)

    def make_known(self, instrument: Instrument) -> Known:
        """Return what decoding needs of a contract."""
        self._news = True
        return _Contract(instrument)

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
                if self._deaf and events and type(events[0]) is BookDelta:
                    return () if events[0].instrument_id in self._deaf else events
                return events
            self._used = int(self._desk[0, 3])
            if self._renewed(data):
                return self.decode(kind, conn, ts_recv_ns, url, data)
        return super().decode(kind, conn, ts_recv_ns, url, data)

    # -- connections -----------------------------------------------------------------------

    def carry(
        self, conn: int, ts_recv_ns: int, wanted: Iterable[tuple[str, str]]
    ) -> list[MarketEvent]:
        """Note what a connection carries; a contract that has both its roots again starts anew."""
        pairs = list(wanted)
        out = super().carry(conn, ts_recv_ns, pairs)
        for symbol, _ in pairs:
            known = self._known.get(symbol)
            if known is not None and known.id in self._deaf:
                self._deaf.discard(known.id)
                out.append(
                    FeedStatusChanged(
                        instrument_id=known.id, ts_recv_ns=ts_recv_ns,
                        status=FeedStatus.SYNCING, reason="subscribed",
                    )
                )  # fmt: skip
        return out

    def disconnected(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Distrust what lost a channel, until that channel is carried again."""
        out = super().disconnected(conn, ts_recv_ns, data)
        for event in out:
            if isinstance(event, FeedDisconnected):
                self._deaf.update(event.instrument_ids or ())
        self._deaf = {name for name in self._deaf if self._is_carried(name)}
        return out

    def release(
        self, conn: int, ts_recv_ns: int, gone: Iterable[tuple[str, str]]
    ) -> list[MarketEvent]:
        """Note what a connection carries no longer."""
        out = super().release(conn, ts_recv_ns, gone)
        self._deaf = {name for name in self._deaf if self._is_carried(name)}
        return out

    # -- stream messages -------------------------------------------------------------------

    def message(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read a message of the stream.

        Raises:
            DataError: It is not what the venue documents.
            msgspec.DecodeError: It is not JSON of the documented shape.
        """
        if len(data) > self.most_bytes:
            raise DataError(f"frame must be at most {self.most_bytes} bytes, was {len(data)}")
        try:
            frame = self._combined(data)
        except msgspec.ValidationError:
            return self._other(ts_recv_ns, data)
        message = frame.data
        if type(message) is frames.Depth and _is_top(frame.stream):
            raise DataError(f"stream {frame.stream[:40]!r} of top levels is not one we follow")
        return self._events(message, ts_recv_ns)

    def _events(self, message: Any, ts_recv_ns: int) -> Sequence[MarketEvent]:
        make = self._makers.get(type(message))
        if make is None or message.st == COINM:
            return ()
        return make(message, ts_recv_ns)

    def _other(self, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read a raw or array message, or an answer of the socket, or say what is wrong."""
        outer = self._outer(data)
        inner = bytes(outer.data)
        if inner.startswith(b"["):
            messages = self._arrays(data).data
            return [event for item in messages for event in self._events(item, ts_recv_ns)]
        event = self._outer(inner).e if inner else outer.e
        if event:
            if event not in _KNOWN:
                raise DataError(f"event {event[:40]!r} is not one of a market data stream")
            # A raw stream's message, or one whose values are wrong: decoding says which.
            return self._events(self._raw(inner or data), ts_recv_ns)
        refusal = self.refused(outer)
        if refusal is not None:
            raise refusal
        if outer.id and outer.result:
            return ()
        raise DataError(f"message of stream {outer.stream[:40]!r} has no event type")

    def _quote(self, quote: frames.Quote, ts_recv_ns: int) -> Sequence[MarketEvent]:
        known = self.of(quote.s)
        prices, sizes = known.prices, known.sizes
        return (
            Quote(
                known.id, quote.E * MS, ts_recv_ns, prices[quote.b], sizes[quote.B],
                prices[quote.a], sizes[quote.A], quote.u,
            ),
        )  # fmt: skip

    def _depth(self, depth: frames.Depth, ts_recv_ns: int) -> Sequence[MarketEvent]:
        known = self.of(depth.s)
        if known.id in self._deaf:
            return ()
        return (
            BookDelta(
                known.id, depth.E * MS, ts_recv_ns, depth.U, depth.u, depth.pu,
                self._side(depth.b, known), self._side(depth.a, known),
            ),
        )  # fmt: skip

    def _side(self, raw: msgspec.Raw, known: Known) -> Levels:
        assert isinstance(known, _Contract)
        try:
            levels = self._levels.side(bytes(raw), known.plan)
        except OffStep:
            return self.levels(self._pairs(raw), known)
        if len(levels) and not levels[:, 0].all():
            raise DataError(f"level of {known.id} must have a price above 0")
        return levels

    def _trade(self, trade: frames.Trade, ts_recv_ns: int) -> Sequence[MarketEvent]:
        if trade.X == "NA":
            # Between the insurance fund and an account in ADL: at no price of the book.
            return ()
        known = self.of(trade.s)
        return (self._traded(known, trade.p, trade.q, trade.T, ts_recv_ns, trade.m, trade.t, 0),)

    def _aggregate(self, trade: frames.Aggregate, ts_recv_ns: int) -> Sequence[MarketEvent]:
        known = self.of(trade.s)
        return (
            self._traded(known, trade.p, trade.q, trade.T, ts_recv_ns, trade.m, trade.a, trade.f),
        )

    @staticmethod
    def _traded(
        known: Known, price: str, size: str, at: int, ts_recv_ns: int, sold: bool, *ids: int
    ) -> Trade:
        ticks, lots = known.prices[price], known.sizes[size]
        if not ticks or not lots:
            raise DataError(f"trade {ids[0]} must have a price and a size above 0")
        return Trade(known.id, at * MS, ts_recv_ns, ticks, lots, sold, *ids)

    def _kline(self, kline: frames.Kline, ts_recv_ns: int) -> Sequence[MarketEvent]:
        known, candle = self.of(kline.s), kline.k
        prices = known.prices
        return (
            VenueBar(
                known.id, candle.i, candle.t * MS, ts_recv_ns, prices[candle.o],
                prices[candle.h], prices[candle.l], prices[candle.c], known.sizes[candle.v],
                candle.x,
            ),
        )  # fmt: skip

    def _mark(self, mark: frames.Mark, ts_recv_ns: int) -> Sequence[MarketEvent]:
        known = self.of(mark.s)
        return (
            self._marked(known, mark.E, ts_recv_ns, mark.p, mark.i, mark.r, mark.T),
        )  # fmt: skip

    def _marked(
        self, known: Known, at: int, ts_recv_ns: int, mark: str, index: str, rate: str, next_at: int
    ) -> MarkPrice:
        values = self._values
        return MarkPrice(
            instrument_id=known.id,
            ts_event_ns=at * MS,
            ts_recv_ns=ts_recv_ns,
            mark=values.stated(mark, "mark price"),
            index=values[index],
            # A dated future states a rate of 0 for a funding that never comes.
            funding_rate=values[rate] if next_at > 0 else None,
            next_funding_ns=max(0, next_at) * MS,
        )

    def _liquidation(self, event: frames.ForceOrder, ts_recv_ns: int) -> Sequence[MarketEvent]:
        order = event.o
        known = self.of(order.s)
        side = _SIDES.get(order.S)
        if side is None:
            raise DataError(f"side of a liquidation must be BUY or SELL, was {order.S[:20]!r}")
        return (
            Liquidation(
                instrument_id=known.id,
                ts_event_ns=order.T * MS,
                ts_recv_ns=ts_recv_ns,
                side=side,
                price_ticks=known.prices[order.p],
                size_lots=known.sizes[order.z] or known.sizes[order.q],
                lossy=True,
            ),
        )

    def _ticker(
        self, ticker: frames.DayTicker | frames.MiniTicker, ts_recv_ns: int
    ) -> Sequence[MarketEvent]:
        return (day_ticker(ticker, self.of(ticker.s).id, ts_recv_ns, self._values),)

    # -- REST answers ------------------------------------------------------------------------

    @property
    def answers(self) -> dict[str, Callable[[int, bytes], Sequence[MarketEvent]]]:
        """How further endpoints are read."""
        return {"openInterest": self._interest, "premiumIndex": self._premiums}

    def _image(self, ts_recv_ns: int, symbol: str, data: bytes) -> Sequence[MarketEvent]:
        return () if self.of(symbol).id in self._deaf else super()._image(ts_recv_ns, symbol, data)

    def _interest(self, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        said = msgspec.json.decode(data, type=frames.OpenInterest)
        return (
            OpenInterest(
                instrument_id=self.of(said.symbol).id,
                ts_event_ns=said.time * MS,
                ts_recv_ns=ts_recv_ns,
                size=self._values.stated(said.openInterest, "open interest"),
            ),
        )

    def _premiums(self, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        said = msgspec.json.decode(data, type=frames.Premium | list[frames.Premium])
        every = said if isinstance(said, list) else [said]
        return [
            self._marked(
                self.of(item.symbol), item.time, ts_recv_ns, item.markPrice, item.indexPrice,
                item.lastFundingRate, item.nextFundingTime,
            )
            for item in every
        ]  # fmt: skip

    def name_of(self, event: MarketEvent) -> str:
        """Return the venue's name of the message an event came in, empty if none."""
        return _NAMES.get(type(event)) or super().name_of(event)


_NAMES: Final[dict[type, str]] = {
    MarkPrice: "markPriceUpdate",
    Liquidation: "forceOrder",
    OpenInterest: "http openInterest",
}

_KNOWN: Final = frozenset(
    str(kind.__struct_config__.tag)
    for kind in (
        frames.Quote, frames.Trade, frames.Aggregate, frames.Depth, frames.Kline, frames.Mark,
        frames.ForceOrder, frames.DayTicker, frames.MiniTicker, frames.Shutdown, frames.Contract,
        frames.Composite, frames.Asset,
    )
)  # fmt: skip


def _is_top(stream: str) -> bool:
    """Return whether a stream is one of the best few levels, such as ``btcusdt@depth20@100ms``."""
    return stream.partition("@depth")[2][:1].isdigit()
