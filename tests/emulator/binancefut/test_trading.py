"""USD-M orders over REST: signatures, refusals, the algo service, listen keys, faults."""

import hashlib
import hmac
import json
from decimal import Decimal
from urllib.parse import urlencode

import aiohttp
import pytest
from yarl import URL

VENUES = ("binancefut",)
KEY, SECRET = "k" * 32, "s" * 32


class Trader:
    """Signs requests, so that the tests decide every byte that is sent."""

    def __init__(self, remote):
        self.remote = remote
        self.venue = remote.emulator.venues["binancefut"]
        self.headers = {}

    async def ask(self, method, path, *, secret=SECRET, key=KEY, at_ms=None, **params):
        params["timestamp"] = at_ms or self.venue.now_ms()
        query = urlencode(params)
        signature = hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        url = f"{self.remote.url}/binancefut/fapi/{path}?{query}&signature={signature}"
        async with self.remote.session.request(
            method, URL(url, encoded=True), headers={"X-MBX-APIKEY": key}
        ) as answer:
            self.headers = answer.headers
            return answer.status, await answer.json(content_type=None)

    async def order(self, side="BUY", **params):
        params.setdefault("type", "LIMIT" if "price" in params else "MARKET")
        if params["type"] == "LIMIT":
            params.setdefault("timeInForce", "GTC")
        return await self.ask("POST", "v1/order", symbol="BTCUSDT", side=side, **params)

    async def algo(self, side="SELL", **params):
        given = {"symbol": "BTCUSDT", "algoType": "CONDITIONAL", "side": side, **params}
        return await self.ask("POST", "v1/algoOrder", **given)

    async def crowd(self, side, qty, price=None):
        body = {"symbol": "BTCUSDT", "side": side, "qty": str(qty)}
        if price is not None:
            body["price"] = str(price)
        return await self.remote.control("POST", "trade", body)

    def best(self):
        bid, _, ask, _ = self.venue.market.shards["BTCUSDT"].top()
        return Decimal(bid) / 10, Decimal(ask) / 10

    async def truth(self):
        return (await self.remote.control("GET", "oracle"))[1]["accounts"][0]

    async def position(self):
        return (await self.ask("GET", "v3/positionRisk", symbol="BTCUSDT"))[1]


@pytest.fixture
async def trader(remote):
    await remote.control("POST", "flow", {"on": False})
    return Trader(remote)


@pytest.fixture
async def stream(trader, talk):
    """The user stream, and a way to hear the next event of a kind."""
    _, answer = await trader.ask("POST", "v1/listenKey")
    socket = await talk("private", f"/ws?listenKey={answer['listenKey']}")

    async def hear(kind, wanted=lambda event: True):
        return await socket.until(lambda event: event.get("e") == kind and wanted(event))

    hear.socket, hear.key = socket, answer["listenKey"]
    return hear


async def test_keys_signatures_and_times_are_checked(trader):
    for change, code in (
        ({"key": "z" * 32}, -2015),
        ({"key": "!"}, -2014),
        ({"secret": "wrong"}, -1022),
        ({"at_ms": 1}, -1021),
    ):
        status, answer = await trader.ask("GET", "v3/balance", **change)
        assert (status >= 400, answer["code"]) == (True, code)
    await trader.remote.arm("clock_skew_ms", value=70_000)
    at = trader.venue.now_ms() - 70_000
    assert (await trader.ask("GET", "v3/balance", at_ms=at))[1]["code"] == -1021


