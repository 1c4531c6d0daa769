"""Planted secrets: nothing that leaves the engine, and no other process, ever holds them."""

import asyncio
import base64
import contextlib
import os
import pty
import struct
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
import zstandard

from core.model.commands import Kill
from core.model.errors import ClxError

ROOT = Path(__file__).parents[2]
KEY = "PlantedKey" + "k3y" * 18
SECRET = "PlantedSecret" + "s3cr" * 12
PHRASE = "planted passphrase 77"
FORMS = [
    form.encode()
    for secret in (KEY, SECRET, PHRASE)
    for form in (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode())
]
SETTINGS = """
mode = "live"
[trading]
live = true
[engine]
history_bars = 300
[models.tiny-1m]
enabled = false
[feeds.binance]
rest_url = "{rest_url}"
stream_url = "{stream_url}"
[venues.binance]
account = "emu-main"
rest_url = "{rest_url}"
ws_api_url = "{ws_api_url}"
[strategies.rsi]
kind = "rsi"
enabled = true
"""
STREAMS = ("stdin", "stdout", "stderr")
START = """
import sys
from clx.spawn import start_engine
from store.paths import find_paths, make_folders
make_folders(find_paths())
start_engine(find_paths(), sys.stdin.readline().strip())
"""


def _leaks(data: bytes) -> list[bytes]:
    return [form for form in FORMS if form in data]


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(each) for each in found]


def _said_by(pid: int) -> bytes:
    """Return what other programs of the user can read of a process: environment and arguments."""
    folder = Path(f"/proc/{pid}")
    return (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()


def _content(path: Path) -> bytes:
    data = path.read_bytes()
    if path.name.endswith(".zst"):
        with contextlib.suppress(zstandard.ZstdError):
            reader = zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True)
            return reader.read()
    return data


