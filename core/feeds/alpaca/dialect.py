"""How Alpaca is spoken to: https://docs.alpaca.markets/docs/streaming-market-data."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from core.feeds.alpaca.acks import AlpacaAcks
from core.feeds.alpaca.contracts import PATH as CONTRACTS
from core.feeds.alpaca.contracts import fetch_chain, fetch_one
from core.feeds.alpaca.decoder import ALPACA, AlpacaDecoder
from core.feeds.alpaca.history import BarHistory
from core.feeds.alpaca.packing import HEADERS, pack
from core.feeds.alpaca.symbols import parse_assets
from core.feeds.answers import ask
from core.feeds.dialect import Answer, LineLimits, Poll, RestDialect
from core.feeds.hosts import hosts
from core.feeds.stamps import rfc3339
from core.model.errors import ConfigError, did_you_mean
from core.model.ids import VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.occ import read_option
from core.model.ports import Clock
from core.model.settings import FeedSettings
from core.wire.http import HttpReply, HttpSession
from core.wire.limits import WeightLimiter

STOCKS: Final = "stocks"
CRYPTO: Final = "crypto"
OPTIONS: Final = "options"
"""Routes: each market has a connection of its own."""

DATA_HOSTS: Final = {
    "live": ("https://data.alpaca.markets", "wss://stream.data.alpaca.markets"),
    "demo": ("https://data.alpaca.markets", "wss://stream.data.alpaca.markets"),
    "testnet": ("https://data.sandbox.alpaca.markets", "wss://stream.data.sandbox.alpaca.markets"),
}
TRADING_HOSTS: Final = {
    "live": "https://api.alpaca.markets",
    "demo": "https://paper-api.alpaca.markets",
    "testnet": "https://paper-api.alpaca.markets",
}
"""Assets, clock and calendar are the account's; a paper account's keys are only known there."""

PLANS: Final = {
    "iex": ("/v2/iex", "iex"),
    "sip": ("/v2/sip", "sip"),
    "delayed_sip": ("/v2/delayed_sip", "sip"),
    "overnight": ("/v1beta1/overnight", "boats"),
    "boats": ("/v1beta1/boats", "boats"),
    "test": ("/v2/test", "iex"),
}
"""Stream path, and the feed that has its history."""

_DELAY_NS: Final = 16 * 60 * 1_000_000_000
"""Without a subscription consolidated data must be 15 minutes old; one more for their clock."""

_FREE_INSTRUMENTS: Final = 15
"""A free plan carries 30 channels of trades and quotes, and each instrument has both."""

_INSTRUMENTS: Final = 10_000
_BATCH: Final = 100
"""Some 6 KB a request: more than 16 KB are refused."""

_PER_MINUTE: Final = 200
_TIMEOUT_S: Final = 10.0
_WEEK_S: Final = 7 * 86_400.0
_HIDDEN: Final = "***"
_STOCK_CHANNELS: Final = (
    "trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds",
)  # fmt: skip
_OPTION_CHANNELS: Final = ("trades", "quotes")
_SNAPSHOTS: Final = "/v1beta1/options/snapshots"
_CRYPTO_CHANNELS: Final = ("trades", "quotes", "orderbooks", "bars", "updatedBars", "dailyBars")
_REMEDIES: Final = {
    400: "the request was not understood",
    401: "check api_key and api_secret, and that they belong to the feed's environment",
    403: "the keys are wrong or their plan does not contain this: see `plan` of the feed",
    404: "the address is wrong: see rest_url of the feed",
    422: "the request was not understood",
}


_ROUTES: Final = {InstrumentKind.STOCK: STOCKS, InstrumentKind.OPTION: OPTIONS}


class AlpacaDialect(RestDialect):
    """Addresses, words and limits of Alpaca's market data."""

    images_by_rest = False
    waits_for_opening = True
    polls = (Poll("options", every_s=15.0, at_once=True),)
    """Of options: the stream tells no greeks, and no quote before the next change."""

    def __init__(self, settings: FeedSettings, *, clock: Clock, venue: VenueName = ALPACA) -> None:
        """Open nothing yet.

        Raises:
            ConfigError: The plan is none of the provider's.
        """
        self.venue = venue
        self.decoder = AlpacaDecoder(venue)
        self.acks = AlpacaAcks()
        plan = settings.plan or "iex"
        if plan not in PLANS:
            raise ConfigError(
                f"feeds.{venue}.plan must be one of {', '.join(PLANS)}, was {plan!r}"
                f"{did_you_mean(plan, PLANS)}"
            )
        self._path, history_feed = PLANS[plan]
        self._option_feed = "opra" if plan == "sip" else "indicative"
        self._clock = clock
        self._rest_url, self._stream_url = hosts(settings, DATA_HOSTS, venue)
        trading_url = settings.rest_url or TRADING_HOSTS[settings.environment]
        self._settings = settings
        capacity = settings.requests_per_minute or _PER_MINUTE
        self._limiter = WeightLimiter(clock=clock, capacity=capacity)
        self._http = HttpSession(
            self._rest_url, clock=clock, timeout_s=_TIMEOUT_S, limiter=self._limiter
        )
        # Orders count on this host too: leave them most of it.
        self._trading = HttpSession(
            trading_url, clock=clock, timeout_s=_TIMEOUT_S,
            limiter=WeightLimiter(clock=clock, capacity=capacity, reserve=capacity // 2),
        )  # fmt: skip
        self.limits = LineLimits(
            instruments=_FREE_INSTRUMENTS if plan == "iex" else _INSTRUMENTS,
            batch=_BATCH,
            pace_s=0.1,
            # The account has one connection a market: a second one is refused with 406, so none
            # can be opened ahead of the end of another, and none is ever planned.
            connections=1,
            max_age_s=52 * _WEEK_S,
            # Nothing is sent while markets are closed; a dead peer shows by its missing pongs.
            silence_s=_WEEK_S,
        )
        self._history = BarHistory(
            self._body, clock, feed=history_feed, delay_ns=_DELAY_NS if plan == "delayed_sip" else 0
        )
        self._raws: dict[str, msgspec.Raw] = {}
        self._contracts: dict[str, msgspec.Raw] = {}
        """Options that were looked up, by their symbols."""

    # -- connections -------------------------------------------------------------------------

    def routes(self, instrument: Instrument) -> Sequence[str]:
        """Return the market of the instrument."""
        return (_ROUTES.get(instrument.kind, CRYPTO),)

    async def address(self, route: str) -> str:
        """Return the market's stream.

        Raises:
            ConfigError: There are no keys, and the provider lets nobody in without.
        """
        self._keys()
        paths = {STOCKS: self._path, OPTIONS: f"/v1beta1/{self._option_feed}"}
        return f"{self._stream_url}{paths.get(route, '/v1beta3/crypto/us')}"

    def headers(self, route: str) -> Mapping[str, str]:
        """Return what asks for packed frames, where the provider has no others."""
        return HEADERS if route == OPTIONS else {}

    def packed(self, route: str, message: str) -> str | bytes:
        """Return a message of ours as a route takes it."""
        return pack(message) if route == OPTIONS else message

    def opening(self, route: str) -> Sequence[str]:
        """Return the login, which must arrive within 10 s."""
        key, secret = self._keys()
        return (_text({"action": "auth", "key": key, "secret": secret}),)

    def redacted(self, message: str) -> str:
        """Return the login without its keys."""
        if '"auth"' not in message:
            return message
        return _text({"action": "auth", "key": _HIDDEN, "secret": _HIDDEN})

    def opened(self, frame: bytes) -> bool:
        """Return whether the keys were taken."""
        return b"authenticated" in frame and b"not authenticated" not in frame

    def subscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Return the one message that joins everything."""
        return (_request("subscribe", _channels(route), instruments),)

    def unsubscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Return the one message that leaves everything."""
        return (_request("unsubscribe", _channels(route), instruments),)

    def rejoin(self, route: str, instrument: Instrument) -> Sequence[str]:
        """Return what makes the book come whole again."""
        if route != CRYPTO:
            return ()
        book = ("orderbooks",)
        return (
            _request("unsubscribe", book, [instrument]),
            _request("subscribe", book, [instrument]),
        )

    # -- REST --------------------------------------------------------------------------------

    async def listing(self) -> Sequence[Instrument]:
        """Fetch the active stocks and crypto pairs.

        Raises:
            TemporaryError: The provider is away.
            DataError: Its answer is not what it documents.
            ConfigError: There are no keys.
        """
        bodies = [
            await self._ask_trading(
                "/v2/assets", [("status", "active"), ("asset_class", kind)], f"{kind} assets"
            )
            for kind in ("us_equity", "crypto")
        ]
        # Some 12,000 stocks: a tenth of a second that the loop must not stand still.
        listed = await asyncio.to_thread(parse_assets, bodies, self.venue)
        self._raws = {item.venue_symbol: raw for item, raw in listed}
        instruments = [item for item, _ in listed]
        self.decoder.add_instruments(instruments)
        return instruments

    async def look_up(self, symbol: str) -> Sequence[Instrument]:
        """Fetch the option of that name, and teach it to the decoder.

        Raises:
            TemporaryError: The provider is away.
            DataError: Its answer is not what it documents.
            ConfigError: There are no keys.
        """
        name = read_option(symbol)
        if name is None:
            return ()
        return self._learned(await fetch_one(self._ask_trading, name, self.venue))

    async def chain(self, underlying: str) -> Sequence[Instrument]:
        """Fetch the options on a share that have not expired, and teach them to the decoder.

        Raises:
            TemporaryError: The provider is away.
            DataError: Its answer is not what it documents.
            ConfigError: There are no keys.
        """
        today = rfc3339(self._clock.now_ns())[:10]
        ticker = underlying.partition("-")[0].upper()
        return self._learned(await fetch_chain(self._ask_trading, ticker, today, self.venue))

    def _learned(self, found: Sequence[tuple[Instrument, msgspec.Raw]]) -> list[Instrument]:
        self._contracts.update({item.venue_symbol: raw for item, raw in found})
        options = [item for item, _ in found]
        self.decoder.add_instruments(options)
        return options

    async def poll(self, name: str, instrument: Instrument) -> Answer | None:
        """Ask for an option's newest quote and greeks; nothing of others.

        Raises:
            TemporaryError: The provider is away or asks for patience.
            DataError: A definite no.
        """
        if instrument.kind is not InstrumentKind.OPTION:
            return None
        params = [("symbols", instrument.venue_symbol), ("feed", self._option_feed)]
        body = await self._body(_SNAPSHOTS, params, f"snapshot of {instrument.id}")
        return Answer(f"{self._http.base_url}{_SNAPSHOTS}", body)

    def listing_of(self, instruments: Sequence[Instrument]) -> Answer | None:
        """Return the assets of some instruments, and of the coins whose names theirs yield to."""
        options = [
            self._contracts[item.venue_symbol] for item in instruments
            if item.venue_symbol in self._contracts
        ]  # fmt: skip
        if options:
            told = msgspec.json.encode({"option_contracts": options})
            return Answer(f"{self._trading.base_url}{CONTRACTS}", told)
        wanted = dict.fromkeys(item.venue_symbol for item in instruments)
        wanted.update(
            dict.fromkeys(
                f"{item.base}/{item.quote}" for item in instruments
                if item.kind is InstrumentKind.STOCK
            )
        )  # fmt: skip
        raws = [self._raws[symbol] for symbol in wanted if symbol in self._raws]
        if not raws:
            return None
        return Answer(f"{self._trading.base_url}/v2/assets", msgspec.json.encode(raws))

    async def server_time(self) -> Answer | None:
        """Ask for the market's clock."""
        body = await self._ask_trading("/v2/clock", [], "market clock")
        return Answer(f"{self._trading.base_url}/v2/clock", body)

    async def close(self) -> None:
        """Release the HTTP sessions."""
        await super().close()
        await self._trading.close()

    async def _ask_trading(self, path: str, params: list[tuple[str, str]], what: str) -> bytes:
        reply = await ask(
            self._trading, path, what=f"{self.venue} {what}", params=params,
            headers=self._headers(), remedies=_REMEDIES,
        )  # fmt: skip
        return reply.body

    async def _body(self, path: str, params: list[tuple[str, str]], what: str) -> bytes:
        reply = await ask(
            self._http, path, what=what, params=params, headers=self._headers(),
            remedies=_REMEDIES, observe=self._observe,
        )  # fmt: skip
        return reply.body

    def _observe(self, reply: HttpReply) -> None:
        """Adopt the provider's own count: other programs may use the account."""
        limit = reply.headers.get("x-ratelimit-limit", "")
        left = reply.headers.get("x-ratelimit-remaining", "")
        if limit.isdigit() and left.isdigit() and int(left) <= int(limit):
            self._limiter.observe(int(limit) - int(left))

    def _headers(self) -> dict[str, str]:
        key, secret = self._keys()
        return {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret}

    def _keys(self) -> tuple[str, str]:
        key = self._settings.api_key.get_secret_value()
        secret = self._settings.api_secret.get_secret_value()
        if not key or not secret:
            raise ConfigError(
                f"feeds.{self.venue}.api_key and api_secret must be set: {self.venue} gives no "
                "data without keys; a free account has some"
            )
        return key, secret


def _channels(route: str) -> Sequence[str]:
    if route == OPTIONS:
        return _OPTION_CHANNELS
    return _STOCK_CHANNELS if route == STOCKS else _CRYPTO_CHANNELS


def _request(action: str, channels: Sequence[str], instruments: Sequence[Instrument]) -> str:
    symbols = [item.venue_symbol for item in instruments]
    return _text({"action": action, **dict.fromkeys(channels, symbols)})


def _text(message: dict[str, str | list[str]]) -> str:
    return msgspec.json.encode(message).decode()


make_dialect: Final = AlpacaDialect
"""How `core.feeds.registry` makes the dialect of a table of settings."""
