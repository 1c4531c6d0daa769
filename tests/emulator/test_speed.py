"""A market that runs faster than real time: nothing is lost, doubled or out of order."""

import itertools

import aiohttp
import pytest

from emulator.app import Emulator
from emulator.clock import WallClock

SPEED = 60.0


@pytest.fixture
async def fast(venue):
    running = Emulator(
        seed=7,
        api_key="k" * 32,
        api_secret="s" * 32,
        control_token="control",
        history_days=5,
        clock=WallClock(SPEED),
        venues=(venue,),
    )
    await running.start()
    yield running
    await running.stop()


@pytest.mark.parametrize("venue", ["binance"])
async def test_a_minute_in_a_second_without_a_hole(fast):
    url = f"{fast.urls()['binance']['stream']}?streams=btcusdt@trade/btcusdt@depth@100ms"
    trades, events = [], []
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as ws:
        while not trades or trades[-1]["T"] - trades[0]["T"] < 61_000:
            message = await ws.receive_json(timeout=10)
            kept = trades if message["stream"].endswith("@trade") else events
            kept.append(message["data"])
    assert [t["t"] for t in trades] == list(range(trades[0]["t"], trades[0]["t"] + len(trades)))
    assert [t["T"] for t in trades] == sorted(t["T"] for t in trades)
    for before, event in itertools.pairwise(events):
        assert event["U"] == before["u"] + 1
    spans = [after["E"] - before["E"] for before, after in itertools.pairwise(events)]
    assert sorted(spans)[len(spans) // 2] == 100


@pytest.mark.slow
@pytest.mark.parametrize("venue", ["okx"])
async def test_a_minute_of_trades_is_the_minutes_bar(fast):
    """What the stream told of a minute is the bar that REST tells of it."""
    base = fast.urls()["okx"]
    ask = {"op": "subscribe", "args": [{"channel": "trades-all", "instId": "BTC-USDT"}]}
    trades = []
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(base["business"]) as ws:
            await ws.send_json(ask)
            await ws.receive_json(timeout=10)
            while not trades or trades[-1][0] < full_minute(trades) + 60_000:
                row = (await ws.receive_json(timeout=10))["data"][0]
                trades.append((int(row["ts"]), float(row["px"]), float(row["sz"])))
        first = full_minute(trades)
        query = {"instId": "BTC-USDT", "bar": "1m", "after": first + 60_000, "limit": 1}
        async with session.get(f"{base['rest']}/market/candles", params=query) as answer:
            ((opened, o, h, low, c, volume, *_),) = (await answer.json())["data"]
    assert int(opened) == first
    inside = [t for t in trades if first <= t[0] < first + 60_000]
    prices = [price for _, price, _ in inside]
    told = [float(price) for price in (o, h, low, c)]
    assert [prices[0], max(prices), min(prices), prices[-1]] == told
    assert sum(size for *_, size in inside) == pytest.approx(float(volume))


def full_minute(trades):
    """When the first minute begins that the trades tell from its start."""
    return trades[0][0] // 60_000 * 60_000 + 60_000
