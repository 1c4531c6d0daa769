"""REST calls: one table of endpoints a venue, and what every request goes through.

::

    request -> faults -> limiter -> handler -> the venue's envelope -> faults -> answer
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Literal, Protocol

import msgspec
import orjson
from aiohttp import web

from emulator.faults import REST_FAULTS, Faults

_PAGE: Final = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"
_BEFORE: Final = tuple(kind for kind in REST_FAULTS if kind not in ("truncated_json", "gzip_error"))
_HANG_S: Final = 60.0


class Refusal(Exception):
    """A request the venue refuses: status, JSON body and headers."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body
        self.headers = headers or {}


class Call:
    """One request as handlers see it."""

    def __init__(self, request: web.Request, body: bytes) -> None:
        self.request = request
        self.address = request.remote or "?"
        self.body = body
        self.params: dict[str, str] = dict(request.query)

    def path(self, name: str) -> str:
        """Return a part of the path."""
        return self.request.match_info[name]


Handler = Callable[[Call], Awaitable[Any]]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a venue's table."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    path: str
    handler: Handler
    cost: float | Callable[[Call], float] = 1.0


class RestVenue(Protocol):
    """What the front asks of a venue."""

    faults: Faults

    def now_ms(self) -> int:
        """Return the venue's time."""
        ...

    def catch_up(self) -> None:
        """Bring the market up to the clock."""
        ...

    def charge(self, call: Call, cost: float) -> None:
        """Count a request.

        Raises:
            Refusal: Too many.
        """
        ...

    def answer(self, result: Any) -> Any:
        """Put a handler's result into the venue's envelope."""
        ...

    def headers(self, call: Call) -> dict[str, str]:
        """Return what every answer's head says."""
        ...

    def limited(self, status: int) -> Refusal:
        """Return the refusal of an address that asks too often, without Retry-After."""
        ...

    def broken(self) -> Any:
        """Return the body of an answer that says 200 and holds an error."""
        ...


def routes(venue: RestVenue, prefix: str, table: Sequence[Route]) -> list[web.RouteDef]:
    """Return a venue's routes under a prefix."""
    return [
        web.route(row.method, prefix + row.path, _serve(venue, row), **_head(row)) for row in table
    ]


def _head(row: Route) -> dict[str, Any]:
    return {"allow_head": False} if row.method == "GET" else {}


def _serve(venue: RestVenue, row: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(request: web.Request) -> web.StreamResponse:
        venue.catch_up()
        call = Call(request, await request.read())
        struck = await strike(venue, request)
        if struck is not None:
            return struck
        try:
            cost = row.cost if isinstance(row.cost, (int, float)) else row.cost(call)
            venue.charge(call, cost)
            result = await row.handler(call)
            if isinstance(result, web.StreamResponse):
                return result
            body, status, extra = venue.answer(result), 200, {}
        except Refusal as refusal:
            body, status, extra = refusal.body, refusal.status, refusal.headers
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        response = spoiled(venue, request, raw, status)
        response.headers.update(venue.headers(call))
        response.headers.update(extra)
        return response

    return serve


async def strike(venue: RestVenue, request: web.Request) -> web.StreamResponse | None:
    """Let an armed fault answer a request in the venue's place; None when it does not."""
    if not venue.faults.armed:
        return None
    kinds = _BEFORE
    while fault := venue.faults.take(kinds, venue.now_ms(), path=request.path):
        match fault.kind:
            case "latency_ms":
                # One of many that are armed delays one request.
                kinds = tuple(kind for kind in kinds if kind != "latency_ms")
                await asyncio.sleep(_drawn(venue.faults, fault.value, fault.spread) / 1_000)
                venue.catch_up()
            case "timeout":
                await asyncio.sleep(fault.value or _HANG_S)
                if isinstance(request.transport, asyncio.Transport):
                    request.transport.abort()
                return web.Response(status=503)
            case "rate_limit_now" | "rate_limit_bare":
                status = int(fault.value) or 429
                refusal = venue.limited(status)
                headers = dict(refusal.headers)
                if fault.kind == "rate_limit_now":
                    headers["Retry-After"] = "120" if status == 418 else "1"
                return _json(refusal.body, refusal.status, headers)
            case "waf_403":
                return _html(403, "403 Forbidden")
            case "html_5xx":
                status = int(fault.value) or 503
                return _html(status, f"{status} Service Temporarily Unavailable")
            case "html_200":
                return _html(200, "Scheduled maintenance")
            case "error_in_200":
                return _json(venue.broken(), 200, {})
    return None


def spoiled(venue: RestVenue, request: web.Request, raw: bytes, status: int) -> web.Response:
    """Return an answer, cut or mislabelled when a fault says so."""
    encoding: dict[str, str] = {}
    if venue.faults.armed:
        fault = venue.faults.take(
            ("truncated_json", "gzip_error"), venue.now_ms(), path=request.path
        )
        if fault is not None and fault.kind == "truncated_json":
            raw = raw[: len(raw) // 2]
        elif fault is not None:
            encoding = {"Content-Encoding": "gzip"}
    return web.Response(body=raw, status=status, content_type="application/json", headers=encoding)


def _drawn(faults: Faults, value: float, spread: str) -> float:
    if spread == "uniform":
        return 2.0 * value * faults.chance()
    if spread == "pareto":
        # Median `value`; one in a hundred is 13 times that (tail index 1.5).
        return float(value * (0.5 / (1.0 - faults.chance())) ** (1 / 1.5))
    return value


def _json(body: Any, status: int, headers: dict[str, str]) -> web.Response:
    return web.Response(
        body=orjson.dumps(body), status=status, content_type="application/json", headers=headers
    )


def _html(status: int, title: str) -> web.Response:
    return web.Response(text=_PAGE.format(title), status=status, content_type="text/html")
