"""One WebSocket connection: a bounded outbox, keep-alive, message rate, and breakage on demand."""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from socket import SO_SNDBUF, SOL_SOCKET
from typing import Any, Final

import msgspec
from aiohttp import WSMsgType, web

from emulator.clock import Clock, monotonic_ns

_OUTBOX_MESSAGES: Final = 20_000
"""A client that lets more than this pile up is disconnected."""
_SMALL: Final = 4096
"""Bytes of a socket's buffer where a fault makes buffers small."""
_POLICY: Final = 1008
_LOOK_EVERY_S: Final = 5.0
_SECOND: Final = 1_000_000_000


class Habits(msgspec.Struct, frozen=True, kw_only=True):
    """How a venue treats its connections. Times are real, whatever the market's speed."""

    messages: int = 0
    """Incoming frames allowed in `per_s`; 0 allows any number."""
    per_s: float = 1.0
    ping_every_s: float = 0.0
    """Between the server's own pings; 0 sends none."""
    pong_within_s: float = 60.0
    unheard_s: float = 0.0
    """Closed when the client says nothing for so long; 0 never."""
    unsent_s: float = 0.0
    """Closed when nothing was pushed for so long; 0 never."""
    unsent_code: int = 1000
    longest_life_s: float = 86_400.0
    max_incoming: int = 65_536
    compress: bool = False
    """Offer permessage-deflate."""


