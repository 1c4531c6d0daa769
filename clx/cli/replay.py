"""`clx replay`: a tape or a recorded capture through the feed's own code."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from clx.cli.exits import Exit
from clx.cli.output import print_table
from core.model.market import Timeframe

if TYPE_CHECKING:
    from core.backtest.replay_report import ReplayReport
    from core.model.errors import StoreError


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--venue", default="", help="Whose feed code reads it; guessed when not given.")
@click.option(
    "--speed",
    type=click.Choice(["1", "10", "max"]),
    default="max",
    show_default=True,
    help="Original timing, ten times it, or as fast as it goes.",
)
@click.option(
    "--report",
    "style",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How to print what was found.",
)
@click.option(
    "--bars",
    type=click.Choice([timeframe.value for timeframe in Timeframe]),
    help="Also report the closed bars of this timeframe.",
)
def replay(file: Path, venue: str, speed: str, style: str, bars: str | None) -> int:
    """Replay FILE, a tape of clx or a recorded capture, through the feed's own code.

    Prints counts, rejected frames, the books at the end, gaps and a hash of the whole state: the
    same file gives the same hash. Exits with 5 when lines of the file are damaged.
    """
    # numba and numpy are loaded here, so that `clx --help` does not wait for them.
    from core.backtest.replay import replay as run
    from core.engine.clock import SystemClock

    damage: list[StoreError] = []
    with _progress() as progress:
        report = asyncio.run(
            run(
                file,
                venue=venue,
                speed=None if speed == "max" else float(speed),
                bars=Timeframe(bars) if bars else None,
                clock=SystemClock(),
                sleep=asyncio.sleep,
                progress=progress,
                on_damage=damage.append,
            )
        )
    if style == "json":
        click.echo(report.to_json().decode())
    else:
        _print(report)
    if damage:
        more = f" (and {len(damage) - 1} more)" if len(damage) > 1 else ""
        click.echo(f"clx: {damage[0]}{more}", err=True)
        return Exit.DATA
    return Exit.OK


@contextmanager
def _progress() -> Iterator[Callable[[float], None]]:
    """Draw a bar on stderr where a person watches."""
    if not sys.stderr.isatty():
        yield lambda fraction: None
        return
    with click.progressbar(length=1000, label="replay", file=sys.stderr) as bar:
        yield lambda fraction: bar.update(int(fraction * 1000) - bar.pos)


def _print(report: ReplayReport) -> None:
    click.echo(f"frames {report.frames:,}   state {report.state_hash}")
    # Questions of a kind nobody named stand there with their whole address.
    events = [
        (name if len(name) <= 60 else f"{name[:59]}…", n) for name, n in report.events.items()
    ]
    print_table(("events", "count"), events, "no event was decoded")
    checked = report.checksums
    if checked.ok or checked.bad:
        click.echo(f"checksums of books: {checked.ok:,} right, {checked.bad:,} wrong")
    click.echo()
    print_table(
        ("instrument", "status", "bid", "ask", "bids", "asks", "last id", "gaps", "resyncs", "why"),
        [
            (
                symbol,
                f"{item.status}{' CROSSED' if item.crossed else ''}",
                item.bids[0][0] if item.bids else None,
                item.asks[0][0] if item.asks else None,
                item.n_bids,
                item.n_asks,
                item.last_id,
                len(item.gaps),
                item.resyncs,
                item.reason,
            )
            for symbol, item in report.instruments.items()
        ],
        "no instrument was seen",
    )
    lost = [
        (gap.line, symbol, gap.reason, gap.expected_id, gap.received_id)
        for symbol, item in report.instruments.items()
        for gap in item.gaps
    ]
    if lost:
        click.echo()
        print_table(("line", "instrument", "book lost for", "expected", "received"), lost, "")
    if report.rejected:
        click.echo()
        print_table(
            ("line", "rejected because"), [(bad.line, bad.reason) for bad in report.rejected], ""
        )
    if isinstance(report.bars, msgspec.UnsetType):
        return
    for symbol, rows in report.bars.items():
        click.echo(f"\n{symbol}")
        print_table(
            ("open time", "open", "high", "low", "close", "volume"),
            [(_time(row[0]), *row[1:]) for row in rows],
            "no bar closed",
        )


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
