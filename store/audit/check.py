"""Reads the audit log, and finds out whether somebody changed it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from core.model.errors import DataError, StoreError
from store.audit.line import GENESIS, HEAD, AuditLine, files_of, locked, parse_line


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a check of the whole log found."""

    lines: int
    files: int
    first: int = 0
    last: int = 0
    flaws: tuple[str, ...] = ()
    """What was tampered with or damaged, in order; empty: nothing."""


def read_log(folder: Path) -> Iterator[AuditLine]:
    """Yield the lines of a log, oldest first; damaged ones are left out (see `verify_log`).

    Raises:
        StoreError: A file cannot be read.
    """
    for _, _, raw in _raw_lines(folder):
        try:
            yield parse_line(raw)
        except DataError:
            continue


def verify_log(folder: Path) -> Verdict:
    """Check every line against the one before it, and the last against the head.

    Writers wait meanwhile, so that a batch on its way is no flaw.

    Raises:
        StoreError: A file cannot be read.
    """
    if not folder.exists():
        return Verdict(lines=0, files=0)
    try:
        with locked(folder):
            return _verify(folder)
    except OSError as error:
        raise StoreError(f"{folder} cannot be locked: {error.strerror}") from None


def _verify(folder: Path) -> Verdict:
    flaws: list[str] = []
    lines = first = number = 0
    prev = ""
    for path, at, raw in _raw_lines(folder):
        lines += 1
        where = f"{path.name} line {at}"
        try:
            line = parse_line(raw)
        except DataError as error:
            flaws.append(f"{where}: damaged, {error}")
            prev = hashlib.sha256(raw).hexdigest()
            number += 1
            continue
        if not prev:
            first = line.n
            if first == 1 and line.prev != GENESIS:
                flaws.append(f"{where}: the first line names a line before it")
        elif line.prev != prev:
            flaws.append(f"{where}: the line before number {line.n} was changed or taken out")
        elif line.n != number + 1:
            flaws.append(f"{where}: number {line.n} follows number {number}")
        number, prev = line.n, hashlib.sha256(raw).hexdigest()
    flaws += _against_head(folder, number, prev)
    return Verdict(
        lines=lines,
        files=len(files_of(folder)),
        first=first,
        last=number,
        flaws=tuple(flaws),
    )


def _against_head(folder: Path, number: int, prev: str) -> list[str]:
    try:
        words = (folder / HEAD).read_text(errors="replace").split()
    except FileNotFoundError:
        return [f"{HEAD} is missing: whether lines at the end were taken out cannot be told"] * (
            number > 0
        )
    except OSError as error:
        raise StoreError(f"{folder / HEAD} cannot be read: {error.strerror}") from None
    if len(words) != 2 or not words[0].isdigit():
        return [f"{HEAD} is damaged"]
    # A process killed between the lines and the head leaves a head that is behind.
    if int(words[0]) > number:
        return [f"{int(words[0]) - number} lines after number {number} were taken out"]
    if int(words[0]) == number and words[1] != prev:
        return [f"the last line, number {number}, was changed"]
    return []


def _raw_lines(folder: Path) -> Iterator[tuple[Path, int, bytes]]:
    for path in files_of(folder):
        try:
            with path.open("rb") as file:
                for at, raw in enumerate(file, 1):
                    if raw.endswith(b"\n"):
                        yield path, at, raw[:-1]
                    # Else it is being written, or was torn; the next batch tells of it.
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}") from None
