"""Verbs for orders that belong together, and for changing one."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import click
import msgspec

from clx.cli.output import format_option
from clx.cli.placing import read_line, size_of
from clx.cli.trade import new_id, say, say_all, send
from clx.client import ask
from core.model import commands
from core.model.errors import ConfigError
from core.model.grammar import OrderLine, parse_number
from core.model.ids import ClientOrderId, check_client_order_id
from core.model.placing import submit_bracket, submit_oco


def price_option(option: str, help_: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Return an option that takes a price or size."""

    def read(_: click.Context, __: click.Parameter, text: str | None) -> Decimal | None:
        return None if text is None else parse_number(text, option)

    return click.option(option, callback=read, help=help_)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, required=True)
@price_option("--stop", "the stop's trigger price")
@price_option("--stop-limit", "the stop's limit price; without it, it goes at market")
@price_option("--trail", "instead of --stop: a trailing stop's distance in price")
@price_option("--trail-pct", "instead of --stop: the same in per cent")
@price_option("--target", "the target's limit price")
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

    For example: clx bracket buy 0.5 BTC-USDT @64250 --stop 63000 --target 67000, which is the same
    as: clx order buy 0.5 BTC-USDT @64250 sl 63000 tp 67000
    """
    spec = _with(
        read_line(words),
        stop_price=stop,
        stop_limit=stop_limit,
        stop_trail=trail,
        stop_trail_pct=trail_pct,
        target_price=target,
    )
    made = check_client_order_id(order_id) if order_id else new_id()
    command = submit_bracket(spec, size_of(spec, style), made, dry_run=dry_run)
    return say_all(send(command, made), style)


def _with(line: OrderLine, **given: Decimal | None) -> OrderLine:
    """Return a line with what options say beside it.

    Raises:
        ConfigError: The line says it already.
    """
    said = {name: value for name, value in given.items() if value is not None}
    for name in said:
        if getattr(line, name) is not None:
            what = name.removesuffix("_price").replace("_", " ")
            raise ConfigError(f"the {what} is given twice, in the line and as an option")
    return msgspec.structs.replace(line, **said)


@click.command()
@click.argument("words", nargs=-1, required=True)
@price_option("--stop", "the stop's trigger price")
@price_option("--stop-limit", "the stop's limit price; without it, it goes at market")
@price_option("--target", "the target's limit price")
@click.option("--id", "order_id", default=None, help="id of the group; the same one sends once")
@click.option("--dry-run", is_flag=True, help="check everything, send nothing")
@format_option
def oco(
    words: tuple[str, ...],
    stop: Decimal | None,
    stop_limit: Decimal | None,
    target: Decimal | None,
    order_id: str | None,
    dry_run: bool,
    style: str,
) -> int:
    """Place a stop and a target of which one cancels the other.

    For example: clx oco sell 0.5 BTC-USDT sl 63000 tp 67000
    """
    spec = _with(read_line(words), stop_price=stop, stop_limit=stop_limit, target_price=target)
    made = check_client_order_id(order_id) if order_id else new_id()
    command = submit_oco(spec, size_of(spec, style), made, dry_run=dry_run)
    return say_all(send(command, made), style)


@click.command()
@click.argument("order_id")
@price_option("--size", "the new whole size, what is filled included")
@price_option("--price", "the new limit price")
@price_option("--trigger", "the new trigger price")
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
