"""Verbs that trade or stop trading."""

from __future__ import annotations

import secrets
import time

import click

from clx.cli.client import ask
from clx.cli.exits import Exit
from clx.cli.naming import full_instrument
from clx.cli.output import format_option, print_json
from core.model import commands
from core.model.errors import ConfigError, LinkError, OutcomeUnknown
from core.model.ids import (
    ClientOrderId,
    InstrumentId,
    StrategyId,
    check_client_order_id,
    client_order_id,
)
from core.model.orders import Order, OrderState


def new_id() -> ClientOrderId:
    """Make a client order id for one run of a verb."""
    return client_order_id("cli", time.time_ns(), secrets.randbits(40))


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, required=True)
@click.option("--id", "order_id", default=None, help="client order id; the same one sends once")
@click.option("--dry-run", is_flag=True, help="check everything, send nothing")
@format_option
def order(words: tuple[str, ...], order_id: str | None, dry_run: bool, style: str) -> int:
    """Place an order: buy|sell SIZE INSTRUMENT [@PRICE|market] [post] [gtc|ioc|fok] [reduce].

    Without a price it is a market order. For example: clx order buy 0.5 BTC-USDT @64250 post
    """
    from core.model.grammar import parse_order

    made = check_client_order_id(order_id) if order_id else new_id()
    spec = parse_order(words, find_instrument)
    command = commands.SubmitOrder(
        client_order_id=made,
        instrument=spec.instrument,
        side=spec.side,
        type=spec.type,
        size=spec.size,
        price=spec.price,
        time_in_force=spec.time_in_force,
        post_only=spec.post_only,
        reduce_only=spec.reduce_only,
        dry_run=dry_run,
    )
    try:
        report: commands.OrderReport = ask(command)
    except LinkError as error:
        if "no engine is listening" in str(error):
            raise
        raise OutcomeUnknown(
            f"the engine did not answer: {error}. Look with `clx orders --all`, or give the very "
            f"same order again with --id {made}: it is sent at most once"
        ) from None
    return say(report, style)


@click.command()
@click.argument("order_id", required=False)
@click.option("--all", "everything", is_flag=True, help="every open order of clx")
@click.option("--instrument", default=None, help="every open order of this instrument")
@click.option("--strategy", default=None, help="every open order of this strategy")
@click.option("--dry-run", is_flag=True, help="with many: count them, cancel nothing")
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
        if dry_run:
            raise ConfigError("--dry-run counts many orders; look at one with `clx orders`")
        return say(ask(commands.CancelOrder(client_order_id=ClientOrderId(order_id))), style)
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
        click.echo(f"{'would cancel' if dry_run else 'cancelling'} {report.cancels} orders")
    return Exit.OK


@click.command()
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="check everything, send nothing")
@format_option
def close(name: str, dry_run: bool, style: str) -> int:
    """Close the position in NAME with a reduce-only market order."""
    command = commands.ClosePosition(
        client_order_id=new_id(), instrument=full_instrument(name), dry_run=dry_run
    )
    return say(ask(command), style)


@click.command()
@click.argument("name")
@click.option(
    "--seconds", type=click.IntRange(5, 3600), help="for how long; trading.arm_seconds if not given"
)
def arm(name: str, seconds: int | None) -> None:
    """Let orders from the terminal through for NAME, for a limited time."""
    click.echo(ask(commands.Arm(instrument=full_instrument(name), seconds=seconds)).text)


@click.command()
@click.argument("name", required=False)
def disarm(name: str | None) -> None:
    """Refuse orders from the terminal again, for NAME or all."""
    wanted = full_instrument(name) if name else None
    click.echo(ask(commands.Disarm(instrument=wanted)).text)


@click.command()
@click.option(
    "--answer",
    type=click.Choice(["adopt", "protect", "flatten"]),
    help="what to do with positions of a venue that the journal does not have",
)
@click.option("--venue", default=None, help="the venue the answer is for")
def reconcile(answer: str | None, venue: str | None) -> None:
    """Compare orders, fills, positions and balances with the venue now."""
    if (answer is None) is not (venue is None):
        raise ConfigError("an --answer needs its --venue, and the other way round")
    if answer is None:
        click.echo(ask(commands.Reconcile(), timeout_s=30.0).text)
        return
    command = commands.AnswerDifference.model_validate({"venue": venue, "answer": answer})
    click.echo(ask(command, timeout_s=30.0).text)


def find_instrument(word: str) -> InstrumentId | None:
    """Return the instrument a word names; a word without a dash names none."""
    return full_instrument(word) if "-" in word else None


def line(order: Order) -> str:
    """Return an order in one line."""
    intent = order.intent
    price = f" @ {intent.price:f}" if intent.price is not None else ""
    kind = f" {intent.type.value}" if intent.type.conditional else ""
    trigger = f" at {intent.trigger_price:f}" if intent.trigger_price is not None else ""
    note = f": {order.note}" if order.note else ""
    return (
        f"{intent.client_order_id} {intent.side.value} {intent.size:f} "
        f"{intent.instrument_id}{kind}{trigger}{price} {order.state.value}{note}"
    )


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
