"""The data verbs against the emulator: killed, refused, damaged, and whole again each time."""

from __future__ import annotations

import functools
import itertools
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest

BTC = "BTC-USDT.binance"


@pytest.fixture
def market(home: Any) -> Any:
    home.start_emulator()
    return home


def rows(home: Any, timeframe: str = "1m") -> int:
    done = home.run("data", "list", "--format", "json")
    if done.returncode:
        return 0
    import json

    return sum(item["rows"] for item in json.loads(done.stdout) if item["timeframe"] == timeframe)


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
    market.clx("data", "download", "BTC-USDT", "--days", "2.5")
    whole = rows(market)
    with sqlite3.connect(store(market)) as base:
        base.execute(
            "UPDATE bar_blocks SET data = zeroblob(length(data)) "
            "WHERE id = (SELECT id FROM bar_blocks ORDER BY start_ns LIMIT 1 OFFSET 1)"
        )
    found = market.run("data", "verify")
    assert found.returncode == 5
    assert BTC in found.stdout
    assert "clx data repair" in found.stdout
    market.clx("data", "repair")
    assert market.run("data", "verify").returncode == 0
    assert market.ask("data", "gaps") == []
    assert rows(market) >= whole


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
