"""Every fault there is, at every venue, with clients listening: the venue goes on."""

import asyncio
import contextlib
import json
import time

import aiohttp
import pytest

from emulator.app import Emulator
from emulator.clock import MS, VirtualClock
from emulator.faults import (
    COUNTED_FAULTS,
    INSTANT_FAULTS,
    OF_ANY_SYMBOL,
    REST_FAULTS,
    STREAM_FAULTS,
    SUBSCRIBE_FAULTS,
)

VENUES = ("binance", "binancefut", "okx", "kucoin", "coinbase", "alpaca", "deribit")
KEYS = {"key": "k" * 32, "secret": "s" * 32}
VALUES = {
    "stall_streams": 0.05,
    "slow_reader": 0.05,
    "no_pong": 0.05,
    "refuse_connections": 0.05,
    "timeout": 0.05,
    "delay_ms": 1,
    "latency_ms": 1,
    "tick_size": 5,
    "fragment_frames": 50,
    "oversized_frame": 1_000_000,
    "weight_limit": 6_000,
    "server_shutdown": 0.05,
    "clock_skew_ms": 100,
    "stale_depth_ms": 100,
}
SYMBOLS = {
    "binance": "ETHUSDT",
    "binancefut": "ETHUSDT",
    "okx": "ETH-USDT",
    "kucoin": "ETH-USDT",
    "coinbase": "ETH-USD",
    "alpaca": "AAPL",
    "deribit": "ETH-PERPETUAL",
}
WELCOMES = ("kucoin", "alpaca")
"""Venues that greet a connection."""
PATHS = {
    "binance": "/time",
    "binancefut": "/time",
    "okx": "/public/time",
    "kucoin": "/api/v1/timestamp",
    "coinbase": "/time",
    "alpaca": "/v1beta3/crypto/us/latest/quotes?symbols=BTC/USD",
    "deribit": "/public/get_time",
}


@pytest.fixture
async def world(venue):
    """A running venue whose time moves in steps: a busy machine makes it slow, and never behind."""
    clock = VirtualClock(time.time_ns())
    running = Emulator(
        seed=7,
        api_key=KEYS["key"],
        api_secret=KEYS["secret"],
        control_token="control",
        history_days=10,
        venues=(venue,),
        clock=clock,
    )

    async def step():
        while True:
            await asyncio.sleep(0.005)
            clock.advance(25 * MS)

    await running.start()
    steps = asyncio.create_task(step())
    yield running
    await ended(steps)
    await running.stop()


def listening(venue, urls, symbol):
    """Return a URL and what to say there to hear nearly everything of a symbol."""
    lower = symbol.lower()
    kinds = ("depth@100ms", "depth", "depth5@100ms", "trade", "aggTrade", "bookTicker", "ticker")
    streams = [f"{lower}@{kind}" for kind in (*kinds, "kline_1m", "markPrice@1s")]
    channels = ("books", "books5", "bbo-tbt", "trades", "tickers", "price-limit")
    topics = ("level2", "match", "ticker", "candles")
    match venue:
        case "binance":
            return urls["stream"], [{"method": "SUBSCRIBE", "params": streams, "id": 1}]
        case "binancefut":
            ask = {"method": "SUBSCRIBE", "params": [*streams, "!forceOrder@arr"], "id": 1}
            return f"{urls['public']}/stream", [ask]
        case "okx":
            args = [{"channel": channel, "instId": symbol} for channel in channels]
            args += [{"channel": "instruments", "instType": "SPOT"}]
            return urls["public"], [{"op": "subscribe", "args": args}]
        case "kucoin":
            return urls["ws"], [
                {
                    "id": "1",
                    "type": "subscribe",
                    "topic": f"/market/{topic}:{symbol}" + ("_1min" if topic == "candles" else ""),
                }
                for topic in topics
            ]
        case "coinbase":
            names = ("level2", "market_trades", "ticker", "candles", "heartbeats", "status")
            return urls["ws"], [
                {"type": "subscribe", "channel": name, "product_ids": [symbol]} for name in names
            ]
        case "alpaca":
            every = {name: ["*"] for name in ("trades", "quotes", "bars", "dailyBars", "statuses")}
            return urls["stock"], [{"action": "auth", **KEYS}, {"action": "subscribe", **every}]
        case _:
            kinds = ("book.{}.100ms", "trades.{}.100ms", "ticker.{}.100ms", "quote.{}")
            names = [kind.format(symbol) for kind in kinds]
            names += [f"book.{symbol}.none.10.100ms", f"chart.trades.{symbol}.1", "platform_state"]
            names += ["instrument.state.any.any", f"incremental_ticker.{symbol}"]
            ask = {"method": "public/subscribe", "params": {"channels": names}}
            return urls["ws"], [{"jsonrpc": "2.0", "id": 1, **ask}]


