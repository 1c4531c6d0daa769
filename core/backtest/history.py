"""Reads OHLCV history from CSV files, checked, and made exact."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import itertools
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

import msgspec

from core.model.errors import ConfigError, DataError
from core.model.ids import InstrumentId, VenueName, split_instrument_id
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe

TIME_NAMES: Final = ("timestamp_ms", "timestamp", "open_time", "time", "date", "datetime", "")
MAX_DECIMALS: Final = 10


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Closed bars of one instrument, oldest first, and where they came from."""

    instrument: Instrument
    timeframe: Timeframe
    bars: list[Bar]
    source: str
    sha256: str
    """Of the file's bytes, or of the bars when they came from a venue."""
    gaps: int
    """Missing bars between the first and the last."""


class _Row(msgspec.Struct, frozen=True):
    ts_ns: int
    prices: tuple[Decimal, Decimal, Decimal, Decimal]
    volume: Decimal


def read_csv(path: Path, instrument_id: InstrumentId | None = None) -> History:
    """Read a CSV (also ``.csv.zst``) with a header naming time, open, high, low, close, volume.

    Times are ISO dates or epoch seconds, milliseconds, microseconds or nanoseconds (told by their
    size). Price and size steps are the finest the file uses, at most 10 places: finer is the
    noise of a float and is rounded. The symbol is taken from the file's name unless given.

    Raises:
        ConfigError: The file cannot be read or has no such columns.
        DataError: A row is wrong; names file, line, column and value.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    rows = list(_rows(path, _text(path, raw)))
    if len(rows) < 2:
        raise DataError(f"{path}: needs at least 2 bars, has {len(rows)}")
    timeframe = _timeframe(path, rows)
    instrument = _instrument(instrument_id or _name(path), rows)
    bars = [_bar(path, line, row, instrument, timeframe) for line, row in rows]
    return History(
        instrument=instrument,
        timeframe=timeframe,
        bars=bars,
        source=path.name,
        sha256=hashlib.sha256(raw).hexdigest(),
        gaps=count_gaps(bars, timeframe),
    )


def from_bars(instrument: Instrument, timeframe: Timeframe, bars: list[Bar]) -> History:
    """Wrap bars fetched from a venue; the hash is of what they say."""
    digest = hashlib.sha256()
    for bar in bars:
        figures = (bar.ts_open_ns, bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks)
        digest.update(",".join(map(str, (*figures, bar.volume_lots))).encode() + b"\n")
    return History(
        instrument=instrument,
        timeframe=timeframe,
        bars=bars,
        source=f"{instrument.id} history",
        sha256=digest.hexdigest(),
        gaps=count_gaps(bars, timeframe),
    )


def count_gaps(bars: Sequence[Bar], timeframe: Timeframe) -> int:
    """Return how many bars are missing between the first and the last."""
    if not bars:
        return 0
    span = (bars[-1].ts_open_ns - bars[0].ts_open_ns) // timeframe.ns + 1
    return max(0, span - len(bars))


def _text(path: Path, raw: bytes) -> str:
    if path.suffix == ".zst":
        import zstandard

        try:
            raw = zstandard.ZstdDecompressor().stream_reader(raw).read()
        except zstandard.ZstdError as error:
            raise DataError(f"{path}: is not a whole zstd file: {error}") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text (byte {error.start})") from None


def _rows(path: Path, text: str) -> Iterator[tuple[int, _Row]]:
    reader = csv.reader(io.StringIO(text))
    header = [name.strip().lower() for name in next(reader, [])]
    time_column = next((header.index(name) for name in TIME_NAMES if name in header), None)
    wanted = ("open", "high", "low", "close", "volume")
    missing = [name for name in wanted if name not in header]
    if time_column is None or missing:
        raise ConfigError(
            f"{path}: the header must name a time, open, high, low, close and volume, was "
            f"{','.join(header)!r}"
        )
    columns = [header.index(name) for name in wanted]
    before = -1
    for cells in reader:
        if not cells:
            continue
        line = reader.line_num
        if len(cells) != len(header):
            raise DataError(f"{path}:{line}: has {len(cells)} cells, the header {len(header)}")
        ts_ns = _time(path, line, cells[time_column])
        if ts_ns <= before:
            raise DataError(f"{path}:{line}: time {cells[time_column]} is not after the row before")
        before = ts_ns
        numbers = [
            _number(path, line, name, cells[i]) for name, i in zip(wanted, columns, strict=True)
        ]
        yield line, _Row(ts_ns, (numbers[0], numbers[1], numbers[2], numbers[3]), numbers[4])


def _time(path: Path, line: int, text: str) -> int:
    text = text.strip()
    if text.isdigit():
        value = int(text)
        for unit, limit in ((1_000_000_000, 10**11), (1_000_000, 10**14), (1_000, 10**17)):
            if value < limit:
                return value * unit
        return value
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise DataError(f"{path}:{line}: time must be ISO or epoch, was {text!r}") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000


def _number(path: Path, line: int, name: str, text: str) -> Decimal:
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        raise DataError(f"{path}:{line}: {name} must be a number, was {text!r}") from None
    if not value.is_finite() or value < 0 or (name != "volume" and value == 0):
        raise DataError(f"{path}:{line}: {name} must be positive, was {text!r}")
    return round(value, MAX_DECIMALS)


def _timeframe(path: Path, rows: list[tuple[int, _Row]]) -> Timeframe:
    steps: dict[int, int] = {}
    for (_, one), (_, two) in itertools.pairwise(rows):
        steps[two.ts_ns - one.ts_ns] = steps.get(two.ts_ns - one.ts_ns, 0) + 1
    usual = max(steps, key=lambda step: steps[step])
    for timeframe in Timeframe:
        if timeframe.ns == usual:
            return timeframe
    known = ", ".join(item.value for item in Timeframe)
    raise DataError(f"{path}: bars are {usual / 1e9:g} s apart; known lengths are {known}")


def _name(path: Path) -> InstrumentId:
    """Guess ``BTC-USDT.binance`` from a name such as ``binance_spot_BTCUSDT_1m_2024.csv``."""
    for part in path.name.split(".")[0].split("_"):
        for quote in ("USDT", "USDC", "USD", "EUR", "BTC"):
            if part.isupper() and part.endswith(quote) and len(part) > len(quote) + 1:
                return InstrumentId(f"{part[: -len(quote)]}-{quote}.file")
    parts = path.name.split(".")[0].split("_")
    ticker = next((part for part in parts if part.isupper() and part.isalpha()), parts[0].upper())
    return InstrumentId(f"{ticker}-USD.file")


def _instrument(instrument_id: InstrumentId, rows: list[tuple[int, _Row]]) -> Instrument:
    symbol, venue = split_instrument_id(instrument_id)
    base, dash, quote = symbol.rpartition("-")
    if not dash:
        raise ConfigError(f"instrument must be BASE-QUOTE.venue, was {instrument_id!r}")
    price_places = max(_places(price) for _, row in rows for price in row.prices)
    size_places = max(_places(row.volume) for _, row in rows)
    return Instrument(
        id=instrument_id,
        venue=VenueName(venue),
        venue_symbol=f"{base}{quote}",
        base=base,
        quote=quote,
        price_tick=Decimal(1).scaleb(-price_places),
        size_lot=Decimal(1).scaleb(-max(size_places, 6)),
    )


def _places(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _bar(path: Path, line: int, row: _Row, instrument: Instrument, timeframe: Timeframe) -> Bar:
    opened, high, low, close = (instrument.ticks(price) for price in row.prices)
    if not low <= min(opened, close) <= max(opened, close) <= high:
        shown = " ".join(str(price) for price in row.prices)
        raise DataError(f"{path}:{line}: low <= open, close <= high does not hold: {shown}")
    return Bar(
        instrument_id=instrument.id,
        timeframe=timeframe,
        ts_open_ns=row.ts_ns,
        open_ticks=opened,
        high_ticks=high,
        low_ticks=low,
        close_ticks=close,
        volume_lots=instrument.lots(row.volume),
        trades=0,
    )
