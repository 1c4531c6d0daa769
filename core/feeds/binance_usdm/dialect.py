"""Binance USD-M futures as the feed speaks to it: routed roots, streams, limits.

Since 2026-04-23 the live host has a root for each sort of stream, and a stream on the wrong one
gives nothing, not even an error. Demo and testnet keep one root for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from core.feeds.binance.aggregates import AggregateHistory
from core.feeds.binance.history import KlineHistory
from core.feeds.binance.rest import BinanceRest
from core.feeds.binance.speech import BinanceDialect, nearest_speed
from core.feeds.binance_usdm.decoder import BINANCE_USDM, UsdmDecoder
from core.feeds.binance_usdm.funding import read_funding
from core.feeds.binance_usdm.symbols import parse_exchange_info
from core.feeds.dialect import Answer, LineLimits, Poll
from core.feeds.hosts import hosts
from core.model.errors import ConfigError
from core.model.funding import FundingPaid
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.market import Timeframe
from core.model.ports import Clock
from core.model.settings import FeedSettings

HOSTS: Final = {
    "live": ("https://fapi.binance.com", "wss://fstream.binance.com"),
    "demo": ("https://demo-fapi.binance.com", "wss://demo-fstream.binance.com"),
    "testnet": ("https://testnet.binancefuture.com", "wss://fstream.binancefuture.com"),
}
"""REST and stream host of each environment."""

PUBLIC: Final = "public"
MARKET: Final = "market"
"""The roots of market data; ``private`` is for accounts."""

WEIGHT_LIMIT: Final = 2400
"""Request weight per minute and address."""

PAGE: Final = 1500
"""Most klines the venue gives at once."""

_PLANS: Final = {"": None, "routed": True, "unrouted": False}
_SPEEDS: Final = {100: "@100ms", 250: "", 500: "@500ms"}
_AGGREGATES_WEIGHT: Final = 20
_OPEN_INTEREST: Final = Poll("openInterest", 60.0)

_MS: Final = 1_000_000


class UsdmDialect(BinanceDialect):
    """Binance USD-M futures.

    Args:
        settings: Hosts, environment, wanted depth interval and size of a book image. The plan
            ``routed`` or ``unrouted`` says what the stream host's roots are, where it is not
            the venue's own of the environment.
        clock: For the request budget.
        venue: The name events carry.

    Raises:
        ConfigError: The venue has no such environment or plan.
    """

    limits = LineLimits(
        # Of 1024 streams a connection may carry; a market connection has five of each instrument.
        instruments=200,
        batch=20,
        # The venue cuts off above 10 messages a second, and pongs count.
        pace_s=0.125,
        attempts=300,
        attempts_window_s=300.0,
        # A contract nobody trades may be still for long; the venue's pings are no messages.
        silence_s=300.0,
    )
    polls: Sequence[Poll] = (_OPEN_INTEREST,)
    depth_weights: dict[int, int] = {50: 2, 100: 5, 500: 10, 1000: 20}  # noqa: RUF012  a constant

    def __init__(
        self, settings: FeedSettings, *, clock: Clock, venue: VenueName = BINANCE_USDM
    ) -> None:
        super().__init__()
        if settings.plan not in _PLANS:
            raise ConfigError(
                f"feeds.{venue}.plan must be empty, routed or unrouted, was {settings.plan!r}"
            )
        routed = _PLANS[settings.plan]
        self._routed = settings.environment == "live" if routed is None else routed
        rest_url, self._stream_url = hosts(settings, HOSTS, venue)
        self.venue = venue
        self.decoder: UsdmDecoder = UsdmDecoder(venue)
        self._depth = f"depth{nearest_speed(settings.depth_ms, _SPEEDS)}"
        self._image_levels = settings.snapshot_levels
        self._rest = BinanceRest(
            rest_url, "/fapi/v1", venue=venue, clock=clock, capacity=WEIGHT_LIMIT
        )
        self._klines = KlineHistory(
            self._rest.http, clock, path="/fapi/v1/klines", page=PAGE, weight=kline_weight,
            shortest=Timeframe.M1,
        )  # fmt: skip
        self._past = AggregateHistory(
            self._rest.http, path="/fapi/v1/aggTrades", weight=_AGGREGATES_WEIGHT
        )
        self._missed_by = ("aggTrades", _AGGREGATES_WEIGHT)

    # -- connections -------------------------------------------------------------------------

    def routes(self, instrument: Instrument) -> Sequence[str]:
        """Return the roots the instrument's streams are on."""
        return (PUBLIC, MARKET) if self._routed else ("",)

    async def address(self, route: str) -> str:
        """Return the websocket URL of a route."""
        return f"{self._stream_url}/{route}/stream" if route else f"{self._stream_url}/stream"

    def channels(self, route: str, instrument: Instrument) -> Sequence[str]:
        """Return the stream names of an instrument on a route."""
        names: list[str] = []
        if route != MARKET:
            names += ["bookTicker", self._depth]
        if route != PUBLIC:
            names += ["aggTrade", "markPrice@1s", "kline_1m", "miniTicker", "forceOrder"]
        symbol = instrument.venue_symbol.lower()
        return [f"{symbol}@{name}" for name in names]

    # -- REST --------------------------------------------------------------------------------

    async def listing(self) -> Sequence[Instrument]:
        """Fetch what the venue lists.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
        """
        return await self._rest.listing(1, parse_exchange_info)

    async def funding(
        self, instrument: Instrument, start_ns: int, end_ns: int
    ) -> Sequence[FundingPaid]:
        """Fetch the funding settled with start_ns <= time < end_ns, oldest first.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: Its answer is not what it documents.
        """
        params = (
            ("symbol", instrument.venue_symbol), ("startTime", str(start_ns // _MS)),
            ("endTime", str((end_ns - 1) // _MS)), ("limit", "1000"),
        )  # fmt: skip
        answer = await self._rest.ask("fundingRate", params=params)
        return read_funding(answer.body, f"funding of {instrument.id}")

    async def poll(self, name: str, instrument: Instrument) -> Answer | None:
        """Ask for the open interest, of which there is no stream.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: A definite no.
        """
        return await self._rest.ask(name, params=(("symbol", instrument.venue_symbol),))


def kline_weight(limit: int) -> int:
    """Return the request weight of a page of klines."""
    if limit < 100:
        return 1
    if limit < 500:
        return 2
    return 5 if limit <= 1000 else 10


make_dialect: Final = UsdmDialect
"""How `core.feeds.registry` makes the dialect of a table of settings."""
