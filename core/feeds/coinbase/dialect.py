"""How clx speaks with Coinbase Advanced Trade; market data needs no key.

https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket. One channel a request;
a connection must subscribe within five seconds, and channels close after a minute of silence, so
heartbeats come first. The `candles` channel knows five minutes only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from core.feeds.answers import ask
from core.feeds.coinbase.acks import CoinbaseAcks
from core.feeds.coinbase.decoder import COINBASE, CoinbaseDecoder
from core.feeds.coinbase.history import REMEDIES, CandleHistory
from core.feeds.coinbase.symbols import parse_products
from core.feeds.coinbase.trades import TradeHistory, question
from core.feeds.dialect import Answer, LineLimits, RestDialect
from core.feeds.hosts import hosts, planless
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.ports import Clock
from core.model.settings import FeedSettings
from core.model.stores import TradeHole
from core.wire.http import HttpSession
from core.wire.limits import WeightLimiter

HOSTS: Final = {"live": ("https://api.coinbase.com", "wss://advanced-trade-ws.coinbase.com")}
"""REST and stream host; the sandbox gives canned answers and has no stream."""

LIMITS: Final = LineLimits(
    # Images are up to 5 MB each, and a hole in the numbers asks for all of a connection's anew.
    instruments=20,
    batch=20,
    # 8 requests a second and address without a key.
    pace_s=0.15,
    attempts=8,
    attempts_window_s=1.0,
    connections=32,
    # Heartbeats come every second.
    silence_s=15.0,
)

CHANNELS: Final = ("level2", "market_trades", "ticker", "candles")

_ROOT: Final = "/api/v3/brokerage"
_PER_S: Final = 10
_TIMEOUT_S: Final = 15.0
_MAX_PAGES: Final = 50


class CoinbaseDialect(RestDialect):
    """Coinbase Advanced Trade's way to speak."""

    limits = LIMITS
    images_by_rest = False
    missed_page = 1 << 62

    def __init__(
        self, settings: FeedSettings, *, clock: Clock, venue: VenueName = COINBASE
    ) -> None:
        planless(settings, venue)
        rest_url, self._stream_url = hosts(settings, HOSTS, venue)
        self._rest_url = rest_url.removesuffix(_ROOT)
        self.venue = venue
        self.decoder = CoinbaseDecoder(venue)
        self.acks = CoinbaseAcks()
        self._entries: dict[str, msgspec.Raw] = {}
        self._http = HttpSession(
            self._rest_url,
            clock=clock,
            timeout_s=_TIMEOUT_S,
            limiter=WeightLimiter(clock=clock, capacity=_PER_S, window_s=1.0, reserve=2),
        )
        self._history = CandleHistory(self._http, clock)
        self._past = TradeHistory(self._http)

    async def address(self, route: str) -> str:
        """Return the websocket URL."""
        return self._stream_url

    def opening(self, route: str) -> Sequence[str]:
        """Ask for heartbeats, which keep every channel open."""
        return ('{"type":"subscribe","channel":"heartbeats"}',)

    def subscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Return the messages that join every channel of some instruments."""
        return [_request("subscribe", channel, instruments) for channel in CHANNELS]

    def unsubscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Return the messages that leave all those channels."""
        return [_request("unsubscribe", channel, instruments) for channel in CHANNELS]

    def rejoin(self, route: str, instrument: Instrument) -> Sequence[str]:
        """Return the messages that leave and join the book: its first message is an image.

        What cost the book a message may have cost trades, too: joined anew, their channel begins
        with the last hundred.
        """
        return [
            _request(word, channel, [instrument])
            for channel in ("level2", "market_trades")
            for word in ("unsubscribe", "subscribe")
        ]

    async def listing(self) -> Sequence[Instrument]:
        """Fetch all products, spot and futures.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
        """
        path, what = f"{_ROOT}/market/products", f"listing of {self.venue}"
        listed: list[Instrument] = []
        entries: dict[str, msgspec.Raw] = {}
        cursor = ""
        for _ in range(_MAX_PAGES):
            params = (("cursor", cursor),) if cursor else ()
            reply = await ask(self._http, path, what=what, params=params, remedies=REMEDIES)
            # A megabyte: too long for the loop to stand still.
            page, raws, cursor = await asyncio.to_thread(_read, reply.body, self.venue)
            listed += page
            entries |= raws
            if not cursor:
                break
        self._entries = entries
        self.decoder.add_instruments(listed)
        return listed

    def listing_of(self, instruments: Sequence[Instrument]) -> Answer | None:
        """Return the venue's own words on some products."""
        entries = [
            self._entries[item.venue_symbol]
            for item in instruments
            if item.venue_symbol in self._entries
        ]
        if not entries:
            return None
        return Answer(
            f"{self._rest_url}{_ROOT}/market/products", msgspec.json.encode({"products": entries})
        )

    async def missed(self, instrument: Instrument, hole: TradeHole) -> Answer | None:
        """Ask for trades that never came, which the venue finds by time alone.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: A definite no.
        """
        path, params = question(
            instrument, hole.start_ns // 1_000_000_000, -(-hole.end_ns // 1_000_000_000)
        )
        what = f"missed trades of {instrument.id}"
        reply = await ask(self._http, path, what=what, params=params, remedies=REMEDIES)
        return Answer(reply.url, reply.body)

    async def server_time(self) -> Answer | None:
        """Ask for the venue's time.

        Raises:
            TemporaryError: The venue is away.
        """
        reply = await ask(self._http, f"{_ROOT}/time", what=f"time of {self.venue}")
        return Answer(reply.url, reply.body)


def _request(word: str, channel: str, instruments: Sequence[Instrument]) -> str:
    names = [item.venue_symbol for item in instruments]
    return msgspec.json.encode({"type": word, "product_ids": names, "channel": channel}).decode()


class _Entry(msgspec.Struct):
    product_id: str


class _Pages(msgspec.Struct):
    has_next: bool = False
    next_cursor: str = ""


class _Listing(msgspec.Struct):
    products: list[msgspec.Raw]
    pagination: _Pages | None = None


def _read(body: bytes, venue: VenueName) -> tuple[list[Instrument], dict[str, msgspec.Raw], str]:
    """Return instruments, their entries by symbol, and where the listing goes on, if it does."""
    listed = parse_products(body, venue).instruments
    page = msgspec.json.decode(body, type=_Listing)
    entries = {msgspec.json.decode(raw, type=_Entry).product_id: raw for raw in page.products}
    pages = page.pagination
    cursor = pages.next_cursor if pages is not None and pages.has_next else ""
    return listed, {symbol: raw.copy() for symbol, raw in entries.items()}, cursor


make_dialect: Final = CoinbaseDialect
"""How `core.feeds.registry` makes the dialect of a table of settings."""
