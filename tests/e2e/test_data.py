"""The data verbs against the emulator: killed, refused, damaged, and whole again each time."""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import signal
import sqlite3
import urllib.request
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.model.commands import GetChart
from store.market import MarketStore

BTC = "BTC-USDT.binance"


@pytest.fixture
def market(home: Any) -> Any:
    home.start_emulator()
    return home


def rows(home: Any, timeframe: str = "1m") -> int:
    """Count the bars kept, without starting a program for it."""
    if not any((home.root / "data").glob("market-sim-*.sqlite")):
        return 0
    with MarketStore(store(home)) as kept:
        return sum(item.rows for item in kept.upkeep.series() if item.timeframe == timeframe)


def store(home: Any) -> Path:
    (found,) = (home.root / "data").glob("market-sim-*.sqlite")
    return Path(found)


def _has_more(home: Any, child: Any, before: int) -> bool:
    return rows(home) > before or child.poll() is not None


@pytest.mark.slow
def test_download_killed_in_the_middle_goes_on_and_ends_whole(home: Any, until: Any) -> None:
    market, wanted = home, ("BTC-USDT", "--days", "13")
    market.start_emulator("--history-days=14")
    for part in range(2):
        # Slow answers, so that the kill strikes between two of them.
        market.fault("latency_ms", value=30, count=1000)
        child = market.spawn("-m", "clx", "data", "download", *wanted)
        until(functools.partial(_has_more, market, child, part * 5000), "some bars")
        child.send_signal(signal.SIGKILL)
        child.wait(10)
        market.clear_faults()
    assert market.run("data", "verify").returncode == 0
    market.clx("data", "download", *wanted)
    assert market.ask("data", "gaps") == []
    assert rows(market) >= 13 * 24 * 60 - 2
    again = market.ask("data", "download", *wanted)
    assert again[0]["written"]["new"] <= 2, "only minutes that ended meanwhile"


@pytest.mark.slow
def test_venue_that_fails_in_every_way_is_borne(market: Any) -> None:
    for kind, more in (
        ("html_5xx", {}), ("rate_limit_bare", {}), ("truncated_json", {}), ("waf_403", {}),
        ("gzip_error", {}),
    ):  # fmt: skip
        market.fault(kind, count=1, **more)
        done = market.run("data", "download", "BTC-USDT", "-t", "1h", "--days", "2")
        assert done.returncode in (0, 1, 5), done.stderr
        assert "Traceback" not in done.stderr
        market.clear_faults()
    market.clx("data", "download", "BTC-USDT", "-t", "1h", "--days", "2")
    assert rows(market, "1h") >= 46
    assert market.run("data", "verify").returncode == 0


@pytest.mark.slow
def test_damaged_block_is_named_and_repair_fetches_it_again(market: Any) -> None:
    market.clx("data", "download", "BTC-USDT", "-t", "1m", "-t", "1h", "--days", "2.5")
    whole, hours = rows(market), rows(market, "1h")
    with sqlite3.connect(store(market)) as base:
        # A block in the middle, one at the end, and the only one there is.
        base.execute(
            "UPDATE bar_blocks SET data = zeroblob(length(data)) WHERE timeframe = '1h' OR id IN "
            "(SELECT id FROM bar_blocks WHERE timeframe = '1m' ORDER BY start_ns LIMIT 2 OFFSET 1)"
        )
    found = market.run("data", "verify")
    assert found.returncode == 5
    assert BTC in found.stdout
    assert "clx data repair" in found.stdout
    market.clx("data", "repair")
    assert market.run("data", "verify").returncode == 0
    assert market.ask("data", "gaps") == []
    assert rows(market) >= whole
    assert rows(market, "1h") >= hours


@pytest.mark.slow
def test_hole_of_ours_is_found_and_repaired(market: Any) -> None:
    market.clx("data", "download", "BTC-USDT", "--days", "2.5")
    with sqlite3.connect(store(market)) as base:
        base.execute(
            "DELETE FROM bar_blocks "
            "WHERE id = (SELECT id FROM bar_blocks ORDER BY start_ns LIMIT 1 OFFSET 1)"
        )
    (gap,) = market.ask("data", "gaps")
    assert gap["gap"]["bars"] == 1440
    repaired = market.ask("data", "repair")
    assert repaired[0]["written"]["new"] >= 1440
    assert market.ask("data", "gaps") == []


