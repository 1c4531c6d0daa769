"""A widget that shows rows of runs and repaints only the cells that changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, cast

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from tui.draw.runs import Row

if TYPE_CHECKING:
    from tui.style import Look

_NEAR: Final = 8
"""Cells between two changes that cost a terminal no more than going past them."""


def changes(before: Row, after: Row) -> list[tuple[int, int]]:
    """Return (first cell, width) of what must be painted to turn one row into the other."""
    out: list[tuple[int, int]] = []
    for x, width in _differing(before, after):
        if out and x - sum(out[-1]) <= _NEAR:
            first = out.pop()[0]
            out.append((first, x + width - first))
        else:
            out.append((x, width))
    return out


def _differing(before: Row, after: Row) -> Iterator[tuple[int, int]]:
    """Yield (first cell, width) of stretches that differ, from left to right."""
    x = 0
    old, new = list(reversed(before)), list(reversed(after))
    while old and new:
        (had, was), (text, role) = old.pop(), new.pop()
        width = min(len(had), len(text))
        if len(had) > width:
            old.append((had[width:], was))
        if len(text) > width:
            new.append((text[width:], role))
        if was != role:
            yield x, width
        elif had[:width] != text[:width]:
            yield from ((x + at, 1) for at in range(width) if had[at] != text[at])
        x += width
    rest = sum(len(text) for text, _ in old or new)
    if rest:
        yield x, rest


class RowsWidget(Widget):
    """Holds drawn rows; `show` compares and asks for a repaint of what differs."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002  Textual's own name
        super().__init__(id=id, classes=classes)
        self._rows: list[Row] = []
        self._strips: dict[Row, Strip] = {}
        self._lines: dict[int, Strip] = {}
        """What stands in the rows; those that changed are taken out."""
        self._filtered: tuple[object, ...] = ()
        """What the lines were made for: their width, the filters in force, the ground."""
        self._look: Look | None = None

    @property
    def look(self) -> Look:
        """The styles and glyphs in force."""
        look = cast("Look", self.app.look)  # type: ignore[attr-defined]  # ClxApp; importing it here would be a cycle
        if look is not self._look:
            self._look = look
            self._forget()
        return look

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows from now on."""
        before, self._rows = self._rows, list(rows)
        if len(before) != len(self._rows):
            self._lines.clear()
            self.refresh()
            return
        changed: list[Region] = []
        for y, (row, old) in enumerate(zip(self._rows, before, strict=True)):
            if row != old:
                self._lines.pop(y, None)
                changed += [Region(x, y, width, 1) for x, width in changes(old, row)]
        if changed:
            self.refresh(*changed)

    def repaint(self) -> None:
        """Paint everything anew, after a change of theme."""
        self._forget()
        self.refresh()

    def _forget(self) -> None:
        self._strips.clear()
        self._lines.clear()

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return rows as they are to be painted.

        The framework would look for borders, padding, tints and hatches in every row of every
        frame; rows have none.
        """
        width, filters = self.size.width, self.get_line_filters()
        ground = self.background_colors[1] if filters else None
        made_for = (width, self.look, *filters, ground)
        if made_for != self._filtered:
            self._filtered = made_for
            self._lines.clear()
        lines = self._lines
        for y in crop.line_range:
            if y not in lines:
                line = self.render_line(y)
                for each in filters:
                    assert ground is not None
                    line = line.apply_filter(each, ground)
                lines[y] = line
        rows = [lines[y] for y in crop.line_range]
        if crop.column_span != (0, width):
            return [line.crop(*crop.column_span) for line in rows]
        return rows

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