async def test_limit_order_rests_is_found_changed_and_cancelled(trader):
    bid, _ = trader.best()
    status, placed = await trader.order(
        quantity="0.010", price=str(bid - 10), newClientOrderId="a:1"
    )
    assert (status, placed["status"], placed["clientOrderId"]) == (200, "NEW", "a:1")
    assert int(trader.headers["X-MBX-ORDER-COUNT-10S"]) == 1
    _, found = await trader.ask("GET", "v1/order", symbol="BTCUSDT", origClientOrderId="a:1")
    assert (found["orderId"], found["origQty"]) == (placed["orderId"], "0.010")
    given = {"symbol": "BTCUSDT", "side": "BUY", "orderId": placed["orderId"]}
    _, changed = await trader.ask("PUT", "v1/order", **given, quantity="0.020", price=str(bid - 20))
    assert (changed["orderId"], changed["price"]) == (placed["orderId"], f"{bid - 20:.2f}")
    _, same = await trader.ask("PUT", "v1/order", **given, quantity="0.020", price=str(bid - 20))
    assert same["code"] == -5027
    assert len((await trader.ask("GET", "v1/openOrders"))[1]) == 1
    _, ended = await trader.ask("DELETE", "v1/order", symbol="BTCUSDT", orderId=placed["orderId"])
    assert ended["status"] == "CANCELED"
    _, again = await trader.ask("DELETE", "v1/order", symbol="BTCUSDT", orderId=placed["orderId"])
    assert again["code"] == -2011
    assert (await trader.ask("GET", "v1/openOrder", **given))[1]["code"] == -1104
    _, rows = await trader.ask("GET", "v1/allOrders", symbol="BTCUSDT")
    assert [row["orderId"] for row in rows] == [placed["orderId"]]


async def test_market_order_opens_a_position_whose_figures_agree(trader):
    _, order = await trader.order(quantity="0.500", newOrderRespType="RESULT")
    assert (order["status"], order["executedQty"]) == ("FILLED", "0.500")
    position = (await trader.position())[0]
    assert (position["positionAmt"], position["positionSide"]) == ("0.500", "BOTH")
    assert Decimal(position["entryPrice"]) == Decimal(order["avgPrice"])
    _, trades = await trader.ask("GET", "v1/userTrades", symbol="BTCUSDT")
    assert sum(Decimal(trade["qty"]) for trade in trades) == Decimal("0.5")
    assert sum(Decimal(trade["quoteQty"]) for trade in trades) == Decimal(order["cumQuote"])
    fees = sum(Decimal(trade["commission"]) for trade in trades)
    _, rows = await trader.ask("GET", "v3/balance")
    assert Decimal(rows[0]["balance"]) == 100_000 - fees
    _, income = await trader.ask("GET", "v1/income", incomeType="COMMISSION")
    assert sum(Decimal(row["income"]) for row in income) == -fees
    _, account = await trader.ask("GET", "v3/account")
    assert Decimal(account["totalMarginBalance"]) == Decimal(
        account["totalWalletBalance"]
    ) + Decimal(account["totalUnrealizedProfit"])
    assert Decimal(account["totalInitialMargin"]) > 0
    liquidation = Decimal(position["liquidationPrice"])
    assert 0 <= liquidation < Decimal(position["entryPrice"])


BAD_ORDERS = (
    ({"type": "STOP_MARKET", "quantity": "0.01", "stopPrice": "1"}, -4120),
    ({"quantity": "0.0105", "price": "58000"}, -1111),
    ({"quantity": "0", "price": "58000"}, -4003),
    ({"quantity": "0.01", "price": "58000.05"}, -4014),
    ({"quantity": "0.01", "price": "99000"}, -4016),
    ({"quantity": "0.01", "price": "1000", "side": "SELL"}, -4024),
    ({"quantity": "0.01", "price": "58000", "timeInForce": "GTD"}, -1102),
    ({"quantity": "0.01", "price": "58000", "newClientOrderId": "a b"}, -1100),
    ({"quantity": "0.01", "price": "58000", "positionSide": "LONG"}, -4061),
    ({"quantity": "0.01", "reduceOnly": "true"}, -2022),
    ({"quantity": "100"}, -2019),
    ({"quantity": "0.01", "price": "58000", "nonsense": "1"}, -1104),
    ({"quantity": "0.01", "side": "BOTH"}, -1117),
    ({"type": "LIMIT", "quantity": "0.01"}, -1102),
    ({"type": "FOO", "quantity": "0.01"}, -1116),
)


async def test_bad_orders_are_refused_in_the_venues_codes(trader):
    for params, code in BAD_ORDERS:
        status, answer = await trader.order(**params)
        assert (status, answer["code"]) == (400, code), (params, answer)


