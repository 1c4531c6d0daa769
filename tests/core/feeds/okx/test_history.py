from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from core.engine.clock import SimClock
from core.feeds.okx.dialect import OkxDialect, make_dialect
from core.model.errors import DataError, TemporaryError
from core.model.instruments import Instrument
from core.model.market import Timeframe
from core.model.settings import FeedSettings

MINUTE_NS = Timeframe.M1.ns
NOW_MS = 1_700_000_040_000 + 10_000 * 60_000
FIRST_MS = NOW_MS - 4000 * 60_000


class Candles:
    """Serves candles as the venue does: newest first, `after` older, `before` newer."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.answer: Any = None
        self.status = 200

    async def serve(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        self.asked.append((request.path, query))
        if self.answer is not None:
            if isinstance(self.answer, str):
                return web.Response(text=self.answer, status=self.status, content_type="text/html")
            return web.json_response(self.answer, status=self.status)
        step = {"1m": 60_000, "1s": 1000, "1Dutc": 86_400_000}[query["bar"]]
        last = min(int(query["after"]) - 1, NOW_MS)
        opens = range(last - last % step, max(int(query["before"]), FIRST_MS - 1), -step)
        if "history" not in request.path:
            opens = opens[:1440]
        rows = [self.row(opened, step) for opened in opens[: int(query["limit"])]]
        return web.json_response({"code": "0", "msg": "", "data": rows})

    @staticmethod
    def row(opened: int, step: int) -> list[str]:
        number = opened // step
        done = "1" if opened + step <= NOW_MS else "0"
        size = "0" if number % 10 == 3 else "1.5"
        return [str(opened), "100.1", "100.4", "99.9", f"{100 + number % 3 / 10:.1f}", size, "1",
                "1", done]  # fmt: skip


@pytest.fixture
def candles() -> Candles:
    return Candles()


@pytest.fixture
async def dialect(candles: Candles, serve: Any) -> AsyncIterator[OkxDialect]:
    url = await serve({"/api/v5/market/{name}": candles.serve})
    clock = SimClock(NOW_MS * 10**6)
    made = make_dialect(FeedSettings(rest_url=url, stream_url="ws://x"), clock=clock)
    # A clock that stands still never gives a new budget.
    made._http._limiter = None
    yield made
    await made.close()


async def test_pages_join_without_a_missing_or_doubled_bar(
    dialect: OkxDialect, candles: Candles, spot: Instrument
) -> None:
    start_ns = (FIRST_MS - 60_000 * 7) * 10**6
    bars = await dialect.history(spot, Timeframe.M1, start_ns, NOW_MS * 10**6)
    opens = [bar.ts_open_ns // 60_000_000_000 for bar in bars]
    wanted = range(FIRST_MS // 60_000, NOW_MS // 60_000)
    assert opens == [number for number in wanted if number % 10 != 3], "no volume, no bar"
    paths = [path for path, _ in candles.asked]
    assert paths[0] == "/api/v5/market/candles"
    assert paths[-1] == "/api/v5/market/history-candles"
    assert all(query["limit"] == "100" for _, query in candles.asked)


async def test_one_bar_asks_for_one(
    dialect: OkxDialect, candles: Candles, spot: Instrument
) -> None:
    start_ns = (NOW_MS - 60_000 * 5) * 10**6
    bars = await dialect.history(spot, Timeframe.M1, start_ns, start_ns + MINUTE_NS)
    (bar,) = bars
    assert bar.ts_open_ns == start_ns
    assert (bar.open_ticks, bar.high_ticks, bar.low_ticks) == (1001, 1004, 999)
    assert bar.volume_lots == 150_000_000
    ((_, query),) = candles.asked
    assert query["before"] == str(start_ns // 10**6 - 1)
    assert query["after"] == str((start_ns + MINUTE_NS) // 10**6)


async def test_open_bar_and_days_of_hong_kong_are_left_out(
    dialect: OkxDialect, candles: Candles, spot: Instrument
) -> None:
    await dialect.history(spot, Timeframe.D1, 0, (NOW_MS + 86_400_000) * 10**6)
    assert candles.asked[0][1]["bar"] == "1Dutc"
    day = NOW_MS // 86_400_000 * 86_400_000
    assert candles.asked[0][1]["after"] == str(day)


async def test_five_seconds_are_joined_from_one(dialect: OkxDialect, spot: Instrument) -> None:
    end_ns = (NOW_MS - 60_000) * 10**6
    bars = await dialect.history(spot, Timeframe.S5, end_ns - 10 * 10**9, end_ns)
    assert [(bar.timeframe, bar.volume_lots) for bar in bars] == [
        (Timeframe.S5, 600_000_000 if bars[0].volume_lots == 600_000_000 else 750_000_000),
        (Timeframe.S5, 1_350_000_000 - bars[0].volume_lots),
    ]


@pytest.mark.parametrize(
    ("status", "answer", "error", "words"),
    [
        (200, {"code": "50011", "msg": "Too Many Requests", "data": []}, TemporaryError, "50011"),
        (200, {"code": "51001", "msg": "no such", "data": []}, DataError, "renamed"),
        (429, {"code": "50011", "msg": "Too Many Requests"}, TemporaryError, "429"),
        (503, "<html>away</html>", TemporaryError, "503"),
        (403, "<html>WAF</html>", DataError, "403"),
        (200, "<html>login</html>", DataError, "web page"),
        (200, {"code": "0", "data": [["x", "1", "1", "1", "1", "1"]]}, DataError, "bar of"),
        (200, {"code": "0", "data": [["1", "1", "1", "2", "1", "1", "1"]]}, DataError, "enclose"),
        (200, {"code": "0", "data": [["99999999999999", "1", "1", "1", "1", "1", "1"]]},
         DataError, "bar of"),
        (200, {"code": "0", "data": [["9999999999999", "1", "1", "1", "1", "1", "1"]]},
         DataError, "newest first"),
        (200, {"code": "0", "data": [["1", "NaN", "1", "1", "1", "1", "1"]]}, DataError, "decimal"),
        (200, [1], DataError, "candles of BTC-USDT.okx"),
    ],
)  # fmt: skip
async def test_answers_that_are_no_candles_are_told_apart(
    dialect: OkxDialect, candles: Candles, spot: Instrument, status: int, answer: Any,
    error: type[Exception], words: str,
) -> None:  # fmt: skip
    candles.status, candles.answer = status, answer
    with pytest.raises(error, match=words):
        await dialect.history(spot, Timeframe.M1, 0, NOW_MS * 10**6)
