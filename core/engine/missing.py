"""Trade ids that were left out: which of them may still come, each once."""

from __future__ import annotations

from bisect import bisect_right, insort
from typing import Final

MOST: Final = 256
"""Ranges remembered; the oldest give way."""


class MissingIds:
    """The ids one instrument's stream left out, as ranges in order."""

    __slots__ = ("_ranges",)

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []

    def __bool__(self) -> bool:
        return bool(self._ranges)

    def add(self, first: int, last: int) -> None:
        """Note that ids from `first` to `last` were left out."""
        insort(self._ranges, (first, last))
        if len(self._ranges) > MOST:
            del self._ranges[0]

    def take(self, number: int) -> bool:
        """Return whether an id was left out, and wait for it no longer."""
        at = bisect_right(self._ranges, number, key=lambda span: span[0]) - 1
        if at < 0 or self._ranges[at][1] < number:
            return False
        first, last = self._ranges[at]
        rest = [span for span in ((first, number - 1), (number + 1, last)) if span[0] <= span[1]]
        self._ranges[at : at + 1] = rest
        return True

    def clear(self) -> None:
        """Wait for none."""
        self._ranges.clear()
