"""Bars to train on: from a venue's klines or from CSV files, as feature rows with labels."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.ai import features
from core.model.errors import ConfigError, DataError, RateLimited
from core.model.ports import Clock
from core.wire.http import HttpSession

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
_PAGE: Final = 1000
_MINUTE_MS: Final = 60_000


class Series(msgspec.Struct, frozen=True):
    """One instrument's closed 1m bars; `ohlcv` has shape (n, 5), oldest first."""

    name: str
    ts_open_ms: I64
    ohlcv: F64


class Samples(msgspec.Struct, frozen=True):
    """Complete feature rows whose future is known, in order of time over all instruments."""

    rows: F64
    """(n, columns); the last column is the unit."""
    returns: F64
    """(n,) log return from the row's close to the close `horizon` bars later."""
    ts_open_ms: I64
    """(n,) open time of the row's bar, not falling."""


async def fetch(
    url: str, symbols: Sequence[str], start_ms: int, end_ms: int, clock: Clock
) -> list[Series]:
    """Read klines in Binance's form from `url`, page by page.

    Raises:
        ConfigError: The endpoint refuses a symbol or has no bars in the range.
        TemporaryError: It is away.
    """
    session = HttpSession(url, clock=clock, timeout_s=60.0)
    try:
        return [await _fetch_one(session, symbol, start_ms, end_ms) for symbol in symbols]
    finally:
        await session.close()


async def _fetch_one(session: HttpSession, symbol: str, start_ms: int, end_ms: int) -> Series:
    pages: list[list[list[object]]] = []
    at = start_ms
    while at < end_ms:
        params = [("symbol", symbol), ("interval", "1m"), ("startTime", str(at))]
        params += [("endTime", str(end_ms - 1)), ("limit", str(_PAGE))]
        try:
            reply = await session.get("", params=params, weight=2)
        except RateLimited as error:
            await asyncio.sleep(max(1.0, error.retry_after_s))
            continue
        if reply.status in (418, 429):
            await asyncio.sleep(max(1.0, reply.retry_after_s))
            continue
        if reply.status != 200:
            raise ConfigError(
                f"{symbol}: {reply.status} {reply.body[:200].decode('utf-8', 'replace')}"
            )
        page = msgspec.json.decode(reply.body, type=list[list[object]])
        if not page:
            break
        pages.append(page)
        at = int(str(page[-1][0])) + _MINUTE_MS
    kept = [row for page in pages for row in page]
    if not kept:
        raise ConfigError(f"{symbol}: no bars from {start_ms} to {end_ms}")
    times = np.array([int(str(row[0])) for row in kept], np.int64)
    values = np.array([[float(str(cell)) for cell in row[1:6]] for row in kept], np.float64)
    return Series(symbol, times, values)


def read_csv(path: Path) -> Series:
    """Read ``timestamp_ms,open,high,low,close,volume`` (a header, ``.zst`` allowed).

    Raises:
        ConfigError: The file is missing.
        DataError: A line cannot be read; says which.
    """
    if not path.is_file():
        raise ConfigError(f"data file {path} does not exist")
    data = path.read_bytes()
    if path.suffix == ".zst":
        import zstandard

        data = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read()
    times: list[int] = []
    values: list[list[float]] = []
    for number, row in enumerate(csv.reader(io.StringIO(data.decode())), 1):
        try:
            times.append(int(row[0]))
            values.append([float(cell) for cell in row[1:6]])
        except (ValueError, IndexError):
            if number > 1:
                raise DataError(f"{path.name} line {number}: {','.join(row)[:80]!r}") from None
    return Series(path.name, np.array(times, np.int64), np.array(values, np.float64))


def samples(series: Sequence[Series], horizon: int) -> Samples:
    """Make rows and labels of every instrument, joined in order of time."""
    parts = []
    for item in series:
        opened, high, low, close, volume = item.ohlcv.T
        times_ns = item.ts_open_ms * 1_000_000
        rows = features.compute(opened, high, low, close, volume, times_ns)
        level = np.log(close)
        ahead = level[horizon:] - level[:-horizon]
        # A gap in the data would make a label of another horizon.
        whole = item.ts_open_ms[horizon:] - item.ts_open_ms[:-horizon] == horizon * _MINUTE_MS
        good = whole & np.isfinite(rows[:-horizon]).all(axis=1)
        parts.append((rows[:-horizon][good], ahead[good], item.ts_open_ms[:-horizon][good]))
    times = np.concatenate([part[2] for part in parts])
    order = np.argsort(times, kind="stable")
    return Samples(
        np.concatenate([part[0] for part in parts])[order],
        np.concatenate([part[1] for part in parts])[order],
        times[order],
    )


def data_sha256(series: Sequence[Series]) -> str:
    """Return the hash of the bars, names and order included."""
    digest = hashlib.sha256()
    for item in series:
        digest.update(item.name.encode())
        digest.update(item.ts_open_ms.astype("<i8").tobytes())
        digest.update(item.ohlcv.astype("<f8").tobytes())
    return digest.hexdigest()
