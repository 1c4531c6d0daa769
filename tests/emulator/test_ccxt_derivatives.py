"""Unmodified ccxt.pro trades on margin; only its URLs are changed."""

import asyncio

import pytest

pro = pytest.importorskip("ccxt.pro")

from ccxt.base.errors import (  # noqa: E402
    ExchangeError,
    InsufficientFunds,
    InvalidOrder,
    MarginModeAlreadySet,
    NetworkError,
    OrderNotFound,
    RequestTimeout,
)

KEYS = {"apiKey": "k" * 32, "secret": "s" * 32, "enableRateLimit": False}
SYMBOLS = {
    "binancefut": "BTC/USDT:USDT",
    "okx": "BTC/USDT:USDT",
    "deribit": "BTC/USD:BTC",
}
SIZES = {"binancefut": 0.01, "okx": 2, "deribit": 100}
"""What is ordered, in the venue's units."""
TOO_MUCH = {"binancefut": 6_000, "okx": 6_000, "deribit": 400_000}
"""So many times the size is more than the account's margin carries."""
pytestmark = pytest.mark.parametrize("venue", SYMBOLS)
SPEED = 1.0  # It signs.


def futures(urls):
    made = pro.binanceusdm(
        {**KEYS, "options": {"fetchMarkets": {"types": ["linear"]}, "fetchCurrencies": False}}
    )
    for name in [name for name in made.urls["api"] if name.startswith("fapi")]:
        version = "v2" if name.endswith("V2") else "v3" if name.endswith("V3") else "v1"
        made.urls["api"][name] = urls["rest"].removesuffix("v1") + version
    made.urls["api"]["ws"]["ws-api"]["linear"] = urls["ws_api"]
    root = urls["market"].removesuffix("/market")
    made.urls["api"]["ws"]["future"] = made.urls["api"]["ws"]["linear"] = root + "/ws"
    return made


def okx(urls):
    options = {"fetchMarkets": {"types": ["spot", "swap"]}}
    made = pro.okx({**KEYS, "password": "x", "options": options})
    made.urls["api"]["rest"] = urls["rest"].removesuffix("/api/v5")
    made.urls["api"]["ws"] = urls["public"].removesuffix("/public")
    return made


def deribit(urls):
    made = pro.deribit(KEYS)
    made.urls["api"]["rest"] = urls["rest"].removesuffix("/api/v2")
    made.urls["api"]["ws"] = urls["ws"]
    return made


BUILDERS = {"binancefut": futures, "okx": okx, "deribit": deribit}


@pytest.fixture
async def exchange(remote, venue):
    made = BUILDERS[venue](remote.emulator.urls()[venue])
    await made.load_markets()
    await remote.control("POST", "flow", {"on": False})
    yield made
    await made.close()


@pytest.fixture
def at(exchange, venue):
    """Return the best bid moved by a share of itself, on a tick."""

    async def price(share):
        bid = (await exchange.fetch_order_book(SYMBOLS[venue]))["bids"][0][0]
        return float(exchange.price_to_precision(SYMBOLS[venue], bid * (1 + share)))

    return price


async def truth(remote):
    return (await remote.control("GET", "oracle"))[1]["accounts"][0]


async def test_limit_order_is_placed_found_amended_and_cancelled(exchange, venue, at):
    symbol, size = SYMBOLS[venue], SIZES[venue]
    order = await exchange.create_order(symbol, "limit", "buy", size, await at(-0.01))
    found = await exchange.fetch_order(order["id"], symbol)
    assert (found["status"], found["side"], found["amount"]) == ("open", "buy", size)
    price = await at(-0.02)
    changed = await exchange.edit_order(order["id"], symbol, "limit", "buy", size, price)
    assert changed["id"] == order["id"]
    assert [(o["id"], o["price"]) for o in await exchange.fetch_open_orders(symbol)] == [
        (order["id"], price)
    ]
    await exchange.cancel_order(order["id"], symbol)
    assert (await exchange.fetch_order(order["id"], symbol))["status"] == "canceled"
    with pytest.raises((OrderNotFound, InvalidOrder)):
        await exchange.cancel_order(order["id"], symbol)


