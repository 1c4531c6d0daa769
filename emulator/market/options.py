"""Options priced by a smile around the asset's value, with their greeks and their past."""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np

from emulator.market.history import (
    BUY_LOTS,
    BUY_NOTIONAL,
    CARRY_PER_YEAR,
    CLOSE,
    DAY_MS,
    HIGH,
    HOUR_MS,
    LOTS,
    LOW,
    NOTIONAL,
    OPEN,
    OPEN_MS,
    TRADES,
    History,
    Rows,
    aggregate,
)
from emulator.market.latent import DAY_S, DailyPath, Floats, LiveValue, normals, stream
from emulator.market.listings import Listing

_YEAR_MS: Final = 365 * DAY_MS
_SKEW: Final = -0.07
_CURVE: Final = 0.05
_KEPT: Final = 0.9995
_SHARE_OF_FUTURE: Final = 60.0
"""A future trades this many times as much as one option."""


class Greeks(msgspec.Struct, frozen=True):
    """What an option's price answers to."""

    price: float
    """In coin."""
    delta: float
    gamma: float
    vega: float
    """For one point of volatility, in quote."""
    theta: float
    """For one day, in quote."""
    rho: float
    iv: float
    forward: float


def normal_cdf(x: float) -> float:
    """Return the standard normal distribution's value."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def black(forward: float, strike: float, years: float, iv: float, *, call: bool) -> Greeks:
    """Price an option on a forward (Black 1976, no discount) and derive its greeks."""
    years = max(years, 1e-6)
    spread = iv * math.sqrt(years)
    d1 = math.log(forward / strike) / spread + 0.5 * spread
    d2 = d1 - spread
    sign = 1.0 if call else -1.0
    worth = sign * (forward * normal_cdf(sign * d1) - strike * normal_cdf(sign * d2))
    density = math.exp(-0.5 * d1 * d1) / math.sqrt(2.0 * math.pi)
    return Greeks(
        price=worth / forward,
        delta=sign * normal_cdf(sign * d1),
        gamma=density / (forward * spread),
        vega=forward * density * math.sqrt(years) / 100.0,
        theta=-forward * density * iv / (2.0 * math.sqrt(years)) / 365.0,
        rho=sign * strike * years * normal_cdf(sign * d2) / 100.0,
        iv=iv,
        forward=forward,
    )


def implied(price: float, forward: float, strike: float, years: float, *, call: bool) -> float:
    """Return the volatility that gives a price in coin, 0 when none does."""
    low, high = 0.01, 5.0
    if not (
        black(forward, strike, years, low, call=call).price
        < price
        < black(forward, strike, years, high, call=call).price
    ):
        return 0.0
    for _ in range(24):
        middle = 0.5 * (low + high)
        if black(forward, strike, years, middle, call=call).price < price:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def smile(atm: float, forward: float, strike: float, years: float) -> float:
    """Return a strike's implied volatility: skewed to the puts, and curved."""
    away = math.log(strike / forward) / max(math.sqrt(years), 0.05)
    return max(0.05, min(4.0, atm * (1.0 + _SKEW * away + _CURVE * away * away)))


