"""A venue on loopback with a protocol of its own, spoken through the shared plumbing of feeds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from aiohttp import WSMsgType, web

from core.engine.clock import SystemClock
from core.feeds.decoder import FeedDecoder
from core.feeds.dialect import Answer, Dialect, Heartbeat, LineLimits, Poll
from core.model.errors import DataError, TemporaryError
from core.model.ids import InstrumentId, VenueName, instrument_id
from core.model.instruments import Instrument
from core.model.market import (
    Bar,
    BookDelta,
    BookSnapshot,
    ClockSample,
    MarketEvent,
    OpenInterest,
    Timeframe,
    Trade,
)
from core.model.ports import DEFAULT_TRAITS, BookTraits, FrameKind, Verdict
from core.wire.http import HttpSession

TOY = VenueName("toy")


class ToyVenue:
    """Numbers every message of a symbol, on all its sockets alike, as venues do."""

    def __init__(self) -> None:
        self.url = ""
        self.symbols = ["AAA", "BBB", "CCC"]
        self.sequence = dict.fromkeys(self.symbols, 0)
        self.sockets: dict[web.WebSocketResponse, set[str]] = {}
        self.heard: list[str] = []
        self.images = 0
        self.opened = 0
        self.failures: list[int] = []
        self.refusals = 0
        """Handshakes answered 503 from now on."""
        self.most_at_once = 0

    async def stream(self, request: web.Request) -> web.StreamResponse:
        if self.refusals:
            self.refusals -= 1
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.opened += 1
        self.sockets[socket] = set()
        self.most_at_once = max(self.most_at_once, len(self.sockets))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self.hear(socket, message.data)
        finally:
            self.sockets.pop(socket, None)
        return socket

    async def hear(self, socket: web.WebSocketResponse, text: str) -> None:
        self.heard.append(text)
        word, _, rest = text.partition(" ")
        names = rest.split(",") if rest else []
        if word == "login":
            await socket.send_str('{"welcome":true}')
        elif word == "join":
            self.sockets[socket].update(names)
            for name in names:
                await socket.send_str(json.dumps({"image": name, "n": self.sequence[name]}))
        elif word == "leave":
            self.sockets[socket].difference_update(names)

    async def speak(self, symbol: str, *, lose: bool = False) -> None:
        """Send a trade with a book change to everyone who joined."""
        self.sequence[symbol] += 1
        text = json.dumps({"trade": symbol, "n": self.sequence[symbol]})
        if not lose:
            for socket, names in list(self.sockets.items()):
                if symbol in names:
                    await socket.send_str(text)

    async def say(self, socket: web.WebSocketResponse, text: str) -> None:
        await socket.send_str(text)

    async def rest(self, request: web.Request) -> web.Response:
        if self.failures:
            status = self.failures.pop(0)
            return web.Response(status=status, text="<html>no</html>")
        match request.path:
            case "/list":
                return web.json_response(self.symbols)
            case "/image":
                self.images += 1
                name = request.query["symbol"]
                return web.json_response({"image": name, "n": self.sequence[name]})
            case "/time":
                return web.json_response({"now": 5_000_000_000})
            case _:
                return web.json_response({"interest": request.query["symbol"], "size": "12.5"})


class ToyRule:
    def splice(self, snapshot_id: int, delta: BookDelta) -> Verdict:
        return self.follow(snapshot_id, delta)

    def follow(self, last_id: int, delta: BookDelta) -> Verdict:
        if delta.last_id <= last_id:
            return Verdict.OLD
        return Verdict.APPLY if delta.first_id == last_id + 1 else Verdict.GAP

    def traits(self, instrument: Instrument) -> BookTraits:
        return DEFAULT_TRAITS


class ToyDecoder(FeedDecoder):
    def message(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        said = msgspec.json.decode(data)
        if not isinstance(said, dict):
            raise DataError("a message must be an object")
        if "image" in said:
            return self._image(said, ts_recv_ns, reset=True)
        if "trade" not in said:
            return ()
        known = self.of(said["trade"])
        import numpy as np

        n = said["n"]
        levels = np.array([[100, n]], np.int64)
        return (
            BookDelta(known.id, 0, ts_recv_ns, n, n, -1, levels, levels[:0]),
            Trade(known.id, n * 10**9, ts_recv_ns, 101, 1, False, n),
        )

    def _image(self, said: dict[str, Any], ts: int, *, reset: bool) -> Sequence[MarketEvent]:
        import numpy as np

        name, n = self.of(said["image"]).id, said["n"]
        bids, asks = np.array([[100, 1]], np.int64), np.array([[102, 1]], np.int64)
        return (BookSnapshot(name, 0, ts, n, bids, asks, reset=reset),)

    def answer(self, ts_recv_ns: int, url: str, data: bytes) -> Sequence[MarketEvent]:
        said = msgspec.json.decode(data)
        if "image" in said:
            return self._image(said, ts_recv_ns, reset=False)
        if "now" in said:
            asked_ns = int(url.rpartition("asked_ns=")[2])
            trip = ts_recv_ns - asked_ns
            return (ClockSample(venue=TOY, ts_recv_ns=ts_recv_ns, offset_ns=1, round_trip_ns=trip),)
        if "interest" in said:
            name = self.of(said["interest"]).id
            size = Decimal(said["size"])
            return (
                OpenInterest(instrument_id=name, ts_event_ns=0, ts_recv_ns=ts_recv_ns, size=size),
            )
        return ()

    def sent(self, conn: int, ts_recv_ns: int, data: bytes) -> Sequence[MarketEvent]:
        word, _, rest = data.decode().partition(" ")
        pairs = [(name, "book") for name in rest.split(",")]
        pairs += [] if word.startswith("book") else [(name, "trades") for name in rest.split(",")]
        if word == "join":
            return self.carry(conn, ts_recv_ns, pairs)
        return self.release(conn, ts_recv_ns, pairs) if word == "leave" else ()

    def label(
        self, kind: FrameKind, url: str, data: bytes, events: Sequence[MarketEvent]
    ) -> Sequence[str]:
        return (kind,)


class ToyDialect(Dialect):
    polls: Sequence[Poll] = (Poll("interest", 0.05),)
    waits_for_opening = True
    heartbeat = Heartbeat(0.02, "beat")

    def __init__(self, url: str, *, images_by_rest: bool = True, limits: LineLimits) -> None:
        self.venue = TOY
        self.decoder = ToyDecoder(TOY, ToyRule())
        self.limits = limits
        self.images_by_rest = images_by_rest
        self._url = url
        self._http = HttpSession(url, clock=SystemClock(), timeout_s=2.0)

    async def address(self, route: str) -> str:
        return self._url.replace("http", "ws") + "/stream?token=secret"

    def opening(self, route: str) -> Sequence[str]:
        return ("login secret-key",)

    def opened(self, frame: bytes) -> bool:
        return b"welcome" in frame

    def redacted(self, message: str) -> str:
        return "login ***" if message.startswith("login") else message

    def reply(self, frame: bytes) -> str | None:
        return "answer" if frame.startswith(b'{"question"') else None

    def retires(self, frame: bytes) -> bool:
        return frame.startswith(b'{"closing"')

    def subscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        return ("join " + ",".join(item.venue_symbol for item in instruments),)

    def unsubscribe(self, route: str, instruments: Sequence[Instrument]) -> Sequence[str]:
        return ("leave " + ",".join(item.venue_symbol for item in instruments),)

    def rejoin(self, route: str, instrument: Instrument) -> Sequence[str]:
        return (f"bookleave {instrument.venue_symbol}", f"join {instrument.venue_symbol}")

    async def _get(self, path: str, symbol: str = "") -> Answer:
        reply = await self._http.get(path, params=[("symbol", symbol)] if symbol else ())
        if reply.status >= 500:
            raise TemporaryError(f"{path}: {reply.status}")
        if reply.status != 200:
            raise DataError(f"{path}: {reply.status}")
        return Answer(reply.url, reply.body)

    async def listing(self) -> Sequence[Instrument]:
        names = msgspec.json.decode((await self._get("/list")).body, type=list[str])
        return [
            Instrument(
                id=instrument_id(f"{name}-USD", TOY), venue=TOY, venue_symbol=name, base=name,
                quote="USD", price_tick=Decimal("0.01"), size_lot=Decimal("0.1"),
            )
            for name in names
        ]  # fmt: skip

    async def image(self, instrument: Instrument) -> Answer | None:
        return await self._get("/image", instrument.venue_symbol)

    async def poll(self, name: str, instrument: Instrument) -> Answer | None:
        return await self._get(f"/{name}", instrument.venue_symbol)

    async def server_time(self) -> Answer | None:
        return await self._get("/time")

    async def history(
        self, instrument: Instrument, timeframe: Timeframe, start_ns: int, end_ns: int
    ) -> list[Bar]:
        return []

    async def close(self) -> None:
        await self._http.close()


@pytest.fixture
def toy_limits() -> LineLimits:
    return LineLimits(instruments=2, batch=2, pace_s=0.0, connections=2)


@pytest.fixture
def toy_dialect() -> type[ToyDialect]:
    return ToyDialect


@pytest.fixture
async def toy() -> AsyncIterator[ToyVenue]:
    venue = ToyVenue()
    async with _served(venue):
        yield venue


@asynccontextmanager
async def _served(venue: ToyVenue) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_get("/stream", venue.stream)
    app.router.add_get("/{name}", venue.rest)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    venue.url = f"http://127.0.0.1:{port}"
    try:
        yield
    finally:
        for socket in list(venue.sockets):
            await socket.close()
        await asyncio.wait_for(runner.cleanup(), 5)


@pytest.fixture
def names() -> list[InstrumentId]:
    return [InstrumentId(f"{name}-USD.toy") for name in ("AAA", "BBB", "CCC")]
