"""Alpaca's trading API over REST and trade_updates: every type and class, and each refusal."""

import json
from decimal import Decimal

import aiohttp
import pytest

from core.model.market import Side

VENUES = ("alpaca",)
KEYS = {"APCA-API-KEY-ID": "k" * 32, "APCA-API-SECRET-KEY": "s" * 32}
NONE = Decimal(0)


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


async def test_a_market_order_is_answered_before_it_is_filled(broker, updates):
    order = await broker.place("AAPL", "buy", 10, client_order_id="mine")
    assert (order["status"], order["filled_qty"], order["client_order_id"]) == (
        "accepted",
        "0",
        "mine",
    )
    found = await broker.get("/v2/orders:by_client_order_id", client_order_id="mine")
    assert (found["status"], found["filled_qty"]) == ("filled", "10")
    told = await updates(2)
    assert told[0]["event"] == "new"
    assert told[-1]["event"] in ("fill", "partial_fill")
    position = await broker.get("/v2/positions/AAPL")
    assert (position["qty"], position["side"], position["qty_available"]) == ("10", "long", "10")
    account = await broker.get("/v2/account")
    cash = Decimal(account["cash"])
    assert cash == 100_000 - 10 * Decimal(found["filled_avg_price"])
    fills = await broker.get("/v2/account/activities/FILL")
    assert sum(Decimal(fill["qty"]) for fill in fills) == 10
    assert {fill["order_id"] for fill in fills} == {order["id"]}


async def test_parts_of_shares_and_dollar_orders_are_filled_by_the_house(broker):
    order = await broker.place("AAPL", "buy", "2.5")
    assert (await broker.found(order))["filled_qty"] == "2.5"
    order = await broker.place("SPY", "buy", None, notional="1000")
    told = await broker.found(order)
    assert (told["qty"], told["notional"], told["status"]) == (None, "1000", "filled")
    spent = Decimal(told["filled_qty"]) * Decimal(told["filled_avg_price"])
    assert abs(spent - 1000) < 2
    low = broker.last("MSFT") / 2
    order = await broker.place("MSFT", "buy", "0.5", "limit", limit_price=f"{low:.2f}")
    assert (await broker.found(order))["status"] == "new"
    broker.push("MSFT", f"{low * Decimal('0.9'):.2f}")
    assert (await broker.found(order))["status"] == "filled"


async def test_coins_pay_a_fee_of_what_is_received(broker):
    order = await broker.place("BTC/USD", "buy", "0.1", tif="gtc")
    assert (order["asset_class"], order["order_class"]) == ("crypto", "")
    position = await broker.get("/v2/positions/BTCUSD")
    # Each fill's fee is cut to nine decimals.
    assert 0 <= Decimal(position["qty"]) - Decimal("0.09975") < Decimal("1e-7")
    kinds = [row["activity_type"] for row in await broker.get("/v2/account/activities")]
    assert sorted(set(kinds)) == ["CFEE", "FILL"]
    before = Decimal((await broker.get("/v2/account"))["cash"])
    sold = await broker.place("BTC/USD", "sell", position["qty"], tif="gtc")
    value = Decimal((await broker.found(sold))["filled_avg_price"]) * Decimal(position["qty"])
    after = Decimal((await broker.get("/v2/account"))["cash"])
    assert abs(after - before - value * Decimal("0.9975")) < Decimal("0.02")
    assert await broker.get("/v2/positions") == []


async def test_a_stop_a_stop_limit_and_a_trail_wait_for_their_price(broker):
    await broker.place("AAPL", "buy", 30)
    last = broker.last("AAPL")
    stop = await broker.place("AAPL", "sell", 10, "stop", stop_price=str(last - 2))
    limit = await broker.place(
        "AAPL", "sell", 10, "stop_limit", stop_price=str(last - 3), limit_price=str(last + 9)
    )
    trail = await broker.place("AAPL", "sell", 10, "trailing_stop", trail_price="5")
    told = await broker.found(trail)
    assert Decimal(told["hwm"]) == last
    assert Decimal(told["stop_price"]) == last - 5
    broker.push("AAPL", last + 4)
    told = await broker.found(trail)
    assert (Decimal(told["hwm"]), Decimal(told["stop_price"])) == (last + 4, last - 1)
    broker.push("AAPL", last - 2)
    assert (await broker.found(trail))["status"] == "filled"
    assert (await broker.found(stop))["status"] == "filled"
    assert (await broker.found(limit))["status"] == "new"
    broker.push("AAPL", last - 3)
    resting = await broker.found(limit)
    assert resting["status"] == "new"
    broker.push("AAPL", last + 9)
    broker.push("AAPL", last + 10)
    assert (await broker.found(limit))["status"] == "filled"


