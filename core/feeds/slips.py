"""Instruments of which a venue's kernel and its decoder both note whose book it is."""

from __future__ import annotations

from typing import Final

import numba
import numpy as np
import numpy.typing as npt

from core.feeds.decoder import Known
from core.feeds.sides import plan_of
from core.model.instruments import Instrument

NAME: Final = 0
"""Figure of a slip that is the address of the instrument's name."""
OWNED, CONN, SOURCE = 1, 2, 3
"""Figures that say whether a book comes from anywhere, its connection, and of which channel."""
DESK: Final = 4
"""Figure of a slip that is the place of the desk lent for the book, 0 if none is."""
FREE: Final = 5
"""The first figure of a slip that a venue may use as it likes."""


class OwnedKnown(Known):
    """What decoding needs of one instrument whose book comes from one place at a time."""

    __slots__ = ("plan", "slip")

    def __init__(self, instrument: Instrument, key: str = "") -> None:
        super().__init__(instrument, key)
        self.plan = plan_of(self)
        self.slip = self.plan.slip

    def lend(self, place: int) -> None:
        """Have the kernel take changes of the book to the desk at a place, 0: tell them."""
        self.slip[DESK] = place

    @property
    def owner(self) -> tuple[int, int] | None:
        """Connection and number of the channel the book comes from: those of the newest image."""
        slip = self.slip
        return (slip[CONN], slip[SOURCE]) if slip[OWNED] else None

    @owner.setter
    def owner(self, owner: tuple[int, int] | None) -> None:
        self.slip[OWNED] = owner is not None
        if owner is not None:
            self.slip[CONN], self.slip[SOURCE] = owner


@numba.njit(cache=True, forceinline=True)
def owned(slip: npt.NDArray[np.int64], conn: int, source: int) -> bool:
    """Return whether a book comes from a channel of a connection."""
    return bool(slip[OWNED] and slip[CONN] == conn and slip[SOURCE] == source)


@numba.njit(cache=True, forceinline=True)
def own(slip: npt.NDArray[np.int64], conn: int) -> None:
    """Note that a book comes from a connection, see `core.feeds.owners`."""
    slip[OWNED] = 1
    slip[CONN] = conn


@numba.njit(cache=True, forceinline=True)
def foreign(slip: npt.NDArray[np.int64], conn: int) -> bool:
    """Return whether a book comes from another connection."""
    return bool(slip[OWNED] and slip[CONN] != conn)
