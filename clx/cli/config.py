"""Verbs about settings."""

from __future__ import annotations

import click

from clx.cli.output import format_option, print_json, print_table
from clx.cli.settled import note
from clx.modes import check_modes, unfed
from core.model.errors import ClxError, ConfigError, did_you_mean
from store.paths import find_paths
from store.settings import flatten, load_settings, set_in_file

_SECRETS = frozenset({"api_key", "api_secret", "passphrase"})


@click.group()
def config() -> None:
    """Show, check or set settings (config.toml and CLX_* variables)."""


@config.command()
@click.argument("key", required=False)
@format_option
def show(key: str | None, style: str) -> None:
    """Show every setting as it is in force, or those under KEY; secrets are stars."""
    flat = flatten(load_settings(find_paths().config_file))
    if key is not None:
        chosen = {k: v for k, v in flat.items() if k == key or k.startswith(f"{key}.")}
        if not chosen:
            raise ConfigError(f"no setting {key!r}{did_you_mean(key, flat)}")
        flat = chosen
    if style == "json":
        print_json(flat)
        return
    print_table(("key", "value"), list(flat.items()), "no settings")


@config.command()
def path() -> None:
    """Say where the settings file is."""
    click.echo(find_paths().config_file)


@config.command()
def check() -> None:
    """Read the settings and say what is wrong with them, if anything."""
    file = find_paths().config_file
    settings = load_settings(file)
    check_modes(settings)
    for text in unfed(settings):
        click.echo(f"warning: {text}", err=True)
    click.echo(f"{file}: {'fine' if file.exists() else 'absent, the defaults hold'}")


@config.command("set")
@click.argument("key")
@click.argument("value")
def set_(key: str, value: str) -> None:
    """Set KEY to VALUE in config.toml, keeping its comments."""
    file = find_paths().config_file
    if key.rpartition(".")[2] in _SECRETS:
        raise ConfigError(
            f"{key} is a secret, and others can read a command line: keep an account's keys with"
            f" `clx keys add`, or write this one into {file} with an editor"
        )
    try:
        set_in_file(file, key, value)
    except ClxError as error:
        note("config.set", {"key": key, "value": value}, str(error), refused=True)
        raise
    note("config.set", {"key": key, "value": value}, "set", refused=False)
    click.echo(f"{key} = {value} ({file}); restart the engine for what it keeps open")
