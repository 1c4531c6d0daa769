"""The whole book in buckets of equal width, for depth charts and heatmaps."""

from __future__ import annotations

from typing import Final

import numpy as np

from core.engine.market import MarketState
from core.model.ids import InstrumentId
from core.model.market import Levels
from core.model.views import BookProfile

MAX_ROWS: Final = 500
EVERY_NS: Final = 480_000_000
"""A client gets profiles no more often: nobody reads them faster, and they are wide."""
_DEEP: Final = 10_000


def book_profile(
    market: MarketState, instrument_id: InstrumentId, step_ticks: int, rows: int, now_ns: int
) -> BookProfile | None:
    """Return at most `rows` buckets a side of `step_ticks` each, None while a side is empty."""
    bids, asks = market.book(instrument_id).top(_DEEP)
    if not len(bids) or not len(asks):
        return None
    return BookProfile(
        instrument_id=instrument_id,
        ts_ns=now_ns,
        step_ticks=step_ticks,
        bid_ticks=int(bids[0, 0]),
        ask_ticks=int(asks[0, 0]),
        bids=_buckets(bids, step_ticks, rows, -1),
        asks=_buckets(asks, step_ticks, rows, 1),
    )


def _buckets(levels: Levels, step_ticks: int, rows: int, sign: int) -> list[int]:
    """Add up levels, best first, by their distance in buckets from the best one's."""
    buckets = levels[:, 0] // step_ticks
    away = (buckets - buckets[0]) * sign
    inside = away < rows
    away = away[inside]
    sums = np.zeros(int(away[-1]) + 1, np.int64)
    np.add.at(sums, away, levels[inside, 1])
    out: list[int] = sums.tolist()
    return out
