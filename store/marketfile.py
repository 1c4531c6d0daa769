"""The SQLite file of market data: its tables, its two connections, and its errors.

One connection reads and one writes, each used by one thread at a time, so a long write never
holds up a reader; another process (a CLI beside the engine) opens the same file the same way.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from core.model.errors import StoreError
from store.sqlite import open_database

APPLICATION_ID: Final = 0x636C786D  # "clxm"
MIGRATIONS: Final = (
    """
    CREATE TABLE listings (id INTEGER PRIMARY KEY, venue TEXT NOT NULL,
        instrument_id TEXT NOT NULL, epoch INTEGER NOT NULL, start_ns INTEGER NOT NULL);
    CREATE TABLE names (instrument_id TEXT NOT NULL, epoch INTEGER NOT NULL,
        listing INTEGER NOT NULL, PRIMARY KEY (instrument_id, epoch)) WITHOUT ROWID;
    CREATE TABLE bar_blocks (id INTEGER PRIMARY KEY, listing INTEGER NOT NULL,
        timeframe TEXT NOT NULL, start_ns INTEGER NOT NULL, first_ns INTEGER NOT NULL,
        last_ns INTEGER NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL,
        tick TEXT NOT NULL, lot TEXT NOT NULL, crc INTEGER NOT NULL, data BLOB NOT NULL);
    CREATE UNIQUE INDEX bar_block_at ON bar_blocks (listing, timeframe, start_ns);
    CREATE INDEX bar_block_facts ON bar_blocks
        (listing, timeframe, start_ns, first_ns, last_ns, rows, bytes);
    CREATE TABLE trade_blocks (id INTEGER PRIMARY KEY, listing INTEGER NOT NULL,
        start_ns INTEGER NOT NULL, first_ns INTEGER NOT NULL,
        last_ns INTEGER NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL,
        tick TEXT NOT NULL, lot TEXT NOT NULL, crc INTEGER NOT NULL, data BLOB NOT NULL);
    CREATE INDEX trade_block_facts ON trade_blocks
        (listing, last_ns, first_ns, start_ns, rows, bytes);
    CREATE TABLE empties (id INTEGER PRIMARY KEY, listing INTEGER NOT NULL,
        start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, kind TEXT NOT NULL,
        timeframe TEXT NOT NULL, note TEXT NOT NULL);
    CREATE INDEX empty_at ON empties (listing, end_ns);
    CREATE TABLE quality (listing INTEGER NOT NULL, day_ns INTEGER NOT NULL,
        record BLOB NOT NULL, PRIMARY KEY (listing, day_ns)) WITHOUT ROWID
    """,
    """
    CREATE TABLE trade_spans (listing INTEGER NOT NULL, start_ns INTEGER NOT NULL,
        end_ns INTEGER NOT NULL, PRIMARY KEY (listing, start_ns)) WITHOUT ROWID
    """,
    """
    CREATE TABLE dropped (listing INTEGER NOT NULL, timeframe TEXT NOT NULL,
        start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL,
        PRIMARY KEY (listing, timeframe, start_ns)) WITHOUT ROWID
    """,
)
_BUSY_MS: Final = 30_000
"""How long a writer waits for another process's transaction; one import page takes far less."""


class MarketFile:
    """The open file; thread-safe."""

    def __init__(self, path: Path) -> None:
        """Open or create it.

        Raises:
            StoreError: It is damaged, not ours, or from a newer clx.
        """
        self.path = path
        self._writing = threading.RLock()
        self._reading = threading.Lock()
        self._writer: sqlite3.Connection | None = self._connect()
        try:
            self._reader: sqlite3.Connection | None = self._connect()
        except StoreError:
            self._writer.close()
            raise

    def read(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run one query and return all rows: one consistent image.

        Raises:
            StoreError: The file cannot be read.
        """
        try:
            return self.read_raw(sql, parameters)
        except sqlite3.Error as error:
            raise self.failed("read", error) from error

    def read_raw(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Do as `read`, but let SQLite's error through: a caller can read around a damaged page."""
        with self._reading:
            if self._reader is None:
                raise StoreError(f"{self.path} is closed")
            try:
                return self._reader.execute(sql, parameters).fetchall()
            except UnicodeDecodeError as error:
                # Of a damaged file even SQLite's words may be no text.
                raise sqlite3.DatabaseError(f"unreadable text: {error.reason}") from error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give the writer for one transaction: committed whole, or not at all.

        Within another one of the same thread it is a part of that.

        Raises:
            StoreError: It could not be written; nothing of it is on disk.
        """
        with self._writing:
            if self._writer is None:
                raise StoreError(f"{self.path} is closed")
            if self._writer.in_transaction:
                with self._part(self._writer):
                    yield self._writer
                return
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                self._writer.execute("COMMIT")
            except (sqlite3.Error, UnicodeDecodeError) as error:
                self._roll_back()
                raise self.failed("written", error) from error
            except BaseException:
                self._roll_back()
                raise

    @contextlib.contextmanager
    def _part(self, writer: sqlite3.Connection) -> Iterator[None]:
        """Make a part of the transaction around it: undone alone if it fails."""
        try:
            writer.execute("SAVEPOINT part")
            yield
            writer.execute("RELEASE part")
        except BaseException as error:
            # A full disk may have ended the whole transaction; then there is nothing to undo.
            with contextlib.suppress(sqlite3.Error):
                if writer.in_transaction:
                    writer.execute("ROLLBACK TO part")
                    writer.execute("RELEASE part")
            if isinstance(error, sqlite3.Error | UnicodeDecodeError):
                raise self.failed("written", error) from error
            raise

    def reclaim(self) -> None:
        """Give freed pages back to the disk.

        Raises:
            StoreError: The file cannot be written.
        """
        with self._writing:
            if self._writer is None:
                raise StoreError(f"{self.path} is closed")
            try:
                # It frees a page a step, and `execute` takes one step of what returns no rows.
                self._writer.executescript("PRAGMA incremental_vacuum")
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except sqlite3.Error as error:
                raise self.failed("written", error) from error

    def close(self) -> None:
        """Release the file; the last connection folds the write-ahead log into it."""
        with self._writing, self._reading:
            for connection in (self._reader, self._writer):
                if connection is not None:
                    connection.close()
            self._reader = self._writer = None

    def failed(self, what: str, error: Exception) -> StoreError:
        """Say which file failed, why, and what to do about it."""
        code = getattr(error, "sqlite_errorname", "")
        if code.startswith("SQLITE_FULL"):
            remedy = (
                "free disk space, or shorten what is kept (`clx data retention`); nothing was "
                "half written"
            )
        elif code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            remedy = "another process is writing it; try again when it is done"
        elif code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or not code:
            remedy = (
                "the file is damaged: `clx data verify` says where, `clx data repair` drops what "
                "is unreadable and fetches it anew"
            )
        else:
            remedy = "check the disk; nothing was half written"
        return StoreError(f"market data {self.path} could not be {what}: {error}; {remedy}")

    def _connect(self) -> sqlite3.Connection:
        connection = open_database(
            self.path,
            application_id=APPLICATION_ID,
            migrations=MIGRATIONS,
            synchronous="NORMAL",
            exclusive=False,
            one_thread=False,
            reclaim=True,
        )
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        return connection

    def _roll_back(self) -> None:
        assert self._writer is not None
        # A failed commit may have rolled back by itself; the error that led here is reported.
        with contextlib.suppress(sqlite3.Error):
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
