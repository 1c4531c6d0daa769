"""The venue is away at the start, dies in mid-stream, or does not know our key."""

import json

import pytest

from core.model.market import FeedStatus

BTC = "BTC-USDT.binance"
LIVE = """
mode = "live"
[trading]
live = true
unknown_poll_s = 0.1
[engine]
history_bars = 300
watchlist = ["BTC-USDT.binance"]
[models.tiny-1m]
enabled = false
[feeds.binance]
rest_url = "http://127.0.0.1:{port}"
stream_url = "ws://127.0.0.1:{port}"
[venues.binance]
rest_url = "http://127.0.0.1:{port}"
ws_api_url = "ws://127.0.0.1:{port}/ws-api/v3"
api_key = "{api_key}"
api_secret = "{api_secret}"
recv_window_ms = 1000
timeout_s = 2.0
"""


def phase(home) -> str:
    done = home.run("status", "--format", "json")
    return str(json.loads(done.stdout)["status"]["phase"]) if done.returncode == 0 else ""


@pytest.mark.slow
async def test_emulator_that_dies_and_comes_back_empty_is_noticed_and_reconciled(running):
    old = running.emulator()
    async with running.attach() as client:
        await client.live()
        await client.submit("clxc-filled", "buy", "0.05")
        await client.submit("clxc-lost", "buy", "0.01", price=running.away())
        await client.reaches("clxc-filled", "filled")
        await client.reaches("clxc-lost", "accepted")
        running.kill_emulator()
        await client.until(
            lambda: client.replica.feeds[BTC].status is not FeedStatus.LIVE, "the feed to be stale"
        )
        await client.until(
            lambda: not client.replica.venues["binance"].connected, "the venue to be down"
        )
        denied = await client.submit("clxc-denied", "buy", "0.01", price="60000")
        assert denied.state == "denied"
        client.facts.clear()
        running.start_emulator(port=old["port"])
        await client.until(
            lambda: client.replica.venues["binance"].connected, "the venue to be back"
        )
        await client.live()
        await client.reaches("clxc-lost", "expired")
        assert "does not know it any more" in client.replica.orders["clxc-lost"].note
        differences = await client.until(
            lambda: [
                text
                for fact in client.facts
                for text in getattr(getattr(fact, "venue", None), "differences", ())
            ],
            "the differences to be shown",
        )
        assert any("BTC, the ledger had" in text for text in differences), differences
        await client.submit("clxc-anew", "buy", "0.01")
        await client.reaches("clxc-anew", "filled")
        balances = {item.asset: item.total for item in client.replica.balances}
        real = running.control("oracle")["balances"]
        assert f"{balances['BTC']:.8f}" == real["BTC"]["free"]


async def test_engine_waits_for_a_venue_that_is_down_at_the_start_and_goes_on(home, until):
    state = home.start_emulator()
    home.kill_emulator()
    home.configure(LIVE.format(**state))
    late = home.run("daemon", "start", "--timeout", "2")
    assert late.returncode == 3
    assert "goes on trying" in late.stderr, "however far a busy machine has come by then"
    until(lambda: "starting: waiting for binance" in phase(home), "the phase to say so")
    home.start_emulator(port=state["port"])
    async with home.attach() as client:
        await client.live()
        await client.submit("clxc-late", "buy", "0.01", price=home.away())
        await client.reaches("clxc-late", "accepted")
        await client.agrees()


async def test_wrong_secret_is_said_clearly_and_lets_no_order_through(home, until):
    state = home.start_emulator()
    home.configure(LIVE.format(**{**state, "api_secret": "f" * 64}))
    late = home.run("daemon", "start", "--timeout", "3")
    assert late.returncode == 3
    report = until(
        lambda: [
            row
            for row in home.ask("status")["venues"]
            if "Signature for this request is not valid" in row["reason"]
        ],
        "the venue's words",
    )
    assert "-1022" in report[0]["reason"]
    done = home.run("order", "buy", "0.01", "BTC-USDT", f"@{home.away()}")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "denied" in done.stdout
    assert home.control("oracle")["orders"] == []
    assert "f" * 64 not in home.log()
