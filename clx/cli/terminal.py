"""Opens the terminal face, and the bridge that carries it over ssh."""

from __future__ import annotations

import gc
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from store.paths import find_paths, make_folders

if TYPE_CHECKING:
    from clx.spawn import Starting
    from core.model.settings import Settings
    from link.port import EngineLink


def open_terminal() -> int:
    """Start the engine when none runs, and open the terminal without waiting for it."""
    from core.model.errors import ClxError

    paths = find_paths()
    try:
        make_folders(paths)
        from clx.spawn import start_engine

        starting = start_engine(paths)
    except ClxError as error:
        sys.stderr.write(f"clx: {error}\n")
        return 2
    from link.client import UnixLink

    return _show(UnixLink(paths.socket), starting)


@click.command()
@click.argument("address", required=False)
def attach(address: str | None) -> int:
    """Open the terminal on a running engine: this machine's, or ADDRESS (ssh://[user@]host)."""
    from core.model.errors import LinkError

    if address is None:
        paths = find_paths()
        from clx.spawn import engine_answers
        from link.client import UnixLink

        if not engine_answers(paths.socket):
            raise LinkError(
                f"no engine answers at {paths.socket}; start one with `clx daemon start`, or "
                "open the terminal with plain `clx`"
            )
        return _show(UnixLink(paths.socket))
    from link.remote import SshLink

    return _show(SshLink(address))


@click.command(hidden=True)
@click.argument("path", required=False, type=click.Path(path_type=Path))
def bridge(path: Path | None) -> None:
    """Copy stdin and stdout to this machine's engine socket, or the one at PATH."""
    from link.remote import bridge as copy

    copy(path or find_paths().socket)


def _show(link: EngineLink, starting: Starting | None = None) -> int:
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        sys.stderr.write(
            "clx: the terminal needs a tty; the verbs work without one: clx watch, clx positions\n"
        )
        return 2
    # The app switches it on again after the first paint; imports only give it work.
    gc.disable()
    from tui.app import ClxApp

    app = ClxApp(
        link,
        theme=_theme(),
        load_settings=_load_settings,
        why_no_engine=starting.why_not if starting is not None else str,
        starting=starting is not None and starting.process is not None,
    )
    app.run()
    return app.return_code or 0


def _theme() -> str:
    """Read only the theme's name: the whole tree costs 80 ms before the first paint."""
    try:
        tree = tomllib.loads(find_paths().config_file.read_text())
    except (OSError, ValueError):
        return "clx-dark"
    name = tree.get("tui", {}).get("theme", "clx-dark")
    return name if isinstance(name, str) else "clx-dark"


def _load_settings() -> Settings:
    from store.settings import load_settings

    return load_settings(find_paths().config_file)
