from __future__ import annotations

import pytest
from aiohttp import web
from pydantic import SecretStr

from core.engine.clock import SystemClock
from core.feeds.alpaca.dialect import make_dialect
from core.model.errors import ConfigError, DataError, TemporaryError
from core.model.ids import InstrumentId
from core.model.market import (
    BookDelta,
    BookSnapshot,
    ClockSample,
    FeedDisconnected,
    FrameRejected,
    Timeframe,
    Trade,
)
from core.model.settings import FeedSettings

AAPL, BTC = InstrumentId("AAPL-USD.alpaca"), InstrumentId("BTC-USD.alpaca")
TRADE = {"T": "t", "i": 1, "S": "AAPL", "x": "D", "p": 126.55, "s": 1, "c": ["@"], "z": "C",
         "t": "2021-02-22T15:51:44.208Z"}  # fmt: skip
CHANGE = {"T": "o", "S": "BTC/USD", "t": "2024-03-12T10:38:51Z", "b": [], "a": [{"p": 1e5, "s": 1}]}


async def test_stocks_and_crypto_come_over_a_connection_each(exchange, dialect, follow):
    async with follow(dialect, AAPL, BTC) as tape:
        image = await tape.next(BookSnapshot)
        assert (image.instrument_id, image.reset) == (BTC, True)
        await exchange.say("crypto", CHANGE)
        assert (await tape.next(BookDelta)).asks.tolist() == [[10**14, 10**9]]
        while "stocks" not in exchange.sockets or len(exchange.said) < 4:
            await tape.events.get()
        await exchange.say("stocks", TRADE)
        assert (await tape.next(Trade)).instrument_id == AAPL


async def test_what_is_joined_is_what_each_market_has(exchange, dialect, follow):
    async with follow(dialect, AAPL, BTC) as tape:
        await tape.next(BookSnapshot)
        while len(exchange.said) < 4:
            await tape.events.get()
    joined = [set(request) for request in exchange.said if "trades" in request]
    common = {"action", "trades", "quotes", "bars", "updatedBars", "dailyBars"}
    assert {*common, "orderbooks"} in joined
    assert {*common, "statuses", "lulds"} in joined


async def test_keys_are_on_the_wire_and_never_on_the_tape(exchange, dialect, follow):
    async with follow(dialect, BTC) as tape:
        await tape.next(BookSnapshot)
    assert {"action": "auth", "key": "PKTEST", "secret": "s3cr3t"} in exchange.said
    assert not any(b"s3cr3t" in data or "s3cr3t" in url for _, _, url, data in tape.frames)
    assert b'{"action":"auth","key":"***","secret":"***"}' in [frame[3] for frame in tape.frames]


async def test_a_tape_knows_its_own_steps(exchange, dialect, follow):
    async with follow(dialect, BTC) as tape:
        await tape.next(BookSnapshot)
    listings = [data for kind, _, url, data in tape.frames if kind == "http" and "/assets" in url]
    assert len(listings) == 1
    fresh = make_dialect(FeedSettings(), clock=SystemClock())
    for kind, conn, url, data in tape.frames:
        fresh.decoder.decode(kind, conn, 1, url, data)
    await fresh.close()
    assert fresh.decoder.instruments["BTC/USD"].id == BTC


async def test_a_book_in_doubt_is_left_and_joined_for_a_whole_one(exchange, dialect, follow):
    async with follow(dialect, BTC) as tape:
        await tape.next(BookSnapshot)
        tape.feed.request_snapshot(BTC)
        await tape.next(BookSnapshot)
    assert exchange.said[-2:] == [
        {"action": "unsubscribe", "orderbooks": ["BTC/USD"]},
        {"action": "subscribe", "orderbooks": ["BTC/USD"]},
    ]


