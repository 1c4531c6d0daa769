"""What was seen lately, to recognise repeats."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

_Item = TypeVar("_Item", bound=Hashable)


class Recent(Generic[_Item]):
    """Remembers the newest `least` items at least, and at most twice as many.

    Two sets that take turns: a start sees every id there ever was, and forgetting one for each new
    one costs more than all else that is done with them.
    """

    __slots__ = ("_least", "_new", "_old")

    def __init__(self, least: int) -> None:
        self._least = least
        self._new: set[_Item] = set()
        self._old: set[_Item] = set()

    def __contains__(self, item: _Item) -> bool:
        return item in self._new or item in self._old

    def add(self, item: _Item) -> bool:
        """Remember an item; return whether it is news."""
        new = self._new
        if item in new or item in self._old:
            return False
        new.add(item)
        if len(new) >= self._least:
            self._old, self._new = new, set()
        return True
