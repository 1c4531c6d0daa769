"""Instruments that no listing has and somebody names: options on shares, found by their names.

::

    a command names one ──► asked before it is carried out
    a client looks at one, or one is held or watched ──► asked in the background ──► learned
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Mapping
from typing import Final

from core.model.commands import Command
from core.model.errors import ClxError, TemporaryError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.ports import Feed, LooksUp
from core.wire.backoff import Backoff

TIMEOUT_S: Final = 10.0
_MOST: Final = 1_000
"""Names a venue did not have, remembered so that no screen asks for one again and again."""


class LookUps:
    """Asks feeds for what their listings leave out.

    Args:
        known: Whether the market has an instrument.
        learned: Takes what was found.
        told: Hears in words why something could not be asked for.
    """

    def __init__(
        self,
        feeds: Mapping[VenueName, Feed],
        known: Callable[[InstrumentId], bool],
        learned: Callable[[list[Instrument]], None],
        told: Callable[[str, str], None],
        rng: random.Random,
    ) -> None:
        self._feeds = feeds
        self._known = known
        self._learned = learned
        self._told = told
        self._rng = rng
        self._wished: dict[InstrumentId, None] = {}
        self._absent: dict[InstrumentId, None] = {}
        self._more = asyncio.Event()

    async def bring(self, names: Collection[InstrumentId]) -> None:
        """Ask for what the market does not have, and learn it.

        Raises:
            TemporaryError: A venue did not answer.
            DataError: Its answer is not what it documents.
        """
        found = await self.find(names)
        if found:
            self._learned(found)

    async def find(self, names: Collection[InstrumentId]) -> list[Instrument]:
        """Return what venues list of the names that the market does not have.

        Raises:
            TemporaryError: A venue did not answer.
            DataError: Its answer is not what it documents.
        """
        out: list[Instrument] = []
        for name in names:
            feed = self._feeds.get(VenueName(name.rpartition(".")[2]))
            if self._known(name) or not isinstance(feed, LooksUp):
                continue
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    out += await feed.look_up(name)
            except TimeoutError:
                raise TemporaryError(
                    f"{name} could not be looked up: no answer within {TIMEOUT_S:g} s"
                ) from None
        return out

    def wish(self, names: Collection[InstrumentId]) -> None:
        """Have names asked for soon, each once."""
        fresh = [name for name in names if name not in self._absent and not self._known(name)]
        if fresh and len(self._wished) < _MOST:
            self._wished.update(dict.fromkeys(fresh))
            self._more.set()

    async def run(self) -> None:
        """Ask for what is wished for, until cancelled."""
        backoff = Backoff(self._rng, first_s=0.5, max_s=15.0)
        while True:
            while not self._wished:
                self._more.clear()
                await self._more.wait()
            name = next(iter(self._wished))
            del self._wished[name]
            try:
                await self.bring([name])
            except TemporaryError as error:
                self._told("look-up", f"{error}; trying again")
                self._wished[name] = None
                await asyncio.sleep(backoff.next_s())
                continue
            except ClxError as error:
                self._told("look-up", f"{name}: {error}")
            backoff.reset()
            if not self._known(name) and len(self._absent) < _MOST:
                self._absent[name] = None


def named(command: Command) -> list[InstrumentId]:
    """Return the instruments a command names."""
    one: InstrumentId | None = getattr(command, "instrument", None)
    many: Collection[InstrumentId] = (
        getattr(command, "instruments", None) or getattr(command, "names", None) or ()
    )
    return [*many, *([one] if one is not None else [])]
