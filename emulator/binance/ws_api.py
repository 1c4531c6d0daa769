"""The WebSocket API: requests with ids, answers with status, and the user data stream.

::

    {"id": "1", "method": "userDataStream.subscribe.signature",
     "params": {"apiKey": "..", "timestamp": 1795.., "signature": ".."}}
    {"id": "1", "status": 200, "result": {"subscriptionId": 0}, "rateLimits": [..]}
    {"subscriptionId": 0, "event": {"e": "executionReport", ..}}
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
from aiohttp import web

from emulator.binance import public, trading
from emulator.binance.gate.auth import check_time
from emulator.binance.gate.errors import ApiError, missing
from emulator.binance.gate.limits import WEIGHT_PER_MINUTE
from emulator.binance.gate.params import Params
from emulator.binance.striking import Dropped, ProxyFailed, strike
from emulator.binance.user_stream import UserStream
from emulator.binance.venue import Venue
from emulator.binance.wire import Json
from emulator.clock import MS
from emulator.market.accounts import Account
from emulator.wire.connection import Connection, Habits

_PUBLIC: Final[dict[str, tuple[int, Callable[[Venue, Params], Awaitable[Any]]]]] = {
    "ping": (1, public.ping),
    "time": (1, public.time),
    "exchangeInfo": (20, public.exchange_info),
    "depth": (5, public.depth),
    "trades.recent": (25, public.trades),
    "trades.aggregate": (4, public.aggregate_trades),
    "klines": (2, public.klines),
    "avgPrice": (2, public.average_price),
    "ticker.24hr": (2, public.ticker_24h),
    "ticker.price": (2, public.ticker_price),
    "ticker.book": (2, public.book_ticker),
}
_SIGNED: Final[dict[str, tuple[int, str, Callable[[Venue, Account, Params], Awaitable[Any]]]]] = {
    "order.place": (1, "place", trading.place),
    "order.test": (1, "", trading.place_test),
    "order.cancel": (1, "cancel", trading.cancel),
    "order.status": (4, "query", trading.query),
    "openOrders.status": (6, "", trading.open_orders),
    "openOrders.cancelAll": (1, "cancel", trading.cancel_all),
    "allOrders": (20, "", trading.all_orders),
    "myTrades": (20, "", trading.my_trades),
    "account.status": (20, "", trading.account_info),
    "account.rateLimits.orders": (40, "", trading.order_counts),
}
_HABITS: Final = Habits(ping_every_s=20.0)
_HMAC_LOGON: Final = "HMAC_SHA256 API key is not supported."
_REMOVED: Final = ("userDataStream.start", "userDataStream.ping", "userDataStream.stop")


class WsApiEndpoint:
    """Serves ``/ws-api/v3``."""

    def __init__(self, venue: Venue, user_stream: UserStream) -> None:
        self._venue = venue
        self._user_stream = user_stream
        self.connections: set[Connection] = set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection."""
        connection = Connection(self._venue.clock, _HABITS)
        ws = await connection.open(request)
        session = _Session(self._venue, self._user_stream, connection, request.remote or "?")
        self.connections.add(connection)
        try:
            while (text := await connection.receive()) is not None:
                answer = await session.answer(text)
                if answer is None:
                    break
                connection.send(orjson.dumps(answer))
        finally:
            self.connections.discard(connection)
            session.end()
            await connection.shut()
        return ws