async def test_market_order_gives_a_position_trades_and_balance(exchange, remote, venue):
    symbol, size = SYMBOLS[venue], SIZES[venue]
    order = await exchange.create_order(symbol, "market", "buy", size)
    position = next(p for p in await exchange.fetch_positions([symbol]) if p["contracts"])
    assert (position["side"], position["contracts"]) == ("long", size)
    trades = await exchange.fetch_my_trades(symbol)
    assert sum(trade["amount"] for trade in trades) == pytest.approx(size)
    assert {trade["order"] for trade in trades} == {order["id"]}
    told = await truth(remote)
    assert position["entryPrice"] == pytest.approx(float(told["positions"][0]["entry"]), rel=1e-6)
    await exchange.create_order(symbol, "market", "sell", size, None, {"reduceOnly": True})
    assert not [p for p in await exchange.fetch_positions([symbol]) if p["contracts"]]
    assert (await exchange.fetch_balance())["total"]


async def test_stop_waits_is_listed_and_cancelled(exchange, remote, venue, at):
    symbol, size = SYMBOLS[venue], SIZES[venue]
    await exchange.create_order(symbol, "market", "buy", size)
    stop = await exchange.create_order(
        symbol, "market", "sell", size, None, {"stopLossPrice": await at(-0.01), "reduceOnly": True}
    )
    # ccxt asks OKX for one type of algo order at a time.
    asked = {"trigger": True} | ({"ordType": "conditional"} if venue == "okx" else {})
    waiting = await exchange.fetch_open_orders(symbol, params=asked)
    assert [order["id"] for order in waiting] == [stop["id"]]
    assert next(o for o in (await truth(remote))["orders"] if o["id"] == stop["id"])["state"] == (
        "untriggered"
    )
    await exchange.cancel_order(stop["id"], symbol, {"trigger": True})
    assert await exchange.fetch_open_orders(symbol, params=asked) == []


async def test_watched_orders_and_trades_tell_the_life_of_an_order(
    exchange, remote, venue, at, until
):
    symbol, size = SYMBOLS[venue], SIZES[venue]
    watching = asyncio.create_task(exchange.watch_orders(symbol))
    trading = asyncio.create_task(exchange.watch_my_trades(symbol))
    connections = remote.emulator.venues[venue].connections
    await until(lambda: any(each.streams for each in connections))
    order = await exchange.create_order(symbol, "limit", "buy", size, await at(0.01))
    first = (await asyncio.wait_for(watching, 10))[0]
    assert (first["id"], first["side"], first["amount"]) == (order["id"], "buy", size)
    # What comes between two calls of watch_orders is in its cache alone.
    await until(lambda: exchange.orders[-1]["status"] == "closed")
    assert exchange.orders[-1]["filled"] == size
    assert (await asyncio.wait_for(trading, 10))[0]["order"] == order["id"]


@pytest.mark.parametrize(
    ("fault", "error"),
    [({"kind": "code_1007"}, (RequestTimeout, NetworkError)), ({"kind": "lost_ack"}, NetworkError)],
)
async def test_order_whose_answer_is_lost_is_found_by_its_client_id(
    exchange, remote, venue, at, fault, error
):
    if venue == "deribit" and fault["kind"] == "lost_ack":
        pytest.skip("ccxt orders by GET here, which aiohttp repeats when a connection drops")
    symbol = SYMBOLS[venue]
    name = "label" if venue == "deribit" else "clientOrderId"
    price = await at(-0.01)
    await remote.arm(**fault)
    # Deribit has no word for an outcome nobody knows but its internal error.
    with pytest.raises(ExchangeError if venue == "deribit" else error):
        await exchange.create_order(symbol, "limit", "buy", SIZES[venue], price, {name: "mine1"})
    orders = (await truth(remote))["orders"]
    assert [order["client_id"] for order in orders] == ["mine1"]


