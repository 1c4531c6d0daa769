"""The simulated venue under the engine's own desk: one account, one truth, also after a kill."""

from __future__ import annotations

import random
from collections import deque
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
import numpy as np
import pytest

from core.backtest.ports import NoFrames, NoPredictions, Stage
from core.engine.clock import SimClock
from core.engine.kernel import Kernel
from core.model.accounts import EntryKind
from core.model.facts import CashMoved, InstrumentKept, PositionSet
from core.model.funding import FundingPaid
from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import BookSnapshot, MarkPrice, Quote, Side, Trade
from core.model.orders import OrderIntent, OrderState, OrderType
from core.model.settings import Settings
from core.trading.recorder import MemoryJournal
from core.venues.sim import SimVenue

X = VenueName("x")
S = 1_000_000_000
T = 1_700_000_000 * S
PERP = Instrument(
    id=InstrumentId("BTC-USDT-PERP.x"), venue=X, venue_symbol="BTCUSDT", base="BTC", quote="USDT",
    kind=InstrumentKind.PERPETUAL, settle="USDT", price_tick=Decimal("0.5"),
    size_lot=Decimal("0.001"), liquidation_fee=Decimal("0.0125"),
)  # fmt: skip
INVERSE = Instrument(
    id=InstrumentId("BTC-USD-PERP.x"), venue=X, venue_symbol="BTCUSD", base="BTC", quote="USD",
    kind=InstrumentKind.PERPETUAL, settle="BTC", inverse=True, contract_size=Decimal(100),
    price_tick=Decimal("0.5"), size_lot=Decimal(1),
)  # fmt: skip
SPOT = Instrument(
    id=InstrumentId("BTC-USDT.x"), venue=X, venue_symbol="BTC/USDT", base="BTC", quote="USDT",
    price_tick=Decimal("0.5"), size_lot=Decimal("0.001"),
)  # fmt: skip
SETTINGS = Settings.model_validate(
    {
        "paper": {"balances": {"USDT": "100000", "BTC": "3"}, "maintenance_pct": "1"},
        "risk": {
            "max_order_notional": 10**9, "max_position_notional": 10**9, "max_leverage": 10**6,
            "max_orders_per_second": 10**6, "max_messages_per_second": 10**6,
            "max_daily_loss": 10**9, "max_drawdown_pct": None, "price_band_pct": 99,
            "max_book_share_pct": None, "self_trade": "allow", "min_liquidation_pct": None,
        },
        "engine": {
            "stale_after_s": 1e9, "watchlist": [PERP.id, INVERSE.id, SPOT.id], "history_bars": 10
        },
        "models": {},
        "strategies": {},
    }
)  # fmt: skip


class House:
    """A kernel whose only venue is the simulated one; what it tells is journaled at once."""

    def __init__(self, journal: MemoryJournal, clock: SimClock, listed: bool = True) -> None:
        self.clock, self.journal = clock, journal
        self.told: deque[Any] = deque()
        self.venue = SimVenue(X, SETTINGS.paper, clock=clock)
        self.stage = Stage({})
        self.kernel = Kernel(
            settings=SETTINGS, clock=clock, decoders={X: NoFrames(X)}, feeds={},
            venues={X: self.venue}, instruments=[], journal=journal,
            predictions=NoPredictions(), infos={}, predictors={}, host=self.stage,
            session="s", mode="SIM", version="t",
        )  # fmt: skip
        self.stage.kernel = self.kernel
        self.desk = self.kernel.desk
        # As in an engine: the past is read before any venue has listed anything.
        self.kernel.recover()
        self.kernel.add_instruments([PERP, INVERSE, SPOT])
        self.venue.restore(
            self.desk.orders(),
            self.desk.balances(),
            [item for item in self.desk.positions() if item.size],
        )
        self.venue.connect(self.told.append)
        self.pump()
        self.desk.reconciled(X)

    def pump(self) -> None:
        while self.told:
            self.kernel.on_venue_event(self.told.popleft())

    def wait(self, ns: int) -> None:
        """Let time go by, from one thing that is due to the next."""
        end = self.clock.now_ns() + ns
        while (due := self.venue.next_due_ns) is not None and due <= end:
            self.clock.set(max(due, self.clock.now_ns()))
            self.venue.advance()
            self.pump()
        self.clock.set(end)

    def market(self, price: int, name: Instrument = PERP) -> None:
        """Show a book a tick around a price in ticks, and trade at it."""
        now = self.clock.now_ns()
        bid, ask = (np.array([[at, 40_000]], np.int64) for at in (price - 1, price + 1))
        self.kernel.on_market(
            [
                BookSnapshot(name.id, now, now, now, bid, ask),
                Quote(name.id, now, now, price - 1, 40_000, price + 1, 40_000, now),
                Trade(name.id, now, now, price, 50, price % 2 == 0, now),
            ]
        )
        self.pump()

    def mark(self, price: int, rate: str = "0", next_ns: int = 0, name: Instrument = PERP) -> None:
        now = self.clock.now_ns()
        self.kernel.on_market(
            [
                MarkPrice(
                    instrument_id=name.id, ts_event_ns=now, ts_recv_ns=now,
                    mark=name.price(price), funding_rate=Decimal(rate), next_funding_ns=next_ns,
                )
            ]
        )  # fmt: skip
        self.pump()

    def order(self, side: str, size: str, price: int | None = None, name: Instrument = PERP,
              **more: Any) -> ClientOrderId:  # fmt: skip
        self.kernel.seq += 1
        order_id = ClientOrderId(f"o-{self.clock.now_ns()}-{self.kernel.seq}")
        intent = OrderIntent(
            client_order_id=order_id, instrument_id=name.id, side=Side(side),
            type=OrderType.MARKET if price is None else OrderType.LIMIT, size=Decimal(size),
            price=None if price is None else name.price(price), origin="cli", **more,
        )  # fmt: skip
        self.desk.submit(intent)
        return order_id

    def state(self, order_id: ClientOrderId) -> OrderState:
        tracked = self.desk.books.orders.get(order_id)
        assert tracked is not None
        return tracked.order.state

    def check(self) -> None:
        """Hold the desk's books against the venue's."""
        theirs = {item.asset: item.total for item in self.venue._model.account.balances()}
        ours = {asset: total for _, asset, total in self.desk.books.ledger.totals()}
        assert {a: v for a, v in ours.items() if v} == {a: v for a, v in theirs.items() if v}
        stated = self.venue._model.account.positions(0)
        assert {(p.instrument_id, p.side): p.size for p in stated} == dict(
            self.desk.books.account.contracts(X)
        )
        self.desk.books.ledger.check()


