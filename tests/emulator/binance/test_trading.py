"""Signed REST: placing, cancelling, asking, and each refusal."""

from decimal import Decimal

import pytest

from core.model.market import Side
from emulator.market.accounts import Kind, Ticket


async def top(client, symbol="BTCUSDT"):
    _, quote = await client.public("ticker/bookTicker", symbol=symbol)
    return Decimal(quote["bidPrice"]), Decimal(quote["askPrice"])


async def rest_order(client, **more):
    bid, _ = await top(client)
    params = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01",
        "price": str(bid - 500),
    }
    status, order = await client.order(**{**params, **more})
    assert status == 200, order
    return order


async def test_limit_order_rests_is_found_and_canceled(still):
    order = await rest_order(still, newClientOrderId="clxt-abc_1")
    assert (order["status"], order["fills"]) == ("NEW", [])
    _, found = await still.signed("GET", "order", symbol="BTCUSDT", origClientOrderId="clxt-abc_1")
    assert found["orderId"] == order["orderId"]
    _, listed = await still.signed("GET", "openOrders", symbol="BTCUSDT")
    assert [row["clientOrderId"] for row in listed] == ["clxt-abc_1"]
    _, canceled = await still.signed(
        "DELETE", "order", symbol="BTCUSDT", origClientOrderId="clxt-abc_1"
    )
    assert canceled["status"] == "CANCELED"
    assert canceled["origClientOrderId"] == "clxt-abc_1"
    assert canceled["clientOrderId"] != "clxt-abc_1"
    assert await still.signed("GET", "openOrders") == (200, [])


async def test_market_order_fills_with_commission_in_what_is_received(still):
    status, order = await still.order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.02")
    assert status == 200
    assert order["status"] == "FILLED"
    assert sum(Decimal(fill["qty"]) for fill in order["fills"]) == Decimal("0.02")
    assert {fill["commissionAsset"] for fill in order["fills"]} == {"BTC"}
    _, trades = await still.signed("GET", "myTrades", symbol="BTCUSDT")
    assert [row["id"] for row in trades] == [fill["tradeId"] for fill in order["fills"]]
    _, account = await still.signed("GET", "account")
    btc = next(row for row in account["balances"] if row["asset"] == "BTC")
    assert Decimal(btc["free"]) == 2 + Decimal("0.02") * Decimal("0.999")


async def test_market_order_by_quote_reports_what_was_asked(still):
    _, order = await still.order(symbol="ETHUSDT", side="SELL", type="MARKET", quoteOrderQty="1000")
    assert order["status"] == "FILLED"
    assert order["origQuoteOrderQty"] == "1000.00000000"
    assert 990 < Decimal(order["cummulativeQuoteQty"]) <= 1000
    assert order["origQty"] == order["executedQty"]


async def test_crowd_fills_a_resting_order_on_demand(still):
    _, ask = await top(still)
    order = await rest_order(still, price=str(ask - Decimal("0.01")), quantity="0.5")
    status, answer = await still.control(
        "POST",
        "trade",
        {"symbol": "BTCUSDT", "side": "SELL", "qty": "0.2", "price": str(ask - Decimal("0.01"))},
    )
    assert (status, answer["executed"]) == (200, "0.20000000")
    _, found = await still.signed("GET", "order", symbol="BTCUSDT", orderId=order["orderId"])
    assert Decimal(found["executedQty"]) <= Decimal("0.2")
    _, book = await still.control("GET", "book?symbol=BTCUSDT")
    assert book["bids"]


async def test_cancel_all_of_a_symbol(still):
    for _ in range(3):
        await rest_order(still)
    _, gone = await still.signed("DELETE", "openOrders", symbol="BTCUSDT")
    assert [row["status"] for row in gone] == ["CANCELED"] * 3
    status, answer = await still.signed("DELETE", "openOrders", symbol="BTCUSDT")
    assert (status, answer["code"]) == (400, -2011)


async def test_all_orders_page_by_id_and_time(still):
    orders = [await rest_order(still) for _ in range(4)]
    ids = [order["orderId"] for order in orders]
    _, rows = await still.signed("GET", "allOrders", symbol="BTCUSDT", orderId=ids[1], limit=2)
    assert [row["orderId"] for row in rows] == ids[1:3]
    _, rows = await still.signed("GET", "allOrders", symbol="BTCUSDT", limit=2)
    assert [row["orderId"] for row in rows] == ids[2:]
    _, rows = await still.signed(
        "GET", "allOrders", symbol="BTCUSDT", startTime=orders[0]["transactTime"] - 1
    )
    assert [row["orderId"] for row in rows] == ids


async def test_ack_and_result_answers_are_shorter(still):
    ack = await rest_order(still, newOrderRespType="ACK")
    assert set(ack) == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
    result = await rest_order(still, newOrderRespType="RESULT")
    assert "status" in result
    assert "fills" not in result


async def test_order_test_checks_and_places_nothing(still):
    params = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET"}
    assert await still.signed("POST", "order/test", quantity="0.01", **params) == (200, {})
    _, refused = await still.signed("POST", "order/test", quantity="0.000001", **params)
    assert refused["code"] == -1013
    assert await still.signed("GET", "allOrders", symbol="BTCUSDT") == (200, [])


async def test_post_only_rests_or_is_refused(still):
    bid, ask = await top(still)
    params = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "quantity": "0.01"}
    status, answer = await still.order(price=str(ask), **params)
    assert (status, answer["code"]) == (400, -2010)
    assert answer["msg"] == "Order would immediately match and take."
    status, _ = await still.order(price=str(bid - 5), **params)
    assert status == 200


