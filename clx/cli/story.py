"""Verbs that tell an order's life, and what the account came to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import click

from clx.cli.output import bar, format_option, print_json, print_table, show, signed
from clx.cli.records import show_time
from clx.cli.trade import line
from clx.client import ask
from core.model import commands
from core.model.ids import ClientOrderId
from core.model.inspection import LifeStep, OrderLife, PnlLine, PortfolioView


@click.command()
@click.argument("order_id")
@format_option
def why(order_id: str, style: str) -> None:
    """Tell the whole life of the order with client id ORDER_ID, or the end of one.

    Intent, checks, bytes on the wire without keys and signatures, answers, fills and times.
    """
    life: OrderLife = ask(commands.GetOrderLife(client_order_id=ClientOrderId(order_id)))
    if style == "json":
        print_json(life)
        return
    click.echo(line(life.order))
    for other in life.group:
        click.echo(f"  with {line(other)}")
    first = life.steps[0].ts_ns if life.steps else 0
    print_table(
        ("time", "after", "record", "what", "how"),
        [row for step in life.steps for row in _rows(step, first)],
        "the journal has no record of it",
    )
    click.echo(f"wire: {life.wire}")


def _rows(step: LifeStep, first: int) -> Iterator[tuple[object, ...]]:
    yield (
        _precise(step.ts_ns),
        f"+{(step.ts_ns - first) / 1e6:,.1f} ms",
        step.seq or None,
        step.what,
        step.text.replace("\n", " "),
    )
    width = max((len(use.rule) for use in step.limits), default=0)
    for use in step.limits:
        allowed = f"{'at least ' if use.least else ''}{show(use.allowed)} {use.unit}".rstrip()
        used = f"{use.used:,.2f}".removesuffix(".00")
        yield "", "", "", "limit", f"{use.rule:<{width}}  {bar(use.share)} {used} of {allowed}"


@click.command()
@click.option("--hours", default=0, type=click.IntRange(0, 24 * 366), help="of the curve; 0: all")
@format_option
def portfolio(hours: int, style: str) -> None:
    """Show the equity curve, exposure, and profit by strategy, instrument and day."""
    view: PortfolioView = ask(commands.GetPortfolio(hours=hours))
    if style == "json":
        print_json(view)
        return
    click.echo(
        f"equity {view.equity:,.2f} {view.asset}  today {signed(view.day_pnl)}  "
        f"ever {signed(view.total_pnl)}  gross {view.gross:,.2f}  net {signed(view.net)}"
    )
    if len(view.points) > 1:
        from clx.cli.picture import draw_equity

        times = [point.ts_ns for point in view.points]
        values = [float(point.equity) for point in view.points]
        draw_equity(times, values, f"equity {view.asset}", view.gaps)
    print_table(
        ("holds", "account", "size", "value", "of equity %"),
        [(e.name, e.venue, e.size, e.value, e.of_equity_pct) for e in view.exposure],
        f"nothing is held but {view.asset}",
    )
    for name, lines in (("instrument", view.by_instrument), ("proposed by", view.by_strategy)):
        print_table(
            (name, "fills", "realised", "unrealised", "fees", "funding", "total"),
            [_figures(item) for item in lines],
            f"no fills yet to count by {name}",
        )
    if view.strategies_since_ns:
        click.echo(f"counted by proposer since {show_time(view.strategies_since_ns)}")
    print_table(
        ("day (UTC)", "profit"), [(d.name, signed(d.total)) for d in view.by_day], "no day yet"
    )


def _figures(item: PnlLine) -> tuple[object, ...]:
    money = (item.realised, item.unrealised, item.fees, item.funding, item.total)
    return (item.name, item.fills, *map(signed, money))


def _precise(ts_ns: int) -> str:
    moment = dt.datetime.fromtimestamp(ts_ns // 10**9, dt.UTC)
    return f"{moment:%m-%d %H:%M:%S}.{ts_ns // 1_000_000 % 1000:03d}"
