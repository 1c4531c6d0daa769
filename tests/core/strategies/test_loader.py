"""Finding a strategy's class, and the words for each way it can fail."""

from __future__ import annotations

import sys

import pytest

from core.model.errors import ConfigError
from core.strategies.loader import load
from core.strategies.rsi import Rsi


def refused(kind: str) -> str:
    with pytest.raises(ConfigError) as error:
        load(kind)
    return str(error.value)


def test_a_built_in_is_found_by_name() -> None:
    assert load("rsi") is Rsi


def test_an_unknown_name_gives_the_nearest_and_the_way_to_a_file() -> None:
    assert refused("rsj") == (
        "unknown strategy kind 'rsj'; did you mean 'rsi'?; built in: rsi;"
        " a file of yours is a path such as ./dip.py"
    )


def test_a_file_with_one_strategy_is_loaded(write) -> None:
    owner = load(write("""
        from core.strategies.api import Strategy
        class Base(Strategy):
            pass
        class Mine(Base):
            pass
    """))  # fmt: skip
    assert owner.__name__ == "Mine"


def test_a_missing_file_is_named(tmp_path) -> None:
    assert refused(str(tmp_path / "no.py")) == f"strategy file {tmp_path}/no.py does not exist"


def test_a_syntax_error_names_the_line(write) -> None:
    path = write("x = 1\ndef broken(:\n")
    assert refused(path).startswith(
        f"strategy file {path}: SyntaxError: invalid syntax ({path}, line 2"
    )


def test_an_import_error_names_the_line(write) -> None:
    path = write("import math\nimport no_such_module\n")
    assert refused(path) == (
        f"strategy file {path}: ModuleNotFoundError: No module named 'no_such_module'"
        f" ({path}, line 2, in <module>)"
    )


def test_a_file_without_a_strategy_says_what_is_needed(write) -> None:
    path = write("from core.strategies.api import Strategy\nclass Other: pass\n")
    assert refused(path).endswith("Strategy, it holds none")


def test_a_file_with_two_strategies_names_both(write) -> None:
    path = write("""
        from core.strategies.api import Strategy
        class One(Strategy): pass
        class Two(Strategy): pass
    """)
    assert refused(path).endswith("must hold one strategy, it holds One, Two")


def test_a_bad_declaration_names_its_line(write) -> None:
    path = write("""\
        from core.strategies.api import Parameter, Strategy
        class Mine(Strategy):
            low = Parameter(5, 10, 20)
    """)
    assert refused(path) == (
        f"strategy file {path}: ConfigError: default must be from 10 to 20, was 5"
        f" ({path}, line 3, in Mine)"
    )


def test_a_file_may_import_its_neighbour_and_leaves_the_path_as_it_was(write, tmp_path) -> None:
    write("LEVEL = 7\n", "neighbour.py")
    before = list(sys.path)
    owner = load(write("""
        from core.strategies.api import Strategy
        from neighbour import LEVEL
        class Mine(Strategy):
            level = LEVEL
    """))  # fmt: skip
    assert vars(owner)["level"] == 7
    assert sys.path == before
    sys.modules.pop("neighbour")


def test_an_edited_file_is_read_anew(write) -> None:
    body = "from core.strategies.api import Strategy\nclass {}(Strategy): pass\n"
    assert load(write(body.format("One"))).__name__ == "One"
    assert load(write(body.format("Another"))).__name__ == "Another"
