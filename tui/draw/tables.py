"""Lists as tables: fixed columns, decimals aligned, empty states that teach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar

from msgspec import Struct

from tui.draw import numbers
from tui.draw.glyphs import Glyphs, spelled
from tui.draw.runs import Grid, Row, clip, plain

T = TypeVar("T")
_LEAST_WIDE: Final = 8
"""A column of words narrower than this says nothing."""


class Column(Struct, Generic[T], frozen=True):
    """One column: its name, what it says, and how it says it."""

    name: str
    text: Callable[[T], str]
    right: bool = False
    """Right-aligned; numbers on their point."""
    role: Callable[[T], str] | None = None
    weight: int = 0
    """Columns of higher weight are dropped first when there is no room."""
    wide: bool = False
    """Takes what is left of the row."""
    sparse: bool = False
    """Left out while nothing in sight has it."""
    value: Callable[[T], Any] | None = None
    """What it is sorted by and exported as, where that is not the text; None: not known."""
    exported: bool = True
    """Whether an export has it."""
    field: str = ""
    """Its name in an export, with the unit; empty: as in the head."""


class Sorted(NamedTuple):
    """Which column a list is sorted by, as its head says it."""

    column: str
    down: bool


class Table(Struct, Generic[T], frozen=True):
    """Columns and the words for an empty list."""

    columns: tuple[Column[T], ...]
    empty: str


def draw_table(
    table: Table[T],
    items: Sequence[T],
    cursor: int | None,
    width: int,
    height: int,
    glyphs: Glyphs,
    order: Sorted | None = None,
    empty: str = "",
) -> list[Row]:
    """Draw a head row and as many items as fit, keeping the cursor in sight.

    `order` is marked in the head; `empty` is said instead of the table's own words.
    """
    grid = Grid(width, height)
    if not height:
        return grid.rows()
    if not items:
        words = clip(empty or table.empty, width - 1, glyphs.ellipsis)
        grid.put(1, min(1, height - 1), words, "muted")
        return grid.rows()
    room = height - 1
    first = window(len(items), cursor, room)
    shown = items[first : first + room]
    columns = [
        [spelled(plain(column.text(item)), glyphs) for item in shown] for column in table.columns
    ]
    for at, column in enumerate(table.columns):
        if column.right:
            columns[at] = numbers.aligned(columns[at])
    cells = list(zip(*columns, strict=True))
    names = [_head(column.name, order, glyphs) for column in table.columns]
    places = _places(table, names, cells, width)
    for at, (x, size) in places.items():
        name = clip(names[at], size, glyphs.ellipsis)
        role = "text" if order is not None and table.columns[at].name == order.column else "muted"
        grid.put(x + size - len(name) if table.columns[at].right else x, 0, name, role)
    for y, (item, row) in enumerate(zip(shown, cells, strict=True), 1):
        for at, (x, size) in places.items():
            column = table.columns[at]
            text = clip(row[at], size, glyphs.ellipsis)
            role = column.role(item) if column.role is not None else "text"
            grid.put(x + size - len(text) if column.right else x, y, text, role)
        if cursor is not None and first + y - 1 == cursor:
            grid.put(0, y, glyphs.pointer, "cursor")
            grid.fill(y, "cursor")
    return grid.rows()


def _head(name: str, order: Sorted | None, glyphs: Glyphs) -> str:
    if order is None or not name or name != order.column:
        return name
    return name + (glyphs.down if order.down else glyphs.up)


def window(count: int, cursor: int | None, room: int) -> int:
    """Return the first item shown so that the cursor is in sight; lists begin with the newest."""
    if cursor is None or room <= 0:
        return 0
    return max(0, min(cursor - room // 2, count - room))


def _places(
    table: Table[T], names: Sequence[str], cells: Sequence[Sequence[str]], width: int
) -> dict[int, tuple[int, int]]:
    columns = table.columns
    sizes = [
        max(len(name), max((len(row[at]) for row in cells), default=0))
        for at, name in enumerate(names)
    ]
    kept = [
        at
        for at, column in enumerate(columns)
        if not column.sparse or any(row[at].strip() for row in cells)
    ]
    while kept and sum(sizes[at] + 2 for at in kept if not columns[at].wide) > width:
        heaviest = max(kept, key=lambda at: (columns[at].weight, at))
        if columns[heaviest].weight == 0:
            break
        kept.remove(heaviest)
    used = sum(sizes[at] + 2 for at in kept if not columns[at].wide)
    places: dict[int, tuple[int, int]] = {}
    x = 1
    for at in kept:
        size = max(4, width - used - 2) if columns[at].wide else sizes[at]
        if columns[at].wide and places and width - x < _LEAST_WIDE:
            continue
        if x + size > width and places:
            size = width - x
        if size <= 0:
            continue
        places[at] = (x, size)
        x += size + 2
    return places
