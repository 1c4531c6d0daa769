"""The journal on disk: SQLite in write-ahead mode, one durable commit per append.

Each row carries a checksum of its own and a hash chained to the row before it, so a damaged row,
a changed row and a missing row are all found when the journal is read, which every start does.

::

    records(seq 1, 2, 3..., data msgpack, crc crc32(seq, data), chain sha256(chain before, data))
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Final

import msgspec

from core.model.errors import StoreError
from core.model.facts import JournalRecord
from core.model.redaction import Redactor
from core.model.sha import sha256
from store.sqlite import open_database, private_file
from store.wal import WalKeeper

APPLICATION_ID: Final = 0x636C786A  # "clxj"
MIGRATIONS: Final = (
    "CREATE TABLE records (seq INTEGER PRIMARY KEY, data BLOB NOT NULL, crc INTEGER NOT NULL, "
    "chain BLOB NOT NULL)",
)
_GENESIS: Final = bytes(32)
_STRETCH: Final = "SELECT seq, data, chain FROM records WHERE seq > ? AND seq <= ? ORDER BY seq"
_INSERT: Final = "INSERT INTO records (seq, data, crc, chain) VALUES (?, ?, ?, ?)"
_CHECKPOINT_PAGES: Final = 2000
"""Pages of write-ahead log before a commit itself moves them into the file, at the cost of
milliseconds; the keeper does it long before, unless commits leave it no quiet moment."""
_PAGE_BYTES: Final = 4096

_FETCH_ROWS: Final = 256
"""Rows a start takes out of the file at once; more would not stay in a processor's cache."""

_Row = tuple[int, bytes, int, bytes]


