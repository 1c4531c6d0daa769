"""Who is at the other end of the engine's socket, as the system knows it."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
from pathlib import Path
from typing import Final

from core.model.audit import Client

_PROC: Final = Path("/proc")
_LOCAL_PEERPID: Final = 2
"""macOS, <sys/un.h>; not in Python's socket module."""
_SSH: Final = b"SSH_CONNECTION="
_MAJOR_PTS: Final = range(136, 144)


def client_of(peer: socket.socket, uid: int) -> Client:
    """Return what is known of the process that connected; what is not stays empty.

    The kernel names the process of the time it connected; its program, terminal and SSH session
    are read once, while it waits for its welcome.
    """
    return _known(_pid(peer), uid)


def this_client() -> Client:
    """Return what is known of this process, for what it changes without an engine."""
    return _known(os.getpid(), os.getuid())


def _known(pid: int, uid: int) -> Client:
    if pid <= 0 or not _PROC.is_dir():
        return Client(uid=uid, pid=max(pid, 0))
    folder = _PROC / str(pid)
    exe = ""
    with contextlib.suppress(OSError):
        exe = str((folder / "exe").readlink())
    return Client(uid=uid, pid=pid, exe=exe, tty=_tty(folder), ssh=_ssh(folder))


def _pid(peer: socket.socket) -> int:
    try:
        if sys.platform == "darwin":
            return int(struct.unpack("=i", peer.getsockopt(0, _LOCAL_PEERPID, 4))[0])
        size = struct.calcsize("=iII")
        return int(
            struct.unpack("=iII", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))[0]
        )
    except OSError:
        return 0


def _tty(folder: Path) -> str:
    """Return the controlling terminal: field 7 of ``/proc/PID/stat``, as `proc_pid_stat(5)` says.

    ::

        4711 (clx) S 4700 4711 4700 34819 4711 ...      34819 is device 136,3: /dev/pts/3
    """
    try:
        words = (folder / "stat").read_text().rpartition(")")[2].split()
        device = int(words[4])
    except (OSError, ValueError, IndexError):
        return ""
    major, minor = os.major(device), os.minor(device)
    if major in _MAJOR_PTS:
        return f"/dev/pts/{minor + 256 * (major - _MAJOR_PTS.start)}"
    return f"/dev/tty{minor}" if major == 4 and minor < 64 else ""


def _ssh(folder: Path) -> str:
    """Return the address an SSH session came from; nothing else of the environment is kept."""
    try:
        variables = (folder / "environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    for variable in variables:
        if variable.startswith(_SSH):
            words = variable[len(_SSH) :].decode("ascii", "replace").split()
            return words[0][:64] if words else ""
    return ""
