"""Bybit as it is spoken to, over real sockets with a venue that plays what was recorded."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import WSMsgType, web

from core.engine.clock import SimClock, SystemClock
from core.engine.market import MarketState, ResyncNeeded
from core.feeds.bybit.dialect import BybitDialect, make_dialect
from core.feeds.stream import StreamFeed
from core.model.errors import TemporaryError
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import FeedStatus, FrameRejected
from core.model.settings import FeedSettings
from core.wire.tape_reader import TapeReader

WANTED = [InstrumentId(f"{coin}-USDT-PERP.bybit") for coin in ("BTC", "ETH", "SOL", "DOGE")]


def dialect(**settings: Any) -> BybitDialect:
    return make_dialect(FeedSettings(**settings), clock=SimClock(1))


def topics(texts: Any) -> list[str]:
    return [topic for text in texts for topic in json.loads(text)["args"]]


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({}, "wss://stream.bybit.com/v5/public/linear"),
        ({"environment": "demo"}, "wss://stream.bybit.com/v5/public/linear"),
        ({"environment": "testnet"}, "wss://stream-testnet.bybit.com/v5/public/linear"),
        ({"stream_url": "ws://127.0.0.1:9/bybit"}, "ws://127.0.0.1:9/bybit/v5/public/linear"),
    ],
)
async def test_hosts_are_settings_or_the_venues_own(settings: Any, address: str) -> None:
    made = dialect(**settings)
    assert await made.address("linear") == address
    await made.close()


def test_each_market_has_its_socket(
    linear: Instrument, spot: Instrument, option: Instrument
) -> None:
    made = dialect()
    inverse = msgspec.structs.replace(linear, inverse=True)
    routes = [made.routes(item) for item in (linear, spot, option, inverse)]
    assert routes == [("linear",), ("spot",), ("option",), ("inverse",)]


@pytest.mark.parametrize(("pace", "levels"), [(100, 200), (0, 50), (20, 50), (1000, 1000)])
def test_book_is_the_one_of_the_nearest_pace(pace: int, levels: int, linear: Instrument) -> None:
    made = dialect(depth_ms=pace)
    assert f"orderbook.{levels}.BTCUSDT" in topics(made.subscribe("linear", [linear]))


def test_topics_follow_from_the_kind(
    linear: Instrument, spot: Instrument, option: Instrument
) -> None:
    made = dialect()
    assert topics(made.subscribe("linear", [linear])) == [
        "orderbook.200.BTCUSDT", "tickers.BTCUSDT", "orderbook.1.BTCUSDT", "publicTrade.BTCUSDT",
        "kline.1.BTCUSDT", "allLiquidation.BTCUSDT",
    ]  # fmt: skip
    assert "allLiquidation.BTCUSDT" not in topics(made.subscribe("spot", [spot]))
    assert topics(made.subscribe("option", [option])) == [
        f"orderbook.100.{option.venue_symbol}", f"tickers.{option.venue_symbol}",
        f"publicTrade.{option.base}",
    ]  # fmt: skip
    assert f"publicTrade.{option.base}" not in topics(made.unsubscribe("option", [option]))


def test_spot_requests_have_ten_topics_at_most(spot: Instrument) -> None:
    made = dialect()
    items = [msgspec.structs.replace(spot, venue_symbol=f"S{n}") for n in range(7)]
    texts = made.subscribe("spot", items)
    assert max(len(json.loads(text)["args"]) for text in texts) == 10
    assert len(topics(texts)) == 35


def test_a_full_connection_is_within_the_venues_bound(option: Instrument) -> None:
    made = dialect()
    items = [
        msgspec.structs.replace(option, venue_symbol=f"BTC-28JUN24-{n:06}-P-USDT")
        for n in range(made.limits.instruments)
    ]
    assert sum(map(len, topics(made.subscribe("option", items)))) < 21_000
    long = [
        msgspec.structs.replace(option, venue_symbol=f"1000000LONG{n:03}USDT", kind="perpetual")
        for n in range(made.limits.instruments)
    ]
    assert sum(map(len, topics(made.subscribe("linear", long)))) < 21_000


def test_fresh_image_comes_by_joining_again(linear: Instrument) -> None:
    made = dialect()
    leave, join = (json.loads(text) for text in made.rejoin("linear", linear))
    assert (leave["op"], join["op"]) == ("unsubscribe", "subscribe")
    assert leave["args"] == join["args"] == ["orderbook.200.BTCUSDT"]


class Venue:
    """Lists in pages, and plays the recorded frames to who subscribes."""

    def __init__(self, path: Path) -> None:
        frames = list(TapeReader(path).frames())
        listing = json.loads(next(frame.data for frame in frames if frame.kind == "http"))
        self.listed = listing["result"]["list"]
        self.recorded = [frame.data.decode() for frame in frames if frame.kind == "recv"]
        self.url = ""
        self.cursors: list[str] = []
        self.refused = 0

    async def instruments(self, request: web.Request) -> web.Response:
        if self.refused:
            self.refused -= 1
            body = {"retCode": 10006, "retMsg": "Too many visits", "result": {}}
            return web.json_response(body)
        category, cursor = request.query["category"], request.query.get("cursor", "")
        self.cursors.append(f"{category}:{cursor}")
        rows, following = [], ""
        if category == "linear":
            at = int(cursor.rpartition("=")[2] or 0)
            rows = self.listed[at : at + 500]
            following = f"first%3Dx%26at%3D{at + 500}" if at + 500 < len(self.listed) else ""
        result = {"category": category, "list": rows, "nextPageCursor": following}
        return web.json_response({"retCode": 0, "retMsg": "OK", "result": result})

    async def time(self, request: web.Request) -> web.Response:
        return web.json_response({"retCode": 0, "result": {"timeNano": "1786310819526357000"}})

    async def stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        played = False
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            said = json.loads(message.data)
            if said["op"] == "ping":
                await socket.send_json({"success": True, "ret_msg": "pong", "op": "ping"})
            elif said["op"] == "subscribe" and not played:
                played = True
                for text in self.recorded:
                    await socket.send_str(text)
        return socket


@pytest.fixture
async def venue(recorded: Path, hosted: Any) -> Venue:
    made = Venue(recorded / "bybit_v5/capture_linear_20260809.jsonl.zst")
    app = web.Application()
    app.router.add_get("/v5/market/instruments-info", made.instruments)
    app.router.add_get("/v5/market/time", made.time)
    app.router.add_get("/v5/public/linear", made.stream)
    made.url = await hosted(app)
    return made


async def test_listing_goes_page_by_page(venue: Venue) -> None:
    made = make_dialect(FeedSettings(rest_url=f"http://{venue.url}"), clock=SystemClock())
    assert len(await made.listing()) == 800
    assert "linear:first=x&at=500" in venue.cursors, "percent-encoded once, not twice"
    assert {cursor.partition(":")[0] for cursor in venue.cursors} == {
        "spot", "linear", "inverse", "option",
    }  # fmt: skip
    venue.refused = 1
    with pytest.raises(TemporaryError, match="10006"):
        await made.listing()
    await made.close()


async def test_frames_make_the_recorded_books(venue: Venue, recorded: Path) -> None:
    clock = SystemClock()
    settings = FeedSettings(rest_url=f"http://{venue.url}", stream_url=f"ws://{venue.url}")
    feed = StreamFeed(make_dialect(settings, clock=clock), clock=clock, rng=random.Random(1))
    market = MarketState(await feed.instruments(), {feed.venue: feed.decoder.rule})
    came = asyncio.Event()
    received = 0
    rejected: list[FrameRejected] = []

    def sink(kind: Any, conn: int, ts: int, url: str, data: bytes, /) -> None:
        nonlocal received
        received += kind == "recv"
        for event in feed.decoder.decode(kind, conn, ts, url, data):
            rejected.extend([event] if isinstance(event, FrameRejected) else [])
            for output in market.apply(event):
                if isinstance(output, ResyncNeeded):
                    feed.request_snapshot(output.instrument_id)
        came.set()

    async def until(ready: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not ready():
                came.clear()
                await came.wait()

    task = asyncio.create_task(feed.run(sink))
    feed.subscribe(WANTED)
    await until(lambda: received >= len(venue.recorded))
    assert all(market.status(name) is FeedStatus.LIVE for name in WANTED)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await feed.close()
    assert not rejected
    expected = json.loads(
        (recorded / "bybit_v5/capture_linear_20260809.expected.json").read_text()
    )  # fmt: skip
    for topic, wanted in expected["books"].items():
        book = market.book(feed.decoder.instruments[topic.rpartition(".")[2]].id)
        assert (book.n_bids, book.n_asks) == (wanted["n_bids"], wanted["n_asks"])
        assert book.last_id == wanted["last_u"]
