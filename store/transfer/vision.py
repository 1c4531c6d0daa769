"""The public archive of Binance (data.binance.vision): zips of one CSV, with or without a header.

Klines (12 cells), aggregated trades (8 spot, 7 futures) and single trades (7 spot, 6 futures)::

    1735689600000000,4.1507,4.1587,4.1506,4.1554,539.23,1735693199999999,2240.39,13,401.82,1669.98,0
    7829,0.20000000,50.00000000,3401,3402,1735689600010866,False,True
    51175358,17.80180000,5.69000000,101.29224200,1583709433583,True,True

Times are milliseconds, and microseconds for spot from 2025-01-01 on; told apart by their size.
Source: github.com/binance/binance-public-data.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from core.model.errors import DataError
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Timeframe
from core.model.stores import BarColumns, Progress
from store.transfer.csvfile import bar_cells, whole
from store.transfer.figures import bad, time_ns
from store.transfer.files import open_text, text_writer, write_file, zip_writer
from store.transfer.pages import Series
from store.transfer.sink import BarSink, ImportReport, TradeSink

_HEADER: Final = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
    "taker_buy_quote_volume,ignore"
)
_MICROSECONDS_FROM: Final = 1_735_689_600_000_000_000
_BOOLS: Final = {"true": True, "false": False}
_KLINE: Final = 12


def holds_klines(path: Path) -> bool:
    """Return whether a file holds klines; it holds trades otherwise.

    Raises:
        ConfigError: It cannot be opened.
        DataError: It holds neither.
    """
    with open_text(path) as text:
        for line, cells in _rows(path, text.lines(None)):
            if len(cells) == _KLINE:
                return True
            _kind(path, line, cells)
            return False
    raise DataError(f"{path}: holds no rows")


def import_klines(
    sink: BarSink, timeframe: Timeframe | None, progress: Progress | None
) -> ImportReport:
    """Read klines; each must be as long as the timeframe.

    Raises:
        ConfigError: The file cannot be opened.
        DataError: A row is wrong; names file, line, column and value.
    """
    path = sink.path
    with open_text(path) as text:
        for line, cells in _rows(path, text.lines(progress)):
            if len(cells) != _KLINE:
                raise DataError(f"{path}:{line}: a kline has {_KLINE} cells, this has {len(cells)}")
            opened = _time(path, line, "open time", cells[0])
            if timeframe is not None:
                unit = 1000 if len(cells[0]) > 13 else 1_000_000
                closed = _time(path, line, "close time", cells[6])
                if closed + unit - opened != timeframe.ns:
                    why = f"must be the end of a bar of {timeframe.value}"
                    raise bad(path, line, "close time", cells[6], why)
            sink.add(line, opened, cells[1:6], whole(path, line, "count", cells[8]), shown=cells[0])
    return sink.finish()


def import_trades(sink: TradeSink, progress: Progress | None) -> ImportReport:
    """Read aggregated or single trades; which of them is told by the cells.

    Raises:
        ConfigError: The file cannot be opened.
        DataError: A row is wrong; names file, line, column and value.
    """
    path = sink.path
    kind: _Kind | None = None
    with open_text(path) as text:
        for line, cells in _rows(path, text.lines(progress)):
            kind = kind or _kind(path, line, cells)
            if len(cells) != kind.width:
                raise DataError(f"{path}:{line}: has {len(cells)} cells, not {kind.width}")
            maker = _BOOLS.get(cells[kind.maker].strip().lower())
            if maker is None:
                raise bad(path, line, "buyer is maker", cells[kind.maker], "must be true or false")
            sink.add(
                line,
                _time(path, line, "time", cells[kind.time]),
                cells[1],
                cells[2],
                buyer_is_maker=maker,
                trade_id=whole(path, line, "id", cells[0]),
                first_trade_id=whole(path, line, "first id", cells[3]) if kind.aggregated else 0,
            )
    return sink.finish()


def export_klines(series: Series, path: Path, instrument: Instrument, *, overwrite: bool) -> int:
    """Write bars as klines, to a zip if the name ends so. Return how many rows.

    What is not stored is written as 0: the quote volume and the takers' volumes. Futures have a
    header, spot has none, as in the archive.

    Raises:
        ConfigError: The file exists.
        StoreError: The disk failed, or a stored block is damaged.
    """
    spot = instrument.kind is InstrumentKind.SPOT
    rows = 0
    with write_file(path, overwrite=overwrite) as part:
        writer = zip_writer(part, f"{path.stem}.csv") if path.suffix == ".zip" else None
        with writer or text_writer(part, path.name) as out:
            if not spot:
                out.write(_HEADER + "\n")
            for page in series.bars():
                out.writelines(_lines(page, series.timeframe, spot))
                rows += len(page)
    return rows


def _lines(page: BarColumns, timeframe: Timeframe | None, spot: bool) -> Iterator[str]:
    assert timeframe is not None
    for ts_ns, cells, trades in zip(
        page.ts_open_ns.tolist(), bar_cells(page), page.trades.tolist(), strict=True
    ):
        unit = 1000 if spot and ts_ns >= _MICROSECONDS_FROM else 1_000_000
        closed = (ts_ns + timeframe.ns) // unit - 1
        yield f"{ts_ns // unit},{','.join(cells)},{closed},0,{trades},0,0,0\n"


class _Kind:
    """Where the cells of a kind of trades are."""

    def __init__(self, width: int, time: int, *, aggregated: bool) -> None:
        self.width = width
        self.time = time
        self.maker = time + 1
        self.aggregated = aggregated


def _kind(path: Path, line: int, cells: list[str]) -> _Kind:
    """Tell the kind of trades by where the first of the true and false cells is."""
    at = next((n for n, cell in enumerate(cells) if cell.strip().lower() in _BOOLS), 0)
    if len(cells) in (7, 8) and at == 6:
        return _Kind(len(cells), 5, aggregated=True)
    if len(cells) in (6, 7) and at == 5:
        return _Kind(len(cells), 4, aggregated=False)
    raise DataError(
        f"{path}:{line}: is no row of klines (12 cells), aggregated trades (7 or 8) or trades "
        f"(6 or 7) of Binance's archive, was {','.join(cells)[:80]!r}"
    )


def _rows(path: Path, lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines)
    for cells in reader:
        if not cells or (reader.line_num == 1 and not cells[0].strip().isdigit()):
            continue  # a header
        yield reader.line_num, cells


def _time(path: Path, line: int, column: str, text: str) -> int:
    if not text.strip().isdigit():
        raise bad(path, line, column, text, "must be epoch milliseconds or microseconds")
    return time_ns(text)