@pytest.fixture
def house() -> House:
    return House(MemoryJournal(), SimClock(T))


def test_order_meets_the_book_after_its_latency_and_is_heard_of_later(house: House) -> None:
    house.market(100_000)
    sent = house.order("buy", "0.1")
    assert house.state(sent) is OrderState.SUBMITTED
    due = house.venue.next_due_ns
    assert due is not None
    house.clock.set(due - 1)
    house.venue.advance()
    # The book moves while the order is under way: it gets the price there is then.
    house.market(100_010)
    house.wait(S)
    (fill,) = house.desk.fills()
    assert fill.price == PERP.price(100_011)
    assert house.state(sent) is OrderState.FILLED
    assert fill.ts_ns > fill.ts_event_ns == due


def test_cancel_that_comes_too_late_is_refused_and_the_fill_stands(house: House) -> None:
    house.market(100_000)
    resting = house.order("buy", "0.01", 99_990)
    house.wait(S)
    assert house.state(resting) is OrderState.ACCEPTED
    house.desk.cancel(resting, "cli")
    house.market(99_980)
    house.wait(S)
    assert house.state(resting) is OrderState.FILLED
    assert len(house.desk.fills()) == 1


def test_forced_close_is_in_the_journal_whole_or_not_at_all(house: House) -> None:
    house.market(100_000)
    house.mark(100_000)
    house.order("buy", "18")
    house.wait(S)
    house.mark(88_000)
    house.wait(S)
    records = [record for _, record in house.journal.read()]
    (forced,) = [i for i, r in enumerate(records) if isinstance(r, PositionSet)]
    assert records[forced].reason == "liquidation"  # type: ignore[union-attr]  # a PositionSet
    flows = records[forced + 1 : forced + 3]
    assert all(isinstance(flow, CashMoved) for flow in flows)
    position = house.desk.position(PERP.id)
    assert position.size == 0
    assert position.realised_pnl == flows[0].amount  # type: ignore[union-attr]  # a CashMoved
    # The loss and what the force cost are the day's.
    fees = sum(fill.fee for fill in house.desk.fills())
    assert house.desk.day_pnl() == flows[0].amount + flows[1].amount - fees  # type: ignore[union-attr]  # both CashMoved
    house.check()


async def test_money_of_a_forced_close_is_not_told_before_the_close_itself(house: House) -> None:
    house.market(100_000)
    house.mark(100_000)
    house.order("buy", "18")
    house.wait(S)
    house.mark(88_000)
    assert house.venue.reporting
    assert await house.venue.positions() == []
    assert await house.venue.cash_flows(0) == []
    house.wait(S)
    flows = await house.venue.cash_flows(0)
    assert [flow.kind for flow in flows] == [EntryKind.PNL, EntryKind.LIQUIDATION]
    for flow in flows:
        house.kernel.on_venue_event(flow)
    house.check()


