"""A venue that only says when bytes arrived: ``python -m bench.counterparty``.

It answers every order with "expired", and the arrival (CLOCK_MONOTONIC, ns) of the request's first
bytes as its transaction time. A process of its own, so that it does not share the measured loop.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress

from websockets.asyncio.server import ServerConnection, serve

_ORDER = (
    b'{"symbol":"BTCUSDT","orderId":%d,"clientOrderId":"x","transactTime":%d,"price":"1",'
    b'"origQty":"1","executedQty":"0","status":"EXPIRED","type":"LIMIT","side":"BUY","fills":[]}'
)


class Http(asyncio.Protocol):
    """Answers requests without a body, in the order they come."""

    orders = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        """Note the arrival, then answer every whole request."""
        arrived_ns = time.monotonic_ns()
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
            if head.startswith(b"POST"):
                Http.orders += 1
                body = _ORDER % (Http.orders, arrived_ns)
            else:
                body = b'{"serverTime":%d}' % (time.time_ns() // 1_000_000)
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )


async def subscribe(socket: ServerConnection) -> None:
    """Grant the user stream, on which nothing ever comes."""
    async for _ in socket:
        await socket.send('{"id":"1","status":200,"result":{"subscriptionId":0}}')


async def main() -> None:
    """Serve until the standard input closes."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Http, "127.0.0.1", 0)
    async with serve(subscribe, "127.0.0.1", 0) as sockets:
        ports = (s.sockets[0].getsockname()[1] for s in (server, sockets))
        print(*ports, flush=True)
        await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
