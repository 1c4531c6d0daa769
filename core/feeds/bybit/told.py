"""Events of Bybit's hot messages, made as they are read."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numba

from core.engine.made import (
    delta,
    every,
    nothing,
    one,
    put,
    several,
    taken,
    trade,
    unmade,
)
from core.engine.stated import (
    empty,
    interest,
    item,
    looked_up,
    mark,
    nil,
    set_item,
    stands,
    ticker,
)
from core.engine.steady import straight
from core.feeds.bybit.forms import (
    BOOK,
    HIGH,
    INDEX,
    INTEREST,
    LAST,
    LOW,
    MARK,
    OPENED,
    RATE,
    STATED,
    TICKER,
    TRADES,
    TURNOVER,
    VOLUME,
    WORTH,
)
from core.feeds.desks import Grid, bare, figures, free, rows, slip, texts, told, values
from core.feeds.forms import ROW
from core.feeds.levels import text
from core.feeds.scanner import Teller, scanned, teller
from core.feeds.slips import DESK as LENT
from core.feeds.slips import FREE, NAME, owned

SEQ: Final = FREE
ID: Final = FREE + 1
LIST: Final = FREE + 2
SETTLES_NS: Final = FREE + 3
INVERSE: Final = FREE + 4
"""Figures of a slip: the numbers of the newest book message; the address of a list of what tickers
stated, 0 where they are not for the kernel; when funding is due; 1 of an inverse contract."""

_COUNT: Final = len(STATED)


@numba.njit(cache=True)
def _tell(frame: bytes, place: int, conn: int, recv: Any) -> Any:
    """Make the change of a book that goes on as it did, and trades; all else is left."""
    form = scanned(frame, place)
    if form == BOOK:
        _, _, bids, asks, end, image, ts_ns, cross_ns, number, seq, topic, _ = told(place)
        of = slip(place)
        if owned(of, conn, topic) and not image and number != 1:
            of[SEQ], of[ID] = seq, number
            levels = bare(place, bids, asks), bare(place, asks, end)
            if straight(of[LENT], taken(recv), number, number, -1, *levels):
                free(place, bids)
                return nothing()
            return one(
                delta(
                    of[NAME], cross_ns or ts_ns, taken(recv), number, number, -1,
                    rows(place, bids, asks), rows(place, asks, end),
                )
            )  # fmt: skip
    elif form == TICKER:
        return _ticker(text(frame), place, taken(recv))
    elif form == TRADES:
        found = told(place)
        return _trades(found[2], found[4], slip(place)[NAME], place, taken(recv))
    return unmade()


@numba.njit(cache=True, forceinline=True)
def _any(of: Grid, start: int, stop: int) -> int:
    """Return 1 if any figure between two places is not 0, else 0."""
    found = 0
    for index in range(start, stop):
        if of[index]:
            found = 1
    return found


@numba.njit(cache=True)
def _ticker(data: Any, place: int, recv: int) -> Any:
    """Take up what a ticker changed, and tell it with what did not change beside it."""
    _, _, _, ts_ns, settles_ns, _, _, _, _, _, _, _ = told(place)
    of, on = slip(place), texts(place, _COUNT)
    for index in range(INTEREST, _COUNT):
        if empty(on[index]):
            on[index] = 0
    day, interests = _any(on, LAST, MARK), _any(on, INTEREST, _COUNT)
    marks = 1 if settles_ns >= 0 else _any(on, MARK, INTEREST)
    if not day + marks + interests:
        # One that tells only of what other topics tell sooner is nothing new.
        return nothing()
    stated = of[LIST]
    if not stated or not looked_up(data, on, values(place)):
        return unmade()
    for index in range(_COUNT):
        if on[index]:
            set_item(stated, index, on[index])
            on[index] = 0
    if settles_ns >= 0:
        of[SETTLES_NS] = settles_ns
    return _changed(of, ts_ns, recv, day, marks, interests)


@numba.njit(cache=True, forceinline=True)
def _changed(of: Grid, ts_ns: int, recv: int, day: int, marks: int, interests: int) -> Any:
    """Make the events of what is stated, those of which something changed."""
    stated, name = of[LIST], of[NAME]
    if interests and not stands(stated, INTEREST):
        interests = 0
    events = several(day + marks + interests)
    if day:
        # Of inverse contracts the turnover is in the base.
        turnover = nil() if of[INVERSE] else item(stated, TURNOVER)
        event = ticker(
            name, ts_ns, recv, item(stated, LAST), item(stated, OPENED), item(stated, HIGH),
            item(stated, LOW), item(stated, VOLUME), turnover,
        )  # fmt: skip
        events = put(events, 0, event)
    if marks:
        event = mark(
            name, ts_ns, recv, item(stated, MARK), item(stated, INDEX), item(stated, RATE),
            of[SETTLES_NS],
        )  # fmt: skip
        events = put(events, day, event)
    if interests:
        event = interest(name, ts_ns, recv, item(stated, INTEREST), item(stated, WORTH))
        events = put(events, day + marks, event)
    return every(events)


@numba.njit(cache=True)
def _trades(start: int, end: int, name: int, place: int, recv: int) -> Any:
    """Make the trades of some rows of the room."""
    count = (end - start) * 2 // ROW
    told_of = figures(place, start, count)
    for index in range(count):
        _, price, lots, _, _, _ = told_of[index]
        if not price or not lots:
            return unmade()
    events = several(count)
    for index in range(count):
        ts_ns, price, lots, sold, number, _ = told_of[index]
        event = trade(name, ts_ns, recv, price, lots, sold, number, 0)
        events = put(events, index, event)
    return every(events)


@cache
def compiled() -> Teller:
    """Compile or load the kernel, once a process."""
    return teller(_tell)
