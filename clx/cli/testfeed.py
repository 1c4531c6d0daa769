"""`clx test-feed`: the conformance suite, for feeds of ours and of yours."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clx.cli.exits import Exit
from clx.cli.output import format_option, print_json, print_table
from core.model.errors import ConfigError
from core.model.ids import VenueName
from core.model.settings import FeedSettings

if TYPE_CHECKING:
    from core.model.ports import TapeDecoder


@click.command("test-feed")
@click.argument("feed")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@format_option
def test_feed(feed: str, file: Path, style: str) -> None:
    """Check FEED against what every feed must do, with the frames of FILE.

    FEED is a kind that clx knows, such as okx, or MODULE:CLASS of a decoder of yours, made without
    arguments or with the venue's name. FILE is a tape or capture of that venue. Exits with 1 when a
    check fails.
    """
    from core.feeds.conformance.checks import CHECKS, judge
    from core.feeds.conformance.subject import Subject

    make, dialect = _subject(feed)
    subject = Subject(make, file, dialect)
    rows = [(check, judge(check, subject)) for check in CHECKS]
    failed = sum(bool(flaws) for _, flaws in rows)
    if style == "json":
        print_json(
            [
                {"check": check.__name__, "passed": not flaws, "flaws": flaws}
                for check, flaws in rows
            ]
        )
    else:
        print_table(
            ("check", "result", "what it asks"),
            [
                (
                    check.__name__.replace("_", " "),
                    "FAILED" if flaws else "passed",
                    (check.__doc__ or "").strip().splitlines()[0],
                )
                for check, flaws in rows
            ],
            "",
        )
        for check, flaws in rows:
            for flaw in flaws:
                click.echo(f"{check.__name__.replace('_', ' ')}: {flaw.text}", err=True)
        click.echo(f"{len(rows) - failed} of {len(rows)} passed, {len(subject.frames):,} frames")
    if failed:
        raise click.exceptions.Exit(Exit.REFUSED)


def _subject(feed: str) -> tuple[Callable[[], TapeDecoder], Callable[[], Any] | None]:
    """Return how to make a decoder, and a dialect where there is one."""
    from core.backtest.replay import unlisted

    module, colon, name = feed.partition(":")
    if not colon or feed.startswith("ccxt:"):
        from core.engine.clock import SystemClock
        from core.feeds.kinds import CCXT, kind_named
        from core.feeds.registry import make_decoder, make_dialect

        kind = kind_named(feed)

        def known() -> TapeDecoder:
            made = make_decoder(kind)
            made.unlisted = lambda symbol: unlisted(symbol, made.venue)
            return made

        if kind.startswith(CCXT):
            return known, None
        return known, functools.partial(
            make_dialect, VenueName(kind), FeedSettings(), clock=SystemClock(), data=Path()
        )
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"no decoder {feed}: {error}") from None

    def theirs() -> TapeDecoder:
        made: TapeDecoder = found()
        if getattr(made, "unlisted", None) is None:
            made.unlisted = lambda symbol: unlisted(symbol, made.venue)
        return made

    return theirs, None
