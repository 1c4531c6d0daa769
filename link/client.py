"""A client's side of the doorway: one connection that mends itself and feeds a replica."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, assert_never

import msgspec

from core.model.errors import ClxError, ConfigError, DataError, InvariantError, LinkError
from core.model.ids import OriginKind
from core.model.views import View
from core.wire.backoff import Backoff
from link.codec import (
    MAX_ANSWER_BYTES,
    PROTOCOL,
    Call,
    ClientMessage,
    Codec,
    EngineMessage,
    FactSent,
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
    error_of,
)
from link.port import LinkState
from link.replica import Replica
from link.socketfile import peer_uid_of

if TYPE_CHECKING:
    from core.model.commands import Command

OPEN_TIMEOUT_S: Final = 5.0
_CHUNK: Final = 256 << 10
_T = TypeVar("_T")


class Channel(Protocol):
    """An open two-way stream of bytes to an engine's socket."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def close(self) -> str:
        """Release it and return why the other end left, as far as it said, else an empty text."""
        ...


class StreamLink:
    """An `EngineLink` over any channel; what carries it is given by `open_channel`."""

    def __init__(
        self,
        open_channel: Callable[[], Awaitable[Channel]],
        *,
        origin: OriginKind,
        open_timeout_s: float = OPEN_TIMEOUT_S,
        backoff: Backoff | None = None,
    ) -> None:
        self.replica = Replica()
        self.state: LinkState = "connecting"
        self.reason = "not connected yet"
        self.session = ""
        """The engine run the replica belongs to."""
        self.version = ""
        self.pid = 0
        self._open_channel = open_channel
        self._origin: Final = origin
        self._open_timeout_s = open_timeout_s
        self._backoff = backoff or Backoff(random.Random(), first_s=0.1, max_s=5.0)  # noqa: S311
        self._codec = Codec()
        self._writer: asyncio.StreamWriter | None = None
        self._view: View | None = None
        self._calls: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._next_id = 1
        self._opened = asyncio.Event()
        """Set once an attempt has ended: up, or down with a reason."""
        self._refusal: ClxError | None = None

    async def run(self) -> None:
        """Connect, follow and reconnect with back-off until cancelled; resumes after a gap."""
        try:
            while True:
                self._set_state("connecting", self.reason)
                try:
                    await self._follow()
                except InvariantError as error:
                    # Facts are missing: without a session the engine sends a snapshot.
                    self.session = ""
                    self._set_state("down", str(error))
                except ClxError as error:
                    self._refusal = error if isinstance(error, ConfigError) else None
                    self._set_state("down", str(error))
                self._fail_calls()
                await asyncio.sleep(self._backoff.next_s())
        finally:
            self._set_state("down", "the link was closed")
            self._fail_calls()

    async def request(self, command: Command, timeout_s: float = 10.0) -> Any:
        """Have the engine carry out a command and return its typed result.

        Raises:
            LinkError: The engine cannot be reached or did not answer; for an order this means
                its outcome is unknown, and the same client order id may safely be sent again.
            ClxError: The engine refused; the message says what and why.
        """
        kind = type(command)
        number = self._next_id
        self._next_id += 1
        try:
            async with asyncio.timeout(timeout_s):
                await self._opened.wait()
                if self.state != "up":
                    raise self._refusal or LinkError(self.reason)
                answer: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
                self._calls[number] = answer
                self._send(Call(id=number, name=kind.name, args=command.model_dump(mode="json")))
                raw = await answer
        except TimeoutError:
            where = self.reason if self.state != "up" else "the engine is busy or stuck"
            raise LinkError(f"no answer to {kind.name} within {timeout_s:g} s: {where}") from None
        finally:
            self._calls.pop(number, None)
        try:
            return msgspec.msgpack.decode(raw, type=kind.result)
        except msgspec.MsgspecError as error:
            raise DataError(f"the answer to {kind.name} is not its result type: {error}") from error

    def watch(self, view: View) -> None:
        """Replace what market data this client looks at; kept across reconnects."""
        self._view = view
        if self.state == "up":
            self._send(Watch(view=view))

    async def _follow(self) -> None:
        channel = await _settle(self._open_channel(), self._open_timeout_s, "the engine's socket")
        self._writer = channel.writer
        why = "the engine closed the link"
        try:
            self._send(
                Hello(
                    protocol=PROTOCOL,
                    origin=self._origin,
                    session=self.session,
                    seq=self.replica.seq,
                )
            )
            await self._read(channel.reader)
        except OSError as error:
            why = f"the link broke: {error}"
        finally:
            self._writer = None
            said = await channel.close()
        raise LinkError(said or why)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        splitter = Splitter(MAX_ANSWER_BYTES)
        while not self._opened.is_set():
            data = await _settle(reader.read(_CHUNK), self._open_timeout_s, "the engine's welcome")
            if not data:
                return
            self._take_all(splitter.feed(data))
        while data := await reader.read(_CHUNK):
            self._take_all(splitter.feed(data))

    def _take_all(self, bodies: Iterable[bytes]) -> None:
        for body in bodies:
            self._take(self._codec.engine_message(body))

    def _take(self, message: EngineMessage) -> None:
        match message:
            case FrameSent():
                self.replica.apply_frame(message.frame)
            case FactSent():
                self.replica.apply_fact(message.seq, message.fact)
            case Reply():
                if (answer := self._calls.get(message.id)) is not None and not answer.done():
                    answer.set_result(message.result)
            case Failed():
                if (answer := self._calls.get(message.id)) is not None and not answer.done():
                    answer.set_exception(error_of(message.fault))
            case SnapshotSent():
                self.replica.apply_snapshot(message.snapshot)
                self._up()
            case Welcome():
                self._welcome(message)
            case Refused():
                raise error_of(message.fault)
            case Farewell():
                raise LinkError(f"the engine hung up: {message.reason}")
            case _:
                assert_never(message)

    def _welcome(self, message: Welcome) -> None:
        self.version, self.pid = message.version, message.pid
        if message.session != self.session and message.resumed:
            raise DataError(f"the engine resumed session {message.session!r}, not {self.session!r}")
        self.session = message.session
        if message.resumed:
            self._up()

    def _up(self) -> None:
        if self.state == "up":
            return
        self._refusal = None
        self._backoff.reset()
        self._set_state("up", "")
        if self._view is not None:
            self._send(Watch(view=self._view))

    def _set_state(self, state: LinkState, reason: str) -> None:
        self.state, self.reason = state, reason
        if state == "connecting":
            self._opened.clear()
        else:
            self._opened.set()

    def _send(self, message: ClientMessage) -> None:
        if self._writer is None:
            raise LinkError(self.reason or "the link is not up")
        self._writer.write(self._codec.pack(message))

    def _fail_calls(self) -> None:
        for answer in self._calls.values():
            if not answer.done():
                answer.set_exception(LinkError(f"the link broke before the answer: {self.reason}"))


