"""`clx test-feed`: the conformance suite, for feeds of ours and of yours."""

from __future__ import annotations

import functools
import importlib
import sys
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
    from core.feeds.conformance.checks import Outcome
    from core.model.ports import TapeDecoder

_DECODER = (
    "venue", "rule", "decode", "add_instruments", "instruments", "off_step", "finer", "label",
)  # fmt: skip
_DIALECT = ("routes", "subscribe", "opening", "redacted")


@click.command("test-feed")
@click.argument("feed")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dialect", default="", help="MODULE:CALLABLE that makes the dialect of yours")
@format_option
def test_feed(feed: str, file: Path, dialect: str, style: str) -> None:
    """Check FEED against what every feed must do, with the frames of FILE.

    FEED is a kind that clx knows, such as okx, or MODULE:CLASS of a decoder of yours, made without
    arguments; modules are looked for in the present folder first. FILE is a tape or capture of that
    venue. Exits with 1 when a check fails.
    """
    from core.feeds.conformance.checks import CHECKS, outcome
    from core.feeds.conformance.subject import Subject

    make, makes_dialect = _subject(feed, dialect)
    subject = Subject(make, file, makes_dialect)
    rows = [(check, outcome(check, subject)) for check in CHECKS]
    failed = sum(bool(found.flaws) for _, found in rows)
    untried = sum(bool(found.untried) for _, found in rows)
    if style == "json":
        print_json(
            [
                {
                    "check": check.__name__,
                    "passed": None if found.untried else not found.flaws,
                    "flaws": found.flaws,
                    "untried": found.untried,
                }
                for check, found in rows
            ]
        )
    else:
        print_table(
            ("check", "result", "what it asks"),
            [
                (
                    check.__name__.replace("_", " "),
                    _result(found),
                    found.untried or (check.__doc__ or "").strip().splitlines()[0],
                )
                for check, found in rows
            ],
            "",
        )
        for check, found in rows:
            for flaw in found.flaws:
                click.echo(f"{check.__name__.replace('_', ' ')}: {flaw.text}", err=True)
        passed = len(rows) - failed - untried
        rest = f", {untried} had nothing to try" if untried else ""
        click.echo(f"{passed} of {len(rows)} passed{rest}, {len(subject.frames):,} frames")
    if failed:
        raise click.exceptions.Exit(Exit.REFUSED)


def _result(found: Outcome) -> str:
    if found.flaws:
        return "FAILED"
    return "not tried" if found.untried else "passed"


def _subject(feed: str, dialect: str) -> tuple[Callable[[], TapeDecoder], Callable[[], Any] | None]:
    """Return how to make a decoder, and a dialect where there is one."""
    from core.backtest.replay import unlisted

    if ":" not in feed or feed.startswith("ccxt:"):
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
    found = _theirs(feed)

    def theirs() -> TapeDecoder:
        made: TapeDecoder = found()
        if getattr(made, "unlisted", None) is None:
            made.unlisted = lambda symbol: unlisted(symbol, made.venue)
        return made

    _made(feed, found, _DECODER)
    if not dialect:
        return theirs, None
    makes = _theirs(dialect)
    _made(dialect, makes, _DIALECT)
    return theirs, makes


def _theirs(name: str) -> Callable[[], Any]:
    """Import what MODULE:NAME says, from the present folder first.

    Raises:
        ConfigError: It cannot be imported.
    """
    module, _, attribute = name.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found: Callable[[], Any] = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # code of others, which may do anything when it is imported
        raise ConfigError(f"{name} cannot be imported: {type(error).__name__}: {error}") from None
    return found


def _made(name: str, make: Callable[[], Any], needed: tuple[str, ...]) -> None:
    """Refuse what cannot be made without arguments, or is not what it should be.

    Raises:
        ConfigError: Says what is missing.
    """
    try:
        made = make()
    except Exception as error:  # code of others
        raise ConfigError(
            f"{name} cannot be made without arguments: {type(error).__name__}: {error}"
        ) from None
    missing = [part for part in needed if not hasattr(made, part)]
    if missing:
        raise ConfigError(
            f"{name} has no {', '.join(missing)}; docs/feeds.md says what a feed is made of"
        )
