from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest
from aiohttp import WSMsgType, web

from core.engine.clock import SystemClock
from core.engine.market import MarketState, ResyncNeeded
from core.feeds.binance.dialect import SpotDialect, make_dialect
from core.feeds.dialect import LineLimits
from core.feeds.stream import StreamFeed
from core.model.errors import ConfigError, DataError, TemporaryError
from core.model.ids import InstrumentId
from core.model.market import ClockSample, FeedDisconnected, FeedStatus
from core.model.ports import FrameKind
from core.model.settings import FeedSettings

BTC, ETH = InstrumentId("BTC-USDT.binance"), InstrumentId("ETH-USDT.binance")
Taken = tuple[FrameKind, int, str, bytes]


def entry(base: str) -> dict[str, object]:
    return {
        "symbol": f"{base}USDT", "status": "TRADING", "baseAsset": base, "quoteAsset": "USDT",
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "stepSize": "0.001"},
        ],
    }  # fmt: skip


class Exchange:
    """A venue on loopback that keeps one book per symbol and can be told to fail."""

    def __init__(self) -> None:
        self.listed = ["BTC", "ETH"]
        self.update_id = 100
        self.failures: list[int] = []
        """Statuses answered before REST works again."""
        self.sockets: list[web.WebSocketResponse] = []
        self.requests: list[dict[str, object]] = []
        self.images = 0
        self.url = ""

    async def rest(self, request: web.Request) -> web.Response:
        if self.failures:
            return web.json_response({"code": -1, "msg": "no"}, status=self.failures.pop(0))
        if request.path.endswith("exchangeInfo"):
            return web.json_response({"symbols": [entry(base) for base in self.listed]})
        if request.path.endswith("time"):
            return web.json_response({"serverTime": 1_700_000_000_000})
        self.images += 1
        levels = {"bids": [["99.00", "1.000"]], "asks": [["101.00", "1.000"]]}
        return web.json_response({"lastUpdateId": self.update_id, **levels})

    async def stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                asked = json.loads(message.data)
                self.requests.append(asked)
                await socket.send_json({"result": None, "id": asked["id"]})
                if asked["method"] == "SUBSCRIBE":
                    await self.speak(socket, asked["params"])
        return socket

    async def speak(self, socket: web.WebSocketResponse, streams: list[str]) -> None:
        """Send one delta for each book stream."""
        for stream in streams:
            symbol, _, channel = stream.partition("@")
            if channel.startswith("depth"):
                data = {
                    "e": "depthUpdate", "E": 1_700_000_000_000, "s": symbol.upper(),
                    "U": self.update_id, "u": self.update_id + 1, "b": [["99.50", "2.000"]],
                    "a": [],
                }  # fmt: skip
                await socket.send_json({"stream": stream, "data": data})


@asynccontextmanager
async def serving(exchange: Exchange) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_get("/api/v3/{endpoint}", exchange.rest)
    app.router.add_get("/stream", exchange.stream)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    exchange.url = f"127.0.0.1:{port}"
    try:
        yield
    finally:
        await runner.cleanup()


class Engine:
    """Decodes and applies what the feed brings, as the kernel does."""

    def __init__(self, feed: StreamFeed) -> None:
        self.feed = feed
        self.taken: list[Taken] = []
        self.market = MarketState([], {feed.venue: feed.decoder.rule})
        self.lost: list[FeedDisconnected] = []
        self.samples: list[ClockSample] = []
        self._news = asyncio.Event()

    def sink(self, kind: FrameKind, conn: int, ts_recv_ns: int, url: str, data: bytes) -> None:
        self.taken.append((kind, conn, url, data))
        events = self.feed.decoder.decode(kind, conn, ts_recv_ns, url, data)
        self.market.add_instruments(
            [item for item in self.feed.decoder.instruments.values() if item.id not in self.market]
        )
        for event in events:
            if isinstance(event, FeedDisconnected):
                self.lost.append(event)
            if isinstance(event, ClockSample):
                self.samples.append(event)
            for output in self.market.apply(event):
                if isinstance(output, ResyncNeeded):
                    self.feed.request_snapshot(output.instrument_id)
        self._news.set()

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(15):
            while not true():
                self._news.clear()
                await self._news.wait()

    def live(self, *names: InstrumentId) -> bool:
        return all(
            name in self.market and self.market.status(name) is FeedStatus.LIVE for name in names
        )


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    venue = Exchange()
    async with serving(venue):
        yield venue


