from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from core.engine.clock import SimClock
from core.feeds.kraken.dialect import KrakenDialect, make_dialect
from core.feeds.kraken.history import PAGE, TRADES_PAGE
from core.feeds.kraken.symbols import parse_pairs
from core.model.errors import ConfigError, DataError, TemporaryError
from core.model.ids import VenueName
from core.model.instruments import Instrument
from core.model.market import Timeframe
from core.model.settings import FeedSettings

NOW_S = 1_700_000_040
PAIR = {"altname": "XBTUSD", "wsname": "XBT/USD", "pair_decimals": 1, "lot_decimals": 8}
PAIRS = {"XXBTZUSD": PAIR, "XETHZUSD": PAIR | {"altname": "ETHUSD", "wsname": "ETH/USD"}}


class Venue:
    """A trade every 20 seconds except in every fourth minute, as OHLC and as trades."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.body: bytes | None = None
        self.status = 200

    @staticmethod
    def traded(second: int) -> bool:
        return second % 20 == 0 and (second // 60) % 4 != 0

    @staticmethod
    def price(second: int) -> str:
        return f"{100 + second % 7}.5"

    async def serve(self, request: web.Request) -> web.Response:
        method = request.path.rpartition("/")[2]
        query = dict(request.query)
        self.asked.append((method, query))
        if self.body is not None:
            return web.Response(body=self.body, status=self.status)
        result: Any = {}
        match method:
            case "AssetPairs":
                result = PAIRS
            case "Time":
                result = {"unixtime": NOW_S, "rfc1123": "x"}
            case "OHLC":
                assert query["pair"] == "XXBTZUSD"
                result = {"XXBTZUSD": self.rows(int(query["interval"]) * 60), "last": NOW_S - 60}
            case "Trades":
                since_ns = int(query["since"])
                first = since_ns // 1_000_000_000 + 1
                seconds = [s for s in range(first, NOW_S) if self.traded(s)][: int(query["count"])]
                rows = [[self.price(s), "0.5", s, "b", "m", "", s // 20] for s in seconds]
                last = seconds[-1] * 1_000_000_000 if seconds else since_ns
                result = {"XXBTZUSD": rows, "last": str(last)}
        return web.json_response({"error": [], "result": result})

    def rows(self, step: int) -> list[list[Any]]:
        newest = NOW_S // step * step
        out = []
        for opened in range(newest - (PAGE - 1) * step, newest + 1, step):
            seconds = [s for s in range(opened, opened + step) if self.traded(s) and s < NOW_S]
            prices = [self.price(s) for s in seconds] or ["100.5"]
            best = sorted(prices, key=float)
            volume = f"{len(seconds) / 2:.8f}"
            out.append(
                [opened, prices[0], best[-1], best[0], prices[-1], "0.0", volume, len(seconds)]
            )
        return out


@pytest.fixture
def venue() -> Venue:
    return Venue()


@pytest.fixture
async def dialect(
    venue: Venue, serve: Callable[[dict[str, Any]], Awaitable[str]]
) -> AsyncIterator[KrakenDialect]:
    url = await serve({"/0/public/{method}": venue.serve})
    settings = FeedSettings(rest_url=url, requests_per_minute=60_000, snapshot_levels=120)
    made = make_dialect(settings, clock=SimClock(NOW_S * 1_000_000_000))
    yield made
    await made.close()


@pytest.fixture
def btc() -> Instrument:
    body = json.dumps({"result": PAIRS}).encode()
    return parse_pairs(body, VenueName("kraken")).instruments[0]


async def test_words_and_addresses(dialect: KrakenDialect, btc: Instrument) -> None:
    book, trade, ticker, ohlc = (json.loads(text) for text in dialect.subscribe("", [btc]))
    assert book == {
        "method": "subscribe", "params": {"channel": "book", "depth": 100, "symbol": ["BTC/USD"]},
    }  # fmt: skip
    assert trade["params"] == {"channel": "trade", "symbol": ["BTC/USD"], "snapshot": True}
    assert ticker["params"]["event_trigger"] == "bbo"
    assert ohlc["params"]["snapshot"] is False
    away, back = (json.loads(text) for text in dialect.rejoin("", btc))
    assert (away["method"], back["method"]) == ("unsubscribe", "subscribe")
    assert away["params"] == back["params"] == book["params"]
    assert len(dialect.unsubscribe("", [btc])) == 4
    assert dialect.heartbeat is not None
    assert json.loads(dialect.heartbeat.message)["method"] == "ping"
    clock = SimClock(0)
    assert await make_dialect(FeedSettings(), clock=clock).address("") == "wss://ws.kraken.com/v2"
    own = make_dialect(FeedSettings(stream_url="ws://127.0.0.1:1/kraken/v2"), clock=clock)
    assert await own.address("") == "ws://127.0.0.1:1/kraken/v2"
    with pytest.raises(ConfigError, match="must be one of live"):
        make_dialect(FeedSettings(environment="testnet"), clock=clock)


async def test_listing_teaches_the_decoder_and_gives_its_words_to_a_tape(
    dialect: KrakenDialect,
) -> None:
    listed = await dialect.listing()
    assert [item.venue_symbol for item in listed] == ["BTC/USD", "ETH/USD"]
    words = dialect.listing_of(listed[:1])
    assert words is not None
    fresh = make_dialect(FeedSettings(), clock=SimClock(0)).decoder
    assert not fresh.decode("http", 0, 1, words.url, words.body)
    assert list(fresh.instruments.values()) == [listed[0]]
    assert fresh.rule.traits(listed[0]).depth == 100
    answer = await dialect.server_time()
    assert answer is not None
    asked_ns = NOW_S * 1_000_000_000
    (sample,) = fresh.decode("http", 0, asked_ns, f"{answer.url}#asked_ns={asked_ns}", answer.body)
    assert sample.offset_ns == 500_000_000


async def test_newest_bars_come_of_one_answer(
    dialect: KrakenDialect, venue: Venue, btc: Instrument
) -> None:
    start_ns = (NOW_S // 60 - 100) * 60 * 1_000_000_000
    bars = await dialect.history(btc, Timeframe.M1, start_ns, 1 << 62)
    assert [method for method, _ in venue.asked] == ["OHLC"]
    opens = range(start_ns // 1_000_000_000, NOW_S // 60 * 60, 60)
    assert [bar.ts_open_ns // 1_000_000_000 for bar in bars] == [
        open_s for open_s in opens if (open_s // 60) % 4
    ]
    assert (bars[0].trades, bars[0].volume_lots) == (3, 150_000_000)


async def test_older_bars_are_made_of_trades_and_join_without_a_seam(
    dialect: KrakenDialect, venue: Venue, btc: Instrument
) -> None:
    start_ns = (NOW_S // 60 - PAGE - 900) * 60 * 1_000_000_000
    bars = await dialect.history(btc, Timeframe.M1, start_ns, 1 << 62)
    methods = [method for method, _ in venue.asked]
    assert methods == ["Trades"] * (900 * 3 * 3 // 4 // TRADES_PAGE + 1) + ["OHLC"]
    opens = range(start_ns // 1_000_000_000, NOW_S // 60 * 60, 60)
    assert [bar.ts_open_ns // 1_000_000_000 for bar in bars] == [
        open_s for open_s in opens if (open_s // 60) % 4
    ]
    # What is made of trades is what the venue makes of them itself.
    venue.asked.clear()
    old = next(bar for bar in bars if bar.ts_open_ns >= start_ns + 10 * Timeframe.M1.ns)
    second = old.ts_open_ns // 1_000_000_000
    prices = [round(float(venue.price(s)) * 10) for s in range(second, second + 60, 20)]
    assert (old.open_ticks, old.high_ticks, old.low_ticks, old.close_ticks) == (
        prices[0], max(prices), min(prices), prices[-1],
    )  # fmt: skip
    assert (old.trades, old.volume_lots) == (3, 150_000_000)


async def test_length_without_bars_is_said(dialect: KrakenDialect, btc: Instrument) -> None:
    with pytest.raises(ConfigError, match="no 5s bars"):
        await dialect.history(btc, Timeframe.S5, 0, 1)
    assert await dialect.history(btc, Timeframe.M1, 1 << 62, 1 << 62) == []


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (429, b"slow down", TemporaryError, "429"),
        (200, b'{"error":["EAPI:Rate limit exceeded"]}', TemporaryError, "Rate limit"),
        (200, b'{"error":["EService:Unavailable"],"result":{}}', TemporaryError, "Unavailable"),
        (200, b'{"error":["EQuery:Unknown asset pair"]}', DataError, "still listed"),
        (200, b"<html>blocked</html>", DataError, "web page"),
        (502, b"", TemporaryError, "502"),
        (200, b'{"error":[],"result":{"last":1}}', DataError, "of one pair"),
        (200, b'{"error":[],"result":{"X":[[60,"1"]],"last":1}}', DataError, "bars of"),
        (
            200,
            b'{"error":[],"result":{"X":[[60,"1","x","1","1","1","1",1]],"last":1}}',
            DataError,
            "no numbers",
        ),
    ],
)
async def test_bad_answer_is_temporary_or_definite_and_says_what_it_was(
    dialect: KrakenDialect, venue: Venue, btc: Instrument,
    status: int, body: bytes, error: type[Exception], words: str,
) -> None:  # fmt: skip
    venue.status, venue.body = status, body
    with pytest.raises(error, match=words):
        await dialect.history(btc, Timeframe.M1, (NOW_S - 600) * 1_000_000_000, 1 << 62)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"result":{"X":[],"last":"soon"}}', "nanoseconds"),
        (b'{"result":{"X":[["1","1",1.5,"q","m","",1]],"last":"1"}}', "side and a time"),
        (b'{"result":{"X":[["x","1",1.5,"b","m","",1]],"last":"1"}}', "decimal number"),
    ],
)
async def test_odd_trades_are_refused(
    dialect: KrakenDialect, venue: Venue, btc: Instrument, body: bytes, words: str
) -> None:
    venue.body = body
    with pytest.raises(DataError, match=words):
        await dialect.trades(btc, 0, 10**18)
