"""The engine's socket on disk: who may hold it, who may use it."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from core.model.errors import ConfigError

_MAX_PATH_BYTES: Final = 103
"""The shortest limit of the systems we run on (macOS: 104 with the final zero)."""


class SocketFile:
    """Hold a unix socket path as its only engine.

    A lock file beside the socket says who holds it. The system drops the lock when its process
    dies, however it dies, so a socket without a held lock is a leftover and is replaced.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock_path = path.with_name(path.name + ".lock")
        self._lock: int | None = None
        self._socket: socket.socket | None = None

    def bind(self) -> socket.socket:
        """Take the path and return a bound socket, mode 0600, not listening yet.

        Raises:
            ConfigError: Another engine holds it (named by pid), or the folder is not private.
        """
        if len(os.fsencode(self.path)) > _MAX_PATH_BYTES:
            raise ConfigError(
                f"socket path must be at most {_MAX_PATH_BYTES} bytes, was"
                f" {len(os.fsencode(self.path))}: {self.path}; set XDG_RUNTIME_DIR to a shorter one"
            )
        _make_private_folder(self.path.parent)
        self._take_lock()
        self.path.unlink(missing_ok=True)
        held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket = held
        held.setblocking(False)
        held.bind(str(self.path))
        # Nobody can connect before listen(), so there is no moment with a wider mode.
        self.path.chmod(0o600)
        return held

    def release(self) -> None:
        """Remove the socket and let another engine take the path."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self.path.unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def _take_lock(self) -> None:
        lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = os.pread(lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(lock)
            raise ConfigError(
                f"an engine is already running as pid {pid} on {self.path};"
                " attach to it with `clx attach` or stop it with `clx daemon stop`"
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        self._lock = lock


def holder_pid(path: Path) -> int | None:
    """Return the pid of the engine that holds a socket path, None when none does."""
    try:
        lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        text = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
        return int(text) if text.isdigit() else None
    else:
        return None
    finally:
        os.close(lock)


def peer_uid_of(peer: socket.socket) -> int:
    """Return the user id at the other end of a unix socket, as the system knows it."""
    if sys.platform == "darwin":
        # struct xucred: version, uid, groups; the names are not in Python's socket module.
        return int(struct.unpack_from("=II", peer.getsockopt(0, 1, 76))[1])
    size = struct.calcsize("=iII")
    return int(
        struct.unpack("=iII", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))[1]
    )


def _make_private_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = folder.stat()
    if facts.st_uid != os.getuid():
        raise ConfigError(
            f"socket folder {folder} must belong to user {os.getuid()}, was {facts.st_uid}'s;"
            " set XDG_RUNTIME_DIR to a folder of your own"
        )
    if facts.st_mode & 0o022:
        raise ConfigError(
            f"socket folder {folder} must be writable by its owner only, was mode"
            f" {facts.st_mode & 0o777:o}; run chmod 700 {folder}"
        )