@pytest.mark.slow
def test_engine_uses_what_was_downloaded_and_keeps_what_it_builds(market: Any, until: Any) -> None:
    market.clx("data", "download", "BTC-USDT", "--days", "1")
    before = rows(market)
    market.clx("daemon", "start")
    bars = market.ask("bars", "BTC-USDT", "--timeframe", "1m")
    opens = bars["bars"]["ts_open_ns"]
    assert opens == sorted(set(opens))
    assert {b - a for a, b in itertools.pairwise(opens)} == {60 * 10**9}
    market.clx("daemon", "stop", "--keep-emulator")
    assert rows(market) >= before
    assert market.ask("data", "gaps") == []


def test_wrong_words_say_what_to_do(market: Any) -> None:
    for words, said in (
        (("BTC-USDX",), "did you mean"),
        (("BTC-USDT", "-t", "7m"), "--timeframe must be one of"),
        (("BTC-USDT", "--since", "yesterday"), "must be a UTC time such as"),
        (("BTC-USDT.okx",), "SIM mode has no okx"),
    ):
        done = market.run("data", "download", *words)
        assert done.returncode == 2, done.stderr
        assert said in done.stderr


def test_nothing_kept_yet_is_said_plainly(home: Any) -> None:
    done = home.run("data", "list")
    assert done.returncode == 5
    assert "no market data is kept yet" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_live_bars_join_history_without_a_hole_or_a_double_over_reconnects(
    running: Any,
) -> None:
    """Seconds stand for minutes: the same code splices both, and a test cannot wait for minutes."""
    ours: dict[int, list[int]] = {}
    async with running.attach() as client:
        for value in (1, 0, 1):
            running.fault("close_streams", value=value)
            await _reach(client, ours, max(ours, default=0) + 5 * 10**9)
    running.kill_engine()
    running.clx("daemon", "start")
    async with running.attach() as client:
        await _reach(client, ours, max(ours) + 5 * 10**9)
        first, last = min(ours), max(ours)
        async with asyncio.timeout(30):
            while not _holds_all_traded(running, ours, first, last):
                await _reach(client, ours, max(ours) + 10**9)
    theirs = _klines(running, first, last)
    assert {at: ours[at] for at in ours if at in theirs} == {
        at: theirs[at][:5] for at in ours if at in theirs
    }


def _holds_all_traded(home: Any, ours: dict[int, list[int]], first: int, last: int) -> bool:
    return all(at in ours for at, row in _klines(home, first, last).items() if row[5])


async def _reach(client: Any, bars: dict[int, list[int]], newest_ns: int) -> None:
    """Read the engine's closed bars of a second until they go so far."""
    ask = GetChart.model_validate({"instrument": BTC, "timeframe": "1s", "bars": 3000})
    async with asyncio.timeout(60):
        while max(bars, default=0) < newest_ns:
            columns = (await client.request(ask)).bars
            opens = list(columns.ts_open_ns)
            assert opens == sorted(set(opens)), "a bar is there twice"
            sides = (columns.open, columns.high, columns.low, columns.close, columns.volume)
            bars.update(zip(opens, map(list, zip(*sides, strict=True)), strict=True))
            await asyncio.sleep(0.2)


def _klines(home: Any, first_ns: int, last_ns: int) -> dict[int, list[int]]:
    """Return the emulator's own candles of a second, in ticks and lots, then their trades."""
    state = home.emulator()
    url = (
        f"http://127.0.0.1:{state['port']}/api/v3/klines?symbol=BTCUSDT&interval=1s&limit=1000"
        f"&startTime={first_ns // 10**6}&endTime={last_ns // 10**6}"
    )
    with urllib.request.urlopen(url, timeout=10) as answer:
        rows = json.loads(answer.read())
    lot = Decimal("0.00001")
    return {
        row[0] * 10**6: [
            *(int(Decimal(text) * 100) for text in row[1:5]), int(Decimal(row[5]) / lot), row[8],
        ]
        for row in rows
    }  # fmt: skip


@pytest.mark.slow
def test_what_one_venue_does_not_give_keeps_nobody_waiting(home: Any) -> None:
    state = home.start_emulator()
    home.configure(
        'mode = "paper"\n'
        '[feeds.bybit]\nrest_url = "http://127.0.0.1:1"\n'
        f'[feeds.binance]\nrest_url = "{state["rest_url"]}"\n'
        f'stream_url = "{state["stream_url"]}"\n'
    )
    names = ("BTC-USDT.bybit", "ETH-USDT.bybit", BTC)
    done = home.run("data", "download", *names, "-t", "1h", "--days", "1")
    assert done.returncode == 1
    assert f"{BTC}  " in done.stdout
    for name in names[:2]:
        assert f"{name} 1h: " in done.stderr
        assert name not in done.stdout
    assert "run it again for these" in done.stderr
