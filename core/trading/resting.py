"""Open orders, counted per scope, and the best price our own orders rest at."""

from __future__ import annotations

from bisect import bisect_left, insort
from decimal import Decimal
from typing import Final, TypeAlias

from core.model.ids import ClientOrderId, InstrumentId
from core.model.market import Side
from core.model.orders import Order, OrderIntent, OrderState
from core.trading.limits import Scopes

_Place: TypeAlias = tuple[InstrumentId, Side]
_BUY: Final = Side.BUY
_SELL: Final = Side.SELL
_NOT_THERE: Final = frozenset({OrderState.HELD, OrderState.DENIED})


class Resting:
    """Follows every order; each question costs the same however many there are."""

    def __init__(self, scopes: Scopes) -> None:
        self._scopes = scopes
        self._prices: dict[_Place, list[Decimal]] = {}
        """Where orders of ours rest, ascending."""
        self._at: dict[ClientOrderId, tuple[_Place, Decimal]] = {}

    def on_order(self, before: Order | None, order: Order) -> None:
        """Take an order's new form."""
        was = before is not None and not before.state.terminal
        now = not order.state.terminal
        if was is not now:
            intent = order.intent
            of = self._scopes.of(intent.instrument_id, order.venue, intent.strategy_id)
            for scope in of:
                scope.open_orders += 1 if now else -1
        price = _rests_at(order)
        place = (order.intent.instrument_id, order.intent.side)
        known = self._at.get(order.id)
        if known is not None and known[1] != price:
            prices = self._prices[known[0]]
            del prices[bisect_left(prices, known[1])]
            del self._at[order.id]
            known = None
        if known is None and price is not None:
            insort(self._prices.setdefault(place, []), price)
            self._at[order.id] = (place, price)

    def meets(self, intent: OrderIntent) -> Decimal | None:
        """Return the price of an order of ours on the other side that this one would trade with."""
        buys = intent.side is _BUY
        prices = self._prices.get((intent.instrument_id, _SELL if buys else _BUY))
        if not prices or intent.post_only or intent.type.conditional:
            return None
        best = prices[0] if buys else prices[-1]
        if intent.price is None:
            return best
        crosses = intent.price >= best if buys else intent.price <= best
        return best if crosses else None


def _rests_at(order: Order) -> Decimal | None:
    """Return the price an order rests at, None while it rests nowhere."""
    intent = order.intent
    if order.state.terminal or order.state in _NOT_THERE:
        return None
    if intent.type.conditional and not order.triggered_ns:
        return None
    return intent.price
