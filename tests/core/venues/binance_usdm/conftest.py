from __future__ import annotations

import asyncio
import json
import random
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from core.engine.clock import SystemClock
from core.model.facts import VenueConnected, VenueEvent
from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Side
from core.model.orders import Order, OrderIntent, OrderState, OrderType
from core.model.settings import VenueSettings
from core.venues.binance_usdm.venue import BinanceUsdmVenue

CID = "clxt-0000000001-00000001"
BTC = Instrument(
    id=InstrumentId("BTC-USDT-PERP.binance_usdm"),
    venue=VenueName("binance_usdm"),
    venue_symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    kind=InstrumentKind.PERPETUAL,
    price_tick=Decimal("0.1"),
    size_lot=Decimal("0.001"),
    settle="USDT",
)


class Server:
    """A venue that answers from a script: one route, a queue of answers."""

    def __init__(self) -> None:
        self.scripts: dict[str, list[Any]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.keys = 0
        self.hedging = False
        self.url = ""
        self._news = asyncio.Event()

    def answer(self, route: str, *answers: Any) -> None:
        self.scripts.setdefault(route, []).extend(answers)

    def asked(self, route: str) -> list[dict[str, str]]:
        return [params for name, params in self.requests if name == route]

    async def until(self, route: str, count: int = 1) -> None:
        async with asyncio.timeout(10):
            while len(self.asked(route)) < count:
                self._news.clear()
                await self._news.wait()

    async def push(self, event: dict[str, Any]) -> None:
        await self.sockets[-1].send_json(event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        route = f"{request.method} {request.path.removeprefix('/fapi')}"
        self.requests.append((route, dict(request.query)))
        self._news.set()
        script = self.scripts.get(route)
        if not script:
            return self._usual(route, request)
        answer = script.pop(0)
        if answer == "reset":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        status, body, *headers = answer
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text, headers=headers[0] if headers else None)

    def _usual(self, route: str, request: web.Request) -> web.Response:
        if route == "GET /v1/time":
            return web.json_response({"serverTime": SystemClock().now_ns() // 1_000_000})
        if route == "POST /v1/listenKey":
            self.keys += 1
            return web.json_response({"listenKey": f"key{self.keys}"})
        if route == "GET /v1/positionSide/dual":
            return web.json_response({"dualSidePosition": self.hedging})
        if route == "POST /v1/countdownCancelAll":
            return web.json_response({"symbol": "BTCUSDT"})
        raise AssertionError(f"no answer for {route} {dict(request.query)}")

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.requests.append((f"WS {request.path}", {}))
        self.sockets.append(socket)
        self._news.set()
        async for _ in socket:
            pass
        return socket


class Desk:
    """Collects what a venue tells, and waits for it."""

    def __init__(self) -> None:
        self.events: list[VenueEvent] = []
        self._told = asyncio.Event()

    def __call__(self, event: VenueEvent) -> None:
        self.events.append(event)
        self._told.set()

    def of(self, *kinds: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kinds)]

    def names(self) -> list[str]:
        told = [type(event).__name__ for event in self.events]
        return [name for name in told if name.startswith(("Order", "Cancel", "Amend"))]

    async def until(self, kind: type, count: int = 1) -> Any:
        async with asyncio.timeout(10):
            while len(self.of(kind)) < count:
                self._told.clear()
                await self._told.wait()
        return self.of(kind)[count - 1]


@pytest.fixture
async def server():
    server = Server()
    app = web.Application()
    app.router.add_get("/ws/{key}", server.socket)
    app.router.add_route("*", "/fapi/{tail:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
    yield server
    for open_socket in server.sockets:
        await open_socket.close()
    await runner.cleanup()


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def make(server: Server):
    def make(**settings: Any) -> BinanceUsdmVenue:
        table: dict[str, Any] = {
            "rest_url": f"http://{server.url}",
            "ws_api_url": f"ws://{server.url}",
            "api_key": "the-key",
            "api_secret": "the-secret",
            "timeout_s": 2.0,
        }
        return BinanceUsdmVenue(
            VenueName("binance_usdm"),
            VenueSettings(**table | settings),
            clock=SystemClock(),
            rng=random.Random(1),
            instruments=[BTC],
        )

    return make


@asynccontextmanager
async def running(venue: BinanceUsdmVenue, desk: Desk, *, connected: bool = True):
    task = asyncio.create_task(venue.run(desk))
    try:
        if connected:
            await desk.until(VenueConnected)
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def run():
    return running


@pytest.fixture
def intent():
    def intent(cid: str = CID, **changes: Any) -> OrderIntent:
        fields: dict[str, Any] = {
            "client_order_id": ClientOrderId(cid),
            "instrument_id": BTC.id,
            "side": Side.BUY,
            "type": OrderType.LIMIT,
            "size": Decimal("0.0100"),
            "price": Decimal("50000.10"),
            "origin": "tui",
        }
        return OrderIntent(**fields | changes)

    return intent


@pytest.fixture
def order(intent):
    def order(cid: str = CID, **changes: Any) -> Order:
        own = {name: changes.pop(name) for name in ("triggered_ns", "venue_order_id")
               if name in changes}  # fmt: skip
        return Order(
            intent=intent(cid, **changes),
            venue=VenueName("binance_usdm"),
            state=OrderState.ACCEPTED,
            ts_submitted_ns=1,
            ts_updated_ns=1,
            **own,
        )

    return order
