"""A price-time priority matching engine for one instrument; integers only.

Venue-neutral: the emulator trades its markets through it and the simulated venue of a backtest
fills against it. It knows no clock, no balances and no fees, and the same calls give the same
events.

::

    bids: prices ascending, best last          asks: negated prices ascending, best last
          [.., 99, 100]                               [.., -102, -101]
                   │                                          │
                   ▼                                          ▼
             Level(100): oldest ◄─► .. ◄─► newest       Level(101): oldest ◄─► .. ◄─► newest

Every call returns its events in order: the taker's `Accepted` (or `Rejected`), its `Traded`s, then
how it ended (`Expired`, `Canceled`) if it neither rests nor is filled, then one `LevelChanged` for
each level touched, with the level's new total. Each event carries the next sequence number.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from enum import StrEnum
from typing import Final, TypeAlias

import msgspec

from core.model.errors import InvariantError
from core.model.market import Side
from core.model.orders import TimeInForce

_BUY: Final = Side.BUY
_SELL: Final = Side.SELL
_GTC: Final = TimeInForce.GTC
_FOK: Final = TimeInForce.FOK

CROWD: Final = 0
"""The owner that self-trade prevention never applies to."""


class Reason(StrEnum):
    """Why an order was refused or ended before it was filled."""

    WOULD_TAKE = "would_take"
    """A post-only order would have matched at once."""
    TIME_IN_FORCE = "time_in_force"
    """IOC remainder, or a FOK that could not be filled whole."""
    NO_LIQUIDITY = "no_liquidity"
    """A market order ran out of book."""
    SELF_TRADE = "self_trade"
    """It met an order of the same owner; the taker gives way."""


class Accepted(msgspec.Struct, frozen=True, gc=False, tag="accepted"):
    """An order entered the engine; `price_ticks` is 0 for a market order."""

    seq: int
    order_id: int
    owner: int
    side: Side
    price_ticks: int
    lots: int
    """0 for a market order sized in quote."""


class Rejected(msgspec.Struct, frozen=True, gc=False, tag="rejected"):
    """An order never entered."""

    seq: int
    order_id: int
    owner: int
    reason: Reason


class Traded(msgspec.Struct, frozen=True, gc=False, tag="traded"):
    """A taker met a resting order, at the resting order's price."""

    seq: int
    maker_id: int
    maker_owner: int
    taker_id: int
    taker_owner: int
    taker_side: Side
    price_ticks: int
    lots: int
    maker_left: int
    """Lots of the maker still resting; 0 means it is filled and gone."""
    taker_left: int
    """Lots the taker still wants; 0 for a market order sized in quote."""


class Canceled(msgspec.Struct, frozen=True, gc=False, tag="canceled"):
    """A resting order was taken out; `lots` is what was left of it."""

    seq: int
    order_id: int
    owner: int
    lots: int


class Expired(msgspec.Struct, frozen=True, gc=False, tag="expired"):
    """A taker's remainder of `lots` was dropped."""

    seq: int
    order_id: int
    owner: int
    lots: int
    reason: Reason


class LevelChanged(msgspec.Struct, frozen=True, gc=False, tag="level"):
    """A price level now holds `lots` in all; 0 means it is gone."""

    seq: int
    side: Side
    price_ticks: int
    lots: int


MatchEvent: TypeAlias = Accepted | Rejected | Traded | Canceled | Expired | LevelChanged
"""Everything a call can lead to."""


class RestingOrder:
    """An order in the book; read it, never write it."""

    __slots__ = (
        "hidden",
        "id",
        "level",
        "lots",
        "newer",
        "older",
        "owner",
        "peak",
        "price_ticks",
        "side",
    )

    def __init__(
        self, order_id: int, owner: int, side: Side, price_ticks: int, lots: int, peak: int = 0
    ) -> None:
        self.id = order_id
        self.owner = owner
        self.side = side
        self.price_ticks = price_ticks
        self.peak = peak
        """What an iceberg shows at a time; 0 shows all."""
        self.lots = min(lots, peak) if peak else lots
        """What it shows, and trades next."""
        self.hidden = lots - self.lots
        """What an iceberg shows later, each part at the end of the queue."""
        self.older: RestingOrder | None = None
        self.newer: RestingOrder | None = None
        self.level: _Level | None = None


class _Level:
    """A queue of orders at one price, oldest first, as a linked list."""

    __slots__ = ("hidden", "lots", "newest", "oldest", "price_ticks")

    def __init__(self, price_ticks: int) -> None:
        self.price_ticks = price_ticks
        self.lots = 0
        self.hidden = 0
        self.oldest: RestingOrder | None = None
        self.newest: RestingOrder | None = None


