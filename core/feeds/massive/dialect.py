"""How Massive is spoken to: https://massive.com/docs/websocket, https://massive.com/docs/rest."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from core.feeds.answers import ask
from core.feeds.dialect import Answer, LineLimits, RestDialect
from core.feeds.hosts import hosts
from core.feeds.massive.acks import MassiveAcks
from core.feeds.massive.decoder import MASSIVE, MassiveDecoder
from core.feeds.massive.history import AggregateHistory, link
from core.feeds.massive.symbols import parse_tickers, read_page, split_results
from core.model.errors import ConfigError, DataError, did_you_mean
from core.model.ids import InstrumentId, VenueName, instrument_id
from core.model.instruments import Instrument, InstrumentKind
from core.model.ports import Clock
from core.model.settings import FeedSettings
from core.wire.http import HttpSession
from core.wire.limits import WeightLimiter

STOCKS: Final = "stocks"
CRYPTO: Final = "crypto"
"""Routes: each market is a cluster of its own."""

HOSTS: Final = {"live": ("https://api.massive.com", "wss://socket.massive.com")}
DELAYED: Final = "wss://delayed.massive.com"

PLANS: Final = {
    "realtime": 6000,
    "level2": 6000,
    "delayed": 6000,
    "basic": 5,
}
"""Requests a minute. Paid plans have no limit; ours keeps well below the hundred a second they ask
to stay under. ``basic`` is the free plan without streams; ``level2`` adds books of crypto pairs."""

_INSTRUMENTS: Final = 10_000
_BATCH: Final = 200
_TIMEOUT_S: Final = 10.0
_PATIENCE_S: Final = 600.0
_WEEK_S: Final = 7 * 86_400.0
_PAGE: Final = "1000"
_MAX_PAGES: Final = 200
_REMEDIES: Final = {
    401: "check api_key of the feed",
    403: "the account's plan does not contain this: see `plan` of the feed",
    404: "the provider does not know this ticker",
}


class MassiveDialect(RestDialect):
    """Addresses, words and limits of Massive's market data."""

    images_by_rest = False
    waits_for_opening = True

    def __init__(self, settings: FeedSettings, *, clock: Clock, venue: VenueName = MASSIVE) -> None:
        """Open nothing yet.

        Raises:
            ConfigError: The plan or the environment is none of the provider's.
        """
        plan = settings.plan or "realtime"
        if plan not in PLANS:
            raise ConfigError(
                f"feeds.{venue}.plan must be one of {', '.join(PLANS)}, was {plan!r}"
                f"{did_you_mean(plan, PLANS)}"
            )
        self.venue = venue
        self.streams = plan != "basic"
        self._books = plan == "level2"
        self.decoder = MassiveDecoder(venue, books=self._books)
        self.acks = MassiveAcks()
        self._rest_url, self._stream_url = hosts(settings, HOSTS, venue)
        if plan == "delayed" and not settings.stream_url:
            self._stream_url = DELAYED
        self._settings = settings
        self._plan = plan
        capacity = settings.requests_per_minute or PLANS[plan]
        self._http = HttpSession(
            self._rest_url, clock=clock, timeout_s=_TIMEOUT_S,
            limiter=WeightLimiter(clock=clock, capacity=capacity),
        )  # fmt: skip
        self.limits = LineLimits(
            instruments=_INSTRUMENTS,
            batch=_BATCH,
            pace_s=0.05,
            # The account has one connection to each cluster; a second one ends the first.
            connections=1,
            max_age_s=52 * _WEEK_S,
            # Nothing is sent while markets are closed; a dead peer shows by its missing pongs.
            silence_s=_WEEK_S,
        )
        self._history = AggregateHistory(self._body, clock)
        self._raws: dict[InstrumentId, msgspec.Raw] = {}

    # -- connections -------------------------------------------------------------------------

    def routes(self, instrument: Instrument) -> Sequence[str]:
        """Return the cluster of the instrument."""
        return (STOCKS if instrument.kind is InstrumentKind.STOCK else CRYPTO,)

    async def address(self, route: str) -> str:
        """Return the cluster's stream.

        Raises:
            ConfigError: There is no key, and the provider lets nobody in without.
        """
        self._key()
        return f"{self._stream_url}/{route}"

    def opening(self, route: str) -> Sequence[str]:
        """Return the login."""
        return (_text("auth", self._key()),)

    def redacted(self, message: str) -> str:
        """Return the login without its key."""
        return _text("auth", "***") if '"auth"' in message else message

    def opened(self, frame: bytes) -> bool:
        """Return whether the key was taken."""
        return b'"auth_success"' in frame

    def subscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Return the one message that joins everything."""
        return (_text("subscribe", self._params(route, instruments)),)

    def unsubscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Return the one message that leaves everything."""
        return (_text("unsubscribe", self._params(route, instruments)),)

    def _params(self, route: str, instruments: Sequence[Instrument]) -> str:
        if route == STOCKS:
            return ",".join(
                f"{channel}.{item.venue_symbol}"
                for item in instruments for channel in ("T", "Q", "AM")
            )  # fmt: skip
        channels = ("XT", "XQ", "XA", "XL2") if self._books else ("XT", "XQ", "XA")
        return ",".join(
            f"{channel}.{item.base}-{item.quote}" for item in instruments for channel in channels
        )

    # -- REST --------------------------------------------------------------------------------

    async def listing(self) -> Sequence[Instrument]:
        """Fetch the active stocks and crypto pairs.

        Raises:
            TemporaryError: The provider is away.
            DataError: Its answer is not what it documents.
            ConfigError: There is no key.
        """
        what = f"tickers of {self.venue}"
        bodies = [body for market in (STOCKS, CRYPTO) for body in await self._tickers(market, what)]
        # Some 12,000 stocks: a tenth of a second that the loop must not stand still.
        listed = await asyncio.to_thread(
            lambda: parse_tickers(split_results(bodies, what), self.venue)
        )
        self._raws = {item.id: raw for item, raw in listed}
        instruments = [item for item, _ in listed]
        self.decoder.add_instruments(instruments)
        return instruments

    async def _tickers(self, market: str, what: str) -> list[bytes]:
        path = "/v3/reference/tickers"
        query = f"market={market}&active=true&limit={_PAGE}&sort=ticker&order=asc"
        bodies: list[bytes] = []
        for _ in range(_MAX_PAGES):
            bodies.append(await self._body(path, query, what))
            following = link(read_page(bodies[-1], what).next_url)
            if following is None:
                return bodies
            path, query = following
        raise DataError(f"{what}: more than {_MAX_PAGES} pages of {market}")

    def listing_of(self, instruments: Sequence[Instrument]) -> Answer | None:
        """Return the tickers of some instruments, and of the coins whose names theirs yield to."""
        wanted = dict.fromkeys(item.id for item in instruments)
        wanted.update(
            dict.fromkeys(
                instrument_id(f"{item.base}-{item.quote}", self.venue) for item in instruments
            )
        )
        raws = [self._raws[name] for name in wanted if name in self._raws]
        if not raws:
            return None
        body = msgspec.json.encode({"results": raws, "status": "OK"})
        return Answer(f"{self._rest_url}/v3/reference/tickers", body)

    async def server_time(self) -> Answer | None:
        """Ask for the state of the market, which has the time; not at five requests a minute."""
        if self._plan == "basic":
            return None
        path = "/v1/marketstatus/now"
        body = await self._body(path, "", f"time of {self.venue}")
        return Answer(f"{self._rest_url}{path}", body)

    async def _body(self, path: str, query: str, what: str) -> bytes:
        reply = await ask(
            self._http, path, what=what, params=query,
            headers={"Authorization": f"Bearer {self._key()}"},
            remedies=_REMEDIES, patience_s=_PATIENCE_S,
        )  # fmt: skip
        return reply.body

    def _key(self) -> str:
        key = self._settings.api_key.get_secret_value()
        if not key:
            raise ConfigError(
                f"feeds.{self.venue}.api_key must be set: {self.venue} gives no data without one"
            )
        return key


def _text(action: str, params: str) -> str:
    return msgspec.json.encode({"action": action, "params": params}).decode()


make_dialect: Final = MassiveDialect
"""How `core.feeds.registry` makes the dialect of a table of settings."""
