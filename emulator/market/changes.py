"""A book's changes as venues publish them: numbered batches, and an image that lags behind them."""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from core.model.market import Side
from emulator.clock import MS
from emulator.market.latent import stream, uniforms
from emulator.market.shard import LevelRow, Shard

_BUY: Final = Side.BUY
_LONGEST_LAG_NS: Final = 300 * MS
_AFTER_RESET: Final = 1_000
Levels = list[tuple[int, int]]


class Batch:
    """Changed levels since the last message of one speed; a level changed twice is there once."""

    __slots__ = ("asks", "bids", "first", "last", "prev")

    def __init__(self, prev: int, first: int) -> None:
        self.prev = prev
        """The last update id of the batch before."""
        self.first = first
        self.last = first - 1
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}

    def __bool__(self) -> bool:
        return self.last >= self.first

    def bid_levels(self) -> Levels:
        """Return the changed bids, best first."""
        return sorted(self.bids.items(), reverse=True)

    def ask_levels(self) -> Levels:
        """Return the changed asks, best first."""
        return sorted(self.asks.items())


class Image(msgspec.Struct, frozen=True):
    """A book as it was, best first."""

    update_id: int
    bids: Levels
    asks: Levels


class Changes:
    """One instrument's batches at some speeds (ms) and its lagging image.

    A batch covers its update ids without holes. The image is the book as it was up to 300 ms ago,
    so a client that opens the stream and asks at once can get a snapshot older than its first
    event.
    """

    def __init__(self, seed: int, shard: Shard, speeds: tuple[int, ...]) -> None:
        self.shard = shard
        self.base = 0
        """Taken from every update id; a fault that resets the numbering moves it."""
        first = shard.update_id + 1
        self._batches = {speed: Batch(first - 1, first) for speed in speeds}
        self._late: deque[LevelRow] = deque()
        self._image: dict[Side, dict[int, int]] = {
            side: dict(shard.engine.depth(side, 100_000)) for side in Side
        }
        self._image_id = shard.update_id
        self._frozen: Image | None = None
        self._uniform = uniforms(stream(seed, "lag", shard.listing.flow_name)).__next__
        self._crossed: dict[int, tuple[Side, int]] = {}
        self.extra_lag_ns = 0
        """A fault's doing: the image lags by this much more."""
        shard.on_level = self._on_level

    @property
    def update_id(self) -> int:
        """The newest update id."""
        return self.shard.update_id - self.base

    def _on_level(self, row: LevelRow) -> None:
        self._late.append(row)
        buys = row.side is _BUY
        for batch in self._batches.values():
            batch.last += 1
            (batch.bids if buys else batch.asks)[row.price_ticks] = row.lots

    def take(self, speed: int) -> Batch:
        """Close a batch and return it; it is false when nothing changed."""
        batch = self._batches[speed]
        if not batch:
            return batch
        self._batches[speed] = Batch(batch.last, batch.last + 1)
        crossed = self._crossed.pop(speed, None)
        if crossed is not None:
            side, price = crossed
            levels = batch.bids if side is _BUY else batch.asks
            levels.setdefault(price, self.shard.engine.lots_at(side, price))
        return batch

    def cross(self, speed: int, batch: Batch) -> None:
        """Put a bid above the best ask into a batch; the next one takes it away again."""
        top = self.shard.top()
        if top is not None:
            price = top[2] + 5
            batch.bids[price] = top[1]
            self._crossed[speed] = (_BUY, price)

    def renumber(self) -> None:
        """Start the update ids anew, as a venue does after maintenance."""
        self.base = self.shard.update_id - _AFTER_RESET
        for batch in self._batches.values():
            first = batch.first
            batch.first = _AFTER_RESET + 1 - (batch.last - first + 1)
            batch.last = _AFTER_RESET

    def settle(self, now_ns: int) -> None:
        """Bring the image up to the longest lag, so that what waits stays short."""
        self._apply_until(now_ns - _LONGEST_LAG_NS - self.extra_lag_ns)

    def image(self, now_ns: int, levels: int, *, frozen: bool = False) -> Image:
        """Return the book of 0 to 300 ms ago, mostly of just now; frozen: the same as before."""
        if frozen and self._frozen is not None:
            return self._frozen
        if not frozen:
            lag = int(self._uniform() ** 3 * _LONGEST_LAG_NS) + self.extra_lag_ns
            self._apply_until(now_ns - lag)
        made = Image(
            self._image_id - self.base,
            sorted(self._image[Side.BUY].items(), reverse=True)[:levels],
            sorted(self._image[Side.SELL].items())[:levels],
        )
        self._frozen = made if frozen else None
        return made

    def _apply_until(self, ts_ns: int) -> None:
        late = self._late
        while late and late[0].ts_ns <= ts_ns:
            row = late.popleft()
            self._image_id = row.update_id
            if row.lots:
                self._image[row.side][row.price_ticks] = row.lots
            else:
                self._image[row.side].pop(row.price_ticks, None)
