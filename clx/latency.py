"""How the engine's process is set up so that nothing of its own makes an order wait."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable
from typing import Final

from core.model.turns import short_turns
from core.model.views import Fact, StatusChanged

SWITCH_S: Final = 0.0005
"""How long a thread that writes the tape may keep the loop from running once it has something to
do. Python's own 5 ms is what an order would wait each time it came back from a disk sync and met
one."""
_SETTLED_S: Final = 5.0
"""After the engine runs: histories have come and strategies have started by then."""


def prefer_latency() -> None:
    """Have others yield to the loop soon, and look no more for garbage among what is alive now.

    Looking through all that lasts takes tens of milliseconds, and would happen while something is
    going on: garbage is looked for when much is made. On a machine whose cores are all busy an
    order would wait for a turn of another program's, 1 to 3 ms, each time it comes back from the
    disk; with short turns of its own the loop goes first.
    """
    short_turns()
    sys.setswitchinterval(SWITCH_S)
    gc.collect()
    gc.freeze()


def settle_once_running(
    loop: asyncio.AbstractEventLoop, settle: Callable[[], None] = prefer_latency
) -> Callable[[int, Fact], None]:
    """Return a sink for facts that settles again, once, when the engine has begun to run."""
    waiting = True

    def sink(_: int, fact: Fact) -> None:
        nonlocal waiting
        if waiting and isinstance(fact, StatusChanged) and fact.status.phase == "running":
            waiting = False
            loop.call_later(_SETTLED_S, settle)

    return sink
