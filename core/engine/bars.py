"""Bars of every timeframe from trades: one kernel call a trade, forming and closed kept apart.

State of one instrument, an int64 array of shape (9, 9)::

    row 0..7  the forming bar of each timeframe, shortest first:
              open time (-1: none), open, high, low, close, volume, trades, first ts, last ts
    row 8     trusted from, skew now, skew before, newest event time, minute of the skew window

Behind it lie the bars that ended last, one a timeframe, and of each timeframe the figures of the
closed bars kept: the kernel puts a whole bar right there while there is room, see `series`.

A bar is *partial* when it began before `trusted from`: trades before the subscription, or during
an outage, are missing from it. A partial bar is never given out as closed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from struct import Struct
from typing import Final, TypeAlias

import numba
import numpy as np
import numpy.typing as npt

from core.engine.compiled import address, entry, view
from core.model.ids import InstrumentId
from core.model.market import Bar, FormingBar, Timeframe, Trade

Rows: TypeAlias = npt.NDArray[np.int64]

TIMEFRAMES: Final = tuple(Timeframe)
"""Shortest first; the index of one is its row in the state."""

INDEX: Final = {timeframe: index for index, timeframe in enumerate(TIMEFRAMES)}

OPEN_TS, OPEN, HIGH, LOW, CLOSE, VOLUME, TRADES, FIRST_TS, LAST_TS = range(9)
"""Columns of a bar row."""

REVISION, OWN = 9, 10
"""Further columns of a closed bar: its revision, and 1 where it was built here from trades."""

CLOSED_WIDTH: Final = 11

RING, ROOM, STOP, NEWEST, VERSION, KEPT_WIDTH = range(6)
"""Figures of the closed bars kept of a timeframe: where they lie, the columns there are room for
and those taken, the open time of the newest (-1: none), and a count of changes."""

BAR: Final = Struct("=7q").unpack_from
"""Reads a bar that ended off a builder's `block`, at its place in `CLOSED_AT`."""

_COUNT: Final = len(TIMEFRAMES)
_STATE: Final = 81
_KEPT: Final = _STATE + _COUNT * CLOSED_WIDTH
_CLOSED_BYTES: Final = 8 * CLOSED_WIDTH

CLOSED_AT: Final = tuple(8 * _STATE + index * _CLOSED_BYTES for index in range(_COUNT))
"""Bytes from the start of a block to the bar of each timeframe that ended last."""

WAITS: Final = 1 << 24
"""Flag of a whole bar that closed and found no room, eight bits per timeframe as the others."""

_LATE: Final = 1 << 8
_PARTIAL: Final = 1 << 16
PERIODS: Final = tuple(timeframe.ns for timeframe in TIMEFRAMES)  # a constant to numba
"""Nanoseconds of each timeframe."""
_MAX: Final = (1 << 63) - 1
_TRUST, _SKEW, _SKEW_BEFORE, _NEWEST, _SKEW_MINUTE = range(5)


@numba.njit(cache=True)
def _start(row: Rows, opened: int, ts: int, price: int, lots: int) -> None:
    row[0] = opened
    row[1] = price
    row[2] = price
    row[3] = price
    row[4] = price
    row[5] = lots
    row[6] = 1
    row[7] = ts
    row[8] = ts


@numba.njit(cache=True)
def _merge(row: Rows, ts: int, price: int, lots: int) -> None:
    """Add a trade to a bar; first and last are by event time, so a late one lands right."""
    row[2] = max(row[2], price)
    row[3] = min(row[3], price)
    if ts >= row[8]:
        row[4] = price
        row[8] = ts
    elif ts < row[7]:
        row[1] = price
        row[7] = ts
    # Only tapes without the venue's lot size can come near; a sum must not wrap to negative.
    row[5] = row[5] + lots if row[5] <= _MAX - lots else _MAX
    row[6] += 1


