"""Unmodified ccxt and ccxt.pro trading at Binance spot and Alpaca; only URLs are changed."""

import asyncio
from decimal import Decimal

import pytest

pro = pytest.importorskip("ccxt.pro")

from ccxt.base.errors import (  # noqa: E402
    BadRequest,
    InsufficientFunds,
    InvalidOrder,
    OrderNotFound,
    PermissionDenied,
    RateLimitExceeded,
)

VENUES = ("binance", "alpaca")
SPEED = 1.0
BTC = "BTC/USDT"
COIN = "BTC/USD"
KEYS = {"apiKey": "k" * 32, "secret": "s" * 32, "enableRateLimit": False}


@pytest.fixture
async def binance(world, remote):
    await remote.control("POST", "flow", {"on": False})
    spot = {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}}
    made = pro.binance({**KEYS, "options": {**spot, "fetchCurrencies": False}})
    made.options["fetchMargins"] = False
    urls = world.urls()["binance"]
    for name in ("public", "private", "v1"):
        made.urls["api"][name] = urls["rest"]
    made.urls["api"]["ws"]["ws-api"]["spot"] = urls["ws_api"]
    made.urls["api"]["ws"]["spot"] = urls["stream"] + "/ws"
    await made.load_markets()
    yield made
    await made.close()


@pytest.fixture
async def alpaca(world, remote):
    await remote.control("POST", "flow", {"on": False})
    made = pro.alpaca(KEYS)
    urls = world.urls()["alpaca"]
    made.urls["api"]["trader"] = urls["paper"]
    made.urls["api"]["market"] = urls["rest"]
    made.urls["api"]["ws"]["trading"] = urls["paper_stream"]
    await made.load_markets()
    yield made
    await made.close()


async def test_binance_stops_trails_icebergs_and_changes(binance, world):
    last = world.venue.market.shards["BTCUSDT"].last_ticks / 100
    stop = await binance.create_order(
        BTC, "limit", "sell", 0.01, round(last - 300, 2), {"stopPrice": round(last - 200, 2)}
    )
    assert stop["id"]
    found = await binance.fetch_order(stop["id"], BTC)
    assert (found["status"], found["triggerPrice"]) == ("open", round(last - 200, 2))
    target = await binance.create_order(
        BTC, "market", "sell", 0.01, None, {"takeProfitPrice": round(last + 200, 2)}
    )
    trail = await binance.create_order(
        BTC,
        "market",
        "sell",
        0.01,
        None,
        {"trailingPercent": 1.0, "stopLossOrTakeProfit": "stopLoss"},
    )
    ids = {order["id"] for order in await binance.fetch_open_orders(BTC)}
    assert ids == {stop["id"], target["id"], trail["id"]}
    plain = await binance.create_order(BTC, "limit", "buy", 0.02, round(last - 500, 2))
    moved = await binance.edit_order(plain["id"], BTC, "limit", "buy", 0.02, round(last - 450, 2))
    assert moved["id"] != plain["id"]
    assert (await binance.fetch_order(plain["id"], BTC))["status"] == "canceled"
    gone = await binance.cancel_all_orders(BTC)
    assert len(gone) == 4
    assert await binance.fetch_open_orders(BTC) == []


async def test_binance_order_lists_by_ccxts_implicit_methods(binance, world):
    last = world.venue.market.shards["BTCUSDT"].last_ticks / 100
    made = await binance.privatePostOrderListOco(
        {
            "symbol": "BTCUSDT",
            "side": "SELL",
            "quantity": "0.1",
            "aboveType": "LIMIT_MAKER",
            "abovePrice": f"{last + 300:.2f}",
            "belowType": "STOP_LOSS",
            "belowStopPrice": f"{last - 300:.2f}",
        }
    )
    orders = await binance.fetch_open_orders(BTC)
    assert {order["id"] for order in orders} == {str(row["orderId"]) for row in made["orders"]}
    gone = await binance.privateDeleteOrderList(
        {"symbol": "BTCUSDT", "orderListId": made["orderListId"]}
    )
    assert gone["listOrderStatus"] == "ALL_DONE"


async def test_binance_watched_orders_follow_an_order_to_its_end(binance, world, until):
    stream = world.venue.user_stream
    watching = asyncio.create_task(binance.watch_orders(BTC))
    await until(lambda: bool(stream.sinks))
    last = world.venue.market.shards["BTCUSDT"].last_ticks / 100
    order = await binance.create_order(BTC, "limit", "buy", 0.01, round(last - 400, 2))
    seen = await asyncio.wait_for(watching, 10)
    assert seen[-1]["id"] == order["id"]
    watching = asyncio.create_task(binance.watch_orders(BTC))
    await asyncio.sleep(0)
    await binance.cancel_order(order["id"], BTC)
    seen = await asyncio.wait_for(watching, 10)
    assert (seen[-1]["id"], seen[-1]["status"]) == (order["id"], "canceled")


