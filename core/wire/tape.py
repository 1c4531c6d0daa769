"""The tape: raw frames on disk, one JSON object a line, zstd, spliced in byte for byte.

::

    {"t":"recv","ts_ns":1723161253937085768,"conn":0,"msg":{"stream":"btcusdt@trade","data":{...}}}
    {"t":"http","ts_ns":...,"conn":0,"url":"https://.../api/v3/depth?symbol=BTCUSDT","msg":{...}}
    {"t":"disconnect","ts_ns":...,"conn":0,"text":"closed with code 1006"}

`msg` is always last, so a frame's exact text is ``line[line.index('"msg":') + 6 : -1]``. A frame
that is no JSON on one line stands in `text` as a string, and one that is no text in `b64`.
"""

from __future__ import annotations

import base64
import threading
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import msgspec

from core.model.errors import StoreError
from core.model.ids import VenueName
from core.model.ports import FrameKind

if TYPE_CHECKING:
    from zstandard import ZstdCompressionWriter

SUFFIX: Final = ".jsonl.zst"

_FLUSH_S: Final = 0.5
_JOIN_S: Final = 10.0
_LEVEL: Final = 3

_Frame = tuple[VenueName, FrameKind, int, int, str, bytes]


def encode_line(kind: FrameKind, conn: int, ts_recv_ns: int, url: str, data: bytes) -> bytes:
    """Return one line of a tape, without its line end."""
    head = b'{"t":"%s","ts_ns":%d,"conn":%d' % (kind.encode(), ts_recv_ns, conn)
    if url:
        head += b',"url":' + msgspec.json.encode(url)
    if not data:
        return head + b"}"
    if b"\n" not in data and b"\r" not in data:
        try:
            msgspec.json.decode(data, type=msgspec.Raw)
            data.decode()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        else:
            return head + b',"msg":' + data + b"}"
    try:
        return head + b',"text":' + msgspec.json.encode(data.decode()) + b"}"
    except UnicodeDecodeError:
        return head + b',"b64":"' + base64.b64encode(data) + b'"}'


