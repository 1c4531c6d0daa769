import zipfile
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from core.model.errors import ConfigError, DataError
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Bar, Timeframe
from core.model.stores import BarSource, Written, columns_of_bars
from store.market import MarketStore
from store.transfer.formats import Format, export_series, import_file

EVER = (0, 1 << 62)
M1, H1, D1 = Timeframe.M1, Timeframe.H1, Timeframe.D1
SPY = "SPY-USD.lean"


def pack(folder: Path, name: str, member: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, text)
    return path


def test_minutes_of_equities_are_new_york_time_and_ten_thousandths(
    market: MarketStore, tmp_path: Path
) -> None:
    path = pack(
        tmp_path, "20131007_trade.zip", "20131007_spy_minute_trade.csv",
        "34200000,1674100,1674150,1672500,1672700,3197\n34260000,1672700,1672700,1672700,1672700,5\n",
    )  # fmt: skip
    report = import_file(path, Format.LEAN, SPY, M1, market, asset="equity")
    assert report.instrument.price_tick == Decimal("0.001")
    bars = market.bars.bars(SPY, M1, *EVER)
    assert bars.ts_open_ns[0] == 1_381_152_600_000_000_000  # 2013-10-07 13:30 UTC, summer time
    assert [bars.high[0] * bars.price_tick, bars.volume[0]] == [Decimal("167.415"), 3197]


@pytest.mark.parametrize(
    ("day", "opened"), [("20240308", 14), ("20240311", 13), ("20241101", 13), ("20241104", 14)]
)
def test_the_open_follows_new_yorks_summer_time(
    day: str, opened: int, market: MarketStore, tmp_path: Path
) -> None:
    path = pack(tmp_path, f"{day}_trade.zip", "x.csv", "34200000,1,1,1,1,1\n")
    import_file(path, Format.LEAN, SPY, M1, market, asset="equity")
    assert market.bars.bars(SPY, M1, *EVER).ts_open_ns[0] // (3600 * 10**9) % 24 == opened


def test_a_folder_of_days_is_read_in_order(market: MarketStore, tmp_path: Path) -> None:
    for day in ("20131008", "20131007", "20131009"):
        pack(tmp_path, f"{day}_trade.zip", f"{day}_spy_minute_trade.csv", "34200000,1,1,1,1,1\n")
        pack(tmp_path, f"{day}_quote.zip", f"{day}_spy_minute_quote.csv", "34200000,1,1,1,1,1\n")
    told: list[tuple[int, int]] = []
    report = import_file(
        tmp_path, Format.LEAN, SPY, M1, market, lambda a, b: told.append((a, b)), asset="equity"
    )
    assert report.written == Written(new=3)
    assert told == [(1, 3), (2, 3), (3, 3)]
    with pytest.raises(ConfigError, match=r"holds no \*_trade.zip"):
        import_file(tmp_path.parent, Format.LEAN, SPY, M1, market, asset="equity")


