"""Glyph sets: what is drawn where a terminal can show it, and what where it cannot."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

GlyphSet: TypeAlias = Literal["block", "ascii"]


class Glyphs(Struct, frozen=True):
    """One coherent set of characters, each one cell wide."""

    name: GlyphSet
    candle_up: tuple[str, ...]
    """Nine glyphs by 3 * top half + bottom half; a half is 0 empty, 1 wick, 2 body."""
    candle_down: tuple[str, ...]
    wide_up: tuple[str, ...]
    """As `candle_up`, three cells each, for the widest zoom."""
    wide_down: tuple[str, ...]
    columns: str
    """Bars growing upwards in eighths, from empty to full."""
    bars: str
    """Bars growing to the right in eighths, from empty to full."""
    braille: bool
    """Lines are drawn in braille dots; else with `marks`."""
    marks: str
    """One character per overlay line where there is no braille."""
    line: str
    dash: str
    wall: str
    dotted_wall: str
    tee: str
    pointer: str
    up: str
    down: str
    flat: str
    dot: str
    cross: str
    ellipsis: str
    block: str
    shade: str
    shades: str
    """Growing weight, from empty to full; where colours tell the weight, all but the first full."""
    taker_buy: str
    taker_sell: str
    arrow_up: str
    arrow_down: str
    arrow_flat: str

    def direction(self, value: float) -> str:
        """Return the sign of a change as a glyph."""
        if value > 0:
            return self.up
        return self.down if value < 0 else self.flat


_NARROW: Final = (" ", "╷", "╻", "╵", "│", "╽", "╹", "╿", "┃")
_WIDE: Final = (
    "   ", " ╷ ", "▗▄▖",
    " ╵ ", " │ ", "▗▄▖",
    "▝▀▘", "▝▀▘", "▐█▌",
)  # fmt: skip

BLOCK: Final = Glyphs(
    name="block",
    candle_up=_NARROW,
    candle_down=_NARROW,
    wide_up=_WIDE,
    wide_down=_WIDE,
    columns=" ▁▂▃▄▅▆▇█",
    bars=" ▏▎▍▌▋▊▉█",
    braille=True,
    marks="···",
    line="─",
    dash="┄",
    wall="│",
    dotted_wall="┊",
    tee="├",
    pointer="►",
    up="▲",
    down="▼",
    flat="•",
    dot="·",
    cross="┼",
    ellipsis="…",
    block="█",
    shade="░",
    shades=" █████",
    taker_buy="▴",
    taker_sell="▾",
    arrow_up="↗",
    arrow_down="↘",
    arrow_flat="→",
)

HOLLOW: Final = replace(
    BLOCK,
    candle_down=(" ", "╷", "╏", "╵", "│", "╏", "╏", "╏", "╏"),
    wide_down=(
        "   ", " ╷ ", "┌─┐",
        " ╵ ", " │ ", "┌┴┐",
        "└─┘", "└┬┘", "│ │",
    ),
)  # fmt: skip
"""The block set with falling candles broken, for themes without hue."""

ASCII: Final = Glyphs(
    name="ascii",
    candle_up=(" ", "|", "#", "|", "|", "#", "#", "#", "#"),
    candle_down=(" ", "|", "0", "|", "|", "0", "0", "0", "0"),
    wide_up=("   ", " | ", "###", " | ", " | ", "###", "###", "###", "###"),
    wide_down=("   ", " | ", "000", " | ", " | ", "000", "000", "000", "000"),
    columns=" ..::||##",
    bars=" --======",
    braille=False,
    marks="*+.",
    line="-",
    dash="-",
    wall="|",
    dotted_wall=":",
    tee="|",
    pointer=">",
    up="^",
    down="v",
    flat="=",
    dot=".",
    cross="+",
    ellipsis="~",
    block="#",
    shade=".",
    shades=" .:+*#",
    taker_buy="^",
    taker_sell="v",
    arrow_up="/",
    arrow_down="\\",
    arrow_flat=">",
)


_SPELLED: Final = str.maketrans(
    BLOCK.columns[1:] + BLOCK.bars[1:-1] + "▲▼•…·", ASCII.columns[1:] + ASCII.bars[1:-1] + "^v=~."
)


def spelled(text: str, glyphs: Glyphs) -> str:
    """Return words made with the block set as `glyphs` can show them."""
    return text.translate(_SPELLED) if glyphs.name == "ascii" else text


def glyph_set(name: GlyphSet, *, hueless: bool = False, few_colours: bool = False) -> Glyphs:
    """Return the glyphs to draw with; `hueless` tells falling candles apart by shape.

    Where colours are few or none, weight is told by the density of the glyph.
    """
    if name == "ascii":
        return ASCII
    glyphs = HOLLOW if hueless else BLOCK
    return replace(glyphs, shades=" ·░▒▓█") if hueless or few_colours else glyphs
