"""Trades a venue tells again, such as the last hundred before a subscription: which of them count.

They reach back beyond what we followed, so most of them belong to bars we never saw begin. Those
that count are the ones a lost connection or message cost us, known by ids that leave none out.
"""

from __future__ import annotations

from array import array
from typing import Final

_MOST: Final = 1000
"""Ids remembered as missing at once; a venue tells a hundred again, not more."""

_LARGEST: Final = (1 << 63) - 1
"""Of ids; no venue's are longer than 64 bits."""


class TradeHoles:
    """The trade ids of one instrument: the newest seen, and those left out before it.

    Args:
        slip: Where the newest is kept, for a kernel that goes on with the next one by itself.
        place: At which of its figures.
    """

    __slots__ = ("_at", "_missing", "_slip")

    def __init__(self, slip: memoryview | None = None, place: int = 0) -> None:
        self._slip = memoryview(array("q", [0])) if slip is None else slip
        self._at = place
        self._missing: set[int] = set()

    @property
    def last(self) -> int:
        """Newest id seen, 0 before the first."""
        found: int = self._slip[self._at]
        return found

    @last.setter
    def last(self, number: int) -> None:
        self._slip[self._at] = min(number, _LARGEST)

    def see(self, number: int) -> None:
        """Note a trade that counts."""
        last = self.last
        if number == last + 1:
            self.last = number
        elif number > last:
            if last > 0 and number - last + len(self._missing) <= _MOST:
                self._missing.update(range(last + 1, number))
            self.last = number
        else:
            self._missing.discard(number)

    def miss(self, number: int) -> None:
        """Note that all up to a trade were made and never came."""
        self.see(number + 1)
        self.last = number

    def wants(self, number: int) -> bool:
        """Return whether a trade that is told again was missed."""
        return 0 < self.last < number or number in self._missing

    def missing(self) -> tuple[int, int] | None:
        """Return the oldest and newest id left out, None where there is none."""
        return (min(self._missing), max(self._missing)) if self._missing else None

    def forget(self, first: int, last: int) -> None:
        """Wait no longer for ids from `first` to `last`: the venue was asked and has told."""
        self._missing = {number for number in self._missing if not first <= number <= last}
