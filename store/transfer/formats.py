"""The one way in and the one way out, whatever the format."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

import msgspec

from core.model.errors import ConfigError, DataError
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import Timeframe
from core.model.stores import BarSource, Finding, Progress
from store.bars import MAX_NS
from store.market import MarketStore
from store.transfer import arrow, csvfile, freqtrade, lean, tardis, tardis_out, vision
from store.transfer.figures import Figure, FloatFigures, figure
from store.transfer.lean import Asset
from store.transfer.pages import Series
from store.transfer.sink import BarSink, ImportReport, TradeSink


class Format(StrEnum):
    """A kind of file."""

    CSV = "csv"
    PARQUET = "parquet"
    FREQTRADE = "freqtrade"
    """Candles as feather; trades as JSON."""
    LEAN = "lean"
    """Zips of trade bars below LEAN's data folder."""
    TARDIS = "tardis"
    """Trades as CSV."""
    BINANCE = "binance"
    """Klines and trades of data.binance.vision; klines are written as well."""


class ExportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an export wrote."""

    paths: tuple[str, ...]
    rows: int


def import_file(
    path: Path,
    fmt: Format,
    instrument: Instrument | InstrumentId,
    timeframe: Timeframe | None,
    store: MarketStore,
    progress: Progress | None = None,
    *,
    trades: bool = False,
    source: BarSource = BarSource.IMPORT,
    asset: Asset | None = None,
) -> ImportReport:
    """Read a file into the store, checking every row.

    An instrument's steps hold: a price between them is refused. With only an id the steps are
    taken from the file: the coarsest power of ten, at most 1, in which all rows are whole. Without
    a timeframe the bars' length is the usual distance between them.

    An import that fails has stored the pages before the bad row; done again it goes on from there,
    for what is stored is kept.

    Args:
        path: The file, or for LEAN also a folder of daily zips.
        fmt: What it is.
        instrument: What it is of.
        timeframe: Length of the bars; LEAN needs it.
        store: Where the rows go.
        progress: Told how far it is, in bytes or rows.
        trades: A CSV or Parquet file holds trades, not bars; the others tell themselves.
        source: How far bars are trusted; no higher than the file's own column `source` says.
        asset: How LEAN wrote it, if `instrument` is only an id.

    Raises:
        ConfigError: The file cannot be opened, or the arguments do not fit it.
        DataError: A row is wrong; names file, line, column and value.
        StoreError: It could not be stored.
    """
    job = _Job(path, instrument, timeframe, store, source, progress)
    try:
        return _import(job, path, fmt, timeframe, trades=trades, asset=asset)
    except DataError as error:
        raise DataError(f"{error}; {job.so_far()}") from None


def _import(
    job: _Job,
    path: Path,
    fmt: Format,
    timeframe: Timeframe | None,
    *,
    trades: bool,
    asset: Asset | None,
) -> ImportReport:
    progress = job.progress
    match fmt:
        case Format.CSV | Format.PARQUET:
            return _tabular(job, fmt, trades=trades)
        case Format.FREQTRADE:
            if ".json" in path.suffixes:
                return freqtrade.import_trades(job.trades(), progress)
            read = FloatFigures()
            return arrow.import_bars(job.bars(read), read, progress, feather=True)
        case Format.TARDIS:
            return tardis.import_trades(job.trades(), job.given, progress)
        case Format.BINANCE:
            if vision.holds_klines(path):
                return vision.import_klines(job.bars(), timeframe, progress)
            return vision.import_trades(job.trades(by_id=True), progress)
        case Format.LEAN:
            kind = asset or (lean.asset_of(job.given) if job.given else None)
            if kind is None or timeframe is None:
                raise ConfigError(
                    "LEAN's files do not say what they hold: name the length of the bars with "
                    "--timeframe, and --asset equity, crypto or cryptofuture"
                )
            return lean.import_bars(job.bars(), kind, timeframe, progress)


class _Job:
    """What every import is given."""

    def __init__(
        self,
        path: Path,
        target: Instrument | InstrumentId,
        timeframe: Timeframe | None,
        store: MarketStore,
        source: BarSource,
        progress: Progress | None,
    ) -> None:
        self.given = target if isinstance(target, Instrument) else None
        self.progress = progress
        self._path = path
        self._target = target
        self._timeframe = timeframe
        self._store = store
        self._source = source
        self._sink: BarSink | TradeSink | None = None

    def bars(self, read: Callable[[str], Figure] = figure) -> BarSink:
        sink = self._sink = BarSink(
            self._path, self._store.bars, self._target, self._timeframe, self._source, read
        )
        return sink

    def trades(self, read: Callable[[str], Figure] = figure, *, by_id: bool = False) -> TradeSink:
        sink = self._sink = TradeSink(
            self._path, self._store.trades, self._target, by_id=by_id, read=read
        )
        return sink

    def so_far(self) -> str:
        return self._sink.so_far() if self._sink is not None else "nothing is stored"


def _tabular(job: _Job, fmt: Format, *, trades: bool) -> ImportReport:
    read = FloatFigures()
    if fmt is Format.CSV:
        if trades:
            return csvfile.import_trades(job.trades(), job.progress)
        return csvfile.import_bars(job.bars(), job.progress)
    if trades:
        return arrow.import_trades(job.trades(read), read, job.progress)
    return arrow.import_bars(job.bars(read), read, job.progress, feather=False)


def export_series(
    store: MarketStore,
    instrument: Instrument | InstrumentId,
    timeframe: Timeframe | None,
    path: Path,
    fmt: Format,
    *,
    start_ns: int = 0,
    end_ns: int = MAX_NS,
    progress: Progress | None = None,
    overwrite: bool = False,
    epoch_ms: bool = False,
    damaged: list[Finding] | None = None,
) -> ExportReport:
    """Write a stored series to a file; no file is left half written.

    Args:
        store: Where the rows come from.
        instrument: What to write; LEAN, Tardis and Binance need its kind and venue, too.
        timeframe: Length of the bars; None means trades.
        path: The file, or LEAN's data folder.
        fmt: What to write.
        start_ns: First time to write.
        end_ns: First time not to write.
        progress: Told how far it is, in rows.
        overwrite: Replace what is there.
        epoch_ms: CSV has times in milliseconds, not ISO.
        damaged: Takes note of damaged blocks, which are left out then; a block may be noted twice.

    Raises:
        ConfigError: The file exists, nothing is stored, or the format does not hold such data.
        DataError: A figure does not fit the format.
        StoreError: The disk failed, or a stored block is damaged and `damaged` not given.
    """
    given = instrument if isinstance(instrument, Instrument) else None
    instrument_id = instrument.id if isinstance(instrument, Instrument) else instrument
    series = Series(store, instrument_id, timeframe, start_ns, end_ns, progress, damaged)
    paths = [path]
    match fmt:
        case Format.CSV:
            rows = csvfile.export(series, path, overwrite=overwrite, epoch_ms=epoch_ms)
        case Format.PARQUET:
            rows = arrow.export_parquet(series, path, overwrite=overwrite)
        case Format.FREQTRADE:
            rows = arrow.export_feather(series, path, overwrite=overwrite)
        case Format.TARDIS:
            if timeframe is not None:
                raise ConfigError(
                    "Tardis's files hold trades, not bars; leave the timeframe out, or choose csv "
                    "or parquet"
                )
            rows = tardis_out.export_trades(series, path, _known(given, fmt), overwrite=overwrite)
        case Format.BINANCE:
            if timeframe is None:
                raise ConfigError(
                    "Binance's archive is written as klines; name their length, such as 1m"
                )
            rows = vision.export_klines(series, path, _known(given, fmt), overwrite=overwrite)
        case Format.LEAN:
            rows, paths = lean.export(series, path, _known(given, fmt), overwrite=overwrite)
    return ExportReport(paths=tuple(str(item) for item in paths), rows=rows)


def _known(instrument: Instrument | None, fmt: Format) -> Instrument:
    if instrument is None:
        raise ConfigError(f"{fmt.value} files need to know the instrument's kind, not only its id")
    return instrument
