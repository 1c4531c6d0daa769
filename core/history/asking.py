"""Ask a venue that may be away for a moment, until it answers or has been away too often."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from core.model.errors import RateLimited, TemporaryError
from core.wire.backoff import Backoff

ATTEMPTS: Final = 8
"""Times something is asked for before the work is given up for now."""

T = TypeVar("T")


async def asked(
    ask: Callable[[], Awaitable[T]],
    what: str,
    *,
    rng: random.Random,
    waits: Callable[[str], None],
    attempts: int = ATTEMPTS,
) -> T:
    """Return a venue's answer, waiting ever longer between attempts; `waits` is told why.

    A venue that says when to come back is asked no sooner.

    Raises:
        TemporaryError: It stayed away.
    """
    backoff = Backoff(rng, first_s=0.5, max_s=30.0)
    while True:
        try:
            return await ask()
        except (TemporaryError, RateLimited) as error:
            pause_s = backoff.next_s()
            if backoff.attempts >= attempts:
                raise TemporaryError(
                    f"{what}: {error}; given up after {attempts} attempts, what came before is"
                    " kept: run it again to go on"
                ) from None
            waits(str(error))
            asked_s = error.retry_after_s if isinstance(error, RateLimited) else 0.0
            await asyncio.sleep(max(asked_s, pause_s))
