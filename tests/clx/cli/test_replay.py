from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from clx.cli.replay import replay

FRAME = (
    '{"t":"recv","ts_ns":%d,"msg":{"stream":"btcusdt@trade","data":{"e":"trade","E":1700000000000,'
    '"s":"BTCUSDT","t":%d,"p":"100.5","q":"2","T":%d,"m":true,"M":true}}}\n'
)


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    path = tmp_path / "tape.jsonl"
    start = 1_700_000_000_000
    path.write_text(
        "".join(
            FRAME % ((start + second * 1000) * 1_000_000, second // 20 + 1, start + second * 1000)
            for second in range(0, 200, 20)
        )
    )
    return path


@pytest.fixture
def recorded() -> Path:
    root = Path(__file__).parents[3]
    folder = Path(os.environ.get("CLX_RECORDED_DATA", root.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no recorded data at {folder}: set CLX_RECORDED_DATA")
    return folder


def test_json_report_is_one_object_with_bars(tape: Path) -> None:
    result = CliRunner().invoke(
        replay, [str(tape), "--report", "json", "--bars", "1m"], standalone_mode=False
    )
    assert result.return_value == 0, result.output
    report = json.loads(result.stdout)
    assert list(report) == [
        "frames", "events", "checksums", "rejected", "instruments", "state_hash", "bars",
    ]  # fmt: skip
    assert report["events"] == {"trade": 10}
    assert report["bars"]["BTCUSDT"] == [
        [1_700_000_040_000, 100.5, 100.5, 100.5, 100.5, 6],
        [1_700_000_100_000, 100.5, 100.5, 100.5, 100.5, 6],
    ]


def test_report_without_bars_has_none(tape: Path) -> None:
    result = CliRunner().invoke(replay, [str(tape), "--report", "json"], standalone_mode=False)
    assert "bars" not in json.loads(result.stdout)


def test_table_tells_counts_books_and_bars(tape: Path) -> None:
    result = CliRunner().invoke(replay, [str(tape), "--bars", "1m"], standalone_mode=False)
    assert result.return_value == 0
    assert "frames 10" in result.stdout
    assert "BTCUSDT" in result.stdout
    assert "2023-11-14 22:14:00" in result.stdout
    assert "checksums" not in result.stdout


def test_table_tells_checksums_and_why_a_book_is_not_live(recorded: Path) -> None:
    file = recorded / "edge_cases" / "okx_checksum_corrupt.jsonl.zst"
    result = CliRunner().invoke(replay, [str(file)], standalone_mode=False)
    assert "checksums of books: 206 right, 1 wrong" in result.stdout
    (row,) = [line for line in result.stdout.splitlines() if line.startswith("BTC-USDT ")]
    assert row.split()[1] == "stale"
    assert row.endswith("checksum")


def test_damaged_line_gives_the_report_a_message_and_exit_code_5(tape: Path) -> None:
    with tape.open("a") as file:
        file.write("rubbish\n")
    result = CliRunner().invoke(replay, [str(tape), "--report", "json"], standalone_mode=False)
    assert result.return_value == 5
    assert json.loads(result.stdout)["rejected"][0]["line"] == 11
    assert "line 11 is no frame" in result.stderr


def test_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(replay, [str(tmp_path / "none")])
    assert result.exit_code == 2
    assert "does not exist" in result.output