async def test_small_and_crossing_post_only_orders_are_refused(trader):
    _, ask = trader.best()
    _, answer = await trader.order(quantity="1", price=str(ask), timeInForce="GTX")
    assert answer["code"] == -5022
    _, answer = await trader.order(quantity="500", price=str(ask), timeInForce="FOK")
    assert answer["code"] == -5021
    _, answer = await trader.ask(
        "POST", "v1/order", symbol="ETHUSDT", side="BUY", type="MARKET", quantity="0.001"
    )
    assert answer["code"] == -4164


async def test_a_halted_symbol_takes_no_orders_and_still_cancels(trader):
    bid, _ = trader.best()
    _, placed = await trader.order(quantity="0.01", price=str(bid - 5))
    await trader.remote.arm("halt", symbol="BTCUSDT")
    assert (await trader.order(quantity="0.01", price=str(bid - 5)))[1]["code"] == -4141
    given = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
    assert (await trader.ask("DELETE", "v1/order", **given))[1]["status"] == "CANCELED"


async def test_duplicate_client_ids_are_refused_while_the_first_is_open(trader):
    bid, _ = trader.best()
    given = {"quantity": "0.01", "price": str(bid - 5), "newClientOrderId": "same"}
    assert (await trader.order(**given))[0] == 200
    assert (await trader.order(**given))[1]["code"] == -4116


async def test_batches_answer_each_order_for_itself(trader):
    bid, _ = trader.best()
    good = {
        "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
        "quantity": "0.01", "price": str(bid - 9),
    }  # fmt: skip
    rows = json.dumps([good, {**good, "price": "1.23"}])
    _, answers = await trader.ask("POST", "v1/batchOrders", batchOrders=rows)
    assert answers[0]["status"] == "NEW"
    assert answers[1]["code"] == -4014
    ids = json.dumps([answers[0]["orderId"], 4])
    _, ended = await trader.ask("DELETE", "v1/batchOrders", symbol="BTCUSDT", orderIdList=ids)
    assert (ended[0]["status"], ended[1]["code"]) == ("CANCELED", -2011)


async def test_hedge_mode_holds_long_and_short_apart(trader):
    assert (await trader.ask("POST", "v1/positionSide/dual", dualSidePosition="true"))[0] == 200
    assert (await trader.ask("POST", "v1/positionSide/dual", dualSidePosition="true"))[1][
        "code"
    ] == -4059
    assert (await trader.order(quantity="0.1"))[1]["code"] == -4061
    await trader.order(quantity="0.1", positionSide="LONG")
    await trader.order("SELL", quantity="0.2", positionSide="SHORT")
    found = {row["positionSide"]: row["positionAmt"] for row in await trader.position()}
    assert found == {"LONG": "0.100", "SHORT": "-0.200"}
    assert (await trader.ask("POST", "v1/positionSide/dual", dualSidePosition="false"))[1][
        "code"
    ] == -4068
    answer = (await trader.order(quantity="0.1", positionSide="LONG", reduceOnly="true"))[1]
    assert answer["code"] == -1106


async def test_leverage_and_margin_type(trader, stream):
    _, answer = await trader.ask("POST", "v1/leverage", symbol="BTCUSDT", leverage=50)
    assert answer["leverage"] == 50
    assert (await stream("ACCOUNT_CONFIG_UPDATE"))["ac"] == {"s": "BTCUSDT", "l": 50}
    assert (await trader.ask("POST", "v1/leverage", symbol="BTCUSDT", leverage=500))[1][
        "code"
    ] == -4028
    for kind, code in (("CROSSED", -4046), ("ISOLATED", -4168)):
        _, answer = await trader.ask("POST", "v1/marginType", symbol="BTCUSDT", marginType=kind)
        assert answer["code"] == code