class TapeWriter:
    """Writes frames to ``DIRECTORY/VENUE/STAMP-NUMBER.jsonl.zst`` from a thread of its own.

    The loop only appends to a bounded buffer; when the disk cannot follow, frames are dropped and
    counted. Every half second what came is on disk in whole blocks, so a crash loses little.
    Files are rotated by size, and the oldest go when all together exceed `max_bytes`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        max_bytes: int = 512 << 20,
        file_bytes: int = 32 << 20,
        buffer_bytes: int = 64 << 20,
    ) -> None:
        """Make the directory and start the thread.

        Raises:
            StoreError: The directory cannot be made.
        """
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"tape directory {directory}: {error.strerror}") from None
        self.dropped = 0
        """Frames lost because the disk could not follow or refused."""
        self.error = ""
        """Why the last write failed, empty while all is well."""
        self._directory = directory
        self._max_bytes = max_bytes
        self._file_bytes = min(file_bytes, max(max_bytes // 4, 1))
        self._buffer_bytes = buffer_bytes
        self._pending: deque[_Frame] = deque()
        self._put = 0
        self._taken = 0
        self._files: dict[VenueName, _TapeFile] = {}
        self._numbers: dict[VenueName, int] = {}
        self._wake = threading.Event()
        self._asked = 0
        self._served = 0
        self._done = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="tape", daemon=True)
        self._thread.start()

    def write(
        self, venue: VenueName, kind: FrameKind, conn: int, ts_recv_ns: int, url: str, data: bytes
    ) -> None:
        """Buffer a frame; never blocks on disk, drops with a count when its bound is hit."""
        size = len(data) + 64
        if self._put - self._taken + size > self._buffer_bytes or self._stopping:
            self.dropped += 1
            return
        self._put += size
        self._pending.append((venue, kind, conn, ts_recv_ns, url, data))

    def flush(self, timeout_s: float = _JOIN_S) -> None:
        """Have what is buffered written now, and wait until it is; not for the loop."""
        self._asked += 1
        asked = self._asked
        self._wake.set()
        with self._done:
            self._done.wait_for(lambda: self._served >= asked, timeout_s)

    def close(self) -> None:
        """Write what is buffered, end the files properly and stop the thread."""
        self._stopping = True
        self._wake.set()
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(_FLUSH_S)
            self._wake.clear()
            asked = self._asked
            self._drain()
            with self._done:
                self._served = asked
                self._done.notify_all()
        self._drain()
        for venue in list(self._files):
            self._end(venue)

    def _drain(self) -> None:
        touched: set[VenueName] = set()
        while self._pending:
            frame = self._pending.popleft()
            self._taken += len(frame[5]) + 64
            try:
                self._store(frame)
                touched.add(frame[0])
            except OSError as error:
                self._fail(frame[0], error)
                self.dropped += 1
        for venue in touched & self._files.keys():
            try:
                self._files[venue].flush()
                self.error = ""
            except OSError as error:
                self._fail(venue, error)

    def _store(self, frame: _Frame) -> None:
        venue, kind, conn, ts_recv_ns, url, data = frame
        file = self._files.get(venue)
        if file is not None and file.size() > self._file_bytes:
            self._end(venue)
            file = None
        if file is None:
            self._make_room()
            file = self._files[venue] = self._open(venue, ts_recv_ns)
        file.write(encode_line(kind, conn, ts_recv_ns, url, data))

    def _open(self, venue: VenueName, ts_recv_ns: int) -> _TapeFile:
        folder = self._directory / venue
        folder.mkdir(parents=True, exist_ok=True)
        stamp = datetime.fromtimestamp(ts_recv_ns / 1e9, UTC).strftime("%Y%m%dT%H%M%SZ")
        while True:
            number = self._numbers[venue] = self._numbers.get(venue, 0) + 1
            path = folder / f"{stamp}-{number:05}{SUFFIX}"
            if not path.exists():
                return _TapeFile(path)

    def _make_room(self) -> None:
        """Remove the oldest files so that one more fits the bound."""
        open_paths = {file.path for file in self._files.values()}
        files = [(path.name, path, path.stat().st_size) for path in
                 self._directory.glob(f"*/*{SUFFIX}")]  # fmt: skip
        total = sum(size for _, _, size in files)
        for _, path, size in sorted(files):
            if total <= self._max_bytes - self._file_bytes:
                return
            if path not in open_paths:
                path.unlink()
                total -= size

    def _end(self, venue: VenueName) -> None:
        try:
            self._files.pop(venue).close()
        except OSError as error:
            self.error = f"tape of {venue}: {error.strerror or error}"

    def _fail(self, venue: VenueName, error: OSError) -> None:
        """Leave the broken file; the next frame tries a new one."""
        self.error = f"tape of {venue}: {error.strerror or error}"
        file = self._files.pop(venue, None)
        if file is not None:
            file.abandon()


class _TapeFile:
    """One zstd file being written."""

    def __init__(self, path: Path) -> None:
        import zstandard

        self.path = path
        self._raw: IO[bytes] = path.open("xb")
        self._zstd: ZstdCompressionWriter = zstandard.ZstdCompressor(level=_LEVEL).stream_writer(
            self._raw, closefd=False
        )

    def write(self, line: bytes) -> None:
        self._zstd.write(line + b"\n")

    def size(self) -> int:
        return self._raw.tell()

    def flush(self) -> None:
        import zstandard

        self._zstd.flush(zstandard.FLUSH_BLOCK)
        self._raw.flush()

    def close(self) -> None:
        try:
            self._zstd.close()  # type: ignore[no-untyped-call]  # zstandard's stub lacks it
        finally:
            self._raw.close()

    def abandon(self) -> None:
        self._raw.close()
