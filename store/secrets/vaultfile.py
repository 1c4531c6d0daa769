"""The encrypted file as a vault: locked while it is changed, written whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from core.model.credentials import AccountName
from core.model.errors import ConfigError, DataError, StoreError
from store.atomic import write_atomically
from store.secrets.entry import Entry, decode, encode
from store.secrets.passphrase import PassphraseSource
from store.secrets.sealed import MAX_BYTES, Cost, seal, unseal

MODE: Final = 0o600


class FileVault:
    """Accounts in one encrypted file; a `store.secrets.accounts.Vault`.

    What cannot be read is never written over: a wrong passphrase or a damaged file leaves
    everything as it was.
    """

    kind = "file"

    def __init__(self, path: Path, source: PassphraseSource, cost: Cost = Cost()) -> None:  # noqa: B008  frozen
        self.path = path
        self._source = source
        self._cost = cost
        self._passphrase = ""
        self._read_last: tuple[bytes, list[Entry]] = (b"", [])
        """The file as it was read last, and what it said: opening it takes half a second."""

    def __repr__(self) -> str:
        return f"FileVault({str(self.path)!r})"

    def exists(self) -> bool:
        """Return whether anything is kept here, without unlocking it."""
        return self.path.exists()

    def entries(self) -> list[Entry]:
        """Return every account, [] while there is no file.

        Raises:
            ConfigError: The passphrase is missing or wrong, or the file is open to others.
            StoreError: The file is damaged or cannot be read.
        """
        file = self._read()
        if file is None:
            return []
        if file == self._read_last[0]:
            return list(self._read_last[1])
        passphrase = self._passphrase or self._source.read(self.path, new=False)
        try:
            entries = decode(unseal(file, passphrase))
        except ConfigError as error:
            raise ConfigError(f"{self.path}: {error}") from None
        except DataError as error:
            raise StoreError(
                f"{self.path}: {error}. Nothing was changed; put a copy of it back, or move it "
                "away and `clx keys add` its accounts again"
            ) from None
        self._passphrase = passphrase
        self._read_last = (file, entries)
        return list(entries)

    def put(self, entry: Entry) -> None:
        """Keep an account, in place of one of its name.

        Raises:
            ConfigError: As `entries`; or the passphrase of a new file is too short.
            StoreError: It is not on disk; what was there before still is.
        """
        with self._lock():
            rest = [kept for kept in self.entries() if kept.account != entry.account]
            self._write([*rest, entry])

    def remove(self, account: AccountName) -> bool:
        """Forget an account; return whether it was there. Raises as `put`."""
        with self._lock():
            entries = self.entries()
            rest = [kept for kept in entries if kept.account != account]
            if len(rest) == len(entries):
                return False
            self._write(rest)
            return True

    def _read(self) -> bytes | None:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{self.path} cannot be read: {error.strerror}") from None
        with os.fdopen(descriptor, "rb") as file:
            facts = os.fstat(descriptor)
            _refuse_unless_private(self.path, facts)
            if facts.st_size > MAX_BYTES:
                raise StoreError(
                    f"{self.path} must be at most {MAX_BYTES} bytes, was {facts.st_size}; it is no "
                    "key file of clx"
                )
            return file.read()

    def _write(self, entries: list[Entry]) -> None:
        if not self._passphrase:
            self._passphrase = self._source.read(self.path, new=True)
        sealed = seal(encode(entries), self._passphrase, self._cost)
        for stale in self.path.parent.glob(f".{self.path.name}.*"):
            # Of a process that was killed while it wrote: we hold the lock, so nobody's.
            stale.unlink(missing_ok=True)
        try:
            write_atomically(self.path, sealed, MODE)
            _sync_folder(self.path.parent)
        except OSError as error:
            raise StoreError(
                f"{self.path} cannot be written: {error.strerror}; it is as it was before. Free "
                "disk space or make the folder writable, then try again"
            ) from None

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Let one process at a time change the file."""
        path = self.path.with_name(self.path.name + ".lock")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
        except OSError as error:
            raise StoreError(f"{path} cannot be made: {error.strerror}") from None
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise StoreError(
                    f"another clx is changing {self.path}; try again when it is done"
                ) from None
            yield
        finally:
            os.close(lock)


def _refuse_unless_private(path: Path, facts: os.stat_result) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise ConfigError(f"{path} must be a plain file")
    if facts.st_uid != os.getuid():
        raise ConfigError(f"{path} must be yours (uid {os.getuid()}), was uid {facts.st_uid}'s")
    if facts.st_mode & 0o077:
        raise ConfigError(
            f"{path} must be readable and writable by you alone, was mode"
            f" {facts.st_mode & 0o777:04o}; run chmod 600 {path}, and think of the keys in it as"
            " known to whoever could read it"
        )


def _sync_folder(folder: Path) -> None:
    """Make the new name itself durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
