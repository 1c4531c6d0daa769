from __future__ import annotations

import pytest
from aiohttp import web

from core.engine.clock import SystemClock
from core.feeds.alphavantage.dialect import make_dialect
from core.feeds.alphavantage.history import months_between
from core.model.errors import ConfigError, DataError, TemporaryError
from core.model.ids import InstrumentId
from core.model.market import DayTicker, Timeframe
from core.model.settings import FeedSettings

AAPL, EUR = InstrumentId("AAPL-USD.alphavantage"), InstrumentId("EUR-USD.alphavantage")
HEAD = b"timestamp,open,high,low,close,volume\n"
DAY = 86_400 * 10**9
MARCH = 1_709_251_200_000_000_000  # 2024-03-01T00:00:00Z
SPENT = {"Information": "We have detected your API key as K3YK3Y and our standard API rate limit is"
         " 25 requests per day."}  # fmt: skip


async def test_quotes_come_by_polling_and_the_key_stays_off_the_tape(provider, follow, tmp_path):
    dialect = make_dialect(
        FeedSettings(rest_url=provider.url, api_key="K3YK3Y", plan="premium"),
        clock=SystemClock(), data=tmp_path,
    )  # fmt: skip
    async with follow(dialect, AAPL) as tape:
        day = await tape.next(DayTicker)
    assert day.instrument_id == AAPL
    assert not any(b"K3Y" in data or "K3Y" in url for _, _, url, data in tape.frames)
    assert ("http", f"{provider.url}/query?function=GLOBAL_QUOTE&symbol=AAPL") in [
        (kind, url) for kind, _, url, _ in tape.frames
    ]


async def test_a_tape_reads_the_same_again(provider, follow, tmp_path):
    settings = FeedSettings(rest_url=provider.url, api_key="K3YK3Y", plan="premium")
    dialect = make_dialect(settings, clock=SystemClock(), data=tmp_path)
    async with follow(dialect, EUR) as tape:
        await tape.next(DayTicker)
    fresh = make_dialect(FeedSettings(), clock=SystemClock(), data=tmp_path)
    events = [
        event for kind, conn, url, data in tape.frames
        for event in fresh.decoder.decode(kind, conn, 1, url, data)
    ]  # fmt: skip
    await fresh.close()
    assert [type(event).__name__ for event in events][-2:] == ["DayTicker", "Quote"]


async def test_questions_are_spread_over_the_day_and_go_to_whoever_waited_longest(
    provider, dialect, clock, listed
):
    apple, euro = listed["AAPL"], listed["EUR/USD"]
    dialect.subscribe("", [apple, euro])
    asked = []
    for _ in range(24 * 60):
        for item in (apple, euro):
            if await dialect.poll("quote", item) is not None:
                asked.append(item.id)
        clock.advance(60 * 10**9)
    assert len(asked) == 20
    assert set(asked[::2]) == {asked[0]}
    assert set(asked[1::2]) == {asked[1]} != {asked[0]}
    assert dialect.budget.left >= 4


async def test_one_that_is_no_longer_wanted_holds_up_nobody(dialect, clock, listed):
    apple, euro = listed["AAPL"], listed["EUR/USD"]
    dialect.subscribe("", [apple, euro])
    assert await dialect.poll("quote", apple) is not None
    clock.advance(DAY)
    assert await dialect.poll("quote", apple) is None
    dialect.unsubscribe("", [euro])
    assert await dialect.poll("quote", apple) is not None


async def test_a_restart_does_not_overspend(provider, make):
    question = [("function", "GLOBAL_QUOTE"), ("symbol", "AAPL")]
    for _ in range(2):
        dialect = make(requests_per_day=2)
        await dialect._ask(question, "quote")
        await dialect.close()
    dialect = make(requests_per_day=2)
    with pytest.raises(TemporaryError, match="free in"):
        await dialect._ask(question, "quote")
    await dialect.close()
    assert len(provider.questions) == 2


async def test_the_providers_own_count_blocks_for_an_hour_and_its_words_lose_the_key(
    provider, dialect, clock, listed
):
    provider.answers = [web.json_response(SPENT)]
    with pytest.raises(TemporaryError, match="25 requests per day") as caught:
        await dialect.poll("quote", listed["AAPL"])
    assert "K3Y" not in str(caught.value)
    assert dialect.budget.left == 0
    clock.advance(3600 * 10**9)
    assert dialect.budget.left == 24


