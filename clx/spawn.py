"""Starts the engine process and finds out whether one runs; light, for the first paint's sake."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

from core.model.errors import LinkError
from store.paths import Paths


class Starting:
    """An engine process that was started, or one that ran already."""

    def __init__(self, process: subprocess.Popen[bytes] | None, log: Path) -> None:
        self.process = process
        self.log = log

    def why_not(self) -> str:
        """Return why the started engine is gone, in its own last words; empty while it lives."""
        if self.process is None or self.process.poll() in (None, 0):
            return ""
        return f"the engine stopped: {last_words(self.log)}"


def engine_answers(path: Path) -> bool:
    """Return whether something listens on the engine's socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def alive(pid: int) -> bool:
    """Return whether a process runs; one that has ended and waits for its parent does not.

    In a container nobody may ever collect it, and a signal would still find it.
    """
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except ProcessLookupError:
        return False
    except OSError:
        # Somebody else's, or a system without /proc.
        return True
    return state[:1] != ["Z"]


def start_engine(paths: Paths, passphrase: str = "") -> Starting:
    """Start an engine in a session of its own unless one answers; does not wait for it.

    A passphrase reaches it through a pipe: neither its arguments nor its environment hold it.

    Raises:
        LinkError: The process could not be started.
    """
    if engine_answers(paths.socket):
        return Starting(None, paths.engine_log)
    try:
        descriptor = os.open(paths.engine_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise LinkError(f"cannot write {paths.engine_log}: {error.strerror}") from None
    with os.fdopen(descriptor, "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "clx.daemon"],
            stdin=subprocess.PIPE if passphrase else subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env={**os.environ, "CLX_PASSPHRASE_FILE": "/dev/stdin"} if passphrase else None,
        )
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(f"{passphrase}\n".encode())
    return Starting(process, paths.engine_log)


def last_words(log: Path) -> str:
    """Return the last line of a log that says something, without colour or time."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError as error:
        return f"its log {log} cannot be read: {error.strerror}"
    return lines[-1].strip() if lines else f"its log {log} is empty"
