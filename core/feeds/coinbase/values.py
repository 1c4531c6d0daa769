"""Values of Coinbase's messages for its scanner: quoted decimals and RFC 3339 times.

They are compiled into the scanner. A place beyond the end says that a value is not spelt as the
venue spells it, or is not exact.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from core.engine.compiled import Grid
from core.feeds.binance.digits import _any_steps, _eight, _few, byte, digits_in, eight_bytes

MOMENT: Final = 4
"""Figures in which `read_moment` remembers a second: its text's three words and its time."""

_POWERS: Final = 10 ** np.arange(19, dtype=np.int64)
_MONTHS: Final = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)
_REACH: Final = 26
_MOST: Final = 18
_NS: Final = 1_000_000_000
_LATEST_YEAR: Final = 2200
_DASH, _COLON, _T = 45, 58, 84


@numba.njit(cache=True)
def read_steps(data: bytes, size: int, at: int, places: int, unit: int) -> tuple[int, int]:
    """Return (whole steps, place after it) of a quoted decimal; a step is `unit` last places."""
    if at >= size or byte(data, at) != 34:
        return 0, size + 1
    start = at + 1
    if at + _REACH <= size:
        word = eight_bytes(data, start)
        count = digits_in(word)
        if 0 < count < 8:
            value = _few(word, count)
            end = start + count
            kept = np.int64(0)
            if byte(data, end) == 46:
                word = eight_bytes(data, end + 1)
                kept = digits_in(word)
                end += 1 + kept if kept else 0
                if kept == 8:
                    value = value * _POWERS[np.uint64(8)] + _eight(word)
                elif kept:
                    value = value * _POWERS[np.uint64(kept)] + _few(word, kept)
            if byte(data, end) == 34 and kept <= places and places + count <= _MOST:
                value *= _POWERS[np.uint64(places - kept)]
                if unit == 1:
                    return value, end + 1
                if value % unit == 0:
                    return value // unit, end + 1
    found: tuple[int, int] = _any_steps(data, size, start, unit, places)
    return found


@numba.njit(cache=True)
def read_decimal(data: bytes, size: int, at: int) -> tuple[int, int, int]:
    """Return (digits as a number, how many are decimals, place of the quote after them)."""
    value = 0
    start = at
    point = -1
    while at < size and at - start <= _MOST:
        letter = byte(data, at)
        if letter == 46 and point < 0 and at > start:
            point = at
        elif 48 <= letter <= 57:
            value = value * 10 + letter - 48
        else:
            break
        at += 1
    if at == start or at - start > _MOST or at >= size or byte(data, at) != 34:
        return 0, 0, size + 1
    if point < 0:
        return value, 0, at
    return (value, at - point - 1, at) if at > point + 1 else (0, 0, size + 1)


@numba.njit(cache=True, forceinline=True)
def _two(data: bytes, at: int) -> int:
    """Return the number of two digits; far below zero if they are none."""
    tens, ones = byte(data, at) - 48, byte(data, at + 1) - 48
    if tens < 0 or tens > 9 or ones < 0 or ones > 9:
        return -10_000
    return int(tens * 10 + ones)


@numba.njit(cache=True)
def _second_ns(data: bytes, at: int) -> int:
    """Return the time of ``2026-08-09T21:05:48``, -1 if it is none."""
    year = _two(data, at) * 100 + _two(data, at + 2)
    month, day = _two(data, at + 5), _two(data, at + 8)
    hour, minute, second = _two(data, at + 11), _two(data, at + 14), _two(data, at + 17)
    odd = (byte(data, at + 4) ^ _DASH) | (byte(data, at + 7) ^ _DASH) | (byte(data, at + 10) ^ _T)
    odd |= (byte(data, at + 13) ^ _COLON) | (byte(data, at + 16) ^ _COLON)
    if odd or year < 1970 or year > _LATEST_YEAR or month < 1 or month > 12 or day < 1:
        return -1
    if min(hour, minute, second) < 0 or hour > 23 or minute > 59 or second > 59:
        return -1
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if day > _MONTHS[month - 1] + (1 if leap and month == 2 else 0):
        return -1
    # Years begin in March here, so that leap days come last (Howard Hinnant, "chrono-Compatible
    # Low-Level Date Algorithms").
    year -= 1 if month <= 2 else 0
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days = year * 365 + year // 4 - year // 100 + year // 400 + of_year - 719_468
    return int((((days * 24 + hour) * 60 + minute) * 60 + second) * _NS)


@numba.njit(cache=True)
def read_moment(data: bytes, size: int, at: int, last: Grid) -> tuple[int, int]:
    """Return (nanoseconds, place after the closing quote) of ``2026-08-09T21:05:48.483587501Z"``.

    None to nine decimals. `last` holds the second read last, for most share it with the next one.
    """
    if at + 31 > size:
        return 0, size + 1
    one, two = np.int64(eight_bytes(data, at)), np.int64(eight_bytes(data, at + 8))
    three = np.int64(eight_bytes(data, at + 11))
    if one != last[0] or two != last[1] or three != last[2]:
        base = _second_ns(data, at)
        if base < 0:
            return 0, size + 1
        last[0] = one
        last[1] = two
        last[2] = three
        last[3] = base
    value = np.int64(0)
    at += 19
    if byte(data, at) == 46:
        word = eight_bytes(data, at + 1)
        count = digits_in(word)
        at += 1 + count
        if count == 8:
            value = _eight(word)
            digit = byte(data, at) - 48
            if 0 <= digit <= 9:
                value = value * 10 + digit
                count += 1
                at += 1
        elif count:
            value = _few(word, count)
        else:
            return 0, size + 1
        value *= _POWERS[np.uint64(9 - count)]
    if byte(data, at) != 90 or byte(data, at + 1) != 34:
        return 0, size + 1
    return last[3] + value, at + 2
