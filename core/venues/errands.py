"""Requests about orders on their way to a venue, and what is owed when they end early.

::

    answered                        ──► the reply, for the adapter to judge
    not sent, no budget, blocked    ──► refused: certainly not done
    sent, and no whole answer came  ──► lost: may have been done, ask
"""

from __future__ import annotations

import asyncio
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Sequence
from contextlib import asynccontextmanager
from contextvars import Context, copy_context
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
        """Send orders; every one of them is owed an outcome, also when we are stopped.

        Where nothing must be waited for, the bytes leave within this call.
        """
        for order_id in order_ids:
            self._teller.once.expect(order_id)
        begun = _Begun(work)
        task = self._begin(begun.rest, begun.context)
        if task is not None:
            task.add_done_callback(partial(self._settle, order_ids))
            begun.start(task)
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

    def _begin(self, work: Work, context: Context | None = None) -> asyncio.Task[None] | None:
        """Start something; None: we are stopped, or about to be."""
        if self._tasks is None:
            return None
        started = work()
        try:
            return self._tasks.create_task(started, context=context)
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


class _Begun:
    """Work whose first step is taken at once, and the rest in turns of the loop.

    A task of its own would take that step a turn later, after all that waits for that turn.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self.context = copy_context()
        """What all steps are taken in: what the first one sets, a later one may reset."""
        self._steps: Coroutine[Any, Any, None] | None = None
        self._waits_for: Any = None
        self._ended: BaseException | None = None

    def start(self, task: asyncio.Task[None]) -> None:
        """Take the first step, as that task; what it raises, the task raises in its turn."""
        loop = task.get_loop()
        outer = asyncio.current_task(loop)
        if outer is not None:
            _leave_task(loop, outer)
        _enter_task(loop, task)
        try:
            self._steps = self._work()
            self._waits_for = self.context.run(self._steps.send, None)
        except BaseException as error:
            self._ended = error
        finally:
            _leave_task(loop, task)
            if outer is not None:
                _enter_task(loop, outer)

    async def rest(self) -> None:
        """Take all other steps."""
        if self._ended is None:
            await self
        elif not isinstance(self._ended, StopIteration):
            raise self._ended

    def __await__(self) -> Generator[Any, Any, None]:
        steps, waits_for = self._steps, self._waits_for
        assert steps is not None
        while True:
            try:
                came = yield waits_for
            except BaseException as error:
                step = partial(steps.throw, error)
            else:
                step = partial(steps.send, came)
            try:
                waits_for = step()
            except StopIteration:
                return


async def asked(
    request: Awaitable[Reply],
    *,
    refused: Callable[[str, str], None],
    lost: Callable[[str], None],
) -> Reply | None:
    """Return the answer to a request, or None once it was told why there is none.

    Nothing is told within the call that placed an order: what fails at once is told a turn later.
    """
    try:
        return await request
    except (ConfigError, TemporaryError) as error:
        told = partial(refused, NOT_SENT, str(error))
    except RateLimited as error:
        told = partial(refused, error.code, f"{error.reason}, {error.retry_after_s:.1f} s")
    except (OutcomeUnknown, DataError) as error:
        told = partial(lost, str(error))
    await asyncio.sleep(0)
    told()
    return None
