"""What the last 24 hours were, from bars where they reach back that far, else from the venue."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec
import numpy as np

from core.engine import bars as _bars
from core.engine.bars import Rows
from core.model.instruments import Instrument
from core.model.market import DayTicker, FormingBar


class DayStats(msgspec.Struct, frozen=True):
    """The last 24 hours in ticks and lots; zeros while nothing is known of all of them."""

    open_ticks: int = 0
    high_ticks: int = 0
    low_ticks: int = 0
    volume_lots: int = 0
    worth: float = 0.0
    """Ticks times lots that were traded, each bar's at the middle of its prices."""


UNKNOWN: Final = DayStats()


def of_bars(rows: Rows, forming: FormingBar | None) -> DayStats:
    """Return the statistics of closed bars and the one in the making; there is at least one."""
    high, low, close = rows[_bars.HIGH], rows[_bars.LOW], rows[_bars.CLOSE]
    opens, highs, lows = rows[_bars.OPEN, :1].tolist(), high.tolist(), low.tolist()
    lots = rows[_bars.VOLUME]
    volume = int(lots.sum())
    worth = float(np.dot((high.astype(np.float64) + low + close) / 3.0, lots.astype(np.float64)))
    if forming is not None:
        opens.append(forming.open_ticks)
        highs.append(forming.high_ticks)
        lows.append(forming.low_ticks)
        volume += forming.volume_lots
        middle = (forming.high_ticks + forming.low_ticks + forming.close_ticks) / 3.0
        worth += middle * forming.volume_lots
    return DayStats(opens[0], max(highs), min(lows), volume, worth)


def of_ticker(ticker: DayTicker, instrument: Instrument) -> DayStats:
    """Return the venue's own statistics in an instrument's steps, 0 for what it does not state."""
    tick, lot = instrument.price_tick, instrument.size_lot
    lots = _steps(ticker.volume, lot)
    last = ticker.last or ticker.open or Decimal(0)
    worth = float(last / tick) * lots
    return DayStats(
        _steps(ticker.open, tick), _steps(ticker.high, tick), _steps(ticker.low, tick), lots, worth
    )


def last_ticks(ticker: DayTicker | None, instrument: Instrument) -> int:
    """Return the last price a venue states, in ticks, 0 where it states none."""
    return _steps(ticker.last, instrument.price_tick) if ticker is not None else 0


def turnover(day: DayStats, instrument: Instrument) -> float:
    """Return what was traded in the quote currency."""
    one = instrument.size_lot * instrument.contract_size
    if instrument.inverse:
        return float(day.volume_lots * one)
    return day.worth * float(one * instrument.price_tick)


def _steps(value: Decimal | None, step: Decimal) -> int:
    """Return the nearest whole step of a figure that is shown, never traded on."""
    if value is None or not value.is_finite() or value <= 0:
        return 0
    return int((value / step).to_integral_value())
