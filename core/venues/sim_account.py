"""A simulated account: its orders, what they filled, and the money behind them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from core.model.accounts import Balance, EntryKind, VenuePosition
from core.model.facts import CashMoved
from core.model.fees import FeeRates, option_fee
from core.model.ids import ClientOrderId, ExecutionId, InstrumentId, VenueName, VenueOrderId
from core.model.instruments import Instrument, InstrumentKind
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
    PositionSide,
    VenueOrder,
)
from core.trading.ledger import EXACT
from core.venues.margin import Margin, Terms, closes
from core.venues.wallet import Wallet

_KEPT: Final = 100_000
"""Ended orders, fills and flows remembered for questions."""
_CENT: Final = Decimal("1e-8")
"""Venues round what they charge on contracts to this."""
_ZERO: Final = Decimal(0)
_NET: Final = PositionSide.NET


class Working:
    """An order in the simulated market."""

    __slots__ = (
        "ahead", "filled", "instrument", "intent", "lots", "seen", "shown", "ticks", "traded",
    )  # fmt: skip

    def __init__(self, intent: OrderIntent, instrument: Instrument, ticks: int, lots: int) -> None:
        self.intent = intent
        self.instrument = instrument
        self.ticks = ticks
        """Its limit price; 0 for a market order."""
        self.lots = lots
        """Still open."""
        self.filled = 0
        self.shown = lots
        """The part of an iceberg that the book would show."""
        self.ahead = 0
        """Lots estimated to be served before it at its price, -1 while nothing is known of it."""
        self.seen = -1
        """What the book showed at its price when it was looked at last, -1: it was not."""
        self.traded = 0
        """Lots traded at its price since then."""


class SimAccount:
    """Books what happens to simulated orders, and says it as the venue would."""

    def __init__(
        self,
        venue: VenueName,
        *,
        balances: Mapping[str, Decimal],
        rates: Callable[[Instrument], FeeRates],
        terms: Callable[[Instrument], Terms],
        mid: Callable[[InstrumentId], Decimal | None],
    ) -> None:
        self._venue = venue
        self._rates = rates
        self._terms = terms
        self.wallet = Wallet(venue, balances)
        self.margin = Margin(self.wallet, terms, mid)
        self._known: dict[ClientOrderId, VenueOrder] = {}
        self._ended: deque[ClientOrderId] = deque()
        self._fills: deque[OrderFilled] = deque(maxlen=_KEPT)
        self.flows: deque[CashMoved] = deque(maxlen=_KEPT)
        """What moved without a fill, oldest first."""

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

    def positions(self, ts_ns: int) -> list[VenuePosition]:
        """Return the open positions of contracts."""
        return self.margin.stated(self._venue, ts_ns)

    def refusal(self, intent: OrderIntent, instrument: Instrument, hedged: bool) -> str:
        """Say what the account does not do at all, empty: nothing of the kind."""
        side = intent.position_side
        if instrument.derivative and (side is _NET) is hedged:
            wants = "long or short: they are held apart" if hedged else "net: they are not apart"
            return f"the position of a contract must be {wants} (paper.hedged), was {side}"
        if not instrument.derivative and side is not _NET:
            return f"a holding has one side only, was {side}"
        if instrument.kind is InstrumentKind.OPTION and intent.side is Side.SELL:
            held = self.margin.size(instrument.id, side)
            if intent.size > held:
                return (
                    "options are only bought here, and sold again: the margin of short ones is "
                    f"each venue's own model; held are {held:f}"
                )
        return ""

    def closable(self, order: Working) -> int | None:
        """Return the lots an order may close, None where it may also open."""
        if not order.instrument.derivative or not closes(order.intent):
            return None
        held = self.margin.size(order.intent.instrument_id, order.intent.position_side)
        return max(0, order.instrument.floor_lots(held * -order.intent.side.sign))

    def shortfall(self, order: Working, hits: list[tuple[int, int]], rests: int) -> str:
        """Say what the account lacks to take levels and let lots rest, empty if nothing."""
        item, intent = order.instrument, order.intent
        parts = [(item.price(at), item.size(lots)) for at, lots in hits]
        if rests:
            parts.append((item.price(order.ticks), item.size(rests)))
        cost = sum((price * size for price, size in parts), _ZERO)
        rates = self._rates(item)
        if item.derivative:
            fee = sum((self._fee(item, p, s, max(rates.taker, _ZERO)) for p, s in parts), _ZERO)
            return self.margin.shortfall(intent, item, parts, fee)
        if intent.side is Side.SELL:
            asset, needed = item.base, item.size(order.lots)
        else:
            # A fee in what is bought needs nothing more.
            extra = _ZERO if rates.in_received else max(rates.maker, rates.taker, _ZERO)
            asset, needed = item.quote, cost * (1 + extra)
        free = min(self.wallet.free(asset), self.margin.available(asset))
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
            filled=order.instrument.size(order.filled),
        )

    def cancel(self, order: Working, ts_ns: int, reason: str = "") -> OrderCanceled:
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
        instrument, intent = order.instrument, order.intent
        price, size = instrument.price(order.ticks), instrument.size(order.lots)
        if instrument.kind is InstrumentKind.OPTION:
            if intent.side is Side.BUY:
                premium = price * size * instrument.contract_size * sign
                self.wallet.hold(instrument.pays_in, premium)
        elif instrument.derivative:
            self.margin.hold(intent, instrument, size, price, sign)
        elif intent.side is Side.SELL:
            self.wallet.hold(instrument.base, size * sign)
        else:
            rates = self._rates(instrument)
            rate = _ZERO if rates.in_received else max(rates.maker, rates.taker, _ZERO)
            cost = price * size * sign
            self.wallet.hold(instrument.quote, cost, cost * rate)

    def fill(
        self, order: Working, ticks: int, lots: int, *, maker: bool, ts_event_ns: int, ts_ns: int
    ) -> OrderFilled:
        """Book one execution; a resting order's hold is the caller's to renew."""
        instrument, intent = order.instrument, order.intent
        price, size = instrument.price(ticks), instrument.size(lots)
        rates = self._rates(instrument)
        rate = rates.maker if maker else rates.taker
        realised: Decimal | None = None
        fee_asset = instrument.pays_in
        if instrument.derivative:
            fee = self._fee(instrument, price, size, rate)
            realised = self._trade(order, price, size)
        else:
            cost = EXACT.multiply(price, size)
            fee = EXACT.multiply(cost, rate)
            if rates.in_received and intent.side is Side.BUY:
                fee, fee_asset = EXACT.multiply(size, rate), instrument.base
            self.wallet.move(instrument.base, size * intent.side.sign)
            self.wallet.move(instrument.quote, -cost * intent.side.sign)
        self.wallet.move(fee_asset, fee.copy_negate())
        order.lots -= lots
        order.filled += lots
        order.shown -= lots
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
            fee_asset=fee_asset,
            maker=maker,
            position_side=intent.position_side,
            realised=realised,
            ts_event_ns=ts_event_ns,
            ts_ns=ts_ns,
        )
        self._fills.append(event)
        return event

    def moved(
        self,
        asset: str,
        amount: Decimal,
        kind: EntryKind,
        flow_id: str,
        instrument_id: InstrumentId,
        ts_event_ns: int,
        ts_ns: int,
    ) -> CashMoved:
        """Book money that moves without a fill."""
        self.wallet.move(asset, amount)
        flow = CashMoved(
            venue=self._venue,
            asset=asset,
            amount=amount,
            kind=kind,
            flow_id=flow_id,
            instrument_id=instrument_id,
            ts_event_ns=ts_event_ns,
            ts_ns=ts_ns,
        )
        self.flows.append(flow)
        return flow

    def note(self, order: Working, ts_ns: int) -> None:
        """Remember an open order's present form."""
        state = OrderState.PARTIALLY_FILLED if order.filled else OrderState.ACCEPTED
        filled = order.instrument.size(order.filled)
        self._known[order.intent.client_order_id] = _stated(order.intent, filled, state, ts_ns)

    def note_lost(self, order: Order) -> None:
        """Remember an order of an earlier session that cannot be working any more."""
        self._known[order.id] = _stated(
            order.intent, order.filled, OrderState.EXPIRED, order.ts_updated_ns
        )

    def _trade(self, order: Working, price: Decimal, size: Decimal) -> Decimal | None:
        """Let a position follow, and return what it gained, None of an option."""
        instrument, intent = order.instrument, order.intent
        gain = self.margin.trade(instrument, intent.position_side, size * intent.side.sign, price)
        if instrument.kind is InstrumentKind.OPTION:
            premium = EXACT.multiply(EXACT.multiply(size, price), instrument.contract_size)
            self.wallet.move(instrument.pays_in, premium * -intent.side.sign)
            return None
        self.wallet.move(instrument.pays_in, gain)
        return gain

    def _fee(self, instrument: Instrument, price: Decimal, size: Decimal, rate: Decimal) -> Decimal:
        """Return the fee of a contract: of its worth; of an option by what it is an option on."""
        worth = self.margin.held(instrument, _NET).net.worth(size, price)
        if instrument.kind is not InstrumentKind.OPTION:
            return (worth * rate).quantize(_CENT)
        index = self.margin.indices.get(instrument.id)
        return option_fee(instrument, worth, size, rate, index).quantize(_CENT)

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
        reduce_only=intent.reduce_only,
    )