async def test_binance_refusals_of_conditional_orders(binance, world):
    last = world.venue.market.shards["BTCUSDT"].last_ticks / 100
    with pytest.raises(InvalidOrder):
        await binance.create_order(
            BTC, "market", "sell", 0.01, None, {"stopLossPrice": round(last + 100, 2)}
        )


async def test_alpaca_orders_live_and_die(alpaca, world):
    last = float(world.venues["alpaca"].house.assets.all[COIN].last)
    gtc = {"timeInForce": "gtc"}
    order = await alpaca.create_order(COIN, "limit", "buy", 0.1, round(last * 0.9, 2), gtc)
    assert order["status"] == "open"
    found = await alpaca.fetch_order(order["id"])
    assert (found["amount"], found["price"]) == (0.1, round(last * 0.9, 2))
    assert [each["id"] for each in await alpaca.fetch_open_orders(COIN)] == [order["id"]]
    changed = await alpaca.edit_order(order["id"], COIN, "limit", "buy", 0.05, round(last * 0.8, 2))
    assert changed["amount"] == 0.05
    assert (await alpaca.fetch_order(order["id"]))["status"] == "canceled"
    balance = await alpaca.fetch_balance()
    held = Decimal(str(balance["USD"]["total"])) - Decimal(str(balance["USD"]["free"]))
    assert float(held) == pytest.approx(0.05 * last * 0.8, rel=1e-3)
    await alpaca.cancel_order(changed["id"])
    assert (await alpaca.fetch_order(changed["id"]))["status"] == "canceled"
    filled = await alpaca.create_order(COIN, "market", "buy", 0.1, None, gtc)
    assert (await alpaca.fetch_order(filled["id"]))["status"] == "closed"
    trades = await alpaca.fetch_my_trades(COIN)
    assert sum(trade["amount"] for trade in trades) == pytest.approx(0.1)
    assert {trade["order"] for trade in trades} == {filled["id"]}
    assert (await alpaca.fetch_balance())["BTC"]["total"] == pytest.approx(0.1, rel=0.01)
    stop = await alpaca.create_order(
        COIN,
        "limit",
        "sell",
        0.05,
        round(last * 0.8, 2),
        {**gtc, "triggerPrice": round(last * 0.85, 2)},
    )
    assert (await alpaca.fetch_order(stop["id"]))["info"]["type"] == "stop_limit"
    await alpaca.cancel_all_orders()
    assert await alpaca.fetch_open_orders() == []


async def test_alpaca_watched_orders_and_trades(alpaca, world, until):
    watching = asyncio.create_task(alpaca.watch_orders())
    outlets = world.venues["alpaca"].house.outlets
    await until(lambda: any(outlet.sinks for outlet in outlets.values()))
    last = float(world.venues["alpaca"].house.assets.all[COIN].last)
    gtc = {"timeInForce": "gtc"}
    order = await alpaca.create_order(COIN, "limit", "buy", 0.1, round(last * 0.9, 2), gtc)
    seen = await asyncio.wait_for(watching, 10)
    assert (seen[-1]["id"], seen[-1]["status"]) == (order["id"], "open")
    watching = asyncio.create_task(alpaca.watch_orders())
    await asyncio.sleep(0)
    await alpaca.cancel_order(order["id"])
    seen = await asyncio.wait_for(watching, 10)
    assert (seen[-1]["id"], seen[-1]["status"]) == (order["id"], "canceled")
    watching = asyncio.create_task(alpaca.watch_my_trades())
    await asyncio.sleep(0)
    filled = await alpaca.create_order(COIN, "market", "buy", 0.1, None, gtc)
    trades = await asyncio.wait_for(watching, 10)
    assert trades[-1]["order"] == filled["id"]


async def test_alpaca_refusals_are_ccxts_own_errors(alpaca, remote):
    gtc = {"timeInForce": "gtc"}
    with pytest.raises(InsufficientFunds):
        await alpaca.create_order(COIN, "market", "sell", 0.1, None, gtc)
    with pytest.raises(InvalidOrder):
        await alpaca.create_order(COIN, "market", "buy", 0.0001, None, gtc)
    with pytest.raises(BadRequest):
        await alpaca.create_order(COIN, "market", "buy", 0.1, None, {"timeInForce": "day"})
    with pytest.raises((OrderNotFound, InvalidOrder)):
        await alpaca.fetch_order("404")
    await remote.arm("weight_limit", value=1, venue="alpaca")
    with pytest.raises(RateLimitExceeded):
        await alpaca.fetch_open_orders()
    await remote.arm("weight_limit", value=200, venue="alpaca")
    alpaca.secret = "wrong"
    with pytest.raises(PermissionDenied):
        await alpaca.fetch_open_orders()