async def test_user_stream_tells_the_life_of_an_order(trader, stream):
    _, ask = trader.best()
    _, placed = await trader.order(quantity="0.020", price=str(ask + 2), newClientOrderId="life")
    new = (await stream("ORDER_TRADE_UPDATE"))["o"]
    assert (new["x"], new["X"], new["c"], new["i"]) == ("NEW", "NEW", "life", placed["orderId"])
    lite = await stream("TRADE_LITE")
    moved = await stream("ACCOUNT_UPDATE")
    trade = (await stream("ORDER_TRADE_UPDATE"))["o"]
    assert (trade["x"], trade["t"], trade["l"]) == ("TRADE", lite["t"], lite["l"])
    assert moved["a"]["m"] == "ORDER"
    assert moved["a"]["P"][0]["pa"] == trade["z"]
    balance = (await trader.ask("GET", "v3/balance"))[1][0]["balance"]
    assert moved["a"]["B"][0]["wb"] == balance or trade["X"] == "PARTIALLY_FILLED"


async def test_stop_market_waits_fires_and_closes_the_position(trader, stream):
    await trader.order(quantity="0.100")
    bid, _ = trader.best()
    _, waits = await trader.algo(
        type="STOP_MARKET", triggerPrice=str(bid - 5), closePosition="true", clientAlgoId="stop1"
    )
    assert (waits["algoStatus"], waits["orderType"]) == ("NEW", "STOP_MARKET")
    assert (await stream("ALGO_UPDATE"))["o"]["X"] == "NEW"
    assert len((await trader.ask("GET", "v1/openAlgoOrders"))[1]) == 1
    await trader.crowd("SELL", 500, bid - 6)
    fired = (await stream("ALGO_UPDATE"))["o"]
    assert fired["X"] == "TRIGGERED"
    filled = (await stream("ORDER_TRADE_UPDATE", lambda e: e["o"]["X"] == "FILLED"))["o"]
    assert (filled["c"], filled["S"], filled["cp"]) == ("stop1", "SELL", True)
    done = (await stream("ALGO_UPDATE"))["o"]
    assert (done["X"], done["ai"], done["aq"]) == ("FINISHED", str(filled["i"]), "0.100")
    _, found = await trader.ask("GET", "v1/algoOrder", clientAlgoId="stop1")
    assert (found["algoStatus"], found["actualOrderId"]) == ("FINISHED", str(filled["i"]))
    assert await trader.position() == []


BAD_ALGOS = (
        ({"type": "STOP_MARKET", "triggerPrice": "99000", "quantity": "0.1"}, -2021),
        ({"type": "STOP_MARKET", "triggerPrice": "50000"}, -1102),
        ({"type": "STOP", "triggerPrice": "50000", "quantity": "0.1"}, -1102),
        ({"type": "STOP_MARKET", "triggerPrice": "50000", "quantity": "1", "closePosition": "true"},
         -1106),
        ({"type": "TRAILING_STOP_MARKET", "quantity": "0.1", "callbackRate": "20"}, -4114),
        ({"type": "TRAILING_STOP_MARKET", "quantity": "0.1", "callbackRate": "1",
          "activatePrice": "1000"}, -2021),
        ({"type": "LIMIT", "quantity": "0.1", "price": "50000"}, -1116),
)  # fmt: skip


async def test_bad_conditional_orders_are_refused(trader):
    for params, code in BAD_ALGOS:
        _, answer = await trader.algo(**params)
        assert answer["code"] == code, (params, answer)


async def test_trailing_stop_follows_the_price(trader, stream):
    await trader.order(quantity="0.010")
    _, ask = trader.best()
    _, waits = await trader.algo(
        type="TRAILING_STOP_MARKET", quantity="0.010", callbackRate="0.1", reduceOnly="true"
    )
    assert waits["callbackRate"] == "0.1"
    await trader.crowd("BUY", 2_000, ask + 60)
    assert len((await trader.ask("GET", "v1/openAlgoOrders"))[1]) == 1
    bid, _ = trader.best()
    await trader.crowd("SELL", 5_000, bid - 80)
    assert (await stream("ALGO_UPDATE", lambda e: e["o"]["X"] == "FINISHED"))["o"]["aq"] == "0.010"


