"""Orders of one instrument that wait for a price, and what its trades let go."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Final

from core.model.market import Side
from emulator.alpaca.trading.account import Account
from emulator.alpaca.trading.orders import Order
from emulator.market.shard import Shard
from emulator.market.triggers import Trigger, Triggers, Watched

_PERCENT_PPM: Final = 10_000


class Watch:
    """Watches an instrument's trades."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self._triggers = Triggers()
        self._orders: dict[int, tuple[Account, Order]] = {}
        self._numbers: dict[str, int] = {}
        self._ready: deque[tuple[Account, Order]] = deque()
        self._seen = 0
        self._last_number = 0

    def arm(self, account: Account, order: Order) -> None:
        """Let an order wait for its price; a trail follows from the last trade's on."""
        if not len(self._triggers):
            self._seen = self._shard.trade_id
            self._triggers.move(Watched.LAST, self._shard.last_ticks)
        self._last_number += 1
        tick = order.instrument.tick
        trigger = Trigger(
            id=self._last_number,
            rises=order.side is Side.BUY,
            price=int(order.stop / tick) if order.stop is not None else 0,
            trail=int(order.trail_price / tick) if order.trail_price is not None else 0,
            trail_ppm=(
                int(order.trail_percent * _PERCENT_PPM) if order.trail_percent is not None else 0
            ),
        )
        if trigger.trailing:
            trigger.price = 0
        self._triggers.arm(trigger)
        self._orders[trigger.id] = (account, order)
        self._numbers[order.id] = trigger.id
        self._note(trigger, order)

    def disarm(self, order: Order) -> None:
        """Let an order wait no more."""
        number = self._numbers.pop(order.id, None)
        if number is not None:
            self._triggers.disarm(number)
            self._orders.pop(number, None)
        self._ready = deque(each for each in self._ready if each[1] is not order)

    def next(self) -> tuple[Account, Order] | None:
        """Return the next order that is let go, None when all others go on waiting."""
        while not self._ready:
            rows = self._shard.trades_since(self._seen) if len(self._triggers) else []
            if not rows:
                return None
            for row in rows:
                self._seen = row.id
                fired = self._triggers.move(Watched.LAST, row.price_ticks)
                self._follow()
                for trigger in fired:
                    account, order = self._orders.pop(trigger.id)
                    self._numbers.pop(order.id, None)
                    self._ready.append((account, order))
                if fired:
                    break
        return self._ready.popleft()

    def _follow(self) -> None:
        """Keep orders' trails as they are told."""
        for number, (_, order) in self._orders.items():
            trigger = self._triggers.get(number)
            if trigger is not None and trigger.trailing:
                self._note(trigger, order)

    def _note(self, trigger: Trigger, order: Order) -> None:
        if trigger.trailing and trigger.best:
            tick: Decimal = order.instrument.tick
            order.hwm = trigger.best * tick
            order.stop = trigger.price * tick
