import zipfile
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from core.model.errors import DataError
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Timeframe
from core.model.stores import BarSource, Written
from store.market import MarketStore
from store.transfer.formats import Format, export_series, import_file

EVER = (0, 1 << 62)
M1 = Timeframe.M1
# Rows as github.com/binance/binance-public-data documents them.
SPOT_1H_2025 = (
    "1735689600000000,4.15070000,4.15870000,4.15060000,4.15540000,539.23000000,1735693199999999,"
    "2240.39860900,13,401.82000000,1669.98121300,0\n"
)
FUTURES = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
    "taker_buy_quote_volume,ignore\n"
    "1704067200000,42314.00,42335.80,42289.60,42331.90,289.641,1704067259999,12256155.2,3310,"
    "146.1,6182379.1,0\n"
    "1704067260000,42331.90,42353.10,42331.80,42350.40,202.444,1704067319999,8571831.2,1855,"
    "119.3,5052180.1,0\n"
)
SPOT_AGG = (
    "0,0.20000000,50.00000000,0,0,1735689600010866,False,True\n"
    "1,0.3,1,1,4,1735689600010867,True,True\n"
)
FUTURES_AGG = (
    "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
    "7,42314.0,0.5,3401,3402,1704067200001,true\n"
)
SPOT_TRADES = "51175358,17.80180000,5.69000000,101.29224200,1583709433583,True,True\n"
FUTURES_TRADES = (
    "id,price,qty,quote_qty,time,is_buyer_maker\n9,42314.0,0.5,21157.0,1704067200001,false\n"
)


def load(
    market: MarketStore, folder: Path, text: str, timeframe: Timeframe | None = None
) -> Written:
    path = folder / "BTCUSDT-1m-2024-01.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("BTCUSDT-1m-2024-01.csv", text)
    return import_file(path, Format.BINANCE, "BTC-USDT.binance", timeframe, market).written


def test_klines_with_and_without_header_in_milliseconds_and_microseconds(
    market: MarketStore, tmp_path: Path
) -> None:
    assert load(market, tmp_path, FUTURES) == Written(new=2)
    bars = market.bars.bars("BTC-USDT.binance", M1, *EVER)
    assert bars.ts_open_ns.tolist() == [1_704_067_200_000_000_000, 1_704_067_260_000_000_000]
    assert (bars.price_tick, bars.size_lot) == (Decimal("0.1"), Decimal("0.001"))
    assert bars.trades.tolist() == [3310, 1855]
    assert load(market, tmp_path, SPOT_1H_2025, Timeframe.H1) == Written(new=1)
    bars = market.bars.bars("BTC-USDT.binance", Timeframe.H1, *EVER)
    assert bars.ts_open_ns.tolist() == [1_735_689_600_000_000_000]
    assert bars.close[0] * bars.price_tick == Decimal("4.1554")


def test_every_kind_of_trades_is_told_by_its_cells(market: MarketStore, tmp_path: Path) -> None:
    found = []
    for text in (SPOT_AGG, FUTURES_AGG, SPOT_TRADES, FUTURES_TRADES):
        with MarketStore(tmp_path / f"{len(found)}.sqlite") as store:
            load(store, tmp_path, text)
            trades = store.trades.trades("BTC-USDT.binance", *EVER)
            found.append(
                [
                    (n, first, ts, bool(maker), price * trades.price_tick, size * trades.size_lot)
                    for n, first, ts, maker, price, size in zip(
                        trades.trade_id.tolist(), trades.first_trade_id.tolist(),
                        trades.ts_event_ns.tolist(), trades.buyer_is_maker.tolist(),
                        trades.price.tolist(), trades.size.tolist(), strict=True,
                    )
                ]
            )  # fmt: skip
    price = Decimal("42314.0")
    assert found == [
        [
            (0, 0, 1_735_689_600_010_866_000, False, Decimal("0.2"), 50),
            (1, 1, 1_735_689_600_010_867_000, True, Decimal("0.3"), 1),
        ],
        [(7, 3401, 1_704_067_200_001_000_000, True, price, Decimal("0.5"))],
        [(51175358, 0, 1_583_709_433_583_000_000, True, Decimal("17.8018"), Decimal("5.69"))],
        [(9, 0, 1_704_067_200_001_000_000, False, price, Decimal("0.5"))],
    ]