def test_funding_is_booked_once_however_often_it_is_told(house: House) -> None:
    house.market(100_000)
    house.mark(100_000, "0.0001", T + 10 * S)
    house.order("buy", "1")
    house.wait(11 * S)
    house.mark(100_000, "0.0001", T + 20 * S)
    house.wait(S)
    for flow in house.venue._model.account.flows:
        house.kernel.on_venue_event(flow)
    entries = [e for e in house.desk.ledger() if e.kind is EntryKind.FUNDING]
    assert [e.amount for e in entries] == [-5, 5]
    assert house.desk.position(PERP.id).funding == -5
    house.check()


def test_funding_of_the_time_nobody_ran_is_charged_once(house: House) -> None:
    house.market(100_000)
    house.mark(100_000, "0.0001", T + 10 * S)
    house.order("buy", "1")
    house.wait(11 * S)
    house.mark(100_000, "0.0001", T + 20 * S)
    house.wait(S)
    rows = [
        FundingPaid(T + 10 * S, Decimal("0.0001"), PERP.price(100_000)),
        FundingPaid(T + 20 * S, Decimal("0.0002"), PERP.price(90_000)),
        FundingPaid(T + 30 * S, Decimal("-0.0001"), PERP.price(100_000)),
    ]
    clock = house.clock
    clock.set(T + 40 * S)
    for _ in range(2):
        house = House(house.journal, clock)
        paid = partial(house.desk.books.booked, X, EntryKind.FUNDING)
        house.venue.pay_arrears(PERP.id, rows, paid)
        house.wait(S)
        entries = [e for e in house.desk.ledger() if e.kind is EntryKind.FUNDING]
        mine = [e.amount for e in entries if e.account.startswith("venue")]
        assert sorted(mine) == [-9, -5, 5]
        house.check()


def test_after_a_kill_everything_is_as_it_was_though_no_venue_has_listed_yet(house: House) -> None:
    for name in (PERP, INVERSE):
        house.market(100_000, name)
        house.mark(100_000, name=name)
    house.order("buy", "0.5")
    house.order("sell", "200", name=INVERSE)
    house.wait(S)
    resting = house.order("sell", "0.2", 100_100, reduce_only=True)
    house.wait(S)
    under_way = house.order("buy", "0.3")
    before = house.desk.state_digest()
    assert any(isinstance(record, InstrumentKept) for _, record in house.journal.read())
    again = House(house.journal, house.clock)
    assert again.desk.state_digest() != before
    assert again.state(under_way) is OrderState.UNKNOWN
    assert [o.id for o in again.desk.orders() if o.state is OrderState.ACCEPTED] == [resting]
    again.check()
    inverse = again.desk.position(INVERSE.id)
    assert inverse.size == -200
    assert inverse.average_price == pytest.approx(PERP.price(99_999))
    # It goes on from there: the resting order fills, and fills are named anew.
    again.market(100_200)
    again.mark(100_200)
    again.wait(S)
    assert again.state(resting) is OrderState.FILLED
    again.order("buy", "200", name=INVERSE, reduce_only=True)
    again.market(100_000, INVERSE)
    again.wait(S)
    again.check()


def live(seed: int, kills: bool) -> tuple[list[Any], House]:
    """Trade at random for a while; with kills, start anew now and then."""
    dice = random.Random(seed)
    house = House(MemoryJournal(), SimClock(T))
    price = 100_000
    sent: list[ClientOrderId] = []
    for _ in range(300):
        name = dice.choice([PERP, PERP, INVERSE, SPOT])
        match dice.randrange(8):
            case 0 | 1 | 2:
                lots = dice.randrange(1, 400)
                size = str(lots if name is INVERSE else Decimal(lots) / 1000)
                at = None if dice.random() < 0.4 else price + dice.randrange(-60, 60)
                more = {"reduce_only": dice.random() < 0.3} if name.derivative else {}
                sent.append(house.order(dice.choice(["buy", "sell"]), size, at, name, **more))
            case 3 if sent:
                house.desk.cancel(dice.choice(sent), "cli")
            case 4:
                for each in (PERP, INVERSE):
                    due = house.clock.now_ns() + 50_000_000
                    house.mark(price, f"{dice.randrange(-9, 9)}E-5", due, each)
            case 5 if kills and dice.random() < 0.3:
                house = House(house.journal, house.clock)
            case _:
                price += dice.randrange(-40, 40)
                house.market(price, name)
        house.wait(dice.randrange(1, 40) * 1_000_000)
    house.wait(60 * S)
    return [record for _, record in house.journal.read()], house


@pytest.mark.parametrize("seed", range(6))
def test_desk_and_venue_agree_to_the_last_digit_whatever_happens(seed: int) -> None:
    records, house = live(seed, kills=seed % 2 == 1)
    house.check()
    assert len(house.desk.fills()) > 5
    assert not house.venue.reporting
    assert any(isinstance(record, CashMoved) for record in records)


def test_same_seed_gives_the_same_journal_byte_for_byte() -> None:
    first, second = (msgspec.msgpack.encode(live(1, kills=True)[0]) for _ in range(2))
    assert first == second
