"""A proving ground in one process and in lapsed time: the emulator, and engines that trade there.

Everything between is real: the adapter, its connections over loopback, signatures, the emulator's
endpoints and its matching. What is left out of an engine is the market's side: it reads prices off
the emulator's own book, and its timer ticks twenty times a second.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.lapse import Died, LapseClock, LapseLoop, Life
from core.model.accounts import EntryKind
from core.model.errors import ClxError
from core.model.facts import JournalRecord, VenueEvent
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import Side
from core.model.orders import Order, OrderFilled, OrderIntent, OrderState
from core.model.ports import Journal
from core.model.settings import Settings
from core.model.views import AlertRaised, Fact
from core.trading.desk import TradingDesk
from core.trading.reconcile import Reconciler
from core.venues.binance import rest
from core.venues.binance.venue import BinanceVenue
from emulator.app import Emulator
from emulator.binance.gate.limits import Limiter
from emulator.binance.oracle import tell_account
from emulator.market.accounts import Account, Kind, Ticket
from emulator.market.listings import Listing
from emulator.market.truth import AccountTruth
from store.journal import SqliteJournal

BINANCE = VenueName("binance")
START_NS = 1_767_225_600 * 10**9
STATES = {
    "untriggered": OrderState.ACCEPTED,
    "open": OrderState.ACCEPTED,
    "partially_filled": OrderState.PARTIALLY_FILLED,
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELED,
    "expired": OrderState.EXPIRED,
}
NEVER_SENT = {OrderState.DENIED, OrderState.REJECTED, OrderState.HELD}
TIMER_S = 0.05


class Stuck(AssertionError):
    """What must happen did not, however long it was waited for."""


class Yard:
    """The emulator, its accounts and its market."""

    def __init__(self, *, seed: int = 7) -> None:
        """Prepare within a running `LapseLoop`."""
        self.clock = LapseClock(asyncio.get_running_loop(), START_NS)
        self.emulator = Emulator(
            seed=seed,
            api_key="k" * 32,
            api_secret="s" * 32,
            control_token="token",
            history_days=2,
            flow=False,
            clock=self.clock,
        )
        self.house = self.emulator.venue
        self.instruments = {
            item.id: item
            for item in (_instrument(s.listing) for s in self.house.market.shards.values())
        }
        self.accounts: list[Account] = []
        self._prints = itertools.count(1)
        self._outage: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Listen."""
        await self.emulator.start()
        self.forget_limits()
        # In lapsed time a minute's budget would be spent in a moment.
        rest.BinanceRest.__init__.__kwdefaults__["weight_per_minute"] = 10**9

    async def close(self) -> None:
        """End everything."""
        await self.emulator.stop()

    def forget_limits(self) -> None:
        """Let nobody have asked for anything yet."""
        self.house.limiter = Limiter(self.house.now_ms)
        self.house.limiter.weight_limit = 10**9

    def open_account(self) -> tuple[Account, dict[str, Any]]:
        """Open an account; return it and the settings of a venue that trades for it."""
        key = f"account{len(self.accounts):06d}".ljust(32, "x")
        account = self.house.open_account(key, "s" * 32)
        self.accounts.append(account)
        host = f"127.0.0.1:{self.emulator.port}"
        return account, {
            "rest_url": f"http://{host}",
            "ws_api_url": f"ws://{host}/ws-api/v3",
            "api_key": key,
            "api_secret": "s" * 32,
            # How long "no such order" is not believed of an order that may be on its way.
            "recv_window_ms": 500,
            "timeout_s": 2.0,
        }

    def cut(self, seconds: float) -> None:
        """Be gone for a while, as if killed: what is in the kernel's hands is lost both ways."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, LapseLoop)
        for transport in list(loop.served):
            transport.abort()
        self._outage = loop.create_task(self._away(seconds), context=contextvars.Context())

    async def back(self) -> None:
        """Wait until it is there again."""
        if self._outage is not None:
            await self._outage

    async def _away(self, seconds: float) -> None:
        await self.emulator.refuse()
        await asyncio.sleep(seconds)
        await self.emulator.listen()

    def truth(self, account: Account) -> AccountTruth:
        """Return what really happened."""
        return tell_account(account, self.house.writers)

    def shard(self, instrument: Instrument) -> Any:
        """Return an instrument's floor."""
        return self.house.market.shards[instrument.venue_symbol]

    def top(self, instrument: Instrument) -> tuple[int, int]:
        """Return best bid and ask in ticks."""
        bid, _, ask, _ = self.shard(instrument).top()
        return bid, ask

    def make_room(self, instrument: Instrument) -> tuple[int, int]:
        """Let there be free ticks between bid and ask, and return both."""
        bid, ask = self.top(instrument)
        while ask - bid < 8:
            ticks, lots = self.shard(instrument).asks(1)[0]
            self.take(instrument, "buy", lots, ticks)
            bid, ask = self.top(instrument)
        return bid, ask

    def take(self, instrument: Instrument, side: str, lots: int, limit: int | None = None) -> int:
        """Let the crowd take so many lots, up to a price; return what it got."""
        market = self.house.market
        got = market.crowd_trade(instrument.venue_symbol, Side(side), lots, limit)
        self.house.tick()
        return got

    def print_at(self, instrument: Instrument, ticks: int) -> None:
        """Let the last trade be at a price between bid and ask."""
        name, shard = f"print{next(self._prints)}", self.shard(instrument)
        lots = instrument.lots(instrument.min_notional / instrument.price(ticks)) + 1
        ticket = Ticket(
            client_id=name, side=Side.SELL, kind=Kind.LIMIT, price_ticks=ticks, lots=lots
        )
        self.house.desk.place(self.house.account, shard, ticket, self.house.market.now_ns)
        self.take(instrument, "buy", lots, ticks)

    def touch(self, instrument: Instrument, side: str) -> None:
        """Let the last trade be at the best price a buyer, or a seller, gets."""
        self.take(instrument, side, 1)


