"""The WebSocket API: signed subscription, user events as documented, orders, and faults."""

import hashlib
import hmac
import json
from decimal import Decimal

import pytest
from aiohttp import WSMsgType

KEY, SECRET = "k" * 32, b"s" * 32


class Api:
    def __init__(self, client, socket):
        self.client = client
        self.socket = socket
        self.events = []

    async def call(self, method, params=None, request_id="r1"):
        await self.socket.send_json({"id": request_id, "method": method, "params": params or {}})
        while True:
            message = await self.socket.receive(timeout=10)
            assert message.type is WSMsgType.TEXT, message
            data = json.loads(message.data)
            if "subscriptionId" in data and "event" in data:
                self.events.append(data)
            else:
                assert data["id"] == request_id
                return data

    async def signed(self, method, secret=SECRET, key=KEY, **params):
        params |= {"apiKey": key, "timestamp": self.client.emulator.venue.now_ms()}
        payload = "&".join(f"{name}={value}" for name, value in sorted(params.items()))
        params["signature"] = hmac.new(secret, payload.encode(), hashlib.sha256).hexdigest()
        return await self.call(method, params)

    async def event(self):
        if self.events:
            return self.events.pop(0)["event"]
        message = await self.socket.receive(timeout=10)
        return json.loads(message.data)["event"]


@pytest.fixture
async def api(still):
    async with still.session.ws_connect(still.ws_url + "/ws-api/v3") as socket:
        yield Api(still, socket)


async def buy(client, **more):
    _, quote = await client.public("ticker/bookTicker", symbol="BTCUSDT")
    price = str(Decimal(quote["bidPrice"]) - 100)
    return await client.order(
        symbol="BTCUSDT",
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        quantity="0.01",
        price=price,
        **more,
    )


async def test_public_methods_answer_with_limits(api):
    assert (await api.call("ping"))["result"] == {}
    answer = await api.call("time")
    assert answer["status"] == 200
    assert answer["result"]["serverTime"] > 0
    assert answer["rateLimits"][0]["count"] > 0
    assert (await api.call("depth", {"symbol": "BTCUSDT", "limit": 5}))["result"]["bids"]


async def test_subscription_gets_every_step_of_an_order(api):
    answer = await api.signed("userDataStream.subscribe.signature")
    assert answer["result"] == {"subscriptionId": 0}
    _, placed = await buy(api.client, newClientOrderId="mine")
    new = await api.event()
    assert (new["e"], new["x"], new["X"], new["c"]) == ("executionReport", "NEW", "NEW", "mine")
    assert (new["i"], new["t"], new["N"], new["C"]) == (placed["orderId"], -1, None, "")
    position = await api.event()
    assert position["e"] == "outboundAccountPosition"
    assert {row["a"] for row in position["B"]} == {"BTC", "USDT"}
    await api.client.signed("DELETE", "order", symbol="BTCUSDT", origClientOrderId="mine")
    gone = await api.event()
    assert (gone["x"], gone["X"], gone["C"]) == ("CANCELED", "CANCELED", "mine")
    assert gone["c"] != "mine"
    assert gone["I"] > new["I"]


async def test_fill_report_carries_trade_and_commission(api):
    await api.signed("userDataStream.subscribe.signature")
    _, order = await api.client.order(symbol="BTCUSDT", side="SELL", type="MARKET", quantity="0.01")
    reports = []
    while sum(Decimal(report["l"]) for report in reports) < Decimal("0.01"):
        event = await api.event()
        if event["e"] == "executionReport":
            reports.append(event)
    assert reports[0]["x"] == "NEW"
    fill = reports[-1]
    assert (fill["x"], fill["X"], fill["N"], fill["m"]) == ("TRADE", "FILLED", "USDT", False)
    assert fill["t"] == order["fills"][-1]["tradeId"]
    assert Decimal(fill["n"]) == (Decimal(fill["Y"]) / 1000).quantize(
        Decimal("0.00000001"), rounding="ROUND_DOWN"
    )
    documented = set("eEsScofqpPFgCxXrilzLnNTtIwmMOZYQWV")
    assert set(fill) == documented


async def test_every_subscription_gets_its_own_copy_until_it_ends(api):
    for number in (0, 1):
        answer = await api.signed("userDataStream.subscribe.signature")
        assert answer["result"] == {"subscriptionId": number}
    await buy(api.client)
    message = [json.loads((await api.socket.receive(timeout=10)).data) for _ in range(4)]
    assert sorted(row["subscriptionId"] for row in message) == [0, 0, 1, 1]
    answer = await api.call("userDataStream.unsubscribe", {"subscriptionId": 0})
    assert answer["result"] == {}
    assert api.events[-1]["event"]["e"] == "eventStreamTerminated"
    await buy(api.client)
    message = [json.loads((await api.socket.receive(timeout=10)).data) for _ in range(2)]
    assert [row["subscriptionId"] for row in message] == [1, 1]


async def test_orders_over_the_socket(api):
    placed = await api.signed(
        "order.place",
        symbol="BTCUSDT",
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        quantity="0.01",
        price="60000",
        newClientOrderId="w",
    )
    assert placed["result"]["status"] == "NEW"
    status = await api.signed("order.status", symbol="BTCUSDT", origClientOrderId="w")
    assert status["result"]["orderId"] == placed["result"]["orderId"]
    canceled = await api.signed("order.cancel", symbol="BTCUSDT", origClientOrderId="w")
    assert canceled["result"]["status"] == "CANCELED"
    account = await api.signed("account.status", omitZeroBalances="true")
    assert account["result"]["accountType"] == "SPOT"


