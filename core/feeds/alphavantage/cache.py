"""Answers that stay true, kept on disk: each of them was one of a day's few questions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import msgspec

from core.model.errors import StoreError
from core.model.ports import Clock

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")


class _Kept(msgspec.Struct):
    asked_ns: int
    body: bytes


class AnswerCache:
    """Keeps bodies by name in a folder.

    Args:
        folder: Made when the first answer is kept.
        clock: Stamps what is kept.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock

    def get(self, name: str, max_age_ns: int | None = None) -> bytes | None:
        """Return what was kept; None: nothing, or nothing young enough, or the file is damaged."""
        try:
            kept = msgspec.msgpack.decode(self._path(name).read_bytes(), type=_Kept)
        except (OSError, msgspec.DecodeError):
            return None  # It is asked for again, which costs a question and no more.
        if max_age_ns is not None and self._clock.now_ns() - kept.asked_ns > max_age_ns:
            return None
        return kept.body

    def put(self, name: str, body: bytes) -> None:
        """Keep a body.

        Raises:
            StoreError: The disk does not take it.
        """
        path = self._path(name)
        fresh = path.with_suffix(".new")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(msgspec.msgpack.encode(_Kept(self._clock.now_ns(), body)))
            fresh.replace(path)
        except OSError as error:
            raise StoreError(f"answer cannot be kept at {path}: {error}") from None

    def _path(self, name: str) -> Path:
        return self._folder / f"{_UNSAFE.sub('_', name)}.answer"
