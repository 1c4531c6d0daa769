"""Themes: TOML files that give a colour to each of a few meanings.

A theme names 14 slots. Roles, which the drawing uses, are made from slots here, so a theme stays
short. The user's own files lie in ``themes/`` of the configuration folder; ``extends`` builds on
another theme.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct
from textual.theme import Theme as TextualTheme

import themes
from core.model.errors import ConfigError, did_you_mean

SLOTS: Final = (
    "background", "surface", "text", "muted", "accent", "up", "down", "bid", "ask", "own",
    "position", "warn", "grid", "axis",
)  # fmt: skip
ATTRIBUTES: Final = ("bold", "dim", "italic", "underline", "reverse")
ANSI_NAMES: Final = tuple(
    bright + name
    for bright in ("", "bright_")
    for name in ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
)
_KEYS: Final = ("name", "dark", "extends", "hueless", "colors", "ansi")
_HEX: Final = re.compile(r"^#[0-9a-fA-F]{6}$")
_PLAIN: Final = re.compile(
    r'(?:#.*|\[(\w+)\]|([A-Za-z_]+) *= *(?:"([^"\\\x00-\x1f\x7f]*)"|(true|false)))?', re.ASCII
)
"""A comment, the head of a table, a key with a plain value, or nothing."""
_MAX_DEPTH: Final = 8


_ANSI_DEFAULTS: Final[Mapping[str, str]] = {
    "text": "default",
    "muted": "bright_black",
    "accent": "cyan",
    "up": "green",
    "down": "red",
    "bid": "green",
    "ask": "red",
    "own": "bright_yellow",
    "position": "magenta",
    "warn": "bright_red",
    "grid": "bright_black",
    "axis": "default",
    "surface": "default",
    "background": "default",
}


_ANSI_VARIABLES: Final = {
    "ansi-background": "ansi_default",
    "ansi-foreground": "ansi_default",
    "border-blurred": "ansi_bright_black",
    "block-cursor-foreground": "ansi_black",
    "block-cursor-background": "ansi_cyan",
    "input-cursor-text-style": "reverse",
    "input-selection-background": "ansi_cyan",
    "input-selection-foreground": "ansi_black",
    "screen-selection-background": "ansi_cyan",
    "screen-selection-foreground": "ansi_black",
}
"""What the framework asks of a theme of 16 colours beyond the slots."""


class Colour(Struct, frozen=True):
    """One slot: a colour and how text in it is set."""

    hex: str
    attributes: tuple[str, ...] = ()


class Theme(Struct, frozen=True):
    """A complete theme: every slot has a colour."""

    name: str
    dark: bool
    hueless: bool
    """Up and down differ in weight and shape only."""
    colours: Mapping[str, Colour]
    ansi: Mapping[str, str]
    """Slot to one of the 16 terminal colours, for terminals with no more; gaps get a default."""

    def ansi_name(self, slot: str) -> str:
        """Return the terminal colour of a slot, ``default`` for the terminal's own."""
        return self.ansi.get(slot) or _ANSI_DEFAULTS[slot]


def user_theme_folder() -> Path:
    """Return where a person's own themes lie, whether or not it exists."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "clx" / "themes"


def _shipped() -> Path:
    # Not by importlib.resources, which takes 7 ms to load.
    return Path(themes.__file__).parent


def theme_names(folder: Path | None = None) -> list[str]:
    """Return the names of all themes, shipped and in `folder`, sorted."""
    shipped = [item.name for item in _shipped().iterdir()]
    own = [item.name for item in folder.glob("*.toml")] if folder and folder.is_dir() else []
    return sorted({name.removesuffix(".toml") for name in shipped + own if name.endswith(".toml")})


def load_theme(name: str, folder: Path | None = None) -> Theme:
    """Load a theme by name; a file in `folder` wins over a shipped one of the same name.

    Raises:
        ConfigError: There is no such theme, its file cannot be read, or a key or colour in it is
            wrong; the message names the file and the key.
    """
    chain = _chain(name, folder)
    colours: dict[str, Colour] = {}
    ansi: dict[str, str] = {}
    dark, hueless = True, False
    for where, table in reversed(chain):
        dark = _flag(table, "dark", dark, where)
        hueless = _flag(table, "hueless", hueless, where)
        colours |= {
            slot: _colour(value, f"{where}: colors.{slot}")
            for slot, value in _table(table, "colors", where).items()
        }
        ansi |= {
            slot: _ansi(value, f"{where}: ansi.{slot}")
            for slot, value in _table(table, "ansi", where).items()
        }
    missing = [slot for slot in SLOTS if slot not in colours]
    if missing:
        raise ConfigError(
            f"theme {name} must give a colour to {', '.join(missing)} ({chain[0][0]}); "
            'add them under [colors], or extends = "clx-dark"'
        )
    return Theme(name, dark, hueless, colours, ansi)


def textual_theme(theme: Theme, *, few_colours: bool = False) -> TextualTheme:
    """Return the theme in the framework's form; every slot is also a CSS variable.

    With `few_colours` it keeps to the terminal's own 16 colours and its ground.
    """
    colour = _css_colours(theme, few_colours=few_colours)
    return TextualTheme(
        name=theme.name,
        primary=colour["accent"],
        secondary=colour["position"],
        warning=colour["warn"],
        error=colour["down"],
        success=colour["up"],
        accent=colour["accent"],
        foreground=colour["text"],
        background=colour["background"],
        surface=colour["surface"],
        panel=colour["surface"],
        dark=theme.dark,
        variables=css_variables(theme, few_colours=few_colours)
        | (_ANSI_VARIABLES if few_colours else {}),
        ansi=few_colours,
    )


def css_variables(theme: Theme, *, few_colours: bool = False) -> dict[str, str]:
    """Return slot to colour, named so that none hides one of the framework's own variables."""
    own = ("up", "down", "bid", "ask", "own", "position", "warn", "grid", "axis", "muted")
    colour = _css_colours(theme, few_colours=few_colours)
    return {slot: colour[slot] for slot in own}


