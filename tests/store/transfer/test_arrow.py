import datetime as dt
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from core.model.errors import ConfigError, DataError
from core.model.instruments import Instrument
from core.model.market import Timeframe
from core.model.stores import BarColumns, BarSource
from store.market import MarketStore
from store.transfer.arrow import doubles
from store.transfer.formats import Format, export_series, import_file

EVER = (0, 1 << 62)
M1 = Timeframe.M1
BTC = "BTC-USDT.file"
START_MS = 1_704_067_200_000
PRICES = [0.1 + 0.2, 42283.58, 1e-05]


def table(**columns: object) -> pa.Table:
    times = pa.array([START_MS + n * 60_000 for n in range(3)], pa.timestamp("ms", tz="UTC"))
    plain: dict[str, object] = {"date": times}
    plain |= {name: pa.array(PRICES) for name in ("open", "high", "low", "close")}
    plain |= {"volume": pa.array([1.0, 431.71082, 0.0])}
    return pa.table(plain | columns)


def load(market: MarketStore, path: Path, fmt: Format = Format.PARQUET) -> BarColumns:
    import_file(path, fmt, BTC, None, market)
    return market.bars.bars(BTC, M1, *EVER)


@pytest.mark.parametrize(
    "times",
    [
        pa.array([START_MS + n * 60_000 for n in range(3)]),
        pa.array([START_MS // 1000 + n * 60 for n in range(3)], pa.timestamp("s")),
        pa.array([(START_MS + n * 60_000) * 1000 for n in range(3)], pa.timestamp("us")),
        pa.array([f"2024-01-01T00:0{n}:00Z" for n in range(3)]),
    ],
    ids=["epoch", "seconds", "microseconds", "text"],
)
def test_times_of_every_type_and_figures_of_floats_are_read(
    times: pa.Array, market: MarketStore, tmp_path: Path
) -> None:
    parquet.write_table(table(date=times), tmp_path / "a.parquet")
    bars = load(market, tmp_path / "a.parquet")
    assert bars.ts_open_ns.tolist() == [(START_MS + n * 60_000) * 10**6 for n in range(3)]
    assert [count * bars.price_tick for count in bars.open.tolist()] == [
        Decimal("0.3"), Decimal("42283.58"), Decimal("0.00001"),
    ]  # fmt: skip
    assert [count * bars.size_lot for count in bars.volume.tolist()] == [
        1, Decimal("431.71082"), 0,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "prices",
    [
        pa.array([Decimal("1.50"), Decimal("2.25"), Decimal("3.00")]),
        pa.array(np.array([1.5, 2.25, 3], np.float32)),
        pa.array(["1.5", "2.250", "3"]),
    ],
    ids=["decimal", "float32", "text"],
)
def test_figures_of_every_type_are_read(
    prices: pa.Array, market: MarketStore, tmp_path: Path
) -> None:
    columns = dict.fromkeys(("open", "high", "low", "close"), prices)
    parquet.write_table(table(**columns), tmp_path / "a.parquet")
    bars = load(market, tmp_path / "a.parquet")
    assert bars.close.tolist() == [150, 225, 300]
    assert bars.price_tick == Decimal("0.01")


def test_single_precision_is_read_as_the_number_it_means(
    market: MarketStore, tmp_path: Path
) -> None:
    columns = {
        name: pa.array(np.array([0.1, 215.1, 7e-05], np.float32))
        for name in ("open", "high", "low", "close")
    }
    parquet.write_table(table(**columns), tmp_path / "a.parquet")
    bars = load(market, tmp_path / "a.parquet")
    assert [count * bars.price_tick for count in bars.open.tolist()] == [
        Decimal("0.1"), Decimal("215.1"), Decimal("0.00007"),
    ]  # fmt: skip


def test_the_noise_of_floats_is_rounded_and_counted(market: MarketStore, tmp_path: Path) -> None:
    parquet.write_table(table(), tmp_path / "a.parquet")
    report = import_file(tmp_path / "a.parquet", Format.PARQUET, BTC, None, market)
    assert report.rounded == 4


def test_freqtrades_own_way_of_writing_is_read(market: MarketStore, tmp_path: Path) -> None:
    # As pandas' DataFrame.to_feather(compression="lz4", compression_level=9) writes it.
    path = tmp_path / "BTC_USDT-1m.feather"
    feather.write_feather(table(), str(path), compression="lz4", compression_level=9)
    bars = load(market, path, Format.FREQTRADE)
    assert len(bars) == 3
    assert bars.high[1] * bars.price_tick == Decimal("42283.58")


def test_what_we_write_for_freqtrade_has_its_columns_and_types(
    market: MarketStore, tmp_path: Path, instrument: Instrument, walk: object
) -> None:
    market.bars.put_bars(instrument, M1, walk(70_000), BarSource.VENUE)  # type: ignore[operator]
    path = tmp_path / "BTC_USDT-1m.feather"
    export_series(market, instrument.id, M1, path, Format.FREQTRADE)
    found = feather.read_table(str(path))
    assert found.schema.names == ["date", "open", "high", "low", "close", "volume"]
    assert str(found.schema.types[0]) == "timestamp[ms, tz=UTC]"
    assert {str(kind) for kind in found.schema.types[1:]} == {"double"}
    assert found.num_rows == 70_000
    assert found["date"][0].as_py() == dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    bars = market.bars.bars(instrument.id, M1, *EVER)
    assert found["open"].to_pylist()[:5] == [
        float(count * instrument.price_tick) for count in bars.open[:5].tolist()
    ]


def test_parquet_says_its_steps_and_types(
    market: MarketStore, tmp_path: Path, instrument: Instrument, walk: object
) -> None:
    market.bars.put_bars(instrument, M1, walk(100), BarSource.VENUE)  # type: ignore[operator]
    path = tmp_path / "a.parquet"
    export_series(market, instrument.id, M1, path, Format.PARQUET)
    found = parquet.read_table(path)
    metadata = parquet.read_metadata(path).metadata
    assert metadata[b"clx.price_tick"] == b"0.01"
    assert metadata[b"clx.size_lot"] == b"0.00001"
    assert str(found.schema.field("time").type) == "timestamp[ns, tz=UTC]"
    assert set(found["source"].to_pylist()) == {"venue"}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"open": pa.array([1.0, None, 1.0])}, r":2: open must be there, was None"),
        ({"high": pa.array([1.0, float("nan"), 1.0])}, r":2: high must be a finite .*'nan'"),
        ({"low": pa.array([1e9, float("inf"), 1.0])}, r":2: low must be a finite .*'inf'"),
        ({"close": pa.array([0.0, 1.0, 1.0])}, r":1: close must be above zero, was '0.0'"),
        ({"date": pa.array([START_MS] * 3)}, r":2: time is the same as"),
        ({"date": pa.array(["soon"] * 3)}, r":1: date must be an ISO or epoch time, was 'soon'"),
        ({"date": pa.array([1.5] * 3)}, r"date must be a timestamp, .*was double"),
        ({"trades": pa.array([1.5, 2.0, 3.0])}, r"trades must be whole numbers"),
        ({"source": pa.array(["venue", "friend", "venue"])}, r":2: source must be one of venue,"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_named(
    columns: dict[str, pa.Array], words: str, market: MarketStore, tmp_path: Path
) -> None:
    parquet.write_table(table(**columns), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=words):
        load(market, tmp_path / "a.parquet")
    assert market.upkeep.series() == []


def test_what_is_no_such_file_is_refused(market: MarketStore, tmp_path: Path) -> None:
    whole = tmp_path / "whole.parquet"
    parquet.write_table(table(), whole)
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(whole.read_bytes()[:-30])
    for fmt, path in ((Format.PARQUET, cut), (Format.FREQTRADE, cut), (Format.FREQTRADE, whole)):
        with pytest.raises(DataError, match="is no whole"):
            load(market, path, fmt)
    for fmt in (Format.PARQUET, Format.FREQTRADE):
        with pytest.raises(ConfigError, match="none: cannot be read"):
            load(market, tmp_path / "none", fmt)
    parquet.write_table(table().drop_columns(["volume"]), whole)
    with pytest.raises(DataError, match="the columns must name a time"):
        load(market, whole)
    with pytest.raises(DataError, match="the columns must be time, received, price"):
        import_file(whole, Format.PARQUET, BTC, None, market, trades=True)


def test_figures_beyond_a_doubles_digits_are_not_written() -> None:
    counts = np.array([1, (1 << 53) - 1], np.int64)
    assert doubles(counts, Decimal("0.001"), "a price").tolist() == [0.001, 9007199254740.991]
    with pytest.raises(DataError, match="a price has more digits than a double holds"):
        doubles(counts, Decimal("0.002"), "a price")
