"""Verbs around lists of instruments: groups, the venues' listings, the course of prices."""

from __future__ import annotations

import click

from clx.cli.naming import full_instrument
from clx.cli.output import format_option, print_json, print_table, say_done
from clx.client import ask
from core.model import commands
from core.model.errors import ConfigError
from core.model.instruments import InstrumentKind

_COLUMNS = "▁▂▃▄▅▆▇█"


@click.command()
@click.argument(
    "action",
    type=click.Choice(["show", "new", "rename", "drop", "add", "remove"]),
    default="show",
)
@click.argument("name", required=False)
@click.argument("what", required=False)
@click.option("--dry-run", is_flag=True, help="say what would be changed, change nothing")
@format_option
def group(action: str, name: str | None, what: str | None, dry_run: bool, style: str) -> None:
    """Show groups of instruments, or change group NAME.

    new and drop make and remove it, rename calls it WHAT, add and remove put instrument WHAT in it
    or take it out.
    """
    if action == "show":
        _show_groups(style)
        return
    if name is None or (what is None and action in {"rename", "add", "remove"}):
        example = {"rename": " majors big", "add": " majors BTC-USDT", "remove": " majors BTC-USDT"}
        raise ConfigError(f"say which: clx group {action}{example.get(action, ' majors')}")
    made: commands.Command
    if action == "new":
        made = commands.AddGroup(group=name)
    elif action == "drop":
        made = commands.RemoveGroup(group=name)
    elif action == "rename":
        made = commands.RenameGroup(group=name, to=what or "")
    elif action == "add":
        made = commands.WatchInstrument(instrument=full_instrument(what or ""), group=name)
    else:
        made = commands.UnwatchInstrument(instrument=full_instrument(what or ""), group=name)
    if dry_run:
        known = ask(commands.GetGroups())
        there = ", ".join(item.name for item in known.groups) or "none"
        say_done(f"would {action} {name} {what or ''}".rstrip() + f"; groups: {there}", style)
        return
    say_done(ask(made).text, style)


def _show_groups(style: str) -> None:
    report: commands.WatchReport = ask(commands.GetGroups())
    if style == "json":
        print_json(report)
        return
    rows = [("watchlist", len(report.watchlist), " ".join(report.watchlist))]
    rows += [
        (item.name, len(item.instruments), " ".join(item.instruments)) for item in report.groups
    ]
    print_table(("group", "count", "instruments"), rows, "no groups")


@click.command()
@click.option("--symbols", is_flag=True, help="print every symbol instead of counts")
@format_option
def listing(symbols: bool, style: str) -> None:
    """Show what every venue lists."""
    parts: tuple[commands.ListedSymbols, ...] = ask(commands.GetListing())
    if style == "json":
        print_json(parts)
    elif symbols:
        for part in parts:
            for symbol in part.symbols.split():
                click.echo(f"{symbol}.{part.venue}")
    else:
        print_table(
            ("venue", "kind", "state", "symbols"),
            [
                (
                    part.venue,
                    part.kind.value,
                    _state(part),
                    len(part.symbols.split()),
                )
                for part in parts
            ],
            "no venue has told its listing yet",
        )


def _state(part: commands.ListedSymbols) -> str:
    """Return whether symbols are traded; an index never is."""
    if part.kind is InstrumentKind.INDEX:
        return "-"
    return "trading" if part.trading else "halted"


@click.command()
@click.argument("names", nargs=-1)
@format_option
def sparks(names: tuple[str, ...], style: str) -> None:
    """Show the last 24 hours of NAMES, or of the watchlist, as sparklines."""
    wanted = tuple(full_instrument(name) for name in names)
    found: tuple[commands.Spark, ...] = ask(commands.GetSparks(instruments=wanted))
    if style == "json":
        print_json(found)
        return
    rows = [(spark.instrument_id, _drawn(spark.closes_ticks)) for spark in found]
    print_table(("instrument", "24 h"), rows, "no instrument")


def _drawn(closes: tuple[int, ...]) -> str:
    if not closes:
        return "-"
    low, span = min(closes), max(closes) - min(closes)
    top = len(_COLUMNS) - 1
    return "".join(_COLUMNS[(close - low) * top // span if span else top // 2] for close in closes)
