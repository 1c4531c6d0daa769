"""A running emulator, and third-party clients pointed at it by their URLs alone."""

import asyncio
import hashlib
import hmac
import json
import time
from urllib.parse import urlencode

import aiohttp
import pytest

from emulator.app import Emulator
from emulator.clock import WallClock

KEY = "k" * 32
SECRET = "s" * 32
TOKEN = "control"


class Client:
    """A bare signed HTTP client, so that the tests decide every byte that is sent."""

    def __init__(self, emulator, session):
        self.emulator = emulator
        self.session = session
        self.url = f"http://127.0.0.1:{emulator.port}"
        self.ws_url = f"ws://127.0.0.1:{emulator.port}"
        self.headers = {}

    async def public(self, path, **params):
        return await self._read("GET", f"/api/v3/{path}?{urlencode(params)}", {})

    async def signed(self, method, path, *, secret=SECRET, key=KEY, at_ms=None, **params):
        if at_ms is not False:
            params["timestamp"] = at_ms or self.emulator.venue.now_ms()
        query = urlencode(params)
        signature = hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        headers = {"X-MBX-APIKEY": key} if key else {}
        return await self._read(method, f"/api/v3/{path}?{query}&signature={signature}", headers)

    async def order(self, **params):
        return await self.signed("POST", "order", **params)

    async def control(self, method, path, body=None, *, token=TOKEN):
        async with self.session.request(
            method, f"{self.url}/_ctl/{path}", json=body, headers={"X-Clx-Control": token}
        ) as answer:
            return answer.status, await answer.json()

    async def arm(self, kind, **more):
        status, _ = await self.control("POST", "faults", {"kind": kind, **more})
        assert status == 200

    @property
    def venue(self):
        return next(iter(self.emulator.venues))

    async def get(self, path="", *, venue=None, base="rest", method="GET", json=None, **params):
        """Ask a venue's REST; status and answer."""
        url = self.emulator.urls()[venue or self.venue][base] + path
        async with self.session.request(method, url, params=params, json=json) as answer:
            self.headers = answer.headers
            return answer.status, await answer.json(content_type=None)

    async def truth(self, symbol, venue=None):
        """Let the market stand still and tell the true book."""
        await self.control("POST", "flow", {"on": False})
        query = f"book?venue={venue or self.venue}&symbol={symbol}"
        return (await self.control("GET", query))[1]

    async def _read(self, method, path, headers):
        from yarl import URL

        url = URL(self.url + path, encoded=True)
        async with self.session.request(method, url, headers=headers) as answer:
            self.headers = answer.headers
            return answer.status, await answer.json()


class Socket:
    """A WebSocket connection that speaks JSON and fails a test that waits in vain."""

    def __init__(self, ws):
        self.ws = ws

    async def say(self, message):
        await self.ws.send_str(message if isinstance(message, str) else json.dumps(message))

    async def hear(self, timeout=10):
        message = await self.ws.receive(timeout=timeout)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        return json.loads(message.data) if message.data[:1] in "[{" else message.data

    async def until(self, wanted, most=2_000):
        """Read until a message is what is wanted."""
        for _ in range(most):
            if wanted(message := await self.hear()):
                return message
        raise AssertionError("it never came")

    async def end(self, most=5_000):
        """Read to the end; the close code."""
        for _ in range(most):
            message = await self.ws.receive(timeout=10)
            if message.type is not aiohttp.WSMsgType.TEXT:
                return self.ws.close_code
        raise AssertionError("it never ended")


@pytest.fixture
async def emulator():
    running = Emulator(seed=7, api_key=KEY, api_secret=SECRET, control_token=TOKEN, history_days=30)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def world(request):
    """A running emulator of the test's `venue`, or of those its module names in VENUES.

    Its time goes fast, so that what a test waits for comes sooner, unless its module names a SPEED,
    or one by venue: whoever signs with the time of day soon signs in the past.
    """
    params = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    venues = (params["venue"],) if "venue" in params else request.module.VENUES
    speed = getattr(request.module, "SPEED", 5.0)
    running = Emulator(
        seed=7,
        api_key=KEY,
        api_secret=SECRET,
        control_token=TOKEN,
        history_days=10,
        venues=venues,
        clock=WallClock(speed=speed.get(venues[0], 5.0) if isinstance(speed, dict) else speed),
    )
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def remote(world):
    """A client of those venues, and of their control."""
    async with aiohttp.ClientSession() as session:
        yield Client(world, session)


@pytest.fixture
async def talk(remote):
    """Open WebSocket connections to one of the venue's URLs; they are closed at the end."""
    sockets = []

    async def connect(base="ws", path="", venue=None, **more):
        url = remote.emulator.urls()[venue or remote.venue][base] + path
        sockets.append(Socket(await remote.session.ws_connect(url, **more)))
        return sockets[-1]

    yield connect
    for socket in sockets:
        await socket.ws.close()


@pytest.fixture
async def client(emulator):
    async with aiohttp.ClientSession() as session:
        yield Client(emulator, session)


@pytest.fixture
async def still(client):
    """A client of a market that stands still, so that fills are the test's alone."""
    await client.control("POST", "flow", {"on": False})
    return client


@pytest.fixture
def until():
    """Wait for a condition by yielding to the loop, within a bound."""

    async def wait(condition, within_s=10.0):
        end = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < end, "it did not come true in time"
            await asyncio.sleep(0.01)

    return wait
