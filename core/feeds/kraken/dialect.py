"""How clx speaks with Kraken's websocket v2; market data needs no key.

https://docs.kraken.com/exchange/api-reference/spot-websocket-v2. There is no public test venue. A
book whose checksum fails is left and joined anew, alone: nothing else has an image that the
checksums go with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from core.feeds.dialect import Answer, Heartbeat, LineLimits, RestDialect
from core.feeds.hosts import hosts, planless
from core.feeds.kraken.acks import KrakenAcks
from core.feeds.kraken.decoder import DEPTH_KEY, KRAKEN, KrakenDecoder
from core.feeds.kraken.history import TRADES_PAGE, KrakenHistory, call, rest_name
from core.feeds.kraken.rule import DEPTHS
from core.feeds.kraken.symbols import parse_pairs
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.ports import Clock
from core.model.settings import FeedSettings
from core.model.stores import PastTrades, TradeHole
from core.wire.http import HttpSession
from core.wire.limits import WeightLimiter

HOSTS: Final = {"live": ("https://api.kraken.com", "wss://ws.kraken.com")}
"""REST and stream host."""

LIMITS: Final = LineLimits(
    instruments=100,
    batch=50,
    pace_s=0.1,
    # The venue's front lets about 150 connections of an address through in ten minutes.
    attempts=100,
    attempts_window_s=600.0,
    connections=16,
    # Heartbeats come every second where nothing else does.
    silence_s=15.0,
)

_PATH: Final = "/v2"
_TIMEOUT_S: Final = 15.0
_PER_MINUTE: Final = 60
"""Public questions an address may ask."""


class KrakenDialect(RestDialect):
    """Kraken's way to speak."""

    limits = LIMITS
    images_by_rest = False
    missed_page = 1 << 62
    heartbeat = Heartbeat(30.0, '{"method":"ping"}')

    _history: KrakenHistory

    def __init__(self, settings: FeedSettings, *, clock: Clock, venue: VenueName = KRAKEN) -> None:
        planless(settings, venue)
        rest_url, stream_url = hosts(settings, HOSTS, venue)
        self.venue = venue
        decoder = KrakenDecoder(venue)
        self.decoder = decoder
        self.acks = KrakenAcks(self._join)
        rest_url = rest_url.removesuffix("/0")
        self._rest_url = rest_url
        self._stream_url = stream_url.removesuffix(_PATH) + _PATH
        self._depth = min(DEPTHS, key=lambda depth: abs(depth - settings.snapshot_levels))
        decoder.books.depth = self._depth
        self._entries: dict[str, tuple[str, msgspec.Raw]] = {}
        per_minute = settings.requests_per_minute or _PER_MINUTE
        self._http = HttpSession(
            rest_url,
            clock=clock,
            timeout_s=_TIMEOUT_S,
            # Spread over the minute, for the venue counts by the second.
            limiter=WeightLimiter(
                clock=clock, capacity=max(1, per_minute // 20), window_s=3.0
            ),
        )  # fmt: skip
        self._history = KrakenHistory(self._http, clock)

    async def address(self, route: str) -> str:
        """Return the websocket URL."""
        return self._stream_url

    def subscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Return the messages that join every channel of some instruments."""
        return [
            _request("subscribe", channel, _symbols(instruments)) for channel in self._channels()
        ]

    def unsubscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Return the messages that leave all those channels."""
        return [
            _request("unsubscribe", channel, _symbols(instruments)) for channel in self._channels()
        ]

    def rejoin(self, route: str, instrument: Instrument) -> Sequence[str]:
        """Return the messages that leave and join the book: its first message is an image."""
        book = self._channels()[0]
        return [
            _request(word, book, [instrument.venue_symbol]) for word in ("unsubscribe", "subscribe")
        ]

    async def listing(self) -> Sequence[Instrument]:
        """Fetch all pairs.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
        """
        _, body, _ = await call(self._http, "AssetPairs", (), f"listing of {self.venue}")
        # A megabyte: too long for the loop to stand still.
        listing = await asyncio.to_thread(parse_pairs, body, self.venue)
        self._entries = listing.entries
        self.decoder.add_instruments(listing.instruments)
        return listing.instruments

    def listing_of(self, instruments: Sequence[Instrument]) -> Answer | None:
        """Return the venue's own words on some pairs, and how deep their books will be."""
        entries = dict(
            self._entries[item.venue_symbol]
            for item in instruments
            if item.venue_symbol in self._entries
        )
        if not entries:
            return None
        return Answer(
            f"{self._rest_url}/0/public/AssetPairs?pair={','.join(entries)}"
            f"#{DEPTH_KEY}={self._depth}",
            msgspec.json.encode({"error": [], "result": entries}),
        )

    async def server_time(self) -> Answer | None:
        """Ask for the venue's time, which it tells in whole seconds.

        Raises:
            TemporaryError: The venue is away.
        """
        url, body, _ = await call(self._http, "Time", (), f"time of {self.venue}")
        return Answer(url, body)

    async def trades(self, instrument: Instrument, start_ns: int, end_ns: int) -> PastTrades:
        """Fetch the trades with start_ns <= time < end_ns, oldest first.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
        """
        return PastTrades(await self._history.trades(instrument, start_ns, end_ns), start_ns)

    async def missed(self, instrument: Instrument, hole: TradeHole) -> Answer | None:
        """Ask for trades that never came, which the venue finds by time alone.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: A definite no.
        """
        if hole.trades >= TRADES_PAGE:
            return None
        params = (
            ("pair", rest_name(instrument)),
            ("since", str(max(0, hole.start_ns - 1_000_000))),
            ("count", str(TRADES_PAGE)),
        )
        what = f"missed trades of {instrument.id}"
        url, body, _ = await call(self._http, "Trades", params, what)
        return Answer(url, body)

    def _join(self, name: str, symbols: Sequence[str]) -> str:
        channel = next(each for each in self._channels() if each["channel"] == name)
        return _request("subscribe", channel, symbols)

    def _channels(self) -> Sequence[dict[str, object]]:
        """Return the parameters of each channel, the book's first."""
        return (
            {"channel": "book", "depth": self._depth},
            {"channel": "trade"},
            {"channel": "ticker", "event_trigger": "bbo"},
            {"channel": "ohlc", "interval": 1},
        )


def _request(word: str, channel: dict[str, object], symbols: Sequence[str]) -> str:
    params = channel | {"symbol": list(symbols)}
    if word == "subscribe" and channel["channel"] == "ohlc":
        # The hundreds of candles before a subscription come over REST, if they are wanted.
        params["snapshot"] = False
    if word == "subscribe" and channel["channel"] == "trade":
        # The last fifty, unasked for otherwise: they fill what a lost connection cost.
        params["snapshot"] = True
    return msgspec.json.encode({"method": word, "params": params}).decode()


def _symbols(instruments: Sequence[Instrument]) -> list[str]:
    return [item.venue_symbol for item in instruments]


make_dialect: Final = KrakenDialect
"""How `core.feeds.registry` makes the dialect of a table of settings."""
