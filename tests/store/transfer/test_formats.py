"""Every format, out and in again."""

import builtins
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.model.errors import ConfigError, StoreError
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Timeframe, Trade
from core.model.stores import BarColumns, BarSource, Written, bar_columns
from store.market import MarketStore
from store.transfer.formats import ExportReport, Format, export_series, import_file

Figures = Callable[[BarColumns], list[tuple[object, ...]]]
M1 = Timeframe.M1
EVER = (0, 1 << 62)
# A Monday 9:30 in New York, so that no minute falls into the night the clocks change.
MONDAY_NS = 1_704_724_200_000_000_000

BAR_FILES = [
    (Format.CSV, "bars.csv"),
    (Format.CSV, "bars.csv.zst"),
    (Format.CSV, "bars.csv.gz"),
    (Format.PARQUET, "bars.parquet"),
    (Format.FREQTRADE, "BTC_USDT-1m.feather"),
    (Format.BINANCE, "BTCUSDT-1m-2024-01.zip"),
    (Format.BINANCE, "BTCUSDT-1m-2024-01.csv"),
    (Format.LEAN, "lean"),
]


def instrument_of(kind: InstrumentKind, tick: str, lot: str) -> Instrument:
    return Instrument(
        id="BTC-USDT.binance",
        venue="binance",
        venue_symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        kind=kind,
        price_tick=Decimal(tick),
        size_lot=Decimal(lot),
    )


INSTRUMENTS = st.one_of(
    st.builds(
        instrument_of,
        st.sampled_from([InstrumentKind.SPOT, InstrumentKind.PERPETUAL]),
        st.sampled_from(["0.01", "0.05", "0.0000001", "1", "10"]),
        st.sampled_from(["0.00001", "0.001", "1", "100"]),
    ),
    st.builds(
        instrument_of,
        st.just(InstrumentKind.STOCK),
        st.sampled_from(["0.01", "0.0001"]),
        st.sampled_from(["1", "0.001"]),
    ),
)


@st.composite
def bars_of(draw: st.DrawFn, step_ns: int) -> np.ndarray:
    """Draw bars with holes, shape (9, n)."""
    skips = draw(st.lists(st.sampled_from([1, 1, 1, 2, 7]), min_size=2, max_size=25))
    out = []
    at = 0
    for skip in skips:
        at += skip
        low = draw(st.integers(1, 10**6))
        high = low + draw(st.integers(0, 10**4))
        prices = [draw(st.integers(low, high)) for _ in range(2)]
        volume, trades = draw(st.integers(0, 10**9)), draw(st.integers(0, 5000))
        out.append(
            (MONDAY_NS + at * step_ns, prices[0], high, low, prices[1], volume, trades, 0, 0)
        )
    return np.array(out, np.int64).T


def export(
    store: MarketStore, fmt: Format, name: str, folder: Path, instrument: Instrument
) -> ExportReport:
    return export_series(store, instrument, M1, folder / name, fmt)


@pytest.mark.parametrize(("fmt", "name"), BAR_FILES)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(instrument=INSTRUMENTS, table=bars_of(M1.ns), known=st.booleans())
def test_bars_of_any_instrument_come_back_exactly(
    fmt: Format,
    name: str,
    instrument: Instrument,
    table: np.ndarray,
    known: bool,
    tmp_path_factory: pytest.TempPathFactory,
    figures: Figures,
) -> None:
    folder = tmp_path_factory.mktemp("files")
    columns = bar_columns(table, instrument.price_tick, instrument.size_lot)
    with MarketStore(folder / "one.sqlite") as one, MarketStore(folder / "two.sqlite") as two:
        one.bars.put_bars(instrument, M1, columns, BarSource.VENUE)
        report = export(one, fmt, name, folder, instrument)
        assert report.rows == table.shape[1]
        source = Path(report.paths[0]).parent if fmt is Format.LEAN else Path(report.paths[0])
        target = instrument if known else instrument.id
        asset = "equity" if instrument.kind is InstrumentKind.STOCK else "crypto"
        found = import_file(source, fmt, target, M1, two, asset=asset)
        assert found.written == Written(new=table.shape[1])
        expected = figures(columns)
        if fmt in (Format.FREQTRADE, Format.LEAN):  # these hold no count of trades
            expected = [(*row[:-1], 0) for row in expected]
        bars = two.bars.bars(instrument.id, M1, *EVER)
        assert figures(bars) == expected
        assert set(bars.source.tolist()) == {BarSource.IMPORT.rank}
        # Once more: nothing new.
        again = import_file(source, fmt, target, M1, two, asset=asset)
        assert again.written == Written(kept=table.shape[1])


