"""Accounts: holds, fees and reports, and that no money appears or is lost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.market import Side
from core.model.orders import TimeInForce
from emulator.clock import SECOND
from emulator.market.accounts import (
    BalancesMoved,
    Kind,
    Refusal,
    Refused,
    Report,
    Status,
    Ticket,
    What,
)
from emulator.market.desk import Desk
from emulator.market.listings import E8, LISTINGS
from emulator.market.market import Market

START_NS = 1_795_234_567 * SECOND


class Bench:
    def __init__(self):
        self.market = Market(7, START_NS, history_days=2, listings=LISTINGS[:1])
        self.market.flow = False
        self.desk = Desk(self.market)
        self.account = self.desk.open_account({"USDT": 100_000, "BTC": 2})
        self.shard = self.market.shards["BTCUSDT"]
        self.messages = []
        self.account.sinks.append(self.keep)
        self.ids = 0

    def keep(self, message):
        if isinstance(message, Report):
            order = message.order
            self.messages.append((message.what, order.status, order.filled, message.fill))
        else:
            assert isinstance(message, BalancesMoved)

    def place(self, **ticket):
        self.ids += 1
        ticket.setdefault("client_id", f"c{self.ids}")
        return self.desk.place(self.account, self.shard, Ticket(**ticket), self.market.now_ns)

    def crowd(self, side, lots, price=None):
        return self.market.crowd_trade("BTCUSDT", side, lots, price)

    @property
    def bid(self):
        return self.shard.engine.best_bid()

    @property
    def ask(self):
        return self.shard.engine.best_ask()


@pytest.fixture
def bench():
    return Bench()


def limit(side, price, lots, **more):
    return {"side": side, "kind": Kind.LIMIT, "price_ticks": price, "lots": lots, **more}


def test_a_resting_buy_holds_its_whole_cost(bench):
    bench.place(**limit(Side.BUY, bench.bid - 100, 1_000))
    cost = (bench.bid - 100) * 1_000 * bench.shard.listing.notional_e8
    assert bench.account.locked["USDT"] == cost
    assert bench.account.free["USDT"] == 100_000 * E8 - cost


def test_cancel_gives_the_hold_back(bench):
    order = bench.place(**limit(Side.SELL, bench.ask + 100, 1_000))
    bench.desk.cancel(bench.account, order, "x", bench.market.now_ns)
    assert bench.account.locked["BTC"] == 0
    assert bench.account.free["BTC"] == 2 * E8
    assert order.status is Status.CANCELED
    assert [what for what, *_ in bench.messages] == [What.NEW, What.CANCELED]


def test_a_taker_pays_the_book_and_a_fee_in_what_it_gets(bench):
    price = bench.ask
    order = bench.place(**limit(Side.BUY, price + 50_000, 10))
    listing = bench.shard.listing
    paid = order.notional * listing.notional_e8
    assert order.status is Status.FILLED
    assert order.notional == price * 10, "filled at the makers' price"
    assert bench.account.free["USDT"] == 100_000 * E8 - paid
    assert bench.account.locked["USDT"] == 0
    got = 10 * listing.lot_e8
    assert bench.account.free["BTC"] == 2 * E8 + got - got // 1_000


def test_the_crowd_fills_a_resting_order_in_parts(bench):
    price = bench.ask - 1 if bench.ask - bench.bid > 1 else bench.bid
    ahead = bench.shard.engine.lots_at(Side.BUY, price)
    order = bench.place(**limit(Side.BUY, price, 1_000))
    bench.crowd(Side.SELL, ahead + 400, price)
    assert (order.status, order.filled) == (Status.PARTIALLY_FILLED, 400)
    bench.crowd(Side.SELL, 600, price)
    assert (order.status, order.filled) == (Status.FILLED, 1_000)
    trades = [fill for what, _, _, fill in bench.messages if what is What.TRADE]
    assert [(fill.lots, fill.maker) for fill in trades] == [(400, True), (600, True)]
    assert len({fill.trade_id for fill in trades}) == 2


def test_older_orders_of_the_crowd_fill_first(bench):
    price = bench.bid
    ahead = bench.shard.engine.lots_at(Side.BUY, price)
    order = bench.place(**limit(Side.BUY, price, 100))
    bench.crowd(Side.SELL, ahead, price)
    assert order.filled == 0
    bench.crowd(Side.SELL, 100, price)
    assert order.filled == 100


def test_market_by_quote_spends_at_most_the_budget(bench):
    budget = 1_000 * E8 // bench.shard.listing.notional_e8
    order = bench.place(side=Side.BUY, kind=Kind.MARKET, budget=budget)
    assert order.status is Status.FILLED
    assert 0 < budget - order.notional < 2 * bench.ask
    assert bench.account.locked["USDT"] == 0


@pytest.mark.parametrize(
    ("ticket", "reason"),
    [
        (limit(Side.BUY, 6_000_000, 200_000), Refusal.NO_FUNDS),
        (limit(Side.SELL, 9_000_000, 200_001), Refusal.NO_FUNDS),
        ({"side": Side.SELL, "kind": Kind.MARKET, "lots": 300_000}, Refusal.NO_FUNDS),
        ({"side": Side.BUY, "kind": Kind.MARKET, "budget": 1}, Refusal.NO_LIQUIDITY),
    ],
)
def test_refused_orders_change_nothing(bench, ticket, reason):
    with pytest.raises(Refused) as refused:
        bench.place(**ticket)
    assert refused.value.reason is reason
    assert bench.account.locked == {"USDT": 0, "BTC": 0}
    assert bench.messages == []


def test_post_only_that_would_take_is_refused(bench):
    with pytest.raises(Refused) as refused:
        bench.place(side=Side.BUY, kind=Kind.LIMIT_MAKER, price_ticks=bench.ask, lots=10)
    assert refused.value.reason is Refusal.WOULD_TAKE


def test_client_id_is_unique_among_open_orders_only(bench):
    first = bench.place(**limit(Side.BUY, bench.bid - 500, 10, client_id="mine"))
    with pytest.raises(Refused) as refused:
        bench.place(**limit(Side.BUY, bench.bid - 500, 10, client_id="mine"))
    assert refused.value.reason is Refusal.DUPLICATE
    bench.desk.cancel(bench.account, first, "x", bench.market.now_ns)
    second = bench.place(**limit(Side.BUY, bench.bid - 500, 10, client_id="mine"))
    assert bench.account.find("BTCUSDT", None, "mine") is second


def test_meeting_an_own_order_expires_the_taker(bench):
    price = bench.ask - 1 if bench.ask - bench.bid > 1 else bench.ask
    bench.crowd(Side.BUY, bench.shard.engine.lots_at(Side.SELL, price) or 1, price)
    mine = bench.place(**limit(Side.SELL, bench.ask - 1, 50))
    taker = bench.place(**limit(Side.BUY, mine.ticket.price_ticks, 50))
    assert taker.status is Status.EXPIRED_IN_MATCH
    assert mine.status is Status.NEW
    assert bench.account.locked["USDT"] == 0


def test_ioc_remainder_expires_and_is_released(bench):
    lots = bench.shard.engine.lots_at(Side.SELL, bench.ask)
    order = bench.place(**limit(Side.BUY, bench.ask, lots + 7, tif=TimeInForce.IOC))
    assert (order.status, order.filled) == (Status.EXPIRED, lots)
    assert bench.account.locked["USDT"] == 0


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("limit"), st.sampled_from(Side), st.integers(-30, 30), st.integers(10, 900)
        ),
        st.tuples(st.just("market"), st.sampled_from(Side), st.integers(10, 900)),
        st.tuples(st.just("crowd"), st.sampled_from(Side), st.integers(1, 20_000)),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
    ),
    max_size=25,
)


@settings(max_examples=25, deadline=None)
@given(steps)
def test_balances_always_equal_what_the_fills_say(run):
    bench = Bench()
    placed = []
    for step in run:
        try:
            match step:
                case ("limit", side, away, lots):
                    placed.append(bench.place(**limit(side, bench.bid + away, lots)))
                case ("market", side, lots):
                    placed.append(bench.place(side=side, kind=Kind.MARKET, lots=lots))
                case ("crowd", side, lots):
                    bench.crowd(side, lots)
                case ("cancel", index) if index < len(placed):
                    bench.desk.cancel(bench.account, placed[index], "x", bench.market.now_ns)
        except Refused:
            continue
    listing, account = bench.shard.listing, bench.account
    total = {"USDT": 100_000 * E8, "BTC": 2 * E8}
    for fill in account.fills:
        sign = fill.side.sign
        total["BTC"] += sign * fill.lots * listing.lot_e8
        total["USDT"] -= sign * fill.lots * fill.price_ticks * listing.notional_e8
        total[fill.fee_asset] -= fill.fee_e8
    held = {"USDT": 0, "BTC": 0}
    for order in placed:
        assert order.filled == sum(fill.lots for fill in order.fills)
        if order.status.open:
            left = order.lots - order.filled
            if order.ticket.side is Side.BUY:
                held["USDT"] += left * order.ticket.price_ticks * listing.notional_e8
            else:
                held["BTC"] += left * listing.lot_e8
    for asset, amount in total.items():
        assert account.free[asset] + account.locked[asset] == amount
        assert account.locked[asset] == held[asset]
        assert account.free[asset] >= 0
