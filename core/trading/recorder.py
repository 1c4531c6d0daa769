"""The journal as the desk uses it: strict for what may wait, lenient for what has happened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from core.model.errors import StoreError
from core.model.facts import JournalRecord
from core.model.ports import Journal

MAX_BACKLOG: Final = 10_000
"""Records kept in memory while the disk refuses them; beyond it the newest are not kept, and the
venue is asked for them at the next start."""
MAX_DEFERRED: Final = 1_000
"""Refusals waiting to be written; beyond it they are only remembered, so that a strategy gone wild
costs no disk."""


class Recorder:
    """Writes in order. After a failure nothing new is risked until the disk has caught up."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._backlog: list[JournalRecord] = []
        self.problem = ""
        """Why the journal cannot be written, empty while it can."""
        self.lost = 0
        """Records beyond the backlog's bound."""

    def commit(self, records: Sequence[JournalRecord]) -> bool:
        """Write records durably, after any backlog; False when they are not on disk, nor kept."""
        return not self.problem and self._write(records)

    def keep(self, *records: JournalRecord) -> bool:
        """Write what has happened anyway; False when only memory has it for now."""
        if not self.problem and self._write(records):
            return True
        room = max(0, MAX_BACKLOG - len(self._backlog))
        self._backlog.extend(records[:room])
        self.lost += len(records[room:])
        return False

    def defer(self, record: JournalRecord) -> None:
        """Have a record written with the next one; for what nothing depends on."""
        if len(self._backlog) < MAX_DEFERRED:
            self._backlog.append(record)

    def flush(self) -> bool:
        """Try to write the backlog; return whether the journal is whole."""
        if not self._backlog and not self.problem:
            return True
        return self._write(())

    def _write(self, records: Sequence[JournalRecord]) -> bool:
        try:
            self._journal.append([*self._backlog, *records] if self._backlog else records)
        except StoreError as error:
            self.problem = str(error)
            return False
        self._backlog.clear()
        self.problem = ""
        return True


class MemoryJournal:
    """A journal that forgets with its process: for backtests and replays, where none is due."""

    def __init__(self) -> None:
        self._records: list[JournalRecord] = []

    def append(self, records: Sequence[JournalRecord]) -> int:
        """Keep records and return the last one's sequence number."""
        self._records.extend(records)
        return len(self._records)

    def read(self, after: int = 0) -> Iterator[tuple[int, JournalRecord]]:
        """Yield (sequence, record) in order."""
        for index in range(after, len(self._records)):
            yield index + 1, self._records[index]

    def find(
        self, words: str, after: int, rows: int
    ) -> tuple[int, list[tuple[int, JournalRecord]]]:
        """Look for records that have these words; there is nothing faster than looking."""
        last = min(after + rows, len(self._records))
        raw = words.encode()
        found = [
            (at + 1, self._records[at])
            for at in range(after, last)
            if raw in msgspec.msgpack.encode(self._records[at])
        ]
        return (last if last < len(self._records) else 0), found

    def close(self) -> None:
        """Keep everything; there is nothing to release."""
