"""Awaits that no cancel gets lost in.

::

    a task of a group fails ────► the group ends the others, and raises what failed
    meanwhile we are cancelled ─► the groups of Python 3.11 and 3.12 drop that: errors come first,
                                  and whoever catches them and goes on would never end

Nor does the count of `Task.cancelling` tell: such a group counts its own as well.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Coroutine
from typing import TypeVar

_log = logging.getLogger(__name__)

T = TypeVar("T")


async def contained(work: Awaitable[T]) -> T:
    """Await something in a task of its own; cancelled, it is ended and the cancel goes on."""
    task = asyncio.create_task(_awaited(work))
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(ended, Exception):
            _log.info("failed while it was being stopped: %r", ended)
        raise
    finally:
        if isinstance(work, Coroutine):
            # When a loop ends all tasks, this one may not have begun: nobody would ever await it.
            work.close()
    return task.result()


async def _awaited(work: Awaitable[T]) -> T:
    return await work
