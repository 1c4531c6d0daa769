"""Market data goes out to other programs' files and comes back the same."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from clx.cli.data.download import repair
from clx.cli.data.exchange import dump, load
from clx.cli.data.kept import gaps, kept, rename, retention, verify
from clx.cli.data.session import Session
from clx.cli.exits import Exit
from clx.sim import EmulatorAddress, market_file
from core.model.errors import ConfigError, DataError
from store.paths import find_paths
from store.settings import load_settings

CSV = """time,open,high,low,close,volume
2024-08-08T00:00:00Z,100.5,101.0,100.0,100.7,12.5
2024-08-08T00:01:00Z,100.7,100.9,100.1,100.2,3
2024-08-08T00:03:00Z,100.2,100.2,99.9,100.0,7.25
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLX_HOME", str(tmp_path))
    (tmp_path / "config.toml").write_text('mode = "paper"\n')
    return tmp_path


def run(command: Any, *words: str) -> str:
    result = CliRunner().invoke(command, words, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.stdout


@pytest.fixture
def filled(home: Path) -> Path:
    file = home / "bars.csv"
    file.write_text(CSV)
    run(load, str(file), "ABC-USD.okx")
    return home


def test_what_was_read_is_listed_checked_and_its_hole_found(filled: Path) -> None:
    (series,) = json.loads(run(kept, "--format", "json"))
    assert (series["instrument_id"], series["rows"]) == ("ABC-USD.okx", 3)
    assert "good" in run(verify)
    (gap,) = json.loads(run(gaps, "--format", "json"))
    assert gap["gap"]["bars"] == 1


def test_damaged_block_hides_the_holes_of_its_own_series_alone(filled: Path) -> None:
    run(load, str(filled / "bars.csv"), "XYZ-USD.okx")
    (path,) = (filled / "data").glob("market*.sqlite")
    with contextlib.closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE bar_blocks SET crc = crc + 1 WHERE listing = 1")
    result = CliRunner().invoke(gaps, ["--format", "json"])
    assert result.exit_code == Exit.DATA
    assert [row["instrument"] for row in json.loads(result.stdout)] == ["XYZ-USD.okx"]
    assert "not looked through" in result.stderr
    assert "ABC-USD.okx 1m" in result.stderr


def test_what_a_repair_dropped_is_a_hole_until_it_is_fetched(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = (filled / "data").glob("market*.sqlite")
    with contextlib.closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE bar_blocks SET crc = crc + 1")
    asked: list[Any] = []

    async def killed(here: Session, store: Any, series: Any, failures: Any) -> Any:
        asked.extend(series)
        raise KeyboardInterrupt

    async def fetched(here: Session, store: Any, series: Any, failures: Any) -> Any:
        asked.extend(series)
        file = filled / "whole.csv"
        file.write_text(f"{CSV}2024-08-08T00:02:00Z,100.2,100.2,100.2,100.2,1\n")
        lines = file.read_text().splitlines()
        file.write_text("\n".join([*lines[:3], lines[4], lines[3]]))
        run(load, str(file), "ABC-USD.okx")
        return []

    monkeypatch.setattr("clx.cli.data.download._fill", killed)
    with pytest.raises((KeyboardInterrupt, click.Abort)):
        run(repair)
    (gap,) = json.loads(run(gaps, "ABC-USD.okx", "--format", "json"))
    assert gap["gap"]["bars"] == 4, "all of it, although nothing of the series is left"
    monkeypatch.setattr("clx.cli.data.download._fill", fetched)
    run(repair, "ABC-USD.okx")
    assert asked[0] == asked[1]
    assert json.loads(run(gaps, "--format", "json")) == []


@pytest.mark.parametrize("verb", [kept, verify, gaps, repair])
def test_nothing_is_said_to_be_good_of_what_is_not_kept(filled: Path, verb: Any) -> None:
    with pytest.raises(ConfigError, match=r"nothing is kept of ABD-USD\.okx.*'ABC-USD\.okx'"):
        run(verb, "ABD-USD.okx")


def test_unknown_length_of_bars_has_no_gaps_to_find(filled: Path) -> None:
    with pytest.raises(ConfigError, match=r"--timeframe must be one of .*, was '7m'"):
        run(gaps, "-t", "7m")


@pytest.mark.parametrize("name", ["out.csv", "out.parquet", "out.feather"])
def test_what_is_written_reads_back_the_same(filled: Path, name: str) -> None:
    if not name.endswith("csv"):
        pytest.importorskip("pyarrow", reason="the extra `parquet` is not installed")
    file = filled / name
    assert "3 rows" in run(dump, "ABC-USD.okx", str(file), "-t", "1m")
    assert "3 new" in run(load, str(file), "XYZ-USD.okx", "-t", "1m")
    first, second = filled / "a.csv", filled / "b.csv"
    run(dump, "ABC-USD.okx", str(first), "-t", "1m")
    run(dump, "XYZ-USD.okx", str(second), "-t", "1m")
    columns = [line.split(",")[:6] for line in first.read_text().splitlines()]
    assert [line.split(",")[:6] for line in second.read_text().splitlines()] == columns


def test_bad_row_names_file_line_and_value(home: Path) -> None:
    file = home / "bad.csv"
    file.write_text(CSV.replace("100.9", "banana"))
    with pytest.raises(DataError, match=r"bad\.csv:3.*banana"):
        run(load, str(file), "ABC-USD.okx")


def test_file_that_does_not_say_what_it_is_must_be_told(home: Path) -> None:
    file = home / "data.bin"
    file.write_text("x")
    with pytest.raises(ConfigError, match="name it with --as"):
        run(load, str(file), "ABC-USD.okx")


def test_existing_file_is_not_replaced_unless_told(filled: Path) -> None:
    file = filled / "out.csv"
    run(dump, "ABC-USD.okx", str(file), "-t", "1m")
    with pytest.raises(ConfigError, match="exists"):
        run(dump, "ABC-USD.okx", str(file), "-t", "1m")
    assert "3 rows" in run(dump, "ABC-USD.okx", str(file), "-t", "1m", "--overwrite")


def test_renamed_instrument_keeps_its_data_under_both_names(filled: Path) -> None:
    run(rename, "ABC-USD.okx", "NEW-USD.okx")
    assert "3 rows" in run(dump, "NEW-USD.okx", str(filled / "n.csv"), "-t", "1m")
    assert "3 rows" in run(dump, "ABC-USD.okx", str(filled / "o.csv"), "-t", "1m")


def test_an_instrument_is_not_renamed_to_itself(filled: Path) -> None:
    with pytest.raises(click.UsageError, match=r"two instruments, both were ABC-USD\.okx"):
        run(rename, "ABC-USD.okx", "ABC-USD.okx")


def test_retention_says_what_would_go_before_it_goes(filled: Path) -> None:
    assert "nothing is older than the policy" in run(retention)


def test_layouts_of_other_programs_are_written_without_asking_the_venue(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: pytest.fail("the venue was asked"))
    bars, trades = home / "bars.csv", home / "trades.csv"
    bars.write_text(CSV)
    trades.write_text(
        "time,received,price,size,side,trade_id,first_trade_id\n"
        "2024-08-08T00:00:00Z,,100.5,1,buy,7,0\n"
    )
    for name in ("ABC-USDT.binance", "ABC-USDT-PERP.binance_usdm", "ABC-USD.alpaca"):
        run(load, str(bars), name)
    run(load, str(trades), "ABC-USDT.binance", "--trades")
    minutes = ("-t", "1m")
    run(dump, "ABC-USDT.binance", str(home / "k.zip"), "--as", "binance", *minutes)
    run(dump, "ABC-USDT-PERP.binance_usdm", str(home), "--as", "lean", *minutes)
    run(dump, "ABC-USDT.binance", str(home / "t.csv.gz"), "--as", "tardis")
    with pytest.raises(ConfigError, match="alpaca has stocks and crypto: say --asset"):
        run(dump, "ABC-USD.alpaca", str(home), "--as", "lean", *minutes)
    run(dump, "ABC-USD.alpaca", str(home), "--as", "lean", *minutes, "--asset", "equity")
    written = {path.relative_to(home).as_posix() for path in home.rglob("*.zip")}
    assert written == {
        "k.zip",
        "cryptofuture/binance/minute/abcusdt/20240808_trade.zip",
        "equity/usa/minute/abc/20240807_trade.zip",
    }


def test_place_of_a_lean_zip_tells_what_it_holds(home: Path) -> None:
    place = home / "equity" / "usa" / "minute" / "abc"
    place.mkdir(parents=True)
    file = place / "20240808_trade.zip"
    with zipfile.ZipFile(file, "w") as out:
        out.writestr("20240808_abc_minute_trade.csv", "34200000,1674100,1674100,1672500,1672700,7")
    assert "1 row of ABC-USD.alpaca 1m" in run(load, str(file), "ABC-USD.alpaca", "--as", "lean")
    assert "1 row of ABD-USD.alpaca 1m" in run(load, str(place), "ABD-USD.alpaca", "--as", "lean")
    (home / "20240808_trade.zip").write_bytes(file.read_bytes())
    with pytest.raises(ConfigError):
        run(load, str(home / "20240808_trade.zip"), "ABE-USD.alpaca", "--as", "lean")


def test_import_beside_a_simulated_market_says_how_long_it_is_seen(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home / "bars.csv"
    file.write_text(CSV)
    address = EmulatorAddress(
        pid=1, port=1, api_key="key", api_secret="", rest_url="", stream_url="", ws_api_url=""
    )

    def running(*, start: bool = False) -> Session:
        assert start, "other verbs would look elsewhere once the market runs"
        settings = load_settings(home / "config.toml").model_copy(update={"mode": "sim"})
        return Session(settings, find_paths(), address)

    monkeypatch.setattr("clx.cli.data.exchange.session", running)
    result = CliRunner().invoke(load, [str(file), "ABC-USD.okx"], catch_exceptions=False)
    assert 'set mode = "paper" to keep it for good' in result.stderr
    assert market_file(find_paths(), address).exists()


def test_name_that_is_no_pair_is_not_imported(home: Path) -> None:
    file = home / "bars.csv"
    file.write_text(CSV)
    with pytest.raises(ConfigError, match=r"named BASE-QUOTE\.venue.*was 'BTCUSDT\.binance'"):
        run(load, str(file), "btcusdt.binance")
