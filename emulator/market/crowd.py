"""The crowd: order flow that makes a book and moves it after a latent value.

Zero-intelligence limit orders and cancels keep a hump-shaped book of steady size; takers arrive in
bursts (a Hawkes process with two memories) with persistent sides; the informed among them, and
quoters who step inside the spread or pull stale quotes, drag the price to the latent value. Every
draw comes from blocks of one seeded stream, so the same seed and steps give the same market.
"""

from __future__ import annotations

import math
from typing import Final, Protocol

from core.model.market import Side
from core.model.orders import TimeInForce
from core.venues.matching import CROWD
from emulator.market.latent import normals, stream, uniforms
from emulator.market.shard import Shard

_BUY: Final = Side.BUY
_SELL: Final = Side.SELL
_IOC: Final = TimeInForce.IOC

_SELF_EXCITED: Final = 0.5
"""Share of the flow that is answered flow (the Hawkes branching ratio)."""
_FAST_DECAY: Final = 6.0
_SLOW_DECAY: Final = 0.25


class Value(Protocol):
    """What an instrument is worth, as its crowd sees it."""

    @property
    def second_vol(self) -> float:
        """Standard deviation of the next second's log return."""
        ...

    @property
    def activity(self) -> float:
        """How lively the market is against its mean."""
        ...

    @property
    def ticks(self) -> float:
        """The value in price ticks."""
        ...


