from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from api.udp import MAX_SYMBOLS, MAX_TOLD, UdpPublisher
from core.engine.clock import SimClock
from core.model.errors import ConfigError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import FeedStatus
from core.model.settings import UdpSettings
from core.model.views import QuoteLine


def item(symbol: str, venue: str = "binance") -> Instrument:
    base, _, quote = symbol.partition("-")
    return Instrument(
        id=InstrumentId(f"{symbol}.{venue}"), venue=VenueName(venue),
        venue_symbol=symbol.replace("-", ""), base=base, quote=quote,
        price_tick=Decimal("0.01"), size_lot=Decimal("0.001"),
    )  # fmt: skip


class Market:
    """Prices that the test moves."""

    def __init__(self, *items: Instrument) -> None:
        self.items = {item.id: item for item in items}
        self.last = dict.fromkeys(self.items, 6_183_764)
        self.status = dict.fromkeys(self.items, FeedStatus.LIVE)

    def watched(self) -> list[InstrumentId]:
        return list(self.items)

    def instrument(self, name: InstrumentId) -> Instrument:
        if name not in self.items:
            raise ConfigError(f"unknown instrument {name!r}")
        return self.items[name]

    def line(self, name: InstrumentId) -> QuoteLine:
        if name not in self.items:
            raise ConfigError(f"unknown instrument {name!r}")
        last = self.last[name]
        return QuoteLine(
            instrument_id=name, bid_ticks=last - 1, ask_ticks=last + 1, last_ticks=last,
            open_24h_ticks=0, high_24h_ticks=0, low_24h_ticks=0, volume_24h_lots=1_234_500,
            status=self.status[name], ts_event_ns=1_723_075_200_123_456_789, age_ms=5,
        )  # fmt: skip


class Client(asyncio.DatagramProtocol):
    """A program on a socket of its own."""

    def __init__(self) -> None:
        self.prices: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.prices.put_nowait(json.loads(data))

    def send(self, message: object) -> None:
        self.transport.sendto(
            message if isinstance(message, bytes) else json.dumps(message).encode()
        )

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            return await self.prices.get()


@pytest.fixture
def clock() -> SimClock:
    return SimClock(1_723_075_200_000_000_000)


@pytest.fixture
def market() -> Market:
    return Market(item("BTC-USDT"), item("ETH-USDT"), item("BTC-USD", "coinbase"))


Running = Callable[..., AbstractAsyncContextManager[UdpPublisher]]


