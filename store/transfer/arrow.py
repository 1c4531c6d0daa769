"""Parquet, and freqtrade's feather files, through pyarrow (the extra ``parquet``).

Parquet of ours holds a UTC timestamp in ns, prices and sizes as the nearest doubles, and the steps
beside them, so every figure comes back exactly::

    time open high low close volume trades source revision        clx.price_tick clx.size_lot

freqtrade's candles are a feather file with ``date open high low close volume``; the date is UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from core.model.errors import ConfigError, DataError
from core.model.instruments import decimals_of
from core.model.market import Levels
from core.model.stores import BarColumns, BarSource, Progress, TradeColumns
from store.transfer.csvfile import BARS, COUNTS, TIMES, trades_hint
from store.transfer.figures import FloatFigures, bad, time_ns
from store.transfer.files import write_file
from store.transfer.pages import Series
from store.transfer.sink import BarSink, ImportReport, TradeSink

if TYPE_CHECKING:
    import pyarrow as pa

_EXACT: Final = 1 << 53
_UNITS: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_BAR_NAMES: Final = ("time", *BARS, "trades", "source", "revision")
_TRADE_NAMES: Final = (
    "time", "received", "price", "size", "side", "trade_id", "first_trade_id",
)  # fmt: skip


def import_bars(
    sink: BarSink, read: FloatFigures, progress: Progress | None, *, feather: bool
) -> ImportReport:
    """Read bars from columns named like those of a CSV file.

    Raises:
        ConfigError: The file cannot be opened, or pyarrow is not there.
        DataError: It is no such file, or a row is wrong; names file, row, column and value.
    """
    path = sink.path
    row = 0
    for batch in _batches(path, progress, feather=feather):
        names = {name.strip().lower(): index for index, name in enumerate(batch.schema.names)}
        time = next((names[name] for name in TIMES if name in names), None)
        missing = [name for name in BARS if name not in names]
        if time is None or missing:
            raise DataError(
                f"{path}: the columns must name a time, open, high, low, close and volume, were "
                f"{', '.join(batch.schema.names)[:120]}{trades_hint([*names])}"
            )
        count = next((names[name] for name in COUNTS if name in names), None)
        times = _times(path, batch.column(time), row, batch.schema.names[time])
        cells = [_texts(path, batch.column(names[name]), row, name) for name in BARS]
        trades = _whole(path, batch.column(count), row, "trades") if count is not None else None
        ranks = _ranks(path, batch, names, row)
        for index, (ts_ns, *figures) in enumerate(zip(times, *cells, strict=True)):
            sink.add(
                row + index + 1,
                ts_ns,
                figures,
                trades[index] if trades else 0,
                ranks[index] if ranks else None,
            )
        row += batch.num_rows
    return msgspec.structs.replace(sink.finish(), rounded=read.rounded)


def import_trades(sink: TradeSink, read: FloatFigures, progress: Progress | None) -> ImportReport:
    """Read trades from a Parquet file as `export` writes them.

    Raises:
        ConfigError: The file cannot be opened, or pyarrow is not there.
        DataError: It is no such file, or a row is wrong; names file, row, column and value.
    """
    path = sink.path
    row = 0
    for batch in _batches(path, progress, feather=False):
        if tuple(batch.schema.names) != _TRADE_NAMES:
            raise DataError(
                f"{path}: the columns must be {', '.join(_TRADE_NAMES)}, were "
                f"{', '.join(batch.schema.names)[:120]}"
            )
        times = _times(path, batch.column(0), row, "time")
        received = batch.column(1).cast("int64").fill_null(0).to_pylist()
        sides = batch.column(4).to_pylist()
        prices, sizes = (
            _texts(path, batch.column(at), row, name) for at, name in ((2, "price"), (3, "size"))
        )
        numbers, firsts = (
            _whole(path, batch.column(at), row, name)
            for at, name in ((5, "trade_id"), (6, "first_trade_id"))
        )
        for index, side in enumerate(sides):
            if side not in ("buy", "sell"):
                raise bad(path, row + index + 1, "side", side, "must be buy or sell")
            sink.add(
                row + index + 1,
                times[index],
                prices[index],
                sizes[index],
                buyer_is_maker=side == "sell",
                trade_id=numbers[index],
                first_trade_id=firsts[index],
                ts_recv_ns=received[index],
            )
        row += batch.num_rows
    return msgspec.structs.replace(sink.finish(), rounded=read.rounded)


def export_parquet(series: Series, path: Path, *, overwrite: bool) -> int:
    """Write a series; return how many rows.

    Raises:
        ConfigError: The file exists, or pyarrow is not there.
        DataError: A figure has more digits than a double holds.
        StoreError: The disk failed, or a stored block is damaged.
    """
    pa = _pyarrow()
    from pyarrow import parquet

    rows = 0
    with write_file(path, overwrite=overwrite) as part:
        schema = _schema(pa, trades=series.timeframe is None)
        with parquet.ParquetWriter(part, schema, compression="zstd") as writer:
            tick = lot = Decimal(1)
            for page in series.trades() if series.timeframe is None else series.bars():
                arrays = (
                    _trade_arrays(pa, page)
                    if isinstance(page, TradeColumns)
                    else _bar_arrays(pa, page)
                )
                writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
                rows += len(page)
                tick, lot = min(tick, page.price_tick), min(lot, page.size_lot)
            writer.add_key_value_metadata(
                {"clx.price_tick": format(tick, "f"), "clx.size_lot": format(lot, "f")}
            )
    return rows


def export_feather(series: Series, path: Path, *, overwrite: bool) -> int:
    """Write bars as freqtrade's candles; return how many rows.

    Raises:
        ConfigError: The file exists, pyarrow is not there, or these are trades.
        DataError: A figure has more digits than a double holds.
        StoreError: The disk failed, or a stored block is damaged.
    """
    pa = _pyarrow()
    if series.timeframe is None:
        raise ConfigError("freqtrade's feather files hold bars; name their length, such as 1m")
    schema = pa.schema(
        [("date", pa.timestamp("ms", tz="UTC")), *((name, pa.float64()) for name in BARS)]
    )
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    rows = 0
    with (
        write_file(path, overwrite=overwrite) as part,
        pa.OSFile(str(part), "wb") as out,
        pa.ipc.new_file(out, schema, options=options) as writer,
    ):
        for page in series.bars():
            date = pa.array(page.ts_open_ns // 1_000_000, pa.timestamp("ms", tz="UTC"))
            arrays = [date, *(pa.array(values) for values in _doubles_of(page))]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
            rows += len(page)
    return rows


def doubles(values: Levels, step: Decimal, what: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return counts of a step as the doubles nearest to their decimals.

    Raises:
        DataError: One has more digits than a double holds.
    """
    places = decimals_of(step)
    unit = int(step.scaleb(places))
    largest = max(int(values.max()), -int(values.min())) * unit
    if largest >= _EXACT or places > 22:
        raise DataError(
            f"{what} has more digits than a double holds (steps of {step}); export CSV, which is "
            "exact"
        )
    # Both sides are exact doubles, so the division gives the nearest double of the decimal.
    return (values * unit).astype(np.float64) / float(10**places)