async def _listen(path: Path, heard: bytearray) -> None:
    """Attach as a terminal does, and keep every byte that comes."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    hello = msgspec.msgpack.encode({"type": "hello", "protocol": 1, "origin": "tui"})
    writer.write(struct.pack(">I", len(hello)) + hello)
    try:
        while part := await reader.read(1 << 16):
            heard += part
    finally:
        writer.close()


@pytest.mark.slow
async def test_planted_secrets_are_nowhere_but_in_the_connector(home, until):
    planted = {"CLX_EMULATOR_KEY": KEY, "CLX_EMULATOR_SECRET": SECRET}
    home.env |= planted
    state = home.start_emulator()
    for name in planted:
        del home.env[name]
    home.configure(SETTINGS.format(**state))
    home.env["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
    phrase = home.root / "phrase"
    phrase.touch(0o600)
    phrase.write_text(PHRASE)

    words = ["keys", "add", "emu-main", "--venue", "binance", "--environment", "testnet"]
    added = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "clx", *words, "--rest-url", state["rest_url"]],
        input=f"{KEY}\n{SECRET}\n",
        env={**home.env, "CLX_PASSPHRASE_FILE": str(phrase)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert added.returncode == 0, added.stderr
    assert "may read, trade" in added.stdout
    phrase.unlink()

    # From here on the passphrase is known to whoever typed it, and goes through a pipe.
    starter = home.spawn("-c", START, stdin=subprocess.PIPE)
    starter.communicate(f"{PHRASE}\n")
    heard = bytearray()
    async with home.attach() as client:
        listening = asyncio.create_task(_listen(home.socket, heard))
        await client.live()
        # As if the venue had put its words, and in them the keys, into everything it says.
        told = f"venue said {KEY} and {SECRET}"
        for attempt in range(20):
            name = f"clxc-{attempt}"
            order = await client.submit(name, "buy", "0.01", price=home.away(), reason=told)
            if order.state != "denied":
                break
            # A venue whose stream has just come up is compared once more, and waited for.
            assert "is being compared" in order.note, order.note
            await client.until(client.running, "the venue to be compared")
        await client.reaches(name, "accepted")
        with contextlib.suppress(ClxError):
            await client.link.request(Kill(level="cancel", reason=told), 20)
        await client.reaches(name, "canceled")
        pid = home.engine_pid()
        hosts = _children(pid)
        assert hosts, "the strategy runs in a process of its own"
        cli = home.spawn("-m", "clx", "watch", "BTC-USDT", stdout=subprocess.DEVNULL)
        ours, theirs = pty.openpty()
        env = {**home.env, "TERM": "xterm-256color"}
        tui = home.spawn("-m", "clx", "attach", **dict.fromkeys(STREAMS, theirs), env=env)
        drawn = b""
        while len(drawn) < 5_000:
            drawn += await asyncio.to_thread(os.read, ours, 1 << 16)
        assert _leaks(drawn) == []
        for process in (pid, *hosts, cli.pid, tui.pid):
            assert _leaks(_said_by(process)) == []
        tui.kill()
        os.close(ours)
        os.close(theirs)
        await client.until(lambda: len(heard) > 10_000, "frames at the second link")
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    assert b"venue said" in heard
    assert _leaks(bytes(heard)) == []
    log = home.root / "data" / "audit" / "audit.jsonl"
    until(lambda: log.exists() and b'"kill"' in log.read_bytes(), "the audit log to be written")
    said = home.clx("audit")
    assert _leaks(said.encode()) == []

    os.kill(pid, 6)  # what a crash leaves behind, its log with the faults of all threads included
    until(lambda: not Path(f"/proc/{pid}/cmdline").exists() or not _alive(pid), "its end")
    scanned = {}
    for path in home.root.rglob("*"):
        if path.is_file() and path.name != "emulator.json":
            scanned[path.relative_to(home.root).as_posix()] = _leaks(_content(path))
    assert {name: leaks for name, leaks in scanned.items() if leaks} == {}
    names = " ".join(scanned)
    for kind in ("journal-live.sqlite", "engine.log", "audit.jsonl", ".jsonl.zst", "keys.sealed"):
        assert kind in names, kind

    lines = [msgspec.json.decode(line) for line in log.read_bytes().splitlines()]
    whats = [(line["origin"], line["what"]) for line in lines]
    assert whats[0] == ("cli", "keys.add")
    assert ("cli", "submit_order") in whats
    assert ("cli", "kill") in whats
    submitted = next(line for line in lines if line["what"] == "submit_order")
    assert submitted["client"]["pid"] == os.getpid()
    assert submitted["parameters"]["reason"] == "venue said *** and ***"
    assert home.run("audit", "verify").returncode == 0


def _alive(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state != "Z"


def test_an_engine_without_its_passphrase_says_every_way_to_give_it(home):
    urls = dict.fromkeys(("rest_url", "ws_api_url"), "http://127.0.0.1:1")
    urls["stream_url"] = "ws://127.0.0.1:1"
    home.configure(SETTINGS.format(**urls))
    home.env["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
    (home.root / "keys.sealed").touch(0o600)
    (home.root / "keys.sealed").write_bytes(b"x" * 200)
    (home.root / "keys.sealed").chmod(0o644)
    late = home.run("daemon", "start")
    assert late.returncode == 2
    assert "chmod 600" in late.stderr
    (home.root / "keys.sealed").chmod(0o600)
    late = home.run("daemon", "start")
    assert "CLX_PASSPHRASE_FILE" in late.stderr
    home.env["CLX_PASSPHRASE_FILE"] = str(home.root / "none")
    late = home.run("daemon", "start")
    assert "none cannot be read" in late.stderr


def test_keys_in_the_settings_are_warned_of_and_not_shown(home):
    home.configure('mode = "live"\n[venues.binance]\napi_key = "a-key-of-config-1"\n')
    home.env["CLX_VENUES__BINANCE__API_SECRET"] = "a-secret-of-env-1"
    late = home.run("daemon", "start")
    assert late.returncode == 2  # trading.live is not set
    said = "warning: venues.binance.api_key, venues.binance.api_secret can be read by others"
    assert said in late.stderr
    assert "config-1" not in late.stderr
    assert "env-1" not in late.stderr