def make_feed(exchange: Exchange, overlap_s: float = 3.0) -> StreamFeed:
    settings = FeedSettings(
        rest_url=f"http://{exchange.url}", stream_url=f"ws://{exchange.url}", snapshot_levels=100
    )
    clock = SystemClock()
    dialect = make_dialect(settings, clock=clock)
    return StreamFeed(dialect, clock=clock, rng=random.Random(3), overlap_s=overlap_s)


@asynccontextmanager
async def running(exchange: Exchange) -> AsyncIterator[Engine]:
    engine = Engine(make_feed(exchange))
    task = asyncio.create_task(engine.feed.run(engine.sink))
    try:
        yield engine
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_subscribing_brings_a_book_that_is_live(exchange: Exchange) -> None:
    async with running(exchange) as engine:
        engine.feed.subscribe([BTC])
        await engine.until(lambda: engine.live(BTC))
        assert engine.market.top(BTC) == (9950, 10100)
        assert engine.market.book(BTC).last_id == 101
    taken = [frame for frame in engine.taken if "/time" not in frame[2]]
    assert [kind for kind, *_ in taken[:3]] == ["connect", "http", "send"]
    assert exchange.requests[0]["params"] == [
        "btcusdt@trade", "btcusdt@bookTicker", "btcusdt@depth@100ms", "btcusdt@kline_1m",
        "btcusdt@miniTicker",
    ]  # fmt: skip
    listing = json.loads(taken[1][3])
    assert listing == {"symbols": [entry("BTC")]}


async def test_instruments_come_and_go_while_connected(exchange: Exchange) -> None:
    async with running(exchange) as engine:
        engine.feed.subscribe([BTC])
        await engine.until(lambda: engine.live(BTC))
        engine.feed.subscribe([ETH])
        await engine.until(lambda: engine.live(BTC, ETH))
        engine.feed.unsubscribe([BTC])
        await engine.until(lambda: engine.market.status(BTC) is FeedStatus.UNSUBSCRIBED)
        assert engine.live(ETH)
    methods = [request["method"] for request in exchange.requests]
    assert [name for name in methods if name != "LIST_SUBSCRIPTIONS"] == [
        "SUBSCRIBE", "SUBSCRIBE", "UNSUBSCRIBE",
    ]  # fmt: skip
    assert len(exchange.sockets) == 1


async def test_lost_connection_is_stale_at_once_and_then_mended(exchange: Exchange) -> None:
    async with running(exchange) as engine:
        engine.feed.subscribe([BTC])
        await engine.until(lambda: engine.live(BTC))
        exchange.update_id = 500
        await exchange.sockets[0].close()
        await engine.until(lambda: bool(engine.lost))
        assert engine.lost[0].instrument_ids == (BTC,)
        assert engine.market.status(BTC) is FeedStatus.STALE
        await engine.until(lambda: engine.live(BTC))
        assert engine.market.book(BTC).last_id == 501
    assert len(exchange.sockets) == 2


async def test_venue_that_is_away_at_the_start_is_waited_for(exchange: Exchange) -> None:
    exchange.failures = [503]
    async with running(exchange) as engine:
        engine.feed.subscribe([BTC])
        await engine.until(lambda: engine.live(BTC))


async def test_image_refused_by_the_venue_is_fetched_again(exchange: Exchange) -> None:
    async with running(exchange) as engine:
        await engine.feed.instruments()
        exchange.failures = [500]
        engine.feed.subscribe([BTC])
        await engine.until(lambda: engine.live(BTC))
    assert exchange.images == 1


