"""What prices do underneath: daily levels with changing volatility, and the live value process.

The daily path starts at one fixed day and takes its draws in order, so the level of any day depends
on the seed and the instrument alone, never on when the emulator was started.
"""

from __future__ import annotations

import math
import zlib
from collections import deque
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from emulator.market.listings import Listing

Floats = npt.NDArray[np.float64]

FIRST_DAY: Final = 16_436
"""2015-01-01, in days since the epoch: the first day of every price path."""
DAY_S: Final = 86_400
_BLOCK: Final = 4096
_PAST_QUANTA: Final = 64
"""How many quanta back the followers of a value can look."""


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """Return the random stream of a name; equal names give equal streams."""
    words = [zlib.crc32(name.encode()) if isinstance(name, str) else name for name in names]
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, *words])))


def normals(rng: np.random.Generator) -> Iterator[float]:
    """Yield standard normals for ever, drawn in blocks."""
    while True:
        yield from rng.standard_normal(_BLOCK).tolist()


def uniforms(rng: np.random.Generator) -> Iterator[float]:
    """Yield uniforms in [0, 1) for ever, drawn in blocks."""
    while True:
        yield from rng.random(_BLOCK).tolist()


def time_of_day(second_of_day: float) -> float:
    """Return the time-of-day factor of volatility: calm Asian night, busy US morning, mean 1."""
    phase = 2.0 * math.pi * second_of_day / DAY_S
    return 1.0 + 0.28 * math.cos(phase - 3.9) + 0.12 * math.cos(2.0 * phase - 1.2)


def season() -> Floats:
    """Return the time-of-day factor of each minute of a day, shape (1440,)."""
    return np.array([time_of_day(60.0 * minute) for minute in range(DAY_S // 60)])


class DailyPath:
    """One log price and one volatility for each UTC day from `FIRST_DAY` on."""

    def __init__(self, seed: int, listing: Listing, last_day: int) -> None:
        days = last_day - FIRST_DAY + 2
        asset = listing.follows
        common = stream(seed, "days", "common").standard_t(5, days) / math.sqrt(5 / 3)
        own = stream(seed, "days", asset).standard_t(5, days) / math.sqrt(5 / 3)
        shocks = stream(seed, "vol", "common").standard_normal(days)
        own_shocks = stream(seed, "vol", asset).standard_normal(days)
        share = listing.common_share
        drawn = (share * common + math.sqrt(1 - share * share) * own).tolist()
        moods = (0.14 * shocks + 0.08 * own_shocks).tolist()
        home = math.log(listing.long_run_price)
        closes, vols = [home], [listing.daily_vol]
        level, mood = home, 0.0
        for draw, mood_shock in zip(drawn[1:], moods[1:], strict=True):
            vol = listing.daily_vol * math.exp(max(-1.2, min(1.2, mood)) - 0.06)
            change = vol * draw + (home - level) / 220.0
            level += change
            # Volatility answers moves (GARCH-like), falls a little more than rises do it.
            mood = 0.955 * mood + mood_shock + 0.06 * (abs(draw) - 0.75) - 0.015 * draw
            closes.append(level)
            vols.append(vol)
        self.closes: list[float] = closes
        """Log price at the end of each day; index 0 is `FIRST_DAY`."""
        self.vols: list[float] = vols

    def open_of(self, day: int) -> float:
        """Return the log price at the start of a day (days since the epoch)."""
        return self.closes[day - FIRST_DAY - 1]

    def close_of(self, day: int) -> float:
        """Return the log price at the end of a day."""
        return self.closes[day - FIRST_DAY]

    def vol_of(self, day: int) -> float:
        """Return a day's volatility."""
        return self.vols[day - FIRST_DAY]


class CommonFactor:
    """The part of every move that all instruments share, one draw a quantum."""

    def __init__(self, seed: int) -> None:
        self._normals = normals(stream(seed, "live", "common"))
        self.move = 0.0
        """This quantum's standard normal."""
        self.mood = 0.0
        """Log volatility shared by all, updated once a second."""

    def step(self) -> None:
        """Draw the next quantum's move."""
        self.move = next(self._normals)

    def second(self) -> None:
        """Draw the next second's mood (half-life about ten minutes)."""
        self.mood = 0.9988 * self.mood + 0.012 * next(self._normals)


class LiveValue:
    """What an instrument is worth right now: diffusion, drifting trends and jumps."""

    def __init__(
        self,
        seed: int,
        listing: Listing,
        log_price: float,
        day_vol: float,
        *,
        recent_vol: float,
        second_of_day: float,
    ) -> None:
        self._share = listing.common_share
        self._rest = math.sqrt(1 - self._share**2)
        self._normals = normals(stream(seed, "live", listing.follows))
        self._uniforms = uniforms(stream(seed, "jumps", listing.follows))
        self._tick = listing.tick
        self._log_price = log_price
        self._past = deque([log_price], maxlen=_PAST_QUANTA)
        self._day_vol = day_vol
        usual = day_vol * time_of_day(second_of_day)
        self._slow = max(-1.0, min(1.0, math.log(max(recent_vol, 1e-6) / usual)))
        self._fast = 0.0
        self._trend = 0.0
        self.second_vol = day_vol / math.sqrt(DAY_S)
        """Standard deviation of the next second's log return."""
        self.activity = 1.0
        """How lively the market is against its mean; order flow follows it."""

    @property
    def ticks(self) -> float:
        """The value in price ticks."""
        return math.exp(self._log_price) / self._tick

    @property
    def price(self) -> float:
        """The value in quote."""
        return math.exp(self._log_price)

    @property
    def log_price(self) -> float:
        """The logarithm of the value."""
        return self._log_price

    def log_price_before(self, quanta: int) -> float:
        """Return the logarithm of the value some quanta ago, as far back as is kept."""
        past = self._past
        return past[max(0, len(past) - 1 - quanta)]

    def second(self, second_of_day: float, common: CommonFactor) -> None:
        """Renew volatility and trend, once a second, and jump now and then."""
        draw = self._normals
        self._slow = 0.9995 * self._slow + 0.010 * next(draw)
        self._fast = 0.97 * self._fast + 0.085 * next(draw)
        mood = common.mood + self._slow + self._fast - 0.12
        calm = time_of_day(second_of_day)
        self.second_vol = self._day_vol / math.sqrt(DAY_S) * calm * math.exp(mood)
        self.activity = min(2.5, calm * math.exp(0.6 * mood))
        self._trend = 0.9985 * self._trend + 0.0007 * next(draw)
        chance = next(self._uniforms)
        if chance < 8.0 / DAY_S:
            self._log_price += self.second_vol * next(draw) * 14.0
            self._fast += 1.2

    def step(self, seconds: float, common: CommonFactor) -> None:
        """Move by one quantum."""
        vol = self.second_vol
        move = self._share * common.move + self._rest * next(self._normals)
        self._log_price += vol * (math.sqrt(seconds) * move + seconds * self._trend)
        self._past.append(self._log_price)
