"""What Binance's decoders of spot and of futures share: requests, listings, images, the clock."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Final
from urllib.parse import parse_qs, urlsplit

import msgspec
import numpy as np

from core.feeds.binance import frames
from core.feeds.binance.aggregates import map_aggregates, map_singles
from core.feeds.decimals import Decimals
from core.feeds.decoder import FeedDecoder, Known
from core.feeds.hosts import clock_sample
from core.feeds.steps import OffStep
from core.model.errors import DataError
from core.model.ids import InstrumentId
from core.model.market import (
    BookDelta,
    BookSnapshot,
    ClockSample,
    DayTicker,
    FeedConnected,
    FeedDisconnected,
    Levels,
    MarketEvent,
    Quote,
    Trade,
    VenueBar,
)
from core.model.ports import FrameKind

MS: Final = 1_000_000
"""Nanoseconds of the venue's unit of time."""


_SYMBOL: Final = re.compile(r"[A-Z0-9]{2,40}(_[0-9]{6})?\Z", re.ASCII)


class _Time(msgspec.Struct):
    serverTime: Annotated[int, msgspec.Meta(gt=0)]


class BinanceStreams(FeedDecoder):
    """Reads what spot and futures say alike; see the two decoders for the rest."""

    trusted: Sequence[str] = ("depth",)
    """How the channels begin whose connection decides whether an instrument is trusted."""

    def of(self, symbol: str) -> Known:
        """Return what is known of a venue symbol.

        Raises:
            DataError: Nothing is, and no one can say.
        """
        if symbol not in self._known and not _SYMBOL.match(symbol):
            raise DataError(f"unknown symbol {symbol[:40]!r}")
        return super().of(symbol)

    # -- requests and connections ------------------------------------------------------------

    def connected(self, conn: int, ts_recv_ns: int, url: str) -> Sequence[MarketEvent]:
        """Note a connection, and what its address asks for."""
        streams = parse_qs(urlsplit(url).query).get("streams", [""])[0].split("/")
        return [
            *super().connected(conn, ts_recv_ns, url),
            *self.carry(conn, ts_recv_ns, self._named(streams)),
        ]

    def disconnected(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Distrust what lost a channel that no other connection carries."""
        gone = self._carried.get(conn, {})
        out: list[MarketEvent] = []
        for event in super().disconnected(conn, ts_recv_ns, data):
            if isinstance(event, FeedDisconnected):
                lost = tuple(name for name, channels in gone.items() if channels - self._on(name))
                event = msgspec.structs.replace(event, instrument_ids=lost)
            out.append(event)
        return out

    def _on(self, name: InstrumentId) -> set[str]:
        """Return the channels of an instrument that any connection carries."""
        return {channel for carried in self._carried.values() for channel in carried.get(name, ())}

    def sent(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        """Read a request of ours."""
        request = msgspec.json.decode(data, type=frames.Request)
        if request.method == "SUBSCRIBE":
            return self.carry(conn, ts_recv_ns, self._named(request.params))
        if request.method == "UNSUBSCRIBE":
            return self.release(conn, ts_recv_ns, self._named(request.params))
        return ()

    def _named(self, streams: Iterable[str]) -> list[tuple[str, str]]:
        """Return (symbol, channel) of stream names that count for trust."""
        named = (stream.split("@") for stream in streams)
        return [
            (parts[0].upper(), parts[1])
            for parts in named
            if len(parts) > 1 and parts[1].startswith(tuple(self.trusted))
        ]

    # -- REST answers ------------------------------------------------------------------------

    def answer(self, ts_recv_ns: int, url: str, data: bytes) -> Sequence[MarketEvent]:
        """Read a REST answer by its URL; answers that hold no market events give none."""
        parts = urlsplit(url)
        endpoint = parts.path.rpartition("/")[2]
        symbol = parse_qs(parts.query).get("symbol", [""])[0]
        if (
            "/" not in parts.path
            and data.startswith(b'{"lastUpdateId"')
            and len(self.instruments) == 1
        ):
            # Some recorders did not keep the address of an image.
            endpoint, symbol = "depth", next(iter(self.instruments))
        if endpoint not in ("depth", "exchangeInfo", "time", *_PAST, *self.answers):
            return ()
        if len(data) > self.most_bytes:
            raise DataError(f"answer must be at most {self.most_bytes} bytes, was {len(data)}")
        if endpoint == "exchangeInfo":
            self.learn(data)
            return ()
        if endpoint == "time":
            server_ms = msgspec.json.decode(data, type=_Time).serverTime
            return clock_sample(self.venue, url, ts_recv_ns, server_ms * MS)
        if endpoint == "depth":
            return self._image(ts_recv_ns, symbol, data)
        if endpoint in _PAST:
            found = _PAST[endpoint](data, self.of(symbol).instrument)
            return [msgspec.structs.replace(trade, ts_recv_ns=ts_recv_ns) for trade in found]
        return self.answers[endpoint](ts_recv_ns, data)

    most_bytes: int = 8 << 20
    """A larger message is refused unread; a full book is a tenth of it."""

    @property
    def answers(self) -> dict[str, Callable[[int, bytes], Sequence[MarketEvent]]]:
        """How further endpoints are read."""
        return {}

    @abstractmethod
    def learn(self, listing: bytes) -> None:
        """Teach it an exchangeInfo.

        Raises:
            DataError: It is none.
        """

    def _image(self, ts_recv_ns: int, symbol: str, data: bytes) -> Sequence[MarketEvent]:
        known = self.of(symbol)
        image = msgspec.json.decode(data, type=frames.Image)
        return (
            BookSnapshot(
                known.id, image.E * MS, ts_recv_ns, image.lastUpdateId,
                self.levels(image.bids, known), self.levels(image.asks, known),
            ),
        )  # fmt: skip

    # -- names -------------------------------------------------------------------------------

    def label(
        self, kind: FrameKind, url: str, data: bytes, events: Sequence[MarketEvent]
    ) -> Sequence[str]:
        """Return the venue's own names of what a frame held, such as ``depthUpdate``."""
        if kind == "http" and not events:
            return (f"http:{url}",)
        return [name for event in events if (name := self.name_of(event))]

    def name_of(self, event: MarketEvent) -> str:
        """Return the venue's name of the message an event came in, empty if none."""
        if isinstance(event, Trade):
            return "aggTrade" if event.first_trade_id else "trade"
        return _NAMES.get(type(event), "")

    # -- for both ----------------------------------------------------------------------------

    def levels(self, pairs: frames.Pairs, known: Known) -> Levels:
        """Return one side of a book.

        Sizes finer than the step, of orders older than it, become the nearest; they are noted in
        `off_step`. What rests at a price between two ticks has no place in the book.

        Raises:
            DataError: A price is 0, or a value is not what a level holds.
            OffStep: A price is finer than the instrument's step.
        """
        prices, sizes = known.prices, known.sizes
        try:
            rows = [(prices[price], sizes[size]) for price, size in pairs]
        except OffStep:
            rows = [(prices[price], self._nearest(size, known)) for price, size in pairs]
        out = np.array(rows, np.int64).reshape(-1, 2)
        if not out[:, 0].all():
            raise DataError("a level must have a price above 0")
        return out

    def _nearest(self, size: str, known: Known) -> int:
        try:
            return known.sizes[size]
        except OffStep as error:
            error.note(self.off_step)
            return known.sizes.nearest(size)

    def refused(self, outer: frames.Outer) -> DataError | None:
        """Return what the venue says against a request of ours, None where it says nothing.

        ::

            {"code":2,"msg":"Invalid request: unknown variant `SUBSCRIB`"}
            {"error":{"code":3,"msg":"Invalid JSON: ..."},"id":4}
        """
        said = outer.error or outer.code
        if not said:
            return None
        text = " ".join(bytes(outer.msg or said).decode(errors="replace").split())
        return DataError(
            f"the venue refused a request of ours: {text[:160]}; the stream's name or the number"
            " of streams is not to its liking"
        )


_PAST: Final = {"historicalTrades": map_singles, "aggTrades": map_aggregates}
"""Answers that fill holes in the trades."""

_NAMES: Final[dict[type, str]] = {
    Quote: "bookTicker",
    BookDelta: "depthUpdate",
    BookSnapshot: "http depth snapshot",
    VenueBar: "kline",
    DayTicker: "ticker",
    ClockSample: "http time",
    FeedConnected: "connect",
    FeedDisconnected: "disconnect",
}


def day_ticker(
    ticker: frames.Ticker, name: InstrumentId, ts_recv_ns: int, values: Decimals
) -> DayTicker:
    """Return the statistics of a ticker message.

    Raises:
        DataError: A value is no number.
    """
    return DayTicker(
        instrument_id=name,
        ts_event_ns=ticker.E * MS,
        ts_recv_ns=ts_recv_ns,
        last=values[ticker.c],
        open=values[ticker.o],
        high=values[ticker.h],
        low=values[ticker.l],
        volume=values[ticker.v],
        quote_volume=values[ticker.q],
    )


def reader(kind: Any) -> Callable[[bytes], Any]:
    """Return what decodes one kind of message."""
    return msgspec.json.Decoder(kind).decode
