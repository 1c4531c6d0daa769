"""A venue in simulated time, for backtests and replays.

The driver moves the clock and tells the venue what the market did, in this order::

    clock.set(t) ─► venue.on_quote | on_trade | on_bar ─► engine takes the same event
                        │ first: orders that arrived by t meet the market as it was before the event
                        └ then:  the event serves resting orders

An order sent at t arrives at t + latency and meets the book as it is then; what became of it is
told another latency later, in order, as one stream would. With bars alone it meets the open of the
instrument's next bar, so a signal at a close never trades at that close.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeAlias

import msgspec

from core.model.abilities import VenueAbilities
from core.model.accounts import Balance, Position, VenuePosition
from core.model.errors import InvariantError
from core.model.facts import (
    BalancesReported,
    CashMoved,
    PositionForced,
    VenueConnected,
    VenueDisconnected,
    VenueEvent,
)
from core.model.fees import fee_rates
from core.model.funding import FundingPaid
from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import Bar, MarkPrice, Quote, Trade
from core.model.orders import AmendSubmitted, Order, OrderFilled, OrderIntent, VenueOrder
from core.model.ports import Clock, VenueSink
from core.model.settings import FeedSettings, PaperSettings
from core.model.tiers import TierBook, leverage_of, tiers_of
from core.venues.fills import FillModel
from core.venues.latency import Latency, Leg, make_latency
from core.venues.liquidity import Depth
from core.venues.margin import Terms

_HUNDRED: Final = Decimal(100)
_HOLDINGS: Final = VenueAbilities(amend="any", iceberg=True, private="engine")
_CONTRACTS: Final = msgspec.structs.replace(_HOLDINGS, reduce_only=True)
_Cargo: TypeAlias = OrderIntent | AmendSubmitted | ClientOrderId
"""An order, a change of one, or the id of one to cancel."""


class SimVenue:
    """Orders meet recorded data after a fixed latency; `core.model.ports.Venue`."""

    def __init__(
        self,
        name: VenueName,
        settings: PaperSettings,
        *,
        clock: Clock,
        instruments: Collection[Instrument] = (),
        depth: Depth | None = None,
        half_spread_ticks: int = 0,
        feeds: Mapping[str, FeedSettings] | None = None,
        latency: Latency | None = None,
        tiers: Callable[[], TierBook] | None = None,
    ) -> None:
        """Open an account with the settings' balances, fees, margin and latency.

        Args:
            name: The account.
            settings: `[paper]`.
            clock: Whose time it is.
            instruments: What is known already.
            depth: Reads the live book; None where there are only quotes or less.
            half_spread_ticks: What a taker pays beyond a last price, where no quote is known.
            feeds: Whose instruments are traded, for the venues' standard fees.
            latency: How long messages take; None: as the settings say, nothing being measured.
            tiers: Where the venues' margin tiers are; None: `maintenance_pct` holds for everything.
        """
        self.name = name
        self.latency = latency or make_latency(settings, name)
        self._clock = clock
        self._half_spread_ticks = half_spread_ticks
        self._opening = settings.balances
        self._settings = settings
        self._tiered = tiers is not None
        self._model = FillModel(
            name,
            balances=settings.balances,
            rates=lambda item: fee_rates(item, settings, feeds or {}),
            terms=lambda item: terms_of(item, settings, feeds or {}, tiers() if tiers else None),
            hedged=settings.hedged,
            depth=depth,
        )
        self._model.add_instruments(instruments)
        self._sink: VenueSink | None = None
        self._travelling: list[tuple[int, int, InstrumentId, _Cargo]] = []
        """Heap of (arrival ns, sequence, instrument, cargo)."""
        self._sent = 0
        self._reports: deque[tuple[int, VenueEvent]] = deque()
        """When each event is heard of here; they come in order, as on one connection."""

    def add_instruments(self, instruments: Collection[Instrument]) -> None:
        """Learn steps and limits; orders for other instruments are rejected."""
        self._model.add_instruments(instruments)

    # -- core.model.ports.Venue ------------------------------------------------------------------

    def connect(self, sink: VenueSink) -> None:
        """Tell the engine that the venue is there and what the account holds."""
        self._sink = sink
        now_ns = self._clock.now_ns()
        sink(VenueConnected(venue=self.name, ts_ns=now_ns))
        sink(
            BalancesReported(
                venue=self.name,
                balances=tuple(self._model.account.balances()),
                ts_event_ns=now_ns,
                ts_ns=now_ns,
            )
        )

    def disconnect(self, reason: str) -> None:
        """Tell the engine that the venue is gone; orders stay as they are."""
        if self._sink is not None:
            self._sink(
                VenueDisconnected(venue=self.name, reason=reason, ts_ns=self._clock.now_ns())
            )

    async def run(self, sink: VenueSink) -> None:
        """Be connected until cancelled; what happens comes from the market's calls."""
        self.connect(sink)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.disconnect("stopped")

    def submit(self, intent: OrderIntent) -> None:
        """Send an order on its way; nothing is told within this call.

        Raises:
            InvariantError: The venue was never connected.
        """
        self._send(intent.instrument_id, intent, Leg.ORDER)

    def cancel(self, order: Order) -> None:
        """Send a cancel on its way.

        Raises:
            InvariantError: The venue was never connected.
        """
        self._send(order.intent.instrument_id, order.id, Leg.CANCEL)

    def abilities(self, instrument: Instrument) -> VenueAbilities:
        """Return what the simulation does itself; triggers and groups are the engine's."""
        if not instrument.derivative:
            return _HOLDINGS
        return msgspec.structs.replace(_CONTRACTS, hedging=self._settings.hedged)

    def submit_group(self, intents: Sequence[OrderIntent]) -> None:
        """Take no group whole.

        Raises:
            InvariantError: Always: `abilities` names no link.
        """
        raise InvariantError(f"{self.name} takes no groups, was sent {len(intents)} orders")

    def amend(self, order: Order, change: AmendSubmitted) -> None:
        """Send a change on its way.

        Raises:
            InvariantError: The venue was never connected.
        """
        self._send(order.intent.instrument_id, change, Leg.ORDER)

    async def find_order(self, order: Order) -> VenueOrder | None:
        """Return the order as the simulated venue has it."""
        return self._model.account.find(order.id)

    async def open_orders(self) -> list[VenueOrder]:
        """Return every open order."""
        return self._model.open_orders()

    async def fills(self, instrument_id: InstrumentId, since_ns: int) -> list[OrderFilled]:
        """Return this session's executions since a time, oldest first."""
        return self._model.account.fills(instrument_id, since_ns)

    async def balances(self) -> list[Balance]:
        """Return what the account holds."""
        return self._model.account.balances()

    async def positions(self) -> list[VenuePosition]:
        """Return the open contracts; holdings are in the balances."""
        return self._model.account.positions(self._clock.now_ns())

    async def cash_flows(self, since_ns: int) -> list[CashMoved]:
        """Return this session's funding, forced closes and settlements since a time."""
        flows = self._model.account.flows
        # What comes with a position must not be booked without it.
        whole = {
            flow.flow_id
            for _, event in self._reports
            if isinstance(event, PositionForced)
            for flow in event.flows
        }
        return [x for x in flows if x.ts_event_ns >= since_ns and x.flow_id not in whole]

    # -- driving ---------------------------------------------------------------------------------

    @property
    def next_due_ns(self) -> int | None:
        """When the next thing happens by itself, None: nothing is on its way, nor ends."""
        due = [self._travelling[0][0]] if self._travelling else []
        if self._reports:
            due.append(self._reports[0][0])
        expiry_ns = self._model.upkeep.next_expiry_ns
        if expiry_ns is not None:
            due.append(expiry_ns)
        return min(due, default=None)

    @property
    def reporting(self) -> bool:
        """Whether anything that happened is still to be heard of."""
        return bool(self._reports)

    def advance(self, only: InstrumentId | None = None) -> None:
        """Let everything that has arrived by now meet the market; what it causes waits its turn."""
        now_ns = self._clock.now_ns()
        expiry_ns = self._model.upkeep.next_expiry_ns
        if expiry_ns is not None and expiry_ns <= now_ns:
            self._tell(self._model.upkeep.deliver(now_ns), now_ns)
        if self._travelling and self._travelling[0][0] <= now_ns:
            self._arrive(now_ns, only)
        self._report(now_ns)

    def _arrive(self, now_ns: int, only: InstrumentId | None) -> None:
        later = []
        sent_before = self._sent
        while self._travelling and self._travelling[0][0] <= now_ns:
            item = heapq.heappop(self._travelling)
            due_ns, number, instrument_id, what = item
            if number > sent_before or only not in {None, instrument_id}:
                later.append(item)
            elif isinstance(what, OrderIntent):
                self._tell(self._model.place(what, due_ns), due_ns)
            elif isinstance(what, AmendSubmitted):
                self._tell(self._model.amend(what, due_ns), due_ns)
            else:
                self._tell(self._model.cancel(what, due_ns), due_ns)
        for item in later:
            heapq.heappush(self._travelling, item)

    def on_trade(self, trade: Trade) -> None:
        """Take a public trade."""
        self.advance()
        spread = self._half_spread_ticks
        self._model.liquidity.last(
            trade.instrument_id, trade.price_ticks - spread, trade.price_ticks + spread
        )
        now_ns = self._clock.now_ns()
        self._tell(self._model.on_trade(trade, now_ns), now_ns)

    def on_quote(self, quote: Quote) -> None:
        """Take a best bid and ask."""
        self.advance()
        now_ns = self._clock.now_ns()
        self._tell(self._model.on_quote(quote, now_ns), now_ns)

    def on_mark(self, event: MarkPrice) -> None:
        """Take reference prices of a contract: funding may be due, margin may lack."""
        self.advance()
        now_ns = self._clock.now_ns()
        self._tell(self._model.on_mark(event, now_ns), now_ns)

    def pay_arrears(
        self, instrument_id: InstrumentId, rows: Sequence[FundingPaid], paid: Callable[[str], bool]
    ) -> None:
        """Pay funding that came due before this session, save what `paid` knows."""
        now_ns = self._clock.now_ns()
        self._tell(self._model.upkeep.pay_arrears(instrument_id, rows, paid, now_ns), now_ns)

    def on_bar(self, bar: Bar) -> None:
        """Take a closed bar, for data that has nothing finer; revisions are ignored."""
        if bar.revision:
            return
        spread = self._half_spread_ticks
        liquidity = self._model.liquidity
        liquidity.last(bar.instrument_id, bar.open_ticks - spread, bar.open_ticks + spread)
        self.advance(bar.instrument_id)
        now_ns = self._clock.now_ns()
        self._tell(self._model.on_bar(bar, now_ns), now_ns)
        liquidity.last(bar.instrument_id, bar.close_ticks - spread, bar.close_ticks + spread)

    def described(self) -> str:
        """Say in words what is simulated, and how."""
        settings = self._settings
        held = "long and short apart" if settings.hedged else "netted"
        return (
            f"latency {self.latency.words}; fees {self._fee_words()}; queue by the book; contracts "
            f"at {settings.leverage.normalize():f}x, {held}, margin {self._margin_words()}"
        )

    def _margin_words(self) -> str:
        if self._tiered:
            return "by the venue's tiers where it tells them"
        return f"{self._settings.maintenance_pct.normalize():f} % flat"

    def _fee_words(self) -> str:
        words = sorted(self._model.rates_known(self.name))
        return words[0] if len(words) == 1 else "as the venue lists them"

    def restore(
        self,
        orders: Collection[Order],
        balances: Collection[Balance],
        positions: Collection[Position] = (),
    ) -> None:
        """Take over from an earlier session, before `connect` or `run`; see `FillModel.restore`.

        Args:
            orders: Orders of this venue that have not ended. One it never acknowledged was still
                on its way when everything stopped, so it never arrived, and is left out.
            balances: The ledger's totals at this venue; empty keeps the settings' opening ones.
            positions: Its open contracts.
        """
        arrived = [
            order
            for order in orders
            if order.venue_order_id is not None and not order.state.terminal
        ]
        totals = {balance.asset: balance.total for balance in balances}
        self._model.restore(arrived, totals or self._opening, positions)

    def _send(self, instrument_id: InstrumentId, what: _Cargo, leg: Leg) -> None:
        if self._sink is None:
            raise InvariantError(f"{self.name}: submit or cancel before it was connected")
        self._sent += 1
        due_ns = self._clock.now_ns() + self.latency.draw(leg)
        heapq.heappush(self._travelling, (due_ns, self._sent, instrument_id, what))

    def _tell(self, events: list[VenueEvent], ts_ns: int) -> None:
        """Have events heard of here, which happened at a time."""
        if self._sink is None:
            return
        if not self.latency.reports:
            for event in events:
                self._sink(event)
            return
        for event in events:
            due_ns = ts_ns + self.latency.draw(Leg.REPORT)
            if self._reports:
                due_ns = max(due_ns, self._reports[-1][0])
            self._reports.append((due_ns, event))

    def _report(self, now_ns: int) -> None:
        while self._reports and self._reports[0][0] <= now_ns and self._sink is not None:
            _, event = self._reports.popleft()
            self._sink(heard(event, now_ns))


def heard(event: VenueEvent, ts_ns: int) -> VenueEvent:
    """Return an event stamped with when it was heard of."""
    if isinstance(event, PositionForced):
        return msgspec.structs.replace(
            event,
            positions=tuple(msgspec.structs.replace(each, ts_ns=ts_ns) for each in event.positions),
            flows=tuple(msgspec.structs.replace(each, ts_ns=ts_ns) for each in event.flows),
            ts_ns=ts_ns,
        )
    return msgspec.structs.replace(event, ts_ns=ts_ns)


def terms_of(
    instrument: Instrument,
    settings: PaperSettings,
    feeds: Mapping[str, FeedSettings],
    book: TierBook | None,
) -> Terms:
    """Return what is demanded of a contract: what its venue lists, else what the settings say."""
    fee = instrument.liquidation_fee
    return Terms(
        leverage=leverage_of(instrument, settings),
        tiers=tiers_of(instrument, settings, feeds, book),
        liquidation_fee=settings.liquidation_fee_pct / _HUNDRED if fee is None else fee,
    )
