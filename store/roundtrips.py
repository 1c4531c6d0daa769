"""The round trips to venues measured here, the newest of each kind, kept across restarts."""

from __future__ import annotations

import logging
from collections import deque
from pathlib import Path
from typing import Final

import msgspec

from store.atomic import write_atomically

MOST: Final = 2_000
"""Round trips kept per venue and kind."""
_log: Final = logging.getLogger(__name__)


class _File(msgspec.Struct):
    """The file: nanoseconds by venue and kind, oldest first."""

    version: int
    venues: dict[str, dict[str, list[int]]]


class RoundTripStore:
    """Reads the file once, adds to it in memory, writes it whole.

    A file that cannot be read is begun anew, with a warning: nothing depends on it but a guess at
    how long messages take.
    """

    def __init__(self, path: Path) -> None:
        """Read what there is."""
        self._path = path
        self._trips: dict[str, dict[str, deque[int]]] = {}
        self.changed = False
        """Whether anything is not in the file yet."""
        try:
            found = msgspec.json.decode(path.read_bytes(), type=_File)
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.warning("%s cannot be read and is begun anew: %s", path, error)
            return
        for venue, kinds in found.venues.items():
            self._trips[venue] = {kind: deque(ns, MOST) for kind, ns in kinds.items()}

    def add(self, venue: str, kind: str, ns: int) -> None:
        """Note a round trip."""
        kinds = self._trips.setdefault(venue, {})
        kinds.setdefault(kind, deque(maxlen=MOST)).append(ns)
        self.changed = True

    def of(self, venue: str) -> dict[str, list[int]]:
        """Return what was measured at a venue by kind, oldest first."""
        return {kind: list(ns) for kind, ns in self._trips.get(venue, {}).items()}

    def venues(self) -> list[str]:
        """Return the venues anything was measured at, by name."""
        return sorted(self._trips)

    def image(self) -> bytes:
        """Return the file as it should be now; it is taken to be written."""
        self.changed = False
        return msgspec.json.encode(
            _File(version=1, venues={venue: self.of(venue) for venue in self.venues()})
        )

    def write(self, image: bytes) -> None:
        """Write an image; a disk that refuses is told in the log, and the next one is tried."""
        try:
            write_atomically(self._path, image)
        except OSError as error:
            self.changed = True
            _log.warning("%s cannot be written: %s", self._path, error.strerror)
