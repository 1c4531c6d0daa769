"""Reading bars, and turning them into samples without a peek ahead."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np
import pytest
import zstandard
from aiohttp import web

from core.ai.features import WARMUP, compute
from core.ai.training.data import Series, data_sha256, fetch, read_csv, samples
from core.engine.clock import SystemClock
from core.model.errors import ConfigError, DataError

MINUTE = 60_000


def series(make, seed, count, name="X", start=0) -> Series:
    bars = make(seed, count)
    times = bars.ts_open_ns // 1_000_000 + start
    return Series(name, times, np.column_stack(bars[:5]))


def test_labels_are_the_return_of_the_bars_ahead(make) -> None:
    one = series(make, 1, 300)
    made = samples([one], 5)
    assert len(made.returns) == 300 - 5 - (WARMUP - 1)
    close = one.ohlcv[:, 3]
    first = WARMUP - 1
    assert made.returns[0] == pytest.approx(np.log(close[first + 5] / close[first]))
    assert made.ts_open_ms[0] == one.ts_open_ms[first]
    rows = compute(*one.ohlcv.T, one.ts_open_ms * 1_000_000)
    assert made.rows[0].tobytes() == rows[first].tobytes()


def test_a_gap_gives_no_label_across_it(make) -> None:
    one = series(make, 2, 400)
    times = one.ts_open_ms.copy()
    times[200:] += 30 * MINUTE
    made = samples([Series("X", times, one.ohlcv)], 5)
    assert len(made.returns) == len(samples([one], 5).returns) - 5
    assert not set(times[195:200]) & set(made.ts_open_ms)


def test_instruments_are_joined_in_order_of_time(make) -> None:
    made = samples([series(make, 1, 200, "A"), series(make, 2, 200, "B", 30 * MINUTE)], 5)
    assert (np.diff(made.ts_open_ms) >= 0).all()
    assert len(made.returns) == 2 * (200 - 5 - (WARMUP - 1))


def test_the_hash_knows_every_bit_and_name(make) -> None:
    one = series(make, 1, 50)
    assert data_sha256([one]) == data_sha256([series(make, 1, 50)])
    assert data_sha256([one]) != data_sha256([series(make, 1, 50, "Y")])
    other = one.ohlcv.copy()
    other[7, 3] = np.nextafter(other[7, 3], 2e9)
    assert data_sha256([one]) != data_sha256([Series("X", one.ts_open_ms, other)])


def test_csv_is_read_plain_and_packed(tmp_path) -> None:
    text = "timestamp_ms,open,high,low,close,volume\n0,1,2,0.5,1.5,7\n60000,1.5,2,1,2,0\n"
    plain, packed = tmp_path / "a.csv", tmp_path / "a.csv.zst"
    plain.write_text(text)
    packed.write_bytes(zstandard.ZstdCompressor().compress(text.encode()))
    for path in (plain, packed):
        got = read_csv(path)
        assert got.ts_open_ms.tolist() == [0, MINUTE]
        assert got.ohlcv.tolist() == [[1, 2, 0.5, 1.5, 7], [1.5, 2, 1, 2, 0]]


def test_a_bad_csv_line_is_named(tmp_path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("timestamp_ms,open,high,low,close,volume\n0,1,2,0.5,1.5,7\n60000,1.5,x,1,2,0\n")
    with pytest.raises(DataError, match=r"bad.csv line 3: '60000,1.5,x,1,2,0'"):
        read_csv(path)
    with pytest.raises(ConfigError, match="does not exist"):
        read_csv(tmp_path / "no.csv")


@pytest.fixture
async def klines() -> AsyncIterator[str]:
    """Serve 2,500 minutes of one symbol in Binance's form, busy once."""
    busy = [True]

    async def answer(request: web.Request) -> web.Response:
        if request.query["symbol"] != "BTCUSDT":
            return web.json_response({"code": -1121, "msg": "Invalid symbol."}, status=400)
        if busy and busy.pop():
            return web.json_response({}, status=429, headers={"Retry-After": "0"})
        start = -(-int(request.query["startTime"]) // MINUTE)
        end = min(int(request.query["endTime"]) // MINUTE, 2499)
        page = range(start, min(end + 1, start + int(request.query["limit"])))
        return web.json_response(
            [[n * MINUTE, "1.0", "2.0", "0.5", f"{n + 1}.5", "3", n * MINUTE + 59999] for n in page]
        )

    app = web.Application()
    app.router.add_get("/api/v3/klines", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    yield f"http://127.0.0.1:{port}/api/v3/klines"
    await runner.cleanup()


async def test_klines_are_paged_whole(klines) -> None:
    (got,) = await fetch(klines, ["BTCUSDT"], 0, 2400 * MINUTE, SystemClock())
    assert got.ts_open_ms.tolist() == [n * MINUTE for n in range(2400)]
    assert got.ohlcv[-1].tolist() == [1.0, 2.0, 0.5, 2400.5, 3.0]


async def test_a_refused_symbol_and_an_empty_range_are_said(klines) -> None:
    with pytest.raises(ConfigError, match=r"NOPE: 400 .*Invalid symbol"):
        await fetch(klines, ["NOPE"], 0, MINUTE, SystemClock())
    with pytest.raises(ConfigError, match="BTCUSDT: no bars"):
        await fetch(klines, ["BTCUSDT"], 3000 * MINUTE, 3100 * MINUTE, SystemClock())
