"""Requests about orders on their way to a venue, and what is owed when they end early.

::

    answered                        ──► the reply, for the adapter to judge
    not sent, no budget, blocked    ──► refused: certainly not done
    sent, and no whole answer came  ──► lost: may have been done, ask
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, TypeVar

from core.model.errors import (
    ConfigError,
    DataError,
    OutcomeUnknown,
    RateLimited,
    TemporaryError,
)
from core.model.ids import ClientOrderId, VenueName
from core.venues.teller import Teller

NOT_SENT: Final = "NOT_SENT"
"""The code of what never left us."""

Reply = TypeVar("Reply")
Work = Callable[[], Coroutine[Any, Any, None]]


class Errands:
    """Tasks of one venue; an order whose task dies before an outcome becomes Unknown."""

    def __init__(self, venue: VenueName, teller: Teller) -> None:
        self._venue = venue
        self._teller = teller
        self._tasks: asyncio.TaskGroup | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[asyncio.TaskGroup]:
        """Take errands until all tasks of the group have ended or it is cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                yield tasks
        finally:
            self._tasks = None

    def place(self, order_ids: Sequence[ClientOrderId], work: Work) -> None:
        """Send orders; every one of them is owed an outcome, also when we are stopped."""
        for order_id in order_ids:
            self._teller.once.expect(order_id)
        task = self._begin(work)
        if task is not None:
            task.add_done_callback(partial(self._settle, order_ids))
            return
        for order_id in order_ids:
            self._later(self._teller.refused, order_id)

    def cancel(self, order_id: ClientOrderId, work: Work) -> None:
        """Cancel an order the engine knows to be at the venue."""
        self._change(order_id, work, self._teller.cancel_refused)

    def cancel_many(self, order_ids: Sequence[ClientOrderId], work: Work) -> None:
        """Cancel orders the engine knows to be at the venue, all at once."""
        for order_id in order_ids:
            self._teller.once.adopt(order_id)
        if self._begin(work) is None:
            for order_id in order_ids:
                self._later(self._teller.cancel_refused, order_id)

    def amend(self, order_id: ClientOrderId, work: Work) -> None:
        """Change an order the engine knows to be at the venue."""
        self._change(order_id, work, self._teller.amend_refused)

    def run(self, work: Work) -> None:
        """Do something beside, if we are not stopped."""
        self._begin(work)

    def _begin(self, work: Work) -> asyncio.Task[None] | None:
        """Start something; None: we are stopped, or about to be."""
        if self._tasks is None:
            return None
        started = work()
        try:
            return self._tasks.create_task(started)
        except RuntimeError:  # the group is shutting down
            started.close()
            return None

    def _change(
        self,
        order_id: ClientOrderId,
        work: Work,
        refused: Callable[[ClientOrderId, str, str], None],
    ) -> None:
        self._teller.once.adopt(order_id)
        if self._begin(work) is None:
            self._later(refused, order_id)

    def _later(
        self, refused: Callable[[ClientOrderId, str, str], None], order_id: ClientOrderId
    ) -> None:
        words = f"{self._venue} is stopped"
        asyncio.get_running_loop().call_soon(refused, order_id, NOT_SENT, words)

    def _settle(self, order_ids: Sequence[ClientOrderId], task: asyncio.Task[None]) -> None:
        """Settle orders whose task ended without an outcome, also before it began."""
        if task.cancelled() or task.exception() is not None:
            for order_id in order_ids:
                self._teller.unknown(order_id, "stopped while waiting for the venue's answer")


async def asked(
    request: Awaitable[Reply],
    *,
    refused: Callable[[str, str], None],
    lost: Callable[[str], None],
) -> Reply | None:
    """Return the answer to a request, or None once it was told why there is none."""
    try:
        return await request
    except (ConfigError, TemporaryError) as error:
        refused(NOT_SENT, str(error))
    except RateLimited as error:
        refused(error.code, f"{error.reason}, {error.retry_after_s:.1f} s")
    except (OutcomeUnknown, DataError) as error:
        lost(str(error))
    return None
