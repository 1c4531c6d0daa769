"""Lines in braille dots: two columns and four rows of dots in every cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from tui.draw.glyphs import Glyphs
from tui.draw.runs import Grid

_BITS: Final = (0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80)
"""Braille bit by 2 * dot row + dot column inside a cell."""
_FAR: Final = 3
"""A line may leave its pane by this many panes; beyond, its slope no longer matters."""


class Dots:
    """A canvas of dots over `width` x `height` cells, one role a cell (the latest wins)."""

    __slots__ = ("_bits", "_glyphs", "_marks", "height", "width")

    def __init__(self, width: int, height: int, glyphs: Glyphs) -> None:
        self.width = width
        self.height = height
        self._glyphs = glyphs
        self._bits = [0] * (width * height)
        self._marks: dict[int, tuple[str, str]] = {}
        """Cell number to (role, mark where there is no braille)."""

    def polyline(
        self, points: Sequence[tuple[int, int]], role: str, *, dotted: bool, mark: str
    ) -> None:
        """Join points (dot x ascending, dot y) with lines; `dotted` keeps every third dot."""
        bits, marks, width = self._bits, self._marks, self.width
        right, bottom = width * 2, self.height * 4
        entry = (role, mark)
        before: tuple[int, int] | None = None
        for point in points:
            x0, y0 = before or point
            x1, y1 = before = point
            across, down = x1 - x0, y1 - y0
            steps = max(across, abs(down), 1)
            half = steps // 2
            for step in range(1, steps + 1):
                x = x0 + (across * step + half) // steps
                y = y0 + (down * step + half) // steps
                if 0 <= x < right and 0 <= y < bottom and (not dotted or (x + y) % 3 == 0):
                    cell = (y >> 2) * width + (x >> 1)
                    bits[cell] |= _BITS[2 * (y & 3) + (x & 1)]
                    marks[cell] = entry

    def draw_on(self, grid: Grid, *, after: int = -1, blank_only: bool = False) -> None:
        """Put the dots on a grid of the same size, right of column `after`."""
        width, braille, bits = self.width, self._glyphs.braille, self._bits
        chars, roles = grid.cells()
        for cell, (role, mark) in self._marks.items():
            y, x = divmod(cell, width)
            if x > after and not (blank_only and chars[y][x] != " "):
                chars[y][x] = chr(0x2800 + bits[cell]) if braille else mark
                roles[y][x] = role


def dot_row(value: float, low: float, high: float, rows: int) -> int | None:
    """Return the dot row of a value in `rows` cells, None when it cannot be drawn.

    Values outside keep their distance, so that a line leaves the pane at the right angle, but
    never more than a few panes of it.
    """
    if not math.isfinite(value) or high <= low:
        return None
    dots = rows * 4
    at = (high - value) / (high - low)
    return math.floor(min(max(at, 1.0 - _FAR), float(_FAR)) * dots)
