"""Bytes and checks of orders beside the journal: JSON lines, older ones packed, the oldest gone.

::

    wire.jsonl                        what a thread of the log's own wrote within half a second
    wire-000000000042.jsonl.gz        closed files, by number; at most so many are kept

Nothing is synced to disk by force: what happened to an order is durable in the journal, this shows
the bytes of it. What is lost here is never missed by anything that decides.
"""

from __future__ import annotations

import gzip
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from core.model.errors import StoreError
from core.model.ids import ClientOrderId
from core.model.inspection import ChecksPassed
from core.model.redaction import Redactor
from core.wire.witness import Seen, about, holds

WAITING: Final = 20_000
"""Kept in memory while the disk is slow or refuses; more are dropped and counted."""

_CURRENT: Final = "wire.jsonl"
_CLOSED: Final = "wire-*.jsonl.gz"
_FLUSH_S: Final = 0.5
_JOIN_S: Final = 5.0
_MODE: Final = 0o600
_OURS: Final = "clx"
"""All client ids of ours have it."""
_READS: Final = ("GET ", "private/get_", "public/")
_METHOD: Final = 120
"""Within so many characters it says what is asked."""


class Line(msgspec.Struct, frozen=True, array_like=True):
    """One exchange or push in the file."""

    venue: str
    sent_ns: int
    answered_ns: int
    sent: str
    answer: str
    words: str


_GATE: Final = "risk gate"
"""Stands where the others have their venue's name."""
_CHECKS: Final = msgspec.json.Decoder(ChecksPassed)
_LINE: Final = msgspec.json.Decoder(Line)


