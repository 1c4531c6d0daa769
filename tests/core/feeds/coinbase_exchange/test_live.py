"""The feed over real sockets, against a small venue that plays its own recorded messages."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from core.engine.clock import SystemClock
from core.feeds.coinbase_exchange.dialect import make_dialect
from core.model.market import ClockSample, FrameRejected, SequenceBroken, Trade
from core.model.settings import FeedSettings
from core.wire.tape_reader import TapeReader

CAPTURE = "coinbase_exchange/capture_level2_20210417_a"
SYMBOLS = ("BAND-BTC", "BAND-GBP", "NMR-EUR", "SKL-BTC", "SKL-USD")
NAMES = [f"{symbol}.coinbase_exchange" for symbol in SYMBOLS]


class Venue:
    """Plays what was recorded to whoever subscribed; a book joined anew gets its image again."""

    def __init__(self, recorded: Path) -> None:
        frames = list(TapeReader(recorded / f"{CAPTURE}.jsonl.zst").frames())
        self.listing = next(frame.data for frame in frames if frame.kind == "http")
        self.frames = [frame.data for frame in frames if frame.kind == "recv"]
        self.images = {
            json.loads(data)["product_id"]: data
            for data in self.frames
            if data.startswith(b'{"type":"snapshot"')
        }
        self.heard: list[Any] = []
        self.socket: web.WebSocketResponse | None = None

    async def products(self, request: web.Request) -> web.Response:
        return web.Response(body=self.listing, content_type="application/json")

    async def time(self, request: web.Request) -> web.Response:
        return web.json_response({"iso": "x", "epoch": 1_700_000_000.5})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        self.socket = socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            said = json.loads(message.data)
            self.heard.append(said)
            if said["type"] != "subscribe":
                continue
            if len(said["channels"]) > 1:
                for data in self.frames:
                    await socket.send_bytes(data)
            else:
                await socket.send_bytes(self.images[said["product_ids"][0]])
        return socket


@pytest.fixture
def venue(recorded: Path) -> Venue:
    return Venue(recorded)


@pytest.fixture
async def desk(venue: Venue, serve: Any, desk_of: Any) -> Any:
    url = await serve({"/products": venue.products, "/time": venue.time, "/": venue.stream})
    settings = FeedSettings(rest_url=url, stream_url=url.replace("http", "ws"))
    made = await desk_of(make_dialect(settings, clock=SystemClock()))
    made.feed.subscribe(NAMES)
    return made


async def test_recorded_day_ends_in_the_books_it_ended_in(
    desk: Any, venue: Venue, expected: Any
) -> None:
    wanted = expected(f"{CAPTURE}.expected.json")
    count = wanted["counts"]["match"]
    await desk.until(lambda: len(desk.of(Trade)) == count and desk.live(*NAMES))
    await desk.until(lambda: bool(desk.of(ClockSample)))
    for symbol, name in zip(SYMBOLS, NAMES, strict=True):
        book = wanted["books"][symbol]
        bids, asks = desk.book(name)
        assert bids[:5] == [(Decimal(p), Decimal(s)) for p, s in book["bids"]]
        assert asks[:5] == [(Decimal(p), Decimal(s)) for p, s in book["asks"]]
        assert (len(bids), len(asks)) == (book["n_bids"], book["n_asks"])
    assert not desk.of(FrameRejected)
    assert venue.heard[0]["channels"] == ["level2_batch", "matches", "ticker", "heartbeat"]


async def test_message_that_cannot_be_read_costs_that_book_alone_a_fresh_image(
    desk: Any, venue: Venue
) -> None:
    await desk.until(lambda: desk.live(*NAMES) and len(desk.of(Trade)) == 80)
    assert venue.socket is not None
    await venue.socket.send_str(
        '{"type":"l2update","product_id":"SKL-BTC","changes":[["sell","0.00001305","NaN"]]}'
    )
    await desk.until(lambda: bool(desk.of(SequenceBroken)))
    assert [name for name, _ in desk.lost] == ["SKL-BTC.coinbase_exchange"]
    await desk.until(lambda: desk.live(*NAMES))
    left, joined = venue.heard[1:]
    assert (left["type"], joined["type"]) == ("unsubscribe", "subscribe")
    assert joined["product_ids"] == ["SKL-BTC"]
    assert joined["channels"] == ["level2_batch"]


async def test_trade_a_heartbeat_tells_of_that_never_comes_is_told(desk: Any, venue: Venue) -> None:
    await desk.until(lambda: len(desk.of(Trade)) == 80)
    last = max(trade.trade_id for trade in desk.of(Trade) if "SKL-BTC" in trade.instrument_id)
    assert venue.socket is not None
    for _ in range(2):
        await venue.socket.send_json(
            {"type": "heartbeat", "product_id": "SKL-BTC", "last_trade_id": last + 1, "sequence": 1}
        )
    await desk.until(lambda: bool(desk.of(SequenceBroken)))
    (broken,) = desk.of(SequenceBroken)
    assert (broken.expected_id, broken.received_id) == (last + 1, last + 1)
    await asyncio.sleep(0)
    await desk.until(lambda: desk.live(*NAMES))
