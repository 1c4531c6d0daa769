"""OKX as it is spoken to, over real sockets with a venue that plays what was recorded."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from core.engine.clock import SimClock, SystemClock
from core.engine.market import MarketState, ResyncNeeded
from core.feeds.okx.dialect import OkxDialect, make_dialect
from core.feeds.stream import StreamFeed
from core.model.errors import ConfigError
from core.model.ids import InstrumentId
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import ClockSample, FeedStatus, FrameRejected
from core.model.settings import FeedSettings
from core.wire.tape_reader import TapeReader

WANTED = [
    InstrumentId(name)
    for name in ("BTC-USDT.okx", "UNI-USD-PERP.okx", "BTC-USD-20220527.okx")
]  # fmt: skip


def dialect(**settings: Any) -> OkxDialect:
    return make_dialect(FeedSettings(**settings), clock=SimClock(1))


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({}, "wss://ws.okx.com:8443/ws/v5/public"),
        ({"environment": "demo"}, "wss://wspap.okx.com:8443/ws/v5/public"),
        ({"stream_url": "ws://127.0.0.1:9/okx"}, "ws://127.0.0.1:9/okx/ws/v5/public"),
    ],
)
async def test_hosts_are_settings_or_the_venues_own(settings: dict[str, Any], address: str) -> None:
    made = dialect(**settings)
    assert await made.address("public") == address
    await made.close()


def test_environment_without_hosts_is_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="demo, live"):
        dialect(environment="testnet")


def test_plan_is_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="plan"):
        dialect(plan="vip5")


def asked(made: OkxDialect, route: str, *items: Instrument) -> list[dict[str, str]]:
    (text,) = made.subscribe(route, items)
    request = json.loads(text)
    assert request["op"] == "subscribe"
    args: list[dict[str, str]] = request["args"]
    return args


def test_channels_follow_from_the_kind(spot: Instrument, swap: Instrument) -> None:
    made = dialect()
    assert {arg["channel"] for arg in asked(made, "public", spot)} == {
        "books", "bbo-tbt", "trades", "tickers",
    }  # fmt: skip
    args = asked(made, "public", spot, swap)
    assert {"channel": "funding-rate", "instId": "BTC-USDT-SWAP"} in args
    assert {"channel": "index-tickers", "instId": "BTC-USDT"} in args
    assert {"channel": "liquidation-orders", "instType": "SWAP"} in args
    assert asked(made, "business", spot) == [{"channel": "candle1m", "instId": "BTC-USDT"}]


def test_shared_channels_are_asked_once_and_kept_when_one_leaves(swap: Instrument) -> None:
    import msgspec

    made = dialect()
    other = msgspec.structs.replace(swap, venue_symbol="BTC-USDT-2", id="B.okx")
    args = asked(made, "public", swap, other)
    assert sum(arg["channel"] == "liquidation-orders" for arg in args) == 1
    (text,) = made.unsubscribe("public", [swap])
    left = {arg["channel"] for arg in json.loads(text)["args"]}
    assert "books" in left
    assert not left & {"liquidation-orders", "index-tickers", "opt-summary"}


def test_request_of_a_full_batch_is_within_the_venues_bound(swap: Instrument) -> None:
    import msgspec

    made = dialect()
    items = [
        msgspec.structs.replace(swap, venue_symbol=f"LONGNAME{n:03}-USDT-SWAP")
        for n in range(made.limits.batch)
    ]
    (text,) = made.subscribe("public", items)
    assert len(text) < 64 * 1024


def test_fresh_image_comes_by_joining_again(spot: Instrument) -> None:
    made = dialect()
    leave, join = (json.loads(text) for text in made.rejoin("public", spot))
    assert (leave["op"], join["op"]) == ("unsubscribe", "subscribe")
    assert leave["args"] == join["args"] == [{"channel": "books", "instId": "BTC-USDT"}]
    assert not made.rejoin("business", spot)


def test_notice_of_an_upgrade_retires_the_connection() -> None:
    made = dialect()
    notice = b'{"event":"notice","code":"64008","msg":"The connection will soon be closed"}'
    assert made.retires(notice)
    assert not made.retires(notice.replace(b"64008", b"64000"))
    assert not made.retires(b'{"arg":{"channel":"trades"},"data":[{"px":"64008"}]}')


class Venue:
    """Answers REST with the recorded listing, and a subscription with the recorded frames."""

    def __init__(self, path: Path) -> None:
        frames = list(TapeReader(path).frames())
        self.bodies = [(frame.url, frame.data) for frame in frames if frame.kind == "http"]
        self.recorded = [frame.data.decode() for frame in frames if frame.kind == "recv"]
        self.sockets: list[web.WebSocketResponse] = []
        self.heard: list[str] = []
        self.url = ""
        self.options = True

    async def instruments(self, request: web.Request) -> web.Response:
        query = "&".join(f"{key}={value}" for key, value in request.query.items())
        body = next(body for url, body in self.bodies if url.endswith(f"?{query}"))
        return web.Response(body=body, content_type="application/json")

    async def underlying(self, request: web.Request) -> web.Response:
        if not self.options:
            return web.json_response({"code": "51000", "msg": "no", "data": []}, status=404)
        return web.json_response({"code": "0", "msg": "", "data": [["BTC-USD", "ETH-USD"]]})

    async def time(self, request: web.Request) -> web.Response:
        return web.json_response({"code": "0", "msg": "", "data": [{"ts": "1652459236119"}]})

    async def stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        route = request.match_info["route"]
        if route == "public":
            self.sockets.append(socket)
        played = False
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            self.heard.append(message.data)
            if message.data == "ping":
                await socket.send_str("pong")
            elif route == "public" and not played:
                played = True
                for text in self.recorded:
                    await socket.send_str(text)
        return socket


@pytest.fixture
async def venue(recorded: Path, hosted: Any) -> Venue:
    made = Venue(recorded / "okx/capture_books_20220513.jsonl.zst")
    app = web.Application()
    app.router.add_get("/api/v5/public/instruments", made.instruments)
    app.router.add_get("/api/v5/public/underlying", made.underlying)
    app.router.add_get("/api/v5/public/time", made.time)
    app.router.add_get("/ws/v5/{route}", made.stream)
    made.url = await hosted(app)
    return made


class Desk:
    """A feed whose frames go through its decoder into a market, as in the engine."""

    def __init__(self, feed: StreamFeed) -> None:
        self.feed = feed
        self.market = MarketState((), {feed.venue: feed.decoder.rule})
        self.events: list[Any] = []
        self.frames: list[tuple[str, int]] = []
        self.came = asyncio.Event()

    def sink(self, kind: Any, conn: int, ts: int, url: str, data: bytes, /) -> None:
        self.frames.append((kind, conn))
        for event in self.feed.decoder.decode(kind, conn, ts, url, data):
            self.events.append(event)
            for output in self.market.apply(event):
                if isinstance(output, ResyncNeeded):
                    self.feed.request_snapshot(output.instrument_id)
        self.came.set()

    async def until(self, ready: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not ready():
                self.came.clear()
                await self.came.wait()


@pytest.fixture
async def desk(venue: Venue) -> AsyncIterator[Desk]:
    settings = FeedSettings(rest_url=f"http://{venue.url}", stream_url=f"ws://{venue.url}")
    feed = StreamFeed(
        make_dialect(settings, clock=SystemClock()),
        clock=SystemClock(),
        rng=random.Random(1),
        overlap_s=0.05,
    )
    made = Desk(feed)
    made.market.add_instruments(await feed.instruments())
    task = asyncio.create_task(feed.run(made.sink))
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await feed.close()


async def test_listing_comes_whole_and_frames_make_the_recorded_books(
    desk: Desk, venue: Venue, recorded: Path
) -> None:
    kinds = {item.kind for item in desk.market.instruments()}
    assert kinds == {
        InstrumentKind.SPOT, InstrumentKind.PERPETUAL, InstrumentKind.FUTURE,
        InstrumentKind.OPTION, InstrumentKind.INDEX,
    }  # fmt: skip
    desk.feed.subscribe(WANTED)
    await desk.until(lambda: sum(kind == "recv" for kind, _ in desk.frames) >= 410)
    assert all(desk.market.status(name) is FeedStatus.LIVE for name in WANTED)
    assert not [event for event in desk.events if isinstance(event, FrameRejected)]
    expected = json.loads(
        (recorded / "okx/capture_books_20220513.expected.json").read_text()
    )  # fmt: skip
    for symbol, wanted in expected["books"].items():
        item = desk.feed.decoder.instruments[symbol]
        book = desk.market.book(item.id)
        assert (book.n_bids, book.n_asks) == (wanted["n_bids"], wanted["n_asks"])
        assert str(item.price(book.best_bid or 0).normalize()) == wanted["bids"][0][0]
    assert any(isinstance(event, ClockSample) for event in desk.events)


async def test_region_without_options_lists_the_rest(venue: Venue) -> None:
    settings = FeedSettings(rest_url=f"http://{venue.url}", stream_url=f"ws://{venue.url}")
    made = make_dialect(settings, clock=SystemClock())
    venue.options = False
    kinds = {item.kind for item in await made.listing()}
    assert InstrumentKind.OPTION not in kinds
    assert InstrumentKind.PERPETUAL in kinds
    await made.close()


async def test_announced_end_is_met_by_a_second_connection_without_a_lost_book(
    desk: Desk, venue: Venue
) -> None:
    desk.feed.subscribe(WANTED)
    await desk.until(lambda: sum(kind == "recv" for kind, _ in desk.frames) >= 410)
    first = venue.sockets[0]
    await first.send_str('{"event":"notice","code":"64008","msg":"soon","connId":"a4d3ae55"}')
    await desk.until(lambda: any(kind == "disconnect" for kind, _ in desk.frames))
    assert len(venue.sockets) == 2
    kinds = [kind for kind, _ in desk.frames]
    assert kinds.index("disconnect") > len(kinds) - 1 - kinds[::-1].index("connect")
    await desk.until(lambda: all(desk.market.status(name) is FeedStatus.LIVE for name in WANTED))
