"""Keep a component running: log what ended it, count, wait, start it again."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from core.model.errors import ClxError
from core.model.ports import Clock
from core.wire.backoff import Backoff
from core.wire.contained import contained

_log: Final = logging.getLogger(__name__)
CALM_NS: Final = 60_000_000_000
"""A component that ran this long before it ended starts over with a short wait."""


class Supervisor:
    """Restarts components with jittered back-off; `told` hears of every end, in words."""

    def __init__(self, told: Callable[[str, str], None], rng: random.Random, clock: Clock) -> None:
        self.restarts: Counter[str] = Counter()
        self._told = told
        self._rng = rng
        self._clock = clock

    async def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` again and again until cancelled."""
        backoff = Backoff(self._rng, first_s=0.5, max_s=30.0)
        while True:
            started_ns = self._clock.monotonic_ns()
            try:
                await contained(work())
                why = "it ended by itself"
            except ClxError as error:
                why = str(error)
            except Exception as error:
                _log.exception("%s failed", name)
                why = f"a bug: {error!r}; see the log"
            self.restarts[name] += 1
            if self._clock.monotonic_ns() - started_ns >= CALM_NS:
                backoff.reset()
            pause_s = backoff.next_s()
            _log.warning("%s ended: %s; again in %.1f s", name, why, pause_s)
            self._told(name, why)
            await asyncio.sleep(pause_s)
