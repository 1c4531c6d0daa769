"""Contracts on the fill model: reduce-only, funding, force, expiry, and money that adds up."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.accounts import EntryKind
from core.model.facts import CashMoved, PositionForced, VenueEvent, VenueWarned
from core.model.fees import FeeRates
from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import MarkPrice, Quote, Side, Trade
from core.model.orders import (
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderIntent,
    OrderRejected,
    OrderType,
    PositionSide,
)
from core.model.tiers import flat
from core.trading.net import Net
from core.venues.fills import FillModel
from core.venues.margin import Terms

X = VenueName("x")
HOUR = 3_600_000_000_000
PERP = Instrument(
    id=InstrumentId("BTC-USDT-PERP.x"), venue=X, venue_symbol="BTCUSDT", base="BTC", quote="USDT",
    kind=InstrumentKind.PERPETUAL, settle="USDT", price_tick=Decimal(1), size_lot=Decimal("0.1"),
)  # fmt: skip
FUTURE = msgspec.structs.replace(
    PERP, id=InstrumentId("BTC-USDT-20270101.x"), kind=InstrumentKind.FUTURE, expiry_ns=10 * HOUR
)
CALL = msgspec.structs.replace(
    FUTURE, id=InstrumentId("BTC-USDT-20270101-100-C.x"), kind=InstrumentKind.OPTION,
    strike=Decimal(100), option_right="call",
)  # fmt: skip


class Account:
    """A fill model, its book, and whoever listens to it."""

    def __init__(self, money: str = "1000", leverage: str = "10", *, hedged: bool = False) -> None:
        self.book: tuple[list[tuple[int, int]], list[tuple[int, int]]] = (
            [(99, 1_000), (98, 5_000)],
            [(101, 1_000), (102, 5_000)],
        )
        self.model = FillModel(
            X,
            balances={"USDT": Decimal(money)},
            rates=lambda _: FeeRates(Decimal("0.0002"), Decimal("0.0005"), "test"),
            terms=lambda _: Terms(
                Decimal(leverage), flat(PERP.id, Decimal("0.01"), "us"), Decimal("0.0125")
            ),
            depth=lambda _: self.book,
            hedged=hedged,
        )
        self.model.add_instruments([PERP, FUTURE, CALL])
        self.count = 0

    def order(
        self, side: str, lots: int, price: int | None = None, name: Instrument = PERP, **more: Any
    ) -> list[VenueEvent]:
        self.count += 1
        intent = OrderIntent(
            client_order_id=ClientOrderId(f"o{self.count}"),
            instrument_id=name.id,
            side=Side(side),
            type=OrderType.MARKET if price is None else OrderType.LIMIT,
            size=lots * Decimal("0.1"),
            price=None if price is None else Decimal(price),
            origin="cli",
            **more,
        )
        return self.model.place(intent, self.count)

    def mark(self, mark: str, ts_ns: int = 1, name: Instrument = PERP, **more: Any) -> Any:
        event = MarkPrice(
            instrument_id=name.id, ts_event_ns=ts_ns, ts_recv_ns=ts_ns, mark=Decimal(mark), **more
        )
        return self.model.on_mark(event, ts_ns)

    @property
    def money(self) -> Decimal:
        return self.model.account.wallet.total("USDT")

    def size(self, side: PositionSide = PositionSide.NET, name: Instrument = PERP) -> Decimal:
        return self.model.account.margin.size(name.id, side)


def kinds(events: Sequence[object]) -> list[type]:
    return [type(event) for event in events]


def test_contract_moves_its_profit_and_fee_but_no_coins() -> None:
    made = Account()
    made.mark("100")
    bought = made.order("buy", 10)
    assert [(e.realised, e.fee) for e in bought if isinstance(e, OrderFilled)] == [
        (0, Decimal("0.0505"))
    ]
    sold = made.order("sell", 10)
    (fill,) = [e for e in sold if isinstance(e, OrderFilled)]
    assert fill.realised == -2
    assert made.money == 1000 - 2 - Decimal("0.0505") - Decimal("0.0495")
    assert [b.asset for b in made.model.account.balances()] == ["USDT"]


def test_order_beyond_the_margin_is_refused_with_the_figures() -> None:
    made = Account("100")
    made.mark("100")
    (refused,) = made.order("buy", 200)
    assert isinstance(refused, OrderRejected)
    assert "at 10x, available are 100" in refused.reason
    assert made.size() == 0


def test_reduce_only_fills_up_to_the_position_and_ends_with_it() -> None:
    made = Account()
    made.mark("100")
    (nothing,) = made.order("sell", 5, reduce_only=True)
    assert isinstance(nothing, OrderRejected)
    made.order("buy", 10)
    resting = made.order("sell", 20, 110, reduce_only=True)
    assert not [e for e in resting if isinstance(e, OrderExpired)]
    told = made.model.on_trade(Trade(PERP.id, 1, 1, 111, 50, False, 1), 5)
    assert kinds(told) == [OrderFilled, OrderExpired]
    assert [e.size for e in told if isinstance(e, OrderFilled)] == [1]
    assert made.size() == 0
    assert made.model.open_orders() == []


def test_position_closed_elsewhere_ends_reduce_only_orders() -> None:
    made = Account()
    made.mark("100")
    made.order("buy", 10)
    made.order("sell", 10, 110, reduce_only=True)
    told = made.order("sell", 10)
    (ended,) = [e for e in told if isinstance(e, OrderExpired)]
    assert ended.reason == "nothing is left to reduce"


def test_funding_is_paid_by_longs_at_the_rate_told_before_its_time() -> None:
    # Payment = worth at the mark * rate: 20,000 at 0.01 % are 2.
    made = Account("100000")
    made.mark("100", 1, funding_rate=Decimal("0.0001"), next_funding_ns=8 * HOUR)
    made.order("buy", 2_000)
    before = made.money
    (paid,) = made.mark("100", 8 * HOUR, next_funding_ns=16 * HOUR)
    assert isinstance(paid, CashMoved)
    assert (paid.kind, paid.amount, paid.asset) == (EntryKind.FUNDING, -2, "USDT")
    assert made.money == before - 2
    assert made.mark("100", 8 * HOUR + 1, next_funding_ns=16 * HOUR) == []


def test_shorts_receive_what_longs_pay() -> None:
    made = Account("100000", hedged=True)
    made.mark("100", 1, funding_rate=Decimal("0.0001"), next_funding_ns=8 * HOUR)
    made.order("buy", 2_000, position_side=PositionSide.LONG)
    made.order("sell", 500, position_side=PositionSide.SHORT)
    flows = made.mark("100", 8 * HOUR, next_funding_ns=16 * HOUR)
    assert [flow.amount for flow in flows] == [-2, Decimal("0.5")]
    assert len({flow.flow_id for flow in flows}) == 2


def test_equity_below_the_maintenance_margin_closes_everything_at_the_mark() -> None:
    made = Account("1000")
    made.mark("100")
    made.order("buy", 800)
    made.order("buy", 1, 90)
    assert made.size() == 80
    near = made.mark("89.6")
    assert kinds(near) == [VenueWarned]
    assert "margin call" in near[0].text
    assert made.mark("89.5") == []
    # 1000 - 4.04 - 80 * (101 - x) falls below 1 % of 80 * x at 89.44...
    cancel, forced = made.mark("89")
    assert isinstance(cancel, OrderCanceled)
    assert cancel.reason == "liquidation"
    assert isinstance(forced, PositionForced)
    (record,) = forced.positions
    assert (record.size, record.closed_at) == (0, 89)
    assert made.size() == 0
    by_kind = {flow.kind: flow.amount for flow in forced.flows}
    # The fee is 1.25 % of 7120, 89, but there was no more left than 35.96.
    assert by_kind == {EntryKind.PNL: -960, EntryKind.LIQUIDATION: Decimal("-35.96")}
    assert made.money == 0
    assert "LIQUIDATED" in forced.text


def test_what_is_missing_after_a_jump_is_made_good() -> None:
    made = Account("1000")
    made.mark("100")
    made.order("sell", 900)
    (forced,) = made.mark("150")
    assert isinstance(forced, PositionForced)
    assert made.money == 0
    assert sum(flow.amount for flow in forced.flows) < 0
    assert forced.flows[-1].amount > 0


def test_without_marks_the_quotes_decide() -> None:
    made = Account("1000")
    made.order("buy", 800)
    made.book = ([(88, 10)], [(89, 10)])
    told = made.model.on_quote(Quote(PERP.id, 2, 2, 88, 10, 89, 10, 1), 9)
    assert isinstance(told[-1], PositionForced)


def test_future_is_settled_in_cash_at_the_index() -> None:
    made = Account()
    made.mark("100", 1, FUTURE, index=Decimal("100.5"))
    made.order("buy", 10, name=FUTURE)
    made.order("sell", 5, 200, FUTURE)
    before = made.money
    assert made.model.upkeep.next_expiry_ns == FUTURE.expiry_ns
    made.mark("110", 2, FUTURE, index=Decimal(108))
    assert made.model.upkeep.deliver(10 * HOUR - 1) == []
    canceled, forced = made.model.upkeep.deliver(10 * HOUR)
    assert isinstance(canceled, OrderCanceled)
    assert isinstance(forced, PositionForced)
    assert [(f.kind, f.amount) for f in forced.flows] == [(EntryKind.SETTLEMENT, 108 - 101)]
    assert made.money == before + 7
    assert made.model.upkeep.next_expiry_ns is None


@pytest.mark.parametrize(("index", "paid"), [("130", 30), ("90", 0)])
def test_option_costs_its_premium_and_pays_what_it_is_in_the_money(index: str, paid: int) -> None:
    made = Account()
    made.book = ([(9, 100)], [(10, 100)])
    (refused,) = made.order("sell", 10, name=CALL)
    assert isinstance(refused, OrderRejected)
    assert "options are only bought here" in refused.reason
    made.mark("10", 1, CALL, index=Decimal(100))
    told = made.order("buy", 10, name=CALL)
    (fill,) = [e for e in told if isinstance(e, OrderFilled)]
    # 0.05 % of what it is an option on, 100; no more than an eighth of the premium.
    assert (fill.realised, fill.fee) == (None, Decimal("0.05"))
    assert made.money == 1000 - 10 - Decimal("0.05")
    assert made.model.account.margin.equity("USDT") == 1000 - Decimal("0.05")
    made.mark("10", 2, CALL, index=Decimal(index))
    made.model.upkeep.deliver(10 * HOUR)
    assert made.money == 1000 - 10 - Decimal("0.05") + paid
    assert made.size(name=CALL) == 0


def test_contract_whose_index_nobody_told_stays_and_says_so() -> None:
    made = Account()
    made.order("buy", 10, name=FUTURE)
    (warned,) = made.model.upkeep.deliver(10 * HOUR)
    assert isinstance(warned, VenueWarned)
    assert "has told no index price" in warned.text
    assert made.size(name=FUTURE) == 1
    assert made.model.upkeep.deliver(10 * HOUR + 1) == []


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("order"), st.sampled_from(["buy", "sell"]), st.integers(1, 400),
                  st.one_of(st.none(), st.integers(80, 120)), st.booleans()),
        st.tuples(st.just("trade"), st.sampled_from(["buy", "sell"]), st.integers(80, 120),
                  st.integers(1, 400)),
        st.tuples(st.just("mark"), st.integers(70, 130), st.integers(-50, 50)),
        st.tuples(st.just("cancel"), st.integers(1, 20)),
    ),
    max_size=25,
)  # fmt: skip


def play(moves: list[tuple[Any, ...]]) -> tuple[Account, list[VenueEvent]]:
    made, told, hour = Account("500"), list[VenueEvent](), 0
    told += made.mark("100", 1)
    for move in moves:
        match move:
            case ("order", side, lots, price, reduce_only):
                told += made.order(side, lots, price, reduce_only=reduce_only)
            case ("trade", side, price, lots):
                trade = Trade(PERP.id, 1, 1, price, lots, side == "sell", 1)
                told += made.model.on_trade(trade, 1)
            case ("mark", mark, rate):
                hour += 8
                told += made.mark(str(mark), hour * HOUR, funding_rate=Decimal(rate) / 10_000,
                                  next_funding_ns=(hour + 8) * HOUR)  # fmt: skip
            case ("cancel", number):
                told += made.model.cancel(ClientOrderId(f"o{number}"), 1)
        margin = made.model.account.margin
        closed = not list(margin.open())
        assert closed or move[0] != "mark" or margin.equity("USDT") >= margin.maintenance("USDT")
    return made, told


@given(MOVES)
@settings(max_examples=60, deadline=None)
def test_money_is_what_the_events_say_and_margin_never_lacks_unseen(
    moves: list[tuple[Any, ...]],
) -> None:
    made, told = play(moves)
    net, cash = Net(PERP), Decimal(500)
    for event in told:
        match event:
            case OrderFilled():
                gain = net.trade(event.size * event.side.sign, event.price)
                assert gain == event.realised
                cash += gain - event.fee
            case CashMoved():
                cash += event.amount
            case PositionForced():
                cash += sum(flow.amount for flow in event.flows)
                net.adopt(Decimal(0), Decimal(0))
            case _:
                pass
    assert cash == made.money
    assert net.size == made.size()
    # Nothing stays bound once every order has ended.
    for order in made.model.open_orders():
        made.model.cancel(order.client_order_id, 1)
    held = made.model.account.margin.initial_of(PERP, PositionSide.NET)
    worth = net.worth(abs(net.size), made.model.account.margin.marks[PERP.id])
    assert held == worth / 10


@given(MOVES)
@settings(max_examples=15, deadline=None)
def test_same_moves_give_the_same_events(moves: list[tuple[Any, ...]]) -> None:
    assert play(moves)[1] == play(moves)[1]
