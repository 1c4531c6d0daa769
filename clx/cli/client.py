"""One short conversation with the running engine."""

from __future__ import annotations

import asyncio
from typing import Any

from core.model.commands import Command
from core.model.errors import LinkError
from store.paths import find_paths


def ask(command: Command, timeout_s: float = 10.0) -> Any:
    """Have the running engine carry out a command and return its typed result.

    Raises:
        LinkError: No engine answers; says how to start one.
        ClxError: The engine refused.
    """
    return asyncio.run(_ask(command, timeout_s))


async def _ask(command: Command, timeout_s: float) -> Any:
    from link.client import UnixLink

    path = find_paths().socket
    link = UnixLink(path, client="cli")
    task = asyncio.create_task(link.run(), name="link")
    try:
        await _until_up(link, min(timeout_s, 3.0))
        return await link.request(command, timeout_s)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _until_up(link: Any, timeout_s: float) -> None:
    deadline = asyncio.get_running_loop().time() + timeout_s
    while link.state != "up":
        if asyncio.get_running_loop().time() > deadline or link.state == "down":
            raise LinkError(
                f"no engine answers at {find_paths().socket} ({link.reason or 'no answer'}); "
                "start one with `clx daemon start`"
            )
        await asyncio.sleep(0.005)
