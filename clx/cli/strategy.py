"""Verbs about strategies."""

from __future__ import annotations

from pathlib import Path

import click

from clx.cli.output import format_option, print_json, print_table, say_done
from clx.client import ask
from core.model import commands
from core.model.errors import ConfigError, did_you_mean
from core.model.ids import StrategyId


@click.group()
def strategy() -> None:
    """List, enable, disable or check strategies."""


@strategy.command("list")
@format_option
def list_(style: str) -> None:
    """List strategies with their state, parameters and figures."""
    views = ask(commands.GetStrategies())
    if style == "json":
        print_json(views)
        return
    print_table(
        ("strategy", "state", "instruments", "bars", "signals", "orders", "realised", "parameters"),
        [
            (
                v.info.id,
                v.state,
                " ".join(v.info.instruments),
                v.info.timeframe.value,
                v.signals,
                v.orders,
                f"{v.realised_pnl:+,.2f}",
                " ".join(f"{key}={value}" for key, value in v.info.parameters.items()),
            )
            for v in views
        ],
        "no strategies; add a [strategies.NAME] table to the settings (`clx config path`)",
    )


@strategy.command()
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="say what would be started, start nothing")
@format_option
def enable(name: str, dry_run: bool, style: str) -> None:
    """Start strategy NAME in its own process and let its orders through."""
    if dry_run:
        say_done(f"would start {_known(name)}", style, dry_run=True)
        return
    view = ask(commands.EnableStrategy(strategy=StrategyId(name)), timeout_s=30.0)
    say_done(f"{view.info.id} {view.state}", style)


@strategy.command()
@click.argument("name")
@click.option("--cancel-orders", is_flag=True, help="cancel its open orders too")
@click.option("--dry-run", is_flag=True, help="say what would be stopped, stop nothing")
@format_option
def disable(name: str, cancel_orders: bool, dry_run: bool, style: str) -> None:
    """Stop strategy NAME; its open orders stay unless asked otherwise."""
    if dry_run:
        found = [o for o in ask(commands.GetOrders()) if o.intent.strategy_id == name]
        rest = f"{'cancel' if cancel_orders else 'leave'} its {len(found)} open orders"
        say_done(f"would stop {_known(name)} and {rest}", style, dry_run=True)
        return
    command = commands.DisableStrategy(strategy=StrategyId(name), cancel_orders=cancel_orders)
    view = ask(command, timeout_s=30.0)
    say_done(f"{view.info.id} {view.state}", style)


def _known(name: str) -> str:
    """Return a strategy's name and state.

    Raises:
        ConfigError: There is no such strategy; names the nearest.
    """
    views = {view.info.id: view for view in ask(commands.GetStrategies())}
    if name not in views:
        raise ConfigError(f"no strategy {name!r}{did_you_mean(name, views)}")
    return f"{name}, which is {views[StrategyId(name)].state}"


@strategy.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check(file: Path) -> None:
    """Load the strategy in FILE and say what it declares, or what is wrong with it."""
    from core.model.settings import StrategySettings
    from core.strategies.process import describe

    info = describe(file.stem, StrategySettings(kind=str(file.absolute())))
    click.echo(f"{info.id}: {info.title}. {info.help}")
    click.echo(f"bars {info.timeframe.value}, warm-up {info.warmup_bars}")
    click.echo(f"indicators {', '.join(info.indicators) or 'none'}")
    for key, value in info.parameters.items():
        click.echo(f"parameter {key} = {value}")
