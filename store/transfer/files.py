"""Opens the text of plain, zipped and compressed files, and writes files whole or not at all."""

from __future__ import annotations

import contextlib
import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, cast

import zstandard

from core.model.errors import ConfigError, DataError, StoreError
from core.model.stores import Progress

_EVERY_LINES: Final = 20_000
_CHUNK: Final = 1 << 18


class Text:
    """A text file being read; `done` and `total` are bytes of the file on disk."""

    def __init__(
        self, path: Path, name: str, lines: Iterator[str], position: Callable[[], int]
    ) -> None:
        self.path = path
        self.name = name
        """Of the text itself: a zip's member, else the file."""
        self._lines = lines
        self._position = position
        self._total = path.stat().st_size

    def lines(self, progress: Progress | None) -> Iterator[str]:
        """Yield lines with their ends, telling the progress.

        Raises:
            DataError: The file is cut short, or is not UTF-8 text.
        """
        number = 0
        try:
            for number, line in enumerate(self._lines, 1):
                if progress is not None and number % _EVERY_LINES == 0:
                    progress(min(self._position(), self._total), self._total)
                yield line
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self.path}:{number + 1}: is not UTF-8 text: {error.reason}"
            ) from None
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile, zstandard.ZstdError) as error:
            raise DataError(
                f"{self.path}:{number + 1}: cannot be read any further, the file is damaged or "
                f"cut short: {error}"
            ) from None
        if progress is not None:
            progress(self._total, self._total)


@contextlib.contextmanager
def open_text(path: Path) -> Iterator[Text]:
    """Open a text file; ``.zst``, ``.gz`` and the one file within a ``.zip`` are unpacked.

    Raises:
        ConfigError: It cannot be opened.
        DataError: It is not the archive its name says.
    """
    with contextlib.ExitStack() as stack:
        try:
            raw = stack.enter_context(path.open("rb"))
            name, unpacked = _unpack(path, raw, stack)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
        except (zipfile.BadZipFile, zstandard.ZstdError) as error:
            raise DataError(f"{path}: is not what its name says: {error}") from None
        text = stack.enter_context(io.TextIOWrapper(unpacked, encoding="utf-8-sig", newline=""))
        yield Text(path, name, iter(text), raw.tell)


def _unpack(path: Path, raw: BinaryIO, stack: contextlib.ExitStack) -> tuple[str, IO[bytes]]:
    if path.suffix == ".zst":
        return path.stem, stack.enter_context(io.BufferedReader(_Zstd(raw), _CHUNK))
    if path.suffix == ".gz":
        return path.stem, cast("IO[bytes]", stack.enter_context(gzip.GzipFile(fileobj=raw)))
    if path.suffix != ".zip":
        return path.name, raw
    archive = stack.enter_context(zipfile.ZipFile(raw))
    members = [name for name in archive.namelist() if not name.endswith("/")]
    if len(members) != 1:
        raise DataError(f"{path}: must hold one file, holds {len(members)}: {members[:5]}")
    return members[0], stack.enter_context(archive.open(members[0]))


class _Zstd(io.RawIOBase):
    """Unpacks zstd, one frame or several; the library's own reader takes a cut file for a whole."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._unpacker: Any = None
        self._packed = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not self._ready:
            if not self._packed:
                self._packed = self._raw.read(_CHUNK)
            if not self._packed:
                if self._unpacker is not None:
                    raise EOFError("its last frame does not end")
                return 0
            if self._unpacker is None:
                self._unpacker = zstandard.ZstdDecompressor().decompressobj()
            self._ready = memoryview(self._unpacker.decompress(self._packed))
            self._packed = self._unpacker.unused_data
            if self._unpacker.eof:
                self._unpacker = None
        size = min(len(target), len(self._ready))
        target[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size


@contextlib.contextmanager
def write_file(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a place to write to, which becomes `path` when all went well.

    Raises:
        ConfigError: It is no file, or exists and may not be replaced, or its folder cannot be made.
        StoreError: The disk is full or failed; `path` is as it was.
    """
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path} is a folder or device; name a file")
    if path.exists() and not overwrite:
        raise ConfigError(f"{path} exists; name another file, or say --overwrite")
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{path}: its folder cannot be made: {error.strerror}") from None
    try:
        yield part
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StoreError(
            f"{path} could not be written: {error.strerror or error}; free disk space or name "
            "another folder; nothing was left half written"
        ) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def text_writer(part: Path, name: str) -> Iterator[IO[str]]:
    """Open a file for text, packed as the end of `name` says."""
    with contextlib.ExitStack() as stack:
        raw: Any = stack.enter_context(part.open("wb"))
        if name.endswith(".zst"):
            raw = stack.enter_context(zstandard.ZstdCompressor(level=6).stream_writer(raw))
        elif name.endswith(".gz"):
            raw = stack.enter_context(gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0))
        yield stack.enter_context(io.TextIOWrapper(raw, encoding="utf-8", newline=""))


@contextlib.contextmanager
def zip_writer(part: Path, member: str) -> Iterator[IO[str]]:
    """Open a zip of one text file; the same content gives the same bytes."""
    with (
        zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(zipfile.ZipInfo(member), "w", force_zip64=True) as raw,
        io.TextIOWrapper(raw, encoding="utf-8", newline="") as text,
    ):
        yield text