def _doubles_of(page: BarColumns) -> list[np.ndarray[Any, np.dtype[np.float64]]]:
    prices = [doubles(getattr(page, name), page.price_tick, f"a {name} price") for name in BARS[:4]]
    return [*prices, doubles(page.volume, page.size_lot, "a volume")]


def _schema(pa: Any, *, trades: bool) -> pa.Schema:
    time = pa.timestamp("ns", tz="UTC")
    if trades:
        kinds = (time, time, pa.float64(), pa.float64(), pa.string(), pa.int64(), pa.int64())
        return pa.schema(list(zip(_TRADE_NAMES, kinds, strict=True)))
    kinds = (time, *[pa.float64()] * 5, pa.int64(), pa.string(), pa.int64())
    return pa.schema(list(zip(_BAR_NAMES, kinds, strict=True)))


def _bar_arrays(pa: Any, page: BarColumns) -> list[pa.Array]:
    names = {source.rank: source.value for source in BarSource}
    return [
        pa.array(page.ts_open_ns, pa.timestamp("ns", tz="UTC")),
        *(pa.array(values) for values in _doubles_of(page)),
        pa.array(page.trades),
        pa.array([names[rank] for rank in page.source.tolist()]),
        pa.array(page.revision),
    ]


def _trade_arrays(pa: Any, page: TradeColumns) -> list[pa.Array]:
    time = pa.timestamp("ns", tz="UTC")
    return [
        pa.array(page.ts_event_ns, time),
        pa.array(page.ts_recv_ns, time, mask=page.ts_recv_ns == 0),
        pa.array(doubles(page.price, page.price_tick, "a price")),
        pa.array(doubles(page.size, page.size_lot, "a size")),
        pa.array(np.where(page.buyer_is_maker == 1, "sell", "buy")),
        pa.array(page.trade_id),
        pa.array(page.first_trade_id),
    ]


