"""KuCoin as the server mounts it: REST, the bullet token, and the endpoint it opens."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any, Final

import orjson
from aiohttp import web

from emulator.clock import Clock
from emulator.kucoin.rest import table
from emulator.kucoin.streams import TOPICS, Numbered, Pump
from emulator.kucoin.venue import BARS, KuCoin
from emulator.market.market import Market
from emulator.market.shard import Shard
from emulator.wire.connection import Connection
from emulator.wire.rest import Call, Refusal, routes
from emulator.wire.venue import Dialogue, Json, converse

_CONNECTS_A_MINUTE: Final = 30
_SKEW_MS: Final = 5_000
_MOST_TOPICS: Final = 100
_MOST_SYMBOLS: Final = 100


class KuCoinExchange(KuCoin):
    """The whole venue."""

    def __init__(
        self, market: Market, clock: Clock, seed: int, api_key: str, api_secret: str
    ) -> None:
        super().__init__(market, clock, seed)
        self.keys = {api_key: api_secret}
        self.connects_a_minute = _CONNECTS_A_MINUTE
        self.pumps: dict[str, Pump] = {}
        for name, changes in self.changes.items():
            assert isinstance(changes, Numbered)
            self.pumps[name] = Pump(self, self.tapes[name], changes, self.scales[name])

    def changes_of(self, shard: Shard) -> Numbered:
        """Return what follows a book's changes, with the sequence of each level."""
        return Numbered(self.seed, shard, self.speeds)

    def routes(self) -> list[web.RouteDef]:
        """Return the paths it serves."""
        made = routes(self, self.prefix, table(self))
        return [*made, web.get(f"{self.prefix}/endpoint", self._serve)]

    def urls(self, host: str) -> dict[str, str]:
        """Return base URLs by what they are for."""
        base = f"{host}{self.prefix}"
        return {"rest": f"http://{base}", "ws": f"ws://{base}/endpoint"}

    def rename(self, old: str, new: str) -> None:
        """Call an instrument by another name from now on."""
        super().rename(old, new)
        self.pumps[new] = self.pumps.pop(old)

    def send(self) -> None:
        """Send what happened since the last tick, and what is due by the clock."""
        sent_ms = self.sent_ms()
        for pump in self.pumps.values():
            if pump.tape.shard.listed:
                pump.pump(sent_ms)

    def check(self, call: Call) -> None:
        """Check ``Base64(HMAC_SHA256(secret, timestamp + METHOD + path?query + body))``.

        Raises:
            Refusal: 400001 to 400005.
        """
        head = call.request.headers
        given = [head.get(f"KC-API-{name}") for name in ("KEY", "SIGN", "TIMESTAMP", "PASSPHRASE")]
        if not all(given):
            raise _unsigned("400001", "Please check the header of your request for KC-API-KEY, ...")
        key, sign, stamp, _ = map(str, given)
        if not stamp.isdigit() or abs(int(stamp) - self.now_ms()) > _SKEW_MS:
            raise _unsigned("400002", "KC-API-TIMESTAMP Invalid")
        if key not in self.keys:
            raise _unsigned("400003", "KC-API-KEY not exists")
        path = call.request.raw_path
        for signed in (path, path.removeprefix(self.prefix)):
            text = f"{stamp}{call.request.method}{signed}".encode() + call.body
            made = hmac.new(self.keys[key].encode(), text, hashlib.sha256).digest()
            if hmac.compare_digest(base64.b64encode(made).decode(), sign):
                return
        raise _unsigned("400005", "Invalid KC-API-SIGN")

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        """Take a connection with ``?token=&connectId=``."""
        if not self.admits(request.query.get("token", "")):
            return web.json_response({"code": "401", "msg": "token is invalid"}, status=401)
        address = request.remote or "?"
        if not self.windows.count(address, "connect", self.connects_a_minute, 60_000):
            return web.Response(status=429)
        return await converse(self, request, _Talk, self, request.query.get("connectId", ""))


class _Talk(Dialogue):
    """One connection's messages."""

    def __init__(self, connection: Connection, venue: KuCoinExchange, connect_id: str) -> None:
        super().__init__(connection)
        self._venue = venue
        self._id = connect_id
        self._welcomed = False

    def opened(self) -> None:
        """Say welcome; what comes before it is refused."""
        self._welcomed = True
        if not self._venue.struck("no_welcome"):
            self._say({"id": self._id, "type": "welcome"})

    def heard(self, text: str) -> None:
        """Carry out ``{"id": "1", "type": "subscribe", "topic": "/market/level2:BTC-USDT"}``."""
        try:
            asked = orjson.loads(text)
        except orjson.JSONDecodeError:
            asked = None
        if not isinstance(asked, dict):
            self._refuse("", 400, "message is invalid")
            return
        request_id = str(asked.get("id", ""))
        match asked.get("type"):
            case "ping":
                if self.connection.pongs:
                    self._say({"id": request_id, "type": "pong", "timestamp": self._micros()})
            case "subscribe":
                self._subscribe(asked, request_id)
            case "unsubscribe":
                for topic in _each(str(asked.get("topic", ""))):
                    self._venue.topics.unsubscribe(self.connection, topic)
                self._ack(asked, request_id)
            case kind:
                self._refuse(request_id, 400, f"type {kind} is not supported")

    def _subscribe(self, asked: Json, request_id: str) -> None:
        venue = self._venue
        if asked.get("privateChannel") in (True, "true"):
            self._refuse(request_id, 403, "login is required")
            return
        topics = _each(str(asked.get("topic", "")))
        unknown = [topic for topic in topics if not self._known(topic)]
        if unknown or not topics or len(topics) > _MOST_SYMBOLS:
            self._refuse(request_id, 404, f"topic {asked.get('topic')} is not found")
            return
        if len({*self.connection.streams, *topics}) > _MOST_TOPICS:
            self._refuse(request_id, 509, f"exceed max topic count {_MOST_TOPICS}")
            return
        if venue.struck("no_ack"):
            return
        if venue.struck("partial_ack"):
            topics = topics[:1]
        for topic in topics:
            venue.topics.subscribe(self.connection, topic)
        self._ack(asked, request_id)

    def _known(self, topic: str) -> bool:
        name, _, symbol = topic.partition(":")
        if name not in TOPICS:
            return False
        if name == "/market/candles":
            symbol, _, bar = symbol.partition("_")
            return self._venue.find(symbol) is not None and bar in BARS
        if name == "/market/ticker" and symbol == "all":
            return True
        return self._venue.find(symbol) is not None

    def _ack(self, asked: Json, request_id: str) -> None:
        if asked.get("response") in (True, "true"):
            self._say({"id": request_id, "type": "ack"})

    def _refuse(self, request_id: str, code: int, words: str) -> None:
        self._say({"id": request_id, "type": "error", "code": code, "data": words})

    def _say(self, message: dict[str, Any]) -> None:
        self.connection.send(orjson.dumps(message))

    def _micros(self) -> int:
        return self._venue.now_ms() * 1_000


def _unsigned(code: str, words: str) -> Refusal:
    return Refusal(401, {"code": code, "msg": words})


def _each(topic: str) -> list[str]:
    """Split ``/market/level2:A,B`` into one topic a symbol."""
    name, colon, symbols = topic.partition(":")
    return [f"{name}{colon}{symbol}" for symbol in symbols.split(",")] if colon else [topic]
