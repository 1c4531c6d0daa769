"""Every shipped theme is whole; a bad one says what is wrong and where."""

import pytest

from core.model.errors import ConfigError
from tui.style import Look
from tui.theme import SLOTS, css_variables, load_theme, textual_theme, theme_names

SHIPPED = theme_names()


def written(folder, text, name="mine"):
    (folder / f"{name}.toml").write_text(text)
    return folder


def test_four_themes_are_shipped():
    assert {"clx-dark", "clx-light", "cvd", "mono"} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("few", [False, True])
def test_a_shipped_theme_is_whole_and_gives_every_role_a_style(name, few):
    theme = load_theme(name)
    assert set(theme.colours) == set(SLOTS)
    look = Look(theme, few_colours=few, glyphs="block")
    assert look.style("up") != look.style("down")
    assert look.style("bid") != look.style("ask")
    assert look.style("nobody defined this") == look.style("")
    assert textual_theme(theme).name == name
    assert set(css_variables(theme)) >= {"up", "down", "warn", "muted"}


@pytest.mark.parametrize("name", SHIPPED)
def test_text_can_be_read_on_its_ground(name):
    def light(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    theme = load_theme(name)
    ground = light(theme.colours["background"].hex)
    for slot, least in (("text", 7.0), ("up", 3.0), ("down", 3.0), ("warn", 3.0), ("muted", 3.0)):
        high, low = sorted((light(theme.colours[slot].hex), ground), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= least, slot


def test_a_theme_of_ones_own_needs_only_what_differs(tmp_path):
    folder = written(tmp_path, 'extends = "clx-dark"\n[colors]\nup = "bold #00FF00"\n')
    theme = load_theme("mine", folder)
    assert theme.colours["up"].hex == "#00ff00"
    assert theme.colours["up"].attributes == ("bold",)
    assert theme.colours["down"] == load_theme("clx-dark").colours["down"]


def test_ones_own_theme_wins_over_a_shipped_one_of_its_name(tmp_path):
    folder = written(tmp_path, 'extends = "mono"\n[colors]\nup = "#010203"\n', "cvd")
    assert load_theme("cvd", folder).colours["up"].hex == "#010203"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[colors\n", "must be TOML"),
        ('extends = "clx-dark"\ncolours = 1\n', "unknown key 'colours'"),
        ('extends = "clx-dark"\n[colors]\nupp = "#000000"\n', "unknown slot colors.upp"),
        ('extends = "clx-dark"\n[colors]\nup = "green"\n', "colors.up must be a colour"),
        ('extends = "clx-dark"\n[colors]\nup = "loud #000000"\n', "attribute must be one of"),
        ('extends = "clx-dark"\n[ansi]\nup = "pink"\n', "ansi.up must be one of"),
        ('extends = "clx-drak"\n', "did you mean 'clx-dark'"),
        ('extends = "mine"\n', "must not extend itself"),
        ('extends = "clx-dark"\ndark = "yes"\n', "dark must be true or false, was 'yes'"),
        ('extends = "clx-dark"\nname = "other"\n', "name must be the file's name 'mine'"),
        ('[colors]\nup = "#000000"\n', "must give a colour to background"),
        ("extends = 7\n", "extends must be a theme's name, was 7"),
        ('extends = "clx-dark"\ncolors = 1\n', "colors must be a table"),
    ],
)
def test_a_bad_theme_says_what_where_and_which_value(tmp_path, text, said):
    with pytest.raises(ConfigError) as caught:
        load_theme("mine", written(tmp_path, text))
    assert said in str(caught.value)


def test_a_theme_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_theme("mine", tmp_path)
