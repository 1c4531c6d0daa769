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

from emulator.binance import order_lists, public, trading
from emulator.binance.gate.auth import check_time
from emulator.binance.gate.errors import ApiError, missing
from emulator.binance.gate.limits import WEIGHT_PER_MINUTE
from emulator.binance.gate.params import Params
from emulator.binance.striking import PrivateHandler, What, carry_out
from emulator.binance.user_stream import UserStream
from emulator.binance.venue import Venue
from emulator.binance.wire import Json
from emulator.clock import MS
from emulator.market.accounts import Account
from emulator.wire.connection import Connection, Habits
from emulator.wire.striking import Dropped, ProxyFailed

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
_SIGNED: Final[dict[str, tuple[int, What, PrivateHandler]]] = {
    "order.place": (1, "place", trading.place),
    "order.test": (1, "", trading.place_test),
    "order.cancel": (1, "cancel", trading.cancel),
    "order.cancelReplace": (1, "place", order_lists.cancel_replace),
    "order.amend.keepPriority": (4, "cancel", trading.amend),
    "order.amendments": (4, "", trading.amendments),
    "order.status": (4, "query", trading.query),
    "openOrders.status": (6, "", trading.open_orders),
    "openOrders.cancelAll": (1, "cancel", trading.cancel_all),
    "allOrders": (20, "", trading.all_orders),
    "orderList.place": (1, "place", order_lists.place_old_oco),
    "orderList.place.oco": (1, "place", order_lists.place_oco),
    "orderList.place.oto": (1, "place", order_lists.place_oto),
    "orderList.place.otoco": (1, "place", order_lists.place_otoco),
    "orderList.cancel": (1, "cancel", order_lists.cancel),
    "orderList.status": (4, "query", order_lists.query),
    "openOrderLists.status": (6, "", order_lists.query_open),
    "allOrderLists": (20, "", order_lists.query_all),
    "myTrades": (20, "", trading.my_trades),
    "account.status": (20, "", trading.account_info),
    "account.commission": (20, "", trading.commission),
    "account.rateLimits.orders": (40, "", trading.order_counts),
}
_HABITS: Final = Habits(ping_every_s=20.0)
_HMAC_LOGON: Final = "HMAC_SHA256 API key is not supported."
_REMOVED: Final = ("userDataStream.start", "userDataStream.ping", "userDataStream.stop")


class WsApiEndpoint:
    """Serves ``/ws-api/v3``."""

    def __init__(self, venue: Venue, user_streams: dict[int, UserStream]) -> None:
        self._venue = venue
        self._user_streams = user_streams
        self._sessions: set[_Session] = set()
        self.connections: set[Connection] = set()

    def expire_sessions(self) -> None:
        """End every login and every user stream; the connections stay."""
        for session in tuple(self._sessions):
            session.expire()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection."""
        connection = Connection(self._venue.clock, _HABITS)
        ws = await connection.open(request)
        session = _Session(self._venue, self._user_streams, connection, request.remote or "?")
        self.connections.add(connection)
        self._sessions.add(session)
        try:
            while (text := await connection.receive()) is not None:
                answer = await session.answer(text)
                if answer is None:
                    break
                connection.send(orjson.dumps(answer))
        finally:
            self.connections.discard(connection)
            self._sessions.discard(session)
            session.end()
            await connection.shut()
        return ws


class _Session:
    """What one connection asked for and subscribed to."""

    def __init__(
        self,
        venue: Venue,
        user_streams: dict[int, UserStream],
        connection: Connection,
        address: str,
    ) -> None:
        self._venue = venue
        self._user_streams = user_streams
        self._connection = connection
        self._address = address
        self._connected_ms = venue.now_ms()
        self._subscriptions: dict[int, UserStream] = {}
        self._next_subscription = 0
        self._login: tuple[str, Account, int] | None = None
        """Key, account and time of a logon."""

    def end(self) -> None:
        """Forget the subscriptions."""
        for number, stream in self._subscriptions.items():
            stream.sinks.pop((self, number), None)
        self._subscriptions.clear()

    def expire(self) -> None:
        """End login and subscriptions as the venue does, with a word about each."""
        self._login = None
        self._unsubscribe(None)

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
            return await carry_out(venue, account, params, order, handler)
        venue.limiter.charge(self._address, 2)
        return self._session_method(method, params)

    def _session_method(self, method: str, params: Params) -> Any:
        if method == "session.logon":
            account = self._authenticate(params)
            key = params.text("apiKey") or ""
            if not self._venue.keys.may_log_on(key):
                raise ApiError(-4056, _HMAC_LOGON)
            self._login = (key, account, self._venue.now_ms())
            return self._status()
        if method == "session.logout":
            self._login = None
        if method in ("session.status", "session.logout"):
            return self._status()
        if method == "session.subscriptions":
            return [{"subscriptionId": number} for number in self._subscriptions]
        if method == "userDataStream.subscribe.signature":
            account = self._authenticate(params)
            params.finish()
            return {"subscriptionId": self._subscribe(account)}
        if method == "userDataStream.subscribe":
            if self._login is None:
                raise ApiError(-1002, "You are not authorized to execute this request.", 401)
            return {"subscriptionId": self._subscribe(self._login[1])}
        if method == "userDataStream.unsubscribe":
            return self._unsubscribe(params.integer("subscriptionId"))
        if method in _REMOVED:
            raise ApiError(-1020, "This operation is not supported.", 410)
        raise ApiError(-1020, "This operation is not supported.")

    def _status(self) -> Json:
        key, _, since = self._login or (None, None, None)
        return {
            "apiKey": key,
            "authorizedSince": since,
            "connectedSince": self._connected_ms,
            "returnRateLimits": True,
            "serverTime": self._venue.now_ms(),
            "userDataStream": bool(self._subscriptions),
        }

    def _authenticate(self, params: Params) -> Account:
        params.skip("signature", "recvWindow", "timestamp", "apiKey")
        if self._login is not None and not (params.peek("apiKey") or params.peek("signature")):
            check_time(params, self._venue.now_ms())
            return self._login[1]
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

    def _subscribe(self, account: Account) -> int:
        number = self._next_subscription
        self._next_subscription += 1
        connection = self._connection

        def send(event: Json) -> None:
            connection.send(orjson.dumps({"subscriptionId": number, "event": event}))

        stream = self._subscriptions[number] = self._user_streams[account.owner]
        stream.sinks[(self, number)] = send
        return number

    def _unsubscribe(self, number: int | None) -> Json:
        numbers = list(self._subscriptions) if number is None else [number]
        for one in numbers:
            stream = self._subscriptions.pop(one, None)
            sink = stream.sinks.pop((self, one), None) if stream else None
            if sink is None:
                raise ApiError(-1130, "Data sent for parameter 'subscriptionId' is not valid.")
            sink({"e": "eventStreamTerminated", "E": self._venue.clock.now_ns() // MS})
        return {}
