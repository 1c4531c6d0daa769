"""Single trades of the past against the emulator: paged, killed in the middle, refused, whole."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import os
import random
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from clx.cli.exits import Exit
from core.engine.clock import SystemClock
from core.feeds.registry import make_feed
from core.history.pasttrades import TradeBackfill
from core.model.errors import StoreError
from core.model.ids import InstrumentId, VenueName
from core.model.settings import FeedSettings
from emulator.app import Emulator
from emulator.clock import VirtualClock
from emulator.faults import Fault
from store.market import MarketStore

S = 1_000_000_000
PAST_S = 240
OLD_S = 12
"""Older than what is left to the stream."""

BTC = "BTC-USDT.binance"


async def past_of(
    venues: tuple[str, ...], events_per_second: float = 80.0, seconds: int = PAST_S
) -> Emulator:
    """Start an emulator whose market has lived for some minutes up to now, and stands still."""
    clock = VirtualClock(time.time_ns() - (seconds + OLD_S) * S)
    emulator = Emulator(
        seed=11,
        api_key="k" * 32,
        api_secret="s" * 32,
        control_token="control",
        history_days=1,
        events_per_second=events_per_second,
        clock=clock,
        venues=venues,
    )
    await emulator.start()
    for _ in range(seconds * 2):
        clock.advance(S // 2)
        emulator.world.follow(clock)
    for venue in emulator.venues.values():
        venue.market.flow = False
    return emulator


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def binance() -> AsyncIterator[Emulator]:
    """One past for all, as nothing is traded any more; making it takes seconds."""
    emulator = await past_of(("binance",), 250.0)
    yield emulator
    await emulator.stop()


def truth(emulator: Emulator, venue: str, symbol: str) -> dict[int, tuple[int, int, int]]:
    """Return the venue's trades: id to time, ticks and lots."""
    shard = emulator.venues[venue].market.shards[symbol]
    return {row.id: (row.ts_ms, row.price_ticks, row.lots) for row in shard.trades}


