"""Random orders of an unmodified ccxt under random faults, in a market that lives: what the venue
tells afterwards is what really happened, and no money came from nowhere."""

import asyncio
import contextlib
import random

import pytest

pro = pytest.importorskip("ccxt.pro")

from ccxt.base.errors import BaseError  # noqa: E402

from emulator.faults import ORDER_FAULTS, PRIVATE_FAULTS  # noqa: E402

KEYS = {"apiKey": "k" * 32, "secret": "s" * 32, "enableRateLimit": False}
MARKETS = {
    "binancefut": ("BTC/USDT:USDT", "USDT", 0.01),
    "okx": ("BTC/USDT:USDT", "USDT", 2),
    "deribit": ("BTC/USD:BTC", "BTC", 100),
}
STEPS = 60
SPEED = 1.0  # It signs.
SLOW = ("delay_ms", "slow_ack_ms", "ack_after_fill")
KINDS = [*ORDER_FAULTS, *PRIVATE_FAULTS]


def build(venue, urls):
    if venue == "okx":
        made = pro.okx({**KEYS, "password": "x", "options": {"fetchMarkets": {"types": ["swap"]}}})
        made.urls["api"]["rest"] = urls["rest"].removesuffix("/api/v5")
        return made
    if venue == "deribit":
        made = pro.deribit(KEYS)
        made.urls["api"]["rest"] = urls["rest"].removesuffix("/api/v2")
        return made
    options = {"fetchMarkets": {"types": ["linear"]}, "fetchCurrencies": False}
    made = pro.binanceusdm({**KEYS, "options": options})
    for name in [name for name in made.urls["api"] if name.startswith("fapi")]:
        version = "v2" if name.endswith("V2") else "v3" if name.endswith("V3") else "v1"
        made.urls["api"][name] = urls["rest"].removesuffix("v1") + version
    return made


async def step(exchange, rng, symbol, size, known):
    """Do one random thing; what goes wrong is the point, and is not looked at here."""
    what = rng.choice(("limit", "limit", "market", "cancel", "amend", "stop"))
    side = rng.choice(("buy", "sell"))
    ticker = await exchange.fetch_ticker(symbol)
    price = ticker["last"] * (1 + rng.uniform(-0.003, 0.003))
    price = float(exchange.price_to_precision(symbol, price))
    if what == "limit":
        known.append((await exchange.create_order(symbol, "limit", side, size, price))["id"])
    elif what == "market":
        await exchange.create_order(symbol, "market", side, size)
    elif what == "stop":
        far = ticker["last"] * (1.01 if side == "buy" else 0.99)
        params = {"stopLossPrice": float(exchange.price_to_precision(symbol, far))}
        await exchange.create_order(symbol, "market", side, size, None, params)
    elif known:
        wanted = rng.choice(known)
        if what == "cancel":
            await exchange.cancel_order(wanted, symbol)
        else:
            await exchange.edit_order(wanted, symbol, "limit", side, size, price)


@pytest.mark.parametrize("venue", MARKETS)
async def test_what_is_told_after_any_fault_is_what_happened(remote, venue):
    symbol, asset, size = MARKETS[venue]
    house = remote.emulator.venues[venue].house
    accounts = list(house.desk.accounts.values())
    before = house.desk.books.total_e8(accounts, asset)
    exchange = build(venue, remote.emulator.urls()[venue])
    rng, known = random.Random(7), []
    await remote.arm("weight_limit", venue=venue, value=10**7)
    try:
        await exchange.load_markets()
        for _ in range(STEPS):
            kind = rng.choice(KINDS)
            value = 20 if kind in SLOW or kind.endswith("_ms") else 0
            on = rng.choice(("place", "cancel"))
            await remote.arm(kind, venue=venue, value=value, on=on, probability=0.7)
            with contextlib.suppress(BaseError):
                await asyncio.wait_for(step(exchange, rng, symbol, size, known), 10)
            assert not remote.emulator._driver.done()
        await remote.control("DELETE", "faults")
        await remote.control("POST", "flow", {"on": False})
        await asyncio.sleep(0)
        trades = {trade["id"]: trade for trade in await exchange.fetch_my_trades(symbol, limit=100)}
        positions = await exchange.fetch_positions([symbol])
        truth = (await remote.control("GET", "oracle"))[1]["accounts"][0]
    finally:
        await exchange.close()
    assert len(truth["orders"]) > 15
    assert len(truth["fills"]) > 3
    assert house.desk.books.total_e8(accounts, asset) == before
    newest = truth["fills"][-100:]
    assert len(trades) == len(newest)
    assert sum(trade["amount"] for trade in trades.values()) == pytest.approx(
        sum(float(fill["size"]) for fill in newest)
    )
    held = sum(
        abs(position["contracts"]) * (1 if position["side"] == "long" else -1)
        for position in positions
        if position["contracts"]
    )
    signed = sum(
        float(fill["size"]) * (1 if fill["side"] == "buy" else -1) for fill in truth["fills"]
    )
    assert held == pytest.approx(signed, abs=1e-9)
    for order in truth["orders"]:
        filled = sum(
            float(fill["size"]) for fill in truth["fills"] if fill["order_id"] == order["id"]
        )
        assert filled == pytest.approx(float(order["filled"]))
