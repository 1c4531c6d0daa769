"""How KuCoin is spoken to: tokens, topics, limits and REST."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from core.feeds.answers import ask, decoded, judge_status
from core.feeds.dialect import Answer, Heartbeat, LineLimits, RestDialect
from core.feeds.hosts import hosts, planless
from core.feeds.kucoin.acks import KucoinAcks
from core.feeds.kucoin.decoder import IMAGES, KUCOIN, UPDATES, KucoinDecoder
from core.feeds.kucoin.frames import Answer as Reply
from core.feeds.kucoin.history import CandleHistory
from core.feeds.kucoin.refusals import refuse
from core.feeds.kucoin.symbols import parse_symbols
from core.feeds.kucoin.trades import TradeHistory
from core.model.errors import ConfigError, DataError, OutcomeUnknown, RateLimited, TemporaryError
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.ports import Clock
from core.model.settings import FeedSettings
from core.wire.http import HttpSession
from core.wire.limits import WeightLimiter
from core.wire.signing import encode_query

HOSTS: Final = {"live": ("https://api.kucoin.com", "wss://ws-api-spot.kucoin.com")}
"""The venue has no test hosts any more; the stream's host comes with each token."""

_BOOK: Final = "/api/v3/market/orderbook/level2"
_TOPICS: Final = ("/market/match", "/market/ticker", "/spotMarket/level1", "/market/snapshot")
_CANDLES: Final = "/market/candles"
_TIMEOUT_S: Final = 10.0
_BUDGET: Final = 2000
_BUDGET_S: Final = 30.0
_SYMBOLS_WEIGHT: Final = 4
_BULLET_WEIGHT: Final = 10
_IMAGE_WEIGHT: Final = 3


class _Server(msgspec.Struct):
    endpoint: str
    pingInterval: int
    """Milliseconds."""


class _Bullet(msgspec.Struct):
    token: str
    instanceServers: list[_Server]


class _Said(msgspec.Struct):
    code: str
    msg: str = ""


class _Symbols(msgspec.Struct):
    code: str = ""
    data: list[msgspec.Raw] = []


class _Entry(msgspec.Struct):
    symbol: str