@pytest.mark.parametrize(
    ("fmt", "name"), [(Format.CSV, "trades.csv.zst"), (Format.PARQUET, "trades.parquet")]
)
def test_trades_come_back_exactly(
    fmt: Format,
    name: str,
    market: MarketStore,
    tmp_path: Path,
    instrument: Instrument,
    tape: Callable[..., list[Trade]],
) -> None:
    trades = tape(30_000, step_ns=400_000_001)
    trades[7] = msgspec.structs.replace(trades[7], ts_recv_ns=0, trade_id=0)
    trades[8] = msgspec.structs.replace(trades[7])
    market.trades.put_trades(instrument, trades)
    export_series(market, instrument.id, None, tmp_path / name, fmt)
    with MarketStore(tmp_path / "two.sqlite") as two:
        report = import_file(tmp_path / name, fmt, instrument, None, two, trades=True)
        assert report.written == Written(new=30_000)
        one, other = (store.trades.trades(instrument.id, *EVER) for store in (market, two))
        for field in one.__struct_fields__[:7]:
            assert np.array_equal(getattr(one, field), getattr(other, field)), field


@pytest.mark.parametrize("timeframe", [Timeframe.H1, Timeframe.D1, Timeframe.S1])
@pytest.mark.parametrize("kind", [InstrumentKind.STOCK, InstrumentKind.SPOT])
def test_lean_holds_seconds_hours_and_days(
    timeframe: Timeframe,
    kind: InstrumentKind,
    market: MarketStore,
    tmp_path: Path,
    instrument: Instrument,
    walk: Callable[..., BarColumns],
    figures: Figures,
) -> None:
    instrument = msgspec.structs.replace(instrument, kind=kind)
    bars = walk(300, timeframe)
    bars = msgspec.structs.replace(bars, trades=np.zeros(300, np.int64))
    market.bars.put_bars(instrument, timeframe, bars, BarSource.VENUE)
    report = export_series(market, instrument, timeframe, tmp_path / "data", Format.LEAN)
    ticker = "btc" if kind is InstrumentKind.STOCK else "btcusdt"
    root = "equity/usa" if kind is InstrumentKind.STOCK else "crypto/binance"
    suffix = "" if kind is InstrumentKind.STOCK else "_trade"
    name = {
        Timeframe.S1: f"second/{ticker}/20240101_trade.zip",
        Timeframe.H1: f"hour/{ticker}{suffix}.zip",
        Timeframe.D1: f"daily/{ticker}{suffix}.zip",
    }[timeframe]
    if timeframe is Timeframe.S1 and kind is InstrumentKind.STOCK:
        name = name.replace("20240101", "20231231")  # midnight UTC is the day before there
    assert report.paths[0] == str(tmp_path / "data" / root / name)
    with MarketStore(tmp_path / "two.sqlite") as two:
        import_file(Path(report.paths[0]), Format.LEAN, instrument, timeframe, two)
        assert figures(two.bars.bars(instrument.id, timeframe, *EVER)) == figures(bars)


def test_a_part_of_a_series_is_written_and_progress_told(
    market: MarketStore, tmp_path: Path, instrument: Instrument, walk: Callable[..., BarColumns]
) -> None:
    bars = walk(60_000)
    market.bars.put_bars(instrument, M1, bars, BarSource.VENUE)
    start, end = int(bars.ts_open_ns[10]), int(bars.ts_open_ns[59_990])
    told: list[tuple[int, int]] = []
    report = export_series(
        market, instrument, M1, tmp_path / "a.csv", Format.CSV, start_ns=start, end_ns=end,
        progress=lambda done, total: told.append((done, total)), epoch_ms=True,
    )  # fmt: skip
    assert report.rows == 59_980
    assert told[-1] == (59_980, 60_000)
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[1].startswith(f"{start // 10**6},")
    assert len(lines) == 59_981
    told.clear()
    with MarketStore(tmp_path / "two.sqlite") as two:
        import_file(
            tmp_path / "a.csv", Format.CSV, instrument, None, two,
            lambda done, total: told.append((done, total)),
        )  # fmt: skip
        size = (tmp_path / "a.csv").stat().st_size
        assert told[-1] == (size, size)
        assert len(told) == 3
        assert len(two.bars.bars(instrument.id, M1, *EVER)) == 59_980


def test_a_bar_of_little_worth_is_not_worth_more_for_having_been_in_a_file(
    market: MarketStore, tmp_path: Path, instrument: Instrument, walk: Callable[..., BarColumns]
) -> None:
    market.bars.put_bars(instrument, M1, walk(5), BarSource.VENUE)
    market.bars.put_bars(instrument, M1, walk(5, first=5), BarSource.PARTIAL)
    for fmt, name in ((Format.CSV, "a.csv"), (Format.PARQUET, "a.parquet")):
        export(market, fmt, name, tmp_path, instrument)
        with MarketStore(tmp_path / f"{name}.sqlite") as two:
            import_file(tmp_path / name, fmt, instrument, M1, two)
            assert two.bars.bars(instrument.id, M1, *EVER).source.tolist() == [3] * 5 + [1] * 5


