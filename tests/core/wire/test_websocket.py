from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import serve

from core.model.errors import ConfigError, TemporaryError
from core.wire.backoff import Backoff
from core.wire.websocket import Connection, stay_connected


class Client:
    """Runs `stay_connected` and keeps what it reports."""

    def __init__(self, url: str, clock, hello: str = "hi") -> None:
        self.url = url
        self.clock = clock
        self.hello = hello
        self.opened: list[Connection] = []
        self.reasons: list[str] = []
        self.frames: asyncio.Queue[bytes] = asyncio.Queue()
        self.closed = asyncio.Event()

    async def on_open(self, connection: Connection) -> None:
        self.opened.append(connection)
        await connection.send(self.hello)

    def on_close(self, reason: str) -> None:
        self.reasons.append(reason)
        self.closed.set()

    @asynccontextmanager
    async def running(self, **kwargs):
        task = asyncio.create_task(
            stay_connected(
                lambda: self.url,
                clock=self.clock,
                on_open=self.on_open,
                on_message=self.frames.put_nowait,
                on_close=self.on_close,
                backoff=Backoff(random.Random(1), first_s=0.001, max_s=0.01),
                **kwargs,
            )
        )
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def served(handler):
    async with serve(handler, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"ws://127.0.0.1:{port}/stream"


async def test_text_and_binary_frames_arrive_as_bytes_in_order(clock):
    async def handler(socket):
        await socket.send('{"é":1}')
        await socket.send(b"\x00\x01")
        await socket.wait_closed()

    async with served(handler) as url:
        client = Client(url, clock)
        async with client.running():
            assert [await client.frames.get(), await client.frames.get()] == [
                '{"é":1}'.encode(),
                b"\x00\x01",
            ]
    assert client.reasons == [f"{url}: stopped"]


async def test_reconnects_after_the_server_closes_and_numbers_connections(clock):
    async def handler(socket):
        await socket.send(await socket.recv())
        await socket.close(4001, "maintenance")

    async with served(handler) as url:
        client = Client(url, clock)
        async with client.running():
            for _ in range(3):
                assert await client.frames.get() == b"hi"
        assert [c.number for c in client.opened[:3]] == [1, 2, 3]
        assert client.reasons[0] == f"{url}: closed with code 4001 maintenance"


async def test_frames_are_read_while_on_open_waits_for_a_reply(clock):
    async def handler(socket):
        await socket.recv()
        await socket.send("reply")
        await socket.wait_closed()

    async with served(handler) as url:
        client = Client(url, clock)
        got = asyncio.Event()

        async def on_open(connection):
            await connection.send("ask")
            assert await client.frames.get() == b"reply"
            got.set()

        client.on_open = on_open
        async with client.running(), asyncio.timeout(5):
            await got.wait()


async def test_oversized_frame_drops_the_connection_with_its_reason_and_reconnects(clock):
    sent = 0

    async def handler(socket):
        nonlocal sent
        sent += 1
        await socket.send("x" * (5000 if sent == 1 else 10))
        await socket.wait_closed()

    async with served(handler) as url:
        client = Client(url, clock)
        async with client.running(max_frame_bytes=1000):
            assert await client.frames.get() == b"x" * 10
        assert "over the size limit" in client.reasons[0]


async def test_silence_drops_the_connection_and_reconnects(clock):
    async def handler(socket):
        await socket.wait_closed()

    async with served(handler) as url:
        client = Client(url, clock)
        async with client.running(silence_timeout_s=0.02), asyncio.timeout(5):
            while len(client.opened) < 2:
                await client.closed.wait()
                client.closed.clear()
        assert "no message for 0.02 s" in client.reasons[0]


async def test_connection_is_retired_at_its_maximum_age(clock):
    async def handler(socket):
        await socket.wait_closed()

    async with served(handler) as url:
        client = Client(url, clock)
        async with client.running(max_age_s=0.02), asyncio.timeout(5):
            await client.closed.wait()
        assert "the venue's limit is near" in client.reasons[0]


async def test_peer_that_vanishes_without_a_close_frame_is_reported(clock):
    async def handler(socket):
        await socket.recv()
        socket.transport.abort()

    async with served(handler) as url:
        client = Client(url, clock)
        async with client.running(), asyncio.timeout(5):
            await client.closed.wait()
        assert "without a close frame" in client.reasons[0]


async def test_server_that_is_not_there_yet_is_found_when_it_comes(clock):
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    client = Client(f"ws://127.0.0.1:{port}/", clock)

    async def handler(socket):
        await socket.send("here")
        await socket.wait_closed()

    async with client.running(), asyncio.timeout(5):
        await client.closed.wait()
        assert "could not connect" in client.reasons[0]
        async with serve(handler, "127.0.0.1", port):
            assert await client.frames.get() == b"here"


async def test_failing_on_open_reconnects(clock):
    async def handler(socket):
        await socket.wait_closed()

    async with served(handler) as url:
        client = Client(url, clock)

        async def on_open(connection):
            raise TemporaryError("subscribe was refused")

        client.on_open = on_open
        async with client.running(), asyncio.timeout(5):
            await client.closed.wait()
        assert client.reasons[0] == f"{url}: subscribe was refused"


async def test_a_bug_in_on_message_surfaces_instead_of_reconnecting(clock):
    async def handler(socket):
        await socket.send("x")
        await socket.wait_closed()

    async with served(handler) as url:
        client = Client(url, clock)

        def broken(_):
            raise ZeroDivisionError

        client.frames.put_nowait = broken
        async with client.running() as task, asyncio.timeout(5):
            with pytest.raises(ExceptionGroup) as caught:
                await task
            assert caught.group_contains(ZeroDivisionError)


async def test_send_on_a_dead_connection_is_temporary(clock):
    async def handler(socket):
        await socket.close()

    async with served(handler) as url:
        client = Client(url, clock)
        async with client.running(), asyncio.timeout(5):
            await client.closed.wait()
            with pytest.raises(TemporaryError):
                await client.opened[0].send("late")


async def test_a_url_that_is_no_websocket_url_is_refused(clock):
    with pytest.raises(ConfigError, match="was 'http://x'"):
        async with Client("http://x", clock).running() as task:
            await task


async def test_sending_on_a_lost_connection_names_its_address_without_its_keys(clock):
    async def handler(socket):
        await socket.send(await socket.recv())
        await socket.wait_closed()

    async with served(handler) as url:
        client = Client(f"{url}?apikey=s3cr3t", clock)
        async with client.running():
            await client.frames.get()
            client.opened[0].drop()
            await client.closed.wait()
            with pytest.raises(TemporaryError, match="stream: ") as caught:
                await client.opened[0].send("late")
    assert "s3cr3t" not in str(caught.value)


@asynccontextmanager
async def silent():
    async def handler(socket):
        await socket.wait_closed()

    async with served(handler) as url:
        yield url


class Reopens(Client):
    """Says when it was opened once more, which nothing that was cancelled may be."""

    def __init__(self, url: str, clock) -> None:
        super().__init__(url, clock)
        self.again = asyncio.Event()
        self.entered = asyncio.Event()
        self.leaving = asyncio.Event()
        self.may_leave = asyncio.Event()

    async def ends(self, task: asyncio.Task[None]) -> bool:
        """Whether a cancelled task ends, and does not connect again."""
        again = asyncio.create_task(self.again.wait())
        await asyncio.wait({task, again}, return_when=asyncio.FIRST_COMPLETED)
        again.cancel()
        return task.cancelled()


async def test_a_cancel_while_a_lost_connection_is_being_closed_is_heeded(clock):
    class Slow(Reopens):
        async def on_open(self, connection: Connection) -> None:
            if self.entered.is_set():
                self.again.set()
            self.opened.append(connection)
            self.entered.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.leaving.set()
                await self.may_leave.wait()

    async with silent() as url:
        client = Slow(url, clock)
        async with client.running() as task:
            await client.entered.wait()
            client.opened[0].drop()
            await client.leaving.wait()
            task.cancel()
            asyncio.get_running_loop().call_soon(client.may_leave.set)
            assert await client.ends(task)


async def test_a_cancel_whose_connection_fails_on_the_way_out_is_heeded(clock):
    class Failing(Reopens):
        async def on_open(self, connection: Connection) -> None:
            if self.entered.is_set():
                self.again.set()
            self.entered.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise TemporaryError("half closed") from None

    async with silent() as url:
        client = Failing(url, clock)
        async with client.running() as task:
            await client.entered.wait()
            task.cancel()
            assert await client.ends(task)