class KucoinDialect(RestDialect):
    """KuCoin's spot market as the feed speaks to it.

    The whole book needs keys, for its image does: with them it is kept from every change. Without,
    the stream's images of 50 levels are taken, ten a second.

    Args:
        settings: Hosts and, for the whole book, keys.
        clock: For signatures and the request budget.
        venue: The name events carry.

    Raises:
        ConfigError: The venue has no such environment or plan, or keys are not complete.
    """

    limits = LineLimits(
        # 100 topics fit on a connection, and an instrument has six.
        instruments=16,
        batch=16,
        # 100 messages in 10 s.
        pace_s=0.12,
        # 30 a minute by the venue's clock, to which ours is not tied.
        attempts=30,
        attempts_window_s=65.0,
        connections=50,
        silence_s=60.0,
    )
    waits_for_opening = True

    def __init__(self, settings: FeedSettings, *, clock: Clock, venue: VenueName = KUCOIN) -> None:
        self.venue = venue
        self.decoder: KucoinDecoder = KucoinDecoder(venue)
        self.acks = KucoinAcks(lambda topics: self._requests("subscribe", topics))
        planless(settings, venue)
        rest_url, self._stream_url = hosts(settings, HOSTS, venue)
        self._own_stream = bool(settings.stream_url)
        self._clock = clock
        self._http = HttpSession(
            rest_url,
            clock=clock,
            timeout_s=_TIMEOUT_S,
            limiter=WeightLimiter(
                clock=clock, capacity=_BUDGET, window_s=_BUDGET_S, reserve=_BUDGET // 4
            ),
        )
        self._key, self._secret, self._phrase = (
            text.get_secret_value()
            for text in (settings.api_key, settings.api_secret, settings.passphrase)
        )
        given = [bool(self._key), bool(self._secret), bool(self._phrase)]
        if any(given) and not all(given):
            raise ConfigError(
                f"feeds.{venue} must have api_key, api_secret and passphrase, or none of them"
            )
        self.images_by_rest = all(given)
        self._history = CandleHistory(self._http, clock)
        self._past = TradeHistory(self._http)
        self._entries: dict[str, msgspec.Raw] = {}
        self._asked = 0
        self._opened = 0

    # -- connections -------------------------------------------------------------------------

    async def address(self, route: str) -> str:
        """Ask for a token, good for one connection, and return the URL it opens.

        ::

            {"code":"200000","data":{"token":"...","instanceServers":[{"encrypt":true,
             "endpoint":"wss://ws-api-spot.kucoin.com/","protocol":"websocket",
             "pingInterval":18000,"pingTimeout":10000}]}}

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: It refused, or its answer is not what it documents.
        """
        what = f"token of {self.venue}"
        try:
            reply = await self._http.request("POST", "/api/v1/bullet-public", weight=_BULLET_WEIGHT)
        except (OutcomeUnknown, RateLimited) as error:
            # A token that was made and got lost costs nothing.
            raise TemporaryError(f"{what}: {error}") from None
        judge_status(reply, what)
        answer = decoded(reply.body, Reply[_Bullet], what)
        refuse(answer.code, answer.msg, what)
        bullet = answer.data
        if bullet is None or not bullet.token or not bullet.instanceServers:
            raise DataError(f"{what}: answer must have a token and a server")
        server = bullet.instanceServers[0]
        if server.pingInterval < 1000:
            raise DataError(f"{what}: pingInterval must be 1000 ms or more")
        self.heartbeat = Heartbeat(server.pingInterval / 1000, '{"id":"ping","type":"ping"}')
        self._opened += 1
        endpoint = f"{self._stream_url}/endpoint" if self._own_stream else server.endpoint
        return f"{endpoint}?token={bullet.token}&connectId=clx{self._opened}"

    def opened(self, frame: bytes) -> bool:
        """Return whether the venue lets us subscribe: ``{"id":"clx1","type":"welcome"}``."""
        return b'"welcome"' in frame

    def subscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Return the messages that join every topic wanted of some instruments."""
        return self._requests("subscribe", self._topics(instruments))

    def unsubscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Return the messages that leave all those topics."""
        return self._requests("unsubscribe", self._topics(instruments))

    def rejoin(self, route: str, instrument: Instrument) -> Sequence[str]:
        """Return the messages that leave and join the topic of images."""
        topics = [f"{IMAGES}:{instrument.venue_symbol}"]
        return (*self._requests("unsubscribe", topics), *self._requests("subscribe", topics))

    def _topics(self, instruments: Sequence[Instrument]) -> list[str]:
        symbols = [item.venue_symbol for item in instruments]
        names = ",".join(symbols)
        book = UPDATES if self.images_by_rest else IMAGES
        bars = ",".join(f"{symbol}_1min" for symbol in symbols)
        return [*(f"{topic}:{names}" for topic in (book, *_TOPICS)), f"{_CANDLES}:{bars}"]

    def _requests(self, kind: str, topics: Sequence[str]) -> Sequence[str]:
        out = []
        for topic in topics:
            self._asked += 1
            request = {
                "id": str(self._asked),
                "type": kind,
                "topic": topic,
                "privateChannel": False,
                "response": True,
            }
            out.append(msgspec.json.encode(request).decode())
        return out

    # -- REST --------------------------------------------------------------------------------

    async def listing(self) -> Sequence[Instrument]:
        """Fetch what the venue lists.

        Raises:
            TemporaryError: The venue is away.
            DataError: Its answer is not what it documents.
        """
        body = await self._ask("/api/v2/symbols", (), "symbols", weight=_SYMBOLS_WEIGHT)
        found = parse_symbols(body, self.venue)
        self.decoder.add_instruments(found)
        self._entries = {
            msgspec.json.decode(raw, type=_Entry).symbol: raw.copy()
            for raw in msgspec.json.decode(body, type=_Symbols).data
        }
        return found

    def listing_of(self, instruments: Sequence[Instrument]) -> Answer | None:
        """Return the venue's own words on some instruments, as a listing the decoder can read."""
        names = [item.venue_symbol for item in instruments if item.venue_symbol in self._entries]
        if not names:
            return None
        entries = [self._entries[name] for name in names]
        return Answer(
            f"{self._http.base_url}/api/v2/symbols?symbols={','.join(names)}",
            msgspec.json.encode(_Symbols("200000", entries)),
        )

    async def image(self, instrument: Instrument) -> Answer | None:
        """Fetch the whole book; None without keys.

        Raises:
            TemporaryError: The venue is away or asks for patience.
            DataError: A definite no.
        """
        if not self.images_by_rest:
            return None
        query = (("symbol", instrument.venue_symbol),)
        body = await self._ask(
            _BOOK,
            query,
            f"book of {instrument.id}",
            weight=_IMAGE_WEIGHT,
            headers=self._signed("GET", f"{_BOOK}?{encode_query(query)}"),
        )
        return Answer(f"{self._http.base_url}{_BOOK}?{encode_query(query)}", body)

    async def server_time(self) -> Answer | None:
        """Ask for the venue's time.

        Raises:
            TemporaryError: The venue is away.
        """
        path = "/api/v1/timestamp"
        return Answer(f"{self._http.base_url}{path}", await self._ask(path, (), "time"))

    def _signed(self, method: str, target: str) -> Mapping[str, str]:
        """Return the headers that sign a request: path and query as they are sent."""
        stamp = str(self._clock.now_ns() // 1_000_000)
        return {
            "KC-API-KEY": self._key,
            "KC-API-SIGN": _mac(self._secret, f"{stamp}{method}{target}"),
            "KC-API-TIMESTAMP": stamp,
            "KC-API-PASSPHRASE": _mac(self._secret, self._phrase),
            "KC-API-KEY-VERSION": "2",
        }

    async def _ask(
        self,
        path: str,
        params: Sequence[tuple[str, str]],
        what: str,
        *,
        weight: int = 1,
        headers: Mapping[str, str] = {},
    ) -> bytes:
        what = f"{what} of {self.venue}"
        reply = await ask(
            self._http,
            path,
            what=what,
            params=params,
            headers=headers,
            weight=weight,
            remedies={
                401: "check api_key, api_secret and passphrase of the feed, and the clock",
                403: "the address may be refused or banned; wait, or use another",
            },
        )
        answer = decoded(reply.body, _Said, what)
        refuse(answer.code, answer.msg, what)
        return reply.body


def _mac(secret: str, text: str) -> str:
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


make_dialect: Final = KucoinDialect
"""How `core.feeds.registry` makes the dialect of a table of settings."""
