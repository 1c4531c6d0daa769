"""The feeds without recorded captures pass the conformance suite on tapes made here.

Alpaca's and ccxt's are recorded from the emulator; Massive's and Twelve Data's are made of the
messages their documentation shows, at the time of the tape.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from core.engine.clock import SystemClock
from core.feeds.ccxt_pro.feed import CcxtFeed
from core.feeds.conformance.checks import CHECKS, judge
from core.feeds.conformance.subject import Subject
from core.feeds.registry import make_decoder, make_dialect
from core.feeds.stream import StreamFeed
from core.model.ids import VenueName
from core.model.market import Trade
from core.model.settings import FeedSettings

SECRET = SecretStr("conformance-secret")
NOW_MS = 1_723_075_200_000
FRAMES = 60


class Recorder:
    """Writes frames as captures have them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[str] = []
        self.grew = asyncio.Event()

    def __call__(self, kind: str, conn: int, ts_recv_ns: int, url: str, data: bytes, /) -> None:
        head = {"t": kind, "ts_ns": ts_recv_ns, "conn": conn, "url": url}
        text = json.dumps(head)[:-1]
        body = f'"msg":{data.decode()}' if data[:1] in b"[{" and data else '"text":""'
        self.lines.append(f"{text},{body}}}")
        self.grew.set()

    def write(self) -> Path:
        self.path.write_text("\n".join(self.lines) + "\n")
        return self.path


async def record(feed: Any, names: list[str], path: Path) -> Path:
    """Follow some instruments for so many frames, trades of each among them."""
    recorder = Recorder(path)
    left = set(names)

    def sink(*frame: Any) -> None:
        recorder(*frame)
        for event in feed.decoder.decode(*frame):
            if isinstance(event, Trade):
                left.discard(event.instrument_id)

    feed.subscribe(names)
    task = asyncio.create_task(feed.run(sink))
    try:
        async with asyncio.timeout(30):
            while left or len(recorder.lines) < FRAMES:
                recorder.grew.clear()
                await recorder.grew.wait()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return recorder.write()


def settings(**more: Any) -> FeedSettings:
    return FeedSettings(api_key=SECRET, api_secret=SECRET, passphrase=SECRET, **more)


def dialect_of(kind: str, **more: Any) -> Callable[[], Any]:
    return lambda: make_dialect(
        VenueName(kind), settings(**more), clock=SystemClock(), data=Path("/nowhere")
    )


def flaws(subject: Subject) -> list[Any]:
    return [flaw for check in CHECKS for flaw in judge(check, subject)]


async def test_alpaca_conforms(emulated: Any, tmp_path: Path) -> None:
    rest = (await emulated("alpaca")).urls()["alpaca"]["rest"]
    keys = {"api_key": SecretStr("k"), "api_secret": SecretStr("s")}
    live = FeedSettings(rest_url=rest, stream_url=rest.replace("http", "ws"), **keys)
    dialect = make_dialect(VenueName("alpaca"), live, clock=SystemClock(), data=tmp_path)
    feed = StreamFeed(dialect, clock=SystemClock(), rng=random.Random(1))
    tape = await record(feed, ["AAPL-USD.alpaca", "BTC-USD.alpaca"], tmp_path / "tape.jsonl")
    subject = Subject(lambda: make_decoder("alpaca"), tape, dialect_of("alpaca"))
    assert flaws(subject) == []


async def test_ccxt_conforms(emulated: Any, tmp_path: Path) -> None:
    venue = await emulated("binance")
    host = f"127.0.0.1:{venue.port}"
    feed = CcxtFeed(
        FeedSettings(plan="spot", rest_url=f"http://{host}", stream_url=f"ws://{host}/stream"),
        clock=SystemClock(), rng=random.Random(1), venue=VenueName("ccxt:binance"),
        exchange="binance",
    )  # fmt: skip
    tape = await record(feed, ["BTC-USDT.ccxt:binance"], tmp_path / "tape.jsonl")
    assert flaws(Subject(lambda: make_decoder("ccxt:binance"), tape)) == []


