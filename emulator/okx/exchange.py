"""OKX as the server mounts it: REST, and the public and business sockets."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, Final

import orjson
from aiohttp import web

from emulator.clock import Clock
from emulator.market.market import Market
from emulator.market.shard import Shard
from emulator.okx import algos, signed, trading
from emulator.okx.gate import login_error
from emulator.okx.instruments import inst_type
from emulator.okx.rest import table
from emulator.okx.streams import LOGIN_ONLY, Pump, send_lists, topic_of
from emulator.okx.users import Users, served
from emulator.okx.venue import Okx
from emulator.wire.connection import Connection
from emulator.wire.rest import Refusal, routes
from emulator.wire.striking import Dropped, ProxyFailed
from emulator.wire.venue import Dialogue, Json, converse

_PATHS: Final = ("public", "business", "private")
_CHANGES_AN_HOUR: Final = 480
_CONNECTS_A_SECOND: Final = 3


class OkxExchange(Okx):
    """The whole venue."""

    def __init__(
        self, market: Market, clock: Clock, seed: int, api_key: str, api_secret: str
    ) -> None:
        super().__init__(market, clock, seed, api_key, api_secret)
        self.users = Users(self, self.account)
        self.house.desk.after.append(self._attach)
        self.connects_a_second = _CONNECTS_A_SECOND
        self._pumps = [
            Pump(self, self.tapes[name], self.writers[name], self.futures.get(name))
            for name in market.shards
        ]

    async def ask_again(self, call: str, owner: int, args: Any) -> None:
        """Carry out again what an account asked for.

        Raises:
            Refusal: As it was refused.
            ValueError: There is no such call.
        """
        signed.run_again(self, call, args)

    def expire_again(self, owner: int, symbol: str, order_id: int) -> None:
        """End an order again as a fault ended it."""
        self.house.expire_again(owner, order_id)

    def routes(self) -> list[web.RouteDef]:
        """Return the paths it serves."""
        made = routes(self, self.prefix, [*table(self), *signed.table(self)])
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
        self.house.look()
        self._attach()
        self.users.beat()
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

    def _attach(self) -> None:
        """Let what came with orders wait, now that they are filled."""
        while self.filled:
            algos.attach(self, self.account, self.filled.pop(0))

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
        allowed = self.connects_a_second
        if not (
            self._unlimited or self.windows.count(request.remote or "?", "connect", allowed, 1_000)
        ):
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
        self._tasks: set[asyncio.Task[None]] = set()
        connection.state["id"] = self._id

    def closed(self) -> None:
        """Forget how often it has asked, and what it listened to."""
        self._venue.users.leave(self.connection)
        for task in self._tasks:
            task.cancel()
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
        if isinstance(op, str) and op in signed.OPERATIONS and isinstance(args, list):
            self._operate(asked, op, args)
            return
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
        private = served(self._path, arg)
        if private:
            self._private(op, arg, request_id)
            return
        topic = None if private is False else topic_of(self._venue, self._path, arg)
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

    def _private(self, op: str, arg: Any, request_id: object) -> None:
        """Change a subscription to what the account is told."""
        if not self._logged_in:
            self._refuse("60011", "Please log in")
            return
        answer: Json = {"event": op, "arg": arg, "connId": self._id}
        if request_id is not None:
            answer["id"] = request_id
        self.connection.send(orjson.dumps(answer))
        if op == "subscribe":
            self._venue.users.subscribe(self.connection, arg)
        else:
            self._venue.users.unsubscribe(self.connection, arg)

    def _operate(self, asked: Json, op: str, args: list[Any]) -> None:
        """Carry out ``{"id": "1512", "op": "order", "args": [{..}]}``; the answer comes later."""
        if self._path != "private":
            self._refuse("60018", f"Wrong URL or channel:{op} doesn't exist.")
            return
        if not self._logged_in:
            self._refuse("60011", "Please log in")
            return
        until = asked.get("expTime")
        if until is not None:
            args = [{"expTime": str(until), **row} for row in args if isinstance(row, dict)]
        task = asyncio.get_running_loop().create_task(self._operated(asked.get("id"), op, args))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _operated(self, request_id: object, op: str, args: list[Any]) -> None:
        venue = self._venue
        started = venue.now_ms() * 1_000
        operation, what = signed.OPERATIONS[op]
        try:
            told = await signed.struck(
                venue,
                op,
                what,
                args,
                lambda: trading.carried_out(venue, venue.account, operation, args),
            )
        except (Dropped, ProxyFailed):
            self.connection.abort()
            return
        except Refusal as refusal:
            told = refusal.body
        times = {"inTime": str(started), "outTime": str(started + 700)}
        self.connection.send(orjson.dumps({"id": request_id, "op": op, **told, **times}))

    def _login(self, arg: Any) -> None:
        wrong = login_error(arg, self._venue.keys, self._venue.now_ms())
        if wrong is not None:
            self._refuse(*wrong)
            return
        self._logged_in = True
        answer = {"event": "login", "code": "0", "msg": "", "connId": self._id}
        self.connection.send(orjson.dumps(answer))

    def _refuse(self, code: str, msg: str) -> None:
        answer = {"event": "error", "code": code, "msg": msg, "connId": self._id}
        self.connection.send(orjson.dumps(answer))
