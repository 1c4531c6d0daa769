"""Book levels straight from a message's bytes to integers, without a text per number.

A venue's decoder hands over the raw JSON array of one side, as `msgspec.Raw` gives it::

    [["61837.64","0.1500"],["61837.60","1"]]                      prices 0, sizes 1 of each level
    [["new",61837.5,10.0],["delete",61830.0,0.0]]                  prices 1, sizes 2
    [{"price":50123.1,"qty":0.00100000},{"price":...}]             by their place in the object

What is read must be exact: a number that is finer than the step, too long for 64 bits or not spelt
as JSON spells numbers makes the kernel give up, and `read_levels` reads the same bytes slowly, to
say which value is wrong. Elements may be quoted or not; exponents are understood.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any, Final, TypeAlias

import msgspec
import numba
import numpy as np
import numpy.typing as npt
from numba.extending import overload

from core.engine.compiled import Frame, address, entry, view
from core.feeds.binance.digits import _eight as eight
from core.feeds.binance.digits import _few as few
from core.feeds.binance.digits import bytes_before, digits_in, eight_bytes
from core.feeds.decoder import Known
from core.feeds.spelling import SPELLING
from core.model.errors import DataError
from core.model.market import Levels

_BLOCK: Final = 1 << 14
"""Levels read into one array before the next is begun."""

_MAX: Final = 10**18
_MAX_PLACES: Final = 18
_POWERS: Final = 10 ** np.arange(_MAX_PLACES, dtype=np.int64)
_REACH: Final = 26
"""Bytes that the quick reading of a number may look at."""

_FNV: Final = np.uint64(0xCBF29CE484222325)
_PRIME: Final = np.uint64(0x100000001B3)
_LOWS: Final = np.uint64(0x0101010101010101)
_HIGHS: Final = np.uint64(0x8080808080808080)
_QUOTES: Final = np.uint64(0x1212121212121212)
"""Quotes as `eight_bytes` gives them."""

_NONE: Final = -1
_PLAN: Final = 11
PLAN: Final = _PLAN + SPELLING
"""Figures of a plan, the spelling of its last price behind them."""
SLIP: Final = 13
"""Figures behind a plan that kernels and Python both note things in, see `SidePlan.slip`."""


def text(data: bytes) -> bytes:
    """Return bytes as the kernels here read them, while the caller holds them."""
    return data


@overload(text)
def _compiled_text(data: Any) -> Callable[[Any], Any] | None:
    if not isinstance(data, Frame):
        return None

    def bare(data: Any) -> Any:
        return data.data

    return bare


@numba.njit(cache=True, forceinline=True)
def _blank(data: bytes, size: int, at: int) -> int:
    while at < size and data[at] <= 32:
        at += 1
    return at


@numba.njit(cache=True, forceinline=True)
def _number(data: bytes, size: int, at: int, places: int, unit: int) -> tuple[int, int]:
    """Return (whole steps, place after it) of a number quoted or not; place -1: not exact."""
    if at + _REACH <= size:
        # Nearly all: at most seven digits before the point and eight after it, eight at a step.
        start = at + (data[at] == 34)
        first = eight_bytes(data, start)
        count = digits_in(first)
        end = start + count
        if 0 < count < 8 and (count == 1 or data[start] != 48):
            # Whether decimals follow, and how many, cannot be foreseen: no turn is taken.
            pointed = np.int64(data[end] == 46)
            word = eight_bytes(data, end + 1)
            kept = digits_in(word) * pointed
            if kept < pointed:
                return 0, -1
            end += pointed + kept
            part = eight(word << np.uint64(-8 * kept & 63))
            value = few(first, count) * _POWERS[np.uint64(kept)] + part * pointed
            last = data[end]
            if start > at:
                end = end + 1 if last == 34 else 0
            elif last != 44 and last != 93 and last != 125:
                end = 0
            if kept > places:
                over = _POWERS[np.uint64(kept - places)]
                if value % over:
                    end = 0
                value //= over
            elif places + count < _MAX_PLACES:
                value *= _POWERS[np.uint64(places - kept)]
            else:
                end = 0
            if end and unit == 1:
                return value, end
            if end and value % unit == 0:
                return value // unit, end
    found: tuple[int, int] = _any_number(data, size, at, places, unit)
    return found


@numba.njit(cache=True)
def _any_number(  # noqa: C901  one pass over the digits
    data: bytes, size: int, at: int, places: int, unit: int
) -> tuple[int, int]:
    """Do the work of `_number` for numbers of any length and spelling."""
    quoted = at < size and data[at] == 34
    if quoted:
        at += 1
    value = 0
    power = places
    start = at
    while at < size and 48 <= data[at] <= 57:
        value = value * 10 + data[at] - 48
        if value >= _MAX:
            return 0, -1
        at += 1
    if at == start or (not quoted and at - start > 1 and data[start] == 48):
        return 0, -1
    if at < size and data[at] == 46:
        at += 1
        start = at
        # Zeros at the end say nothing of the value, but would fill the integer.
        zeros = 0
        while at < size and 48 <= data[at] <= 57:
            if data[at] == 48:
                zeros += 1
            else:
                for _ in range(zeros + 1):
                    value *= 10
                    power -= 1
                    if value >= _MAX:
                        return 0, -1
                value += data[at] - 48
                zeros = 0
            at += 1
        if at == start:
            return 0, -1
    if at < size and (data[at] == 101 or data[at] == 69):
        at += 1
        sign = 1
        if at < size and (data[at] == 45 or data[at] == 43):
            sign = -1 if data[at] == 45 else 1
            at += 1
        start = at
        exponent = 0
        while at < size and 48 <= data[at] <= 57 and at - start < 3:
            exponent = exponent * 10 + data[at] - 48
            at += 1
        if at == start:
            return 0, -1
        power += sign * exponent
    if quoted:
        if at >= size or data[at] != 34:
            return 0, -1
        at += 1
    if value == 0:
        return 0, at
    while power > 0:
        value *= 10
        power -= 1
        if value >= _MAX:
            return 0, -1
    while power < 0:
        if value % 10:
            return 0, -1
        value //= 10
        power += 1
    if value % unit:
        return 0, -1
    return value // unit, at


@numba.njit(cache=True)
def _skip(data: bytes, size: int, at: int) -> int:
    """Return the place after a text or plain value; -1 for a nested one."""
    if at >= size or data[at] == 91 or data[at] == 123:
        return -1
    if data[at] == 34:
        at += 1
        while at < size and data[at] != 34:
            at += 2 if data[at] == 92 else 1
        return at + 1 if at < size else -1
    while at < size and data[at] != 44 and data[at] != 93 and data[at] != 125 and data[at] > 32:
        at += 1
    return at


@numba.njit(cache=True, forceinline=True)
def _before_quote(word: np.uint64) -> np.int64:
    """Return how many of eight bytes come before the first quote, 8 if none is one."""
    quotes = word ^ _QUOTES
    return np.int64(bytes_before((quotes - _LOWS) & ~quotes & _HIGHS))


@numba.njit(cache=True, forceinline=True)
def _key(data: bytes, size: int, at: int) -> tuple[np.uint64, int]:
    """Return (hash of a key, place of its value); place -1: there is no key here."""
    hash_ = _FNV
    if data[at] != 34:
        return hash_, -1
    at += 1
    length = 8
    while length == 8:
        if at + 8 > size:
            # No level ends so soon after a key.
            return hash_, -1
        word = eight_bytes(data, at)
        length = _before_quote(word)
        if length < 8:
            word &= (np.uint64(1) << np.uint64(8 * length)) - np.uint64(1)
        hash_ = (hash_ ^ word) * _PRIME
        hash_ ^= hash_ >> np.uint64(29)
        at += length
    at = _blank(data, size, at + 1)
    if at >= size or data[at] != 58:
        return hash_, -1
    return hash_, _blank(data, size, at + 1)


@numba.njit(cache=True)
def _read(  # noqa: C901  one pass over the side
    data: bytes, plan_at: int, room_at: int, rows: int, used: int
) -> int:
    """Read one side behind `used` rows and return how many there are; -1: not so, -2: no room.

    `plan` holds places, unit of price; places, unit of size; then what names price, size and flag:
    their place in a level that is an array, and the hash of their key in one that is an object.
    The room has `rows` levels, and behind them as many flags.
    """
    plan = view(plan_at, 1, _PLAN)[0]
    out = view(room_at, rows, 2)
    flags = view(room_at + 16 * rows, 1, rows)[0]
    size = len(data)
    bytes_ = text(data)
    at = _blank(bytes_, size, 0)
    if at >= size or bytes_[at] != 91:
        return -1
    at = _blank(bytes_, size, at + 1)
    n = 0
    if at < size and bytes_[at] == 93:
        return 0 if _blank(bytes_, size, at + 1) == size else -1
    while at < size:
        if used + n >= rows:
            return -2
        shut = 93
        if bytes_[at] == 123:
            shut = 125
        elif bytes_[at] != 91:
            return -1
        at = _blank(bytes_, size, at + 1)
        found = 0
        place = 0
        flag = 0
        price = 0
        amount = 0
        while at < size and bytes_[at] != shut:
            name = place
            base = 4
            if shut == 125:
                hash_, at = _key(bytes_, size, at)
                if at < 0:
                    return -1
                name = int(hash_ >> np.uint64(1))
                base = 7
            if name == plan[base]:
                price, at = _number(bytes_, size, at, plan[0], plan[1])
                found |= 1
            elif name == plan[base + 1]:
                amount, at = _number(bytes_, size, at, plan[2], plan[3])
                found |= 2
            else:
                if name == plan[base + 2]:
                    flag = bytes_[at + 1] if bytes_[at] == 34 and at + 1 < size else bytes_[at]
                    found |= 4
                at = _skip(bytes_, size, at)
            if at < 0:
                return -1
            at = _blank(bytes_, size, at)
            place += 1
            if at < size and bytes_[at] == 44:
                at = _blank(bytes_, size, at + 1)
                if at < size and bytes_[at] == shut:
                    return -1
            elif at < size and bytes_[at] != shut:
                return -1
        if at >= size or price == 0 or found & 3 != 3 or (plan[10] and found != 7):
            return -1
        out[used + n, 0] = price
        out[used + n, 1] = amount
        flags[used + n] = flag
        n += 1
        at = _blank(bytes_, size, at + 1)
        if at < size and bytes_[at] == 44:
            at = _blank(bytes_, size, at + 1)
        elif at < size and bytes_[at] == 93:
            return n if _blank(bytes_, size, at + 1) == size else -1
        else:
            return -1
    return -1


@cache
def _kernel() -> Callable[..., int]:
    compiled: Callable[..., int] = entry(_read, b"[]", 0, 0, 0, 0)
    return compiled


class Shape(msgspec.Struct, frozen=True):
    """Where price and size are in a level: places in an array or keys of an object.

    A flag is one more value of which the first byte is wanted, such as ``n`` of ``"new"``.
    """

    price: int | str
    size: int | str
    flag: int | str | None = None


class SidePlan:
    """How to read the sides of one instrument's book; made once.

    Args:
        known: Its steps.
        shape: Where price and size are.
        zero: Take a level at price 0, which means something at some venues, rather than refuse it.
    """

    __slots__ = ("_plan", "at", "known", "shape", "slip", "zero")

    def __init__(self, known: Known, shape: Shape, *, zero: bool = False) -> None:
        self.known = known
        self.shape = shape
        self.zero = zero
        instrument = known.instrument
        steps = [*_scale(instrument.price_tick), *_scale(instrument.size_lot)]
        names = [shape.price, shape.size, shape.flag]
        places = [name if isinstance(name, int) else _NONE for name in names]
        keys = [_hash(name) if isinstance(name, str) else _NONE for name in names]
        figures = [*steps, *places, *keys, shape.flag is not None]
        self._plan = np.array([figures + [0] * (PLAN - _PLAN + SLIP)], np.int64)
        self.at = address(self._plan)
        """Where the kernel finds it, as long as this object lives."""
        self.slip = self._plan[0, PLAN:].data
        """First the address of the instrument's name, then what the venue's decoder needs."""
        self.slip[0] = id(known.id)


class LevelReader:
    """Reads sides into blocks; what it returns stays valid as long as it is held."""

    def __init__(self) -> None:
        self._read = _kernel()
        self._used = 0
        self._begin(_BLOCK)

    def side(self, raw: bytes, plan: SidePlan) -> Levels:
        """Return the levels of one side as (n, 2) ticks and lots, in the order sent.

        Raises:
            DataError: A value is not what a level holds.
            OffStep: A value is finer than the instrument's step.
        """
        start = self._used
        count = self._read(raw, plan.at, self._at, self._rows, start)
        if count < 0:
            return self._take(raw, plan)[0]
        self._used = end = start + count
        return self._out[start:end]

    def flagged(self, raw: bytes, plan: SidePlan) -> tuple[Levels, npt.NDArray[np.int64]]:
        """Return levels as `side` does, and of each the first byte of its flag.

        Raises:
            DataError: A value is not what a level holds.
            OffStep: A value is finer than the instrument's step.
        """
        return self._take(raw, plan)

    def _take(self, raw: bytes, plan: SidePlan) -> tuple[Levels, npt.NDArray[np.int64]]:
        start = self._used
        count = self._read(raw, plan.at, self._at, self._rows, start)
        if count == -2:
            # A level takes at least five bytes, so this block has room for all of them.
            self._begin(max(_BLOCK, len(raw) // 5 + 1))
            start = 0
            count = self._read(raw, plan.at, self._at, self._rows, 0)
        if count < 0:
            return _slowly(raw, plan)
        self._used = end = start + count
        return self._out[start:end], self._flags[start:end]

    def _begin(self, rows: int) -> None:
        room = np.empty((3 * rows, 1), np.int64)
        self._at = address(room)
        self._rows = rows
        self._out: Levels = room[: 2 * rows].reshape(rows, 2)
        self._flags: npt.NDArray[np.int64] = room[2 * rows :, 0]
        self._used = 0


def warm() -> None:
    """Compile or load the kernel, so that the first message does not wait."""
    _kernel()


def _slowly(raw: bytes, plan: SidePlan) -> tuple[Levels, npt.NDArray[np.int64]]:
    """Read a side value by value, to raise what is wrong or take what is merely unusual."""
    known, shape = plan.known, plan.shape
    levels = msgspec.json.decode(raw, type=list[list[_Value] | dict[str, _Value]], strict=True)
    out = np.zeros((len(levels), 2), np.int64)
    flags = np.zeros(len(levels), np.int64)
    for row, level in enumerate(levels):
        what = f"level {row} of {known.id}"
        price = out[row, 0] = known.prices[_pick(level, shape.price, what)]
        if not price and not plan.zero:
            raise DataError(f"{what} must have a price above 0")
        out[row, 1] = known.sizes[_pick(level, shape.size, what)]
        if shape.flag is not None:
            flags[row] = ord(_pick(level, shape.flag, what)[:1] or "\0")
    return out, flags


_Value: TypeAlias = msgspec.Raw


def _pick(level: list[msgspec.Raw] | dict[str, msgspec.Raw], name: int | str, what: str) -> str:
    try:
        raw = bytes(level[name])  # type: ignore[index]  # the shape fits one of the two
    except (IndexError, KeyError, TypeError):
        raise DataError(f"{what} has no {name!r}: {_words(level)[:80]}") from None
    if raw.startswith(b'"'):
        return msgspec.json.decode(raw, type=str)
    return raw.decode()


def _words(level: list[msgspec.Raw] | dict[str, msgspec.Raw]) -> str:
    """Return a level as it was sent; a `Raw` says its address, which no two runs share."""
    return msgspec.json.encode(level).decode(errors="replace")


def _scale(step: Decimal) -> tuple[int, int]:
    """Return a step as (decimal places, units of the last place): 0.05 is (2, 5)."""
    exponent = step.normalize().as_tuple().exponent
    places = max(0, -exponent) if isinstance(exponent, int) else 0
    if places > _MAX_PLACES:
        # Nothing is exact in such steps as far as the kernel is concerned.
        return 0, _MAX
    return places, int(step.scaleb(places))


def _hash(key: str) -> int:
    """Return the hash of a key as `_key` makes it, eight bytes at a step."""
    value, mask = int(_FNV), (1 << 64) - 1
    data = bytes(byte ^ 48 for byte in key.encode())
    for at in range(0, len(data) + 1, 8):
        value = ((value ^ int.from_bytes(data[at : at + 8], "little")) * int(_PRIME)) & mask
        value ^= value >> 29
    return value >> 1
