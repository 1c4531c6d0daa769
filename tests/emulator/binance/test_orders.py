"""Stops, lists, replacing and amending over REST and the WebSocket API, as clients see them."""

import base64
from decimal import Decimal

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.model.market import Side

BTC = {"symbol": "BTCUSDT"}
TICK = Decimal("0.01")


def last(client):
    return client.emulator.venue.market.shards["BTCUSDT"].last_ticks * TICK


def push(client, price):
    """Let the crowd trade at a price."""
    market = client.emulator.venue.market
    shard = market.shards["BTCUSDT"]
    ticks = int(Decimal(price) / TICK)
    side = Side.BUY if ticks > shard.last_ticks else Side.SELL
    reached = sum(lots for _, lots in shard.engine.sweep(side, ticks, 1 << 40))
    for at, lots in ((ticks, 5), (ticks + side.sign * 10, 50_000)):
        made = shard.engine.limit(shard.next_order_id(), 0, side.opposite, at, lots)
        shard.apply(made, shard.stamp(market.now_ns))
    market.crowd_trade("BTCUSDT", side, reached + 5, ticks)


async def ask(client, method, path, **params):
    status, answer = await client.signed(method, path, **params)
    assert status == 200, answer
    return answer


async def account(client, asset):
    told = await ask(client, "GET", "account")
    return next(row for row in told["balances"] if row["asset"] == asset)


async def oco(client, away=200, **more):
    at = last(client)
    params = {
        **BTC,
        "side": "SELL",
        "quantity": "0.5",
        "aboveType": "LIMIT_MAKER",
        "abovePrice": str(at + away),
        "belowType": "STOP_LOSS_LIMIT",
        "belowStopPrice": str(at - away),
        "belowPrice": str(at - away - 20),
        "belowTimeInForce": "GTC",
    }
    return await ask(client, "POST", "orderList/oco", **{**params, **more})


async def test_a_stop_limit_is_an_open_order_that_does_not_work_yet(still):
    stop = last(still) - 50
    order = await ask(
        still,
        "POST",
        "order",
        **BTC,
        side="SELL",
        type="STOP_LOSS_LIMIT",
        timeInForce="GTC",
        quantity="0.01",
        price=str(stop + 500),
        stopPrice=str(stop),
    )
    assert set(order) == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
    query = {**BTC, "orderId": order["orderId"]}
    told = await ask(still, "GET", "order", **query)
    assert (told["status"], told["isWorking"], told["workingTime"]) == ("NEW", False, -1)
    assert Decimal(told["stopPrice"]) == stop
    push(still, stop)
    told = await ask(still, "GET", "order", **query)
    assert (told["status"], told["isWorking"]) == ("NEW", True)


async def test_trailing_and_strategy_come_back_as_they_went(still):
    order = await ask(
        still,
        "POST",
        "order",
        **BTC,
        side="SELL",
        type="TAKE_PROFIT",
        quantity="0.01",
        trailingDelta=100,
        strategyId=7,
        strategyType=1_000_001,
        newOrderRespType="RESULT",
    )
    assert (order["trailingDelta"], order["strategyId"]) == (100, 7)
    assert order["strategyType"] == 1_000_001
    assert order["trailingTime"] > 0
    assert order["workingTime"] == -1


async def test_an_oco_answers_lists_and_ends_as_one(still):
    made = await oco(still, listClientOrderId="pair", aboveClientOrderId="up")
    assert (made["contingencyType"], made["listOrderStatus"]) == ("OCO", "EXECUTING")
    assert [report["type"] for report in made["orderReports"]] == ["STOP_LOSS_LIMIT", "LIMIT_MAKER"]
    assert (await account(still, "BTC"))["locked"] == "0.50000000"
    listed = await ask(still, "GET", "openOrderList")
    assert [row["listClientOrderId"] for row in listed] == ["pair"]
    assert await ask(still, "GET", "orderList", origClientOrderId="pair") == listed[0]
    gone = await ask(still, "DELETE", "order", **BTC, origClientOrderId="up")
    assert gone["listOrderStatus"] == "ALL_DONE"
    assert [report["status"] for report in gone["orderReports"]] == ["CANCELED"] * 2
    assert await ask(still, "GET", "openOrderList") == []
    assert len(await ask(still, "GET", "allOrderList")) == 1
    assert (await account(still, "BTC"))["locked"] == "0.00000000"
    status, answer = await still.signed("DELETE", "orderList", **BTC, listClientOrderId="pair")
    assert (status, answer["code"]) == (400, -2011)
    status, answer = await still.signed("GET", "orderList", orderListId=1)
    assert answer == {"code": -2018, "msg": "Order list does not exist."}


