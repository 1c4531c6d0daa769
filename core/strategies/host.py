"""The process a strategy lives in: ``python -m core.strategies.host --fd N``.

It holds no keys and no network of ours, only one socket to the engine. Memory, priority and the
engine's own death bound it; whatever it does, the engine and its orders go on.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import faulthandler
import gc
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Final

import msgspec

from core.model.errors import ConfigError
from core.model.turns import short_turns
from core.strategies.failure import failure
from core.strategies.frames import (
    Answer,
    FrameReader,
    FromHost,
    Raised,
    Ready,
    Start,
    Tell,
    ToHost,
    Unfit,
    pack,
)
from core.strategies.stage import Stage

NICENESS: Final = 5
"""A strategy yields to the engine."""
_PR_SET_PDEATHSIG: Final = 1
_SPARE_MB: Final = 32
"""Kept back so that running out of memory can still be reported."""


def main(arguments: list[str]) -> int:
    """Play one strategy until the engine hangs up; returns the exit status."""
    parser = argparse.ArgumentParser(prog="core.strategies.host")
    parser.add_argument("--fd", type=int, required=True, help="the socket to the engine")
    parser.add_argument("--parent", type=int, required=True, help="the engine's process id")
    options = parser.parse_args(arguments)
    _die_with(options.parent)
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=False)
    with socket.socket(fileno=options.fd) as engine:
        return _Host(engine).play()


class _Host:
    def __init__(self, engine: socket.socket) -> None:
        self._engine = engine
        self._reader = FrameReader()
        self._bodies: list[bytes] = []
        self._decoder: msgspec.msgpack.Decoder[ToHost] = msgspec.msgpack.Decoder(ToHost)

    def play(self) -> int:
        start = self._next()
        if not isinstance(start, Start):
            return 0
        cap_memory(start.assignment.memory_mb)
        try:
            stage = Stage(start.assignment)
        except ConfigError as error:
            self._say(Unfit(str(error)))
            return 0
        except MemoryError:
            _free_reserve()
            self._say(Unfit(_too_much(start.assignment.memory_mb)))
            return 0
        os.nice(NICENESS)
        # Yielding is about how much, not how soon: an answer that is due is waited for.
        short_turns()
        # What is alive now stays; looking through it for garbage would delay an answer by 10 ms.
        gc.collect()
        gc.freeze()
        self._say(Ready(stage.info))
        while isinstance(frame := self._next(), Tell):
            try:
                outputs = stage.handle(frame.message)
            except MemoryError as error:
                _free_reserve()
                where = failure(error, stage.source).partition(" (")[2]
                words = _too_much(start.assignment.memory_mb)
                self._say(Raised(f"{words} ({where}" if where else words))
                return 0
            except Exception as error:
                # The strategy is a plug-in: whatever it raises is reported, then it ends.
                self._say(Raised(failure(error, stage.source)))
                return 0
            self._say(Answer(outputs))  # type: ignore[arg-type]  # a stage never fails itself
        return 0

    def _next(self) -> Start | Tell | None:
        while not self._bodies:
            data = self._engine.recv(1 << 16)
            if not data:
                return None
            self._bodies = self._reader.feed(data)[::-1]
        return self._decoder.decode(self._bodies.pop())

    def _say(self, frame: FromHost) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._engine.sendall(pack(frame))


def cap_memory(memory_mb: int) -> None:
    """Let this process grow by `memory_mb` over what Python itself has mapped by now.

    Only Linux keeps this promise; elsewhere there is no such limit to set.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "linux":
        return
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGESIZE")
    soft = mapped + (memory_mb << 20)
    resource.setrlimit(resource.RLIMIT_AS, (soft, soft + (_SPARE_MB << 20)))


def _free_reserve() -> None:
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _too_much(memory_mb: int) -> str:
    return f"memory: it wanted more than its {memory_mb} MB"


def _die_with(parent: int) -> None:
    """Have the kernel end this process when the engine ends, however it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the engine is gone")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
