"""Recorded files of other programs: read into the store and compared figure by figure."""

import csv
import datetime as dt
import io
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import zstandard

from core.model.errors import DataError
from core.model.market import Timeframe
from core.model.stores import BarColumns, Written
from store.market import MarketStore
from store.transfer.formats import Format, export_series, import_file

Figures = Callable[[BarColumns], list[tuple[object, ...]]]
EVER = (0, 1 << 62)
M1, H1, D1 = Timeframe.M1, Timeframe.H1, Timeframe.D1
NEW_YORK = ZoneInfo("America/New_York")


def lines(path: Path) -> Iterator[list[str]]:
    raw = zstandard.ZstdDecompressor().stream_reader(path.read_bytes()).read()
    return csv.reader(io.StringIO(raw.decode()))


def prices(cells: list[str], scale: Decimal = Decimal(1)) -> tuple[Decimal, ...]:
    return tuple(Decimal(cell) * scale for cell in cells)


@pytest.mark.parametrize(
    ("name", "timeframe"),
    [
        ("binance_spot_BTCUSDT_1h_2017_2024", H1),
        ("binance_spot_BTCUSDT_15m_2024", Timeframe.M15),
        ("binance_spot_BTCUSDT_1m_20240726_20240825", M1),
        ("binance_usdm_ETHUSDT_1m_20250504_20250615", M1),
        ("binance_spot_ETHUSDT_1h_2023", H1),
        ("binance_spot_ETHUSDT_1d_2021_2023", D1),
    ],
)
def test_candles_are_kept_figure_by_figure_and_their_gaps_found(
    name: str,
    timeframe: Timeframe,
    recorded: Path,
    market: MarketStore,
    figures: Figures,
) -> None:
    path = recorded / "ohlcv" / f"{name}.csv.zst"
    report = import_file(path, Format.CSV, "X-USDT.binance", None, market)
    assert report.timeframe is timeframe
    assert report.instrument.price_tick == Decimal("0.01")
    found = figures(market.bars.bars("X-USDT.binance", timeframe, *EVER))
    given = lines(path)
    next(given)
    assert found == [
        (int(cells[0]) * 10**6, *prices(cells[1:5]), Decimal(cells[5]), 0) for cells in given
    ]
    assert report.written == Written(new=len(found))
    assert report.first_ns is not None
    assert report.last_ns is not None
    gaps = market.bars.gaps(
        "X-USDT.binance", timeframe, report.first_ns, report.last_ns + timeframe.ns
    )
    span = (report.last_ns - report.first_ns) // timeframe.ns + 1
    assert sum(gap.bars for gap in gaps) == span - len(found)
    assert market.upkeep.verify() == []


def test_the_exchanges_real_outages_are_its_28_gaps(recorded: Path, market: MarketStore) -> None:
    path = recorded / "ohlcv" / "binance_spot_BTCUSDT_1h_2017_2024.csv.zst"
    report = import_file(path, Format.CSV, "BTC-USDT.binance", H1, market)
    assert report.first_ns is not None
    assert report.last_ns is not None
    gaps = market.bars.gaps("BTC-USDT.binance", H1, report.first_ns, report.last_ns)
    assert len(gaps) == 28


@pytest.mark.parametrize(
    ("name", "asset", "symbol"),
    [
        ("stocks/lean/SPY_1m_20131007_trade", "equity", "SPY-USD.lean"),
        ("stocks/lean/SPY_1m_20131008_trade", "equity", "SPY-USD.lean"),
        ("stocks/lean/AAPL_1m_20140606_trade", "equity", "AAPL-USD.lean"),
        ("ohlcv/coinbase_BTCUSD_1m_20180404_lean", "crypto", "BTC-USD.coinbase"),
    ],
)
def test_leans_minutes_are_kept_figure_by_figure(
    name: str, asset: str, symbol: str, recorded: Path, market: MarketStore, figures: Figures
) -> None:
    path = recorded / f"{name}.csv.zst"
    import_file(path, Format.LEAN, symbol, M1, market, asset=asset)  # type: ignore[arg-type]
    zone, scale = (NEW_YORK, Decimal("0.0001")) if asset == "equity" else (dt.UTC, Decimal(1))
    stamp = next(part for part in name.split("_") if part.isdigit())
    day = dt.datetime.strptime(stamp, "%Y%m%d").replace(tzinfo=zone)
    midnight = int(day.timestamp()) * 10**9
    assert figures(market.bars.bars(symbol, M1, *EVER)) == [
        (midnight + int(cells[0]) * 10**6, *prices(cells[1:5], scale), Decimal(cells[5]), 0)
        for cells in lines(path)
    ]


