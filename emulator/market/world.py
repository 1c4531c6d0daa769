"""What all venues share: one time, the assets' values, and the order in which markets act."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from emulator.clock import MS, SECOND, Clock
from emulator.market.history import History
from emulator.market.latent import DAY_S, CommonFactor, DailyPath, LiveValue
from emulator.market.listings import ASSETS, Listing

QUANTUM_NS: Final = 20 * MS
"""The market acts in steps of this, whatever the steps it is asked for."""
_LONGEST_CATCH_UP_NS: Final = 2 * SECOND
_SLICE_NS: Final = 100 * MS
VALUE_PER_EVENT: Final = 0.11
"""Median order values traded per order flow event, as measured; scales history's volume."""
TRADES_PER_EVENT: Final = 0.19


class Floor(Protocol):
    """One venue's market, as the world moves it."""

    def quantum(self, start_ns: int) -> None:
        """Act for one quantum."""
        ...

    def second(self, now_ns: int) -> None:
        """Do what is done once a second."""
        ...

    def rolled(self, now_ms: int) -> None:
        """Close the bars that have ended."""
        ...


class Asset:
    """One asset: where its price came from and what it is worth now."""

    def __init__(self, history: History, path: DailyPath, value: LiveValue) -> None:
        self.history = history
        self.path = path
        self.value = value


class World:
    """Assets and the venues' markets on them, moved forward by `step`.

    Two worlds with the same seed, start, floors and steps are the same in every event.
    """

    def __init__(
        self, seed: int, start_ns: int, *, history_days: int = 730, events_per_second: float = 80.0
    ) -> None:
        self.seed = seed
        self.now_ns = start_ns
        self.started_ns = start_ns
        self.history_days = history_days
        self.events_per_second = events_per_second
        self.assets: dict[str, Asset] = {}
        self.every_second: list[Callable[[int], None]] = []
        """Called once a second with the time in ns, after the values have moved."""
        self.after_slice: list[Callable[[], None]] = []
        """Called after each step but the last when a long time is made up for."""
        self.after_step: list[Callable[[int], None]] = []
        """Called with the time in ns once the market has moved there."""
        self.before_leap: list[Callable[[int], None]] = []
        """Called with the ns that are passed over, before they are."""
        self._floors: list[Floor] = []
        self._done_ns = start_ns
        self._next_second_ns = start_ns
        self._common = CommonFactor(seed)

    @property
    def acted_ns(self) -> int:
        """The time up to which the crowd has acted: no public event is older than this any more."""
        return self._done_ns

    def asset(self, listing: Listing) -> Asset:
        """Return the asset a listing follows, made when first asked for."""
        name = listing.follows
        asset = self.assets.get(name)
        if asset is None:
            reference = ASSETS.get(name, listing)
            path = DailyPath(self.seed, reference, self.started_ns // MS // (DAY_S * 1_000))
            history = self.history(reference, path)
            value = LiveValue(
                self.seed,
                reference,
                history.log_price_now,
                history.day_vol,
                recent_vol=history.recent_vol,
                second_of_day=self.started_ns / SECOND % DAY_S,
            )
            asset = self.assets[name] = Asset(history, path, value)
        return asset

    def history(self, listing: Listing, path: DailyPath, *, pace: float = 1.0) -> History:
        """Return a listing's bars before the start."""
        per_minute = self.events_per_second * pace * 60.0
        return History(
            self.seed,
            listing,
            self.started_ns // MS,
            self.history_days,
            value_per_minute=VALUE_PER_EVENT * listing.order_value * per_minute,
            trades_per_minute=TRADES_PER_EVENT * per_minute,
            path=path,
        )

    def add(self, floor: Floor) -> None:
        """Take a venue's market in; it acts after those that came before it."""
        self._floors.append(floor)

    def begin(self) -> None:
        """Give values and volatilities their first second."""
        self._second(self._done_ns)

    def step(self, by_ns: int) -> None:
        """Move time forward; the crowd acts in whole quanta, the rest is kept for later."""
        self.now_ns += by_ns
        while self._done_ns + QUANTUM_NS <= self.now_ns:
            start = self._done_ns
            self._done_ns += QUANTUM_NS
            if start >= self._next_second_ns:
                self._second(start)
            self._quantum(start)
        acted_ms = self._done_ns // MS
        for floor in self._floors:
            floor.rolled(acted_ms)
        for call in self.after_step:
            call(self.now_ns)

    def leap(self, by_ns: int) -> None:
        """Pass over some time in which nothing happens."""
        for call in self.before_leap:
            call(by_ns)
        self.now_ns += by_ns
        self._done_ns += by_ns
        self._next_second_ns += by_ns

    def follow(self, clock: Clock) -> None:
        """Move time forward to a clock's now, passing over what is longer ago than two seconds."""
        longest = int(_LONGEST_CATCH_UP_NS * max(1.0, clock.speed))
        behind = clock.now_ns() - self.now_ns
        if behind > longest:
            # The machine slept: the market does not replay hours at once.
            self.leap(behind - longest)
            behind = longest
        while behind > _SLICE_NS:
            # A fast clock still gives every batch of the streams its time.
            self.step(_SLICE_NS)
            behind -= _SLICE_NS
            for call in self.after_slice:
                call()
        if behind > 0:
            self.step(behind)

    def _quantum(self, start_ns: int) -> None:
        common = self._common
        common.step()
        seconds = QUANTUM_NS / SECOND
        for asset in self.assets.values():
            asset.value.step(seconds, common)
        for floor in self._floors:
            floor.quantum(start_ns)

    def _second(self, now_ns: int) -> None:
        self._next_second_ns = now_ns + SECOND
        self._common.second()
        of_day = now_ns / SECOND % DAY_S
        for asset in self.assets.values():
            asset.value.second(of_day, self._common)
        for floor in self._floors:
            floor.second(now_ns)
        for call in self.every_second:
            call(now_ns)
