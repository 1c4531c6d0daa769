"""One short conversation with the running engine."""

from __future__ import annotations

import asyncio
from typing import Any

from core.model.commands import Command
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

    link = UnixLink(find_paths().socket, origin="cli")
    task = asyncio.create_task(link.run(), name="link")
    try:
        return await link.request(command, timeout_s)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
