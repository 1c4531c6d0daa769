"""Awaits that a cancel reaches whatever else goes wrong at that moment."""

import asyncio
import gc
import sys
from typing import Any

import pytest

from core.wire.contained import contained


async def test_what_ends_with_its_loop_before_it_began_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gc.collect()
    lost: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lost.append)
    began = False

    async def work() -> None:
        nonlocal began
        began = True

    made = [contained(work())]
    task = asyncio.create_task(made.pop())
    await asyncio.sleep(0)
    # As a loop does that is closed: the task within has not had its first turn.
    for each in asyncio.all_tasks() - {asyncio.current_task()}:
        each.cancel()
    await asyncio.gather(task, return_exceptions=True)
    cancelled = task.cancelled()
    del task, each
    # The loop itself holds what it ran last.
    await asyncio.sleep(0)
    gc.collect()
    assert (cancelled, began, lost) == (True, False, [])


async def test_a_cancel_goes_on_while_what_it_ends_fails() -> None:
    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("gone")

    task = asyncio.create_task(contained(work()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_it_returns_and_raises_is_the_works() -> None:
    async def work(error: Exception | None) -> str:
        if error is not None:
            raise error
        return "done"

    assert await contained(work(None)) == "done"
    with pytest.raises(OSError, match="gone"):
        await contained(work(OSError("gone")))