async def test_a_lost_connection_comes_back_with_its_subscriptions(exchange, dialect, follow):
    async with follow(dialect, BTC) as tape:
        await tape.next(BookSnapshot)
        exchange.drop("crypto")
        lost = await tape.next(FeedDisconnected)
        assert lost.instrument_ids == (BTC,)
        image = await tape.next(BookSnapshot)
        await exchange.say("crypto", CHANGE)
        assert (await tape.next(BookDelta)).instrument_id == image.instrument_id


async def test_another_program_on_the_one_connection_is_named_as_the_cause(
    exchange, dialect, follow
):
    exchange.sockets["crypto"] = web.WebSocketResponse()
    async with follow(dialect, BTC) as tape:
        rejected = await tape.next(FrameRejected)
        assert "406" in rejected.reason
        assert "another program holds the account's one connection" in rejected.reason
        del exchange.sockets["crypto"]
        await tape.next(BookSnapshot)


async def test_a_wrong_key_says_where_to_look(exchange, dialect, follow):
    await dialect.listing()
    exchange.key = ("PKTEST", "another")
    async with follow(dialect, BTC) as tape:
        tape.feed._listed = {item.id: item for item in dialect.decoder.instruments.values()}
        assert "check api_key and api_secret" in (await tape.next(FrameRejected)).reason


async def test_clock_of_the_market_is_compared_with_ours(dialect, follow):
    async with follow(dialect, AAPL) as tape:
        assert (await tape.next(ClockSample)).round_trip_ns > 0


async def test_history_goes_to_the_data_host_and_learns_its_budget(exchange, dialect):
    listed = {item.id: item for item in await dialect.listing()}
    start = 1_646_784_000_000_000_000
    (bar,) = await dialect.history(listed[AAPL], Timeframe.M1, start, start + 86_400 * 10**9)
    assert (bar.volume_lots, bar.trades) == (5_000_000, 2)
    assert exchange.requests[-1][1]["feed"] == "iex"
    assert dialect._limiter.used >= 80


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ({"status": 429}, TemporaryError, "asks to come back later"),
        ({"status": 429, "headers": {"Retry-After": "7"}}, TemporaryError, "after 7 s"),
        ({"status": 502, "text": "<html>"}, TemporaryError, "in trouble"),
        ({"status": 403, "text": "<html>WAF</html>"}, DataError, "see `plan`"),
        ({"status": 401}, DataError, "check api_key"),
        ({"status": 200, "text": "<html>hi</html>"}, DataError, "web page"),
        ({"status": 200, "text": "[{"}, DataError, "truncated"),
    ],
)
async def test_what_a_host_answers_instead_of_data_is_named(
    exchange, dialect, answer, error, words
):
    exchange.failures = [web.Response(**answer), web.Response(**answer)]
    with pytest.raises(error, match=words):
        await dialect.listing()


async def test_without_keys_nothing_is_asked():
    dialect = make_dialect(FeedSettings(), clock=SystemClock())
    with pytest.raises(ConfigError, match=r"feeds\.alpaca\.api_key and api_secret must be set"):
        await dialect.listing()
    with pytest.raises(ConfigError, match="api_key"):
        await dialect.address("crypto")
    await dialect.close()


@pytest.mark.parametrize(
    ("plan", "address"),
    [
        ("", "wss://stream.data.alpaca.markets/v2/iex"),
        ("sip", "wss://stream.data.alpaca.markets/v2/sip"),
        ("delayed_sip", "wss://stream.data.alpaca.markets/v2/delayed_sip"),
        ("overnight", "wss://stream.data.alpaca.markets/v1beta1/overnight"),
    ],
)
async def test_a_plan_is_an_address(plan, address):
    keys = {"api_key": SecretStr("k"), "api_secret": SecretStr("s")}
    dialect = make_dialect(FeedSettings(plan=plan, **keys), clock=SystemClock())
    assert await dialect.address("stocks") == address
    assert (await dialect.address("crypto")).endswith("/v1beta3/crypto/us")
    await dialect.close()


def test_a_plan_that_is_none_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="was 'siip'; did you mean 'sip'"):
        make_dialect(FeedSettings(plan="siip"), clock=SystemClock())
