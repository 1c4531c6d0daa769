"""Trade ids that were left out: which of them may still come, each once, and are asked for."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Sequence
from typing import Final

from core.model.market import Trade
from core.model.stores import TradeHole

MOST: Final = 256
"""Ranges remembered; the oldest give way."""

LATE_NS: Final = 1_000_000_000
"""Time for joined trades to come late by themselves, before the venue is asked for their parts."""

_BURST: Final = 20_000
_TIMES: Final = 100
_USUAL_PER_S: Final = 100.0
"""No hole is of more ids than a burst of so many and so many times the usual pace since the trade
before; the pace where too few trades tell one."""
_ENOUGH: Final = 20

_LEAST: Final = 16
_MOST_TRADES: Final = 4096


def numbered_anew(trades: Sequence[Trade], trade: Trade, last_id: int) -> bool:
    """Return whether a venue gives its ids anew, as after it was built up again: no trades lack.

    `trades` are the newest, oldest first, and `last_id` is the last id in order. Ids fall back
    behind all that is known at a later time, or leap by more than can have been traded since.
    """
    if not trades:
        return False
    oldest, newest = trades[0], trades[-1]
    passed_s = (trade.ts_event_ns - newest.ts_event_ns) / 1e9
    if trade.trade_id <= last_id:
        return trade.trade_id < oldest.trade_id and passed_s > 0
    span_s = (newest.ts_event_ns - oldest.ts_event_ns) / 1e9
    told = len(trades) >= _ENOUGH and span_s > 0
    # Not by the ids themselves, which may have leapt before.
    ids = sum(one.trade_id - one.first_trade_id + 1 if one.first_trade_id else 1 for one in trades)
    per_s = ids / span_s if told else _USUAL_PER_S
    return trade.trade_id - last_id > _BURST + _TIMES * per_s * max(passed_s, 0.0)


def is_known(trades: Sequence[Trade], trade: Trade, *, chained: bool) -> bool:
    """Return whether a trade is among the newest ones; `chained`: or was joined to one of them."""
    number = trade.trade_id
    if chained:
        return any(
            (item.first_trade_id or item.trade_id) <= number <= item.trade_id for item in trades
        )
    return bool(number) and any(item.trade_id == number for item in reversed(trades))


def is_aged(trades: deque[Trade], trade: Trade) -> bool:
    """Return whether a trade is older than all we hold of ids that leave none out: known."""
    if len(trades) != trades.maxlen:
        return False
    oldest = trades[0]
    # A venue that numbers anew tells lower ids of later times.
    return trade.trade_id < oldest.trade_id and trade.ts_event_ns <= oldest.ts_event_ns


class MissingIds:
    """The ids one instrument's stream left out, as ranges in order.

    A venue that has no trades of such ids numbers otherwise than was thought: after each such
    answer more trades must follow one another before a hole is believed again, until one proves
    true.
    """

    __slots__ = ("_broken_at", "_doubt", "_owed", "_ranges")

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []
        self._owed: deque[tuple[int, TradeHole]] = deque(maxlen=MOST)
        self._doubt = 0
        """Trades that must have followed one another for a hole to be believed."""
        self._broken_at = 0

    def __bool__(self) -> bool:
        return bool(self._ranges)

    def believe(self, taken: int) -> bool:
        """Return whether a hole after `taken` trades in all is believed."""
        ran, self._broken_at = taken - self._broken_at, taken
        return ran >= self._doubt

    def add(self, first: int, last: int) -> None:
        """Note that ids from `first` to `last` were left out."""
        insort(self._ranges, (first, last))
        if len(self._ranges) > MOST:
            del self._ranges[0]

    def take(self, number: int, first: int = 0) -> int:
        """Wait no longer for an id, nor for those it joins; return how many were left out.

        `first` is the first of them, 0: it joins none. An id that was not left out gives 0.
        """
        at = bisect_right(self._ranges, number, key=lambda span: span[0]) - 1
        if at < 0 or self._ranges[at][1] < number:
            return 0
        self._doubt = 0
        return self._forget(first or number, number)

    def absent(self, first: int, last: int) -> int:
        """Wait no longer for ids the venue itself has not; return how many were waited for."""
        count = self._forget(first, last)
        if count:
            self._doubt = min(max(_LEAST, 2 * self._doubt), _MOST_TRADES)
        return count

    def owe(self, hole: TradeHole, now_ns: int) -> None:
        """Have `due` return what is left of a hole once late trades had their time."""
        self._owed.append((now_ns + LATE_NS, hole))

    def due(self, now_ns: int) -> list[TradeHole]:
        """Return what the venue should be asked for by now, each hole once."""
        out: list[TradeHole] = []
        while self._owed and self._owed[0][0] <= now_ns:
            hole = self._owed.popleft()[1]
            left = self._within(hole.first_id, hole.last_id)
            if left:
                out.append(TradeHole(left[0][0], left[-1][1], hole.start_ns, hole.end_ns))
        return out

    def clear(self) -> None:
        """Wait for none."""
        self._ranges.clear()
        self._owed.clear()

    def _within(self, first: int, last: int) -> list[tuple[int, int]]:
        """Return the parts of the ranges from `first` to `last`."""
        return [
            (max(low, first), min(high, last))
            for low, high in self._ranges
            if low <= last and high >= first
        ]

    def _forget(self, first: int, last: int) -> int:
        """Cut ids out of the ranges and return how many there were."""
        gone = self._within(first, last)
        if not gone:
            return 0
        left: list[tuple[int, int]] = []
        for low, high in self._ranges:
            if low > last or high < first:
                left.append((low, high))
                continue
            left += [(a, b) for a, b in ((low, first - 1), (last + 1, high)) if a <= b]
        self._ranges = left
        return sum(high - low + 1 for low, high in gone)
