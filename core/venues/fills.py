"""How simulated orders fill; one model for paper trading and backtests.

- A taker walks the levels the market shows, pays the taker fee, and leaves them taken.
- A resting order fills, as maker and at its own price, when the market trades through it (whole),
  when trades at its price have used up the queue estimated ahead of it (by what is left of the
  trade), or when the opposite quote reaches it (by the size quoted).
- With bars alone it fills when the bar goes beyond its price, at most the bar's volume. A bar
  that only touches it does not: it would have been last in the queue.
- Fees are paid in the quote asset, so a position is exactly the size that was ordered.

Nothing here reads a clock or a random number: the same calls give the same events.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal

import msgspec

from core.model.errors import ConfigError
from core.model.facts import VenueEvent
from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import Bar, Quote, Side, Trade
from core.model.orders import (
    AmendRejected,
    AmendSubmitted,
    CancelRejected,
    Order,
    OrderFilled,
    OrderIntent,
    OrderRejected,
    OrderType,
    TimeInForce,
    VenueOrder,
)
from core.venues.liquidity import Depth, Level, Liquidity
from core.venues.sim_account import SimAccount, Working


class FillModel:
    """One simulated account and its orders; each call returns what happened, in order."""

    def __init__(
        self,
        venue: VenueName,
        *,
        balances: Mapping[str, Decimal],
        maker_fee_bps: Decimal,
        taker_fee_bps: Decimal,
        depth: Depth | None = None,
    ) -> None:
        """Open an account; instruments are taught by `add_instruments`."""
        self.account = SimAccount(
            venue, balances=balances, maker_fee_bps=maker_fee_bps, taker_fee_bps=taker_fee_bps
        )
        self.liquidity = Liquidity(depth)
        self._instruments: dict[InstrumentId, Instrument] = {}
        self._working: dict[InstrumentId, list[Working]] = {}

    def add_instruments(self, instruments: Iterable[Instrument]) -> None:
        """Learn steps and limits; orders for others are rejected."""
        self._instruments.update((instrument.id, instrument) for instrument in instruments)

    def open_orders(self) -> list[VenueOrder]:
        """Return every open order, by instrument in order of arrival."""
        found = (
            self.account.find(order.intent.client_order_id)
            for orders in self._working.values()
            for order in orders
        )
        return [order for order in found if order is not None]

    def place(self, intent: OrderIntent, ts_ns: int) -> list[VenueEvent]:
        """Take an order: reject it, or accept it and fill what fills at once."""
        problem = self._problem(intent)
        if problem is not None:
            return [_rejected(intent, problem, ts_ns)]
        instrument = self._instruments[intent.instrument_id]
        ticks = None if intent.price is None else instrument.ticks(intent.price)
        order = Working(intent, instrument, ticks or 0, instrument.lots(intent.size))
        hits = self.liquidity.walk(intent.instrument_id, intent.side, order.lots, ticks) or []
        problem = self._unfillable(order, hits)
        if problem is not None:
            return [_rejected(intent, problem, ts_ns)]
        events: list[VenueEvent] = [self.account.accept(order, ts_ns)]
        if intent.time_in_force is TimeInForce.FOK and _size(hits) < order.lots:
            events.append(self.account.expire(order, "fok: not all of it could fill", ts_ns))
            return events
        if hits:
            self.liquidity.take(intent.instrument_id, intent.side, hits)
            events += [
                self.account.fill(order, price, lots, maker=False, ts_event_ns=ts_ns, ts_ns=ts_ns)
                for price, lots in hits
            ]
        if order.lots and _rests(intent):
            order.ahead = self.liquidity.ahead(intent.instrument_id, intent.side, order.ticks)
            self._rest(order)
        elif order.lots:
            why = "the market shows no more" if ticks is None else "the rest would have to wait"
            events.append(self.account.expire(order, why, ts_ns))
        return events

    def cancel(self, order_id: ClientOrderId, ts_ns: int) -> list[VenueEvent]:
        """Take an order out of the market, or say that it is not there."""
        for orders in self._working.values():
            for order in orders:
                if order.intent.client_order_id == order_id:
                    orders.remove(order)
                    return [self.account.cancel(order, ts_ns)]
        return [
            CancelRejected(
                client_order_id=order_id,
                code="unknown-order",
                reason="no open order of this id",
                ts_ns=ts_ns,
            )
        ]

    def amend(self, change: AmendSubmitted, ts_ns: int) -> list[VenueEvent]:
        """Change a resting order; only a smaller size at the same price keeps its place."""
        order_id = change.client_order_id
        order = next(
            (
                item
                for orders in self._working.values()
                for item in orders
                if item.intent.client_order_id == order_id
            ),
            None,
        )
        if order is None:
            return [_not_amended(order_id, ("unknown-order", "no open order of this id"), ts_ns)]
        intent = msgspec.structs.replace(
            order.intent,
            size=change.size or order.intent.size,
            price=change.price or order.intent.price,
        )
        problem = self._steps_problem(intent, order.instrument)
        lots = 0 if problem is not None else order.instrument.lots(intent.size) - order.filled
        if problem is None and lots <= 0:
            problem = ("size", f"{order.instrument.size(order.filled)} is filled already")
        if problem is not None:
            return [_not_amended(order_id, problem, ts_ns)]
        if intent.price == order.intent.price and lots <= order.lots:
            self.account.hold(order, -1)
            order.intent, order.lots = intent, lots
            self.account.hold(order, 1)
            return [self.account.amend(order, ts_ns)]
        return self._move(order, intent, lots, ts_ns)

    def _move(self, order: Working, intent: OrderIntent, lots: int, ts_ns: int) -> list[VenueEvent]:
        """Let a resting order meet the market anew at another price or size, at the back."""
        assert intent.price is not None  # only limit orders rest
        self.account.hold(order, -1)
        moved = Working(intent, order.instrument, order.instrument.ticks(intent.price), lots)
        hits = self.liquidity.walk(intent.instrument_id, intent.side, lots, moved.ticks) or []
        problem = self._unfillable(moved, hits)
        if problem is not None:
            self.account.hold(order, 1)
            return [_not_amended(intent.client_order_id, problem, ts_ns)]
        order.intent, order.lots, order.ticks = intent, lots, moved.ticks
        events: list[VenueEvent] = [self.account.amend(order, ts_ns)]
        if hits:
            self.liquidity.take(intent.instrument_id, intent.side, hits)
        events += [
            self.account.fill(order, price, size, maker=False, ts_event_ns=ts_ns, ts_ns=ts_ns)
            for price, size in hits
        ]
        if order.lots:
            order.ahead = self.liquidity.ahead(intent.instrument_id, intent.side, order.ticks)
            self.account.hold(order, 1)
        else:
            self._working[intent.instrument_id].remove(order)
        return events

    def restore(self, orders: Collection[Order], balances: Mapping[str, Decimal]) -> None:
        """Put back orders and totals as a journal has them, in place of everything here.

        Queue places are estimated anew, at the back, once the market is there. An order that can
        no longer be working (it never rests, its instrument is gone or has other steps) is
        remembered as expired, with what it had filled.
        """
        self.account.wallet.replace(balances)
        self._working.clear()
        for restored in orders:
            order = self._as_working(restored)
            if order is None:
                self.account.note_lost(restored)
            else:
                self._rest(order)
                self.account.note(order, restored.ts_updated_ns)

    def on_trade(self, trade: Trade, ts_ns: int) -> list[VenueEvent]:
        """Serve resting orders a public trade reaches."""
        orders = self._working.get(trade.instrument_id)
        if not orders:
            return []
        events: list[VenueEvent] = []
        taker = Side.SELL if trade.buyer_is_maker else Side.BUY
        served = 0
        for order in list(orders):
            side = order.intent.side
            beyond = (order.ticks - trade.price_ticks) * side.sign
            lots = 0
            if beyond > 0:
                lots = order.lots
            elif beyond == 0 and side is not taker and self._placed_in_queue(order):
                lots = min(order.lots, max(0, trade.size_lots - order.ahead - served))
                order.ahead = max(0, order.ahead - trade.size_lots)
                served += lots
            if lots:
                events.append(self._serve(order, lots, trade.ts_event_ns, ts_ns))
        return events

    def on_quote(self, quote: Quote, ts_ns: int) -> list[VenueEvent]:
        """Serve resting orders the opposite quote reaches; learn how long their queues can be."""
        self.liquidity.quote(quote)
        orders = self._working.get(quote.instrument_id)
        if not orders:
            return []
        events: list[VenueEvent] = []
        bid: Level = (quote.bid_ticks, quote.bid_lots)
        ask: Level = (quote.ask_ticks, quote.ask_lots)
        for order in list(orders):
            side = order.intent.side
            own, other = (bid, ask) if side is Side.BUY else (ask, bid)
            hits = self.liquidity.walk_levels(
                quote.instrument_id, side, (other,), order.lots, order.ticks
            )
            if hits:
                self.liquidity.take(quote.instrument_id, side, hits)
                events.append(self._serve(order, hits[0][1], quote.ts_event_ns, ts_ns))
            elif not self._placed_in_queue(order):
                continue
            # Nobody can be ahead at a price better than the best, nor more than is shown at it.
            elif (order.ticks - own[0]) * side.sign > 0:
                order.ahead = 0
            elif order.ticks == own[0]:
                order.ahead = min(order.ahead, own[1])
        return events

    def on_bar(self, bar: Bar, ts_ns: int) -> list[VenueEvent]:
        """Serve resting orders a closed bar went beyond, for data that has nothing finer."""
        events: list[VenueEvent] = []
        volume = bar.volume_lots
        for order in list(self._working.get(bar.instrument_id, ())):
            reached = (
                bar.low_ticks < order.ticks
                if order.intent.side is Side.BUY
                else bar.high_ticks > order.ticks
            )
            lots = min(order.lots, volume)
            if reached and lots:
                volume -= lots
                events.append(self._serve(order, lots, bar.ts_open_ns + bar.timeframe.ns, ts_ns))
        return events

    def _problem(self, intent: OrderIntent) -> tuple[str, str] | None:
        """Say what of an order no market state could make right, as (code, words)."""
        instrument = self._instruments.get(intent.instrument_id)
        if instrument is None or not instrument.trading:
            return "unknown-instrument", f"{intent.instrument_id} does not trade here"
        if self.account.find(intent.client_order_id) is not None:
            return "duplicate", f"order id {intent.client_order_id} was used before"
        if (intent.price is None) is not (intent.type is OrderType.MARKET):
            return "price", f"a {intent.type} order has price {intent.price}"
        if intent.post_only and (
            intent.type is OrderType.MARKET or intent.time_in_force is not TimeInForce.GTC
        ):
            return "post-only", "a post-only order must be a gtc limit order"
        return self._steps_problem(intent, instrument)

    @staticmethod
    def _steps_problem(intent: OrderIntent, instrument: Instrument) -> tuple[str, str] | None:
        """Say what of an order is off the instrument's steps and bounds, as (code, words)."""
        try:
            instrument.lots(intent.size)
            if intent.price is not None:
                instrument.ticks(intent.price)
        except ConfigError as error:
            return "off-step", str(error)
        if intent.size <= 0 or intent.size < instrument.min_size:
            return "size", f"size must be at least {instrument.min_size}, was {intent.size}"
        if instrument.max_size and intent.size > instrument.max_size:
            return "size", f"size must be at most {instrument.max_size}, was {intent.size}"
        if intent.price is not None and intent.price * intent.size < instrument.min_notional:
            return (
                "notional",
                f"notional must be at least {instrument.min_notional} {instrument.quote}, "
                f"was {intent.price * intent.size}",
            )
        return None

    def _unfillable(self, order: Working, hits: list[Level]) -> tuple[str, str] | None:
        """Say what the market or the account has against an order, as (code, words)."""
        intent, instrument = order.intent, order.instrument
        if intent.type is OrderType.MARKET and not hits:
            return "no-market", f"the market of {intent.instrument_id} shows nothing to take"
        if intent.post_only and hits:
            return "post-only", "the order would take at once"
        cost = sum((instrument.price(at) * instrument.size(lots) for at, lots in hits), Decimal(0))
        if _rests(intent):
            cost += instrument.price(order.ticks) * instrument.size(order.lots - _size(hits))
        lacking = self.account.shortfall(order, cost)
        return ("balance", lacking) if lacking else None

    def _as_working(self, restored: Order) -> Working | None:
        intent = restored.intent
        instrument = self._instruments.get(intent.instrument_id)
        if instrument is None or intent.price is None or not _rests(intent):
            return None
        try:
            filled = instrument.lots(restored.filled)
            lots = instrument.lots(intent.size) - filled
            order = Working(intent, instrument, instrument.ticks(intent.price), lots)
        except ConfigError:
            return None
        order.filled = filled
        order.ahead = -1
        return order

    def _placed_in_queue(self, order: Working) -> bool:
        """Return whether its queue place is known, estimating it once there is a market."""
        if order.ahead < 0:
            intent = order.intent
            order.ahead = self.liquidity.ahead(intent.instrument_id, intent.side, order.ticks)
        return order.ahead >= 0

    def _rest(self, order: Working) -> None:
        self.account.hold(order, 1)
        self._working.setdefault(order.intent.instrument_id, []).append(order)

    def _serve(self, order: Working, lots: int, ts_event_ns: int, ts_ns: int) -> OrderFilled:
        """Fill a resting order at its own price."""
        self.account.hold(order, -1)
        event = self.account.fill(
            order, order.ticks, lots, maker=True, ts_event_ns=ts_event_ns, ts_ns=ts_ns
        )
        if order.lots:
            self.account.hold(order, 1)
        else:
            self._working[order.intent.instrument_id].remove(order)
        return event


def _rests(intent: OrderIntent) -> bool:
    return intent.type is OrderType.LIMIT and intent.time_in_force is TimeInForce.GTC


def _size(levels: Iterable[Level]) -> int:
    return sum(lots for _, lots in levels)


def _not_amended(order_id: ClientOrderId, problem: tuple[str, str], ts_ns: int) -> AmendRejected:
    return AmendRejected(client_order_id=order_id, code=problem[0], reason=problem[1], ts_ns=ts_ns)


def _rejected(intent: OrderIntent, problem: tuple[str, str], ts_ns: int) -> OrderRejected:
    return OrderRejected(
        client_order_id=intent.client_order_id, code=problem[0], reason=problem[1], ts_ns=ts_ns
    )
