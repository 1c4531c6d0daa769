"""What an exchange remembers when its process dies: every command, in a file, before it is obeyed.

The market is deterministic: from the same seed and start, the same commands at the same times
lead to the same books, orders, fills, balances and ids. So a command is written down before it is
carried out, and whoever starts with the folder carries all of them out again.

::

    DIR/commands.jsonl   {"seed": 7, "started_ns": .., ..}                  the market, first line
                         {"at": ns, "venue": "binance", "what": "order", "args": {..}}
    DIR/now              8 bytes: how far the market had come, in ns

Both are with the kernel when a write returns: a killed process loses nothing, a machine without
power may. Sessions, logins, listen keys, request limits and faults that wait are not remembered.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

_LOG: Final = "commands.jsonl"
_NOW: Final = "now"
_STAMP: Final = struct.Struct("<q")


class Born(msgspec.Struct, frozen=True, kw_only=True):
    """What a market grows from."""

    seed: int
    started_ns: int
    history_days: int
    events_per_second: float
    venues: tuple[str, ...]


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was asked for, at a time of the market."""

    at: int
    venue: str = ""
    what: str
    args: dict[str, Any] = {}


class Diary:
    """The commands of one market, kept in a folder."""

    def __init__(self, folder: Path, born: Born) -> None:
        """Open or begin a diary.

        Raises:
            ValueError: The folder remembers another market.
            OSError: It cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / _LOG
        known = remembered(folder)
        if known is not None and known != born:
            raise ValueError(f"{folder} remembers another market: {known}, asked for was {born}")
        self._log = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._now = os.open(folder / _NOW, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.reading = False
        """What happens now was written before."""
        if known is None:
            os.ftruncate(self._log, 0)
            os.write(self._log, msgspec.json.encode(born) + b"\n")

    def write(self, command: Command) -> None:
        """Remember a command that is about to be carried out."""
        if not self.reading:
            os.write(self._log, msgspec.json.encode(command) + b"\n")

    def moved(self, now_ns: int) -> None:
        """Remember how far the market has come."""
        if not self.reading:
            os.pwrite(self._now, _STAMP.pack(now_ns), 0)

    def commands(self) -> Iterator[Command]:
        """Yield what was asked for, in order; half a line was never obeyed and is cut off."""
        raw = self._path.read_bytes()
        whole = raw.rfind(b"\n") + 1
        if whole < len(raw):
            os.ftruncate(self._log, whole)
        for line in raw[:whole].splitlines()[1:]:
            yield msgspec.json.decode(line, type=Command)

    def now_ns(self) -> int:
        """Return how far the market had come, 0 before it moved."""
        raw = os.pread(self._now, _STAMP.size, 0)
        return int(_STAMP.unpack(raw)[0]) if len(raw) == _STAMP.size else 0

    def close(self) -> None:
        """Release the files."""
        os.close(self._log)
        os.close(self._now)


def remembered(folder: Path) -> Born | None:
    """Return what the market of a folder grew from, None where none is remembered.

    Raises:
        ValueError: The file is none of a market.
    """
    try:
        with (folder / _LOG).open("rb") as file:
            line = file.readline()
    except FileNotFoundError:
        return None
    # Whoever died while it wrote its first line never answered anybody.
    return msgspec.json.decode(line, type=Born) if line.endswith(b"\n") else None
