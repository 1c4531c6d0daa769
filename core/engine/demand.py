"""Who wants which data: nothing is subscribed that nobody looks at."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeAlias

import msgspec

from core.model.ids import InstrumentId
from core.model.market import Timeframe

Series: TypeAlias = tuple[InstrumentId, Timeframe]


class Changes(msgspec.Struct, frozen=True):
    """What to subscribe and unsubscribe now, in a stable order."""

    added: tuple[InstrumentId, ...]
    removed: tuple[InstrumentId, ...]


class Demand:
    """Wants by name. What nobody wants any more lingers, for a face that pages back and forth."""

    def __init__(self, linger_ns: int = 30_000_000_000) -> None:
        self._linger_ns = linger_ns
        self._instruments: dict[str, frozenset[InstrumentId]] = {}
        self._series: dict[str, frozenset[Series]] = {}
        self._active: set[InstrumentId] = set()
        self._leaving: dict[InstrumentId, int] = {}

    def want(
        self, who: str, instruments: Collection[InstrumentId], series: Collection[Series] = ()
    ) -> None:
        """Replace what `who` wants: instruments' live data, and histories of bars."""
        self._instruments[who] = frozenset(instruments) | {name for name, _ in series}
        self._series[who] = frozenset(series)

    def drop(self, who: str) -> None:
        """Forget `who`."""
        self._instruments.pop(who, None)
        self._series.pop(who, None)

    @property
    def active(self) -> set[InstrumentId]:
        """The instruments subscribed."""
        return self._active

    def series(self) -> list[Series]:
        """Return the bar histories wanted, in a stable order."""
        return sorted(set().union(*self._series.values()))

    def settle(self, now_ns: int) -> Changes:
        """Return what changed since the last call; wants given up go after lingering."""
        wanted: set[InstrumentId] = set().union(*self._instruments.values())
        added = wanted - self._active
        for name in self._active - wanted:
            self._leaving.setdefault(name, now_ns + self._linger_ns)
        for name in wanted & self._leaving.keys():
            del self._leaving[name]
        removed = {name for name, until in self._leaving.items() if until <= now_ns}
        for name in removed:
            del self._leaving[name]
        self._active |= added
        self._active -= removed
        return Changes(tuple(sorted(added)), tuple(sorted(removed)))
