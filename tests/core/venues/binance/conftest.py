from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from core.engine.clock import SystemClock
from core.model.facts import VenueConnected, VenueEvent
from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import Side
from core.model.orders import Order, OrderIntent, OrderState, OrderType
from core.model.settings import VenueSettings
from core.venues.binance.venue import BinanceVenue

KEY, SECRET = "the-key", "the-secret"
BTC = Instrument(
    id=InstrumentId("BTC-USDT.binance"),
    venue=VenueName("binance"),
    venue_symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    price_tick=Decimal("0.01"),
    size_lot=Decimal("0.00001"),
)


class Server:
    """A venue that answers from a script: one route, a queue of answers."""

    def __init__(self) -> None:
        self.scripts: dict[str, list[Any]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.refuse_subscriptions: list[dict[str, Any]] = []
        self.skew_ms = 0
        self.sockets: list[web.WebSocketResponse] = []
        self.subscriptions: list[dict[str, Any]] = []
        self.cancels: dict[str, Any] = {}
        """What becomes of an ``order.cancel`` by client id: an error, or "drop"."""
        self._arrived = asyncio.Event()
        self.rest_url = ""
        self.ws_api_url = ""

    def answer(self, route: str, *answers: Any) -> None:
        """Queue answers of a route such as ``POST /order``: (status, body), or "reset"."""
        self.scripts.setdefault(route, []).extend(answers)

    def asked(self, route: str) -> list[dict[str, str]]:
        return [params for name, params in self.requests if name == route]

    async def until(self, route: str, count: int = 1) -> None:
        """Wait until a route was asked that often."""
        async with asyncio.timeout(10):
            while len(self.asked(route)) < count:
                self._arrived.clear()
                await self._arrived.wait()

    async def push(self, event: dict[str, Any]) -> None:
        await self.sockets[-1].send_json({"subscriptionId": 0, "event": event})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        route = f"{request.method} {request.path.removeprefix('/api/v3')}"
        self.requests.append((route, dict(request.query)))
        self._arrived.set()
        if route == "GET /time" and not self.scripts.get(route):
            now_ms = SystemClock().now_ns() // 1_000_000
            return web.json_response({"serverTime": now_ms + self.skew_ms})
        script = self.scripts.get(route)
        assert script, f"no answer for {route} {dict(request.query)}"
        answer = script.pop(0)
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            answer = script.pop(0)
        if answer == "reset":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        status, body, *headers = answer
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text, headers=headers[0] if headers else None)

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            asked = message.json()
            if asked["method"] == "order.cancel":
                if not await self._cancel(socket, asked):
                    break
                continue
            self.subscriptions.append(asked)
            if self.refuse_subscriptions:
                reply = {"id": asked["id"], "status": 400, "error": self.refuse_subscriptions.pop()}
            else:
                reply = {"id": asked["id"], "status": 200, "result": {"subscriptionId": 0}}
            await socket.send_json(reply)
        return socket

    async def _cancel(self, socket: web.WebSocketResponse, asked: dict[str, Any]) -> bool:
        name = asked["params"]["origClientOrderId"]
        self.requests.append(("order.cancel", asked["params"]))
        error = self.cancels.get(name)
        if error == "drop":
            return False
        result = {"origClientOrderId": name, "status": "CANCELED", "transactTime": 5}
        reply = {"status": 200, "result": result} if error is None else error
        await socket.send_json({"id": asked["id"], **reply})
        return True


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

    async def until(self, kind: type, count: int = 1) -> Any:
        async with asyncio.timeout(10):
            while len(self.of(kind)) < count:
                self._told.clear()
                await self._told.wait()
        return self.of(kind)[count - 1]

    def outcomes(self) -> list[str]:
        kinds = ("OrderAccepted", "OrderRejected", "OrderUnknown")
        return [type(e).__name__ for e in self.events if type(e).__name__ in kinds]


@pytest.fixture
async def server():
    server = Server()
    app = web.Application()
    app.router.add_get("/ws-api/v3", server.socket)
    app.router.add_route("*", "/api/v3/{tail:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    server.rest_url = f"http://127.0.0.1:{port}"
    server.ws_api_url = f"ws://127.0.0.1:{port}/ws-api/v3"
    yield server
    for open_socket in server.sockets:
        await open_socket.close()
    await runner.cleanup()


def make_venue(rest_url: str, ws_api_url: str, **settings: Any) -> BinanceVenue:
    return BinanceVenue(
        VenueName("binance"),
        VenueSettings(
            rest_url=rest_url,
            ws_api_url=ws_api_url,
            **{"api_key": KEY, "api_secret": SECRET} | settings,
        ),
        clock=SystemClock(),
        rng=random.Random(1),
        instruments=[BTC],
    )


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def make(server: Server) -> Callable[..., BinanceVenue]:
    def make(**settings: Any) -> BinanceVenue:
        hosts = {"rest_url": server.rest_url, "ws_api_url": server.ws_api_url}
        return make_venue(**hosts | settings)

    return make


@asynccontextmanager
async def running(venue: BinanceVenue, desk: Desk, *, connected: bool = True):
    task = asyncio.create_task(venue.run(desk))
    try:
        if connected:
            await desk.until(VenueConnected)
        else:
            await asyncio.sleep(0)  # one turn of the loop starts it
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def run():
    return running


@pytest.fixture
def intent() -> Callable[..., OrderIntent]:
    def intent(cid: str = "clxt-0000000001-00000001", **changes: Any) -> OrderIntent:
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
def order(intent) -> Callable[..., Order]:
    def order(cid: str = "clxt-0000000001-00000001", **changes: Any) -> Order:
        return Order(
            intent=intent(cid, **changes),
            venue=VenueName("binance"),
            state=OrderState.ACCEPTED,
            ts_submitted_ns=1,
            ts_updated_ns=1,
        )

    return order


@pytest.fixture
def unused_url():
    """The URL of a port that is taken but refuses connections."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
