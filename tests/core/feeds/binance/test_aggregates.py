from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from aiohttp import web

from core.engine.clock import SystemClock
from core.feeds.binance import aggregates
from core.feeds.binance.aggregates import AggregateHistory, map_aggregates
from core.model.errors import DataError, TemporaryError
from core.model.instruments import Instrument
from core.model.market import Trade
from core.wire.http import HttpSession

HOUR_MS = 3_600_000
START_MS = 1_700_000_000_000


def row(number: int, at_ms: int, **changes: Any) -> dict[str, Any]:
    values = {
        "a": number, "p": "100.25", "q": "0.00500", "f": 10 * number, "l": 10 * number + 1,
        "T": at_ms, "m": bool(number % 2), "M": True,
    }  # fmt: skip
    return values | changes


class Venue:
    """Serves aggregates by time, within an hour, or by id, as the venue does."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.asked: list[dict[str, str]] = []
        self.status = 200

    async def serve(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        self.asked.append(query)
        if self.status != 200:
            return web.Response(status=self.status, text="<html>no</html>")
        if "fromId" in query:
            found = [row for row in self.rows if row["a"] >= int(query["fromId"])]
        else:
            first, last = int(query["startTime"]), int(query["endTime"])
            assert last - first <= HOUR_MS, "the venue refuses more than an hour"
            found = [row for row in self.rows if first <= row["T"] <= last]
        return web.json_response(found[: int(query["limit"])])


@pytest.fixture
def venue() -> Venue:
    return Venue()


@pytest.fixture
async def history(venue: Venue) -> AsyncIterator[AggregateHistory]:
    app = web.Application()
    app.router.add_get("/api/v3/aggTrades", venue.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    http = HttpSession(url, clock=SystemClock(), timeout_s=5.0)
    yield AggregateHistory(http, path="/api/v3/aggTrades", weight=4)
    await http.close()
    await runner.cleanup()


def ids(trades: list[Trade]) -> list[int]:
    return [trade.trade_id for trade in trades]


async def asked(
    history: AggregateHistory, item: Instrument, start_ms: int, end_ms: int
) -> list[int]:
    return ids(await history.trades(item, start_ms * 10**6, end_ms * 10**6))


async def test_quiet_hours_are_passed_over_and_the_end_is_left_out(
    history: AggregateHistory, venue: Venue, btc: Instrument
) -> None:
    at = (0, 5, 3 * HOUR_MS, 3 * HOUR_MS + 7)
    venue.rows = [row(number, START_MS + ms) for number, ms in enumerate(at, 1)]
    found = await asked(history, btc, START_MS, START_MS + 3 * HOUR_MS + 7)
    assert found == [1, 2, 3]
    assert len(venue.asked) == 4


async def test_many_trades_of_one_millisecond_are_paged_by_their_id(
    history: AggregateHistory, venue: Venue, btc: Instrument, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aggregates, "PAGE", 3)
    venue.rows = [row(number, START_MS + 1) for number in range(1, 9)]
    venue.rows += [row(9, START_MS + 2), row(10, START_MS + 50)]
    assert await asked(history, btc, START_MS, START_MS + 50) == list(range(1, 10))
    assert [query.get("fromId") for query in venue.asked] == [None, "4", "7", "10"]


async def test_empty_stretch_gives_nothing(
    history: AggregateHistory, venue: Venue, btc: Instrument
) -> None:
    assert await asked(history, btc, START_MS, START_MS) == []
    assert venue.asked == []
    assert await asked(history, btc, START_MS, START_MS + 10) == []


@pytest.mark.parametrize(("status", "error"), [(503, TemporaryError), (429, TemporaryError),
                                              (400, DataError)])  # fmt: skip
async def test_venue_that_refuses_is_an_error_by_who_must_act(
    history: AggregateHistory, venue: Venue, btc: Instrument, status: int, error: type[Exception]
) -> None:
    venue.status = status
    with pytest.raises(error):
        await asked(history, btc, START_MS, START_MS + 10)


def test_values_are_ticks_and_lots_and_finer_ones_the_nearest(btc: Instrument) -> None:
    rows = [row(7, 5), row(8, 6, p="100.254", q="0.000001")]
    first, second = map_aggregates(msgspec.json.encode(rows), btc)
    assert first == Trade(btc.id, 5_000_000, 0, 10025, 500, True, 7, 70)
    assert (second.price_ticks, second.size_lots) == (10025, 1)
    assert btc.price_tick == Decimal("0.01")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"code": -1121}, "aggregate trades of BTCUSDT.binance: Expected `array`"),
        ([row(1, 5, p="NaN")], "price and size must be above 0"),
        ([row(1, 5, q="0")], "price and size must be above 0"),
        ([row(1, 5, p="x")], "must be decimals"),
        ([row(2, 5), row(1, 6)], "ids and times must rise, were 2 before 1"),
        ([row(1, 6), row(2, 5)], "ids and times must rise"),
    ],
)
def test_rows_that_make_no_sense_are_refused_in_words(
    btc: Instrument, rows: Any, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        list(map_aggregates(msgspec.json.encode(rows), btc))
