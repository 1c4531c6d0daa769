from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from core.feeds.twelvedata import history
from core.feeds.twelvedata.history import SeriesHistory
from core.feeds.twelvedata.refusals import NothingThere, refuse
from core.model.errors import ConfigError, DataError
from core.model.market import Bar, Timeframe

MIN, HOUR, DAY = Timeframe.M1.ns, Timeframe.H1.ns, Timeframe.D1.ns
DAY0 = 1_646_784_000_000_000_000
FORM = "%Y-%m-%d %H:%M:%S"


def text(ts_ns: int) -> str:
    return datetime.fromtimestamp(ts_ns / 1e9, UTC).strftime(FORM)


def row(ts_ns: int, close: str = "1.5") -> dict[str, str]:
    return {"datetime": text(ts_ns), "open": "1.50000", "high": "2", "low": "1", "close": close,
            "volume": "10"}  # fmt: skip


class Host:
    """Gives the newest or the oldest rows of what is asked, as many as fit an answer."""

    def __init__(self, times: list[int], *, newest: bool) -> None:
        self.times, self.newest = times, newest
        self.asked: list[dict[str, str]] = []

    async def __call__(self, params: list[tuple[str, str]], what: str) -> bytes:
        ask = dict(params)
        self.asked.append(ask)
        hits = [ts for ts in self.times if ask["start_date"] <= text(ts) <= ask["end_date"]]
        if not hits:
            raise NothingThere("No data is available on the specified dates.")
        part = hits[-history.ROWS :] if self.newest else hits[: history.ROWS]
        return json.dumps({"values": [row(ts) for ts in part], "status": "ok"}).encode()


@pytest.mark.parametrize("newest", [True, False])
async def test_whatever_an_answer_leaves_out_is_asked_for_again(listed, clock, monkeypatch, newest):
    monkeypatch.setattr(history, "ROWS", 3)
    times = [DAY0 + n * MIN for n in range(10) if n != 4]
    host = Host(times, newest=newest)
    bars = await SeriesHistory(host, clock).bars(
        listed["BTC/USD"], Timeframe.M1, DAY0, DAY0 + 10 * MIN
    )
    assert [bar.ts_open_ns for bar in bars] == times
    assert len(host.asked) <= 6
    assert host.asked[0] == {
        "symbol": "BTC/USD", "interval": "1min", "start_date": text(DAY0),
        "end_date": text(DAY0 + 9 * MIN), "timezone": "UTC", "order": "asc", "outputsize": "3",
    }  # fmt: skip


async def test_a_row_becomes_ticks_and_lots(listed, clock):
    host = Host([DAY0], newest=True)
    (bar,) = await SeriesHistory(host, clock).bars(listed["AAPL"], Timeframe.M1, DAY0, DAY0 + MIN)
    assert bar == Bar(
        listed["AAPL"].id, Timeframe.M1, DAY0, 150_000, 200_000, 100_000, 150_000, 10, 0
    )


async def test_hours_of_a_stock_are_joined_from_quarters_for_its_own_begin_at_half_past(
    listed, clock
):
    host = Host([DAY0 + 14 * HOUR + n * 15 * MIN for n in range(2, 8)], newest=True)
    hours = await SeriesHistory(host, clock).bars(
        listed["AAPL"], Timeframe.H1, DAY0 + 14 * HOUR, DAY0 + 17 * HOUR
    )
    assert [(bar.ts_open_ns - DAY0) // HOUR for bar in hours] == [14, 15]
    assert [bar.volume_lots for bar in hours] == [20, 40]
    assert host.asked[0]["interval"] == "15min"


async def test_days_of_a_coin_are_joined_from_hours(listed, clock):
    host = Host([DAY0 + n * HOUR for n in range(30)], newest=True)
    days = await SeriesHistory(host, clock).bars(
        listed["BTC/USD"], Timeframe.D1, DAY0, DAY0 + 2 * DAY
    )
    assert [bar.ts_open_ns for bar in days] == [DAY0, DAY0 + DAY]


async def test_a_bar_still_open_is_not_asked_for(listed, clock):
    now = clock.now_ns() // MIN * MIN
    host = Host([now - MIN, now], newest=True)
    bars = await SeriesHistory(host, clock).bars(listed["AAPL"], Timeframe.M1, now - MIN, now + MIN)
    assert [bar.ts_open_ns for bar in bars] == [now - MIN]


async def test_a_time_without_rows_has_no_bars(listed, clock):
    host = Host([], newest=True)
    assert (
        await SeriesHistory(host, clock).bars(listed["AAPL"], Timeframe.M1, DAY0, DAY0 + MIN) == []
    )


async def test_seconds_are_not_to_be_had(listed, clock):
    with pytest.raises(ConfigError, match="none of 5s"):
        await SeriesHistory(Host([], newest=True), clock).bars(
            listed["AAPL"], Timeframe.S5, DAY0, DAY0 + MIN
        )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([row(DAY0 + HOUR)], "outside of"),
        ([row(DAY0) | {"open": "x"}], "expected a number"),
        ([row(DAY0) | {"open": None}], "Expected `str`"),
        ([row(DAY0) | {"low": "1.7"}], "must enclose"),
        ([row(DAY0) | {"datetime": "09/03/2022"}], "RFC 3339"),
    ],
)
async def test_rows_that_cannot_be_are_refused_not_repaired(listed, clock, values, words):
    async def host(params: Any, what: str) -> bytes:
        return json.dumps({"values": values}).encode()

    with pytest.raises(DataError, match=words):
        await SeriesHistory(host, clock).bars(listed["AAPL"], Timeframe.M1, DAY0, DAY0 + MIN)


def test_words_for_no_rows_are_told_from_a_wrong_symbol():
    with pytest.raises(NothingThere):
        refuse(b'{"code":400,"message":"No data is available on the specified dates. Try",'
               b'"status":"error"}', "bars")  # fmt: skip
    with pytest.raises(DataError, match="symbol"):
        refuse(b'{"code":400,"message":"**symbol** not found: X","status":"error"}', "bars")