def test_leans_hours_of_many_years_are_kept_and_written_back_the_same(
    recorded: Path, market: MarketStore, figures: Figures, tmp_path: Path, stock: object
) -> None:
    path = recorded / "stocks" / "lean" / "AAPL_1h.csv.zst"
    report = import_file(path, Format.LEAN, stock, H1, market)  # type: ignore[arg-type]
    given = list(lines(path))
    assert report.rows == len(given)
    found = figures(market.bars.bars(report.instrument.id, H1, *EVER))
    for cells, row in zip(given, found, strict=True):
        local = dt.datetime.strptime(cells[0], "%Y%m%d %H:%M").replace(tzinfo=NEW_YORK)
        assert row[0] == int(local.timestamp()) * 10**9
        assert row[1:5] == prices(cells[1:5], Decimal("0.0001"))
    written = export_series(market, stock, H1, tmp_path, Format.LEAN)  # type: ignore[arg-type]
    import zipfile

    with zipfile.ZipFile(written.paths[0]) as archive:
        text = archive.read("aapl.csv").decode()
    assert text.splitlines() == [",".join(cells) for cells in given]


def test_leans_quotes_are_refused(recorded: Path, market: MarketStore) -> None:
    path = recorded / "stocks" / "lean" / "SPY_1m_20131007_quote.csv.zst"
    with pytest.raises(DataError, match="holds quote bars"):
        import_file(path, Format.LEAN, "SPY-USD.lean", M1, market, asset="equity")


def test_freqtrades_trades_are_kept_one_by_one(recorded: Path, market: MarketStore) -> None:
    path = recorded / "trades" / "binance_XRPETH_trades_201910.json.zst"
    raw = zstandard.ZstdDecompressor().stream_reader(path.read_bytes()).read()
    given = json.loads(raw, parse_float=Decimal)
    # The file's name keeps its kind: .json.zst
    report = import_file(path, Format.FREQTRADE, "XRP-ETH.binance", None, market)
    distinct = {(row[0], row[1]) for row in given}
    assert report.rows == len(given)
    assert report.written == Written(new=len(distinct), kept=len(given) - len(distinct))
    trades = market.trades.trades("XRP-ETH.binance", *EVER)
    found = {
        (ts // 10**6, str(number)): (price * trades.price_tick, size * trades.size_lot, maker)
        for ts, number, price, size, maker in zip(
            trades.ts_event_ns.tolist(), trades.trade_id.tolist(), trades.price.tolist(),
            trades.size.tolist(), trades.buyer_is_maker.tolist(), strict=True,
        )
    }  # fmt: skip
    assert found == {(row[0], row[1]): (row[4], row[5], int(row[3] == "sell")) for row in given}


@pytest.mark.parametrize(
    ("name", "timeframe"), [("SPY_1d_1999_2020", D1), ("EURUSD_1h_201704_201802", H1)]
)
def test_libraries_own_csv_files_are_read(
    name: str, timeframe: Timeframe, recorded: Path, market: MarketStore, figures: Figures
) -> None:
    path = recorded / "stocks" / f"{name}.csv.zst"
    import_file(path, Format.CSV, "SPY-USD.file", None, market)
    given = list(lines(path))
    at = [cell.lower() for cell in given[0]].index("open")
    found = figures(market.bars.bars("SPY-USD.file", timeframe, *EVER))
    assert [row[1:6] for row in found] == [prices(cells[at : at + 5]) for cells in given[1:]]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("stocks/SP500_1m_20191105_20191108.csv.zst", r":2: date must be an ISO or epoch time"),
        ("stocks/AAPL_1m_20250723_yfinance_multiheader.csv", r":1: the header must name a time"),
        (
            "alphavantage/time_series_intraday_extended_MSFT_1min.csv.zst",
            r":3: time is before the row before's",
        ),
    ],
)
def test_awkward_files_are_refused_with_the_reason(
    name: str, words: str, recorded: Path, market: MarketStore
) -> None:
    with pytest.raises(DataError, match=words):
        import_file(recorded / name, Format.CSV, "X-USD.file", M1, market)
