from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any

import pytest
from aiohttp import web

from core.engine.clock import SystemClock
from core.feeds.coinbase_exchange.dialect import CHANNELS, ExchangeDialect, make_dialect
from core.feeds.coinbase_exchange.history import PAGE
from core.feeds.coinbase_exchange.symbols import parse_products
from core.model.errors import ConfigError, DataError, TemporaryError
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.market import Timeframe
from core.model.settings import FeedSettings

START_S = 1_700_000_040 // 86_400 * 86_400
PRODUCT = {"id": "BTC-USD", "base_currency": "BTC", "quote_currency": "USD",
           "base_increment": "0.001", "quote_increment": "0.01"}  # fmt: skip


class Venue:
    """Serves candles newest first, both ends counting."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.status = 200
        self.body: bytes | None = None

    async def candles(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        self.asked.append(query)
        if self.body is not None:
            return web.Response(body=self.body, status=self.status)
        step = int(query["granularity"])
        start, end = (
            int(datetime.fromisoformat(query[key]).timestamp()) for key in ("start", "end")
        )
        first = -(-start // step) * step
        opens = [open_s for open_s in range(first, end + 1, step) if (open_s // step) % 4]
        assert len(opens) <= 300
        return web.json_response([[open_s, 99, 101.5, 100, 100.5, 2.5] for open_s in opens[::-1]])

    async def products(self, request: web.Request) -> web.Response:
        return web.json_response([PRODUCT, PRODUCT | {"id": "ETH-USD", "base_currency": "ETH"}])

    async def time(self, request: web.Request) -> web.Response:
        return web.json_response({"iso": "x", "epoch": 1786309548.1})


@pytest.fixture
def venue() -> Venue:
    return Venue()


@pytest.fixture
async def dialect(
    venue: Venue, serve: Callable[[dict[str, Any]], Awaitable[str]]
) -> AsyncIterator[ExchangeDialect]:
    url = await serve(
        {
            "/products/BTC-USD/candles": venue.candles,
            "/products": venue.products,
            "/time": venue.time,
        }
    )
    made = make_dialect(FeedSettings(rest_url=url), clock=SystemClock())
    yield made
    await made.close()


@pytest.fixture
def btc() -> Instrument:
    body = json.dumps(PRODUCT).encode()
    return parse_products(body, VenueName("coinbase_exchange")).instruments[0]


async def test_words_and_addresses(dialect: ExchangeDialect, btc: Instrument) -> None:
    (joined,) = dialect.subscribe("", [btc])
    assert json.loads(joined) == {
        "type": "subscribe", "product_ids": ["BTC-USD"], "channels": list(CHANNELS),
    }  # fmt: skip
    assert json.loads(dialect.unsubscribe("", [btc])[0])["type"] == "unsubscribe"
    away, back = (json.loads(message) for message in dialect.rejoin("", btc))
    assert (away["type"], back["type"], back["channels"]) == (
        "unsubscribe", "subscribe", ["level2_batch"],
    )  # fmt: skip
    clock = SystemClock()
    sandbox = make_dialect(FeedSettings(environment="testnet"), clock=clock)
    assert "sandbox" in await sandbox.address("")
    with pytest.raises(ConfigError, match="live, testnet"):
        make_dialect(FeedSettings(environment="demo"), clock=clock)


async def test_listing_teaches_the_decoder_and_gives_its_words_to_a_tape(
    dialect: ExchangeDialect,
) -> None:
    listed = await dialect.listing()
    assert [item.venue_symbol for item in listed] == ["BTC-USD", "ETH-USD"]
    words = dialect.listing_of(listed[1:])
    assert words is not None
    fresh = make_dialect(FeedSettings(), clock=SystemClock()).decoder
    assert not fresh.decode("http", 0, 1, words.url, words.body)
    assert list(fresh.instruments) == ["ETH-USD"]
    answer = await dialect.server_time()
    assert answer is not None
    asked_ns = 1786309548_000_000_000
    (sample,) = fresh.decode("http", 0, asked_ns, f"{answer.url}#asked_ns={asked_ns}", answer.body)
    assert sample.offset_ns == 100_000_000


async def test_pages_of_history_join_to_every_bar_once(
    dialect: ExchangeDialect, venue: Venue, btc: Instrument
) -> None:
    count = 2 * PAGE + 30
    start_ns = START_S * 1_000_000_000
    bars = await dialect.history(btc, Timeframe.M1, start_ns, start_ns + count * Timeframe.M1.ns)
    opens = [START_S + step * 60 for step in range(count)]
    assert [bar.ts_open_ns // 1_000_000_000 for bar in bars] == [
        open_s for open_s in opens if (open_s // 60) % 4
    ]
    assert len(venue.asked) == 3
    first = bars[0]
    assert (first.open_ticks, first.high_ticks, first.low_ticks, first.close_ticks) == (
        10000, 10150, 9900, 10050,
    )  # fmt: skip
    four = await dialect.history(btc, Timeframe.H4, start_ns, start_ns + Timeframe.H4.ns)
    assert [bar.volume_lots for bar in four] == [7500]
    with pytest.raises(ConfigError, match="no 5s bars"):
        await dialect.history(btc, Timeframe.S5, 0, 1)


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (429, b"slow down", TemporaryError, "429"),
        (404, b'{"message":"NotFound"}', DataError, "not listed"),
        (200, b"<html>blocked</html>", DataError, "web page"),
        (503, b"", TemporaryError, "503"),
        (200, b'[[60,"x"]]', DataError, "bars of"),
        (200, b"[[61,1,1,1,1,1]]", DataError, "multiples"),
        (200, b"[[60,5,1,1,1,1]]", DataError, "enclose"),
    ],
)
async def test_bad_answer_is_temporary_or_definite_and_says_what_it_was(
    dialect: ExchangeDialect, venue: Venue, btc: Instrument,
    status: int, body: bytes, error: type[Exception], words: str,
) -> None:  # fmt: skip
    venue.status, venue.body = status, body
    with pytest.raises(error, match=words):
        await dialect.history(btc, Timeframe.M1, 0, 10 * Timeframe.M1.ns)
