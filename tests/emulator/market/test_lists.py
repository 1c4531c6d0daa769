"""Lists, conditional orders, icebergs, amendments: states, holds, and money that is conserved."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.market import Side
from core.model.orders import TimeInForce
from emulator.clock import SECOND
from emulator.market.accounts import (
    BalancesMoved,
    Kind,
    ListChanged,
    Refusal,
    Refused,
    Report,
    Status,
    Ticket,
    What,
)
from emulator.market.listings import E8, LISTINGS
from emulator.market.lists import ListDesk, ListTicket
from emulator.market.market import Market
from emulator.market.races import fill_first

START_NS = 1_795_234_567 * SECOND
FUNDS = {"USDT": 100_000, "BTC": 2}


class Bench:
    def __init__(self):
        self.market = Market(7, START_NS, history_days=2, listings=LISTINGS[:1])
        self.market.flow = False
        self.desk = ListDesk(self.market)
        self.account = self.desk.open_account(FUNDS)
        self.shard = self.market.shards["BTCUSDT"]
        self.told = []
        self.states = {}
        self.filled = {}
        self.balances = {}
        self.account.sinks.append(self.keep)
        self.ids = 0
        self.print(Side.BUY)

    def keep(self, message):
        if isinstance(message, Report):
            order = message.order
            self.told.append((message.what, order.ticket.client_id, order.status))
            self.states[order.id] = order.status
            if message.fill is not None:
                self.filled[order.id] = self.filled.get(order.id, 0) + message.fill.lots
        elif isinstance(message, ListChanged):
            self.told.append((message.what, message.orders.client_id))
        else:
            assert isinstance(message, BalancesMoved)
            self.balances.update(message.assets)

    def ticket(self, side, kind, **more):
        self.ids += 1
        more.setdefault("client_id", f"c{self.ids}")
        return Ticket(side=side, kind=kind, **more)

    def place(self, side, kind, **more):
        ticket = self.ticket(side, kind, **more)
        return self.desk.place(self.account, self.shard, ticket, self.market.now_ns)

    def list(self, **tickets):
        self.ids += 1
        asked = ListTicket(client_id=f"l{self.ids}", **tickets)
        return self.desk.place_list(self.account, self.shard, asked, self.market.now_ns)

    def oco(self, side=Side.SELL, lots=1_000, away=300):
        stop = self.ticket(
            side, Kind.STOP_LOSS, stop_ticks=self.last - side.opposite.sign * away, lots=lots
        )
        best = self.ask if side is Side.SELL else self.bid
        maker = self.ticket(
            side, Kind.LIMIT_MAKER, price_ticks=best + side.opposite.sign * away, lots=lots
        )
        pair = (maker, stop) if side is Side.SELL else (stop, maker)
        return self.list(above=pair[0], below=pair[1])

    def crowd(self, side, lots, price=None):
        return self.market.crowd_trade("BTCUSDT", side, lots, price)

    def print(self, side):
        """Let the crowd make one trade."""
        self.crowd(side, 1)

    def push(self, ticks):
        """Let the crowd trade through to a price, and leave a trade there."""
        side = Side.BUY if ticks > self.last else Side.SELL
        for which, price, lots in (
            (side, ticks - side.sign * 10, 50_000),
            (side.opposite, ticks, 5),
            (side.opposite, ticks + side.sign * 10, 50_000),
        ):
            engine = self.shard.engine
            made = engine.limit(self.shard.next_order_id(), 0, which, price, lots)
            self.shard.apply(made, self.shard.stamp(self.market.now_ns))
            if which is not side and price == ticks:
                reached = sum(size for _, size in engine.sweep(side, ticks, 1 << 40))
                self.crowd(side, reached, ticks)

    @property
    def last(self):
        return self.shard.last_ticks

    @property
    def bid(self):
        return self.shard.engine.best_bid()

    @property
    def ask(self):
        return self.shard.engine.best_ask()


@pytest.fixture
def bench():
    return Bench()


def test_a_stop_waits_holds_and_becomes_a_market_order(bench):
    order = bench.place(Side.SELL, Kind.STOP_LOSS, stop_ticks=bench.last - 200, lots=500)
    assert (order.status, order.working_ms) == (Status.NEW, -1)
    assert bench.account.locked["BTC"] == 500 * bench.shard.listing.lot_e8
    bench.push(bench.last - 100)
    assert order.status is Status.NEW
    bench.push(bench.last - 150)
    assert (order.status, order.filled) == (Status.FILLED, 500)
    assert bench.account.locked["BTC"] == 0
    assert order.working_ms > 0


def test_a_stop_limit_rests_at_its_price_once_triggered(bench):
    stop = bench.last + 100
    order = bench.place(
        Side.BUY, Kind.STOP_LOSS_LIMIT, stop_ticks=stop, price_ticks=stop - 5_000, lots=100
    )
    bench.push(stop)
    assert order.status is Status.NEW
    assert bench.shard.engine.order(order.id).price_ticks == stop - 5_000
    news = [told for told in bench.told if told[0] is What.NEW]
    assert len(news) == 2, "when taken, and when it went to the book"


@pytest.mark.parametrize(
    ("side", "kind", "away"),
    [
        (Side.BUY, Kind.STOP_LOSS, -10),
        (Side.SELL, Kind.STOP_LOSS, 10),
        (Side.BUY, Kind.TAKE_PROFIT, 10),
        (Side.SELL, Kind.TAKE_PROFIT, -10),
    ],
)
def test_what_would_trigger_at_once_is_refused(bench, side, kind, away):
    with pytest.raises(Refused) as refused:
        bench.place(side, kind, stop_ticks=bench.last + away, lots=100)
    assert refused.value.reason is Refusal.WOULD_TRIGGER
    assert bench.account.locked == {"USDT": 0, "BTC": 0}


def test_a_trail_follows_the_best_price_and_fires_when_it_comes_back(bench):
    start = bench.last
    order = bench.place(Side.SELL, Kind.STOP_LOSS, trail_bips=50, lots=100)
    assert order.trailing_ms > 0
    bench.push(start * 1_010 // 1_000)
    bench.push(start * 1_006 // 1_000)
    assert order.status is Status.NEW
    bench.push(start * 1_004 // 1_000)
    assert order.status is Status.FILLED


def test_a_trail_with_a_stop_price_waits_until_it_is_reached(bench):
    start = bench.last
    order = bench.place(
        Side.SELL, Kind.TAKE_PROFIT, stop_ticks=start * 101 // 100, trail_bips=50, lots=100
    )
    bench.push(start * 99 // 100)
    assert (order.status, order.trailing_ms) == (Status.NEW, -1)
    bench.push(start * 101 // 100)
    assert order.trailing_ms > 0
    bench.push(start * 1_004 // 1_000)
    assert order.status is Status.FILLED


def test_a_buy_stop_whose_money_is_gone_expires(bench):
    bench.account.free["USDT"] = 10_000 * E8
    stop = bench.last + 100
    lots = 9_990 * E8 // (stop * bench.shard.listing.notional_e8)
    order = bench.place(Side.BUY, Kind.STOP_LOSS, stop_ticks=stop, lots=lots)
    bench.account.free["USDT"] = 0
    bench.push(stop + 9_000)
    assert (order.status, order.reason) == (Status.EXPIRED, "INSUFFICIENT_BALANCES")
    assert bench.account.locked["USDT"] == 0


def test_an_oco_holds_once_and_the_fill_of_one_ends_the_other(bench):
    group = bench.oco(lots=1_000)
    stop, maker = group.others
    assert bench.account.locked["BTC"] == 1_000 * bench.shard.listing.lot_e8
    bench.push(maker.ticket.price_ticks)
    assert maker.filled == 5 or maker.filled == 1_000
    assert stop.status is Status.EXPIRED
    bench.crowd(Side.BUY, 100_000, maker.ticket.price_ticks)
    assert maker.status is Status.FILLED
    assert group.done
    assert bench.account.locked["BTC"] == 0
    kinds = [told[0] for told in bench.told]
    assert kinds[0] == "EXEC_STARTED"
    assert kinds[-1] == "ALL_DONE"


@pytest.mark.parametrize("side", Side)
def test_the_stop_of_an_oco_ends_its_limit(bench, side):
    group = bench.oco(side)
    stop, maker = group.others
    bench.push(stop.ticket.stop_ticks)
    assert (stop.status, maker.status) == (Status.FILLED, Status.EXPIRED)
    assert bench.shard.engine.order(maker.id) is None
    assert set(bench.account.locked.values()) == {0}


def test_cancelling_one_of_an_oco_ends_both(bench):
    group = bench.oco()
    bench.desk.cancel(bench.account, group.others[1], "x", bench.market.now_ns)
    assert [order.status for order in group.orders] == [Status.CANCELED] * 2
    assert bench.account.locked["BTC"] == 0
    assert bench.told[-1][0] == "ALL_DONE"


def test_an_oco_must_have_the_market_between_its_prices(bench):
    above = bench.ticket(Side.SELL, Kind.LIMIT_MAKER, price_ticks=bench.last - 100, lots=10)
    below = bench.ticket(Side.SELL, Kind.STOP_LOSS, stop_ticks=bench.last - 200, lots=10)
    with pytest.raises(Refused) as refused:
        bench.list(above=above, below=below)
    assert refused.value.reason is Refusal.BAD_PRICES
    assert bench.account.lists == {}


def oto(bench, price, kind=Kind.MARKET, **pending):
    working = bench.ticket(Side.BUY, Kind.LIMIT, price_ticks=price, lots=400)
    return bench.list(working=working, below=bench.ticket(Side.SELL, kind, lots=300, **pending))


def test_an_oto_lets_the_pending_order_go_when_the_working_one_is_filled(bench):
    group = oto(bench, bench.bid)
    (pending,) = group.others
    assert pending.status is Status.PENDING_NEW
    assert bench.account.locked["BTC"] == 0, "what waits holds nothing"
    bench.crowd(Side.SELL, bench.shard.engine.queue_ahead(group.working.id) + 300, bench.bid)
    assert group.working.status is Status.PARTIALLY_FILLED
    assert pending.status is Status.PENDING_NEW
    bench.crowd(Side.SELL, 100, group.working.ticket.price_ticks)
    assert group.working.status is Status.FILLED
    assert pending.status is Status.FILLED
    assert group.done


def test_an_oto_whose_working_order_takes_at_once_goes_on_at_once(bench):
    group = oto(bench, bench.ask + 500, Kind.LIMIT, price_ticks=bench.ask + 5_000)
    assert group.working.status is Status.FILLED
    assert group.others[0].status is Status.NEW
    assert not group.done


def test_the_pending_order_ends_with_its_working_one(bench):
    group = oto(bench, bench.bid - 100)
    bench.desk.cancel(bench.account, group.working, "x", bench.market.now_ns)
    assert [order.status for order in group.orders] == [Status.CANCELED] * 2
    ioc = bench.ticket(
        Side.BUY, Kind.LIMIT, price_ticks=bench.bid - 100, lots=10, tif=TimeInForce.IOC
    )
    group = bench.list(working=ioc, below=bench.ticket(Side.SELL, Kind.MARKET, lots=10))
    assert [order.status for order in group.orders] == [Status.EXPIRED] * 2


def test_a_pending_order_without_money_expires_with_its_reason(bench):
    group = oto(bench, bench.bid)
    bench.account.free["BTC"] = 0
    bench.account.free["USDT"] = 0
    (pending,) = group.others
    bench.crowd(Side.SELL, 100_000, bench.bid)
    assert group.working.status is Status.FILLED
    assert pending.status in (Status.FILLED, Status.EXPIRED)
    wants_more = bench.ticket(Side.SELL, Kind.MARKET, lots=1_000_000)
    maker = bench.ticket(Side.SELL, Kind.LIMIT, price_ticks=bench.ask, lots=5)
    group = bench.list(working=maker, below=wants_more)
    bench.crowd(Side.BUY, 1 << 40, bench.ask)
    assert (group.others[0].status, group.others[0].reason) == (
        Status.EXPIRED,
        "INSUFFICIENT_BALANCES",
    )
    assert group.done


def test_an_otoco_is_an_oco_once_its_working_order_is_filled(bench):
    price = bench.bid
    working = bench.ticket(Side.BUY, Kind.LIMIT, price_ticks=price, lots=400)
    above = bench.ticket(Side.SELL, Kind.LIMIT_MAKER, price_ticks=bench.ask + 300, lots=400)
    below = bench.ticket(Side.SELL, Kind.STOP_LOSS, stop_ticks=price - 900, lots=400)
    group = bench.list(working=working, above=above, below=below)
    assert (group.contingency, len(group.orders)) == ("OTO", 3)
    fill_first(bench.market, bench.shard, group.working.id)
    assert [order.status for order in group.others] == [Status.NEW] * 2
    assert bench.account.locked["BTC"] == 400 * bench.shard.listing.lot_e8
    bench.push(price - 900)
    stop, maker = group.others
    assert (stop.status, maker.status, group.done) == (Status.FILLED, Status.EXPIRED, True)


def test_an_amended_order_keeps_its_place_and_gives_money_back(bench):
    order = bench.place(Side.BUY, Kind.LIMIT, price_ticks=bench.bid - 200, lots=1_000)
    later = bench.place(Side.BUY, Kind.LIMIT, price_ticks=bench.bid - 200, lots=1_000)
    held = bench.account.locked["USDT"]
    ahead = bench.shard.engine.queue_ahead(order.id)
    change = bench.desk.amend(bench.account, order, 400, "renamed", bench.market.now_ns)
    assert (change.old_lots, change.new_lots, change.new_id) == (1_000, 400, "renamed")
    assert bench.shard.engine.queue_ahead(order.id) == ahead
    assert bench.shard.engine.queue_ahead(later.id) == ahead + 400
    unit = order.ticket.price_ticks * bench.shard.listing.notional_e8
    assert held - bench.account.locked["USDT"] == 600 * unit
    assert bench.account.find("BTCUSDT", None, "renamed") is order
    assert bench.account.find("BTCUSDT", None, change.old_id) is None
    for lots, reason in ((500, Refusal.NOT_SMALLER), (400, Refusal.NO_CHANGE)):
        with pytest.raises(Refused) as refused:
            bench.desk.amend(bench.account, order, lots, "again", bench.market.now_ns)
        assert refused.value.reason is reason


def test_amending_one_of_an_oco_changes_both(bench):
    group = bench.oco(Side.BUY, lots=1_000)
    stop, maker = group.others
    bench.desk.amend(bench.account, maker, 400, "new", bench.market.now_ns)
    assert (stop.lots, maker.lots) == (400, 400)
    need = 400 * stop.ticket.stop_ticks * bench.shard.listing.notional_e8
    assert bench.account.locked["USDT"] == need
    bench.push(stop.ticket.stop_ticks)
    assert (stop.status, stop.filled) == (Status.FILLED, 400)
    assert bench.account.locked["USDT"] == 0


def test_an_iceberg_is_one_order_to_its_owner(bench):
    price = bench.ask - 1 if bench.ask - bench.bid > 1 else bench.ask
    order = bench.place(Side.SELL, Kind.LIMIT, price_ticks=price, lots=1_000, peak=100)
    ahead = bench.shard.engine.queue_ahead(order.id)
    bench.crowd(Side.BUY, ahead + 250, price)
    assert (order.status, order.filled) == (Status.PARTIALLY_FILLED, 250)
    assert bench.shard.engine.order(order.id).lots == 50
    bench.desk.cancel(bench.account, order, "x", bench.market.now_ns)
    assert bench.account.locked["BTC"] == 0


side = st.sampled_from(Side)
lots = st.integers(10, 900)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("limit"), side, st.integers(-30, 30), lots, st.integers(0, 90)),
        st.tuples(st.just("stop"), side, st.integers(1, 400), lots, st.booleans()),
        st.tuples(st.just("trail"), side, st.integers(10, 60), lots),
        st.tuples(st.just("oco"), side, st.integers(50, 400), lots),
        st.tuples(st.just("oto"), side, st.integers(-20, 20), lots, st.booleans()),
        st.tuples(st.just("amend"), st.integers(0, 30), st.integers(1, 900)),
        st.tuples(st.just("crowd"), side, st.integers(1, 40_000)),
        st.tuples(st.just("push"), st.integers(-500, 500)),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("expire"), st.integers(0, 30)),
    ),
    max_size=30,
)


def carry_out(bench, step):
    orders = list(bench.account.orders.values())
    match step:
        case ("limit", which, away, size, peak):
            bench.place(which, Kind.LIMIT, price_ticks=bench.bid + away, lots=size, peak=peak)
        case ("stop", which, away, size, limited):
            stop = bench.last + which.sign * away
            kind = Kind.STOP_LOSS_LIMIT if limited else Kind.STOP_LOSS
            price = stop + which.sign * 50 if limited else 0
            bench.place(which, kind, stop_ticks=stop, price_ticks=price, lots=size)
        case ("trail", which, bips, size):
            bench.place(which, Kind.STOP_LOSS, trail_bips=bips, lots=size)
        case ("oco", which, away, size):
            bench.oco(which, size, away)
        case ("oto", which, away, size, pair):
            working = bench.ticket(which, Kind.LIMIT, price_ticks=bench.bid + away, lots=size)
            other = which.opposite
            sign = other.opposite.sign
            stop = bench.ticket(
                other, Kind.STOP_LOSS, stop_ticks=bench.last - sign * 200, lots=size
            )
            maker = bench.ticket(
                other, Kind.LIMIT_MAKER, price_ticks=bench.last + sign * 200, lots=size
            )
            if not pair:
                bench.list(working=working, below=stop)
            else:
                high, low = (maker, stop) if other is Side.SELL else (stop, maker)
                bench.list(working=working, above=high, below=low)
        case ("amend", index, size) if index < len(orders):
            name = orders[index].ticket.client_id
            bench.desk.amend(bench.account, orders[index], size, name, bench.market.now_ns)
        case ("crowd", which, size):
            bench.crowd(which, size)
        case ("push", ticks) if ticks:
            bench.push(bench.last + ticks)
        case ("cancel", index) if index < len(orders):
            bench.desk.cancel(bench.account, orders[index], "x", bench.market.now_ns)
        case ("expire", index) if index < len(orders):
            bench.desk.expire(bench.account, orders[index], bench.market.now_ns)


def check(bench):
    listing, account = bench.shard.listing, bench.account
    total = {asset: units * E8 for asset, units in FUNDS.items()}
    for fill in account.fills:
        sign = fill.side.sign
        total["BTC"] += sign * fill.lots * listing.lot_e8
        total["USDT"] -= sign * fill.lots * fill.price_ticks * listing.notional_e8
        total[fill.fee_asset] -= fill.fee_e8
    for asset, amount in total.items():
        assert account.free[asset] >= 0
        assert account.locked[asset] >= 0
        assert account.free[asset] + account.locked[asset] == amount
        assert bench.balances.get(asset, (amount, 0)) == (
            account.free[asset],
            account.locked[asset],
        ), "the stream told the last balances"
    held = {"USDT": 0, "BTC": 0}
    for order in account.orders.values():
        assert order.filled == sum(fill.lots for fill in order.fills) <= order.lots
        assert bench.filled.get(order.id, 0) == order.filled
        assert bench.states[order.id] is order.status
        assert order.status.open == ((order.symbol, order.id) in account.open)
        held["USDT" if order.ticket.side is Side.BUY else "BTC"] += order.held_e8
        assert order.held_e8 >= 0
        assert order.held_e8 == 0 or order.status.open
        if order.group is None and order.status.open:
            assert order.held_e8 == order.need_e8
    assert held == account.locked
    for group in account.lists.values():
        live = [order for order in group.others if order.status.open]
        assert group.done == (not any(order.status.open for order in group.orders))
        filled = [order for order in group.others if order.filled]
        assert len(filled) <= 1, "one alone of an OCO trades"
        if live and live[0].status is not Status.PENDING_NEW:
            holds = sum(order.held_e8 for order in live)
            assert holds >= max(order.need_e8 for order in live)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_money_is_conserved_and_the_stream_tells_the_truth(run):
    bench = Bench()
    for step in run:
        try:
            carry_out(bench, step)
        except Refused:
            continue
        check(bench)
