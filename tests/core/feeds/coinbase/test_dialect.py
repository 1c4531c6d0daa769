from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from core.engine.clock import SystemClock
from core.feeds.coinbase.dialect import CHANNELS, CoinbaseDialect, make_dialect
from core.feeds.coinbase.history import PAGE
from core.feeds.coinbase.symbols import parse_products
from core.model.errors import ConfigError, DataError, TemporaryError
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.market import Timeframe
from core.model.settings import FeedSettings

START_S = 1_700_000_040 // 86_400 * 86_400
STEPS = {"ONE_MINUTE": 60, "FIVE_MINUTE": 300, "ONE_HOUR": 3600, "ONE_DAY": 86_400}


def product(symbol: str) -> dict[str, Any]:
    return {"product_id": symbol, "base_increment": "0.001", "quote_increment": "0.01",
            "base_currency_id": symbol[:3], "quote_currency_id": "USD"}  # fmt: skip


class Venue:
    """Serves candles newest first, both ends of the question counting, none without a trade."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.status = 200
        self.body: bytes | None = None

    async def candles(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        self.asked.append(query)
        if self.body is not None:
            return web.Response(body=self.body, status=self.status)
        step = STEPS[query["granularity"]]
        first = -(-int(query["start"]) // step) * step
        opens = [open_s for open_s in range(first, int(query["end"]) + 1, step)
                 if (open_s // step) % 4][::-1][: int(query["limit"])]  # fmt: skip
        return web.json_response(
            {
                "candles": [
                    {"start": str(open_s), "low": "99", "high": "101.5", "open": "100",
                     "close": "100.5", "volume": "2.5"}
                    for open_s in opens
                ]
            }
        )  # fmt: skip

    async def products(self, request: web.Request) -> web.Response:
        cursor = request.query.get("cursor", "")
        symbol, pages = ("ETH-USD", {}) if cursor else (
            "BTC-USD", {"has_next": True, "next_cursor": "MTAw"},
        )  # fmt: skip
        return web.json_response({"products": [product(symbol)], "pagination": pages})

    async def time(self, request: web.Request) -> web.Response:
        return web.json_response({"iso": "x", "epochSeconds": "1", "epochMillis": "1786309548100"})


@pytest.fixture
def venue() -> Venue:
    return Venue()


@pytest.fixture
async def dialect(
    venue: Venue, serve: Callable[[dict[str, Any]], Awaitable[str]]
) -> AsyncIterator[CoinbaseDialect]:
    root = "/api/v3/brokerage"
    url = await serve(
        {
            f"{root}/market/products/BTC-USD/candles": venue.candles,
            f"{root}/market/products": venue.products,
            f"{root}/time": venue.time,
        }
    )
    made = make_dialect(FeedSettings(rest_url=url), clock=SystemClock())
    yield made
    await made.close()


@pytest.fixture
def btc() -> Instrument:
    body = json.dumps(product("BTC-USD")).encode()
    return parse_products(body, VenueName("coinbase")).instruments[0]


async def test_words_of_a_subscription_one_channel_a_message(
    dialect: CoinbaseDialect, btc: Instrument
) -> None:
    assert json.loads(dialect.opening("")[0])["channel"] == "heartbeats"
    joined = [json.loads(message) for message in dialect.subscribe("", [btc])]
    assert [message["channel"] for message in joined] == list(CHANNELS)
    assert all(message["product_ids"] == ["BTC-USD"] for message in joined)
    assert json.loads(dialect.unsubscribe("", [btc])[0])["type"] == "unsubscribe"
    rejoined = [json.loads(message) for message in dialect.rejoin("", btc)]
    assert [(message["type"], message["channel"]) for message in rejoined] == [
        ("unsubscribe", "level2"), ("subscribe", "level2"),
        ("unsubscribe", "market_trades"), ("subscribe", "market_trades"),
    ]  # fmt: skip


async def test_address_is_the_venues_or_the_settings() -> None:
    clock = SystemClock()
    live = make_dialect(FeedSettings(), clock=clock)
    assert await live.address("") == "wss://advanced-trade-ws.coinbase.com"
    own = make_dialect(FeedSettings(stream_url="ws://127.0.0.1:1/coinbase/advanced"), clock=clock)
    assert await own.address("") == "ws://127.0.0.1:1/coinbase/advanced"
    with pytest.raises(ConfigError, match="must be one of live, was 'testnet'"):
        make_dialect(FeedSettings(environment="testnet"), clock=clock)


async def test_listing_reads_every_page_and_gives_its_words_to_a_tape(
    dialect: CoinbaseDialect,
) -> None:
    listed = await dialect.listing()
    assert [item.venue_symbol for item in listed] == ["BTC-USD", "ETH-USD"]
    words = dialect.listing_of(listed[1:])
    assert words is not None
    fresh = make_dialect(FeedSettings(), clock=SystemClock()).decoder
    assert not fresh.decode("http", 0, 1, words.url, words.body)
    assert list(fresh.instruments) == ["ETH-USD"]


async def test_server_time_is_an_answer_the_decoder_reads(dialect: CoinbaseDialect) -> None:
    answer = await dialect.server_time()
    assert answer is not None
    asked_ns = 1786309548_000_000_000
    (sample,) = dialect.decoder.decode(
        "http", 0, asked_ns, f"{answer.url}#asked_ns={asked_ns}", answer.body
    )
    assert sample.offset_ns == 100_000_000


async def test_pages_of_history_join_to_every_bar_once(
    dialect: CoinbaseDialect, venue: Venue, btc: Instrument
) -> None:
    count = 2 * PAGE + 30
    start_ns = START_S * 1_000_000_000
    bars = await dialect.history(btc, Timeframe.M1, start_ns, start_ns + count * Timeframe.M1.ns)
    opens = [START_S + step * 60 for step in range(count)]
    assert [bar.ts_open_ns // 1_000_000_000 for bar in bars] == [
        open_s for open_s in opens if (open_s // 60) % 4
    ]
    assert len(venue.asked) == 3
    assert (bars[0].open_ticks, bars[0].low_ticks, bars[0].volume_lots) == (10000, 9900, 2500)


async def test_four_hours_are_joined_from_hours(
    dialect: CoinbaseDialect, venue: Venue, btc: Instrument
) -> None:
    start_ns = START_S * 1_000_000_000
    bars = await dialect.history(btc, Timeframe.H4, start_ns, start_ns + 2 * Timeframe.H4.ns)
    assert venue.asked[0]["granularity"] == "ONE_HOUR"
    assert [bar.volume_lots for bar in bars] == [7500, 7500]
    with pytest.raises(ConfigError, match="no 5s bars"):
        await dialect.history(btc, Timeframe.S5, 0, 1)


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (429, b"slow down", TemporaryError, "429"),
        (404, b'{"error":"NOT_FOUND"}', DataError, "not listed"),
        (200, b"<html>blocked</html>", DataError, "web page"),
        (503, b"", TemporaryError, "503"),
        (200, b'{"candles":[{"start":"1"}]}', DataError, "bars of"),
        (
            200,
            b'{"candles":[{"start":"61","low":"1","high":"1","open":"1","close":"1","volume":"1"}]}',
            DataError,
            "must not start",
        ),
        (
            200,
            b'{"candles":[{"start":"60","low":"1","high":"x","open":"1","close":"1","volume":"1"}]}',
            DataError,
            "no numbers",
        ),
    ],
)
async def test_bad_answer_is_temporary_or_definite_and_says_what_it_was(
    dialect: CoinbaseDialect, venue: Venue, btc: Instrument,
    status: int, body: bytes, error: type[Exception], words: str,
) -> None:  # fmt: skip
    venue.status, venue.body = status, body
    with pytest.raises(error, match=words):
        await dialect.history(btc, Timeframe.M1, 0, 10 * Timeframe.M1.ns)
