from __future__ import annotations

import json
from typing import Any

import pytest

from core.feeds.alpaca.history import BarHistory
from core.feeds.stamps import Stamps, rfc3339
from core.model.errors import ConfigError, DataError
from core.model.market import Bar, Timeframe

MIN = Timeframe.M1.ns
HOUR = Timeframe.H1.ns
DAY0 = 1_646_784_000_000_000_000  # 2022-03-09T00:00:00Z
NOW = DAY0 + 3 * Timeframe.D1.ns


def row(ts_ns: int, close: str = "100.5", volume: str = "10", count: int | None = 3) -> Any:
    out = {
        "t": rfc3339(ts_ns),
        "o": 100,
        "h": 101,
        "l": 99.5,
        "c": float(close),
        "v": float(volume),
    }
    return out if count is None else out | {"n": count}


class Host:
    """Answers from a list of rows, in pages, as the data host does."""

    def __init__(self, symbol: str, rows: list[Any], page: int = 2) -> None:
        self.symbol, self.rows, self.page = symbol, rows, page
        self.asked: list[tuple[str, dict[str, str]]] = []

    async def __call__(self, path: str, params: list[tuple[str, str]], what: str) -> bytes:
        ask = dict(params)
        self.asked.append((path, ask))
        stamps = Stamps()
        start, end = stamps.ns(ask["start"]), stamps.ns(ask["end"])
        rows = [item for item in self.rows if start <= stamps.ns(item["t"]) <= end]
        at = int(ask.get("page_token", "0"))
        more = at + self.page < len(rows)
        return json.dumps(
            {
                "bars": {self.symbol: rows[at : at + self.page]} if rows else {},
                "next_page_token": str(at + self.page) if more else None,
            }
        ).encode()


def history(host: Any, clock: Any, delay_ns: int = 0) -> BarHistory:
    clock.set(NOW)
    return BarHistory(host, clock, feed="iex", delay_ns=delay_ns)


async def test_pages_are_joined_without_a_missing_or_doubled_bar(listed, clock):
    host = Host("AAPL", [row(DAY0 + n * MIN) for n in range(7)])
    bars = await history(host, clock).bars(listed["AAPL"], Timeframe.M1, DAY0, DAY0 + 6 * MIN)
    assert [bar.ts_open_ns for bar in bars] == [DAY0 + n * MIN for n in range(6)]
    assert [ask.get("page_token") for _, ask in host.asked] == [None, "2", "4"]
    assert host.asked[0] == (
        "/v2/stocks/bars",
        {"symbols": "AAPL", "timeframe": "1Min", "start": "2022-03-09T00:00:00Z",
         "end": "2022-03-09T00:05:59.999999999Z", "limit": "10000", "sort": "asc",
         "adjustment": "raw", "feed": "iex"},
    )  # fmt: skip


async def test_a_row_becomes_ticks_lots_and_a_count(listed, clock):
    host = Host("AAPL", [row(DAY0)])
    (bar,) = await history(host, clock).bars(listed["AAPL"], Timeframe.M1, DAY0, DAY0 + MIN)
    assert bar == Bar(
        listed["AAPL"].id, Timeframe.M1, DAY0, 1_000_000, 1_010_000, 995_000, 1_005_000,
        10_000_000, 3,
    )  # fmt: skip


async def test_minutes_without_a_trade_give_no_bar(listed, clock):
    host = Host("BTC/USD", [row(DAY0), row(DAY0 + MIN, volume="0", count=0), row(DAY0 + 2 * MIN)])
    bars = await history(host, clock).bars(listed["BTC/USD"], Timeframe.M1, DAY0, DAY0 + 9 * MIN)
    assert [bar.ts_open_ns for bar in bars] == [DAY0, DAY0 + 2 * MIN]
    assert host.asked[0][0] == "/v1beta3/crypto/us/bars"
    assert "feed" not in host.asked[0][1]