async def test_subscriptions_are_sent_in_batches_within_the_message_bound(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = msgspec.structs.replace(SpotDialect.limits, pace_s=0.0)
    monkeypatch.setattr(SpotDialect, "limits", quick)
    exchange.listed = [f"1000TOKEN{number:03}" for number in range(50)]
    names = [InstrumentId(f"{base}-USDT.binance") for base in exchange.listed]
    async with running(exchange) as engine:
        engine.feed.subscribe(names)
        await engine.until(lambda: engine.live(*names[:1], *names[-1:]))
    sent = [data for kind, _, _, data in engine.taken if kind == "send"]
    asked = [request for text in sent if "params" in (request := json.loads(text))]
    assert [len(request["params"]) for request in asked] == [100, 100, 50]
    assert max(len(text) for text in sent) < 4096


async def test_more_streams_than_a_connection_holds_open_another(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SpotDialect.limits.instruments * 5 <= 1024
    monkeypatch.setattr(
        SpotDialect, "limits", LineLimits(instruments=3, batch=20, pace_s=0.0)
    )  # fmt: skip
    exchange.listed = [f"C{number}" for number in range(7)]
    names = [InstrumentId(f"{base}-USDT.binance") for base in exchange.listed]
    async with running(exchange) as engine:
        engine.feed.subscribe(names)
        await engine.until(lambda: engine.live(*names))
        carried = {conn for kind, conn, _, _ in engine.taken if kind == "send"}
    assert carried == {0, 1, 2}
    assert len(exchange.sockets) == 3


async def test_announced_shutdown_overlaps_connections_without_a_resync(
    exchange: Exchange,
) -> None:
    engine = Engine(make_feed(exchange, overlap_s=0.05))
    task = asyncio.create_task(engine.feed.run(engine.sink))
    try:
        engine.feed.subscribe([BTC])
        await engine.until(lambda: engine.live(BTC))
        (first,) = exchange.sockets
        shutdown = {"e": "serverShutdown", "E": 1_770_123_456_789}
        await first.send_json({"stream": "!serverShutdown", "data": shutdown})
        await engine.until(lambda: bool(engine.lost))
        assert len(exchange.sockets) == 2
        assert engine.lost[0].instrument_ids == (), "the other connection carries it"
        assert engine.live(BTC)
        assert engine.market.feed_view(BTC).gaps == 0
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_clock_of_the_venue_is_compared_with_ours(exchange: Exchange) -> None:
    async with running(exchange) as engine:
        await engine.until(lambda: bool(engine.samples))
    (sample,) = engine.samples
    assert sample.venue == "binance"
    assert sample.offset_ns < 0, "the stand-in's time is in the past"
    assert sample.round_trip_ns > 0


async def test_unlisted_instrument_is_refused_with_the_nearest_name(exchange: Exchange) -> None:
    feed = make_feed(exchange)
    await feed.instruments()
    with pytest.raises(
        ConfigError, match=r"does not list 'BTC-USDC\.binance'; did you mean 'BTC-U"
    ):
        feed.subscribe([InstrumentId("BTC-USDC.binance")])
    await feed.close()


@pytest.mark.parametrize(
    ("status", "error"), [(503, TemporaryError), (429, TemporaryError), (403, DataError)]
)
async def test_listing_the_venue_refuses_is_an_error_by_who_must_act(
    exchange: Exchange, status: int, error: type[Exception]
) -> None:
    exchange.failures = [status]
    feed = make_feed(exchange)
    with pytest.raises(error):
        await feed.instruments()
    await feed.close()


async def test_venue_that_is_not_there_is_a_temporary_error(exchange: Exchange) -> None:
    exchange.url = "127.0.0.1:1"
    feed = make_feed(exchange)
    with pytest.raises(TemporaryError):
        await feed.instruments()
    await feed.close()
