"""Margin accounts: positions, money, orders that wait, funding, liquidation."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.model.market import Side
from core.model.orders import TimeInForce
from emulator.binancefut.instruments import LISTINGS
from emulator.clock import SECOND
from emulator.market.derivatives.house import House
from emulator.market.derivatives.orders import (
    Branch,
    Category,
    Conditional,
    ConditionalReport,
    Ending,
    Moved,
    OrderReport,
    PostOnly,
    Refusal,
    Refused,
    SelfTrade,
    Status,
    Ticket,
    Wait,
)
from emulator.market.derivatives.position import Leg, Position
from emulator.market.derivatives.product import Economy, Product, Terms
from emulator.market.listings import E8
from emulator.market.market import Market
from emulator.market.perps import FUNDING_MS, futures_of
from emulator.market.triggers import Trigger, Watched
from emulator.okx.instruments import LISTINGS as OKX

START_NS = 1_790_000_000 * SECOND
BUY, SELL = Side.BUY, Side.SELL
TERMS = Terms(maker_ppm=200, taker_ppm=500)


@dataclass
class Floor:
    """A still market of three linear perpetuals, one inverse one and one spot pair."""

    house: House
    futures: dict
    told: list = field(default_factory=list)

    def __post_init__(self):
        self.desk = self.house.desk
        self.account = self.desk.open_account({"USDT": 100_000, "BTC": 5})
        self.account.sinks.append(self.told.append)
        self.btc = self.house.products["BTCUSDT"]

    def best(self, product=None):
        bid, _, ask, _ = (product or self.btc).shard.top()
        return bid, ask

    def place(self, side, lots, price=0, *, product=None, account=None, **more):
        ticket = Ticket(side=side, lots=lots, price_ticks=price, market=not price, **more)
        return self.desk.place(account or self.account, product or self.btc, ticket)

    def pin(self, share):
        """Move the mark price to a share of the last one."""
        future = self.futures["BTCUSDT"]
        future.pinned = share * self.btc.last_ticks() * self.btc.tick_e8 / E8
        self.house.look()

    def position(self, leg=Leg.NET):
        return self.account.position(self.btc, leg)

    def total(self, asset="USDT"):
        return self.desk.books.total_e8(list(self.desk.accounts.values()), asset)


def build():
    spot = [each for each in OKX if each.symbol in ("BTC-USDT", "BTC-USD-SWAP")]
    market = Market(7, START_NS, history_days=3, listings=(*LISTINGS, *spot))
    market.flow = False
    futures = futures_of(market)
    products = {}
    for name, shard in market.shards.items():
        listing = shard.listing
        economy = (
            Economy.SPOT if listing.kind == "spot"
            else Economy.INVERSE if listing.inverse
            else Economy.LINEAR
        )  # fmt: skip
        settle = listing.base if listing.inverse else listing.quote
        future = futures.get(name)
        mark = (
            (lambda f=future: f.mark)
            if future
            else (lambda s=shard: s.candles.last_close * s.listing.tick)
        )
        products[name] = Product(shard, economy, settle, TERMS, mark)
    return Floor(House(market, products, futures), futures)


@pytest.fixture
def floor():
    return build()


def test_market_order_opens_a_position_and_pays_the_taker_fee(floor):
    order = floor.place(BUY, 100)
    assert order.status is Status.FILLED
    position = floor.position()
    assert position.lots == 100
    assert position.entry_e8 / floor.btc.tick_e8 == pytest.approx(order.average_ticks, rel=1e-9)
    assert order.fee_e8 == sum(fill.worth_e8 * 500 // 1_000_000 for fill in order.fills)
    assert floor.account.cash["USDT"] == 100_000 * E8 - order.fee_e8


def test_closing_realizes_the_difference_and_turning_opens_the_other_way(floor):
    bid, ask = floor.best()
    floor.place(BUY, 2)
    sold = floor.place(SELL, 3)
    position = floor.position()
    assert position.lots == -1
    assert sold.realized_e8 == 2 * (bid - ask) * floor.btc.shard.listing.notional_e8
    assert position.entry_e8 == bid * floor.btc.tick_e8


def test_inverse_profit_is_in_coin(floor):
    product = floor.house.products["BTC-USD-SWAP"]
    floor.place(BUY, 10, product=product)
    position = floor.account.position(product, Leg.NET)
    mark = product.mark_e8()
    gained = position.unrealized_e8(mark * 11 // 10) - position.unrealized_e8(mark)
    assert gained == pytest.approx(10 * 100 * E8 * E8 / mark * (1 - 1 / 1.1), rel=1e-6)


def test_spot_moves_assets_and_holds_what_orders_need(floor):
    spot = floor.house.products["BTC-USDT"]
    bid, _ = floor.best(spot)
    order = floor.place(BUY, 1_000_000, bid - 10, product=spot)
    assert floor.account.held["USDT"] == order.held_e8 > 0
    floor.desk.cancel(floor.account, order)
    assert floor.account.held["USDT"] == 0
    bought = floor.place(BUY, 1_000_000, product=spot)
    assert floor.account.cash["BTC"] == 5 * E8 + 1_000_000 - bought.fee_e8
    assert floor.account.cash["USDT"] == 100_000 * E8 - bought.worth_e8


def test_orders_beyond_the_margin_are_refused_and_reducing_ones_are_not(floor):
    _, ask = floor.best()
    floor.account.leverage["BTCUSDT"] = 1
    with pytest.raises(Refused) as refused:
        floor.place(BUY, 10_000, ask)
    assert refused.value.reason is Refusal.NO_FUNDS
    floor.account.leverage["BTCUSDT"] = 20
    floor.place(BUY, 1_000)
    floor.account.cash["USDT"] = floor.account.maintenance_e8("USDT") * 2
    assert floor.account.available_e8("USDT") == 0
    assert floor.place(SELL, 400).status is Status.FILLED


def test_hedge_legs_are_positions_of_their_own(floor):
    floor.place(BUY, 100, leg=Leg.LONG)
    floor.place(SELL, 60, leg=Leg.SHORT)
    assert (floor.position(Leg.LONG).lots, floor.position(Leg.SHORT).lots) == (100, -60)
    floor.place(SELL, 100, leg=Leg.LONG)
    assert floor.position(Leg.LONG).lots == 0
    with pytest.raises(Refused) as refused:
        floor.place(SELL, 1, leg=Leg.LONG)
    assert refused.value.reason is Refusal.REDUCE_ONLY


def test_reduce_only_never_turns_a_position_around(floor):
    floor.place(BUY, 50)
    order = floor.place(SELL, 80, reduce_only=True)
    assert (order.filled, order.status, order.ending) == (50, Status.EXPIRED, Ending.REDUCE_ONLY)
    assert floor.position().lots == 0


def test_resting_reduce_only_orders_shrink_and_end_with_the_position(floor):
    floor.place(BUY, 50)
    _, ask = floor.best()
    order = floor.place(SELL, 50, ask + 500, reduce_only=True)
    floor.place(SELL, 30)
    assert floor.btc.shard.engine.order(order.engine_id).lots == 20
    floor.place(SELL, 20)
    assert (order.status, order.ending) == (Status.EXPIRED, Ending.REDUCE_ONLY)


def test_post_only_refuses_cancels_or_reprices(floor):
    _, ask = floor.best()
    with pytest.raises(Refused) as refused:
        floor.place(BUY, 1, ask, post_only=PostOnly.REFUSE)
    assert refused.value.reason is Refusal.WOULD_TAKE
    ended = floor.place(BUY, 1, ask, post_only=PostOnly.CANCEL)
    assert (ended.status, ended.ending) == (Status.CANCELED, Ending.POST_ONLY)
    moved = floor.place(BUY, 1, ask, post_only=PostOnly.REPRICE)
    assert (moved.price_ticks, moved.status) == (ask - 1, Status.NEW)


def test_amend_to_smaller_keeps_the_place_and_a_new_price_does_not(floor):
    bid, _ = floor.best()
    order = floor.place(BUY, 50, bid)
    ahead = floor.btc.shard.engine.queue_ahead(order.engine_id)
    engine_id = order.engine_id
    floor.desk.amend(floor.account, order, lots=20)
    assert (order.engine_id, order.lots) == (engine_id, 20)
    assert floor.btc.shard.engine.queue_ahead(order.engine_id) == ahead
    floor.desk.amend(floor.account, order, price_ticks=bid - 3)
    assert order.engine_id != engine_id
    assert floor.btc.shard.engine.order(order.engine_id).price_ticks == bid - 3
    assert order.status is Status.NEW
    with pytest.raises(Refused) as refused:
        floor.desk.amend(floor.account, order, lots=20)
    assert refused.value.reason is Refusal.NO_CHANGE


def test_duplicate_client_ids_are_refused_while_open(floor):
    bid, _ = floor.best()
    order = floor.place(BUY, 1, bid - 5, client_id="a")
    with pytest.raises(Refused) as refused:
        floor.place(BUY, 1, bid - 5, client_id="a")
    assert refused.value.reason is Refusal.DUPLICATE
    floor.desk.cancel(floor.account, order)
    assert floor.place(BUY, 1, bid - 5, client_id="a").status is Status.NEW


@pytest.mark.parametrize(
    ("mode", "maker", "taker"),
    [
        (SelfTrade.TAKER, Status.NEW, Status.EXPIRED),
        (SelfTrade.MAKER, Status.EXPIRED, Status.NEW),
        (SelfTrade.BOTH, Status.EXPIRED, Status.EXPIRED),
    ],
)
def test_self_trade_prevention_ends_the_one_who_gives_way(floor, mode, maker, taker):
    _, ask = floor.best()
    floor.house.market.crowd_trade("BTCUSDT", BUY, 10**7, ask + 10)
    first = floor.place(BUY, 10, ask + 5)
    second = floor.place(SELL, 10, ask + 5, self_trade=mode)
    assert (first.status, second.status) == (maker, taker)
    assert not floor.account.fills


def test_ioc_fok_and_gtd_end_as_they_should(floor):
    _, ask = floor.best()
    there = floor.btc.shard.engine.lots_at(SELL, ask)
    ioc = floor.place(BUY, there + 5, ask, tif=TimeInForce.IOC)
    assert (ioc.filled, ioc.ending) == (there, Ending.TIME_IN_FORCE)
    fok = floor.place(BUY, 10**4, ask + 1, tif=TimeInForce.FOK)
    assert (fok.filled, fok.status) == (0, Status.EXPIRED)
    bid, _ = floor.best()
    now = floor.desk.now_ms
    gtd = floor.place(BUY, 1, bid - 9, tif=TimeInForce.GTD, expires_ms=now + 1_000)
    floor.house.market.step(900_000_000)
    assert gtd.status is Status.NEW
    floor.house.market.step(200_000_000)
    assert (gtd.status, gtd.ending) == (Status.EXPIRED, Ending.OVER)


def stop(floor, price_ticks, *, side=SELL, watches=Watched.LAST, lots=10, **more):
    trigger = Trigger(
        id=0, rises=side is BUY, price=price_ticks * floor.btc.tick_e8, watches=watches
    )
    ticket = Ticket(side=side, lots=lots, market=True, **more)
    now = floor.desk.now_ms
    return Conditional(
        id=floor.desk.next_number(),
        client_id="",
        product=floor.btc,
        branches=[Branch(trigger=trigger, ticket=ticket)],
        created_ms=now,
        updated_ms=now,
    )


def test_stop_by_the_last_price_fires_once_it_trades_there(floor):
    floor.place(BUY, 50)
    bid, _ = floor.best()
    waits = stop(floor, bid - 2, close=True)
    floor.house.waiting.arm(floor.account, waits, refuse_met=True)
    floor.house.market.crowd_trade("BTCUSDT", SELL, 10**6, bid - 1)
    assert waits.state is Wait.ARMED
    floor.house.market.crowd_trade("BTCUSDT", SELL, 10**6, bid - 20)
    assert waits.state is Wait.FINISHED
    assert waits.child.filled == 50
    assert floor.position().lots == 0
    states = [each.told for each in floor.told if isinstance(each, ConditionalReport)]
    assert states == [Wait.ARMED, Wait.TRIGGERED, Wait.FINISHED]


def test_stop_by_the_mark_ignores_the_last(floor):
    floor.place(BUY, 50)
    floor.pin(1.0)
    bid, _ = floor.best()
    waits = stop(floor, bid - 200, watches=Watched.MARK, reduce_only=True, lots=50)
    floor.house.waiting.arm(floor.account, waits, refuse_met=True)
    floor.house.market.crowd_trade("BTCUSDT", SELL, 10**6, bid - 500)
    assert waits.state is Wait.ARMED
    floor.pin(0.99)
    assert waits.state is Wait.FINISHED


def test_stop_that_would_fire_at_once_is_refused_and_one_without_position_expires(floor):
    bid, _ = floor.best()
    with pytest.raises(Refused) as refused:
        floor.house.waiting.arm(floor.account, stop(floor, bid + 999), refuse_met=True)
    assert refused.value.reason is Refusal.WOULD_TRIGGER
    waits = stop(floor, bid - 2, close=True)
    floor.house.waiting.arm(floor.account, waits, refuse_met=True)
    floor.house.market.crowd_trade("BTCUSDT", SELL, 10**6, bid - 9)
    assert (waits.state, waits.failure) == (Wait.EXPIRED, Refusal.NO_POSITION)


def test_what_waits_and_what_is_held_follow_a_new_name(floor):
    floor.place(BUY, 50)
    floor.account.leverage["BTCUSDT"] = 7
    bid, _ = floor.best()
    waits = stop(floor, bid - 2, close=True)
    floor.house.waiting.arm(floor.account, waits, refuse_met=True)
    shard = floor.btc.shard
    shard.listing = msgspec.structs.replace(shard.listing, symbol="XBTUSDT")
    market = floor.house.market
    for table in (market.shards, market.crowds, market.views, floor.futures):
        table["XBTUSDT"] = table.pop("BTCUSDT")
    floor.house.rename("BTCUSDT", "XBTUSDT")
    assert floor.account.leverage_of(floor.btc) == 7
    market.crowd_trade("XBTUSDT", SELL, 10**6, bid - 9)
    assert waits.state is Wait.FINISHED
    assert floor.position().lots == 0


def test_one_branch_that_fires_takes_the_other_out(floor):
    floor.place(BUY, 50)
    bid, ask = floor.best()
    waits = stop(floor, bid - 5, close=True)
    up = Trigger(id=0, rises=True, price=(ask + 50) * floor.btc.tick_e8)
    waits.branches.append(Branch(trigger=up, ticket=waits.branches[0].ticket, name="tp"))
    floor.house.waiting.arm(floor.account, waits, refuse_met=True)
    floor.house.market.crowd_trade("BTCUSDT", BUY, 10**7, ask + 60)
    assert waits.fired.name == "tp"
    assert len(floor.house.waiting.of(floor.btc)) == 0


def test_funding_moves_from_longs_to_shorts_when_the_hour_comes(floor):
    other = floor.desk.open_account({"USDT": 100_000})
    floor.place(BUY, 100)
    floor.place(SELL, 100, account=other)
    before = (floor.account.cash["USDT"], other.cash["USDT"])
    left_ms = FUNDING_MS - floor.desk.now_ms % FUNDING_MS
    floor.house.market.world.now_ns += (left_ms + 10) * 1_000_000
    floor.house.market.world._done_ns += left_ms * 1_000_000
    floor.house.market.world._next_second_ns = floor.house.market.world._done_ns
    floor.house.market.step(SECOND)
    paid = before[0] - floor.account.cash["USDT"]
    assert abs(paid) == abs(other.cash["USDT"] - before[1]) > 0
    assert [m.why for m in floor.told if isinstance(m, Moved)][-1] == "funding"
    assert floor.account.entries[-1].kind == "funding"


def test_liquidation_closes_everything_and_leaves_no_debt(floor):
    floor.account.cash["USDT"] = 400 * E8
    bid, _ = floor.best()
    resting = floor.place(BUY, 1, bid - 50)
    floor.place(BUY, 100)
    before = floor.total()
    floor.pin(0.5)
    assert floor.position().lots == 0
    assert floor.account.cash["USDT"] >= 0
    assert (resting.status, resting.ending) == (Status.CANCELED, Ending.LIQUIDATION)
    forced = [o for o in floor.account.orders.values() if o.ticket.category is Category.LIQUIDATION]
    assert forced[0].filled == 100
    assert floor.total() == before
    assert floor.futures["BTCUSDT"].liquidations[-1].lots == 100


def test_dead_man_cancels_when_its_time_has_come(floor):
    bid, _ = floor.best()
    order = floor.place(BUY, 1, bid - 5)
    floor.account.dead_man["BTCUSDT"] = floor.desk.now_ms + 500
    floor.house.market.step(400_000_000)
    assert order.status is Status.NEW
    floor.house.market.step(200_000_000)
    assert (order.status, order.ending) == (Status.CANCELED, Ending.DEAD_MAN)


def test_cancel_race_fills_the_order_first(floor):
    bid, _ = floor.best()
    order = floor.place(BUY, 30, bid - 4)
    floor.house.race([order])
    assert order.status is Status.FILLED
    with pytest.raises(Refused):
        floor.desk.cancel(floor.account, order)


def test_deleveraging_closes_at_the_mark_without_the_book(floor):
    floor.place(BUY, 30)
    top = floor.best()
    assert floor.house.guard.deleverage(floor.btc)
    assert floor.position().lots == 0
    assert floor.best() == top
    assert [r.order.ticket.category for r in floor.told if isinstance(r, OrderReport)][
        -1
    ] is Category.ADL


def act(floor, account, product, what, side, lots, off):
    """One random operation."""
    bid, ask = floor.best(product)
    price = (bid if side is BUY else ask) + off
    mine = list(account.open.values())
    spot = product.spot
    size = lots * 10_000 if spot else lots
    leg = Leg.NET
    if account.hedge and not spot:
        leg = (Leg.LONG, Leg.SHORT)[lots % 2]
    with_leg = {"product": product, "account": account, "leg": leg}
    match what:
        case "market":
            floor.place(side, size, **with_leg)
        case "limit" | "post":
            post = PostOnly.CANCEL if what == "post" else PostOnly.NO
            floor.place(side, size, price, post_only=post, **with_leg)
        case "reduce" if not spot:
            floor.place(side, size, price, reduce_only=True, **with_leg)
        case "cancel" if mine:
            floor.desk.cancel(account, mine[lots % len(mine)])
        case "amend" if mine:
            order = mine[lots % len(mine)]
            price = order.price_ticks + off
            floor.desk.amend(account, order, lots=order.filled + lots, price_ticks=price)
        case "crowd":
            floor.house.market.crowd_trade(product.symbol, side, size * 5, None)
        case "mark":
            floor.pin(1.0 + off / 50)
        case "stop":
            waits = stop(floor, floor.btc.last_ticks() + off, side=side, lots=lots, leg=leg)
            floor.house.waiting.arm(account, waits, refuse_met=False)
        case "fund":
            floor.house.guard.pay(floor.btc, off / 10_000)


STEPS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from(
            (
                "market",
                "limit",
                "post",
                "reduce",
                "cancel",
                "amend",
                "crowd",
                "mark",
                "stop",
                "fund",
            )
        ),
        st.booleans(),
        st.integers(1, 400),
        st.integers(-30, 30),
    ),
    max_size=30,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_money_is_conserved_and_debts_never_stay(steps):
    floor = build()
    names = ("BTCUSDT", "BTC-USDT", "BTC-USD-SWAP", "ETHUSDT")
    products = [floor.house.products[name] for name in names]
    accounts = [floor.account, floor.desk.open_account({"USDT": 2_000, "BTC": 1})]
    accounts[1].hedge = True
    told = {account.owner: [] for account in accounts}
    for account in accounts:
        account.sinks.append(told[account.owner].append)
    before = {asset: floor.total(asset) for asset in ("USDT", "BTC")}
    for who, what, buys, lots, off in steps:
        with contextlib.suppress(Refused):
            act(floor, accounts[who], products[lots % 4], what, BUY if buys else SELL, lots, off)
        floor.house.look()
        assert {asset: floor.total(asset) for asset in before} == before
    for account in accounts:
        for asset in ("USDT", "BTC"):
            if not account.open_positions(asset):
                assert account.cash[asset] >= 0
            elif account.maintenance_e8(asset):
                assert account.equity_e8(asset) >= account.maintenance_e8(asset)
            assert account.held[asset] == sum(
                o.held_e8
                for o in account.open.values()
                if (o.product.settle if o.ticket.side is BUY else "BTC") == asset
            )
        fills = [r.fill for r in told[account.owner] if isinstance(r, OrderReport) and r.fill]
        assert fills == account.fills
        for position in account.positions.values():
            signed = sum(
                f.lots * f.side.sign
                for f in fills
                if f.product is position.product and f.order.ticket.leg is position.leg
            )
            assert position.lots == signed
        for order in account.orders.values():
            assert order.filled == sum(fill.lots for fill in order.fills) <= order.lots
            assert order.status.open == (order.id in account.open)


@given(
    trades=st.lists(
        st.tuples(st.integers(-50, 50).filter(bool), st.integers(5_000, 9_000)), max_size=20
    )
)
def test_profit_and_cost_add_up_to_what_was_paid(trades):
    floor = _PRODUCTS
    for product in floor:
        position = Position(product=product, leg=Leg.NET)
        debits = profits = 0
        for lots, price in trades:
            debit = product.debit_e8(price * 10, lots)
            debits += debit
            profits += position.apply(lots, debit)
        assert debits == position.cost_e8 - profits
        assert position.lots == sum(lots for lots, _ in trades)


def _two():
    made = build().house.products
    return made["BTCUSDT"], made["BTC-USD-SWAP"]


_PRODUCTS = _two()
