"""Deribit as the server mounts it: JSON-RPC over the socket, GET and POST over HTTP."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, Final

import orjson
from aiohttp import web

from emulator.clock import Clock
from emulator.deribit import private, users
from emulator.deribit.methods import METHODS, Params, number
from emulator.deribit.streams import Pump, known, send_indices
from emulator.deribit.venue import Deribit, RpcError, invalid
from emulator.market.derivatives.orders import Ending
from emulator.market.market import Market
from emulator.wire.connection import Connection
from emulator.wire.rest import Call, Refusal, Route, routes
from emulator.wire.striking import Dropped, ProxyFailed, over_http
from emulator.wire.venue import Dialogue, converse

_MOST_CONNECTIONS: Final = 32
_MOST_CHANNELS: Final = 500
_LEAST_HEARTBEAT_S: Final = 10
_ALL: Final = (*METHODS, *private.METHODS)
_STATUS: Final[dict[int, int]] = {10028: 429, 13004: 400, 13009: 401, -32601: 400}


class DeribitExchange(Deribit):
    """The whole venue."""

    def __init__(
        self, market: Market, clock: Clock, seed: int, api_key: str, api_secret: str
    ) -> None:
        super().__init__(market, clock, seed, api_key, api_secret)
        self.second_s = 1.0
        """How long a second of a heartbeat's interval is; tests shorten it."""
        self.users = users.Users(self, self.account)
        self._pumps = [Pump(self, self.tapes[name], self.writers[name]) for name in market.shards]

    async def ask_again(self, call: str, owner: int, args: Any) -> None:
        """Carry out again what an account asked for.

        Raises:
            Refusal: As it was refused.
            ValueError: There is no such call.
        """
        private.call_again(self, call, owner, *args)

    def expire_again(self, owner: int, symbol: str, order_id: int) -> None:
        """End an order again as a fault ended it."""
        self.house.expire_again(owner, order_id)

    def routes(self) -> list[web.RouteDef]:
        """Return the paths it serves."""
        table = [
            *(Route(path=f"/api/v2/{method}", handler=self._get) for method in _ALL),
            Route(method="POST", path="/api/v2", handler=self._post),
            *(
                Route(method="POST", path=f"/api/v2/{method}", handler=self._post)
                for method in _ALL
            ),
        ]
        made = routes(self, self.prefix, table)
        return [*made, web.get(f"{self.prefix}/ws/api/v2", self._serve)]

    def urls(self, host: str) -> dict[str, str]:
        """Return base URLs by what they are for."""
        base = f"{host}{self.prefix}"
        return {"rest": f"http://{base}/api/v2", "ws": f"ws://{base}/ws/api/v2"}

    def send(self) -> None:
        """Send what happened since the last tick, and what is due by the clock."""
        self.house.look()
        self.users.beat()
        sent_ms = self.sent_ms()
        for pump in self._pumps:
            if pump.tape.shard.listed:
                pump.pump(sent_ms)
        if self.beat.due(1_000):
            send_indices(self, sent_ms)

    def call(self, key: str, method: str, params: Params) -> Any:
        """Carry out a method that needs no socket.

        Raises:
            RpcError: It is unknown, asked too often, or refuses.
        """
        handler = METHODS.get(method)
        if handler is None:
            raise RpcError(-32601, "Method not found")
        if not self.spend(key, method):
            raise RpcError(10028, "too_many_requests")
        return handler(self, params)

    async def _get(self, call: Call) -> Any:
        method = call.request.path.partition("/api/v2/")[2]
        return await self._answered(call, None, method, call.params)

    async def _post(self, call: Call) -> Any:
        try:
            asked = orjson.loads(call.body)
        except orjson.JSONDecodeError:
            asked = None
        if not isinstance(asked, dict) or not isinstance(asked.get("params", {}), dict):
            raise self._refused(call, None, RpcError(-32700, "Parse error"))
        method = str(asked.get("method"))
        return await self._answered(call, asked.get("id"), method, asked.get("params", {}))

    async def _answered(self, call: Call, request_id: object, method: str, params: Params) -> Any:
        started_us = self.now_ms() * 1_000
        try:
            if method.startswith("private/"):
                result = await self._private(call, method, params)
            else:
                result = self.call(call.address, method, params)
        except RpcError as error:
            raise self._refused(call, request_id, error) from error
        if isinstance(result, web.StreamResponse):
            return result
        return self.envelope(request_id, started_us, result=result)

    async def _private(self, call: Call, method: str, params: Params) -> Any:
        """Call a private method for who signed the request, or sent a token."""
        token = params.get("access_token")
        if token is not None:
            self.check_token(str(token))
        else:
            path = call.request.raw_path.removeprefix(self.prefix)
            signed = f"{call.request.method}\n{path}\n{call.body.decode()}\n"
            private.check_header(self, call.request.headers.get("Authorization", ""), signed)
        return await over_http(
            call, lambda: private.carry_out(self, method, params, call.address, "")
        )

    def _refused(self, call: Call, request_id: object, error: RpcError) -> Refusal:
        body = self.envelope(request_id, self.now_ms() * 1_000, error=error.body())
        return Refusal(_STATUS.get(error.code, 400), body)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if len(self.connections) >= _MOST_CONNECTIONS:
            return web.Response(status=429)
        return await converse(self, request, _Session, self)


