"""From a role to how it looks: theme, colour depth and NO_COLOR decide."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from rich.style import Style

from tui.draw.glyphs import Glyphs, GlyphSet, glyph_set
from tui.theme import Theme

_SLOT_ROLES: Final[Mapping[str, tuple[str, str]]] = {
    # role: (slot of the theme, attributes)
    "": ("text", ""),
    "text": ("text", ""),
    "title": ("text", "bold"),
    "muted": ("muted", ""),
    "accent": ("accent", ""),
    "key": ("accent", "bold"),
    "axis": ("axis", ""),
    "grid": ("grid", ""),
    "up": ("up", ""),
    "down": ("down", ""),
    "up_now": ("up", "bold"),
    "down_now": ("down", "bold"),
    "bid": ("bid", ""),
    "ask": ("ask", ""),
    "own": ("own", "bold"),
    "position": ("position", ""),
    "warn": ("warn", "bold"),
    "mark_up": ("own", "bold"),
    "mark_down": ("own", "bold"),
    "volume_now": ("muted", ""),
    "line_1": ("accent", ""),
    "line_2": ("axis", ""),
    "line_3": ("position", ""),
    "predict": ("position", "bold"),
    "cross": ("axis", ""),
}

_FAINT_ROLES: Final[Mapping[str, tuple[str, float]]] = {
    # role: (slot, how much of it; the rest is ground): what is looked past until it is wanted
    "bid_bar": ("bid", 0.42),
    "ask_bar": ("ask", 0.42),
    "volume": ("muted", 0.5),
    "band": ("muted", 0.75),
    "heat_bid_1": ("bid", 0.14),
    "heat_bid_2": ("bid", 0.28),
    "heat_bid_3": ("bid", 0.46),
    "heat_bid_4": ("bid", 0.7),
    "heat_bid_5": ("bid", 1.0),
    "heat_ask_1": ("ask", 0.14),
    "heat_ask_2": ("ask", 0.28),
    "heat_ask_3": ("ask", 0.46),
    "heat_ask_4": ("ask", 0.7),
    "heat_ask_5": ("ask", 1.0),
}

_FILLED_ROLES: Final[Mapping[str, str]] = {
    # role: slot whose colour is the ground
    "last_up": "up",
    "last_down": "down",
    "flash_up": "up",
    "flash_down": "down",
    "chip": "muted",
    "chip_warn": "warn",
    "chip_live": "down",
}

_WITHOUT_COLOUR: Final[Mapping[str, str]] = {
    "title": "bold", "key": "bold", "up": "bold", "bid": "bold", "up_now": "bold",
    "down_now": "bold", "own": "bold", "warn": "bold", "mark_up": "bold", "mark_down": "bold",
    "last_up": "bold reverse", "last_down": "reverse", "flash_up": "bold reverse",
    "flash_down": "reverse", "chip": "bold", "chip_warn": "bold reverse",
    "chip_live": "bold reverse", "cursor": "reverse", "selected": "bold underline",
}  # fmt: skip
"""What is left of the roles under NO_COLOR; nothing is dim, the framework would mix a colour."""
_DOTTED: Final = frozenset(("line_1", "line_2", "line_3", "band", "predict"))
"""Roles drawn in dots, which an underline would drown."""


_COERCED: Final = frozenset(("C.UTF-8", "C.utf8", "UTF-8"))
"""What Python itself sets LC_CTYPE to under LANG=C (PEP 538); it says nothing of the terminal."""


class Look:
    """The styles of every role, and the glyphs to draw with."""

    def __init__(
        self, theme: Theme, *, few_colours: bool, glyphs: GlyphSet, no_colour: bool = False
    ) -> None:
        self.theme = theme
        self.glyphs: Glyphs = glyph_set(
            glyphs, hueless=theme.hueless or no_colour, few_colours=few_colours
        )
        self._few = few_colours
        self.styles: dict[str, Style] = self._plain() if no_colour else self._make()

    def style(self, role: str) -> Style:
        """Return a role's style; one nobody defined looks like text."""
        return self.styles.get(role) or self.styles[""]

    @staticmethod
    def _plain() -> dict[str, Style]:
        roles = (*_SLOT_ROLES, *_FAINT_ROLES, *_FILLED_ROLES, "cursor", "selected")
        return {role: Style.parse(_WITHOUT_COLOUR.get(role, "none")) for role in roles}

    def _make(self) -> dict[str, Style]:
        ground = self._colour("background")
        out: dict[str, Style] = {}
        for role, (slot, words) in _SLOT_ROLES.items():
            kept = dict.fromkeys((*self._words(slot), *words.split()))
            if role in _DOTTED:
                kept.pop("underline", None)
            attributes = " ".join(kept)
            out[role] = Style.parse(f"{attributes} {self._colour(slot)} on {ground}".strip())
        for role, (slot, part) in _FAINT_ROLES.items():
            colour = self._colour(slot)
            if not self._few:
                colour = blend(colour, ground, part)
            out[role] = Style.parse(f"{colour} on {ground}")
        for role, slot in _FILLED_ROLES.items():
            if self.theme.hueless:
                out[role] = Style.parse(f"bold reverse {self._colour('text')} on {ground}")
            else:
                ink = "black" if self._few else ground
                out[role] = Style.parse(f"bold {ink} on {self._colour(slot)}")
        out["chip"] = Style.parse(f"{self._colour('text')} on {self._colour('grid')}")
        if self._few or self.theme.hueless:
            out["chip"] = Style.parse(f"reverse {self._colour('text')} on {ground}")
        out["cursor"] = self._cursor(ground)
        out["selected"] = Style.parse(f"bold underline {self._colour('text')} on {ground}")
        return out

    def _cursor(self, ground: str) -> Style:
        text = self._colour("text")
        if self._few or self.theme.hueless:
            return Style.parse(f"reverse {text} on {ground}")
        return Style.parse(f"bold {text} on {blend(self._colour('accent'), ground, 0.28)}")

    def _words(self, slot: str) -> tuple[str, ...]:
        return self.theme.colours[slot].attributes

    def _colour(self, slot: str) -> str:
        if not self._few:
            return self.theme.colours[slot].hex
        return self.theme.ansi_name(slot)