@pytest.mark.parametrize(
    ("text", "timeframe", "words"),
    [
        (FUTURES, Timeframe.M5, r":2: close time must be the end of a bar of 5m, .*259999'"),
        (FUTURES + SPOT_TRADES, None, r":4: a kline has 12 cells, this has 7"),
        (FUTURES.replace("3310", "many"), None, r":2: count must be a whole number, was 'many'"),
        (FUTURES + FUTURES.splitlines()[1], M1, r":4: time is before .*'1704067200000'"),
        (SPOT_TRADES + SPOT_TRADES, None, r":2: trade id is the same as the row before's"),
        (SPOT_AGG.replace("1735689600010867", "now"), None, r":2: time must be epoch"),
        (SPOT_AGG.replace("True,True", "maybe,True"), None, r":2: buyer is maker must be true"),
        ("1,2,3\n", None, r":1: is no row of klines"),
        ("", None, r"holds no rows"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_named(
    text: str, timeframe: Timeframe | None, words: str, market: MarketStore, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=words):
        load(market, tmp_path, text, timeframe)
    assert market.upkeep.series() == []


def test_single_and_aggregated_trades_of_one_time_are_not_mixed(
    market: MarketStore, tmp_path: Path
) -> None:
    load(market, tmp_path, FUTURES_AGG)
    with pytest.raises(DataError, match=r"holds single trades .* but aggregated ones"):
        load(market, tmp_path, FUTURES_TRADES)


def test_a_zip_of_several_files_is_refused(market: MarketStore, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", FUTURES)
        archive.writestr("b.csv", FUTURES)
    with pytest.raises(DataError, match="must hold one file, holds 2"):
        import_file(tmp_path / "two.zip", Format.BINANCE, "BTC-USDT.binance", M1, market)


def test_klines_are_written_as_the_archive_has_them(
    market: MarketStore, tmp_path: Path, instrument: Instrument
) -> None:
    load(market, tmp_path, FUTURES)
    perpetual = msgspec.structs.replace(instrument, kind=InstrumentKind.PERPETUAL)
    path = tmp_path / "out.zip"
    export_series(market, perpetual, M1, path, Format.BINANCE)
    with zipfile.ZipFile(path) as archive:
        lines = archive.read("out.csv").decode().splitlines()
    given = FUTURES.splitlines()
    assert lines[0] == given[0]
    for line, expected in zip(lines[1:], given[1:], strict=True):
        cells, wanted = line.split(","), expected.split(",")
        assert [Decimal(cell) for cell in cells[:7]] == [Decimal(cell) for cell in wanted[:7]]
        assert (cells[7], cells[8], cells[9]) == ("0", wanted[8], "0")
    load(market, tmp_path, SPOT_1H_2025, Timeframe.H1)
    export_series(market, instrument, Timeframe.H1, tmp_path / "spot.csv", Format.BINANCE)
    cells = (tmp_path / "spot.csv").read_text().split(",")
    assert (cells[0], cells[6]) == ("1735689600000000", "1735693199999999")


def test_klines_may_be_trusted_as_the_venues_own(market: MarketStore, tmp_path: Path) -> None:
    (tmp_path / "k.csv").write_text(FUTURES)
    import_file(
        tmp_path / "k.csv", Format.BINANCE, "BTC-USDT.binance", M1, market, source=BarSource.VENUE
    )
    assert set(market.bars.bars("BTC-USDT.binance", M1, *EVER).source.tolist()) == {5}
