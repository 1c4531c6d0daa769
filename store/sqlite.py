"""SQLite files as clx keeps them: private, write-ahead logged, versioned, migrated forward only."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from core.model.errors import StoreError

Synchronous = Literal["FULL", "NORMAL"]

_TRIES: Final = 5
"""Times a change of the journal mode is tried."""


def private_file(path: Path) -> None:
    """Create `path` if missing, readable by its owner alone, in a folder of the same kind.

    A file that is there is never opened: closing it would drop every lock this process has on it,
    and the next process to leave a database would throw away a log that is still written to
    (https://www.sqlite.org/howtocorrupt.html, 2.2).

    Raises:
        StoreError: It cannot be created, or is not a plain file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        if not path.is_file():
            raise IsADirectoryError(errno.EISDIR, "it is no plain file")
        if not os.access(path, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        path.chmod(0o600)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be opened for writing: {error.strerror or error}; "
            "make the file and its folder yours, or point clx to another data folder"
        ) from error


def open_database(
    path: Path,
    *,
    application_id: int,
    migrations: Sequence[str],
    synchronous: Synchronous,
    exclusive: bool,
    one_thread: bool = True,
    reclaim: bool = False,
) -> sqlite3.Connection:
    """Open or create a database of ours and bring its schema up to date.

    `migrations[n]` is the SQL script that leads from schema version n to n + 1; each runs in one
    transaction. The connection is in autocommit mode. With `one_thread` false the caller sees to it
    that only one thread uses the connection at a time; with `reclaim` a new file can give freed
    pages back to the disk (``PRAGMA incremental_vacuum``).

    Raises:
        StoreError: The file is not ours, is damaged, is locked or comes from a newer clx.
    """
    private_file(path)
    try:
        connection = sqlite3.connect(
            path, isolation_level=None, timeout=1.0, check_same_thread=one_thread
        )
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be opened: {error}") from error
    try:
        if exclusive:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        _check_ours(connection, path, application_id)
        if reclaim and not connection.execute("PRAGMA page_count").fetchone()[0]:
            # Only an empty file takes it, and the journal mode already writes the file. On a full
            # one it would wait for the lock of whoever is writing.
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        _log_ahead(connection)
        connection.execute(f"PRAGMA synchronous={synchronous}")
        _migrate(connection, path, application_id, migrations)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        # Of a damaged file even SQLite's words may be no text.
        connection.close()
        raise StoreError(f"{path} cannot be used: {error}; {_remedy(error, path)}") from error
    except StoreError:
        connection.close()
        raise
    return connection


def _log_ahead(connection: sqlite3.Connection) -> None:
    for left in reversed(range(_TRIES)):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            # Changing it does not wait for another process that changes it at this moment.
            if not left:
                raise
            time.sleep(0.02)
        else:
            return


def _check_ours(connection: sqlite3.Connection, path: Path, application_id: int) -> None:
    # Of one image, which the first table read takes: another process may be making the file.
    connection.execute("BEGIN")
    tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    found = int(connection.execute("PRAGMA application_id").fetchone()[0])
    connection.execute("COMMIT")
    if found != application_id and (found or tables):
        raise StoreError(
            f"{path} is not the clx file it should be: its application id is {found:#010x}, "
            f"not {application_id:#010x}; move it aside and start again"
        )


def _migrate(
    connection: sqlite3.Connection, path: Path, application_id: int, migrations: Sequence[str]
) -> None:
    version = _version(connection)
    if version > len(migrations):
        raise StoreError(
            f"{path} was written by a newer clx: its schema is {version}, this clx knows "
            f"{len(migrations)}; upgrade clx"
        )
    while version < len(migrations):
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE; {migrations[version]}; PRAGMA user_version={version + 1}; "
                f"PRAGMA application_id={application_id}; COMMIT;"
            )
        except sqlite3.OperationalError:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            # Another process that opened the file at the same time may have been first.
            if _version(connection) <= version:
                raise
        version = _version(connection)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _remedy(error: Exception, path: Path) -> str:
    if getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
        return "another process uses it; `clx daemon status` says whether an engine runs"
    if isinstance(error, sqlite3.OperationalError):
        return "free disk space or check the disk, then start again"
    return f"the file is damaged: move it aside ({path}.damaged) and start again"