class Marks:
    """The emulator's book as an engine's market; always trusted."""

    def __init__(self, yard: Yard) -> None:
        self._yard = yard

    def top(self, instrument_id: InstrumentId) -> tuple[int, int] | None:
        instrument = self._yard.instruments.get(instrument_id)
        return None if instrument is None else self._yard.top(instrument)

    def trusted(self, instrument_id: InstrumentId) -> bool:
        return instrument_id in self._yard.instruments

    def last(self, instrument_id: InstrumentId) -> int | None:
        instrument = self._yard.instruments.get(instrument_id)
        return None if instrument is None else self._yard.shard(instrument).last_ticks

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
        seq = self._journal.append(records)
        self._life.boundary(f"after journal {what}")
        return seq


class Engine:
    """A trading desk, its adapter and its reconciler, as one program that may die."""

    def __init__(
        self,
        yard: Yard,
        account: Account,
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
                "venues": {"binance": table},
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
        self.venue = BinanceVenue(
            BINANCE,
            self.settings.venues["binance"],
            clock=yard.clock,
            rng=random.Random(number),
            instruments=list(yard.instruments.values()),
        )
        self.desk = TradingDesk(
            settings=self.settings,
            journal=MortalJournal(journal, life),
            clock=yard.clock,
            venues={BINANCE: self.venue},
            instruments=yard.instruments,
            marks=Marks(yard),
            emit=self.facts.append,
            session=f"yard{account.owner}x{number}",
            mode="SIM",
        )
        self._mortal_projection()
        self.reconciler = Reconciler(
            self.desk, {BINANCE: self.venue}, yard.clock, self.settings, visibility_s=None
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
                raise Stuck(f"waited {patience_s:g} s for {what}; {orders[-5:]}; {self.alerts()}")
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
        await loop.create_task(self.reconciler.reconcile(BINANCE), context=self.life.context)

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

    # -- the truth -------------------------------------------------------------------------

    def differences(self) -> list[str]:
        """Return what the engine and the oracle do not say alike, nothing where all is well."""
        truth = self.yard.truth(self.account)
        names = {item.venue_symbol: item.id for item in self.yard.instruments.values()}
        return [
            *_compare_orders(self.desk.orders(include_ended=True), truth),
            *_compare_fills(self.desk.fills(10_000), truth),
            *_compare_positions(self.desk, truth, names),
            *_compare_balances(self.desk, truth),
            *_check_ledger(self.desk),
        ]


def _compare_orders(ours: Sequence[Order], truth: AccountTruth) -> Iterator[str]:
    theirs = {row.client_id: row for row in truth.orders}
    for key, count in Counter(row.client_id for row in truth.orders).items():
        if count > 1:
            yield f"order {key} is {count} times at the venue"
    known = {order.id for order in ours}
    yield from (f"order {key} is at the venue alone" for key in theirs.keys() - known)
    for order in ours:
        row = theirs.get(order.id)
        if row is None:
            sent = order.state not in NEVER_SENT and (
                order.state is not OrderState.CANCELED or order.venue_order_id is not None
            )
            if sent:
                yield f"order {order.id} is {order.state} here, the venue never had it"
            continue
        if order.state is not STATES[row.state]:
            yield f"order {order.id} is {order.state} here, {row.state} at the venue"
        if order.filled != Decimal(row.filled):
            yield f"order {order.id} filled {order.filled} here, {row.filled} at the venue"
        # An end may be told of an order whose acceptance never was.
        nameless = order.state.terminal and order.venue_order_id is None
        if order.venue_order_id != row.id and not nameless:
            yield f"order {order.id} is {order.venue_order_id} here, {row.id} at the venue"
        if not order.state.terminal and order.intent.size != Decimal(row.size):
            yield f"order {order.id} is of {order.intent.size} here, of {row.size} at the venue"


def _compare_fills(ours: Sequence[OrderFilled], truth: AccountTruth) -> Iterator[str]:
    mine: Counter[tuple[object, ...]] = Counter(
        (f.execution_id, f.venue_order_id, f.side.value, f.price, f.size, f.fee, f.fee_asset)
        for f in ours
    )
    real: Counter[tuple[object, ...]] = Counter(
        (r.id, r.order_id, r.side, Decimal(r.price), Decimal(r.size), Decimal(r.fee), r.fee_asset)
        for r in truth.fills
    )
    yield from (f"fill {key} is here alone" for key in mine - real)
    yield from (f"fill {key} is at the venue alone" for key in real - mine)


def _compare_positions(
    desk: TradingDesk, truth: AccountTruth, names: dict[str, InstrumentId]
) -> Iterator[str]:
    real: dict[str, Decimal] = {}
    for row in truth.fills:
        name = names[row.symbol]
        size = Decimal(row.size) * (1 if row.side == "buy" else -1)
        if row.fee_asset == name.partition("-")[0]:
            size -= Decimal(row.fee)
        real[name] = real.get(name, Decimal(0)) + size
    mine = {str(item.instrument_id): item.size for item in desk.positions()}
    for key in sorted(real.keys() | mine.keys()):
        if mine.get(key, Decimal(0)) != real.get(key, Decimal(0)):
            yield f"position {key} is {mine.get(key)} here, the venue's fills make {real.get(key)}"


def _compare_balances(desk: TradingDesk, truth: AccountTruth) -> Iterator[str]:
    mine = {item.asset: (item.total, item.held) for item in desk.balances() if item.total}
    real = {
        asset: (Decimal(row.total), Decimal(row.locked))
        for asset, row in truth.balances.items()
        if Decimal(row.total)
    }
    for asset in sorted(mine.keys() | real.keys()):
        if mine.get(asset) != real.get(asset):
            yield f"{asset} is {mine.get(asset)} here, {real.get(asset)} at the venue"


def _check_ledger(desk: TradingDesk) -> Iterator[str]:
    sums: dict[str, Decimal] = {}
    for entry in desk.ledger(100_000):
        sums[entry.asset] = sums.get(entry.asset, Decimal(0)) + entry.amount
        # An adopted balance would make any lost fill look equal.
        if entry.kind is EntryKind.ADJUSTMENT:
            yield f"adopted: {entry.ref}"
    yield from (f"the ledger's {asset} sums to {x}" for asset, x in sums.items() if x)


def open_journal(path: Path) -> Journal:
    """Open a journal file."""
    return SqliteJournal(path)


def _instrument(listing: Listing) -> Instrument:
    step = Decimal(10) ** -8
    return Instrument(
        id=InstrumentId(f"{listing.base}-{listing.quote}.binance"),
        venue=BINANCE,
        venue_symbol=listing.symbol,
        base=listing.base,
        quote=listing.quote,
        price_tick=listing.tick_e8 * step,
        size_lot=listing.lot_e8 * step,
        min_size=listing.lot_e8 * step,
        min_notional=Decimal(listing.min_notional),
    )