async def test_conditional_orders_are_cancelled_one_and_all(trader):
    bid, _ = trader.best()
    for name in ("a", "b", "c"):
        await trader.algo(
            type="STOP_MARKET", quantity="0.1", triggerPrice=str(bid - 50), clientAlgoId=name
        )
    again = await trader.algo(
        type="STOP_MARKET", quantity="0.1", triggerPrice=str(bid - 50), clientAlgoId="a"
    )
    assert again[1]["code"] == -4116
    _, answer = await trader.ask("DELETE", "v1/algoOrder", clientAlgoId="a")
    assert (answer["code"], answer["msg"]) == ("200", "success")
    assert (await trader.ask("DELETE", "v1/algoOrder", clientAlgoId="a"))[1]["code"] == -2011
    await trader.ask("DELETE", "v1/algoOpenOrders", symbol="BTCUSDT")
    _, rows = await trader.ask("GET", "v1/allAlgoOrders", symbol="BTCUSDT")
    assert [row["algoStatus"] for row in rows] == ["CANCELED"] * 3


async def test_dead_man_switch_really_fires(trader, stream, until):
    bid, _ = trader.best()
    _, placed = await trader.order(quantity="0.01", price=str(bid - 5))
    _, armed = await trader.ask(
        "POST", "v1/countdownCancelAll", symbol="BTCUSDT", countdownTime=300
    )
    assert armed == {"symbol": "BTCUSDT", "countdownTime": "300"}
    ended = await stream("ORDER_TRADE_UPDATE", lambda e: e["o"]["X"] == "CANCELED")
    assert ended["o"]["i"] == placed["orderId"]
    assert trader.venue.account.dead_man == {}


async def test_liquidation_is_told_as_the_venue_tells_it(trader, stream):
    await trader.order(quantity="5")
    mark = trader.venue.futures["BTCUSDT"].mark
    await trader.remote.arm("pin_mark", symbol="BTCUSDT", value=mark * 0.5)
    forced = await stream("ORDER_TRADE_UPDATE", lambda e: e["o"]["x"] == "CALCULATED")
    assert forced["o"]["c"].startswith("autoclose-")
    truth = await trader.truth()
    assert truth["positions"] == []
    assert all(Decimal(row["total"]) >= 0 for row in truth["balances"].values())
    _, rows = await trader.ask("GET", "v1/forceOrders")
    assert rows[0]["clientOrderId"].startswith("autoclose-")


async def test_funding_adl_and_margin_call_reach_the_stream(trader, stream):
    await trader.order(quantity="1")
    await trader.remote.arm("settle_funding", symbol="BTCUSDT", value=0.001)
    funding = await stream("ACCOUNT_UPDATE", lambda e: e["a"]["m"] == "FUNDING_FEE")
    assert Decimal(funding["a"]["B"][0]["bc"]) < 0
    assert funding["a"]["P"] == []
    _, income = await trader.ask("GET", "v1/income", incomeType="FUNDING_FEE")
    assert income[0]["income"] == funding["a"]["B"][0]["bc"]
    await trader.remote.arm("adl", symbol="BTCUSDT")
    closed = await stream("ORDER_TRADE_UPDATE", lambda e: e["o"]["c"] == "adl_autoclose")
    assert closed["o"]["S"] == "SELL"
    await stream("ORDER_TRADE_UPDATE", lambda e: e["o"]["X"] == "FILLED")
    assert (await trader.truth())["positions"] == []


async def test_listen_keys_expire_and_say_so(trader, stream):
    _, again = await trader.ask("POST", "v1/listenKey")
    assert again["listenKey"] == stream.key
    await trader.remote.arm("expire_sessions")
    assert (await stream("listenKeyExpired"))["listenKey"] == stream.key
    assert (await trader.ask("PUT", "v1/listenKey"))[1]["code"] == -1125


async def test_a_listen_key_lives_an_hour_unless_it_is_renewed(trader, stream):
    for jump_s in (3_000, 3_000):
        await trader.remote.control("POST", "clock", {"jump_s": jump_s, "speed": 5})
        assert (await trader.ask("PUT", "v1/listenKey"))[0] == 200
    await trader.remote.control("POST", "clock", {"jump_s": 3_700, "speed": 5})
    assert (await stream("listenKeyExpired"))["listenKey"] == stream.key


