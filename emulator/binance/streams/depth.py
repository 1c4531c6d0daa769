"""Book updates as the venue sends them: numbered batches, and an image that lags behind them."""

from __future__ import annotations

from collections import deque
from typing import Final

from core.model.market import Side
from emulator.binance.wire import Json, Writer
from emulator.clock import MS
from emulator.market.latent import stream, uniforms
from emulator.market.shard import LevelRow, Shard

_BUY: Final = Side.BUY
_LONGEST_LAG_NS: Final = 300 * MS


class _Batch:
    """Changed levels since the last message of one speed."""

    __slots__ = ("asks", "bids", "first", "last")

    def __init__(self, first: int) -> None:
        self.first = first
        self.last = first - 1
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}

    def add(self, row: LevelRow) -> None:
        self.last = row.update_id
        (self.bids if row.side is _BUY else self.asks)[row.price_ticks] = row.lots


class DepthFeed:
    """One instrument's diff streams (100 ms and 1000 ms) and its lagging REST image.

    A batch covers the update ids U to u without holes; a level changed twice in it is sent once
    with its newest size. The image is the book as it was up to 300 ms ago, so a client that opens
    the stream and asks at once can get a snapshot older than its first event.
    """

    def __init__(self, seed: int, shard: Shard, writer: Writer) -> None:
        self.shard = shard
        self._writer = writer
        self._batches = {100: _Batch(shard.update_id + 1), 1000: _Batch(shard.update_id + 1)}
        self._late: deque[LevelRow] = deque()
        self._image: dict[Side, dict[int, int]] = {
            side: dict(shard.engine.depth(side, 100_000)) for side in Side
        }
        self._image_id = shard.update_id
        self._uniform = uniforms(stream(seed, "lag", shard.listing.symbol)).__next__
        self.extra_lag_ns = 0
        """A fault's doing: the image lags by this much more."""
        shard.on_level = self._on_level

    def _on_level(self, row: LevelRow) -> None:
        self._late.append(row)
        for batch in self._batches.values():
            batch.add(row)

    def message(self, speed_ms: int, now_ms: int) -> Json | None:
        """Close a batch and write it; None when nothing changed."""
        batch = self._batches[speed_ms]
        if batch.last < batch.first:
            return None
        self._batches[speed_ms] = _Batch(batch.last + 1)
        price, size = self._writer.price, self._writer.size
        return {
            "e": "depthUpdate",
            "E": now_ms,
            "s": self._writer.symbol,
            "U": batch.first,
            "u": batch.last,
            "b": [
                [price(ticks), size(lots)]
                for ticks, lots in sorted(batch.bids.items(), reverse=True)
            ],
            "a": [[price(ticks), size(lots)] for ticks, lots in sorted(batch.asks.items())],
        }

    def top(self, levels: int) -> Json:
        """Write the partial book stream's message."""
        engine = self.shard.engine
        return {
            "lastUpdateId": self.shard.update_id,
            "bids": self._writer.levels(engine.depth(Side.BUY, levels)),
            "asks": self._writer.levels(engine.depth(Side.SELL, levels)),
        }

    def settle(self, now_ns: int) -> None:
        """Bring the image up to the longest lag, so that what waits stays short."""
        self._apply_until(now_ns - _LONGEST_LAG_NS - self.extra_lag_ns)

    def image(self, now_ns: int, levels: int) -> Json:
        """Write the REST depth answer: the book of 0 to 300 ms ago, mostly of just now."""
        lag = int(self._uniform() ** 3 * _LONGEST_LAG_NS) + self.extra_lag_ns
        self._apply_until(now_ns - lag)
        bids = sorted(self._image[Side.BUY].items(), reverse=True)[:levels]
        asks = sorted(self._image[Side.SELL].items())[:levels]
        return {
            "lastUpdateId": self._image_id,
            "bids": self._writer.levels(bids),
            "asks": self._writer.levels(asks),
        }

    def _apply_until(self, ts_ns: int) -> None:
        late = self._late
        while late and late[0].ts_ns <= ts_ns:
            row = late.popleft()
            self._image_id = row.update_id
            if row.lots:
                self._image[row.side][row.price_ticks] = row.lots
            else:
                self._image[row.side].pop(row.price_ticks, None)
