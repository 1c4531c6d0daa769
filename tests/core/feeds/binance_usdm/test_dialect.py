"""What the dialect says to the venue, and the live feed against an emulated venue."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from core.engine.clock import SystemClock
from core.engine.market import MarketState, ResyncNeeded
from core.feeds.binance_usdm.dialect import MARKET, PUBLIC, UsdmDialect, kline_weight, make_dialect
from core.feeds.stream import StreamFeed
from core.model.errors import ConfigError
from core.model.ids import InstrumentId
from core.model.market import (
    ClockSample,
    DayTicker,
    FeedDisconnected,
    FeedStatus,
    FrameRejected,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    Timeframe,
    Trade,
    VenueBar,
)
from core.model.ports import FrameKind
from core.model.settings import FeedSettings
from emulator.app import Emulator

BTC = InstrumentId("BTC-USDT-PERP.binance_usdm")
ETH = InstrumentId("ETH-USDT-PERP.binance_usdm")
TOKEN = "control"


def dialect(**settings: Any) -> UsdmDialect:
    return make_dialect(FeedSettings(**settings), clock=SystemClock())


def test_live_streams_are_split_over_the_routed_roots() -> None:
    from decimal import Decimal

    from core.model.instruments import Instrument

    item = Instrument(
        id=BTC, venue=dialect().venue, venue_symbol="BTCUSDT", base="BTC", quote="USDT",
        price_tick=Decimal("0.1"), size_lot=Decimal("0.001"),
    )  # fmt: skip
    live = dialect(depth_ms=0)
    assert live.routes(item) == (PUBLIC, MARKET)
    (public,) = live.subscribe(PUBLIC, [item])
    assert json.loads(public)["params"] == ["btcusdt@bookTicker", "btcusdt@depth@100ms"]
    (market,) = live.subscribe(MARKET, [item])
    assert json.loads(market)["params"] == [
        "btcusdt@aggTrade", "btcusdt@markPrice@1s", "btcusdt@kline_1m", "btcusdt@miniTicker",
        "btcusdt@forceOrder",
    ]  # fmt: skip
    assert live.limits.instruments * 5 <= 1024
    demo = dialect(environment="demo", depth_ms=400)
    assert demo.routes(item) == ("",)
    (every,) = demo.unsubscribe("", [item])
    asked = json.loads(every)
    assert (asked["method"], len(asked["params"])) == ("UNSUBSCRIBE", 7)
    assert "btcusdt@depth@500ms" in asked["params"]


@pytest.mark.parametrize(
    ("settings", "route", "url"),
    [
        ({}, PUBLIC, "wss://fstream.binance.com/public/stream"),
        ({}, MARKET, "wss://fstream.binance.com/market/stream"),
        ({"environment": "demo"}, "", "wss://demo-fstream.binance.com/stream"),
        ({"environment": "testnet"}, "", "wss://fstream.binancefuture.com/stream"),
        ({"environment": "demo", "plan": "routed"}, PUBLIC,
         "wss://demo-fstream.binance.com/public/stream"),
    ],
)  # fmt: skip
async def test_each_environment_has_addresses_of_its_own(
    settings: dict[str, Any], route: str, url: str
) -> None:
    assert await dialect(**settings).address(route) == url


def test_plan_the_venue_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be empty, routed or unrouted, was 'vip'"):
        dialect(plan="vip")


@pytest.mark.parametrize(
    ("limit", "weight"), [(1, 1), (99, 1), (100, 2), (499, 2), (500, 5), (1000, 5), (1500, 10)]
)
def test_page_of_klines_weighs_by_its_limit(limit: int, weight: int) -> None:
    assert kline_weight(limit) == weight


class Desk:
    """Decodes and applies what the feed brings, as the kernel does."""

    def __init__(self, feed: StreamFeed) -> None:
        self.feed = feed
        self.market = MarketState([], {feed.venue: feed.decoder.rule})
        self.events: list[MarketEvent] = []
        self._news = asyncio.Event()

    def sink(self, kind: FrameKind, conn: int, ts_recv_ns: int, url: str, data: bytes) -> None:
        events = self.feed.decoder.decode(kind, conn, ts_recv_ns, url, data)
        self.market.add_instruments(
            [item for item in self.feed.decoder.instruments.values() if item.id not in self.market]
        )
        for event in events:
            self.events.append(event)
            for output in self.market.apply(event):
                if isinstance(output, ResyncNeeded):
                    self.feed.request_snapshot(output.instrument_id)
        self._news.set()

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not true():
                self._news.clear()
                await self._news.wait()

    def live(self, *names: InstrumentId) -> bool:
        return all(
            name in self.market and self.market.status(name) is FeedStatus.LIVE for name in names
        )

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    running = Emulator(
        seed=7, api_key="k" * 32, api_secret="s" * 32, control_token=TOKEN, history_days=2,
        venues=("binancefut",),
    )  # fmt: skip
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
def control(emulator: Emulator) -> Callable[..., Any]:
    async def ask(method: str, path: str, **body: Any) -> Any:
        url = f"http://127.0.0.1:{emulator.port}/_ctl/{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method, url, json=body or None, headers={"X-Clx-Control": TOKEN}
            ) as answer,
        ):
            assert answer.status == 200, await answer.text()
            return await answer.json()

    return ask


@asynccontextmanager
async def running(emulator: Emulator, overlap_s: float = 0.2) -> AsyncIterator[Desk]:
    clock = SystemClock()
    settings = FeedSettings(
        rest_url=f"http://127.0.0.1:{emulator.port}/binancefut",
        stream_url=f"ws://127.0.0.1:{emulator.port}/binancefut",
    )
    spoken = make_dialect(settings, clock=clock)
    feed = StreamFeed(spoken, clock=clock, rng=random.Random(3), overlap_s=overlap_s)
    desk = Desk(feed)
    task = asyncio.create_task(feed.run(desk.sink))
    try:
        yield desk
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_feed_follows_book_trades_marks_and_interest_of_an_emulated_venue(
    emulator: Emulator, control: Callable[..., Any]
) -> None:
    async with running(emulator) as desk:
        desk.feed.subscribe([BTC, ETH])
        wanted = (Trade, MarkPrice, DayTicker, VenueBar, OpenInterest, ClockSample)
        await desk.until(lambda: desk.live(BTC, ETH) and all(desk.of(kind) for kind in wanted))
        assert desk.of(FrameRejected) == []
        await control("POST", "flow", on=False)
        truth = await control("GET", "book?venue=binancefut&symbol=BTCUSDT")
        await desk.until(lambda: desk.market.book(BTC).last_id >= truth["update_id"])
        bids, asks = desk.market.book(BTC).top(50)
        item = desk.market.instrument(BTC)
        for side, name in ((bids, "bids"), (asks, "asks")):
            mine = [(float(item.price(p)), float(item.size(s))) for p, s in side.tolist()]
            assert mine == [(float(p), float(q)) for p, q in truth[name][:50]]
        assert desk.market.feed_view(BTC).gaps == 0


async def test_gap_in_the_chain_resyncs_that_contract_alone(
    emulator: Emulator, control: Callable[..., Any]
) -> None:
    async with running(emulator) as desk:
        desk.feed.subscribe([BTC, ETH])
        await desk.until(lambda: desk.live(BTC, ETH))
        await control("POST", "faults", kind="gap", symbol="BTCUSDT")
        await desk.until(lambda: desk.market.feed_view(BTC).gaps == 1)
        await desk.until(lambda: desk.live(BTC))
        assert desk.market.feed_view(ETH).gaps == 0


async def test_announced_shutdown_loses_and_doubles_no_trade(
    emulator: Emulator, control: Callable[..., Any]
) -> None:
    async with running(emulator) as desk:
        desk.feed.subscribe([BTC])
        await desk.until(lambda: desk.live(BTC) and len(desk.of(Trade)) > 3)
        await control("POST", "faults", kind="server_shutdown", value=5.0)
        # Both roots' connections are replaced well before they are closed.
        await desk.until(lambda: len(desk.of(FeedDisconnected)) == 2)
        assert all(event.instrument_ids == () for event in desk.of(FeedDisconnected))
        seen = len(desk.of(Trade))
        await desk.until(lambda: len(desk.of(Trade)) > seen + 3)
        ids = [trade.trade_id for trade in desk.market.trades(BTC)]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        assert desk.market.feed_view(BTC).gaps == 0


async def test_lost_connections_of_both_roots_come_back_and_trust_with_them(
    emulator: Emulator, control: Callable[..., Any]
) -> None:
    async with running(emulator) as desk:
        desk.feed.subscribe([BTC])
        await desk.until(lambda: desk.live(BTC) and bool(desk.of(Trade)))
        await control("POST", "faults", kind="close_streams")
        await desk.until(lambda: len(desk.of(FeedDisconnected)) == 2)
        assert desk.market.status(BTC) is FeedStatus.STALE
        seen = len(desk.of(Trade))
        await desk.until(lambda: desk.live(BTC) and len(desk.of(Trade)) > seen + 2)
        ids = [trade.trade_id for trade in desk.market.trades(BTC)]
        assert ids == sorted(set(ids))


async def test_history_is_paged_and_ends_with_the_last_closed_bar(emulator: Emulator) -> None:
    clock = SystemClock()
    async with running(emulator) as desk:
        await desk.feed.instruments()
        end_ns = clock.now_ns()
        start_ns = end_ns - 1700 * Timeframe.M1.ns
        bars = await desk.feed.history(BTC, Timeframe.M1, start_ns, end_ns)
        opens = [bar.ts_open_ns for bar in bars]
        assert opens == sorted(set(opens))
        assert 1600 < len(bars) <= 1700
        assert opens[-1] + Timeframe.M1.ns <= clock.now_ns()
        with pytest.raises(ConfigError, match="keeps no bars shorter than 1m"):
            await desk.feed.history(BTC, Timeframe.S5, start_ns, end_ns)


async def test_aggregates_of_the_past_leave_no_trade_out(emulator: Emulator) -> None:
    clock = SystemClock()
    async with running(emulator) as desk:
        (item, *_) = [item for item in await desk.feed.instruments() if item.id == BTC]
        desk.feed.subscribe([BTC])
        await desk.until(lambda: len(desk.market.trades(BTC) if BTC in desk.market else ()) > 5)
        heard = list(desk.market.trades(BTC))
        spoken = desk.feed._dialect
        assert isinstance(spoken, UsdmDialect)
        trades = (await spoken.trades(item, heard[0].ts_event_ns, clock.now_ns())).trades
    ids = [trade.trade_id for trade in trades]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert {trade.trade_id for trade in heard} <= set(ids)
    by_id = {trade.trade_id: trade for trade in trades}
    for trade in heard:
        again = by_id[trade.trade_id]
        assert (again.price_ticks, again.size_lots) == (trade.price_ticks, trade.size_lots)
