"""The venues' margin tiers as last told, kept across restarts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from core.model.errors import DataError
from core.model.tiers import MOST_TABLES, MarginTiers, checked
from store.atomic import write_atomically

_log: Final = logging.getLogger(__name__)


class _File(msgspec.Struct):
    """The file: tables, those learnt longest ago first."""

    version: int
    tables: list[MarginTiers]


class TierStore:
    """Reads the file once and writes it whole.

    A file that cannot be read is left out with a warning: the venues are asked anyway.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[MarginTiers]:
        """Return what was kept; nothing where there is no file, or one that makes no sense."""
        try:
            found = msgspec.json.decode(self._path.read_bytes(), type=_File).tables
            return [checked(table, str(table.instrument_id)) for table in found[-MOST_TABLES:]]
        except FileNotFoundError:
            return []
        except (OSError, DataError, msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.warning("%s cannot be read, its margin tiers are left out: %s", self._path, error)
            return []

    def write(self, tables: Sequence[MarginTiers]) -> None:
        """Write all tables; a disk that refuses is told in the log, and the next time is tried."""
        try:
            write_atomically(self._path, msgspec.json.encode(_File(version=1, tables=[*tables])))
        except OSError as error:
            _log.warning("%s cannot be written: %s", self._path, error.strerror)
