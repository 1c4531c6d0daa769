"""`clx data list`, `verify`, `gaps` and `retention`: what is kept, and in what state."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import click

from clx.cli.data.session import market_store, session
from clx.cli.data.times import parse_time, show_bytes, show_length, show_time, timeframe
from clx.cli.data.trades import trade_holes
from clx.cli.data.untold import Untold, untold_trades
from clx.cli.exits import Exit
from clx.cli.naming import full_instrument
from clx.cli.output import format_option, print_json, print_table
from core.model.errors import ConfigError, StoreError, did_you_mean
from core.model.ids import InstrumentId
from core.model.market import Timeframe
from core.model.stores import Gap, TradeHole
from core.model.wording import counted

if TYPE_CHECKING:
    from store.market import MarketStore

_Gap: TypeAlias = tuple[InstrumentId, Timeframe, Gap]


@click.command("list")
@click.argument("instrument", default="")
@format_option
def kept(instrument: str, style: str) -> None:
    """List the series kept, of one INSTRUMENT or of all."""
    name = full_instrument(instrument) if instrument else None
    with market_store(session()) as store:
        must_be_kept(store, [name] if name else [])
        found = store.upkeep.series(name)
        total = store.upkeep.bytes_on_disk()
        path = store.path
    if style == "json":
        print_json(found)
        return
    print_table(
        ("instrument", "what", "rows", "from", "to", "blocks", "size"),
        [
            (
                item.instrument_id,
                item.timeframe.value if item.timeframe else "trades",
                f"{item.rows:,}",
                show_time(item.first_ns),
                show_time(item.last_ns),
                item.blocks,
                show_bytes(item.bytes),
            )
            for item in found
        ],
        "nothing is kept yet",
    )
    click.echo(f"{show_bytes(total)} in {path}")


@click.command()
@click.argument("instrument", default="")
@format_option
def verify(instrument: str, style: str) -> None:
    """Check every block kept: checksum, order, and that each row is a bar or trade."""
    name = full_instrument(instrument) if instrument else None
    with market_store(session()) as store, bar() as progress:
        must_be_kept(store, [name] if name else [])
        found = store.upkeep.verify(name, progress=progress)
    if style == "json":
        print_json(found)
    else:
        for finding in found:
            click.echo(str(finding))
        click.echo(
            f"{len(found)} damaged: `clx data repair` drops them and fetches what venues have"
            if found
            else "good"
        )
    if found:
        raise click.exceptions.Exit(Exit.DATA)


@click.command()
@click.argument("instruments", nargs=-1)
@click.option("--timeframe", "-t", "frames", multiple=True, help="only this length of bars")
@click.option("--since", default="", help="UTC day or time to begin at, instead of the first bar")
@format_option
def gaps(instruments: Sequence[str], frames: Sequence[str], since: str, style: str) -> None:
    """Find the holes of INSTRUMENTS, or of all that is kept, less what venues do not have.

    Of trades a hole is known where the venue's ids leave none out, and doubted where it told none
    although bars hold volume.
    """
    here = session()
    wanted = {full_instrument(name) for name in instruments}
    lengths = {timeframe(text) for text in frames}
    since_ns = parse_time(since, "--since") if since else 0
    with market_store(here) as store:
        must_be_kept(store, wanted)
        rows, damaged = _bar_gaps(store, wanted, lengths, since_ns)
        torn = {} if frames else trade_holes(here, store, wanted, since_ns)
        doubts = [] if frames else _untold(store, wanted, since_ns)
        empties = [
            stretch.kind.value
            for name in dict.fromkeys(info.instrument_id for info in store.upkeep.series())
            if not wanted or name in wanted
            for stretch in store.bars.empties(name)
        ]
    for words in damaged:
        click.echo(f"not looked through: {words}", err=True)
    for doubt in doubts:
        click.echo(
            f"{doubt.instrument_id} trades: the venue told none for "
            f"{counted(doubt.bars, f'{doubt.timeframe.value} bar')} with volume, from "
            f"{show_time(doubt.start_ns)} to {show_time(doubt.end_ns)}; its history of trades "
            "begins later, or leaves them out: do not take that time for quiet, import it "
            "(`clx data import --trades`) where you need it",
            err=True,
        )
    if style == "json":
        print_json([
            *({"instrument": name, "timeframe": frame, "gap": gap} for name, frame, gap in rows),
            *({"instrument": name, "timeframe": None, "gap": hole}
              for name, holes in torn.items() for hole in holes),
        ])  # fmt: skip
    else:
        _show_gaps(rows, torn, empties, "no hole of ours" + " in the rest" * bool(damaged))
    if damaged:
        raise click.exceptions.Exit(Exit.DATA)


def _bar_gaps(
    store: MarketStore,
    wanted: Collection[InstrumentId],
    lengths: Collection[Timeframe],
    since_ns: int,
) -> tuple[list[_Gap], list[str]]:
    """Return the holes of bars, and which series cannot be looked through."""
    rows: list[_Gap] = []
    damaged: list[str] = []
    for name, frame, first_ns, end_ns in stretches(store, wanted, lengths):
        try:
            found = store.bars.gaps(name, frame, since_ns or first_ns, end_ns)
        except StoreError as error:
            damaged.append(str(error))
            continue
        rows += [(name, frame, gap) for gap in found]
    return rows, damaged


def _untold(store: MarketStore, wanted: Collection[InstrumentId], since_ns: int) -> list[Untold]:
    """Return where venues told no trades and bars say otherwise; damage is told by `verify`."""
    found = []
    for name in dict.fromkeys(info.instrument_id for info in store.upkeep.series()):
        if not wanted or name in wanted:
            with contextlib.suppress(StoreError):
                doubt = untold_trades(store, name, since_ns)
                if doubt is not None:
                    found.append(doubt)
    return found


def stretches(
    store: MarketStore, wanted: Collection[InstrumentId], lengths: Collection[Timeframe]
) -> list[tuple[InstrumentId, Timeframe, int, int]]:
    """Return from when to when bars should be kept: what is there, and what was dropped of it."""
    spans = {
        (info.instrument_id, info.timeframe): (info.first_ns, info.last_ns + info.timeframe.ns)
        for info in store.upkeep.series()
        if info.timeframe is not None
    }
    for lost in store.upkeep.dropped():
        if lost.timeframe is not None:
            key = (lost.instrument_id, lost.timeframe)
            first_ns, end_ns = spans.get(key, (lost.start_ns, lost.end_ns))
            spans[key] = (min(first_ns, lost.start_ns), max(end_ns, lost.end_ns))
    return [
        (name, frame, first_ns, end_ns)
        for (name, frame), (first_ns, end_ns) in spans.items()
        if (not wanted or name in wanted) and (not lengths or frame in lengths)
    ]


def _show_gaps(
    rows: Sequence[_Gap],
    torn: Mapping[InstrumentId, Sequence[TradeHole]],
    empties: Sequence[str],
    none: str,
) -> None:
    print_table(
        ("instrument", "what", "from", "length", "missing"),
        [
            *(
                (
                    name,
                    frame.value,
                    show_time(gap.start_ns),
                    show_length(gap.end_ns - gap.start_ns),
                    gap.bars,
                )
                for name, frame, gap in rows
            ),
            *(
                (
                    name,
                    "trades",
                    show_time(hole.start_ns),
                    show_length(hole.end_ns - hole.start_ns),
                    hole.trades,
                )
                for name, holes in torn.items()
                for hole in holes
            ),
        ],
        none,
    )
    if empties:
        click.echo(
            f"known to be empty at the venue: {counted(len(empties), 'stretch', 'stretches')}, as "
            f"{', '.join(sorted(set(empties)))}"
        )


@click.command()
@click.argument("old")
@click.argument("new")
def rename(old: str, new: str) -> None:
    """Keep the data of OLD under NEW from now on, as when MATIC became POL.

    Both names find it afterwards; where both have data, the better bar stays.
    """
    before, after = full_instrument(old), full_instrument(new)
    if before == after:
        raise click.UsageError(f"OLD and NEW must be two instruments, both were {before}")
    with market_store(session()) as store:
        store.upkeep.rename(before, after)
    click.echo(f"{before} is {after} now")


@click.command()
@click.option("--apply", "really", is_flag=True, help="drop it; without, only say what would go")
@format_option
def retention(really: bool, style: str) -> None:
    """Show what the policy of [store] would drop, or drop it after making longer bars of it."""
    here = session()
    policy = here.settings.store
    with market_store(here) as store:
        now_ns = time.time_ns()
        if really:
            with bar() as progress:
                found = store.retention.apply(policy, now_ns, progress)
        else:
            found = store.retention.plan(policy, now_ns)
    if style == "json":
        print_json(found)
        return
    for item in found:
        click.echo(str(item))
    if not found:
        keep = ", ".join(
            f"{Timeframe(frame).value} {counted(days, 'day')}"
            for frame, days in policy.bars_days.items()
        )
        click.echo(
            f"nothing is older than the policy: {keep}, trades {counted(policy.trades_days, 'day')}"
        )
    elif not really:
        click.echo("nothing was dropped: say --apply")


def must_be_kept(store: MarketStore, names: Collection[InstrumentId]) -> None:
    """Refuse names nothing is kept of: that nothing is wrong with them would be no news.

    Raises:
        ConfigError: Names the first, and the nearest known one.
    """
    for name in names:
        if not store.upkeep.series(name) and not store.upkeep.dropped(name):
            known = {info.instrument_id for info in store.upkeep.series()}
            raise ConfigError(
                f"nothing is kept of {name}; `clx data list` says what is"
                f"{did_you_mean(name, known)}"
            )


@contextlib.contextmanager
def bar() -> Iterator[Callable[[int, int], None]]:
    """Show how far a sweep has come, on a terminal's stderr."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as shown:
        task = shown.add_task("checking", total=None)

        def told(done: int, total: int) -> None:
            shown.update(task, completed=done, total=total or None)

        yield told
