from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import msgspec
import pytest
from aiohttp import web
from pydantic import SecretStr

from core.engine.clock import SimClock, SystemClock
from core.feeds.massive.decoder import MassiveDecoder
from core.feeds.massive.dialect import MassiveDialect, make_dialect
from core.feeds.massive.symbols import parse_tickers
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.market import MarketEvent
from core.model.settings import FeedSettings

TICKERS: list[dict[str, Any]] = [
    {"ticker": "AAPL", "market": "stocks", "active": True, "currency_name": "usd"},
    {"ticker": "BTC", "market": "stocks", "active": True, "currency_name": "usd"},
    {"ticker": "MSFT", "market": "stocks", "active": False, "currency_name": "usd"},
    {"ticker": "X:BTCUSD", "market": "crypto", "active": True, "currency_symbol": "USD",
     "base_currency_symbol": "BTC"},
    {"ticker": "I:SPX", "market": "indices", "active": True},
]  # fmt: skip


@pytest.fixture
def listed() -> dict[str, Instrument]:
    raws = [msgspec.Raw(json.dumps(item).encode()) for item in TICKERS]
    return {item.venue_symbol: item for item, _ in parse_tickers(raws, VenueName("massive"))}


@pytest.fixture
def decoder(listed: dict[str, Instrument]) -> MassiveDecoder:
    return MassiveDecoder(instruments=list(listed.values()), books=True)


@pytest.fixture
def decode(decoder: MassiveDecoder) -> Callable[..., Sequence[MarketEvent]]:
    def run(*messages: object, conn: int = 0) -> Sequence[MarketEvent]:
        return [*decoder.decode("recv", conn, 5, "", json.dumps(list(messages)).encode())]

    return run


@pytest.fixture
def clock() -> SimClock:
    return SimClock(1_700_000_000_000_000_000)


class Provider:
    """Massive's REST host and clusters on loopback; a second connection ends the first."""

    def __init__(self) -> None:
        self.url = ""
        self.key = "k3y"
        self.failures: list[web.Response] = []
        self.requests: list[str] = []
        self.said: list[dict[str, str]] = []
        self.sockets: dict[str, web.WebSocketResponse] = {}
        self._transports: dict[str, asyncio.Transport] = {}

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/v3/reference/tickers", self._tickers)
        app.router.add_get("/v1/marketstatus/now", self._now)
        app.router.add_get("/v2/aggs/{rest:.*}", self._aggregates)
        app.router.add_get("/stocks", self._stream)
        app.router.add_get("/crypto", self._stream)
        return app

    def drop(self, cluster: str) -> None:
        self._transports[cluster].abort()

    async def say(self, cluster: str, *messages: object) -> None:
        await self.sockets[cluster].send_str(json.dumps(list(messages)))

    def _refused(self, request: web.Request) -> web.Response | None:
        self.requests.append(request.path_qs)
        if self.failures:
            return self.failures.pop(0)
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return web.json_response({"status": "ERROR", "error": "Unknown API Key"}, status=401)
        return None

    async def _tickers(self, request: web.Request) -> web.Response:
        refused = self._refused(request)
        if refused is not None:
            return refused
        cursor = request.query.get("cursor", "")
        market, _, start = cursor.partition("-") if cursor else (request.query["market"], "", "0")
        rows = [item for item in TICKERS if item["market"] == market]
        at = int(start)
        page: dict[str, Any] = {"results": rows[at : at + 2], "status": "OK"}
        if at + 2 < len(rows):
            link = f"https://elsewhere.example/v3/reference/tickers?cursor={market}-{at + 2}"
            page["next_url"] = link
        return web.json_response(page)

    async def _now(self, request: web.Request) -> web.Response:
        return self._refused(request) or web.json_response(
            {"market": "open", "serverTime": "2020-11-10T17:37:37-05:00"}
        )

    async def _aggregates(self, request: web.Request) -> web.Response:
        row = {"o": 1.5, "h": 2, "l": 1, "c": 1.75, "v": 10, "n": 3, "t": 1_646_784_000_000}
        return self._refused(request) or web.json_response(
            {"ticker": "AAPL", "results": [row], "status": "DELAYED"}
        )

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        cluster = request.path.strip("/")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(
            '[{"ev":"status","status":"connected","message":"Connected Successfully"}]'
        )
        async for message in socket:
            asked = json.loads(message.data)
            self.said.append(asked)
            if asked["action"] != "auth":
                await socket.send_str(
                    json.dumps(
                        [{"ev": "status", "status": "success", "message": f"subscribed to: {name}"}
                         for name in asked["params"].split(",")]
                    )
                )  # fmt: skip
                continue
            if asked["params"] != self.key:
                await socket.send_str('[{"ev":"status","status":"auth_failed","message":"no"}]')
                break
            self.sockets[cluster] = socket
            assert isinstance(request.transport, asyncio.Transport)
            self._transports[cluster] = request.transport
            await socket.send_str(
                '[{"ev":"status","status":"auth_success","message":"authenticated"}]'
            )
        return socket


@pytest.fixture
async def provider(hosted: Callable[[web.Application], Awaitable[str]]) -> Provider:
    here = Provider()
    here.url = await hosted(here.app())
    return here


@pytest.fixture
async def dialect(provider: Provider) -> AsyncIterator[MassiveDialect]:
    made = make_dialect(
        FeedSettings(
            rest_url=f"http://{provider.url}", stream_url=f"ws://{provider.url}",
            api_key=SecretStr("k3y"), plan="level2",
        ),
        clock=SystemClock(),
    )  # fmt: skip
    yield made
    await made.close()
