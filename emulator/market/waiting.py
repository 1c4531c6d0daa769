"""Conditional orders of one instrument: what waits for a price, and what a trade lets go."""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from core.model.market import Side
from emulator.market.accounts import Account, DeskOrder
from emulator.market.shard import Shard
from emulator.market.triggers import Trigger, Triggers, Watched

_BIP_PPM: Final = 100


class Freed(msgspec.Struct, frozen=True):
    """An order that waits no longer."""

    account: Account
    order: DeskOrder


class Waiting:
    """Watches an instrument's trades for the orders that wait for a price."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self._triggers = Triggers()
        self._orders: dict[int, Freed] = {}
        self._idle: dict[int, DeskOrder] = {}
        self._ready: deque[Freed] = deque()
        self._seen = 0

    @property
    def eager(self) -> bool:
        """Whether a trade could let something go."""
        return bool(self._ready) or len(self._triggers) > 0

    def arm(self, account: Account, order: DeskOrder) -> None:
        """Let an order wait for its price.

        Its first price is the next trade's; a trail may follow from the last one.
        """
        if not len(self._triggers):
            self._seen = self._shard.trade_id
            self._triggers.move(Watched.LAST, self._shard.last_ticks)
        ticket = order.ticket
        buys = ticket.side is Side.BUY
        trails = ticket.trail_bips > 0
        outward = buys if ticket.kind.stops else not buys
        trigger = Trigger(
            id=order.id,
            rises=buys if trails else outward,
            price=0 if trails else ticket.stop_ticks,
            trail_ppm=ticket.trail_bips * _BIP_PPM,
            active_at=ticket.stop_ticks if trails else 0,
            active_rises=outward,
        )
        self._triggers.arm(trigger)
        self._orders[order.id] = Freed(account, order)
        if trails:
            self._idle[order.id] = order
            self._note_active(self._shard.last_ns // 1_000_000)

    def disarm(self, order: DeskOrder) -> None:
        """Let an order wait no more."""
        self._triggers.disarm(order.id)
        self._orders.pop(order.id, None)
        self._idle.pop(order.id, None)
        self._ready = deque(each for each in self._ready if each.order is not order)

    def free(self, account: Account, order: DeskOrder) -> None:
        """Let an order go that waited for something else than a price."""
        self._ready.append(Freed(account, order))

    def next(self) -> Freed | None:
        """Return the next order that is let go, None when all others go on waiting."""
        while not self._ready:
            rows = self._shard.trades_since(self._seen) if len(self._triggers) else []
            if not rows:
                return None
            for row in rows:
                self._seen = row.id
                fired = self._triggers.move(Watched.LAST, row.price_ticks)
                self._note_active(row.ts_ms)
                for trigger in fired:
                    self._idle.pop(trigger.id, None)
                    self._ready.append(self._orders.pop(trigger.id))
                if fired:
                    break
        return self._ready.popleft()

    def _note_active(self, ts_ms: int) -> None:
        for order_id, order in list(self._idle.items()):
            trigger = self._triggers.get(order_id)
            if trigger is not None and trigger.active:
                order.trailing_ms = ts_ms
                del self._idle[order_id]