@pytest.mark.parametrize(
    ("method", "params", "status", "code"),
    [
        ("userDataStream.subscribe", {}, 401, -1002),
        ("userDataStream.start", {}, 410, -1020),
        ("no.such.method", {}, 400, -1020),
        ("order.status", {"symbol": "BTCUSDT"}, 400, -1102),
        ("depth", {"symbol": "NOPE"}, 400, -1121),
        ("userDataStream.unsubscribe", {"subscriptionId": 9}, 400, -1130),
    ],
)
async def test_refusals_have_status_and_code(api, method, params, status, code):
    answer = await api.call(method, params)
    assert (answer["status"], answer["error"]["code"]) == (status, code)


async def test_bad_signature_bad_key_and_logon_with_hmac(api):
    wrong = await api.signed("userDataStream.subscribe.signature", secret=b"no")
    assert wrong["error"]["code"] == -1022
    unknown = await api.signed("userDataStream.subscribe.signature", key="u" * 32)
    assert (unknown["status"], unknown["error"]["code"]) == (401, -2015)
    logon = await api.signed("session.logon")
    assert logon["error"] == {"code": -4056, "msg": "HMAC_SHA256 API key is not supported."}


async def test_text_that_is_no_request(api):
    await api.socket.send_str("nonsense")
    answer = json.loads((await api.socket.receive(timeout=10)).data)
    assert (answer["id"], answer["error"]["code"]) == (None, -1135)


async def test_suppressed_and_doubled_reports(api):
    await api.signed("userDataStream.subscribe.signature")
    await api.client.arm("suppress_reports", count=2)
    await buy(api.client, newClientOrderId="unseen")
    await api.client.arm("duplicate_report")
    await buy(api.client, newClientOrderId="twice")
    events = [await api.event() for _ in range(3)]
    assert [event.get("c") for event in events] == ["twice", "twice", None]
    assert events[0] == events[1]


async def test_late_reports_come_after_later_ones(api):
    await api.signed("userDataStream.subscribe.signature")
    await api.client.arm("delay_reports_ms", value=150)
    await buy(api.client, newClientOrderId="late")
    events = [await api.event() for _ in range(2)]
    assert [event["e"] for event in events] == ["outboundAccountPosition", "executionReport"]
    assert events[1]["c"] == "late"


async def test_lost_ack_over_the_socket_drops_it_after_acceptance(api):
    await api.client.arm("lost_ack")
    with pytest.raises(AssertionError, match=r"CLOSE|ERROR"):
        await api.signed(
            "order.place", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01"
        )
    _, oracle = await api.client.control("GET", "oracle")
    assert [order["status"] for order in oracle["orders"]] == ["FILLED"]


async def test_closed_user_streams(api, until):
    await api.signed("userDataStream.subscribe.signature")
    await api.client.arm("close_user_streams", value=1)
    message = await api.socket.receive(timeout=10)
    assert message.type is not WSMsgType.TEXT
    await until(lambda: not api.client.emulator.venue.user_stream.sinks)


async def test_lists_changes_and_their_failures(api):
    shard = api.client.emulator.venue.market.shards["BTCUSDT"]
    last = Decimal(shard.last_ticks) / 100
    pair = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "quantity": "0.1",
        "aboveType": "LIMIT_MAKER",
        "abovePrice": str(last + 300),
        "belowType": "STOP_LOSS",
        "belowStopPrice": str(last - 300),
        "listClientOrderId": "pair",
    }
    made = (await api.signed("orderList.place.oco", **pair))["result"]
    assert [row["type"] for row in made["orderReports"]] == ["STOP_LOSS", "LIMIT_MAKER"]
    told = (await api.signed("orderList.status", origClientOrderId="pair"))["result"]
    assert told["orderListId"] == made["orderListId"]
    assert len((await api.signed("openOrderLists.status"))["result"]) == 1
    number = made["orderReports"][1]["orderId"]
    changed = await api.signed(
        "order.amend.keepPriority", symbol="BTCUSDT", orderId=number, newQty="0.05"
    )
    assert changed["result"]["listStatus"]["listClientOrderId"] == "pair"
    rows = await api.signed("order.amendments", symbol="BTCUSDT", orderId=number)
    assert [row["newQty"] for row in rows["result"]] == ["0.05000000"]
    both = {
        "symbol": "BTCUSDT",
        "cancelReplaceMode": "ALLOW_FAILURE",
        "cancelOrderId": 404,
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01",
        "price": str(last - 400),
    }
    failed = await api.signed("order.cancelReplace", **both)
    assert (failed["status"], failed["error"]["code"]) == (409, -2021)
    assert failed["error"]["data"]["newOrderResult"] == "SUCCESS"
    gone = await api.signed("orderList.cancel", symbol="BTCUSDT", listClientOrderId="pair")
    assert gone["result"]["listOrderStatus"] == "ALL_DONE"
    assert len((await api.signed("allOrderLists"))["result"]) == 1
    fees = await api.signed("account.commission", symbol="BTCUSDT")
    assert fees["result"]["symbol"] == "BTCUSDT"
