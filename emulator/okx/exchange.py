"""OKX as the server mounts it: REST, and the public and business sockets."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Any, Final

import orjson
from aiohttp import web

from emulator.clock import Clock
from emulator.market.market import Market
from emulator.market.shard import Shard
from emulator.okx.config import config_route
from emulator.okx.instruments import inst_type
from emulator.okx.rest import table
from emulator.okx.streams import LOGIN_ONLY, Pump, send_lists, topic_of
from emulator.okx.venue import Okx
from emulator.wire.connection import Connection
from emulator.wire.rest import routes
from emulator.wire.venue import Dialogue, Json, converse

_PATHS: Final = ("public", "business")
_CHANGES_AN_HOUR: Final = 480
_CONNECTS_A_SECOND: Final = 3
_LOGIN_WITHIN_S: Final = 30


class OkxExchange(Okx):
    """The whole venue."""

    def __init__(
        self, market: Market, clock: Clock, seed: int, api_key: str, api_secret: str
    ) -> None:
        super().__init__(market, clock, seed)
        self.keys = {api_key: api_secret}
        self.connects_a_second = _CONNECTS_A_SECOND
        self._pumps = [
            Pump(self, self.tapes[name], self.writers[name], self.futures.get(name))
            for name in market.shards
        ]

    def routes(self) -> list[web.RouteDef]:
        """Return the paths it serves."""
        made = routes(self, self.prefix, [*table(self), config_route(self, self.keys)])
        return [*made, web.get(f"{self.prefix}/ws/v5/{{path}}", self._serve)]

    def urls(self, host: str) -> dict[str, str]:
        """Return base URLs by what they are for."""
        base = f"{host}{self.prefix}"
        return {
            "rest": f"http://{base}/api/v5",
            **{path: f"ws://{base}/ws/v5/{path}" for path in _PATHS},
        }

    def send(self) -> None:
        """Send what happened since the last tick, and what is due by the clock."""
        sent_ms = self.sent_ms()
        for pump in self._pumps:
            if pump.tape.shard.listed:
                pump.pump(sent_ms)
        for kind in ("SPOT", "SWAP", "ANY"):
            topic = f"instruments:{kind}"
            if self.topics.wanted(topic) and (fresh := self.topics.fresh(topic)):
                send_lists(self, fresh, kind)
        if self.beat.due(500):
            for name in self.indices():
                topic = f"index-tickers:{name}"
                if self.topics.wanted(topic):
                    self.tell(topic, [self.index_ticker(name, sent_ms)], "ticker", name)

    def index_ticker(self, name: str, now_ms: int) -> Json:
        """Write an index price."""
        price = self.index_price(name)
        return {
            "instId": name,
            "idxPx": price,
            "high24h": price,
            "low24h": price,
            "open24h": price,
            "sodUtc0": price,
            "sodUtc8": price,
            "ts": str(now_ms),
        }

    def status_changed(self, shard: Shard) -> None:
        """Send the lists the instrument is in."""
        for kind in (inst_type(shard.listing), "ANY"):
            send_lists(self, None, kind)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        if path not in _PATHS:
            return web.Response(status=404)
        if not self.windows.count(request.remote or "?", "connect", self.connects_a_second, 1_000):
            return web.Response(status=429)
        return await converse(self, request, _Talk, self, path)


class _Talk(Dialogue):
    """One connection's commands."""

    def __init__(self, connection: Connection, venue: OkxExchange, path: str) -> None:
        super().__init__(connection)
        self._venue = venue
        self._path = path
        self._id = secrets.token_hex(4)
        self._logged_in = False
        connection.state["id"] = self._id

    def closed(self) -> None:
        """Forget how often it has asked."""
        self._venue.windows.forget(self._id, "changes")

    def heard(self, text: str) -> None:
        """Carry out ``{"op": "subscribe", "args": [{..}]}``, or answer a ping."""
        if text == "ping":
            if self.connection.pongs:
                self.connection.send(b"pong")
            return
        try:
            asked = orjson.loads(text)
        except orjson.JSONDecodeError:
            self._refuse("60012", f"Invalid request: {text[:200]}")
            return
        op = asked.get("op") if isinstance(asked, dict) else None
        args = asked.get("args") if isinstance(asked, dict) else None
        if op not in ("subscribe", "unsubscribe", "login") or not isinstance(args, list):
            self._refuse("60012", f"Invalid request: {text[:200]}")
            return
        if not self._venue.windows.count(self._id, "changes", _CHANGES_AN_HOUR, 3_600_000):
            self._refuse("60014", "Requests too frequent")
            return
        if op == "login":
            self._login(args[0] if args else None)
            return
        request_id = asked.get("id")
        if op == "subscribe" and self._venue.struck("no_ack"):
            return
        if op == "subscribe" and self._venue.struck("partial_ack"):
            args = args[:1]
        for arg in args:
            self._change(op, arg, request_id)

    def _change(self, op: str, arg: Any, request_id: object) -> None:
        topic = topic_of(self._venue, self._path, arg)
        if topic is None:
            told = ",".join(f"{k}:{v}" for k, v in arg.items()) if isinstance(arg, dict) else arg
            self._refuse(
                "60018",
                f"Wrong URL or channel:{told} doesn't exist. Please use the correct URL, channel "
                "and parameters referring to API document.",
            )
            return
        if topic.partition(":")[0] in LOGIN_ONLY and not self._logged_in:
            self._refuse("60011", "Please log in")
            return
        answer: Json = {"event": op, "arg": arg, "connId": self._id}
        if request_id is not None:
            answer["id"] = request_id
        self.connection.send(orjson.dumps(answer))
        if op == "subscribe":
            self._venue.topics.subscribe(self.connection, topic)
        else:
            self._venue.topics.unsubscribe(self.connection, topic)

    def _login(self, arg: Any) -> None:
        """Check ``Base64(HMAC_SHA256(secret, timestamp + "GET" + "/users/self/verify"))``."""
        given = arg if isinstance(arg, dict) else {}
        secret = self._venue.keys.get(str(given.get("apiKey")))
        stamp = str(given.get("timestamp", ""))
        if secret is None:
            self._refuse("60005", "Invalid apiKey")
            return
        if not stamp.isdigit() or abs(int(stamp) * 1_000 - self._venue.now_ms()) > 1_000 * (
            _LOGIN_WITHIN_S
        ):
            self._refuse("60006", "Timestamp request expired")
            return
        signed = hmac.new(
            secret.encode(), f"{stamp}GET/users/self/verify".encode(), hashlib.sha256
        ).digest()
        if not hmac.compare_digest(base64.b64encode(signed).decode(), str(given.get("sign"))):
            self._refuse("60007", "Invalid sign")
            return
        self._logged_in = True
        answer = {"event": "login", "code": "0", "msg": "", "connId": self._id}
        self.connection.send(orjson.dumps(answer))

    def _refuse(self, code: str, msg: str) -> None:
        answer = {"event": "error", "code": code, "msg": msg, "connId": self._id}
        self.connection.send(orjson.dumps(answer))
