"""What Alpaca's trading API refuses, counts and hides, each in the venue's words."""

from decimal import Decimal

import aiohttp
import pytest

VENUES = ("alpaca",)
KEYS = {"APCA-API-KEY-ID": "k" * 32, "APCA-API-SECRET-KEY": "s" * 32}


STOCK = {"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day", "qty": "1"}
COIN = {**STOCK, "symbol": "BTC/USD", "time_in_force": "gtc", "qty": "0.1"}


@pytest.mark.parametrize(
    ("change", "status", "code", "words"),
    [
        ({"symbol": None}, 422, 40010001, "symbol is required"),
        ({"symbol": "NOPE"}, 422, 42210000, 'asset "NOPE" not found'),
        ({"side": "hold"}, 422, 40010001, "side must be"),
        ({"type": "peg"}, 422, 40010001, "invalid order type"),
        ({"time_in_force": "gtx"}, 422, 40010001, "invalid time_in_force"),
        ({"qty": None}, 422, 40010001, "qty or notional is required"),
        ({"notional": "10"}, 422, 40010001, "only one of qty or notional"),
        ({"qty": "0"}, 422, 40010001, "qty must be > 0"),
        ({"qty": "x"}, 422, 40010001, "invalid qty"),
        ({"qty": "0.5", "time_in_force": "gtc"}, 422, 42210000, "fractional orders must be DAY"),
        ({"limit_price": "1"}, 422, 40010001, "market orders require no stop or limit price"),
        ({"type": "limit"}, 422, 40010001, "limit orders require a limit price"),
        ({"type": "limit", "limit_price": "1.001"}, 422, 42210000, "sub-penny increment"),
        ({"type": "stop"}, 422, 40010001, "stop orders require a stop price"),
        ({"type": "trailing_stop"}, 422, 40010001, "trailing stop orders must specify"),
        ({"extended_hours": True}, 422, 42210000, "extended hours order must be"),
        ({"qty": "9999"}, 403, 40310000, "insufficient buying power"),
        ({"side": "sell", "qty": "0.5"}, 422, 42210000, "cannot be sold short"),
        ({"order_class": "oco"}, 422, 40010001, "oco orders require"),
        ({"order_class": "bracket"}, 422, 40010001, "require take_profit.limit_price"),
        ({"order_class": "mleg"}, 422, 40010001, "invalid order_class"),
        ({"client_order_id": "x" * 129}, 422, 40010001, "no more than 128"),
        ({**COIN, "time_in_force": "day"}, 422, 42210000, "invalid crypto time_in_force"),
        ({**COIN, "type": "stop", "stop_price": "1"}, 422, 40010001, "for crypto order"),
        ({**COIN, "side": "sell"}, 403, 40310000, "insufficient balance for BTC"),
        ({**COIN, "qty": "100"}, 403, 40310000, "insufficient balance for USD"),
        ({**COIN, "qty": "0.00001"}, 403, 40310000, "cost basis must be >="),
        ({**COIN, "order_class": "bracket"}, 422, 42210000, "not allowed for advanced"),
    ],
)
async def test_bad_orders_are_refused_in_the_venues_words(broker, change, status, code, words):
    body = {name: value for name, value in {**STOCK, **change}.items() if value is not None}
    got, answer = await broker.call("POST", "/v2/orders", body)
    assert (got, answer["code"]) == (status, code), answer
    assert words in answer["message"]
    assert await broker.get("/v2/orders", status="all") == []


async def test_shares_in_orders_cannot_be_sold_again(broker):
    await broker.place("AAPL", "buy", 10)
    resting = await broker.place("AAPL", "sell", 7, "limit", "gtc", limit_price="999")
    status, answer = await broker.order("AAPL", "sell", 4, "limit", "gtc", limit_price="999")
    assert (status, answer["available"], answer["held_for_orders"]) == (403, "3", "7")
    assert answer["related_orders"] == [resting["id"]]
    assert answer["message"].startswith("insufficient qty available for order (requested: 4")
    status, answer = await broker.order("AAPL", "buy", 1)
    assert answer["message"] == "potential wash trade detected. use complex orders"
    assert answer["existing_order_id"] == resting["id"]


async def test_client_ids_are_used_once(broker):
    await broker.place("AAPL", "buy", 1, client_order_id="once")
    status, answer = await broker.order("AAPL", "buy", 1, client_order_id="once")
    assert (status, answer["message"]) == (422, "client_order_id must be unique")


