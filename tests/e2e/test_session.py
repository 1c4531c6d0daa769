"""A trader's day on a real installation: look, trade, leave, come back."""

import asyncio
import json
import os
import stat
import sys
from collections import Counter
from decimal import Decimal

import pytest

from core.model.commands import EnableStrategy, GetChart, Resume
from core.model.market import FeedStatus, Timeframe
from link.client import UnixLink
from link.remote import SshLink

BTC = "BTC-USDT.binance"


@pytest.fixture
async def client(shared):
    async with shared.attach() as client:
        await client.live()
        yield client
        shared.clear_faults()
        await client.request(Resume())
        await client.agrees()


def test_prices_move_and_an_order_by_hand_fills_into_position_and_ledger(shared):
    lines = [
        json.loads(line)
        for line in shared.clx(
            "watch", "BTC-USDT", "--count", "5", "--fps", "10", "--format", "json"
        ).splitlines()
    ]
    assert len(lines) == 5
    assert len({(line["bid"], line["ask"], line["last"]) for line in lines}) > 1
    assert all(Decimal(line["bid"]) < Decimal(line["ask"]) for line in lines)
    said = shared.clx("order", "buy", "0.02", "BTC-USDT")
    order_id = said.split()[0]

    def filled():
        rows = {row["intent"]["client_order_id"]: row for row in shared.ask("orders", "--all")}
        return rows[order_id]["state"] == "filled" and rows[order_id]

    order = wait(filled, "the order to fill")
    fills = [row for row in shared.ask("fills") if row["client_order_id"] == order_id]
    assert sum(Decimal(row["size"]) for row in fills) == Decimal("0.02") == Decimal(order["filled"])
    position = next(row for row in shared.ask("positions") if row["instrument_id"] == BTC)
    fees = sum(Decimal(row["fee"]) for row in fills)
    assert Decimal(position["size"]) == Decimal("0.02") - fees
    sums = Counter()
    for entry in shared.ask("ledger", "--limit", "10000"):
        sums[entry["asset"]] += Decimal(entry["amount"])
    assert not any(sums.values()), sums
    balances = {row["asset"]: Decimal(row["total"]) for row in shared.ask("balances")}
    real = shared.control("oracle")["balances"]
    assert balances["BTC"] == Decimal(real["BTC"]["free"]) + Decimal(real["BTC"]["locked"])
    assert balances["USDT"] == Decimal(real["USDT"]["free"]) + Decimal(real["USDT"]["locked"])


def wait(condition, what):
    """Poll the command line; each question takes a fifth of a second by itself."""
    for _ in range(100):
        if found := condition():
            return found
    raise AssertionError(f"asked a hundred times for {what}")


async def test_kill_switch_cancels_all_and_lets_nothing_in_until_resumed(shared, client):
    price = shared.away()
    for number in range(3):
        await client.submit(f"clxc-kill-{number}", "buy", "0.01", price=price)
        await client.reaches(f"clxc-kill-{number}", "accepted")
    assert "cancelling 3 orders" in shared.clx("kill", "--reason", "a test")
    for number in range(3):
        await client.reaches(f"clxc-kill-{number}", "canceled")
    refused = shared.run("order", "buy", "0.01", "BTC-USDT", f"@{price}")
    assert refused.returncode == 1
    assert "a test" in refused.stdout
    shared.clx("resume")
    await client.submit("clxc-resumed", "buy", "0.01", price=price)
    await client.reaches("clxc-resumed", "accepted")
    shared.clx("cancel", "--all")
    await client.reaches("clxc-resumed", "canceled")


async def test_client_that_comes_back_gets_the_facts_it_missed_and_no_more(shared, client):
    link = UnixLink(shared.socket, origin="cli")
    task = asyncio.create_task(link.run())
    await client.until(lambda: link.state == "up", "the second link")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    left_at, session = link.replica.seq, link.session
    await client.submit("clxc-meanwhile", "buy", "0.01")
    await client.reaches("clxc-meanwhile", "filled")
    seen: list[int] = []
    snapshots: list[object] = []
    apply_fact = link.replica.apply_fact
    link.replica.apply_fact = lambda seq, fact: (seen.append(seq), apply_fact(seq, fact))
    link.replica.apply_snapshot = snapshots.append
    task = asyncio.create_task(link.run())
    try:
        await client.until(
            lambda: link.replica.seq >= client.replica.seq > left_at, "the missed facts"
        )
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert link.session == session
    assert snapshots == []
    assert seen == list(range(left_at + 1, left_at + 1 + len(seen)))
    assert link.replica.orders["clxc-meanwhile"] == client.replica.orders["clxc-meanwhile"]


async def test_engine_behind_ssh_is_reached_through_its_bridge(shared, client, monkeypatch):
    folder = shared.root / "bin"
    folder.mkdir()
    fake = folder / "ssh"
    # As sshd would: another environment, the last words are the command.
    fake.write_text(
        f"#!/bin/sh\nfor word; do last2=$last; last=$word; done\n"
        f'[ "$last2 $last" = "clx bridge" ] || exit 99\n'
        f'CLX_HOME="{shared.root}" exec "{sys.executable}" -m clx bridge\n'
    )
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    link = SshLink("ssh://trader@far.example", origin="cli")
    task = asyncio.create_task(link.run())
    try:
        await client.until(lambda: link.state == "up", "the link through ssh")
        await client.submit("clxc-near", "buy", "0.01")
        await client.until(
            lambda: (order := link.replica.orders.get("clxc-near")) and order.state == "filled",
            "the far client to hear of the fill",
        )
        chart = await link.request(
            GetChart.model_validate({"instrument": BTC, "timeframe": Timeframe.M1, "bars": 50}), 20
        )
        assert len(chart.bars.close) == 50
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_resting_order_outlives_the_engine(running):
    async with running.attach() as client:
        await client.live()
        await client.submit("clxc-rests", "buy", "0.01", price=running.away())
        await client.reaches("clxc-rests", "accepted")
    running.clx("daemon", "stop", "--keep-emulator")
    assert running.at_venue("clxc-rests")[0]["status"] == "NEW"
    running.clx("daemon", "start")
    assert [row["intent"]["client_order_id"] for row in running.ask("orders")] == ["clxc-rests"]
    async with running.attach() as client:
        await client.agrees()
        assert client.replica.venues["binance"].differences == ()
        running.clx("cancel", "clxc-rests")
        await client.reaches("clxc-rests", "canceled")
        await client.agrees()