async def test_margin_call_comes_once_before_the_liquidation(trader, stream):
    await trader.order(quantity="20")
    position = (await trader.position())[0]
    near = float(position["liquidationPrice"]) * 1.0005
    await trader.remote.arm("pin_mark", symbol="BTCUSDT", value=near)
    call = await stream("MARGIN_CALL")
    assert call["p"][0]["pa"] == "20.000"
    await trader.remote.arm("pin_mark", symbol="BTCUSDT", value=near * 0.99)
    await stream("ORDER_TRADE_UPDATE", lambda e: e["o"]["x"] == "CALCULATED")


@pytest.mark.parametrize(
    ("kind", "taken", "code"),
    [("code_1007", True, -1007), ("code_1007_before", False, -1007)],
)
async def test_unknown_outcomes_leave_the_truth_to_be_asked_for(trader, kind, taken, code):
    bid, _ = trader.best()
    await trader.remote.arm(kind)
    _, answer = await trader.order(quantity="0.01", price=str(bid - 5), newClientOrderId="x")
    assert answer["code"] == code
    _, found = await trader.ask("GET", "v1/order", symbol="BTCUSDT", origClientOrderId="x")
    assert found.get("status", found.get("code")) == ("NEW" if taken else -2013)


async def test_lost_ack_places_the_order_and_drops_the_connection(trader):
    bid, _ = trader.best()
    await trader.remote.arm("lost_ack")
    with pytest.raises(aiohttp.ClientError):
        await trader.order(quantity="0.01", price=str(bid - 5), newClientOrderId="lost")
    assert [order["client_id"] for order in (await trader.truth())["orders"]] == ["lost"]


async def test_cancel_race_answers_unknown_order_and_the_fill_is_told(trader, stream):
    bid, _ = trader.best()
    _, placed = await trader.order(quantity="0.01", price=str(bid))
    await trader.remote.arm("cancel_race")
    _, answer = await trader.ask("DELETE", "v1/order", symbol="BTCUSDT", orderId=placed["orderId"])
    assert answer["code"] == -2011
    assert (await stream("ORDER_TRADE_UPDATE", lambda e: e["o"]["X"] == "FILLED"))["o"]["m"]


async def test_orders_are_invisible_for_a_while_and_minus_2013_is_transient(trader, until):
    bid, _ = trader.best()
    given = {"symbol": "BTCUSDT", "origClientOrderId": "late"}
    await trader.remote.arm("delay_visible_ms", value=400)
    await trader.order(quantity="0.01", price=str(bid - 5), newClientOrderId="late")
    assert (await trader.ask("GET", "v1/order", **given))[1]["code"] == -2013
    assert (await trader.ask("GET", "v1/openOrders"))[1] == []
    order = trader.venue.account.newest
    await until(lambda: trader.venue.now_ms() > order.hidden_until_ms)
    assert (await trader.ask("GET", "v1/order", **given))[1]["status"] == "NEW"
    await trader.remote.arm("transient_2013")
    assert (await trader.ask("GET", "v1/order", **given))[1]["code"] == -2013
    assert (await trader.ask("GET", "v1/order", **given))[0] == 200


async def test_reports_come_twice_late_out_of_order_or_never(trader, stream):
    bid, _ = trader.best()

    async def place(name):
        await trader.order(quantity="0.01", price=str(bid - 5), newClientOrderId=name)

    await trader.remote.arm("duplicate_report")
    await place("twice")
    first, second = await stream("ORDER_TRADE_UPDATE"), await stream("ORDER_TRADE_UPDATE")
    assert first == second
    await trader.remote.arm("reorder_reports")
    await place("late")
    await place("soon")
    names = [(await stream("ORDER_TRADE_UPDATE"))["o"]["c"] for _ in range(2)]
    assert names == ["soon", "late"]
    await trader.remote.arm("suppress_reports")
    await place("never")
    await place("told")
    assert (await stream("ORDER_TRADE_UPDATE"))["o"]["c"] == "told"