class Crowd:
    """All anonymous traders of one instrument."""

    def __init__(self, seed: int, shard: Shard, value: Value, events_per_second: float) -> None:
        self._shard = shard
        self._engine = shard.engine
        self._value = value
        self._base_rate = events_per_second * (1.0 - _SELF_EXCITED)
        name = shard.listing.flow_name
        self._usual = shard.listing.resting
        self._uniform = uniforms(stream(seed, "crowd", name)).__next__
        self._normal = normals(stream(seed, "sizes", name)).__next__
        self._ids: list[int] = []
        self._places: dict[int, int] = {}
        self._resting = {_BUY: 0, _SELL: 0}
        self._fast = 0.0
        self._slow = 0.0
        self._lean = 1
        ticks = value.ticks
        self._median_lots = max(1.0, shard.listing.lots_worth(shard.listing.order_value, ticks))
        self._reach = max(ticks * 3.2e-4, shard.listing.reach_ticks)
        """Median distance of a resting order from the best price, in ticks."""

    def populate(self, ts_ns: int) -> None:
        """Fill an empty book around the value and close the spread, without a trade."""
        for index in range(2 * self._usual):
            side = _BUY if index % 2 else _SELL
            distance = 1 + int(self._reach * math.exp(1.1 * self._normal()))
            price = round(self._value.ticks) - side.sign * distance
            if price > 0:
                self._place(side, price, self._lots(1.0 + distance / self._reach), ts_ns)

        for _ in range(self._usual):
            bid, ask = self._engine.best_bid(), self._engine.best_ask()
            if bid is None or ask is None or ask - bid <= 1:
                break
            self._step_inside(bid, ask, self._value.ticks, 0.0, ts_ns)

    def step(self, start_ns: int, quantum_ns: int) -> None:
        """Act for one quantum of time."""
        seconds = quantum_ns / 1e9
        self._fast *= math.exp(-_FAST_DECAY * seconds)
        self._slow *= math.exp(-_SLOW_DECAY * seconds)
        rate = self._base_rate * self._value.activity + self._fast + self._slow
        # Poisson count by multiplying uniforms.
        left = math.exp(-rate * seconds)
        count, product = 0, self._uniform()
        while product > left:
            count += 1
            product *= self._uniform()
        for index in range(count):
            ts_ns = self._shard.stamp(start_ns + quantum_ns * (index + 1) // (count + 1))
            self._fast += 0.6 * _SELF_EXCITED * _FAST_DECAY
            self._slow += 0.4 * _SELF_EXCITED * _SLOW_DECAY
            self._act(ts_ns)

    def take(self, side: Side, lots: int, ts_ns: int, limit_ticks: int | None = None) -> int:
        """Take from the book at once, up to a limit price, and return what was got."""
        shard = self._shard
        got = self._engine.fillable(side, limit_ticks, lots, CROWD)
        if got:
            order_id = shard.next_order_id()
            shard.apply(self._engine.market(order_id, CROWD, side, got), shard.stamp(ts_ns))
            self._forget_filled()
        return got

    def _act(self, ts_ns: int) -> None:
        bid, ask = self._engine.best_bid(), self._engine.best_ask()
        value = self._value.ticks
        if bid is None or ask is None:
            side = _BUY if bid is None else _SELL
            self._quote(side, round(value) - side.sign * (1 + int(self._uniform() * 8)), ts_ns)
            return
        second = max(1.0, value * self._value.second_vol)
        pull = (value - 0.5 * (bid + ask)) / second
        if (away := abs(pull)) > 1.0:
            away = 1.0
        draw = self._uniform()
        take = 0.075 + 0.22 * away
        pulled = take + 0.20 * away
        inside = pulled + (0.30 if ask - bid > 1 else 0.04)
        if draw < take:
            self._take_some(bid, ask, value, pull, ts_ns)
        elif draw < pulled:
            stale = self._engine.depth(_SELL if pull > 0 else _BUY, 1)
            self._pull_stale(_SELL if pull > 0 else _BUY, stale[0][0], ts_ns)
        elif draw < inside:
            self._step_inside(bid, ask, value, pull, ts_ns)
        else:
            self._add_or_cancel(bid, ask, ts_ns)

    def _take_some(self, bid: int, ask: int, value: float, pull: float, ts_ns: int) -> None:
        """A taker: informed ones follow the value, the others a side that persists."""
        if self._uniform() < 0.12:
            self._lean = -self._lean
        informed = self._uniform() < min(0.92, abs(pull))
        buys = pull > 0 if informed else self._lean > 0
        side = _BUY if buys else _SELL
        best = ask if buys else bid
        limit = best
        size = math.exp(1.5 * self._normal() - 1.5)
        if informed and (value - best) * side.sign > 0:
            limit = math.floor(value) if buys else math.ceil(value)
            size *= 1.0 + 3.0 * min(abs(pull), 4.0)
        lots = max(1, int(self._median_lots * size))
        if self._uniform() < 0.15:
            lots = _round_lots(lots)
        shard = self._shard
        order_id = shard.next_order_id()
        shard.apply(self._engine.limit(order_id, CROWD, side, limit, lots, _IOC), ts_ns)
        self._forget_filled()

    def _pull_stale(self, side: Side, price: int, ts_ns: int) -> None:
        """Somebody sees that the best quote is off the value and takes it away."""
        for order in self._engine.at(side, price):
            if order.owner == CROWD:
                self._cancel(order.id, ts_ns)
                return

    def _step_inside(self, bid: int, ask: int, value: float, pull: float, ts_ns: int) -> None:
        """A quoter improves the best price, or joins it when the spread is one tick."""
        side = _BUY if (pull > 0) == (self._uniform() < 0.8) else _SELL
        if side is _BUY:
            price = max(bid, min(ask - 1, math.floor(value)))
        else:
            price = min(ask, max(bid + 1, math.ceil(value)))
        self._quote(side, price, ts_ns)

    def _quote(self, side: Side, price: int, ts_ns: int) -> None:
        if price > 0:
            self._place(side, price, self._lots(1.6), ts_ns)

    def _add_or_cancel(self, bid: int, ask: int, ts_ns: int) -> None:
        side = _BUY if self._uniform() < 0.5 else _SELL
        crowded = self._resting[side] / self._usual
        if self._uniform() < 0.5 * crowded:
            self._cancel(self._ids[int(self._uniform() * len(self._ids))], ts_ns)
            return
        distance = int(self._reach * math.exp(1.1 * self._normal()))
        price = bid - distance if side is _BUY else ask + distance
        if distance > 20 and self._uniform() < 0.25:
            price -= price % 10
        if price > 0:
            self._place(side, price, self._lots(1.0 + min(3.0, distance / self._reach)), ts_ns)

    def _lots(self, scale: float) -> int:
        lots = max(1, int(self._median_lots * scale * math.exp(0.9 * self._normal())))
        return _round_lots(lots) if self._uniform() < 0.12 else lots

    def _place(self, side: Side, price: int, lots: int, ts_ns: int) -> None:
        shard = self._shard
        if (tick := shard.tick_at(price)) > 1:
            price -= price % tick if side is _BUY else -(-price % tick)
            if price <= 0:
                return
        order_id = shard.next_order_id()
        shard.apply(self._engine.limit(order_id, CROWD, side, price, lots), ts_ns)
        if self._engine.order(order_id) is not None:
            self._places[order_id] = len(self._ids)
            self._ids.append(order_id)
            self._resting[side] += 1
        self._forget_filled()

    def _cancel(self, order_id: int, ts_ns: int) -> None:
        order = self._engine.order(order_id)
        if order is not None:
            self._resting[order.side] -= 1
            self._forget(order_id)
            self._shard.apply(self._engine.cancel(order_id), ts_ns)

    def _forget_filled(self) -> None:
        gone = self._shard.crowd_gone
        if gone:
            for order_id, side in gone:
                if order_id in self._places:
                    self._resting[side] -= 1
                    self._forget(order_id)
            gone.clear()

    def _forget(self, order_id: int) -> None:
        place = self._places.pop(order_id)
        last = self._ids.pop()
        if last != order_id:
            self._ids[place] = last
            self._places[last] = place


def _round_lots(lots: int) -> int:
    """Return a size a person would type: one leading digit, then zeros."""
    unit: int = 10 ** max(0, len(str(lots)) - 1)
    return max(1, round(lots / unit)) * unit
