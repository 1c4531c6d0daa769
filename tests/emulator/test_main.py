"""The program: state file, one line of output, loopback only, clean end."""

import asyncio
import json
import os
import signal
import socket
import stat
import sys

import aiohttp
import pytest

from emulator.__main__ import main, write_state
from emulator.market.facts import label
from emulator.venues import VENUES

KEYS = {"CLX_EMULATOR_KEY": "fromenvironment1", "CLX_EMULATOR_SECRET": "secret1"}


async def run(state, *args, env=None):
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "emulator",
        "--state-file",
        str(state),
        "--history-days",
        "2",
        *args,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(env or {})},
    )


async def test_it_serves_says_so_and_ends_on_sigterm(tmp_path):
    state = tmp_path / "deep" / "state.json"
    process = await run(state, env=KEYS)
    line = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
    told = json.loads(state.read_text())
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert told["pid"] == process.pid
    assert (told["api_key"], told["api_secret"]) == tuple(KEYS.values())
    assert set(line) == set(told) - {"api_secret", "control_token"}
    assert {"pid", "port", "api_key", "rest_url", "stream_url", "ws_api_url"} <= set(line)
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{told['rest_url']}/api/v3/ping") as answer:
            assert answer.status == 200
        async with session.ws_connect(f"{told['stream_url']}/ws/btcusdt@bookTicker") as ws:
            await ws.receive_json(timeout=10)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 10) == 0
    assert not state.exists()
    assert await process.stderr.read() == b""


async def test_a_taken_port_is_an_error_that_names_it(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = await run(tmp_path / "state.json", "--port", str(port))
        _, error = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in error.decode()
    assert not (tmp_path / "state.json").exists()


async def test_every_venue_is_served_and_its_addresses_are_told(tmp_path):
    state = tmp_path / "state.json"
    process = await run(state, "--venues", "all", "--speed", "5")
    line = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
    assert list(line["venues"]) == list(VENUES)
    assert line["label"] == label()
    async with aiohttp.ClientSession() as session:
        for path in (
            line["venues"]["okx"]["rest"] + "/public/time",
            line["venues"]["deribit"]["rest"] + "/public/get_time",
            line["venues"]["binancefut"]["rest"] + "/time",
        ):
            async with session.get(path) as answer:
                assert answer.status == 200
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 10) == 0
    assert await process.stderr.read() == b""


async def test_made_up_keys_differ_and_no_flow_stands_still(tmp_path):
    process = await run(tmp_path / "state.json", "--no-flow")
    await asyncio.wait_for(process.stdout.readline(), 20)
    told = json.loads((tmp_path / "state.json").read_text())
    assert len(told["api_key"]) == len(told["api_secret"]) == 64
    assert told["api_key"] != told["api_secret"]
    headers = {"X-Clx-Control": told["control_token"]}
    async with aiohttp.ClientSession(headers=headers) as session:
        url = f"{told['control_url']}/book?symbol=BTCUSDT"
        async with session.get(url) as answer:
            first = await answer.json()
        async with session.get(f"{told['rest_url']}/api/v3/trades?symbol=BTCUSDT") as answer:
            await answer.json()
        async with session.get(url) as answer:
            assert await answer.json() == first
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 10) == 0


def test_state_file_is_replaced_whole(tmp_path):
    path = tmp_path / "state.json"
    write_state(path, {"pid": 1})
    write_state(path, {"pid": 2})
    assert json.loads(path.read_text()) == {"pid": 2}
    assert list(tmp_path.iterdir()) == [path]


def test_unwritable_state_leaves_nothing_behind(tmp_path):
    with pytest.raises(TypeError):
        write_state(tmp_path / "state.json", {"pid": object()})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--events-per-second", "0"], "--events-per-second must be 1 to 2000, was 0"),
        (["--history-days", "1"], "--history-days must be 2 to 3650, was 1"),
        (["--port", "70000"], "--port must be 0 to 65535, was 70000"),
        (["--speed", "0"], "--speed must be 0.01 to 1000, was 0"),
        (["--venues", "binance,mtgox"], "or all, was mtgox"),
    ],
)
def test_figures_out_of_range_are_named(tmp_path, capsys, args, words):
    with pytest.raises(SystemExit) as ended:
        main(["--state-file", str(tmp_path / "s"), *args])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_a_key_that_no_client_could_send_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CLX_EMULATOR_KEY", "short")
    with pytest.raises(SystemExit):
        main(["--state-file", str(tmp_path / "s")])
    assert "CLX_EMULATOR_KEY must be 8-128" in capsys.readouterr().err


async def test_a_killed_emulator_comes_back_with_the_trades_it_had_told(tmp_path):
    async def begin(*args):
        process = await run(
            tmp_path / "state.json", "--state-dir", str(tmp_path / "kept"), "--no-flow", *args
        )
        assert await asyncio.wait_for(process.stdout.readline(), 60)
        told = json.loads((tmp_path / "state.json").read_text())
        return process, told["control_url"], {"X-Clx-Control": told["control_token"]}

    async def trades(session, url, headers):
        async with session.get(f"{url}/trades?symbol=SOLUSDT", headers=headers) as answer:
            return await answer.json()

    process, url, headers = await begin()
    async with aiohttp.ClientSession() as session:
        asked = {"symbol": "SOLUSDT", "side": "BUY", "qty": "7.5"}
        async with session.post(f"{url}/trade", headers=headers, json=asked) as answer:
            assert (await answer.json())["executed"] == "7.50000000"
        before = await trades(session, url, headers)
        process.kill()
        await process.wait()
        process, url, headers = await begin()
        assert await trades(session, url, headers) == before
        process.terminate()
        await process.wait()
    other = await run(tmp_path / "other.json", "--state-dir", str(tmp_path / "kept"), "--seed", "8")
    _, error = await asyncio.wait_for(other.communicate(), 60)
    assert other.returncode == 1
    assert "remembers another market" in error.decode()