class SqliteJournal:
    """The one writer of one journal file; implements `core.model.ports.Journal`.

    An append that fails leaves nothing behind, and the next one tries afresh, with a new
    connection if need be: a disk that was full and is no longer needs no restart.
    """

    def __init__(self, path: Path, redactor: Redactor | None = None) -> None:
        """Open or create the journal; the redactor takes secrets out of what is written.

        Raises:
            StoreError: Another process has it, it is damaged, not ours, or from a newer clx.
        """
        self.path = path
        self._encoder = msgspec.msgpack.Encoder()
        self._redactor = redactor or Redactor()
        self._decoder: msgspec.msgpack.Decoder[JournalRecord] = msgspec.msgpack.Decoder(
            JournalRecord
        )
        self._lock = _take_lock(path)
        self._keeper: WalKeeper | None = None
        try:
            self._connection: sqlite3.Connection | None = self._connect()
            self._seq, self._chain = self._tail()
        except StoreError:
            os.close(self._lock)
            raise
        self._keeper = WalKeeper(path, self._connection)

    @property
    def last_seq(self) -> int:
        """Sequence number of the newest record, 0 when empty."""
        return self._seq

    @property
    def head(self) -> bytes:
        """Chained hash of everything in the journal."""
        return self._chain

    def append(self, records: Sequence[JournalRecord]) -> int:
        """Commit records to disk, all or none, and return the last one's sequence number.

        Raises:
            StoreError: They are not on disk.
        """
        if not records:
            return self._seq
        seq, head, size = self._seq, self._chain, 0
        rows: list[_Row] = []
        for record in records:
            data = self._redactor.data(self._encoder.encode(record))
            seq += 1
            head = _link(head, data)
            rows.append((seq, data, _crc(seq, data), head))
            size += _PAGE_BYTES + len(data)
        try:
            connection, keeper = self._parts()
            with keeper.lock:
                if len(rows) == 1:
                    connection.execute(_INSERT, rows[0])
                else:
                    _insert_all(connection, rows)
                keeper.committed(size)
        except sqlite3.Error as error:
            self._drop_connection()
            raise StoreError(
                f"journal {self.path}: record {self._seq + 1} could not be written: {error}; "
                "free disk space or check the disk, trading goes on by itself once it can write"
            ) from error
        self._seq, self._chain = seq, head
        return seq

    def read(self, after: int = 0) -> Iterator[tuple[int, JournalRecord]]:
        """Yield (sequence, record) in order, each checked.

        Raises:
            StoreError: A record is damaged, changed or missing; names file, number and remedy.
        """
        return chain.from_iterable(self._stretches(after))

    def _stretches(self, after: int) -> Iterator[Iterable[tuple[int, JournalRecord]]]:
        """Yield many records at a time: a start reads them all, and waits for nothing else.

        Hashes that follow one from the other prove what the records say and that all are there;
        who is at fault where they do not is looked for record by record.
        """
        connection, _ = self._parts()
        head = self._chain_at(connection, after)
        while True:
            try:
                rows = connection.execute(_STRETCH, (after, after + _FETCH_ROWS)).fetchall()
                found = self._proven(rows, after, head)
            except (sqlite3.Error, TypeError, msgspec.MsgspecError):
                found = None
            if found is None or (not rows and after < self._seq):
                yield self._each(connection, after)
                return
            if not rows:
                return
            yield zip(count(after + 1), found)
            after, head = after + len(rows), rows[-1][2]

    def _proven(
        self, rows: list[tuple[int, bytes, bytes]], after: int, head: bytes
    ) -> list[JournalRecord] | None:
        """Return the records of (sequence, data, hash) rows, None where something is amiss."""
        if rows and rows[-1][0] != after + len(rows):
            return None
        sha256, decode = hashlib.sha256, self._decoder.decode
        for _, data, stored in rows:
            head = sha256(head + data).digest()  # as `_link` does
            if head != stored:
                return None
        return [decode(data) for _, data, _ in rows]

    def _each(
        self, connection: sqlite3.Connection, after: int
    ) -> Iterator[tuple[int, JournalRecord]]:
        """Yield (sequence, record), each checked by itself."""
        expected, head = after + 1, self._chain_at(connection, after)
        for rows in self._rows(connection, after):
            for seq, data, crc, stored in rows:
                if seq != expected:
                    raise self._damaged(expected, f"it is missing, the next one is {seq}")
                if not isinstance(data, bytes) or crc != _crc(seq, data):
                    raise self._damaged(seq, "its checksum does not match")
                head = _link(head, data)
                if head != stored:
                    raise self._damaged(seq, "its hash does not follow from the record before it")
                yield seq, self._decode(seq, data)
                expected += 1
        if after < self._seq and expected != self._seq + 1:
            raise self._damaged(expected, "it is missing")

    def _rows(self, connection: sqlite3.Connection, after: int) -> Iterator[list[_Row]]:
        """Yield rows in order, fetched many at once; one by one where the file is damaged."""
        last, many = after, _FETCH_ROWS
        while True:
            cursor = connection.execute(
                "SELECT seq, data, crc, chain FROM records WHERE seq > ? ORDER BY seq", (last,)
            )
            try:
                while rows := cursor.fetchmany(many):
                    yield rows
                    last = rows[-1][0]
            except sqlite3.Error as error:
                if many == 1:
                    raise self._damaged(last + 1, str(error)) from error
                many = 1
                continue
            return

    def find(
        self, words: str, after: int, rows: int
    ) -> tuple[int, list[tuple[int, JournalRecord]]]:
        """Look for records that have these words among the `rows` after a sequence number.

        Returns the last number looked at, 0 where there are no more, and the records in order.

        Raises:
            StoreError: A record cannot be read, or its checksum does not match.
        """
        connection, _ = self._parts()
        last = min(after + rows, self._seq)
        try:
            # Without the chain: it proves the whole, which every start does.
            found: list[tuple[int, bytes, int]] = connection.execute(
                "SELECT seq, data, crc FROM records "
                "WHERE seq > ? AND seq <= ? AND instr(data, ?) ORDER BY seq",
                (after, last, words.encode()),
            ).fetchall()
        except sqlite3.Error as error:
            raise self._damaged(after + 1, str(error)) from error
        for seq, data, crc in found:
            if crc != _crc(seq, data):
                raise self._damaged(seq, "its checksum does not match")
        records = [(seq, self._decode(seq, data)) for seq, data, _ in found]
        return (last if last < self._seq else 0), records

    def close(self) -> None:
        """Release the file; the last connection folds the write-ahead log into it."""
        self._drop_connection()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _decode(self, seq: int, data: bytes) -> JournalRecord:
        try:
            return self._decoder.decode(data)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise self._unknown(seq, error) from error

    def _connect(self) -> sqlite3.Connection:
        connection = open_database(
            self.path,
            application_id=APPLICATION_ID,
            migrations=MIGRATIONS,
            synchronous="FULL",
            exclusive=True,
            one_thread=False,
        )
        connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
        return connection

    def _parts(self) -> tuple[sqlite3.Connection, WalKeeper]:
        if self._connection is None or self._keeper is None:
            return self._reconnect()
        return self._connection, self._keeper

    def _reconnect(self) -> tuple[sqlite3.Connection, WalKeeper]:
        """Open anew after a failure, and undo what a failed commit may have left on disk.

        Such a record was reported as not written, so nobody acted on it.
        """
        if self._lock < 0:
            raise StoreError(f"journal {self.path} is closed")
        connection = self._connect()
        connection.execute("DELETE FROM records WHERE seq > ?", (self._seq,))
        self._connection, self._keeper = connection, WalKeeper(self.path, connection)
        return self._connection, self._keeper

    def _drop_connection(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.stop()
        connection, self._connection = self._connection, None
        if connection is None:
            return
        # Closing rolls back as well; the error that led here is the one reported.
        with contextlib.suppress(sqlite3.Error):
            connection.close()

    def _tail(self) -> tuple[int, bytes]:
        assert self._connection is not None
        try:
            row = self._connection.execute(
                "SELECT seq, chain FROM records ORDER BY seq DESC LIMIT 1"
            ).fetchone()
        except sqlite3.Error as error:
            self._drop_connection()
            raise self._damaged(0, str(error)) from error
        return (int(row[0]), bytes(row[1])) if row else (0, _GENESIS)

    def _chain_at(self, connection: sqlite3.Connection, seq: int) -> bytes:
        if seq == 0:
            return _GENESIS
        row = connection.execute("SELECT chain FROM records WHERE seq = ?", (seq,)).fetchone()
        if row is None:
            raise StoreError(f"journal {self.path} has no record {seq}; its last is {self._seq}")
        return bytes(row[0])

    def _unknown(self, seq: int, error: msgspec.MsgspecError) -> StoreError:
        return self._damaged(seq, f"it is no record this clx knows ({error})")

    def _damaged(self, seq: int, why: str) -> StoreError:
        return StoreError(
            f"journal {self.path}: record {seq} cannot be trusted: {why}. Nothing was changed. "
            f"Restore the file from a backup, or move it aside and start again: clx then adopts "
            f"balances from the venue, shows orders still open there as foreign (cancel them "
            f"there), and counts profit from zero; records before {seq} stay readable in the old "
            f"file"
        )


def _take_lock(path: Path) -> int:
    """Take the writer's lock, held until closed or dead; the lock file names the holder."""
    lock_path = path.with_name(path.name + ".lock")
    private_file(lock_path)
    handle = os.open(lock_path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(handle)
        raise StoreError(
            f"journal {path} is in use by process {holder}; one engine writes it at a time: "
            "attach to that one, or stop it with `clx daemon stop`"
        ) from error
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    return handle


def _insert_all(connection: sqlite3.Connection, rows: Sequence[_Row]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(_INSERT, rows)
    connection.execute("COMMIT")


def _crc(seq: int, data: bytes) -> int:
    return zlib.crc32(data, seq & 0xFFFFFFFF)


def _link(chain: bytes, data: bytes) -> bytes:
    return sha256(chain + data).digest()
