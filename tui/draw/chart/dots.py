"""Lines in braille dots: two columns and four rows of dots in every cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from tui.draw.glyphs import Glyphs
from tui.draw.runs import Grid

_BITS: Final = (0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80)
"""Braille bit by 2 * dot row + dot column inside a cell."""
_BRAILLE: Final = tuple(chr(0x2800 + bits) for bits in range(256))
_FAR: Final = 3
"""A line may leave its pane by this many panes; beyond, its slope no longer matters."""


class Stroke(NamedTuple):
    """How a line is drawn."""

    role: str
    dotted: bool
    """Only every third dot is set."""
    mark: str
    """The character where there is no braille."""


class Dots:
    """A canvas of dots over `width` x `height` cells, one role a cell (the latest wins)."""

    __slots__ = ("_bits", "_glyphs", "_marks", "_origin", "height", "width")

    def __init__(self, width: int, height: int, glyphs: Glyphs, origin: int = 0) -> None:
        """Start blank; dotted lines count from dot column `origin`, to move with what they show."""
        self.width = width
        self.height = height
        self._origin = origin
        self._glyphs = glyphs
        self._bits = [0] * (width * height)
        self._marks: dict[int, Stroke] = {}
        """Cell number to the newest line through it."""

    def polyline(
        self,
        x: int,
        step: int,
        values: Sequence[float],
        value_range: tuple[float, float],
        style: Stroke,
    ) -> None:
        """Join values `step` dots apart, the first at dot column `x`; NaN breaks the line.

        `value_range` is the bottom and the top edge. A line leaves at the right angle, but values
        far outside are drawn as if a few panes away.
        """
        low, high = value_range
        dots = self.height * 4
        if high <= low or not dots:
            return
        scale = dots / (high - low)
        least, most = low - (high - low) * _FAR, high + (high - low) * _FAR
        far = dots * _FAR
        dot, half = self._dot, step // 2
        before: int | None = None
        for value in values:
            if value != value:  # NaN, asked the cheapest way
                before = None
            else:
                value = least if value < least else most if value > most else value
                # Truncation is rounding down only above zero.
                y = int((high - value) * scale + far) - far
                if before is None:
                    dot(x, y, style)
                elif -2 < y - before < 2 and step == 2:
                    dot(x - 1, before, style)
                    dot(x, y, style)
                else:
                    across, down = step, y - before
                    steps = across if across > abs(down) else abs(down)
                    for number in range(1, steps + 1):
                        dot(
                            x - step + (across * number + half) // steps,
                            before + (down * number + steps // 2) // steps,
                            style,
                        )
                before = y
            x += step

    def _dot(self, x: int, y: int, style: Stroke) -> None:
        width = self.width
        if 0 <= x < width * 2 and 0 <= y < self.height * 4:
            if style.dotted and (x - self._origin + y) % 3:
                return
            cell = (y >> 2) * width + (x >> 1)
            self._bits[cell] |= _BITS[2 * (y & 3) + (x & 1)]
            self._marks[cell] = style

    def draw_on(self, grid: Grid, *, after: int = -1, blank_only: bool = False) -> None:
        """Put the dots on a grid of the same size, right of column `after`."""
        width, braille, bits = self.width, self._glyphs.braille, self._bits
        chars, codes = grid.cells()
        code_of = {style: grid.code(style.role) for style in set(self._marks.values())}
        for cell, style in self._marks.items():
            y, x = divmod(cell, width)
            if x > after and not (blank_only and chars[y][x] != " "):
                chars[y][x] = _BRAILLE[bits[cell]] if braille else style.mark
                codes[y][x] = code_of[style]
