"""The feed against the emulator's Binance spot, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from core.engine.clock import SystemClock
from core.engine.market import MarketState
from core.feeds.ccxt_pro.decoder import CcxtDecoder
from core.feeds.ccxt_pro.feed import moved
from core.model.errors import ConfigError, TemporaryError
from core.model.ids import VenueName
from core.model.market import (
    BookSnapshot,
    ClockSample,
    DayTicker,
    FeedStatus,
    FrameRejected,
    Timeframe,
    Trade,
)

BTC, ETH = "BTC-USDT.ccxt:binance", "ETH-USDT.ccxt:binance"


class Desk:
    """Puts a feed's frames through its decoder into a market, and keeps them."""

    def __init__(self, feed: Any) -> None:
        self.feed = feed
        self.market = MarketState((), {feed.venue: feed.decoder.rule})
        self.frames: list[tuple[Any, ...]] = []
        self.events: list[Any] = []
        self.came = asyncio.Event()

    def sink(self, *frame: Any) -> None:
        self.frames.append(frame)
        for event in self.feed.decoder.decode(*frame):
            self.events.append(event)
            self.market.apply(event)
        self.came.set()

    async def until(self, ready: Any) -> None:
        async with asyncio.timeout(30):
            while not ready():
                self.came.clear()
                await self.came.wait()

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if type(event) is kind]


@pytest.fixture
async def venue(emulated: Any) -> Any:
    return await emulated("binance")


@pytest.fixture
def feed(venue: Any, feed_of: Any) -> Any:
    host = f"127.0.0.1:{venue.port}"
    # ccxt takes a stream URL of Binance for spot only if "/stream" is in it.
    return feed_of(
        "binance", plan="spot", rest_url=f"http://{host}", stream_url=f"ws://{host}/stream"
    )


@asynccontextmanager
async def running(feed: Any) -> AsyncIterator[Desk]:
    desk = Desk(feed)
    desk.market.add_instruments(await feed.instruments())
    task = asyncio.create_task(feed.run(desk.sink))
    try:
        yield desk
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_every_channel_speaks_and_a_tape_replays_the_same(feed):
    feed.subscribe([BTC])
    async with running(feed) as desk:
        kinds = (BookSnapshot, Trade, DayTicker, ClockSample)
        await desk.until(lambda: all(desk.of(kind) for kind in kinds))
        await desk.until(lambda: desk.market.status(BTC) is FeedStatus.LIVE)
        assert not desk.of(FrameRejected)
    image = desk.of(BookSnapshot)[-1]
    assert len(image.bids) <= 200
    assert image.bids[0, 0] < image.asks[0, 0]
    again = CcxtDecoder(VenueName("ccxt:binance"))
    events = [event for frame in desk.frames for event in again.decode(*frame)]
    assert [repr(event) for event in events] == [repr(event) for event in desk.events]


async def test_what_is_wanted_changes_at_run_time(feed):
    feed.subscribe([BTC])
    async with running(feed) as desk:
        await desk.until(lambda: desk.market.status(BTC) is FeedStatus.LIVE)
        feed.subscribe([ETH])
        feed.unsubscribe([BTC])
        await desk.until(lambda: desk.market.status(ETH) is FeedStatus.LIVE)
        assert desk.market.status(BTC) is FeedStatus.UNSUBSCRIBED
        count = len(desk.of(BookSnapshot))
        feed.request_snapshot(ETH)
        assert len(desk.of(BookSnapshot)) == count + 1


async def test_a_cut_connection_is_told_and_comes_back(venue, feed):
    feed.subscribe([BTC])
    async with running(feed) as desk:
        await desk.until(lambda: desk.market.status(BTC) is FeedStatus.LIVE)
        for connection in list(venue.venues["binance"].connections):
            connection.abort()
        await desk.until(lambda: bool(desk.of(FrameRejected)))
        assert "failed" in desk.of(FrameRejected)[0].reason
        count = len(desk.of(BookSnapshot))
        await desk.until(lambda: len(desk.of(BookSnapshot)) > count)
        await desk.until(lambda: desk.market.status(BTC) is FeedStatus.LIVE)


async def test_history_is_paged_through(feed):
    await feed.instruments()
    now_ns = SystemClock().now_ns()
    bars = await feed.history(BTC, Timeframe.M1, now_ns - 1200 * Timeframe.M1.ns, now_ns)
    times = [bar.ts_open_ns for bar in bars]
    assert times == sorted(set(times))
    assert len(times) > 1100
    await feed.close()


async def test_an_exchange_that_is_away_is_a_temporary_error(feed_of):
    feed = feed_of("binance", rest_url="http://127.0.0.1:9", stream_url="ws://127.0.0.1:9")
    with pytest.raises(TemporaryError, match="markets of ccxt:binance"):
        await feed.instruments()
    await feed.close()


async def test_an_environment_ccxt_does_not_know_is_refused(feed_of):
    feed = feed_of("kraken", environment="demo")
    with pytest.raises(ConfigError, match="environment must be live"):
        await feed.instruments()
    await feed.close()


def test_an_exchange_that_is_none_is_refused_at_once(feed_of):
    with pytest.raises(ConfigError, match="did you mean 'kraken'"):
        feed_of("krakenn")


def test_urls_keep_their_paths_and_change_their_hosts():
    urls = {
        "public": "https://{hostname}/api/v3",
        "ws": {"spot": "wss://s.example:9443/ws"},
        "n": 1,
    }
    assert moved(urls, {"http": "http://127.0.0.1:1/x/", "ws": ""}) == {
        "public": "http://127.0.0.1:1/x/api/v3", "ws": {"spot": "wss://s.example:9443/ws"}, "n": 1,
    }  # fmt: skip