async def test_an_oco_as_it_was_asked_for_until_2024(still):
    at = last(still)
    made = await ask(
        still,
        "POST",
        "order/oco",
        **BTC,
        side="BUY",
        quantity="0.1",
        price=str(at - 300),
        stopPrice=str(at + 100),
        stopLimitPrice=str(at + 120),
        stopLimitTimeInForce="GTC",
    )
    assert [report["type"] for report in made["orderReports"]] == ["STOP_LOSS_LIMIT", "LIMIT_MAKER"]
    locked = Decimal((await account(still, "USDT"))["locked"])
    assert locked == (at + 120) / 10, "the dearer of the two"


async def test_an_otoco_becomes_an_oco(still):
    at = last(still)
    params = {
        **BTC,
        "workingType": "LIMIT",
        "workingSide": "BUY",
        "workingTimeInForce": "GTC",
        "workingPrice": str(at + 50),
        "workingQuantity": "0.01",
        "pendingSide": "SELL",
        "pendingQuantity": "0.009",
        "pendingAboveType": "TAKE_PROFIT",
        "pendingAboveStopPrice": str(at + 900),
        "pendingBelowType": "STOP_LOSS",
        "pendingBelowStopPrice": str(at - 900),
    }
    made = await ask(still, "POST", "orderList/otoco", **params)
    assert made["contingencyType"] == "OTO"
    assert [report["status"] for report in made["orderReports"]] == ["FILLED", "NEW", "NEW"]
    open_ids = {row["orderId"] for row in await ask(still, "GET", "openOrders", **BTC)}
    assert open_ids == {report["orderId"] for report in made["orderReports"][1:]}
    gone = await ask(still, "DELETE", "openOrders", **BTC)
    assert [row["orderListId"] for row in gone] == [made["orderListId"]], "a list counts once"
    assert int(still.headers["X-MBX-USED-WEIGHT-1M"]) >= 0


async def test_an_oto_waits(still):
    at = last(still)
    params = {
        **BTC,
        "workingType": "LIMIT_MAKER",
        "workingSide": "BUY",
        "workingPrice": str(at - 500),
        "workingQuantity": "0.01",
        "pendingType": "MARKET",
        "pendingSide": "SELL",
        "pendingQuantity": "0.01",
    }
    made = await ask(still, "POST", "orderList/oto", **params)
    assert [report["status"] for report in made["orderReports"]] == ["NEW", "PENDING_NEW"]
    assert int(still.headers["X-MBX-ORDER-COUNT-1D"]) == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"aboveType": "LIMIT"}, -1158),
        ({"aboveType": "LIMIT_MAKER", "belowType": "LIMIT_MAKER"}, -1106),
        ({"side": "BUY"}, -1165),
        ({"abovePrice": "1.001"}, -1013),
        ({"aboveIcebergQty": "0.1", "belowIcebergQty": "0.1", "belowTimeInForce": "FOK"}, -1160),
        ({"belowStopPrice": None}, -1102),
        ({"listClientOrderId": "a b"}, -1100),
        ({"quantity": "50"}, -2010),
        ({"belowStopPrice": "above"}, -2010),
    ],
)
async def test_lists_are_refused_in_the_venues_words(still, change, code):
    at = last(still)
    params = {
        **BTC,
        "side": "SELL",
        "quantity": "0.5",
        "aboveType": "LIMIT_MAKER",
        "abovePrice": str(at + 200),
        "belowType": "STOP_LOSS_LIMIT",
        "belowStopPrice": str(at - 200),
        "belowPrice": str(at - 220),
        "belowTimeInForce": "GTC",
        **change,
    }
    if params["belowStopPrice"] == "above":
        params["belowStopPrice"] = str(at + 100)
    params = {name: value for name, value in params.items() if value is not None}
    status, answer = await still.signed("POST", "orderList/oco", **params)
    assert (status, answer["code"]) == (400, code), answer
    assert (await account(still, "BTC"))["locked"] == "0.00000000"


