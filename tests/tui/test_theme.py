"""The short way to read a theme says what the long one says, or leaves it to that."""

import tomllib
from importlib import resources

import pytest

from tui.theme import read_plain, theme_names


@pytest.mark.parametrize("name", theme_names())
def test_every_shipped_theme_is_read_the_short_way_as_the_long_one_reads_it(name: str) -> None:
    text = resources.files("themes").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    assert read_plain(text) == tomllib.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        'up = "a" # comment',
        "up = 'a'",
        'up = "\\u00e4"',
        'up = "a"\nup = "b"',
        "[colors]\n[colors]",
        'colors = "a"\n[colors]',
        "[a.b]",
        'a.b = "c"',
        '"up" = "a"',
        "up = 1",
        "up",
        'up = """a"""',
        'up = "a\tb"',
        "[[colors]]",
        "ü = true",
        'dark = true\x0cname = "x"',
    ],
)
def test_what_is_not_plain_is_left_to_the_real_parser(text: str) -> None:
    assert read_plain(text) is None


def test_plain_lines_are_read_whatever_their_spacing() -> None:
    text = '  # head\n\nname="x"\ndark =false\r\n [colors] \n  up  =  "bold #4fb286"  \n'
    assert read_plain(text) == tomllib.loads(text)
