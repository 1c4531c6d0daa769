"""Texts that always stand between a venue's values, passed eight bytes at a step.

These functions are compiled into scanners of one venue each. A place beyond the end says that what
was asked for is not there, and nothing is found from there on: steps may be chained, and the last
looked at alone. See `jsonbytes`, of the scanner of any form, why that has functions of its own.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numba
import numpy as np
import numpy.typing as npt

from core.feeds.binance.digits import byte, bytes_before, eight_bytes

Literal: TypeAlias = npt.NDArray[np.uint64]
"""The length of a text, then its words as `eight_bytes` gives them; the last ends with the text."""

_SHORTEST: Final = 8
_LOWS: Final = np.uint64(0x0101010101010101)
_HIGHS: Final = np.uint64(0x8080808080808080)
# Bytes less "0", as `eight_bytes` gives them: a quote, a backslash, and what turns them back.
_QUOTES: Final = np.uint64(0x1212121212121212)
_BACKSLASHES: Final = np.uint64(0x6C6C6C6C6C6C6C6C)
_ZEROS: Final = np.uint64(0x3030303030303030)
_SPACES: Final = np.uint64(0x2020202020202020)


def literal(text: str) -> Literal:
    """Return a text of eight bytes or more for `past`."""
    data = text.encode()
    length = len(data)
    if length < _SHORTEST:
        raise ValueError(f"a literal must have {_SHORTEST} bytes or more, was {text!r}")
    starts = [*range(0, length - 8, 8), length - 8]
    return np.array([length, *(word_of(data[at : at + 8]) for at in starts)], np.uint64)


def word_of(data: bytes) -> int:
    """Return at most eight bytes as `eight_bytes` gives them, zeros behind the last."""
    return int.from_bytes(bytes(one ^ 48 for one in data), "little")


def signed(word: int) -> int:
    """Return the number an int64 keeps the 64 bits of a word as."""
    return word - (1 << 64) if word >> 63 else word


@numba.njit(cache=True, forceinline=True)
def past(data: bytes, size: int, at: int, words: Literal) -> int:
    """Return the place after a literal, or one beyond the end if it is not here."""
    length = int(np.int64(words[0]))
    if at + length > size:
        return size + 1
    last = len(words) - 1
    wrong = eight_bytes(data, at + length - 8) ^ words[last]
    for part in range(1, last):
        wrong |= eight_bytes(data, at + 8 * part - 8) ^ words[np.uint64(part)]
    return size + 1 if wrong else at + length


@numba.njit(cache=True, forceinline=True)
def word_near(data: bytes, size: int, at: int) -> np.uint64:
    """Return `eight_bytes` where there may be fewer; those behind the end are as control signs."""
    if at + 8 <= size:
        return eight_bytes(data, at)
    word = np.uint64(0)
    for index in range(size - at):
        word |= np.uint64(byte(data, at + index)) << np.uint64(8 * index)
    return word ^ _ZEROS


@numba.njit(cache=True, forceinline=True)
def _zeros(word: np.uint64) -> np.uint64:
    """Flag bytes that are 0; behind the first others may be flagged too."""
    return (word - _LOWS) & ~word & _HIGHS


@numba.njit(cache=True, forceinline=True)
def not_plain(word: np.uint64) -> np.uint64:
    """Flag quotes, backslashes, control characters and UTF-8, the first of them truly."""
    bare = word ^ _ZEROS
    flags: np.uint64 = _zeros(word ^ _QUOTES) | _zeros(word ^ _BACKSLASHES)
    flags |= ((bare - _SPACES) & ~bare & _HIGHS) | (bare & _HIGHS)
    return flags


@numba.njit(cache=True, forceinline=True)
def text_end(data: bytes, size: int, at: int) -> int:
    """Return the place of the quote that ends a plain text, beyond the end if it is not plain."""
    while at + 8 <= size:
        flags = not_plain(eight_bytes(data, at))
        if flags:
            at += bytes_before(flags)
            return at if byte(data, at) == 34 else size + 1
        at += 8
    while at < size and byte(data, at) != 34:
        letter = byte(data, at)
        if letter < 32 or letter == 92 or letter > 127:
            return size + 1
        at += 1
    return at if at < size else size + 1
