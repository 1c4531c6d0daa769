"""Years of 1m bars, made when asked for: any day from the seed, the instrument and the day alone.

A day is a bridge between the daily path's levels, in its own volatility time: multi-scale log
volatility (so that calm and wild stretches cluster), fat-tailed noise and rare jumps. High and low
are drawn from the exact law of a Brownian bridge's extremes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import numpy as np
import numpy.typing as npt

from emulator.market.latent import DailyPath, Floats, season, stream
from emulator.market.listings import ASSETS, Listing

Rows = npt.NDArray[np.int64]
"""Bars, shape (n, 10) int64, oldest first; see the column constants."""

OPEN_MS: Final = 0
OPEN: Final = 1
HIGH: Final = 2
LOW: Final = 3
CLOSE: Final = 4
LOTS: Final = 5
NOTIONAL: Final = 6
"""Sum of ticks times lots, in `Listing.worth_unit`."""
TRADES: Final = 7
BUY_LOTS: Final = 8
"""Lots whose taker bought."""
BUY_NOTIONAL: Final = 9
COLUMNS: Final = 10

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
_MINUTES: Final = 1440
CARRY_PER_YEAR: Final = 0.06
"""What a dated future costs above its asset, for each year until it settles."""
_SCALES: Final = ((360, 0.08), (60, 0.34), (10, 0.50))
"""Minutes between knots of log volatility, and their standard deviation."""
_LEVERAGE: Final = 0.05
"""How much a minute's fall, in its own standard deviations, raises the log volatility after it."""
_LEVERAGE_MINUTES: Final = 60
_CACHED_DAYS: Final = 12
_RECENT_MINUTES: Final = 120


