"""What venues state of an instrument and nobody awaits, written down by kernels instead of told.

A day's statistics, open interest and an option's values come as often as quotes, are read a few
times a second and drive nothing: to make an event of each, with a Decimal or a double for every
value, only to put the one before away, cost more than to read them. A kernel that was lent a slate
writes them there as numbers, and `core.engine.reference` makes events of them when somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import numba
import numpy as np

from core.engine.compiled import Grid, address, view
from core.engine.opened import whole
from core.engine.stated import LENGTH, digits_of
from core.engine.steady import SLATE, SPARED, STRAIGHT, WIDTH
from core.engine.valued import TENTHS
from core.model.ids import InstrumentId
from core.model.market import DayTicker, MarkPrice, OpenInterest, OptionGreeks

DAY, INTEREST, GREEKS, MARK = range(4)
"""What may be written down."""
LAST, OPENED, HIGH, LOW, VOLUME, TURNOVER, _SIZE, MARKED, INDEX, FUNDING = range(10)
"""Values of a day, as a `DayTicker` has them, of open interest, and of a `MarkPrice`."""

_DAY_VALUES: Final = 6
_FRESH: Final = 0
_TIMES: Final = 1
_VALUES: Final = _TIMES + 2 * 4
_DOUBLES: Final = _VALUES + 2 * 10
_SPARE: Final = _DOUBLES + 9
WORDS: Final = _SPARE + 2 * _DAY_VALUES
"""Figures of a slate: which are new, a bit each; times of each, the venue's and ours; digits and
decimals of each value, of which less than none say that there is none; an option's doubles; and
room to read statistics to."""

_ABSENT: Final = -1
_GREEKS: Final = OptionGreeks.__struct_fields__[3:]
"""In the order of its doubles."""


@numba.njit(cache=True, forceinline=True)
def slate_of(lent: int, recv: int) -> tuple[int, int]:
    """Return where to write what is stated of the instrument of a desk, 0: tell it as events.

    Then the time that the object `recv` says, which takes as long to ask as a number to read.
    """
    if not lent:
        return 0, 0
    recv_ns, good = whole(recv)
    return int(view(lent, 1, WIDTH)[0, SLATE]) if good else 0, recv_ns


@numba.njit(cache=True, forceinline=True)
def spared(lent: int) -> bool:
    """Return whether marks need not be told, of a desk that has a slate."""
    return bool(view(lent, 1, WIDTH)[0, SPARED])


@numba.njit(cache=True, forceinline=True)
def written(slate: int, lent: int, what: int, ts_ns: int, recv_ns: int) -> None:
    """Note that something was written down instead of told, and when it came."""
    on = view(slate, 1, WORDS)[0]
    on[_FRESH] |= 1 << what
    on[_TIMES + 2 * what] = ts_ns
    on[_TIMES + 2 * what + 1] = recv_ns
    view(lent, 1, WIDTH)[0, STRAIGHT] += 1


@numba.njit(cache=True, forceinline=True)
def value(slate: int, which: int, digits: int, places: int) -> None:
    """Write down a value of digits, of which so many are decimals."""
    on = view(slate, 1, WORDS)[0]
    on[_VALUES + 2 * which] = digits
    on[_VALUES + 2 * which + 1] = places


@numba.njit(cache=True, forceinline=True)
def size(slate: int, digits: int, places: int) -> None:
    """Write down open interest, as `value` does."""
    value(slate, _SIZE, digits, places)


@numba.njit(cache=True)
def day_of(slate: int, data: Any, texts: Grid, count: int) -> bool:
    """Write down the first `count` values of a day, all of which are `packed` texts.

    Returns False, and writes nothing, where one is neither empty nor plain and short.
    """
    on = view(slate, 1, WORDS)[0]
    for index in range(_DAY_VALUES):
        at, length = texts[index] >> 8, texts[index] & LENGTH
        digits, places = digits_of(data, at, at + length)
        if length and places < 0:
            return False
        on[_SPARE + 2 * index] = digits
        on[_SPARE + 2 * index + 1] = places
    for index in range(count):
        # What is not stated keeps its former value.
        if on[_SPARE + 2 * index + 1] >= 0:
            value(slate, index, on[_SPARE + 2 * index], on[_SPARE + 2 * index + 1])
    return True


@numba.njit(cache=True, forceinline=True)
def doubles(
    slate: int,
    ivs: tuple[float, float, float],
    values: tuple[float, float, float, float, float],
    underlying: float,
) -> None:
    """Write down an option's values, see `core.engine.valued.greeks`."""
    on = view(slate, 1, WORDS)[0]
    for index in range(3):
        on[_DOUBLES + index] = np.float64(ivs[index]).view(np.int64)
    for index in range(5):
        on[_DOUBLES + 3 + index] = np.float64(values[index]).view(np.int64)
    on[_DOUBLES + 8] = np.float64(underlying).view(np.int64)


class Slate:
    """What kernels have written of one instrument since somebody looked."""

    __slots__ = ("_array", "_name", "figures", "place")

    def __init__(self, instrument_id: InstrumentId) -> None:
        self._name = instrument_id
        self._array = np.zeros((1, WORDS), np.int64)
        self._array[0, _VALUES + 1 : _DOUBLES : 2] = _ABSENT
        self.figures = self._array[0].data
        """See `WORDS`; the first is 0 where nothing is new."""
        self.place = address(self._array)
        """Where it lies, as long as this object lives."""

    def news(self) -> Iterator[DayTicker | OpenInterest | OptionGreeks | MarkPrice]:
        """Return the events of what is new, each once; of a day all that was stated meanwhile."""
        fresh = self.figures[_FRESH]
        self.figures[_FRESH] = 0
        if fresh >> DAY & 1:
            last, opened, high, low, volume, turnover = map(self._value, range(_DAY_VALUES))
            ts_ns, ts_recv_ns = self._times(DAY)
            yield DayTicker(
                instrument_id=self._name, ts_event_ns=ts_ns, ts_recv_ns=ts_recv_ns, last=last,
                open=opened, high=high, low=low, volume=volume, quote_volume=turnover,
            )  # fmt: skip
        if fresh >> INTEREST & 1:
            found = self._value(_SIZE)
            assert found is not None
            ts_ns, ts_recv_ns = self._times(INTEREST)
            yield OpenInterest(
                instrument_id=self._name, ts_event_ns=ts_ns, ts_recv_ns=ts_recv_ns, size=found
            )
        if fresh >> GREEKS & 1:
            ts_ns, ts_recv_ns = self._times(GREEKS)
            values = self._array[0, _DOUBLES:_SPARE].view(np.float64).tolist()
            yield OptionGreeks(
                instrument_id=self._name, ts_event_ns=ts_ns, ts_recv_ns=ts_recv_ns,
                **dict(zip(_GREEKS, values, strict=True)),
            )  # fmt: skip

        if fresh >> MARK & 1:
            ts_ns, ts_recv_ns = self._times(MARK)
            yield MarkPrice(
                instrument_id=self._name, ts_event_ns=ts_ns, ts_recv_ns=ts_recv_ns,
                mark=self._value(MARKED), index=self._value(INDEX),
                funding_rate=self._value(FUNDING),
            )  # fmt: skip

    def _times(self, what: int) -> tuple[int, int]:
        at = _TIMES + 2 * what
        return self.figures[at], self.figures[at + 1]

    def _value(self, which: int) -> Decimal | None:
        at = _VALUES + 2 * which
        digits, places = self.figures[at], self.figures[at + 1]
        if places < 0:
            return None
        self.figures[at + 1] = _ABSENT
        found: Decimal = digits * TENTHS[places]
        return found