class UnixLink(StreamLink):
    """A link to an engine on this machine, through its socket file."""

    def __init__(
        self, path: Path, *, origin: OriginKind = "tui", backoff: Backoff | None = None
    ) -> None:
        super().__init__(lambda: open_socket(path), origin=origin, backoff=backoff)
        self.path = path


class SocketChannel:
    """A connected unix socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def close(self) -> str:
        """Hang up; a socket has nothing to say."""
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()
        return ""


async def open_socket(path: Path) -> SocketChannel:
    """Connect to an engine's socket.

    Raises:
        LinkError: Nobody listens there.
        ConfigError: The listener is another user's process.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(path)
    except (FileNotFoundError, ConnectionRefusedError):
        raise LinkError(
            f"no engine is listening at {path}; start one with `clx daemon start`"
        ) from None
    except OSError as error:
        raise LinkError(f"cannot open {path}: {error.strerror or error}") from error
    uid = peer_uid_of(writer.get_extra_info("socket"))
    if uid != os.getuid():
        writer.close()
        raise ConfigError(f"the engine at {path} must be user {os.getuid()}'s, was user {uid}'s")
    return SocketChannel(reader, writer)


async def _settle(step: Awaitable[_T], timeout_s: float, what: str) -> _T:
    try:
        async with asyncio.timeout(timeout_s):
            return await step
    except TimeoutError:
        raise LinkError(f"{what} did not answer within {timeout_s:g} s") from None
