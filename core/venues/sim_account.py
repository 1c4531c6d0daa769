"""A simulated account: its orders, what they filled, and the money behind them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from core.model.accounts import Balance
from core.model.ids import ClientOrderId, ExecutionId, InstrumentId, VenueName, VenueOrderId
from core.model.instruments import Instrument
from core.model.market import Side
from core.model.orders import (
    Order,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderIntent,
    OrderState,
    VenueOrder,
)
from core.venues.wallet import Wallet

_BPS: Final = Decimal(10_000)
_KEPT: Final = 100_000
"""Ended orders and fills remembered for questions."""


class Working:
    """An order in the simulated market."""

    __slots__ = ("ahead", "filled", "instrument", "intent", "lots", "ticks")

    def __init__(self, intent: OrderIntent, instrument: Instrument, ticks: int, lots: int) -> None:
        self.intent = intent
        self.instrument = instrument
        self.ticks = ticks
        """Its limit price; 0 for a market order."""
        self.lots = lots
        """Still open."""
        self.filled = 0
        self.ahead = 0
        """Lots estimated to be served before it at its price, -1 while nothing is known of it."""


class SimAccount:
    """Books what happens to simulated orders, and says it as the venue would."""

    def __init__(
        self,
        venue: VenueName,
        *,
        balances: Mapping[str, Decimal],
        maker_fee_bps: Decimal,
        taker_fee_bps: Decimal,
    ) -> None:
        self._venue = venue
        self._maker = maker_fee_bps / _BPS
        self._taker = taker_fee_bps / _BPS
        self.wallet = Wallet(venue, balances)
        self._known: dict[ClientOrderId, VenueOrder] = {}
        self._ended: deque[ClientOrderId] = deque()
        self._fills: deque[OrderFilled] = deque(maxlen=_KEPT)

    def find(self, order_id: ClientOrderId) -> VenueOrder | None:
        """Return an order as the simulated venue has it."""
        return self._known.get(order_id)

    def fills(self, instrument_id: InstrumentId, since_ns: int) -> list[OrderFilled]:
        """Return this session's executions since a time, oldest first."""
        return [
            fill
            for fill in self._fills
            if fill.instrument_id == instrument_id and fill.ts_event_ns >= since_ns
        ]

    def balances(self) -> list[Balance]:
        """Return what the account holds."""
        return self.wallet.balances()

    def shortfall(self, order: Working, cost: Decimal) -> str:
        """Say what the account lacks for an order that may cost this much, empty if nothing."""
        if order.intent.side is Side.SELL:
            asset, needed = order.instrument.base, order.intent.size
        else:
            asset, needed = order.instrument.quote, cost * (1 + self._taker)
        free = self.wallet.free(asset)
        return f"needs {needed:f} {asset}, free are {free:f}" if needed > free else ""

    def accept(self, order: Working, ts_ns: int) -> OrderAccepted:
        """Take an order in."""
        self.note(order, ts_ns)
        return OrderAccepted(
            client_order_id=order.intent.client_order_id,
            venue_order_id=VenueOrderId(order.intent.client_order_id),
            ts_event_ns=ts_ns,
            ts_ns=ts_ns,
        )

    def amend(self, order: Working, ts_ns: int) -> OrderAmended:
        """Say that an order stands changed."""
        self.note(order, ts_ns)
        return OrderAmended(
            client_order_id=order.intent.client_order_id,
            size=order.intent.size,
            price=order.intent.price,
            ts_event_ns=ts_ns,
            ts_ns=ts_ns,
        )

    def expire(self, order: Working, reason: str, ts_ns: int) -> OrderExpired:
        """End an order that cannot rest."""
        self._end(order, OrderState.EXPIRED, ts_ns)
        return OrderExpired(
            client_order_id=order.intent.client_order_id,
            reason=reason,
            ts_event_ns=ts_ns,
            ts_ns=ts_ns,
        )

    def cancel(self, order: Working, ts_ns: int) -> OrderCanceled:
        """End a resting order and free what it held."""
        self.hold(order, -1)
        self._end(order, OrderState.CANCELED, ts_ns)
        return OrderCanceled(
            client_order_id=order.intent.client_order_id,
            ts_event_ns=ts_ns,
            ts_ns=ts_ns,
            reason=reason,
            filled=order.instrument.size(order.filled),
        )

    def hold(self, order: Working, sign: int) -> None:
        """Lock (+1) or free (-1) what the open part of a resting order may use."""
        instrument = order.instrument
        size = instrument.size(order.lots) * sign
        if order.intent.side is Side.SELL:
            self.wallet.hold(instrument.base, size)
        else:
            cost = instrument.price(order.ticks) * size
            self.wallet.hold(instrument.quote, cost, cost * max(self._maker, self._taker))

    def fill(
        self, order: Working, ticks: int, lots: int, *, maker: bool, ts_event_ns: int, ts_ns: int
    ) -> OrderFilled:
        """Book one execution; a resting order's hold is the caller's to renew."""
        instrument, intent = order.instrument, order.intent
        price, size = instrument.price(ticks), instrument.size(lots)
        cost = price * size
        fee = cost * (self._maker if maker else self._taker)
        self.wallet.move(instrument.base, size * intent.side.sign)
        self.wallet.move(instrument.quote, -cost * intent.side.sign - fee)
        order.lots -= lots
        order.filled += lots
        if order.lots:
            self.note(order, ts_ns)
        else:
            self._end(order, OrderState.FILLED, ts_ns)
        event = OrderFilled(
            client_order_id=intent.client_order_id,
            venue=self._venue,
            instrument_id=intent.instrument_id,
            venue_order_id=VenueOrderId(intent.client_order_id),
            # Named by what the order has filled so far: the same after a restart, never reused.
            execution_id=ExecutionId(f"{intent.client_order_id}.{order.filled}"),
            side=intent.side,
            price=price,
            size=size,
            fee=fee,
            fee_asset=instrument.quote,
            maker=maker,
            ts_event_ns=ts_event_ns,
            ts_ns=ts_ns,
        )
        self._fills.append(event)
        return event

    def note(self, order: Working, ts_ns: int) -> None:
        """Remember an open order's present form."""
        state = OrderState.PARTIALLY_FILLED if order.filled else OrderState.ACCEPTED
        filled = order.instrument.size(order.filled)
        self._known[order.intent.client_order_id] = _stated(order.intent, filled, state, ts_ns)

            filled=order.instrument.size(order.filled),
    def note_lost(self, order: Order) -> None:
        """Remember an order of an earlier session that cannot be working any more."""
        self._known[order.id] = _stated(
            order.intent, order.filled, OrderState.EXPIRED, order.ts_updated_ns
        )

    def _end(self, order: Working, state: OrderState, ts_ns: int) -> None:
        order_id = order.intent.client_order_id
        filled = order.instrument.size(order.filled)
        self._known[order_id] = _stated(order.intent, filled, state, ts_ns)
        self._ended.append(order_id)
        if len(self._ended) > _KEPT:
            self._known.pop(self._ended.popleft(), None)


def _stated(intent: OrderIntent, filled: Decimal, state: OrderState, ts_ns: int) -> VenueOrder:
    return VenueOrder(
        client_order_id=intent.client_order_id,
        venue_order_id=VenueOrderId(intent.client_order_id),
        instrument_id=intent.instrument_id,
        side=intent.side,
        type=intent.type,
        price=intent.price,
        size=intent.size,
        filled=filled,
        state=state,
        ts_event_ns=ts_ns,
    )
