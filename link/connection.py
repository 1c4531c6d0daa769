"""One client as the engine sees it."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from typing import TYPE_CHECKING, Final, assert_never, cast

from core.model.audit import Client
from core.model.commands import Request, parse_command
from core.model.errors import ClxError, ConfigError, DataError, InvariantError, TemporaryError
from core.model.ids import OriginKind
from core.model.views import View
from link.codec import (
    MAX_REQUEST_BYTES,
    PROTOCOL,
    Call,
    EngineMessage,
    Failed,
    Farewell,
    FrameSent,
    Hello,
    Refused,
    Reply,
    SnapshotSent,
    Splitter,
    Watch,
    Welcome,
    fault_of,
)
from link.peer import client_of

if TYPE_CHECKING:
    from link.server import LinkServer, MarketView

_log: Final = logging.getLogger(__name__)

HELLO_TIMEOUT_S: Final = 5.0
MAX_CALLS: Final = 32
"""Calls one client may have open; more are refused."""
HIGH_WATER_BYTES: Final = 256 << 10
"""Unread bytes after which a client gets nothing new until it reads."""
FACTS_AT_ONCE: Final = 64
FACES: Final[frozenset[OriginKind]] = frozenset({"tui", "cli", "api", "mcp"})


class Connection(asyncio.Protocol):
    """Reads calls, writes facts in order and market frames at the client's own rate.

    The writing task sleeps while the transport is full. Facts then wait in the server's ring
    (or turn into a snapshot once they have left it) and market changes fall together into the
    next frame, so a client that does not read costs a bounded buffer and no time.
    """

    def __init__(self, server: LinkServer) -> None:
        self._server = server
        self._splitter = Splitter(MAX_REQUEST_BYTES)
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._origin: OriginKind | None = None
        self._client: Client | None = None
        self._seq = 0
        self._needs_snapshot = False
        self._paused = False
        self._calls = 0
        self._wake = asyncio.Event()
        self._flowing = asyncio.Event()
        """Set while the client takes what is written."""
        self._writer: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._view: MarketView | None = None
        self._frame_every_s = 0.0
        self._next_frame = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the client in only when it is the same user."""
        # uvloop's transports are no subclasses of asyncio.Transport, only of the same shape.
        self._transport = transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        peer: socket.socket = transport.get_extra_info("socket")
        uid = self._server.peer_uid(peer)
        if uid != os.getuid():
            self._refuse(
                ConfigError(
                    f"this engine serves user {os.getuid()} only, the client was user {uid}"
                )
            )
            return
        self._client = client_of(peer, uid)
        self._timer = self._loop.call_later(HELLO_TIMEOUT_S, self._no_hello)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give back what the client held."""
        self._transport = None
        self._flowing.set()
        self._cancel_timer()
        if self._writer is not None:
            self._writer.cancel()
        if self._view is not None:
            self._view.close()
            self._view = None
        self._server.forget(self)

    def pause_writing(self) -> None:
        """Stop: the client does not read. It gets no say either until it does."""
        self._paused = True
        self._flowing.clear()
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on where facts and market are now."""
        self._paused = False
        self._flowing.set()
        if self._transport is not None:
            self._transport.resume_reading()
        self._wake.set()

    def data_received(self, data: bytes) -> None:
        """Take what arrived; nonsense ends the connection with the reason."""
        try:
            for body in self._splitter.feed(data):
                if self._transport is None or self._transport.is_closing():
                    return
                self._take(body)
        except DataError as error:
            _log.warning("link client dropped: %s", error)
            if self._origin is None:
                self._refuse(error)
            else:
                self.farewell(str(error))

    def wake(self) -> None:
        """Tell the writing task that there are new facts."""
        self._wake.set()

    def farewell(self, reason: str) -> None:
        """Say why and hang up."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._paused:
            transport.abort()
            return
        self._send(Farewell(reason=reason))
        transport.close()

    def _take(self, body: bytes) -> None:
        message = self._server.codec.client_message(body)
        if self._origin is None and not isinstance(message, Hello):
            raise DataError(
                f"the first message must be hello, was {type(message).__name__.lower()}"
            )
        match message:
            case Hello():
                self._greet(message)
            case Call():
                self._call(message)
            case Watch():
                self._watch(message.view)
            case _:
                assert_never(message)

    def _greet(self, hello: Hello) -> None:
        if self._origin is not None:
            raise DataError("hello must come once")
        if hello.protocol != PROTOCOL:
            self._refuse(
                ConfigError(
                    f"the engine (clx {self._server.face.version}) speaks link protocol {PROTOCOL},"
                    f" the client {hello.protocol}; stop the engine with `clx daemon stop` and"
                    " start it again with the same version as the client"
                )
            )
            return
        if hello.origin not in FACES:
            self._refuse(
                ConfigError(f"origin must be one of {sorted(FACES)}, was {hello.origin!r}")
            )
            return
        self._cancel_timer()
        face = self._server.face
        self._origin = hello.origin
        resumed = hello.session == face.session and self._server.ring.covers(hello.seq)
        self._seq = hello.seq
        self._needs_snapshot = not resumed
        self._send(
            Welcome(
                protocol=PROTOCOL,
                session=face.session,
                version=face.version,
                pid=os.getpid(),
                resumed=resumed,
            )
        )
        self._server.admit(self)
        self._wake.set()
        self._writer = self._server.spawn(self._write())

    async def _write(self) -> None:
        try:
            while self._transport is not None:
                await self._wake.wait()
                self._wake.clear()
                self._send_facts()
                self._send_frame()
        except Exception as error:
            self.farewell(f"the engine could not serve this client: {error!r}; see its log")
            raise

    def _send_facts(self) -> None:
        ring = self._server.ring
        while not self._paused and self._transport is not None:
            if self._needs_snapshot or not ring.covers(self._seq):
                snapshot = self._server.face.snapshot()
                self._send(SnapshotSent(snapshot=snapshot))
                self._seq = snapshot.seq
                self._needs_snapshot = False
            facts = ring.after(self._seq, FACTS_AT_ONCE)
            if not facts:
                return
            self._transport.write(b"".join(facts))
            self._seq += len(facts)

    def _send_frame(self) -> None:
        if self._view is None or not self._frame_every_s or self._paused:
            return
        now = self._loop.time()
        if now < self._next_frame:
            return
        frame = self._view.next_frame()
        if frame is not None:
            self._send(FrameSent(frame=frame))
        self._next_frame = now + self._frame_every_s
        self._cancel_timer()
        self._timer = self._loop.call_at(self._next_frame, self._frame_is_due)

    def _frame_is_due(self) -> None:
        """Make the next frame, whatever the clock says: a timer may fire a rounding early."""
        self._next_frame = 0.0
        self._wake.set()

    def _watch(self, view: View) -> None:
        if self._view is None:
            self._view = self._server.face.open_view()
        self._view.watch(view)
        looks = view.focus is not None or bool(view.quotes)
        self._frame_every_s = 1.0 / min(30.0, max(0.2, view.fps)) if looks else 0.0
        self._next_frame = 0.0
        self._wake.set()

    def _call(self, call: Call) -> None:
        if self._calls >= MAX_CALLS:
            error = TemporaryError(
                f"at most {MAX_CALLS} calls may be open on one link; wait for one"
            )
            self._send(Failed(id=call.id, fault=fault_of(error)))
            return
        self._calls += 1
        if self._server.spawn(self._execute(call)) is None:
            self._calls -= 1

    async def _execute(self, call: Call) -> None:
        assert self._origin is not None
        answer: Reply | Failed
        try:
            command = parse_command(call.name, call.args)
            result = await self._server.face.execute(
                Request(command=command, origin=self._origin, client=self._client)
            )
            answer = Reply(id=call.id, result=self._server.codec.raw(result))
        except ClxError as error:
            answer = Failed(id=call.id, fault=fault_of(error))
        except Exception as error:
            self._server.failures += 1
            _log.exception("command %s failed", call.name)
            bug = InvariantError(f"{call.name} failed inside the engine: {error!r}; see its log")
            answer = Failed(id=call.id, fault=fault_of(bug))
        finally:
            self._calls -= 1
        # The facts a command caused arrive before its answer, so the replica is up to date then.
        self._send_facts()
        while self._paused and self._transport is not None:
            await self._flowing.wait()
            self._send_facts()
        self._send(answer)

    def _send(self, message: EngineMessage) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._server.codec.pack(message))

    def _refuse(self, error: ClxError) -> None:
        self._cancel_timer()
        self._send(Refused(fault=fault_of(error)))
        if self._transport is not None:
            self._transport.close()

    def _no_hello(self) -> None:
        self._refuse(TemporaryError(f"no hello within {HELLO_TIMEOUT_S:g} s"))

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
