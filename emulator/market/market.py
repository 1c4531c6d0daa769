"""One venue's market: its floors and their crowds, moved by the world they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.model.market import Side
from core.venues.matching import CROWD
from emulator.clock import MS, Clock
from emulator.market.candles import SECONDS_KEPT, Candles
from emulator.market.crowd import Crowd, Value
from emulator.market.listings import ASSETS, LISTINGS, Listing
from emulator.market.options import Chain, OptionHistory, OptionValue
from emulator.market.shard import Shard
from emulator.market.views import VenueValue
from emulator.market.world import QUANTUM_NS, World

__all__ = ["QUANTUM_NS", "Market"]


class Market:
    """Shards and order flow of one venue.

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
        world: World | None = None,
        pace: float = 1.0,
    ) -> None:
        self.world = world or World(
            seed, start_ns, history_days=history_days, events_per_second=events_per_second
        )
        self.flow = True
        """False: the crowd neither trades nor quotes; the book stands still."""
        self.seed = seed
        self.crowds: dict[str, Crowd] = {}
        self.shards: dict[str, Shard] = {}
        self.views: dict[str, VenueValue] = {}
        """How this venue sees an instrument's asset; none for the leading venue's own."""
        self.chains: dict[str, Chain] = {}
        """Option chains by asset."""
        self.after_acts: list[Callable[[int], None]] = []
        """Called with the time in ns each time the crowd may have traded: what waits for a price,
        or answers for a position, looks at the market then."""
        self.note: Callable[[str, dict[str, Any]], None] = lambda what, args: None
        """Told of everything the crowd is made to do, before it does it."""
        self.options: dict[str, OptionValue] = {}
        self._rate = self.world.events_per_second * pace
        self._pace = pace
        for listing in listings:
            self._list(listing)
        self.world.add(self)
        if world is None:
            self.begin()

    def begin(self) -> None:
        """Give the values their first second and fill the books; once, when all venues are in."""
        self.world.begin()
        self.populate()

    def populate(self) -> None:
        """Fill the books."""
        for crowd in self.crowds.values():
            crowd.populate(self.world.started_ns)

    def _list(self, listing: Listing) -> None:
        world, start_ns = self.world, self.world.started_ns
        asset = world.asset(listing)
        seconds = SECONDS_KEPT if listing.one_second_bars else 1
        value: Value
        if listing.kind == "option":
            chain = self.chains.get(listing.follows)
            if chain is None:
                chain = self.chains[listing.follows] = Chain(self.seed, asset.value, asset.path)
            candles = Candles(OptionHistory(listing, asset.history, chain), seconds=seconds)
            value = self.options[listing.symbol] = OptionValue(listing, chain, start_ns // MS)
        elif ASSETS.get(listing.symbol) is listing or not listing.venue:
            candles = Candles(asset.history, seconds=seconds)
            value = asset.value
        else:
            history = world.history(listing, asset.path, pace=self._pace * listing.pace)
            unit = listing.worth_unit
            candles = Candles(history, seconds=seconds, worth_unit=unit)
            value = self.views[listing.symbol] = VenueValue(
                self.seed, listing, asset.value, history.log_price_now, start_ns // MS
            )
        candles.roll(start_ns // MS)
        shard = Shard(listing, candles, start_ns)
        self.shards[listing.symbol] = shard
        self.crowds[listing.symbol] = Crowd(self.seed, shard, value, self._rate * listing.pace)

    @property
    def now_ns(self) -> int:
        """The time it is."""
        return self.world.now_ns

    @property
    def started_ns(self) -> int:
        """When it began."""
        return self.world.started_ns

    @property
    def acted_ns(self) -> int:
        """The time up to which the crowd has acted: no public event is older than this any more."""
        return self.world.acted_ns

    def step(self, by_ns: int) -> None:
        """Move the world forward; the crowd acts in whole quanta, the rest is kept for later."""
        self.world.step(by_ns)

    def follow(self, clock: Clock) -> None:
        """Move the world forward to a clock's now."""
        self.world.follow(clock)

    def crowd_trade(self, symbol: str, side: Side, lots: int, limit_ticks: int | None) -> int:
        """Let the crowd take `lots` at once and return what it got."""
        self.note(
            "trade", {"symbol": symbol, "side": side, "lots": lots, "limit_ticks": limit_ticks}
        )
        got = self.crowds[symbol].take(side, lots, self.now_ns, limit_ticks)
        for call in self.after_acts:
            call(self.now_ns)
        return got

    def crowd_rest(self, symbol: str, side: Side, lots: int, ticks: int) -> None:
        """Let the crowd offer `lots` at a price; what crosses it trades at once."""
        self.note("rest", {"symbol": symbol, "side": side, "lots": lots, "ticks": ticks})
        shard = self.shards[symbol]
        order_id = shard.next_order_id()
        events = shard.engine.limit(order_id, CROWD, side, ticks, lots)
        shard.apply(events, shard.stamp(self.now_ns))

    def refill(self, symbol: str) -> None:
        """Let the crowd fill the book anew around the value."""
        self.note("refill", {"symbol": symbol})
        self.crowds[symbol].populate(self.now_ns)

    def quantum(self, start_ns: int) -> None:
        """Let every crowd act for one quantum."""
        if self.flow:
            for symbol, crowd in self.crowds.items():
                shard = self.shards[symbol]
                if not (shard.halted or shard.closed):
                    crowd.step(start_ns, QUANTUM_NS)
        for call in self.after_acts:
            call(start_ns)

    def second(self, now_ns: int) -> None:
        """Renew what is renewed once a second."""
        now_ms = now_ns // MS
        for chain in self.chains.values():
            chain.second(now_ms)
        for option in self.options.values():
            option.second(now_ms)
        for view in self.views.values():
            view.second(now_ms)

    def rolled(self, now_ms: int) -> None:
        """Close the bars that have ended."""
        for shard in self.shards.values():
            shard.candles.roll(now_ms)
