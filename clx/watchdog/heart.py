"""The engine's side: starts its watchdog, and lets it hear that the loop still turns.

Beats are lines on the watchdog's stdin, which is also how the passphrase of the key file gets
there: neither arguments nor environment ever hold it. ::

    {"engine_pid": 71, "passphrase": ""}
    beat 0.4 running
    bye
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Final

import msgspec

from store.paths import Paths
from store.secrets.passphrase import VARIABLE

BEAT_S: Final = 0.5
STDIN: Final = "/dev/stdin"


class Greeting(msgspec.Struct, frozen=True, kw_only=True):
    """The first line a watchdog is sent."""

    engine_pid: int
    passphrase: str = ""

    def __repr__(self) -> str:
        """Leave the secret out."""
        return f"Greeting(engine_pid={self.engine_pid})"


class Heart:
    """Beats for as long as the loop turns."""

    def __init__(self, paths: Paths, passphrase: str = "") -> None:
        self._paths = paths
        self._passphrase = passphrase
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start a watchdog in a session of its own, so that it outlives what kills the engine.

        Raises:
            OSError: The process could not be started.
        """
        log = self._paths.data / "watchdog.log"
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "clx", "watchdog"],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                start_new_session=True,
                cwd="/",
            )
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        greeting = Greeting(engine_pid=os.getpid(), passphrase=self._passphrase)
        self._say(msgspec.json.encode(greeting))

    async def beat(self, phase: Callable[[], str], told: Callable[[str], None]) -> None:
        """Beat until cancelled; a watchdog that has gone is told of and started again."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            lag_ms = max(0.0, loop.time() - due) * 1e3
            if self._process is not None and self._process.poll() is not None:
                told(f"the watchdog ended with {self._process.returncode}; it is started again")
                with contextlib.suppress(OSError):
                    self.start()
            self._say(f"beat {lag_ms:.1f} {phase().split(':')[0]}".encode())
            due = loop.time() + BEAT_S
            await asyncio.sleep(BEAT_S)

    def farewell(self) -> None:
        """Say that the engine ends because it was asked to."""
        self._say(b"bye")
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def _say(self, line: bytes) -> None:
        """Write a line if there is room; a watchdog that does not read must not stop the engine."""
        if self._process is None or self._process.stdin is None or self._process.stdin.closed:
            return
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self._process.stdin.fileno(), line + b"\n")


def take_passphrase() -> str:
    """Return the passphrase that was piped to this process, and leave it there to be read again."""
    if os.environ.get(VARIABLE) != STDIN:
        return ""
    text = sys.stdin.buffer.read(4097)
    reading, writing = os.pipe()
    os.write(writing, text)
    os.close(writing)
    os.dup2(reading, 0)
    os.close(reading)
    return text.decode(errors="replace").rstrip("\n")
