"""How simulated orders fill; one model for paper trading and backtests.

- A taker walks the levels the market shows, pays the taker fee, and leaves them taken.
- A resting order fills, as maker and at its own price, when the market trades through it (whole),
  when trades at its price have used up the queue estimated ahead of it (by what is left of the
  trade), or when the opposite quote reaches it (by the size quoted).
- The queue ahead is what the book showed when the order came. Trades at the price take from it; of
  what else leaves the level, its share does. Where only quotes are known nothing is taken to leave
  but what the best quote proves. An iceberg's next part stands at the end again.
- With bars alone it fills when the bar goes beyond its price, at most the bar's volume. A bar
  that only touches it does not: it would have been last in the queue.
- Orders that only reduce a position fill up to it, and end with it.

Nothing here reads a clock or a random number: the same calls give the same events.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from decimal import Decimal

import msgspec

from core.model.accounts import Position
from core.model.errors import ConfigError
from core.model.facts import VenueEvent
from core.model.fees import FeeRates
from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Bar, MarkPrice, Quote, Side, Trade
from core.model.orders import (
    AmendRejected,
    AmendSubmitted,
    CancelRejected,
    Order,
    OrderIntent,
    OrderRejected,
    OrderType,
    TimeInForce,
    VenueOrder,
)
from core.venues.liquidity import Depth, Level, Liquidity
from core.venues.margin import Terms
from core.venues.sim_account import SimAccount, Working
from core.venues.upkeep import Upkeep


class FillModel:
    """One simulated account and its orders; each call returns what happened, in order."""

    def __init__(
        self,
        venue: VenueName,
        *,
        balances: Mapping[str, Decimal],
        rates: Callable[[Instrument], FeeRates],
        terms: Callable[[Instrument], Terms],
        hedged: bool = False,
        depth: Depth | None = None,
    ) -> None:
        """Open an account; instruments are taught by `add_instruments`."""
        self.liquidity = Liquidity(depth)
        self.account = SimAccount(venue, balances=balances, rates=rates, terms=terms, mid=self._mid)
        self.upkeep = Upkeep(venue, self.account, terms, self._drop)
        self._hedged = hedged
        self._rates = rates
        self._instruments: dict[InstrumentId, Instrument] = {}
        self._working: dict[InstrumentId, list[Working]] = {}

    def add_instruments(self, instruments: Iterable[Instrument]) -> None:
        """Learn steps and limits; orders for others are rejected."""
        self._instruments.update((instrument.id, instrument) for instrument in instruments)

    def rates_known(self, market: VenueName) -> set[str]:
        """Return the words of the fees of all that a market lists."""
        return {
            self._rates(item).words()
            for item in self._instruments.values()
            if item.venue == market and item.kind is not InstrumentKind.INDEX
        }

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
        most = self._reach(order)
        if not most:
            problem = "reduce-only", "there is no position to reduce"
            return [_rejected(intent, problem, ts_ns)]
        hits = self.liquidity.walk(intent.instrument_id, intent.side, most, ticks) or []
        problem = self._unfillable(order, hits)
        if problem is not None:
            return [_rejected(intent, problem, ts_ns)]
        events: list[VenueEvent] = [self.account.accept(order, ts_ns)]
        if intent.time_in_force is TimeInForce.FOK and _size(hits) < order.lots:
            events.append(self.account.expire(order, "fok: not all of it could fill", ts_ns))
            return events
        events += self._take(order, hits, ts_ns)
        if order.lots and _rests(intent) and self._reach(order):
            self._queue(order)
            self._rest(order)
        elif order.lots:
            why = "the market shows no more" if ticks is None else "the rest would have to wait"
            if not self._reach(order):
                why = "nothing is left to reduce"
            events.append(self.account.expire(order, why, ts_ns))
        return events + self._trim(instrument, ts_ns)

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
            order.shown = min(order.shown, lots)
            self.account.hold(order, 1)
            return [self.account.amend(order, ts_ns)]
        return self._move(order, intent, lots, ts_ns)

    def _move(self, order: Working, intent: OrderIntent, lots: int, ts_ns: int) -> list[VenueEvent]:
        """Let a resting order meet the market anew at another price or size, at the back."""
        assert intent.price is not None  # only limit orders rest
        self.account.hold(order, -1)
        moved = Working(intent, order.instrument, order.instrument.ticks(intent.price), lots)
        most = self._reach(moved)
        hits = self.liquidity.walk(intent.instrument_id, intent.side, most, moved.ticks) or []
        problem = self._unfillable(moved, hits)
        if problem is not None:
            self.account.hold(order, 1)
            return [_not_amended(intent.client_order_id, problem, ts_ns)]
        order.intent, order.lots, order.ticks = intent, lots, moved.ticks
        events: list[VenueEvent] = [self.account.amend(order, ts_ns)]
        events += self._take(order, hits, ts_ns)
        if order.lots:
            self._queue(order)
            self.account.hold(order, 1)
        else:
            self._working[intent.instrument_id].remove(order)
        return events + self._trim(order.instrument, ts_ns)

    def restore(
        self,
        orders: Collection[Order],
        balances: Mapping[str, Decimal],
        positions: Collection[Position] = (),
    ) -> None:
        """Put back orders, totals and contracts as a journal has them, in place of what is here.

        Queue places are estimated anew, at the back, once the market is there. An order that can
        no longer be working (it never rests, its instrument is gone or has other steps) is
        remembered as expired, with what it had filled.
        """
        self.account.wallet.replace(balances)
        self.account.margin.clear()
        self._working.clear()
        for held in positions:
            instrument = self._instruments.get(held.instrument_id)
            if instrument is not None and instrument.derivative and held.size:
                price = held.average_price or held.mark_price or Decimal(0)
                self.account.margin.adopt(instrument, held.side, held.size, price)
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
                lots = min(order.shown, max(0, trade.size_lots - order.ahead - served))
                order.ahead = max(0, order.ahead - trade.size_lots)
                order.traded += trade.size_lots
                served += lots
            if lots:
                events += self._serve(order, lots, trade.ts_event_ns, ts_ns)
        return events

    def on_quote(self, quote: Quote, ts_ns: int) -> list[VenueEvent]:
        """Serve resting orders the opposite quote reaches; learn how long their queues can be."""
        self.liquidity.quote(quote)
        orders = self._working.get(quote.instrument_id)
        if not orders:
            return self._marked_by_quotes(quote.instrument_id, ts_ns)
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
                events += self._serve(order, hits[0][1], quote.ts_event_ns, ts_ns)
            elif not self._placed_in_queue(order):
                continue
            # Nobody can be ahead at a price better than the best, nor more than is shown at it.
            elif (order.ticks - own[0]) * side.sign > 0:
                order.ahead = 0
            else:
                self._watch_queue(order)
                if order.ticks == own[0]:
                    order.ahead = min(order.ahead, own[1])
        return events + self._marked_by_quotes(quote.instrument_id, ts_ns)

    def on_mark(self, event: MarkPrice, ts_ns: int) -> list[VenueEvent]:
        """Take reference prices of a contract."""
        return self.upkeep.on_mark(event, ts_ns)

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
                events += self._serve(order, lots, bar.ts_open_ns + bar.timeframe.ns, ts_ns)
        return events

    def _problem(self, intent: OrderIntent) -> tuple[str, str] | None:
        """Say what of an order no market state could make right, as (code, words)."""
        instrument = self._instruments.get(intent.instrument_id)
        if instrument is None or not instrument.trading or instrument.kind is InstrumentKind.INDEX:
            return "unknown-instrument", f"{intent.instrument_id} does not trade here"
        refusal = self.account.refusal(intent, instrument, self._hedged)
        if refusal:
            return "position", refusal
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
        intent = order.intent
        if intent.type is OrderType.MARKET and not hits:
            return "no-market", f"the market of {intent.instrument_id} shows nothing to take"
        if intent.post_only and hits:
            return "post-only", "the order would take at once"
        lacking = self.account.shortfall(
            order, hits, order.lots - _size(hits) if _rests(intent) else 0
        )
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

    def _mid(self, instrument_id: InstrumentId) -> Decimal | None:
        instrument, mid = self._instruments.get(instrument_id), self.liquidity.mid(instrument_id)
        if instrument is None or mid is None:
            return None
        return instrument.price_tick * mid.numerator / mid.denominator

    def _marked_by_quotes(self, name: InstrumentId, ts_ns: int) -> list[VenueEvent]:
        """Where the venue states no mark price the quotes are it."""
        instrument = self._instruments.get(name)
        if instrument is None or not instrument.derivative or name in self.account.margin.marks:
            return []
        return self.upkeep.check(name, ts_ns)

    def _reach(self, order: Working) -> int:
        """Return the lots of an order that may fill now."""
        closable = self.account.closable(order)
        return order.lots if closable is None else min(order.lots, closable)

    def _take(self, order: Working, hits: list[Level], ts_ns: int) -> list[VenueEvent]:
        if hits:
            self.liquidity.take(order.intent.instrument_id, order.intent.side, hits)
        return [
            self.account.fill(order, price, lots, maker=False, ts_event_ns=ts_ns, ts_ns=ts_ns)
            for price, lots in hits
        ]

    def _trim(self, instrument: Instrument, ts_ns: int) -> list[VenueEvent]:
        """End orders that only reduce what is gone."""
        if not instrument.derivative:
            return []
        events: list[VenueEvent] = []
        for order in list(self._working.get(instrument.id, ())):
            if self.account.closable(order) == 0:
                self.account.hold(order, -1)
                self._working[instrument.id].remove(order)
                events.append(self.account.expire(order, "nothing is left to reduce", ts_ns))
        return events

    def _drop(self, which: Callable[[Instrument], bool], why: str, ts_ns: int) -> list[VenueEvent]:
        """End the resting orders of some instruments, as the venue itself does."""
        events: list[VenueEvent] = []
        for orders in self._working.values():
            for order in [each for each in orders if which(each.instrument)]:
                orders.remove(order)
                events.append(self.account.cancel(order, ts_ns, why))
        return events

    def _queue(self, order: Working) -> None:
        """Stand at the end of the queue, as far as the market shows it."""
        intent = order.intent
        shown = intent.display_size
        order.shown = order.lots
        if shown is not None:
            order.shown = min(order.lots, order.instrument.lots(shown))
        order.ahead = self.liquidity.ahead(intent.instrument_id, intent.side, order.ticks)
        seen = self.liquidity.shown(intent.instrument_id, intent.side, order.ticks)
        order.seen, order.traded = -1 if seen is None else seen, 0

    def _watch_queue(self, order: Working) -> None:
        """Move up by the order's share of what left its level without being traded."""
        intent = order.intent
        now = self.liquidity.shown(intent.instrument_id, intent.side, order.ticks)
        if now is None:
            return
        if order.seen >= 0:
            there = order.seen - order.traded
            if there > 0 and now < there:
                order.ahead = -(-order.ahead * now // there)
            order.ahead = min(order.ahead, now)
        if now != order.seen:
            order.seen, order.traded = now, 0

    def _placed_in_queue(self, order: Working) -> bool:
        """Return whether its queue place is known, estimating it once there is a market."""
        if order.ahead < 0:
            self._queue(order)
        return order.ahead >= 0

    def _rest(self, order: Working) -> None:
        self.account.hold(order, 1)
        self._working.setdefault(order.intent.instrument_id, []).append(order)

    def _serve(self, order: Working, lots: int, ts_event_ns: int, ts_ns: int) -> list[VenueEvent]:
        """Fill a resting order at its own price."""
        orders = self._working[order.intent.instrument_id]
        lots = min(lots, self._reach(order))
        if order not in orders or not lots:
            return []
        self.account.hold(order, -1)
        events: list[VenueEvent] = [
            self.account.fill(
                order, order.ticks, lots, maker=True, ts_event_ns=ts_event_ns, ts_ns=ts_ns
            )
        ]
        if order.lots:
            if order.shown <= 0:
                self._queue(order)
            self.account.hold(order, 1)
        else:
            orders.remove(order)
        return events + self._trim(order.instrument, ts_ns)


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