async def test_stale_account_shows_what_was_before_the_last_fill(trader):
    await trader.order(quantity="0.001")
    before = (await trader.ask("GET", "v3/balance"))[1][0]["balance"]
    await trader.remote.arm("stale_account")
    assert (await trader.ask("GET", "v3/balance"))[1][0]["balance"] == "100000.00000000"
    assert (await trader.ask("GET", "v3/balance"))[1][0]["balance"] == before


async def test_venue_ends_an_order_after_its_ack(trader, stream):
    bid, _ = trader.best()
    await trader.remote.arm("expire_after_ack", value=20)
    await trader.order(quantity="0.01", price=str(bid - 5))
    assert (await stream("ORDER_TRADE_UPDATE", lambda e: e["o"]["X"] == "EXPIRED"))["o"]["z"] == (
        "0.000"
    )


async def test_oracle_equals_what_the_stream_and_rest_told(trader, stream):
    bid, ask = trader.best()
    for index in range(12):
        side = ("BUY", "SELL")[index % 3 == 0]
        price = {"price": str((bid if side == "BUY" else ask) + index - 4)} if index % 4 else {}
        await trader.order(side, quantity=f"0.0{index + 11}", **price)
    await trader.crowd("SELL", 20, bid - 20)
    await trader.ask("DELETE", "v1/allOpenOrders", symbol="BTCUSDT")
    truth = await trader.truth()
    told, fills = {}, []
    wanted = len(truth["fills"])
    while len(fills) < wanted or any(o["X"] in ("NEW", "PARTIALLY_FILLED") for o in told.values()):
        event = (await stream("ORDER_TRADE_UPDATE"))["o"]
        told[str(event["i"])] = event
        if event["x"] == "TRADE":
            fills.append((str(event["t"]), str(event["i"]), Decimal(event["l"])))
    assert fills == [(f["id"], f["order_id"], Decimal(f["size"])) for f in truth["fills"]]
    for order in truth["orders"]:
        event = told[order["id"]]
        assert event["X"].lower().removesuffix("_in_match") == order["state"]
        assert Decimal(event["z"]) == Decimal(order["filled"])
    assert truth["balances"]["USDT"]["total"] == str(
        Decimal((await trader.ask("GET", "v3/balance"))[1][0]["balance"]).normalize()
    )


def signed(venue, **params):
    """Return the parameters of a request over the WebSocket API, signed."""
    given = {**params, "apiKey": KEY, "timestamp": venue.now_ms()}
    text = "&".join(f"{name}={value}" for name, value in sorted(given.items()))
    return {**given, "signature": hmac.new(SECRET.encode(), text.encode(), "sha256").hexdigest()}


async def test_orders_over_the_websocket_api(trader, talk):
    socket = await talk("ws_api")
    bid, _ = trader.best()

    async def ask(method, params):
        await socket.say({"id": method, "method": method, "params": params})
        return await socket.until(lambda told: told.get("id") == method)

    given = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    order = {**given, "quantity": "0.01", "price": str(bid - 5), "newClientOrderId": "ws"}
    placed = await ask("order.place", signed(trader.venue, **order))
    assert (placed["status"], placed["result"]["status"]) == (200, "NEW")
    wanted = {"symbol": "BTCUSDT", "origClientOrderId": "ws"}
    found = await ask("order.status", signed(trader.venue, **wanted))
    assert found["result"]["orderId"] == placed["result"]["orderId"]
    wrong = signed(trader.venue, **wanted) | {"signature": "00"}
    assert (await ask("order.cancel", wrong))["error"]["code"] == -1022
    assert (await ask("nonsense", {}))["error"]["code"] == -1020
    balance = await ask("v2/account.balance", signed(trader.venue))
    assert balance["result"][0]["asset"] == "USDT"
    await trader.remote.arm("lost_ack", on="cancel")
    await socket.say({"id": 1, "method": "order.cancel", "params": signed(trader.venue, **wanted)})
    await socket.end()
    assert (await trader.truth())["orders"][0]["state"] == "canceled"
