"""From ticks and lots to floats, for indicators, models and strategies only."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from core.engine.series import Columns
from core.model.instruments import Instrument
from core.model.market import Bar

F64: TypeAlias = npt.NDArray[np.float64]
Ohlcv: TypeAlias = tuple[float, float, float, float, float]


class Scale:
    """One instrument's steps as ratios, so that a price is rounded once, not twice.

    Scalars and columns give the same floats, bit for bit.
    """

    __slots__ = ("_lot", "_lots", "_tick", "_ticks")

    def __init__(self, instrument: Instrument) -> None:
        self._tick, self._ticks = instrument.price_tick.as_integer_ratio()
        self._lot, self._lots = instrument.size_lot.as_integer_ratio()

    def price(self, ticks: int) -> float:
        """Return a price in quote units."""
        return ticks * self._tick / self._ticks

    def size(self, lots: int) -> float:
        """Return a size in base units."""
        return lots * self._lot / self._lots

    def bar(self, bar: Bar) -> Ohlcv:
        """Return open, high, low, close and volume."""
        return (
            self.price(bar.open_ticks),
            self.price(bar.high_ticks),
            self.price(bar.low_ticks),
            self.price(bar.close_ticks),
            self.size(bar.volume_lots),
        )

    def columns(self, bars: Columns) -> tuple[F64, F64, F64, F64, F64]:
        """Return open, high, low, close and volume of many bars, each (n,) float64."""
        prices = [
            column.astype(np.float64) * self._tick / self._ticks
            for column in (bars.open, bars.high, bars.low, bars.close)
        ]
        volume = bars.volume.astype(np.float64) * self._lot / self._lots
        return prices[0], prices[1], prices[2], prices[3], volume
