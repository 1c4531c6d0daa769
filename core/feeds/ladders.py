"""Sides of books as the kernel of `scanner` reads them, into the room on its desk."""

from __future__ import annotations

from typing import Final, TypeAlias

import numba
import numpy as np
import numpy.typing as npt

from core.engine.compiled import view
from core.feeds.desks import END, MIDDLE, PLAIN_AT
from core.feeds.forms import SHORT, ZERO
from core.feeds.jsonbytes import passed, short, word_at
from core.feeds.levels import PLAN, _number
from core.feeds.spelling import SPELLING, quick_level, remember, spelt_short

_BUY, _SELL = ord("b"), ord("s")

_MEMORY: Final = PLAN - SPELLING
"""From where on a plan remembers how the last price was spelt."""

Grid: TypeAlias = npt.NDArray[np.int64]


@numba.njit(cache=True, forceinline=True)
def _level(
    data: bytes, size: int, at: int, plan: Grid, desk: Grid, flags: int
) -> tuple[int, int, int]:
    """Return (ticks, lots, place after the bracket) of a level from its price on."""
    start = at
    price, lots, at = 0, 0, -1
    if plan[_MEMORY]:
        price, lots, at = quick_level(data, size, start, plan[_MEMORY:], plan[2], plan[3])
        if flags & SHORT and at > 0 and not spelt_short(data, start, at, plan[_MEMORY:]):
            desk[PLAIN_AT] = 0
    if at < 0:
        price, at = _number(data, size, start, plan[0], plan[1])
        if at < 0 or at >= size or data[at] != 44:
            return 0, 0, -1
        middle = at + 1
        lots, at = _number(data, size, middle, plan[2], plan[3])
        if at < 0:
            return 0, 0, -1
        if flags & SHORT and not (short(data, start, middle - 1) and short(data, middle, at)):
            desk[PLAIN_AT] = 0
        remember(data, size, start, middle - 2, plan[_MEMORY:], plan[0], plan[1])
    while at < size and data[at] == 44:
        at = passed(data, size, at + 1)
        if at < 0:
            return 0, 0, -1
    if at >= size or data[at] != 93:
        return 0, 0, -1
    return price, lots, at + 1


@numba.njit(cache=True)
def _levels(  # noqa: C901  one pass over the levels
    data: bytes, size: int, at: int, plan: Grid, desk: Grid, flags: int, wanted: int
) -> tuple[int, int]:
    """Read levels into the room; returns (how many were not `wanted`, place after them).

    `wanted` is 0 for a side, else the letter that the first value of a level to be kept begins
    with. The place is -1 if something is odd, and -2 if there is no room.
    """
    room = view(desk[4], desk[5], 2)
    used, others = desk[6], 0
    at += 1
    if at < size and data[at] == 93:
        return 0, at + 1
    while at < size and data[at] == 91:
        if used >= desk[5]:
            return 0, -2
        at += 1
        mine = True
        if wanted:
            word = word_at(data, size, at)
            # ``"buy",`` or ``"sell",``
            if word & np.uint64(0xFFFFFFFFFFFF) == np.uint64(0x2C2279756222):
                mine = wanted == _BUY
                at += 6
            elif word & np.uint64(0xFFFFFFFFFFFFFF) == np.uint64(0x2C226C6C657322):
                mine = wanted == _SELL
                at += 7
            else:
                return 0, -1
        price, lots, at = _level(data, size, at, plan, desk, flags)
        if at < 0:
            return 0, -1
        if not mine:
            others += 1
        elif price > 0:
            room[used, 0] = price
            room[used, 1] = lots
            used += 1
        elif not flags & ZERO:
            return 0, -1
        if at >= size:
            return 0, -1
        if data[at] == 93:
            desk[6] = used
            return others, at + 1
        if data[at] != 44:
            return 0, -1
        at += 1
    return 0, -1


@numba.njit(cache=True, forceinline=True)
def side(data: bytes, size: int, at: int, plan: Grid, desk: Grid, flags: int, turn: int) -> int:
    """Read the first or second side and note where it ends; returns the place after it."""
    end = _levels(data, size, at, plan, desk, flags, 0)[1]
    desk[MIDDLE + turn] = desk[6]
    return int(end)


@numba.njit(cache=True, forceinline=True)
def changes(data: bytes, size: int, at: int, plan: Grid, desk: Grid, flags: int) -> int:
    """Read levels of both sides, the bids first; returns the place after them."""
    others, end = _levels(data, size, at, plan, desk, flags, _BUY)
    desk[MIDDLE] = desk[6]
    if others:
        end = _levels(data, size, at, plan, desk, flags, _SELL)[1]
    desk[END] = desk[6]
    return int(end)
