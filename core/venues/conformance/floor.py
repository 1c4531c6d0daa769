"""An engine's trading core on a ground: desk, reconciler and adapter, wired as they run live."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, Final

from core.engine.clock import SystemClock
from core.model.abilities import VenueAbilities
from core.model.errors import ConfigError, InvariantError, TemporaryError
from core.model.facts import VenueEvent
from core.model.ids import ClientOrderId, client_order_id
from core.model.market import Side
from core.model.orders import Link, Order, OrderIntent, OrderState, OrderType, Role
from core.model.settings import EngineSettings, RiskSettings, Settings, TradingSettings
from core.model.views import AlertRaised, Fact
from core.trading.desk import TradingDesk
from core.trading.reconcile import Reconciler
from core.trading.recorder import MemoryJournal
from core.venues.conformance.agreement import disagreements
from core.venues.conformance.ground import Ground, OracleMarks, SkippingClock, by_id

_LOOK_S: Final = 0.02
_QUIET_S: Final = 0.06
"""Without news for this long, the stream has said what it had to say."""
_PATIENCE_S: Final = 0.4
"""Without what is waited for during this long, the venue is asked."""
_SKIP_S: Final = 8.0
"""More than any patience of the reconciler."""
_OPEN_WITHIN_S: Final = 30.0
"""How long a start may take: on a busy machine much, and it is no part of what is judged."""
_WITHIN_S: Final = 10.0
_WITHIN_ALL_THE_SAME_S: Final = 1.5
"""Under a fault what is waited for may never come."""
_MOST_ASKS: Final = 3
"""Venues let nobody ask for ever; more questions get no other answer."""
_ROUNDS: Final = 12
_ALL: Final = Decimal(10_000_000_000)
_FOUND_OUT: Final = ("adopted", "without a listed fill", "trading is halted", "is overfilled")
"""Words of alerts that mean: books and venue had come apart."""
_WIDE: Final = RiskSettings.model_validate(
    {
        name: value
        for name, value in {
            "max_order_notional": _ALL,
            "max_position_notional": _ALL,
            "max_daily_loss": _ALL,
            "max_orders_per_second": 10_000,
            "max_open_orders": 1_000,
            "price_band_pct": Decimal(95),
            "max_leverage": None,
            "max_book_share_pct": None,
            "max_messages_per_second": None,
            "max_drawdown_pct": None,
            "min_liquidation_pct": None,
            "max_clock_skew_ms": None,
            "self_trade": "allow",
        }.items()
        if name in RiskSettings.model_fields
    }
)
"""Limits that nothing of a case comes near: adapters are judged here, not the gate."""
_UNSETTLED: Final = frozenset({OrderState.SUBMITTED, OrderState.UNKNOWN, OrderState.PENDING_CANCEL})


class Floor:
    """One case's engine; `restart` leaves only journal and venue."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.clock = SkippingClock(SystemClock())
        self.marks = OracleMarks(ground)
        self.flaws: list[str] = []
        """What went wrong, in words."""
        self.strict = True
        """Whether expectations of a case count; under a fault only the end does."""
        self.midway: Callable[[], Awaitable[None]] | None = None
        """What goes wrong in the middle of the case."""
        self.desk: TradingDesk
        self._journal = MemoryJournal()
        self._settings = Settings(
            engine=EngineSettings(equity_asset=ground.instrument.pays_in),
            venues={ground.name: ground.table},
            trading=TradingSettings(unknown_poll_s=0.05),
            risk=_WIDE,
        )
        self._ids = 0
        self._sessions = 0
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._reconciler: Reconciler

    @classmethod
    @asynccontextmanager
    async def open(cls, ground: Ground) -> AsyncIterator[Floor]:
        """Start an engine and wait until it and the venue agree."""
        floor = cls(ground)
        await floor.marks.look()
        try:
            await floor.start()
            yield floor
        finally:
            await floor.stop()

    @property
    def abilities(self) -> VenueAbilities:
        """What the adapter says it can do with the instrument."""
        return self._venue.abilities(self.ground.instrument)

    # -- running ---------------------------------------------------------------------------

    async def start(self) -> None:
        """Run a fresh engine on the journal so far."""
        self._sessions += 1
        name = self.ground.name
        self._venue = self.ground.make(SystemClock())
        self.desk = TradingDesk(
            settings=self._settings,
            journal=self._journal,
            clock=self.clock,
            venues={name: self._venue},
            instruments=by_id(self.ground.instruments),
            marks=self.marks,
            emit=self._take_fact,
            session=f"conform{self._sessions}",
            mode="SIM",
        )
        self.desk.recover("conformance")
        self._reconciler = Reconciler(self.desk, {name: self._venue}, self.clock, self._settings)
        self._tasks = [
            asyncio.create_task(self._venue.run(self._take)),
            asyncio.create_task(self._reconciler.run()),
            asyncio.create_task(self._tick()),
        ]
        ready = await self.until("it is open for orders", self._is_open, _OPEN_WITHIN_S)
        if not ready:
            raise TemporaryError(f"{name}: {self.desk.venues()[0].reason or 'is not reconciled'}")

    async def stop(self) -> None:
        """Stop the engine; what it sent lives on at the venue."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks = []

    async def restart(self) -> None:
        """Stop, and start anew from the journal."""
        await self.stop()
        await self.start()

    # -- what a case does ------------------------------------------------------------------

    def next_id(self) -> ClientOrderId:
        """Return a fresh client order id."""
        self._ids += 1
        return client_order_id("cli", self.clock.now_ns(), self._ids)

    def intent(
        self, side: Side, kind: OrderType = OrderType.LIMIT, **fields: object
    ) -> OrderIntent:
        """Return an ordinary intent with some fields changed."""
        known: dict[str, object] = {
            "client_order_id": self.next_id(),
            "instrument_id": self.ground.instrument.id,
            "side": side,
            "type": kind,
            "size": self.ground.size,
            "origin": "cli",
        }
        return OrderIntent(**(known | fields))  # type: ignore[arg-type]  # fields are the caller's

    def submit(
        self, side: Side, kind: OrderType = OrderType.LIMIT, **fields: object
    ) -> ClientOrderId:
        """Send an order; a refusal of our own is a flaw."""
        return self.send(self.intent(side, kind, **fields))

    def send(self, *intents: OrderIntent) -> ClientOrderId:
        """Send an order, or a group; return the first one's id."""
        sent = (
            self.desk.submit_group(intents) if len(intents) > 1 else [self.desk.submit(intents[0])]
        )
        for order in sent:
            if order.state is OrderState.DENIED and self.strict:
                self.flaws.append(f"order {order.id} was denied: {order.note}")
        return sent[0].id

    async def strike(self) -> None:
        """Let happen what is to go wrong in the middle of the case."""
        if self.midway is not None:
            await self.midway()

    def cancel(self, order_id: ClientOrderId) -> None:
        """Ask for an order's end, if it has not ended."""
        if not self.order(order_id).state.terminal:
            self.desk.cancel(order_id, "cli")

    def amend(
        self, order_id: ClientOrderId, *, size: Decimal | None = None, price: Decimal | None = None
    ) -> None:
        """Change an order; a refusal of our own is a flaw."""
        try:
            self.desk.amend(order_id, "cli", size=size, price=price)
        except ConfigError as error:
            self.expect(False, str(error))

    async def changed(self, order_id: ClientOrderId) -> None:
        """Wait until an amend is answered, or the order that was sent instead is there."""
        await self.answered(order_id)
        last = self.heir(order_id)
        if last != order_id:
            live = (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED)
            ended = tuple(state for state in OrderState if state.terminal)
            await self.stands(last, *live, *ended)

    def part(self, share: Decimal) -> Decimal:
        """Return a share of an ordinary size, in whole lots."""
        instrument = self.ground.instrument
        return instrument.size(instrument.floor_lots(self.ground.size * share))

    def sellable(self, order_id: ClientOrderId) -> Decimal:
        """Return what an order brought, less what its fees took of it; something at least."""
        instrument, order = self.ground.instrument, self.order(order_id)
        brought = order.filled or self.ground.size
        if not instrument.derivative:
            brought -= order.fees.get(instrument.base, Decimal(0))
        return instrument.size(instrument.floor_lots(brought))

    async def long(self) -> Decimal:
        """Hold a long position and return its size."""
        bought = self.submit(Side.BUY, OrderType.MARKET)
        await self.until("it is bought", lambda: self.order(bought).state.terminal)
        return self.sellable(bought)

    async def exits(self, link: Link) -> tuple[ClientOrderId, ClientOrderId]:
        """Send a stop and a target for what is held; return their ids."""
        group = self.next_id()
        size = self.part(Decimal("0.9"))
        shared: dict[str, Any] = {
            "size": size,
            "group_id": group,
            "link": link,
            "reduce_only": True,
        }
        stop = self.intent(
            Side.SELL,
            OrderType.STOP,
            trigger_price=await self.away(Side.BUY, 3),
            role=Role.STOP,
            **shared,
        )
        target = self.intent(
            Side.SELL, price=await self.away(Side.SELL, 3), role=Role.TARGET, **shared
        )
        self.send(stop, target)
        return stop.client_order_id, target.client_order_id

    async def bracket(self, price: Decimal) -> tuple[ClientOrderId, ClientOrderId, ClientOrderId]:
        """Send an entry with a stop and a target; return their ids."""
        entry_id = self.next_id()
        shared: dict[str, Any] = {"group_id": entry_id, "link": Link.BRACKET}
        entry = self.intent(
            Side.BUY, price=price, client_order_id=entry_id, role=Role.ENTRY, **shared
        )
        shared |= {"parent_id": entry_id, "reduce_only": True}
        stop = self.intent(
            Side.SELL,
            OrderType.STOP,
            trigger_price=await self.away(Side.BUY, 8),
            role=Role.STOP,
            **shared,
        )
        target = self.intent(
            Side.SELL, price=await self.away(Side.SELL, 3), role=Role.TARGET, **shared
        )
        self.send(entry, stop, target)
        return entry_id, stop.client_order_id, target.client_order_id

    async def hedge(self) -> None:
        """Let the account hold long and short apart, and start anew as one does then."""
        if self.ground.hedge is None:
            raise InvariantError(f"{self.ground.name} cannot hold long and short apart")
        await self.ground.hedge(self._venue)
        await self.restart()

    def price(self, order_id: ClientOrderId) -> Decimal:
        """Return an order's limit price."""
        price = self.order(order_id).intent.price
        if price is None:
            raise InvariantError(f"order {order_id} has no price")
        return price

    def order(self, order_id: ClientOrderId) -> Order:
        """Return an order as it stands."""
        tracked = self.desk.books.orders.get(order_id)
        if tracked is None:
            raise InvariantError(f"order {order_id} is not known")
        return tracked.order

    def working(self, role: Role) -> Callable[[], list[Order]]:
        """Return what tells the orders of a role that have not ended, at the venue or here."""
        return lambda: [each for each in self.desk.orders() if each.intent.role is role]

    def heir(self, order_id: ClientOrderId) -> ClientOrderId:
        """Return the order that stands in an order's place now, itself if none does."""
        for item in self.desk.books.orders.all():
            if item.order.intent.replaces == order_id:
                return self.heir(item.order.id)
        return order_id

    async def best(self, side: Side) -> Decimal:
        """Return the price an order of a side would take."""
        await self.marks.look()
        book = await self.ground.control.book()
        return (book.asks if side is Side.BUY else book.bids)[0][0]

    async def away(self, side: Side, levels: int) -> Decimal:
        """Return the price so many levels behind the best of the own side, where it rests."""
        await self.marks.look()
        book = await self.ground.control.book()
        return (book.bids if side is Side.BUY else book.asks)[levels][0]

    def far(self, side: Side) -> Decimal:
        """Return a price so far behind the market that no venue takes an order there."""
        top = self.marks.top(self.ground.instrument.id)
        if top is None:
            raise InvariantError("the market was never looked at")
        return self.ground.instrument.price(
            top[side is Side.SELL] * (8 if side.sign < 0 else 1) // 8
        )

    async def alone(self, side: Side) -> Decimal:
        """Let the crowd clear the best price against a side; ours is the only order there then."""
        book = await self.ground.control.book()
        price, size = (book.asks if side is Side.BUY else book.bids)[0]
        await self.ground.control.trade(side, size, price)
        await self.marks.look()
        return price

    async def push(self, side: Side, price: Decimal) -> None:
        """Let the crowd trade with a side until it has traded at a price."""
        book = await self.ground.control.book()
        levels = book.asks if side is Side.BUY else book.bids
        size = sum((lot for at, lot in levels if (price - at) * side.sign >= 0), Decimal(0))
        await self.ground.control.trade(side, size, price)
        await self.marks.look()

    async def reach(self, side: Side, price: Decimal, leave: Decimal) -> None:
        """Let the crowd take all up to a price but so much of what is there."""
        book = await self.ground.control.book()
        levels = book.asks if side is Side.BUY else book.bids
        size = sum((lot for at, lot in levels if (price - at) * side.sign >= 0), Decimal(0))
        await self.ground.control.trade(side, size - leave, price)
        await self.marks.look()

    async def crowd(self, side: Side, size: Decimal, price: Decimal) -> None:
        """Let the crowd take so much, up to a price."""
        await self.ground.control.trade(side, size, price)
        await self.marks.look()

    # -- what a case waits for -------------------------------------------------------------

    async def until(
        self, what: str, ready: Callable[[], bool], within_s: float | None = None
    ) -> bool:
        """Wait; whoever waits in vain for a while asks the venue, as the engine does in time."""
        loop = asyncio.get_running_loop()
        usual_s = _WITHIN_S if self.strict or self._is_new() else _WITHIN_ALL_THE_SAME_S
        end = loop.time() + (usual_s if within_s is None else within_s)
        ask_at = loop.time() + _PATIENCE_S
        asks = 0
        while not ready():
            if loop.time() > end:
                if self.strict:
                    self.flaws.append(f"waited in vain until {what}")
                return False
            if loop.time() > ask_at and asks < _MOST_ASKS and not self._is_new():
                asks += 1
                await self._ask()
                ask_at = loop.time() + _PATIENCE_S
            await self._pause(_LOOK_S)
        return True

    async def stands(self, order_id: ClientOrderId, *states: OrderState) -> bool:
        """Wait until an order is in one of some states."""
        words = " or ".join(states)
        return await self.until(
            f"order {order_id} is {words}", lambda: self.order(order_id).state in states
        )

    async def answered(self, *order_ids: ClientOrderId) -> None:
        """Wait until nothing about some orders is on its way any more."""

        def settled() -> bool:
            orders = [self.order(order_id) for order_id in order_ids]
            return not any(each.state in _UNSETTLED or each.amending for each in orders)

        await self.until(f"{', '.join(order_ids)} are answered", settled)

    def expect(self, right: bool, words: str) -> None:
        """Note a flaw, if it counts."""
        if self.strict and not right:
            self.flaws.append(words)

    async def armed(self) -> None:
        """Wait until the venue's dead-man switch is armed."""
        await self.until("the switch is armed", lambda: bool(self.desk.venues()[0].dead_man))

    async def breathe(self) -> None:
        """Let what was told take effect."""
        await self._silence()

    async def settle(self) -> None:
        """Let everything come to rest, and compare it with the truth."""
        for number in range(_ROUNDS):
            # Each wait is longer: a busy machine needs time, and not more questions.
            await self._pause(_QUIET_S * number)
            await self._silence()
            if await self._ask() and not self._open_questions():
                break
        else:
            self.flaws.append(f"did not settle: {', '.join(self._open_questions()) or 'no answer'}")
        await self._silence()
        account = await self.ground.control.account()
        spelled = {item.venue_symbol: item.id for item in self.ground.instruments}
        self.flaws += disagreements(self.desk.books, self.ground.name, account, spelled)

    # -- within ----------------------------------------------------------------------------

    def _is_new(self) -> bool:
        return not self.desk.venues()[0].reconciled_ns

    def _is_open(self) -> bool:
        closed = self.desk.books.switches.closed_venues
        return self.desk.venues()[0].connected and self.ground.name not in closed

    def _open_questions(self) -> list[str]:
        return [
            f"{item.order.id} is {item.order.state}"
            for item in self.desk.books.orders.open()
            if item.ask or item.order.amending or item.order.state in _UNSETTLED
        ]

    async def _ask(self) -> bool:
        """Let the engine's patience be over, and compare."""
        self.clock.skip(_SKIP_S)
        try:
            await self._reconciler.reconcile(self.ground.name)
        except TemporaryError:
            await self._pause(_QUIET_S)
            return False
        return True

    async def _silence(self) -> None:
        """Wait until nothing was told for a moment."""
        while True:
            self._news.clear()
            try:
                async with asyncio.timeout(_QUIET_S):
                    await self._news.wait()
            except TimeoutError:
                return

    async def _pause(self, seconds: float) -> None:
        for task in self._tasks:
            if task.done():
                await task
        await asyncio.sleep(seconds)

    async def _tick(self) -> None:
        while True:
            self.desk.on_timer(self.clock.now_ns())
            await asyncio.sleep(_LOOK_S)

    def _take(self, event: VenueEvent) -> None:
        self._news.set()
        self.desk.on_venue_event(event)

    def _take_fact(self, fact: Fact) -> None:
        if isinstance(fact, AlertRaised) and any(part in fact.alert.text for part in _FOUND_OUT):
            self.flaws.append(fact.alert.text)
