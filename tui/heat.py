"""The last minutes of a book, kept for the heatmap: a moment a second, and only so many."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Sequence
from typing import Final

from msgspec import Struct, field

from core.model.ids import InstrumentId
from core.model.views import BookProfile, TapeRow

MOMENTS: Final = 900
"""Seconds kept."""
SECOND_NS: Final = 1_000_000_000
MAX_TRADES: Final = 64
"""Prices with trades kept a second; what comes after is added to the nearest one kept."""


class Moment(Struct):
    """One second: the book at its end, and what traded in it."""

    second: int
    step_ticks: int
    bid_bucket: int
    bids: array[float]
    """Lots by bucket, downwards."""
    ask_bucket: int
    asks: array[float]
    mid_ticks: float
    trades: dict[int, list[int]] = field(default_factory=dict)
    """Price ticks to lots bought and lots sold by takers."""


class HeatTape:
    """Records profiles and trades of one instrument at a time."""

    def __init__(self) -> None:
        self.instrument_id: InstrumentId | None = None
        self.moments: deque[Moment] = deque(maxlen=MOMENTS)
        self._last: TapeRow | None = None
        self._waiting: list[TapeRow] = []

    def clear(self, instrument_id: InstrumentId | None) -> None:
        """Start anew with another instrument."""
        self.instrument_id = instrument_id
        self.moments.clear()
        self._last = None
        self._waiting.clear()

    def take(self, profile: BookProfile) -> bool:
        """Record a profile; return whether a new second began."""
        if self.instrument_id is None:
            self.instrument_id = profile.instrument_id
        elif profile.instrument_id != self.instrument_id:
            self.clear(profile.instrument_id)
        second = profile.ts_ns // SECOND_NS
        fresh = not self.moments or self.moments[-1].second < second
        trades = {} if fresh else self.moments[-1].trades
        moment = Moment(
            second=second,
            step_ticks=profile.step_ticks,
            bid_bucket=profile.bid_ticks // profile.step_ticks,
            bids=array("f", profile.bids),
            ask_bucket=profile.ask_ticks // profile.step_ticks,
            asks=array("f", profile.asks),
            mid_ticks=(profile.bid_ticks + profile.ask_ticks) / 2,
            trades=trades,
        )
        if fresh:
            self.moments.append(moment)
        else:
            self.moments[-1] = moment
        for row in self._waiting:
            _note(trades, row)
        self._waiting.clear()
        return fresh

    def take_trades(self, tape: Sequence[TapeRow] | deque[TapeRow]) -> None:
        """Record the trades that came since the last call."""
        fresh: list[TapeRow] = []
        for row in reversed(tape):
            if row is self._last:
                break
            fresh.append(row)
        if not fresh:
            return
        first, self._last = self._last is None, fresh[0]
        if first:
            # What was there before the recording belongs to no moment of it.
            return
        if not self.moments:
            self._waiting = fresh[::-1][-MAX_TRADES:]
            return
        trades = self.moments[-1].trades
        for row in reversed(fresh):
            _note(trades, row)


def _note(trades: dict[int, list[int]], row: TapeRow) -> None:
    ticks = row.price_ticks
    if ticks not in trades and len(trades) >= MAX_TRADES:
        ticks = min(trades, key=lambda known: abs(known - row.price_ticks))
    both = trades.setdefault(ticks, [0, 0])
    both[row.buyer_is_maker] += row.size_lots
