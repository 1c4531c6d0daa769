"""USD-M's WebSocket API: the signed endpoints of REST under names of their own.

::

    {"id": "1", "method": "order.place", "params": {"apiKey": "..", "timestamp": 1795..,
     "symbol": "BTCUSDT", .., "signature": ".."}}
    {"id": "1", "status": 200, "result": {..}, "rateLimits": [..]}
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import orjson

from emulator.binance.gate.auth import check_time
from emulator.binance.gate.errors import ApiError, missing
from emulator.binance.gate.params import Params
from emulator.binancefut import signed
from emulator.binancefut.instruments import WEIGHT_PER_MINUTE
from emulator.binancefut.venue import BinanceFutures
from emulator.wire.connection import Connection
from emulator.wire.striking import Dropped, ProxyFailed
from emulator.wire.venue import Dialogue, Json

_NAMES: Final = {
    "order.place": ("POST", "v1/order"),
    "order.modify": ("PUT", "v1/order"),
    "order.cancel": ("DELETE", "v1/order"),
    "order.status": ("GET", "v1/order"),
    "algoOrder.place": ("POST", "v1/algoOrder"),
    "algoOrder.cancel": ("DELETE", "v1/algoOrder"),
    "account.balance": ("GET", "v2/balance"),
    "v2/account.balance": ("GET", "v3/balance"),
    "account.position": ("GET", "v2/positionRisk"),
    "v2/account.position": ("GET", "v3/positionRisk"),
    "account.status": ("GET", "v2/account"),
    "v2/account.status": ("GET", "v3/account"),
}
_ROWS: Final = {
    name: next(row for row in signed.TABLE if (row.method, row.path) == place)
    for name, place in _NAMES.items()
}
_HMAC_LOGON: Final = "HMAC_SHA256 API key is not supported."


class WsApi(Dialogue):
    """One connection's requests."""

    def __init__(self, connection: Connection, venue: BinanceFutures, address: str) -> None:
        super().__init__(connection)
        self._venue = venue
        self._address = address
        self._tasks: set[asyncio.Task[None]] = set()

    def closed(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()

    def heard(self, text: str) -> None:
        """Carry out a request; its answer comes when it is there."""
        task = asyncio.get_running_loop().create_task(self._answer(text))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, text: str) -> None:
        answer: Json
        request_id: Any = None
        try:
            try:
                request = orjson.loads(text)
            except orjson.JSONDecodeError:
                raise ApiError(-1135, "Invalid JSON Request") from None
            if not isinstance(request, dict) or not isinstance(request.get("method"), str):
                raise ApiError(-1135, "Invalid JSON Request")
            request_id = request.get("id")
            params = Params.of_json(request.get("params"))
            result = await self._carry_out(request["method"], params)
            answer = {"id": request_id, "status": 200, "result": result}
        except (Dropped, ProxyFailed):
            self.connection.abort()
            return
        except ApiError as error:
            answer = {"id": request_id, "status": error.status, "error": error.body}
        used = self._venue.limiter.used(self._address)
        limit = {
            "rateLimitType": "REQUEST_WEIGHT",
            "interval": "MINUTE",
            "intervalNum": 1,
            "limit": WEIGHT_PER_MINUTE,
            "count": used,
        }
        self.connection.send(orjson.dumps({**answer, "rateLimits": [limit]}))

    async def _carry_out(self, method: str, params: Params) -> Any:
        venue = self._venue
        params.skip("returnRateLimits")
        if method == "ping":
            return {}
        if method == "time":
            return {"serverTime": venue.now_ms()}
        if method.startswith("userDataStream."):
            return self._user_stream(method, params)
        row = _ROWS.get(method)
        if row is None:
            if method == "session.logon":
                raise ApiError(-4056, _HMAC_LOGON)
            raise ApiError(-1020, "This operation is not supported.")
        weight = row.weight if isinstance(row.weight, (int, float)) else row.weight(params)
        venue.limiter.charge(self._address, int(weight))
        key, signature = params.text("apiKey"), params.text("signature")
        stamp = params.text("timestamp")
        params.skip("recvWindow")
        for name, value in (("apiKey", key), ("timestamp", stamp), ("signature", signature)):
            if value is None:
                raise missing(name)
        check_time(params, venue.now_ms())
        payload = params.signed_payload()
        account = venue.keys.check(key, payload, signature or "", params, venue.now_ms())
        return await signed.carry_out(venue, row, account, params)

    def _user_stream(self, method: str, params: Params) -> Any:
        """Open, renew or close the listen key, for who sends an API key."""
        venue = self._venue
        venue.keys.account(params.text("apiKey"))
        match method:
            case "userDataStream.start":
                return {"listenKey": venue.users.open()}
            case "userDataStream.ping":
                key = venue.users.renew()
                if key is None:
                    raise ApiError(-1125, "This listenKey does not exist.")
                return {"listenKey": key}
            case "userDataStream.stop":
                venue.users.close()
                return {}
        raise ApiError(-1020, "This operation is not supported.")
