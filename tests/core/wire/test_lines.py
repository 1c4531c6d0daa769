from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from core.model.errors import ConfigError, DataError, OutcomeUnknown, TemporaryError
from core.wire.lines import MAX_LINES, Lines, parse_reply

LIMIT = 10_000


def whole(text: bytes, ended: bool = False):
    return parse_reply(bytearray(text), LIMIT, ended=ended)


@pytest.mark.parametrize(
    ("text", "status", "body", "keep"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 200, b"{}", True),
        (b"HTTP/1.1 400 \r\ncontent-LENGTH:  2 \r\n\r\n{}", 400, b"{}", True),
        (b"HTTP/1.0 204 No\r\nConnection: Close\r\n\r\n", 204, b"", False),
        (b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1", 200, b"1", True),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
            200,
            b"abc0123456789",
            True,
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"1\r\na\r\n0\r\nTrailer: x\r\n\r\n",
            200,
            b"a",
            True,
        ),
    ],
)
def test_answers_are_whole_exactly_at_their_last_byte(text, status, body, keep):
    for cut in range(len(text)):
        assert whole(text[:cut]) is None
    reply, used = whole(text + b"HTTP/1.1 next")
    assert (reply.status, reply.body, reply.keep, used) == (status, body, keep, len(text))


def test_answer_without_a_length_ends_with_the_connection():
    text = b"HTTP/1.1 502 Bad\r\nX: 1\r\n\r\n<html>"
    assert whole(text) is None
    reply, _ = whole(text, ended=True)
    assert (reply.body, reply.keep, reply.headers) == (b"<html>", False, {"x": "1"})


@pytest.mark.parametrize(
    "text",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10001\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2711\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
        b"x" * 70_000,
    ],
)
def test_what_is_no_answer_or_too_long_is_refused(text):
    with pytest.raises(DataError, match=r"was|were|began|asked"):
        whole(text)


@given(st.binary(max_size=300))
def test_rubbish_is_refused_or_waited_for_but_never_crashes(rubbish):
    for text in (
        rubbish,
        b"HTTP/1.1 200 OK\r\n" + rubbish,
        b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n" + rubbish,
    ):
        try:
            found = whole(text, ended=True)
        except DataError:
            continue
        assert found is None or found[1] <= len(text)


class Slow:
    """Answers each request once it is told to, and counts."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.connections = 0
        self.asked = 0
        self.arrived = asyncio.Event()
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader, writer):
        self.connections += 1
        self.writers.append(writer)
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                self.asked += 1
                self.arrived.set()
                await self.go.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@pytest.fixture
async def slow():
    slow = Slow()
    server = await asyncio.start_server(slow.serve, "127.0.0.1", 0)
    slow.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield slow
    server.close()
    for writer in slow.writers:
        writer.close()
    await server.wait_closed()


async def test_more_requests_than_lines_wait_for_one(slow):
    lines = Lines(slow.url, timeout_s=5, max_body_bytes=LIMIT)
    asks = [
        asyncio.create_task(lines.exchange("DELETE", "/o", f"n={n}", {}))
        for n in range(MAX_LINES + 5)
    ]
    while slow.asked < MAX_LINES:
        slow.arrived.clear()
        await slow.arrived.wait()
    assert slow.connections == MAX_LINES
    slow.go.set()
    assert {reply.status for reply in await asyncio.gather(*asks)} == {200}
    assert slow.connections == MAX_LINES
    lines.close()


async def test_all_lines_busy_for_too_long_is_certainly_not_sent(slow):
    lines = Lines(slow.url, timeout_s=0.2, max_body_bytes=LIMIT)
    asks = [asyncio.create_task(lines.exchange("POST", "/o", "", {})) for _ in range(MAX_LINES)]
    while slow.asked < MAX_LINES:
        slow.arrived.clear()
        await slow.arrived.wait()
    lines._timeout_s = 0.01
    with pytest.raises(TemporaryError, match=f"all {MAX_LINES} lines are busy"):
        await lines.exchange("POST", "/o", "", {})
    assert all(
        isinstance(e, OutcomeUnknown) for e in await asyncio.gather(*asks, return_exceptions=True)
    )


async def test_a_line_whose_request_was_abandoned_is_never_used_again(slow):
    lines = Lines(slow.url, timeout_s=5, max_body_bytes=LIMIT)
    ask = asyncio.create_task(lines.exchange("POST", "/o", "", {}))
    await slow.arrived.wait()
    ask.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ask
    slow.go.set()
    await lines.exchange("POST", "/o", "", {})
    assert slow.connections == 2
    lines.close()


async def test_a_line_the_server_closed_while_idle_is_replaced(slow):
    lines = Lines(slow.url, timeout_s=5, max_body_bytes=LIMIT)
    slow.go.set()
    await lines.exchange("POST", "/o", "", {})
    line = lines._idle[0]
    gone = asyncio.Event()
    lost, line.connection_lost = line.connection_lost, lambda exc: (lost(exc), gone.set())
    slow.writers[0].close()
    async with asyncio.timeout(5):
        await gone.wait()
    await lines.exchange("POST", "/o", "", {})
    assert slow.connections == 2
    lines.close()


async def test_a_header_that_would_break_out_is_refused(slow):
    lines = Lines(slow.url, timeout_s=5, max_body_bytes=LIMIT)
    with pytest.raises(ConfigError, match="X-MBX-APIKEY must be printable"):
        await lines.exchange("POST", "/o", "", {"X-MBX-APIKEY": "a\r\nB: c"})
    assert slow.connections == 0


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_request_on_an_idle_line_leaves_before_the_loop_turns(factory):
    async def play(listener):
        loop = asyncio.get_running_loop()
        lines = Lines(
            f"http://127.0.0.1:{listener.getsockname()[1]}", timeout_s=5, max_body_bytes=LIMIT
        )
        first = asyncio.create_task(lines.exchange("GET", "/t", "", {}))
        peer, _ = await loop.sock_accept(listener)
        with peer:
            await loop.sock_recv(peer, 4096)
            await loop.sock_sendall(peer, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            await first
            second = lines.exchange("POST", "/o", "", {})
            second.send(None)
            assert peer.recv(4096).startswith(b"POST /o HTTP/1.1\r\n")
            with contextlib.suppress(asyncio.CancelledError):
                second.throw(asyncio.CancelledError())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(play(listener))


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_secured_line_is_used_again_and_one_of_a_stranger_never(
    certificate, tls, factory, monkeypatch
):
    async def play():
        slow = Slow()
        slow.go.set()
        server = await asyncio.start_server(slow.serve, "127.0.0.1", 0, ssl=tls)
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        lines = Lines(url, timeout_s=5, max_body_bytes=LIMIT)
        with pytest.raises(TemporaryError, match="not sent, "):
            await lines.exchange("POST", "/o", "", {})
        assert slow.asked == 0
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        lines = Lines(url, timeout_s=5, max_body_bytes=LIMIT)
        for _ in range(2):
            assert (await lines.exchange("POST", "/o", "", {})).body == b"{}"
        assert (slow.asked, slow.connections) == (2, 1)
        lines.close()
        server.close()
        for writer in slow.writers:
            writer.close()
        await server.wait_closed()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(play())
