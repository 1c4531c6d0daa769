"""One engine with six feeds at once, and what it does when all venues go and come back."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from core.model import commands
from core.model.ids import InstrumentId
from core.model.market import FeedStatus

WATCHED = {
    "binance_usdm": "BTC-USDT-PERP", "okx": "BTC-USDT", "coinbase": "BTC-USD",
    "deribit": "BTC-USD-PERP", "kucoin": "BTC-USDT", "alpaca": "BTC-USD",
}  # fmt: skip
NAMES = [InstrumentId(f"{symbol}.{venue}") for venue, symbol in WATCHED.items()]
PATHS = {"binance_usdm": ("/binancefut", ""), "coinbase": ("/coinbase", "/advanced")}
FAR = InstrumentId("ETH-USDT.okx_far")
SETTINGS = """
mode = "paper"
[engine]
watchlist = {watched}
history_bars = 300
stale_after_s = 5.0
[models.tiny-1m]
enabled = false
"""


def configured(state: dict[str, Any]) -> str:
    text = SETTINGS.format(watched=[str(name) for name in (*NAMES, FAR)])
    for venue in WATCHED:
        rest, stream = PATHS.get(venue, (f"/{venue}", ""))
        host = f"127.0.0.1:{state['port']}{rest}"
        text += f'[feeds.{venue}]\nrest_url = "http://{host}"\nstream_url = "ws://{host}{stream}"\n'
        if venue == "alpaca":
            text += f'api_key = "{state["api_key"]}"\napi_secret = "{state["api_secret"]}"\n'
    return text


def unreachable(state: dict[str, Any], tls_port: int) -> str:
    """Return feeds whose hosts have no name, or a certificate nobody vouches for."""
    rest = f"http://127.0.0.1:{state['port']}/okx"
    return (
        '[feeds.bybit]\nrest_url = "http://nowhere.invalid"\n'
        f'[feeds.kraken]\nrest_url = "https://127.0.0.1:{tls_port}"\n'
        f'[feeds.okx_far]\nkind = "okx"\nrest_url = "{rest}"\n'
        'stream_url = "ws://nowhere.invalid"\n'
    )


@pytest.fixture
def stranger(tls: ssl.SSLContext) -> Iterator[int]:
    """The port of a TLS server with a certificate of its own making; it hears nothing."""
    heard: list[str] = []

    class Heard(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """Say nothing of clients that rightly went away."""

    with Server(("127.0.0.1", 0), Heard) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()
    assert not heard, "it must never be trusted"


@pytest.mark.slow
async def test_six_venues_are_live_at_once_and_come_back_after_all_of_them_went(
    home: Any, stranger: int
) -> None:
    """Three more cannot be reached at all, which is told, and holds nobody up."""
    state = home.start_emulator("--venues=all")
    home.configure(configured(state) + unreachable(state, stranger))
    home.spawn("-m", "clx", "daemon", "run")
    async with home.attach() as client:
        feeds = client.replica.feeds

        def all_are(*wanted: FeedStatus) -> bool:
            return all(name in feeds and feeds[name].status in wanted for name in NAMES)

        await client.until(lambda: all_are(FeedStatus.LIVE), "six venues to be live", 40)

        def told(venue: str, *words: str) -> bool:
            return any(
                venue in alert.source and all(word in alert.text for word in words)
                for alert in client.replica.alerts
            )

        await client.until(
            lambda: told("bybit", "nowhere.invalid", "cannot be resolved", "check the network"),
            "the missing name to be told",
        )
        await client.until(
            lambda: told("kraken", f":{stranger}", "certificate is not trusted", "check the host"),
            "the stranger to be told",
        )
        await client.until(
            lambda: told("okx_far", "ws://nowhere.invalid", "cannot be resolved"),
            "the missing stream to be told",
        )
        # The history each venue was asked for at the start: 24 hours of it in a few points.
        async with asyncio.timeout(20):
            while True:
                found = await client.request(commands.GetSparks(instruments=tuple(NAMES)))
                if all(len(spark.closes_ticks) >= 12 for spark in found):
                    break
                await client.request(commands.GetStatus())
        assert {spark.instrument_id for spark in found} == set(NAMES)
        rows = {row["instrument_id"]: row for row in home.ask("data", "quality")}
        for name in NAMES:
            assert rows[name]["gaps"] == 0, rows[name]
            assert rows[name]["trade_holes"] == 0, rows[name]
            assert rows[name]["frames"] > 0
        home.kill_emulator()
        await client.until(lambda: all_are(FeedStatus.STALE), "all to be stale", 20)
        assert all("disconnected" in feeds[name].reason for name in NAMES)
        home.start_emulator("--venues=all", port=state["port"])
        await client.until(lambda: all_are(FeedStatus.LIVE), "all to be back", 60)
