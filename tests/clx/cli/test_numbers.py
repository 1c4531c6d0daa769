from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from clx.cli.numbers import Number


@click.command()
@click.option("--days", type=Number(0, min_open=True))
def verb(days: float) -> None:
    click.echo(f"{days:g}")


def test_number_of_the_range_is_taken() -> None:
    assert CliRunner().invoke(verb, ["--days", "1.5"]).stdout == "1.5\n"


@pytest.mark.parametrize("text", ["nan", "inf", "0", "-3", "x"])
def test_what_is_no_number_of_the_range_is_wrong_use(text: str) -> None:
    result = CliRunner().invoke(verb, ["--days", text])
    assert result.exit_code == 2
    assert "Invalid value for '--days'" in result.output
