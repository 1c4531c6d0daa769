"""Verbs that spread an order over time or prices."""

from __future__ import annotations

from decimal import Decimal

import click

from clx.cli.exits import Exit
from clx.cli.linked import price_option
from clx.cli.output import format_option, print_json
from clx.cli.placing import read_line, size_of
from clx.cli.trade import new_id
from clx.client import ask
from core.model import commands
from core.model.errors import ConfigError
from core.model.executors import ExecutorKind, ExecutorView


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, required=True)
@click.option("--minutes", type=click.FloatRange(0.1, 7 * 1440), required=True, help="how long")
@click.option("--orders", type=click.IntRange(2, 500), default=10, show_default=True)
@click.option("--id", "executor_id", default=None, help="its name; the same one starts once")
@click.option("--dry-run", is_flag=True, help="check everything, send nothing")
@format_option
def twap(
    words: tuple[str, ...],
    minutes: float,
    orders: int,
    executor_id: str | None,
    dry_run: bool,
    style: str,
) -> int:
    """Trade in equal parts at equal times; a price is the worst that is taken.

    For example: clx twap buy 2 BTC-USDT @64500 --minutes 30 --orders 30
    """
    line = read_line(words)
    view: ExecutorView = ask(
        commands.StartExecutor(
            executor_id=executor_id or new_id(),
            kind=ExecutorKind.TWAP,
            instrument=line.instrument,
            side=line.side,
            size=size_of(line, style),
            price=line.price,
            orders=orders,
            seconds=max(1, round(minutes * 60)),
            reduce_only=line.reduce_only,
            dry_run=dry_run,
        )
    )
    return _say(view, style)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, required=True)
@price_option("--from", "the first price")
@price_option("--to", "the last price")
@click.option("--orders", type=click.IntRange(2, 500), default=10, show_default=True)
@click.option("--id", "executor_id", default=None, help="its name; the same one starts once")
@click.option("--dry-run", is_flag=True, help="check everything, send nothing")
@format_option
def scale(
    words: tuple[str, ...],
    orders: int,
    executor_id: str | None,
    dry_run: bool,
    style: str,
    **prices: Decimal | None,
) -> int:
    """Place equal limit orders evenly between two prices.

    For example: clx scale buy 2 BTC-USDT --from 64000 --to 62000 --orders 20
    """
    line = read_line(words)
    if line.price is not None:
        raise ConfigError(f"a scaled entry takes its prices by --from and --to, was @{line.price}")
    if None in prices.values():
        raise ConfigError("a scaled entry needs both --from and --to")
    view: ExecutorView = ask(
        commands.StartExecutor(
            executor_id=executor_id or new_id(),
            kind=ExecutorKind.SCALED,
            instrument=line.instrument,
            side=line.side,
            size=size_of(line, style),
            price=prices["from"],
            last_price=prices["to"],
            orders=orders,
            post_only=line.post_only,
            reduce_only=line.reduce_only,
            dry_run=dry_run,
        )
    )
    return _say(view, style)


@click.command()
@click.argument("stop", required=False, metavar="[stop]")
@click.argument("executor_id", required=False)
@format_option
def executors(stop: str | None, executor_id: str | None, style: str) -> int:
    """List TWAPs and scaled entries, or stop one: clx executors stop ID."""
    if stop is not None and (stop != "stop" or executor_id is None):
        raise ConfigError("say `clx executors`, or `clx executors stop ID`")
    if executor_id is not None:
        return _say(ask(commands.StopExecutor(executor_id=executor_id)), style)
    views: tuple[ExecutorView, ...] = ask(commands.GetExecutors())
    if style == "json":
        print_json(views)
        return Exit.OK
    for view in views:
        _say(view, style)
    if not views:
        click.echo("no executors")
    return Exit.OK


def _say(view: ExecutorView, style: str) -> int:
    if style == "json":
        print_json(view)
        return Exit.OK
    plan = view.plan
    average = f" at {view.average_price:.8g}" if view.average_price is not None else ""
    click.echo(
        f"{plan.id} {plan.kind} {plan.side} {plan.size:f} {plan.instrument_id}: "
        f"{view.sent} of {plan.orders} orders, {view.filled:f} filled{average}, "
        f"{view.open_size:f} resting; {view.ended or 'running'}"
    )
    return Exit.OK