class Verbs:
    """Runs the data verbs as programs of their own, on an emulator that plays the real venue."""

    def __init__(self, home: Path, emulator: Emulator) -> None:
        self.path = home / "data" / "market.sqlite"
        url = emulator.urls()["binance"]
        self.env = {**os.environ, "CLX_HOME": str(home)}
        (home / "config.toml").write_text(
            f'mode = "paper"\n[feeds.binance]\nrest_url = "{url["rest"].removesuffix("/api/v3")}"\n'
        )

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "clx", "data", *words), env=self.env, stdout=pipe, stderr=pipe
        )

    async def ask(self, *words: str) -> Any:
        child = await self.start(*words, "--format", "json")
        async with asyncio.timeout(60):
            said, told = await child.communicate()
        assert child.returncode == 0, told.decode()
        return json.loads(said)

    def mended(self) -> bool:
        """Return whether trades can be read: of damaged ones none were left, and some came."""
        try:
            return bool(self.kept())
        except StoreError:
            return False

    def kept(self) -> dict[int, tuple[int, int, int]]:
        if not self.path.exists():
            return {}
        with MarketStore(self.path) as store:
            rows = store.trades.trades(InstrumentId(BTC), 0, (1 << 63) - 1)
        assert len(set(rows.trade_id.tolist())) == len(rows), "a trade is there twice"
        times = (rows.ts_event_ns // 10**6).tolist()
        values = zip(times, rows.price.tolist(), rows.size.tolist(), strict=True)
        return dict(zip(rows.trade_id.tolist(), values, strict=True))


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_download_killed_in_the_middle_goes_on_and_leaves_no_trade_out(
    binance: Emulator, tmp_path: Path
) -> None:
    verbs = Verbs(tmp_path, binance)
    # By the market's clock: however long it took to make its past, the same is asked for.
    since = dt.datetime.fromtimestamp(binance.clock.now_ns() / S - PAST_S - 20, dt.UTC)
    wanted = ("download", BTC, "--trades", "--since", since.isoformat())
    faults = binance.venues["binance"].faults
    for _ in range(2):
        before = len(verbs.kept())
        faults.arm(Fault(kind="latency_ms", value=120, count=1000))
        child = await verbs.start(*wanted)
        async with asyncio.timeout(60):
            while len(verbs.kept()) == before:
                assert child.returncode is None, (await child.communicate())[1].decode()
                await asyncio.sleep(0.02)
        child.send_signal(signal.SIGKILL)
        await child.communicate()
        faults.clear()
        assert before < len(verbs.kept()) < len(truth(binance, "binance", "BTCUSDT"))
    (done,) = await verbs.ask(*wanted)
    there = truth(binance, "binance", "BTCUSDT")
    assert done["left"] == []
    assert verbs.kept() == there
    (again,) = await verbs.ask(*wanted)
    assert again["written"]["kept"] == 0, "what is there is not asked for again"


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_hole_in_the_ids_is_found_and_repaired_through_outages(
    binance: Emulator, tmp_path: Path
) -> None:
    verbs = Verbs(tmp_path, binance)
    await verbs.ask("download", BTC, "--trades", "--days", "0.1")
    whole = verbs.kept()
    ids = sorted(whole)
    gone = [ids[40:45], ids[200:900]]
    with MarketStore(verbs.path) as store:
        there = store.trades.trades(InstrumentId(BTC), 0, (1 << 63) - 1)
        lost = [number for part in gone for number in part]
        times = [whole[number][0] for number in lost]
        item = await listed(binance, "binance", BTC)
        with store._file.transaction() as connection:
            listing = store.listings.make(connection, item.id, None)
            store.trades.drop(connection, listing, 0, (1 << 63) - 1)
            connection.execute("DELETE FROM trade_spans")
        keep = [at for at, number in enumerate(there.trade_id.tolist()) if number not in set(lost)]
        columns = {name: getattr(there, name)[keep] for name in COLUMNS}
        store.trades.put_trades(item, type(there)(
            **columns, price_tick=there.price_tick, size_lot=there.size_lot
        ))  # fmt: skip
    found = await verbs.ask("gaps")
    assert [(gap["gap"]["first_id"], gap["gap"]["last_id"]) for gap in found] == [
        (part[0], part[-1]) for part in gone
    ]
    assert found[0]["gap"]["start_ns"] <= min(times) * 10**6
    binance.venues["binance"].faults.arm(Fault(kind="html_5xx", count=2, path="historicalTrades"))
    (done,) = await verbs.ask("repair", "--trades")
    assert (done["written"]["new"], done["left"]) == (len(lost), [])
    assert verbs.kept() == whole
    assert await verbs.ask("gaps") == []


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_damaged_trades_are_named_and_fetched_again_also_after_a_kill(
    binance: Emulator, tmp_path: Path
) -> None:
    verbs = Verbs(tmp_path, binance)
    since = dt.datetime.fromtimestamp(binance.clock.now_ns() / S - PAST_S - 20, dt.UTC)
    await verbs.ask("download", BTC, "--trades", "--since", since.isoformat())
    with contextlib.closing(sqlite3.connect(verbs.path)) as raw, raw:
        raw.execute("UPDATE trade_blocks SET data = zeroblob(length(data))")
    child = await verbs.start("verify")
    said, _ = await child.communicate()
    assert child.returncode == Exit.DATA
    assert BTC in said.decode()
    faults = binance.venues["binance"].faults
    faults.arm(Fault(kind="latency_ms", value=120, count=1000))
    child = await verbs.start("repair", "--trades")
    async with asyncio.timeout(60):
        while not verbs.mended():
            assert child.returncode is None, (await child.communicate())[1].decode()
            await asyncio.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    await child.communicate()
    faults.clear()
    assert 0 < len(verbs.kept()) < len(truth(binance, "binance", "BTCUSDT"))
    (done,) = await verbs.ask("repair", "--trades")
    assert done["left"] == []
    assert verbs.kept() == truth(binance, "binance", "BTCUSDT")
    assert await verbs.ask("verify") == []
    assert await verbs.ask("repair", "--trades") == []


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_engine_fetches_trades_that_never_came_and_keeps_each_once(home: Any, until: Any) -> None:
    home.env["CLX_STORE__KEEP_TRADES"] = "true"
    home.start_emulator()
    home.clx("daemon", "start")

    def record() -> dict[str, Any]:
        return next(item for item in home.ask("data", "quality", BTC) if item["trades"] >= 0)

    def mended(holes: int) -> bool:
        now = record()
        return now["trade_holes"] >= holes and now["trades_refilled"] == now["trade_holes"]

    until(lambda: record()["trades"] > 10, "trades", 60)
    home.fault("gap", symbol="BTCUSDT", channel="trade", count=6)
    until(lambda: mended(6), "what never came", 60)
    home.fault("close_streams", value=1)
    until(lambda: record()["outages"] >= 1, "the outage", 30)
    seen = record()["trades"]
    until(lambda: record()["trades"] > seen + 10 and mended(6), "what the outage cost", 60)
    home.clx("daemon", "stop", "--keep-emulator")
    (path,) = (home.root / "data").glob("market-sim-*.sqlite")
    with MarketStore(path) as store:
        ids = store.trades.trades(InstrumentId(BTC), 0, (1 << 63) - 1).trade_id.tolist()
    assert sorted(ids) == list(range(min(ids), max(ids) + 1))
    assert home.ask("data", "gaps") == []


COLUMNS = (
    "ts_event_ns", "ts_recv_ns", "price", "size", "buyer_is_maker", "trade_id", "first_trade_id",
)  # fmt: skip


async def listed(emulator: Emulator, venue: str, name: str) -> Any:
    feed = feed_of(emulator, venue)
    try:
        return next(item for item in await feed.instruments() if item.id == name)
    finally:
        await feed.close()


def feed_of(emulator: Emulator, venue: str) -> Any:
    url = f"127.0.0.1:{emulator.port}/{venue}"
    settings = FeedSettings(rest_url=f"http://{url}", stream_url=f"ws://{url}")
    kind = {"binancefut": "binance_usdm"}.get(venue, venue)
    return make_feed(
        VenueName(kind),
        settings,
        clock=SystemClock(),
        rng=random.Random(1),
        data=Path("/nonexistent"),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("venue", "symbol", "name", "deep"),
    [
        ("binancefut", "BTCUSDT", "BTC-USDT-PERP.binance_usdm", True),
        ("okx", "BTC-USDT", "BTC-USDT.okx", True),
        ("deribit", "BTC-PERPETUAL", "BTC-USD-PERP.deribit", True),
        ("coinbase", "BTC-USD", "BTC-USD.coinbase", True),
        ("kucoin", "BTC-USDT", "BTC-USDT.kucoin", False),
    ],
)
async def test_each_venue_tells_its_past_as_far_as_it_goes(
    venue: str, symbol: str, name: str, deep: bool, market: MarketStore
) -> None:
    # KuCoin remembers a hundred trades: so many more must have been that some are forgotten.
    emulator = await past_of((venue,), 20.0 if deep else 120.0, 30)
    feed = feed_of(emulator, venue)
    try:
        item = next(item for item in await feed.instruments() if item.id == name)
        work = TradeBackfill(
            market.past,
            lambda item, *rest: feed.trades(item.id, *rest),
            clock=SystemClock(),
            rng=random.Random(1),
            joins=feed.joins_trades,
        )
        span = (emulator.clock.now_ns() - 31 * S, emulator.clock.now_ns() + S)
        whole = feed.decoder.rule.traits(item).consecutive_trades
        done = await work.fill(item, *span, consecutive=whole)
    finally:
        await feed.close()
        await emulator.stop()
    rows = market.trades.trades(item.id, *span)
    ids = sorted(rows.trade_id.tolist())
    assert len(set(ids)) == len(ids) > 10
    assert done.left == ()
    if venue == "binancefut":
        shard = emulator.venues[venue].market.shards[symbol]
        there = [row.id for row in shard.aggregates]
    else:
        there = sorted(truth(emulator, venue, symbol))
    # Where a memory ends, others of the oldest trade's time may be forgotten, so it is not counted.
    assert len(ids) > (len(there) - 5 if deep else 80)
    assert ids[-1] - ids[0] == there[-1] - there[-len(ids)]
    assert deep or (len(ids) <= 100 and done.beyond_ns > 0)


@pytest.fixture
def market(tmp_path: Path) -> Any:
    with MarketStore(tmp_path / "market.sqlite") as store:
        yield store
