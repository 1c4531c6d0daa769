"""Bars from what a provider's REST history states."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeVar

import msgspec

from core.feeds.decimals import Decimals
from core.model.errors import ConfigError, DataError
from core.model.instruments import Instrument
from core.model.market import Bar, Timeframe

_LARGEST: Final = (1 << 63) - 1
_AGES_S: Final = 11
"""Digits of which a count of seconds has fewer."""
_T = TypeVar("_T")


def offered(table: Mapping[Timeframe, _T], timeframe: Timeframe, instrument: Instrument) -> _T:
    """Return what a venue's table of bars says of a length.

    Raises:
        ConfigError: It does not have that length.
    """
    if timeframe not in table:
        raise ConfigError(
            f"{instrument.venue} has no {timeframe} bars of {instrument.id}; take "
            f"{', '.join(table)}"
        )
    return table[timeframe]


def text_bar(
    instrument: Instrument,
    timeframe: Timeframe,
    row: Sequence[str],
    unit_ns: int,
    order: tuple[int, int, int, int] = (1, 2, 3, 4),
) -> Bar:
    """Return the bar of a row of texts: its open time first, its volume behind the four prices.

    ::

        ["1709891679000","27450","27460","27440","27455","123.45","3390000"]

    Args:
        instrument: Whose bar it is.
        timeframe: Its length.
        row: The venue's row.
        unit_ns: What the open time counts.
        order: Where open, high, low and close stand.

    Raises:
        DataError: A value is missing or no honest number.
    """
    what = f"bar of {instrument.id} {timeframe}"
    opened = row[0] if row else ""
    longest = _AGES_S + len(str(1_000_000_000 // unit_ns)) - 1
    if len(row) < 6 or not (opened.isdigit() and opened.isascii() and len(opened) < longest):
        raise DataError(f"{what} must be [time, 4 prices, volume, ...], was {str(row)[:80]}")
    values = Decimals(what)
    first, high, low, last = (values.stated(row[at], "price") for at in order)
    volume = values.stated(row[5], "volume")
    return make_bar(
        instrument, timeframe, int(opened) * unit_ns, (first, high, low, last), volume, 0
    )  # fmt: skip


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
