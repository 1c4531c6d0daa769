"""Shows how long venues took to answer: quantiles and a small histogram per venue and kind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import click
import msgspec

from clx.cli.exits import Exit
from clx.cli.output import format_option, print_json
from store.paths import find_paths
from store.roundtrips import RoundTripStore

_MS: Final = 1e6
_BINS: Final = 32
_BARS: Final = " ▁▂▃▄▅▆▇█"


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Round trips of one kind at one venue, in milliseconds."""

    venue: str
    kind: str
    count: int
    least: float
    median: float
    p90: float
    p99: float
    most: float
    bins: tuple[int, ...]
    """Counts of equal steps of the logarithm, from `least` to `most`."""


@click.command()
@click.option("--venue", default=None, help="only of this one")
@format_option
def latency(venue: str | None, style: str) -> int:
    """Show measured round trips of orders, amends and cancels.

    They are measured while mode is live (also at testnets; sim-... are the emulator's), and kept in
    roundtrips.json: the newest 2,000 of each. Paper trading draws from them with
    paper.latency = "measured".
    """
    store = RoundTripStore(find_paths().round_trips)
    found = [
        measured(name, kind, trips)
        for name in store.venues()
        if venue in {None, name}
        for kind, trips in sorted(store.of(name).items())
        if trips
    ]
    if style == "json":
        print_json(found)
        return Exit.OK
    if not found:
        click.echo("no round trip was measured yet; they come with orders sent in live mode")
        return Exit.OK
    width = max(len(item.venue) for item in found)
    for item in found:
        click.echo(
            f"{item.venue:<{width}}  {item.kind:<6}  {item.count:>5}   median {item.median:.3g} ms"
            f"   p90 {item.p90:.3g}   p99 {item.p99:.3g}"
        )
        bars = "".join(_BARS[_height(count, max(item.bins))] for count in item.bins)
        click.echo(f"{'':<{width}}  {item.least:.3g} {bars} {item.most:.3g} ms")
    return Exit.OK


def measured(venue: str, kind: str, trips: Sequence[int]) -> Measured:
    """Sum up round trips in ns; there must be one."""
    ordered = sorted(ns / _MS for ns in trips)
    least, most = ordered[0], ordered[-1]
    spread = math.log(most / least) if most > least else 0.0
    bins = [0] * _BINS
    for value in ordered:
        at = math.log(value / least) / spread * _BINS if spread else 0
        bins[min(_BINS - 1, int(at))] += 1
    return Measured(
        venue=venue,
        kind=kind,
        count=len(ordered),
        least=least,
        median=quantile(ordered, 0.5),
        p90=quantile(ordered, 0.9),
        p99=quantile(ordered, 0.99),
        most=most,
        bins=tuple(bins),
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which a share of sorted values lies."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _height(count: int, highest: int) -> int:
    return 0 if not count else max(1, round(count / highest * (len(_BARS) - 1)))
