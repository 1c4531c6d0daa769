from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from core.engine.clock import SimClock
from core.feeds.binance.history import PAGE, KlineHistory, join_bars, map_rows
from core.model.errors import DataError, TemporaryError
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe
from core.wire.http import HttpSession

START_MS = 1_700_000_040_000
MINUTE = Timeframe.M1


def row(open_ms: int, trades: int = 3, **changes: Any) -> list[Any]:
    values = {"o": "100.00", "h": "101.50", "l": "99.00", "c": "100.50", "v": "2.50000"} | changes
    return [
        open_ms, values["o"], values["h"], values["l"], values["c"], values["v"], open_ms + 59_999,
        "1", trades, "1", "1", "0",
    ]  # fmt: skip


class Klines:
    """Serves candles for every step of the interval from START_MS on."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.status = 200
        self.body: bytes | None = None

    async def serve(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        self.asked.append(query)
        if self.body is not None:
            return web.Response(body=self.body, status=self.status)
        if self.status != 200:
            return web.json_response({"code": -1121, "msg": "x"}, status=self.status)
        step = {"1m": 60_000, "1s": 1000, "1d": 86_400_000}[query["interval"]]
        first = max(START_MS, -(-int(query["startTime"]) // step) * step)
        opens = range(first, int(query["endTime"]) + 1, step)[: int(query["limit"])]
        return web.json_response([row(open_ms, (open_ms // step) % 4) for open_ms in opens])


@pytest.fixture
def klines() -> Klines:
    return Klines()


@pytest.fixture
async def history(klines: Klines) -> AsyncIterator[KlineHistory]:
    app = web.Application()
    app.router.add_get("/api/v3/klines", klines.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    clock = SimClock((START_MS + 10**10) * 1_000_000)
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    http = HttpSession(url, clock=clock, timeout_s=5.0)
    yield KlineHistory(http, clock)
    await http.close()
    await runner.cleanup()


async def test_pages_join_to_every_bar_with_a_trade_once(
    history: KlineHistory, klines: Klines, btc: Instrument
) -> None:
    count = 2 * PAGE + 500
    end_ns = (START_MS + count * 60_000) * 1_000_000
    bars = await history.bars(btc, MINUTE, START_MS * 1_000_000, end_ns)
    opens = [START_MS + step * 60_000 for step in range(count)]
    assert [bar.ts_open_ns for bar in bars] == [
        open_ms * 1_000_000 for open_ms in opens if (open_ms // 60_000) % 4
    ]
    assert len(klines.asked) == 3
    assert bars[0] == Bar(
        btc.id, MINUTE, bars[0].ts_open_ns, 10000, 10150, 9900, 10050, 250_000, bars[0].trades
    )


async def test_bar_that_is_not_over_is_never_given(history: KlineHistory, btc: Instrument) -> None:
    now_ms = START_MS + 10**10
    bars = await history.bars(btc, MINUTE, (now_ms - 300_000) * 1_000_000, (now_ms + 10**9) * 10**6)
    assert max(bar.ts_open_ns for bar in bars) + MINUTE.ns <= now_ms * 1_000_000


async def test_start_within_a_bar_begins_with_the_next(
    history: KlineHistory, btc: Instrument
) -> None:
    start_ns = (START_MS + 60_001) * 1_000_000
    bars = await history.bars(btc, MINUTE, start_ns, start_ns + 5 * MINUTE.ns)
    assert bars
    assert all(bar.ts_open_ns >= start_ns for bar in bars)


async def test_five_second_bars_are_joined_from_one_second_bars(
    history: KlineHistory, klines: Klines, btc: Instrument
) -> None:
    start_ns = START_MS * 1_000_000
    bars = await history.bars(btc, Timeframe.S5, start_ns, start_ns + 15 * Timeframe.S1.ns)
    assert klines.asked[0]["interval"] == "1s"
    assert [bar.ts_open_ns for bar in bars] == [start_ns + step * 5 * 10**9 for step in range(3)]
    assert {bar.timeframe for bar in bars} == {Timeframe.S5}
    seconds = [START_MS // 1000 + step for step in range(5)]
    assert bars[0].trades == sum(second % 4 for second in seconds)
    assert bars[0].volume_lots == 250_000 * sum(second % 4 > 0 for second in seconds)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_venue_that_cannot_answer_now_is_a_temporary_error(
    history: KlineHistory, klines: Klines, btc: Instrument, status: int
) -> None:
    klines.status = status
    with pytest.raises(TemporaryError, match=rf"klines of BTCUSDT\.binance 1m: .* {status}"):
        await history.bars(btc, MINUTE, START_MS * 10**6, (START_MS + 10**6) * 10**6)


@pytest.mark.parametrize(
    ("status", "body"), [(400, b'{"code":-1121}'), (200, b"<html>"), (200, b'{"a":1}')]
)
async def test_answer_that_is_no_list_of_candles_is_a_data_error(
    history: KlineHistory, klines: Klines, btc: Instrument, status: int, body: bytes
) -> None:
    klines.status, klines.body = status, body
    with pytest.raises(DataError, match=r"klines of BTCUSDT\.binance 1m"):
        await history.bars(btc, MINUTE, START_MS * 10**6, (START_MS + 10**6) * 10**6)


@pytest.mark.parametrize(
    "bad",
    [
        [1],
        row(START_MS, o="x"),
        row(START_MS, o=None),
        row(START_MS, v="NaN"),
        row(START_MS, h="98.00"),
        row(START_MS, l="0"),
        ["1", *row(START_MS)[1:]],
    ],
)
def test_impossible_candle_is_a_data_error(btc: Instrument, bad: list[Any]) -> None:
    with pytest.raises(DataError, match=r"kline of BTCUSDT\.binance 1m"):
        list(map_rows([bad], btc, MINUTE))


def test_finer_steps_of_the_past_are_rounded_in_bars_only(btc: Instrument) -> None:
    (bar,) = map_rows([row(START_MS, o="100.004", v="2.5000049")], btc, MINUTE)
    assert (bar.open_ticks, bar.volume_lots) == (10000, 250_000)
    assert btc.size(bar.volume_lots) == Decimal("2.5")


def test_joined_bars_keep_open_close_and_extremes() -> None:
    name = InstrumentId("X.y")
    second = Timeframe.S1
    bars = [
        Bar(name, second, 5 * 10**9, 10, 12, 9, 11, 1, 1),
        Bar(name, second, 7 * 10**9, 11, 20, 11, 15, 2, 2),
        Bar(name, second, 10 * 10**9, 15, 16, 1, 2, 3, 3),
    ]
    assert list(join_bars(bars, Timeframe.S5)) == [
        Bar(name, Timeframe.S5, 5 * 10**9, 10, 20, 9, 15, 3, 3),
        Bar(name, Timeframe.S5, 10 * 10**9, 15, 16, 1, 2, 3, 3),
    ]
