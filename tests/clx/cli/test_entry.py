import ast
import importlib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from clx.cli.exits import Exit, run
from clx.cli.verbs import HIDDEN, VERBS, cli
from core.model import placing
from core.model.commands import COMMANDS

CLI = Path(__file__).parents[3] / "clx" / "cli"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_in_the_table_is_a_command(verb: str) -> None:
    module, _, attribute = VERBS[verb][0].partition(":")
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.help


def test_every_engine_command_has_a_verb() -> None:
    used: set[str] = set()
    for path in CLI.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "commands"
            ):
                used.add(node.attr)
    # Verbs that place orders share the making of their commands with the terminal.
    used |= {name for name, kind in vars(placing).items() if kind in COMMANDS.values()}
    missing = {command.__name__ for command in COMMANDS.values()} - used
    assert not missing


def test_help_lists_every_verb_that_is_not_hidden() -> None:
    result = CliRunner().invoke(cli, ["--help"])
    assert result.exit_code == 0
    for verb in set(VERBS) - HIDDEN:
        assert f"\n  {verb} " in result.output


def test_an_unknown_verb_names_the_nearest() -> None:
    result = CliRunner().invoke(cli, ["ordrs"])
    assert result.exit_code == Exit.USAGE
    assert "did you mean 'orders'" in result.output


def test_without_an_engine_a_verb_says_how_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLX_HOME", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["clx", "positions"])
    assert run(cli) == Exit.UNREACHABLE
    assert "clx daemon start" in capsys.readouterr().err


def test_a_wrong_setting_is_one_clear_line_and_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.toml").write_text("[risk]\nmax_ordr = 1\n")
    monkeypatch.setenv("CLX_HOME", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["clx", "config", "check"])
    assert run(cli) == Exit.USAGE
    error = capsys.readouterr().err
    assert "unknown key risk.max_ordr" in error
    assert "Traceback" not in error
