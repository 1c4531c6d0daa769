"""Book updates as the venue sends them: numbered batches, and an image that lags behind them."""

from __future__ import annotations

from typing import Final

from emulator.binance.wire import Json, Writer
from emulator.market.changes import Batch, Changes
from emulator.market.shard import Shard

SPEEDS_MS: Final = (100, 1_000)


class DepthFeed(Changes):
    """One instrument's diff streams (100 ms and 1000 ms) and its lagging REST image.

    A batch covers the update ids U to u without holes; a level changed twice in it is sent once
    with its newest size.
    """

    def __init__(self, seed: int, shard: Shard, writer: Writer) -> None:
        super().__init__(seed, shard, SPEEDS_MS)
        self._writer = writer

    def message(self, batch: Batch, now_ms: int) -> Json:
        """Write a batch."""
        return {
            "e": "depthUpdate",
            "E": now_ms,
            "s": self._writer.symbol,
            "U": batch.first,
            "u": batch.last,
            "b": self._writer.levels(batch.bid_levels()),
            "a": self._writer.levels(batch.ask_levels()),
        }

    def top(self, levels: int) -> Json:
        """Write the partial book stream's message."""
        return {
            "lastUpdateId": self.update_id,
            "bids": self._writer.levels(self.shard.bids(levels)),
            "asks": self._writer.levels(self.shard.asks(levels)),
        }

    def snapshot(self, now_ns: int, levels: int, *, frozen: bool) -> Json:
        """Write the REST depth answer: the book of 0 to 300 ms ago, mostly of just now."""
        image = self.image(now_ns, levels, frozen=frozen)
        return {
            "lastUpdateId": image.update_id,
            "bids": self._writer.levels(image.bids),
            "asks": self._writer.levels(image.asks),
        }