class _Half:
    """One side of the book; `sign` is +1 for bids, -1 for asks, a key is sign * price."""

    __slots__ = ("keys", "levels", "side", "sign")

    def __init__(self, side: Side) -> None:
        self.side = side
        self.sign = side.sign
        self.keys: list[int] = []
        self.levels: dict[int, _Level] = {}

    def append(self, order: RestingOrder) -> _Level:
        key = self.sign * order.price_ticks
        level = self.levels.get(key)
        if level is None:
            level = self.levels[key] = _Level(order.price_ticks)
            insort(self.keys, key)
        tail = level.newest
        order.older = tail
        if tail is None:
            level.oldest = order
        else:
            tail.newer = order
        level.newest = order
        level.lots += order.lots
        level.hidden += order.hidden
        order.level = level
        return level

    def show_next(self, order: RestingOrder, level: _Level) -> None:
        """Let the oldest order of a level, an iceberg whose part is gone, show its next one."""
        shown = min(order.peak, order.hidden)
        level.lots += shown - order.lots
        level.hidden -= shown
        order.hidden -= shown
        order.lots = shown
        newer, newest = order.newer, level.newest
        if newer is not None and newest is not None:
            level.oldest, newer.older = newer, None
            newest.newer, order.older = order, newest
            level.newest, order.newer = order, None

    def unlink(self, order: RestingOrder, level: _Level) -> None:
        """Take an order out of its queue, and its level out of the book once that is empty."""
        older, newer = order.older, order.newer
        if older is None:
            level.oldest = newer
        else:
            older.newer = newer
        if newer is None:
            level.newest = older
        else:
            newer.older = older
        order.older = order.newer = order.level = None
        level.lots -= order.lots
        level.hidden -= order.hidden
        if level.oldest is None:
            key = self.sign * level.price_ticks
            del self.levels[key]
            keys = self.keys
            if keys[-1] == key:
                keys.pop()
            else:
                del keys[bisect_left(keys, key)]


