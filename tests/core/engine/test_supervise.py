from __future__ import annotations

import asyncio
import random

from core.engine.clock import SimClock
from core.engine.supervise import Supervisor
from core.model.errors import TemporaryError


class Quick(random.Random):
    """No jitter, no waiting."""

    def uniform(self, a: float, b: float) -> float:
        return 0.0


async def test_component_is_restarted_whatever_ends_it_and_each_end_is_told() -> None:
    told: list[tuple[str, str]] = []
    supervisor = Supervisor(lambda name, why: told.append((name, why)), Quick(), SimClock())
    ends: list[Exception | None] = [TemporaryError("away"), ZeroDivisionError("oops"), None]
    alive = asyncio.Event()

    async def work() -> None:
        if not ends:
            alive.set()
            await asyncio.Event().wait()
        end = ends.pop(0)
        if end is not None:
            raise end

    task = asyncio.create_task(supervisor.keep("thing", work))
    await alive.wait()
    assert [why for _, why in told] == [
        "away",
        "a bug: ZeroDivisionError('oops'); see the log",
        "it ended by itself",
    ]
    assert supervisor.restarts["thing"] == 3
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()


async def test_component_that_fails_as_it_is_cancelled_is_not_started_again() -> None:
    started: asyncio.Queue[int] = asyncio.Queue()
    supervisor = Supervisor(lambda name, why: None, Quick(), SimClock())

    async def work() -> None:
        started.put_nowait(1)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ZeroDivisionError("on the way out") from None

    task = asyncio.create_task(supervisor.keep("thing", work))
    await started.get()
    task.cancel()
    again = asyncio.create_task(started.get())
    await asyncio.wait({task, again}, return_when=asyncio.FIRST_COMPLETED)
    assert task.cancelled()
    again.cancel()