def made(kind: str, path: Path, listing: tuple[str, object], messages: list[object]) -> Path:
    """Write a tape: listing, connection, the dialect's own request, messages of a second each."""
    recorder = Recorder(path)
    now_ns = NOW_MS * 10**6
    url, body = listing
    recorder("http", 0, now_ns, url, json.dumps(body).encode())
    recorder("connect", 0, now_ns, "wss://stream", b"")
    decoder = make_decoder(kind)
    decoder.decode("http", 0, now_ns, url, json.dumps(body).encode())
    dialect = dialect_of(kind)()
    items = list(decoder.instruments.values())
    for route in dict.fromkeys(route for item in items for route in dialect.routes(item)):
        mine = [item for item in items if route in dialect.routes(item)]
        for text in dialect.subscribe(route, mine):
            recorder("send", 0, now_ns, "", text.encode())
    for at, message in enumerate(messages):
        recorder("recv", 0, now_ns + at * 10**9, "", json.dumps(message).encode())
    return recorder.write()


def test_massive_conforms(tmp_path: Path) -> None:
    listing = {"status": "OK", "results": [
        {"ticker": "MSFT", "market": "stocks", "currency_name": "usd"},
        {"ticker": "X:BTCUSD", "market": "crypto", "currency_symbol": "USD",
         "base_currency_symbol": "BTC"}]}  # fmt: skip
    messages: list[object] = []
    for at in range(30):
        t = NOW_MS + at * 1000
        messages.append(
            [{"ev": "T", "sym": "MSFT", "x": 4, "i": str(at), "z": 3, "p": 114.125 + at / 100,
              "s": 100, "c": [0, 12], "t": t, "q": at},
             {"ev": "Q", "sym": "MSFT", "bx": 4, "bp": 114.12, "bs": 100, "ax": 7, "ap": 114.13,
              "as": 160, "c": 0, "i": [604], "t": t, "q": at, "z": 3}]
        )  # fmt: skip
        messages.append(
            [{"ev": "XT", "pair": "BTC-USD", "p": 33021.9, "t": t, "s": 0.01616617, "c": [2],
              "i": 14272084 + at, "x": 3, "r": t},
             {"ev": "XQ", "pair": "BTC-USD", "bp": 33052.79, "bs": 0.48, "ap": 33073.19,
              "as": 0.601, "t": t, "x": 1, "r": t}]
        )  # fmt: skip
    url = "https://api.massive.com/v3/reference/tickers"
    tape = made("massive", tmp_path / "tape.jsonl", (url, listing), messages)
    assert flaws(Subject(lambda: make_decoder("massive"), tape, dialect_of("massive"))) == []


def test_twelvedata_conforms(tmp_path: Path) -> None:
    listing = {
        "/stocks": {"data": [{"symbol": "AAPL", "currency": "USD"}]},
        "/forex_pairs": {"data": [{"symbol": "EUR/USD", "currency_group": "x"}]},
    }
    messages: list[object] = []
    for at in range(30):
        t = NOW_MS // 1000 + at
        messages.append({"event": "price", "symbol": "AAPL", "currency": "USD", "timestamp": t,
                         "price": 150.25 + at, "day_volume": 12345678})  # fmt: skip
        messages.append({"event": "price", "symbol": "EUR/USD", "timestamp": t, "price": 1.1245,
                         "bid": 1.1244, "ask": 1.1246})  # fmt: skip
    url = "https://api.twelvedata.com/listings"
    tape = made("twelvedata", tmp_path / "tape.jsonl", (url, listing), messages)
    assert flaws(Subject(lambda: make_decoder("twelvedata"), tape, dialect_of("twelvedata"))) == []


@pytest.mark.parametrize("kind", ["alpaca", "massive", "twelvedata", "alphavantage"])
def test_secrets_stay_out_of_what_is_taped(kind: str) -> None:
    dialect = dialect_of(kind)()
    for route in ("", "stocks", "crypto"):
        for message in dialect.opening(route):
            assert "conformance-secret" not in dialect.redacted(message)
