"""Everything behind the endpoints: market, account, keys, limits, faults, streams and one clock."""

from __future__ import annotations

from typing import Final

from core.model.market import Side
from emulator.binance.gate.auth import Keys
from emulator.binance.gate.errors import bad_symbol
from emulator.binance.gate.limits import Limiter
from emulator.binance.streams.depth import DepthFeed
from emulator.binance.streams.hub import Hub
from emulator.binance.wire import Writer
from emulator.clock import MS, Clock
from emulator.faults import Faults
from emulator.market.desk import Desk
from emulator.market.history import LOTS, MINUTE_MS, NOTIONAL
from emulator.market.market import Market
from emulator.market.shard import Shard

_AVERAGE_MINUTES: Final = 5


class Venue:
    """The emulated exchange as its endpoints see it."""

    def __init__(
        self, market: Market, clock: Clock, seed: int, *, api_key: str, api_secret: str
    ) -> None:
        self.market = market
        self.clock = clock
        self.skew_ms = 0
        """How far the venue's clock is off, by a fault."""
        self.faults = Faults()
        self.limiter = Limiter(self.now_ms)
        self.writers = {name: Writer(shard.listing) for name, shard in market.shards.items()}
        self.depths = {
            name: DepthFeed(seed, shard, self.writers[name])
            for name, shard in market.shards.items()
        }
        self.hub = Hub(market, self.depths, self.faults)
        self.desk = Desk(market)
        self.account = self.desk.open_account()
        self.keys = Keys()
        self.keys.add(api_key, api_secret, self.account)

    def now_ms(self) -> int:
        """Return the venue's time as it tells it."""
        return self.clock.now_ns() // MS + self.skew_ms

    def tick(self) -> None:
        """Bring the market up to the clock and send what is due."""
        self.market.follow(self.clock)
        self.hub.tick(self.skew_ms)

    def shard(self, symbol: str) -> Shard:
        """Return a symbol's shard.

        Raises:
            ApiError: -1121.
        """
        shard = self.market.shards.get(symbol)
        if shard is None:
            raise bad_symbol()
        return shard

    def average_ticks(self, shard: Shard) -> int:
        """Return the average price of the last minutes, weighted by volume."""
        now_ms = self.market.acted_ns // MS
        rows = shard.candles.rows("1m", now_ms - _AVERAGE_MINUTES * MINUTE_MS, now_ms)
        lots = int(rows[:, LOTS].sum())
        return int(rows[:, NOTIONAL].sum()) // lots if lots else shard.candles.last_close

    def top(self, shard: Shard) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return best bid and best ask as (ticks, lots), zeros where nobody quotes."""
        bids = shard.engine.depth(Side.BUY, 1)
        asks = shard.engine.depth(Side.SELL, 1)
        return (bids or [(0, 0)])[0], (asks or [(0, 0)])[0]
