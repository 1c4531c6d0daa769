"""A widget that shows rows of runs and repaints only the rows that changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from tui.draw.runs import Row

if TYPE_CHECKING:
    from tui.style import Look


def changed_width(before: Row, after: Row) -> int:
    """Return the cells from the left up to the last one that differs.

    A terminal is sent a row from its left edge on, so what is the same at the end is saved.
    """
    width = sum(len(text) for text, _ in after)
    if width != sum(len(text) for text, _ in before):
        return max(width, sum(len(text) for text, _ in before))
    old, new = len(before), len(after)
    while old and new and before[old - 1] == after[new - 1]:
        old, new = old - 1, new - 1
        width -= len(after[new][0])
    if old and new and before[old - 1][1] == after[new - 1][1]:
        width -= _same_end(before[old - 1][0], after[new - 1][0])
    return width


def _same_end(first: str, second: str) -> int:
    most = min(len(first), len(second))
    return next((n for n in range(most) if first[-1 - n] != second[-1 - n]), most)


class RowsWidget(Widget):
    """Holds drawn rows; `show` compares and asks for a repaint of what differs."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002  Textual's own name
        super().__init__(id=id, classes=classes)
        self._rows: list[Row] = []
        self._strips: dict[Row, Strip] = {}
        self._look: Look | None = None

    @property
    def look(self) -> Look:
        """The styles and glyphs in force."""
        look = cast("Look", self.app.look)  # type: ignore[attr-defined]  # ClxApp; importing it here would be a cycle
        if look is not self._look:
            self._look = look
            self._strips.clear()
        return look

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows from now on."""
        before, self._rows = self._rows, list(rows)
        if len(before) != len(self._rows):
            self.refresh()
            return
        changed = [
            Region(0, y, changed_width(before[y], row), 1)
            for y, row in enumerate(self._rows)
            if row != before[y]
        ]
        if changed:
            self.refresh(*changed)

    def repaint(self) -> None:
        """Paint everything anew, after a change of theme."""
        self._strips.clear()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return one row as styled segments, from the cache where it was drawn before."""
        look = self.look
        width = self.size.width
        row: Row = self._rows[y] if y < len(self._rows) else ()
        strip = self._strips.get(row)
        if strip is None or strip.cell_length != width:
            segments = [Segment(text, look.style(role)) for text, role in row]
            strip = Strip(segments).adjust_cell_length(width, look.style(""))
            if len(self._strips) > 512:
                self._strips.clear()
            self._strips[row] = strip
        return strip

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """Fill what is given."""
        return container.width

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Fill what is given."""
        return container.height
