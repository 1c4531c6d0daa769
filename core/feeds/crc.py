"""CRC32 over joined texts of a book's best levels, made of the sums of the levels.

The register of a CRC after further bytes is that of these bytes alone, begun at zero, xor the
register before, moved on by as many zero bytes (zlib's ``crc32_combine``; Williams, "A painless
guide to CRC error detection algorithms", 1993). A message changes a level or two of the many that
its checksum covers, so the sum of each level's text is remembered and one step joins it.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, TypeAlias

import numba
import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import intrinsic

Tables: TypeAlias = npt.NDArray[np.uint32]
Row: TypeAlias = npt.NDArray[np.int64]
Register: TypeAlias = int | np.int64
"""A number; to numba an `int` made of an unsigned one would be unsigned."""

FULL: Final = 0xFFFFFFFF
"""The register at the beginning, and what the register at the end is xored with."""

MOST: Final = 32
"""Zero bytes that one look-up moves a register on by, up to these; beyond, by whole times these."""

_TIMES: Final = 48

SLOTS: Final = 256
"""Levels remembered, each at the slot its price leads to."""

SLOT_WIDTH: Final = 4
"""Ticks, lots, register and length of a level's text."""

_POLYNOMIAL: Final = 0xEDB88320
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_HIGH: Final = np.uint64(56)


@cache
def tables() -> Tables:
    """Return by count of zero bytes, place of a byte in the register and value where it leads.

    Behind those up to `MOST` stand twice these, three times and so on.
    """
    out = np.zeros((MOST + _TIMES, 4, 256), np.uint32)
    values = np.arange(256, dtype=np.uint32)
    single = values.copy()
    for _ in range(8):
        single = np.where(single & 1, single >> 1 ^ np.uint32(_POLYNOMIAL), single >> 1)
    for place in range(4):
        out[0, place] = values << np.uint32(8 * place)
    for count in range(MOST):
        out[count + 1] = out[count] >> np.uint32(8) ^ single[out[count] & 255]
    far = out[MOST]
    for count in range(MOST, MOST + _TIMES - 1):
        by = [out[count] >> np.uint32(8 * place) & 255 for place in range(4)]
        out[count + 1] = far[0, by[0]] ^ far[1, by[1]] ^ far[2, by[2]] ^ far[3, by[3]]
    return out


@intrinsic
def _pointer(typing: Any, place: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.inttoptr(values[0], context.get_value_type(signature.return_type))

    return types.CPointer(types.uint32)(types.int64), generate


@numba.njit(cache=True, forceinline=True)
def lying(place: int) -> Tables:
    """Return the tables that lie at a place."""
    found: Tables = numba.carray(_pointer(place), (MOST + _TIMES, 4, 256))
    return found


def before(text: bytes) -> int:
    """Return the register that one byte turns into the one a CRC begins with."""
    single = tables()[1, 0]
    (low,) = np.flatnonzero(single >> np.uint32(24) == 255).tolist()
    return int((FULL ^ int(single[low])) << 8 | low ^ text[0])


@numba.njit(cache=True, forceinline=True)
def moved_on(register: Register, count: int, on: Tables) -> Register:
    """Return a register after `count` zero bytes."""
    while count > MOST:
        times = min(count // MOST, _TIMES)
        register = moved_once(register, MOST + times - 1, on)
        count -= MOST * times
    register = moved_once(register, count, on)
    return register


@numba.njit(cache=True, forceinline=True)
def moved_once(register: Register, count: int, on: Tables) -> Register:
    """Return a register after what one look-up moves it on by."""
    low = on[count, 0, register & 255] ^ on[count, 1, register >> 8 & 255]
    high = on[count, 2, register >> 16 & 255] ^ on[count, 3, register >> 24 & 255]
    return np.int64(low ^ high)


@numba.njit(cache=True, forceinline=True)
def summed(text: Row, length: int, on: Tables) -> Register:
    """Return the register of bytes alone, begun at zero."""
    register: Register = 0
    for at in range(length):
        register = register >> 8 ^ np.int64(on[1, 0, (register ^ text[at]) & 255])
    return register


@numba.njit(cache=True, forceinline=True)
def slot(ticks: int) -> Register:
    """Return where a price's level is remembered; neighbours never meet."""
    return np.int64(np.uint64(ticks) * _MIX >> _HIGH)
