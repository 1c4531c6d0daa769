"""Reading recorded Binance frames: symbols that no listing on the tape named, and frame names."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Final
from urllib.parse import parse_qs, urlsplit

from core.feeds.binance.parse import BINANCE, BinanceDecoder
from core.feeds.decoder import refined
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.market import (
    BookDelta,
    BookSnapshot,
    FeedConnected,
    FeedDisconnected,
    MarketEvent,
    Quote,
    Trade,
    VenueBar,
)
from core.model.ports import FrameKind

_STREAM: Final = re.compile(rb'\{"stream":"([A-Za-z0-9]{1,40})@')
_SYMBOL: Final = re.compile(rb'"s":"([A-Z0-9]{1,40})"')


class BinanceTapeDecoder(BinanceDecoder):
    """A decoder that also takes tapes without a listing, and book images without their URL."""

    def __init__(
        self, venue: VenueName = BINANCE, instruments: Collection[Instrument] = ()
    ) -> None:
        self.unlisted: Callable[[str], Instrument | None] | None = None
        self.finer: dict[str, tuple[int, int]] = {}
        self._met: dict[str, None] = {}
        super().__init__(venue, instruments)

    def decode(
        self, kind: FrameKind, conn: int, ts_recv_ns: int, url: str, data: bytes
    ) -> Sequence[MarketEvent]:
        """Return the frame's events in order; a frame it cannot read gives `FrameRejected`."""
        url = self._prepared(kind, url, data)
        return super().decode(kind, conn, ts_recv_ns, url, data)

    def label(
        self, kind: FrameKind, url: str, data: bytes, events: Sequence[MarketEvent]
    ) -> Sequence[str]:
        """Return the venue's own names of what a frame held."""
        if kind == "http" and not events:
            return (f"http:{url}",)
        return [name for event in events if (name := _NAMES.get(type(event), _trade)(event))]

    def _prepared(self, kind: FrameKind, url: str, data: bytes) -> str:
        """Make symbols known that no listing on the tape named, and find an image's symbol."""
        if kind == "recv":
            named = _STREAM.match(data) or _SYMBOL.search(data[:200])
            if named is not None:
                self._meet(named[1].decode().upper())
        elif kind == "connect":
            for stream in _query(url, "streams").split("/"):
                self._meet(stream.partition("@")[0].upper())
        elif kind == "http":
            symbol = _query(url, "symbol")
            if not symbol and data.startswith(b'{"lastUpdateId"') and len(self._met) == 1:
                # Some recorders did not keep the URL of the image.
                symbol = next(iter(self._met))
                url = f"/api/v3/depth?symbol={symbol}"
            self._meet(symbol)
        return url

    def _meet(self, symbol: str) -> None:
        if not symbol or not symbol.isalnum():
            return
        self._met[symbol] = None
        if self.unlisted is None or symbol in self.instruments:
            return
        made = self.unlisted(symbol)
        if made is not None:
            self.add_instruments([made])

    def add_instruments(self, instruments: Collection[Instrument]) -> None:
        """Teach it tick and lot sizes, as fine as the tape is known to need."""
        super().add_instruments([refined(item, self.finer) for item in instruments])


def _trade(event: MarketEvent) -> str:
    if isinstance(event, Trade):
        return "aggTrade" if event.first_trade_id else "trade"
    return ""


_NAMES: Final[dict[type, Callable[[MarketEvent], str]]] = {
    Quote: lambda _: "bookTicker",
    BookDelta: lambda _: "depthUpdate",
    BookSnapshot: lambda _: "http depth snapshot",
    VenueBar: lambda _: "kline",
    FeedConnected: lambda _: "connect",
    FeedDisconnected: lambda _: "disconnect",
}


def _query(url: str, name: str) -> str:
    return parse_qs(urlsplit(url).query).get(name, [""])[0]
