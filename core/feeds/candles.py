"""Bars from what a provider's REST history states."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

import msgspec

from core.model.errors import DataError
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe

_LARGEST: Final = (1 << 63) - 1


def make_bar(
    instrument: Instrument,
    timeframe: Timeframe,
    ts_open_ns: int,
    prices: tuple[Decimal, Decimal, Decimal, Decimal],
    volume: Decimal,
    trades: int,
) -> Bar:
    """Return a bar of open, high, low, close and volume as stated; `trades` is 0 where unsaid.

    A price between two ticks goes to the nearer one: a bar is drawn and computed with, not traded.

    Raises:
        DataError: Low and high do not enclose open and close, or a value is no honest number.
    """
    what = f"bar of {instrument.id} {timeframe} at {ts_open_ns}"
    if not all(price.is_finite() and price > 0 for price in prices):
        raise DataError(f"{what}: prices must be above 0, were {_listed(prices)}")
    if not volume.is_finite() or volume < 0 or trades < 0:
        raise DataError(f"{what}: volume and trades must be 0 or more, were {volume} and {trades}")
    first, high, low, last = prices
    if not low <= min(first, last) <= max(first, last) <= high:
        raise DataError(
            f"{what}: low and high must enclose open and close, were {_listed(prices)} (o h l c)"
        )
    opened, highest, lowest, closed = ticks = [instrument.nearest_ticks(p) for p in prices]
    lots = int((volume / instrument.size_lot).to_integral_value())
    if max(lots, *ticks) > _LARGEST:
        raise DataError(f"{what}: {_listed(prices)} and volume {volume} do not fit 64 bits")
    return Bar(instrument.id, timeframe, ts_open_ns, opened, highest, lowest, closed, lots, trades)


def join_bars(bars: Iterable[Bar], timeframe: Timeframe) -> Iterator[Bar]:
    """Yield longer bars, aligned to the UTC epoch, joined from shorter ones in order."""
    joined: Bar | None = None
    for bar in bars:
        opened = bar.ts_open_ns - bar.ts_open_ns % timeframe.ns
        if joined is not None and joined.ts_open_ns == opened:
            joined = msgspec.structs.replace(
                joined,
                high_ticks=max(joined.high_ticks, bar.high_ticks),
                low_ticks=min(joined.low_ticks, bar.low_ticks),
                close_ticks=bar.close_ticks,
                volume_lots=joined.volume_lots + bar.volume_lots,
                trades=joined.trades + bar.trades,
            )
            continue
        if joined is not None:
            yield joined
        joined = msgspec.structs.replace(bar, timeframe=timeframe, ts_open_ns=opened)
    if joined is not None:
        yield joined


def aligned(timeframe: Timeframe, start_ns: int, end_ns: int, now_ns: int) -> tuple[int, int]:
    """Return the part of [start, end) that holds open times of bars already closed."""
    length = timeframe.ns
    return -(-start_ns // length) * length, min(end_ns, now_ns // length * length)


def _listed(prices: tuple[Decimal, ...]) -> str:
    return " ".join(str(price)[:24] for price in prices)
