"""JSON values straight from bytes, eight at a step: what the kernel of `scanner` is made of.

Everything is compiled into that kernel. A place is an index into the text; a place of -1 says that
what was asked for is not there.

`literals` knows some of the same tricks, and stays apart: a scanner of one venue expects what it
knows, so there a place beyond the end runs through a chain of steps of which only the last is
looked at. The scanner of any form turns at every step, and hashes a text while it looks for its
end. A word is "0" less in each byte there, as digits want it, and bare here, as hashes do.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np
import numpy.typing as npt

from core.feeds.binance.digits import _eight as eight
from core.feeds.binance.digits import _few as few
from core.feeds.binance.digits import bytes_before, digits_in, eight_bytes, read_whole

SEED: Final = np.uint64(0xCBF29CE484222325)
PRIME: Final = np.uint64(0x100000001B3)

_ONE: Final = np.uint64(1)
_FULL: Final = np.uint64(0xFFFFFFFFFFFFFFFF)
_LOWS: Final = np.uint64(0x0101010101010101)
_HIGHS: Final = np.uint64(0x8080808080808080)
_ZEROS: Final = np.uint64(0x3030303030303030)
_SPACES: Final = np.uint64(0x2020202020202020)
_QUOTES: Final = np.uint64(0x2222222222222222)
_SLASHES: Final = np.uint64(0x5C5C5C5C5C5C5C5C)
_BYTE: Final = np.uint64(8)

MEMO: Final = 4
"""Figures `stamp` remembers a second in: its words, and the time as nanoseconds."""

_DEPTH: Final = 30
_DIGITS: Final = 19
_LARGEST: Final = (1 << 63) - 1
_SECOND_NS: Final = 1_000_000_000
_LATEST_S: Final = 9_000_000_000
_UNIT_NS: Final = 10 ** np.arange(9, -1, -1, dtype=np.int64)
"""What the last of so many decimals of a second counts."""
_DAYS: Final = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)


@numba.njit(cache=True, forceinline=True)
def word_at(data: bytes, size: int, at: int) -> np.uint64:
    """Return the eight bytes at a place as a number, the first lowest; zeros behind the end."""
    if at + 8 <= size:
        return eight_bytes(data, at) ^ _ZEROS
    value = np.uint64(0)
    for index in range(size - at):
        value |= np.uint64(data[at + index]) << (_BYTE * np.uint64(index))
    return value


@numba.njit(cache=True, forceinline=True)
def mixed(value: np.uint64, word: np.uint64) -> np.uint64:
    """Return a hash with one more word in it."""
    value = (value ^ word) * PRIME
    return value ^ (value >> np.uint64(29))


@numba.njit(cache=True, forceinline=True)
def string(data: bytes, size: int, at: int) -> tuple[int, np.uint64]:
    """Return (place after the closing quote, hash) of a plain text that begins at a place.

    A text with an escape, a control character or more than ASCII is none.
    """
    value = SEED
    while at < size:
        word = word_at(data, size, at)
        quotes, slashes = word ^ _QUOTES, word ^ _SLASHES
        # The lowest bit that is set is of the first such byte; what is behind it may be wrong.
        odd = ((quotes - _LOWS) & ~quotes) | ((slashes - _LOWS) & ~slashes)
        odd = (odd | ((word - _SPACES) & ~word) | word) & _HIGHS
        if not odd:
            value = mixed(value, word)
            at += 8
            continue
        count = bytes_before(odd)
        at += count
        if at >= size or data[at] != 34:
            return -1, value
        word &= (_ONE << (_BYTE * np.uint64(count))) - _ONE
        return at + 1, mixed(value, word)
    return -1, value


@numba.njit(cache=True, forceinline=True)
def hash_between(data: bytes, size: int, at: int, end: int) -> np.uint64:
    """Return the hash of the part of a plain text between two places."""
    value = SEED
    while end - at >= 8:
        value = mixed(value, word_at(data, size, at))
        at += 8
    rest = (_ONE << (_BYTE * np.uint64(end - at))) - _ONE
    found: np.uint64 = mixed(value, word_at(data, size, at) & rest)
    return found


@numba.njit(cache=True, forceinline=True)
def scalar(data: bytes, size: int, at: int) -> int:
    """Return the place after a plain number or literal."""
    start = at
    if at < size and data[at] == 45:
        at += 1
    first = at
    while at < size and 48 <= data[at] <= 57:
        at += 1
    if at > first:
        if data[first] == 48 and at - first > 1:
            return -1
        if at < size and data[at] == 46:
            at += 1
            first = at
            while at < size and 48 <= data[at] <= 57:
                at += 1
            if at == first:
                return -1
        return at
    if at != start:
        return -1
    if at + 4 <= size and data[at] == 116 and data[at + 1] == 114:
        return at + 4 if data[at + 2] == 117 and data[at + 3] == 101 else -1
    if at + 4 <= size and data[at] == 110 and data[at + 1] == 117:
        return at + 4 if data[at + 2] == 108 and data[at + 3] == 108 else -1
    if at + 5 <= size and data[at] == 102 and data[at + 1] == 97 and data[at + 2] == 108:
        return at + 5 if data[at + 3] == 115 and data[at + 4] == 101 else -1
    return -1


@numba.njit(cache=True, forceinline=True)
def passed(data: bytes, size: int, at: int) -> int:
    """Return the place after a text, number or literal, whatever it is."""
    if at < size and data[at] == 34:
        return int(string(data, size, at + 1)[0])
    return int(scalar(data, size, at))


@numba.njit(cache=True, forceinline=True)
def unwanted(
    data: bytes, size: int, at: int, depth: int, arrays: int
) -> tuple[int, int, int, bool]:
    """Return (place after a value nobody wants, depth, `arrays`, whether it was opened).

    Of an array or object it is the place after its bracket, one deeper, and bit n of `arrays` says
    that the bracket open at depth n is of an array.
    """
    letter = data[at]
    if letter == 34:
        return int(string(data, size, at + 1)[0]), depth, arrays, False
    if letter != 91 and letter != 123:
        return int(scalar(data, size, at)), depth, arrays, False
    depth += 1
    arrays = arrays | (1 << depth) if letter == 91 else arrays & ~(1 << depth)
    return at + 1 if depth <= _DEPTH else -1, depth, arrays, True


@numba.njit(cache=True, forceinline=True)
def whole(data: bytes, size: int, at: int) -> tuple[int, int]:
    """Return (value, place after it) of a whole number, quoted or not, maybe negative."""
    quoted = at < size and data[at] == 34
    at += quoted
    minus = at < size and data[at] == 45
    value, at = read_whole(data, size, at + minus)
    if at > size or (quoted and (at >= size or data[at] != 34)):
        return 0, -1
    return -value if minus else value, at + quoted


@numba.njit(cache=True, forceinline=True)
def ident(data: bytes, at: int, end: int, hashed: int) -> int:
    """Return the number that the text between two places is, else its hash, see `ident_of`."""
    value, start = np.int64(0), at
    while at < end and 48 <= data[at] <= 57 and at - start < _DIGITS:
        digit = np.int64(data[at]) - 48
        if value > (_LARGEST - digit) // 10:
            return hashed
        value = value * 10 + digit
        at += 1
    return int(value) if at == end else hashed


def ident_of(text: str) -> int:
    """Return the number a text is if it has up to 63 bits, else as many that hardly another has."""
    if text.isdigit() and text.isascii() and len(text) <= _DIGITS and int(text) <= _LARGEST:
        return int(text)
    return hash_of(text)


@numba.njit(cache=True)
def side_end(data: bytes, size: int, at: int) -> int:
    """Return the place after the bracket that closes an array, as if texts held no brackets."""
    depth = 0
    while at < size:
        if data[at] == 91:
            depth += 1
        elif data[at] == 93:
            depth -= 1
            if not depth:
                return at + 1
        at += 1
    return -1


@numba.njit(cache=True, forceinline=True)
def short(data: bytes, start: int, end: int) -> bool:
    """Return whether a quoted number between two places has no digit to spare."""
    if data[start] != 34 or end - start < 3:
        return False
    if data[start + 1] == 48 and end - start > 3 and data[start + 2] != 46:
        return False
    pointed = False
    for at in range(start + 1, end - 1):
        if data[at] == 46:
            pointed = True
        elif data[at] > 57:
            return False
    return not pointed or data[end - 2] != 48


@numba.njit(cache=True, forceinline=True)
def _two(data: bytes, at: int) -> int:
    """Return the number two digits make, a very negative one if they are none."""
    tens, ones = np.int64(data[at]) - 48, np.int64(data[at + 1]) - 48
    return int(tens * 10 + ones) if 0 <= tens <= 9 and 0 <= ones <= 9 else -10_000


@numba.njit(cache=True)
def _second(data: bytes, at: int) -> int:
    """Return the nanoseconds of ``2021-04-17T16:43:53``, -1 if it is none after 1970."""
    year = 100 * _two(data, at) + _two(data, at + 2)
    month, day = _two(data, at + 5), _two(data, at + 8)
    hour, minute, second = _two(data, at + 11), _two(data, at + 14), _two(data, at + 17)
    if data[at + 4] != 45 or data[at + 7] != 45 or data[at + 10] != 84:
        return -1
    if data[at + 13] != 58 or data[at + 16] != 58 or year < 1970 or not 1 <= month <= 12:
        return -1
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= day <= _DAYS[month - 1] + (leap and month == 2):
        return -1
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        return -1
    before = year - 1
    days = 365 * year + before // 4 - before // 100 + before // 400 - 719_527
    for index in range(month - 1):
        days += _DAYS[index]
    days += day + (leap and month > 2) - 1
    seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
    return seconds * _SECOND_NS if seconds < _LATEST_S else -1


@numba.njit(cache=True, forceinline=True)
def stamp(data: bytes, size: int, at: int, memo: npt.NDArray[np.int64]) -> tuple[int, int]:
    """Return (nanoseconds, place after it) of a quoted time as `core.feeds.stamps` reads it.

    ::

        "2024-03-12T10:27:48.858228144Z"

    Times with another zone are left to others. The last second is remembered in `memo`.
    """
    at += 1
    if at + 20 >= size or data[at - 1] != 34:
        return 0, -1
    one, two = np.int64(eight_bytes(data, at)), np.int64(eight_bytes(data, at + 8))
    three = np.int64(eight_bytes(data, at + 11))
    if memo[0] != one or memo[1] != two or memo[2] != three:
        found = _second(data, at)
        if found < 0:
            return 0, -1
        memo[0], memo[1], memo[2], memo[3] = one, two, three, found
    value = memo[3]
    at += 19
    if data[at] == 46:
        word = word_at(data, size, at + 1) ^ _ZEROS
        count = digits_in(word)
        at += 1 + count
        if count == 8:
            value += eight(word) * 10
            if at < size and 48 <= data[at] <= 57:
                value += np.int64(data[at]) - 48
                at += 1
        elif count:
            value += few(word, count) * _UNIT_NS[np.uint64(count)]
        else:
            return 0, -1
    if at + 2 > size or data[at] != 90 or data[at + 1] != 34:
        return 0, -1
    return value, at + 2


def hash_of(text: str) -> int:
    """Return the number that a plain text is told by, as the kernels see it."""
    value, limit = int(SEED), int(_FULL)
    data = text.encode()
    for at in range(0, len(data) + 1, 8):
        value = ((value ^ int.from_bytes(data[at : at + 8], "little")) * int(PRIME)) & limit
        value ^= value >> 29
    return value >> 1
