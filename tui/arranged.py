"""How a person has arranged a list: sorted by a column, and only rows with some words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from tui.draw.tables import Column, Sorted, Table

T = TypeVar("T")


class Arranged(Struct, frozen=True):
    """The arrangement of one list; the default leaves it as it comes."""

    column: str = ""
    """Name of the column sorted by; empty: as it comes."""
    down: bool = False
    """Largest first."""
    words: str = ""
    """Only rows that have all of these words somewhere are shown."""

    def step(self, table: Table[Any], by: int) -> Arranged:
        """Return the arrangement by the next column, after the last one as the list comes."""
        names = ["", *(column.name for column in table.columns if column.name)]
        at = names.index(self.column) if self.column in names else 0
        name = names[(at + by) % len(names)]
        return replace(self, column=name, down=_is_numeric(table, name))

    def turned(self) -> Arranged:
        """Return the arrangement the other way round."""
        return replace(self, down=not self.down)

    @property
    def sign(self) -> Sorted | None:
        """What the head of the table says of it."""
        return Sorted(self.column, self.down) if self.column else None

    def apply(self, table: Table[T], items: Sequence[T]) -> Sequence[T]:
        """Return the items in this order, without those that lack the words."""
        if self.words:
            parts = self.words.casefold().split()
            items = [item for item in items if has_words(table, item, parts)]
        column = next((c for c in table.columns if c.name and c.name == self.column), None)
        if column is None:
            # The other way round works on a list as it comes, too.
            return list(items)[::-1] if self.down and not self.column else items
        keyed = [(sort_key(column, item), item) for item in items]
        known = [pair for pair in keyed if pair[0] is not None]
        known.sort(key=lambda pair: pair[0], reverse=self.down)
        return [item for _, item in known] + [item for key, item in keyed if key is None]


def sort_key(column: Column[T], item: T) -> Any:
    """Return what an item is sorted by, None for what is not known: it always comes last."""
    value = column.value(item) if column.value is not None else column.text(item)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return value.casefold() if isinstance(value, str) else value


def has_words(table: Table[T], item: T, parts: Sequence[str]) -> bool:
    """Return whether every word stands in some column of the item."""
    text = " ".join(column.text(item) for column in table.columns).casefold()
    return all(part in text for part in parts)


def _is_numeric(table: Table[Any], name: str) -> bool:
    return any(column.name == name and column.right for column in table.columns)
