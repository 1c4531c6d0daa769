"""From a typed order line to the command that places it."""

from __future__ import annotations

from decimal import Decimal

import click

from clx.cli.client import ask
from clx.cli.naming import full_instrument
from core.model import commands
from core.model.amounts import Unit
from core.model.errors import ConfigError
from core.model.grammar import OrderLine, parse_order
from core.model.ids import ClientOrderId, InstrumentId
from core.model.inspection import OrderPreview
from core.model.orders import OrderType


def read_line(words: tuple[str, ...]) -> OrderLine:
    """Read an order line; without a price it is a market order.

    Raises:
        ConfigError: A word cannot be read; names it.
    """
    return parse_order(words, find_instrument)


def find_instrument(word: str) -> InstrumentId | None:
    """Return the instrument a word names; a word without a dash names none."""
    return full_instrument(word) if "-" in word else None


def size_of(line: OrderLine, style: str) -> Decimal:
    """Return the size a line asks for; what is no plain size the engine works out, and it is said.

    Raises:
        ConfigError: The amount comes to nothing, or cannot be worked out here.
    """
    if line.amount.unit is Unit.QUANTITY:
        return line.amount.value
    found: OrderPreview = ask(
        commands.PreviewOrder(
            instrument=line.instrument,
            side=line.side,
            amount=line.amount.text,
            type=line.type,
            price=line.price,
            trigger_price=line.trigger_price,
            post_only=line.post_only,
            stop_price=line.stop_price,
            stop_trail=line.stop_trail,
            stop_trail_pct=line.stop_trail_pct,
            target_price=line.target_price,
            position_side=line.position_side,
            account=line.account,
        )
    )
    if style != "json":
        risk = f", {found.risk:,.2f} {found.asset} at risk" if found.risk is not None else ""
        cost = f"{found.cost:,.2f} {found.asset} at {found.price.normalize():f}"
        click.echo(f"{line.amount.text} is {found.size:f}: {cost}{risk}", err=True)
    return found.size


def submit_order(
    line: OrderLine, size: Decimal, order_id: ClientOrderId, *, dry_run: bool
) -> commands.SubmitOrder:
    """Return the command of a line without exits."""
    return commands.SubmitOrder(
        client_order_id=order_id,
        instrument=line.instrument,
        side=line.side,
        type=line.type,
        size=size,
        price=line.price,
        time_in_force=line.time_in_force,
        expire_ns=line.expire_ns,
        post_only=line.post_only,
        reduce_only=line.reduce_only,
        trigger_price=line.trigger_price,
        trigger_by=line.trigger_by,
        trail=line.trail,
        trail_pct=line.trail_pct,
        display_size=line.display_size,
        position_side=line.position_side,
        account=line.account,
        dry_run=dry_run,
    )


def submit_bracket(
    line: OrderLine, size: Decimal, order_id: ClientOrderId, *, dry_run: bool
) -> commands.SubmitBracket:
    """Return the command of a line with exits."""
    return commands.SubmitBracket(
        client_order_id=order_id,
        instrument=line.instrument,
        side=line.side,
        type=line.type,
        size=size,
        price=line.price,
        entry_trigger=line.trigger_price,
        time_in_force=line.time_in_force,
        expire_ns=line.expire_ns,
        post_only=line.post_only,
        position_side=line.position_side,
        stop_price=line.stop_price,
        stop_limit=line.stop_limit,
        trail=line.stop_trail,
        trail_pct=line.stop_trail_pct,
        target_price=line.target_price,
        trigger_by=line.trigger_by,
        account=line.account,
        dry_run=dry_run,
    )


def submit_oco(
    line: OrderLine, size: Decimal, group_id: ClientOrderId, *, dry_run: bool
) -> commands.SubmitOco:
    """Return the command of two exits of which one cancels the other.

    Raises:
        ConfigError: The line says something two exits cannot have, or lacks one of them.
    """
    if line.price is not None:
        raise ConfigError(f"an OCO takes its prices by sl and tp, was @{line.price:f}")
    if line.stop_price is None or line.target_price is None:
        raise ConfigError("an OCO needs both its exits, such as: sl 63000 tp 67000")
    if line.type is not OrderType.MARKET or line.expire_ns or line.post_only:
        raise ConfigError("an OCO has exits only: drop the trigger, gtd and post")
    return commands.SubmitOco(
        client_order_id=group_id,
        instrument=line.instrument,
        side=line.side,
        size=size,
        stop_price=line.stop_price,
        stop_limit=line.stop_limit,
        target_price=line.target_price,
        trigger_by=line.trigger_by,
        account=line.account,
        dry_run=dry_run,
    )