async def test_hosts_have_accounts_of_their_own_and_keys_are_checked(broker, talk):
    await broker.place("AAPL", "buy", 1)
    broker.host = "live"
    assert await broker.get("/v2/positions") == []
    assert (await broker.get("/v2/clock"))["is_open"] is True
    broker.headers = {**KEYS, "APCA-API-SECRET-KEY": "wrong"}
    status, answer = await broker.call("GET", "/v2/account")
    assert (status, answer["code"]) == (401, 40110000)
    socket = await talk("live_stream")
    await socket.say({"action": "listen", "data": {"streams": ["trade_updates"]}})
    refused = {"status": "unauthorized", "action": "listen"}
    assert (await socket.hear())["data"] == refused
    await socket.say({"action": "auth", "key": "k" * 32, "secret": "wrong"})
    assert (await socket.hear())["data"]["status"] == "unauthorized"
    await socket.say({"action": "auth", "key": "k" * 32, "secret": "s" * 32})
    assert (await socket.hear())["data"]["status"] == "authorized"


async def test_activities_come_in_pages(broker):
    for _ in range(5):
        await broker.place("AAPL", "buy", 1)
    whole = await broker.get("/v2/account/activities")
    pages, token = [], None
    while page := await broker.get(
        "/v2/account/activities", page_size=2, **({"page_token": token} if token else {})
    ):
        pages += page
        token = page[-1]["id"]
    assert pages == whole
    times = [row["transaction_time"] for row in whole]
    assert times == sorted(times, reverse=True)
    oldest = await broker.get("/v2/account/activities/FILL", direction="asc", page_size=1)
    assert oldest == [whole[-1]]


async def test_requests_are_counted_by_account(broker):
    await broker.remote.arm("weight_limit", value=3)
    for _ in range(3):
        await broker.get("/v2/positions")
    status, answer = await broker.call("GET", "/v2/positions")
    assert (status, answer) == (429, {"code": 42910000, "message": "rate limit exceeded"})
    broker.host = "live"
    assert await broker.get("/v2/positions") == []


async def test_settings_forbid_shorting_and_trading(broker):
    path = "/v2/account/configurations"
    status, told = await broker.call("PATCH", path, {"no_shorting": True})
    assert (status, told["no_shorting"]) == (200, True)
    assert (await broker.order("AAPL", "sell", 1))[1][
        "message"
    ] == "account is not allowed to short"
    await broker.call("PATCH", path, {"suspend_trade": True})
    status, answer = await broker.order("AAPL", "buy", 1)
    assert (status, answer["message"]) == (403, "new orders are rejected by user request")
    assert (await broker.call("PATCH", path, {"suspend_trade": "x"}))[0] == 422


async def test_orders_wait_for_new_yorks_hours(broker, monkeypatch):
    from emulator.alpaca.trading import house

    broker.venue.keeps_hours = True
    monkeypatch.setattr(house, "is_open", lambda ms: False)
    order = await broker.place("AAPL", "buy", 1)
    coin = await broker.place("BTC/USD", "buy", "0.01", tif="gtc")
    assert (await broker.found(order))["status"] == "accepted"
    assert (await broker.found(coin))["status"] == "filled"
    monkeypatch.setattr(house, "is_open", lambda ms: True)
    broker.venue.house.desk.settle()
    assert (await broker.found(order))["status"] == "filled"


async def test_day_orders_expire_at_the_close_and_opening_orders_wait(broker):
    day = await broker.place("AAPL", "buy", 1, "limit", limit_price="1")
    opening = await broker.place("MSFT", "buy", 1, tif="opg")
    assert (await broker.found(opening))["status"] == "accepted"
    desk = broker.venue.house.desk
    orders = broker.venue.house.account("paper", "k" * 32).orders
    orders[day["id"]].expires_ms = desk.now_ms
    orders[opening["id"]].waits_ms = desk.now_ms
    desk._next_second_ms = 0
    desk.act(desk.market.now_ns)
    assert (await broker.found(day))["status"] == "expired"
    assert (await broker.found(opening))["status"] == "filled"


async def test_the_oracle_knows_every_order_fill_position_and_dollar(broker):
    order = await broker.place("AAPL", "buy", 3, client_order_id="mine")
    resting = await broker.place("BTC/USD", "buy", "0.1", "limit", "gtc", limit_price="1000")
    _, told = await broker.remote.control("GET", "oracle?venue=alpaca")
    paper, live = told["accounts"]
    assert (paper["owner"], live["orders"]) == ("1 paper", [])
    states = {row["client_id"]: row["state"] for row in paper["orders"]}
    assert states == {"mine": "filled", resting["client_order_id"]: "open"}
    assert {row["order_id"] for row in paper["fills"]} == {order["id"]}
    assert [(row["symbol"], row["size"]) for row in paper["positions"]] == [("AAPL", "3")]
    assert Decimal(paper["balances"]["USD"]["locked"]) == 100