async def test_too_much_is_refused(exchange, venue):
    # ccxt knows no class for USD-M's -2019.
    with pytest.raises(ExchangeError if venue == "binancefut" else InsufficientFunds):
        await exchange.create_order(SYMBOLS[venue], "market", "buy", SIZES[venue] * TOO_MUCH[venue])


async def test_settings_lists_and_batches_are_answered(exchange, venue, at):
    symbol, size, low = SYMBOLS[venue], SIZES[venue], await at(-0.01)
    name = "label" if venue == "deribit" else "clientOrderId"
    first = await exchange.create_order(symbol, "limit", "buy", size, low, {name: "cid1"})
    await exchange.create_order(symbol, "market", "buy", size)
    await exchange.create_order(symbol, "limit", "buy", size, low, {"postOnly": True})
    if exchange.has["createOrders"]:
        row = {"symbol": symbol, "type": "limit", "side": "buy", "amount": size, "price": low}
        made = await exchange.create_orders([row, row])
        await exchange.cancel_orders([order["id"] for order in made], symbol)
    assert len(await exchange.fetch_open_orders(symbol)) == 2
    closed = await exchange.fetch_closed_orders(symbol)
    assert [order["status"] for order in closed][-1] == "closed"
    asset = exchange.market(symbol)["settle"]
    if exchange.has["fetchLedger"]:
        assert await exchange.fetch_ledger(asset, params={"type": "swap"})
    for method in ("set_leverage", "fetch_leverage", "fetch_trading_fee"):
        camel = {"set_leverage": "setLeverage", "fetch_leverage": "fetchLeverage"}
        if exchange.has.get(camel.get(method, "fetchTradingFee")):
            await getattr(exchange, method)(*((5, symbol) if method[0] == "s" else (symbol,)))
    if venue == "binancefut":
        with pytest.raises(MarginModeAlreadySet):
            await exchange.set_margin_mode("cross", symbol)
    if exchange.has["cancelAllOrders"]:
        await exchange.cancel_all_orders(symbol)
        assert (await exchange.fetch_order(first["id"], symbol))["status"] == "canceled"


def total_of(told, asset):
    """Return an asset's total, wherever a venue's class keeps it."""
    if not isinstance(told, dict):
        return None
    if isinstance(told.get(asset), dict) and isinstance(told[asset].get("total"), float):
        return told[asset]["total"]
    found = [total_of(part, asset) for name, part in told.items() if name != "info"]
    return next((total for total in found if total is not None), None)


async def test_watched_balance_moves_with_a_fill(exchange, remote, venue, until):
    symbol, size = SYMBOLS[venue], SIZES[venue]
    asset = exchange.market(symbol)["settle"]
    before = total_of(await exchange.fetch_balance(), asset)
    watching = asyncio.create_task(exchange.watch_balance())
    connections = remote.emulator.venues[venue].connections
    await until(lambda: any(each.streams for each in connections))
    await exchange.create_order(symbol, "market", "sell", size)
    await asyncio.wait_for(watching, 10)
    await until(lambda: (total_of(exchange.balance, asset) or before) < before)


async def test_orders_over_the_socket_are_placed_and_cancelled(exchange, remote, venue, at):
    if not exchange.has["createOrderWs"]:
        pytest.skip(f"ccxt orders over REST alone at {venue}")
    symbol, size, low = SYMBOLS[venue], SIZES[venue], await at(-0.01)
    order = await asyncio.wait_for(exchange.create_order_ws(symbol, "limit", "buy", size, low), 10)
    assert (await exchange.fetch_order(order["id"], symbol))["status"] == "open"
    await asyncio.wait_for(exchange.cancel_order_ws(order["id"], symbol), 10)
    assert (await truth(remote))["orders"][0]["state"] == "canceled"
