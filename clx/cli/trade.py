"""Verbs that trade or stop trading."""

from __future__ import annotations

import secrets
import time
from decimal import Decimal
from typing import Any, Literal

import click

from clx.cli.exits import Exit
from clx.cli.naming import full_instrument
from clx.cli.output import format_option, print_json, say_done
from clx.cli.placing import read_line, size_of
from clx.client import ask
from core.model import commands
from core.model.errors import ConfigError, LinkError, OutcomeUnknown
from core.model.ids import (
    ClientOrderId,
    StrategyId,
    VenueName,
    check_client_order_id,
    client_order_id,
)
from core.model.orders import Order, OrderState
from core.model.placing import submit_bracket, submit_order
from core.model.wording import counted


def new_id() -> ClientOrderId:
    """Make a client order id for one run of a verb."""
    return client_order_id("cli", time.time_ns(), secrets.randbits(40))


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, required=True)
@click.option("--id", "order_id", default=None, help="client order id; the same one sends once")
@click.option("--dry-run", is_flag=True, help="check everything, send nothing")
@format_option
def order(words: tuple[str, ...], order_id: str | None, dry_run: bool, style: str) -> int:
    """Place an order: buy|sell SIZE INSTRUMENT [@PRICE|market] and more words.

    \b
    SIZE    0.5   1000$ (costs that much)   10% (of equity)   r1% (lost at the stop)
    waits   stop 63000   tp 66000   trail 500   trail 2%   by mark|index|last
    exits   sl 63000   sl 63000/62900   sl trail 2%   tp 67000 beside sl, or target 67000
    lives   gtc   ioc   fok   day   gtd 2026-12-01T12:00 (UTC)
    else    post   ext (extended hours)   reduce   long|short   show 0.1   acct NAME

    \b
    clx order buy 0.5 BTC-USDT @64250 post
    clx order sell 0.5 BTC-USDT stop 63000 by mark reduce
    clx order buy r1% BTC-USDT @64250 sl 63000 tp 67000
    """  # noqa: D301  click keeps the lines after its mark as they are
    made = check_client_order_id(order_id) if order_id else new_id()
    line = read_line(words)
    size = size_of(line, style)
    if line.bracket:
        return say_all(send(submit_bracket(line, size, made, dry_run=dry_run), made), style)
    return say(send(submit_order(line, size, made, dry_run=dry_run), made), style)


def send(command: commands.Command, made: ClientOrderId) -> Any:
    """Have the engine carry out a command that must not be done twice.

    Raises:
        OutcomeUnknown: It may or may not have been done; says how to find out.
    """
    try:
        return ask(command)
    except LinkError as error:
        if "no engine is listening" in str(error):
            raise
        raise OutcomeUnknown(
            f"the engine did not answer: {error}. Look with `clx orders --all`, or give the very "
            f"same order again with --id {made}: it is sent at most once"
        ) from None


@click.command()
@click.argument("order_id", required=False)
@click.option("--all", "everything", is_flag=True, help="every open order of clx")
@click.option("--instrument", default=None, help="every open order of this instrument")
@click.option("--strategy", default=None, help="every open order of this strategy")
@click.option("--dry-run", is_flag=True, help="say what would be cancelled, cancel nothing")
@format_option
def cancel(
    order_id: str | None,
    everything: bool,
    instrument: str | None,
    strategy: str | None,
    dry_run: bool,
    style: str,
) -> int:
    """Cancel the order with client id ORDER_ID, or many."""
    some = (order_id, instrument, strategy)
    if everything + sum(item is not None for item in some) != 1:
        raise ConfigError("say one of: an order id, --all, --instrument NAME, --strategy NAME")
    if order_id is not None:
        one = commands.CancelOrder(client_order_id=ClientOrderId(order_id), dry_run=dry_run)
        return say(ask(one), style)
    report: commands.KillReport = ask(
        commands.CancelAll(
            instrument=full_instrument(instrument) if instrument else None,
            strategy=StrategyId(strategy) if strategy else None,
            dry_run=dry_run,
        )
    )
    if style == "json":
        print_json(report)
    else:
        click.echo(
            f"{'would cancel' if dry_run else 'cancelling'} {counted(report.cancels, 'order')}"
        )
    return Exit.OK


@click.command()
@click.argument("name")
@click.option(
    "--side",
    type=click.Choice(["long", "short"]),
    help="which one, where long and short are held apart",
)
@click.option("--account", default=None, help="whose, where several accounts hold one")
@click.option("--id", "order_id", default=None, help="client order id; the same one sends once")
@click.option("--dry-run", is_flag=True, help="check everything, send nothing")
@format_option
def close(
    name: str,
    side: Literal["long", "short"] | None,
    account: str | None,
    order_id: str | None,
    dry_run: bool,
    style: str,
) -> int:
    """Close the position in NAME with a reduce-only market order."""
    made = check_client_order_id(order_id) if order_id else new_id()
    command = commands.ClosePosition(
        client_order_id=made,
        instrument=full_instrument(name),
        position_side=side,
        account=VenueName(account) if account else None,
        dry_run=dry_run,
    )
    return say(send(command, made), style)