def test_a_file_that_exists_is_replaced_only_when_told(
    market: MarketStore, tmp_path: Path, instrument: Instrument, walk: Callable[..., BarColumns]
) -> None:
    market.bars.put_bars(instrument, M1, walk(5), BarSource.VENUE)
    for fmt, name in BAR_FILES:
        export(market, fmt, name, tmp_path, instrument)
        with pytest.raises(ConfigError, match="exists; name another file"):
            export(market, fmt, name, tmp_path, instrument)
        again = export_series(market, instrument, M1, tmp_path / name, fmt, overwrite=True)
        assert again.rows == 5
    assert not list(tmp_path.rglob("*.part"))


def test_a_failed_export_leaves_no_file(
    market: MarketStore,
    market_path: Path,
    tmp_path: Path,
    instrument: Instrument,
    walk: Callable[..., BarColumns],
) -> None:
    import sqlite3

    market.bars.put_bars(instrument, M1, walk(60_000), BarSource.VENUE)
    connection = sqlite3.connect(market_path)
    connection.execute(
        "UPDATE bar_blocks SET data = zeroblob(9) WHERE start_ns = "
        "(SELECT max(start_ns) FROM bar_blocks)"
    )
    connection.commit()
    connection.close()
    for fmt, name in BAR_FILES[:-1]:
        with pytest.raises(StoreError, match="2024-02-11"):
            export(market, fmt, name, tmp_path, instrument)
        assert not (tmp_path / name).exists()
    assert not list(tmp_path.rglob("*.part"))
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ConfigError, match="its folder cannot be made"):
        export(market, Format.CSV, "file/under/a/file.csv", tmp_path, instrument)


def test_an_export_to_a_full_disk_is_told_and_leaves_no_file(
    market: MarketStore, tmp_path: Path, instrument: Instrument, walk: Callable[..., BarColumns]
) -> None:
    import resource
    import signal

    market.bars.put_bars(instrument, M1, walk(60_000), BarSource.VENUE)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        for fmt, name in BAR_FILES[:-1]:
            with pytest.raises(StoreError, match="nothing was left half written"):
                export(market, fmt, name, tmp_path, instrument)
            assert not (tmp_path / name).exists()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert not list(tmp_path.rglob("*.part"))


def test_what_a_format_cannot_hold_is_said(
    market: MarketStore, tmp_path: Path, instrument: Instrument, walk: Callable[..., BarColumns]
) -> None:
    market.bars.put_bars(instrument, M1, walk(5), BarSource.VENUE)
    market.bars.put_bars(instrument, Timeframe.M15, walk(5, Timeframe.M15), BarSource.VENUE)
    dated = msgspec.structs.replace(instrument, kind=InstrumentKind.FUTURE)
    for fmt, timeframe, target, words in (
        (Format.TARDIS, M1, instrument, "hold trades, not bars"),
        (Format.LEAN, Timeframe.M15, instrument, "LEAN has bars of 1s, 1m, 1h, 1d, not of 15m"),
        (Format.LEAN, M1, dated, "of stocks, spot and perpetuals here; .* of kind future"),
        (Format.LEAN, M1, instrument.id, "need to know the instrument's kind"),
        (Format.CSV, Timeframe.D1, instrument, "nothing is stored of BTC-USDT.binance 1d"),
        (Format.FREQTRADE, None, instrument, "nothing is stored of BTC-USDT.binance trades"),
    ):
        with pytest.raises(ConfigError, match=words):
            export_series(market, target, timeframe, tmp_path / "x", fmt)
    with pytest.raises(ConfigError, match="nothing of that time"):
        export_series(market, instrument, M1, tmp_path / "x", Format.CSV, end_ns=5)
    with pytest.raises(ConfigError, match="must end after it begins, was 1970-01-01T00:00:07Z to"):
        export_series(
            market, instrument, M1, tmp_path / "x", Format.CSV, start_ns=7 * 10**9, end_ns=5
        )
    with pytest.raises(ConfigError, match="is a folder or device; name a file"):
        export_series(market, instrument, M1, tmp_path, Format.CSV, overwrite=True)
    with pytest.raises(ConfigError, match="do not say what they hold"):
        import_file(tmp_path / "x.zip", Format.LEAN, instrument.id, M1, market)


def test_without_pyarrow_the_extra_is_named(
    market: MarketStore,
    tmp_path: Path,
    instrument: Instrument,
    walk: Callable[..., BarColumns],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    market.bars.put_bars(instrument, M1, walk(5), BarSource.VENUE)
    real = builtins.__import__

    def missing(name: str, *arguments: object, **more: object) -> object:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", missing)
    for fmt in (Format.PARQUET, Format.FREQTRADE):
        with pytest.raises(ConfigError, match=r"pip install 'clx\[parquet\]'"):
            export_series(market, instrument, M1, tmp_path / "a", fmt)
        with pytest.raises(ConfigError, match=r"pip install 'clx\[parquet\]'"):
            import_file(tmp_path / "a", fmt, instrument, M1, market)
