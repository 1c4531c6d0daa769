"""A hung engine is told of, killed and brought back; where it cannot be, the venue is cleared."""

import json
import os
import signal
import subprocess
from typing import Any

import pytest

from clx.watchdog.state import RESTARTED
from core.model.commands import Reconcile, SubmitOrder

WATCHED = """
[emulator]
history_days = 3
[engine]
history_bars = 300
[models.tiny-1m]
enabled = false
[watchdog]
warn_s = 1.0
kill_s = 2.0
action = "flatten"
"""


@pytest.fixture
def watched(home: Any) -> Any:
    home.configure(WATCHED)
    return home


def events(home: Any) -> list[str]:
    log = home.root / "data" / "watchdog.jsonl"
    return (
        [json.loads(line)["what"] for line in log.read_text().splitlines()] if log.exists() else []
    )


def state(home: Any) -> dict[str, Any]:
    file = home.root / "run" / "watchdog.json"
    return dict(json.loads(file.read_text())) if file.exists() else {}


@pytest.mark.timeout(180)
async def test_a_stopped_engine_is_killed_and_takes_up_what_it_held(
    watched: Any, until: Any
) -> None:
    watched.clx("daemon", "start")
    async with watched.attach() as client:
        # What is compared while the stream is down lets no entry through.
        venues = client.replica.venues
        await client.until(lambda: venues["binance"].connected, "the venue's stream")
        await client.request(Reconcile())
        await client.submit("clxc-long", "buy", "0.01")
        await client.reaches("clxc-long", "filled")
        stop = {
            "client_order_id": "clxc-stop", "instrument": "BTC-USDT.binance", "side": "sell",
            "type": "stop", "size": "0.009", "trigger_price": watched.away("0.95"),
            "reduce_only": True,
        }  # fmt: skip
        await client.request(SubmitOrder.model_validate(stop))
        await client.reaches("clxc-stop", "held", "accepted")
    pid = watched.engine_pid()
    until(lambda: state(watched).get("ran"), "the watchdog to hear that it runs")
    assert "watchdog: watching" in watched.clx("status")
    before = len(events(watched))  # a slow start may have been warned of
    alert = watched.root / "run" / "watchdog-alert"
    os.kill(pid, signal.SIGSTOP)
    until(alert.exists, "the alert a person finds")
    assert "gave no sign of life" in alert.read_text()
    until(lambda: "restarted" in events(watched)[before:], "the engine to be brought back")
    assert events(watched)[before:] == ["warned", "killed", "restarted"]
    assert watched.engine_pid() != pid
    assert not alert.exists()
    async with watched.attach() as client:
        assert client.state("clxc-stop") in {"held", "accepted"}, "protected again"
        await client.agrees()


@pytest.mark.timeout(180)  # an engine that starts may have to compile
async def test_a_spinning_engine_that_hung_before_is_flattened_by_the_watchdog(
    watched: Any, until: Any
) -> None:
    daemon = watched.spawn(
        "tests/e2e/hanging_daemon.py",
        env={**watched.env, RESTARTED: "a test"},
        stdin=subprocess.DEVNULL,
    )
    async with watched.attach() as client:
        # What is compared while the stream is down lets no entry through.
        venues = client.replica.venues
        await client.until(lambda: venues["binance"].connected, "the venue's stream")
        await client.request(Reconcile())
        await client.submit("clxc-long", "buy", "0.01")
        await client.reaches("clxc-long", "filled")
        await client.submit("clxc-bid", "buy", "0.01", price=watched.away())
        await client.reaches("clxc-bid", "accepted")
    until(lambda: state(watched).get("ran"), "the watchdog to hear that it runs")
    os.kill(daemon.pid, signal.SIGUSR1)
    until(lambda: state(watched)["standing"] == "acted", "the watchdog to act")
    assert daemon.wait(10) == -signal.SIGKILL
    truth = watched.control("oracle")
    left = [row for row in truth["orders"] if row["status"] in {"NEW", "PARTIALLY_FILLED"}]
    assert left == []
    sold = sum(float(row["qty"]) for row in truth["trades"] if not row["isBuyer"])
    assert sold == pytest.approx(0.01, rel=0.01), "what was bought, less its fee"
    assert "WRONG" in watched.clx("doctor", check=False)
    watched.clx("daemon", "start")
    async with watched.attach() as client:
        assert client.replica.status.risk_state == "reducing"
        await client.agrees()


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_drill_goes_down_the_ladder_and_leaves_nothing_behind(running: Any) -> None:
    running.clx("reconcile")
    done = running.run("drill", "--format", "json", timeout_s=150)
    report = json.loads(done.stdout)
    assert [item["step"] for item in report["steps"]] == [
        "place", "pause", "reduce", "cancel", "flatten", "kill", "restart", "re-arm", "clean up",
    ]  # fmt: skip
    assert done.returncode == (0 if report["ok"] else 1), "a slow machine is late, not wrong"
    assert running.ask("orders") == []
    assert running.ask("status")["status"]["risk_state"] == "active"
    bid = running.clx("order", "buy", "0.001", "BTC-USDT", f"@{running.away()}")
    assert "submitted" in bid
    again = running.run("drill")
    assert again.returncode == 2
    assert "it would close what is open" in again.stderr