class Connection:
    """Sends without waiting; a writer task empties the outbox at the client's pace."""

    def __init__(self, clock: Clock, habits: Habits) -> None:
        self.streams: dict[str, None] = {}
        """Subscribed topics, in order of subscription."""
        self.combined = False
        self.dress: Callable[[str, bytes], bytes] | None = None
        """Puts the venue's envelope around a topic's message, for this connection alone."""
        self.state: dict[str, Any] = {}
        """What the venue's protocol remembers of it."""
        self.stalled = asyncio.Event()
        self.stalled.set()
        self.pongs = True
        """False: a fault keeps it from answering pings."""
        self.bytes_per_s = 0.0
        """Above 0: a fault makes it write slowly."""
        self.fragment = 0
        """Above 0: a fault cuts frames into pieces of so many bytes."""
        self.binary = False
        """Frames are binary, as asked for in the handshake."""
        self.unpack: Callable[[bytes], str] = lambda data: data.decode("utf-8", "replace")
        """Makes text of a client's binary frame."""
        self.binary_next = 0
        """So many frames to come are marked binary by a fault."""
        self._most = _OUTBOX_MESSAGES
        self._clock = clock
        self._habits = habits
        self._ws = web.WebSocketResponse(
            autoping=False,
            autoclose=True,
            compress=habits.compress,
            max_msg_size=habits.max_incoming,
        )
        self._transport: asyncio.Transport | None = None
        self._pen = asyncio.Lock()
        """Held while a frame is written piece by piece, so that nothing comes between."""
        self._outbox: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._arrivals: deque[int] = deque(maxlen=habits.messages + 1)
        self._pong_ns = self._heard_ns = self._sent_ns = 0
        self._closing: tuple[int, bytes] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, request: web.Request) -> web.WebSocketResponse:
        """Shake hands and start the writer and the keeper.

        Raises:
            HTTPBadRequest: Whoever asked has gone meanwhile; nobody hears it.
        """
        try:
            await self._ws.prepare(request)
        except ConnectionError:
            raise web.HTTPBadRequest(text="gone") from None
        transport = request.transport
        self._transport = transport if isinstance(transport, asyncio.Transport) else None
        self._pong_ns = self._heard_ns = self._sent_ns = monotonic_ns()
        self._tasks = [
            asyncio.create_task(self._write()),
            asyncio.create_task(self._keep_alive()),
        ]
        return self._ws

    async def shut(self) -> None:
        """Stop the tasks and close."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self._ws.closed:
            await self._ws.close()

    def send(self, data: bytes) -> None:
        """Queue a text frame; a client too slow for the bound is disconnected."""
        if self._closing is not None:
            return
        if len(self._outbox) >= self._most:
            self.abort()
            return
        self._sent_ns = monotonic_ns()
        self._outbox.append(data)
        self._wake.set()

    def close(self, code: int = 1000, reason: bytes = b"") -> None:
        """Close with a close frame, after what is queued is thrown away."""
        self._closing = (code, reason)
        self._outbox.clear()
        self.stalled.set()
        self._wake.set()

    def finish(self, code: int, reason: bytes) -> None:
        """Close with a close frame once what is queued has been sent."""
        self._closing = (code, reason)
        self._wake.set()

    def finish_in(self, seconds: float, code: int, reason: bytes) -> None:
        """Close with a close frame after a while."""
        asyncio.get_running_loop().call_later(seconds, self.finish, code, reason)

    def now_ms(self) -> int:
        """Return the time of the connection's clock."""
        return self._clock.now_ns() // 1_000_000

    def abort(self) -> None:
        """Drop the connection without a close frame."""
        if self._transport is not None:
            self._transport.abort()

    def read_no_more(self, *, stop: bool = True) -> None:
        """Leave the client's frames unread, or read on."""
        if self._transport is not None and not self._transport.is_closing():
            if stop:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def bound(self, messages: int) -> None:
        """Cut the client off when more messages than this wait for it; 0: as many as usual.

        Little is kept below this either: the socket's own buffer would hide a slow client.
        """
        self._most = messages or _OUTBOX_MESSAGES
        transport = self._transport
        if transport is not None and messages:
            transport.set_write_buffer_limits(high=_SMALL)
            socket = transport.get_extra_info("socket")
            if socket is not None:
                socket.setsockopt(SOL_SOCKET, SO_SNDBUF, _SMALL)

    def break_frame(self) -> None:
        """Send a frame's head and half its payload, then drop the connection."""
        if self._transport is not None:
            head = bytes([0x81, 126]) + struct.pack("!H", 400)
            self._transport.write(head + b'{"e":"depthUpdate","E":17' + b" " * 100)
            # Close, not abort: the half frame itself must reach the client.
            self._transport.close()

    def send_binary(self, data: bytes) -> None:
        """Write a binary frame at once."""
        if self._transport is not None and len(data) < 126:
            self._transport.write(bytes([0x82, len(data)]) + data)

    async def receive(self) -> str | None:
        """Return the next text message, None when the connection is over.

        Pings are answered here; every frame counts against the message rate.
        """
        async for message in self._ws:
            self._heard_ns = monotonic_ns()
            if self._too_many():
                await self._ws.close(code=_POLICY, message=b"Too many requests")
                return None
            if message.type is WSMsgType.PING:
                if self.pongs:
                    async with self._pen:
                        await self._ws.pong(message.data)
            elif message.type is WSMsgType.PONG:
                self._pong_ns = self._heard_ns
            elif message.type is WSMsgType.TEXT:
                return str(message.data)
            elif message.type is WSMsgType.BINARY:
                return self.unpack(bytes(message.data))
        return None

    def _too_many(self) -> bool:
        allowed = self._habits.messages
        if not allowed:
            return False
        self._arrivals.append(self._heard_ns)
        window = int(self._habits.per_s * _SECOND)
        return len(self._arrivals) > allowed and self._heard_ns - self._arrivals[0] < window

    async def _write(self) -> None:
        outbox = self._outbox
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while outbox:
                    await self.stalled.wait()
                    if outbox:
                        await self._send_frame(outbox.popleft())
                if self._closing is not None:
                    code, reason = self._closing
                    await self._ws.close(code=code, message=reason)
                    return
        except ConnectionError:
            return  # the reader sees the end too and cleans up

    async def _send_frame(self, data: bytes) -> None:
        kind = WSMsgType.BINARY if self.binary else WSMsgType.TEXT
        if self.binary_next:
            self.binary_next -= 1
            kind = WSMsgType.TEXT if self.binary else WSMsgType.BINARY
        transport = self._transport
        if transport is None or not (self.fragment or self.bytes_per_s):
            await self._ws.send_frame(data, kind)
            return
        async with self._pen:
            await self._write_slowly(transport, data, int(kind))

    async def _write_slowly(self, transport: asyncio.Transport, data: bytes, kind: int) -> None:
        size = self.fragment or len(data) or 1
        pieces = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
        for index, piece in enumerate(pieces):
            opcode = kind if index == 0 else 0
            frame = _frame(opcode, piece, last=index == len(pieces) - 1)
            if not self.bytes_per_s:
                transport.write(frame)
                continue
            step = max(1, int(self.bytes_per_s / 20))
            for at in range(0, len(frame), step):
                if transport.is_closing():
                    return
                transport.write(frame[at : at + step])
                await asyncio.sleep(0.05)

    async def _keep_alive(self) -> None:
        habits = self._habits
        waits = (habits.ping_every_s, habits.unheard_s / 4, habits.unsent_s / 4, _LOOK_EVERY_S)
        every = min(wait for wait in waits if wait > 0.0)
        opened = pinged = monotonic_ns()
        try:
            while (now := monotonic_ns()) - opened < habits.longest_life_s * _SECOND:
                await asyncio.sleep(every)
                now = monotonic_ns()
                if habits.unheard_s and now - self._heard_ns > habits.unheard_s * _SECOND:
                    self.close(1000, b"no ping")
                    return
                if habits.unsent_s and now - self._sent_ns > habits.unsent_s * _SECOND:
                    self.close(habits.unsent_code, b"no data sent")
                    return
                if not habits.ping_every_s or now - pinged < habits.ping_every_s * _SECOND:
                    continue
                if now - self._pong_ns > habits.pong_within_s * _SECOND:
                    self.abort()
                    return
                pinged = now
                await self.stalled.wait()
                async with self._pen:
                    await self._ws.ping(str(self.now_ms()).encode())
        except ConnectionError:
            return
        self.close(1001, b"24h connection limit")


def _frame(opcode: int, payload: bytes, *, last: bool) -> bytes:
    """Return a server's frame (RFC 6455, 5.2), unmasked."""
    head = bytes([(0x80 if last else 0) | opcode])
    size = len(payload)
    if size < 126:
        return head + bytes([size]) + payload
    if size < 65_536:
        return head + b"\x7e" + struct.pack("!H", size) + payload
    return head + b"\x7f" + struct.pack("!Q", size) + payload
