"""Unmodified python-binance as a client; only its URLs are changed."""

import asyncio
import warnings
from decimal import Decimal

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    binance = pytest.importorskip("binance")

SYMBOL = "BTCUSDT"


@pytest.fixture
async def api(emulator):
    made = binance.AsyncClient("k" * 32, "s" * 32)
    made.API_URL = f"http://127.0.0.1:{emulator.port}/api"
    made.ws_api._url = f"ws://127.0.0.1:{emulator.port}/ws-api/v3"
    made.ws_api.TIMEOUT = 1  # how long it goes on reading when it is told to close
    yield made
    await made.close_connection()


@pytest.fixture
def sockets(api, emulator):
    made = binance.BinanceSocketManager(api)
    made.STREAM_URL = f"ws://127.0.0.1:{emulator.port}/"
    return made


async def test_public_rest(api):
    assert (await api.get_server_time())["serverTime"] > 0
    assert (await api.get_symbol_info(SYMBOL))["baseAsset"] == "BTC"
    assert len((await api.get_order_book(symbol=SYMBOL, limit=50))["bids"]) == 50
    bars = await api.get_historical_klines(SYMBOL, "1m", "3 hours ago UTC")
    opens = [row[0] for row in bars]
    assert opens == list(range(opens[0], opens[0] + 60_000 * len(opens), 60_000))
    assert len(opens) >= 180


async def test_orders_over_rest(api):
    order = await api.create_order(
        symbol=SYMBOL,
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        quantity="0.01",
        price="60000",
    )
    assert (await api.get_order(symbol=SYMBOL, orderId=order["orderId"]))["status"] == "NEW"
    assert len(await api.get_open_orders(symbol=SYMBOL)) == 1
    gone = await api.cancel_order(symbol=SYMBOL, orderId=order["orderId"])
    assert gone["status"] == "CANCELED"
    filled = await api.order_market_sell(symbol=SYMBOL, quantity="0.01")
    assert filled["status"] == "FILLED"
    trades = await api.get_my_trades(symbol=SYMBOL)
    assert [trade["orderId"] for trade in trades] == [filled["orderId"]] * len(trades)
    balance = await api.get_asset_balance(asset="BTC")
    assert Decimal(balance["free"]) == Decimal("1.99")


async def test_refusal_is_its_api_exception_with_the_venues_code(api):
    with pytest.raises(binance.exceptions.BinanceAPIException) as refused:
        await api.order_limit_buy(symbol=SYMBOL, quantity="0.01", price="60000.001")
    assert refused.value.code == -1013


async def test_streams_raw_and_combined(sockets):
    async with sockets.trade_socket(SYMBOL) as stream:
        trade = await asyncio.wait_for(stream.recv(), 10)
        assert (trade["e"], trade["s"]) == ("trade", SYMBOL)
    names = ["ethusdt@bookTicker", "btcusdt@depth5@100ms"]
    async with sockets.multiplex_socket(names) as stream:
        seen = set()
        while seen != set(names):
            seen.add((await asyncio.wait_for(stream.recv(), 10))["stream"])


async def test_depth_cache_equals_the_true_book(api, sockets, client):
    manager = binance.DepthCacheManager(api, SYMBOL, bm=sockets, ws_interval=100, limit=5000)
    async with manager as stream:
        for _ in range(8):
            cache = await asyncio.wait_for(stream.recv(), 10)
        await client.control("POST", "flow", {"on": False})
        _, truth = await client.control("GET", "book?symbol=BTCUSDT")
        bids, asks = (
            [[float(price), float(size)] for price, size in truth[side][:20]]
            for side in ("bids", "asks")
        )
        # What was on its way when the flow stopped may come in several messages.
        while (cache.get_bids()[:20], cache.get_asks()[:20]) != (bids, asks):
            cache = await asyncio.wait_for(stream.recv(), 10)
        await client.control("POST", "flow", {"on": True})  # it closes only on the next message


async def test_user_socket_gets_the_life_of_an_order(api, sockets, emulator):
    emulator.venue.market.flow = False
    async with sockets.user_socket() as stream:
        order = await api.order_market_buy(symbol=SYMBOL, quantity="0.01")
        steps = []
        while not steps or steps[-1]["X"] != "FILLED":
            event = await asyncio.wait_for(stream.recv(), 10)
            if event["e"] == "executionReport":
                steps.append(event)
        assert [step["x"] for step in steps][:2] == ["NEW", "TRADE"]
        assert {step["i"] for step in steps} == {order["orderId"]}
        assert sum(Decimal(step["l"]) for step in steps) == Decimal("0.01")


async def test_orders_over_the_ws_api(api):
    order = await api.ws_create_order(
        symbol=SYMBOL,
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        quantity="0.01",
        price="60000",
    )
    assert order["status"] == "NEW"
    gone = await api.ws_cancel_order(symbol=SYMBOL, orderId=order["orderId"])
    assert gone["status"] == "CANCELED"
