"""Expressions: what is understood, and what is refused in which words."""

from __future__ import annotations

import subprocess
import sys

import pytest

from core.indicators.catalogue import (
    CATALOGUE,
    output_names,
    parse,
    usage,
    warmup_bars,
)
from core.model.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("ema(20)", ("ema(20)",)),
        (" EMA ( 20 ) ", ("ema(20)",)),
        ("ema", ("ema(20)",)),
        ("ema(20.0)", ("ema(20)",)),
        ("vwap", ("vwap",)),
        ("vwap()", ("vwap",)),
        ("bb(10,2.5).Upper", ("bb(10,2.5).upper",)),
        ("bb(10)", ("bb(10,2).upper", "bb(10,2).middle", "bb(10,2).lower")),
        ("macd(12,26,9).line", ("macd(12,26,9).line",)),
    ],
)
def test_expressions_have_one_canonical_form(text, canonical) -> None:
    assert parse(text).outputs == canonical
    assert output_names([text, *canonical]) == canonical


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("emma(20)", "unknown indicator 'emma'; did you mean 'ema'?"),
        ("ema(0)", "period of 'ema(0)' must be a whole number from 1 to 5000, was 0"),
        ("ema(5001)", "from 1 to 5000, was 5001"),
        ("ema(2.5)", "must be a whole number from 1 to 5000, was 2.5"),
        ("ema(x)", "must be a whole number from 1 to 5000, was 'x'"),
        ("ema(nan)", "was nan"),
        ("ema(inf)", "was inf"),
        ("ema(1e400)", "was 1e400"),
        ("ema(20,3)", "ema(period=20) takes at most 1 parameters, was 'ema(20,3)'"),
        ("bb(20,)", "factor of 'bb(20,)' must be a number from 0.01 to 100, was ''"),
        ("bb(20,2).uper", "bb has no output 'uper', it has upper middle lower; did you mean"),
        ("ema(20).upper", "ema has no output 'upper', it has none but the value itself"),
        ("", "must look like ema(20), vwap or bb(20,2).upper, was ''"),
        ("ema(20", "must look like"),
        ("ema(20))", "must look like"),
        ("__import__('os')", "must look like"),
        ("e" * 500, "must look like"),
    ],
)
def test_a_wrong_expression_says_what_is_wrong(text, message) -> None:
    with pytest.raises(ConfigError) as error:
        parse(text)
    assert message in str(error.value)


def test_warmup_is_the_longest() -> None:
    assert warmup_bars([]) == 0
    assert warmup_bars(["ema(20)", "macd(12,26,9)", "rsi(14)"]) == 34


def test_every_entry_explains_itself_and_parses_from_its_usage() -> None:
    assert len(CATALOGUE) >= 20
    for name, definition in CATALOGUE.items():
        assert definition.title
        assert definition.help.endswith(".")
        assert usage(definition).startswith(name)
        assert parse(name).definition is definition


def test_the_catalogue_loads_without_numba() -> None:
    code = "import sys, core.indicators.catalogue; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
