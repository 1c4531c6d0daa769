"""Processes that are forked, end with their parent, and say how it went over a pipe."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import struct
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

from bench.lapse import Life

SIZE = struct.Struct("<I")
"""Before a pickle, its length."""


class Told(NamedTuple):
    """What a process said before its end."""

    passed: list[str]
    flaws: list[str]
    unheard: bool = False


class Mortal(Life):
    """A life whose end is the process's."""

    def boundary(self, name: str) -> None:
        """Pass a write, or die at it; nothing else counts."""
        if "bytes" in name or "journal" in name or "diary" in name:
            super().boundary(name)

    def kill(self) -> None:
        """Die now."""
        os.kill(os.getpid(), signal.SIGKILL)


def fork(work: Callable[[int], None]) -> tuple[int, int]:
    """Start a process that gets a pipe to write to; return its id and the pipe's other end.

    It ends with its parent.
    """
    read, write = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child:
        os.close(write)
        return child, read
    status = 1
    try:
        os.close(read)
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        if os.getppid() == parent:
            work(write)
            status = 0
    except BaseException:
        send(write, Told([], [traceback.format_exc()]))
    finally:
        os._exit(status)


def send(pipe: int, message: Any) -> None:
    """Write a message to a pipe."""
    raw = pickle.dumps(message)
    os.write(pipe, SIZE.pack(len(raw)) + raw)


def receive(pipe: int) -> Any:
    """Read a message from a pipe, None at its end."""
    head = _exactly(pipe, SIZE.size)
    return pickle.loads(_exactly(pipe, SIZE.unpack(head)[0])) if head else None


def _exactly(pipe: int, size: int) -> bytes:
    """Read so many bytes, nothing at the end."""
    parts = bytearray()
    while len(parts) < size:
        part = os.read(pipe, size - len(parts))
        if not part:
            return b""
        parts += part
    return bytes(parts)
