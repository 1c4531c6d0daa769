"""Deribit's trades as the kernel reads them, all of a message at a time."""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from core.engine.compiled import Grid, view
from core.feeds.binance.digits import byte, read_whole, text_of
from core.feeds.deribit.scan import (
    DESK,
    MAX_FRAME_BYTES,
    MAX_MS,
    NS,
    ROOM,
    ROWS,
    SEEN,
    SLOTS,
    TABLE,
    USED,
    named,
)
from core.feeds.deribit.values import key_table, past_scalar, read_key, read_number, steps_of
from core.feeds.levels import PLAN, SLIP
from core.feeds.literals import literal, past, text_end, word_near, word_of
from core.feeds.symboltable import COLUMNS

ROW: Final = 6
"""Figures of a trade: id, ticks, lots, time, 1 if the taker sold, and one that is free."""
_ROW_BYTES: Final = 8
"""What fills a row of the room is never spelt in fewer."""

_TIME, _NAME, _SIDE, _NUMBER, _PRICE, _SIZE, _FORCED = range(7)
_NEED: Final = (1 << _FORCED) - 1
_KEYS: Final = key_table(
    {
        "timestamp": _TIME, "instrument_name": _NAME, "direction": _SIDE, "trade_seq": _NUMBER,
        "price": _PRICE, "amount": _SIZE, "liquidation": _FORCED,
    }
)  # fmt: skip

_TRADES: Final = literal('{"jsonrpc":"2.0","method":"subscription","params":{"channel":"trades.')
_DATA: Final = literal('","data":[')
_BUY: Final = np.uint64(word_of(b'"buy"'))
_BUY_MASK: Final = np.uint64((1 << 40) - 1)
_SELL: Final = np.uint64(word_of(b'"sell"'))
_SELL_MASK: Final = np.uint64((1 << 48) - 1)


@numba.njit(cache=True)
def _trade(  # noqa: C901  one pass over the fields
    data: bytes, size: int, at: int, table: Grid, row: Grid
) -> tuple[int, int]:
    """Read a trade to a row; returns (slot of its instrument, place after it), -1 if it is odd."""
    odd = (-1, size + 1)
    if at >= size or byte(data, at) != 123:
        return odd
    slot = -1
    seen = when = number = sold = minus = price = price_places = amount = amount_places = 0
    while True:
        key, at = read_key(data, size, at + 1, _KEYS)
        if key >= 0:
            if seen >> key & 1:
                return odd
            seen |= 1 << key
        if key == 0:
            when, at = read_whole(data, size, at)
        elif key == 1:
            slot, at = named(data, size, at, table)
        elif key == 2:
            word = word_near(data, size, at)
            sold = int(word & _SELL_MASK == _SELL)
            if not sold and word & _BUY_MASK != _BUY:
                return odd
            at += 5 + sold
        elif key == 3:
            number, at = read_whole(data, size, at)
        elif key == 4:
            signed, price, price_places, at = read_number(data, size, at)
            minus |= signed
        elif key == 5:
            signed, amount, amount_places, at = read_number(data, size, at)
            minus |= signed
        elif key == 6:
            # A liquidation is an event more.
            return odd
        else:
            at = past_scalar(data, size, at)
        if at >= size:
            return odd
        if byte(data, at) != 44:
            break
    if byte(data, at) != 125 or seen != _NEED or when >= MAX_MS or minus or slot < 0:
        return odd
    plan = view(table[slot, 5], 1, 4)
    row[0] = number
    row[1] = steps_of(price, price_places, plan, 0)
    row[2] = steps_of(amount, amount_places, plan, 2)
    row[3] = when * NS
    row[4] = sold
    return (slot, at + 1) if min(row[1], row[2]) > 0 else odd


@numba.njit(cache=True)
def trades_at(frame: bytes, place: int) -> tuple[int, int]:
    """Read trades of one instrument to the room's free rows; returns (place of a plan, count).

    The place is 0 if one is odd, forced, or not the next after the one before, and -1 if the room
    is too small.
    """
    odd = (0, 0)
    size = len(frame)
    data = text_of(frame)
    desk = view(place, 1, DESK)[0]
    at = past(data, size, text_end(data, size, past(data, size, 0, _TRADES)), _DATA)
    if at > size or size > MAX_FRAME_BYTES:
        return odd
    if (desk[ROWS] - desk[USED]) * _ROW_BYTES < size:
        return -1, 0
    table = view(desk[TABLE], desk[SLOTS], COLUMNS)
    rows = view(desk[ROOM] + 16 * desk[USED], size // ROW, ROW)
    of = -1
    count = last = 0
    while True:
        slot, at = _trade(data, size, at, table, rows[count])
        if at >= size or (count and slot != of):
            return odd
        if not count:
            of = slot
            last = view(table[slot, 5] + 8 * PLAN, 1, SLIP)[0, SEEN]
        if rows[count, 0] != last + 1 and last:
            return odd
        last = rows[count, 0]
        count += 1
        if byte(data, at) != 44:
            break
        at += 1
    # ``]}}``
    if at + 3 != size or byte(data, at) != 93 or byte(data, at + 1) != 125:
        return odd
    return (table[of, 5], count) if byte(data, at + 2) == 125 else odd
