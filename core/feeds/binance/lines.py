"""One websocket line of the feed: what it carries, and the pace at which it may say so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Final

import msgspec

from core.feeds.binance.scan import MAX_FRAME_BYTES
from core.model.ids import InstrumentId
from core.model.ports import Clock, FrameKind, FrameSink
from core.wire.backoff import Backoff
from core.wire.websocket import Connection, stay_connected

MAX_STREAMS: Final = 1024
"""Streams the venue allows per connection."""

_STREAMS_EACH: Final = 3
_PACE_S: Final = 0.25
"""Between requests: the venue cuts off above 5 messages a second, and pongs count."""

_BATCH: Final = 20
"""Instruments per request: some 60 names stay within the venue's 4 KiB message bound."""

_SILENCE_S: Final = 60.0


class Line:
    """A connection that is kept up and told what it should carry."""

    def __init__(
        self,
        number: int,
        url: str,
        *,
        depth_ms: int,
        listing: Callable[[Collection[str]], tuple[str, bytes]],
        clock: Clock,
        backoff: Backoff,
        sink: FrameSink,
    ) -> None:
        self.wanted: dict[InstrumentId, str] = {}
        """Instrument to the venue's symbol."""
        self._number = number
        self._url = url
        self._depth_ms = depth_ms
        self._listing = listing
        self._clock = clock
        self._backoff = backoff
        self._sink = sink
        self._carried: dict[InstrumentId, str] = {}
        self._changed = asyncio.Event()
        self._requests = 0
        self._told_down = False

    @property
    def has_room(self) -> bool:
        """Whether one more instrument fits."""
        return (len(self.wanted) + 1) * _STREAMS_EACH <= MAX_STREAMS

    def want(self, name: InstrumentId, symbol: str) -> None:
        """Carry an instrument."""
        self.wanted[name] = symbol
        self._changed.set()

    def drop(self, name: InstrumentId) -> None:
        """Carry an instrument no longer."""
        self.wanted.pop(name, None)
        self._changed.set()

    async def run(self) -> None:
        """Stay connected until cancelled."""
        await stay_connected(
            lambda: self._url,
            clock=self._clock,
            on_open=self._follow,
            on_message=self._take,
            on_close=self._closed,
            backoff=self._backoff,
            max_frame_bytes=MAX_FRAME_BYTES,
            silence_timeout_s=_SILENCE_S,
        )

    async def _follow(self, connection: Connection) -> None:
        """Subscribe to what is wanted, and to what changes, as long as the connection lives."""
        self._carried.clear()
        self._told_down = False
        self._put("connect", self._url, b"")
        self._changed.set()
        while True:
            await self._changed.wait()
            self._changed.clear()
            while True:
                gone = [name for name in self._carried if name not in self.wanted][:_BATCH]
                fresh = [name for name in self.wanted if name not in self._carried][:_BATCH]
                if gone:
                    symbols = [self._carried.pop(name) for name in gone]
                    await self._request(connection, "UNSUBSCRIBE", symbols)
                elif fresh:
                    symbols = [self.wanted[name] for name in fresh]
                    self._carried.update(zip(fresh, symbols, strict=True))
                    url, body = self._listing(symbols)
                    self._put("http", url, body)
                    await self._request(connection, "SUBSCRIBE", symbols)
                else:
                    break

    async def _request(self, connection: Connection, method: str, symbols: list[str]) -> None:
        self._requests += 1
        params = [stream for symbol in symbols for stream in self._streams(symbol.lower())]
        text = msgspec.json.encode({"method": method, "params": params, "id": self._requests})
        # Put first: its streams may speak before the send returns.
        self._put("send", "", text)
        await connection.send(text.decode())
        await asyncio.sleep(_PACE_S)

    def _streams(self, symbol: str) -> tuple[str, str, str]:
        depth = f"{symbol}@depth@100ms" if self._depth_ms == 100 else f"{symbol}@depth"
        return f"{symbol}@trade", f"{symbol}@bookTicker", depth

    def _take(self, data: bytes) -> None:
        self._sink("recv", self._number, self._clock.now_ns(), "", data)

    def _closed(self, reason: str) -> None:
        if not self._told_down:
            self._told_down = True
            self._put("disconnect", "", reason.encode())

    def _put(self, kind: FrameKind, url: str, data: bytes) -> None:
        self._sink(kind, self._number, self._clock.now_ns(), url, data)