def bracket(last, **more):
    return {
        "order_class": "bracket",
        "take_profit": {"limit_price": str(last + 5)},
        "stop_loss": {"stop_price": str(last - 5)},
        **more,
    }


@pytest.mark.parametrize("wins", ["target", "stop"])
async def test_a_bracket_protects_what_its_entry_bought(broker, wins):
    last = broker.last("AAPL")
    entry = await broker.place("AAPL", "buy", 10, tif="gtc", **bracket(last))
    assert [leg["status"] for leg in entry["legs"]] == ["held", "held"]
    told = await broker.get(f"/v2/orders/{entry['id']}", nested="true")
    assert told["status"] == "filled"
    target, stop = told["legs"]
    assert (target["type"], target["status"]) == ("limit", "new")
    assert (stop["type"], stop["status"]) == ("stop", "held")
    assert (await broker.get("/v2/positions/AAPL"))["qty_available"] == "0", "held once, by both"
    if wins == "target":
        broker.push("AAPL", last + 5)
        broker.push("AAPL", last + 6)
    else:
        broker.push("AAPL", last - 5)
    target, stop = await broker.found(target), await broker.found(stop)
    ends = (target["status"], stop["status"])
    assert ends == (("filled", "canceled") if wins == "target" else ("canceled", "filled"))
    assert await broker.get("/v2/positions") == []


async def test_the_legs_of_an_entry_end_with_it(broker):
    last = broker.last("AAPL")
    entry = await broker.place(
        "AAPL", "buy", 10, "limit", "gtc", limit_price=str(last - 3), **bracket(last - 3)
    )
    assert len(await broker.get("/v2/orders", nested="false")) == 3
    nested = await broker.get("/v2/orders", nested="true")
    assert [len(order["legs"]) for order in nested] == [2]
    assert (await broker.call("DELETE", f"/v2/orders/{entry['id']}"))[0] == 204
    states = {order["status"] for order in await broker.get("/v2/orders", status="closed")}
    assert states == {"canceled"}
    assert await broker.get("/v2/orders") == []


async def test_an_oco_shrinks_its_stop_as_its_target_fills(broker):
    await broker.place("AAPL", "buy", 10)
    last = broker.last("AAPL")
    oco = await broker.place(
        "AAPL",
        "sell",
        10,
        "limit",
        "gtc",
        order_class="oco",
        take_profit={"limit_price": str(last + 1)},
        stop_loss={"stop_price": str(last - 4), "limit_price": str(last - 5)},
    )
    assert (oco["limit_price"], len(oco["legs"])) == (f"{last + 1:.2f}".rstrip("0").rstrip("."), 1)
    shard = broker.venue.market.shards["AAPL"]
    order = broker.venue.house.account("paper", "k" * 32).orders[oco["id"]]
    ahead = shard.engine.queue_ahead(order.engine_id)
    ticks = int((last + 1) / Decimal("0.01"))
    better = sum(n for at, n in shard.engine.sweep(Side.BUY, ticks, 1 << 60) if at != ticks)
    broker.venue.market.crowd_trade("AAPL", Side.BUY, better + ahead + 4, ticks)
    told = await broker.get(f"/v2/orders/{oco['id']}", nested="true")
    assert (told["filled_qty"], told["legs"][0]["qty"]) == ("4", "6")
    broker.push("AAPL", last - 4)
    told = await broker.get(f"/v2/orders/{oco['id']}", nested="true")
    assert told["status"] == "canceled"
    assert told["legs"][0]["filled_qty"] == "6" or told["legs"][0]["status"] == "new"


async def test_an_oto_places_its_one_leg(broker):
    last = broker.last("AAPL")
    entry = await broker.place(
        "AAPL", "buy", 10, order_class="oto", stop_loss={"stop_price": str(last - 5)}
    )
    told = await broker.get(f"/v2/orders/{entry['id']}", nested="true")
    assert [leg["status"] for leg in told["legs"]] == ["held"]
    broker.push("AAPL", last - 5)
    assert await broker.get("/v2/positions") == []


async def test_replacing_makes_a_chain_of_orders(broker, updates):
    last = broker.last("AAPL")
    old = await broker.place("AAPL", "buy", 10, "limit", "gtc", limit_price=str(last - 9))
    status, new = await broker.call(
        "PATCH",
        f"/v2/orders/{old['id']}",
        {"qty": "6", "limit_price": str(last - 8), "client_order_id": "second"},
    )
    assert status == 200
    assert (new["replaces"], new["qty"], new["client_order_id"]) == (old["id"], "6", "second")
    gone = await broker.found(old)
    assert (gone["status"], gone["replaced_by"]) == ("replaced", new["id"])
    assert gone["replaced_at"]
    assert [each["event"] for each in await updates(3)] == ["new", "replaced", "new"]
    status, answer = await broker.call("PATCH", f"/v2/orders/{old['id']}", {"qty": "5"})
    assert (status, answer["code"]) == (422, 42210000)
    assert answer["message"] == 'order is already in "replaced" state'
    status, answer = await broker.call("DELETE", f"/v2/orders/{old['id']}")
    assert status == 422


