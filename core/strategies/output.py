"""What a strategy's process prints: logged within bounds, and read for where it crashed."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Final

_LINES: Final = 500
"""Lines logged of one life; a strategy that prints more is cut off, not slowed."""
_TAIL: Final = 8192
_PAUSE_S: Final = 0.05
"""Between reads, so that a flood costs the engine little."""
_FRAME: Final = re.compile(r'File "([^"]+)", line (\d+) in (\S+)')
_ENGINE: Final = re.compile(r"/core/strategies/(stage|host)\.py$|^<frozen")


class Output:
    """The printed lines of one strategy."""

    def __init__(self, strategy_id: str) -> None:
        self._id = strategy_id
        self._log = logging.getLogger("clx.strategies")
        self._tail = ""
        self._partial = ""
        self._lines = 0
        self._changed = asyncio.Event()
        self._closed = asyncio.Event()

    async def follow(self, stream: asyncio.StreamReader | None) -> None:
        """Read until the process closes its output."""
        while stream is not None and (data := await stream.read(1 << 16)):
            self._take(data.decode("utf-8", "replace"))
            self._changed.set()
            await asyncio.sleep(_PAUSE_S)
        self._closed.set()
        self._changed.set()

    async def settle(self, timeout_s: float = 0.5) -> None:
        """Wait for what a process that ended still had to say."""
        try:
            await asyncio.wait_for(self._closed.wait(), timeout_s)
        except TimeoutError:
            return

    async def traceback(self, source: str, timeout_s: float) -> str:
        """Wait for a dumped traceback and return its innermost line, best of all in `source`."""
        before = self._tail
        try:
            async with asyncio.timeout(timeout_s):
                while not (frames := _FRAME.findall(self._tail.removeprefix(before))):
                    if self._closed.is_set():
                        return ""
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return ""
        own = [frame for frame in frames if frame[0].endswith(source.lstrip("."))]
        return _place((own or frames)[0])

    def crash(self) -> str:
        """Return where a fatal signal struck, if the process could still say."""
        if "Fatal Python error" not in self._tail:
            return ""
        frames = _FRAME.findall(self._tail.rpartition("Fatal Python error")[2])
        own = [frame for frame in frames if not _ENGINE.search(frame[0])]
        return _place(own[0]) if own else ""

    def _take(self, text: str) -> None:
        self._tail = (self._tail + text)[-_TAIL:]
        *lines, self._partial = (self._partial + text).split("\n")
        self._partial = self._partial[-_TAIL:]
        for line in lines:
            self._lines += 1
            if self._lines <= _LINES:
                self._log.info("%s: %s", self._id, line[:500])
            elif self._lines == _LINES + 1:
                self._log.warning("%s: printed %d lines, the rest is left out", self._id, _LINES)


def _place(frame: tuple[str, str, str]) -> str:
    return f"{frame[0]}, line {frame[1]}, in {frame[2]}"
