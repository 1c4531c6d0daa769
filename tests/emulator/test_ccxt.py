"""Unmodified ccxt and ccxt.pro as clients; only their URLs are changed."""

import asyncio
from decimal import Decimal

import pytest

pro = pytest.importorskip("ccxt.pro")

from ccxt.base.errors import (  # noqa: E402
    ChecksumError,
    DDoSProtection,
    ExchangeNotAvailable,
    InsufficientFunds,
    InvalidNonce,
    InvalidOrder,
    NetworkError,
    OrderImmediatelyFillable,
    OrderNotFound,
    RateLimitExceeded,
    RequestTimeout,
)

SYMBOL = "BTC/USDT"


@pytest.fixture
async def exchange(emulator):
    made = pro.binance(
        {
            "apiKey": "k" * 32,
            "secret": "s" * 32,
            "enableRateLimit": False,
            "options": {
                "defaultType": "spot",
                "fetchMarkets": {"types": ["spot"]},
                "fetchCurrencies": False,
                "fetchMargins": False,
            },
        }
    )
    for name in ("public", "private", "v1"):
        made.urls["api"][name] = f"http://127.0.0.1:{emulator.port}/api/v3"
    # ccxt takes a stream URL for spot only if "/stream" is in it.
    made.urls["api"]["ws"]["spot"] = f"ws://127.0.0.1:{emulator.port}/stream/ws"
    made.urls["api"]["ws"]["ws-api"]["spot"] = f"ws://127.0.0.1:{emulator.port}/ws-api/v3"
    await made.load_markets()
    yield made
    await made.close()


async def watch_book(exchange, symbol=SYMBOL):
    """Watch as a ccxt user must: after a ChecksumError the book starts anew."""
    while True:
        try:
            return await asyncio.wait_for(exchange.watch_order_book(symbol), 10)
        except ChecksumError:
            continue


async def test_markets_have_the_steps_and_limits_of_the_filters(exchange):
    market = exchange.market(SYMBOL)
    assert market["precision"]["price"] == 0.01
    assert market["precision"]["amount"] == 0.00001
    assert market["limits"]["cost"]["min"] == 5.0
    assert market["spot"]
    assert market["active"]
    assert len(exchange.markets) == 6


async def test_public_rest_calls(exchange):
    book = await exchange.fetch_order_book(SYMBOL, 20)
    assert book["bids"][0][0] < book["asks"][0][0]
    assert len(book["asks"]) == 20
    bars = await exchange.fetch_ohlcv(SYMBOL, "1h", limit=48)
    assert len(bars) == 48
    assert all(low <= min(o, c) and h >= max(o, c) for _, o, h, low, c, _ in bars)
    assert (await exchange.fetch_ticker(SYMBOL))["last"] > 0
    assert len(await exchange.fetch_tickers()) == 6
    assert await exchange.fetch_time() > 0


async def test_fetch_trades_since(exchange, emulator, until):
    shard = emulator.venue.market.shards["BTCUSDT"]
    await until(lambda: len(shard.aggregates) > 5)
    since = shard.aggregates[3].ts_ms
    trades = await exchange.fetch_trades(SYMBOL, since=since)
    assert trades[0]["id"] == str(next(row.id for row in shard.aggregates if row.ts_ms >= since))


async def test_order_life_over_rest(exchange):
    book = await exchange.fetch_order_book(SYMBOL)
    price = round(book["bids"][0][0] * 0.99, 2)
    order = await exchange.create_order(SYMBOL, "limit", "buy", 0.01, price)
    assert order["status"] == "open"
    assert [o["id"] for o in await exchange.fetch_open_orders(SYMBOL)] == [order["id"]]
    balance = await exchange.fetch_balance()
    assert balance["USDT"]["used"] == pytest.approx(0.01 * price)
    assert (await exchange.fetch_order(order["id"], SYMBOL))["price"] == price
    assert (await exchange.cancel_order(order["id"], SYMBOL))["status"] == "canceled"
    filled = await exchange.create_order(SYMBOL, "market", "sell", 0.02)
    assert (filled["status"], filled["filled"]) == ("closed", 0.02)
    trades = await exchange.fetch_my_trades(SYMBOL)
    assert sum(trade["amount"] for trade in trades) == pytest.approx(0.02)
    assert {trade["fee"]["currency"] for trade in trades} == {"USDT"}
    assert trades[-1]["takerOrMaker"] == "taker"
    assert {o["id"] for o in await exchange.fetch_orders(SYMBOL)} == {order["id"], filled["id"]}


