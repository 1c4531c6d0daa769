"""How clx speaks with Coinbase Exchange; market data needs no key.

https://docs.cdp.coinbase.com/exchange/websocket-feed. The `level2` channel is for members;
`level2_batch` brings the same every 50 ms to anyone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from core.feeds.answers import ask
from core.feeds.coinbase_exchange.acks import ExchangeAcks
from core.feeds.coinbase_exchange.decoder import COINBASE_EXCHANGE, ExchangeDecoder
from core.feeds.coinbase_exchange.history import REMEDIES, TRADES_PAGE, ExchangeHistory
from core.feeds.coinbase_exchange.symbols import parse_products
from core.feeds.coinbase_exchange.trades import TradeHistory
from core.feeds.dialect import Answer, LineLimits, Poll, RestDialect
from core.feeds.hosts import hosts, planless
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.ports import Clock
from core.model.settings import FeedSettings
from core.wire.http import HttpSession
from core.wire.limits import WeightLimiter

HOSTS: Final = {
    "live": ("https://api.exchange.coinbase.com", "wss://ws-feed.exchange.coinbase.com"),
    "testnet": (
        "https://api-public.sandbox.exchange.coinbase.com",
        "wss://ws-feed-public.sandbox.exchange.coinbase.com",
    ),
}
"""REST and stream host of each environment; the testnet is the venue's sandbox."""

LIMITS: Final = LineLimits(
    instruments=50,
    batch=50,
    # 100 messages a second and address.
    pace_s=0.05,
    # 8 connections a second, 20 at once.
    attempts=8,
    attempts_window_s=1.0,
    connections=32,
    # Heartbeats come every second.
    silence_s=15.0,
)

CHANNELS: Final = ("level2_batch", "matches", "ticker", "heartbeat")

_PER_S: Final = 10
_TIMEOUT_S: Final = 15.0


class ExchangeDialect(RestDialect):
    """Coinbase Exchange's way to speak."""

    limits = LIMITS
    images_by_rest = False
    polls = (Poll("missed trades", 5.0),)

    def __init__(
        self, settings: FeedSettings, *, clock: Clock, venue: VenueName = COINBASE_EXCHANGE
    ) -> None:
        planless(settings, venue)
        self._rest_url, self._stream_url = hosts(settings, HOSTS, venue)
        self.venue = venue
        self._exchange = ExchangeDecoder(venue)
        self.decoder = self._exchange
        self.acks = ExchangeAcks()
        self._entries: dict[str, msgspec.Raw] = {}
        self._http = HttpSession(
            self._rest_url,
            clock=clock,
            timeout_s=_TIMEOUT_S,
            limiter=WeightLimiter(clock=clock, capacity=_PER_S, window_s=1.0, reserve=2),
        )
        self._history = ExchangeHistory(self._http, clock)
        self._past = TradeHistory(self._http)

    async def address(self, route: str) -> str:
        """Return the websocket URL."""
        return self._stream_url

    def subscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Return the message that joins every channel of some instruments."""
        return (_request("subscribe", CHANNELS, instruments),)

    def unsubscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Return the message that leaves all those channels."""
        return (_request("unsubscribe", CHANNELS, instruments),)

    def rejoin(self, route: str, instrument: Instrument) -> Sequence[str]:
        """Return the messages that leave and join the book: its first message is an image."""
        return [_request(word, CHANNELS[:1], [instrument]) for word in ("unsubscribe", "subscribe")]

    async def listing(self) -> Sequence[Instrument]:
        """Fetch all products.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
        """
        reply = await ask(
            self._http, "/products", what=f"listing of {self.venue}", remedies=REMEDIES
        )
        listed = parse_products(reply.body, self.venue).instruments
        raws = msgspec.json.decode(reply.body, type=list[msgspec.Raw])
        self._entries = {msgspec.json.decode(raw, type=_Entry).id: raw.copy() for raw in raws}
        self.decoder.add_instruments(listed)
        return listed

    def listing_of(self, instruments: Sequence[Instrument]) -> Answer | None:
        """Return the venue's own words on some products."""
        entries = [
            self._entries[item.venue_symbol]
            for item in instruments
            if item.venue_symbol in self._entries
        ]
        return (
            Answer(f"{self._rest_url}/products", msgspec.json.encode(entries)) if entries else None
        )

    async def poll(self, name: str, instrument: Instrument) -> Answer | None:
        """Ask for the page of trades that ends with the last one left out; None where none was.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: A definite no.
        """
        missing = self._exchange.lacks(instrument.venue_symbol)
        if missing is None:
            return None
        reply = await ask(
            self._http,
            f"/products/{instrument.venue_symbol}/trades",
            what=f"missed trades of {instrument.id}",
            params=(("limit", str(TRADES_PAGE)), ("after", str(missing[1] + 1))),
            remedies=REMEDIES,
        )
        return Answer(reply.url, reply.body)

    async def server_time(self) -> Answer | None:
        """Ask for the venue's time.

        Raises:
            TemporaryError: The venue is away.
        """
        reply = await ask(self._http, "/time", what=f"time of {self.venue}")
        return Answer(reply.url, reply.body)


def _request(word: str, channels: Sequence[str], instruments: Sequence[Instrument]) -> str:
    names = [item.venue_symbol for item in instruments]
    return msgspec.json.encode({"type": word, "product_ids": names, "channels": channels}).decode()


class _Entry(msgspec.Struct):
    id: str


make_dialect: Final = ExchangeDialect
"""How `core.feeds.registry` makes the dialect of a table of settings."""