async def test_rsi_strategy_signals_and_its_orders_carry_its_name(home):
    table = """
[strategies.rsi]
kind = "rsi"
timeframe = "1s"
size = 0.01
[strategies.rsi.parameters]
period = 2
oversold = 45.0
overbought = 55.0
"""
    home.configure((home.root / "config.toml").read_text() + table)
    home.clx("daemon", "start")
    async with home.attach() as client:
        await client.live()
        await client.request(EnableStrategy.model_validate({"strategy": "rsi"}))
        falling = asyncio.create_task(fall(home))
        await client.until(lambda: client.replica.signals, "a signal")
        signal = client.replica.signals[-1]
        assert (signal.strategy_id, signal.instrument_id) == ("rsi", BTC)
        assert 0 <= signal.confidence <= 1
        assert "RSI" in signal.reason
        order = await client.until(
            lambda: next(iter(client.replica.orders.values()), None), "an order of its"
        )
        falling.cancel()
        await asyncio.gather(falling, return_exceptions=True)
        assert order.id.startswith("clxs-")
        assert order.intent.origin == "strat"
        assert order.intent.strategy_id == "rsi"
        assert "RSI" in order.intent.reason
        home.clx("strategy", "disable", "rsi", "--cancel-orders")
        await client.agrees()
        assert home.ask("strategy", "list")[0]["state"] == "off"


async def fall(home):
    """Have the market fall a little five times a second."""
    while True:
        await asyncio.to_thread(
            home.control, "trade", {"symbol": "BTCUSDT", "side": "SELL", "qty": "0.5"}
        )
        await asyncio.sleep(0.2)


PAPER = """
mode = "paper"
[engine]
history_bars = 300
[paper]
latency_ms = 1
[models.tiny-1m]
enabled = false
[feeds.binance]
rest_url = "http://127.0.0.1:{port}"
stream_url = "ws://127.0.0.1:{port}"
"""


async def test_paper_fills_against_the_live_book_and_keeps_orders_over_a_restart(home):
    home.configure(PAPER.format(**home.start_emulator()))
    home.clx("daemon", "start")
    async with home.attach() as client:
        await client.live()
        assert client.replica.status.mode == "PAPER"
        _, ask = await client.sees_the_book()
        await client.submit("clxc-paper", "buy", "0.001")
        await client.reaches("clxc-paper", "filled")
        fill = client.replica.fills[-1]
        assert fill.price == ask
        price = home.away("0.9995")
        await client.submit("clxc-open", "buy", "0.01", price=price)
        await client.reaches("clxc-open", "accepted")
        assert home.control("oracle")["orders"] == []
        before = client.replica.balances
        await client.until(
            lambda: any(item.held for item in client.replica.balances), "the order's hold"
        )
    home.kill_engine()
    home.clx("daemon", "start")
    async with home.attach() as client:
        await client.live()
        assert client.state("clxc-open") == "accepted"
        assert {b.asset: b.total for b in client.replica.balances} == {
            b.asset: b.total for b in before
        }
        # The market comes to it: everybody above its price is sold to.
        home.control("flow", {"on": True})
        home.control("trade", {"symbol": "BTCUSDT", "side": "SELL", "qty": "60"})
        await client.reaches("clxc-open", "filled")
        assert home.control("oracle")["orders"] == []


async def test_backtest_runs_on_the_venues_history_and_keeps_its_report(shared):
    report = shared.ask("backtest", "rsi", "--instrument", "BTC-USDT", "--days", "1")
    assert report["bars"] > 1_000
    assert report["orders"] > 0
    again = shared.ask("backtest", "rsi", "--instrument", "BTC-USDT", "--days", "1")
    assert again["strategy"] == report["strategy"]
    kept = list((shared.root / "data" / "reports").glob("*.json"))
    assert kept


@pytest.mark.slow
async def test_tape_of_a_session_replays_to_the_same_state_every_time(running):
    async with running.attach() as client:
        await client.live()
        begun = client.replica.status.frames
        await client.submit("clxc-taped", "buy", "0.02")
        await client.reaches("clxc-taped", "filled")
        await client.until(
            lambda: client.replica.status.frames > begun + 400, "some frames on the tape", 30
        )
        assert all(feed.status is FeedStatus.LIVE for feed in client.replica.feeds.values())
    running.clx("daemon", "stop")
    (tape,) = (running.root / "data" / "tapes").rglob("*.jsonl.zst")
    reports = [
        json.loads(running.clx("replay", str(tape), "--speed", "max", "--report", "json"))
        for _ in range(2)
    ]
    assert reports[0] == reports[1]
    report = reports[0]
    assert report["state_hash"]
    assert report["frames"] > 400
    assert report["rejected"] == []
    assert report["checksums"]["bad"] == 0
    assert len(report["instruments"]) == 6
    for item in report["instruments"].values():
        assert item["gaps"] == []
        assert item["crossed"] is False
        assert item["n_bids"] > 20
        assert item["n_asks"] > 20
