import gzip
from decimal import Decimal
from pathlib import Path

import pytest
import zstandard

from core.model.errors import ConfigError, DataError
from core.model.instruments import Instrument
from core.model.market import Timeframe
from core.model.stores import BarSource, Written
from store.market import MarketStore
from store.transfer.formats import Format, import_file

EVER = (0, 1 << 62)
BTC = "BTC-USDT.file"
HEADER = "time,open,high,low,close,volume\n"
GOOD = "2024-01-01T00:00:00Z,10,12,9,11,5\n2024-01-01T00:01:00Z,11,12.5,11,12,0\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def load(market: MarketStore, path: Path, target: Instrument | str = BTC) -> Written:
    return import_file(path, Format.CSV, target, None, market).written


@pytest.mark.parametrize(
    "text",
    [
        HEADER + GOOD,
        "﻿" + HEADER + GOOD,
        (HEADER + GOOD).replace("\n", "\r\n"),
        "Date,Open,High,Low,Close,Adj Close,Volume\n"
        "2024-01-01 00:00:00+00:00,10,12,9,11,3,5\n2024-01-01 00:01:00+00:00,11,12.50,11,12,4,0\n",
        "timestamp_ms,volume,close,low,high,open\n1704067200000,5,11,9,12,10\n"
        "1704067260000,0,12,11,12.5,11\n\n",
        ',open,high,low,close,volume\n"2024-01-01",10,1.2e1,9,11,5.000\n'
        "2024-01-01 00:01,11,12.5,11,12,0\n",
    ],
)
def test_what_people_write_is_read_exactly(text: str, market: MarketStore, tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(text.encode())
    report = import_file(path, Format.CSV, BTC, None, market)
    assert report.timeframe is Timeframe.M1
    assert (report.rows, report.first_ns, report.last_ns) == (
        2,
        1_704_067_200_000_000_000,
        1_704_067_260_000_000_000,
    )
    assert (report.instrument.price_tick, report.instrument.size_lot) == (Decimal("0.1"), 1)
    assert (report.instrument.base, report.instrument.quote) == ("BTC", "USDT")
    bars = market.bars.bars(BTC, Timeframe.M1, *EVER)
    assert [bars.open.tolist(), bars.high.tolist(), bars.low.tolist(), bars.close.tolist()] == [
        [100, 110], [120, 125], [90, 110], [110, 120],
    ]  # fmt: skip
    assert bars.volume.tolist() == [5, 0]
    assert set(bars.source.tolist()) == {BarSource.IMPORT.rank}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("2024-01-01T00:00:00Z,10,12,9,11,5\n" * 2, r":3: time is the same as the row before's"),
        (GOOD + "2024-01-01T00:00:00Z,10,12,9,11,5\n", r":4: time is before .*'2024-01-01T00"),
        (GOOD + "2024-01-01T00:02:00Z,10,12,9,11\n", r":4: has 5 cells, the header has 6"),
        (GOOD + "2024-01-01T00:02:00Z,10,12,9,11,x\n", r":4: volume must be a number, was 'x'"),
        (GOOD + "2024-01-01T00:02:00Z,10,NaN,9,11,5\n", r":4: high must be a number, was 'NaN'"),
        (GOOD + "2024-01-01T00:02:00Z,,12,9,11,5\n", r":4: open must be a number, was ''"),
        (GOOD + "2024-01-01T00:02:00Z,0,12,9,11,5\n", r":4: open must be above zero, was '0'"),
        (GOOD + "2024-01-01T00:02:00Z,10,12,9,11,-5\n", r":4: volume must not be neg.*'-5'"),
        (GOOD + "2024-01-01T00:02:00Z,10,11,9,12,5\n", r":4: bar .*'10.0 11.*nothing is stored"),
        (GOOD + "2024-01-01T00:02:30Z,10,12,9,11,5\n", r":4: time must be a multiple of 1m"),
        (GOOD + "yesterday,10,12,9,11,5\n", r":4: time must be an ISO .*'yesterday'"),
        (GOOD + "2024-01-01T00:02:00Z,10,12,9,11,1e17\n2024-01-01T00:03:00Z,1,1,1,1,0.001\n",
         r"a volume from this line on has too many digits"),
        ("2024-01-01T00:00:00Z,10,12,9,11,5\n", r"one bar does not tell its length"),
        ("2024-01-01T00:00:00Z,10,12,9,11,5\n2024-01-01T00:07:00Z,10,12,9,11,5\n", r"420 s apart"),
        ("", r"holds no rows"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_named(rows: str, words: str, market: MarketStore, tmp_path: Path) -> None:
    path = write(tmp_path / "bars.csv", HEADER + rows)
    with pytest.raises(DataError, match=words):
        load(market, path)
    assert market.upkeep.series() == []


@pytest.mark.parametrize(
    ("line", "trades", "words"),
    [
        ("exchange,symbol,timestamp,local_timestamp,id,side,price,amount", True, "say --as tardis"),
        ("1793588400000000,81508.56,81611.62,81438.88,81466.01,309.05,1793591999999999,0,3,0,0,0",
         False, "say --as binance"),
        ("26129,0.01633102,4.70443515,27781,27781,1498793709153,true,true", True, "--as binance"),
    ],
)  # fmt: skip
def test_files_of_other_programs_are_told_apart(
    line: str, trades: bool, words: str, market: MarketStore, tmp_path: Path
) -> None:
    path = write(tmp_path / "file.csv", line + "\n")
    with pytest.raises(DataError, match=words):
        import_file(path, Format.CSV, BTC, None, market, trades=trades)


def test_a_header_without_what_is_needed_is_refused(market: MarketStore, tmp_path: Path) -> None:
    path = write(tmp_path / "bars.csv", "Price,Close,High,Low,Open,Volume\nTicker,AAPL,,,,\n")
    with pytest.raises(DataError, match=r":1: the header must name a time.*was 'Price,Close"):
        load(market, path)
    path = write(tmp_path / "trades.csv", "time,received,price,size,side,trade_id,first_trade_id\n")
    with pytest.raises(DataError, match=r"it holds trades: say --trades"):
        load(market, path)


def test_pages_before_a_wrong_row_are_stored_and_kept_by_the_next_try(
    market: MarketStore, tmp_path: Path
) -> None:
    lines = [f"{1_704_067_200 + 60 * n},10,12,9,11,5\n" for n in range(45_000)]
    for wrong in ("1706647200,10,12,99,11,5\n", "1706647200,10,12,9,11,NaN\n", "170664"):
        path = write(tmp_path / "bars.csv", HEADER + "".join([*lines[:43_000], wrong]))
        with pytest.raises(DataError, match=r":43002: .*the first 40000 rows are stored"):
            load(market, path)
    assert market.upkeep.series()[0].rows == 40_000
    path = write(path, HEADER + "".join(lines))
    assert load(market, path) == Written(new=5000, kept=40_000)


def test_a_price_between_the_instruments_steps_is_refused_unless_the_file_may_say(
    market: MarketStore, tmp_path: Path, instrument: Instrument
) -> None:
    path = write(tmp_path / "bars.csv", HEADER + GOOD.replace("12.5", "12.505"))
    with pytest.raises(DataError, match=r":3: price must be .*steps of 0.01; leave .*'12.505'"):
        load(market, path, instrument)
    assert load(market, path, instrument.id) == Written(new=2)
    assert market.bars.bars(instrument.id, Timeframe.M1, *EVER).price_tick == Decimal("0.001")


def test_pages_of_finer_and_finer_prices_are_read_as_one(
    market: MarketStore, tmp_path: Path
) -> None:
    lines = [f"{1_704_067_200 + 60 * n},1,1,1,1,5\n" for n in range(30_000)]
    lines[25_000] = lines[25_000].replace(",1,1,1,1,", ",0.9,1.125,0.25,1,")
    path = write(tmp_path / "bars.csv", HEADER + "".join(lines))
    report = import_file(path, Format.CSV, BTC, None, market)
    assert report.instrument.price_tick == Decimal("0.001")
    bars = market.bars.bars(BTC, Timeframe.M1, *EVER)
    assert bars.price_tick == Decimal("0.001")
    assert bars.high[24_999:25_002].tolist() == [1000, 1125, 1000]


def test_a_damaged_or_missing_file_is_said(market: MarketStore, tmp_path: Path) -> None:
    rows = [f"{1_704_067_200 + 60 * n},10,12,9,{9 + n % 4},{n}\n" for n in range(4000)]
    content = (HEADER + "".join(rows)).encode()
    packed = zstandard.ZstdCompressor().compress(content)
    for name, data in (
        ("a.csv.zst", packed[: len(packed) // 2]),
        ("a.csv.gz", gzip.compress(content)[:-20]),
        ("a.csv.zst", packed[:-9]),
        ("b.csv.zst", b"no zstd at all"),
        ("c.csv.gz", b"no gzip at all"),
        ("d.csv", b"time,open,high,low,close,volume\n\xff\xfe"),
        ("e.zip", b"no zip"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=rf"{name}.* (damaged or cut short|says|UTF-8)"):
            load(market, tmp_path / name)
    assert market.upkeep.series() == []
    (tmp_path / "two.csv.zst").write_bytes(
        zstandard.ZstdCompressor().compress(content[:9999])
        + zstandard.ZstdCompressor().compress(content[9999:])
    )
    assert load(market, tmp_path / "two.csv.zst") == Written(new=4000)
    with pytest.raises(ConfigError, match=r"none.csv: cannot be read: No such file"):
        load(market, tmp_path / "none.csv")
    with pytest.raises(ConfigError, match=r"SYMBOL.venue"):
        load(market, write(tmp_path / "f.csv", HEADER + GOOD), "BTC")


TRADES = "time,received,price,size,side,trade_id,first_trade_id\n"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("2024-01-01,,10,1,up,1,0\n", r":2: side must be buy or sell, was 'up'"),
        ("2024-01-01,,10,0,buy,1,0\n", r":2: size must be above zero, was '0'"),
        ("2024-01-01,,-1,1,buy,1,0\n", r":2: price must be above zero, was '-1'"),
        ("2024-01-01,,10,1,buy,1.5,0\n", r":2: trade_id must be a whole number, was '1.5'"),
        (
            "2024-01-01,soon,10,1,buy,1,0\n",
            r":2: received must be an ISO or epoch time, was 'soon'",
        ),
    ],
)
def test_a_wrong_trade_is_named(rows: str, words: str, market: MarketStore, tmp_path: Path) -> None:
    path = write(tmp_path / "trades.csv", TRADES + rows)
    with pytest.raises(DataError, match=words):
        import_file(path, Format.CSV, BTC, None, market, trades=True)
