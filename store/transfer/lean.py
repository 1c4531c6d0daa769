"""LEAN's zips of trade bars, for US equities, crypto and crypto perpetuals.

::

    equity/usa/minute/spy/20131007_trade.zip     20131007_spy_minute_trade.csv
        14400000,1674100,1674100,1672500,1672700,3197       ms since midnight, New York
    equity/usa/hour/aapl.zip                     aapl.csv
        19980102 09:00,136300,137500,135000,136300,540700   New York
    crypto/coinbase/minute/btcusd/20180404_trade.zip
        0,7424.91,7424.91,7422,7422,7.14319709              ms since midnight, UTC
    cryptofuture/binance/minute/adausdt/20221213_trade.zip  perpetuals, written as crypto is

Prices of equities are in ten-thousandths of a dollar, those of crypto as they are. A daily bar of
an equity belongs to a day of New York; it is kept under the same date in UTC.
Source: the readme files below Data/ of github.com/QuantConnect/Lean.
"""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, cast
from zoneinfo import ZoneInfo

from core.model.errors import ConfigError, DataError
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Timeframe
from core.model.stores import Progress
from store.transfer.csvfile import bar_cells
from store.transfer.figures import bad, figure, iso
from store.transfer.files import open_text, write_file, zip_writer
from store.transfer.pages import Series
from store.transfer.sink import BarSink, ImportReport

Asset = Literal["equity", "crypto", "cryptofuture"]

_NEW_YORK: Final = ZoneInfo("America/New_York")
_RESOLUTIONS: Final = {
    Timeframe.S1: "second",
    Timeframe.M1: "minute",
    Timeframe.H1: "hour",
    Timeframe.D1: "daily",
}
_ASSETS: Final[dict[InstrumentKind, Asset]] = {
    InstrumentKind.STOCK: "equity",
    InstrumentKind.SPOT: "crypto",
    InstrumentKind.PERPETUAL: "cryptofuture",
}
_MARKETS: Final = {"binance_usdm": "binance", "coinbase_exchange": "coinbase"}
"""LEAN's names of markets that are not ours."""
_DAILY_FILES: Final = (Timeframe.S1, Timeframe.M1)
_DAY: Final = re.compile(r"(?<![0-9])([0-9]{8})(?![0-9])")
_DAY_MS: Final = 86_400_000


def asset_of(instrument: Instrument) -> Asset:
    """Return which of LEAN's kinds of securities an instrument is.

    Raises:
        ConfigError: It is none of those that are read and written here.
    """
    if instrument.kind not in _ASSETS:
        raise ConfigError(
            f"LEAN's zips are of stocks, spot and perpetuals here; {instrument.id} is of kind "
            f"{instrument.kind.value}; choose csv or parquet"
        )
    return _ASSETS[instrument.kind]


def told_by(path: Path) -> tuple[Asset | None, Timeframe | None]:
    """Return the kind and bar length that a file's place in LEAN's data folder tells.

    Its layout is ``asset/market/resolution/...``; without all three of them nothing is told.
    """
    parts = [part.lower() for part in path.absolute().parts]
    for at in range(len(parts) - 3, -1, -1):
        asset, _, name = parts[at : at + 3]
        for timeframe, word in _RESOLUTIONS.items():
            if name == word and asset in _ASSETS.values():
                return cast("Asset", asset), timeframe
    return None, None


def import_bars(
    sink: BarSink, asset: Asset, timeframe: Timeframe, progress: Progress | None
) -> ImportReport:
    """Read a zip or its CSV, or every ``*_trade.zip`` of a folder in order of date.

    Raises:
        ConfigError: Nothing is there, or LEAN has no such bars.
        DataError: A row is wrong; names file, line, column and value.
    """
    resolution(timeframe)
    folder = sink.path
    paths = sorted(folder.glob("*_trade.zip")) if folder.is_dir() else [folder]
    if not paths:
        raise ConfigError(f"{folder}: holds no *_trade.zip")
    for number, path in enumerate(paths):
        sink.path = path
        _read(sink, asset, timeframe, progress if len(paths) == 1 else None)
        if progress is not None and len(paths) > 1:
            progress(number + 1, len(paths))
    sink.path = folder
    return sink.finish()