def _css_colours(theme: Theme, *, few_colours: bool) -> dict[str, str]:
    if few_colours:
        return {slot: f"ansi_{theme.ansi_name(slot)}" for slot in SLOTS}
    return {slot: value.hex for slot, value in theme.colours.items()}


def _chain(name: str, folder: Path | None) -> list[tuple[str, dict[str, object]]]:
    chain: list[tuple[str, dict[str, object]]] = []
    seen: list[str] = []
    wanted: str | None = name
    while wanted is not None:
        if wanted in seen or len(seen) >= _MAX_DEPTH:
            raise ConfigError(
                f"theme {name} must not extend itself, was {' -> '.join([*seen, wanted])}"
            )
        seen.append(wanted)
        where, table = _read(wanted, folder)
        chain.append((where, table))
        parent = table.get("extends")
        if parent is not None and not isinstance(parent, str):
            raise ConfigError(f"{where}: extends must be a theme's name, was {parent!r}")
        wanted = parent
    return chain


def _read(name: str, folder: Path | None) -> tuple[str, dict[str, object]]:
    known = theme_names(folder)
    if name not in known:
        hint = did_you_mean(name, known)
        raise ConfigError(f"theme must be one of {', '.join(known)}, was {name!r}{hint}")
    own = folder / f"{name}.toml" if folder is not None else None
    if own is not None and own.is_file():
        where, text = str(own), _text(own)
    else:
        where = f"themes/{name}.toml"
        text = (_shipped() / f"{name}.toml").read_text(encoding="utf-8")
    table = read_plain(text)
    if table is None:
        import tomllib

        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{where} must be TOML: {error}") from error
    for key in table:
        if key not in _KEYS:
            raise ConfigError(
                f"{where}: unknown key {key!r}{did_you_mean(key, _KEYS)}; "
                f"known are {', '.join(_KEYS)}"
            )
    stated = table.get("name", name)
    if stated != name:
        raise ConfigError(f"{where}: name must be the file's name {name!r}, was {stated!r}")
    return where, table


def read_plain(text: str) -> dict[str, object] | None:
    """Read TOML as themes are mostly written, one plain value a line; None for any other.

    ::

        dark = true
        [colors]
        up = "#4fb286"

    The real parser takes 5 ms to import, which the first paint would wait for.
    """
    root: dict[str, object] = {}
    table = root
    for line in text.split("\n"):
        found = _PLAIN.fullmatch(line.strip(" \t\r"))
        if found is None:
            return None
        head, key, words, flag = found.groups()
        if (head or key) in (root if head else table):
            return None
        if head:
            root[head] = table = {}
        elif key:
            table[key] = flag == "true" if flag else words
    return root


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"theme file {path} cannot be read: {error}") from error


def _flag(table: Mapping[str, object], key: str, default: bool, where: str) -> bool:
    value = table.get(key, default)
    if not isinstance(value, bool):
        raise ConfigError(f"{where}: {key} must be true or false, was {value!r}")
    return value


def _table(table: Mapping[str, object], key: str, where: str) -> dict[str, object]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: {key} must be a table, was {value!r}")
    for slot in value:
        if slot not in SLOTS:
            raise ConfigError(
                f"{where}: unknown slot {key}.{slot}{did_you_mean(str(slot), SLOTS)}; "
                f"known are {', '.join(SLOTS)}"
            )
    return value


def _colour(value: object, where: str) -> Colour:
    words = value.split() if isinstance(value, str) else []
    if not words or not _HEX.match(words[-1]):
        raise ConfigError(
            f'{where} must be a colour such as "#4fb286" or "bold #4fb286", was {value!r}'
        )
    for word in words[:-1]:
        if word not in ATTRIBUTES:
            raise ConfigError(
                f"{where}: attribute must be one of {', '.join(ATTRIBUTES)}, was {word!r}"
            )
    return Colour(words[-1].lower(), tuple(words[:-1]))


def _ansi(value: object, where: str) -> str:
    if value not in ANSI_NAMES:
        raise ConfigError(f"{where} must be one of {', '.join(ANSI_NAMES)}, was {value!r}")
    return str(value)
