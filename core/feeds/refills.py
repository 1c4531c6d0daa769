"""Trades that never came are fetched: the venue's answers go the way of all frames.

So they stand on the tape, the decoder reads them and the gate takes what it lacks, each once.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Final

from core.feeds.dialect import Dialect
from core.model.errors import ClxError, OutcomeUnknown, RateLimited, TemporaryError
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.ports import Clock, FrameSink
from core.model.stores import TradeHole
from core.wire.backoff import Backoff

MOST_HOLES: Final = 256
"""Holes that wait at once."""

MOST_TRADES: Final = 50_000
"""A larger hole is left to the bars of the venue's history."""

ATTEMPTS: Final = 5


class Refills:
    """Asks a venue for what was lost, one page after the other.

    Args:
        dialect: Knows how to ask.
        clock: Stamps what is received.
        rng: Jitters the back-off.
    """

    def __init__(self, dialect: Dialect, *, clock: Clock, rng: random.Random) -> None:
        self._dialect = dialect
        self._clock = clock
        self._rng = rng
        self._waiting: asyncio.Queue[tuple[InstrumentId, TradeHole]] = asyncio.Queue(MOST_HOLES)

    def request(self, name: InstrumentId, hole: TradeHole) -> None:
        """Have a hole filled; returns at once."""
        if hole.trades <= MOST_TRADES and not self._waiting.full():
            self._waiting.put_nowait((name, hole))

    async def run(
        self, following: Callable[[InstrumentId], Instrument | None], sink: FrameSink
    ) -> None:
        """Fetch until cancelled; `following` returns an instrument that is wanted still."""
        page = self._dialect.missed_page
        while True:
            name, hole = await self._waiting.get()
            for first in range(hole.first_id, hole.last_id + 1, page):
                part = TradeHole(
                    first, min(first + page - 1, hole.last_id), hole.start_ns, hole.end_ns
                )
                item = following(name)
                if item is None or not await self._fetch(item, part, sink):
                    break

    async def _fetch(self, item: Instrument, hole: TradeHole, sink: FrameSink) -> bool:
        """Have one page come; False: there is none to be had."""
        backoff = Backoff(self._rng, first_s=0.5, max_s=15.0)
        for _ in range(ATTEMPTS):
            try:
                answer = await self._dialect.missed(item, hole)
            except (TemporaryError, RateLimited, OutcomeUnknown) as error:
                asked_s = error.retry_after_s if isinstance(error, RateLimited) else 0.0
                await asyncio.sleep(max(asked_s, backoff.next_s()))
                continue
            except ClxError:
                # A definite no; bars of that time come from the venue's history in any case.
                return False
            if answer is None:
                return False
            sink("http", 0, self._clock.now_ns(), answer.url, answer.body)
            return True
        return False
