"""Attaching the terminal face to an engine, and the bridge that carries it over ssh."""

from __future__ import annotations

from pathlib import Path

import click

from clx.cli.opening import show
from store.paths import find_paths


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
        return show(UnixLink(paths.socket))
    from link.remote import SshLink

    return show(SshLink(address))


@click.command(hidden=True)
@click.argument("path", required=False, type=click.Path(path_type=Path))
def bridge(path: Path | None) -> None:
    """Copy stdin and stdout to this machine's engine socket, or the one at PATH."""
    from link.remote import bridge as copy

    copy(path or find_paths().socket)
