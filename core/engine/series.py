"""Closed bars of one instrument and timeframe: a bounded numpy ring, oldest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from core.engine.bars import (
    CLOSE,
    CLOSED_WIDTH,
    FIRST_TS,
    HIGH,
    LAST_TS,
    LOW,
    OPEN,
    OPEN_TS,
    OWN,
    REVISION,
    TRADES,
    VOLUME,
    Rows,
)
from core.model.market import Bar, Levels

_FRESH: Final = 64
"""Rows that wait at most for a place in the ring."""

_ROW_BYTES: Final = 8 * CLOSED_WIDTH


class Columns(msgspec.Struct, frozen=True):
    """Closed bars as views into the ring: equal length, oldest first, int64; never write to them.

    They are valid until the next event is applied; copy what must live longer.
    """

    ts_open_ns: Levels
    open: Levels
    high: Levels
    low: Levels
    close: Levels
    volume: Levels
    trades: Levels


def _filler(bar: Bar) -> bool:
    """Return whether a bar only fills a period without trades; not all venues count trades."""
    flat = bar.open_ticks == bar.high_ticks == bar.low_ticks == bar.close_ticks
    return flat and not bar.trades and not bar.volume_lots


class BarSeries:
    """The newest `limit` closed bars, each open time at most once."""

    __slots__ = (
        "_data",
        "_fresh",
        "_into",
        "_limit",
        "_new",
        "_start",
        "_stop",
        "newest_open_ns",
        "version",
    )

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # Columns apart, twice the room: appending copies the tail to the front once in `limit`.
        self._data: Rows = np.zeros((CLOSED_WIDTH, 2 * limit), np.int64)
        self._start = 0
        self._stop = 0
        # Rows not in the ring yet: few bars are looked at as soon as they close.
        self._fresh: Rows = np.empty((_FRESH, CLOSED_WIDTH), np.int64)
        self._into = self._fresh.data.cast("B")
        self._new = 0
        self.newest_open_ns = -1
        """Open time of the newest bar, -1 when there is none."""
        self.version = 0
        """Counts changes."""

    def __len__(self) -> int:
        self._settle()
        return self._stop - self._start

    def columns(self, limit: int | None = None) -> Columns:
        """Return the newest `limit` bars, or all."""
        self._settle()
        start = self._start if limit is None else max(self._start, self._stop - limit)
        data = self._data[:TRADES + 1, start : self._stop]  # fmt: skip
        return Columns(*(data[index] for index in range(TRADES + 1)))

    def append(self, row: memoryview, open_ns: int) -> None:
        """Add a closed row of `bars`, as bytes, that opened at `open_ns`, later than all others."""
        at = self._new
        self._into[at * _ROW_BYTES : (at + 1) * _ROW_BYTES] = row
        self._new = at + 1
        self.newest_open_ns = open_ns
        self.version += 1
        if at + 1 == _FRESH:
            self._settle()

    def revise(self, open_ns: int, ts: int, price: int, lots: int) -> tuple[list[int], int] | None:
        """Add a late trade to the bar that opened at `open_ns`, making that bar if need be.

        Returns the bar's row and new revision; None when the bar is the venue's own, which has
        the trade already, or is older than all bars kept.
        """
        at = self._find(open_ns)
        if at < 0:
            row = [open_ns, price, price, price, price, lots, 1, ts, ts]
            if not len(self) or open_ns < self._data[OPEN_TS, self._start]:
                return None
            self._insert(np.array([[*row, 1, 1]], np.int64))
            return row, 1
        bar = self._data[:, at]
        if not bar[OWN]:
            return None
        bar[HIGH] = max(bar[HIGH], price)
        bar[LOW] = min(bar[LOW], price)
        if ts >= bar[LAST_TS]:
            bar[CLOSE] = price
            bar[LAST_TS] = ts
        elif ts < bar[FIRST_TS]:
            bar[OPEN] = price
            bar[FIRST_TS] = ts
        bar[VOLUME] += lots
        bar[TRADES] += 1
        bar[REVISION] += 1
        self.version += 1
        return bar[: LAST_TS + 1].tolist(), int(bar[REVISION])

    def seed(self, bars: Sequence[Bar], before_ns: int) -> list[Bar]:
        """Merge the venue's closed bars that opened before `before_ns`; ours win where both are.

        Returns the bars that were added after the oldest one there was.
        """
        self._settle()
        had = len(self) > 0
        oldest = int(self._data[OPEN_TS, self._start]) if had else 0
        newest = self.newest_open_ns
        known = set(self._data[OPEN_TS, self._start : self._stop].tolist())
        fresh = {
            bar.ts_open_ns: bar
            for bar in bars
            if bar.ts_open_ns < before_ns and bar.ts_open_ns not in known and not _filler(bar)
        }
        if not fresh:
            return []
        added = [fresh[ts] for ts in sorted(fresh) if had and ts > oldest]
        added = [
            bar if bar.ts_open_ns > newest else msgspec.structs.replace(bar, revision=1)
            for bar in added
        ]
        revised = {bar.ts_open_ns: bar.revision for bar in added}
        rows = [
            [
                bar.ts_open_ns, bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks,
                bar.volume_lots, bar.trades, bar.ts_open_ns, bar.ts_open_ns + bar.timeframe.ns - 1,
                revised.get(bar.ts_open_ns, 0), 0,
            ]
            for bar in fresh.values()
        ]  # fmt: skip
        self._insert(np.array(rows, np.int64))
        return added

    def rows_between(self, start_ns: int, end_ns: int) -> Rows:
        """Return the bars with start_ns <= open time < end_ns, shape (9, n), oldest first."""
        self._settle()
        opens = self._data[OPEN_TS, self._start : self._stop]
        low, high = np.searchsorted(opens, (start_ns, end_ns)).tolist()
        return self._data[: LAST_TS + 1, self._start + low : self._start + high]

    def image(self) -> bytes:
        """Return all bars as bytes, the same on any machine."""
        self._settle()
        return self._data[:, self._start : self._stop].astype("<i8").tobytes()

    def _settle(self) -> None:
        """Put the fresh rows into the ring."""
        if not self._new:
            return
        rows = self._fresh[: self._new][-self._limit :].T
        self._new = 0
        count = rows.shape[1]
        if self._stop + count > 2 * self._limit:
            keep = min(self._limit - count, self._stop - self._start)
            self._data[:, :keep] = self._data[:, self._stop - keep : self._stop]
            self._start, self._stop = 0, keep
        self._data[:, self._stop : self._stop + count] = rows
        self._stop += count
        self._start = max(self._start, self._stop - self._limit)

    def _find(self, open_ns: int) -> int:
        self._settle()
        opens = self._data[OPEN_TS, self._start : self._stop]
        at = int(np.searchsorted(opens, open_ns))
        return self._start + at if at < len(opens) and opens[at] == open_ns else -1

    def _insert(self, rows: Rows) -> None:
        merged = np.concatenate((self._data[:, self._start : self._stop], rows.T), axis=1)
        merged = merged[:, np.argsort(merged[OPEN_TS], kind="stable")][:, -self._limit :]
        self._start, self._stop = 0, merged.shape[1]
        self._data[:, : self._stop] = merged
        self.newest_open_ns = int(merged[OPEN_TS, -1])
        self.version += 1
