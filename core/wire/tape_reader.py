"""Reading tapes back: ours, and recorded captures of the same form."""

from __future__ import annotations

import base64
import binascii
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import IO, Final

import msgspec

from core.model.errors import StoreError

MAX_LINE_BYTES: Final = 64 << 20

_CHUNK: Final = 1 << 18
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_MSG: Final = b',"msg":'


class TapeFrame(msgspec.Struct, frozen=True, gc=False):
    """One frame of a tape."""

    line: int
    """1-based line of the file."""
    kind: str
    """``recv``, ``send``, ``http``, ``connect``, ``disconnect``, or what a recorder added."""
    conn: int
    ts_ns: int
    url: str
    data: bytes


class _Head(msgspec.Struct, gc=False):
    t: str = "recv"
    ts_ns: int | None = None
    ts: Decimal | None = None
    """Unix seconds, as older recorders wrote them."""
    conn: int = 0
    url: str = ""
    text: str | None = None
    b64: str | None = None
    msg: msgspec.Raw = msgspec.Raw()


class TapeReader:
    """Reads one tape or capture, compressed or not."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fraction = 0.0
        """Part of the file read so far, 0 to 1."""

    def frames(
        self, on_damage: Callable[[int, StoreError], None] | None = None
    ) -> Iterator[TapeFrame]:
        """Yield the frames in order.

        A damaged line, or the damaged end of a file, raises when everything before it has been
        yielded; with `on_damage` it is told there with its line number, and reading goes on.

        Raises:
            StoreError: The file cannot be read, or a line is damaged; names file and line.
        """
        decode = msgspec.json.Decoder(_Head).decode
        ts_ns = 0
        number = 0
        for number, line in enumerate(self._lines(on_damage), 1):
            if not line.strip():
                continue
            try:
                frame = _frame(number, line, ts_ns, decode)
            except (msgspec.DecodeError, UnicodeDecodeError, ValueError, ArithmeticError,
                    RecursionError) as error:  # fmt: skip
                self._damaged(on_damage, number, f"is no frame: {error}")
                continue
            ts_ns = frame.ts_ns
            yield frame

    def _lines(self, on_damage: Callable[[int, StoreError], None] | None) -> Iterator[bytes]:
        rest = b""
        count = 0
        try:
            for chunk in self._chunks():
                lines = (rest + chunk).split(b"\n")
                rest = lines.pop()
                for line in lines:
                    count += 1
                    yield line
                if len(rest) > MAX_LINE_BYTES:
                    raise _Broken(f"a line is longer than {MAX_LINE_BYTES} bytes")
        except _Broken as error:
            self._damaged(on_damage, count + 1, f"cannot be read: {error}")
            return
        if rest:
            yield rest

    def _chunks(self) -> Iterator[bytes]:
        try:
            size = max(self.path.stat().st_size, 1)
            with self.path.open("rb") as raw:
                compressed = raw.read(4) == _ZSTD_MAGIC
                raw.seek(0)
                source = _decompressed(raw) if compressed else iter(lambda: raw.read(_CHUNK), b"")
                for chunk in source:
                    self.fraction = raw.tell() / size
                    yield chunk
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror or error}") from None
        self.fraction = 1.0

    def _damaged(
        self, on_damage: Callable[[int, StoreError], None] | None, line: int, why: str
    ) -> None:
        error = StoreError(f"{self.path}: line {line} {why}")
        if on_damage is None:
            raise error
        on_damage(line, error)


class _Broken(Exception):
    """The file cannot be read on from here."""


def _decompressed(raw: IO[bytes]) -> Iterator[bytes]:
    """Yield what a zstd file holds, frame after frame, as far as it is whole.

    Raises:
        _Broken: After the last good chunk.
    """
    import zstandard

    engine = zstandard.ZstdDecompressor().decompressobj()
    started = False
    while block := raw.read(_CHUNK >> 2):
        while block:
            started = True
            try:
                data = engine.decompress(block)
            except zstandard.ZstdError as error:
                raise _Broken(str(error)) from None
            if data:
                yield data
            block = b""
            if engine.eof:
                block = engine.unused_data
                engine = zstandard.ZstdDecompressor().decompressobj()
                started = False
    if started:
        raise _Broken("the file ends in the middle of a compressed block")


def _frame(number: int, line: bytes, before_ns: int, decode: Callable[[bytes], _Head]) -> TapeFrame:
    """Read one line; `msg` is cut out rather than parsed, so its bytes stay as they are."""
    line = line.rstrip(b"\r")
    at = line.find(_MSG)
    if at > 0 and line.endswith(b"}"):
        head = decode(line[:at] + b"}")
        data = line[at + len(_MSG) : -1]
    else:
        head = decode(line)
        data = bytes(head.msg)
        if head.text is not None:
            data = head.text.encode()
        elif head.b64 is not None:
            try:
                data = base64.b64decode(head.b64, validate=True)
            except binascii.Error as error:
                raise ValueError(f"b64 {error}") from None
    if head.ts_ns is not None:
        ts_ns = head.ts_ns
    elif head.ts is not None:
        ts_ns = int(head.ts.scaleb(9))
    else:
        ts_ns = before_ns
    # The text itself that live frames come with, which decoders know at sight.
    return TapeFrame(number, sys.intern(head.t), head.conn, ts_ns, head.url, data)