async def listen(remote, venue, symbol, heard):
    """Connect, subscribe and read for ever; connect again whenever it ends."""
    venue_urls = remote.emulator.urls()[venue]
    while True:
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            url, messages = listening(venue, venue_urls, symbol)
            if venue == "kucoin":
                token = remote.emulator.venues[venue].issue()
                url += f"?token={token}&connectId=1"
            async with remote.session.ws_connect(url, max_msg_size=1 << 25) as ws:
                for message in messages:
                    await ws.send_str(json.dumps(message))
                while (await ws.receive()).type is aiohttp.WSMsgType.TEXT:
                    heard[0] += 1
        await asyncio.sleep(0.05)


async def ended(task):
    """Cancel a task and wait until it is over."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def answered(ask):
    """Ask, again when connections are refused on purpose for a moment."""
    for _ in range(100):
        with contextlib.suppress(aiohttp.ClientError):
            return await ask()
        await asyncio.sleep(0.02)
    raise AssertionError("nobody answers")


async def control(remote, method, path, body=None):
    """Ask the control."""
    return await answered(lambda: remote.control(method, path, body))


async def asked(remote, url):
    """Return the status of a venue's answer."""

    async def get():
        async with remote.session.get(url) as answer:
            return answer.status

    return await answered(get)


async def knock(remote, url):
    """Ask once, whatever the answer."""
    with contextlib.suppress(aiohttp.ClientError):
        async with remote.session.get(url) as answer:
            await answer.read()


@pytest.mark.parametrize("venue", VENUES)
async def test_every_fault_leaves_the_venue_standing(remote, until, venue):
    running, symbol, heard = remote.emulator, SYMBOLS[venue], [0]
    for limited in ("connects_a_second", "connects_a_minute"):
        if hasattr(running.venues[venue], limited):
            setattr(running.venues[venue], limited, 1_000)
    url = running.urls()[venue]["rest"] + PATHS[venue]
    faults = running.venues[venue].faults
    listener = asyncio.create_task(listen(remote, venue, symbol, heard))
    try:
        await until(lambda: heard[0] > 3)
        for kind in (*COUNTED_FAULTS, *INSTANT_FAULTS):
            fault = {"kind": kind, "value": VALUES.get(kind, 0)}
            fault["symbol"] = "" if kind in OF_ANY_SYMBOL else symbol
            fault["text"] = "NEW-NAME" if kind == "rename" else ""
            for channel in ("", "trade", "quote") if kind in STREAM_FAULTS else ("",):
                body = {**fault, "channel": channel}
                status, answer = await control(remote, "POST", "faults", body)
                assert status == 200 or f"{venue} has no {kind}" in answer["error"], answer
            if kind in REST_FAULTS:
                await knock(remote, url)
            elif kind in SUBSCRIBE_FAULTS and (kind != "no_welcome" or venue in WELCOMES):
                await ended(listener)
                listener = asyncio.create_task(listen(remote, venue, symbol, heard))
                await until(lambda kind=kind: kind in {row.kind for row in faults.log})
            undone = {
                "rename": {"symbol": "NEW-NAME", "text": symbol},
                "halt": {"symbol": symbol, "value": 1},
                "delist": {"symbol": symbol, "value": 1},
                "fragment_frames": {},
                "slow_writer": {},
            }
            if kind in undone:
                body = {"kind": kind, **undone[kind]}
                assert (await control(remote, "POST", "faults", body))[0] == 200
            assert not running._driver.done(), kind
        # Who subscribed while the symbol was gone was refused it, and waits on heartbeats alone.
        await ended(listener)
        listener = asyncio.create_task(listen(remote, venue, symbol, heard))
        assert set(REST_FAULTS) <= {row.kind for row in faults.log}
        await until(lambda: set(STREAM_FAULTS) <= {row.kind for row in faults.log}, 60.0)
        await control(remote, "DELETE", "faults")
        before = heard[0]
        await until(lambda: heard[0] > before + 3)
        assert not running._driver.done()
        assert await asked(remote, url) == 200
    finally:
        await ended(listener)
