from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import zstandard

from core.backtest.replay import replay
from core.engine.clock import SimClock
from core.feeds.registry import guess_kind
from core.model.errors import ConfigError, StoreError
from core.model.ids import VenueName
from core.model.market import Timeframe
from core.model.ports import FrameKind
from core.wire.tape import TapeWriter, encode_line
from core.wire.tape_reader import TapeReader

CAPTURES = [
    "binance_spot/capture_btcusdt_20240808",
    "binance_spot/capture_mixed10_20210405",
    "binance_spot/capture_mixed_20211012",
]


def run(path: Path, **options: Any) -> dict[str, Any]:
    async def sleep(seconds: float) -> None:
        raise AssertionError("a replay at full speed does not wait")

    report = asyncio.run(replay(path, clock=SimClock(), sleep=sleep, **options))
    found: dict[str, Any] = json.loads(report.to_json())
    return found


def decimals(levels: list[list[str]]) -> list[list[Decimal]]:
    return [[Decimal(text) for text in level] for level in levels]


def frame(kind: FrameKind, ts_ns: int, msg: str, url: str = "") -> str:
    return encode_line(kind, 0, ts_ns, url, msg.encode()).decode()


def depth(first: int, last: int, price: str = "1.0", symbol: str = "BTC") -> str:
    return (
        f'{{"stream":"{symbol.lower()}usdt@depth@100ms","data":{{"e":"depthUpdate",'
        f'"E":1700000000000,"s":"{symbol}USDT","U":{first},"u":{last},"b":[["{price}","1.0"]],'
        f'"a":[]}}}}'
    )


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(line + "\n" for line in lines))
    return path


@pytest.mark.parametrize("capture", CAPTURES)
def test_recorded_capture_ends_with_the_expected_books_and_counts(
    recorded: Path, capture: str
) -> None:
    found = run(recorded / f"{capture}.jsonl.zst")
    expected = json.loads((recorded / f"{capture}.expected.json").read_text())
    assert found["frames"] == expected["lines"]
    assert found["events"] == expected["counts"]
    assert found["rejected"] == []
    assert found["checksums"] == {"ok": 0, "bad": 0}
    assert set(found["instruments"]) == set(expected["books"])
    for symbol, book in expected["books"].items():
        got = found["instruments"][symbol]
        assert decimals(got["bids"]) == decimals(book["bids"])
        assert decimals(got["asks"]) == decimals(book["asks"])
        assert (got["n_bids"], got["n_asks"]) == (book["n_bids"], book["n_asks"])
        assert got["last_id"] == book["last_update_id"]
        assert got["crossed"] is False
        assert got["gaps"] == []


def test_bars_from_recorded_trades_equal_the_venues_candles_of_every_full_minute(
    recorded: Path,
) -> None:
    found = run(recorded / f"{CAPTURES[0]}.jsonl.zst", bars=Timeframe.M1)
    candles = zstandard.ZstdDecompressor().decompress(
        (recorded / "ohlcv/binance_spot_BTCUSDT_1m_20240726_20240825.csv.zst").read_bytes(),
        max_output_size=1 << 26,
    )
    by_time = {
        int(row[0]): [Decimal(text) for text in row[1:]]
        for row in (line.split(",") for line in candles.decode().splitlines()[1:])
    }
    rows = found["bars"]["BTCUSDT"]
    minute = 1723161300000
    assert [row[0] for row in rows] == [minute + step * 60_000 for step in range(5)]
    for opened, *figures in rows:
        assert [Decimal(str(figure)) for figure in figures] == by_time[opened]


def test_replaying_twice_gives_the_same_hash(recorded: Path) -> None:
    path = recorded / f"{CAPTURES[1]}.jsonl.zst"
    assert run(path) == run(path)


def test_recorded_duplicate_is_ignored(recorded: Path) -> None:
    found = run(recorded / "edge_cases/binance_spot_duplicate.jsonl.zst")
    source = json.loads((recorded / f"{CAPTURES[2]}.expected.json").read_text())
    got, book = found["instruments"]["NKNUSDT"], source["books"]["NKNUSDT"]
    assert got["gaps"] == []
    assert decimals(got["bids"]) == decimals(book["bids"])
    assert (got["n_bids"], got["last_id"]) == (book["n_bids"], book["last_update_id"])


@pytest.mark.parametrize(("case", "line"), [("gap", 116), ("swapped", 113)])
def test_recorded_break_drops_that_book_at_its_line_and_no_other(
    recorded: Path, case: str, line: int
) -> None:
    expected = json.loads((recorded / f"edge_cases/binance_spot_{case}.expected.json").read_text())
    # The data set counts its lines from 0.
    assert expected["gap_detected_at_line"] == line - 1
    found = run(recorded / f"edge_cases/binance_spot_{case}.jsonl.zst")
    broken = found["instruments"].pop("NKNUSDT")
    (gap,) = broken["gaps"]
    assert (gap["line"], gap["reason"], gap["received_id"]) == (line, "gap", 499869939)
    assert (broken["n_bids"], broken["status"], broken["resyncs"]) == (0, "stale", 1)
    source = json.loads((recorded / f"{CAPTURES[2]}.expected.json").read_text())
    for symbol, got in found["instruments"].items():
        assert got["gaps"] == []
        assert got["last_id"] == source["books"][symbol]["last_update_id"]


