"""Prints results as a table for people or as JSON for programs."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import click
import msgspec

Row = Sequence[object]
F = TypeVar("F", bound=Callable[..., Any])


def format_option(function: F) -> F:
    """Add ``--format table|json`` to a verb."""
    return _format_option("table", "json")(function)


def list_format_option(function: F) -> F:
    """Add ``--format table|json|csv`` to a verb that lists records."""
    return _format_option("table", "json", "csv")(function)


def _format_option(*styles: str) -> Callable[[F], F]:
    return click.option(
        "--format",
        "style",
        type=click.Choice(styles),
        default=styles[0],
        show_default=True,
        help="How to print.",
    )


def say_done(text: str, style: str, **more: object) -> None:
    """Print what was done, or would be: a sentence, or JSON with it as ``text``."""
    if style == "json":
        print_json({"text": text, **more})
    else:
        click.echo(text)


def print_json(value: object) -> None:
    """Print a result as one JSON document; decimals are strings, NaN is null."""
    plain = msgspec.to_builtins(value, builtin_types=(Decimal,), enc_hook=str)
    click.echo(json.dumps(_finite(plain), default=str, indent=1))


def print_table(columns: Sequence[str], rows: Sequence[Row], empty: str) -> None:
    """Print aligned columns; numbers to the right. `empty` is said when there is no row."""
    if not rows:
        click.echo(empty)
        return
    cells = [[show(cell) for cell in row] for row in rows]
    widths = [max(len(name), *(len(row[i]) for row in cells)) for i, name in enumerate(columns)]
    right = [all(_is_number(row[i]) for row in rows) for i in range(len(columns))]
    for line in (list(columns), *cells):
        parts = [
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, right, strict=True)
        ]
        click.echo("  ".join(parts).rstrip())


def print_folded(columns: Sequence[str], rows: Sequence[Row], empty: str) -> None:
    """Print a table, or where the terminal is too narrow for it, a block of lines for each row.

    What goes into a pipe or file stays a table.
    """
    width = shutil.get_terminal_size((sys.maxsize, 24)).columns
    cells = [[show(cell) for cell in row] for row in rows]
    longest = (max(map(len, column)) for column in zip(columns, *cells, strict=True))
    if sum(longest) + 2 * (len(columns) - 1) <= width:
        print_table(columns, rows, empty)
        return
    edge = max(map(len, columns[1:])) + 4
    for name, *rest in cells:
        click.echo(name)
        for column, text in zip(columns[1:], rest, strict=True):
            lines = textwrap.wrap(text, max(20, width - edge)) if text != "-" else []
            for at, line in enumerate(lines):
                click.echo(f"  {column if at == 0 else '':<{edge - 2}}{line}")


def bar(share: float, width: int = 20) -> str:
    """Return a share as a bar."""
    full = max(0, min(width, round(share * width)))
    return f"[{'#' * full}{'.' * (width - full)}]"


def signed(value: Decimal) -> str:
    """Return money with its sign, to the cent; what rounds to nothing has the sign of nothing."""
    text = f"{value:+,.2f}"
    return "+0.00" if text == "-0.00" else text


def show(cell: object) -> str:
    """Return a cell's text: a dash for None, decimals exact but without trailing zeros."""
    if cell is None:
        return "-"
    if isinstance(cell, Decimal):
        return f"{cell.normalize():,f}"
    return str(cell)


def _is_number(cell: object) -> bool:
    if isinstance(cell, (int, float, Decimal)):
        return True
    return cell is None or (isinstance(cell, str) and cell[:1] in "+-0123456789")


def _finite(value: Any) -> Any:
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
