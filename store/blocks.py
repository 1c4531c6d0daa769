"""Columnar blocks: integer columns packed narrow, compressed, checksummed.

A block is a header, one entry a column, and the columns' payloads compressed together::

    header  "CXB1"  rows u32  columns u8
    column  mode u8  base i64  step i64
    body    zstd(payload of column 0, payload of column 1, ...)

    mode 0        every value is base + n * step; no payload
    mode 1 2 4 8  base, then differences as signed integers of so many bytes
    mode 17 18 20 values less base as unsigned integers of 1, 2 or 4 bytes

All little-endian. Arithmetic is modulo 2**64, so any int64 column comes back exactly.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import zstandard

from core.model.errors import DataError

Table = npt.NDArray[np.int64]
"""Columns by row index: shape (columns, rows), int64."""

_MAGIC: Final = b"CXB1"
_HEADER: Final = struct.Struct("<4sIB")
_COLUMN: Final = struct.Struct("<Bqq")
_OFFSET: Final = 16
_LEVEL: Final = 3
_DIFF: Final[dict[int, np.dtype[np.signedinteger]]] = {
    1: np.dtype("<i1"),
    2: np.dtype("<i2"),
    4: np.dtype("<i4"),
    8: np.dtype("<i8"),
}
_PLAIN: Final[dict[int, np.dtype[np.unsignedinteger]]] = {
    1: np.dtype("<u1"),
    2: np.dtype("<u2"),
    4: np.dtype("<u4"),
}


def encode(table: Table) -> bytes:
    """Pack a table of at least one row."""
    columns, rows = table.shape
    head = [_HEADER.pack(_MAGIC, rows, columns)]
    body: list[bytes] = []
    for values in table:
        mode, base, step, payload = _pack(values)
        head.append(_COLUMN.pack(mode, base, step))
        body.append(payload)
    packed: bytes = zstandard.ZstdCompressor(level=_LEVEL).compress(b"".join(body))
    return b"".join(head) + packed


def rows_of(blob: bytes) -> int:
    """Return how many rows a block says it has.

    Raises:
        DataError: It is no block.
    """
    return _head(blob)[1]


def decode(blob: bytes, columns: int | None = None) -> Table:
    """Unpack a block's first `columns` columns, or all.

    Raises:
        DataError: It is no block, or is not whole.
    """
    count, rows = _head(blob)
    out = np.empty((count if columns is None else columns, rows), np.int64)
    decode_into(blob, out)
    return out


def decode_into(blob: bytes, out: Table) -> None:
    """Unpack as many of a block's columns as `out` has rows; its width is the block's rows.

    Raises:
        DataError: It is no block, is not whole, or is not of this width.
    """
    count, rows = _head(blob)
    if out.shape[0] > count or out.shape[1] != rows:
        raise DataError(f"block has {count} columns of {rows} rows, asked for {out.shape}")
    start = _HEADER.size + count * _COLUMN.size
    entries = list(_COLUMN.iter_unpack(blob[_HEADER.size : start]))
    size = sum(_payload_size(mode, rows) for mode, _, _ in entries)
    try:
        body = zstandard.ZstdDecompressor().decompress(blob[start:], max_output_size=max(size, 1))
    except zstandard.ZstdError as error:
        raise DataError(f"block does not decompress: {error}") from error
    if len(body) != size:
        raise DataError(f"block has {len(body)} bytes of columns, its header says {size}")
    at = 0
    for (mode, base, step), target in zip(entries, out, strict=False):
        _unpack(body, at, mode, base, step, target)
        at += _payload_size(mode, rows)


def checksum(key: Sequence[object], blob: bytes) -> int:
    """Return the checksum of a block in its place: one moved elsewhere does not match."""
    return zlib.crc32(blob, zlib.crc32(repr(tuple(key)).encode()))


def _pack(values: Table) -> tuple[int, int, int, bytes]:
    base = int(values[0])
    if len(values) == 1:
        return 0, base, 0, b""
    differences = np.diff(values)
    low, high = int(differences.min()), int(differences.max())
    if low == high:
        return 0, base, low, b""
    width = next(size for size in _DIFF if low >= -(1 << 8 * size - 1) and high < 1 << 8 * size - 1)
    floor = int(values.min())
    spread = int(values.max()) - floor
    # Noise such as sizes packs no better as differences, and unpacks slower.
    plain = next((size for size in _PLAIN if size <= width and spread < 1 << 8 * size), None)
    if plain is not None:
        return _OFFSET + plain, floor, 0, (values - floor).astype(_PLAIN[plain]).tobytes()
    return width, base, 0, differences.astype(_DIFF[width]).tobytes()


def _unpack(body: bytes, at: int, mode: int, base: int, step: int, out: Table) -> None:
    rows = len(out)
    if mode == 0:
        # numpy would turn a step of the full range into a float or an error; wrap it as written.
        np.multiply(np.arange(rows, dtype=np.int64), np.int64(step), out=out)
        np.add(out, np.int64(base), out=out)
    elif mode >= _OFFSET:
        plain = np.frombuffer(body, _PLAIN[mode - _OFFSET], rows, at)
        np.add(plain, np.int64(base), out=out)
    else:
        out[0] = base
        out[1:] = np.frombuffer(body, _DIFF[mode], rows - 1, at)
        np.cumsum(out, out=out)


def _payload_size(mode: int, rows: int) -> int:
    if mode == 0:
        return 0
    if mode - _OFFSET in _PLAIN:
        return rows * (mode - _OFFSET)
    if mode in _DIFF:
        return (rows - 1) * mode
    raise DataError(f"block has a column of unknown mode {mode}")


def _head(blob: bytes) -> tuple[int, int]:
    if len(blob) < _HEADER.size:
        raise DataError(f"block has {len(blob)} bytes, fewer than its header")
    magic, rows, columns = _HEADER.unpack_from(blob)
    if magic != _MAGIC or rows < 1 or len(blob) < _HEADER.size + columns * _COLUMN.size:
        raise DataError("block does not begin as one")
    return int(columns), int(rows)