@numba.njit(cache=True)
def _close(row: Rows, closed: Rows, kept: Rows, trusted: int) -> int:
    """Copy an ended bar, keep it where it is whole and the newest, and return its flags."""
    for column in range(9):
        closed[column] = row[column]
    if not 0 <= trusted <= row[0]:
        return _PARTIAL
    if row[0] <= kept[3]:
        return 0
    at, room = kept[2], kept[1]
    if at >= room:
        return 1 | WAITS
    ring = view(kept[0], CLOSED_WIDTH, room)
    for column in range(CLOSED_WIDTH):
        ring[column, at] = closed[column]
    kept[2] = at + 1
    kept[3] = row[0]
    kept[4] += 1
    return 1


@numba.njit(cache=True, forceinline=True)
def _on_trade(
    state: Rows, closed: Rows, kept: Rows, ts: int, recv: int, price: int, lots: int
) -> int:
    """Add one trade; returns flags, and puts the bars it closed in `closed`."""
    flags = 0
    control = state[8]
    trusted = control[0]
    if trusted < 0:
        control[0] = ts + 1
    control[3] = max(control[3], ts)
    minute = ts // 60_000_000_000
    if minute > control[4]:
        control[4] = minute
        control[2] = control[1]
        control[1] = _MAX
    control[1] = min(control[1], recv - ts)
    for index in range(8):
        period = PERIODS[index]
        row = state[index]
        if row[0] < 0:
            if ts < row[1]:  # row[1] holds the end of the newest bar closed by the timer
                flags |= _LATE << index
            else:
                _start(row, ts - ts % period, ts, price, lots)
        elif ts < row[0]:
            flags |= _LATE << index
        elif ts < row[0] + period:
            _merge(row, ts, price, lots)
        else:
            flags |= _close(row, closed[index], kept[index], trusted) << index
            _start(row, ts - ts % period, ts, price, lots)
    return flags


@numba.njit(cache=True)
def _on_timer(state: Rows, closed: Rows, kept: Rows, now: int, grace: int) -> int:
    """Close what ended `grace` ago by the venue's clock; same flags as `_on_trade`."""
    flags = 0
    skew = min(state[8, 1], state[8, 2])
    if skew == _MAX:
        skew = 0
    venue_now = now - skew - grace
    for index in range(8):
        row = state[index]
        if row[0] >= 0 and venue_now >= row[0] + PERIODS[index]:
            flags |= _close(row, closed[index], kept[index], state[8, 0]) << index
            row[1] = row[0] + PERIODS[index]
            row[0] = -1
    return flags


@numba.njit(cache=True)
def _on_trade_at(place: int, ts: int, recv: int, price: int, lots: int) -> int:
    """Do `_on_trade` with the address of the block that holds everything."""
    state, closed = view(place, 9, 9), view(place + 8 * _STATE, _COUNT, CLOSED_WIDTH)
    kept = view(place + 8 * _KEPT, _COUNT, KEPT_WIDTH)
    flags: int = _on_trade(state, closed, kept, ts, recv, price, lots)
    return flags


@numba.njit(cache=True)
def _on_timer_at(place: int, now: int, grace: int) -> int:
    """Do `_on_timer` with the address of the block that holds everything."""
    state, closed = view(place, 9, 9), view(place + 8 * _STATE, _COUNT, CLOSED_WIDTH)
    kept = view(place + 8 * _KEPT, _COUNT, KEPT_WIDTH)
    flags: int = _on_timer(state, closed, kept, now, grace)
    return flags


@cache
def _kernels() -> tuple[Callable[..., int], Callable[..., int]]:
    """Compile or load the kernels, once a process."""
    place = address(_block())
    return entry(_on_trade_at, place, 1, 1, 1, 1), entry(_on_timer_at, place, 1, 1)


def _block() -> Rows:
    """Return a block of memory: state, bars that ended last, and figures of the bars kept."""
    block = np.zeros(_KEPT + _COUNT * KEPT_WIDTH, np.int64)
    block[_STATE:_KEPT].reshape(_COUNT, CLOSED_WIDTH)[:, OWN] = 1
    block[_KEPT:].reshape(_COUNT, KEPT_WIDTH)[:, NEWEST] = -1
    return block


