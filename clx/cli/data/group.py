"""The `clx data` group: each verb is imported when it is called."""

from __future__ import annotations

import importlib
from typing import Final

import click

VERBS: Final[dict[str, tuple[str, str]]] = {
    "venues": ("clx.cli.data.venues:venues", "List where data can come from."),
    "instruments": ("clx.cli.data.venues:instruments", "List what a venue lists now."),
    "download": ("clx.cli.data.download:download", "Fetch the bars that are not kept yet."),
    "list": ("clx.cli.data.kept:kept", "List what is kept."),
    "verify": ("clx.cli.data.kept:verify", "Check every block that is kept."),
    "gaps": ("clx.cli.data.kept:gaps", "Find holes, less what venues do not have."),
    "repair": ("clx.cli.data.download:repair", "Drop what is damaged, fetch every hole."),
    "quality": ("clx.cli.data.quality:quality", "Show gaps, silences and checks by day."),
    "import": ("clx.cli.data.exchange:load", "Read another program's file into the store."),
    "export": ("clx.cli.data.exchange:dump", "Write what is kept for another program."),
    "rename": ("clx.cli.data.kept:rename", "Join the data of a renamed instrument."),
    "retention": ("clx.cli.data.kept:retention", "Show or apply what the policy drops."),
}
"""Verb to (module:attribute, help)."""


class DataGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the table's order."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a verb's command."""
        entry = VERBS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry[0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, VERBS[name][1]) for name in VERBS])


@click.group(cls=DataGroup)
def data() -> None:
    """Download, check, mend and move market data."""
