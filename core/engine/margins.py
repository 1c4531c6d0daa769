"""Keeps the venues' margin tiers of the contracts somebody looks at or holds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

import msgspec

from core.model.errors import ClxError, ConfigError, TemporaryError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.ports import Clock
from core.model.tiers import MarginTiers, TellsTiers, TierBook

_log: Final = logging.getLogger(__name__)
_S: Final = 1_000_000_000
LOOK_S: Final = 2.0
"""How often it is seen whether anything is missing; the venue is asked for that alone."""
FRESH_NS: Final = 6 * 3_600 * _S
"""As old as a listing may be."""
AGAIN_NS: Final = 60 * _S
"""When a venue that was away is asked again."""
REFUSED_NS: Final = 3_600 * _S
"""When one is that said no, or talked nonsense."""
AT_ONCE: Final = 20
"""Instruments asked for in one go; some venues tell of one at a time."""
_KINDS: Final = (InstrumentKind.PERPETUAL, InstrumentKind.FUTURE)


class MarginKeeper:
    """Asks for tiers that are missing or old, and says what it learnt."""

    def __init__(
        self,
        book: TierBook,
        wanted: Callable[[], Collection[Instrument]],
        tellers: Mapping[VenueName, Sequence[TellsTiers]],
        *,
        clock: Clock,
        told: Callable[[str, str], None],
        learned: Callable[[], None],
    ) -> None:
        """Ask nobody yet.

        Args:
            book: Where tables go.
            wanted: What somebody looks at or holds.
            tellers: Who is asked about the instruments of a feed, one after the other.
            clock: Whose time a table gets.
            told: Raises an alert; it is given a topic and what is wrong.
            learned: Called after the book got something new.
        """
        self._book = book
        self._wanted = wanted
        self._tellers = tellers
        self._clock = clock
        self._told = told
        self._learned = learned
        self._rests: dict[VenueName, int] = {}
        """When a venue may be asked again."""
        self._asked: dict[InstrumentId, int] = {}
        """When each was asked about."""

    async def run(self) -> None:
        """Keep looking, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Ask once for all that is missing."""
        missing: dict[VenueName, list[Instrument]] = {}
        now_ns = self._clock.now_ns()
        for item in self._wanted():
            if item.kind in _KINDS and self._is_due(item, now_ns):
                missing.setdefault(item.venue, []).append(item)
        for venue, items in missing.items():
            if self._rests.get(venue, 0) <= now_ns:
                await self._ask(venue, items[:AT_ONCE])

    def _is_due(self, item: Instrument, now_ns: int) -> bool:
        known = self._book.of(item.id)
        newest = max(known.ts_ns if known is not None else 0, self._asked.get(item.id, 0))
        return not newest or now_ns - newest >= FRESH_NS

    async def _ask(self, venue: VenueName, items: list[Instrument]) -> None:
        why: ClxError | None = None
        for teller in self._tellers.get(venue, ()):
            try:
                found = await teller.tiers(items)
            except ClxError as error:
                # The next one may know more; an answer that is none is worth more than a no.
                why = error if why is None or isinstance(why, ConfigError) else why
                continue
            self._take(items, found)
            return
        now_ns = self._clock.now_ns()
        away = isinstance(why, TemporaryError)
        self._rests[venue] = now_ns + (AGAIN_NS if away else REFUSED_NS)
        if why is None:
            return
        _log.info("margin tiers of %s: %s", venue, why)
        if not away and not isinstance(why, ConfigError):
            self._told("margin tiers", f"{why}; margin of {venue} is not by its tiers")

    def _take(self, items: Sequence[Instrument], found: Sequence[MarginTiers]) -> None:
        now_ns = self._clock.now_ns()
        self._asked.update((item.id, now_ns) for item in items)
        if found:
            self._book.learn(msgspec.structs.replace(table, ts_ns=now_ns) for table in found)
            self._learned()
