"""How a start takes what lies behind: of orders that lived plainly no more is made than is asked.

A journal tells mostly of orders that were sent, taken, and then filled or cancelled. While such a
life is read back its events are only noted, for all that matters until its end is what it filled
and when it was over. Of those that ended most have given way by the time the last record is read,
and no order was ever made of them. Any other event makes the order of what was noted, and is then
taken as events are while the engine runs.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, Protocol, TypeAlias, get_args

from core.model.ids import ClientOrderId, StrategyId
from core.model.orders import (
    CancelRejected,
    CancelSubmitted,
    Order,
    OrderAccepted,
    OrderCanceled,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderSubmitted,
    OrderUnknown,
)
from core.trading.ledger import EXACT
from core.trading.recent import Recent
from core.trading.tracked import ExecutionKey, Tracked, end, entered, filled, told

_Noted: TypeAlias = (
    OrderAccepted | CancelSubmitted | CancelRejected | OrderUnknown | OrderCanceled | OrderExpired
)
_ZERO: Final = Decimal(0)
_PASSING: Final = frozenset({OrderAccepted, CancelSubmitted, CancelRejected, OrderUnknown})
"""Events that neither end an order that has not ended nor change what fills it up."""
_LATER: Final = Tracked.__new__(Tracked)
"""Keeps the place of an order that nobody has made yet."""
_add: Final = EXACT.add


class Effect(Protocol):
    """What came of an event, as far as money is concerned."""

    @property
    def order(self) -> Order | None:
        """The order, None when it is no longer in memory."""

    @property
    def fills(self) -> tuple[OrderFilled, ...]:
        """What to book."""


class Life:
    """What was noted of one order."""

    __slots__ = ("events", "filled", "first", "over")

    def __init__(self, first: OrderSubmitted) -> None:
        self.first = first
        self.events: list[OrderFilled | _Noted] = []
        self.filled = _ZERO
        self.over = False

    def relive(self) -> Tracked:
        """Return the order that the events make."""
        tracked = entered(self.first)
        for event in self.events:
            if isinstance(event, OrderFilled):
                filled(tracked, event, (event,))
            else:
                told(tracked, event)
        if self.over:
            end(tracked)
        return tracked


class Past:
    """Takes order events in the journal's order; `settle` makes the orders that are left of them.

    Before that nothing else may be told to the orders, or asked of them.
    """

    def __init__(
        self,
        *,
        book: Callable[[OrderFilled, StrategyId | None], None],
        apply: Callable[[OrderEvent], Effect | None],
        retire: Callable[[ClientOrderId], ClientOrderId | None],
        tracked: dict[ClientOrderId, Tracked],
        opened: dict[ClientOrderId, Tracked],
        ids: Recent[ClientOrderId],
        executions: Recent[ExecutionKey],
    ) -> None:
        """`book` gets each execution and its order's strategy, where that is known.

        `apply` takes an event the usual way. `retire` puts an order among those that ended, and
        returns the one that gave way to it.
        """
        self._book = book
        self._apply = apply
        self._retire = retire
        self._tracked = tracked
        self._opened = opened
        self._ids = ids
        self._executions = executions
        self._lives: dict[ClientOrderId, Life] = {}

    def takers(self) -> dict[type, Callable[[Any], None]]:
        """Return what takes the events of each kind; there are too many to ask for each of them."""
        takers: dict[type, Callable[[Any], None]] = dict.fromkeys(get_args(OrderEvent), self._take)
        takers |= dict.fromkeys(_PASSING, self._pass)
        takers |= dict.fromkeys((OrderCanceled, OrderExpired), self._note_end)
        return takers | {OrderSubmitted: self._enter, OrderFilled: self._fill}

    def settle(self) -> None:
        """Make every order that is still in memory."""
        for order_id in list(self._lives):
            self._make(order_id)

    def _take(self, event: OrderEvent) -> None:
        """Apply an event to an order, which is made where it was only noted."""
        self._make(event.client_order_id)
        applied = self._apply(event)
        if applied is not None and applied.fills:
            order = applied.order
            strategy = None if order is None else order.intent.strategy_id
            for fill in applied.fills:
                self._book(fill, strategy)

    def _enter(self, event: OrderSubmitted) -> None:
        order_id = event.intent.client_order_id
        if order_id in self._tracked or not self._ids.add(order_id):
            self._take(event)
            return
        self._lives[order_id] = Life(event)
        self._tracked[order_id] = self._opened[order_id] = _LATER

    def _pass(self, event: _Noted) -> None:
        life = self._lives.get(event.client_order_id)
        if life is None or life.over:
            self._take(event)
        else:
            life.events.append(event)

    def _note_end(self, event: OrderCanceled | OrderExpired) -> None:
        life = self._lives.get(event.client_order_id)
        if life is None or life.over or (event.filled or _ZERO) > life.filled:
            self._take(event)
        else:
            life.events.append(event)
            self._end(life, event.client_order_id)

    def _fill(self, fill: OrderFilled) -> None:
        life = self._lives.get(fill.client_order_id)
        if life is None or life.over or fill.inferred:
            self._take(fill)
            return
        intent = life.first.intent
        if fill.side is not intent.side:
            self._take(fill)
        elif self._executions.add((fill.venue, fill.instrument_id, fill.execution_id)):
            life.events.append(fill)
            self._book(fill, intent.strategy_id)
            done = life.filled
            done = life.filled = _add(done, fill.size) if done else fill.size
            if done >= intent.size:
                self._end(life, fill.client_order_id)

    def _end(self, life: Life, order_id: ClientOrderId) -> None:
        life.over = True
        gone = self._retire(order_id)
        if gone is not None:
            self._lives.pop(gone, None)

    def _make(self, order_id: ClientOrderId) -> None:
        """Make the order of what was noted, if it is one that was only noted."""
        life = self._lives.pop(order_id, None)
        if life is None or order_id not in self._tracked:  # it gave way to one that was made
            return
        tracked = self._tracked[order_id] = life.relive()
        if not life.over:
            self._opened[order_id] = tracked
