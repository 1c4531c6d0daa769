"""Writes the audit log: JSON lines, each carrying the hash of the one before.

The caller only appends to a bounded list; a thread of the log's own writes it within a second.
Nothing is synced to disk by force: orders are durable in the journal, this says who asked for them.
Several processes may write: each takes the lock for a batch and goes on from the last line.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from core.model.audit import AuditRecord
from core.model.errors import StoreError
from core.model.redaction import Redactor
from store.audit.line import (
    CURRENT,
    GENESIS,
    HEAD,
    LINE_BYTES,
    MODE,
    AuditLine,
    closed_files,
    locked,
    stamp,
    tail_of,
)

WAITING: Final = 20_000
"""Records kept while the disk refuses; more are counted and told of in the log itself."""

_FLUSH_S: Final = 0.5
_JOIN_S: Final = 5.0
_LONGEST: Final = 4000
_SHORT: Final = 400


class AuditLog:
    """Appends to the log of one data folder; implements `core.model.audit.Audit`.

    Args:
        folder: Made if it is missing, closed to others.
        redactor: Takes secrets out of every line.
        max_bytes: A file of more is closed and the next one begun.
        keep: Closed files that stay; the oldest go.
        told: Hears, in the log's own thread, when it cannot be written any more.
    """

    def __init__(
        self,
        folder: Path,
        redactor: Redactor,
        *,
        max_bytes: int = 8 << 20,
        keep: int = 16,
        told: Callable[[str], object] | None = None,
    ) -> None:
        self._folder = folder
        self._redactor = redactor
        self._max_bytes = max_bytes
        self._keep = keep
        self._told = told
        self._waiting: deque[AuditRecord] = deque()
        self._lost = 0
        self.error = ""
        """Why the last batch could not be written, empty while all is well."""
        self._wake = threading.Event()
        self._turn = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def note(self, record: AuditRecord) -> None:
        """Keep a record: in memory now, on disk within a second; never blocks, never raises."""
        if len(self._waiting) >= WAITING:
            self._lost += 1
            return
        self._waiting.append(record)
        if self._thread is None and not self._stop.is_set():
            self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
            self._thread.start()
        self._wake.set()

    def flush(self) -> None:
        """Write what waits now.

        Raises:
            StoreError: It cannot be written; it goes on waiting.
        """
        with self._turn:
            self._write()

    def close(self) -> None:
        """Write what waits and end the thread; what cannot be written is lost and said so."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(_JOIN_S)
        try:
            self.flush()
        except StoreError as error:
            self.error = str(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            # What comes together is written together; at the end, `close` writes.
            if self._stop.wait(_FLUSH_S):
                return
            try:
                self.flush()
                self.error = ""
            except StoreError as error:
                if not self.error and self._told is not None:
                    self._told(str(error))
                self.error = str(error)
                self._wake.set()

    def _write(self) -> None:
        count = len(self._waiting)
        if not count and not self._lost:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with locked(self._folder):
                self._append([self._waiting[at] for at in range(count)])
        except OSError as error:
            raise StoreError(
                f"audit log {self._folder} cannot be written: {error.strerror}; {count} records"
                " wait in memory. Free disk space or make the folder yours"
            ) from None
        for _ in range(count):
            self._waiting.popleft()

    def _append(self, records: list[AuditRecord]) -> None:
        path = self._folder / CURRENT
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, MODE)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            os.fchmod(descriptor, MODE)
            number, prev, torn = self._last(file)
            lost = self._lost
            notices = list(_notices(records, lost, torn))
            lines = bytearray()
            for record in (*notices, *records):
                number += 1
                line = self._line(number, prev, record)
                prev = hashlib.sha256(line).hexdigest()
                lines += line + b"\n"
            before = os.fstat(descriptor).st_size
            try:
                _write_all(descriptor, bytes(lines))
            except OSError:
                # Half a batch would be written a second time with the next one.
                os.ftruncate(descriptor, before)
                raise
            self._lost -= lost
            _write_head(self._folder, number, prev)
            if before + len(lines) >= self._max_bytes:
                self._rotate(number)

    def _last(self, file: Any) -> tuple[int, str, int]:
        """Return the last line's number and hash, and how many bytes of a torn one were dropped."""
        size = os.fstat(file.fileno()).st_size
        if not size:
            return (*self._before(), 0)
        number, prev, whole = tail_of(file, self._folder / CURRENT)
        if whole < size:
            os.ftruncate(file.fileno(), whole)
        return (number, prev, size - whole) if whole else (*self._before(), size)

    def _before(self) -> tuple[int, str]:
        """Return the last line of the closed files, where the current one has no whole line."""
        closed = closed_files(self._folder)
        if not closed:
            return 0, GENESIS
        with closed[-1].open("rb") as older:
            number, prev, _ = tail_of(older, closed[-1])
        return number, prev

    def _line(self, number: int, prev: str, record: AuditRecord) -> bytes:
        # Secrets are taken out of the values, not of the line: one that is also the name of a
        # field must not break it.
        clean = self._redactor.text
        made = AuditLine(
            n=number,
            prev=prev,
            at=stamp(record.ts_ns),
            ts_ns=record.ts_ns,
            origin=clean(record.origin),
            what=record.what,
            outcome=clean(record.outcome)[:_LONGEST],
            refused=record.refused,
            parameters={
                key: clean(value)[:_LONGEST] if isinstance(value, str) else value
                for key, value in record.parameters.items()
            },
            client=record.client,
        )
        line = msgspec.json.encode(made)
        if len(line) <= LINE_BYTES:
            return line
        cut = {"cut": f"{len(line)} bytes"}
        return msgspec.json.encode(
            msgspec.structs.replace(made, parameters=cut, outcome=made.outcome[:_SHORT])
        )

    def _rotate(self, last: int) -> None:
        path = self._folder / CURRENT
        with path.open("rb") as file:
            count = sum(1 for _ in file)
        path.rename(self._folder / f"audit-{last - count + 1:012d}.jsonl")
        for old in closed_files(self._folder)[: -self._keep]:
            old.unlink(missing_ok=True)


def _notices(records: list[AuditRecord], lost: int, torn: int) -> Iterator[AuditRecord]:
    """Tell of what is missing from the log, in the log."""
    ts_ns = records[0].ts_ns if records else 0
    if torn:
        said = f"{torn} bytes of a line that was being written when its process ended were dropped"
        yield AuditRecord(ts_ns=ts_ns, origin="engine", what="audit.torn", outcome=said)
    if lost:
        said = f"{lost} records were lost: the disk refused them for too long"
        yield AuditRecord(
            ts_ns=ts_ns, origin="engine", what="audit.lost", outcome=said, refused=True
        )


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _write_head(folder: Path, number: int, prev: str) -> None:
    part = folder / f"{HEAD}.part"
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, MODE)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{number} {prev}\n")
    part.replace(folder / HEAD)
