from __future__ import annotations

import asyncio
import math
import os
import socket
import stat
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.model.commands import (
    Arm,
    CancelOrder,
    Done,
    GetBook,
    GetQuotes,
    GetStatus,
    Reconcile,
    StopEngine,
)
from core.model.errors import ConfigError, InvariantError, LinkError, RateLimited, VenueError
from core.model.ids import ClientOrderId, InstrumentId
from core.model.views import View
from link.client import UnixLink
from link.codec import PROTOCOL, Codec, EngineMessage, Farewell, Hello, Refused, Splitter, Welcome
from link.connection import Connection
from link.server import LinkServer

BTC = InstrumentId("BTC-USDT.binance")


class RawClient:
    """Bytes in, messages out, with nothing mended."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.codec = Codec()
        self._splitter = Splitter(1 << 25)
        self._bodies: list[bytes] = []

    @classmethod
    async def open(cls, path: Path) -> RawClient:
        return cls(*await asyncio.open_unix_connection(path))

    async def message(self) -> EngineMessage | None:
        while not self._bodies:
            data = await self.reader.read(65536)
            if not data:
                return None
            self._bodies += self._splitter.feed(data)
        return self.codec.engine_message(self._bodies.pop(0))

    def hello(self, **changes: Any) -> None:
        fields: dict[str, Any] = {"protocol": PROTOCOL, "origin": "tui", **changes}
        self.writer.write(self.codec.pack(Hello(**fields)))

    async def close(self) -> None:
        self.writer.close()
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)


async def last_words(path: Path, data: bytes, *, greet: bool) -> EngineMessage | None:
    client = await RawClient.open(path)
    if greet:
        client.hello()
    client.writer.write(data)
    last = None
    while (message := await client.message()) is not None:
        last = message
    await client.close()
    return last


async def test_socket_is_for_its_owner_only(server: LinkServer) -> None:
    assert stat.S_IMODE(server.path.stat().st_mode) == 0o600


async def test_other_protocol_version_is_refused_with_both_versions(server: LinkServer) -> None:
    client = await RawClient.open(server.path)
    client.hello(protocol=PROTOCOL + 1)
    refusal = await client.message()
    assert isinstance(refusal, Refused)
    assert refusal.fault.kind == "ConfigError"
    assert f"speaks link protocol {PROTOCOL}, the client {PROTOCOL + 1}" in str(refusal.fault.args)
    assert await client.message() is None
    await client.close()


async def test_engine_origin_is_refused_from_outside(server: LinkServer) -> None:
    client = await RawClient.open(server.path)
    client.hello(origin="engine")
    refusal = await client.message()
    assert isinstance(refusal, Refused)
    assert "origin must be one of" in str(refusal.fault.args)
    await client.close()


async def test_other_user_is_refused(face: Any, socket_path: Path, serving: Any) -> None:
    server = LinkServer(face, socket_path, peer_uid=lambda peer: os.getuid() + 1)
    async with serving(server):
        client = await RawClient.open(socket_path)
        refusal = await client.message()
        assert isinstance(refusal, Refused)
        assert f"the client was user {os.getuid() + 1}" in str(refusal.fault.args)
        assert await client.message() is None
        assert face.clients == 0
        await client.close()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x00\x00\x00\x03\xff\xff\xff", "malformed client message of 3 bytes"),
        (b"GET / HTTP/1.1\r\n\r\n", "at most 1048576 bytes"),
        (struct.pack(">I", 2**31), "at most 1048576 bytes, was 2147483648"),
        (b"\x00\x00\x00\x00", "malformed client message of 0 bytes"),
    ],
)
@pytest.mark.parametrize("greet", [True, False])
async def test_nonsense_ends_that_connection_with_the_reason(
    server: LinkServer, link: UnixLink, data: bytes, words: str, greet: bool
) -> None:
    last = await last_words(server.path, data, greet=greet)
    assert isinstance(last, Farewell if greet else Refused)
    assert words in str(last)
    report = await link.request(GetStatus())
    assert report.status.phase == "running"


async def test_call_before_hello_is_refused(server: LinkServer) -> None:
    data = b"\x84\xa4type\xa4call\xa2id\x01\xa4name\xa1x\xa4args\x80"
    last = await last_words(server.path, struct.pack(">I", len(data)) + data, greet=False)
    assert isinstance(last, Refused)
    assert "first message must be hello, was call" in str(last)


async def test_half_a_message_and_gone_leaves_nothing_behind(
    server: LinkServer, face: Any, until: Any
) -> None:
    client = await RawClient.open(server.path)
    client.hello()
    assert isinstance(await client.message(), Welcome)
    client.writer.write(struct.pack(">I", 100) + b"half")
    await client.close()
    await until(lambda: face.clients == 0)


async def test_results_arrive_as_the_types_of_the_command_table(link: UnixLink) -> None:
    book = await link.request(GetBook(instrument=BTC))
    assert book.bids == [(1, 2)]
    assert await link.request(Arm(instrument=BTC)) == Done()


async def test_facts_of_a_command_arrive_before_its_answer(link: UnixLink, face: Any) -> None:
    for number in range(1, 6):
        await link.request(Arm(instrument=BTC))
        assert link.replica.seq == face.seq == number


async def test_more_facts_than_fit_a_buffer_still_arrive_before_the_answer(
    link: UnixLink, face: Any
) -> None:
    await link.request(GetStatus())
    for number in range(5000):
        face.publish(f"{number} {'x' * 400}")
    await link.request(GetStatus())
    assert link.replica.seq == face.seq == 5000


async def test_client_that_came_before_the_journal_was_read_learns_what_was_in_it(
    link: UnixLink, face: Any
) -> None:
    face.publish("starting")
    await link.request(GetStatus())
    face.alerts = [*face.alerts, *face.alerts]  # what the journal had, told to nobody
    face.seq += 1
    face.publish("ready")
    await link.request(GetStatus())
    assert [alert.text for alert in link.replica.alerts] == ["starting", "starting", "ready"]
    assert (link.replica.seq, link.state) == (3, "up")


async def test_origin_of_the_hello_marks_every_request(
    server: LinkServer, face: Any, following: Any
) -> None:
    async with following(UnixLink(server.path, origin="cli")) as link:
        await link.request(GetStatus())
    assert face.requests[0].origin == "cli"


async def test_refusals_come_back_as_their_own_class(link: UnixLink) -> None:
    with pytest.raises(VenueError, match=r"Unknown order sent\. \(venue code -2011\)") as refused:
        await link.request(CancelOrder(client_order_id=ClientOrderId("x")))
    assert refused.value.code == "-2011"
    with pytest.raises(RateLimited) as limited:
        await link.request(Reconcile())
    assert limited.value.retry_after_s == 2.5


async def test_bug_in_a_command_answers_and_leaves_the_link_up(
    server: LinkServer, link: UnixLink
) -> None:
    with pytest.raises(InvariantError, match="stop_engine failed inside the engine"):
        await link.request(StopEngine())
    assert server.failures == 1
    assert (await link.request(GetStatus())).status.session == "s1"


async def test_engine_that_cannot_make_a_snapshot_says_so_instead_of_keeping_silent(
    server: LinkServer, face: Any, following: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face, "status", lambda: 1 / 0)
    async with following(UnixLink(server.path)) as link:
        with pytest.raises(LinkError, match=r"could not serve this client: ZeroDivisionError"):
            await link.request(GetStatus())
    assert server.failures == 1


async def test_unanswered_request_says_so_and_a_late_answer_is_dropped(
    link: UnixLink, face: Any
) -> None:
    with pytest.raises(LinkError, match=r"no answer to get_quotes within 0\.05 s"):
        await link.request(GetQuotes(), timeout_s=0.05)
    face.hold.set()
    assert (await link.request(GetQuotes()))[0].bid_ticks == 100


async def test_too_many_open_calls_are_refused_not_queued(link: UnixLink, face: Any) -> None:
    async def one() -> str:
        try:
            await link.request(GetQuotes())
        except Exception as error:
            return str(error)
        return "answered"

    calls = [asyncio.create_task(one()) for _ in range(40)]
    first, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    assert "at most 32 calls may be open" in first.pop().result()
    face.hold.set()
    answers = await asyncio.gather(*calls)
    assert answers.count("answered") == 32


async def test_market_falls_together_into_frames_at_the_clients_rate(
    link: UnixLink, face: Any, until: Any
) -> None:
    link.watch(View(focus=BTC, fps=30))
    await until(lambda: BTC in link.replica.quotes)
    for price in range(101, 1101):
        face.price = price
        await asyncio.sleep(0)
    await until(lambda: link.replica.quotes[BTC].bid_ticks == 1100)
    assert face.frames_made < 50


class EarlyLoop:
    """The loop, whose timers fire a rounding before their time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._now = loop, loop.time()

    def time(self) -> float:
        return self._now

    def call_at(self, when: float, callback: Any) -> asyncio.TimerHandle:
        def fire() -> None:
            self._now = math.nextafter(when, 0.0)
            callback()

        return self._loop.call_later(0.001, fire)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


