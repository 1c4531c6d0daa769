"""Recorded messages of Binance spot and Alpaca as referees: each field they have, ours have."""

import json
import os
from pathlib import Path

import pytest

_DEFAULT = Path(__file__).parents[3] / "shared" / "data"
DATA = Path(os.environ.get("CLX_RECORDED_DATA", _DEFAULT))
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"{DATA} is absent; set CLX_RECORDED_DATA to the recorded data"
)
VENUES = ("binance", "alpaca")
KEYS = {"APCA-API-KEY-ID": "k" * 32, "APCA-API-SECRET-KEY": "s" * 32}
UNTOLD = {
    # Of days when coins and shares were charged a commission by the broker's partner.
    "commission",
    # Written by whoever recorded it, not by the venue.
    "last_close_pct_change",
    "last_price",
    # Of accounts that brokers keep, not of one's own.
    "account_id",
}
LOOSE = {
    # Numbers in the test data of the SDK, text on the wire as the published file says.
    "qty",
    "filled_qty",
    "filled_avg_price",
    "limit_price",
    # Text in old recordings, numbers in the published file.
    "options_approved_level",
    "options_trading_level",
}


def recorded(name, ctx, pick=lambda message: message):
    """Return a message of a file of fixtures by where it comes from."""
    for line in (DATA / name).read_text().splitlines():
        row = json.loads(line)
        if row["ctx"].endswith(ctx) or row.get("url", "").endswith(ctx):
            return pick(row["msg"])
    raise AssertionError(f"{name} has no {ctx}")


def kind(value):
    names = {bool: "flag", int: "number", float: "number", str: "text", list: "list", dict: "map"}
    return names.get(type(value))


def compare(ours, theirs):
    """Fail on a field that is theirs and not ours, or holds another kind of value."""
    assert set(theirs) - set(ours) - UNTOLD == set()
    for name, value in theirs.items():
        if name in ours and name not in LOOSE and None not in (kind(ours[name]), kind(value)):
            assert kind(ours[name]) == kind(value), name


async def test_binance_events_and_replies_have_the_recorded_fields(remote):
    await remote.control("POST", "flow", {"on": False})
    told = []
    remote.emulator.venue.user_stream.sinks["test"] = told.append
    file, rest, user = "binance_spot/messages_nautilus.jsonl", "http_json", "user_data_json"
    last = remote.emulator.venue.market.shards["BTCUSDT"].last_ticks / 100
    market = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
    _, placed = await remote.order(**market)
    compare(placed, recorded(file, f"{rest}/new_order_full_response.json"))
    pair = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "quantity": "0.1",
        "aboveType": "LIMIT_MAKER",
        "abovePrice": f"{last + 300:.2f}",
        "belowType": "STOP_LOSS",
        "belowStopPrice": f"{last - 300:.2f}",
    }
    await remote.signed("POST", "orderList/oco", **pair)
    limit = {**market, "type": "LIMIT", "timeInForce": "GTC", "price": f"{last - 500:.2f}"}
    _, order = await remote.order(**limit)
    _, gone = await remote.signed("DELETE", "order", symbol="BTCUSDT", orderId=order["orderId"])
    compare(gone, recorded(file, f"{rest}/cancel_order_response.json"))
    _, rows = await remote.signed("GET", "allOrders", symbol="BTCUSDT")
    compare(rows[0], recorded(file, f"{rest}/all_orders_response.json", lambda m: m[0]))
    _, account = await remote.signed("GET", "account")
    compare(account, recorded(file, f"{rest}/account_response.json"))
    for what in ("new", "trade", "canceled"):
        ours = next(event for event in told if event.get("x") == what.upper())
        compare(ours, recorded(file, f"{user}/execution_report_{what}.json"))
    ours = next(event for event in told if event["e"] == "listStatus")
    theirs = recorded(file, f"{user}/list_status_wrapped.json", lambda m: m["event"])
    compare(ours, theirs)
    compare(ours["O"][0], theirs["O"][0])
    ours = next(event for event in told if event["e"] == "outboundAccountPosition")
    theirs = recorded(file, f"{user}/account_position.json")
    compare(ours, theirs)
    compare(ours["B"][0], theirs["B"][0])


async def test_alpaca_replies_and_updates_have_the_recorded_fields(remote):
    await remote.control("POST", "flow", {"on": False})
    house = remote.emulator.venues["alpaca"].house
    told = []
    house.outlets[house.account("paper", "k" * 32).owner].sinks["test"] = told.append

    async def call(method, path, body=None, **params):
        url = remote.emulator.urls()["alpaca"]["paper"] + path
        async with remote.session.request(
            method, url, json=body, params=params, headers=KEYS
        ) as answer:
            return await answer.json()

    file = "alpaca/rest_trading.jsonl"
    body = {"symbol": "AAPL", "side": "buy", "type": "limit", "time_in_force": "day", "qty": "1"}
    order = await call("POST", "/v2/orders", {**body, "limit_price": "1"})
    compare(order, recorded(file, "test_limit_order"))
    compare(order, recorded(file, "test_get_orders", lambda m: m[0]))
    await call("POST", "/v2/orders", {**body, "type": "market", "symbol": "SPY"})
    compare(await call("GET", "/v2/account"), recorded(file, "test_get_account"))
    settings = await call("GET", "/v2/account/configurations")
    compare(
        settings, recorded(file, "test_get_account_configurations_without_deprecated_pdt_fields")
    )
    position = await call("GET", "/v2/positions/SPY")
    theirs = recorded(file, "Sample Position Object")
    compare(position, theirs)
    fill = (await call("GET", "/v2/account/activities/FILL"))[0]
    compare(fill, recorded(file, "Sample Object"))
    compare(await call("GET", "/v2/assets/AAPL"), recorded(file, "test_get_asset"))
    contracts = await call("GET", "/v2/options/contracts", expiration_date_gte="2020-01-01")
    theirs = recorded(file, "test_get_option_contracts", lambda m: m["option_contracts"][0])
    compare(contracts["option_contracts"][0], theirs)
    closed = await call("DELETE", "/v2/positions", cancel_orders="true")
    theirs = recorded(file, "test_close_all_positions")
    compare(closed[0], theirs[0])
    compare(closed[0]["body"], theirs[0]["body"])
    await call("POST", "/v2/orders", {**body, "type": "market"})
    await call("POST", "/v2/orders", {**body, "side": "sell", "limit_price": "900"})
    refused = (await call("DELETE", "/v2/positions"))[0]
    compare(refused["body"], theirs[1]["body"])
    assert [message["data"]["event"] for message in told][:2] == ["new", "new"]
    assert set(told[0]["data"]) == {"event", "execution_id", "timestamp", "order"}
    compare(told[0]["data"]["order"], order)
