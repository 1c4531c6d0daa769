from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from core.engine.clock import SimClock, SystemClock
from core.feeds.twelvedata.decoder import TwelveDataDecoder
from core.feeds.twelvedata.dialect import TwelveDataDialect, make_dialect
from core.feeds.twelvedata.symbols import parse_listings
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.settings import FeedSettings

LISTS: dict[str, list[dict[str, Any]]] = {
    "/stocks": [
        {"symbol": "AAPL", "currency": "USD", "exchange": "NASDAQ", "country": "United States"},
        {"symbol": "AAPL", "currency": "USD", "exchange": "OTHER"},
    ],
    "/etfs": [{"symbol": "BTC", "currency": "USD", "exchange": "NYSE"}],
    "/cryptocurrencies": [{"symbol": "BTC/USD", "currency_base": "Bitcoin"}],
    "/forex_pairs": [{"symbol": "EUR/USD", "currency_group": "Major"}],
}


def body_of(path: str) -> bytes:
    return json.dumps({"data": LISTS[path], "status": "ok"}).encode()


@pytest.fixture
def listed() -> dict[str, Instrument]:
    found = parse_listings({path: body_of(path) for path in LISTS}, VenueName("twelvedata"))
    return {item.venue_symbol: item for _, item, _ in found}


@pytest.fixture
def decoder(listed: dict[str, Instrument]) -> TwelveDataDecoder:
    return TwelveDataDecoder(instruments=list(listed.values()))


@pytest.fixture
def clock() -> SimClock:
    return SimClock(1_700_000_000_000_000_000)


class Provider:
    """Twelve Data on loopback: refusals stand in bodies of status 200, as theirs do."""

    def __init__(self) -> None:
        self.url = ""
        self.key = "k3y"
        self.answers: list[web.Response] = []
        """Given before things work again."""
        self.credits = (1, 7)
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.said: list[dict[str, Any]] = []
        self.sockets: list[web.WebSocketResponse] = []
        self._transports: list[asyncio.Transport] = []

    def app(self) -> web.Application:
        app = web.Application()
        for path in (*LISTS, "/time_series"):
            app.router.add_get(path, self._rest)
        app.router.add_get("/v1/quotes/price", self._stream)
        return app

    def drop(self) -> None:
        self._transports[-1].abort()

    async def say(self, message: object) -> None:
        await self.sockets[-1].send_str(json.dumps(message))

    async def _rest(self, request: web.Request) -> web.Response:
        self.requests.append((request.path, dict(request.query)))
        if self.answers:
            return self.answers.pop(0)
        if request.headers.get("Authorization") != f"apikey {self.key}":
            return web.json_response(
                {"code": 401, "message": "apikey is incorrect", "status": "error"}
            )
        used, left = self.credits
        headers = {"api-credits-used": str(used), "api-credits-left": str(left)}
        if request.path in LISTS:
            return web.Response(body=body_of(request.path), headers=headers)
        row = {"datetime": "2022-03-09 14:30:00", "open": "1.5", "high": "2", "low": "1",
               "close": "1.75", "volume": "10"}  # fmt: skip
        return web.json_response({"values": [row], "status": "ok"}, headers=headers)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("apikey") != self.key:
            return web.Response(status=401)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        assert isinstance(request.transport, asyncio.Transport)
        self._transports.append(request.transport)
        async for message in socket:
            asked = json.loads(message.data)
            self.said.append(asked)
            if asked["action"] == "heartbeat":
                await socket.send_str('{"event":"heartbeat","status":"ok"}')
                continue
            names = asked["params"]["symbols"].split(",")
            known = [{"symbol": name} for name in names if name != "EUR/USD"]
            fails = [{"symbol": name} for name in names if name == "EUR/USD"]
            await socket.send_str(
                json.dumps(
                    {"event": f"{asked['action']}-status", "status": "ok", "success": known,
                     "fails": fails or None}
                )
            )  # fmt: skip
        return socket


@pytest.fixture
async def provider(hosted: Callable[[web.Application], Awaitable[str]]) -> Provider:
    here = Provider()
    here.url = await hosted(here.app())
    return here


@pytest.fixture
async def dialect(provider: Provider) -> AsyncIterator[TwelveDataDialect]:
    made = make_dialect(
        FeedSettings(
            rest_url=f"http://{provider.url}", stream_url=f"ws://{provider.url}",
            api_key=SecretStr("k3y"), requests_per_minute=600,
        ),
        clock=SystemClock(),
    )  # fmt: skip
    yield made
    await made.close()
