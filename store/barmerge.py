"""Checks bars before they are stored, and decides which of two bars of one time stays."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from core.model.errors import DataError
from core.model.market import Timeframe
from core.model.stores import BarArrays, BarColumns, BarSource, Written
from store.blocks import Table

TS, OPEN, HIGH, LOW, CLOSE, VOLUME, TRADES, SOURCE, REVISION = range(9)
"""Columns of a bar table."""

WIDTH: Final = 9


def table_of(columns: BarArrays, source: BarSource) -> Table:
    """Copy columns into a table of shape (9, n).

    Raises:
        DataError: They are not of equal length.
    """
    arrays = (
        columns.ts_open_ns, columns.open, columns.high, columns.low, columns.close,
        columns.volume, columns.trades,
    )  # fmt: skip
    lengths = {len(array) for array in arrays}
    if len(lengths) != 1:
        raise DataError(f"bar columns must be of equal length, were {sorted(lengths)}")
    table = np.empty((WIDTH, lengths.pop()), np.int64)
    for index, array in enumerate(arrays):
        table[index] = array
    table[SOURCE] = source.rank
    table[REVISION] = 0
    return table


def check_rows(table: Table, timeframe: Timeframe, what: str) -> None:
    """Refuse rows that are no bars.

    Raises:
        DataError: Names the first bad row, its time and what is wrong with it.
    """
    ts = table[TS]
    before = np.concatenate((ts[:1] - 1, ts[:-1]))
    for bad, problem in (
        (ts % timeframe.ns != 0, f"its time is no multiple of {timeframe.value}"),
        (ts < 0, "its time is before 1970"),
        (ts == before, "its time is the same as the bar before"),
        (ts < before, "its time is before the bar before"),
        (insane(table), "low <= open, close <= high does not hold, or a count is negative"),
    ):
        if bad.any():
            at = int(bad.argmax())
            row = " ".join(str(value) for value in table[: TRADES + 1, at].tolist())
            raise DataError(
                f"{what} {timeframe.value}: bar {at} cannot be stored: {problem} "
                f"(time ns, open, high, low, close, volume, trades: {row})"
            )


def insane(table: Table) -> npt.NDArray[np.bool_]:
    """Return which rows cannot be bars, shape (n,)."""
    body_low = np.minimum(table[OPEN], table[CLOSE])
    body_high = np.maximum(table[OPEN], table[CLOSE])
    out = (table[LOW] > body_low) | (table[HIGH] < body_high)
    result: npt.NDArray[np.bool_] = out | (table[VOLUME] < 0) | (table[TRADES] < 0)
    return result


def merge(old: Table, new: Table) -> tuple[Table, Written, bool]:
    """Merge checked rows into stored ones, both in the same steps.

    A row of the same or a higher rank replaces one with other figures and counts its revision
    up; one of the same figures confirms it: the better source and a known trade count are kept.
    Returns the merged table, what happened, and whether anything differs from `old`.
    """
    at = np.searchsorted(old[TS], new[TS])
    inside = at < old.shape[1]
    same = np.zeros(new.shape[1], np.bool_)
    same[inside] = old[TS, at[inside]] == new[TS, inside]
    mine, theirs = at[same], new[:, same]
    was = old[:, mine]
    figures = (was[OPEN : VOLUME + 1] != theirs[OPEN : VOLUME + 1]).any(axis=0)
    as_good = theirs[SOURCE] >= was[SOURCE]
    counted = ~figures & (theirs[TRADES] > 0) & (was[TRADES] != theirs[TRADES])
    counted &= as_good | (was[TRADES] == 0)
    replace = (figures & as_good) | counted
    better = ~figures & (theirs[SOURCE] > was[SOURCE])

    result = old.copy()
    hit = mine[replace]
    result[OPEN : TRADES + 1, hit] = theirs[OPEN : TRADES + 1, replace]
    result[REVISION, hit] += 1
    raised = (figures & as_good) | better
    result[SOURCE, mine[raised]] = theirs[SOURCE, raised]
    fresh = new[:, ~same]
    if fresh.shape[1]:
        result = np.concatenate((result, fresh), axis=1)
        if old.shape[1] and fresh[TS, 0] < old[TS, -1]:
            result = result[:, np.argsort(result[TS], kind="stable")]
    replaced = int(replace.sum())
    written = Written(new=fresh.shape[1], replaced=replaced, kept=int(same.sum()) - replaced)
    return result, written, bool(written.new or replaced or better.any())


def table_with_sources(columns: BarColumns) -> Table:
    """Copy stored columns into a table, with the sources and revisions they have."""
    table = table_of(columns, BarSource.PARTIAL)
    table[SOURCE] = columns.source
    table[REVISION] = columns.revision
    return table