def export(
    series: Series, root: Path, instrument: Instrument, *, overwrite: bool
) -> tuple[int, list[Path]]:
    """Write a series below LEAN's data folder; return how many rows, and the files.

    Seconds and minutes make a zip a day, hours and days one zip. The market of equities is
    ``usa``, of crypto the venue.

    Raises:
        ConfigError: A file exists, or LEAN has no such bars.
        DataError: A price is finer than LEAN can hold, or a time does not exist there.
        StoreError: The disk failed, or a stored block is damaged.
    """
    if root.suffix.lower() == ".zip":
        raise ConfigError(
            f"LEAN keeps its zips in a data folder of its own layout: name that folder, was {root}"
        )
    if series.timeframe is None:
        raise ConfigError("LEAN zips are written of bars; name their length, such as 1m")
    name = resolution(series.timeframe)
    asset = asset_of(instrument)
    ticker = instrument.base if asset == "equity" else instrument.base + instrument.quote
    ticker = ticker.lower()
    market = "usa" if asset == "equity" else _MARKETS.get(instrument.venue, instrument.venue)
    folder = root / asset / market / name
    if series.timeframe in _DAILY_FILES:
        return _export_days(series, folder / ticker, asset, ticker, name, overwrite)
    suffix = "" if asset == "equity" else "_trade"
    path = folder / f"{ticker}{suffix}.zip"
    rows = 0
    with (
        write_file(path, overwrite=overwrite) as part,
        zip_writer(part, f"{ticker}.csv") as out,
    ):
        for ts_ns, cells in _bars(series, asset):
            moment = _local(ts_ns, asset, series.timeframe)
            out.write(f"{moment:%Y%m%d %H:%M},{','.join(cells)}\n")
            rows += 1
    return rows, [path]


def resolution(timeframe: Timeframe) -> str:
    """Return LEAN's name of a bar length.

    Raises:
        ConfigError: It has none.
    """
    if timeframe not in _RESOLUTIONS:
        known = ", ".join(item.value for item in _RESOLUTIONS)
        raise ConfigError(f"LEAN has bars of {known}, not of {timeframe.value}")
    return _RESOLUTIONS[timeframe]


def _read(sink: BarSink, asset: Asset, timeframe: Timeframe, progress: Progress | None) -> None:
    path = sink.path
    with open_text(path) as text:
        midnight = _date(path, text.name) if timeframe in _DAILY_FILES else None
        reader = csv.reader(text.lines(progress))
        for cells in reader:
            line = reader.line_num
            if len(cells) == 11:
                raise DataError(f"{path}:{line}: holds quote bars (11 cells); trade bars have 6")
            if len(cells) != 6:
                raise DataError(f"{path}:{line}: a trade bar has 6 cells, this has {len(cells)}")
            ts_ns = _time(path, line, cells[0], midnight, asset, timeframe)
            prices = cells[1:5]
            if asset == "equity":
                prices = [_dollars(sink, line, text) for text in prices]
            sink.add(line, ts_ns, [*prices, cells[5]], shown=cells[0])


def _date(path: Path, name: str) -> dt.date:
    for text in (name, path.name):
        found = _DAY.search(text)
        if found:
            try:
                return dt.datetime.strptime(found[1], "%Y%m%d").replace(tzinfo=dt.UTC).date()
            except ValueError:
                continue
    raise DataError(f"{path}: its name must hold the day as YYYYMMDD, such as 20131007_trade.zip")


