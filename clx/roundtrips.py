"""Has the engine's round trips measured and kept."""

from __future__ import annotations

import asyncio
from typing import Final

from core.engine.engine import Engine
from core.model.ids import VenueName
from core.model.settings import Settings
from core.venues.kinds import market_of
from store.roundtrips import RoundTripStore

EVERY_S: Final = 10.0
"""How often what was measured is written; a kill loses as much."""
SIM: Final = "sim-"
"""Before the names of venues that are an emulator's: paper trading draws nothing from them."""


class RoundTripKeeper:
    """Takes round trips on the engine's loop and writes them beside it."""

    def __init__(self, engine: Engine, store: RoundTripStore, settings: Settings) -> None:
        """Begin to measure; on paper nothing is, for those round trips are drawn."""
        self._store = store
        self._settings = settings
        self._later: asyncio.TimerHandle | None = None
        self._writing: asyncio.Future[None] | None = None
        if settings.mode != "paper":
            engine.kernel.desk.measure(self._take)

    def close(self) -> None:
        """Write what is not written yet."""
        if self._later is not None:
            self._later.cancel()
        if self._store.changed:
            self._store.write(self._store.image())

    def _take(self, account: VenueName, kind: str, ns: int) -> None:
        table = self._settings.venues.get(account)
        market = account if table is None else market_of(account, table)
        self._store.add(f"{SIM if self._settings.mode == 'sim' else ''}{market}", kind, ns)
        if self._later is None:
            self._later = asyncio.get_running_loop().call_later(EVERY_S, self._write)

    def _write(self) -> None:
        self._later = None
        loop = asyncio.get_running_loop()
        self._writing = loop.run_in_executor(None, self._store.write, self._store.image())
