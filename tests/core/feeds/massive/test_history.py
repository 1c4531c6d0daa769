from __future__ import annotations

import json
from typing import Any

import pytest

from core.feeds.massive.history import AggregateHistory, link
from core.model.errors import DataError
from core.model.market import Bar, Timeframe

MIN, HOUR, DAY = Timeframe.M1.ns, Timeframe.H1.ns, Timeframe.D1.ns
DAY0 = 1_646_784_000_000_000_000


def row(ts_ns: int, volume: float = 10, close: float = 1.5) -> dict[str, Any]:
    return {"t": ts_ns // 10**6, "o": 1.5, "h": 2, "l": 1, "c": close, "v": volume, "n": 3,
            "vw": 1.4}  # fmt: skip


class Host:
    """Answers from rows in pages that link to each other, as the REST host does."""

    def __init__(self, rows: list[dict[str, Any]], page: int = 2) -> None:
        self.rows, self.page = rows, page
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, path: str, query: str, what: str) -> bytes:
        self.asked.append((path, query))
        at = int(query.removeprefix("cursor=")) if query.startswith("cursor=") else 0
        page: dict[str, Any] = {"status": "OK", "results": self.rows[at : at + self.page]}
        if at + self.page < len(self.rows):
            page["next_url"] = f"https://api.massive.com{path}?cursor={at + self.page}"
        return json.dumps(page).encode()


async def test_pages_are_followed_by_their_links_without_their_host(listed, clock):
    host = Host([row(DAY0 + n * MIN) for n in range(5)])
    history = AggregateHistory(host, clock)
    bars = await history.bars(listed["AAPL"], Timeframe.M1, DAY0, DAY0 + 4 * MIN)
    assert [bar.ts_open_ns for bar in bars] == [DAY0 + n * MIN for n in range(4)]
    path = f"/v2/aggs/ticker/AAPL/range/1/minute/{DAY0 // 10**6}/{(DAY0 + 4 * MIN) // 10**6 - 1}"
    assert host.asked == [
        (path, "adjusted=false&sort=asc&limit=50000"), (path, "cursor=2"), (path, "cursor=4"),
    ]  # fmt: skip


async def test_a_row_becomes_ticks_lots_and_a_count(listed, clock):
    host = Host([row(DAY0, volume=95045.16897951)])
    (bar,) = await AggregateHistory(host, clock).bars(
        listed["X:BTCUSD"], Timeframe.M1, DAY0, DAY0 + MIN
    )
    assert bar == Bar(
        listed["X:BTCUSD"].id, Timeframe.M1, DAY0, 15 * 10**9, 2 * 10**10, 10**10, 15 * 10**9,
        9_504_516_897_951, 3,
    )  # fmt: skip
    assert "/X:BTCUSD/" in host.asked[0][0]


async def test_days_begin_at_midnight_utc_and_are_joined_from_hours(listed, clock):
    host = Host([row(DAY0 + n * HOUR) for n in range(30)], page=100)
    days = await AggregateHistory(host, clock).bars(
        listed["AAPL"], Timeframe.D1, DAY0, DAY0 + 3 * DAY
    )
    assert [(bar.ts_open_ns, bar.trades) for bar in days] == [(DAY0, 72), (DAY0 + DAY, 18)]
    assert "/range/1/hour/" in host.asked[0][0]


async def test_a_bar_still_open_is_left_out(listed, clock):
    now = clock.now_ns() // MIN * MIN
    host = Host([row(now - MIN), row(now)])
    bars = await AggregateHistory(host, clock).bars(
        listed["AAPL"], Timeframe.M1, now - MIN, now + MIN
    )
    assert [bar.ts_open_ns for bar in bars] == [now - MIN]


async def test_no_results_are_no_bars(listed, clock):
    async def host(path: str, query: str, what: str) -> bytes:
        return b'{"status":"OK","queryCount":0,"resultsCount":0}'

    assert (
        await AggregateHistory(host, clock).bars(listed["AAPL"], Timeframe.M1, DAY0, DAY0 + MIN)
        == []
    )


@pytest.mark.parametrize(
    ("results", "words"),
    [
        ([{"t": 1}], "missing required field"),
        ([row(DAY0), row(DAY0)], "must rise"),
        ([row(DAY0) | {"t": 10**19}], "time after 1970"),
        ([row(DAY0) | {"l": 1.6}], "must enclose"),
        ([row(DAY0) | {"v": -1}], "0 or more"),
        ([row(DAY0) | {"o": None}], "Expected `decimal`"),
    ],
)
async def test_rows_that_cannot_be_are_refused_not_repaired(listed, clock, results, words):
    with pytest.raises(DataError, match=words):
        await AggregateHistory(Host(results, page=9), clock).bars(
            listed["AAPL"], Timeframe.M1, DAY0, DAY0 + MIN
        )


async def test_a_link_in_a_circle_ends_in_an_error(listed, clock):
    async def host(path: str, query: str, what: str) -> bytes:
        return json.dumps({"status": "OK", "next_url": f"https://h{path}?{query}"}).encode()

    with pytest.raises(DataError, match="same page again"):
        await AggregateHistory(host, clock).bars(listed["AAPL"], Timeframe.M1, DAY0, DAY0 + MIN)


def test_a_link_keeps_path_and_query_alone():
    assert link("https://evil.example/v2/aggs/x?cursor=abc") == ("/v2/aggs/x", "cursor=abc")
    assert link("") is None