def _time(
    path: Path, line: int, text: str, day: dt.date | None, asset: Asset, timeframe: Timeframe
) -> int:
    if day is not None:
        cell = text.strip()
        if not (cell.isascii() and cell.isdigit()) or int(cell) >= _DAY_MS:
            raise bad(path, line, "time", text, "must be milliseconds since midnight")
        local = dt.datetime.combine(day, dt.time()) + dt.timedelta(milliseconds=int(cell))
    else:
        try:
            local = dt.datetime.strptime(text.strip(), "%Y%m%d %H:%M")  # noqa: DTZ007  see below
        except ValueError:
            raise bad(path, line, "time", text, "must be YYYYMMDD HH:MM") from None
    if asset != "equity" or timeframe is Timeframe.D1:
        return _ns(local.replace(tzinfo=dt.UTC))
    moment = local.replace(tzinfo=_NEW_YORK)
    utc = moment.astimezone(dt.UTC)
    if utc.astimezone(_NEW_YORK).replace(tzinfo=None) != local:
        raise bad(path, line, "time", text, "does not exist in New York: clocks went forward")
    return _ns(utc)


def _ns(moment: dt.datetime) -> int:
    since = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return since // dt.timedelta(microseconds=1) * 1000


def _dollars(sink: BarSink, line: int, text: str) -> str:
    digits, places = sink.figure(line, "price", text)
    count, rest = divmod(digits, 10**places)
    if rest:
        raise bad(sink.path, line, "price", text, "must be whole ten-thousandths of a dollar")
    return f"{count}E-4"


def _bars(series: Series, asset: Asset) -> Iterator[tuple[int, list[str]]]:
    for page in series.bars():
        for ts_ns, cells in zip(page.ts_open_ns.tolist(), bar_cells(page), strict=True):
            if asset != "equity":
                yield ts_ns, list(cells)
            else:
                yield ts_ns, [*(_deci_cents(ts_ns, text) for text in cells[:4]), _trim(cells[4])]


def _trim(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _deci_cents(ts_ns: int, text: str) -> str:
    digits, places = figure(text)
    if places > 4:
        raise DataError(
            f"the bar of {iso(ts_ns)} has a price of {text}; LEAN's equities hold 4 decimals"
        )
    return str(digits * 10 ** (4 - places))


def _local(ts_ns: int, asset: Asset, timeframe: Timeframe) -> dt.datetime:
    utc = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=ts_ns // 1000)
    if asset != "equity" or timeframe is Timeframe.D1:
        return utc
    local = utc.astimezone(_NEW_YORK)
    if local.fold:
        raise DataError(
            f"the bar of {iso(ts_ns)} falls into the hour New York has twice; LEAN cannot hold it"
        )
    return local


def _export_days(
    series: Series, folder: Path, asset: Asset, ticker: str, name: str, overwrite: bool
) -> tuple[int, list[Path]]:
    assert series.timeframe is not None
    days = _Days(folder, ticker, name, overwrite)
    rows = 0
    for ts_ns, cells in _bars(series, asset):
        local = _local(ts_ns, asset, series.timeframe)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        wall = local.replace(tzinfo=None) - midnight.replace(tzinfo=None)
        ms = wall // dt.timedelta(milliseconds=1)
        days.add(local.date(), f"{ms},{','.join(cells)}\n")
        rows += 1
    days.close()
    return rows, days.paths


class _Days:
    """Writes a zip a day, each when its day is over."""

    def __init__(self, folder: Path, ticker: str, name: str, overwrite: bool) -> None:
        self.paths: list[Path] = []
        self._folder = folder
        self._ticker = ticker
        self._name = name
        self._overwrite = overwrite
        self._day: dt.date | None = None
        self._lines: list[str] = []

    def add(self, day: dt.date, line: str) -> None:
        """Take a line of a day, days in order."""
        if day != self._day:
            self.close()
            self._day = day
        self._lines.append(line)

    def close(self) -> None:
        """Write the day there is."""
        if self._day is None:
            return
        stamp = f"{self._day:%Y%m%d}"
        path = self._folder / f"{stamp}_trade.zip"
        member = f"{stamp}_{self._ticker}_{self._name}_trade.csv"
        with (
            write_file(path, overwrite=self._overwrite) as part,
            zip_writer(part, member) as out,
        ):
            out.writelines(self._lines)
        self.paths.append(path)
        self._day, self._lines = None, []
