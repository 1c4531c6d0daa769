"""CRC32 over joined texts of a book's best levels, made of the sums of the levels.

A register is a polynomial over bits, and zero bytes behind it multiply it by a power of x, modulo
the CRC's own. The register of texts in a row is the xor of each one's alone, multiplied by the
power for what stands behind it, and of the register at the beginning (Williams, "A painless guide
to CRC error detection algorithms", 1993). A message changes a level or two of the many that its
checksum covers, so the register of each level's text is remembered. As products are only taken
modulo once all are xored, a level costs one multiplication without carries, for which most
processors have an instruction (Gopal et al., "Fast CRC Computation Using PCLMULQDQ", 2009).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final, TypeAlias

import numba
import numpy as np
import numpy.typing as npt
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic, overload

Tables: TypeAlias = npt.NDArray[np.uint32]
Row: TypeAlias = npt.NDArray[np.int64]
Register: TypeAlias = int | np.int64
"""A number; to numba an `int` made of an unsigned one would be unsigned."""

FULL: Final = 0xFFFFFFFF
"""The register at the beginning, and what the register at the end is xored with."""

MOST: Final = 4200
"""Most zero bytes that a register can be multiplied by."""

SLOTS: Final = 256
"""Levels remembered, each at the slot its price leads to."""

SLOT_WIDTH: Final = 4
"""Ticks, lots, register and length of a level's text."""

_POLYNOMIAL: Final = 0xEDB88320
_ONE: Final = 0x80000000
"""The register that is the polynomial 1: the first bit is the last."""
_FAR: Final = 256
_POWERS: Final = _FAR + 4 * 256
_SIZE: Final = _POWERS + MOST + 1
_BITS: Final = 32
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_HIGH: Final = np.uint64(56)
_LOW: Final = np.uint64(FULL)


@cache
def tables() -> Tables:
    """Return where one zero byte leads each value of the lowest, and four each byte's, and powers.

    The last are the products of 1 by so many zero bytes.
    """
    single = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        single = np.where(single & 1, single >> 1 ^ np.uint32(_POLYNOMIAL), single >> 1)
    far = []
    for place in range(4):
        values = np.arange(256, dtype=np.uint32) << np.uint32(8 * place)
        for _ in range(4):
            values = values >> np.uint32(8) ^ single[values & 255]
        far.append(values)
    powers = [_ONE]
    for _ in range(MOST):
        powers.append(powers[-1] >> 8 ^ int(single[powers[-1] & 255]))
    return np.concatenate([single, *far, np.array(powers, np.uint32)]).astype(np.uint32)


@intrinsic
def _pointer(typing: Any, place: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.inttoptr(values[0], context.get_value_type(signature.return_type))

    return types.CPointer(types.uint32)(types.int64), generate


@numba.njit(cache=True, forceinline=True)
def lying(place: int) -> Tables:
    """Return the tables that lie at a place."""
    found: Tables = numba.carray(_pointer(place), (_SIZE,))
    return found


def before(text: bytes) -> int:
    """Return the register that one byte turns into the one a CRC begins with."""
    single = tables()[:256]
    (low,) = np.flatnonzero(single >> np.uint32(24) == 255).tolist()
    return int((FULL ^ int(single[low])) << 8 | low ^ text[0])


def has_instruction(features: str) -> bool:
    """Return whether a processor of these features, told as LLVM does, multiplies without carries.

    `features` are such as ``+sse2,-avx,+pclmul``; none are known of a processor named otherwise.
    """
    return "+pclmul" in features.split(",")


_QUICK: Final = has_instruction(cpu_target.target_context.codegen().magic_tuple()[2])


@intrinsic
def _multiplied(typing: Any, one: Any, other: Any) -> Any:
    """Multiply by the instruction of x86."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        ir = cgutils.ir
        word, place = ir.IntType(64), ir.IntType(32)
        pair = ir.VectorType(word, 2)
        kind = ir.FunctionType(pair, [pair, pair, ir.IntType(8)])
        function = cgutils.get_or_insert_function(
            builder.module, kind, "llvm.x86.pclmulqdq"
        )  # fmt: skip
        zero = ir.Constant(pair, [0, 0])
        pairs = [builder.insert_element(zero, value, place(0)) for value in values]
        found = builder.call(function, [*pairs, ir.IntType(8)(0)])
        return builder.extract_element(found, place(0))

    return types.uint64(types.uint64, types.uint64), generate


@numba.njit(cache=True)
def by_bits(one: np.uint64, other: np.uint64) -> np.uint64:
    """Do the work of `product` on any processor."""
    out = np.uint64(0)
    wide = np.uint64(one)
    for bit in range(_BITS):
        out ^= (wide << np.uint64(bit)) * (np.uint64(other) >> np.uint64(bit) & np.uint64(1))
    return out


def product(one: np.uint64, other: np.uint64) -> np.uint64:
    """Multiply two registers without carries; what that is as a register says `reduced`."""
    out: np.uint64 = by_bits(one, other)
    return out


@overload(product)
def _compiled_product(one: Any, other: Any) -> Callable[[Any, Any], Any]:
    def quick(one: Any, other: Any) -> Any:
        return _multiplied(one, other)

    def plain(one: Any, other: Any) -> Any:
        return by_bits(one, other)

    return quick if _QUICK else plain


@numba.njit(cache=True, forceinline=True)
def power(count: int, on: Tables) -> np.uint64:
    """Return what a register is multiplied by where so many bytes, at most `MOST`, come behind."""
    return np.uint64(on[np.uint64(_POWERS + count)])


@numba.njit(cache=True, forceinline=True)
def reduced(products: np.uint64, on: Tables) -> Register:
    """Return the register that products which were xored are."""
    # Bits are turned round, so a product is one bit short; its first half is four bytes further on.
    whole = products << np.uint64(1)
    found = whole >> np.uint64(32)
    for place in range(4):
        at = np.uint64(_FAR + 256 * place) + (whole >> np.uint64(8 * place) & np.uint64(255))
        found ^= np.uint64(on[at])
    return np.int64(found)


@numba.njit(cache=True, forceinline=True)
def summed(text: Row, length: int, on: Tables) -> Register:
    """Return the register of bytes alone, begun at zero."""
    register: Register = 0
    for at in range(length):
        register = register >> 8 ^ np.int64(on[(register ^ text[at]) & 255])
    return register


@numba.njit(cache=True, forceinline=True)
def slot(ticks: int) -> Register:
    """Return where a price's level is remembered; neighbours never meet."""
    return np.int64(np.uint64(ticks) * _MIX >> _HIGH)
