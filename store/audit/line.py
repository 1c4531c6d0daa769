r"""One line of the audit log, and where lines lie.

::

    AUDIT/audit.jsonl                {"n":41,"prev":"<sha256 of line 40>","at":...,"what":...}\n
    AUDIT/audit-000000000001.jsonl   closed files, named by their first number
    AUDIT/head                       number and hash of the last line: a log cut short is found out
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from core.model.audit import Client
from core.model.errors import DataError

CURRENT: Final = "audit.jsonl"
HEAD: Final = "head"
GENESIS: Final = "0" * 64
MODE: Final = 0o600

LINE_BYTES: Final = 60_000
"""No line is longer."""

_LOCK_S: Final = 5.0
_TAIL: Final = 1 << 16
"""Bytes of a file's end in which its last line begins."""


class AuditLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line as it is written."""

    n: int
    prev: str
    """SHA-256 of the line before, without its line end."""
    at: str
    """UTC, RFC 3339."""
    ts_ns: int
    origin: str
    what: str
    outcome: str
    refused: bool = False
    parameters: dict[str, Any] = {}
    client: Client | None = None


def parse_line(raw: bytes) -> AuditLine:
    """Return a line of the log, given without its line end.

    Raises:
        DataError: It is none.
    """
    try:
        return msgspec.json.decode(raw, type=AuditLine)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataError(f"not a line of the audit log: {error}") from None


def stamp(ts_ns: int) -> str:
    """Return a time as RFC 3339 with milliseconds, UTC."""
    at = datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{ts_ns // 1_000_000 % 1000:03d}Z"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from changing a log; whoever has the lock is writing a batch.

    Raises:
        OSError: It cannot be had.
    """
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
    try:
        end = time.monotonic() + _LOCK_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
        yield
    finally:
        os.close(lock)


def files_of(folder: Path) -> list[Path]:
    """Return the files of a log, oldest first."""
    current = folder / CURRENT
    return [*closed_files(folder), *([current] if current.exists() else [])]


def closed_files(folder: Path) -> list[Path]:
    """Return the files that nothing is added to any more, oldest first."""
    return sorted(folder.glob("audit-*.jsonl"))


def tail_of(file: Any, path: Path) -> tuple[int, str, int]:
    """Return number and hash of the last whole line, and where it ends (0: there is none)."""
    size = os.fstat(file.fileno()).st_size
    start = max(0, size - _TAIL)
    end = os.pread(file.fileno(), size - start, start)
    whole = end.rfind(b"\n") + 1
    if not whole:
        return 0, GENESIS, 0
    raw = end[end.rfind(b"\n", 0, whole - 1) + 1 : whole - 1]
    try:
        number = parse_line(raw).n
    except DataError:
        # Tampered with, or a damaged disk: the log goes on, and `verify_log` says where.
        number = _count(path)
    return number, hashlib.sha256(raw).hexdigest(), start + whole


def _count(path: Path) -> int:
    """Return the number the last line ought to have, by the last one that can be read."""
    number = 0
    with path.open("rb") as file:
        for raw in file:
            try:
                number = parse_line(raw).n
            except DataError:
                number += 1
    return number
