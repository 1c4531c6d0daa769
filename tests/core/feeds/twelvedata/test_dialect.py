from __future__ import annotations

import pytest
from aiohttp import web
from pydantic import SecretStr

from core.engine.clock import SimClock, SystemClock
from core.feeds.twelvedata.dialect import make_dialect
from core.model.errors import ConfigError, DataError, TemporaryError
from core.model.ids import InstrumentId
from core.model.market import DayTicker, FeedDisconnected, FrameRejected, Timeframe
from core.model.settings import FeedSettings

AAPL = InstrumentId("AAPL-USD.twelvedata")
PRICE = {"event": "price", "symbol": "AAPL", "timestamp": 1643972766, "price": 150.25}
SPENT = {"code": 429, "status": "error",
         "message": "You have run out of API credits for the current minute. 18 used"}  # fmt: skip


async def test_prices_come_and_refusals_are_told(provider, dialect, follow):
    async with follow(dialect, AAPL, "EUR-USD.twelvedata") as tape:
        assert "EUR/USD" in (await tape.next(FrameRejected)).reason
        await provider.say(PRICE)
        assert (await tape.next(DayTicker)).instrument_id == AAPL
    assert provider.said == [{"action": "subscribe", "params": {"symbols": "AAPL,EUR/USD"}}]


async def test_the_key_is_on_the_wire_and_never_on_the_tape(provider, dialect, follow):
    async with follow(dialect, AAPL) as tape:
        await tape.frame(b"subscribe-status")
        provider.drop()
        await tape.next(FeedDisconnected)
    assert not any(b"k3y" in data or "k3y" in url for _, _, url, data in tape.frames)
    assert "k3y" in await dialect.address("")


async def test_a_lost_connection_comes_back_with_its_subscriptions(provider, dialect, follow):
    async with follow(dialect, AAPL) as tape:
        await tape.frame(b"subscribe-status")
        provider.drop()
        assert (await tape.next(FeedDisconnected)).instrument_ids == (AAPL,)
        tape.frames.clear()
        await tape.frame(b"subscribe-status")
        await provider.say(PRICE)
        await tape.next(DayTicker)


async def test_a_heartbeat_keeps_the_connection(provider, dialect, follow):
    dialect.heartbeat = type(dialect.heartbeat)(0.01, dialect.heartbeat.message)
    async with follow(dialect, AAPL) as tape:
        await tape.frame(b'"heartbeat"')
    assert {"action": "heartbeat"} in provider.said


async def test_a_tape_knows_its_own_steps_and_names(provider, dialect, follow):
    async with follow(dialect, "BTC-USD-STOCK.twelvedata") as tape:
        await tape.frame(b"subscribe-status")
    fresh = make_dialect(FeedSettings(), clock=SystemClock())
    for kind, conn, url, data in tape.frames:
        fresh.decoder.decode(kind, conn, 1, url, data)
    await fresh.close()
    assert fresh.decoder.instruments["BTC"].id == "BTC-USD-STOCK.twelvedata"


async def test_listing_of_four_kinds_each_symbol_once(provider, dialect):
    assert sorted(item.id for item in await dialect.listing()) == [
        "AAPL-USD.twelvedata", "BTC-USD-STOCK.twelvedata", "BTC-USD.twelvedata",
        "EUR-USD.twelvedata",
    ]  # fmt: skip
    assert provider.requests[0] == ("/stocks", {"country": "United States"})


async def test_history_asks_in_utc(provider, dialect):
    listed = {item.id: item for item in await dialect.listing()}
    start = 1_646_836_200_000_000_000
    (bar,) = await dialect.history(listed[AAPL], Timeframe.M1, start, start + 60 * 10**9)
    assert (bar.close_ticks, bar.volume_lots) == (175_000, 10)
    assert provider.requests[-1][1]["timezone"] == "UTC"


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ({"text": "<html>"}, DataError, "web page"),
        ({"status": 502, "text": "<html>"}, TemporaryError, "in trouble"),
        ({"text": '{"code":500,"message":"oops","status":"error"}'}, TemporaryError, "oops"),
        ({"text": '{"code":401,"message":"no","status":"error"}'}, DataError, "check api_key"),
        ({"text": '{"code":403,"message":"plans","status":"error"}'}, DataError, "pricing"),
        ({"status": 404, "text": '{"code":404,"message":"no","status":"error"}'}, DataError,
         "does not know this symbol"),
        ({"status": 429, "text": ""}, TemporaryError, "come back"),
    ],
)  # fmt: skip
async def test_what_the_host_answers_instead_of_data_is_named(
    provider, dialect, answer, error, words
):
    provider.answers = [web.Response(**answer)]
    with pytest.raises(error, match=words):
        await dialect.listing()


async def test_spent_credits_hold_further_questions_back_until_the_minute_is_over(provider):
    clock = SimClock(1_700_000_010_000_000_000)
    dialect = make_dialect(
        FeedSettings(rest_url=f"http://{provider.url}", api_key=SecretStr("k3y")), clock=clock
    )
    provider.answers = [web.json_response(SPENT)]
    with pytest.raises(TemporaryError, match="run out of API credits"):
        await dialect.listing()
    into_s = 1_700_000_010 % 60
    assert dialect._minute.delay_s(1) == pytest.approx(60 - into_s)
    clock.advance(61 * 10**9)
    assert dialect._minute.delay_s(1) == 0
    await dialect.listing()
    await dialect.close()


async def test_credits_of_the_answers_headers_are_adopted(provider, dialect):
    provider.credits = (417, 190)
    await dialect.listing()
    assert dialect._minute.used >= 417
    provider.credits = (3, 0)
    await dialect._series([], "bars")
    assert dialect._minute.delay_s(1) > 0


async def test_the_days_credits_are_counted_too(provider):
    clock = SimClock(1_700_000_010_000_000_000)
    dialect = make_dialect(
        FeedSettings(
            rest_url=f"http://{provider.url}", api_key=SecretStr("k3y"), requests_per_day=4
        ),
        clock=clock,
    )
    await dialect.listing()
    with pytest.raises(TemporaryError, match="day's credits of twelvedata are spent"):
        await dialect.listing()
    assert len(provider.requests) == 4
    clock.advance(86_400 * 10**9)
    await dialect.listing()
    await dialect.close()


async def test_without_a_key_nothing_is_asked():
    dialect = make_dialect(FeedSettings(), clock=SystemClock())
    with pytest.raises(ConfigError, match=r"feeds\.twelvedata\.api_key must be set"):
        await dialect.listing()
    await dialect.close()


def test_settings_that_are_none_are_refused():
    with pytest.raises(ConfigError, match="did you mean 'basic'"):
        make_dialect(FeedSettings(plan="basics"), clock=SystemClock())