async def test_frames_go_on_where_timers_fire_a_rounding_early(
    face: Any, server: LinkServer, following: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Connection.connection_made

    def early(self: Connection, transport: asyncio.BaseTransport) -> None:
        self._loop = EarlyLoop(self._loop)  # type: ignore[assignment]  # all that is used of one
        made(self, transport)

    monkeypatch.setattr(Connection, "connection_made", early)
    async with following(UnixLink(server.path)) as client:
        client.watch(View(focus=BTC, fps=30))
        for price in (100, 101, 102):
            face.price = price
            await until(
                lambda price=price: (
                    BTC in client.replica.quotes and client.replica.quotes[BTC].bid_ticks == price
                )
            )


async def test_no_view_makes_no_frames_and_leaving_closes_the_view(
    server: LinkServer, face: Any, following: Any, until: Any
) -> None:
    async with following(UnixLink(server.path)) as link:
        await link.request(GetStatus())
        link.watch(View())
        await link.request(GetStatus())
        assert face.frames_made == 0
        assert face.open_views == 1
    await until(lambda: face.open_views == 0 and face.clients == 0)


async def test_silent_client_costs_a_bounded_buffer_and_gets_a_fresh_snapshot(
    face: Any, socket_path: Path, serving: Any, following: Any, until: Any
) -> None:
    async with serving(LinkServer(face, socket_path, backlog=500)) as server:
        stuck = await RawClient.open(socket_path)
        stuck.hello()
        stuck.writer.write(stuck.codec.pack(_watch()))
        assert isinstance(await stuck.message(), Welcome)
        stuck.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a read transport
        async with following(UnixLink(socket_path)) as link:
            await link.request(GetStatus())
            for number in range(20_000):
                face.publish(f"fact {number} {'x' * 200}")
                face.price += 1
                if number % 200 == 199:
                    await until(lambda: link.replica.seq == face.seq)
            await link.request(GetStatus())
        sent_to_stuck = list(server._clients)
        assert len(sent_to_stuck) == 1
        transport = sent_to_stuck[0]._transport
        assert transport is not None
        assert transport.get_write_buffer_size() < 1 << 20
        stuck.writer.transport.resume_reading()  # type: ignore[attr-defined]
        seq = 0
        snapshots = 0
        while seq < face.seq:
            message = await stuck.message()
            kind = type(message).__name__
            if kind == "SnapshotSent":
                snapshots += 1
                seq = message.snapshot.seq  # type: ignore[union-attr]
            elif kind == "FactSent":
                assert message.seq == seq + 1  # type: ignore[union-attr]
                seq += 1
        assert snapshots == 2
        await stuck.close()


def _watch() -> Any:
    from link.codec import Watch

    return Watch(view=View(focus=BTC, fps=30))


async def test_gap_is_filled_from_the_ring_without_a_snapshot(
    server: LinkServer, face: Any, following: Any, until: Any
) -> None:
    link = UnixLink(server.path)
    async with following(link):
        await link.request(GetStatus())
        face.publish("seen")
        await until(lambda: link.replica.seq == 1)
    for number in range(100):
        face.publish(f"missed {number}")
    link.replica.equity = link.replica.equity + 1
    async with following(link):
        await until(lambda: link.replica.seq == 101)
    assert [alert.text for alert in link.replica.alerts] == [
        f"missed {number}" for number in range(100)
    ]
    assert str(link.replica.equity) == "2.50", "a snapshot came where facts would have done"


async def test_new_engine_run_gives_a_snapshot_instead_of_resuming(
    face: Any, socket_path: Path, serving: Any, following: Any, until: Any, backoff: Any
) -> None:
    async with following(UnixLink(socket_path, backoff=backoff)) as link:
        async with serving(LinkServer(face, socket_path)):
            await until(lambda: link.state == "up")
            face.publish("of the old run")
            await until(lambda: link.replica.seq == 1)
        await until(lambda: link.state == "down")
        assert "the engine stopped" in link.reason
        newer = type(face)(session="s2")
        async with serving(LinkServer(newer, socket_path)):
            await until(lambda: link.state == "up")
            assert link.session == "s2"
            assert (link.replica.seq, len(link.replica.alerts)) == (0, 0)


async def test_view_is_watched_again_after_a_reconnect(
    face: Any, socket_path: Path, serving: Any, following: Any, until: Any, backoff: Any
) -> None:
    link = UnixLink(socket_path, backoff=backoff)
    link.watch(View(focus=BTC))
    async with following(link):
        for _ in range(2):
            link.replica.quotes.clear()
            async with serving(LinkServer(face, socket_path)):
                await until(lambda: BTC in link.replica.quotes)
            await until(lambda: link.state != "up")


async def test_second_engine_is_refused_by_the_pid_of_the_first(
    server: LinkServer, face: Any
) -> None:
    with pytest.raises(ConfigError, match=f"already running as pid {os.getpid()} "):
        LinkServer(face, server.path).bind()
    assert server.path.exists()


@pytest.fixture
def leftover_socket(socket_path: Path) -> Path:
    """A socket whose engine was killed without a chance to remove it."""
    program = (
        "import sys, os, signal, pathlib\n"
        "from link.socketfile import SocketFile\n"
        "file = SocketFile(pathlib.Path(sys.argv[1])); file.bind().listen()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(socket_path)], check=False)
    assert killed.returncode == -9
    assert socket_path.is_socket()
    return socket_path


async def test_socket_left_by_a_killed_engine_is_replaced(
    face: Any, leftover_socket: Path, serving: Any, following: Any
) -> None:
    server, link = LinkServer(face, leftover_socket), UnixLink(leftover_socket)
    async with serving(server), following(link):
        assert (await link.request(GetStatus())).status.session == "s1"
    assert not await asyncio.to_thread(leftover_socket.exists)


def test_folder_others_can_write_to_is_refused(tmp_path: Path) -> None:
    from link.socketfile import SocketFile

    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(ConfigError, match="writable by its owner only, was mode 777"):
        SocketFile(shared / "clx.sock").bind()


def test_path_too_long_for_a_socket_is_refused_in_words(tmp_path: Path) -> None:
    from link.socketfile import SocketFile

    with pytest.raises(ConfigError, match="at most 103 bytes"):
        SocketFile(tmp_path / ("x" * 120)).bind()


def test_peer_uid_is_read_from_the_socket() -> None:
    from link.socketfile import peer_uid_of

    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert peer_uid_of(ours) == os.getuid()


async def test_fifty_clients_all_see_every_fact(server: LinkServer, face: Any, until: Any) -> None:
    links = [UnixLink(server.path) for _ in range(50)]
    tasks = [asyncio.create_task(link.run()) for link in links]
    for link in links:
        link.watch(View(focus=BTC))
    await asyncio.gather(*(link.request(GetStatus()) for link in links))
    assert face.clients == 50
    for number in range(200):
        face.publish(f"fact {number}")
        if number % 20 == 0:
            await asyncio.sleep(0)
    await until(lambda: all(link.replica.seq == 200 for link in links))
    texts = [alert.text for alert in links[0].replica.alerts]
    assert texts == [f"fact {number}" for number in range(100, 200)]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await until(lambda: face.clients == 0 and face.open_views == 0)


async def test_no_engine_fails_the_request_at_once_and_says_what_to_do(
    socket_path: Path, following: Any
) -> None:
    async with following(UnixLink(socket_path)) as link:
        with pytest.raises(LinkError, match=r"no engine is listening at .* `clx daemon start`"):
            await link.request(GetStatus(), timeout_s=5)
    assert link.state == "down"
