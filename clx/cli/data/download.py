"""`clx data download` and `repair`: fetch what the store lacks, and mend what is broken in it."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from clx.cli.data.kept import must_be_kept, stretches
from clx.cli.data.progress import progress_bars
from clx.cli.data.session import Failures, Session, listed, market_store, open_feed, session
from clx.cli.data.times import DAY_NS, parse_time, show_length, show_time, timeframe
from clx.cli.data.trades import (
    fetch_dropped,
    fill_trades,
    mend_trades,
    report_trades,
    trade_holes,
)
from clx.cli.naming import full_instrument
from clx.cli.numbers import Number
from clx.cli.output import format_option, print_json, print_table
from core.model.errors import ConfigError
from core.model.ids import InstrumentId, split_instrument_id
from core.model.market import Timeframe

if TYPE_CHECKING:
    from core.history.backfill import Filled
    from store.market import MarketStore


@click.command()
@click.argument("instruments", nargs=-1, required=True)
@click.option("--timeframe", "-t", "frames", multiple=True, default=("1m",), show_default=True,
              help="length of bars; may be given again")  # fmt: skip
@click.option("--trades", is_flag=True, help="single trades instead of bars")
@click.option(
    "--days", "--lookback-days", type=Number(0, 36_500, min_open=True),
    help="days back; 30 of bars, 1 of trades if unsaid",
)  # fmt: skip
@click.option("--since", default="", help="UTC day or time to begin at, instead of --days")
@click.option("--until", default="", help="UTC day or time to end at, instead of now")
@format_option
def download(
    instruments: Sequence[str], frames: Sequence[str], trades: bool, days: float | None,
    since: str, until: str, style: str,
) -> None:  # fmt: skip
    """Fetch the closed bars, or the single trades, of INSTRUMENTS that are not kept yet.

    It can be stopped at any time: run it again and it goes on where it was.
    """
    names = list(dict.fromkeys(full_instrument(name) for name in instruments))
    lengths = dict.fromkeys(timeframe(text) for text in frames)
    here, failures = session(start=True), Failures()
    with market_store(here, create=True) as store:
        back = days if days is not None else 1.0 if trades else 30.0
        start_ns, end_ns = _range(back, since, until)
        if trades:
            told = asyncio.run(fill_trades(here, store, names, start_ns, end_ns, failures))
            if told or not failures:
                report_trades(told, style)
            return failures.tell()
        series = [(name, length, start_ns, end_ns) for name in names for length in lengths]
        filled = asyncio.run(_fill(here, store, series, failures))
    if filled or not failures:
        _report(filled, style)
    failures.tell()


@click.command()
@click.argument("instruments", nargs=-1)
@click.option("--timeframe", "-t", "frames", multiple=True, help="only this length of bars")
@click.option("--trades", is_flag=True, help="only single trades")
@format_option
def repair(instruments: Sequence[str], frames: Sequence[str], trades: bool, style: str) -> None:
    """Drop what is damaged in the store and fetch every hole of INSTRUMENTS, or of all.

    Good bars are never replaced by worse ones; what the venue itself does not have is remembered.
    Of trades a hole is known where the venue's ids leave none out.
    """
    wanted = {full_instrument(name) for name in instruments}
    lengths = {timeframe(text) for text in frames}
    here, failures = session(start=True), Failures()
    with market_store(here) as store:
        must_be_kept(store, wanted)
        dropped = []
        names: list[InstrumentId | None] = [*sorted(wanted)] or [None]
        each: list[Timeframe | None] = [*sorted(lengths)] or [None]
        if trades and lengths:
            raise ConfigError("--trades and --timeframe exclude each other: bars have a timeframe")
        for name, length in itertools.product(names, each):
            dropped += store.upkeep.repair(name, length)
        for finding in dropped:
            click.echo(f"dropped: {finding}", err=True)
        series = [] if trades else stretches(store, wanted, lengths)
        holes = [item for item in series if store.bars.gaps(*item)]
        filled = asyncio.run(_fill(here, store, holes, failures))
        for lost in store.upkeep.dropped():
            if (frame := lost.timeframe) is not None and not store.bars.gaps(
                lost.instrument_id, frame, lost.start_ns, lost.end_ns
            ):
                store.upkeep.fetched(lost)
        mended = []
        if not lengths:
            mended += asyncio.run(fetch_dropped(here, store, wanted, failures))
            torn = trade_holes(here, store, wanted)
            mended += asyncio.run(mend_trades(here, store, torn, failures)) if torn else []
    if filled or not (mended or failures):
        _report(filled, style, "nothing is missing")
    if mended:
        report_trades(mended, style)
    failures.tell()


async def _fill(
    here: Session,
    store: MarketStore,
    series: Sequence[tuple[InstrumentId, Timeframe, int, int]],
    failures: Failures,
) -> list[Filled]:
    """Fill one series after the other, the feed of each venue built once."""
    from core.engine.clock import SystemClock
    from core.history.backfill import Backfill

    done: list[Filled] = []
    venues = list(dict.fromkeys(split_instrument_id(name)[1] for name, *_ in series))
    with progress_bars() as told:
        for venue in venues:
            async with open_feed(here, venue) as feed:
                work = Backfill(
                    store.bars,
                    lambda item, *rest: feed.history(item.id, *rest),
                    clock=SystemClock(),
                    rng=random.Random(),  # noqa: S311  jitter, no secret
                )
                for name, length, start_ns, end_ns in series:
                    if split_instrument_id(name)[1] != venue:
                        continue
                    with failures.passed_over(f"{name} {length.value}"):
                        item = await listed(feed, name)
                        done.append(await work.fill(item, length, start_ns, end_ns, told=told))
    return done


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
        raise ConfigError(
            f"--since must be before --until, was {since} and {until or 'now, which is unsaid'}"
        )
    return max(0, start_ns), end_ns
