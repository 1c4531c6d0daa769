"""Whatever is sent, the answer is the venue's, never a crash."""

import json
import random

from aiohttp import WSMsgType

PATHS = [
    ("GET", path)
    for path in (
        "depth",
        "trades",
        "aggTrades",
        "klines",
        "ticker/24hr",
        "ticker/price",
        "exchangeInfo",
        "order",
        "openOrders",
        "allOrders",
        "myTrades",
        "account",
    )
] + [("POST", "order"), ("POST", "order/test"), ("DELETE", "order"), ("DELETE", "openOrders")]
NAMES = [
    "symbol", "symbols", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price",
    "interval", "limit", "startTime", "endTime", "fromId", "orderId", "origClientOrderId",
    "newClientOrderId", "recvWindow", "newOrderRespType", "stopPrice", "cancelRestrictions",
]  # fmt: skip
VALUES = [
    "BTCUSDT", "DOGEUSDT", "btcusdt", "", '["BTCUSDT"]', "[1]", "[", "BUY", "SELL", "LIMIT",
    "MARKET", "LIMIT_MAKER", "GTC", "IOC", "FOK", "1m", "1d", "1M", "1", "0", "-1", "0.01", "1e5",
    "99999999999999999999", "60000", "70000.01", "ACK", "FULL", "é", "a b", "x" * 40, "\x00", "%",
    "10000000001", "1795234567890", "ONLY_NEW", "0.0000000001", "5000",
]  # fmt: skip


async def test_random_parameters_never_crash_rest(client):
    chance = random.Random(7)
    client.emulator.venue.limiter.weight_limit = 10**9
    codes = set()
    for _ in range(500):
        method, path = chance.choice(PATHS)
        names = chance.sample(NAMES, chance.randint(0, 8))
        params = {name: chance.choice(VALUES) for name in names}
        if chance.random() < 0.7:
            params["symbol"] = "BTCUSDT"
        status, answer = await client.signed(method, path, **params)
        assert status in (200, 400, 429), (method, path, params, answer)
        if status != 200:
            codes.add(answer["code"])
    assert len(codes) > 10


async def test_random_frames_never_crash_the_sockets(client):
    chance = random.Random(7)
    async with client.session.ws_connect(client.ws_url + "/ws-api/v3") as socket:
        for _ in range(200):
            body = {
                "id": chance.choice([1, "x", None, [], {}]),
                "method": chance.choice(
                    ["order.place", "depth", "klines", "userDataStream.unsubscribe", "", 5, None]
                ),
                "params": chance.choice([None, [], 5, {"symbol": 5}, {"symbol": None}, {"x": {}}]),
            }
            text = json.dumps(body)
            await socket.send_str(text[: chance.randint(1, len(text))])
            message = await socket.receive(timeout=10)
            assert message.type is WSMsgType.TEXT
            assert json.loads(message.data)["status"] in (200, 400, 401)
