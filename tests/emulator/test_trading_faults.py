"""Orders under drawn faults at Binance spot and Alpaca: what clients are told and what is true."""

import json
from decimal import Decimal

import aiohttp
import numpy as np
import pytest

from emulator.chaos import Chaos, Dice
from emulator.clock import SECOND

VENUES = ("binance", "alpaca")
KEYS = {"APCA-API-KEY-ID": "k" * 32, "APCA-API-SECRET-KEY": "s" * 32}
KINDS = (
    "lost_ack",
    "drop_before",
    "http_5xx_after",
    "http_5xx_before",
    "code_1007",
    "code_1007_before",
    "slow_ack_ms",
    "ack_after_fill",
    "delay_visible_ms",
    "cancel_race",
    "expire_after_ack",
    "duplicate_report",
    "reorder_reports",
    "suppress_reports",
    "delay_reports_ms",
    "stale_account",
    "transient_2013",
)
LOST = (aiohttp.ClientError, json.JSONDecodeError)
ORDERS = 60


class Binance:
    name = "binance"

    def __init__(self, remote):
        self.remote = remote
        self.venue = remote.emulator.venues["binance"]
        shard = self.venue.market.shards["BTCUSDT"]
        self.bid, self.ask = (Decimal(ticks) / 100 for ticks in (shard.top()[0], shard.top()[2]))

    async def place(self, name, side, kind):
        price = {"near": self.bid, "far": self.bid - 400}.get(kind)
        params = {"symbol": "BTCUSDT", "side": side.upper(), "quantity": "0.001"}
        if price is None:
            params["type"] = "MARKET"
        else:
            away = price if side == "buy" else 2 * self.ask - price
            params |= {"type": "LIMIT", "timeInForce": "GTC", "price": str(away)}
        return await self.remote.order(**params, newClientOrderId=name)

    async def cancel(self, name):
        return await self.remote.signed("DELETE", "order", symbol="BTCUSDT", origClientOrderId=name)

    async def orders(self):
        _, rows = await self.remote.signed("GET", "allOrders", symbol="BTCUSDT")
        return {row["clientOrderId"]: Decimal(row["executedQty"]) for row in rows}

    async def fills(self):
        _, rows = await self.remote.signed("GET", "myTrades", symbol="BTCUSDT")
        return sum((Decimal(row["qty"]) for row in rows), Decimal(0))


class Alpaca:
    name = "alpaca"

    def __init__(self, remote):
        self.remote = remote
        self.venue = remote.emulator.venues["alpaca"]
        self.venue.set_weight_limit(100_000)
        asset = self.venue.house.assets.all["AAPL"]
        self.bid, self.ask = asset.best(buys=False), asset.best(buys=True)
        self.ids = {}

    async def call(self, method, path, body=None, **params):
        url = self.remote.emulator.urls()["alpaca"]["paper"] + path
        async with self.remote.session.request(
            method, url, json=body, params=params, headers=KEYS
        ) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    async def place(self, name, side, kind):
        price = {"near": self.bid, "far": self.bid - 20}.get(kind)
        body = {"symbol": "AAPL", "side": side, "qty": "2", "time_in_force": "day"}
        body |= {"type": "market", "client_order_id": name}
        if price is not None:
            away = price if side == "buy" else 2 * self.ask - price
            body |= {"type": "limit", "limit_price": str(away)}
        return await self.call("POST", "/v2/orders", body)

    async def cancel(self, name):
        params = {"client_order_id": name}
        status, order = await self.call("GET", "/v2/orders:by_client_order_id", **params)
        if status != 200:
            return status, order
        return await self.call("DELETE", f"/v2/orders/{order['id']}")

    async def orders(self):
        _, rows = await self.call("GET", "/v2/orders", status="all", limit=500)
        return {row["client_order_id"]: Decimal(row["filled_qty"]) for row in rows}

    async def fills(self):
        _, rows = await self.call("GET", "/v2/account/activities/FILL")
        return sum((Decimal(row["qty"]) for row in rows), Decimal(0))


async def trade(client, rng):
    """Place and cancel orders at random; what each placing was answered."""
    told = {}
    for number in range(ORDERS):
        name = f"o{number}"
        side = ("buy", "sell")[int(rng.integers(2))]
        kind = ("near", "far", "market")[int(rng.integers(3))]
        try:
            status, _ = await client.place(name, side, kind)
            # 408 and 504 say that the venue does not know.
            told[name] = "unknown" if status in (408, 504) else "yes" if status == 200 else "no"
        except LOST:
            told[name] = "unknown"
        if rng.integers(3) == 0:
            try:
                await client.cancel(f"o{int(rng.integers(number + 1))}")
            except LOST:
                continue
    return told


@pytest.mark.parametrize("seed", [3, 4])
@pytest.mark.parametrize("kind", [Binance, Alpaca])
async def test_no_order_is_lost_doubled_or_made_up(remote, kind, seed):
    client = kind(remote)
    plan = Chaos(seed=seed, per_minute=6_000, kinds=KINDS)
    dice = Dice(plan, client.venue)
    venue, rng = client.venue, np.random.default_rng(seed)
    dice.roll(venue.market.acted_ns + SECOND // 2)
    struck = len(venue.faults.armed)
    for fault in venue.faults.armed:
        fault.value = min(fault.value or 20.0, 20.0)
    told = await trade(client, rng)
    assert venue.faults.log, f"seed {seed}: {struck} faults armed and none struck"
    await remote.control("DELETE", f"faults?venue={client.name}")
    await remote.control("POST", "flow", {"on": False})
    _, oracle = await remote.control("GET", f"oracle?venue={client.name}")
    mine = oracle["accounts"][0]
    names = [order["client_id"] for order in mine["orders"]]
    assert len(names) == len(set(names)), f"seed {seed}: doubled"
    for name, answer in told.items():
        if answer == "yes":
            assert name in names, f"seed {seed}: {name} was confirmed and is not there"
        if answer == "no":
            assert name not in names, f"seed {seed}: {name} was refused and is there"
    assert "unknown" in told.values(), f"seed {seed}: no answer was ever lost"
    for order in mine["orders"]:
        filled = sum(
            (Decimal(fill["size"]) for fill in mine["fills"] if fill["order_id"] == order["id"]),
            Decimal(0),
        )
        assert filled == Decimal(order["filled"]), f"seed {seed}: {order}"
    venue.faults.clear()
    asked = await client.orders()
    for order in mine["orders"]:
        assert asked[order["client_id"]] == Decimal(order["filled"]), f"seed {seed}"
    total = sum((Decimal(fill["size"]) for fill in mine["fills"]), Decimal(0))
    assert len(mine["fills"]) > 100 or await client.fills() == total