class MatchingEngine:
    """The book of one instrument and the rules that move it.

    Order ids are the caller's, unique while the order rests. Owners are the caller's too; two
    orders of one owner never trade with each other (the taker expires), save `CROWD`'s.
    """

    __slots__ = ("_asks", "_bids", "_orders", "seq")

    def __init__(self) -> None:
        self.seq = 0
        """Sequence number of the last event."""
        self._bids = _Half(_BUY)
        self._asks = _Half(_SELL)
        self._orders: dict[int, RestingOrder] = {}

    def best_bid(self) -> int | None:
        """Return the best bid's price in ticks, None when nobody bids."""
        keys = self._bids.keys
        return keys[-1] if keys else None

    def best_ask(self) -> int | None:
        """Return the best ask's price in ticks, None when nobody offers."""
        keys = self._asks.keys
        return -keys[-1] if keys else None

    def order(self, order_id: int) -> RestingOrder | None:
        """Return a resting order, None when it is not in the book."""
        return self._orders.get(order_id)

    def orders(self) -> list[RestingOrder]:
        """Return every resting order, in order of arrival."""
        return list(self._orders.values())

    def lots_at(self, side: Side, price_ticks: int) -> int:
        """Return the total resting at a price."""
        half = self._half(side)
        level = half.levels.get(half.sign * price_ticks)
        return level.lots if level is not None else 0

    def at(self, side: Side, price_ticks: int) -> list[RestingOrder]:
        """Return the orders at a price, oldest first."""
        half = self._half(side)
        level = half.levels.get(half.sign * price_ticks)
        queue: list[RestingOrder] = []
        order = level.oldest if level is not None else None
        while order is not None:
            queue.append(order)
            order = order.newer
        return queue

    def depth(self, side: Side, levels: int) -> list[tuple[int, int]]:
        """Return up to `levels` (price ticks, lots), best first."""
        half = self._half(side)
        best = half.keys[: -levels - 1 : -1] if levels > 0 else []
        return [(level.price_ticks, level.lots) for level in map(half.levels.__getitem__, best)]

    def queue_ahead(self, order_id: int) -> int:
        """Return the lots that trade before this order at its price, 0 when it is not resting."""
        order = self._orders.get(order_id)
        ahead = 0
        while order is not None and (order := order.older) is not None:
            ahead += order.lots
        return ahead

    def fillable(self, side: Side, limit_ticks: int | None, lots: int, owner: int) -> int:
        """Return how much of a taker's `lots` would trade now, not counting beyond its own order.

        A `limit_ticks` of None means any price.
        """
        return sum(taken for _, taken in self.sweep(side, limit_ticks, lots, owner))

    def sweep(
        self, side: Side, limit_ticks: int | None, lots: int, owner: int = CROWD
    ) -> list[tuple[int, int]]:
        """Return what a taker would get now, as (price ticks, lots), best price first."""
        half = self._half(side.opposite)
        worst = None if limit_ticks is None else half.sign * limit_ticks
        taken: list[tuple[int, int]] = []
        left = lots
        for key in reversed(half.keys):
            if left <= 0 or (worst is not None and key < worst):
                break
            level = half.levels[key]
            size, blocked = (level.lots, False) if owner == CROWD else _not_own(level, owner)
            if not blocked:
                size += level.hidden
            size = min(size, left)
            left -= size
            if size:
                taken.append((level.price_ticks, size))
            if blocked:
                break
        return taken

    def limit(
        self,
        order_id: int,
        owner: int,
        side: Side,
        price_ticks: int,
        lots: int,
        tif: TimeInForce = _GTC,
        *,
        post_only: bool = False,
        peak: int = 0,
    ) -> list[MatchEvent]:
        """Take a limit order: match what crosses, rest or expire the remainder.

        What rests of an iceberg shows `peak` lots at a time; the next part goes to the end of the
        queue, all within the taker's one call.

        Raises:
            InvariantError: The id is resting already, or price or size is not positive.
        """
        if price_ticks <= 0 or lots <= 0 or order_id in self._orders:
            raise InvariantError(self._why_bad(order_id, lots, price_ticks))
        other = self._asks if side is _BUY else self._bids
        worst = other.sign * price_ticks
        crosses = bool(other.keys) and other.keys[-1] >= worst
        events: list[MatchEvent] = []
        if crosses and post_only:
            events.append(Rejected(self._next(), order_id, owner, Reason.WOULD_TAKE))
            return events
        events.append(Accepted(self._next(), order_id, owner, side, price_ticks, lots))
        left = lots
        if crosses and not (tif is _FOK and self.fillable(side, price_ticks, lots, owner) < lots):
            touched: list[int] = []
            left, met_self = self._match(order_id, owner, other, worst, left, events, touched)
            if met_self:
                events.append(Expired(self._next(), order_id, owner, left, Reason.SELF_TRADE))
                left = 0
            elif left and tif is not _GTC:
                events.append(Expired(self._next(), order_id, owner, left, Reason.TIME_IN_FORCE))
                left = 0
            self._levels(other, touched, events)
        elif tif is not _GTC:
            events.append(Expired(self._next(), order_id, owner, left, Reason.TIME_IN_FORCE))
            left = 0
        if left:
            order = RestingOrder(order_id, owner, side, price_ticks, left, peak)
            self._orders[order_id] = order
            level = (self._bids if side is _BUY else self._asks).append(order)
            events.append(LevelChanged(self._next(), side, price_ticks, level.lots))
        return events

    def market(self, order_id: int, owner: int, side: Side, lots: int) -> list[MatchEvent]:
        """Take a market order for `lots`; what the book cannot give expires.

        Raises:
            InvariantError: The id is resting already, or the size is not positive.
        """
        if lots <= 0 or order_id in self._orders:
            raise InvariantError(self._why_bad(order_id, lots))
        other = self._asks if side is _BUY else self._bids
        events: list[MatchEvent] = [Accepted(self._next(), order_id, owner, side, 0, lots)]
        touched: list[int] = []
        left, met_self = self._match(order_id, owner, other, None, lots, events, touched)
        if left:
            reason = Reason.SELF_TRADE if met_self else Reason.NO_LIQUIDITY
            events.append(Expired(self._next(), order_id, owner, left, reason))
        self._levels(other, touched, events)
        return events

    def market_quote(self, order_id: int, owner: int, side: Side, budget: int) -> list[MatchEvent]:
        """Take a market order sized in quote: trade while a whole lot fits in the budget.

        `budget` is in ticks times lots. It is done once the best level's lot no longer fits; an
        empty or own order ahead ends it with `Expired` of 0 lots.

        Raises:
            InvariantError: The id is resting already, or the budget is not positive.
        """
        if budget <= 0 or order_id in self._orders:
            raise InvariantError(self._why_bad(order_id, budget))
        other = self._asks if side is _BUY else self._bids
        events: list[MatchEvent] = [Accepted(self._next(), order_id, owner, side, 0, 0)]
        touched: list[int] = []
        reason: Reason | None = None
        while reason is None:
            if not other.keys:
                reason = Reason.NO_LIQUIDITY
                break
            level = other.levels[other.keys[-1]]
            want = min(budget // level.price_ticks, level.lots)
            if want == 0:
                break
            price = level.price_ticks
            left, met_self = self._match(
                order_id, owner, other, other.keys[-1], want, events, touched, in_quote=True
            )
            budget -= (want - left) * price
            reason = Reason.SELF_TRADE if met_self else None
        if reason is not None:
            events.append(Expired(self._next(), order_id, owner, 0, reason))
        self._levels(other, touched, events)
        return events

    def cancel(self, order_id: int) -> list[MatchEvent]:
        """Take a resting order out; no events when it is not in the book."""
        order = self._orders.pop(order_id, None)
        if order is None:
            return []
        level = order.level
        if level is None:
            raise InvariantError(f"order {order_id} is listed but in no level")
        half = self._bids if order.side is _BUY else self._asks
        half.unlink(order, level)
        return [
            Canceled(self._next(), order_id, order.owner, order.lots + order.hidden),
            LevelChanged(self._next(), order.side, order.price_ticks, level.lots),
        ]

    def reduce(self, order_id: int, by: int) -> list[MatchEvent]:
        """Make a resting order smaller where it stands; it keeps its place.

        An iceberg gives up what it hides first.

        Raises:
            InvariantError: It does not rest, or nothing or less would be left of it.
        """
        order = self._orders.get(order_id)
        level = order.level if order is not None else None
        if order is None or level is None:
            raise InvariantError(f"order {order_id} does not rest; only what rests can shrink")
        if not 0 < by < order.lots + order.hidden:
            raise InvariantError(
                f"by must be 1 to {order.lots + order.hidden - 1}, was {by} (order {order_id})"
            )
        unseen = min(by, order.hidden)
        order.hidden -= unseen
        level.hidden -= unseen
        if by == unseen:
            return []
        order.lots -= by - unseen
        level.lots -= by - unseen
        return [LevelChanged(self._next(), order.side, order.price_ticks, level.lots)]

    def cancel_all(self, owner: int) -> list[MatchEvent]:
        """Take all of an owner's orders out, oldest first."""
        mine = [order.id for order in self._orders.values() if order.owner == owner]
        return [event for order_id in mine for event in self.cancel(order_id)]

    def _match(
        self,
        taker_id: int,
        owner: int,
        other: _Half,
        worst: int | None,
        left: int,
        events: list[MatchEvent],
        touched: list[int],
        *,
        in_quote: bool = False,
    ) -> tuple[int, bool]:
        """Trade until filled, out of price or face to face with an own order; (left, met own)."""
        keys, levels, orders = other.keys, other.levels, self._orders
        side = _SELL if other.side is _BUY else _BUY
        seq = self.seq
        met_self = False
        while left and keys and not met_self:
            key = keys[-1]
            if worst is not None and key < worst:
                break
            level = levels[key]
            price = level.price_ticks
            maker = level.oldest
            while left and maker is not None:
                if owner != CROWD and maker.owner == owner:
                    met_self = True
                    break
                lots = maker.lots if maker.lots < left else left
                left -= lots
                maker_left = maker.lots - lots
                seq += 1
                events.append(
                    Traded(
                        seq,
                        maker.id,
                        maker.owner,
                        taker_id,
                        owner,
                        side,
                        price,
                        lots,
                        maker_left + maker.hidden,
                        0 if in_quote else left,
                    )
                )
                if not touched or touched[-1] != price:
                    touched.append(price)
                if maker_left:
                    maker.lots = maker_left
                    level.lots -= lots
                elif maker.hidden:
                    other.show_next(maker, level)
                    maker = level.oldest
                else:
                    del orders[maker.id]
                    newer = maker.newer
                    other.unlink(maker, level)
                    maker = newer
        self.seq = seq
        return left, met_self

    def _levels(self, half: _Half, touched: list[int], events: list[MatchEvent]) -> None:
        for price in touched:
            level = half.levels.get(half.sign * price)
            lots = level.lots if level is not None else 0
            events.append(LevelChanged(self._next(), half.side, price, lots))

    def _next(self) -> int:
        self.seq += 1
        return self.seq

    def _half(self, side: Side) -> _Half:
        return self._bids if side is _BUY else self._asks

    def _why_bad(self, order_id: int, size: int, price_ticks: int = 1) -> str:
        if order_id in self._orders:
            return f"order id {order_id} is resting already; ids must be unique while they rest"
        if price_ticks <= 0:
            return f"price_ticks must be > 0, was {price_ticks} (order {order_id})"
        return f"size must be > 0, was {size} (order {order_id})"


def _not_own(level: _Level, owner: int) -> tuple[int, bool]:
    """Return the lots ahead of an owner's first order in a level, and whether there is one."""
    lots = 0
    order = level.oldest
    while order is not None:
        if order.owner == owner:
            return lots, True
        lots += order.lots
        order = order.newer
    return lots, False
