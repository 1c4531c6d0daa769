"""Engines that trade in a yard, and may die there.

What is left out of an engine is the market's side: it reads prices off the emulator's own book,
and its timer ticks twenty times a second.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.agree import differences
from bench.lapse import Died, Life
from bench.yard import Market
from core.model.errors import ClxError
from core.model.facts import JournalRecord, VenueEvent
from core.model.ids import InstrumentId
from core.model.orders import Order, OrderIntent, OrderState
from core.model.ports import Journal
from core.model.settings import Settings
from core.model.views import AlertRaised, Fact
from core.trading.desk import TradingDesk
from core.trading.reconcile import Reconciler
from core.venues.registry import make_venue
from store.journal import SqliteJournal

TIMER_S = 0.05


class Stuck(AssertionError):
    """What must happen did not, however long it was waited for."""


class Marks:
    """The emulator's book as an engine's market; always trusted."""

    def __init__(self, yard: Market) -> None:
        self._yard = yard

    def top(self, instrument_id: InstrumentId) -> tuple[int, int] | None:
        instrument = self._yard.instruments.get(instrument_id)
        return None if instrument is None else self._yard.top(instrument)

    def trusted(self, instrument_id: InstrumentId) -> bool:
        return instrument_id in self._yard.instruments

    def last(self, instrument_id: InstrumentId) -> int | None:
        instrument = self._yard.instruments.get(instrument_id)
        return None if instrument is None else self._yard.last(instrument)

    def reference(self, instrument_id: InstrumentId) -> None:
        return None


class MortalJournal:
    """A journal whose program may die before or after a commit."""

    def __init__(self, journal: Journal, life: Life) -> None:
        self._journal = journal
        self._life = life
        self.read = journal.read
        self.find = journal.find
        self.close = journal.close

    def append(self, records: Sequence[JournalRecord]) -> int:
        what = "+".join(type(record).__name__ for record in records)
        self._life.boundary(f"before journal {what}")
        tear = self._life.tear
        if tear is not None:
            if self._life.dies_next:
                tear()
                self._journal.append(records)
            self._life.boundary(f"amid journal {what}")
        seq = self._journal.append(records)
        self._life.boundary(f"after journal {what}")
        return seq


class Engine:
    """A trading desk, its adapter and its reconciler, as one program that may die."""

    def __init__(
        self,
        yard: Market,
        account: int,
        table: dict[str, Any],
        journal: Journal,
        life: Life,
        *,
        number: int = 1,
        risk: dict[str, Any] | None = None,
    ) -> None:
        self.yard = yard
        self.account = account
        self.life = life
        self.journal = journal
        self.facts: list[Fact] = []
        self.settings = Settings.model_validate(
            {
                "engine": {"equity_asset": yard.instrument.pays_in},
                "venues": {str(yard.name): table},
                "trading": {"unknown_poll_s": 0.1},
                "risk": {
                    "max_orders_per_second": 10_000,
                    "max_messages_per_second": None,
                    "max_leverage": None,
                    "max_drawdown_pct": None,
                    "max_book_share_pct": None,
                    "max_open_orders": 10_000,
                    "max_order_notional": 10**9,
                    "max_position_notional": 10**9,
                    "max_daily_loss": 10**9,
                    "self_trade": "allow",
                    **(risk or {}),
                },
                "models": {},
            }
        )
        self.venue = make_venue(
            yard.name,
            self.settings.venues[yard.name],
            clock=yard.clock,
            rng=random.Random(number),
        )
        self.venue.add_instruments(list(yard.instruments.values()))
        self.desk = TradingDesk(
            settings=self.settings,
            journal=MortalJournal(journal, life),
            clock=yard.clock,
            venues={yard.name: self.venue},
            instruments=yard.instruments,
            marks=Marks(yard),
            emit=self.facts.append,
            session=f"yard{account}x{number}",
            mode="SIM",
        )
        self._mortal_projection()
        self.reconciler = Reconciler(
            self.desk, {yard.name: self.venue}, yard.clock, self.settings, visibility_s=None
        )
        self.tasks: list[asyncio.Task[Any]] = []
        self.on_open: Callable[[], None] | None = None
        """Called when the venue is open for entries, the first time."""

    def _mortal_projection(self) -> None:
        books = self.desk.books
        project, life = books.project, self.life

        def mortal(record: JournalRecord) -> Any:
            life.boundary(f"before projection {type(record).__name__}")
            applied = project(record)
            life.boundary(f"after projection {type(record).__name__}")
            return applied

        books.project = mortal  # type: ignore[method-assign]

    async def start(self) -> None:
        """Recover, connect, and wait until the venue is open for entries.

        Raises:
            Died: It died on the way.
        """
        self.life.do(self.desk.recover, "yard")
        loop = asyncio.get_running_loop()
        for work in (self.venue.run(self._take), self.reconciler.run(), self._tick()):
            self.tasks.append(loop.create_task(work, context=self.life.context))
        await self.until(self.opened, "the venue to be open")

    def opened(self) -> bool:
        """Return whether entries may be sent."""
        venue = self.desk.venues()[0]
        closed = self.desk.books.switches.closed_venues
        return venue.connected and bool(venue.reconciled_ns) and not closed

    async def end(self) -> None:
        """Die, if it lives, and leave only journal and venue."""
        self.life.kill()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.journal.close()

    async def until(
        self, condition: Callable[[], Any], what: str, patience_s: float = 60.0
    ) -> None:
        """Wait for something, in lapsed time.

        Raises:
            Died: It died meanwhile.
            Stuck: It never came.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience_s
        while True:
            if self.life.dead:
                raise Died
            if condition():
                return
            if loop.time() > deadline:
                orders = [
                    (o.id, str(o.state), o.note) for o in self.desk.orders(include_ended=True)
                ]
                why = [view.reason for view in self.desk.venues() if view.reason]
                heard = (orders[-5:], self.alerts(), why)
                raise Stuck(f"waited {patience_s:g} s for {what}; {heard}")
            for task in self.tasks:
                if task.done():
                    await task
            await asyncio.sleep(0.005)

    async def settled(self) -> None:
        """Wait until nothing of an order is on its way or in question, and compare once more."""
        quiet = (OrderState.SUBMITTED, OrderState.UNKNOWN, OrderState.PENDING_CANCEL)

        def still() -> bool:
            return self.opened() and not any(
                item.ask or item.order.amending or item.order.state in quiet
                for item in self.desk.books.orders.open()
            )

        why = "orders go on moving"
        for _ in range(20):
            await self.until(still, "everything to be settled")
            try:
                await self.ask()
            except ClxError as error:
                why = str(error)
                continue
            if still():
                return
        raise Stuck(f"it never settled: {why}")

    async def ask(self) -> None:
        """Compare with the venue now."""
        loop = asyncio.get_running_loop()
        await loop.create_task(self.reconciler.reconcile(self.yard.name), context=self.life.context)

    def order(self, order_id: str) -> Order:
        """Return an order as it stands."""
        tracked = self.desk.books.orders.get(order_id)  # type: ignore[arg-type]
        if tracked is None:
            raise KeyError(order_id)
        return tracked.order

    def submit(self, *intents: OrderIntent) -> tuple[Order, ...]:
        """Submit an order or a group."""
        if len(intents) > 1:
            sent: tuple[Order, ...] = self.life.do(self.desk.submit_group, intents)
            return sent
        return (self.life.do(self.desk.submit, intents[0]),)

    def alerts(self) -> list[str]:
        """Return the newest alerts."""
        return [fact.alert.text for fact in self.facts if isinstance(fact, AlertRaised)][-5:]

    def _take(self, event: VenueEvent) -> None:
        self.life.boundary(f"before event {type(event).__name__}")
        self.desk.on_venue_event(event)

    async def _tick(self) -> None:
        opened = False
        while True:
            self.desk.on_timer(self.yard.clock.now_ns())
            if not opened and self.opened():
                opened = True
                if self.on_open is not None:
                    self.on_open()
            await asyncio.sleep(TIMER_S)

    def differences(self) -> list[str]:
        """Return what the engine and the oracle do not say alike, nothing where all is well."""
        yard = self.yard
        return differences(self.desk, yard.name, yard.truth(self.account), yard.instruments)


def open_journal(path: Path) -> Journal:
    """Open a journal file."""
    return SqliteJournal(path)
