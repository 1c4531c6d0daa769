from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from core.engine.clock import SimClock, SystemClock
from core.feeds.alpaca.decoder import AlpacaDecoder
from core.feeds.alpaca.dialect import AlpacaDialect, make_dialect
from core.feeds.alpaca.symbols import parse_assets
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.market import MarketEvent
from core.model.settings import FeedSettings

ASSETS = [
    {"class": "us_equity", "exchange": "NASDAQ", "symbol": "AAPL", "status": "active",
     "tradable": True, "fractionable": True},
    {"class": "us_equity", "exchange": "ARCA", "symbol": "BTC", "status": "active",
     "tradable": True},
    {"class": "us_equity", "exchange": "NYSE", "symbol": "BRK.B", "status": "active",
     "tradable": False},
    {"class": "crypto", "exchange": "CRYPTO", "symbol": "BTC/USD", "status": "active",
     "tradable": True, "min_order_size": "0.000026", "min_trade_increment": "0.000000001",
     "price_increment": "0.01"},
    {"class": "us_option", "symbol": "AAPL240126P00050000", "status": "active"},
]  # fmt: skip


@pytest.fixture
def assets() -> bytes:
    return json.dumps(ASSETS).encode()


@pytest.fixture
def listed(assets: bytes) -> dict[str, Instrument]:
    return {item.venue_symbol: item for item, _ in parse_assets([assets], VenueName("alpaca"))}


@pytest.fixture
def decoder(listed: dict[str, Instrument]) -> AlpacaDecoder:
    return AlpacaDecoder(instruments=list(listed.values()))


@pytest.fixture
def decode(decoder: AlpacaDecoder) -> Callable[..., Sequence[MarketEvent]]:
    def run(*messages: object, conn: int = 0) -> Sequence[MarketEvent]:
        return [*decoder.decode("recv", conn, 5, "", json.dumps(list(messages)).encode())]

    return run


@pytest.fixture
def clock() -> SimClock:
    return SimClock(1_600_000_000_000_000_000)


class Exchange:
    """Alpaca's data and trading hosts on loopback: checks keys as they do, and can be told to fail.

    One connection a market is let in; another gets 406.
    """

    def __init__(self) -> None:
        self.url = ""
        self.key = ("PKTEST", "s3cr3t")
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.said: list[dict[str, Any]] = []
        """What clients sent over their sockets."""
        self.sockets: dict[str, web.WebSocketResponse] = {}
        self._transports: dict[str, asyncio.Transport] = {}
        self.failures: list[web.Response] = []
        """REST answers given before things work again."""

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/v2/assets", self._assets)
        app.router.add_get("/v2/clock", self._clock)
        app.router.add_get("/v2/stocks/bars", self._bars)
        app.router.add_get("/v2/iex", self._stream)
        app.router.add_get("/v1beta3/crypto/us", self._stream)
        return app

    def drop(self, market: str) -> None:
        del self.sockets[market]
        self._transports[market].abort()  # without a close frame, as networks do

    async def say(self, market: str, *messages: object) -> None:
        await self.sockets[market].send_str(json.dumps(list(messages)))

    def _refused(self, request: web.Request) -> web.Response | None:
        self.requests.append((request.path, dict(request.query)))
        if self.failures:
            return self.failures.pop(0)
        sent = request.headers.get("APCA-API-KEY-ID"), request.headers.get("APCA-API-SECRET-KEY")
        if sent != self.key:
            return web.json_response({"message": "forbidden."}, status=403)
        return None

    async def _assets(self, request: web.Request) -> web.Response:
        kind = request.query["asset_class"]
        rows = [asset for asset in ASSETS if asset["class"] == kind]
        return self._refused(request) or web.json_response(rows)

    async def _clock(self, request: web.Request) -> web.Response:
        return self._refused(request) or web.json_response(
            {"timestamp": "2022-04-28T14:07:45.485843765-04:00", "is_open": True,
             "next_open": "2022-04-29T09:30:00-04:00", "next_close": "2022-04-28T16:00:00-04:00"}
        )  # fmt: skip

    async def _bars(self, request: web.Request) -> web.Response:
        row = {"t": "2022-03-09T14:30:00Z", "o": 1, "h": 2, "l": 1, "c": 2, "v": 5, "n": 2}
        headers = {"X-RateLimit-Limit": "200", "X-RateLimit-Remaining": "120"}
        return self._refused(request) or web.json_response(
            {"bars": {"AAPL": [row]}, "next_page_token": None}, headers=headers
        )

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        market = "crypto" if "crypto" in request.path else "stocks"
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str('[{"T":"success","msg":"connected"}]')
        channels: dict[str, list[str]] = {}
        async for message in socket:
            asked = json.loads(message.data)
            self.said.append(dict(asked))
            if asked["action"] == "auth":
                if (asked["key"], asked["secret"]) != self.key:
                    await socket.send_str('[{"T":"error","code":402,"msg":"auth failed"}]')
                    break
                if market in self.sockets:
                    await socket.send_str(
                        '[{"T":"error","code":406,"msg":"connection limit exceeded"}]'
                    )
                    break
                self.sockets[market] = socket
                assert isinstance(request.transport, asyncio.Transport)
                self._transports[market] = request.transport
                await socket.send_str('[{"T":"success","msg":"authenticated"}]')
                continue
            action = asked.pop("action")
            for channel, symbols in asked.items():
                old = channels.get(channel, [])
                channels[channel] = (
                    [*old, *symbols] if action == "subscribe"
                    else [symbol for symbol in old if symbol not in symbols]
                )  # fmt: skip
            await socket.send_str(json.dumps([{"T": "subscription", **channels}]))
            if action == "subscribe" and asked.get("orderbooks"):
                await socket.send_str(json.dumps([WHOLE]))
        return socket


WHOLE = {
    "T": "o", "S": "BTC/USD", "t": "2024-03-12T10:38:50.79613221Z",
    "b": [{"p": 71859.53, "s": 0.27994}], "a": [{"p": 71939.7, "s": 0.83953}], "r": True,
}  # fmt: skip


@pytest.fixture
async def exchange(hosted: Callable[[web.Application], Awaitable[str]]) -> Exchange:
    here = Exchange()
    here.url = await hosted(here.app())
    return here


@pytest.fixture
async def dialect(exchange: Exchange) -> AsyncIterator[AlpacaDialect]:
    made = make_dialect(
        FeedSettings(
            rest_url=f"http://{exchange.url}", stream_url=f"ws://{exchange.url}",
            api_key=SecretStr("PKTEST"), api_secret=SecretStr("s3cr3t"),
        ),
        clock=SystemClock(),
    )  # fmt: skip
    yield made
    await made.close()
