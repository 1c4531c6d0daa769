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
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import msgspec

from core.model.errors import StoreError
from core.model.ids import VenueName
from core.model.ports import FrameKind
from core.model.redaction import Redactor

if TYPE_CHECKING:
    from zstandard import ZstdCompressionWriter

SUFFIX: Final = ".jsonl.zst"

_FLUSH_S: Final = 0.5
_BATCH: Final = 32
"""Frames encoded in one go. The loop may have to wait so long for the interpreter, 0.1 ms: half a
second's worth at once had orders wait for milliseconds."""
_JOIN_S: Final = 10.0
_LEVEL: Final = 3
_RETRY_NS: Final = 5_000_000_000
"""Between two tries of a disk that took nothing."""

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
    counted. The thread takes them a few at a time, and every half second what came is on disk in
    whole blocks, so a crash loses little.
    Files are rotated by size, and the oldest go when all together exceed `max_bytes`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        max_bytes: int = 512 << 20,
        file_bytes: int = 32 << 20,
        buffer_bytes: int = 64 << 20,
        redactor: Redactor | None = None,
        told: Callable[[str], None] | None = None,
    ) -> None:
        """Make the directory and start the thread; the redactor takes secrets out of frames.

        `told` hears from that thread, in words, when frames are lost to the disk and when they no
        longer are.

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
        self._redactor = redactor or Redactor()
        self._told = told
        self._retry_ns: dict[VenueName, int] = {}
        """Venues whose disk failed, and when it is tried again, in times of arrival."""
        self._lost = 0
        """Frames lost since the disk failed."""
        self._pending: deque[_Frame] = deque()
        self._put = 0
        self._taken = 0
        self._unseen = 0
        """Frames put since the thread was last woken."""
        self._touched: dict[VenueName, int] = {}
        """Files with blocks that are not whole yet, and how many frames are in them."""
        self._flushed_ns = 0
        """Arrival of the newest frame at the last flush."""
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
        self._unseen += 1
        if self._unseen >= _BATCH:
            self._unseen = 0
            self._wake.set()

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
            quiet = not self._wake.wait(_FLUSH_S)
            self._wake.clear()
            asked = self._asked
            newest_ns = self._drain()
            if quiet or asked > self._served or newest_ns - self._flushed_ns >= _FLUSH_S * 1e9:
                self._flushed_ns = max(self._flushed_ns, newest_ns)
                self._flush_files()
            with self._done:
                self._served = asked
                self._done.notify_all()
        self._drain()
        for venue in list(self._files):
            self._end(venue)

    def _drain(self) -> int:
        """Write what waits; return the arrival of the newest frame, 0 when there was none."""
        newest_ns = 0
        while self._pending:
            frames = [self._pending.popleft()]
            while self._pending and len(frames) < _BATCH and self._pending[0][0] == frames[0][0]:
                frames.append(self._pending.popleft())
            self._taken += sum(len(frame[5]) + 64 for frame in frames)
            venue, newest_ns = frames[0][0], frames[-1][3]
            if newest_ns < self._retry_ns.get(venue, 0):
                self._lose(len(frames))
                continue
            try:
                self._store(frames)
                self._touched[venue] = self._touched.get(venue, 0) + len(frames)
            except OSError as error:
                self._lose(len(frames))
                self._fail(venue, error, newest_ns)
        return newest_ns

    def _lose(self, frames: int) -> None:
        self.dropped += frames
        self._lost += frames

    def _flush_files(self) -> None:
        for venue in self._touched.keys() & self._files.keys():
            try:
                self._files[venue].flush()
            except OSError as error:
                self._fail(venue, error, self._flushed_ns)
                continue
            if venue in self._retry_ns:
                self._retry_ns.clear()
                self.error = ""
                self._tell(f"frames are recorded again; {self._lost:,} were lost")
                self._lost = 0
        self._touched.clear()

    def _store(self, frames: Sequence[_Frame]) -> None:
        """Write frames of one venue."""
        venue, _, _, ts_recv_ns, _, _ = frames[0]
        file = self._files.get(venue)
        if file is not None and file.size() > self._file_bytes:
            self._end(venue)
            file = None
        if file is None:
            self._make_room()
            file = self._files[venue] = self._open(venue, ts_recv_ns)
        text, plain = self._redactor.text, self._redactor.data
        file.write(
            [
                encode_line(kind, conn, ts_ns, text(url), plain(data))
                for _, kind, conn, ts_ns, url, data in frames
            ]
        )

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

    def _fail(self, venue: VenueName, error: OSError, now_ns: int) -> None:
        """Leave the broken file; a frame some seconds later tries a new one."""
        first = not self._retry_ns
        self._retry_ns[venue] = now_ns + _RETRY_NS
        self._lose(self._touched.pop(venue, 0))
        self.error = f"tape of {venue}: {error.strerror or error}"
        file = self._files.pop(venue, None)
        if file is not None:
            file.abandon()
        if first:
            self._tell(
                f"frames of {venue} cannot be written to {self._directory}: "
                f"{error.strerror or error}; they are lost until it can, all else goes on. Free "
                "disk space, or record less (engine.tape_max_mb, engine.tape)"
            )

    def _tell(self, text: str) -> None:
        if self._told is not None:
            self._told(text)


class _TapeFile:
    """One zstd file being written."""

    def __init__(self, path: Path) -> None:
        import zstandard

        self.path = path
        self._raw: IO[bytes] = path.open("xb")
        self._zstd: ZstdCompressionWriter = zstandard.ZstdCompressor(level=_LEVEL).stream_writer(
            self._raw, closefd=False
        )

    def write(self, lines: Sequence[bytes]) -> None:
        self._zstd.write(b"\n".join([*lines, b""]))

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
        """Close it with what is on disk, or remove it when that is nothing."""
        # Closing writes once more what the disk did not take.
        with contextlib.suppress(OSError):
            self._raw.close()
        with contextlib.suppress(OSError):
            if not self.path.stat().st_size:
                self.path.unlink()
