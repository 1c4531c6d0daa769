"""From typed words to an order line with a size."""

from __future__ import annotations

from decimal import Decimal

import click

from clx.cli.naming import full_instrument, is_instrument
from clx.client import ask
from core.model.amounts import Unit
from core.model.grammar import OrderLine, parse_order
from core.model.ids import InstrumentId
from core.model.inspection import OrderPreview
from core.model.placing import preview_order
from core.model.wording import money


def read_line(words: tuple[str, ...]) -> OrderLine:
    """Read an order line; without a price it is a market order.

    Raises:
        ConfigError: A word cannot be read; names it.
    """
    return parse_order(words, find_instrument)


def find_instrument(word: str) -> InstrumentId | None:
    """Return the instrument a word names, None where it cannot name one."""
    return full_instrument(word) if is_instrument(word) else None


def size_of(line: OrderLine, style: str) -> Decimal:
    """Return the size a line asks for; what is no plain size the engine works out, and it is said.

    Raises:
        ConfigError: The amount comes to nothing, or cannot be worked out here.
    """
    if line.amount.unit is Unit.QUANTITY:
        return line.amount.value
    found: OrderPreview = ask(preview_order(line))
    if style != "json":
        risk = f", {_in(found.risk, found.asset)} at risk" if found.risk is not None else ""
        cost = f"{_in(found.cost, found.asset)} at {found.price.normalize():f}"
        click.echo(f"{line.amount.text} is {found.size:f}: {cost}{risk}", err=True)
    return found.size


def _in(value: Decimal, asset: str) -> str:
    """Return an amount with as many places as its asset needs, and the asset."""
    return f"{money(value, asset).removesuffix(f' {asset}')} {asset}"
