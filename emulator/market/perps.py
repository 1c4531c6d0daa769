"""What futures have beyond a book: mark price, funding, open interest and liquidations."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from core.model.market import Side
from emulator.clock import MS
from emulator.market.crowd import Crowd
from emulator.market.history import HOUR_MS
from emulator.market.latent import normals, stream, uniforms
from emulator.market.market import Market
from emulator.market.shard import Shard
from emulator.market.views import VenueValue

FUNDING_MS: Final = 8 * HOUR_MS
INTEREST: Final = 0.0001
"""The interest part of funding, for eight hours."""
_CLAMP: Final = 0.0005
_CAP: Final = 0.003
_SMOOTH: Final = 0.98
_LOOK_BACK_S: Final = 10
_ALARM: Final = 2.2
"""A move of so many standard deviations in the look-back liquidates somebody."""
_KEPT: Final = 500
_HELD_ORDERS: Final = 40_000.0
"""Open interest at the start, in median orders."""


class Liquidation(msgspec.Struct, frozen=True):
    """A position that was closed by force."""

    ts_ms: int
    side: Side
    """Of the order that closed it: a long is sold."""
    bankrupt_ticks: int
    average_ticks: int
    lots: int

    @property
    def long(self) -> bool:
        """Whether it was a long position."""
        return self.side is Side.SELL


class Funding(msgspec.Struct, frozen=True):
    """What longs paid shorts at one time."""

    ts_ms: int
    rate: float
    mark: float


class Future:
    """One perpetual or dated future."""

    def __init__(
        self, seed: int, shard: Shard, crowd: Crowd, view: VenueValue, now_ms: int
    ) -> None:
        name = shard.listing.flow_name
        self.shard = shard
        self.perpetual = shard.listing.kind == "perpetual"
        self._seed = seed
        self._crowd = crowd
        self._view = view
        self._normal = normals(stream(seed, "open interest", name)).__next__
        self._uniform = uniforms(stream(seed, "liquidations", name)).__next__
        self._typical = shard.listing.lots_worth(shard.listing.order_value, view.ticks)
        self._premium = 0.0
        self._premiums = 0.0
        self._seen = 0
        self._prices: deque[float] = deque(maxlen=_LOOK_BACK_S)
        self._forced: deque[int] = deque(maxlen=_KEPT)
        self._settled: dict[int, Funding] = {}
        self._begun_ms = self._now_ms = now_ms
        self.open_lots = int(self._typical * _HELD_ORDERS)
        self.on_liquidation: Callable[[Future, Liquidation], None] | None = None
        self.liquidations: deque[Liquidation] = deque(maxlen=_KEPT)
        self.pinned = 0.0
        """Above 0: the mark price stays here, by a fault."""

    @property
    def index(self) -> float:
        """The asset's price."""
        return self._view.index

    @property
    def mark(self) -> float:
        """The price positions are valued at."""
        return self.pinned or self.index * math.exp(self._view.carry) * (1.0 + self._premium)

    @property
    def funding_rate(self) -> float:
        """The rate of the interval that is running."""
        premium = self._premiums / self._seen if self._seen else self._premium
        rate = premium + max(-_CLAMP, min(_CLAMP, INTEREST - premium))
        return round(max(-_CAP, min(_CAP, rate)), 8)

    @property
    def last_funding(self) -> Funding:
        """What was paid last."""
        return self.funding_at(self.last_funding_ms)

    @property
    def last_funding_ms(self) -> int:
        """When it was paid last; asked far more often than what was paid, which takes long."""
        return self._now_ms // FUNDING_MS * FUNDING_MS

    @property
    def next_funding_ms(self) -> int:
        """When it is paid next."""
        return (self._now_ms // FUNDING_MS + 1) * FUNDING_MS

    def forced(self, taker_id: int) -> str:
        """Return ``T`` for a taker that was liquidated, empty for any other."""
        return "T" if taker_id in self._forced else ""

    def funding_at(self, slot_ms: int) -> Funding:
        """Return what was paid at a time (a multiple of eight hours)."""
        settled = self._settled.get(slot_ms)
        if settled is not None:
            return settled
        draw = float(
            stream(
                self._seed, "funding", self.shard.listing.flow_name, slot_ms // FUNDING_MS
            ).standard_normal()
        )
        rows = self.shard.candles.rows("1h", slot_ms - HOUR_MS, slot_ms - HOUR_MS)
        ticks = int(rows[-1, 4]) if len(rows) else self.shard.candles.last_close
        mark = ticks * self.shard.listing.tick
        return Funding(slot_ms, round(INTEREST + 0.00008 * draw, 8), mark)

    def second(self, now_ns: int, *, alive: bool = True) -> None:
        """Renew everything, and close somebody's position when the price runs away.

        A market that is not alive pays funding and does nothing else.
        """
        now_ms = now_ns // MS
        if not alive:
            self._settle(now_ms)
            return
        top = self.shard.top()
        if top is not None and self.perpetual:
            middle = 0.5 * (top[0] + top[2]) * self.shard.listing.tick
            premium = middle / self.index - 1.0
            self._premium = _SMOOTH * self._premium + (1.0 - _SMOOTH) * premium
            self._premiums += premium
            self._seen += 1
        self._settle(now_ms)
        drift = 1.0 + 0.0002 * self._normal()
        self.open_lots = max(1, int(self.open_lots * drift))
        self._prices.append(math.log(self.index))
        run = self._prices[-1] - self._prices[0]
        usual = self._view.second_vol * math.sqrt(_LOOK_BACK_S)
        if abs(run) > _ALARM * usual and self._uniform() < 0.5:
            self.liquidate(Side.SELL if run < 0 else Side.BUY, now_ns)

    def _settle(self, now_ms: int) -> None:
        if now_ms // FUNDING_MS > self._now_ms // FUNDING_MS:
            slot = now_ms // FUNDING_MS * FUNDING_MS
            self._settled[slot] = Funding(slot, self.funding_rate, self.mark)
            self._premiums, self._seen = 0.0, 0
        self._now_ms = now_ms

    def forced_out(
        self, taker_id: int, side: Side, bankrupt_ticks: int, average_ticks: float, lots: int
    ) -> None:
        """Tell of an account's position that was closed by force."""
        self._forced.append(taker_id)
        average = round(average_ticks)
        told = Liquidation(self.shard.last_ns // MS, side, bankrupt_ticks or average, average, lots)
        self.liquidations.append(told)
        if self.on_liquidation is not None:
            self.on_liquidation(self, told)

    def liquidate_long(self, now_ns: int) -> None:
        """Close a long position by force."""
        self.liquidate(Side.SELL, now_ns)

    def liquidate(self, side: Side, now_ns: int) -> None:
        """Close a position by force: the crowd takes what it must."""
        lots = max(1, int(self._typical * 3.0 * math.exp(1.2 * self._normal())))
        before = self.shard.trade_id
        self._crowd.take(side, lots, now_ns)
        trades = self.shard.trades_since(before)
        got = sum(row.lots for row in trades)
        self._forced.extend({row.taker_id for row in trades})
        if not got:
            return
        average = sum(row.lots * row.price_ticks for row in trades) // got
        told = Liquidation(
            self.shard.last_ns // MS,
            side,
            max(row.price_ticks for row in trades)
            if side is Side.BUY
            else min(row.price_ticks for row in trades),
            average,
            got,
        )
        self.open_lots = max(1, self.open_lots - got)
        self.liquidations.append(told)
        if self.on_liquidation is not None:
            self.on_liquidation(self, told)


def futures_of(market: Market) -> dict[str, Future]:
    """Return a market's futures, followed from now on; by symbol."""
    found = {
        name: Future(
            market.seed, shard, market.crowds[name], market.views[name], market.now_ns // MS
        )
        for name, shard in market.shards.items()
        if shard.listing.kind in ("perpetual", "future")
    }

    def second(now_ns: int) -> None:
        for future in found.values():
            future.second(now_ns, alive=market.flow and not future.shard.halted)

    market.world.every_second.append(second)
    return found
