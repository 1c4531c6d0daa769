"""`clx tape`: what a recording holds, pieces of it, and playing it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from clx.cli.data.times import parse_time, show_bytes, show_length, show_time
from clx.cli.exits import Exit
from clx.cli.numbers import Number
from clx.cli.output import format_option, print_json, print_table
from clx.cli.replay import replay

if TYPE_CHECKING:
    from core.feeds.tape.facts import TapeFacts

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def tape() -> None:
    """Look at, cut and play recorded frames."""


@tape.command()
@click.argument("file", type=_FILE)
@format_option
def info(file: Path, style: str) -> None:
    """Show what FILE holds. Exits with 5 when lines of it are damaged."""
    from core.feeds.tape.facts import facts_of

    found = facts_of(file)
    if style == "json":
        print_json(found)
    else:
        print_table(
            ("what", "value"),
            [
                ("size", show_bytes(found.bytes)),
                ("frames", f"{found.frames:,}"),
                *((f"  {kind}", f"{count:,}") for kind, count in found.kinds.items()),
                ("connections", found.connections),
                ("hosts", ", ".join(found.hosts) or None),
                *(_when(found) if found.frames else ()),
                ("damaged lines", len(found.damaged)),
            ],
            "",
        )
    for words in found.damaged[:10]:
        click.echo(words, err=True)
    if found.damaged:
        raise click.exceptions.Exit(Exit.DATA)


@tape.command()
@click.argument("file", type=_FILE)
@click.argument("into", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--since", required=True, help="UTC time to begin at, such as 2024-08-08T23:55")
@click.option("--until", required=True, help="UTC time to end at")
@click.option("--venue", default="", help="whose feed code reads it; guessed when not given")
@click.option(
    "--lead-mb",
    default=64.0,
    show_default=True,
    type=Number(0),
    help="megabytes of messages from before, back to the books' newest images",
)
def cut(file: Path, into: Path, since: str, until: str, venue: str, lead_mb: float) -> None:
    """Write the frames of FILE between two times, with what they need, as a new tape INTO.

    Each book starts from the newest image before, with every message of its connection since, as
    they were recorded and at their own times.
    """
    from core.backtest.replay import unlisted
    from core.feeds.registry import guess_kind, make_decoder
    from core.feeds.tape.facts import cut as write

    decoder = make_decoder(venue or guess_kind(file))
    _warn_of_another(file, venue)
    decoder.unlisted = lambda symbol: unlisted(symbol, decoder.venue)
    start_ns, end_ns = parse_time(since, "--since"), parse_time(until, "--until")
    done = write(file, into, start_ns, end_ns, decoder, int(lead_mb * 1e6))
    size = show_bytes(into.stat().st_size)
    click.echo(f"{done.frames:,} frames in {into}, after {done.lead:,} from before them, {size}")
    if done.left_out:
        more = f" and {len(done.left_out) - 5} more" if len(done.left_out) > 5 else ""
        click.echo(
            f"the images of {', '.join(done.left_out[:5])}{more} are too long ago: their books "
            "begin with the next; --lead-mb takes more",
            err=True,
        )


tape.add_command(replay, "replay")


def _warn_of_another(file: Path, venue: str) -> None:
    """Say so when a tape looks like another venue's than the one it is to be read as."""
    from core.feeds.registry import guess_kind
    from core.model.errors import ConfigError

    try:
        seen = guess_kind(file)
    except ConfigError:
        return
    if venue and venue != seen:
        click.echo(
            f"the frames look like {seen}'s: read as {venue}'s they may have no images of books; "
            "leave --venue out to have them",
            err=True,
        )


def _when(found: TapeFacts) -> list[tuple[str, str]]:
    silence_s = found.longest_silence_ns / 1e9
    return [
        ("from", show_time(found.first_ns)),
        ("length", show_length(found.last_ns - found.first_ns)),
        ("frames a second", f"{_rate(found.frames, found.last_ns - found.first_ns):.1f}"),
        ("longest silence", f"{silence_s:.3g} s before line {found.silence_at_line}"),
    ]


def _rate(count: int, ns: int) -> float:
    return count / (ns / 1e9) if ns else 0.0
