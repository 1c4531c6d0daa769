"""What a scanner's kernel leaves on its desk for the kernel that makes events of it.

A desk holds addresses and sizes of forms, instruments and room; where sides are that came before
their turn; what is told; what `stamp` remembers; the plan of the instrument told of, the array
that the room is, and the mapping that has values by their texts; and where those are.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numba
import numpy as np
import numpy.typing as npt

from core.engine.compiled import view
from core.engine.made import Object, levels
from core.feeds.forms import ROW, TEXTS, TOLD
from core.feeds.jsonbytes import MEMO
from core.feeds.levels import PLAN, SLIP

USED: Final = 6
"""Figure of a desk that says how many rows of the room are in use."""
LATER: Final = 7
OUT: Final = LATER + 4
SECOND: Final = OUT + TOLD
PLAN_OF: Final = SECOND + MEMO
ROOM: Final = PLAN_OF + 1
VALUES_OF: Final = ROOM + 1
TEXT_AT: Final = VALUES_OF + 1
DESK: Final = TEXT_AT + TEXTS
KIND, ROW_OF, START, MIDDLE, END, PLAIN_AT = range(OUT, OUT + 6)

Grid: TypeAlias = npt.NDArray[np.int64]


@numba.njit(cache=True, forceinline=True)
def told(place: int) -> Grid:
    """Return what was found in the message scanned last."""
    out: Grid = view(place + 8 * OUT, 1, TOLD)[0]
    return out


@numba.njit(cache=True, forceinline=True)
def slip(place: int) -> Grid:
    """Return the slip of the instrument the message scanned last is of."""
    out: Grid = view(view(place, 1, DESK)[0, PLAN_OF] + 8 * PLAN, 1, SLIP)[0]
    return out


@numba.njit(cache=True, forceinline=True)
def rows(place: int, start: int, end: int) -> Object:
    """Return rows of the room as levels."""
    desk = view(place, 1, DESK)[0]
    return levels(desk[ROOM], desk[4], start, end)


@numba.njit(cache=True, forceinline=True)
def bare(place: int, start: int, end: int) -> Grid:
    """Return rows of the room as levels for kernels alone."""
    out: Grid = view(view(place, 1, DESK)[0, 4] + 16 * start, max(end - start, 0), 2)
    return out


@numba.njit(cache=True, forceinline=True)
def free(place: int, row: int) -> None:
    """Give back the rows of the room from one on: nobody holds what was read there last.

    The next message is read to the same rows, which are in the processor's cache.
    """
    view(place, 1, DESK)[0, USED] = row


@numba.njit(cache=True, forceinline=True)
def level(place: int, row: int) -> Grid:
    """Return price and size of a level in a row of the room."""
    out: Grid = view(view(place, 1, DESK)[0, 4] + 16 * row, 1, 2)[0]
    return out


@numba.njit(cache=True, forceinline=True)
def figures(place: int, start: int, count: int) -> Grid:
    """Return what so many objects of a form with rows told, the first from a row of the room on."""
    out: Grid = view(view(place, 1, DESK)[0, 4] + 16 * start, count, ROW)
    return out


@numba.njit(cache=True, forceinline=True)
def texts(place: int, count: int) -> Grid:
    """Return where the texts of the first values are in the message scanned last."""
    out: Grid = view(place + 8 * TEXT_AT, 1, count)[0]
    return out


@numba.njit(cache=True, forceinline=True)
def values(place: int) -> int:
    """Return the mapping that has values by their texts."""
    return int(view(place, 1, DESK)[0, VALUES_OF])
