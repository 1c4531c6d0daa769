from __future__ import annotations

import pytest
from aiohttp import web
from pydantic import SecretStr

from core.engine.clock import SystemClock
from core.feeds.massive.dialect import make_dialect
from core.model.errors import ConfigError, DataError, TemporaryError
from core.model.ids import InstrumentId
from core.model.market import (
    BookSnapshot,
    ClockSample,
    FeedDisconnected,
    FrameRejected,
    Timeframe,
    Trade,
)
from core.model.settings import FeedSettings

AAPL, BTC = InstrumentId("AAPL-USD.massive"), InstrumentId("BTC-USD.massive")
TRADE = {"ev": "T", "sym": "AAPL", "x": 4, "i": "1", "p": 114.125, "s": 100, "t": 1536036818784}
BOOK = {"ev": "XL2", "pair": "BTC-USD", "t": 1610462411115, "x": 1, "b": [[1, 2]], "a": [[3, 4]]}


async def test_stocks_and_crypto_come_over_a_cluster_each(provider, dialect, follow):
    async with follow(dialect, AAPL, BTC) as tape:
        await tape.frame(b"subscribed to: T.AAPL")
        await provider.say("stocks", TRADE)
        assert (await tape.next(Trade)).instrument_id == AAPL
        await tape.frame(b"subscribed to: XT.BTC-USD")
        await provider.say("crypto", BOOK)
        assert (await tape.next(BookSnapshot)).instrument_id == BTC
    assert {"action": "subscribe", "params": "T.AAPL,Q.AAPL,AM.AAPL"} in provider.said
    assert {
        "action": "subscribe", "params": "XT.BTC-USD,XQ.BTC-USD,XA.BTC-USD,XL2.BTC-USD",
    } in provider.said  # fmt: skip


async def test_the_key_is_on_the_wire_and_never_on_the_tape(provider, dialect, follow):
    async with follow(dialect, AAPL) as tape:
        await tape.frame(b"subscribed to: T.AAPL")
    assert provider.said[0] == {"action": "auth", "params": "k3y"}
    assert not any(b"k3y" in data or "k3y" in url for _, _, url, data in tape.frames)
    assert b'{"action":"auth","params":"***"}' in [frame[3] for frame in tape.frames]


async def test_a_tape_knows_its_own_steps_and_names(provider, dialect, follow):
    async with follow(dialect, "BTC-USD-STOCK.massive") as tape:
        await tape.frame(b"subscribed to: T.BTC")
    fresh = make_dialect(FeedSettings(), clock=SystemClock())
    for kind, conn, url, data in tape.frames:
        fresh.decoder.decode(kind, conn, 1, url, data)
    await fresh.close()
    assert fresh.decoder.instruments["BTC"].id == "BTC-USD-STOCK.massive"


async def test_a_lost_connection_comes_back_with_its_subscriptions(provider, dialect, follow):
    async with follow(dialect, AAPL) as tape:
        await tape.frame(b"subscribed to: T.AAPL")
        provider.drop("stocks")
        assert (await tape.next(FeedDisconnected)).instrument_ids == (AAPL,)
        tape.frames.clear()
        await tape.frame(b"subscribed to: T.AAPL")
        await provider.say("stocks", TRADE)
        await tape.next(Trade)


async def test_a_wrong_key_says_where_to_look(provider, dialect, follow):
    async with follow(dialect, AAPL) as tape:
        await tape.frame(b"auth_success")
        provider.key = "another"
        provider.drop("stocks")
        assert "check api_key" in (await tape.next(FrameRejected)).reason


async def test_time_is_asked_for(provider, dialect, follow):
    async with follow(dialect, AAPL) as tape:
        assert (await tape.next(ClockSample)).round_trip_ns > 0


async def test_listing_follows_its_pages_without_leaving_the_host(provider, dialect):
    listed = await dialect.listing()
    assert [item.id for item in listed] == [
        "AAPL-USD.massive", "BTC-USD-STOCK.massive", "MSFT-USD.massive", "BTC-USD.massive",
    ]  # fmt: skip
    assert provider.requests[1] == "/v3/reference/tickers?cursor=stocks-2"


async def test_history_of_a_delayed_plan(provider, dialect):
    listed = {item.id: item for item in await dialect.listing()}
    day0 = 1_646_784_000_000_000_000
    (bar,) = await dialect.history(listed[AAPL], Timeframe.M1, day0, day0 + 60 * 10**9)
    assert (bar.open_ticks, bar.volume_lots) == (15_000, 10_000_000)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ({"status": 429}, TemporaryError, "asks to come back"),
        ({"status": 503, "text": "<html>"}, TemporaryError, "in trouble"),
        ({"status": 403, "text": '{"status":"NOT_AUTHORIZED"}'}, DataError, "see `plan`"),
        ({"status": 401}, DataError, "check api_key"),
        ({"status": 200, "text": "<html>"}, DataError, "web page"),
        ({"status": 200, "text": '{"status":"ERROR","error":"oops"}'}, DataError, "oops"),
    ],
)
async def test_what_the_host_answers_instead_of_data_is_named(
    provider, dialect, answer, error, words
):
    provider.failures = [web.Response(**answer)]
    with pytest.raises(error, match=words):
        await dialect.listing()


async def test_without_a_key_nothing_is_asked():
    dialect = make_dialect(FeedSettings(), clock=SystemClock())
    with pytest.raises(ConfigError, match=r"feeds\.massive\.api_key must be set"):
        await dialect.listing()
    await dialect.close()


@pytest.mark.parametrize(
    ("plan", "address"),
    [
        ("", "wss://socket.massive.com/stocks"),
        ("delayed", "wss://delayed.massive.com/stocks"),
        ("level2", "wss://socket.massive.com/stocks"),
    ],
)
async def test_a_plan_is_an_address(plan, address):
    dialect = make_dialect(FeedSettings(plan=plan, api_key=SecretStr("k")), clock=SystemClock())
    assert await dialect.address("stocks") == address
    await dialect.close()


async def test_the_free_plan_has_bars_but_no_streams_and_no_clock():
    dialect = make_dialect(FeedSettings(plan="basic"), clock=SystemClock())
    assert not dialect.streams
    assert await dialect.server_time() is None
    await dialect.close()


def test_settings_that_are_none_are_refused():
    with pytest.raises(ConfigError, match="did you mean 'delayed'"):
        make_dialect(FeedSettings(plan="delay"), clock=SystemClock())
    with pytest.raises(ConfigError, match="environment must be one of live"):
        make_dialect(FeedSettings(environment="demo"), clock=SystemClock())