class _Session(Dialogue):
    """One connection: its requests, login and heartbeat."""

    def __init__(self, connection: Connection, venue: DeribitExchange) -> None:
        super().__init__(connection)
        self._venue = venue
        self._token = ""
        self._tasks: set[asyncio.Task[None]] = set()
        connection.state["cancels"] = venue.cancels_on_disconnect
        self._key = f"session {secrets.token_hex(8)}"
        self._beat: asyncio.Task[None] | None = None
        self._heard_test = asyncio.Event()

    def closed(self) -> None:
        """End the heartbeat, cancel its orders where that is wanted, forget what was spent."""
        self._stop_beating()
        for task in self._tasks:
            task.cancel()
        if self.connection.state.get("cancels"):
            self._venue.house.desk.cancel_all(
                self._venue.account,
                lambda order: order.ticket.words.get("session") == self._key,
                Ending.DISCONNECT,
            )
        self._venue.forget(self._key)

    def _stop_beating(self) -> None:
        if self._beat is not None:
            self._beat.cancel()

    def heard(self, text: str) -> None:
        """Carry out ``{"jsonrpc":"2.0","id":1,"method":"public/subscribe","params":{..}}``."""
        venue, started_us = self._venue, self._venue.now_ms() * 1_000
        try:
            asked = orjson.loads(text)
        except orjson.JSONDecodeError:
            asked = None
        request_id = asked.get("id") if isinstance(asked, dict) else None
        try:
            if not isinstance(asked, dict) or not isinstance(asked.get("method"), str):
                raise RpcError(-32700, "Parse error")
            params = asked.get("params") or {}
            if not isinstance(params, dict):
                raise invalid("params", "must be an object")
            if asked["method"] in private.METHODS:
                self._later(request_id, asked["method"], params)
                return
            result = self._carry_out(asked["method"], params)
            if result is None:
                return
            answer = venue.envelope(request_id, started_us, result=result)
        except RpcError as error:
            answer = venue.envelope(request_id, started_us, error=error.body())
            if error.code == 10028:
                # Over the limit the session ends, once it has been told.
                self.connection.send(orjson.dumps(answer))
                self.connection.finish(1008, b"too_many_requests")
                return
        self.connection.send(orjson.dumps(answer))

    def _later(self, request_id: object, method: str, params: Params) -> None:
        """Let a private method be carried out; its answer comes when it is there."""
        self._authorize(params)
        work = self._privately(request_id, method, params)
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _privately(self, request_id: object, method: str, params: Params) -> None:
        venue, started_us = self._venue, self._venue.now_ms() * 1_000
        try:
            result = await private.carry_out(venue, method, params, self._key, self._key)
            answer = venue.envelope(request_id, started_us, result=result)
        except (Dropped, ProxyFailed):
            self.connection.abort()
            return
        except RpcError as error:
            answer = venue.envelope(request_id, started_us, error=error.body())
            if error.code == 10028:
                self.connection.send(orjson.dumps(answer))
                self.connection.finish(1008, b"too_many_requests")
                return
        self.connection.send(orjson.dumps(answer))

    @property
    def _logged_in(self) -> bool:
        return self._venue.tokens.get(self._token) == "access"

    def _authorize(self, params: Params) -> None:
        """Refuse who is not logged in, by a token or for the whole connection.

        Raises:
            RpcError: 13009.
        """
        self._venue.check_token(str(params.get("access_token", self._token)))

    def _on_disconnect(self, method: str, params: Params) -> Any:
        """Tell or set whether the session's orders end with it."""
        self._authorize(params)
        scope = str(params.get("scope", "connection"))
        if scope not in ("connection", "account"):
            raise invalid("scope", "wrong format")
        state, venue = self.connection.state, self._venue
        if method == "private/get_cancel_on_disconnect":
            enabled = state["cancels"] if scope == "connection" else venue.cancels_on_disconnect
            return {"scope": scope, "enabled": enabled}
        state["cancels"] = method == "private/enable_cancel_on_disconnect"
        if scope == "account":
            venue.cancels_on_disconnect = state["cancels"]
        return "ok"

    def _carry_out(self, method: str, params: Params) -> Any:
        venue, key = self._venue, self._key
        match method:
            case "public/subscribe" | "private/subscribe":
                return self._subscribe(key, method, params)
            case "public/unsubscribe" | "private/unsubscribe":
                self._spend(key, method)
                names = self._channels(params)
                return [n for n in names if venue.topics.unsubscribe(self.connection, n)]
            case "public/unsubscribe_all":
                for name in tuple(self.connection.streams):
                    venue.topics.unsubscribe(self.connection, name)
                return "ok"
            case (
                "private/enable_cancel_on_disconnect"
                | "private/disable_cancel_on_disconnect"
                | "private/get_cancel_on_disconnect"
            ):
                return self._on_disconnect(method, params)
            case "private/logout":
                # To log out is no loss of the connection: orders stay.
                self._authorize(params)
                self.connection.state["cancels"] = False
                self.connection.finish(1000, b"logout")
                return None
            case "public/set_heartbeat":
                return self._set_heartbeat(number(params, "interval"))
            case "public/disable_heartbeat":
                self._stop_beating()
                return "ok"
        result = venue.call(key, method, params)
        if method == "public/auth":
            self._token = result["access_token"]
        if method == "public/test":
            self._heard_test.set()
        return result

    def _spend(self, key: str, method: str) -> None:
        if not self._venue.spend(key, method):
            raise RpcError(10028, "too_many_requests")

    def _channels(self, params: Params) -> list[str]:
        names = params.get("channels")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise invalid("channels", "must be an array of strings")
        # A portfolio's currency may be asked for in capitals, and is told in small letters.
        return [name.lower() if name.startswith("user.portfolio.") else name for name in names]

    def _subscribe(self, key: str, method: str, params: Params) -> list[str] | None:
        venue = self._venue
        self._spend(key, method)
        names = self._channels(params)
        if len(names) > _MOST_CHANNELS:
            raise invalid("channels", f"at most {_MOST_CHANNELS}")
        if any(name.startswith("user.") for name in names):
            self._authorize(params)
        elif any(name.endswith(".raw") for name in names) and not self._logged_in:
            raise RpcError(13778, "raw_subscriptions_not_available_for_unauthorized")
        if venue.struck("no_ack"):
            return None
        taken = [name for name in names if known(venue, name) or users.known(venue, name)]
        if venue.struck("partial_ack"):
            taken = taken[:1]
        for name in taken:
            # To subscribe again is to be sent a snapshot again.
            venue.topics.unsubscribe(self.connection, name)
            venue.topics.subscribe(self.connection, name)
        return taken

    def _set_heartbeat(self, interval: int) -> str:
        if interval < _LEAST_HEARTBEAT_S:
            raise invalid("interval", f"must be >= {_LEAST_HEARTBEAT_S}")
        self._stop_beating()
        self._beat = asyncio.create_task(self._keep_beating(interval * self._venue.second_s))
        return "ok"

    async def _keep_beating(self, every_s: float) -> None:
        """Ask for a test each interval, and close when none comes within the next."""
        asks = orjson.dumps(
            {"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "test_request"}}
        )
        while True:
            await asyncio.sleep(every_s)
            self._heard_test.clear()
            self.connection.send(asks)
            try:
                await asyncio.wait_for(self._heard_test.wait(), every_s)
            except TimeoutError:
                self.connection.close(1000, b"heartbeat")
                return
