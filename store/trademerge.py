"""Makes tables of trades, and decides which of them are the same trade seen twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from core.model.errors import DataError
from core.model.ids import InstrumentId
from core.model.market import Trade
from core.model.stores import TradeColumns
from store.blocks import Table

TS, RECV, PRICE, SIZE, MAKER, ID, FIRST_ID = range(7)
"""Columns of a trade table."""

WIDTH: Final = 7
SECOND_NS: Final = 1_000_000_000


def table_of(trades: Sequence[Trade] | TradeColumns) -> Table:
    """Copy trades into a table of shape (7, n).

    Raises:
        DataError: The columns are not of equal length.
    """
    if isinstance(trades, TradeColumns):
        arrays = (
            trades.ts_event_ns, trades.ts_recv_ns, trades.price, trades.size,
            trades.buyer_is_maker, trades.trade_id, trades.first_trade_id,
        )  # fmt: skip
        lengths = {len(array) for array in arrays}
        if len(lengths) != 1:
            raise DataError(f"trade columns must be of equal length, were {sorted(lengths)}")
        return np.array(arrays, np.int64).reshape(WIDTH, -1)
    count = len(trades)
    table = np.empty((WIDTH, count), np.int64)
    # One pass a field keeps the loops inside numpy and is twice as fast as rows of tuples.
    table[TS] = np.fromiter((trade.ts_event_ns for trade in trades), np.int64, count)
    table[RECV] = np.fromiter((trade.ts_recv_ns for trade in trades), np.int64, count)
    table[PRICE] = np.fromiter((trade.price_ticks for trade in trades), np.int64, count)
    table[SIZE] = np.fromiter((trade.size_lots for trade in trades), np.int64, count)
    table[MAKER] = np.fromiter((trade.buyer_is_maker for trade in trades), np.int64, count)
    table[ID] = np.fromiter((trade.trade_id for trade in trades), np.int64, count)
    table[FIRST_ID] = np.fromiter((trade.first_trade_id for trade in trades), np.int64, count)
    return table


def check_owner(trades: Sequence[Trade], instrument_id: InstrumentId) -> None:
    """Refuse trades of another instrument.

    Raises:
        DataError: One is.
    """
    strangers = {trade.instrument_id for trade in trades} - {instrument_id}
    if strangers:
        raise DataError(f"trades of {min(strangers)} cannot be stored as {instrument_id}")


def check_rows(table: Table, what: str) -> None:
    """Refuse rows that are no trades.

    Raises:
        DataError: Names the first bad row and what is wrong with it.
    """
    for bad, problem in (
        (table[TS] <= 0, "its event time is not after 1970"),
        (table[SIZE] <= 0, "its size is not above zero"),
        ((table[MAKER] & ~1) != 0, "its side is neither 0 nor 1"),
    ):
        if bad.any():
            at = int(bad.argmax())
            row = " ".join(str(value) for value in table[:, at].tolist())
            raise DataError(
                f"{what}: trade {at} cannot be stored: {problem} (event ns, receive ns, price, "
                f"size, buyer is maker, id, first id: {row})"
            )


def in_order(table: Table) -> Table:
    """Sort by event time; trades of one time keep their order of arrival."""
    if bool((table[TS, 1:] >= table[TS, :-1]).all()):
        return table
    return table[:, np.argsort(table[TS], kind="stable")]


def first_of_each(table: Table) -> npt.NDArray[np.bool_]:
    """Return which rows are the first of their trade, shape (n,).

    The same trade has the same id, price, size and side in the same second: a venue's stream and
    its history may give more or fewer digits of the time, and some venues count ids anew each day
    or per exchange. Trades without an id are told apart by order: two equal ones within one write
    are two trades, the same two written again are not new.
    """
    if bool((table[ID, 1:] > table[ID, :-1]).all()):
        return np.ones(table.shape[1], np.bool_)
    time = np.where(table[ID] > 0, table[TS] // SECOND_NS, table[TS])
    keys = np.stack((table[ID], time, table[PRICE], table[SIZE], table[MAKER]))
    order = np.lexsort(keys[::-1])
    ranked = keys[:, order]
    same = (ranked[:, 1:] == ranked[:, :-1]).all(axis=0)
    keep = np.ones(table.shape[1], np.bool_)
    keep[order[1:][same]] = False
    return keep


def numbered(table: Table) -> Table:
    """Return the table with its trades without id numbered among their equals: -1, -2...

    Equal trades of one write thereby differ, and those of two writes match one by one.
    """
    without = np.flatnonzero(table[ID] == 0)
    if not len(without):
        return table
    some = table[:, without]
    keys = np.stack((some[TS], some[PRICE], some[SIZE], some[MAKER]))
    order = np.lexsort(keys[::-1])
    ranked = keys[:, order]
    fresh = np.concatenate(([True], (ranked[:, 1:] != ranked[:, :-1]).any(axis=0)))
    index = np.arange(len(order))
    ordinal = index - np.maximum.accumulate(np.where(fresh, index, 0))
    out = table.copy()
    out[ID, without[order]] = -1 - ordinal
    return out
