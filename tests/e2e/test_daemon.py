"""What can go wrong with the engine process itself, its settings, its disk and its clients."""

import contextlib
import fcntl
import resource
import socket
import struct
import termios
from typing import Any

import pytest

from core.model.commands import EnableStrategy
from core.model.views import View
from link.codec import (
    MAX_ANSWER_BYTES,
    PROTOCOL,
    Codec,
    FactSent,
    Hello,
    SnapshotSent,
    Splitter,
    Watch,
)
from link.replica import Replica

BTC = "BTC-USDT.binance"


def test_second_daemon_is_refused_and_names_the_first(shared):
    pid = shared.engine_pid()
    again = shared.run("daemon", "start")
    assert again.returncode == 2
    assert f"pid {pid}" in again.stderr
    direct = shared.run("daemon", "run")
    assert direct.returncode != 0
    assert str(pid) in direct.stderr
    assert shared.engine_pid() == pid


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[risk]\nmax_order_notionl = 5\n", "max_order_notional"),
        ("[risk]\nmax_order_notional = 'much'\n", "was 'much'"),
        ("[risk]\nmax_order_notional = -5\n", "was -5"),
        ("[risk\n", "is not TOML"),
        ("mode = 'live'\n", "trading.live"),
        ("mode = 'live'\n[trading]\nlive = true\n", "api_key"),
        ("[feeds.binanse]\n", "binance"),
    ],
)
def test_wrong_settings_are_named_and_nothing_starts(home, text, words):
    home.configure(text)
    done = home.run("daemon", "start")
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not home.socket.exists()
    assert not (home.root / "run" / "emulator.json").exists()


def test_settings_file_that_cannot_be_read_is_named_and_nothing_starts(home):
    file = home.root / "config.toml"
    file.unlink()
    file.mkdir()
    done = home.run("daemon", "start")
    assert done.returncode == 2
    assert f"{file}: cannot be read" in done.stderr
    assert not home.socket.exists()


def test_engine_starts_over_the_socket_of_a_killed_one(running):
    running.kill_engine()
    assert running.socket.exists()
    assert running.run("status").returncode == 3
    running.clx("daemon", "start")
    assert running.ask("status")["status"]["phase"] == "running"


async def test_full_disk_lets_only_exits_through_until_there_is_room(running):
    async with running.attach() as client:
        await client.live()
        await client.submit("clxc-before", "buy", "0.05")
        await client.reaches("clxc-before", "filled")
        with full_disk(client.replica.status.pid):
            denied = await client.submit("clxc-entry", "buy", "0.01")
            assert denied.state == "denied"
            assert denied.note.startswith("journal: ")
            assert "could not be written" in denied.note
            await client.alerted("only exits and cancels go until it works")
            await client.until(lambda: not client.replica.status.journal_ok, "the status to say so")
            assert "FAILED: reduce only" in running.clx("status")
            await client.submit("clxc-exit", "sell", "0.02", reduce_only=True)
            await client.reaches("clxc-exit", "filled")
            await client.alerted("exit clxc-exit is sent without being journaled")
        await client.alerted("the journal can be written again")
        await client.until(lambda: client.replica.status.journal_ok, "the status to say so")
        await client.submit("clxc-after", "buy", "0.01")
        await client.reaches("clxc-after", "filled")
        await client.agrees()
    running.kill_engine()
    running.clx("daemon", "start")
    async with running.attach() as client:
        await client.agrees()
        assert client.state("clxc-exit") == "filled"


@contextlib.contextmanager
def full_disk(pid: int) -> Any:
    """Let a running process write to no file, as a full disk does."""
    old = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, old[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, old)


STRATEGIES = {
    "raises": "raise ValueError('no idea')",
    "loops": "while True: pass",
    "hoards": "hoard = [bytearray(16 << 20) for _ in range(1000)]",
}


async def test_strategy_that_raises_loops_or_hoards_is_stopped_and_all_else_goes_on(home):
    tables = ""
    for name, body in STRATEGIES.items():
        file = home.root / f"{name}.py"
        file.write_text(
            "from core.strategies.api import BarInput, Strategy\n\n\n"
            f"class Mine(Strategy):\n    def on_bar(self, bar: BarInput):\n        {body}\n"
        )
        tables += (
            f'[strategies.{name}]\nkind = "{file}"\ntimeframe = "1s"\nmemory_mb = 200\n'
            "reply_timeout_s = 1.0\n"
        )
    config = (home.root / "config.toml").read_text()
    home.configure(config + tables)
    home.clx("daemon", "start")
    async with home.attach() as client:
        await client.live()
        await client.submit("clxc-bystander", "buy", "0.01", price=home.away())
        await client.reaches("clxc-bystander", "accepted")
        for name in STRATEGIES:
            await client.request(EnableStrategy.model_validate({"strategy": name}))

        def stopped() -> bool:
            views = client.replica.strategies
            return all(views[name].state.startswith("failed: ") for name in STRATEGIES)

        await client.until(stopped, "the strategies to be stopped")
        states = {name: client.replica.strategies[name].state for name in STRATEGIES}
        assert "no idea" in states["raises"]
        assert "1 s" in states["loops"]
        assert "200 MB" in states["hoards"] or "memory" in states["hoards"].lower()
        for name in STRATEGIES:
            await client.alerted(name)
        assert client.state("clxc-bystander") == "accepted"
        await client.submit("clxc-after", "buy", "0.01")
        await client.reaches("clxc-after", "filled")
        await client.agrees()


async def test_client_that_does_not_read_costs_others_nothing_and_misses_no_fact(shared):
    codec, replica = Codec(), Replica()
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(str(shared.socket))
        deaf.sendall(codec.pack(Hello(protocol=PROTOCOL, origin="cli", session="", seq=0)))
        view = View(focus=BTC, bars=5000, depth=500, fps=30, quotes=(BTC,))
        deaf.sendall(codec.pack(Watch(view=view)))
        async with shared.attach() as client:
            await client.live()
            for number in range(8):
                order_id = f"clxc-deaf-{number}"
                await client.submit(order_id, "buy", "0.01")
                await client.reaches(order_id, "filled")
            await client.until(Stuck(deaf), "the socket to be full")
            for number in range(8, 16):
                order_id = f"clxc-deaf-{number}"
                await client.submit(order_id, "sell", "0.01")
                await client.reaches(order_id, "filled")
            await client.agrees()
            splitter = Splitter(MAX_ANSWER_BYTES)
            deaf.setblocking(False)

            def caught_up() -> bool:
                with contextlib.suppress(BlockingIOError):
                    for body in splitter.feed(deaf.recv(1 << 20)):
                        match codec.engine_message(body):
                            case SnapshotSent(snapshot=snapshot):
                                replica.apply_snapshot(snapshot)
                            case FactSent(seq=seq, fact=fact):
                                replica.apply_fact(seq, fact)
                return len(replica.fills) == len(client.replica.fills)

            await client.until(caught_up, "the deaf client to hear everything")
            assert replica.orders == client.replica.orders
            assert list(replica.fills) == list(client.replica.fills)
            assert replica.balances == client.replica.balances


class Stuck:
    """Whether nothing more arrived at a socket nobody reads for a while."""

    def __init__(self, deaf: socket.socket) -> None:
        self._deaf = deaf
        self._waiting = -1
        self._same = 0

    def __call__(self) -> bool:
        waiting = struct.unpack("i", fcntl.ioctl(self._deaf, termios.FIONREAD, bytes(4)))[0]
        self._same = self._same + 1 if waiting == self._waiting else 0
        self._waiting = waiting
        return self._waiting > 0 and self._same > 50