@click.command()
@click.argument("name", required=False)
@click.option("--reason", default="", help="kept with the record")
@click.option("--dry-run", is_flag=True, help="count what would be cancelled and closed")
@format_option
def flatten(name: str | None, reason: str, dry_run: bool, style: str) -> int:
    """Cancel the orders and close the positions of NAME, or of everything.

    Entries go on afterwards; `clx kill --level flatten` blocks them as well.
    """
    report: commands.FlattenReport = ask(
        commands.Flatten(
            instrument=full_instrument(name) if name else None, reason=reason, dry_run=dry_run
        )
    )
    if style == "json":
        print_json(report)
    elif not report.instruments:
        click.echo("nothing to flatten: no open order and no position")
    else:
        would = "would cancel" if dry_run else "cancelling"
        click.echo(
            f"{would} {counted(report.cancels, 'order')} and {'close' if dry_run else 'closing'} "
            f"{counted(report.positions, 'position')} in {', '.join(report.instruments)}"
        )
    return Exit.OK


@click.command()
@click.argument("name")
@click.option(
    "--seconds", type=click.IntRange(5, 3600), help="for how long; trading.arm_seconds if not given"
)
@click.option("--dry-run", is_flag=True, help="say what would be armed, arm nothing")
@format_option
def arm(name: str, seconds: int | None, dry_run: bool, style: str) -> None:
    """Let orders from the terminal through for NAME, for a limited time."""
    command = commands.Arm(instrument=full_instrument(name), seconds=seconds, dry_run=dry_run)
    say_done(ask(command).text, style, dry_run=dry_run)


@click.command()
@click.argument("name", required=False)
@click.option("--dry-run", is_flag=True, help="say what would be disarmed, change nothing")
@format_option
def disarm(name: str | None, dry_run: bool, style: str) -> None:
    """Refuse orders from the terminal again, for NAME or all."""
    wanted = full_instrument(name) if name else None
    done = ask(commands.Disarm(instrument=wanted, dry_run=dry_run))
    say_done(done.text, style, dry_run=dry_run)


@click.command()
@click.option(
    "--answer",
    type=click.Choice(["adopt", "protect", "flatten"]),
    help="what to do with positions of a venue that the journal does not have",
)
@click.option("--venue", default=None, help="the venue the answer is for")
@click.option("--dry-run", is_flag=True, help="say what is known and asked, compare nothing")
@format_option
def reconcile(answer: str | None, venue: str | None, dry_run: bool, style: str) -> None:
    """Compare orders, fills, positions and balances with the venue now."""
    if (answer is None) is not (venue is None):
        raise ConfigError("an --answer needs its --venue, and the other way round")
    if dry_run:
        _show_differences(answer, venue, style)
        return
    if answer is None:
        done: commands.Done = ask(commands.Reconcile(), timeout_s=30.0)
    else:
        command = commands.AnswerDifference.model_validate({"venue": venue, "answer": answer})
        done = ask(command, timeout_s=30.0)
    say_done(done.text, style)


def _show_differences(answer: str | None, venue: str | None, style: str) -> None:
    """Say how each venue stands, and what an answer would be an answer to."""
    report: commands.StatusReport = ask(commands.GetStatus())
    found = [item for item in report.venues if venue in {None, item.venue}]
    if venue is not None and not found:
        known = ", ".join(item.venue for item in report.venues) or "none"
        raise ConfigError(f"no venue {venue!r}; there are: {known}")
    if style == "json":
        print_json({"dry_run": True, "venues": found})
        return
    for item in found:
        asks = "; ".join(item.asks) or "nothing is asked"
        would = f"would {answer}: " if answer else "would be compared; "
        last = "; ".join(item.differences) or ("ok" if item.reconciled_ns else "not compared yet")
        click.echo(f"{item.venue} {would}{asks}; last time: {last}")


def line(order: Order) -> str:
    """Return an order in one line."""
    intent = order.intent
    price = f" @ {_plain(intent.price)}" if intent.price is not None else ""
    kind = f" {intent.type.value}" if intent.type.conditional else ""
    trigger = f" at {_plain(intent.trigger_price)}" if intent.trigger_price is not None else ""
    held = f"held by the {order.held_by}" if order.held_by not in order.note else ""
    change = "a change is on its way" if order.amending else ""
    said = ", ".join(filter(None, (held, order.note, change)))
    return (
        f"{intent.client_order_id} {intent.side.value} {_plain(intent.size)} "
        f"{intent.instrument_id}{kind}{trigger}{price} {order.state.value}{said and f': {said}'}"
    )


def _plain(value: Decimal) -> str:
    """Return a figure without the zeros that a venue puts at its end."""
    return f"{value.normalize():f}"


def say(report: commands.OrderReport, style: str) -> int:
    """Print what became of an order, and return the exit status."""
    order = report.order
    if style == "json":
        print_json(report)
    else:
        click.echo(line(order))
    if order.state in {OrderState.DENIED, OrderState.REJECTED}:
        return Exit.REFUSED
    return Exit.UNKNOWN if order.state is OrderState.UNKNOWN else Exit.OK


def say_all(report: commands.GroupReport, style: str) -> int:
    """Print what became of a group's orders, and return the exit status."""
    if style == "json":
        print_json(report)
    else:
        for order in report.orders:
            click.echo(line(order))
    refused = {OrderState.DENIED, OrderState.REJECTED}
    return Exit.REFUSED if any(o.state in refused for o in report.orders) else Exit.OK
