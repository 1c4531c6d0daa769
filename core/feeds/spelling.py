"""Levels whose prices are spelt like those before them, which is how venues write nearly all.

No byte of such a price waits for another one to be understood: the places of its point and quotes
are known, and need only be looked at. It is compiled into the kernel of `scanner`.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numba
import numpy as np
import numpy.typing as npt

from core.feeds.binance.digits import _eight as eight
from core.feeds.binance.digits import _few as few
from core.feeds.binance.digits import digits_in, eight_bytes

Grid: TypeAlias = npt.NDArray[np.int64]

SPELLING: Final = 7
"""Figures in which the spelling of an instrument's prices is remembered."""

_DIGITS: Final = 18
_LARGEST: Final = (1 << 63) - 1
_TENS: Final = 10 ** np.arange(_DIGITS, dtype=np.int64)
_UP: Final = np.uint64(0x7676767676767676)
_HIGH: Final = np.uint64(0x8080808080808080)


@numba.njit(cache=True, forceinline=True)
def quick_level(
    data: bytes, size: int, at: int, memory: Grid, places: int, unit: int
) -> tuple[int, int, int]:
    """Return (ticks, lots, place after both) of a level from its price on; place -1: read slowly.

    `places` and `unit` are of the size; the price must be spelt like the one `remember` saw.
    """
    wide, deep = memory[0], memory[1]
    point = at + 1 + wide
    shut = point + 1 + deep
    start = shut + 3
    if start + 24 > size:
        return 0, 0, -1
    whole = eight_bytes(data, at + 1) << np.uint64(64 - 8 * wide)
    part = eight_bytes(data, point + 1) << np.uint64(64 - 8 * deep)
    odd = (whole | part | (whole + _UP) | (part + _UP)) & _HIGH
    odd |= np.uint64((data[at] ^ 34) | (data[point] ^ 46) | (data[shut] ^ 34))
    odd |= np.uint64((data[shut + 1] ^ 44) | (data[shut + 2] ^ 34))
    word = eight_bytes(data, start)
    count = digits_in(word)
    end = start + count
    pointed = np.int64(data[end] == 46)
    rest = eight_bytes(data, end + 1)
    kept = digits_in(rest) * pointed
    end += pointed + kept
    if odd or not 0 < count < 8 or not pointed <= kept < 8 or kept > places:
        return 0, 0, -1
    if data[end] != 34 or count + places >= _DIGITS:
        return 0, 0, -1
    value = np.uint64(eight(whole) * memory[2] + eight(part) * memory[3])
    # Divided exactly, as `core.feeds.binance.digits.inverse_of` explains.
    value *= np.uint64(memory[4])
    turn = np.uint64(memory[5])
    price = (value >> turn) | ((value << (np.uint64(63) - turn)) << np.uint64(1))
    lots = few(word, count) * _TENS[np.uint64(places)]
    lots += few(rest, kept) * _TENS[np.uint64(places - kept)]
    if price > np.uint64(memory[6]):
        return 0, 0, -1
    if unit != 1:
        if lots % unit:
            return 0, 0, -1
        lots //= unit
    return int(price), lots, end + 1


@numba.njit(cache=True, forceinline=True)
def spelt_short(data: bytes, at: int, end: int, memory: Grid) -> bool:
    """Return whether neither number of a level read by `quick_level` has a digit to spare."""
    wide = memory[0]
    shut = at + 2 + wide + memory[1]
    first, last = shut + 3, end - 2
    # None of it can be foreseen, so no turn is taken.
    spare = (wide > 1) & (data[at + 1] == 48) | (data[shut - 1] == 48)
    spare |= (data[first] == 48) & (last > first) & (data[first + 1] != 46)
    # A zero at the end counts where no point is before it, of which there are seven digits.
    pointed = digits_in(eight_bytes(data, first)) <= last - first
    return not (spare | (pointed & (data[last] == 48)))


@numba.njit(cache=True)
def remember(
    data: bytes, size: int, start: int, shut: int, memory: Grid, places: int, unit: int
) -> None:
    """Note how a price between two quotes is spelt, and how digits spelt like that become ticks.

    Its digits before and behind the point; what the first and the others count; how to divide by
    what a tick counts. A zero first if it is none of those that `quick_level` can read. `places`
    and `unit` are of the tick. One that merely has fewer decimals changes nothing: some venues
    leave zeros at the end out.
    """
    if data[start] != 34 or start + 9 > size:
        return
    wide = digits_in(eight_bytes(data, start + 1))
    deep = shut - start - 2 - wide
    if wide == memory[0] and deep < memory[1]:
        return
    memory[0] = 0
    most = max(deep, places)
    if not (0 < wide < 8 and 0 < deep <= 8 and wide + most < _DIGITS and unit < _TENS[8]):
        return
    divisor = unit * _TENS[most - places]
    memory[0] = wide
    memory[1] = deep
    memory[2] = _TENS[most]
    memory[3] = _TENS[most - deep]
    memory[6] = _LARGEST // divisor
    turn = 0
    while divisor & 1 == 0:
        divisor >>= 1
        turn += 1
    memory[5] = turn
    # Each step doubles the bits that are right, of which a number has three as its own inverse.
    inverse = divisor
    for _ in range(5):
        inverse *= 2 - divisor * inverse
    memory[4] = inverse