async def test_duplicate_client_id_is_refused_while_open(still):
    await rest_order(still, newClientOrderId="twin")
    bid, _ = await top(still)
    status, answer = await still.order(
        symbol="BTCUSDT",
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        quantity="0.01",
        price=str(bid - 500),
        newClientOrderId="twin",
    )
    assert (status, answer) == (400, {"code": -2010, "msg": "Duplicate order sent."})


GOOD = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "60000",
}


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"price": "60000.001"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"price": "0"}, -1013, "Invalid price."),
        ({"price": "900000"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ({"price": "1"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ({"quantity": "0.000001"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "10000"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "0"}, -1013, "Invalid quantity."),
        ({"quantity": "0.00001"}, -1013, "Filter failure: NOTIONAL"),
        ({"quantity": "0.0000000001"}, -1111, "too much precision"),
        ({"quantity": "5"}, -2010, "Account has insufficient balance for requested action."),
        ({"price": "60e3"}, -1100, "Illegal characters found in parameter 'price'"),
        ({"quantity": "-1"}, -1100, "Illegal characters found in parameter 'quantity'"),
        ({"side": "HOLD"}, -1117, "Invalid side."),
        ({"type": "PEG"}, -1116, "Invalid orderType."),
        ({"type": "STOP_LOSS"}, -1106, "Parameter 'timeInForce' sent when not required."),
        ({"type": "STOP_LOSS_LIMIT"}, -1102, "'stopPrice' or 'trailingDelta'"),
        ({"type": "STOP_LOSS_LIMIT", "trailingDelta": "9"}, -1013, "TRAILING_DELTA"),
        ({"type": "STOP_LOSS_LIMIT", "stopPrice": "60000.001"}, -1013, "PRICE_FILTER"),
        ({"type": "STOP_LOSS_LIMIT", "stopPrice": "20000"}, -2010, "would trigger immediately"),
        ({"type": "TAKE_PROFIT_LIMIT", "stopPrice": "200000"}, -2010, "would trigger immediately"),
        ({"icebergQty": "0.02"}, -2010, "IcebergQty exceeds QTY."),
        ({"icebergQty": "0.0009"}, -1013, "Filter failure: ICEBERG_PARTS"),
        ({"icebergQty": "0.005", "timeInForce": "IOC"}, -1014, "Unsupported order combination."),
        ({"trailingDelta": "100"}, -1106, "'trailingDelta'"),
        ({"strategyType": "7"}, -1134, "1000000"),
        ({"timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
        ({"timeInForce": None}, -1102, "'timeInForce'"),
        ({"price": None}, -1102, "'price'"),
        ({"quantity": None}, -1102, "'quantity'"),
        ({"symbol": "AAAUSDT"}, -1121, "Invalid symbol."),
        ({"newClientOrderId": "a b"}, -1100, "'newClientOrderId'"),
        ({"newClientOrderId": "x" * 37}, -1100, "'newClientOrderId'"),
        ({"type": "MARKET"}, -1106, "Parameter 'timeInForce' sent when not required."),
        ({"stopPrice": "1"}, -1106, "'stopPrice'"),
        ({"quoteOrderQty": "10"}, -1106, "'quoteOrderQty'"),
        ({"newOrderRespType": "SOME"}, -1130, "'newOrderRespType'"),
        ({"unknown": "1"}, -1104, "read '"),
    ],
)
async def test_bad_orders_are_refused_in_the_venues_words(still, change, code, words):
    params = {name: value for name, value in {**GOOD, **change}.items() if value is not None}
    status, answer = await still.order(**params)
    assert status == 400
    assert answer["code"] == code
    assert words in answer["msg"]
    _, oracle = await still.control("GET", "oracle")
    assert oracle["orders"] == []


async def test_market_order_needs_exactly_one_size(still):
    params = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET"}
    assert (await still.order(**params))[1]["code"] == -1102
    both = await still.order(quantity="0.01", quoteOrderQty="500", **params)
    assert both[1]["code"] == -1128


async def test_asking_for_and_cancelling_what_is_not_there(still):
    _, answer = await still.signed("GET", "order", symbol="BTCUSDT", orderId=1)
    assert answer == {"code": -2013, "msg": "Order does not exist."}
    _, answer = await still.signed("DELETE", "order", symbol="BTCUSDT", origClientOrderId="no")
    assert answer == {"code": -2011, "msg": "Unknown order sent."}
    _, answer = await still.signed("GET", "order", symbol="BTCUSDT")
    assert answer["code"] == -1102


async def test_too_many_open_orders_on_a_symbol(still):
    venue = still.emulator.venue
    shard = venue.market.shards["BTCUSDT"]
    for number in range(200):
        ticket = Ticket(
            client_id=f"n{number}", side=Side.BUY, kind=Kind.LIMIT, price_ticks=5_000_000, lots=20
        )
        venue.desk.place(venue.account, shard, ticket, venue.market.now_ns)
    status, answer = await still.order(**GOOD)
    assert (status, answer["msg"]) == (400, "Filter failure: MAX_NUM_ORDERS")


async def test_order_count_headers_and_limit(still):
    order = await rest_order(still)
    assert order
    assert int(still.headers["X-MBX-ORDER-COUNT-10S"]) >= 1
    assert int(still.headers["X-MBX-ORDER-COUNT-1D"]) == 1
    used = int(still.headers["X-MBX-USED-WEIGHT-1M"])
    await rest_order(still)
    extra = int(still.headers["X-MBX-USED-WEIGHT-1M"]) - used
    assert extra == 4, "the bookTicker query weighs 4, a successful order nothing"
