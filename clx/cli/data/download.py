"""`clx data download` and `repair`: fetch what the store lacks, and mend what is broken in it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

from clx.cli.data.session import Session, listed, market_store, open_feed, session
from clx.cli.data.times import DAY_NS, parse_time, show_length, show_time
from clx.cli.naming import full_instrument
from clx.cli.output import format_option, print_json, print_table
from core.model.errors import ConfigError
from core.model.ids import InstrumentId, split_instrument_id
from core.model.market import Timeframe

if TYPE_CHECKING:
    from core.history.backfill import Filled
    from core.history.backfill import Progress as Come
    from store.market import MarketStore

Told = Callable[["Come"], None]


@click.command()
@click.argument("instruments", nargs=-1, required=True)
@click.option("--timeframe", "-t", "frames", multiple=True, default=("1m",), show_default=True,
              help="length of bars; may be given again")  # fmt: skip
@click.option("--days", "--lookback-days", default=30.0, show_default=True, help="days back")
@click.option("--since", default="", help="UTC day or time to begin at, instead of --days")
@click.option("--until", default="", help="UTC day or time to end at, instead of now")
@format_option
def download(
    instruments: Sequence[str], frames: Sequence[str], days: float, since: str, until: str,
    style: str,
) -> None:  # fmt: skip
    """Fetch the closed bars of INSTRUMENTS that are not kept yet.

    It can be stopped at any time: run it again and it goes on where it was.
    """
    names = [full_instrument(name) for name in instruments]
    here = session(start=True)
    with market_store(here, create=True) as store:
        start_ns, end_ns = _range(days, since, until)
        series = [(name, _timeframe(text), start_ns, end_ns) for name in names for text in frames]
        filled = asyncio.run(_fill(here, store, series))
    _report(filled, style)


@click.command()
@click.argument("instruments", nargs=-1)
@click.option("--timeframe", "-t", "frames", multiple=True, help="only this length of bars")
@format_option
def repair(instruments: Sequence[str], frames: Sequence[str], style: str) -> None:
    """Drop what is damaged in the store and fetch every hole of INSTRUMENTS, or of all.

    Good bars are never replaced by worse ones; what the venue itself does not have is remembered.
    """
    wanted = {full_instrument(name) for name in instruments}
    lengths = {_timeframe(text) for text in frames}
    here = session(start=True)
    with market_store(here) as store:
        dropped = []
        names: list[InstrumentId | None] = [*sorted(wanted)] or [None]
        each: list[Timeframe | None] = [*sorted(lengths)] or [None]
        for name, length in itertools.product(names, each):
            dropped += store.upkeep.repair(name, length)
        for finding in dropped:
            click.echo(f"dropped: {finding}", err=True)
        series = [
            (info.instrument_id, info.timeframe, info.first_ns, info.last_ns + info.timeframe.ns)
            for info in store.upkeep.series()
            if info.timeframe is not None
            and (not wanted or info.instrument_id in wanted)
            and (not lengths or info.timeframe in lengths)
        ]
        holes = [item for item in series if store.bars.gaps(item[0], item[1], item[2], item[3])]
        filled = asyncio.run(_fill(here, store, holes))
    _report(filled, style, "nothing is missing")


async def _fill(
    here: Session,
    store: MarketStore,
    series: Sequence[tuple[InstrumentId, Timeframe, int, int]],
) -> list[Filled]:
    """Fill one series after the other, the feed of each venue built once."""
    from core.engine.clock import SystemClock
    from core.history.backfill import Backfill

    done: list[Filled] = []
    venues = list(dict.fromkeys(split_instrument_id(name)[1] for name, *_ in series))
    with _progress() as told:
        for venue in venues:
            async with open_feed(here, venue) as feed:
                work = Backfill(
                    store.bars,
                    lambda item, *rest: feed.history(item.id, *rest),
                    clock=SystemClock(),
                    rng=random.Random(),  # noqa: S311  jitter, no secret
                )
                for name, timeframe, start_ns, end_ns in series:
                    if split_instrument_id(name)[1] == venue:
                        item = await listed(feed, name)
                        done.append(await work.fill(item, timeframe, start_ns, end_ns, told=told))
    return done


@contextlib.contextmanager
def _progress() -> Iterator[Told]:
    """Show a bar per series on a terminal's stderr; nothing where nobody looks."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    tasks: dict[str, int] = {}
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,.0f} bars"),
        TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=not console.is_terminal) as shown:

        def told(progress: Come) -> None:
            name = f"{progress.instrument.id} {progress.timeframe.value}"
            task = tasks.get(name)
            if task is None:
                task = tasks[name] = shown.add_task(name, total=progress.total or 1, note="")
            if progress.note:
                shown.update(task, note=progress.note)  # type: ignore[arg-type]  # rich's own id
            else:
                note = show_time(progress.at_ns)
                shown.update(task, completed=progress.done, note=note)  # type: ignore[arg-type]  # as above

        yield told


def _report(filled: Sequence[Filled], style: str, empty: str = "nothing to fetch") -> None:
    if style == "json":
        print_json(filled)
        return
    print_table(
        ("instrument", "bars", "new", "replaced", "outages", "still missing"),
        [
            (
                item.instrument.id,
                item.timeframe.value,
                item.written.new,
                item.written.replaced,
                len(item.outages),
                sum(gap.bars for gap in item.left),
            )
            for item in filled
        ],
        empty,
    )
    for item in filled:
        for hole in item.outages[:20]:
            click.echo(
                f"{item.instrument.id} {item.timeframe.value}: the venue has nothing from "
                f"{show_time(hole.start_ns)} for {show_length(hole.end_ns - hole.start_ns)}"
            )


def _range(days: float, since: str, until: str) -> tuple[int, int]:
    import time

    end_ns = parse_time(until, "--until") if until else time.time_ns()
    start_ns = parse_time(since, "--since") if since else end_ns - int(days * DAY_NS)
    if start_ns >= end_ns:
        raise ConfigError(f"--since must be before --until, was {since or days} and {until}")
    return max(0, start_ns), end_ns


def _timeframe(text: str) -> Timeframe:
    try:
        return Timeframe(text)
    except ValueError:
        known = ", ".join(item.value for item in Timeframe)
        raise ConfigError(f"--timeframe must be one of {known}, was {text!r}") from None