class BarBuilder:
    """The forming bars of one instrument."""

    __slots__ = ("_figures", "_instrument_id", "_state", "_tick", "_whole", "add", "block", "place")

    def __init__(self, instrument_id: InstrumentId) -> None:
        self._instrument_id = instrument_id
        self._whole = _block()
        self.block = self._whole.data.cast("B")
        """The memory behind it, for `BAR`."""
        self._figures = self.block.cast("q")
        self.place = address(self._whole)
        """Where that lies."""
        self._state = self._whole[:_STATE].reshape(9, 9)
        self._state[:_COUNT, OPEN_TS] = -1
        self._state[8, _TRUST] = -1
        self._state[8, _SKEW] = self._state[8, _SKEW_BEFORE] = _MAX
        self._state[8, _SKEW_MINUTE] = -1
        self.add: Callable[[int, int, int, int, int], int]
        """The quick form of `on_trade`: place, event and receive time, price ticks, size lots."""
        self.add, self._tick = _kernels()

    def on_trade(self, trade: Trade) -> int:
        """Add a trade and return flags of timeframe i.

        Bit i: a whole bar closed; bit 8 + i: the trade is too late for its bar; bit 16 + i: a
        partial bar ended; bit 24 + i: the closed bar is yet to be kept. A bar that is not newer
        than the newest kept does not count.
        """
        return self.add(
            self.place, trade.ts_event_ns, trade.ts_recv_ns, trade.price_ticks, trade.size_lots
        )

    def on_timer(self, now_ns: int, grace_ns: int) -> int:
        """Close bars whose end is `grace_ns` past; the venue's clock skew is allowed for."""
        return self._tick(self.place, now_ns, grace_ns)

    def interrupt(self) -> None:
        """Note that trades may be missing from here to the next one seen."""
        self._state[8, _TRUST] = -1

    def closed(self, index: int) -> tuple[int, ...]:
        """Return open time, open, high, low, close, volume and trades of the bar that ended."""
        return BAR(self.block, CLOSED_AT[index])

    def closed_row(self, index: int) -> Rows:
        """Return all `CLOSED_WIDTH` columns of it, until the next bar ends."""
        start = _STATE + index * CLOSED_WIDTH
        return self._whole[start : start + CLOSED_WIDTH]

    def kept(self, index: int) -> memoryview:
        """Return the figures of the closed bars kept of a timeframe."""
        start = _KEPT + index * KEPT_WIDTH
        return self._figures[start : start + KEPT_WIDTH]

    def whole(self, open_ns: int) -> bool:
        """Return whether a bar with this open time has seen all its trades."""
        trusted = int(self._state[8, _TRUST])
        return 0 <= trusted <= open_ns

    @property
    def trusted_from_ns(self) -> int:
        """Event time from which no trade is missing, -1 during an outage."""
        return int(self._state[8, _TRUST])

    def forming(self, index: int) -> Rows | None:
        """Return the row of the forming bar, None when there is none."""
        row = self._state[index]
        return row if row[OPEN_TS] >= 0 else None

    def image(self) -> bytes:
        """Return the forming bars as bytes, the same on any machine."""
        return self._state[:_COUNT].astype("<i8").tobytes()


def make_bar(
    instrument_id: InstrumentId,
    timeframe: Timeframe,
    row: Sequence[int],
    ts_recv_ns: int = 0,
    revision: int = 0,
) -> Bar:
    """Return a row of this module as a closed bar."""
    opened, first, high, low, last, volume, trades = row[:7]
    return Bar(
        instrument_id, timeframe, opened, first, high, low, last, volume, trades,
        ts_recv_ns, revision,
    )  # fmt: skip


def make_forming(instrument_id: InstrumentId, timeframe: Timeframe, row: Rows) -> FormingBar:
    """Return a row of this module as a forming bar."""
    opened, first, high, low, last, volume, trades = row[:7].tolist()
    return FormingBar(
        instrument_id, timeframe, opened, first, high, low, last, volume, trades
    )  # fmt: skip


def warm() -> None:
    """Compile or load the kernels with the types used."""
    _kernels()
