"""A venue in simulated time, for backtests and replays.

The driver moves the clock and tells the venue what the market did, in this order::

    clock.set(t) ─► venue.on_quote | on_trade | on_bar ─► engine takes the same event
                        │ first: orders that arrived by t meet the market as it was before the event
                        └ then:  the event serves resting orders

An order sent at t arrives at t + latency. With bars alone it meets the open of the instrument's
next bar, so a signal at a close never trades at that close.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Collection, Sequence
from typing import Final, TypeAlias

from core.model.abilities import VenueAbilities
from core.model.accounts import Balance, VenuePosition
from core.model.errors import InvariantError
from core.model.facts import (
    BalancesReported,
    CashMoved,
    VenueConnected,
    VenueDisconnected,
    VenueEvent,
)
from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import Bar, Quote, Trade
from core.model.orders import AmendSubmitted, Order, OrderFilled, OrderIntent, VenueOrder
from core.model.ports import Clock, VenueSink
from core.model.settings import PaperSettings
from core.venues.fills import FillModel
from core.venues.liquidity import Depth

_MS: int = 1_000_000
_ABILITIES: Final = VenueAbilities(amend="any", private="engine")
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
    ) -> None:
        """Open an account with the settings' balances, fees and latency.

        `half_spread_ticks` is what a taker pays beyond a last price, where no quote is known.
        """
        self.name = name
        self._clock = clock
        self._latency_ns = int(settings.latency_ms * _MS)
        self._half_spread_ticks = half_spread_ticks
        self._opening = settings.balances
        self._model = FillModel(
            name,
            balances=settings.balances,
            maker_fee_bps=settings.maker_fee_bps,
            taker_fee_bps=settings.taker_fee_bps,
            depth=depth,
        )
        self._model.add_instruments(instruments)
        self._sink: VenueSink | None = None
        self._travelling: list[tuple[int, int, InstrumentId, _Cargo]] = []
        """Heap of (arrival ns, sequence, instrument, cargo)."""
        self._sent = 0

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
        self._send(intent.instrument_id, intent)

    def cancel(self, order: Order) -> None:
        """Send a cancel on its way.

        Raises:
            InvariantError: The venue was never connected.
        """
        self._send(order.intent.instrument_id, order.id)

    def abilities(self, instrument: Instrument) -> VenueAbilities:
        """Return what the simulation does itself; triggers and groups are the engine's."""
        return _ABILITIES

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
        self._send(order.intent.instrument_id, change)

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
        """Return none: what is held is in the balances."""
        return []

    async def cash_flows(self, since_ns: int) -> list[CashMoved]:
        """Return none: nothing moves but by fills."""
        return []

    # -- driving ---------------------------------------------------------------------------------

    @property
    def next_due_ns(self) -> int | None:
        """When the next order or cancel arrives, None when nothing is on its way."""
        return self._travelling[0][0] if self._travelling else None

    def advance(self, only: InstrumentId | None = None) -> None:
        """Let everything that has arrived by now meet the market; what it causes waits its turn."""
        now_ns = self._clock.now_ns()
        if not self._travelling or self._travelling[0][0] > now_ns:
            return
        later = []
        sent_before = self._sent
        while self._travelling and self._travelling[0][0] <= now_ns:
            item = heapq.heappop(self._travelling)
            due_ns, number, instrument_id, what = item
            if number > sent_before or only not in {None, instrument_id}:
                later.append(item)
            elif isinstance(what, OrderIntent):
                self._tell(self._model.place(what, due_ns))
            elif isinstance(what, AmendSubmitted):
                self._tell(self._model.amend(what, due_ns))
            else:
                self._tell(self._model.cancel(what, due_ns))
        for item in later:
            heapq.heappush(self._travelling, item)

    def on_trade(self, trade: Trade) -> None:
        """Take a public trade."""
        self.advance()
        spread = self._half_spread_ticks
        self._model.liquidity.last(
            trade.instrument_id, trade.price_ticks - spread, trade.price_ticks + spread
        )
        self._tell(self._model.on_trade(trade, self._clock.now_ns()))

    def on_quote(self, quote: Quote) -> None:
        """Take a best bid and ask."""
        self.advance()
        self._tell(self._model.on_quote(quote, self._clock.now_ns()))

    def on_bar(self, bar: Bar) -> None:
        """Take a closed bar, for data that has nothing finer; revisions are ignored."""
        if bar.revision:
            return
        spread = self._half_spread_ticks
        liquidity = self._model.liquidity
        liquidity.last(bar.instrument_id, bar.open_ticks - spread, bar.open_ticks + spread)
        self.advance(bar.instrument_id)
        self._tell(self._model.on_bar(bar, self._clock.now_ns()))
        liquidity.last(bar.instrument_id, bar.close_ticks - spread, bar.close_ticks + spread)

    def restore(self, orders: Collection[Order], balances: Collection[Balance]) -> None:
        """Take over from an earlier session, before `connect` or `run`; see `FillModel.restore`.

        Args:
            orders: Orders of this venue that have not ended. One it never acknowledged was still
                on its way when everything stopped, so it never arrived, and is left out.
            balances: The ledger's totals at this venue; empty keeps the settings' opening ones.
        """
        arrived = [
            order
            for order in orders
            if order.venue_order_id is not None and not order.state.terminal
        ]
        totals = {balance.asset: balance.total for balance in balances}
        self._model.restore(arrived, totals or self._opening)

    def _send(self, instrument_id: InstrumentId, what: _Cargo) -> None:
        if self._sink is None:
            raise InvariantError(f"{self.name}: submit or cancel before it was connected")
        self._sent += 1
        due_ns = self._clock.now_ns() + self._latency_ns
        heapq.heappush(self._travelling, (due_ns, self._sent, instrument_id, what))

    def _tell(self, events: list[VenueEvent]) -> None:
        if self._sink is not None:
            for event in events:
                self._sink(event)