async def test_days_begin_at_midnight_utc_and_are_joined_from_hours(listed, clock):
    rows = [row(DAY0 + n * HOUR, close=f"{100 + n / 100}") for n in range(30)]
    host = Host("BTC/USD", rows, page=100)
    days = await history(host, clock).bars(listed["BTC/USD"], Timeframe.D1, DAY0, NOW)
    assert [bar.ts_open_ns for bar in days] == [DAY0, DAY0 + 24 * HOUR]
    assert [bar.trades for bar in days] == [72, 18]
    assert days[0].close_ticks == 100_230_000_000
    assert host.asked[0][1]["timeframe"] == "1Hour"


async def test_a_bar_still_open_is_left_out(listed, clock):
    host = Host("AAPL", [row(NOW - 2 * MIN), row(NOW - MIN), row(NOW)])
    bars = await history(host, clock).bars(listed["AAPL"], Timeframe.M1, NOW - 5 * MIN, NOW + MIN)
    assert [bar.ts_open_ns for bar in bars] == [NOW - 2 * MIN, NOW - MIN]


async def test_a_delayed_plan_asks_for_nothing_younger_than_its_delay(listed, clock):
    host = Host("AAPL", [row(NOW - 20 * MIN), row(NOW - MIN)])
    ask = history(host, clock, delay_ns=16 * MIN).bars
    assert len(await ask(listed["AAPL"], Timeframe.M1, NOW - 30 * MIN, NOW)) == 1
    assert await ask(listed["AAPL"], Timeframe.M1, NOW - 5 * MIN, NOW) == []
    assert len(host.asked) == 1


async def test_seconds_are_not_to_be_had(listed, clock):
    with pytest.raises(ConfigError, match="has bars of 1m, 5m, 15m, 1h, 4h, 1d"):
        await history(Host("AAPL", []), clock).bars(listed["AAPL"], Timeframe.S1, DAY0, NOW)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[]", "Expected `object`"),
        (b'{"code":50010000,"message":"internal"}', "missing required field `bars`"),
        (b'{"bars":{"TSLA":[]}}', "was given 'TSLA'"),
        (b'{"bars":{"AAPL":[{"t":"x","o":1,"h":1,"l":1,"c":1,"v":1,"n":1}]}}', "RFC 3339"),
        (b'{"bars":{"AAPL":[{"t":"2022-03-09T00:00:00Z","o":"NaN","h":1,"l":1,"c":1,"v":1}]}}',
         "above 0"),
        (b'{"bars":{"AAPL":[{"t":"2022-03-09T00:00:00Z","o":5,"h":1,"l":1,"c":1,"v":1}]}}',
         "must enclose"),
        (b'{"bars":{"AAPL":[{"t":"2022-03-09T00:00:00Z","o":1,"h":1,"l":1,"c":1,"v":-1,"n":2}]}}',
         "0 or more"),
        (b'{"bars":{"AAPL":[{"t":"2022-03-09T00:00:00Z","o":1,"h":1,"l":1,"c":1,"v":1},'
         b'{"t":"2022-03-09T00:00:00Z","o":1,"h":1,"l":1,"c":1,"v":1}]}}', "must rise"),
    ],
)  # fmt: skip
async def test_rows_that_cannot_be_are_refused_not_repaired(listed, clock, body, words):
    async def host(path: str, params: object, what: str) -> bytes:
        return body

    with pytest.raises(DataError, match=words):
        await history(host, clock).bars(listed["AAPL"], Timeframe.M1, DAY0, DAY0 + MIN)


async def test_a_page_token_that_repeats_ends_in_an_error_not_in_a_circle(listed, clock):
    async def host(path: str, params: object, what: str) -> bytes:
        return b'{"bars":{},"next_page_token":"again"}'

    with pytest.raises(DataError, match="same page token twice"):
        await history(host, clock).bars(listed["AAPL"], Timeframe.M1, DAY0, DAY0 + MIN)
