"""Keys and values of Deribit's messages for its scanner: the venue writes numbers unquoted.

They are compiled into the scanner. A place beyond the end says that something is not spelt as the
venue spells it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numba
import numpy as np

from core.engine.compiled import Grid, view
from core.feeds.binance.digits import (
    _eight,
    _few,
    byte,
    bytes_before,
    digits_in,
    eight_bytes,
    two_others,
)
from core.feeds.literals import _zeros, not_plain, text_end, word_near, word_of

MOST_DIGITS: Final = 15
"""Of a number: so many are exact in a double, whose shortest text they are."""

LONGEST_KEY: Final = 16
_SLOTS: Final = 128
_POWERS: Final = 10 ** np.arange(19, dtype=np.int64)
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_TURN: Final = np.uint64(57)
_FULL: Final = np.uint64(0xFFFFFFFFFFFFFFFF)
_NULL: Final = np.uint64(word_of(b"null"))
_TRUE: Final = np.uint64(word_of(b"true"))
_ALSE: Final = np.uint64(word_of(b"alse"))
_FOUR: Final = np.uint64(0xFFFFFFFF)
_BRACES: Final = np.uint64(word_of(8 * b"}"))
_SIXTEEN: Final = 16
_ROOM: Final = _SIXTEEN + 2
"""Bytes from the first of a number that must be there to look at sixteen, behind a minus too."""


def key_table(keys: Mapping[str, int]) -> Grid:
    """Return a table of keys for `read_key`: of each its length, its two words and its number."""
    table = np.zeros((_SLOTS, 4), np.int64)
    for key, number in keys.items():
        data = key.encode()
        if not 0 < len(data) <= LONGEST_KEY:
            raise ValueError(f"a key must have 1 to {LONGEST_KEY} bytes, was {key!r}")
        one, two = word_of(data[:8]), word_of(data[8:])
        mixed = (one ^ (two * int(_MIX) & int(_FULL))) * int(_MIX) & int(_FULL)
        slot = ((mixed >> int(_TURN)) + len(data)) % _SLOTS
        while table[slot, 0]:
            slot = (slot + 1) % _SLOTS
        words = np.array([one, two], np.uint64).astype(np.int64)
        table[slot] = [len(data), *words.tolist(), number]
    return table


@numba.njit(cache=True)
def read_key(data: bytes, size: int, at: int, table: Grid) -> tuple[int, int]:
    """Return (number, place of its value) of a key, number -1 for one that nobody needs."""
    if at >= size or byte(data, at) != 34:
        return -1, size + 1
    at += 1
    one = word_near(data, size, at)
    two = np.uint64(0)
    flags = not_plain(one)
    length = 8
    if flags:
        length = bytes_before(flags)
        one &= ~(_FULL << np.uint64(8 * length))
    else:
        two = word_near(data, size, at + 8)
        flags = not_plain(two)
        length = 16
        if flags:
            count = bytes_before(flags)
            two &= ~(_FULL << np.uint64(8 * count))
            length = 8 + count
    end = at + length
    if length == 16:
        # Keys we need have no more, so what comes must be the end.
        end = text_end(data, size, end)
        length = end - at
    if end + 2 >= size or byte(data, end) != 34 or byte(data, end + 1) != 58:
        return -1, size + 1
    mixed = (one ^ (two * _MIX)) * _MIX
    slot = (np.int64(mixed >> _TURN) + length) & (_SLOTS - 1)
    while table[slot, 0]:
        if (
            table[slot, 0] == length
            and np.uint64(table[slot, 1]) == one
            and np.uint64(table[slot, 2]) == two
        ):
            return table[slot, 3], end + 2
        slot = (slot + 1) & (_SLOTS - 1)
    return -1, end + 2


_BANKS: Final = 4
_NEXT: Final = 48
_REMEMBERED: Final = 10
"""What is remembered of a key: its bytes with quotes and colon, its number, and of each eight of
its bytes the word and a mask."""
_REACH: Final = 32
KEYS: Final = (0, 32, 40, 48)
"""Indices from which on keys of a ticker, of its greeks and of its statistics are remembered."""


def key_memory() -> Grid:
    """Return what `read_next_key` works with: several orders of keys, told apart by the first."""
    return np.zeros((1, _BANKS * _NEXT * _REMEMBERED), np.int64)


@numba.njit(cache=True, forceinline=True)
def key_bank(data: bytes, size: int, at: int, keys: int) -> int:
    """Return the place of the order of keys that begins with the one here."""
    word = word_near(data, size, at + 1) * _MIX
    bank = np.int64(word >> np.uint64(62))
    return int(keys + 8 * _NEXT * _REMEMBERED * bank)


@numba.njit(cache=True)
def _note_key(data: bytes, at: int, end: int, number: int, row: Grid) -> None:
    """Remember a key with quotes and colon, so many of whose bytes there are at least."""
    length = end - at
    row[0] = 0
    if length > _REACH:
        return
    for part in range(4):
        left = min(max(length - 8 * part, 0), 8)
        mask = _FULL >> np.uint64(64 - 8 * left) if left else np.uint64(0)
        row[2 + 2 * part] = np.int64(eight_bytes(data, at + 8 * part))
        row[3 + 2 * part] = np.int64(mask)
    row[0] = length
    row[1] = number


@numba.njit(cache=True, forceinline=True)
def read_next_key(
    data: bytes, size: int, at: int, table: Grid, bank: int, index: int, most: int
) -> tuple[int, int]:
    """Do the work of `read_key` for a key that is most likely the one it was before.

    Venues keep an order, and of a key that is known no byte waits for another one to be
    understood. Of each index, which counts if it is below `most`, `table` must always be the same.
    """
    if index >= most or at + _REACH > size:
        first: tuple[int, int] = read_key(data, size, at, table)
        return first
    row = view(bank + 8 * _REMEMBERED * index, 1, _REMEMBERED)[0]
    wrong = (eight_bytes(data, at) ^ np.uint64(row[2])) & np.uint64(row[3])
    wrong |= (eight_bytes(data, at + 8) ^ np.uint64(row[4])) & np.uint64(row[5])
    wrong |= (eight_bytes(data, at + 16) ^ np.uint64(row[6])) & np.uint64(row[7])
    wrong |= (eight_bytes(data, at + 24) ^ np.uint64(row[8])) & np.uint64(row[9])
    if row[0] and not wrong:
        return row[1], at + row[0]
    number, end = read_key(data, size, at, table)
    if end <= size:
        _note_key(data, at, end, number, row)
    return number, end


@numba.njit(cache=True, forceinline=True)
def _digits(data: bytes, size: int, at: int) -> tuple[int, int]:
    """Return (value, count) of up to 15 digits; more are counted as 16."""
    word = word_near(data, size, at)
    count = digits_in(word)
    if count == 0:
        return 0, 0
    if count < 8:
        return _few(word, count), count
    rest = word_near(data, size, at + 8)
    more = digits_in(rest)
    if more == 8:
        return 0, 16
    value = _eight(word)
    if more:
        value = value * _POWERS[np.uint64(more)] + _few(rest, more)
    return value, 8 + more


@numba.njit(cache=True, forceinline=True)
def _some(word: np.uint64, digits: int) -> np.int64:
    """Return the value of the first digits of a `eight_bytes`, one to eight."""
    value: np.int64 = _eight(word << np.uint64(64 - 8 * digits))
    return value


@numba.njit(cache=True)
def read_number(data: bytes, size: int, at: int) -> tuple[int, int, int, int]:
    """Return (1 if there is a minus, digits as a number, how many are decimals, place after it)."""
    if at + _ROOM <= size:
        # Nearly all are short: where one ends is known at once, and the next field can be read.
        minus = 1 if byte(data, at) == 45 else 0
        start = at + minus
        count, end = two_others(data, start)
        places, after = end - count - 1, start + end
        plain = 0 < count <= 8 and (count == 1 or byte(data, start) != 48)
        plain = plain and byte(data, start + count) == 46 and 0 < places <= 8
        if plain and end < _SIXTEEN and (byte(data, after) == 44 or byte(data, after) == 125):
            value = _some(eight_bytes(data, start), count) * _POWERS[np.uint64(places)]
            value += _some(eight_bytes(data, after - places), places)
            return minus, value, places, after
    found: tuple[int, int, int, int] = _any_number(data, size, at)
    return found


@numba.njit(cache=True)
def _any_number(data: bytes, size: int, at: int) -> tuple[int, int, int, int]:
    """Do the work of `read_number` for any number."""
    odd = (0, 0, 0, size + 1)
    if at >= size:
        return odd
    minus = 1 if byte(data, at) == 45 else 0
    at += minus
    value, count = _digits(data, size, at)
    if count == 0 or (count > 1 and byte(data, at) == 48):
        return odd
    at += count
    places = 0
    if at < size and byte(data, at) == 46:
        fraction, places = _digits(data, size, at + 1)
        if places == 0 or count + places > MOST_DIGITS:
            return odd
        value = value * _POWERS[np.uint64(places)] + fraction
        at += 1 + places
    elif minus and value == 0:
        # -0 is a whole number and so 0, while -0.0 is a double less than nothing.
        return odd
    if count > MOST_DIGITS or at >= size or (byte(data, at) != 44 and byte(data, at) != 125):
        return odd
    return minus, value, places, at


@numba.njit(cache=True, forceinline=True)
def _past_digits(data: bytes, size: int, at: int) -> int:
    """Return the place after digits, of which there may be none."""
    count = 8
    while count == 8:
        count = digits_in(word_near(data, size, at))
        at += count
    return at


@numba.njit(cache=True)
def past_null(data: bytes, size: int, at: int) -> int:
    """Return the place after ``null``, beyond the end if it is something else."""
    word = word_near(data, size, at) & _FOUR
    return at + 4 if word == _NULL and at + 4 <= size else size + 1


@numba.njit(cache=True)
def past_scalar(data: bytes, size: int, at: int) -> int:
    """Return the place after a plain value nobody needs, beyond the end for one that is nested."""
    if at >= size:
        return size + 1
    letter = byte(data, at)
    if letter == 34:
        return int(text_end(data, size, at + 1)) + 1
    if letter == 110:
        return int(past_null(data, size, at))
    if letter == 116:
        word = word_near(data, size, at) & _FOUR
        return at + 4 if word == _TRUE else size + 1
    if letter == 102:
        word = word_near(data, size, at + 1) & _FOUR
        return at + 5 if word == _ALSE else size + 1
    if letter == 45:
        at += 1
    return int(_past_number(data, size, at))


@numba.njit(cache=True, forceinline=True)
def _past_number(data: bytes, size: int, at: int) -> int:
    """Return the place after a number without a minus, beyond the end if it is none."""
    if at + _ROOM <= size:
        count, end = two_others(data, at)
        good = 0 < count < _SIXTEEN and (count == 1 or byte(data, at) != 48)
        if good and byte(data, at + count) != 46:
            return at + count
        if good and end > count + 1 and end < _SIXTEEN:
            return at + end
    start = at
    at = _past_digits(data, size, at)
    if at == start or (at - start > 1 and byte(data, start) == 48):
        return size + 1
    if at < size and byte(data, at) == 46:
        start = at + 1
        at = _past_digits(data, size, start)
        if at == start:
            return size + 1
    return at


@numba.njit(cache=True)
def steps_of(value: int, places: int, plan: Grid, column: int) -> int:
    """Return a number of `read_number` in steps, -1 if it is not exact.

    From `column` of its row on a plan holds the decimals of a step and how many last ones it is.
    """
    wanted, unit = plan[0, column], plan[0, column + 1]
    while places > wanted:
        if value % 10:
            return -1
        value //= 10
        places -= 1
    if value >= _POWERS[18 - wanted + places]:
        return -1
    value *= _POWERS[wanted - places]
    if unit == 1:
        return value
    return value // unit if value % unit == 0 else -1


@numba.njit(cache=True, forceinline=True)
def past_object(data: bytes, size: int, at: int) -> int:
    """Return the place after the next closing brace, beyond the end if there is none."""
    while at + 8 <= size:
        flags = _zeros(eight_bytes(data, at) ^ _BRACES)
        if flags:
            return at + bytes_before(flags) + 1
        at += 8
    while at < size and byte(data, at) != 125:
        at += 1
    return at + 1
