"""The whole market: six floors, their crowds and one clock."""

from __future__ import annotations

from typing import Final

from core.model.market import Side
from emulator.clock import MS, SECOND, Clock
from emulator.market.candles import Candles
from emulator.market.crowd import Crowd
from emulator.market.history import History
from emulator.market.latent import DAY_S, CommonFactor, LiveValue
from emulator.market.listings import LISTINGS, Listing
from emulator.market.shard import Shard

QUANTUM_NS: Final = 20 * MS
"""The market acts in steps of this, whatever the steps it is asked for."""
_LONGEST_CATCH_UP_NS: Final = 2 * SECOND
_VALUE_PER_EVENT: Final = 0.11
"""Median order values traded per order flow event, as measured; scales history's volume."""
_TRADES_PER_EVENT: Final = 0.19


class Market:
    """Shards and order flow, moved forward by `step`.

    Two markets with the same seed, start and steps are the same in every event.
    """

    def __init__(
        self,
        seed: int,
        start_ns: int,
        *,
        history_days: int = 730,
        events_per_second: float = 80.0,
        listings: tuple[Listing, ...] = LISTINGS,
    ) -> None:
        self.now_ns = start_ns
        self.started_ns = start_ns
        self.flow = True
        """False: the crowd neither trades nor quotes; the book stands still."""
        self._done_ns = start_ns
        self._next_second_ns = start_ns
        self._common = CommonFactor(seed)
        self._values: list[LiveValue] = []
        self.crowds: dict[str, Crowd] = {}
        self.shards: dict[str, Shard] = {}
        for listing in listings:
            per_minute = events_per_second * 60.0
            history = History(
                seed,
                listing,
                start_ns // MS,
                history_days,
                value_per_minute=_VALUE_PER_EVENT * listing.order_value * per_minute,
                trades_per_minute=_TRADES_PER_EVENT * per_minute,
            )
            candles = Candles(history)
            candles.roll(start_ns // MS)
            log_price = history.log_price_now
            value = LiveValue(
                seed,
                listing,
                log_price,
                history.day_vol,
                recent_vol=history.recent_vol,
                second_of_day=start_ns / SECOND % DAY_S,
            )
            shard = Shard(listing, candles, start_ns)
            crowd = Crowd(seed, shard, value, events_per_second)
            self._values.append(value)
            self.shards[listing.symbol] = shard
            self.crowds[listing.symbol] = crowd
        self._second(start_ns)
        for crowd in self.crowds.values():
            crowd.populate(start_ns)

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
        for shard in self.shards.values():
            shard.candles.roll(acted_ms)

    @property
    def acted_ns(self) -> int:
        """The time up to which the crowd has acted: no public event is older than this any more."""
        return self._done_ns

    def follow(self, clock: Clock) -> None:
        """Move time forward to a clock's now, passing over what is longer ago than two seconds."""
        behind = clock.now_ns() - self.now_ns
        if behind > _LONGEST_CATCH_UP_NS:
            # The machine slept: the market does not replay hours at once.
            skipped = behind - _LONGEST_CATCH_UP_NS
            self.now_ns += skipped
            self._done_ns += skipped
            self._next_second_ns += skipped
            behind = _LONGEST_CATCH_UP_NS
        if behind > 0:
            self.step(behind)

    def crowd_trade(self, symbol: str, side: Side, lots: int, limit_ticks: int | None) -> int:
        """Let the crowd take `lots` at once and return what it got."""
        return self.crowds[symbol].take(side, lots, self.now_ns, limit_ticks)

    def _quantum(self, start_ns: int) -> None:
        common = self._common
        common.step()
        seconds = QUANTUM_NS / SECOND
        for value, crowd in zip(self._values, self.crowds.values(), strict=True):
            value.step(seconds, common)
            if self.flow:
                crowd.step(start_ns, QUANTUM_NS)

    def _second(self, now_ns: int) -> None:
        self._next_second_ns = now_ns + SECOND
        self._common.second()
        of_day = now_ns / SECOND % DAY_S
        for value in self._values:
            value.second(of_day, self._common)
