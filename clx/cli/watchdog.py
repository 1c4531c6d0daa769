"""The hidden verb that is the watchdog's process."""

from __future__ import annotations

import asyncio
import os
import signal

import click


def compile_nothing() -> None:
    """Have numba leave kernels alone from now on, before anything that has some is imported.

    A rescue reads no market data, and must not wait a minute for kernels that an upgrade has
    changed, or that could not be kept on disk. Engines are started before it, never after.
    """
    os.environ["NUMBA_DISABLE_JIT"] = "1"


@click.command()
def watchdog() -> int:
    """Watch the engine that writes to stdin (started by the engine itself)."""
    from clx.watchdog.process import Watchdog
    from store.paths import find_paths
    from store.secrets.passphrase import VARIABLE
    from store.settings import load_settings

    # What the engine was piped is not for us to read again: our stdin holds its beats.
    os.environ.pop(VARIABLE, None)
    # A terminal that closes, or ctrl+c in it, is meant for somebody else.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    paths = find_paths()
    settings = load_settings(paths.config_file)

    def rescue(action: str, passphrase: str) -> str:
        compile_nothing()
        from clx.accounts import learn_settings
        from clx.compose import Assembly
        from clx.sim import running_emulator
        from clx.watchdog.rescue import Action, rescue_with
        from core.model.errors import ConfigError
        from core.model.redaction import Redactor

        redactor = Redactor()
        learn_settings(redactor, settings)
        emulator = running_emulator(paths) if settings.mode == "sim" else None
        if settings.mode == "sim" and emulator is None:
            raise ConfigError("the simulated market does not run either")
        assembly = Assembly(settings, paths, emulator, redactor)
        wanted: Action = "flatten" if action == "flatten" else "cancel"
        return asyncio.run(rescue_with(assembly, wanted, passphrase))

    return Watchdog(settings, paths, rescue=rescue).run()
