"""A small honest venue, a settable clock and market, and a desk wired to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from core.model.abilities import VenueAbilities
from core.model.accounts import Balance, VenuePosition
from core.model.errors import TemporaryError
from core.model.facts import BalancesReported, CashMoved, VenueConnected, VenueEvent
from core.model.ids import ClientOrderId, ExecutionId, InstrumentId, VenueName, VenueOrderId
from core.model.instruments import Instrument
from core.model.market import Side
from core.model.orders import (
    AmendRejected,
    AmendSubmitted,
    CancelRejected,
    Order,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderFilled,
    OrderIntent,
    OrderRejected,
    OrderState,
    OrderType,
    OrderUnknown,
    PositionSide,
    VenueOrder,
)
from core.model.ports import Journal
from core.model.settings import Settings
from core.model.views import Fact, Mode, ReferenceView
from core.trading.desk import TradingDesk
from core.trading.reconcile import Reconciler
from core.trading.recorder import MemoryJournal

BINANCE = VenueName("binance")
BTC = Instrument(
    id=InstrumentId("BTC-USDT.binance"),
    venue=BINANCE,
    venue_symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    price_tick=Decimal("0.01"),
    size_lot=Decimal("0.001"),
    min_size=Decimal("0.001"),
    max_size=Decimal(100),
    min_notional=Decimal(5),
)
ETH = Instrument(
    id=InstrumentId("ETH-USDT.binance"),
    venue=BINANCE,
    venue_symbol="ETHUSDT",
    base="ETH",
    quote="USDT",
    price_tick=Decimal("0.01"),
    size_lot=Decimal("0.01"),
)
FEE_RATE = Decimal("0.001")


class SetClock:
    """Time that moves when told."""

    def __init__(self) -> None:
        self.ns = 1_700_000_000_000_000_000

    def now_ns(self) -> int:
        return self.ns

    def monotonic_ns(self) -> int:
        return self.ns

    def advance(self, seconds: float) -> None:
        self.ns += int(seconds * 1e9)


class SetMarks:
    """A market that stands where it is put."""

    def __init__(self) -> None:
        self.tops: dict[str, tuple[int, int]] = {BTC.id: (9999, 10001), ETH.id: (999, 1001)}
        self.stale: set[str] = set()
        self.traded: dict[str, int] = {}
        self.said: dict[str, ReferenceView] = {}

    def top(self, instrument_id: InstrumentId) -> tuple[int, int] | None:
        return self.tops.get(instrument_id)

    def last(self, instrument_id: InstrumentId) -> int | None:
        return self.traded.get(instrument_id)

    def reference(self, instrument_id: InstrumentId) -> ReferenceView | None:
        return self.said.get(instrument_id)

    def trusted(self, instrument_id: InstrumentId) -> bool:
        return instrument_id in self.tops and instrument_id not in self.stale

    def put_trade(self, price: str) -> None:
        """The market of BTC stands and trades at a price, which nobody is told of."""
        self.put(BTC, price)
        self.traded[BTC.id] = BTC.ticks(Decimal(price))

    def put(self, instrument: Instrument, price: str) -> None:
        ticks = instrument.ticks(Decimal(price))
        self.tops[instrument.id] = (ticks - 1, ticks + 1)


class SimVenue:
    """An exchange's books: it outlives the desk, and tells the truth when asked.

    Requests and answers can be lost: `lose_requests`, `lose_answers`. Events wait in `outbox`
    until `deliver`, as a network's do. Orders rest until `trade`, but for market orders.
    """

    def __init__(self, clock: SetClock, marks: SetMarks) -> None:
        self.name = BINANCE
        self.clock = clock
        self.marks = marks
        self.able = VenueAbilities()
        self.groups: list[tuple[ClientOrderId, ...]] = []
        self.amends: list[AmendSubmitted] = []
        self.lose_requests = False
        self.refuse_amends = False
        self.lose_answers = False
        self.down = False
        self.visible_after_s = 0.0
        self.hide_fills = False
        self.outbox: list[VenueEvent] = []
        self.received: list[ClientOrderId] = []
        self.cancels: list[ClientOrderId] = []
        self.questions: list[str] = []
        self.total: dict[str, Decimal] = {"USDT": Decimal(100_000), "BTC": Decimal(100)}
        self.orders_by_id: dict[ClientOrderId, VenueOrder] = {}
        self.executions: list[OrderFilled] = []
        self.contracts: list[VenuePosition] = []
        self.flows: list[CashMoved] = []
        self._placed_ns: dict[ClientOrderId, int] = {}
        self.sides: dict[ClientOrderId, PositionSide] = {}

    async def run(self, sink: Callable[[VenueEvent], None]) -> None:
        await asyncio.Event().wait()  # events are delivered by the test

    def submit(self, intent: OrderIntent) -> None:
        if self.lose_requests:
            self._tell(
                OrderUnknown(
                    client_order_id=intent.client_order_id, reason="timeout", ts_ns=self._now()
                )
            )
            return
        self.place(intent)

    def abilities(self, instrument: Instrument) -> VenueAbilities:
        return self.able

    def submit_group(self, intents: Sequence[OrderIntent]) -> None:
        self.groups.append(tuple(intent.client_order_id for intent in intents))
        for intent in intents:
            self.place(intent)

    def amend(self, order: Order, change: AmendSubmitted) -> None:
        self.amends.append(change)
        if self.lose_requests:
            return
        if self.refuse_amends:
            words = {"code": "-4000", "reason": "Not now.", "ts_ns": self._now()}
            self._tell(AmendRejected(client_order_id=order.id, **words))
            return
        known = self.orders_by_id[order.id]
        if known.state.terminal:
            words = {"code": "-2013", "reason": "Order does not exist.", "ts_ns": self._now()}
            self._tell(AmendRejected(client_order_id=order.id, **words))
            return
        size, price = change.size or known.size, change.price or known.price
        state = OrderState.FILLED if known.filled >= size else known.state
        self._change(known, size=size, price=price, state=state, ts_event_ns=self._now())
        self._tell(
            OrderAmended(
                client_order_id=order.id, size=size, price=price, ts_event_ns=self._now(),
                ts_ns=self._now(),
            )
        )  # fmt: skip

    async def positions(self) -> list[VenuePosition]:
        self._ask("positions")
        return list(self.contracts)

    async def cash_flows(self, since_ns: int) -> list[CashMoved]:
        self._ask("cash flows")
        return [flow for flow in self.flows if flow.ts_event_ns >= since_ns]

    def place(self, intent: OrderIntent) -> None:
        """The order reaches the exchange."""
        order_id = intent.client_order_id
        self.received.append(order_id)
        if order_id in self.orders_by_id:
            self._tell(
                OrderRejected(
                    client_order_id=order_id,
                    code="-2010",
                    reason="Duplicate order sent.",
                    ts_ns=self._now(),
                )
            )
            return
        venue_id = VenueOrderId(str(1000 + len(self.orders_by_id)))
        self._placed_ns[order_id] = self._now()
        self.orders_by_id[order_id] = VenueOrder(
            client_order_id=order_id,
            venue_order_id=venue_id,
            instrument_id=intent.instrument_id,
            side=intent.side,
            type=intent.type,
            price=intent.price,
            size=intent.size,
            filled=Decimal(0),
            state=OrderState.ACCEPTED,
            ts_event_ns=self._now(),
            trigger_price=intent.trigger_price,
            reduce_only=intent.reduce_only,
        )
        self.sides[order_id] = intent.position_side
        self._tell(
            OrderAccepted(
                client_order_id=order_id,
                venue_order_id=venue_id,
                ts_event_ns=self._now(),
                ts_ns=self._now(),
            )
        )
        if intent.type is OrderType.MARKET:
            bid, ask = self.marks.tops[intent.instrument_id]
            instrument = BTC if intent.instrument_id == BTC.id else ETH
            self.trade(
                order_id, intent.size, instrument.price(ask if intent.side is Side.BUY else bid)
            )

    def trade(
        self, order_id: str, size: Decimal | str, price: Decimal | str | None = None
    ) -> OrderFilled:
        """The market takes `size` of a resting order."""
        known = self.orders_by_id[ClientOrderId(order_id)]
        size = Decimal(size)
        price = Decimal(price) if price is not None else known.price
        assert price is not None
        assert known.state in {OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED}
        filled = known.filled + size
        instrument = BTC if known.instrument_id == BTC.id else ETH
        state = OrderState.FILLED if filled == known.size else OrderState.PARTIALLY_FILLED
        self._change(known, filled=filled, state=state)
        fee = size * price * FEE_RATE
        self._move(instrument.base, size * known.side.sign)
        self._move(instrument.quote, -size * price * known.side.sign - fee)
        fill = OrderFilled(
            client_order_id=known.client_order_id,
            venue=BINANCE,
            instrument_id=known.instrument_id,
            venue_order_id=known.venue_order_id,
            execution_id=ExecutionId(str(len(self.executions) + 1)),
            side=known.side,
            price=price,
            size=size,
            fee=fee,
            fee_asset=instrument.quote,
            maker=True,
            position_side=self.sides[known.client_order_id],
            ts_event_ns=self._now(),
            ts_ns=self._now(),
        )
        self.executions.append(fill)
        self._tell(fill)
        return fill

    def cancel(self, order: Order) -> None:
        self.cancels.append(order.id)
        if self.lose_requests:
            return
        known = self.orders_by_id.get(order.id)
        if known is None or known.state.terminal:
            self._tell(
                CancelRejected(
                    client_order_id=order.id,
                    code="-2011",
                    reason="Unknown order sent.",
                    ts_ns=self._now(),
                )
            )
            return
        self._change(known, state=OrderState.CANCELED)
        self._tell(
            OrderCanceled(
                client_order_id=order.id, ts_event_ns=self._now(), ts_ns=self._now(),
                filled=known.filled,
            )
        )  # fmt: skip

    async def find_order(self, order: Order) -> VenueOrder | None:
        self._ask(f"order {order.id}")
        known = self.orders_by_id.get(order.id)
        if known is None:
            return None
        age_s = (self._now() - self._placed_ns[order.id]) / 1e9
        return known if age_s >= self.visible_after_s else None

    async def open_orders(self) -> list[VenueOrder]:
        self._ask("open orders")
        return [
            order
            for order in self.orders_by_id.values()
            if not order.state.terminal
            and (self._now() - self._placed_ns[order.client_order_id]) / 1e9 >= self.visible_after_s
        ]

    async def fills(self, instrument_id: InstrumentId, since_ns: int) -> list[OrderFilled]:
        self._ask(f"fills {instrument_id}")
        if self.hide_fills:
            return []
        return [
            fill
            for fill in self.executions
            if fill.instrument_id == instrument_id and fill.ts_event_ns >= since_ns
        ]

    async def balances(self) -> list[Balance]:
        self._ask("balances")
        return [Balance(venue=BINANCE, asset=a, total=t) for a, t in self.total.items() if t]

    def deliver(self, desk: TradingDesk) -> None:
        """Hand over all waiting events."""
        while self.outbox:
            desk.on_venue_event(self.outbox.pop(0))

    def report_balances(self) -> BalancesReported:
        return BalancesReported(
            venue=BINANCE,
            balances=tuple(
                Balance(venue=BINANCE, asset=a, total=t) for a, t in sorted(self.total.items())
            ),
            ts_event_ns=self._now(),
            ts_ns=self._now(),
        )

    def _now(self) -> int:
        return self.clock.now_ns()

    def _tell(self, event: VenueEvent) -> None:
        if not self.lose_answers:
            self.outbox.append(event)

    def _ask(self, what: str) -> None:
        self.questions.append(what)
        if self.down:
            raise TemporaryError("binance is away")

    def _change(self, known: VenueOrder, **changes: Any) -> None:
        self.orders_by_id[known.client_order_id] = msgspec.structs.replace(known, **changes)

    def _move(self, asset: str, amount: Decimal) -> None:
        self.total[asset] = self.total.get(asset, Decimal(0)) + amount


class Floor:
    """A desk with everything around it; `restart` leaves only journal and venue."""

    def __init__(self) -> None:
        self.clock = SetClock()
        self.marks = SetMarks()
        self.venue = SimVenue(self.clock, self.marks)
        self.journal: Journal = MemoryJournal()
        self.settings = Settings()
        self.instruments: dict[InstrumentId, Instrument] = {BTC.id: BTC, ETH.id: ETH}
        self.mode: Mode = "SIM"
        self.facts: list[Fact] = []
        self.session = 0
        self.tries = 0
        self.desk: TradingDesk

    def open(self, *, ready: bool = True) -> TradingDesk:
        """Start a desk; `ready` adopts the venue's balances and opens it for entries."""
        self.session += 1
        self.facts.clear()
        self.desk = TradingDesk(
            settings=self.settings,
            journal=self.journal,
            clock=self.clock,
            venues={BINANCE: self.venue},
            instruments=self.instruments,
            marks=self.marks,
            emit=self.facts.append,
            session=f"session{self.session}",
            mode=self.mode,
        )
        self.desk.recover("test")
        if ready:
            self.desk.on_venue_event(VenueConnected(venue=BINANCE, ts_ns=self.clock.ns))
            self.desk.on_venue_event(self.venue.report_balances())
            self.desk.reconciled(BINANCE)
        return self.desk

    def reconciler(self, **options: Any) -> Reconciler:
        return Reconciler(self.desk, {BINANCE: self.venue}, self.clock, self.settings, **options)

    def configure(self, **risk: Any) -> None:
        """Replace limits."""
        self.settings = self.settings.model_copy(
            update={"risk": self.settings.risk.model_copy(update=risk)}
        )

    def intent(
        self,
        order_id: str = "o1",
        side: str = "buy",
        size: str = "1",
        price: str | None = "100.00",
        **fields: Any,
    ) -> OrderIntent:
        return OrderIntent(
            client_order_id=ClientOrderId(order_id),
            instrument_id=fields.pop("instrument_id", BTC.id),
            side=Side(side),
            type=fields.pop("type", OrderType.MARKET if price is None else OrderType.LIMIT),
            size=Decimal(size),
            price=None if price is None else Decimal(price),
            origin=fields.pop("origin", "cli"),
            **fields,
        )

    def submit(self, *args: Any, **fields: Any) -> Order:
        return self.desk.submit(self.intent(*args, **fields))

    def move(self, price: str, seconds: float = 0.01) -> None:
        """The market trades at a price."""
        self.clock.advance(seconds)
        self.marks.put_trade(price)
        if BTC.id in self.desk.guard.watched:
            self.desk.guard.on_market(BTC.id, self.clock.now_ns())
        self.venue.deliver(self.desk)

    def hold(self, size: str, price: str = "100.00", order_id: str = "entry") -> None:
        """Have a long position."""
        self.submit(order_id, "buy", size, price)
        self.venue.deliver(self.desk)
        self.venue.trade(order_id, size)
        self.venue.deliver(self.desk)

    def state(self, order_id: str) -> OrderState:
        tracked = self.desk.books.orders.get(ClientOrderId(order_id))
        assert tracked is not None, f"{order_id} is not known"
        return tracked.order.state

    def order(self, order_id: str) -> Order:
        tracked = self.desk.books.orders.get(ClientOrderId(order_id))
        assert tracked is not None, f"{order_id} is not known"
        return tracked.order

    def alerts(self) -> list[str]:
        return [fact.alert.text for fact in self.facts if hasattr(fact, "alert")]

    def fills_inferred(self) -> list[str]:
        return [fill.execution_id for fill in self.desk.fills() if fill.inferred]

    def submit_ok(self) -> bool:
        """Try an order with a fresh id; say whether it was let through."""
        self.tries += 1
        order = self.submit(f"try{self.tries}")
        return order.state is not OrderState.DENIED

    def assert_agrees(self) -> None:
        """Client and venue hold the same: orders, filled sizes, money."""
        for order_id, theirs in self.venue.orders_by_id.items():
            ours = self.order(order_id)
            assert (ours.state, ours.filled) == (theirs.state, theirs.filled), order_id
        for item in self.desk.books.orders.all():
            if item.order.id not in self.venue.orders_by_id:
                assert item.order.state in {OrderState.REJECTED, OrderState.DENIED}, item.order
        ours_total = {b.asset: b.total for b in self.desk.balances() if b.total}
        assert ours_total == {a: t for a, t in self.venue.total.items() if t}
        assert len(self.venue.received) == len(set(self.venue.received)), "an order was sent twice"
        self.desk.books.ledger.check()


@pytest.fixture
def floor() -> Iterator[Floor]:
    """A desk's surroundings; call `open` to start it."""
    floor = Floor()
    yield floor
    floor.journal.close()


@pytest.fixture(scope="session")
def new_floor() -> Callable[[], Floor]:
    """Make a fresh floor per example of a property test."""
    return Floor


@pytest.fixture(scope="session")
def btc() -> Instrument:
    return BTC


@pytest.fixture(scope="session")
def eth() -> Instrument:
    return ETH
