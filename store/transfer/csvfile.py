"""CSV: our own, and what spreadsheets and libraries write.

Ours, exact in every figure::

    time,open,high,low,close,volume,trades,source,revision
    2024-01-01T00:00:00Z,42283.58,42488.09,42261.02,42488.00,431.71082,0,venue,0

    time,received,price,size,side,trade_id,first_trade_id
    2024-01-01T00:00:00.123000000Z,,42283.58,0.00100,buy,3391283,0

Read are bars under any header that names a time, open, high, low, close and volume, in any order
and case; further columns are left alone. Times are UTC unless they say otherwise.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

from core.model.errors import DataError
from core.model.stores import BarColumns, BarSource, Progress, TradeColumns
from store.transfer.figures import bad, iso, texts, time_ns
from store.transfer.files import open_text, text_writer, write_file
from store.transfer.pages import Series
from store.transfer.sink import BarSink, ImportReport, TradeSink

TIMES: Final = (
    "time", "timestamp", "timestamp_ms", "open_time", "ts_open_ns", "date", "datetime", "",
)  # fmt: skip
BARS: Final = ("open", "high", "low", "close", "volume")
COUNTS: Final = ("trades", "count", "number_of_trades", "trade_count")
_BAR_HEADER: Final = ("time", *BARS, "trades", "source", "revision")
_TRADE_HEADER: Final = ("time", "received", "price", "size", "side", "trade_id", "first_trade_id")


def import_bars(sink: BarSink, progress: Progress | None) -> ImportReport:
    """Read bars from a CSV file with a header.

    Raises:
        ConfigError: It cannot be opened.
        DataError: It is no such file, or a row is wrong; names file, line, column and value.
    """
    with open_text(sink.path) as text:
        rows = _rows(sink.path, text.lines(progress))
        header, time, wanted = _columns(sink.path, rows)
        count = next((header.index(name) for name in COUNTS if name in header), None)
        source = header.index("source") if "source" in header else None
        for line, cells in rows:
            sink.add(
                line,
                _time(sink.path, line, header[time], cells[time]),
                [cells[index] for index in wanted],
                whole(sink.path, line, header[count], cells[count]) if count is not None else 0,
                _rank(sink.path, line, cells[source]) if source is not None else None,
                cells[time],
            )
    return sink.finish()


def import_trades(sink: TradeSink, progress: Progress | None) -> ImportReport:
    """Read trades from a CSV file as `export` writes them.

    Raises:
        ConfigError: It cannot be opened.
        DataError: It is no such file, or a row is wrong; names file, line, column and value.
    """
    path = sink.path
    with open_text(path) as text:
        rows = _rows(path, text.lines(progress))
        _, header = next(rows, (1, []))
        if tuple(header) != _TRADE_HEADER:
            raise DataError(
                f"{path}:1: the header must be {','.join(_TRADE_HEADER)}, was "
                f"{','.join(header)[:120]!r}{_others_hint(header)}"
            )
        for line, (time, received, price, size, side, number, first) in rows:
            if side not in ("buy", "sell"):
                raise bad(path, line, "side", side, "must be buy or sell")
            sink.add(
                line,
                _time(path, line, "time", time),
                price,
                size,
                buyer_is_maker=side == "sell",
                trade_id=whole(path, line, "trade_id", number),
                first_trade_id=whole(path, line, "first_trade_id", first),
                ts_recv_ns=_time(path, line, "received", received) if received else 0,
            )
    return sink.finish()


def export(series: Series, path: Path, *, overwrite: bool, epoch_ms: bool = False) -> int:
    """Write a series; packed if the name ends with ``.zst`` or ``.gz``. Return how many rows.

    Raises:
        ConfigError: The file exists.
        StoreError: The disk failed, or a stored block is damaged.
    """
    with write_file(path, overwrite=overwrite) as part, text_writer(part, path.name) as out:
        if series.timeframe is None:
            return _write_trades(out, series)
        return _write_bars(out, series, epoch_ms)


def trades_hint(names: Sequence[str]) -> str:
    """Return what to do if the columns are those of trades."""
    return "; it holds trades: say --trades" if {"price", "size"} <= set(names) else ""


def _others_hint(names: Sequence[str]) -> str:
    """Return what to do if the first line is one of another program."""
    if "local_timestamp" in names:
        return "; it is a file of Tardis: say --as tardis"
    numbers = sum(name.replace(".", "", 1).isdigit() for name in names)
    if len(names) > 5 and numbers > len(names) - 3:
        return "; it has none, as files of Binance: say --as binance"
    return ""


def whole(path: Path, line: int, column: str, text: str) -> int:
    """Read a count.

    Raises:
        DataError: It is none.
    """
    text = text.strip()
    if not (text.isascii() and text.isdigit()) or int(text) >= 1 << 63:
        raise bad(path, line, column, text, "must be a whole number")
    return int(text)


def bar_cells(page: BarColumns) -> Iterator[tuple[str, str, str, str, str]]:
    """Write open, high, low, close and volume of each bar as decimals."""
    tick, lot = page.price_tick, page.size_lot
    return zip(
        texts(page.open, tick), texts(page.high, tick), texts(page.low, tick),
        texts(page.close, tick), texts(page.volume, lot), strict=True,
    )  # fmt: skip


def _write_bars(out: IO[str], series: Series, epoch_ms: bool) -> int:
    out.write(",".join(_BAR_HEADER) + "\n")
    rows = 0
    for page in series.bars():
        names = {source.rank: source.value for source in BarSource}
        for ts_ns, cells, trades, rank, revision in zip(
            page.ts_open_ns.tolist(), bar_cells(page), page.trades.tolist(),
            page.source.tolist(), page.revision.tolist(), strict=True,
        ):  # fmt: skip
            time = ts_ns // 1_000_000 if epoch_ms else iso(ts_ns)
            out.write(f"{time},{','.join(cells)},{trades},{names[rank]},{revision}\n")
        rows += len(page)
    return rows


def _write_trades(out: IO[str], series: Series) -> int:
    out.write(",".join(_TRADE_HEADER) + "\n")
    rows = 0
    for page in series.trades():
        _write_trade_page(out, page)
        rows += len(page)
    return rows


def _write_trade_page(out: IO[str], page: TradeColumns) -> None:
    for ts_ns, received, price, size, maker, number, first in zip(
        page.ts_event_ns.tolist(), page.ts_recv_ns.tolist(), texts(page.price, page.price_tick),
        texts(page.size, page.size_lot), page.buyer_is_maker.tolist(), page.trade_id.tolist(),
        page.first_trade_id.tolist(), strict=True,
    ):  # fmt: skip
        seen = iso(received) if received else ""
        side = "sell" if maker else "buy"
        out.write(f"{iso(ts_ns)},{seen},{price},{size},{side},{number},{first}\n")


def _rows(path: Path, lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield line numbers and cells; every row must be as wide as the first."""
    reader = csv.reader(lines)
    width = 0
    try:
        for cells in reader:
            if not cells:
                continue
            width = width or len(cells)
            if len(cells) != width:
                raise DataError(
                    f"{path}:{reader.line_num}: has {len(cells)} cells, the header has {width}"
                )
            yield reader.line_num, cells
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: is no CSV: {error}") from None


def _columns(
    path: Path, rows: Iterator[tuple[int, list[str]]]
) -> tuple[list[str], int, Sequence[int]]:
    _, cells = next(rows, (1, []))
    header = [name.strip().lower() for name in cells]
    time = next((header.index(name) for name in TIMES if name in header), None)
    missing = [name for name in BARS if name not in header]
    if time is None or missing:
        raise DataError(
            f"{path}:1: the header must name a time, open, high, low, close and volume, was "
            f"{','.join(cells)[:120]!r}{trades_hint(header) or _others_hint(header)}"
        )
    return header, time, [header.index(name) for name in BARS]


def _time(path: Path, line: int, column: str, text: str) -> int:
    try:
        return time_ns(text)
    except ValueError as error:
        raise bad(path, line, column, text, str(error)) from None


def _rank(path: Path, line: int, text: str) -> int:
    try:
        return BarSource(text.strip()).rank
    except ValueError:
        known = ", ".join(source.value for source in BarSource)
        raise bad(path, line, "source", text, f"must be one of {known}") from None
