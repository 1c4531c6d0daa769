"""Verbs for orders that belong together, and for changing one."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import click

from clx.cli.client import ask
from clx.cli.exits import Exit
from clx.cli.output import format_option, print_json
from clx.cli.trade import find_instrument, line, new_id, say
from core.model import commands
from core.model.errors import ConfigError
from core.model.grammar import parse_number, parse_order
from core.model.ids import ClientOrderId, check_client_order_id
from core.model.orders import OrderState


def _price(
    option: str, help_: str, *, required: bool = False
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Return an option that takes a price or size."""

    def read(_: click.Context, __: click.Parameter, text: str | None) -> Decimal | None:
        return None if text is None else parse_number(text, option)

    return click.option(option, callback=read, required=required, help=help_)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, required=True)
@_price("--stop", "the stop's trigger price")
@_price("--stop-limit", "the stop's limit price; without it, it goes at market")
@_price("--trail", "instead of --stop: a trailing stop's distance in price")
@_price("--trail-pct", "instead of --stop: the same in per cent")
@_price("--target", "the target's limit price")
@click.option("--id", "order_id", default=None, help="id of the entry; the same one sends once")
@click.option("--dry-run", is_flag=True, help="check everything, send nothing")
@format_option
def bracket(
    words: tuple[str, ...],
    stop: Decimal | None,
    stop_limit: Decimal | None,
    trail: Decimal | None,
    trail_pct: Decimal | None,
    target: Decimal | None,
    order_id: str | None,
    dry_run: bool,
    style: str,
) -> int:
    """Place an entry with a stop and a target that wait for its fills.

    For example: clx bracket buy 0.5 BTC-USDT @64250 --stop 63000 --target 67000
    """
    spec = parse_order(words, find_instrument)
    report: commands.GroupReport = ask(
        commands.SubmitBracket(
            client_order_id=check_client_order_id(order_id) if order_id else new_id(),
            instrument=spec.instrument,
            side=spec.side,
            type=spec.type,
            size=spec.size,
            price=spec.price,
            time_in_force=spec.time_in_force,
            stop_price=stop,
            stop_limit=stop_limit,
            trail=trail,
            trail_pct=trail_pct,
            target_price=target,
            dry_run=dry_run,
        )
    )
    return _say_all(report, style)


@click.command()
@click.argument("words", nargs=-1, required=True)
@_price("--stop", "the stop's trigger price", required=True)
@_price("--stop-limit", "the stop's limit price; without it, it goes at market")
@_price("--target", "the target's limit price", required=True)
@click.option("--id", "order_id", default=None, help="id of the group; the same one sends once")
@click.option("--dry-run", is_flag=True, help="check everything, send nothing")
@format_option
def oco(
    words: tuple[str, ...],
    stop: Decimal,
    stop_limit: Decimal | None,
    target: Decimal,
    order_id: str | None,
    dry_run: bool,
    style: str,
) -> int:
    """Place a stop and a target of which one cancels the other.

    For example: clx oco sell 0.5 BTC-USDT --stop 63000 --target 67000
    """
    spec = parse_order(words, find_instrument)
    if spec.price is not None:
        raise ConfigError(f"an OCO takes its prices by --stop and --target, was @{spec.price}")
    report: commands.GroupReport = ask(
        commands.SubmitOco(
            client_order_id=check_client_order_id(order_id) if order_id else new_id(),
            instrument=spec.instrument,
            side=spec.side,
            size=spec.size,
            stop_price=stop,
            stop_limit=stop_limit,
            target_price=target,
            dry_run=dry_run,
        )
    )
    return _say_all(report, style)


@click.command()
@click.argument("order_id")
@_price("--size", "the new whole size, what is filled included")
@_price("--price", "the new limit price")
@_price("--trigger", "the new trigger price")
@click.option("--dry-run", is_flag=True, help="check everything, send nothing")
@format_option
def amend(
    order_id: str,
    size: Decimal | None,
    price: Decimal | None,
    trigger: Decimal | None,
    dry_run: bool,
    style: str,
) -> int:
    """Change the order with client id ORDER_ID.

    Where the venue cannot change it, it is cancelled and what is left is sent anew.
    """
    if size is None and price is None and trigger is None:
        raise ConfigError("say what to change: --size, --price or --trigger")
    report: commands.OrderReport = ask(
        commands.AmendOrder(
            client_order_id=ClientOrderId(order_id),
            size=size,
            price=price,
            trigger_price=trigger,
            dry_run=dry_run,
        )
    )
    return say(report, style)


def _say_all(report: commands.GroupReport, style: str) -> int:
    if style == "json":
        print_json(report)
    else:
        for order in report.orders:
            click.echo(line(order))
    refused = {OrderState.DENIED, OrderState.REJECTED}
    return Exit.REFUSED if any(o.state in refused for o in report.orders) else Exit.OK
