from decimal import Decimal
from pathlib import Path

import pytest

from core.backtest.history import read_csv
from core.model.errors import ConfigError, DataError
from core.model.market import Timeframe

HEADER = "timestamp_ms,open,high,low,close,volume\n"
GOOD = "1722003300000,10.5,11,10,10.75,2.5\n1722003360000,10.75,11,10.5,10.5,1\n"


def write(folder: Path, text: str, name: str = "x_BTCUSDT_1m.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_good_file_gives_exact_bars(tmp_path: Path) -> None:
    history = read_csv(write(tmp_path, HEADER + GOOD))
    assert history.instrument.id == "BTC-USDT.file"
    assert history.timeframe is Timeframe.M1
    assert history.instrument.price(history.bars[0].close_ticks) == Decimal("10.75")
    assert history.instrument.size(history.bars[0].volume_lots) == Decimal("2.5")
    assert len(history.sha256) == 64


def test_missing_bars_are_counted(tmp_path: Path) -> None:
    text = HEADER + GOOD + "1722003420000,1,1,1,1,0\n1722003600000,1,1,1,1,0\n"
    assert read_csv(write(tmp_path, text)).gaps == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("open,high\n1,2\n", "header must name a time"),
        (HEADER, "needs at least 2 bars"),
        (HEADER + GOOD + "1722003360000,1,1,1,1,1\n", r":4: time 1722003360000 is not after"),
        (HEADER + GOOD + "1722003420000,1,x,1,1,1\n", r":4: high must be a number, was 'x'"),
        (HEADER + GOOD + "1722003420000,1,nan,1,1,1\n", r":4: high must be positive, was 'nan'"),
        (HEADER + GOOD + "1722003420000,5,4,3,4,1\n", r":4: low <= open, close <= high"),
        (HEADER + GOOD + "1722003420000,1,1\n", r":4: has 3 cells, the header 6"),
        (HEADER + GOOD + "yesterday,1,1,1,1,1\n", r":4: time must be ISO or epoch"),
        (HEADER + "0,1,1,1,1,1\n7,1,1,1,1,1\n", r"bars are 7 s apart"),
    ],
)
def test_a_wrong_file_says_where_and_what(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises((ConfigError, DataError), match=words):
        read_csv(write(tmp_path, text))


def test_a_truncated_zstd_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.zst"
    path.write_bytes(b"not zstd at all")
    with pytest.raises(DataError, match="zstd"):
        read_csv(path)


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_csv(tmp_path / "absent.csv")


@pytest.mark.parametrize(
    ("name", "timeframe", "count"),
    [
        ("ohlcv/binance_spot_BTCUSDT_1h_2017_2024.csv.zst", Timeframe.H1, 58419),
        ("stocks/SPY_1d_1999_2020.csv.zst", Timeframe.D1, 5241),
    ],
)
def test_recorded_history_is_read_whole(
    name: str, timeframe: Timeframe, count: int, recorded: Path
) -> None:
    history = read_csv(recorded / name)
    assert (history.timeframe, len(history.bars)) == (timeframe, count)
