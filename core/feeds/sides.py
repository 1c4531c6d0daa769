"""Book sides whose levels are arrays of texts, price and size first."""

from __future__ import annotations

import re
from typing import Final

import msgspec
import numpy as np

from core.feeds.decoder import Known
from core.feeds.levels import LevelReader, Shape, SidePlan
from core.feeds.steps import OffStep
from core.model.errors import DataError
from core.model.market import Levels

NO_LEVELS: Final[Levels] = np.zeros((0, 2), np.int64)
"""An empty side; nobody writes to levels."""

NOTHING: Final = b"[]"

_ZERO: Final = re.compile(rb'\[\s*"0[0.]*["eE]').search


class Level(msgspec.Struct, array_like=True, gc=False):
    """A level as the wire spells it; what follows price and size is left out."""

    price: str
    size: str


class SideReader:
    """Reads sides; a size finer than the lot becomes the nearest, and is noted.

    A lot may grow while older orders rest at sizes between two of its multiples. Such a level never
    vanishes, and `off_step` says of which symbol it was. A price between two ticks has no place in
    the book and is refused.

    Args:
        off_step: The decoder's notes, see `core.model.ports.TapeDecoder.off_step`.
    """

    __slots__ = ("_off_step", "_read", "texts")

    def __init__(self, off_step: dict[str, tuple[int, int]]) -> None:
        self._off_step = off_step
        self._read = LevelReader().side
        self.texts = msgspec.json.Decoder(list[Level]).decode
        """A raw side as the wire spells it."""

    def side(self, text: bytes, plan: SidePlan) -> Levels:
        """Return the levels of one side as (n, 2) ticks and lots, in the order sent.

        Raises:
            DataError: A value is not what a level holds, or a price is 0 or between two ticks.
        """
        if text == NOTHING:
            return NO_LEVELS
        try:
            levels = self._read(text, plan)
        except OffStep:
            levels = self.any_side(text, plan)
        if b'["0' in text and _ZERO(text) is not None:
            raise DataError(f"level of {plan.known.id} must have a price above 0")
        return levels

    def any_side(self, text: bytes, plan: SidePlan) -> Levels:
        """Return the levels of one side as `side` does, those at price 0 too.

        Raises:
            DataError: A value is not what a level holds, or a price is between two ticks.
        """
        try:
            return self._read(text, plan)
        except OffStep as error:
            if error.what != "size":
                raise
            error.note(self._off_step)
        prices, sizes = plan.known.prices, plan.known.sizes
        rows = [(prices[row.price], sizes.nearest(row.size)) for row in self.texts(text)]
        return np.array(rows, np.int64).reshape(-1, 2)

    def resting(self, known: Known, bid: str, ask: str) -> tuple[int, int]:
        """Return the lots at the best bid and ask, under the same rule as those of a side.

        Raises:
            DataError: One is no plain number.
        """
        sizes = known.sizes
        try:
            return sizes[bid], sizes[ask]
        except OffStep as error:
            error.note(self._off_step)
            return sizes.nearest(bid), sizes.nearest(ask)


def has_zero(text: bytes) -> bool:
    """Return whether a price of a raw side is 0."""
    # Looking at the numbers read would cost more than reading them.
    return b'["0' in text and _ZERO(text) is not None


def plan_of(known: Known) -> SidePlan:
    """Return how to read an instrument's sides."""
    return SidePlan(known, Shape(0, 1), zero=True)
