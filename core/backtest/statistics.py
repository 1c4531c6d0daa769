"""Figures of an equity curve and its round trips."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from core.model.market import Side
from core.model.orders import OrderFilled

YEAR_NS: Final = 365 * 86_400 * 1_000_000_000


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to; fractions unless named otherwise."""

    total_return: float
    annual_return: float
    """Compounded to a year of 365 days; NaN for runs under a day."""
    max_drawdown: float
    """Largest fall from a peak, as a positive fraction of the peak."""
    sharpe: float
    """Mean over standard deviation of bar returns, annualised, risk-free rate 0; NaN if flat."""
    round_trips: int
    win_rate: float
    """Share of round trips with a profit after fees; NaN without any."""
    profit_factor: float
    """Gross profit over gross loss, after fees; infinite without a loss, NaN without trips."""
    fees: float
    turnover: float
    """Traded value over starting equity."""
    exposure: float
    """Share of bars with an open position."""
    hold_return: float
    """Buying at the first close and holding to the last."""


class RoundTrip(msgspec.Struct, frozen=True, kw_only=True):
    """From flat to flat (or to the opposite side)."""

    ts_open_ns: int
    ts_close_ns: int
    side: Side
    size: Decimal
    """Largest size held."""
    pnl: Decimal
    """In the quote asset, after fees."""


def round_trips(fills: Sequence[OrderFilled]) -> list[RoundTrip]:
    """Pair fills of one instrument into round trips, fees of the quote or base asset included."""
    trips: list[RoundTrip] = []
    held = peak = cash = Decimal(0)
    opened = 0
    for fill in fills:
        left = fill.size
        while left > 0:
            sign = fill.side.sign
            if held == 0:
                opened, peak, cash = fill.ts_event_ns, Decimal(0), Decimal(0)
            closing = held * sign < 0
            part = min(left, abs(held)) if closing else left
            fee = fill.fee * part / fill.size
            if not fill.fee_asset or fill.instrument_id.startswith(f"{fill.fee_asset}-"):
                fee *= fill.price
            cash -= sign * part * fill.price + fee
            held += sign * part
            peak = max(peak, abs(held))
            left -= part
            if held == 0:
                side = fill.side.opposite
                trips.append(
                    RoundTrip(
                        ts_open_ns=opened,
                        ts_close_ns=fill.ts_event_ns,
                        side=side,
                        size=peak,
                        pnl=cash,
                    )
                )
    return trips


def measure(
    ts_ns: Sequence[int],
    equity: Sequence[float],
    closes: Sequence[float],
    fills: Sequence[OrderFilled],
    held_bars: int,
    fees: float,
) -> Statistics:
    """Measure a run; `ts_ns`, `equity` and `closes` are aligned, one entry a bar, at least one."""
    start, end = equity[0], equity[-1]
    trips = round_trips(fills)
    wins = sum(float(trip.pnl) for trip in trips if trip.pnl > 0)
    losses = -sum(float(trip.pnl) for trip in trips if trip.pnl < 0)
    total = end / start - 1 if start else math.nan
    years = (ts_ns[-1] - ts_ns[0]) / YEAR_NS
    traded = sum(float(fill.price * fill.size) for fill in fills)
    return Statistics(
        total_return=total,
        annual_return=(1 + total) ** (1 / years) - 1
        if years > 1 / 365 and total > -1
        else math.nan,
        max_drawdown=max_drawdown(equity),
        sharpe=sharpe(ts_ns, equity),
        round_trips=len(trips),
        win_rate=sum(trip.pnl > 0 for trip in trips) / len(trips) if trips else math.nan,
        profit_factor=_ratio(wins, losses) if trips else math.nan,
        fees=fees,
        turnover=traded / start if start else math.nan,
        exposure=held_bars / len(equity),
        hold_return=closes[-1] / closes[0] - 1,
    )


def max_drawdown(equity: Sequence[float]) -> float:
    """Return the largest fall from a peak as a positive fraction of that peak."""
    peak, worst = equity[0], 0.0
    for value in equity:
        peak = max(peak, value)
        if peak > 0:
            worst = max(worst, 1 - value / peak)
    return worst


def sharpe(ts_ns: Sequence[int], equity: Sequence[float]) -> float:
    """Return the annualised Sharpe ratio of bar returns (Sharpe 1994, risk-free rate 0)."""
    returns = [b / a - 1 for a, b in itertools.pairwise(equity) if a > 0]
    if len(returns) < 2 or ts_ns[-1] == ts_ns[0]:
        return math.nan
    mean = math.fsum(returns) / len(returns)
    variance = math.fsum((value - mean) ** 2 for value in returns) / (len(returns) - 1)
    if variance == 0:
        return math.nan
    per_year = YEAR_NS / ((ts_ns[-1] - ts_ns[0]) / len(returns))
    return mean / math.sqrt(variance) * math.sqrt(per_year)


def _ratio(gain: float, loss: float) -> float:
    return gain / loss if loss else math.inf
