"""The product's own daemon, whose loop's thread on SIGUSR1 spins for ever."""

import asyncio
import signal
import sys
from typing import Any

from clx import compose, daemon


def spin() -> None:
    """Keep the loop from ever turning again."""
    while True:
        pass


async def serve(*args: Any) -> None:
    """Serve as the daemon does, until told to spin."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, spin)
    await product(*args)


product, compose.serve = compose.serve, serve
sys.exit(daemon.main())
