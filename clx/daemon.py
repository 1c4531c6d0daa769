"""The engine process: `python -m clx.daemon`."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Final

from clx.accounts import learn_settings
from clx.kernelcache import renew_kernels
from clx.latency import prefer_latency, settle_once_running
from clx.logs import guard_output
from clx.modes import check_modes
from clx.sim import await_emulator, start_emulator
from clx.structs import settle_structs
from clx.watchdog.heart import Heart, take_passphrase
from clx.watchdog.state import RESTARTED
from core.model.errors import ClxError, ConfigError
from core.model.redaction import Redactor
from core.model.settings import Settings
from store.paths import Paths, find_paths, make_folders
from store.settings import load_settings

if TYPE_CHECKING:
    from clx.compose import Assembly
    from core.engine.engine import Engine

_log: Final = logging.getLogger("clx")


def main() -> int:
    """Run the engine until it is told to stop; the log goes to stderr. Returns an exit code."""
    redactor = Redactor()
    guard_output(redactor)
    passphrase = take_passphrase()
    redactor.learn(passphrase)
    paths = find_paths()
    try:
        make_folders(paths)
        settings = load_settings(paths.config_file)
        learn_settings(redactor, settings)
        run(settings, paths, redactor, passphrase)
    except ConfigError as error:
        _log.error("%s", error)
        return 2
    except ClxError as error:
        _log.error("%s", error)
        return 1
    return 0


def run(
    settings: Settings, paths: Paths, redactor: Redactor | None = None, passphrase: str = ""
) -> None:
    """Run an engine, in SIM mode beside its emulator.

    Args:
        settings: As read.
        paths: Where things are kept.
        redactor: The one the log goes through.
        passphrase: What was piped to this process; its watchdog needs it to start another.

    Raises:
        ClxError: It cannot start, or had to stop.
    """
    check_modes(settings)
    renew_kernels()
    emulator = None
    if settings.mode == "sim":
        process = start_emulator(settings.emulator, paths)
        # The engine's imports take as long as the emulator's start: let them overlap.
        from clx import compose

        emulator = await_emulator(process, paths)
    from clx import compose

    assembly = compose.Assembly(settings, paths, emulator, redactor)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(assembly, passphrase))


async def _serve(assembly: Assembly, passphrase: str) -> None:
    from clx import compose

    async with compose.open_engine(assembly) as (engine, server):
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, engine.stop, f"signal {number.name}")
        settle_structs()
        prefer_latency()
        engine.on_fact(settle_once_running(loop))
        _log.info("engine %s, mode %s", assembly.session, assembly.mode)
        async with _watched(assembly, engine, passphrase):
            await compose.serve(engine, server)


@contextlib.asynccontextmanager
async def _watched(assembly: Assembly, engine: Engine, passphrase: str) -> AsyncIterator[None]:
    """Have a watchdog listen to the loop; an engine that cannot have one runs all the same."""
    if not assembly.settings.watchdog.enabled:
        yield
        return
    if why := os.environ.get(RESTARTED):
        engine.tell("watchdog", why)
    heart = Heart(assembly.paths, passphrase)
    try:
        heart.start()
    except OSError as error:
        engine.tell("watchdog", f"it cannot be started: {error}")
        yield
        return

    def phase() -> str:
        return engine.kernel.line.phase

    beats = asyncio.create_task(
        heart.beat(phase, functools.partial(engine.tell, "watchdog")), name="heart"
    )
    try:
        yield
        # An engine that falls over has not been asked to end: its watchdog hears no farewell.
        heart.farewell()
    finally:
        beats.cancel()
        await asyncio.gather(beats, return_exceptions=True)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    sys.exit(main())
