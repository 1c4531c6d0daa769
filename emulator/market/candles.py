"""Bars of every interval: generated history joined with what was traded since the start."""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from emulator.market.history import (
    COLUMNS,
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    OPEN_MS,
    Rows,
    aggregate,
)

SECOND_MS: Final = 1_000
INTERVALS: Final[dict[str, int]] = {
    "1s": SECOND_MS,
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS,
    "6h": 6 * HOUR_MS,
    "8h": 8 * HOUR_MS,
    "12h": 12 * HOUR_MS,
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
    "1w": 7 * DAY_MS,
    "1M": 31 * DAY_MS,
}
"""Interval name to length in ms (the longest month for ``1M``)."""

_MONDAY_MS: Final = 4 * DAY_MS
_OTHERS: Final[dict[str, tuple[int, int]]] = {
    "10m": (10 * MINUTE_MS, 0),
    "3h": (3 * HOUR_MS, 0),
    "6h+8": (6 * HOUR_MS, 4 * HOUR_MS),
    "12h+8": (12 * HOUR_MS, 4 * HOUR_MS),
    "1d-5": (DAY_MS, 5 * HOUR_MS),
    "1d+8": (DAY_MS, 16 * HOUR_MS),
    "1w+8": (7 * DAY_MS, _MONDAY_MS - 8 * HOUR_MS),
    "2d": (2 * DAY_MS, 0),
    "1w": (7 * DAY_MS, _MONDAY_MS),
}
"""Other interval names: length in ms and where the first one opens; ``+8`` counts from 00:00 of
Hong Kong, ``-5`` from New York's in winter."""


def length_ms(interval: str) -> int:
    """Return an interval's length, the longest month's for ``1M``."""
    other = _OTHERS.get(interval)
    return other[0] if other else INTERVALS[interval]


SECONDS_KEPT: Final = 3_600
"""Bars of one second that are remembered where somebody may ask for them."""


def bucket(times_ms: npt.NDArray[np.int64], interval: str) -> npt.NDArray[np.int64]:
    """Return the open time of the bar that holds each time."""
    if interval == "1M":
        months = times_ms.astype("datetime64[ms]").astype("datetime64[M]")
        return months.astype("datetime64[ms]").astype(np.int64)
    length, offset = _OTHERS.get(interval) or (INTERVALS[interval], 0)
    return (times_ms - offset) // length * length + offset


def bucket_of(time_ms: int, interval: str) -> int:
    """Return the open time of the bar that holds a time."""
    return int(bucket(np.array([time_ms], dtype=np.int64), interval)[0])


def close_ms(open_ms: int, interval: str) -> int:
    """Return a bar's last millisecond."""
    if interval != "1M":
        return open_ms + length_ms(interval) - 1
    return bucket_of(open_ms + 32 * DAY_MS, "1M") - 1


class Past(Protocol):
    """The bars before the start."""

    end_ms: int
    first_ms: int
    last_close: int

    def minutes(self, start_ms: int, end_ms: int) -> Rows:
        """Return the 1m bars with start_ms <= open time < end_ms, as far as history goes."""
        ...

    def hours(self, start_ms: int, end_ms: int) -> Rows:
        """Return the 1h bars of whole hours with start_ms <= open time < end_ms."""
        ...


