"""Closed bars of one instrument and timeframe: a bounded numpy array, oldest first.

The kernel of `bars` adds to it by itself, so where it ends is kept in figures that both share.
"""

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
    KEPT_WIDTH,
    LAST_TS,
    LOW,
    NEWEST,
    OPEN,
    OPEN_TS,
    OWN,
    REVISION,
    RING,
    ROOM,
    STOP,
    TRADES,
    VERSION,
    VOLUME,
    Rows,
)
from core.engine.compiled import address
from core.model.market import Bar, Levels

_LEAST: Final = 64
"""Columns at first."""


_NONE: Final = np.empty((CLOSED_WIDTH, 0), np.int64)


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
    """The newest `limit` closed bars, each open time at most once.

    Args:
        limit: Bars kept.
        kept: The figures that a `BarBuilder` shares with it; its own where nothing adds bars.
    """

    __slots__ = ("_data", "_kept", "_limit", "_most")

    def __init__(self, limit: int, kept: memoryview | None = None) -> None:
        self._limit = limit
        # Columns with room to spare: once it is full, the newest are copied to the front.
        self._most = limit + max(_LEAST, limit // 4)
        self._data: Rows = _NONE
        if kept is None:
            kept = np.zeros(KEPT_WIDTH, np.int64).data.cast("B").cast("q")
            kept[NEWEST] = -1
        self._kept = kept

    def __len__(self) -> int:
        return min(self._kept[STOP], self._limit)

    @property
    def newest_open_ns(self) -> int:
        """Open time of the newest bar, -1 when there is none."""
        return self._kept[NEWEST]

    @property
    def version(self) -> int:
        """A count of changes."""
        return self._kept[VERSION]

    @property
    def _stop(self) -> int:
        return self._kept[STOP]

    @property
    def _start(self) -> int:
        return max(0, self._kept[STOP] - self._limit)

    def columns(self, limit: int | None = None) -> Columns:
        """Return the newest `limit` bars, or all."""
        start = self._start if limit is None else max(self._start, self._stop - limit)
        data = self._data[:TRADES + 1, start : self._stop]  # fmt: skip
        return Columns(*(data[index] for index in range(TRADES + 1)))

    def append(self, row: Rows) -> None:
        """Add a closed row of `bars`, later than all others, making room for more."""
        self._make_room(1)
        at = self._kept[STOP]
        self._data[:, at] = row
        self._kept[STOP] = at + 1
        self._kept[NEWEST] = int(row[OPEN_TS])
        self._kept[VERSION] += 1

    def revise(
        self, open_ns: int, ts: int, price: int, lots: int, *, make: bool = True
    ) -> tuple[list[int], int] | None:
        """Add a late trade to the bar that opened at `open_ns`, making that bar if asked to.

        Returns the bar's row and new revision; None when the bar is the venue's own, which has
        the trade already, or is older than all bars kept.
        """
        at = self._find(open_ns)
        if at < 0:
            row = [open_ns, price, price, price, price, lots, 1, ts, ts]
            if not make or not len(self) or open_ns < self._data[OPEN_TS, self._start]:
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
        self._kept[VERSION] += 1
        return bar[: LAST_TS + 1].tolist(), int(bar[REVISION])

    def seed(self, bars: Sequence[Bar], before_ns: int) -> list[Bar]:
        """Merge the venue's closed bars that opened before `before_ns`; ours win where both are.

        Returns the bars that were added after the oldest one there was.
        """
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
        opens = self._data[OPEN_TS, self._start : self._stop]
        low, high = np.searchsorted(opens, (start_ns, end_ns)).tolist()
        return self._data[: LAST_TS + 1, self._start + low : self._start + high]

    def image(self) -> bytes:
        """Return all bars as bytes, the same on any machine."""
        return self._data[:, self._start : self._stop].astype("<i8").tobytes()

    def _find(self, open_ns: int) -> int:
        opens = self._data[OPEN_TS, self._start : self._stop]
        at = int(np.searchsorted(opens, open_ns))
        return self._start + at if at < len(opens) and opens[at] == open_ns else -1

    def _insert(self, rows: Rows) -> None:
        merged = np.concatenate((self._data[:, self._start : self._stop], rows.T), axis=1)
        merged = merged[:, np.argsort(merged[OPEN_TS], kind="stable")][:, -self._limit :]
        count = merged.shape[1]
        self._kept[STOP] = 0
        self._make_room(count)
        self._data[:, :count] = merged
        self._kept[STOP] = count
        self._kept[NEWEST] = int(merged[OPEN_TS, -1])
        self._kept[VERSION] += 1

    def _make_room(self, count: int) -> None:
        """Make room for `count` more columns, twice as many as there were while that is allowed."""
        kept = self._kept
        room, stop = kept[ROOM], kept[STOP]
        if stop + count <= room:
            return
        start = max(0, stop - self._limit)
        held = stop - start
        if room < self._most or held + count > room:
            wide = min(self._most, max(_LEAST, 2 * room, 2 * (held + count)))
            data = np.zeros((CLOSED_WIDTH, wide), np.int64)
            if held:
                data[:, :held] = self._data[:, start:stop]
            self._data = data
            kept[RING], kept[ROOM] = address(data), wide
        else:
            self._data[:, :held] = self._data[:, start:stop].copy()
        kept[STOP] = held