async def test_short_sales_are_held_and_covered(broker):
    before = await broker.get("/v2/account")
    await broker.place("NVDA", "sell", 10)
    position = await broker.get("/v2/positions/NVDA")
    assert (position["qty"], position["side"]) == ("-10", "short")
    account = await broker.get("/v2/account")
    assert Decimal(account["short_market_value"]) < 0
    assert Decimal(account["buying_power"]) < Decimal(before["buying_power"])
    status, answer = await broker.order("NVDA", "buy", 11)
    assert (status, answer["code"]) == (403, 40310000)
    status, order = await broker.call("DELETE", "/v2/positions/NVDA", percentage="50")
    assert (status, order["side"], order["qty"]) == (200, "buy", "5")
    assert (await broker.get("/v2/positions/NVDA"))["qty"] == "-5"
    fills = await broker.get("/v2/account/activities", activity_types="FILL", direction="asc")
    assert fills[0]["side"] == "sell_short"


async def test_closing_everything(broker):
    await broker.place("AAPL", "buy", 5)
    await broker.place("BTC/USD", "buy", "0.1", tif="gtc")
    await broker.place("AAPL", "sell", 5, "limit", "gtc", limit_price="999")
    status, told = await broker.call("DELETE", "/v2/positions")
    assert status == 207
    rows = {row["symbol"]: row for row in told}
    assert rows["AAPL"]["status"] == 403
    assert rows["AAPL"]["body"]["held_for_orders"] == "5"
    assert rows["BTCUSD"]["status"] == 200
    status, told = await broker.call("DELETE", "/v2/positions", cancel_orders="true")
    assert [row["status"] for row in told] == [200]
    assert await broker.get("/v2/positions") == []
    assert await broker.get("/v2/orders") == []


async def test_options_are_listed_bought_and_sold(broker):
    page = await broker.get(
        "/v2/options/contracts",
        underlying_symbols="AAPL",
        expiration_date_gte="2020-01-01",
        type="call",
        limit=5,
    )
    assert len(page["option_contracts"]) == 5
    contract = page["option_contracts"][2]
    assert await broker.get(f"/v2/options/contracts/{contract['symbol']}") == contract
    second = await broker.get(
        "/v2/options/contracts",
        underlying_symbols="AAPL",
        expiration_date_gte="2020-01-01",
        type="call",
        limit=5,
        page_token=page["next_page_token"],
    )
    assert second["option_contracts"][0] not in page["option_contracts"]
    symbol = contract["symbol"]
    quotes = await broker.get("/v1beta1/options/quotes/latest", symbols=symbol)
    assert quotes["quotes"][symbol]["bp"] < quotes["quotes"][symbol]["ap"]
    order = await broker.place(symbol, "buy", 2)
    told = await broker.found(order)
    assert (told["status"], told["position_intent"]) == ("filled", "buy_to_open")
    position = await broker.get(f"/v2/positions/{symbol}")
    cost = Decimal(told["filled_avg_price"]) * 200
    assert (position["asset_class"], Decimal(position["cost_basis"])) == ("us_option", cost)
    status, answer = await broker.order(symbol, "sell", 3)
    assert status == 403
    resting = await broker.place(symbol, "sell", 2, "limit", limit_price="9999")
    assert (await broker.found(resting))["status"] == "new"
    assert (await broker.call("DELETE", f"/v2/orders/{resting['id']}"))[0] == 204
    await broker.place(symbol, "sell", 2)
    assert await broker.get("/v2/positions") == []
    status, answer = await broker.order(symbol, "sell", 1)
    assert (status, answer["message"]) == (
        403,
        "account not eligible to trade uncovered option contracts",
    )


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


@pytest.mark.parametrize(
    ("legs", "words"),
    [
        ({"take_profit": 1, "stop_loss": 2}, "take_profit.limit_price must be > stop_loss"),
        ({"take_profit": 5, "stop_loss": 1}, "stop_loss.stop_price must be <= base_price - 0.01"),
        ({"take_profit": -1, "stop_loss": -5}, "take_profit.limit_price must be >= base_price"),
    ],
)
async def test_legs_must_have_the_market_between_them(broker, legs, words):
    last = broker.last("AAPL")
    body = bracket(
        last,
        take_profit={"limit_price": str(last + legs["take_profit"])},
        stop_loss={"stop_price": str(last + legs["stop_loss"])},
    )
    status, answer = await broker.order("AAPL", "buy", 1, **body)
    assert status == 422
    assert words in answer["message"]


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
