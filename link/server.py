"""The engine's doorway: a unix socket of the user's own, and the clients behind it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, Protocol

from core.model.commands import Request
from core.model.redaction import Redactor
from core.model.views import EngineSnapshot, Fact, MarketFrame, View
from link.codec import Codec, FactSent
from link.connection import Connection
from link.ring import FactRing
from link.socketfile import SocketFile, peer_uid_of

_log: Final = logging.getLogger(__name__)


class MarketView(Protocol):
    """One client's look at the market: what it wants, and what it has already seen."""

    def watch(self, view: View) -> None:
        """Replace what is looked at."""
        ...

    def next_frame(self) -> MarketFrame | None:
        """Return what changed since the last call, None when nothing did."""
        ...

    def close(self) -> None:
        """Look no longer; data nobody else wants is unsubscribed."""
        ...


class EngineFace(Protocol):
    """What the doorway needs of an engine; everything is called on the engine's own loop."""

    @property
    def session(self) -> str:
        """This run's name."""
        ...

    @property
    def version(self) -> str:
        """The program's version."""
        ...

    def snapshot(self) -> EngineSnapshot:
        """Return everything a client starts from; its `seq` is the last fact's."""
        ...

    async def execute(self, request: Request) -> Any:
        """Carry out a command and return the result its class declares.

        Raises:
            ClxError: The command was refused.
        """
        ...

    def open_view(self) -> MarketView:
        """Start a client's look at the market; nothing is looked at yet."""
        ...

    def on_fact(self, sink: Callable[[int, Fact], None]) -> int:
        """Have every fact from now on given to `sink`; return the last fact's number so far."""
        ...

    def on_clients(self, count: int) -> None:
        """Take note of how many clients are attached."""
        ...


class LinkServer:
    """Lets clients of the same user in and serves each at its own pace."""

    def __init__(
        self,
        face: EngineFace,
        path: Path,
        *,
        backlog: int = 10_000,
        peer_uid: Callable[[socket.socket], int] = peer_uid_of,
        redactor: Redactor | None = None,
    ) -> None:
        self.face = face
        self.path = path
        self.codec: Final = Codec(redactor)
        self.peer_uid = peer_uid
        self.ready = asyncio.Event()
        """Set once clients can connect."""
        self.failures = 0
        """Commands that ended in a bug, and connections that did."""
        self._backlog = backlog
        self._file = SocketFile(path)
        self._bound: socket.socket | None = None
        self._clients: set[Connection] = set()
        self._tasks: asyncio.TaskGroup | None = None
        self.ring = FactRing(backlog, face.on_fact(self._on_fact))

    def bind(self) -> None:
        """Take the socket path now, so that a second engine fails before it does anything.

        Raises:
            ConfigError: Another engine holds it, or the folder is not private.
        """
        if self._bound is None:
            self._bound = self._file.bind()

    async def run(self) -> None:
        """Serve until cancelled, then say farewell and remove the socket.

        Raises:
            ConfigError: As `bind`.
        """
        self.bind()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                server = await loop.create_unix_server(
                    lambda: Connection(self), sock=self._bound, backlog=64
                )
                self.ready.set()
                try:
                    await loop.create_future()
                finally:
                    server.close()
                    for client in tuple(self._clients):
                        client.farewell("the engine stopped")
        finally:
            self.ready.clear()
            self._tasks = None
            self._bound = None
            self._file.release()

    @property
    def clients(self) -> int:
        """Clients that were let in and are still here."""
        return len(self._clients)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """Run a connection's work as a task of this server; None when it is shutting down."""
        if self._tasks is None:
            work.close()
            return None
        return self._tasks.create_task(self._guard(work))

    def admit(self, client: Connection) -> None:
        """Count a client that said hello."""
        self._clients.add(client)
        self.face.on_clients(len(self._clients))

    def forget(self, client: Connection) -> None:
        """Drop a client that left."""
        if client in self._clients:
            self._clients.discard(client)
            self.face.on_clients(len(self._clients))

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            # One client's trouble must not end the group all clients share.
            self.failures += 1
            _log.exception("link connection failed")

    def _on_fact(self, seq: int, fact: Fact) -> None:
        self.ring.append(seq, self.codec.pack(FactSent(seq=seq, fact=fact)))
        for client in self._clients:
            client.wake()
