"""A venue that only sends: ``python -m bench.flood RATE`` prints its port and serves until killed.

It speaks as much of Binance's spot protocol as a feed asks for, and sends made-up frames of what is
subscribed at a fixed rate: 7 in 10 best quotes, 2 in 10 trades, 1 in 10 book updates of 20 levels.
Frames are formatted in one go and written several at a time, so that little of the machine's time
is the sender's own: an emulator with a matching engine behind it takes more than what it feeds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from aiohttp import WSMsgType, web

TICK_S = 0.005
SYMBOLS = {
    f"{base}USDT": price
    for base, price in (
        ("BTC", 60_000), ("ETH", 3_000), ("SOL", 150), ("BNB", 550), ("XRP", 50), ("DOGE", 40),
    )
}  # fmt: skip
"""Symbol to the price it moves around, in units of 100 ticks."""
INTERVALS_MS = {
    "1s": 1_000, "1m": 60_000, "5m": 300_000, "15m": 900_000, "1h": 3_600_000,
    "4h": 14_400_000, "1d": 86_400_000,
}  # fmt: skip


class Market:
    """One instrument: a price that goes to and fro, and a book whose ids follow one another."""

    def __init__(self, symbol: str, price: int) -> None:
        self.symbol = symbol
        self.ticks = price * 100
        self.book_id = 1_000
        self.trade_id = 0
        self._count = 0
        self._told_id = self.book_id
        """The last id of the newest book update or image."""

    def image(self) -> bytes:
        """Return the book as a REST image."""
        bids, asks = self._levels(100)
        self._told_id = self.book_id
        image = {"lastUpdateId": self.book_id, "bids": bids, "asks": asks}
        return json.dumps(image).encode()

    def frame(self, number: int, now_ms: int) -> bytes:
        """Return the next frame of the mix."""
        self._count += 1
        self.ticks += (1, -1, 0, 0, 2, -2, 0)[self._count % 7]
        bid, ask = self.ticks / 100, (self.ticks + 1) / 100
        size, name = self._count % 900 / 100 + 0.01, self.symbol.lower()
        kind = number % 10
        if kind < 7:
            self.book_id += 1
            return (
                f'{{"stream":"{name}@bookTicker","data":{{"u":{self.book_id},"s":"{self.symbol}",'
                f'"b":"{bid:.2f}","B":"{size:.2f}","a":"{ask:.2f}","A":"{size + 1:.2f}"}}}}'
            ).encode()
        if kind < 9:
            self.trade_id += 1
            maker = "true" if self._count % 2 else "false"
            return (
                f'{{"stream":"{name}@trade","data":{{"e":"trade","E":{now_ms},"s":"{self.symbol}",'
                f'"t":{self.trade_id},"p":"{bid if maker == "true" else ask:.2f}",'
                f'"q":"{size:.2f}","T":{now_ms},"m":{maker},"M":true}}}}'
            ).encode()
        self.book_id += 1
        first, self._told_id = self._told_id + 1, self.book_id
        bids, asks = self._levels(10)
        data = {
            "e": "depthUpdate", "E": now_ms, "s": self.symbol, "U": first, "u": self.book_id,
            # What the price has left behind is taken away.
            "b": [*bids, *([f"{(self.ticks + n) / 100:.2f}", "0"] for n in range(1, 8))],
            "a": [*asks, *([f"{(self.ticks - n) / 100:.2f}", "0"] for n in range(8))],
        }  # fmt: skip
        return json.dumps({"stream": f"{name}@depth@100ms", "data": data}).encode()

    def _levels(self, count: int) -> tuple[list[list[str]], list[list[str]]]:
        sizes = [f"{(self._count + 7 * n) % 90 / 10 + 0.1:.2f}" for n in range(count)]
        bids = [[f"{(self.ticks - n) / 100:.2f}", sizes[n]] for n in range(count)]
        asks = [[f"{(self.ticks + 1 + n) / 100:.2f}", sizes[-1 - n]] for n in range(count)]
        return bids, asks


class Venue:
    """Answers what a feed asks, and sends to whom it has subscribed."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._markets = {symbol: Market(symbol, price) for symbol, price in SYMBOLS.items()}
        self._wanted: dict[str, asyncio.Transport] = {}
        """Symbol to the connection that carries it."""

    async def listing(self, _: web.Request) -> web.Response:
        """List the instruments."""
        symbols = [
            {
                "symbol": symbol, "status": "TRADING", "baseAsset": symbol.removesuffix("USDT"),
                "quoteAsset": "USDT", "filters": [
                    {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000",
                     "tickSize": "0.01"},
                    {"filterType": "LOT_SIZE", "minQty": "0.01", "maxQty": "9000",
                     "stepSize": "0.01"},
                ],
            }
            for symbol in self._markets
        ]  # fmt: skip
        return web.json_response({"symbols": symbols})

    async def depth(self, request: web.Request) -> web.Response:
        """Show a whole book."""
        market = self._markets[request.query["symbol"]]
        return web.Response(body=market.image(), content_type="application/json")

    async def klines(self, request: web.Request) -> web.Response:
        """Show bars; each goes up or down from the same price."""
        query, step = request.query, INTERVALS_MS[request.query["interval"]]
        middle = self._markets[query["symbol"]].ticks / 100
        start = -(-int(query["startTime"]) // step) * step
        opens = range(start, int(query["endTime"]), step)[: int(query["limit"])]
        rows = []
        for open_ms in opens:
            number = open_ms // step
            first, last = (middle * (1 + (n * 37 % 41 - 20) / 9_000) for n in (number - 1, number))
            low, high = min(first, last) * 0.9995, max(first, last) * 1.0005
            prices = [f"{price:.2f}" for price in (first, high, low, last)]
            rows.append([open_ms, *prices, "12.50", open_ms + step - 1, "1", 40, "6.00", "1", "0"])
        return web.json_response(rows)

    async def stream(self, request: web.Request) -> web.WebSocketResponse:
        """Take subscriptions."""
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        transport = request.transport
        assert isinstance(transport, asyncio.Transport)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            asked = json.loads(message.data)
            for name in asked.get("params", ()):
                symbol = name.partition("@")[0].upper()
                if asked["method"] == "SUBSCRIBE":
                    self._wanted[symbol] = transport
                else:
                    self._wanted.pop(symbol, None)
            await socket.send_json({"result": None, "id": asked["id"]})
        return socket

    async def send(self) -> None:
        """Send for ever, at the rate."""
        number, began, due = 0, time.monotonic(), 0.0
        while True:
            due += TICK_S
            await asyncio.sleep(began + due - time.monotonic())
            now_ms = time.time_ns() // 1_000_000
            out: dict[asyncio.Transport, bytearray] = {}
            symbols = list(self._wanted)
            while symbols and number < self._rate * due:
                symbol = symbols[number // 10 % len(symbols)]
                body = self._markets[symbol].frame(number, now_ms)
                out.setdefault(self._wanted[symbol], bytearray()).extend(_framed(body))
                number += 1
            if not symbols:
                began, due = time.monotonic(), 0.0
            for transport, data in out.items():
                if not transport.is_closing():
                    transport.write(data)


def _framed(body: bytes) -> bytes:
    """Return a text as a WebSocket frame of a server: whole, unmasked."""
    if len(body) < 126:
        return b"\x81" + len(body).to_bytes(1, "big") + body
    return b"\x81\x7e" + len(body).to_bytes(2, "big") + body


async def main(rate: float) -> None:
    """Serve on a free port, which is printed."""
    venue = Venue(rate)
    app = web.Application()
    app.router.add_get("/api/v3/exchangeInfo", venue.listing)
    app.router.add_get("/api/v3/depth", venue.depth)
    app.router.add_get("/api/v3/klines", venue.klines)
    app.router.add_get("/stream", venue.stream)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await venue.send()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
