"""Verbs that spread an order over time or prices."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import click

from clx.cli.exits import Exit
from clx.cli.linked import price_option
from clx.cli.numbers import Number
from clx.cli.output import bar, format_option, print_json, print_table
from clx.cli.placing import read_line, size_of
from clx.cli.records import show_time
from clx.cli.trade import new_id
from clx.client import ask
from core.model import commands
from core.model.errors import ConfigError, did_you_mean
from core.model.executors import ExecutorKind, ExecutorView
from core.model.wording import counted


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, required=True)
@click.option("--minutes", type=Number(0.1, 7 * 1440), required=True, help="how long")
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
@click.argument("deed", required=False, metavar="[stop|pause|resume]")
@click.argument("executor_id", required=False)
@click.option("--all", "everything", is_flag=True, help="those that ended, too")
@click.option("--dry-run", is_flag=True, help="say how far it is, change nothing")
@format_option
def executors(
    deed: str | None, executor_id: str | None, everything: bool, dry_run: bool, style: str
) -> int:
    """List TWAPs and scaled entries, or act on one: clx executors pause ID.

    stop sends no more and cancels what rests; pause lets a TWAP's time stand still, and resume goes
    on where it stood. The end of an ID is enough.
    """
    views: tuple[ExecutorView, ...] = ask(commands.GetExecutors())
    if deed is None:
        return _list(views if everything else [item for item in views if not item.ended], style)
    if deed not in _DEEDS or executor_id is None:
        raise ConfigError(f"say `clx executors`, or `clx executors {'|'.join(_DEEDS)} ID`")
    name = _find(executor_id, views)
    view: ExecutorView = ask(_DEEDS[deed].model_validate({"executor_id": name, "dry_run": dry_run}))
    return _say(view, style, f"would {deed} " if dry_run else "")


_DEEDS: Final[dict[str, type[commands.Command]]] = {
    "stop": commands.StopExecutor,
    "pause": commands.PauseExecutor,
    "resume": commands.ResumeExecutor,
}


def _find(wanted: str, views: Sequence[ExecutorView]) -> str:
    """Return the one executor that an id or its end means.

    Raises:
        ConfigError: None or several do.
    """
    names = [item.plan.id for item in views]
    found = [wanted] if wanted in names else [name for name in names if name.endswith(wanted)]
    if len(found) > 1:
        raise ConfigError(f"{wanted!r} is the end of {', '.join(found)}; give more of it")
    if not found:
        raise ConfigError(f"no executor {wanted!r} is known{did_you_mean(wanted, names)}")
    return found[0]


def _list(views: Sequence[ExecutorView], style: str) -> int:
    if style == "json":
        print_json(tuple(views))
        return Exit.OK
    print_table(
        ("id", "kind", "side", "size", "instrument", "filled", "", "average", "resting", "orders",
         "next", "state", "why"),
        [
            (
                item.plan.id,
                item.plan.kind.value,
                item.plan.side.value,
                item.plan.size,
                item.plan.instrument_id,
                item.filled,
                bar(float(item.filled / item.plan.size), 10),
                None if item.average_price is None else round(item.average_price, 8),
                item.open_size,
                f"{item.sent}/{item.plan.orders}",
                show_time(item.next_ns) if item.next_ns else "-",
                item.state,
                item.ended or _trouble(item),
            )
            for item in views
        ],
        "no executors; `clx twap` and `clx scale` start one, --all shows those that ended",
    )  # fmt: skip
    return Exit.OK


def _trouble(view: ExecutorView) -> str:
    """Return why a part waits, or why some were refused."""
    if view.waits:
        return f"waits: {view.waits}"
    return f"{view.refused} refused: {view.note}" if view.refused else ""


def _say(view: ExecutorView, style: str, before: str = "") -> int:
    if style == "json":
        print_json(view)
        return Exit.OK
    plan = view.plan
    average = f" at {view.average_price:.8g}" if view.average_price is not None else ""
    refused = f"; {trouble}" if (trouble := _trouble(view)) else ""
    click.echo(
        f"{before}{plan.id} {plan.kind} {plan.side} {plan.size:f} {plan.instrument_id}: "
        f"{view.sent} of {counted(plan.orders, 'order')}, "
        f"{view.filled.normalize():f} filled{average}, "
        f"{view.open_size.normalize():f} resting; {view.ended or view.state}{refused}"
    )
    return Exit.OK
