"""One WebSocket connection: a bounded outbox, keep-alive, message rate, and breakage on demand."""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from typing import Final

from aiohttp import WSMsgType, web

from emulator.clock import Clock

_OUTBOX_MESSAGES: Final = 20_000
"""A client that lets more than this pile up is disconnected."""
_PING_EVERY_S: Final = 20.0
_PONG_WITHIN_NS: Final = 60_000_000_000
_LONGEST_LIFE_S: Final = 86_400.0
_MESSAGES_PER_SECOND: Final = 5
_MAX_INCOMING: Final = 65_536
_POLICY: Final = 1008


class Connection:
    """Sends without waiting; a writer task empties the outbox at the client's pace."""

    def __init__(self, clock: Clock, *, limited: bool = True) -> None:
        self.streams: dict[str, None] = {}
        """Subscribed stream names, in order of subscription."""
        self.combined = False
        self.stalled = asyncio.Event()
        self.stalled.set()
        self._clock = clock
        self._limited = limited
        self._ws = web.WebSocketResponse(
            autoping=False, autoclose=True, compress=False, max_msg_size=_MAX_INCOMING
        )
        self._transport: asyncio.Transport | None = None
        self._outbox: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._arrivals: deque[int] = deque(maxlen=_MESSAGES_PER_SECOND + 1)
        self._pong_ns = 0
        self._closing: tuple[int, bytes] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, request: web.Request) -> web.WebSocketResponse:
        """Shake hands and start the writer and the pinger."""
        await self._ws.prepare(request)
        transport = request.transport
        self._transport = transport if isinstance(transport, asyncio.Transport) else None
        self._pong_ns = self._clock.now_ns()
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
        if len(self._outbox) >= _OUTBOX_MESSAGES:
            self.abort()
            return
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

    def now_ms(self) -> int:
        """Return the time of the connection's clock."""
        return self._clock.now_ns() // 1_000_000

    def abort(self) -> None:
        """Drop the connection without a close frame."""
        if self._transport is not None:
            self._transport.abort()

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
            if self._limited and self._too_many():
                await self._ws.close(code=_POLICY, message=b"Too many requests")
                return None
            if message.type is WSMsgType.PING:
                await self._ws.pong(message.data)
            elif message.type is WSMsgType.PONG:
                self._pong_ns = self._clock.now_ns()
            elif message.type is WSMsgType.TEXT:
                return str(message.data)
            elif message.type is WSMsgType.BINARY:
                return bytes(message.data).decode("utf-8", "replace")
        return None

    def _too_many(self) -> bool:
        now = self._clock.now_ns()
        self._arrivals.append(now)
        full = len(self._arrivals) > _MESSAGES_PER_SECOND
        return full and now - self._arrivals[0] < 1_000_000_000

    async def _write(self) -> None:
        outbox = self._outbox
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while outbox:
                    await self.stalled.wait()
                    if outbox:
                        await self._ws.send_frame(outbox.popleft(), WSMsgType.TEXT)
                if self._closing is not None:
                    code, reason = self._closing
                    await self._ws.close(code=code, message=reason)
                    return
        except ConnectionError:
            return  # the reader sees the end too and cleans up

    async def _keep_alive(self) -> None:
        lived = 0.0
        try:
            while lived < _LONGEST_LIFE_S:
                await asyncio.sleep(_PING_EVERY_S)
                lived += _PING_EVERY_S
                now = self._clock.now_ns()
                if now - self._pong_ns > _PONG_WITHIN_NS:
                    self.abort()
                    return
                await self.stalled.wait()
                await self._ws.ping(str(now // 1_000_000).encode())
        except ConnectionError:
            return
        self.close(1001, b"24h connection limit")