@pytest.mark.parametrize(
    ("args", "params", "error"),
    [
        (("limit", "buy", 0.01, 900_000), {}, InvalidOrder),
        (("limit", "buy", 50, 60_000), {}, InsufficientFunds),
        (("limit", "buy", 0.01, 100_000), {"postOnly": True}, OrderImmediatelyFillable),
    ],
)
async def test_refusals_map_to_ccxts_own_errors(exchange, args, params, error):
    with pytest.raises(error):
        await exchange.create_order(SYMBOL, *args, params)


async def test_unknown_orders_map_to_order_not_found(exchange):
    for call in (exchange.cancel_order, exchange.fetch_order):
        with pytest.raises(OrderNotFound):
            await call("404", SYMBOL)


@pytest.mark.parametrize(
    ("fault", "errors"),
    [
        ({"kind": "code_1007"}, (RequestTimeout,)),
        ({"kind": "http_5xx_after"}, (ExchangeNotAvailable,)),
        ({"kind": "lost_ack"}, (NetworkError,)),
        ({"kind": "rate_limit_now"}, (RateLimitExceeded, DDoSProtection)),
        ({"kind": "rate_limit_now", "value": 418}, (DDoSProtection,)),
    ],
)
async def test_faults_look_to_ccxt_as_they_would_live(exchange, client, fault, errors):
    await client.arm(**fault)
    with pytest.raises(errors):
        await exchange.create_order(SYMBOL, "market", "buy", 0.01)


async def test_clock_skew_is_an_invalid_nonce(exchange, client):
    await client.arm("clock_skew_ms", value=60_000)
    with pytest.raises(InvalidNonce):
        await exchange.fetch_balance()
    await exchange.load_time_difference()
    assert (await exchange.fetch_balance())["USDT"]["free"] == 100_000


async def test_watched_book_equals_the_true_one(exchange, client):
    book = await watch_book(exchange)
    for _ in range(10):
        book = await watch_book(exchange)
    await client.control("POST", "flow", {"on": False})
    _, truth = await client.control("GET", "book?symbol=BTCUSDT")
    while book["nonce"] < truth["update_id"]:
        book = await watch_book(exchange)
    best = [[float(price), float(size)] for price, size in truth["bids"][:50]]
    assert [level[:2] for level in book["bids"][:50]] == best
    best = [[float(price), float(size)] for price, size in truth["asks"][:50]]
    assert [level[:2] for level in book["asks"][:50]] == best


async def test_a_dropped_depth_event_is_noticed(exchange, client):
    await watch_book(exchange)
    await watch_book(exchange)

    async def watch_on():
        # Where the next message is read before anybody watches again, ccxt tells nobody of the
        # gap, and begins anew.
        while True:
            await client.arm("gap", symbol="BTCUSDT")
            for _ in range(20):
                await asyncio.wait_for(exchange.watch_order_book(SYMBOL), 10)

    with pytest.raises(ChecksumError):
        await watch_on()
    assert await watch_book(exchange)


async def test_watched_trades_and_bars(exchange):
    trades = await asyncio.wait_for(exchange.watch_trades(SYMBOL), 10)
    assert trades[-1]["price"] > 0
    bars = await asyncio.wait_for(exchange.watch_ohlcv(SYMBOL, "1m"), 10)
    assert len(bars[-1]) == 6
    ticker = await asyncio.wait_for(exchange.watch_ticker(SYMBOL), 10)
    assert ticker["last"] > 0
    quote = await asyncio.wait_for(exchange.watch_bids_asks([SYMBOL]), 10)
    assert quote[SYMBOL]["bid"] < quote[SYMBOL]["ask"]


async def test_watched_orders_and_balance_over_the_ws_api(exchange, emulator, until):
    """ccxt 4.5 subscribes with userDataStream.subscribe.signature; there is no listenKey."""
    emulator.venue.market.flow = False
    orders = asyncio.create_task(exchange.watch_orders(SYMBOL))
    await until(lambda: bool(emulator.venue.user_stream.sinks))
    order = await exchange.create_order(SYMBOL, "market", "buy", 0.01)
    seen = await asyncio.wait_for(orders, 10)
    while seen[-1]["status"] != "closed":
        seen = await asyncio.wait_for(exchange.watch_orders(SYMBOL), 10)
    assert seen[-1]["id"] == order["id"]
    assert Decimal(str(seen[-1]["filled"])) == Decimal("0.01")
    balance = asyncio.create_task(exchange.watch_balance())
    await asyncio.sleep(0)
    await exchange.create_order(SYMBOL, "market", "sell", 0.01)
    assert (await asyncio.wait_for(balance, 10))["BTC"]["total"] > 0


async def test_orders_over_the_ws_api(exchange):
    order = await exchange.create_order_ws(SYMBOL, "limit", "buy", 0.01, 60_000)
    assert order["status"] == "open"
    canceled = await exchange.cancel_order_ws(order["id"], SYMBOL)
    assert canceled["status"] == "canceled"