async def test_a_lost_answer_leaves_the_order_standing(broker):
    await broker.remote.arm("lost_ack")
    with pytest.raises(aiohttp.ClientConnectionError):
        await broker.order("AAPL", "buy", 1, client_order_id="lost")
    found = await broker.get("/v2/orders:by_client_order_id", client_order_id="lost")
    assert found["status"] == "filled"
    await broker.remote.arm("code_1007_before")
    status, _ = await broker.order("AAPL", "buy", 1, client_order_id="never")
    assert status == 504
    status, answer = await broker.call(
        "GET", "/v2/orders:by_client_order_id", client_order_id="never"
    )
    assert (status, answer["code"]) == (404, 40410000)


async def test_a_cancel_that_loses_the_race(broker):
    price = broker.venue.house.assets.all["AAPL"].best(buys=False)
    order = await broker.place("AAPL", "buy", 3, "limit", "gtc", limit_price=str(price))
    await broker.remote.arm("cancel_race")
    status, answer = await broker.call("DELETE", f"/v2/orders/{order['id']}")
    assert (status, answer["message"]) == (422, 'order is already in "filled" state')


async def test_orders_hidden_rejected_or_told_out_of_order(broker, updates, until):
    await broker.remote.arm("delay_visible_ms", value=60_000)
    order = await broker.place("AAPL", "buy", 1, "limit", "gtc", limit_price="1")
    assert (await broker.call("GET", f"/v2/orders/{order['id']}"))[0] == 404
    assert await broker.get("/v2/orders") == []
    assert (await updates())[0]["event"] == "new"
    await broker.remote.arm("expire_after_ack", value=1)
    order = await broker.place("AAPL", "buy", 1, "limit", "gtc", limit_price="1")
    assert [each["event"] for each in await updates(2)] == ["new", "rejected"]
    assert (await broker.found(order))["status"] == "rejected"
    await broker.remote.arm("reorder_reports")
    await broker.place("MSFT", "buy", 1)
    assert [each["event"] for each in await updates(2)] == ["fill", "new"]
    await broker.remote.arm("duplicate_report")
    await broker.place("MSFT", "buy", 1)
    first, again = await updates(2)
    assert first == again
    await broker.remote.arm("transient_2013")
    assert (await broker.call("GET", f"/v2/orders/{order['id']}"))[0] == 404
    assert (await broker.found(order))["status"] == "rejected"


async def test_positions_and_cash_may_be_told_as_they_were(broker):
    await broker.place("AAPL", "buy", 1)
    await broker.remote.arm("stale_account", count=2)
    assert await broker.get("/v2/positions") == []
    assert (await broker.get("/v2/account"))["cash"] == "100000"
    assert len(await broker.get("/v2/positions")) == 1


async def test_sessions_expire(broker, talk):
    socket = await talk("live_stream")
    await socket.say({"action": "auth", "key": "k" * 32, "secret": "s" * 32})
    await socket.hear()
    await broker.remote.arm("expire_sessions")
    assert (await socket.hear())["data"]["status"] == "unauthorized"
    assert await socket.end() == 1008


WEIRD = (None, 0, -1, "", "x", "1e999999", "1e-400", "NaN", True, [], {}, [1], {"a": 1}, "9" * 40)


async def test_weird_requests_are_refused_and_change_nothing(broker):
    broker.venue.set_weight_limit(100_000)
    names = ("symbol", "side", "type", "time_in_force", "qty", "notional", "limit_price")
    more = ("stop_price", "trail_price", "trail_percent", "order_class", "take_profit")
    legs = {"take_profit": {"limit_price": "900"}, "stop_loss": {"stop_price": "1"}}
    for base in (STOCK, {**STOCK, "order_class": "bracket", **legs}):
        for name in (*names, *more, "stop_loss", "client_order_id", "extended_hours"):
            for value in WEIRD:
                body = {**base, name: value}
                status, answer = await broker.call("POST", "/v2/orders", body)
                assert status in (200, 403, 422), (body, answer)
    for body in ([], "x", 1, None):
        status, _ = await broker.call("POST", "/v2/orders", body)
        assert status == 400
    for trail in ("0.001", "100", "1e6"):
        body = {"trail_percent": trail}
        status, _ = await broker.order("AAPL", "buy", 1, "trailing_stop", **body)
        assert status == 422
    order = await broker.place("MSFT", "buy", 1, "limit", "gtc", limit_price="1")
    for name in ("qty", "limit_price", "stop_price", "trail", "time_in_force"):
        for value in WEIRD:
            path = f"/v2/orders/{order['id']}"
            status, answer = await broker.call("PATCH", path, {name: value})
            assert status in (200, 403, 422), (name, value, answer)
    for path in (
        "/v2/orders?limit=x",
        "/v2/orders?after=yesterday",
        "/v2/account/activities?date=x",
        "/v2/account/activities?page_token=x",
        "/v2/options/contracts?page_token=x",
        "/v2/options/contracts?strike_price_gte=x",
    ):
        status, answer = await broker.call("GET", path)
        assert (status, answer["code"]) == (422, 40010001), path