def test_recorded_malformed_frames_are_listed_with_line_and_reason(recorded: Path) -> None:
    path = recorded / "edge_cases/malformed_frames_binance_spot.jsonl"
    kinds = [json.loads(line)["kind"] for line in path.read_text("utf-8").splitlines()]
    found = run(path)
    rejected = {item["line"]: item["reason"] for item in found["rejected"]}
    taken = [kinds[line - 1] for line in range(1, len(kinds) + 1) if line not in rejected]
    assert taken == [
        "leading/trailing whitespace (valid)", "unknown extra field (valid)", "duplicate key",
    ]  # fmt: skip
    assert all(rejected.values())


def test_our_own_tape_of_a_capture_replays_to_the_same_state(
    recorded: Path, tmp_path: Path
) -> None:
    path = recorded / f"{CAPTURES[2]}.jsonl.zst"
    writer = TapeWriter(tmp_path)
    for frame in TapeReader(path).frames():
        writer.write(
            VenueName("binance"), frame.kind, frame.conn, frame.ts_ns, frame.url, frame.data  # type: ignore[arg-type]  # kinds of a capture
        )  # fmt: skip
    writer.close()
    (ours,) = tmp_path.glob("*/*.jsonl.zst")
    assert run(ours) == run(path)


def test_replay_at_a_speed_waits_as_the_frames_did(tmp_path: Path) -> None:
    times = (5_000_000_000, 5_000_000_000, 15_000_000_000, 25_000_000_000)
    lines = [frame("recv", at, depth(n, n)) for n, at in enumerate(times, 1)]
    path = write(tmp_path / "x.jsonl", *lines)
    clock, waited = SimClock(), []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        clock.advance(int(seconds * 1e9))

    report = asyncio.run(replay(path, speed=10.0, clock=clock, sleep=sleep))
    assert waited == [1.0, 1.0]
    assert report.frames == 4


def test_off_step_size_in_a_listed_book_is_counted_finer(tmp_path: Path) -> None:
    listing = (
        '{"symbols":[{"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT",'
        '"filters":[{"filterType":"PRICE_FILTER","tickSize":"0.1"},'
        '{"filterType":"LOT_SIZE","stepSize":"1"}]}]}'
    )
    image = '{"lastUpdateId":5,"bids":[["9.5","1.25"]],"asks":[["10.5","3"]]}'
    api = "https://api.binance.com/api/v3"
    path = write(
        tmp_path / "x.jsonl",
        frame("http", 1, listing, f"{api}/exchangeInfo"),
        frame("recv", 2, depth(5, 6, "9.4")),
        frame("http", 3, image, f"{api}/depth?symbol=BTCUSDT"),
    )
    found = run(path)
    assert found["rejected"] == []
    assert found["instruments"]["BTCUSDT"]["bids"] == [
        ["9.5", "1.25"], ["9.4", "1.00"],
    ]  # fmt: skip


def test_image_without_a_symbol_is_refused_when_there_are_two(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.jsonl",
        frame("recv", 1, depth(1, 1)),
        frame("recv", 2, depth(1, 1, symbol="ETH")),
        frame("http", 3, '{"lastUpdateId":1,"bids":[],"asks":[]}', "depth snapshot"),
    )
    found = run(path, venue="binance")
    assert found["instruments"]["BTCUSDT"]["n_bids"] == 0
    assert found["events"] == {"depthUpdate": 2, "http:depth snapshot": 1}


def test_damaged_lines_are_rejected_and_told(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.jsonl",
        frame("recv", 1, depth(1, 1)),
        "rubbish",
        '{"t":"strange","msg":{}}',
    )
    told: list[StoreError] = []
    found = run(path, on_damage=told.append)
    assert [item["line"] for item in found["rejected"]] == [2, 3]
    assert len(told) == 1


def test_venue_that_cannot_be_told_is_an_error_that_names_the_option(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", '{"t":"recv","msg":{"channel":"books"}}')
    with pytest.raises(ConfigError, match=r"say --venue \(binance"):
        guess_kind(path)


def test_futures_are_not_taken_for_spot(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.jsonl",
        '{"t":"recv","msg":{"stream":"btcusdt@depth","data":{"e":"depthUpdate","pu":5}}}',
    )
    assert guess_kind(path) == "binance_usdm"


def test_unknown_venue_is_an_error_with_the_nearest_name(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", "{}")
    with pytest.raises(ConfigError, match=r"unknown venue 'binanse', .*did you mean 'binance'\?"):
        run(path, venue="binanse")
