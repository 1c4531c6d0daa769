"""KuCoin as it is spoken to, over real sockets with a venue that plays what was recorded."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from core.engine.clock import SimClock, SystemClock
from core.engine.market import MarketState, ResyncNeeded
from core.feeds.kucoin.dialect import make_dialect
from core.feeds.stream import StreamFeed
from core.model.errors import ConfigError, DataError, TemporaryError
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import FeedStatus
from core.model.settings import FeedSettings
from core.wire.tape_reader import TapeReader

KEYS = {"api_key": "key", "api_secret": "secret", "passphrase": "phrase"}
WANTED = [InstrumentId(f"{name}.kucoin") for name in ("SNX-BTC", "ANKR-BTC", "DAPPT-BTC")]


def test_keys_are_all_or_none() -> None:
    with pytest.raises(ConfigError, match="passphrase"):
        make_dialect(FeedSettings(api_key="x"), clock=SimClock())  # type: ignore[arg-type]


def test_environment_without_hosts_is_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="live"):
        make_dialect(FeedSettings(environment="testnet"), clock=SimClock())


@pytest.mark.parametrize("keys", [{}, KEYS])
def test_whole_book_is_asked_for_with_keys_only(keys: Any, spot: Instrument) -> None:
    made = make_dialect(FeedSettings(**keys), clock=SimClock())
    topics = [json.loads(text)["topic"] for text in made.subscribe("", [spot])]
    assert ("/market/level2:BTC-USDT" in topics) == bool(keys)
    assert ("/spotMarket/level2Depth50:BTC-USDT" in topics) != bool(keys)
    assert "/market/candles:BTC-USDT_1min" in topics
    assert made.images_by_rest == bool(keys)
    assert len(topics) * made.limits.instruments <= 100, "topics of a connection"


def test_every_request_has_a_number_of_its_own(spot: Instrument) -> None:
    made = make_dialect(FeedSettings(), clock=SimClock())
    texts = [*made.subscribe("", [spot]), *made.rejoin("", spot), *made.unsubscribe("", [spot])]
    assert len({json.loads(text)["id"] for text in texts}) == len(texts)


class Venue:
    """Gives tokens and images, and plays the recorded frames to who subscribes."""

    def __init__(self, path: Path) -> None:
        frames = list(TapeReader(path).frames())
        self.symbols = frames[0].data
        self.images = {
            frame.url.rpartition("symbol=")[2]: frame.data
            for frame in frames
            if "orderbook" in frame.url
        }
        self.recorded = [
            frame.data.decode()
            for frame in frames
            if frame.kind == "recv" and b'"message"' in frame.data
        ]
        self.url = ""
        self.tokens = 0
        self.used: list[str] = []
        self.pings = 0
        self.signatures: list[bool] = []
        self.bullet: tuple[int, Any] | None = None

    async def token(self, request: web.Request) -> web.Response:
        if self.bullet is not None:
            status, body = self.bullet
            return web.json_response(body, status=status)
        self.tokens += 1
        server = {"endpoint": f"ws://{self.url}/endpoint", "encrypt": True, "pingInterval": 1000,
                  "protocol": "websocket", "pingTimeout": 10000}  # fmt: skip
        data = {"token": f"T{self.tokens}", "instanceServers": [server]}
        return web.json_response({"code": "200000", "data": data})

    async def listing(self, request: web.Request) -> web.Response:
        return web.Response(body=self.symbols, content_type="application/json")

    async def time(self, request: web.Request) -> web.Response:
        return web.json_response({"code": "200000", "data": 1619378326134})

    async def book(self, request: web.Request) -> web.Response:
        head = request.headers
        text = f"{head['KC-API-TIMESTAMP']}GET{request.path_qs}"
        mac = hmac.new(b"secret", text.encode(), hashlib.sha256).digest()
        self.signatures.append(head["KC-API-SIGN"] == base64.b64encode(mac).decode())
        return web.Response(
            body=self.images[request.query["symbol"]], content_type="application/json"
        )

    async def stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.used.append(request.query["token"])
        await socket.send_json({"id": request.query["connectId"], "type": "welcome"})
        played = False
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            said = json.loads(message.data)
            if said["type"] == "ping":
                self.pings += 1
                await socket.send_json({"id": said["id"], "type": "pong"})
                continue
            await socket.send_json({"id": said["id"], "type": "ack"})
            if said["topic"].startswith("/market/level2:") and not played:
                played = True
                for text in self.recorded:
                    await socket.send_str(text)
        return socket


@pytest.fixture
async def venue(recorded: Path, hosted: Any) -> Venue:
    made = Venue(recorded / "kucoin/capture_level2_20210425_a.jsonl.zst")
    app = web.Application()
    app.router.add_post("/api/v1/bullet-public", made.token)
    app.router.add_get("/api/v2/symbols", made.listing)
    app.router.add_get("/api/v1/timestamp", made.time)
    app.router.add_get("/api/v3/market/orderbook/level2", made.book)
    app.router.add_get("/endpoint", made.stream)
    made.url = await hosted(app)
    return made


async def test_token_welcome_images_and_frames_make_the_recorded_books(
    venue: Venue, recorded: Path
) -> None:
    clock = SystemClock()
    settings = FeedSettings(rest_url=f"http://{venue.url}", **KEYS)  # type: ignore[arg-type]
    feed = StreamFeed(make_dialect(settings, clock=clock), clock=clock, rng=random.Random(1))
    market = MarketState(await feed.instruments(), {feed.venue: feed.decoder.rule})
    came = asyncio.Event()
    frames: list[tuple[str, str, bytes]] = []

    def sink(kind: Any, conn: int, ts: int, url: str, data: bytes, /) -> None:
        frames.append((kind, url, data))
        for event in feed.decoder.decode(kind, conn, ts, url, data):
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
    await until(lambda: all(market.status(name) is FeedStatus.LIVE for name in WANTED))
    await until(lambda: venue.pings > 0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await feed.close()
    expected = json.loads(
        (recorded / "kucoin/capture_level2_20210425_a.expected.json").read_text()
    )  # fmt: skip
    for name in WANTED:
        wanted = expected["books"][name.removesuffix(".kucoin")]
        book = market.book(name)
        assert (book.n_bids, book.n_asks) == (wanted["n_bids"], wanted["n_asks"])
        assert book.last_id == wanted["last_sequence"]
    assert venue.used == ["T1"]
    assert venue.signatures
    assert all(venue.signatures)
    told = b"".join(url.encode() + data for _, url, data in frames)
    assert b"T1" not in told, "tokens are not taped"
    assert b"secret" not in told


@pytest.mark.parametrize(
    ("bullet", "error", "words"),
    [
        ((200, {"code": "429000", "msg": "Too many"}), TemporaryError, "429000"),
        ((503, {}), TemporaryError, "503"),
        ((401, {"code": "400001", "msg": "no"}), DataError, "400001"),
        ((200, {"code": "200000", "data": {"token": "x", "instanceServers": []}}), DataError,
         "server"),
        ((200, {"code": "200000", "data": {"token": "x", "instanceServers": [
            {"endpoint": "ws://x", "pingInterval": 0}]}}), DataError, "pingInterval"),
        ((200, {"code": "200000"}), DataError, "token"),
        ((200, []), DataError, "token of kucoin"),
    ],
)  # fmt: skip
async def test_without_a_token_nothing_is_opened(
    venue: Venue, bullet: Any, error: type[Exception], words: str
) -> None:
    made = make_dialect(FeedSettings(rest_url=f"http://{venue.url}"), clock=SystemClock())
    venue.bullet = bullet
    with pytest.raises(error, match=words):
        await made.address("")
    await made.close()
