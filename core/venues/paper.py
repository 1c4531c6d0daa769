"""Paper trading: orders filled here, against the live book, with nothing at risk.

The venue lives inside the engine and keeps nothing on disk, because the journal already has it
all. After a restart `restore` gives back the orders the journal shows as working, and the ledger's
totals; then `find_order` and `open_orders` answer as a real venue would have:

- accepted or partly filled: it rests again, its queue place estimated anew (at the back);
- journaled but never acknowledged: it was still on its way inside the dead process, so it never
  existed; "no such order" is the truth, and the engine records the rejection;
- market, ioc or fok, cut off between acknowledgement and end: expired, with what it had filled.

What was on its way to or from the simulated book when the process ended never happened: all that
is known of the account is the journal, positions of contracts included.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from core.model.abilities import VenueAbilities
from core.model.accounts import Balance, Position, VenuePosition
from core.model.facts import CashMoved
from core.model.funding import FundingPaid
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import MarkPrice, Quote, Trade
from core.model.orders import AmendSubmitted, Order, OrderFilled, OrderIntent, VenueOrder
from core.model.ports import Clock, VenueSink
from core.model.settings import FeedSettings, PaperSettings
from core.model.tiers import TierBook
from core.venues.latency import make_latency
from core.venues.liquidity import Depth
from core.venues.sim import SimVenue

PAPER: Final = VenueName("paper")
_IDLE_S: Final = 60.0
_NS: Final = 1_000_000_000
_LATE_NS: Final = 1_000_000_000
"""How far trades may come out of the order of their times."""

_KNOWN: Final = 512
"""Newest trades by which one that comes twice is known."""


class PaperVenue:
    """A simulated account in real time; `core.model.ports.Venue`."""

    def __init__(
        self,
        settings: PaperSettings,
        *,
        clock: Clock,
        depth: Depth,
        instruments: Collection[Instrument] = (),
        name: VenueName = PAPER,
        feeds: Mapping[str, FeedSettings] | None = None,
        trips: Mapping[str, Sequence[int]] | None = None,
        tiers: Callable[[], TierBook] | None = None,
    ) -> None:
        """Open an account.

        Args:
            settings: `[paper]`.
            clock: Whose time it is.
            depth: Reads the live book, None where it is not to be trusted.
            instruments: What is known already.
            name: The account: that of the feed it fills against.
            feeds: `[feeds]`, for the venues' standard fees.
            trips: Your own round trips there in ns, by kind; see `core.venues.latency`.
            tiers: Where the venues' margin tiers are; None: `maintenance_pct` holds for everything.
        """
        self.name = name
        self._clock = clock
        self._sim = SimVenue(
            name,
            settings,
            clock=clock,
            instruments=instruments,
            depth=depth,
            feeds=feeds,
            latency=make_latency(settings, name, trips),
            tiers=tiers,
        )
        self._woken = asyncio.Event()
        self._newest_ns: dict[InstrumentId, int] = {}
        """Time of each instrument's newest trade, by its venue's clock."""
        self._known: dict[InstrumentId, dict[int, None]] = {}
        """Of each instrument the ids of its newest trades, oldest first."""

    def add_instruments(self, instruments: Collection[Instrument]) -> None:
        """Learn steps and limits; orders for other instruments are rejected."""
        self._sim.add_instruments(instruments)

    def restore(
        self,
        orders: Collection[Order],
        balances: Collection[Balance],
        positions: Collection[Position] = (),
    ) -> None:
        """Take over from an earlier session, before `run`; see `SimVenue.restore`."""
        self._sim.restore(orders, balances, positions)

    def described(self) -> str:
        """Say in words what is simulated, and how."""
        return self._sim.described()

    async def run(self, sink: VenueSink) -> None:
        """Let orders arrive after their latency, until cancelled."""
        self._sim.connect(sink)
        try:
            while True:
                self._woken.clear()
                try:
                    async with asyncio.timeout(self._pause_s()):
                        await self._woken.wait()
                except TimeoutError:
                    pass
                self._sim.advance()
        finally:
            self._sim.disconnect("stopped")

    def submit(self, intent: OrderIntent) -> None:
        """Send an order on its way; nothing is told within this call.

        Raises:
            InvariantError: The venue was never run.
        """
        self._sim.submit(intent)
        self._woken.set()

    def cancel(self, order: Order) -> None:
        """Send a cancel on its way.

        Raises:
            InvariantError: The venue was never run.
        """
        self._sim.cancel(order)
        self._woken.set()

    def abilities(self, instrument: Instrument) -> VenueAbilities:
        """Return what the simulation does itself; triggers and groups are the engine's."""
        return self._sim.abilities(instrument)

    def submit_group(self, intents: Sequence[OrderIntent]) -> None:
        """Take no group whole.

        Raises:
            InvariantError: Always: `abilities` names no link.
        """
        self._sim.submit_group(intents)

    def amend(self, order: Order, change: AmendSubmitted) -> None:
        """Send a change on its way.

        Raises:
            InvariantError: The venue was never run.
        """
        self._sim.amend(order, change)
        self._woken.set()

    async def find_order(self, order: Order) -> VenueOrder | None:
        """Return the order as the simulated venue has it."""
        return await self._sim.find_order(order)

    async def open_orders(self) -> list[VenueOrder]:
        """Return every open order."""
        return await self._sim.open_orders()

    async def fills(self, instrument_id: InstrumentId, since_ns: int) -> list[OrderFilled]:
        """Return this session's executions since a time, oldest first."""
        return await self._sim.fills(instrument_id, since_ns)

    async def balances(self) -> list[Balance]:
        """Return what the account holds."""
        return await self._sim.balances()

    async def positions(self) -> list[VenuePosition]:
        """Return the open positions of contracts."""
        return await self._sim.positions()

    async def cash_flows(self, since_ns: int) -> list[CashMoved]:
        """Return what moved without a fill."""
        return await self._sim.cash_flows(since_ns)

    def on_trade(self, trade: Trade) -> None:
        """Let a public trade serve resting orders; cheap where there are none.

        One that a feed fetched later than newer ones is of a time before, and serves nobody. While
        one connection takes over from another, both tell it.
        """
        name, number = trade.instrument_id, trade.trade_id
        newest_ns = self._newest_ns.get(name, 0)
        if trade.ts_event_ns < newest_ns - _LATE_NS:
            return
        if trade.ts_event_ns > newest_ns:
            self._newest_ns[name] = trade.ts_event_ns
        if number:
            known = self._known.setdefault(name, {})
            if number in known:
                return
            known[number] = None
            if len(known) > _KNOWN:
                del known[next(iter(known))]
        self._sim.on_trade(trade)
        self._wake()

    def on_quote(self, quote: Quote) -> None:
        """Let a quote serve resting orders; cheap where there are none."""
        self._sim.on_quote(quote)
        self._wake()

    def on_mark(self, event: MarkPrice) -> None:
        """Take reference prices: funding may be due, margin may lack."""
        self._sim.on_mark(event)
        self._wake()

    def pay_arrears(
        self, instrument_id: InstrumentId, rows: Sequence[FundingPaid], paid: Callable[[str], bool]
    ) -> None:
        """Pay funding that came due while no engine ran, save what `paid` knows."""
        self._sim.pay_arrears(instrument_id, rows, paid)
        self._wake()

    def _wake(self) -> None:
        """Have reports that are on their way told in time."""
        if self._sim.reporting:
            self._woken.set()

    def _pause_s(self) -> float:
        due_ns = self._sim.next_due_ns
        if due_ns is None:
            return _IDLE_S
        return max(0.0, (due_ns - self._clock.now_ns()) / _NS)
