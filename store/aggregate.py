"""Makes bars of trades, and long bars of short ones, whole columns at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.model.market import Timeframe
from core.model.stores import BarSource
from store import barmerge as bar
from store import trademerge as trade
from store.blocks import Table


def bars_of_trades(table: Table, timeframe: Timeframe) -> Table:
    """Group trades, in order of time, into bars; shape (9, n).

    A bar is `trades` where the ids prove it whole: consecutive from the trade before the period to
    the one after it: a lost trade between two minutes may be of either. Every other one is
    `partial`.
    """
    if not table.shape[1]:
        return np.empty((bar.WIDTH, 0), np.int64)
    low, high, opens = _groups(table[trade.TS], timeframe.ns)
    ids = table[trade.ID]
    step = np.concatenate(([False], (np.diff(ids) == 1) & (ids[:-1] > 0), [False]))
    broken = np.concatenate(([0], np.cumsum(~step)))
    whole = broken[high + 1] == broken[low]
    price, size = table[trade.PRICE], table[trade.SIZE]
    return _build(
        opens, price[low], np.maximum.reduceat(price, low), np.minimum.reduceat(price, low),
        price[high - 1], np.add.reduceat(size, low), high - low,
        np.where(whole, BarSource.TRADES.rank, BarSource.PARTIAL.rank),
    )  # fmt: skip


def longer_bars(
    table: Table, short: Timeframe, long: Timeframe, empty: list[tuple[int, int]]
) -> Table:
    """Join short bars, in order of time, into long ones; shape (9, n).

    A long bar is `derived` where each of its short bars is there and whole, or its time lies in
    one of the joined `empty` spans; every other one is `partial`.
    """
    if not table.shape[1]:
        return np.empty((bar.WIDTH, 0), np.int64)
    low, high, opens = _groups(table[bar.TS], long.ns)
    good = np.add.reduceat((table[bar.SOURCE] > BarSource.PARTIAL.rank).astype(np.int64), low)
    covered = np.array(
        [_covered(int(start), short.ns, long.ns, table[bar.TS, a:b], empty)
         if b - a < long.ns // short.ns else 0
         for start, a, b in zip(opens, low, high, strict=True)],
        np.int64,
    )  # fmt: skip
    whole = good + covered == long.ns // short.ns
    counts = table[bar.TRADES]
    known = np.minimum.reduceat(np.where(table[bar.VOLUME] > 0, counts, 1), low) > 0
    return _build(
        opens,
        table[bar.OPEN, low],
        np.maximum.reduceat(table[bar.HIGH], low),
        np.minimum.reduceat(table[bar.LOW], low),
        table[bar.CLOSE, high - 1],
        np.add.reduceat(table[bar.VOLUME], low),
        np.where(known, np.add.reduceat(counts, low), 0),
        np.where(whole, BarSource.DERIVED.rank, BarSource.PARTIAL.rank),
    )


def _groups(times: Table, step_ns: int) -> tuple[Table, Table, Table]:
    """Return where each period's rows begin and end, and when it opens."""
    opens = times // step_ns * step_ns
    cuts = np.flatnonzero(np.diff(opens)) + 1
    low = np.concatenate(([0], cuts))
    high = np.concatenate((cuts, [len(times)]))
    return low, high, opens[low]


def _covered(
    start: int, short_ns: int, long_ns: int, there: Table, empty: list[tuple[int, int]]
) -> int:
    """Count the short periods of a long one that are not there and known to be empty."""
    spans = [span for span in empty if span[0] < start + long_ns and span[1] > start]
    if not spans:
        return 0
    grid = np.arange(start, start + long_ns, short_ns)
    known = np.zeros(len(grid), np.bool_)
    for low, high in spans:
        known |= (grid >= low) & (grid + short_ns <= high)
    return int((known & ~np.isin(grid, there)).sum())


def _build(*columns: npt.NDArray[np.int64]) -> Table:
    table = np.zeros((bar.WIDTH, len(columns[0])), np.int64)
    for index, values in enumerate(columns):
        table[index] = values
    return table
