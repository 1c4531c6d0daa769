from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from aiohttp import web

from core.engine.clock import SimClock
from core.feeds.deribit.dialect import DeribitDialect, make_dialect
from core.feeds.deribit.history import PAGE
from core.feeds.deribit.symbols import parse_instruments
from core.model.errors import ConfigError, DataError, TemporaryError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import Timeframe
from core.model.settings import FeedSettings

VENUE = VenueName("deribit")
START_MS = 1_700_000_040_000 // 3_600_000 * 3_600_000
LISTING = {
    "result": [
        {"tick_size": 0.5, "settlement_period": "perpetual", "quote_currency": "USD",
         "min_trade_amount": 10, "kind": "future", "is_active": True,
         "instrument_name": "BTC-PERPETUAL", "expiration_timestamp": 32503708800000,
         "creation_timestamp": 1534242287000, "contract_size": 10.0, "base_currency": "BTC"},
        {"tick_size": 0.5, "settlement_period": "day", "quote_currency": "USD",
         "min_trade_amount": 10, "kind": "future_combo", "instrument_name": "BTC-FS-1_PERP",
         "expiration_timestamp": 1779177600000, "contract_size": 10.0, "base_currency": "BTC"},
    ]
}  # fmt: skip


class Venue:
    """Serves the public methods as Deribit does, one candle a minute, some without a trade."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.status = 200
        self.body: bytes | None = None

    async def chart(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        self.asked.append(query)
        if self.body is not None:
            return web.Response(body=self.body, status=self.status)
        step = int(query["resolution"]) * 60_000
        first = max(START_MS, -(-int(query["start_timestamp"]) // step) * step)
        ticks = list(range(first, int(query["end_timestamp"]) + 1, step))
        n = len(ticks)
        traded = [0.0 if (tick // step) % 4 == 0 else 0.5 for tick in ticks]
        result = {
            "ticks": ticks, "open": [100.0] * n, "high": [101.5] * n, "low": [99.0] * n,
            "close": [100.5] * n, "volume": traded, "cost": [100 * v for v in traded],
            "status": "ok" if n else "no_data",
        }  # fmt: skip
        return web.json_response({"jsonrpc": "2.0", "result": result})

    async def trades(self, request: web.Request) -> web.Response:
        """Three trades a second; two of them in one millisecond."""
        query = {key: int(value) for key, value in request.query.items() if value.isdigit()}
        self.asked.append(dict(request.query))
        rows = [
            {"trade_seq": 3 * second + n, "trade_id": "x", "timestamp": ms, "price": 100.5,
             "amount": 10.0, "direction": "sell", "instrument_name": "BTC-PERPETUAL"}
            for second in range(START_MS // 1000, START_MS // 1000 + 1000)
            for n, ms in enumerate((second * 1000, second * 1000 + 500, second * 1000 + 500))
            if query["start_timestamp"] <= ms <= query["end_timestamp"]
        ]  # fmt: skip
        count = query["count"]
        result = {"trades": rows[:count], "has_more": len(rows) > count}
        return web.json_response({"result": result})

    async def listing(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        return web.json_response(LISTING)

    async def names(self, request: web.Request) -> web.Response:
        return web.json_response({"result": ["btc_usd"]})

    async def time(self, request: web.Request) -> web.Response:
        return web.json_response({"result": 1550147385946})


@pytest.fixture
def venue() -> Venue:
    return Venue()


@pytest.fixture
async def dialect(
    venue: Venue, serve: Callable[[dict[str, Any]], Awaitable[str]]
) -> AsyncIterator[DeribitDialect]:
    url = await serve(
        {
            "/api/v2/public/get_tradingview_chart_data": venue.chart,
            "/api/v2/public/get_instruments": venue.listing,
            "/api/v2/public/get_index_price_names": venue.names,
            "/api/v2/public/get_time": venue.time,
            "/api/v2/public/get_last_trades_by_instrument_and_time": venue.trades,
        }
    )
    clock = SimClock((START_MS + 10**10) * 1_000_000)
    made = make_dialect(FeedSettings(rest_url=url), clock=clock)
    yield made
    await made.close()


@pytest.fixture
def perpetual() -> Instrument:
    return parse_instruments(msgspec.json.encode(LISTING), VENUE).instruments[0]


def decoded(message: str) -> Any:
    return json.loads(message)


async def test_addresses_follow_the_environment_and_the_settings() -> None:
    clock = SimClock(0)
    live = make_dialect(FeedSettings(), clock=clock)
    assert await live.address("") == "wss://www.deribit.com/ws/api/v2"
    test = make_dialect(FeedSettings(environment="testnet"), clock=clock)
    assert await test.address("") == "wss://test.deribit.com/ws/api/v2"
    for given in ("ws://127.0.0.1:1/deribit", "ws://127.0.0.1:1/deribit/ws/api/v2"):
        own = make_dialect(FeedSettings(stream_url=given), clock=clock)
        assert await own.address("") == "ws://127.0.0.1:1/deribit/ws/api/v2"
    with pytest.raises(ConfigError, match="live, testnet"):
        make_dialect(FeedSettings(environment="demo"), clock=clock)


async def test_words_of_a_subscription_and_a_fresh_image(
    dialect: DeribitDialect, perpetual: Instrument
) -> None:
    index = (await dialect.listing())[-1]
    (joined,) = dialect.subscribe("", [perpetual, index])
    assert decoded(joined)["method"] == "public/subscribe"
    assert decoded(joined)["params"]["channels"] == [
        "book.BTC-PERPETUAL.100ms", "trades.BTC-PERPETUAL.100ms", "ticker.BTC-PERPETUAL.100ms",
        "quote.BTC-PERPETUAL", "deribit_volatility_index.btc_usd",
    ]  # fmt: skip
    (left,) = dialect.unsubscribe("", [perpetual])
    assert decoded(left)["method"] == "public/unsubscribe"
    away, back = (decoded(message) for message in dialect.rejoin("", perpetual))
    assert (away["method"], back["method"]) == ("public/unsubscribe", "public/subscribe")
    assert away["params"]["channels"] == ["book.BTC-PERPETUAL.100ms"]
    assert back["params"]["channels"] == decoded(joined)["params"]["channels"][:4]
    assert away["id"] != back["id"]
    assert dialect.rejoin("", index) == ()


async def test_heartbeats_are_asked_for_and_test_requests_answered(dialect: DeribitDialect) -> None:
    (opening,) = dialect.opening("")
    assert decoded(opening)["method"] == "public/set_heartbeat"
    assert decoded(opening)["params"]["interval"] >= 10
    request = b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}'
    answer = dialect.reply(request)
    assert answer is not None
    assert decoded(answer)["method"] == "public/test"
    assert dialect.reply(request.replace(b"test_request", b"heartbeat")) is None
    assert dialect.reply(b'{"jsonrpc":"2.0","method":"subscription"}') is None


async def test_a_batch_of_long_names_fits_the_venues_frame(
    dialect: DeribitDialect, perpetual: Instrument
) -> None:
    long = [
        msgspec.structs.replace(perpetual, venue_symbol=f"XRP_USDC-30JUN26-{n}d12345-C")
        for n in range(dialect.limits.batch)
    ]
    (message,) = dialect.subscribe("", long)
    assert len(message) < 32_000


async def test_listing_teaches_the_decoder_and_gives_its_words_to_a_tape(
    dialect: DeribitDialect, venue: Venue
) -> None:
    listed = await dialect.listing()
    assert venue.asked[0]["currency"] == "any"
    assert [item.id for item in listed] == [
        "BTC-USD-PERP.deribit", "BTC-USD-INDEX.deribit", "BTC-DVOL.deribit",
    ]  # fmt: skip
    words = dialect.listing_of(listed)
    assert words is not None
    fresh = make_dialect(FeedSettings(), clock=SimClock(0)).decoder
    assert not fresh.decode("http", 0, 1, words.url, words.body)
    assert list(fresh.instruments.values()) == [listed[0]]
    assert dialect.listing_of(listed[1:]) is None


async def test_server_time_is_an_answer_the_decoder_reads(dialect: DeribitDialect) -> None:
    answer = await dialect.server_time()
    assert answer is not None
    asked_ns = 1550147385900_000_000
    (sample,) = dialect.decoder.decode(
        "http", 0, asked_ns + 20_000_000, f"{answer.url}#asked_ns={asked_ns}", answer.body
    )
    assert sample.offset_ns == 36_000_000


async def test_pages_of_history_join_to_every_bar_with_a_trade_once(
    dialect: DeribitDialect, venue: Venue, perpetual: Instrument
) -> None:
    count = PAGE + 700
    start_ns = START_MS * 1_000_000
    bars = await dialect.history(
        perpetual, Timeframe.M1, start_ns, start_ns + count * Timeframe.M1.ns
    )
    opens = [START_MS + step * 60_000 for step in range(count)]
    assert [bar.ts_open_ns // 1_000_000 for bar in bars] == [
        open_ms for open_ms in opens if (open_ms // 60_000) % 4
    ]
    assert len(venue.asked) == 2
    assert bars[0].volume_lots == 5  # 50 dollars in lots of 10: its cost, not its coin volume
    assert (bars[0].open_ticks, bars[0].close_ticks) == (200, 201)


async def test_four_hours_and_days_are_joined_from_hours(
    dialect: DeribitDialect, venue: Venue, perpetual: Instrument
) -> None:
    start_ns = START_MS // 86_400_000 * 86_400_000 * 1_000_000 + Timeframe.D1.ns
    (bar,) = await dialect.history(perpetual, Timeframe.D1, start_ns, start_ns + Timeframe.D1.ns)
    assert venue.asked[0]["resolution"] == "60"
    assert bar.ts_open_ns == start_ns
    assert bar.volume_lots == 18 * 5
    bars = await dialect.history(perpetual, Timeframe.H4, start_ns, start_ns + Timeframe.D1.ns)
    assert [bar.ts_open_ns for bar in bars] == [start_ns + n * Timeframe.H4.ns for n in range(6)]


async def test_bar_that_is_not_over_is_left_out(
    dialect: DeribitDialect, perpetual: Instrument
) -> None:
    now_ns = (START_MS + 10**10) * 1_000_000
    bars = await dialect.history(perpetual, Timeframe.H1, now_ns - 5 * Timeframe.H1.ns, 1 << 62)
    assert bars[-1].ts_open_ns + Timeframe.H1.ns <= now_ns


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (429, b"slow down", TemporaryError, "429"),
        (400, b'{"error":{"code":10028,"message":"too_many_requests"}}', TemporaryError, "session"),
        (400, b'{"error":{"code":-32602,"message":"Invalid params"}}', DataError, "still listed"),
        (200, b"<html>maintenance</html>", DataError, "web page"),
        (502, b"<html>bad gateway</html>", TemporaryError, "502"),
        (200, b'{"result":{"status":"ok","ticks":[1]}}', DataError, "one length"),
        (200, b'{"result":{"status":"error"}}', DataError, "status"),
        (200, b'{"result":', DataError, "bars of"),
    ],
)
async def test_bad_answer_is_temporary_or_definite_and_says_what_it_was(
    dialect: DeribitDialect, venue: Venue, perpetual: Instrument,
    status: int, body: bytes, error: type[Exception], words: str,
) -> None:  # fmt: skip
    venue.status, venue.body = status, body
    start_ns = START_MS * 1_000_000
    with pytest.raises(error, match=words):
        await dialect.history(perpetual, Timeframe.M1, start_ns, start_ns + 10 * Timeframe.M1.ns)


async def test_venue_that_is_away_is_temporary(perpetual: Instrument) -> None:
    dialect = make_dialect(
        FeedSettings(rest_url="http://127.0.0.1:9"), clock=SimClock(START_MS * 1_000_000)
    )
    with pytest.raises(TemporaryError):
        await dialect.listing()
    await dialect.close()


async def test_lengths_and_instruments_without_bars_are_said(
    dialect: DeribitDialect, perpetual: Instrument
) -> None:
    with pytest.raises(ConfigError, match="no 5s bars"):
        await dialect.history(perpetual, Timeframe.S5, 0, 1)
    index = Instrument(
        id=InstrumentId("BTC-DVOL.deribit"), venue=VENUE, venue_symbol="x", base="BTC", quote="USD",
        price_tick=Decimal(1), size_lot=Decimal(1),
        kind=(await dialect.listing())[-1].kind,
    )  # fmt: skip
    with pytest.raises(ConfigError, match="something that trades"):
        await dialect.history(index, Timeframe.M1, 0, 1)


async def test_pages_of_trades_join_to_every_trade_once(
    dialect: DeribitDialect, venue: Venue, perpetual: Instrument
) -> None:
    start_ns, end_ns = START_MS * 1_000_000, (START_MS + 900_500) * 1_000_000
    trades = (await dialect.trades(perpetual, start_ns, end_ns)).trades
    first = START_MS // 1000 * 3
    assert [trade.trade_id for trade in trades] == list(range(first, first + 900 * 3 + 1))
    assert len(venue.asked) == 3
    assert (trades[0].price_ticks, trades[0].size_lots, trades[0].buyer_is_maker) == (201, 1, True)
