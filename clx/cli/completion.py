"""Shell completion."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from core.model.errors import ConfigError


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of SHELL: eval "$(clx completion bash)"."""
    from clx.cli.verbs import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise ConfigError(f"no completion for shell {shell!r}; bash, zsh and fish are known")
    click.echo(kind(cli, {}, "clx", "_CLX_COMPLETE").source())
