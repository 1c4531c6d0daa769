from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from core.engine.clock import SimClock
from core.feeds.bybit.dialect import BybitDialect, make_dialect
from core.model.errors import ConfigError, DataError, TemporaryError
from core.model.instruments import Instrument
from core.model.market import Timeframe
from core.model.settings import FeedSettings

NOW_MS = 1_700_000_040_000 + 60_000 * 60_000
FIRST_MS = NOW_MS - 5000 * 60_000


class Klines:
    """Serves klines as the venue does: newest first, both ends included, 1000 at most."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.answer: Any = None
        self.status = 200

    async def serve(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        self.asked.append(query)
        if self.answer is not None:
            if isinstance(self.answer, str):
                return web.Response(text=self.answer, status=self.status, content_type="text/html")
            return web.json_response(self.answer, status=self.status)
        start, end = max(int(query["start"]), FIRST_MS), min(int(query["end"]), NOW_MS)
        opens = range(end - end % 60_000, start - 1, -60_000)[: int(query["limit"])]
        rows = [
            [str(opened), "100", "102", "99", "101", "0" if opened % 420_000 == 0 else "1.5", "1"]
            for opened in opens
        ]
        return web.json_response(
            {"retCode": 0, "retMsg": "OK", "result": {"category": "linear", "list": rows}}
        )


@pytest.fixture
def klines() -> Klines:
    return Klines()


@pytest.fixture
async def dialect(klines: Klines, serve: Any) -> AsyncIterator[BybitDialect]:
    url = await serve({"/v5/market/kline": klines.serve})
    made = make_dialect(FeedSettings(rest_url=url), clock=SimClock(NOW_MS * 10**6))
    yield made
    await made.close()


async def test_pages_join_without_a_missing_or_doubled_bar(
    dialect: BybitDialect, klines: Klines, linear: Instrument
) -> None:
    start_ms = FIRST_MS - 86_400_000 * 365 * 3
    bars = await dialect.history(linear, Timeframe.M1, start_ms * 10**6, NOW_MS * 10**6)
    opens = [bar.ts_open_ns // 10**6 for bar in bars]
    assert opens == [at for at in range(FIRST_MS, NOW_MS, 60_000) if at % 420_000]
    assert len(klines.asked) < 9, "years of nothing cost one question"
    assert {query["category"] for query in klines.asked} == {"linear"}
    assert bars[0].high_ticks == 1020


async def test_spot_of_the_same_symbol_is_another_question(
    dialect: BybitDialect, klines: Klines, spot: Instrument
) -> None:
    start_ns = (NOW_MS - 600_000) * 10**6
    await dialect.history(spot, Timeframe.M1, start_ns, NOW_MS * 10**6)
    assert klines.asked[0]["category"] == "spot"
    assert klines.asked[0]["symbol"] == "BTCUSDT"


async def test_what_the_venue_has_no_bars_of(
    dialect: BybitDialect, linear: Instrument, option: Instrument
) -> None:
    for item, timeframe in ((linear, Timeframe.S1), (option, Timeframe.M1)):
        with pytest.raises(ConfigError, match="all but options"):
            await dialect.history(item, timeframe, 0, 10**9)


@pytest.mark.parametrize(
    ("status", "answer", "error", "words"),
    [
        (200, {"retCode": 10006, "retMsg": "Too many", "result": {}}, TemporaryError, "10006"),
        (200, {"retCode": 10001, "retMsg": "no symbol", "result": {}}, DataError, "symbol first"),
        (429, {}, TemporaryError, "429"),
        (403, "<html>access too frequent</html>", DataError, "ten minutes"),
        (200, "<html>login</html>", DataError, "web page"),
        (200, {"retCode": 0, "result": {"list": [["x", "1", "1", "1", "1", "1"]]}}, DataError,
         "bar of"),
        (200, {"retCode": 0, "result": {"list": [["1", "1", "1", "2", "1", "1"]]}}, DataError,
         "enclose"),
        (200, {"retCode": 0, "result": None}, DataError, "klines"),
        (200, [1], DataError, "klines of BTCUSDT-PERP.bybit"),
    ],
)  # fmt: skip
async def test_answers_that_are_no_klines_are_told_apart(
    dialect: BybitDialect, klines: Klines, linear: Instrument, status: int, answer: Any,
    error: type[Exception], words: str,
) -> None:  # fmt: skip
    klines.status, klines.answer = status, answer
    with pytest.raises(error, match=words):
        await dialect.history(linear, Timeframe.M1, 0, NOW_MS * 10**6)