class TrafficLog:
    """Keeps what went over the wire for orders; bounded, and without secrets.

    Args:
        folder: Made if it is missing, closed to others.
        redactor: Takes secrets out of every line.
        max_bytes: A file of more is compressed and the next one begun.
        keep: Closed files that stay; the oldest go.
        told: Hears, in the log's own thread, when it cannot be written any more.
    """

    def __init__(
        self,
        folder: Path,
        redactor: Redactor,
        *,
        max_bytes: int = 4 << 20,
        keep: int = 16,
        told: Callable[[str], object] | None = None,
    ) -> None:
        self._folder = folder
        self._redactor = redactor
        self._max_bytes = max_bytes
        self._keep = keep
        self._told = told
        self._waiting: deque[tuple[str, Seen | Callable[[], Seen]]] = deque()
        self.dropped = 0
        self._failed = False
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._turn = threading.Lock()
        self._thread: threading.Thread | None = None

    def note(self, venue: str, seen: Seen) -> None:
        """Take something a venue's adapter saw; never blocks, never raises."""
        if worth(seen):
            self.later(venue, seen)

    def later(self, venue: str, seen: Seen | Callable[[], Seen]) -> None:
        """Take something, or what makes it: called in the log's own thread, it must not raise."""
        if len(self._waiting) >= WAITING:
            self.dropped += 1
            return
        self._waiting.append((venue, seen))
        if self._thread is None and not self._stop.is_set():
            self._thread = threading.Thread(target=self._run, name="wire log", daemon=True)
            self._thread.start()
        self._wake.set()

    def find(self, venue: str, names: Iterable[str]) -> list[Seen]:
        """Return what is about an order of these names, oldest first; reads all files.

        Raises:
            StoreError: A file cannot be read or written.
        """
        known = [name for name in names if name]
        mine, raw = about(known), [name.encode() for name in known]
        found = []
        with self._turn:
            self._write()
            try:
                for row in self._rows():
                    if any(name in row for name in raw):
                        line = _decoded(row)
                        if line is None:
                            continue
                        seen = Seen(
                            line.sent_ns,
                            line.answered_ns,
                            line.sent,
                            line.answer.encode(),
                            line.words,
                        )
                        if line.venue == venue and holds(mine, seen):
                            found.append(seen)
            except (OSError, EOFError) as error:
                raise StoreError(f"bytes of orders in {self._folder}: {error}") from None
        return sorted(found, key=lambda seen: seen.sent_ns)

    def close(self) -> None:
        """Write what waits and end the thread."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(_JOIN_S)
        self._flush()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            # What comes together is written together; at the end, `close` writes.
            if self._stop.wait(_FLUSH_S):
                return
            self._flush()

    def _flush(self) -> None:
        try:
            with self._turn:
                self._write()
            self._failed = False
        except StoreError as error:
            if not self._failed and self._told is not None:
                self._told(str(error))
            self._failed = True

    def _write(self) -> None:
        count = len(self._waiting)
        if not count:
            return
        lines = b"".join(self._line(*self._waiting[at]) for at in range(count))
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = self._folder / _CURRENT
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, _MODE)
            with os.fdopen(descriptor, "ab") as file:
                # A line that was being written when its process ended must not swallow the next.
                if file.tell() and not _ends_whole(path):
                    file.write(b"\n")
                file.write(lines)
                size = file.tell()
            if size >= self._max_bytes:
                self._rotate(path)
        except OSError as error:
            raise StoreError(
                f"bytes of orders cannot be written to {self._folder}: {error.strerror}; free "
                "disk space or make the folder yours"
            ) from None
        for _ in range(count):
            self._waiting.popleft()

    def _line(self, venue: str, told: Seen | Callable[[], Seen]) -> bytes:
        clean = self._redactor.text
        seen = told if isinstance(told, Seen) else told()
        answer = clean(seen.answer.decode(errors="replace"))
        line = Line(
            venue, seen.sent_ns, seen.answered_ns, clean(seen.sent), answer, clean(seen.words)
        )
        return msgspec.json.encode(line) + b"\n"

    def _rotate(self, path: Path) -> None:
        closed = self._closed()
        number = int(closed[-1].name[5:17]) + 1 if closed else 1
        part = self._folder / "wire.part"
        with gzip.open(part, "wb", compresslevel=6) as packed:
            packed.write(path.read_bytes())
        part.chmod(_MODE)
        part.replace(self._folder / f"wire-{number:012d}.jsonl.gz")
        path.unlink()
        for old in self._closed()[: -self._keep]:
            old.unlink(missing_ok=True)

    def _closed(self) -> list[Path]:
        return sorted(self._folder.glob(_CLOSED))

    def _rows(self) -> Iterator[bytes]:
        for path in self._closed():
            with gzip.open(path, "rb") as packed:
                yield from packed
        current = self._folder / _CURRENT
        if current.exists():
            with current.open("rb") as file:
                yield from file


class VenueShelf:
    """One venue's part of the log; `core.wire.witness.Shelf`."""

    def __init__(self, log: TrafficLog, venue: str) -> None:
        self._log = log
        self._venue = venue

    def keep(self, seen: Seen) -> None:
        """Take one; never blocks, never raises."""
        self._log.note(self._venue, seen)

    def find(self, names: Iterable[str]) -> list[Seen]:
        """Return what is about an order of these names, oldest first; reads files.

        Raises:
            StoreError: A file cannot be read or written.
        """
        return self._log.find(self._venue, names)


class CheckShelf:
    """The log's part for what the risk gate saw; `core.trading.passed.Shelf`."""

    def __init__(self, log: TrafficLog) -> None:
        self._log = log

    def keep(self, name: ClientOrderId, told: Callable[[], ChecksPassed]) -> None:
        """Take what `told` will say; never blocks, never raises."""

        def line() -> Seen:
            checks = told()
            return Seen(checks.ts_ns, 0, f"checks {name}", msgspec.json.encode(checks))

        self._log.later(_GATE, line)

    def find(self, name: ClientOrderId) -> list[ChecksPassed]:
        """Return what is known of an order, oldest first; reads files.

        Raises:
            StoreError: A file cannot be read or written.
        """
        found = (_CHECKS.decode(seen.answer) for seen in self._log.find(_GATE, (name,)))
        return [checks for checks in found if checks.client_order_id == name]


def worth(seen: Seen) -> bool:
    """Return whether something may be about an order: lists are asked for all the time."""
    if not seen.sent or _OURS in seen.sent:
        return True
    return not any(word in seen.sent[:_METHOD] for word in _READS)


def _decoded(row: bytes) -> Line | None:
    """Return a line, None for one that was being written when its process was killed."""
    try:
        return _LINE.decode(row)
    except msgspec.MsgspecError:
        return None


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
