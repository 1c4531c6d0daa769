"""Named lists of instruments beside the watchlist."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from core.model.errors import ConfigError, did_you_mean
from core.model.ids import InstrumentId
from core.model.views import WatchGroup

MAX_GROUPS: Final = 50
MAX_INSTRUMENTS: Final = 500
"""Instruments of one group."""
MAX_NAME: Final = 24
RESERVED: Final = "watchlist"
"""What the list that is always watched is called."""


class Groups:
    """Groups by name, in the order they were made."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[InstrumentId, ...]] = {}

    def views(self) -> tuple[WatchGroup, ...]:
        """Return all groups as clients see them."""
        return tuple(WatchGroup(name=name, instruments=of) for name, of in self._known.items())

    def names(self) -> set[InstrumentId]:
        """Return the instruments of all groups."""
        return set().union(*self._known.values())

    def restore(self, groups: Iterable[WatchGroup]) -> None:
        """Take the groups kept from an earlier session."""
        self._known = {group.name: group.instruments for group in groups}

    def add(self, name: str) -> str:
        """Make an empty group and return its name as kept.

        Raises:
            ConfigError: The name is taken or cannot be one, or there are too many groups.
        """
        name = self._new_name(name)
        if len(self._known) >= MAX_GROUPS:
            raise ConfigError(f"there are {MAX_GROUPS} groups already; remove one first")
        self._known[name] = ()
        return name

    def rename(self, name: str, to: str) -> str:
        """Give a group another name, in its place, and return the name as kept.

        Raises:
            ConfigError: There is no such group, or the new name is taken or cannot be one.
        """
        self._group(name)
        to = to.strip()
        if to != name:
            to = self._new_name(to)
        self._known = {to if key == name else key: of for key, of in self._known.items()}
        return to

    def remove(self, name: str) -> int:
        """Remove a group and return how many instruments were in it.

        Raises:
            ConfigError: There is no such group.
        """
        count = len(self._group(name))
        del self._known[name]
        return count

    def put(self, name: str, instrument_id: InstrumentId) -> bool:
        """Add an instrument; return False where it was in the group already.

        Raises:
            ConfigError: There is no such group, or it is full.
        """
        known = self._group(name)
        if instrument_id in known:
            return False
        if len(known) >= MAX_INSTRUMENTS:
            raise ConfigError(f"group {name!r} has {MAX_INSTRUMENTS} instruments; no more fit")
        self._known[name] = (*known, instrument_id)
        return True

    def take(self, name: str, instrument_id: InstrumentId) -> None:
        """Remove an instrument from a group.

        Raises:
            ConfigError: There is no such group, or the instrument is not in it.
        """
        known = self._group(name)
        if instrument_id not in known:
            hint = did_you_mean(instrument_id, known)
            raise ConfigError(f"{instrument_id!r} is not in group {name!r}{hint}")
        self._known[name] = tuple(item for item in known if item != instrument_id)

    def _group(self, name: str) -> tuple[InstrumentId, ...]:
        known = self._known.get(name)
        if known is None:
            raise ConfigError(f"no group is called {name!r}{did_you_mean(name, self._known)}")
        return known

    def _new_name(self, name: str) -> str:
        name = name.strip()
        if not name or len(name) > MAX_NAME or not name.isprintable():
            raise ConfigError(
                f"a group's name must be 1 to {MAX_NAME} printable characters, was {name!r}"
            )
        if name.casefold() in {RESERVED, *(known.casefold() for known in self._known)}:
            raise ConfigError(f"there is a group called {name!r} already; choose another name")
        return name