class Candles:
    """One instrument's bars; the last row of `rows` is the forming one.

    Worth is counted in `worth_unit` ticks times lots, as history counts it.
    """

    def __init__(self, history: Past, *, seconds: int = SECONDS_KEPT, worth_unit: int = 1) -> None:
        self._history = history
        self._worth_unit = worth_unit
        self._lived: Rows = np.empty((2_048, COLUMNS), dtype=np.int64)
        self._n_lived = 0
        self._minute = _flat(history.end_ms, history.last_close)
        self._second = _flat(history.end_ms, history.last_close)
        self._seconds: deque[list[int]] = deque(maxlen=seconds)

    @property
    def last_close(self) -> int:
        """The last traded price in ticks."""
        return self._minute[4]

    @property
    def first_ms(self) -> int:
        """Open time of the first bar there is."""
        return self._history.first_ms

    def trade(self, ts_ms: int, price: int, lots: int, *, buyer_takes: bool) -> None:
        """Add a trade to the forming bars."""
        self.roll(ts_ms)
        notional = price * lots // self._worth_unit
        for bar in (self._minute, self._second):
            if bar[7] == 0:
                bar[1] = bar[2] = bar[3] = price
            elif price > bar[2]:
                bar[2] = price
            elif price < bar[3]:
                bar[3] = price
            bar[4] = price
            bar[5] += lots
            bar[6] += notional
            bar[7] += 1
            if buyer_takes:
                bar[8] += lots
                bar[9] += notional

    def roll(self, now_ms: int) -> None:
        """Close what ended before now; a bar without trades repeats the last close."""
        second = self._second[0]
        if now_ms < second + SECOND_MS:
            return
        newest = now_ms // SECOND_MS * SECOND_MS
        oldest = max(second + SECOND_MS, newest - SECONDS_KEPT * SECOND_MS)
        for opened in range(oldest, newest + 1, SECOND_MS):
            self._seconds.append(self._second)
            self._second = _flat(opened, self._minute[4])
        while now_ms >= self._minute[0] + MINUTE_MS:
            if self._n_lived + 1 == len(self._lived):
                self._lived = np.concatenate((self._lived, np.empty_like(self._lived)))
            self._lived[self._n_lived] = self._minute
            self._n_lived += 1
            self._minute = _flat(self._minute[0] + MINUTE_MS, self._minute[4])

    def amend(self, ts_ms: int, lots: int, price: int, trades: int) -> None:
        """Add to (or take from) the volume of a lived minute, as a late correction does."""
        opened = ts_ms // MINUTE_MS * MINUTE_MS
        index = (opened - self._history.end_ms) // MINUTE_MS
        bar = self._minute if opened == self._minute[0] else None
        if bar is None and not 0 <= index < self._n_lived:
            return
        row = bar if bar is not None else self._lived[index]
        row[5] += lots
        row[6] += lots * price // self._worth_unit
        row[7] += trades

    def rows(self, interval: str, start_ms: int, end_ms: int) -> Rows:
        """Return bars with start_ms <= open time <= end_ms, oldest first."""
        first = bucket_of(max(start_ms, self.first_ms), interval)
        if first < start_ms:
            first = close_ms(first, interval) + 1
        if interval == "1s":
            rows = np.array([*self._seconds, self._second], dtype=np.int64)
        else:
            rows = self._base(interval, first, close_ms(end_ms, interval))
        opens = bucket(rows[:, OPEN_MS], interval)
        joined = aggregate(rows, opens)
        if len(joined):
            joined[:, OPEN_MS] = bucket(joined[:, OPEN_MS], interval)
        times = joined[:, OPEN_MS]
        return joined[(times >= start_ms) & (times <= end_ms)]

    def warm(self, start_ms: int, end_ms: int) -> None:
        """Make the hours of a range, so that asking for it later is quick."""
        self._history.hours(start_ms, end_ms)

    def latest(self, interval: str, now_ms: int, *, before: int = 0) -> tuple[int, ...]:
        """Return the bar of now, or the one `before` bars ago, as a row."""
        opened = bucket_of(now_ms, interval)
        for _ in range(before):
            opened = bucket_of(opened - 1, interval)
        rows = self.rows(interval, opened, opened)
        row = rows[-1].tolist() if len(rows) else _flat(opened, self.last_close)
        return tuple(row)

    def last_day(self, now_ms: int) -> tuple[int, ...]:
        """Return one row over the 24 hours before now (to the minute)."""
        rows = self._base("1m", now_ms - DAY_MS, now_ms)
        joined = aggregate(rows, np.zeros(len(rows), dtype=np.int64))
        return tuple(joined[0].tolist())

    def _base(self, interval: str, start_ms: int, end_ms: int) -> Rows:
        """Return the finest rows needed: hours where whole ones do, minutes elsewhere."""
        parts = []
        minutes_from = start_ms
        if length_ms(interval) >= HOUR_MS:
            hours = self._history.hours(start_ms, end_ms)
            if len(hours):
                parts.append(hours)
                minutes_from = int(hours[-1, OPEN_MS]) + HOUR_MS
        parts.append(self._history.minutes(minutes_from, end_ms + 1))
        self._lived[self._n_lived] = self._minute
        first = self._history.end_ms
        skip = max(0, (minutes_from - first + MINUTE_MS - 1) // MINUTE_MS)
        upto = min(self._n_lived + 1, max(0, (end_ms - first) // MINUTE_MS + 1))
        parts.append(self._lived[skip:upto])
        return np.concatenate(parts)


def _flat(open_ms: int, price: int) -> list[int]:
    """Return a bar in which nothing was traded."""
    return [open_ms, price, price, price, price, 0, 0, 0, 0, 0]
