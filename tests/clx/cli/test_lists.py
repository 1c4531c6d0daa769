"""The verbs around lists, as far as they need no engine: what is asked, and how it is printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from clx.cli import lists
from core.model import commands
from core.model.errors import ConfigError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import InstrumentKind
from core.model.views import WatchGroup

BTC = InstrumentId("BTC-USDT.binance")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Callable[[Any], list[Any]]:
    """Have the engine's place answer with `reply`, and keep what was asked."""
    monkeypatch.setenv("CLX_HOME", str(tmp_path))

    def use(reply: Any) -> list[Any]:
        kept: list[Any] = []

        def ask(command: commands.Command) -> Any:
            kept.append(command)
            return reply

        monkeypatch.setattr(lists, "ask", ask)
        return kept

    return use


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["new", "majors"], commands.AddGroup(group="majors")),
        (["drop", "majors"], commands.RemoveGroup(group="majors")),
        (["rename", "majors", "big"], commands.RenameGroup(group="majors", to="big")),
        (
            ["add", "majors", "btc-usdt"],
            commands.WatchInstrument(instrument=BTC, group="majors"),
        ),
        (
            ["remove", "majors", "BTC-USDT.binance"],
            commands.UnwatchInstrument(instrument=BTC, group="majors"),
        ),
    ],
)
def test_a_group_verb_asks_for_its_command(asked: Any, words: list[str], command: Any) -> None:
    kept = asked(commands.Done(text="it is done"))
    result = CliRunner().invoke(lists.group, words)
    assert result.output == "it is done\n"
    assert kept == [command]


def test_a_group_verb_without_its_words_says_how_it_is_written(asked: Any) -> None:
    kept = asked(None)
    result = CliRunner().invoke(lists.group, ["rename", "majors"])
    assert isinstance(result.exception, ConfigError)
    assert "clx group rename majors big" in str(result.exception)
    assert kept == []


def test_groups_are_shown_with_the_watchlist_first(asked: Any) -> None:
    groups = (WatchGroup(name="alts", instruments=()),)
    asked(commands.WatchReport(watchlist=(BTC,), groups=groups))
    lines = CliRunner().invoke(lists.group, []).output.splitlines()
    assert lines[1].split() == ["watchlist", "1", BTC]
    assert lines[2].split() == ["alts", "0"]


LISTING = (
    commands.ListedSymbols(
        venue=VenueName("okx"), kind=InstrumentKind.SPOT, trading=False, symbols="A-B C-D"
    ),
    commands.ListedSymbols(
        venue=VenueName("okx"), kind=InstrumentKind.INDEX, trading=False, symbols="A-INDEX"
    ),
)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ([], "okx    spot   halted        2"),
        ([], "okx    index  -             1"),
        (["--symbols"], "A-B.okx\nC-D.okx"),
    ],
)
def test_a_listing_is_counted_or_spelled_out(asked: Any, option: list[str], words: str) -> None:
    asked(LISTING)
    assert words in CliRunner().invoke(lists.listing, option).output


def test_a_listing_for_programs_is_json(asked: Any) -> None:
    asked(LISTING)
    part, _ = json.loads(CliRunner().invoke(lists.listing, ["--format", "json"]).output)
    assert part["symbols"] == "A-B C-D"


def test_sparks_are_drawn_between_their_own_extremes(asked: Any) -> None:
    asked((commands.Spark(instrument_id=BTC, closes_ticks=(1, 8, 4)),))
    assert "▁█▄" in CliRunner().invoke(lists.sparks, []).output
