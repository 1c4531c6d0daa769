"""A venue that only says when bytes arrived: ``python -m bench.counterparty``.

It answers every order with "expired", and with the time at which the kernel put the request's
first bytes into the socket as its transaction time (UTC ns modulo `TURN_NS`): when the order was
written, not when this process got round to reading it. A process of its own, so that it shares
nothing with the measured one.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import threading
import time
from contextlib import suppress

from websockets.asyncio.server import ServerConnection, serve

_ORDER = (
    b'{"symbol":"BTCUSDT","orderId":%d,"clientOrderId":"x","transactTime":%d,"price":"1",'
    b'"origQty":"1","executedQty":"0","status":"EXPIRED","type":"LIMIT","side":"BUY","fills":[]}'
)
TURN_NS = 10**12
"""Small enough for a field that is taken for milliseconds."""
_SO_TIMESTAMPNS = 35
"""Linux; Python has no name for it."""
_STAMP = struct.Struct("qq")


def accept(listener: socket.socket) -> None:
    """Give every connection a thread."""
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def answer(connection: socket.socket) -> None:
    """Answer requests without a body, in the order they come."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    orders = 0
    buffer = b""
    while True:
        data, control, _, _ = connection.recvmsg(1 << 16, 128)
        if not data:
            return
        arrived_ns = time.time_ns()
        if control:  # not yet with a machine's first stamped packets
            seconds, nanoseconds = _STAMP.unpack(control[0][2])
            arrived_ns = seconds * 1_000_000_000 + nanoseconds
        buffer += data
        while b"\r\n\r\n" in buffer:
            head, _, buffer = buffer.partition(b"\r\n\r\n")
            if head.startswith(b"POST"):
                orders += 1
                body = _ORDER % (orders, arrived_ns % TURN_NS)
            else:
                body = b'{"serverTime":%d}' % (arrived_ns // 1_000_000)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


async def subscribe(stream: ServerConnection) -> None:
    """Grant the user stream, on which nothing ever comes."""
    async for _ in stream:
        await stream.send('{"id":"1","status":200,"result":{"subscriptionId":0}}')


async def main() -> None:
    """Serve until the standard input closes."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)  # connections inherit it
    threading.Thread(target=accept, args=(listener,), daemon=True).start()
    async with serve(subscribe, "127.0.0.1", 0) as sockets:
        print(listener.getsockname()[1], sockets.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