class History:
    """One instrument's bars before the moment the emulator started."""

    def __init__(
        self,
        seed: int,
        listing: Listing,
        start_ms: int,
        days: int,
        *,
        value_per_minute: float,
        trades_per_minute: float,
        path: DailyPath | None = None,
    ) -> None:
        self.end_ms = start_ms // MINUTE_MS * MINUTE_MS
        """Open time of the first minute that is lived, not generated."""
        self.first_ms = (start_ms // DAY_MS - days) * DAY_MS
        self._seed = seed
        self._listing = listing
        self.tick = listing.tick
        today = start_ms // DAY_MS
        self._path = path or DailyPath(seed, listing, today)
        self._value = value_per_minute
        self._trades = trades_per_minute
        self._season = season()
        self._days: OrderedDict[int, Rows] = OrderedDict()
        self._hours: dict[int, Rows] = {}
        self.day_vol = self._path.vol_of(today)
        last = self.minutes(self.end_ms - _RECENT_MINUTES * MINUTE_MS, self.end_ms)
        moves = np.diff(np.log(last[:, CLOSE].astype(np.float64)))
        self.recent_vol = float(np.std(moves)) * _MINUTES**0.5
        """Volatility of the last two hours, as that of a day; live trading goes on from it."""
        self.last_close = int(last[-1, CLOSE])
        self.log_price_now = float(np.log(self.last_close * listing.tick))
        """Where the live price starts: the last close of history."""

    def minutes(self, start_ms: int, end_ms: int) -> Rows:
        """Return the 1m bars with start_ms <= open time < end_ms, as far as history goes."""
        start = max(start_ms, self.first_ms)
        end = min(end_ms, self.end_ms)
        if end <= start:
            return np.empty((0, COLUMNS), dtype=np.int64)
        parts = [self._day(day) for day in range(start // DAY_MS, (end - 1) // DAY_MS + 1)]
        rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
        times = rows[:, OPEN_MS]
        return rows[np.searchsorted(times, start) : np.searchsorted(times, end)]

    def hours(self, start_ms: int, end_ms: int) -> Rows:
        """Return the 1h bars of whole hours with start_ms <= open time < end_ms."""
        start = max(start_ms, self.first_ms)
        end = min(end_ms, self.end_ms // HOUR_MS * HOUR_MS)
        if end <= start:
            return np.empty((0, COLUMNS), dtype=np.int64)
        parts = []
        for day in range(start // DAY_MS, (end - 1) // DAY_MS + 1):
            rows = self._hours.get(day)
            if rows is None:
                minutes = self._make_day(day) if day not in self._days else self._days[day]
                rows = self._hours[day] = aggregate(minutes, minutes[:, OPEN_MS] // HOUR_MS)
                rows[:, OPEN_MS] = rows[:, OPEN_MS] // HOUR_MS * HOUR_MS
            parts.append(rows)
        rows = np.concatenate(parts)
        times = rows[:, OPEN_MS]
        return rows[np.searchsorted(times, start) : np.searchsorted(times, end)]

    def _day(self, day: int) -> Rows:
        rows = self._days.get(day)
        if rows is None:
            rows = self._days[day] = self._make_day(day)
            while len(self._days) > _CACHED_DAYS:
                self._days.popitem(last=False)
        else:
            self._days.move_to_end(day)
        return rows

    def _make_day(self, day: int) -> Rows:
        listing = self._listing
        own = stream(self._seed, listing.follows, day)
        common = stream(self._seed, "minutes", day)
        share = ASSETS.get(listing.follows, listing).common_share
        asset = listing.follows
        mood = 0.7 * self._mood("minutes", day, common) + 0.7 * self._mood(asset, day, own)
        mood += 0.22 * own.standard_normal(_MINUTES)
        noise = share * _fat(common) + np.sqrt(1 - share * share) * _fat(own)
        jumps = own.random(_MINUTES) < 4.0 / _MINUTES
        noise += jumps * own.standard_normal(_MINUTES) * 2.8
        shape = self._season * np.exp(mood - _LEVERAGE * _remembered(noise))
        variance = shape**2
        variance *= self._path.vol_of(day) ** 2 / variance.sum()
        vol = np.sqrt(variance)
        walk = np.cumsum(vol * noise)
        opened, closed = self._path.open_of(day), self._path.close_of(day)
        walk += (closed - opened - walk[-1]) * np.cumsum(variance) / variance.sum()
        levels = np.concatenate(([opened], opened + walk))
        if listing.venue:
            own = stream(self._seed, "venue", listing.flow_name, day)
            levels += self._basis(day, own)
        return self._bars(day, levels[:-1], levels[1:], vol, shape, own)

    def _basis(self, day: int, rng: np.random.Generator) -> Floats:
        """Return how far the log price is from the asset's at each minute's edge, shape (1441,)."""
        listing = self._listing
        name = listing.flow_name
        minute = np.arange(_MINUTES + 1, dtype=np.float64)
        knots = rng.standard_normal(25)
        for index, at in ((0, day), (-1, day + 1)):
            knots[index] = stream(self._seed, "basis", name, at).standard_normal()
        noise = 0.3 * rng.standard_normal(_MINUTES + 1)
        noise[0] = noise[-1] = 0.0
        basis: Floats = (
            listing.basis_bps * 1e-4 * (np.interp(minute, 60.0 * np.arange(25), knots) + noise)
        )
        if listing.expiry_ms:
            basis += carry(listing, day * DAY_MS + minute * MINUTE_MS)
        return basis

    def _mood(self, name: str, day: int, rng: np.random.Generator) -> Floats:
        """Return a day's log volatility; neighbouring days agree where they meet."""
        ends = [stream(self._seed, "knot", name, d).standard_normal(3) for d in (day, day + 1)]
        minute = np.arange(_MINUTES, dtype=np.float64)
        total = np.zeros(_MINUTES)
        for index, (every, deviation) in enumerate(_SCALES):
            knots = rng.standard_normal(_MINUTES // every + 1)
            knots[0], knots[-1] = ends[0][index], ends[1][index]
            at = np.arange(knots.size, dtype=np.float64) * every
            total += deviation * np.interp(minute, at, knots)
        return total

    def _bars(
        self,
        day: int,
        start: Floats,
        close: Floats,
        vol: Floats,
        shape: Floats,
        rng: np.random.Generator,
    ) -> Rows:
        listing = self._listing
        up, down = rng.random((2, _MINUTES))
        spread = (close - start) ** 2
        # Extremes of a Brownian bridge from open to close.
        high = 0.5 * (start + close + np.sqrt(spread - 2.0 * variance_of(vol) * np.log1p(-up)))
        low = 0.5 * (start + close - np.sqrt(spread - 2.0 * variance_of(vol) * np.log1p(-down)))
        ticks = np.rint(np.exp(np.stack((start, high, low, close))) / listing.tick)
        opens, highs, lows, closes = np.maximum(ticks, 1.0).astype(np.int64)
        surprise = np.abs(close - start) / vol
        burst = (0.55 + 0.45 * surprise) * np.exp(0.35 * rng.standard_normal(_MINUTES) - 0.06)
        usual = listing.lots_worth(self._value, float(np.exp(start[0])) / listing.tick)
        lots = np.maximum(1.0, usual * shape**0.8 * burst)
        lean = np.clip(
            0.5
            + 0.12 * np.sign(close - start) * np.minimum(surprise, 2.0)
            + 0.06 * rng.standard_normal(_MINUTES),
            0.05,
            0.95,
        )
        volume = lots.astype(np.int64)
        bought = (lots * lean).astype(np.int64)
        typical = (highs + lows + closes) // 3
        rows = np.empty((_MINUTES, COLUMNS), dtype=np.int64)
        rows[:, OPEN_MS] = day * DAY_MS + np.arange(_MINUTES) * MINUTE_MS
        rows[:, OPEN], rows[:, HIGH], rows[:, LOW], rows[:, CLOSE] = opens, highs, lows, closes
        worth, bought_worth = (
            _worth(lots, typical, listing.worth_unit) for lots in (volume, bought)
        )
        rows[:, LOTS], rows[:, NOTIONAL] = volume, worth
        rows[:, TRADES] = np.maximum(1.0, self._trades * (lots / usual) ** 0.7).astype(np.int64)
        rows[:, BUY_LOTS], rows[:, BUY_NOTIONAL] = bought, bought_worth
        return rows


def _worth(
    lots: npt.NDArray[np.int64], ticks: npt.NDArray[np.int64], unit: int
) -> npt.NDArray[np.int64]:
    """Return lots times ticks in units, rounded down; the product itself may not fit."""
    worth: npt.NDArray[np.int64] = lots // unit * ticks + lots % unit * ticks // unit
    return worth


def aggregate(rows: Rows, bucket: npt.NDArray[np.int64]) -> Rows:
    """Join bars whose `bucket` numbers (sorted) are equal; exact in every column."""
    if not len(rows):
        return rows
    first = np.flatnonzero(np.concatenate(([True], bucket[1:] != bucket[:-1])))
    last = np.concatenate((first[1:], [len(rows)])) - 1
    joined = np.add.reduceat(rows, first, axis=0)
    joined[:, OPEN_MS] = rows[first, OPEN_MS]
    joined[:, OPEN] = rows[first, OPEN]
    joined[:, HIGH] = np.maximum.reduceat(rows[:, HIGH], first)
    joined[:, LOW] = np.minimum.reduceat(rows[:, LOW], first)
    joined[:, CLOSE] = rows[last, CLOSE]
    return joined


def carry(listing: Listing, at_ms: Floats) -> Floats:
    """Return how much above the asset a future's log price is."""
    left: Floats = np.maximum(0.0, listing.expiry_ms - at_ms)
    return CARRY_PER_YEAR * left / (365.0 * DAY_MS)


def variance_of(vol: Floats) -> Floats:
    """Return the variance of each minute."""
    squared: Floats = vol**2
    return squared


def _remembered(noise: Floats) -> Floats:
    """Return the fading sum of the draws before each minute."""
    ages = np.arange(_LEVERAGE_MINUTES, dtype=np.float64)
    weights = np.exp(-ages / (_LEVERAGE_MINUTES / 4.0))
    past = np.convolve(np.concatenate(([0.0], noise[:-1])), weights)
    remembered: Floats = past[:_MINUTES]
    return remembered


def _fat(rng: np.random.Generator) -> Floats:
    """Return a day of unit-variance noise with fat tails."""
    drawn: Floats = rng.standard_t(8, _MINUTES) / np.sqrt(8.0 / 6.0)
    return drawn
