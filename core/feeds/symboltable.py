"""Which instrument a symbol in a message is, looked up by a compiled scanner."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numba
import numpy as np

from core.engine.compiled import Grid, address
from core.feeds.binance.digits import byte, bytes_before, eight_bytes
from core.feeds.literals import not_plain, signed, word_of

LONGEST: Final = 31
"""A longer symbol is in no table."""

COLUMNS: Final = 7
"""Of a slot: the symbol's length, 0 for a free one, its four words, its plan's address, its row."""

_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_FULL: Final = np.uint64(0xFFFFFFFFFFFFFFFF)


@numba.njit(cache=True, forceinline=True)
def _mixed(value: np.uint64, word: np.uint64) -> np.uint64:
    """Return a hash with one more word in it, good in the high bits."""
    value = (value ^ word) * _MIX
    return value ^ (value >> np.uint64(32))


@numba.njit(cache=True, forceinline=True)
def _is_name(
    row: Grid, length: int, one: np.uint64, two: np.uint64, three: np.uint64, four: np.uint64
) -> bool:
    wrong = (np.uint64(row[1]) ^ one) | (np.uint64(row[2]) ^ two)
    wrong |= (np.uint64(row[3]) ^ three) | (np.uint64(row[4]) ^ four)
    return bool(row[0] == length and not wrong)


@numba.njit(cache=True)
def find(  # noqa: C901  one pass over the name
    data: bytes, size: int, at: int, table: Grid
) -> tuple[int, int]:
    """Return (slot, place of the quote after it) of a symbol; slot -1: it is none of ours."""
    start = at
    one = two = three = four = np.uint64(0)
    value = np.uint64(0)
    for part in range(5):
        if part == 4 or at + 8 > size:
            return -1, size + 1
        word = eight_bytes(data, at)
        flags = not_plain(word)
        count = 8
        if flags:
            count = bytes_before(flags)
        if count < 8:
            word &= ~(_FULL << np.uint64(8 * count))
        if count:
            value = _mixed(value, word)
        if part == 0:
            one = word
        elif part == 1:
            two = word
        elif part == 2:
            three = word
        else:
            four = word
        at += count
        if count < 8:
            break
    length = at - start
    if length == 0 or byte(data, at) != 34:
        return -1, size + 1
    mask = table.shape[0] - 1
    slot = np.int64(value >> np.uint64(40)) & mask
    while table[slot, 0]:
        if _is_name(table[slot], length, one, two, three, four):
            return slot, at
        slot = (slot + 1) & mask
    return -1, size + 1


def symbol_table(rows: Iterable[tuple[str, int, int]]) -> Grid:
    """Return a table of (symbol, address of its plan, row), in which there is always a free slot.

    Symbols that are too long are left out; a symbol given twice is found as it was given first.
    """
    listed = [item for item in rows if 0 < len(item[0].encode()) <= LONGEST]
    slots = 4
    while slots < 2 * len(listed):
        slots *= 2
    table = np.zeros((slots, COLUMNS), np.int64)
    full, mix = int(_FULL), int(_MIX)
    for symbol, plan_at, row in listed:
        data = symbol.encode()
        words = [word_of(data[at : at + 8]) for at in range(0, len(data), 8)]
        value = 0
        for word in words:
            value = (value ^ word) * mix & full
            value ^= value >> 32
        slot = (value >> 40) & (slots - 1)
        while table[slot, 0]:
            slot = (slot + 1) & (slots - 1)
        words += [0] * (4 - len(words))
        table[slot] = [len(data), *(signed(word) for word in words), plan_at, row]
    return table


def place_of(table: Grid) -> tuple[int, int]:
    """Return (address, slots) of a table, which must be held on to."""
    return address(table), len(table)
