"""Verbs about the engine process."""

from __future__ import annotations

import os
import signal
import time

import click

from clx.cli.exits import Exit
from clx.cli.output import format_option, print_json
from clx.client import ask
from core.model import commands
from core.model.errors import ConfigError, LinkError
from core.model.settings import Settings
from store.paths import Paths, find_paths, make_folders


@click.group()
def daemon() -> None:
    """Start, stop or look at the engine process."""


@daemon.command()
@click.option("--timeout", default=60.0, show_default=True, help="seconds to wait for it")
def start(timeout: float) -> int:
    """Start the engine in the background and wait until it answers."""
    from clx.accounts import inline_keys
    from clx.cli.query import questions
    from clx.modes import check_modes
    from clx.spawn import engine_answers, start_engine
    from store.settings import load_settings

    paths = find_paths()
    make_folders(paths)
    settings = load_settings(paths.config_file)
    if found := inline_keys(settings):
        click.echo(
            f"warning: {', '.join(found)} can be read by others; `clx keys add` keeps them better",
            err=True,
        )
    check_modes(settings)
    if engine_answers(paths.socket):
        status: commands.StatusReport = ask(commands.GetStatus())
        raise ConfigError(
            f"an engine already runs (pid {status.status.pid}, session {status.status.session}); "
            "stop it first with `clx daemon stop`"
        )
    starting = start_engine(paths, _passphrase(settings, paths))
    deadline = time.monotonic() + timeout
    said = ""
    while time.monotonic() < deadline:
        if why := starting.why_not():
            raise LinkError(f"{why}\nthe whole log: {paths.engine_log}")
        report = _status_of(paths)
        if report is not None:
            phase = report.status.phase
            if phase == "running":
                click.echo(f"engine runs, pid {report.status.pid}, mode {report.status.mode}")
                for view in report.venues:
                    for words in questions(view):
                        click.echo(words)
                return Exit.OK
            if phase != said:
                click.echo(phase, err=True)
                said = phase
        time.sleep(0.05)
    if said:
        raise LinkError(
            f"after {timeout:g} s the engine is still {said}; it goes on trying (`clx status` "
            "says how it stands, `clx daemon stop` ends it)"
        )
    raise LinkError(
        f"after {timeout:g} s the engine does not answer yet; after an upgrade kernels are "
        "compiled first, which may take minutes. It goes on trying: `clx status` says how it "
        "stands, `clx daemon log` what it said last"
    )


def _status_of(paths: Paths) -> commands.StatusReport | None:
    """Return how an engine stands that may be busy starting, None while it does not answer."""
    from clx.spawn import engine_answers

    if not engine_answers(paths.socket):
        return None
    try:
        report: commands.StatusReport = ask(commands.GetStatus())
    except LinkError:
        return None
    return report


@daemon.command()
@click.option("--timeout", default=20.0, show_default=True, help="seconds to wait for its end")
@click.option("--keep-emulator", is_flag=True, help="leave the simulated market running")
def stop(timeout: float, keep_emulator: bool) -> int:
    """Stop the engine; open orders stay at the venue."""
    from clx.sim import stop_emulator
    from clx.spawn import alive

    try:
        pid = _ask_to_stop()
    except LinkError:
        # `clx data` starts the simulated market without an engine.
        if keep_emulator or not stop_emulator(find_paths()):
            raise
        click.echo("no engine ran; the simulated market is stopped")
        return Exit.OK
    deadline = time.monotonic() + timeout
    while alive(pid):
        if time.monotonic() > deadline:
            raise LinkError(f"engine {pid} still runs after {timeout:g} s; see its log")
        time.sleep(0.02)
    if not keep_emulator:
        stop_emulator(find_paths())
    click.echo(f"engine {pid} stopped")
    return Exit.OK


@daemon.command()
@format_option
def status(style: str) -> int:
    """Say whether an engine runs, and which."""
    from clx.spawn import engine_answers

    paths = find_paths()
    if not engine_answers(paths.socket):
        if style == "json":
            print_json({"running": False, "socket": str(paths.socket)})
        else:
            click.echo(f"no engine at {paths.socket}; start one with `clx daemon start`")
        return Exit.UNREACHABLE
    report: commands.StatusReport = ask(commands.GetStatus())
    engine = report.status
    if style == "json":
        print_json({"running": True, "socket": str(paths.socket), "status": engine})
    else:
        click.echo(
            f"engine runs, pid {engine.pid}, mode {engine.mode}, {engine.phase}, "
            f"session {engine.session}, {engine.clients} clients"
        )
    return Exit.OK


@daemon.command()
def run() -> int:
    """Run the engine in the foreground (for systemd and for looking at its log)."""
    from clx.daemon import main

    return main()


@daemon.command()
@click.option("--lines", default=50, show_default=True, type=click.IntRange(1, 100_000))
def log(lines: int) -> None:
    """Print the end of the engine's log."""
    file = find_paths().engine_log
    if not file.exists():
        raise ConfigError(f"no log at {file}; the engine has not run yet")
    for line in file.read_text(errors="replace").splitlines()[-lines:]:
        click.echo(line)


def _passphrase(settings: Settings, paths: Paths) -> str:
    """Return the passphrase of the key file if the engine will need one a person has to type.

    Raises:
        ConfigError: An account is not there, or its keys cannot be unlocked.
    """
    names = [table.account for table in settings.venues.values() if table.account]
    if settings.mode != "live" or not names:
        return ""
    from clx.cli.secretinput import prompt_for_passphrase
    from clx.cli.settled import redactor_of
    from core.model.credentials import AccountName
    from store.secrets.accounts import open_accounts

    typed: list[str] = []
    prompt = prompt_for_passphrase()

    def remember(new: bool) -> str:
        assert prompt is not None
        typed.append(prompt(new))
        return typed[-1]

    accounts = open_accounts(settings.keys, paths, redactor_of(), remember if prompt else None)
    for name in names:
        accounts.facts(AccountName(name))
    return typed[-1] if typed else ""


def _ask_to_stop() -> int:
    """Have the engine stop, by a signal when it does not answer, and return its pid."""
    try:
        status: commands.StatusReport = ask(commands.GetStatus())
        ask(commands.StopEngine())
    except LinkError:
        from link.socketfile import holder_pid

        pid = holder_pid(find_paths().socket)
        if pid is None:
            raise
        os.kill(pid, signal.SIGTERM)
        return pid
    return status.status.pid
