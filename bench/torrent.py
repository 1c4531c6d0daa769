"""A venue that sends at little cost: ``python -m bench.torrent COUNT RATE [RATE ...]``.

It prints its port, and speaks as much of Binance's spot protocol as a feed asks for, as `flood`
does. COUNT frames of the same mix for each rate are made and framed before anybody connects; each
request to ``/go`` sends the next part at its rate, some milliseconds of frames in each write, and
answers with when the first frame of every write left, by the machine's monotonic clock.
"""

from __future__ import annotations

import asyncio
import sys
import time

from aiohttp import web

from bench.flood import Venue, _framed

TICK_S = 0.002


class Torrent(Venue):
    """Frames made beforehand, on one connection."""

    def __init__(self, count: int, rates: list[float]) -> None:
        super().__init__(rates[0])
        self._images = {symbol: market.image() for symbol, market in self._markets.items()}
        self._parts = [self._made(count, rate) for rate in rates]

    def _made(self, count: int, rate: float) -> tuple[float, list[bytes]]:
        symbols = list(self._markets)
        now_ms = time.time_ns() // 1_000_000
        frames = [
            _framed(self._markets[symbols[number // 10 % len(symbols)]].frame(number, now_ms))
            for number in range(count)
        ]
        return rate, frames

    async def depth(self, request: web.Request) -> web.Response:
        """Show a book as it was before the first frame."""
        image = self._images[request.query["symbol"]]
        return web.Response(body=image, content_type="application/json")

    async def go(self, request: web.Request) -> web.Response:
        """Send the next part."""
        rate, frames = self._parts.pop(0)
        (transport,) = set(self._wanted.values())
        writes: list[tuple[int, int]] = []
        sent, began = 0, time.monotonic()
        while sent < len(frames):
            due = min(len(frames), int((time.monotonic() - began) * rate) + 1)
            if due > sent:
                writes.append((sent, time.monotonic_ns()))
                transport.write(b"".join(frames[sent:due]))
                sent = due
            await asyncio.sleep(TICK_S)
        last = {
            symbol: (market.trade_id, market.book_id) for symbol, market in self._markets.items()
        }
        return web.json_response({"writes": writes, "last": last})


async def main(count: int, rates: list[float]) -> None:
    """Serve on a free port, which is printed, until killed."""
    venue = Torrent(count, rates)
    app = web.Application()
    app.router.add_get("/api/v3/exchangeInfo", venue.listing)
    app.router.add_get("/api/v3/depth", venue.depth)
    app.router.add_get("/api/v3/klines", venue.klines)
    app.router.add_get("/stream", venue.stream)
    app.router.add_get("/go", venue.go)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), [float(rate) for rate in sys.argv[2:]]))