@pytest.fixture
def running(market: Market, clock: SimClock) -> Running:
    @asynccontextmanager
    async def run(**settings: Any) -> AsyncIterator[UdpPublisher]:
        table = UdpSettings(**{"port": 0, "every_ms": 10, **settings})
        publisher = UdpPublisher(table, market, clock=clock)
        task = asyncio.create_task(publisher.run())
        waiting = asyncio.create_task(publisher.ready.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            waiting.cancel()
            task.result()
        yield publisher
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    return run


@pytest.fixture
async def connect() -> AsyncIterator[Callable[[UdpPublisher], Any]]:
    made: list[Client] = []

    async def open_client(publisher: UdpPublisher) -> Client:
        _, client = await asyncio.get_running_loop().create_datagram_endpoint(
            Client, remote_addr=publisher.address
        )
        made.append(client)
        return client

    yield open_client
    for client in made:
        client.transport.close()


async def until(ready: Callable[[], bool]) -> None:
    loop = asyncio.get_running_loop()
    end_s = loop.time() + 10
    while not ready():
        assert loop.time() < end_s, "it did not come true in time"
        await asyncio.sleep(0.005)


async def test_a_price_comes_when_asked_for_and_at_each_change(running, connect, market):
    async with running() as publisher:
        client = await connect(publisher)
        client.send({"action": "start", "symbol": "BTC"})
        assert await client.next() == {
            "symbol": "BTC", "price": 61837.64, "volume": 1234.5, "bid": 61837.63, "ask": 61837.65,
            "timestamp": 1723075200123, "exchange": "binance",
        }  # fmt: skip
        market.last[InstrumentId("BTC-USDT.binance")] += 100
        assert (await client.next())["price"] == 61838.64
        assert publisher.stats.sent == 2


async def test_loopback_is_where_it_listens_unless_told(running):
    assert UdpSettings().host == "127.0.0.1"
    assert (UdpSettings().enabled, UdpSettings().port) == (False, 8888)
    async with running() as publisher:
        assert publisher.address[0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("symbol", "exchange"),
    [("btc", "binance"), ("BTC/USDT", "binance"), ("BTC-USD", "coinbase"),
     ("btc-usd.coinbase", "coinbase"), ("ETH", "binance"), ("ethusdt", "binance")],
)  # fmt: skip
async def test_a_symbol_means_the_first_followed_that_it_names(running, connect, symbol, exchange):
    async with running() as publisher:
        client = await connect(publisher)
        client.send({"action": "start", "symbol": symbol})
        price = await client.next()
        assert (price["symbol"], price["exchange"]) == (symbol, exchange)


async def test_after_stop_nothing_more_comes(running, connect, market):
    async with running() as publisher:
        client = await connect(publisher)
        client.send({"action": "start", "symbol": "BTC"})
        client.send({"action": "start", "symbol": "ETH"})
        assert {(await client.next())["symbol"], (await client.next())["symbol"]} == {"BTC", "ETH"}
        client.send({"action": "stop", "symbol": "BTC"})
        market.last[InstrumentId("BTC-USDT.binance")] += 1
        market.last[InstrumentId("ETH-USDT.binance")] += 1
        assert (await client.next())["symbol"] == "ETH"
        client.send({"action": "stop", "symbol": "ETH"})
        await until(lambda: publisher.clients == 0)
        assert client.prices.empty()


async def test_prices_that_cannot_be_trusted_are_not_sent(running, connect, market):
    name = InstrumentId("BTC-USDT.binance")
    market.status[name] = FeedStatus.STALE
    async with running() as publisher:
        client = await connect(publisher)
        client.send({"action": "start", "symbol": "BTC"})
        client.send({"action": "start", "symbol": "ETH"})
        assert (await client.next())["symbol"] == "ETH"
        market.status[name] = FeedStatus.LIVE
        assert (await client.next())["symbol"] == "BTC"


async def test_what_is_no_request_is_counted_and_harms_nobody(running, connect):
    bad = [
        b"{", b"\xff\xfe", b"[]", b'{"action":"start"}', b'{"action":"start","symbol":5}',
        b'{"action":"fly","symbol":"BTC"}', b'{"action":"start","symbol":""}', b"x" * 1500,
        b"[" * 900, b'{"action":"start","symbol":"' + b"A" * 65 + b'"}',
    ]  # fmt: skip
    async with running() as publisher:
        client = await connect(publisher)
        for data in bad:
            client.send(data)
        client.send({"action": "start", "symbol": "NOPE"})
        client.send({"action": "stop", "symbol": "BTC"})
        client.send({"action": "start", "symbol": "BTC"})
        assert (await client.next())["symbol"] == "BTC"
        assert publisher.stats.malformed == len(bad)
        assert publisher.stats.unknown == 1


async def test_the_user_is_told_once_of_a_symbol_that_is_not_followed(market, clock):
    told: list[str] = []
    publisher = UdpPublisher(UdpSettings(port=0), market, clock=clock, told=told.append)
    for symbol in ("DOGE", "DOGE", *(f"X{number}" for number in range(100))):
        request = json.dumps({"action": "start", "symbol": symbol}).encode()
        publisher.datagram_received(request, ("127.0.0.1", 5000))
    assert told[0] == (
        "127.0.0.1:5000 asks for prices of 'DOGE', which is not followed: add it to the watchlist"
    )
    assert len(told) == len(set(told)) == MAX_TOLD
    assert publisher.stats.unknown == 102


async def test_a_client_that_is_gone_is_dropped_when_the_network_says_so(running, connect, market):
    async with running() as publisher:
        stays, goes = await connect(publisher), await connect(publisher)
        for client in (stays, goes):
            client.send({"action": "start", "symbol": "BTC"})
            await client.next()
        goes.transport.close()

        def moved() -> bool:
            market.last[InstrumentId("BTC-USDT.binance")] += 1
            return publisher.clients == 1

        await until(moved)
        assert publisher.stats.dead == 1
        assert (await stays.next())["symbol"] == "BTC"


async def test_a_client_that_asks_nothing_for_too_long_is_dropped(running, connect, clock, market):
    async with running(client_timeout_s=60) as publisher:
        silent, speaks = await connect(publisher), await connect(publisher)
        for client in (silent, speaks):
            client.send({"action": "start", "symbol": "BTC"})
            await client.next()
        clock.advance(40 * 10**9)
        speaks.send({"action": "start", "symbol": "BTC"})
        assert (await speaks.next())["symbol"] == "BTC"
        clock.advance(40 * 10**9)
        await until(lambda: publisher.clients == 1)
        market.last[InstrumentId("BTC-USDT.binance")] += 1
        assert (await speaks.next())["price"] == 61837.65
        assert publisher.stats.dead == 1


async def test_more_clients_than_allowed_are_refused(running, connect):
    async with running(max_clients=1) as publisher:
        first, second = await connect(publisher), await connect(publisher)
        first.send({"action": "start", "symbol": "BTC"})
        await first.next()
        second.send({"action": "start", "symbol": "BTC"})
        await until(lambda: publisher.stats.refused == 1)
        assert publisher.clients == 1


async def test_one_client_may_follow_so_many_symbols_and_no_more(running, connect):
    async with running() as publisher:
        client = await connect(publisher)
        name = "BTC-USDT.binance"
        for at in range(300):
            letters = (
                letter.upper() if at >> bit & 1 else letter.lower()
                for bit, letter in enumerate(name.replace("-", "").replace(".", ""))
            )  # fmt: skip
            spelt = "".join(letters)
            symbol = f"{spelt[:3]}-{spelt[3:7]}.{spelt[7:]}"
            client.send({"action": "start", "symbol": symbol})
            await asyncio.sleep(0)
        await until(lambda: publisher.stats.refused == 300 - MAX_SYMBOLS)
        assert publisher.clients == 1


async def test_an_instrument_no_longer_followed_is_silence_not_an_error(running, connect, market):
    async with running() as publisher:
        client = await connect(publisher)
        client.send({"action": "start", "symbol": "ETH"})
        await client.next()
        del market.items[InstrumentId("ETH-USDT.binance")]
        client.send({"action": "start", "symbol": "BTC"})
        assert (await client.next())["symbol"] == "BTC"


async def test_a_taken_port_says_what_to_do(running):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ConfigError, match="another program has it; choose another port"):
            async with running(port=taken.getsockname()[1]):
                pass


async def test_a_host_that_is_none_of_ours_is_refused(running):
    with pytest.raises(ConfigError, match="cannot be had"):
        async with running(host="192.0.2.1"):
            pass