class Chain:
    """The volatility all options of an asset share."""

    def __init__(self, seed: int, value: LiveValue, path: DailyPath) -> None:
        self._value = value
        self._path = path
        self._normals = normals(stream(seed, "iv", "live"))
        self.atm = 0.0
        """Implied volatility at the money, a year's."""
        self.lived: dict[int, float] = {}
        """What it was at the end of each minute lived, by the minute's open time (ms)."""

    def atm_at(self, ms: float) -> float:
        """Return a past implied volatility at the money."""
        lived = self.lived.get(int(ms) // 60_000 * 60_000)
        if lived is not None:
            return lived
        day, rest = divmod(ms, DAY_MS)
        now, then = self._path.vol_of(int(day)), self._path.vol_of(int(day) - 1)
        part = rest / DAY_MS
        return math.sqrt(365.0) * ((1.0 - part) * then + part * now)

    def second(self, now_ms: int) -> None:
        """Let it follow what the asset does."""
        if not self.atm:
            self.atm = self.atm_at(now_ms)
        realised = self._value.second_vol * math.sqrt(365.0 * DAY_S)
        self.lived[now_ms // 60_000 * 60_000] = self.atm
        pulled = _KEPT * self.atm + (1.0 - _KEPT) * realised
        self.atm = max(0.05, pulled * math.exp(0.0004 * next(self._normals)))

    @property
    def underlying(self) -> float:
        """The asset's price."""
        return self._value.price

    def price(self, listing: Listing, now_ms: int) -> Greeks:
        """Price an option now."""
        years = max(0.0, listing.expiry_ms - now_ms) / _YEAR_MS
        forward = self._value.price * math.exp(CARRY_PER_YEAR * years)
        iv = smile(self.atm or self.atm_at(now_ms), forward, listing.strike, years)
        return black(forward, listing.strike, years, iv, call=listing.call)


class OptionValue:
    """What an option is worth to its crowd, renewed when a second has passed."""

    def __init__(self, listing: Listing, chain: Chain, now_ms: int) -> None:
        self._listing = listing
        self._chain = chain
        self.second_vol = 0.002
        self.activity = 1.0
        self.now: Greeks = chain.price(listing, now_ms)

    @property
    def ticks(self) -> float:
        """The value in price ticks, at least one."""
        return max(1.0, self.now.price / self._listing.tick)

    def second(self, now_ms: int) -> None:
        """Price it anew."""
        before = self.now.price
        self.now = self._chain.price(self._listing, now_ms)
        moved = abs(math.log(max(self.now.price, 1e-9) / max(before, 1e-9)))
        self.second_vol = min(0.05, 0.95 * self.second_vol + 0.05 * moved + 1e-5)


class OptionHistory:
    """An option's bars before the start: its asset's, priced by the volatility of each moment."""

    def __init__(self, listing: Listing, history: History, chain: Chain) -> None:
        self._listing = listing
        self._asset = history
        self._chain = chain
        self.end_ms = history.end_ms
        self.first_ms = max(history.first_ms, history.end_ms - 30 * DAY_MS)
        last = self.minutes(self.end_ms - 60_000, self.end_ms)
        self.last_close = int(last[-1, CLOSE])

    def minutes(self, start_ms: int, end_ms: int) -> Rows:
        """Return the 1m bars with start_ms <= open time < end_ms, as far as history goes."""
        rows = self._asset.minutes(max(start_ms, self.first_ms), end_ms)
        return self._priced(rows)

    def hours(self, start_ms: int, end_ms: int) -> Rows:
        """Return the 1h bars of whole hours with start_ms <= open time < end_ms."""
        end = min(end_ms, self.end_ms // HOUR_MS * HOUR_MS)
        rows = self.minutes(start_ms, end)
        joined = aggregate(rows, rows[:, OPEN_MS] // HOUR_MS)
        joined[:, OPEN_MS] = joined[:, OPEN_MS] // HOUR_MS * HOUR_MS
        return joined

    def _priced(self, rows: Rows) -> Rows:
        if not len(rows):
            return rows
        priced = np.zeros_like(rows)
        times = rows[:, OPEN_MS]
        priced[:, OPEN_MS] = times
        listing = self._listing
        for column, at in ((OPEN, 0), (CLOSE, 60_000)):
            priced[:, column] = self._ticks(rows[:, column].astype(np.float64), times + at)
        high = self._ticks(rows[:, HIGH].astype(np.float64), times)
        low = self._ticks(rows[:, LOW].astype(np.float64), times)
        edges = priced[:, [OPEN, CLOSE]]
        priced[:, HIGH] = np.maximum(np.maximum(high, low), edges.max(axis=1))
        priced[:, LOW] = np.minimum(np.minimum(high, low), edges.min(axis=1))
        usual = listing.lots_worth(listing.order_value, float(priced[0, CLOSE])) / _SHARE_OF_FUTURE
        burst = rows[:, TRADES] / max(1.0, float(rows[:, TRADES].mean()))
        priced[:, LOTS] = np.floor(usual * burst)
        priced[:, TRADES] = np.minimum(priced[:, LOTS], 3)
        priced[:, BUY_LOTS] = priced[:, LOTS] // 2
        priced[:, NOTIONAL] = priced[:, LOTS] * priced[:, CLOSE]
        priced[:, BUY_NOTIONAL] = priced[:, BUY_LOTS] * priced[:, CLOSE]
        return priced

    def _ticks(
        self, asset_ticks: Floats, times: np.ndarray[tuple[int], np.dtype[np.int64]]
    ) -> Rows:
        """Price at many moments; the volatility of the day's middle does for each hour."""
        listing, tick = self._listing, self._asset.tick
        years = np.maximum(0.0, listing.expiry_ms - times) / _YEAR_MS
        forward = asset_ticks * tick * np.exp(CARRY_PER_YEAR * years)
        atm = np.array([self._chain.atm_at(float(at)) for at in times[::60]]).repeat(60)[
            : len(times)
        ]
        away = np.log(listing.strike / forward) / np.maximum(np.sqrt(years), 0.05)
        iv = np.clip(atm * (1.0 + _SKEW * away + _CURVE * away**2), 0.05, 4.0)
        spread = iv * np.sqrt(np.maximum(years, 1e-6))
        d1 = np.log(forward / listing.strike) / spread + 0.5 * spread
        sign = 1.0 if listing.call else -1.0
        price = sign * (_cdf(sign * d1) - listing.strike / forward * _cdf(sign * (d1 - spread)))
        return np.maximum(1, np.rint(price / listing.tick)).astype(np.int64)


def _cdf(x: Floats) -> Floats:
    """Return the standard normal distribution's values (Abramowitz and Stegun 26.2.17)."""
    t = 1.0 / (1.0 + 0.2316419 * np.abs(x))
    series = t * (
        0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429)))
    )
    upper = np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi) * series
    return np.where(x >= 0.0, 1.0 - upper, upper)
