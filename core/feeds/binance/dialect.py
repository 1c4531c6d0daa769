"""Binance spot as the feed speaks to it: hosts, streams, limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from core.feeds.binance.aggregates import AggregateHistory, SingleHistory
from core.feeds.binance.history import KlineHistory
from core.feeds.binance.parse import BINANCE, BinanceDecoder
from core.feeds.binance.rest import BinanceRest
from core.feeds.binance.speech import BinanceDialect, nearest_speed
from core.feeds.binance.symbols import parse_exchange_info
from core.feeds.dialect import LineLimits
from core.feeds.hosts import hosts
from core.model.errors import ConfigError
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.ports import Clock
from core.model.settings import FeedSettings

HOSTS: Final = {
    "live": ("https://api.binance.com", "wss://stream.binance.com:9443"),
    "demo": ("https://demo-api.binance.com", "wss://demo-stream.binance.com"),
    "testnet": ("https://testnet.binance.vision", "wss://stream.testnet.binance.vision"),
}
"""REST and stream host of each environment."""

WEIGHT_LIMIT: Final = 6000
"""Request weight per minute and address."""

STREAMS_EACH: Final = 5
"""Streams of one instrument; the venue allows 1024 on a connection."""

_SPEEDS: Final = {100: "@100ms", 1000: ""}
_LISTING_WEIGHT: Final = 20
_AGGREGATES_WEIGHT: Final = 4
_SINGLES_WEIGHT: Final = 25


class SpotDialect(BinanceDialect):
    """Binance spot.

    Args:
        settings: Hosts, wanted depth interval and size of a book image.
        clock: For the request budget.
        venue: The name events carry.

    Raises:
        ConfigError: The venue has no such environment or plan.
    """

    limits = LineLimits(
        instruments=1024 // STREAMS_EACH,
        batch=20,
        # The venue cuts off above 5 messages a second, and pongs count.
        pace_s=0.25,
        attempts=300,
        attempts_window_s=300.0,
    )
    depth_weights: dict[int, int] = {100: 5, 500: 25, 1000: 50, 5000: 250}  # noqa: RUF012  a constant

    def __init__(
        self,
        settings: FeedSettings,
        *,
        clock: Clock,
        venue: VenueName = BINANCE,
    ) -> None:
        super().__init__()
        if settings.plan:
            raise ConfigError(f"feeds.{venue}.plan must be empty, was {settings.plan!r}")
        rest_url, self._stream_url = hosts(settings, HOSTS, venue)
        self.venue = venue
        self.decoder: BinanceDecoder = BinanceDecoder(venue)
        self._depth = f"depth{nearest_speed(settings.depth_ms, _SPEEDS)}"
        self._image_levels = settings.snapshot_levels
        self._rest = BinanceRest(
            rest_url, "/api/v3", venue=venue, clock=clock, capacity=WEIGHT_LIMIT
        )
        self._klines = KlineHistory(self._rest.http, clock)
        http = self._rest.http
        aggregates = AggregateHistory(http, path="/api/v3/aggTrades", weight=_AGGREGATES_WEIGHT)
        self._past = SingleHistory(
            http, path="/api/v3/historicalTrades", weight=_SINGLES_WEIGHT, aggregates=aggregates
        )
        self._missed_by = ("historicalTrades", _SINGLES_WEIGHT)

    async def address(self, route: str) -> str:
        """Return the websocket URL of a route."""
        return f"{self._stream_url}/stream"

    def channels(self, route: str, instrument: Instrument) -> Sequence[str]:
        """Return the stream names of an instrument."""
        names = ("trade", "bookTicker", self._depth, "kline_1m", "miniTicker")
        symbol = instrument.venue_symbol.lower()
        return [f"{symbol}@{name}" for name in names]

    async def listing(self) -> Sequence[Instrument]:
        """Fetch what the venue lists.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
        """
        return await self._rest.listing(_LISTING_WEIGHT, parse_exchange_info)


make_dialect: Final = SpotDialect
"""How `core.feeds.registry` makes the dialect of a table of settings."""
