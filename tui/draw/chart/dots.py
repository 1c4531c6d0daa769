"""Lines in braille dots: two columns and four rows of dots in every cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from tui.draw.glyphs import Glyphs

_BITS: Final = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""Braille bit by dot column and dot row."""


class Dots:
    """A canvas of dots over `width` x `height` cells, one role a cell (the latest wins)."""

    __slots__ = ("_bits", "_glyphs", "_marks", "_roles", "height", "width")

    def __init__(self, width: int, height: int, glyphs: Glyphs) -> None:
        self.width = width
        self.height = height
        self._glyphs = glyphs
        self._bits: dict[tuple[int, int], int] = {}
        self._roles: dict[tuple[int, int], str] = {}
        self._marks: dict[tuple[int, int], str] = {}

    def dot(self, x: int, y: int, role: str, mark: str) -> None:
        """Set one dot; outside is ignored."""
        if 0 <= x < self.width * 2 and 0 <= y < self.height * 4:
            cell = (x >> 1, y >> 2)
            self._bits[cell] = self._bits.get(cell, 0) | _BITS[x & 1][y & 3]
            self._roles[cell] = role
            self._marks[cell] = mark

    def polyline(
        self, points: Sequence[tuple[int, int]], role: str, *, dotted: bool, mark: str
    ) -> None:
        """Join points (dot x ascending, dot y) with lines; `dotted` keeps every third dot."""
        before: tuple[int, int] | None = None
        for x, y in points:
            if before is None:
                self.dot(x, y, role, mark)
            else:
                self._segment(before, (x, y), role, dotted=dotted, mark=mark)
            before = (x, y)

    def _segment(
        self, start: tuple[int, int], end: tuple[int, int], role: str, *, dotted: bool, mark: str
    ) -> None:
        (x0, y0), (x1, y1) = start, end
        steps = max(x1 - x0, abs(y1 - y0), 1)
        # A line far outside would be walked dot by dot for nothing.
        if steps > 8 * (self.height * 4 + self.width * 2):
            return
        for step in range(1, steps + 1):
            x = x0 + round((x1 - x0) * step / steps)
            y = y0 + round((y1 - y0) * step / steps)
            if not dotted or (x + y) % 3 == 0:
                self.dot(x, y, role, mark)

    def cells(self) -> list[tuple[int, int, str, str]]:
        """Return what was drawn as (x, y, character, role)."""
        if not self._glyphs.braille:
            return [(x, y, mark, self._roles[x, y]) for (x, y), mark in self._marks.items()]
        return [
            (x, y, chr(0x2800 + bits), self._roles[x, y]) for (x, y), bits in self._bits.items()
        ]


def dot_row(value: float, low: float, high: float, rows: int) -> int | None:
    """Return the dot row of a value in `rows` cells, None when it cannot be drawn.

    Values outside keep their distance, so that a line leaves the pane at the right angle, but
    never more than a few panes of it.
    """
    if not math.isfinite(value) or high <= low:
        return None
    dots = rows * 4
    at = math.floor((high - value) / (high - low) * dots)
    return min(max(at, -2 * dots), 3 * dots)