async def test_the_listing_costs_one_question_a_week(provider, make, clock):
    for _ in range(2):
        dialect = make()
        assert len(await dialect.listing()) == 6
        await dialect.close()
    assert [ask["function"] for ask in provider.questions] == ["LISTING_STATUS"]
    clock.advance(8 * DAY)
    dialect = make()
    await dialect.listing()
    await dialect.close()
    assert len(provider.questions) == 2


async def test_months_that_are_over_are_asked_once_and_kept(provider, make, clock, listed):
    clock.set(MARCH + 40 * DAY)  # the tenth of April
    provider.tables = {
        "2024-02": HEAD + b"2024-02-29 19:00:00,1,2,1,2,5\n",
        "2024-03": HEAD + b"2024-03-04 09:35:00,1,2,1,2,5\n2024-03-04 09:30:00,1,2,1,2,5\n",
        "2024-04": HEAD + b"2024-04-09 09:30:00,1,2,1,2,5\n",
    }
    for _ in range(2):
        dialect = make()
        bars = await dialect.history(listed["AAPL"], Timeframe.M5, MARCH, clock.now_ns())
        await dialect.close()
        assert [bar.volume_lots for bar in bars] == [5, 5, 5, 5]
    assert [ask["month"] for ask in provider.questions] == [
        "2024-02", "2024-03", "2024-04", "2024-04",
    ]  # fmt: skip
    assert bars[0].ts_open_ns == MARCH


async def test_four_hours_are_joined_and_days_come_all_at_once(provider, dialect, clock, listed):
    clock.set(MARCH + 40 * DAY)
    provider.tables = {
        "2024-03": HEAD + b"2024-03-04 10:00:00,1,3,1,2,5\n2024-03-04 09:00:00,1,2,1,2,5\n",
        "days": HEAD + b"2024-03-04,1,3,1,2,10\n2024-03-01,1,3,1,2,10\n",
    }
    start = MARCH + 3 * DAY
    (bar,) = await dialect.history(listed["AAPL"], Timeframe.H4, start, start + DAY)
    assert (bar.ts_open_ns, bar.volume_lots) == (start + 12 * 3600 * 10**9, 10)
    (day,) = await dialect.history(listed["AAPL"], Timeframe.D1, start, start + DAY)
    assert day.ts_open_ns == start
    assert provider.questions[-1]["outputsize"] == "compact"


async def test_seconds_are_not_to_be_had(dialect, listed):
    with pytest.raises(ConfigError, match="none of 1s"):
        await dialect.history(listed["AAPL"], Timeframe.S1, MARCH, MARCH + DAY)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ({"text": "<html>"}, DataError, "web page"),
        ({"status": 503, "text": "<html>"}, TemporaryError, "in trouble"),
        ({"text": '{"Error Message":"the parameter apikey is invalid or missing"}'}, DataError,
         "check api_key"),
        ({"text": '{"Error Message":"Invalid API call. Please retry."}'}, DataError,
         "check the symbol"),
        ({"text": '{"Information":"Thank you! This is a premium endpoint."}'},
         DataError, "plan does not contain"),
        ({"text": '{"Note":"call frequency is 5 calls per minute and 500 calls per day"}'},
         TemporaryError, "call frequency"),
        ({"text": '{"Information":"consider spreading out your requests (1 request per second)"}'},
         TemporaryError, "per second"),
    ],
)  # fmt: skip
async def test_what_the_host_answers_instead_of_data_is_named(
    provider, dialect, answer, error, words
):
    provider.answers = [web.Response(**answer)]
    with pytest.raises(error, match=words):
        await dialect.listing()


async def test_without_a_key_nothing_is_asked_and_nothing_is_spent(make):
    dialect = make(api_key="")
    with pytest.raises(ConfigError, match=r"feeds\.alphavantage\.api_key must be set"):
        await dialect.listing()
    assert dialect.budget.left == 25
    with pytest.raises(ConfigError, match="has no stream"):
        await dialect.address("")
    await dialect.close()


def test_settings_that_are_none_are_refused(make):
    with pytest.raises(ConfigError, match="did you mean 'premium'"):
        make(plan="premum")
    with pytest.raises(ConfigError, match="environment must be live"):
        make(environment="demo")


def test_months_touched_by_a_time():
    assert months_between(MARCH, MARCH + 1) == ["2024-02", "2024-03"]
    assert months_between(MARCH + 5 * DAY, MARCH + 62 * DAY) == ["2024-03", "2024-04", "2024-05"]
