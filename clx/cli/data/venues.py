"""`clx data venues` and `instruments`: where data can come from, and of what."""

from __future__ import annotations

import asyncio

import click

from clx.cli.data.session import Session, open_feed, session
from clx.cli.output import format_option, print_folded, print_json, print_table, show
from core.feeds.kinds import KINDS
from core.model.ids import VenueName, instrument_id
from core.model.instruments import Instrument, InstrumentKind
from core.model.occ import read_option
from core.model.ports import LooksUp
from core.model.wording import counted


@click.command()
@format_option
def venues(style: str) -> None:
    """List the venues whose data clx reads, and which of them the settings use."""
    here = session()
    used = here.feeds
    rows = []
    for kind, entry in KINDS.items():
        tables = [name for name, table in used.items() if (table.kind or name) == kind]
        rows.append((kind, ", ".join(tables) or None, entry.gives, entry.keys, entry.proof))
    for name, table in used.items():
        if table.kind.startswith("ccxt:") or name.startswith("ccxt:"):
            rows.append((table.kind or name, name, "what ccxt.pro gives", "no", "unchecked"))
    rows.append(("ccxt:EXCHANGE", None, "any exchange of ccxt.pro", "no", "unchecked"))
    if style == "json":
        names = ("kind", "feeds", "gives", "keys", "proof")
        print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    print_folded(("kind", "feeds in use", "gives", "keys", "proof of sequence"), rows, "none")


@click.command()
@click.argument("venue")
@click.argument("contains", default="")
@click.option("--kind", default="", help="only spot, perpetual, future, option, stock, fx or index")
@format_option
def instruments(venue: str, contains: str, kind: str, style: str) -> None:
    """List what VENUE lists now, as far as the id or its own symbol CONTAINS something.

    Options on a US share are listed when asked for by its ticker: alpaca AAPL --kind option, or by
    the name of one: alpaca AAPL261218C00200000.
    """
    part = contains.casefold()
    found = [
        item
        for item in asyncio.run(_ask(session(start=True), VenueName(venue), contains, kind))
        if (part in item.id.casefold() or part in item.venue_symbol.casefold())
        and (not kind or item.kind.value == kind)
    ]
    if style == "json":
        print_json(found)
        return
    print_table(
        ("instrument", "symbol", "kind", "tick", "lot", "min notional", "trading"),
        [
            (
                item.id, item.venue_symbol, item.kind.value, show(item.price_tick),
                show(item.size_lot), item.min_notional or None, _trading(item),
            )
            for item in found
        ],
        f"{venue} lists nothing like that",
    )  # fmt: skip
    click.echo(f"{counted(len(found), 'instrument')}")


def _trading(item: Instrument) -> str | None:
    if item.kind is InstrumentKind.INDEX:
        return None
    return "yes" if item.trading else "halted"


async def _ask(here: Session, venue: VenueName, contains: str, kind: str) -> list[Instrument]:
    async with open_feed(here, venue) as feed:
        if isinstance(feed, LooksUp):
            found: list[Instrument] = []
            if read_option(contains) is not None:
                found = await feed.look_up(instrument_id(contains, venue))
            elif kind == InstrumentKind.OPTION and contains:
                found = await feed.chain(contains)
            if found:
                return found
        return await feed.instruments()
