"""`clx audit`: who did what from where, and whether the log of it was tampered with."""

from __future__ import annotations

from collections import deque

import click

from clx.cli.data.times import parse_time
from clx.cli.exits import Exit
from clx.cli.output import format_option, print_json, print_table
from core.model.wording import counted


@click.group(invoke_without_command=True)
@click.option("--since", default=None, help="UTC time to begin at, such as 2026-11-21T09:00")
@click.option("--kind", default=None, help="commands that begin so, such as submit_order or keys")
@click.option("--origin", default=None, help="only of tui, cli, api, strat:rsi, ...")
@click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1), help="the newest only"
)
@format_option
@click.pass_context
def audit(
    ctx: click.Context,
    since: str | None,
    kind: str | None,
    origin: str | None,
    limit: int,
    style: str,
) -> None:
    """Show what was changed, by whom and from where, oldest first."""
    if ctx.invoked_subcommand is not None:
        return
    from store.audit.check import read_log
    from store.paths import find_paths

    since_ns = parse_time(since, "--since") if since else 0
    found = deque(
        (
            line
            for line in read_log(find_paths().audit)
            if line.ts_ns >= since_ns
            and (kind is None or line.what.startswith(kind))
            and (origin is None or line.origin.startswith(origin))
        ),
        maxlen=limit,
    )
    if style == "json":
        print_json(list(found))
        return
    print_table(
        ("time", "origin", "from", "what", "parameters", "outcome"),
        [
            (
                line.at,
                line.origin,
                _where(line.client),
                line.what,
                " ".join(f"{name}={value}" for name, value in line.parameters.items()) or None,
                f"REFUSED {line.outcome}" if line.refused else line.outcome,
            )
            for line in found
        ],
        "nothing was changed, as far as the log goes",
    )


@audit.command()
@format_option
def verify(style: str) -> None:
    """Check every line against the one before it. Exits with 5 when something was changed."""
    from store.audit.check import verify_log
    from store.paths import find_paths

    folder = find_paths().audit
    verdict = verify_log(folder)
    if style == "json":
        print_json(verdict)
    else:
        for flaw in verdict.flaws:
            click.echo(flaw, err=True)
        says = "TAMPERED WITH OR DAMAGED" if verdict.flaws else "whole"
        click.echo(
            f"{folder}: {counted(verdict.lines, 'line')}, {verdict.first} to {verdict.last}, in"
            f" {counted(verdict.files, 'file')}: {says}"
        )
    if verdict.flaws:
        raise click.exceptions.Exit(Exit.DATA)


def _where(client: object) -> str:
    from core.model.audit import Client

    if not isinstance(client, Client):
        return "-"
    parts = [f"pid {client.pid}" if client.pid else "", client.tty]
    parts.append(f"ssh {client.ssh}" if client.ssh else "")
    return " ".join(part for part in parts if part) or f"uid {client.uid}"