def blend(front: str, back: str, part: float) -> str:
    """Return ``#rrggbb`` with `part` of `front` over `back`."""
    pairs = ((int(front[i : i + 2], 16), int(back[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(f * part + b * (1 - part)):02x}" for f, b in pairs)


def has_few_colours(env: Mapping[str, str] = os.environ) -> bool:
    """Return whether the terminal has 16 colours or fewer, as far as it says."""
    if env.get("COLORTERM", "").lower() in {"truecolor", "24bit"}:
        return False
    term = env.get("TERM", "")
    return "256color" not in term and "direct" not in term and "kitty" not in term


def glyphs_wanted(setting: str, env: Mapping[str, str] = os.environ) -> GlyphSet:
    """Return the glyph set: as set, else blocks where the locale is UTF-8."""
    if setting in {"block", "ascii"}:
        return "ascii" if setting == "ascii" else "block"
    everywhere, kind, language = (env.get(key, "") for key in ("LC_ALL", "LC_CTYPE", "LANG"))
    if kind in _COERCED and language in {"C", "POSIX"}:
        kind = ""
    locale = everywhere or kind or language or "UTF-8"
    plain = "UTF" not in locale.upper()
    return "ascii" if plain or env.get("TERM") == "linux" else "block"


def theme_wanted(setting: str, env: Mapping[str, str] = os.environ) -> str:
    """Return the theme's name: as set, but without hue where NO_COLOR asks for it."""
    return "mono" if env.get("NO_COLOR") else setting