def _batches(path: Path, progress: Progress | None, *, feather: bool) -> Iterator[pa.RecordBatch]:
    """Yield the record batches of a file."""
    pa = _pyarrow()
    try:
        if feather:
            with pa.memory_map(str(path)) as source:
                reader = pa.ipc.open_file(source)
                total = reader.num_record_batches
                for number in range(total):
                    yield reader.get_batch(number)
                    _tell(progress, number + 1, total)
            return
        from pyarrow import parquet

        with parquet.ParquetFile(path) as file:
            total, done = file.metadata.num_rows, 0
            for batch in file.iter_batches(batch_size=50_000):
                yield batch
                done += batch.num_rows
                _tell(progress, done, total)
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (pa.ArrowInvalid, OSError) as error:
        kind = "feather" if feather else "Parquet"
        raise DataError(f"{path}: is no whole {kind} file: {error}") from None


def _tell(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total)


def _times(path: Path, column: pa.Array, row: int, name: str) -> list[int]:
    pa = _pyarrow()
    _refuse_nulls(path, column, row, name)
    kind = column.type
    if pa.types.is_timestamp(kind):
        unit = _UNITS[kind.unit]
        return [value * unit for value in column.cast(pa.int64()).to_pylist()]
    if pa.types.is_date(kind):
        return [
            value * 1_000_000 for value in column.cast(pa.date64()).cast(pa.int64()).to_pylist()
        ]
    if not (pa.types.is_integer(kind) or pa.types.is_string(kind)):
        raise DataError(f"{path}: {name} must be a timestamp, whole number or text, was {kind}")
    out = []
    for index, value in enumerate(column.to_pylist()):
        try:
            out.append(time_ns(str(value)))
        except ValueError as error:
            raise bad(path, row + index + 1, name, value, str(error)) from None
    return out


def _texts(path: Path, column: pa.Array, row: int, name: str) -> list[str]:
    """Write a column of numbers as the shortest texts that mean them."""
    pa = _pyarrow()
    _refuse_nulls(path, column, row, name)
    if pa.types.is_floating(column.type):
        # numpy writes a single-precision 0.1 as 0.1; as a double it would be 0.10000000149.
        return list(column.to_numpy(zero_copy_only=False).astype(str).tolist())
    return [str(value) for value in column.to_pylist()]


def _whole(path: Path, column: pa.Array, row: int, name: str) -> list[int]:
    pa = _pyarrow()
    _refuse_nulls(path, column, row, name)
    try:
        return list(column.cast(pa.int64()).to_pylist())
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}:{row + 1}: {name} must be whole numbers: {error}") from None


def _ranks(path: Path, batch: pa.RecordBatch, names: dict[str, int], row: int) -> list[int] | None:
    if "source" not in names:
        return None
    out = []
    for index, value in enumerate(batch.column(names["source"]).to_pylist()):
        try:
            out.append(BarSource(value).rank)
        except ValueError:
            known = ", ".join(source.value for source in BarSource)
            raise bad(path, row + index + 1, "source", value, f"must be one of {known}") from None
    return out


def _refuse_nulls(path: Path, column: pa.Array, row: int, name: str) -> None:
    if column.null_count:
        at = column.is_null().to_pylist().index(True)
        raise bad(path, row + at + 1, name, None, "must be there")


def _pyarrow() -> Any:
    try:
        import pyarrow as pa
        import pyarrow.ipc
    except ImportError:
        raise ConfigError(
            "Parquet and feather files need pyarrow; install it with `pip install 'clx[parquet]'`"
        ) from None
    return pa
