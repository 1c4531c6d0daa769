"""The stream endpoints ``/ws``, ``/ws/<names>`` and ``/stream?streams=``, and their commands."""

from __future__ import annotations

import re
from typing import Any, Final

import orjson
from aiohttp import web

from emulator.binance.gate.errors import ApiError
from emulator.binance.gate.limits import Limiter
from emulator.binance.streams.connection import Connection
from emulator.binance.streams.hub import Hub
from emulator.clock import Clock

_MOST_STREAMS: Final = 1_024
_METHODS: Final = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_TEXT_ID: Final = re.compile(r"^[A-Za-z0-9_-]{1,36}$")


class _Invalid(Exception):
    def __init__(self, code: int, msg: str) -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg


class StreamEndpoint:
    """Serves market data connections."""

    def __init__(self, hub: Hub, clock: Clock, limiter: Limiter) -> None:
        self._hub = hub
        self._limiter = limiter
        self._clock = clock

    async def raw(self, request: web.Request) -> web.StreamResponse:
        """Serve ``/ws`` and ``/ws/<name>[/<name>...]``: plain messages."""
        names = request.match_info.get("names", "").split("/")
        return await self._serve(request, names, combined=False)

    async def combined(self, request: web.Request) -> web.StreamResponse:
        """Serve ``/stream?streams=<name>[/<name>...]``: wrapped messages."""
        names = request.query.get("streams", "").split("/")
        return await self._serve(request, names, combined=True)

    async def _serve(
        self, request: web.Request, names: list[str], *, combined: bool
    ) -> web.StreamResponse:
        try:
            self._limiter.count_connection(request.remote or "?")
        except ApiError as error:
            return web.json_response(error.body(), status=error.status, headers=error.headers)
        connection = Connection(self._clock)
        connection.combined = combined
        ws = await connection.open(request)
        self._hub.connections.add(connection)
        for name in filter(None, names):
            self._hub.subscribe(connection, name)
        try:
            while (text := await connection.receive()) is not None:
                connection.send(orjson.dumps(self._answer(connection, text)))
        finally:
            self._hub.leave(connection)
            await connection.shut()
        return ws

    def _answer(self, connection: Connection, text: str) -> dict[str, Any]:
        """Carry out ``{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}`` and the like."""
        try:
            request = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            return {"code": 3, "msg": f"Invalid JSON: expected value at line 1 column {error.pos}"}
        request_id: int | str | None = None
        try:
            request_id = _checked_id(request)
            return {"result": self._carry_out(connection, request), "id": request_id}
        except _Invalid as invalid:
            answer: dict[str, Any] = {"code": invalid.code, "msg": invalid.msg}
            if request_id is not None:
                answer["id"] = request_id
            return {"error": answer, "id": request_id} if invalid.code == 0 else answer

    def _carry_out(self, connection: Connection, request: dict[str, Any]) -> Any:
        method = request.get("method")
        if method is None:
            raise _Invalid(2, "Invalid request: missing field `method` at line 1 column 1")
        if method not in _METHODS:
            expected = ", ".join(f"`{name}`" for name in _METHODS)
            raise _Invalid(
                2, f"Invalid request: unknown variant `{method}`, expected one of {expected}"
            )
        if method == "LIST_SUBSCRIPTIONS":
            return list(connection.streams)
        params = request.get("params")
        if not isinstance(params, list) or not params:
            raise _Invalid(2, "Invalid request: missing field `params`")
        if method in ("SUBSCRIBE", "UNSUBSCRIBE"):
            return self._change(connection, params, add=method == "SUBSCRIBE")
        return self._property(connection, params, change=method == "SET_PROPERTY")

    def _change(self, connection: Connection, names: list[Any], *, add: bool) -> None:
        if not all(isinstance(name, str) for name in names):
            raise _Invalid(2, "Invalid request: stream name must be a string")
        if add and len({*connection.streams, *names}) > _MOST_STREAMS:
            raise _Invalid(2, f"Invalid request: too many streams, at most {_MOST_STREAMS}")
        for name in names:
            if add:
                self._hub.subscribe(connection, name)
            else:
                self._hub.unsubscribe(connection, name)

    def _property(self, connection: Connection, params: list[Any], *, change: bool) -> bool | None:
        if not isinstance(params[0], str):
            raise _Invalid(2, "Invalid request: property name must be a string")
        if len(params) > (2 if change else 1):
            raise _Invalid(2, "Invalid request: too many parameters")
        if params[0] != "combined":
            raise _Invalid(0, "Unknown property")
        if not change:
            return connection.combined
        if len(params) < 2 or not isinstance(params[1], bool):
            raise _Invalid(1, "Invalid value type: expected Boolean")
        connection.combined = params[1]
        return None


def _checked_id(request: Any) -> int | str | None:
    if not isinstance(request, dict):
        raise _Invalid(2, "Invalid request: expected an object")
    request_id = request.get("id")
    if isinstance(request_id, bool) or not isinstance(request_id, (int, str, type(None))):
        raise _Invalid(2, "Invalid request: request ID must be an unsigned integer")
    if isinstance(request_id, str) and not _TEXT_ID.match(request_id):
        raise _Invalid(2, "Invalid request: request ID must be an unsigned integer")
    return request_id
