"""The feed over real sockets, against a small venue whose book is made apart from all of ours."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from core.engine.clock import SystemClock
from core.engine.gate import CHECKSUM
from core.feeds.kraken.dialect import make_dialect
from core.model.ids import InstrumentId
from core.model.market import ClockSample, FrameRejected, Quote
from core.model.settings import FeedSettings

BTC = InstrumentId("BTC-USD.kraken")
PAIR = {"altname": "XBTUSD", "wsname": "XBT/USD", "pair_decimals": 1, "lot_decimals": 8}


class Venue:
    """Speaks websocket v2: status, acknowledgements, images, changes, trades."""

    def __init__(self, wire: Any) -> None:
        self.wire = wire
        self.sockets: dict[web.WebSocketResponse, set[str]] = {}
        self.joins: list[str] = []
        self.trade_id = 100

    async def rest(self, request: web.Request) -> web.Response:
        result: Any = {"XXBTZUSD": PAIR}
        if request.path.endswith("Time"):
            result = {"unixtime": 1_700_000_000, "rfc1123": "x"}
        return web.json_response({"error": [], "result": result})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets[socket] = set()
        status = {"system": "online", "version": "2.0.10"}
        await socket.send_json({"channel": "status", "type": "update", "data": [status]})
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self.hear(socket, json.loads(message.data))
        finally:
            self.sockets.pop(socket, None)
        return socket

    async def hear(self, socket: web.WebSocketResponse, said: Any) -> None:
        method, params = said["method"], said.get("params", {})
        if method == "ping":
            await socket.send_json({"method": "pong"})
            return
        channel = params["channel"]
        result = {"channel": channel, "symbol": params["symbol"][0]}
        await socket.send_json({"method": method, "success": True, "result": result})
        if method == "unsubscribe":
            self.sockets[socket].discard(channel)
            return
        self.sockets[socket].add(channel)
        self.joins.append(channel)
        if channel == "book":
            assert params["depth"] == self.wire.depth
            await socket.send_bytes(self.wire.image())
        elif channel == "trade" and params.get("snapshot"):
            await socket.send_json(
                self.trades("snapshot", range(self.trade_id - 49, self.trade_id + 1))
            )
        elif channel == "ticker":
            await socket.send_str(
                '{"channel":"ticker","type":"snapshot","data":[{"symbol":"BTC/USD","bid":50000.0,'
                '"bid_qty":1.00000000,"ask":50000.1,"ask_qty":2.00000000,"last":50000.0}]}'
            )

    @staticmethod
    def trades(kind: str, ids: Any) -> dict[str, Any]:
        rows = [
            {"symbol": "BTC/USD", "side": "buy", "price": 50000.1, "qty": 0.5, "trade_id": one,
             "timestamp": "2026-10-06T17:35:55.440295Z"}
            for one in ids
        ]  # fmt: skip
        return {"channel": "trade", "type": kind, "data": rows}

    async def tell(self, channel: str, frame: bytes) -> None:
        for socket, channels in list(self.sockets.items()):
            if channel in channels:
                await socket.send_bytes(frame)

    async def change(self, count: int = 1) -> None:
        for _ in range(count):
            await self.tell("book", self.wire.change())

    async def trade(self) -> None:
        self.trade_id += 1
        await self.tell("trade", json.dumps(self.trades("update", [self.trade_id])).encode())


@pytest.fixture
def venue(wire_of: Any) -> Venue:
    return Venue(wire_of(11, 10))


@pytest.fixture
async def desk(venue: Venue, serve: Any, desk_of: Any) -> Any:
    url = await serve(
        {
            "/0/public/AssetPairs": venue.rest,
            "/0/public/Time": venue.rest,
            "/v2": venue.stream,
        }
    )
    settings = FeedSettings(
        rest_url=url, stream_url=url.replace("http", "ws"), snapshot_levels=10,
        requests_per_minute=6000,
    )  # fmt: skip
    made = await desk_of(make_dialect(settings, clock=SystemClock()))
    made.feed.subscribe([BTC])
    await made.until(lambda: made.live(BTC))
    return made


def same(desk: Any, venue: Venue) -> bool:
    wanted = tuple(
        [(Decimal(price), Decimal(size)) for price, size in venue.wire.seen(side)]
        for side in ("bids", "asks")
    )
    return bool(desk.book(BTC) == wanted)


async def test_book_follows_the_venue_and_meets_every_checksum(desk: Any, venue: Venue) -> None:
    await venue.change(300)
    await desk.until(lambda: same(desk, venue))
    await desk.until(lambda: bool(desk.of(Quote)) and bool(desk.of(ClockSample)))
    assert not desk.lost
    assert not desk.of(FrameRejected)
    good, bad = desk.market.checksums()
    assert (good, bad) == (301, 0)


async def test_change_that_never_came_fails_the_checksum_and_the_book_is_joined_anew(
    desk: Any, venue: Venue
) -> None:
    await venue.change(10)
    venue.wire.change()
    while not desk.lost:
        await venue.change()
        await asyncio.sleep(0)
    assert desk.lost == [(BTC, CHECKSUM)]
    await desk.until(lambda: desk.live(BTC))
    await venue.change(10)
    await desk.until(lambda: desk.live(BTC) and same(desk, venue))
    assert venue.joins.count("book") == 2
    assert venue.joins.count("trade") == 1, "only the book is left and joined"


async def test_one_wrong_digit_fails_the_checksum(desk: Any, venue: Venue) -> None:
    frame = venue.wire.change()
    while b'"qty":0.00000000' in frame or b'"qty"' not in frame:
        await venue.tell("book", frame)
        frame = venue.wire.change()
    at = frame.index(b'"qty":') + len(b'"qty":')
    at = frame.index(b".", at) + 1
    await venue.tell("book", frame[:at] + bytes([48 + (frame[at] - 47) % 10]) + frame[at + 1 :])
    await desk.until(lambda: bool(desk.lost))
    assert desk.lost[0] == (BTC, CHECKSUM)
    await desk.until(lambda: desk.live(BTC) and same(desk, venue))


async def test_cut_connection_costs_neither_trade_nor_book(desk: Any, venue: Venue) -> None:
    await desk.until(lambda: "ohlc" in venue.joins)
    await venue.trade()
    await desk.until(lambda: desk.trades(BTC) == [101])
    (socket,) = venue.sockets
    await venue.trade()
    assert socket._writer is not None
    socket._writer.transport.abort()
    await desk.until(lambda: bool(desk.lost))
    venue.trade_id += 3
    await venue.change(5)
    await desk.until(lambda: desk.live(BTC) and len(desk.trades(BTC)) == 5)
    assert desk.trades(BTC) == [101, 102, 103, 104, 105]
    await desk.until(lambda: same(desk, venue))
