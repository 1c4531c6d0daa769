import json
import math
import os
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from clx.cli.output import print_folded, print_json, print_table, show, signed
from core.model.commands import Done


def test_numbers_are_right_aligned_and_exact(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "size"), [("a", Decimal("0.10")), ("bb", Decimal(1234))], "none")
    assert capsys.readouterr().out.splitlines() == ["name   size", "a       0.1", "bb    1,234"]


def test_money_that_rounds_to_nothing_has_no_sign_of_loss() -> None:
    values = ("-0.004", "0", "-0.005", "-1234.5", "2")
    assert [signed(Decimal(value)) for value in values] == [
        "+0.00", "+0.00", "+0.00", "-1,234.50", "+2.00",
    ]  # fmt: skip


def test_a_table_wider_than_the_terminal_is_folded_into_blocks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = ("kind", "in use", "gives")
    rows = [("okx", None, "trades, quotes, book, ticker, bars"), ("x", "y", "bars")]
    monkeypatch.setenv("COLUMNS", "32")
    print_folded(columns, rows, "none")
    assert capsys.readouterr().out.splitlines() == [
        "okx",
        "  gives   trades, quotes, book,",
        "          ticker, bars",
        "x",
        "  in use  y",
        "  gives   bars",
    ]
    monkeypatch.setenv("COLUMNS", "80")
    print_folded(columns, rows, "none")
    assert capsys.readouterr().out.splitlines()[0] == "kind  in use  gives"
    print_folded(columns, [], "none yet")
    assert capsys.readouterr().out == "none yet\n"


def test_an_empty_table_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name",), [], "nothing yet; do this")
    assert capsys.readouterr().out == "nothing yet; do this\n"


def test_json_keeps_decimals_exact_and_says_null_for_what_is_no_number(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_json({"price": Decimal("64250.10"), "rsi": math.nan, "done": Done()})
    assert json.loads(capsys.readouterr().out) == {
        "price": "64250.10",
        "rsi": None,
        "done": {"text": "done"},
    }


def test_nothing_is_a_dash() -> None:
    assert show(None) == "-"


def test_pipe_has_no_width_and_gets_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    with Path(os.devnull).open() as nowhere:
        monkeypatch.setattr(sys, "__stdout__", nowhere)
        print_folded(("kind", "gives"), [("okx", "x" * 300)], "none")
    assert capsys.readouterr().out.splitlines()[1] == f"okx   {'x' * 300}"
