"""Alpaca's trading API over REST and trade_updates: every type and class of order."""

from decimal import Decimal

import pytest

from core.model.market import Side

VENUES = ("alpaca",)


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