@pytest.mark.parametrize(
    ("name", "text", "timeframe", "words"),
    [
        ("20131007_trade.zip", "86400000,1,1,1,1,1\n", M1, r":1: time must be milliseconds"),
        ("20131007_trade.zip", "1.5,1,1,1,1,1\n", M1, r":1: time must be milliseconds"),
        ("20131007_trade.zip", "0,1.5,2,1,1,1\n", M1, r":1: price must be whole ten-thousandths"),
        ("20131007_trade.zip", "0,1,1,1,1\n", M1, r":1: a trade bar has 6 cells, this has 5"),
        ("20131007_quote.zip", "0,1,1,1,1,1,1,1,1,1,1\n", M1, r":1: holds quote bars"),
        ("trade.zip", "0,1,1,1,1,1\n", M1, r"its name must hold the day as YYYYMMDD"),
        ("99999999_trade.zip", "0,1,1,1,1,1\n", M1, r"its name must hold the day as YYYYMMDD"),
        ("20240310_trade.zip", "9000000,1,1,1,1,1\n", M1, r":1: time does not exist in New York"),
        ("spy.zip", "2013-10-07 09:00,1,1,1,1,1\n", H1, r":1: time must be YYYYMMDD HH:MM"),
        ("spy.zip", "20131007 09:00,1,1,1,1,1\n" * 2, H1, r":2: time is the same"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_named(
    name: str, text: str, timeframe: Timeframe, words: str, market: MarketStore, tmp_path: Path
) -> None:
    path = pack(tmp_path, name, "data.csv", text)
    with pytest.raises(DataError, match=words):
        import_file(path, Format.LEAN, SPY, timeframe, market, asset="equity")


def test_the_files_are_laid_out_as_leans_data_folder(
    market: MarketStore, tmp_path: Path, stock: Instrument, instrument: Instrument
) -> None:
    opened = 1_381_152_600_000_000_000
    bars = [
        Bar(stock.id, M1, opened + n * M1.ns, 1674100, 1674150, 1672500, 1672700, 3197 + n, 0)
        for n in (0, 1, 1440)
    ]
    market.bars.put_bars(stock, M1, columns_of_bars(stock, bars), BarSource.VENUE)
    export_series(market, stock, M1, tmp_path, Format.LEAN)
    folder = tmp_path / "equity" / "usa" / "minute" / "aapl"
    assert sorted(path.name for path in folder.iterdir()) == [
        "20131007_trade.zip", "20131008_trade.zip",
    ]  # fmt: skip
    with zipfile.ZipFile(folder / "20131007_trade.zip") as archive:
        assert archive.namelist() == ["20131007_aapl_minute_trade.csv"]
        assert archive.read("20131007_aapl_minute_trade.csv").decode().splitlines() == [
            "34200000,1674100,1674150,1672500,1672700,3197",
            "34260000,1674100,1674150,1672500,1672700,3198",
        ]
    day = [Bar(stock.id, D1, 1_381_104_000_000_000_000, 5, 5, 5, 5, 1, 0)]
    market.bars.put_bars(stock, D1, columns_of_bars(stock, day), BarSource.VENUE)
    export_series(market, stock, D1, tmp_path, Format.LEAN)
    with zipfile.ZipFile(tmp_path / "equity/usa/daily/aapl.zip") as archive:
        assert archive.read("aapl.csv").decode() == "20131007 00:00,5,5,5,5,1\n"


def test_what_lean_cannot_hold_exactly_is_refused(
    market: MarketStore, tmp_path: Path, stock: Instrument
) -> None:
    fine = msgspec.structs.replace(stock, price_tick=Decimal("0.00001"))
    bar = Bar(stock.id, M1, 1_381_152_600_000_000_000, 7, 7, 7, 7, 1, 0)
    market.bars.put_bars(fine, M1, columns_of_bars(fine, [bar]), BarSource.VENUE)
    with pytest.raises(DataError, match=r"2013-10-07T13:30:00Z has a price of 0.00007; LEAN"):
        export_series(market, fine, M1, tmp_path, Format.LEAN)
    twice = 1_730_615_400_000_000_000  # 2024-11-03 01:30 in New York, the second time
    night = [Bar(stock.id, M1, twice, 7, 7, 7, 7, 1, 0)]
    with MarketStore(tmp_path / "two.sqlite") as two:
        two.bars.put_bars(stock, M1, columns_of_bars(stock, night), BarSource.VENUE)
        with pytest.raises(DataError, match="the hour New York has twice"):
            export_series(two, stock, M1, tmp_path, Format.LEAN)
    with pytest.raises(ConfigError, match=r"name that folder, was .*aapl\.zip"):
        export_series(market, fine, M1, tmp_path / "aapl.zip", Format.LEAN)
    assert not list(tmp_path.rglob("*.zip"))


def test_crypto_keeps_its_prices_and_utc(
    market: MarketStore, tmp_path: Path, instrument: Instrument
) -> None:
    assert instrument.kind is InstrumentKind.SPOT
    path = pack(
        tmp_path, "20180404_trade.zip", "20180404_btcusdt_minute_trade.csv",
        "0,7424.91,7424.91,7422,7422,7.14319709\n",
    )  # fmt: skip
    import_file(path, Format.LEAN, instrument.id, M1, market, asset="crypto")
    bars = market.bars.bars(instrument.id, M1, *EVER)
    assert bars.ts_open_ns.tolist() == [1_522_800_000_000_000_000]
    assert bars.volume[0] * bars.size_lot == Decimal("7.14319709")
    export_series(market, instrument, M1, tmp_path / "out", Format.LEAN)
    written = tmp_path / "out/crypto/binance/minute/btcusdt/20180404_trade.zip"
    with zipfile.ZipFile(written) as archive:
        line = archive.read("20180404_btcusdt_minute_trade.csv").decode()
    assert line == "0,7424.91,7424.91,7422.00,7422.00,7.14319709\n"


@pytest.mark.parametrize(("venue", "folder"), [("binance_usdm", "binance"), ("bybit", "bybit")])
def test_perpetuals_are_where_lean_looks_for_crypto_futures(
    venue: str, folder: str, market: MarketStore, tmp_path: Path, instrument: Instrument
) -> None:
    perpetual = msgspec.structs.replace(instrument, kind=InstrumentKind.PERPETUAL, venue=venue)
    bars = [Bar(perpetual.id, M1, 1_522_800_000_000_000_000, 7, 7, 7, 7, 1, 0)]
    market.bars.put_bars(perpetual, M1, columns_of_bars(perpetual, bars), BarSource.VENUE)
    report = export_series(market, perpetual, M1, tmp_path, Format.LEAN)
    written = tmp_path / "cryptofuture" / folder / "minute" / "btcusdt" / "20180404_trade.zip"
    assert report.paths == (str(written),)
    again = instrument.id.replace("binance", "okx")
    import_file(written, Format.LEAN, again, M1, market, asset="cryptofuture")
    assert market.bars.bars(again, M1, *EVER).ts_open_ns.tolist() == [1_522_800_000_000_000_000]
