"""The stream endpoints ``/ws``, ``/ws/<names>`` and ``/stream?streams=``, and their commands."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import orjson
from aiohttp import web

from emulator.binance.gate.errors import ApiError
from emulator.binance.gate.limits import Limiter
from emulator.wire.connection import Connection
from emulator.wire.topics import Topics
from emulator.wire.venue import Dialogue, Venue, converse

_MOST_STREAMS: Final = 1_024
_METHODS: Final = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_SILENT: Final = "\0"
"""Before the topic of a stream that its connection's path does not serve."""
_TEXT_ID: Final = re.compile(r"^[A-Za-z0-9_-]{1,36}$")


class _Invalid(Exception):
    def __init__(self, code: int, msg: str) -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg


Root = Callable[[str], bool]
"""Whether a path serves a stream; one it does not serve is accepted and stays silent."""


class StreamEndpoint:
    """Serves market data connections."""

    def __init__(self, venue: Venue, limiter: Limiter, serves: Root | None = None) -> None:
        self._venue = venue
        self._limiter = limiter
        self._serves = serves

    async def raw(self, request: web.Request) -> web.StreamResponse:
        """Serve ``/ws`` and ``/ws/<name>[/<name>...]``: plain messages.

        A user's stream is named by ``?listenKey=`` too, where the venue has listen keys.
        """
        names = request.match_info.get("names", "").split("/")
        names.append(request.query.get("listenKey", ""))
        return await self._serve(request, names, combined=False)

    async def combined(self, request: web.Request) -> web.StreamResponse:
        """Serve ``/stream?streams=<name>[/<name>...]``: wrapped messages."""
        names = request.query.get("streams", "").split("/")
        names.append(request.query.get("listenKey", ""))
        return await self._serve(request, names, combined=True)

    async def _serve(
        self, request: web.Request, names: list[str], *, combined: bool
    ) -> web.StreamResponse:
        try:
            self._limiter.count_connection(request.remote or "?")
        except ApiError as error:
            return web.json_response(error.body, status=error.status, headers=error.headers)
        return await converse(
            self._venue, request, _Commands, self._venue, self._serves, names, combined
        )


class _Commands(Dialogue):
    """One connection's subscriptions and commands."""

    def __init__(
        self,
        connection: Connection,
        venue: Venue,
        serves: Root | None,
        names: list[str],
        combined: bool,
    ) -> None:
        super().__init__(connection)
        self._venue = venue
        self._topics: Topics = venue.topics
        self._serves = serves
        self._first = [name for name in names if name]
        connection.combined = combined
        connection.dress = self._dress

    def opened(self) -> None:
        """Subscribe to what the path names."""
        for name in self._first:
            self._topics.subscribe(self.connection, self._topic(name))

    def heard(self, text: str) -> None:
        """Carry out a command and answer it."""
        answer = self._answer(self.connection, text)
        if answer is not None:
            self.connection.send(orjson.dumps(answer))

    def _dress(self, name: str, raw: bytes) -> bytes:
        if not self.connection.combined:
            return raw
        return b'{"stream":"%s","data":%s}' % (name.encode(), raw)

    def _topic(self, name: str) -> str:
        """Return the topic of a stream; a silent one where this path does not serve it."""
        return name if self._serves is None or self._serves(name) else f"{_SILENT}{name}"

    def _answer(self, connection: Connection, text: str) -> dict[str, Any] | None:
        """Carry out ``{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}`` and the like."""
        try:
            request = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            return {"code": 3, "msg": f"Invalid JSON: expected value at line 1 column {error.pos}"}
        request_id: int | str | None = None
        try:
            request_id = _checked_id(request)
            if request.get("method") == "SUBSCRIBE" and self._venue.struck("no_ack"):
                return None
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
            return [name.removeprefix(_SILENT) for name in connection.streams]
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
        if add and self._venue.struck("partial_ack"):
            names = names[:1]
        for name in map(self._topic, names):
            if add:
                self._topics.subscribe(connection, name)
            else:
                self._topics.unsubscribe(connection, name)

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