async def resting(client, **more):
    params = {**BTC, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
    price = str(last(client) - 500)
    return await ask(client, "POST", "order", **{**params, "price": price, **more})


def replacement(client, **more):
    new = {**BTC, "side": "BUY", "type": "LIMIT_MAKER", "quantity": "0.01"}
    return {**new, "price": str(last(client) - 400), "cancelReplaceMode": "STOP_ON_FAILURE", **more}


async def test_cancel_replace_answers_both_halves(still):
    old = await resting(still)
    answer = await ask(
        still,
        "POST",
        "order/cancelReplace",
        **replacement(still, cancelOrderId=old["orderId"], newClientOrderId="new"),
    )
    assert (answer["cancelResult"], answer["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    assert answer["cancelResponse"]["status"] == "CANCELED"
    assert answer["newOrderResponse"]["clientOrderId"] == "new"


@pytest.mark.parametrize(
    ("mode", "known", "takes", "code", "status", "results"),
    [
        ("STOP_ON_FAILURE", False, False, -2022, 400, ("FAILURE", "NOT_ATTEMPTED")),
        ("ALLOW_FAILURE", False, False, -2021, 409, ("FAILURE", "SUCCESS")),
        ("STOP_ON_FAILURE", True, True, -2021, 409, ("SUCCESS", "FAILURE")),
        ("ALLOW_FAILURE", False, True, -2022, 400, ("FAILURE", "FAILURE")),
    ],
)
async def test_cancel_replace_that_fails(still, mode, known, takes, code, status, results):
    old = await resting(still)
    params = replacement(still, cancelReplaceMode=mode)
    params["cancelOrderId"] = old["orderId"] if known else 404
    if takes:
        params["price"] = str(last(still) + 500)
    got, answer = await still.signed("POST", "order/cancelReplace", **params)
    assert (got, answer["code"]) == (status, code)
    data = answer["data"]
    assert (data["cancelResult"], data["newOrderResult"]) == results
    assert (data["newOrderResponse"] is None) is (results[1] == "NOT_ATTEMPTED")


async def test_cancel_replace_checks_filters_before_it_cancels(still):
    old = await resting(still)
    params = replacement(still, cancelOrderId=old["orderId"], quantity="0.000001")
    _, answer = await still.signed("POST", "order/cancelReplace", **params)
    assert answer["msg"] == "Filter failure: LOT_SIZE"
    told = await ask(still, "GET", "order", **BTC, orderId=old["orderId"])
    assert told["status"] == "NEW"


async def test_amend_keeps_the_order_and_tells_its_history(still):
    order = await resting(still, newClientOrderId="old", quantity="0.05")
    path = "order/amend/keepPriority"
    params = {**BTC, "orderId": order["orderId"]}
    told = await ask(still, "PUT", path, **params, newQty="0.02", newClientOrderId="new")
    assert told["amendedOrder"]["qty"] == "0.02000000"
    names = told["amendedOrder"]["origClientOrderId"], told["amendedOrder"]["clientOrderId"]
    assert names == ("old", "new")
    rows = await ask(still, "GET", "order/amendments", **params)
    assert [(row["origQty"], row["newQty"]) for row in rows] == [("0.05000000", "0.02000000")]
    _, answer = await still.signed("PUT", path, **params, newQty="0.03")
    words = "Order amend (quantity increase) is not supported."
    assert answer == {"code": -2038, "msg": words}
    _, answer = await still.signed("PUT", path, **params, newQty="0.00002")
    assert answer["msg"] == "Filter failure: NOTIONAL"
    _, answer = await still.signed("GET", "order", **params, origClientOrderId="old")
    assert answer["code"] == -2039


async def test_my_trades_page_by_id_and_refuse_what_does_not_go_together(still):
    for _ in range(3):
        await ask(still, "POST", "order", **BTC, side="BUY", type="MARKET", quantity="0.01")
    rows = await ask(still, "GET", "myTrades", **BTC)
    ids = [row["id"] for row in rows]
    assert ids == sorted(ids)
    paged, at = [], 0
    while page := await ask(still, "GET", "myTrades", **BTC, fromId=at, limit=2):
        paged += page
        at = page[-1]["id"] + 1
    assert paged == rows
    of_one = await ask(still, "GET", "myTrades", **BTC, orderId=rows[0]["orderId"])
    assert {row["orderId"] for row in of_one} == {rows[0]["orderId"]}
    for bad in ({"fromId": 1, "startTime": 1}, {"orderId": 1, "endTime": 2}):
        _, answer = await still.signed("GET", "myTrades", **BTC, **bad)
        assert answer["code"] == -1128
    _, answer = await still.signed("GET", "myTrades", **BTC, startTime=1, endTime=90_000_000)
    assert answer["code"] == -1127


async def test_filled_orders_do_not_count_against_the_limits(still):
    await resting(still)
    await ask(still, "POST", "order", **BTC, side="BUY", type="MARKET", quantity="0.01")
    counts = await ask(still, "GET", "rateLimit/order")
    assert [row["count"] for row in counts][1] == 1


async def test_commission_of_the_account_and_of_an_order(still):
    told = await ask(still, "GET", "account/commission", **BTC)
    assert told["standardCommission"]["maker"] == "0.00100000"
    params = {**BTC, "side": "BUY", "type": "MARKET", "quantity": "0.01"}
    told = await ask(still, "POST", "order/test", **params, computeCommissionRates="true")
    assert told["standardCommissionForOrder"]["taker"] == "0.00100000"


async def test_market_is_closed_while_halted(still):
    await still.arm("halt", symbol="BTCUSDT")
    params = {**BTC, "side": "BUY", "type": "MARKET", "quantity": "0.01"}
    _, answer = await still.signed("POST", "order", **params)
    assert answer == {"code": -1013, "msg": "Market is closed."}


async def test_private_events_of_a_list(still):
    stream = []
    still.emulator.venue.user_stream.sinks["test"] = stream.append
    made = await oco(still)
    push(still, last(still) - 201)
    kinds = [
        (event["e"], event.get("x", event.get("l")), event.get("X", event.get("L")))
        for event in stream
        if event["e"] != "outboundAccountPosition"
    ]
    assert kinds[:3] == [
        ("listStatus", "EXEC_STARTED", "EXECUTING"),
        ("executionReport", "NEW", "NEW"),
        ("executionReport", "NEW", "NEW"),
    ]
    assert kinds[3] == ("executionReport", "EXPIRED", "EXPIRED")
    assert kinds[4] == ("executionReport", "NEW", "NEW"), "the stop works now"
    started = stream[0]
    assert started["g"] == made["orderListId"]
    assert [row["i"] for row in started["O"]] == [row["orderId"] for row in made["orders"]]


async def test_the_oracle_tells_what_the_stream_told(still):
    await oco(still)
    await ask(still, "POST", "order", **BTC, side="BUY", type="MARKET", quantity="0.01")
    _, told = await still.control("GET", "oracle?venue=binance")
    (mine,) = told["accounts"]
    assert (mine["venue"], mine["positions"]) == ("binance", [])
    assert [order["state"] for order in mine["orders"]] == ["untriggered", "open", "filled"]
    fills = await ask(still, "GET", "myTrades", **BTC)
    assert [fill["id"] for fill in mine["fills"]] == [str(row["id"]) for row in fills]
    assert mine["balances"]["BTC"]["locked"] == "0.50000000"


@pytest.mark.parametrize("replaced", [False, True])
async def test_a_cancel_that_loses_the_race_finds_nothing(still, replaced):
    order = await resting(still, price=str(last(still) - 20))
    await still.arm("cancel_race")
    params = {**BTC, "orderId": order["orderId"]}
    if replaced:
        asked = replacement(still, cancelOrderId=order["orderId"])
        _, answer = await still.signed("POST", "order/cancelReplace", **asked)
        assert answer["data"]["newOrderResult"] == "NOT_ATTEMPTED"
        answer = answer["data"]["cancelResponse"]
    else:
        _, answer = await still.signed("DELETE", "order", **params)
    assert answer["code"] == -2011
    told = await ask(still, "GET", "order", **params)
    assert told["status"] == "FILLED"


async def test_an_order_is_seen_late_or_ended_by_the_venue(still, until):
    await still.arm("delay_visible_ms", value=10_000)
    order = await resting(still)
    params = {**BTC, "orderId": order["orderId"]}
    _, answer = await still.signed("GET", "order", **params)
    assert answer["code"] == -2013
    assert await ask(still, "GET", "openOrders", **BTC) == []
    assert (await ask(still, "DELETE", "order", **params))["status"] == "CANCELED"
    await still.arm("expire_after_ack", value=10)
    order = await resting(still)
    mine = still.emulator.venue.account
    await until(lambda: not mine.open)
    told = await ask(still, "GET", "order", **BTC, orderId=order["orderId"])
    assert told["status"] == "EXPIRED"


async def test_balances_may_be_told_as_they_were(still):
    before = await ask(still, "GET", "account")
    await ask(still, "POST", "order", **BTC, side="BUY", type="MARKET", quantity="0.01")
    await still.arm("stale_account")
    stale = await ask(still, "GET", "account")
    fresh = await ask(still, "GET", "account")
    assert stale["balances"] != fresh["balances"]
    assert before["balances"] != fresh["balances"]


async def test_an_ed25519_key_logs_on_and_its_session_expires(still):
    key = Ed25519PrivateKey.generate()
    pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    still.emulator.venue.open_account("e" * 32, pem.decode(), {"USDT": 1_000, "BTC": 1})
    venue = still.emulator.venue
    async with still.session.ws_connect(still.ws_url + "/ws-api/v3") as socket:

        async def call(method, **params):
            await socket.send_json({"id": 1, "method": method, "params": params})
            return await socket.receive_json(timeout=10)

        params = {"apiKey": "e" * 32, "timestamp": venue.now_ms()}
        payload = "&".join(f"{name}={value}" for name, value in sorted(params.items()))
        signature = base64.b64encode(key.sign(payload.encode())).decode()
        told = await call("session.logon", **params, signature=signature)
        assert told["result"]["apiKey"] == "e" * 32
        bad = await call("session.logon", **params, signature=signature[:-4] + "AAA=")
        assert bad["error"]["code"] == -1022
        assert (await call("userDataStream.subscribe"))["result"] == {"subscriptionId": 0}
        told = await call("account.status", timestamp=venue.now_ms())
        assert told["result"]["uid"] == 2
        await still.arm("expire_sessions")
        ended = await socket.receive_json(timeout=10)
        assert ended["event"]["e"] == "eventStreamTerminated"
        told = await call("account.status", timestamp=venue.now_ms())
        assert told["error"]["code"] == -1102


async def test_a_second_account_has_its_own_money_orders_and_stream(still):
    made = {"venue": "binance", "api_key": "z" * 32, "secret": "y" * 32, "funds": {"USDT": 500}}
    assert await still.control("POST", "accounts", made) == (200, {"accounts": 2})
    status, told = await still.signed("GET", "account", key="z" * 32, secret="y" * 32)
    assert status == 200
    money = {row["asset"]: row["free"] for row in told["balances"]}
    assert (money["USDT"], money["BTC"]) == ("500.00000000", "0.00000000")
    await resting(still)
    status, rows = await still.signed("GET", "openOrders", key="z" * 32, secret="y" * 32)
    assert rows == []
    status, refused = await still.control("POST", "accounts", {**made, "funds": {"GOLD": 1}})
    assert status == 400
    assert "GOLD" in refused["error"]


async def test_orders_and_money_follow_a_renamed_symbol(still):
    order = await resting(still)
    await ask(still, "POST", "order", **BTC, side="BUY", type="MARKET", quantity="0.01")
    await still.arm("rename", symbol="BTCUSDT", text="XBTUSDT")
    status, found = await still.signed("GET", "order", symbol="XBTUSDT", orderId=order["orderId"])
    assert (status, found["symbol"]) == (200, "XBTUSDT")
    assert Decimal((await account(still, "XBT"))["free"]) > 2
    assert len(await ask(still, "GET", "myTrades", symbol="XBTUSDT")) >= 1
    params = {"symbol": "XBTUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.01"}
    assert (await ask(still, "POST", "order", **params))["status"] == "FILLED"
    assert (await ask(still, "DELETE", "openOrders", symbol="XBTUSDT"))[0]["status"] == "CANCELED"


WEIRD = ("0", "-1", "x", "1e9", "9" * 30, "0.000000001", "NaN", "[]", "é")


async def test_weird_parameters_are_refused_in_words(still):
    still.emulator.venue.set_weight_limit(2_000_000)
    at = last(still)
    pair = {
        **BTC,
        "side": "SELL",
        "quantity": "0.01",
        "aboveType": "LIMIT_MAKER",
        "abovePrice": str(at + 200),
        "belowType": "STOP_LOSS_LIMIT",
        "belowStopPrice": str(at - 200),
        "belowPrice": str(at - 220),
        "belowTimeInForce": "GTC",
        "belowTrailingDelta": "100",
        "belowIcebergQty": "0.005",
        "belowStrategyType": "1000000",
        "listClientOrderId": "l",
        "newOrderRespType": "FULL",
    }
    swap = replacement(still, cancelOrderId="7", cancelRestrictions="ONLY_NEW")
    amend = {**BTC, "orderId": "7", "newQty": "0.001", "newClientOrderId": "n"}
    query = {"fromId": "1", "limit": "5"}
    for method, path, params in (
        ("POST", "orderList/oco", pair),
        ("POST", "order/cancelReplace", swap),
        ("PUT", "order/amend/keepPriority", amend),
        ("DELETE", "orderList", {**BTC, "orderListId": "1", "newClientOrderId": "n"}),
        ("GET", "orderList", {"orderListId": "1"}),
        ("GET", "allOrderList", query),
        ("GET", "order/amendments", {**BTC, "orderId": "1", "fromExecutionId": "1"}),
    ):
        for name in params:
            for value in WEIRD:
                status, answer = await still.signed(method, path, **{**params, name: value})
                told = (method, path, name, value, answer)
                assert status in (200, 400, 409), told
                assert status == 200 or answer["code"] < 0, told
                assert status != 200 or isinstance(answer, list | dict), told
