"""Digits to integers, eight bytes at a step: what the scanner of `scan` is made of.

It is compiled into the scanner.

A place is an index into the text; a place beyond the end says that what was asked for is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numba
import numpy as np
import numpy.typing as npt
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from core.engine.compiled import Frame

Text: TypeAlias = bytes
"""To the compiled code a bare pointer: it is not counted, and two registers pass a frame."""

MAX_DIGITS: Final = 18
"""Most digits of a number that is read; more are left to the parser."""

_MAX_LENGTH: Final = 40
_TENS: Final = 10 ** np.arange(8, dtype=np.int64)
_ONE: Final = np.uint64(1)
_UP: Final = np.uint64(0x7676767676767676)
_HIGH: Final = np.uint64(0x8080808080808080)
_SIXTEEN: Final = 16
_BEHIND: Final = np.uint64(3 << _SIXTEEN)


def inverse_of(divisor: int) -> list[int]:
    """Return how to divide without dividing: factor, bits to turn right, and the largest quotient.

    A number times the factor, modulo 2**64 and turned, is the quotient if the number is a multiple
    of the divisor, and above the largest quotient if it is not (Granlund and Montgomery, "Division
    by Invariant Integers using Multiplication", section 9). Zeros for a divisor of 0.
    """
    if not divisor:
        return [0, 0, 0]
    turn = (divisor & -divisor).bit_length() - 1
    factor = pow(divisor >> turn, -1, 1 << 64)
    return [factor - (1 << 64) if factor >> 63 else factor, turn, min(2**64 // divisor, 2**63 - 1)]


@intrinsic
def _pointer(typing: Any, data: Any) -> Any:  # the signature is numba's
    """Give the compiled code the address of the first of some bytes."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return context.make_helper(builder, signature.args[0], values[0]).data

    return types.CPointer(types.uint8)(data), generate


@intrinsic
def _load(typing: Any, data: Any, at: Any) -> Any:
    """Load eight bytes that need not be aligned as one number, the first byte lowest."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        word = context.get_value_type(types.uint64)
        place = builder.gep(values[0], [values[1]], source_etype=values[0].type.pointee)
        return builder.load(builder.bitcast(place, word.as_pointer()), align=1)

    return types.uint64(types.CPointer(types.uint8), types.int64), generate


@intrinsic
def _others(typing: Any, data: Any, at: Any) -> Any:
    """Return which of sixteen bytes are no digits, a bit each, the first lowest."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = cgutils.ir.VectorType(cgutils.int8_t, _SIXTEEN)
        place = builder.gep(values[0], [values[1]], source_etype=values[0].type.pointee)
        text = builder.load(builder.bitcast(place, kind.as_pointer()), align=1)
        zeros, nines = (cgutils.ir.Constant(kind, [number] * _SIXTEEN) for number in (48, 9))
        odd = builder.icmp_unsigned(">", builder.sub(text, zeros), nines)
        bits = builder.bitcast(odd, cgutils.ir.IntType(_SIXTEEN))
        return builder.zext(bits, context.get_value_type(types.uint64))

    return types.uint64(types.CPointer(types.uint8), types.int64), generate


@intrinsic
def _trailing_zeros(typing: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.cttz(values[0], cgutils.false_bit)

    return types.int64(types.uint64), generate


def bytes_before(flags: np.uint64) -> int:
    """Return how many of eight bytes come before the first with a flag, 8 if none has one.

    A flag is the high bit of a byte, and no other bit is set.
    """
    low = int(flags) & -int(flags)
    return (low.bit_length() - 1) // 8 if low else 8


@overload(bytes_before)
def _compiled_before(flags: Any) -> Callable[[Any], Any]:
    def before(flags: Any) -> Any:
        return _trailing_zeros(flags) >> 3

    return before


def two_others(data: Text, at: int) -> tuple[int, int]:
    """Return which of sixteen bytes are the first two that are no digits, 16 and 17 if none are.

    They must all be there.
    """
    found = [index for index in range(_SIXTEEN) if not 48 <= data[at + index] <= 57]
    found += [_SIXTEEN, _SIXTEEN + 1]
    return found[0], found[1]


@overload(two_others)
def _compiled_others(data: Any, at: Any) -> Callable[[Any, Any], Any]:
    def others(data: Any, at: Any) -> Any:
        flags = _others(data, at) | _BEHIND
        return _trailing_zeros(flags), _trailing_zeros(flags & (flags - _ONE))

    return others


def text_of(data: bytes) -> Text:
    """Return bytes as the functions here read them, while the caller holds them."""
    return data


@overload(text_of)
def _compiled_text(data: Any) -> Callable[[Any], Any]:
    if isinstance(data, Frame):

        def text(data: Any) -> Any:
            return data.data

        return text

    def counted(data: Any) -> Any:
        return _pointer(data)

    return counted


def eight_bytes(data: Text, at: int) -> np.uint64:
    """Return eight bytes less "0" each, the first lowest; they must all be there."""
    return np.uint64(int.from_bytes(data[at : at + 8], "little") ^ 0x3030303030303030)


@overload(eight_bytes)
def _compiled_word(data: Any, at: Any) -> Callable[[Any, Any], Any]:
    def loaded(data: Any, at: Any) -> Any:
        return _load(data, at) ^ np.uint64(0x3030303030303030)

    return loaded


@numba.njit(cache=True, forceinline=True)
def byte(data: Text, at: int) -> int:
    """Return the byte at a place that is never negative: numba need not look for that."""
    return data[np.uint64(at)]


@numba.njit(cache=True, forceinline=True)
def expect(data: Text, size: int, at: int, token: npt.NDArray[np.uint8]) -> int:
    """Return the place after `token`, or a place beyond the end if it is not here."""
    if at + len(token) > size:
        return size + 1
    wrong = 0
    for index in range(len(token)):
        wrong |= byte(data, at + index) ^ token[np.uint64(index)]
    return size + 1 if wrong else at + len(token)


@numba.njit(cache=True, forceinline=True)
def digits_in(word: np.uint64) -> np.int64:
    """Return how many bytes of a `eight_bytes` are digits before the first that is none."""
    # A sum overflows into later bytes only, and only behind the first that is no digit.
    odd = (word | (word + np.uint64(0x7676767676767676))) & np.uint64(0x8080808080808080)
    return np.int64(bytes_before(odd))


@numba.njit(cache=True, forceinline=True)
def _eight(word: np.uint64) -> np.int64:
    """Return the value of a `eight_bytes` of eight digits."""
    # Pairs, then fours, then all eight are joined by multiplications.
    word = word * np.uint64(10) + (word >> np.uint64(8))
    mask = np.uint64(0x000000FF000000FF)
    high = (word & mask) * np.uint64(0x000F424000000064)
    low = ((word >> np.uint64(16)) & mask) * np.uint64(0x0000271000000001)
    return np.int64((high + low) >> np.uint64(32))


@numba.njit(cache=True, forceinline=True)
def _few(word: np.uint64, digits: int) -> np.int64:
    """Return the value of the first digits of a `eight_bytes`, at most seven."""
    # Zeros are put before them; in two steps, for a word cannot be shifted by 64.
    value: np.int64 = _eight((word << np.uint64(56 - 8 * digits)) << np.uint64(8))
    return value


@numba.njit(cache=True, forceinline=True)
def read_whole(data: Text, size: int, at: int) -> tuple[int, int]:
    """Return (value, place after it) of digits, place beyond the end if there are none or many."""
    if at + 16 <= size:
        word = eight_bytes(data, at)
        count = digits_in(word)
        if 0 < count < 8:
            # JSON has no leading zeros; the parser shall say so.
            if count > 1 and byte(data, at) == 48:
                return 0, size + 1
            return int(_few(word, count)), at + count
        if count == 8 and byte(data, at) != 48:
            rest = eight_bytes(data, at + 8)
            more = digits_in(rest)
            if more < 8:
                tens = _TENS[np.uint64(more)]
                return int(_eight(word) * tens + _few(rest, more)), at + 8 + more
    found: tuple[int, int] = _any_whole(data, size, at)
    return found


@numba.njit(cache=True)
def _any_whole(data: Text, size: int, at: int) -> tuple[int, int]:
    """Do the work of `read_whole` for any number of digits at any place."""
    value = 0
    start = at
    while at < size and 48 <= byte(data, at) <= 57:
        value = value * 10 + byte(data, at) - 48
        at += 1
        if at - start > MAX_DIGITS:
            return 0, size + 1
    if at == start or (byte(data, start) == 48 and at - start > 1):
        return 0, size + 1
    return value, at


@numba.njit(cache=True)
def _any_steps(  # noqa: C901  one pass over the digits
    data: Text, size: int, at: int, step: int, decimals: int
) -> tuple[int, int]:
    """Return (steps, place after the closing quote) of an exact decimal; `at` is after the first.

    Any number of digits; a place beyond the end when it is no plain number or not exact.
    """
    fail = size + 1
    start = at
    value = 0
    digits = 0
    while at < size and 48 <= byte(data, at) <= 57:
        value = value * 10 + byte(data, at) - 48
        if value:
            digits += 1
        at += 1
        if digits > MAX_DIGITS or at - start > _MAX_LENGTH:
            return 0, fail
    if at == start:
        return 0, fail
    kept = 0
    if at < size and byte(data, at) == 46:
        at += 1
        start = at
        while at < size and 48 <= byte(data, at) <= 57:
            digit = byte(data, at) - 48
            if kept < decimals:
                value = value * 10 + digit
                kept += 1
                if value:
                    digits += 1
                if digits > MAX_DIGITS:
                    return 0, fail
            elif digit:
                return 0, fail
            at += 1
        if at == start or at - start > _MAX_LENGTH:
            return 0, fail
    while kept < decimals:
        value *= 10
        kept += 1
        if value:
            digits += 1
        if digits > MAX_DIGITS:
            return 0, fail
    if at >= size or byte(data, at) != 34 or value % step:
        return 0, fail
    return value // step, at + 1


@numba.njit(cache=True, forceinline=True)
def read_steps(
    data: Text, size: int, at: int, step: int, decimals: int, eighths: int
) -> tuple[int, int]:
    """Return (steps, place after the closing quote) of a quoted decimal.

    Steps are negative or the place is beyond the end when it is not exact in steps.
    """
    if at >= size or byte(data, at) != 34:
        return 0, size + 1
    start = at + 1
    # Binance writes eight decimals nearly always.
    if eighths and start + 8 <= size:
        word = eight_bytes(data, start)
        count = digits_in(word)
        point = start + count
        if (
            0 < count < 8
            and point + 10 <= size
            and byte(data, point) == 46
            and byte(data, point + 9) == 34
        ):
            fraction = eight_bytes(data, point + 1)
            if digits_in(fraction) == 8:
                value = np.uint64(_few(word, count) * 100_000_000 + _eight(fraction))
                each = np.uint64(eighths)
                steps = value // each
                # The next field is read meanwhile, so its place must not hang on the division.
                return int(np.int64(steps) if steps * each == value else -1), point + 10
    found: tuple[int, int] = _any_steps(data, size, start, step, decimals)
    return found


@numba.njit(cache=True, forceinline=True)
def width_of(data: Text, size: int, at: int) -> int:
    """Return how many digits the quoted number at a place begins with, 1 to 7 in any case."""
    if at + 9 > size:
        return 1
    return int(max(1, min(7, digits_in(eight_bytes(data, at + 1)))))


@numba.njit(cache=True, forceinline=True)
def exact_steps(
    whole: np.uint64, fraction: np.uint64, width: int, inverse: int, turn: int
) -> np.uint64:
    """Return the steps of a number with `width` digits and eight decimals; huge when not exact."""
    digits = (whole << np.uint64(56 - 8 * width)) << np.uint64(8)
    odd = (digits | fraction | (digits + _UP) | (fraction + _UP)) & _HIGH
    value = np.uint64(_eight(digits) * 100_000_000 + _eight(fraction)) * np.uint64(inverse)
    steps = (value >> np.uint64(turn)) | ((value << np.uint64(63 - turn)) << _ONE)
    return steps | (np.uint64(0) - np.uint64(odd != np.uint64(0)))
