"""A market that runs faster than real time: nothing is lost, doubled or out of order."""

import itertools

import aiohttp
import pytest

from emulator.app import Emulator
from emulator.clock import WallClock

SPEED = 60.0


@pytest.fixture
async def fast():
    running = Emulator(
        seed=7,
        api_key="k" * 32,
        api_secret="s" * 32,
        control_token="control",
        history_days=5,
        clock=WallClock(SPEED),
        venues=("binance", "okx"),
    )
    await running.start()
    yield running
    await running.stop()


async def test_minutes_in_seconds_without_a_hole(fast):
    url = f"{fast.urls()['binance']['stream']}?streams=btcusdt@trade/btcusdt@depth@100ms"
    trades, events = [], []
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as ws:
        while not trades or trades[-1]["T"] - trades[0]["T"] < 100_000:
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
async def test_a_minute_of_trades_is_the_minutes_bar(fast):
    """What the stream told of a minute is the bar that REST tells of it."""
    base = fast.urls()["okx"]
    ask = {"op": "subscribe", "args": [{"channel": "trades-all", "instId": "BTC-USDT"}]}
    trades = []
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(base["business"]) as ws:
            await ws.send_json(ask)
            await ws.receive_json(timeout=10)
            while not trades or trades[-1][0] - trades[0][0] < 200_000:
                row = (await ws.receive_json(timeout=10))["data"][0]
                trades.append((int(row["ts"]), float(row["px"]), float(row["sz"])))
        first = trades[0][0] // 60_000 * 60_000 + 60_000
        query = {"instId": "BTC-USDT", "bar": "1m", "after": first + 120_000, "limit": 2}
        async with session.get(f"{base['rest']}/market/candles", params=query) as answer:
            candles = (await answer.json())["data"]
    for opened, o, h, low, c, volume, *_ in candles:
        inside = [t for t in trades if int(opened) <= t[0] < int(opened) + 60_000]
        prices = [price for _, price, _ in inside]
        assert [prices[0], max(prices), min(prices), prices[-1]] == [
            float(o),
            float(h),
            float(low),
            float(c),
        ]
        assert sum(size for *_, size in inside) == pytest.approx(float(volume))
