"""A client of Alpaca's trading API that logs in, and its trade_updates."""

import json
from decimal import Decimal

import aiohttp
import pytest

from core.model.market import Side

KEYS = {"APCA-API-KEY-ID": "k" * 32, "APCA-API-SECRET-KEY": "s" * 32}


class Broker:
    def __init__(self, remote):
        self.remote = remote
        self.venue = remote.emulator.venues["alpaca"]
        self.host = "paper"
        self.headers = KEYS

    async def call(self, method, path, body=None, **params):
        url = self.remote.emulator.urls()["alpaca"][self.host] + path
        async with self.remote.session.request(
            method, url, json=body, params=params, headers=self.headers
        ) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    async def get(self, path, **params):
        status, answer = await self.call("GET", path, **params)
        assert status == 200, answer
        return answer

    async def order(self, symbol, side, qty, kind="market", tif="day", **more):
        body = {"symbol": symbol, "side": side, "type": kind, "time_in_force": tif, **more}
        if qty is not None:
            body["qty"] = str(qty)
        return await self.call("POST", "/v2/orders", {k: v for k, v in body.items() if v})

    async def place(self, *args, **more):
        status, order = await self.order(*args, **more)
        assert status == 200, order
        return order

    async def found(self, order):
        return await self.get(f"/v2/orders/{order['id']}")

    def last(self, symbol):
        return self.venue.house.assets.all[symbol].last

    def push(self, symbol, price):
        """Let the crowd trade at a price, and leave a book around it."""
        market, instrument = self.venue.market, self.venue.house.assets.all[symbol]
        shard = market.shards[symbol]
        ticks = int(Decimal(price) / instrument.tick)
        side = Side.BUY if ticks > shard.last_ticks else Side.SELL
        for which, at, lots in (
            (side, ticks - side.sign * 10, 10**12),
            (side.opposite, ticks + side.sign * 10, 10**12),
            (side.opposite, ticks, 5),
        ):
            made = shard.engine.limit(shard.next_order_id(), 0, which, at, lots)
            shard.apply(made, shard.stamp(market.now_ns))
            if at == ticks:
                reached = sum(size for _, size in shard.engine.sweep(side, ticks, 1 << 60))
                market.crowd_trade(symbol, side, reached, ticks)


@pytest.fixture
async def broker(remote):
    await remote.control("POST", "flow", {"on": False})
    return Broker(remote)


@pytest.fixture
async def updates(broker):
    """What trade_updates tells, from a socket that has logged in."""
    url = broker.remote.emulator.urls()["alpaca"]["paper_stream"]
    async with broker.remote.session.ws_connect(url) as socket:
        await socket.send_json(
            {"action": "authenticate", "data": {"key_id": "k" * 32, "secret_key": "s" * 32}}
        )
        hello = json.loads((await socket.receive(timeout=10)).data)
        assert hello["data"] == {"status": "authorized", "action": "authenticate"}
        await socket.send_json({"action": "listen", "data": {"streams": ["trade_updates", "no"]}})
        listening = json.loads((await socket.receive(timeout=10)).data)
        assert listening == {"stream": "listening", "data": {"streams": ["trade_updates"]}}

        async def hear(number=1):
            heard = []
            for _ in range(number):
                message = await socket.receive(timeout=10)
                assert message.type is aiohttp.WSMsgType.BINARY, "paper sends binary frames"
                heard.append(json.loads(message.data)["data"])
            return heard

        yield hear
