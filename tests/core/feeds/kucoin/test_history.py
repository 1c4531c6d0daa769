from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from core.engine.clock import SimClock
from core.feeds.kucoin.dialect import KucoinDialect, make_dialect
from core.model.errors import ConfigError, DataError, TemporaryError
from core.model.instruments import Instrument
from core.model.market import Timeframe
from core.model.settings import FeedSettings

NOW_S = 1_700_000_040 + 60_000 * 60
FIRST_S = NOW_S - 7000 * 60
HOLE_S = NOW_S - 3000 * 60


class Candles:
    """Serves candles as the venue does: newest first, 1500 at most, its end included."""

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
        start, end = max(int(query["startAt"]), FIRST_S), int(query["endAt"])
        opens = [
            opened
            for opened in range(end - end % 60, start - 1, -60)
            # Two days without a trade.
            if opened % 420 and not HOLE_S - 172_800 <= opened < HOLE_S
        ]
        rows = [[str(opened), "100", "101", "102", "99", "1.5", "150"] for opened in opens[:1500]]
        return web.json_response({"code": "200000", "data": rows})


@pytest.fixture
def candles() -> Candles:
    return Candles()


@pytest.fixture
async def dialect(candles: Candles, serve: Any) -> AsyncIterator[KucoinDialect]:
    url = await serve({"/api/v1/market/candles": candles.serve})
    made = make_dialect(FeedSettings(rest_url=url), clock=SimClock(NOW_S * 10**9))
    yield made
    await made.close()


async def test_pages_join_without_a_missing_or_doubled_bar(
    dialect: KucoinDialect, candles: Candles, spot: Instrument
) -> None:
    start_s = FIRST_S - 86_400 * 365 * 3
    bars = await dialect.history(spot, Timeframe.M1, start_s * 10**9, NOW_S * 10**9)
    opens = [bar.ts_open_ns // 10**9 for bar in bars]
    wanted = [
        opened
        for opened in range(FIRST_S, NOW_S, 60)
        if opened % 420 and not HOLE_S - 172_800 <= opened < HOLE_S
    ]
    assert opens == wanted
    assert len(candles.asked) < 10, "years of nothing cost one question"
    (bar,) = {(bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks) for bar in bars}
    assert bar == (1000, 1020, 990, 1010), "close comes before high"


async def test_hole_longer_than_a_page_is_crossed(dialect: KucoinDialect, spot: Instrument) -> None:
    start_s = HOLE_S - 172_800 - 600
    bars = await dialect.history(spot, Timeframe.M1, start_s * 10**9, NOW_S * 10**9)
    assert bars[0].ts_open_ns >= start_s * 10**9
    assert any(bar.ts_open_ns < (HOLE_S - 172_800) * 10**9 for bar in bars)


async def test_no_bars_of_seconds(dialect: KucoinDialect, spot: Instrument) -> None:
    with pytest.raises(ConfigError, match="1m"):
        await dialect.history(spot, Timeframe.S1, 0, 10**9)


@pytest.mark.parametrize(
    ("status", "answer", "error", "words"),
    [
        (200, {"code": "429000", "msg": "Too many"}, TemporaryError, "429000"),
        (200, {"code": "900001", "msg": "no symbol"}, DataError, "renamed"),
        (429, {"code": "429000"}, TemporaryError, "429"),
        (403, "<html>banned</html>", DataError, "banned"),
        (200, "<html>login</html>", DataError, "web page"),
        (200, {"code": "200000", "data": [["x", "1", "1", "1", "1", "1"]]}, DataError, "bar of"),
        (200, {"code": "200000", "data": [["1", "1", "3", "2", "1", "1"]]}, DataError, "enclose"),
        (200, [1], DataError, "candles of BTC-USDT.kucoin"),
    ],
)
async def test_answers_that_are_no_candles_are_told_apart(
    dialect: KucoinDialect, candles: Candles, spot: Instrument, status: int, answer: Any,
    error: type[Exception], words: str,
) -> None:  # fmt: skip
    candles.status, candles.answer = status, answer
    with pytest.raises(error, match=words):
        await dialect.history(spot, Timeframe.M1, 0, NOW_S * 10**9)