class _Session:
    """What one connection asked for and subscribed to."""

    def __init__(
        self, venue: Venue, user_stream: UserStream, connection: Connection, address: str
    ) -> None:
        self._venue = venue
        self._user_stream = user_stream
        self._connection = connection
        self._address = address
        self._connected_ms = venue.now_ms()
        self._subscriptions: dict[int, tuple[_Session, int]] = {}
        self._next_subscription = 0

    def end(self) -> None:
        """Forget the subscriptions."""
        for key in self._subscriptions.values():
            self._user_stream.sinks.pop(key, None)
        self._subscriptions.clear()

    async def answer(self, text: str) -> Json | None:
        """Carry out a request; None means: drop the connection."""
        self._venue.market.follow(self._venue.clock)
        request_id: Any = None
        say_limits = True
        try:
            try:
                request = orjson.loads(text)
            except orjson.JSONDecodeError:
                raise ApiError(-1135, "Invalid JSON Request") from None
            if not isinstance(request, dict) or not isinstance(request.get("method"), str):
                raise ApiError(-1135, "Invalid JSON Request")
            request_id = request.get("id")
            params = Params.of_json(request.get("params"))
            say_limits = params.flag("returnRateLimits", default=True)
            result = await self._carry_out(request["method"], params)
        except (Dropped, ProxyFailed):
            self._connection.abort()
            return None
        except ApiError as error:
            body: Json = error.body
            if "Retry-After" in error.headers:
                now = self._venue.now_ms()
                until = now + int(error.headers["Retry-After"]) * 1_000
                body["data"] = {"serverTime": now, "retryAfter": until}
            answer: Json = {"id": request_id, "status": error.status, "error": body}
        else:
            answer = {"id": request_id, "status": 200, "result": result}
        if say_limits:
            answer["rateLimits"] = [self._weight_used()]
        return answer

    def _weight_used(self) -> Json:
        return {
            "rateLimitType": "REQUEST_WEIGHT",
            "interval": "MINUTE",
            "intervalNum": 1,
            "limit": WEIGHT_PER_MINUTE,
            "count": self._venue.limiter.used(self._address),
        }

    async def _carry_out(self, method: str, params: Params) -> Any:
        venue = self._venue
        if method in _PUBLIC:
            weight, public_handler = _PUBLIC[method]
            venue.limiter.charge(self._address, weight)
            answer = await public_handler(venue, params)
            params.finish()
            return answer
        if method in _SIGNED:
            weight, order, handler = _SIGNED[method]
            venue.limiter.charge(self._address, weight)
            account = self._authenticate(params)
            symbol = params.text("symbol") or ""
            return await strike(venue, order, symbol, lambda: handler(venue, account, params))
        venue.limiter.charge(self._address, 2)
        return self._session_method(method, params)

    def _session_method(self, method: str, params: Params) -> Any:
        if method == "session.logon":
            self._authenticate(params)
            raise ApiError(-4056, _HMAC_LOGON)
        if method in ("session.status", "session.logout"):
            return {
                "apiKey": None,
                "authorizedSince": None,
                "connectedSince": self._connected_ms,
                "returnRateLimits": True,
                "serverTime": self._venue.now_ms(),
                "userDataStream": bool(self._subscriptions),
            }
        if method == "session.subscriptions":
            return [{"subscriptionId": number} for number in self._subscriptions]
        if method == "userDataStream.subscribe.signature":
            self._authenticate(params)
            params.finish()
            return {"subscriptionId": self._subscribe()}
        if method == "userDataStream.subscribe":
            raise ApiError(-1002, "You are not authorized to execute this request.", 401)
        if method == "userDataStream.unsubscribe":
            return self._unsubscribe(params.integer("subscriptionId"))
        if method in _REMOVED:
            raise ApiError(-1020, "This operation is not supported.", 410)
        raise ApiError(-1020, "This operation is not supported.")

    def _authenticate(self, params: Params) -> Account:
        params.skip("signature", "recvWindow", "timestamp", "apiKey")
        api_key, signature = params.text("apiKey"), params.text("signature")
        for name, value in (
            ("apiKey", api_key),
            ("timestamp", params.text("timestamp")),
            ("signature", signature),
        ):
            if value is None:
                raise missing(name)
        venue = self._venue
        check_time(params, venue.now_ms())
        payload = params.signed_payload()
        return venue.keys.check(api_key, payload, signature or "", params, venue.now_ms())

    def _subscribe(self) -> int:
        number = self._next_subscription
        self._next_subscription += 1
        key = (self, number)
        self._subscriptions[number] = key
        connection = self._connection

        def send(event: Json) -> None:
            connection.send(orjson.dumps({"subscriptionId": number, "event": event}))

        self._user_stream.sinks[key] = send
        return number

    def _unsubscribe(self, number: int | None) -> Json:
        numbers = list(self._subscriptions) if number is None else [number]
        for one in numbers:
            key = self._subscriptions.pop(one, None)
            sink = self._user_stream.sinks.pop(key, None) if key else None
            if sink is None:
                raise ApiError(-1130, "Data sent for parameter 'subscriptionId' is not valid.")
            sink({"e": "eventStreamTerminated", "E": self._venue.clock.now_ns() // MS})
        return {}
