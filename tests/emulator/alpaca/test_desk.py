"""Alpaca's desk under random orders: money and shares are conserved, updates tell the truth."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.market import Side
from emulator.alpaca.instruments import LISTINGS
from emulator.alpaca.trading import asked
from emulator.alpaca.trading.account import FUNDS
from emulator.alpaca.trading.assets import Assets
from emulator.alpaca.trading.desk import Desk
from emulator.clock import SECOND
from emulator.market.market import Market
from emulator.wire.rest import Refusal

START_NS = 1_795_234_567 * SECOND
SHARE, COIN = "AAPL", "BTC/USD"
PICKED = tuple(each for each in LISTINGS if each.symbol in (SHARE, COIN))


class Bench:
    def __init__(self):
        self.market = Market(7, START_NS, history_days=2, listings=PICKED)
        self.market.flow = False
        self.assets = Assets(self.market, 7)
        self.desk = Desk(self.market, self.assets, 7, lambda instrument, order: False)
        self.account = self.desk.open_account("paper", FUNDS)
        self.account.sinks.append(self.keep)
        self.states, self.filled, self.events = {}, {}, []
        for symbol in (SHARE, COIN):
            self.crowd(symbol, Side.BUY, 1)

    def keep(self, update):
        order = update.order
        self.states[order.id] = order.status
        self.events.append((order.id, update.event))
        if update.fill is not None:
            self.filled[order.id] = self.filled.get(order.id, 0) + update.fill.qty

    def crowd(self, symbol, side, lots):
        self.market.crowd_trade(symbol, side, lots, None)

    def place(self, symbol, side, qty, kind="market", **more):
        body = {"symbol": symbol, "side": side, "type": kind, "qty": str(qty)}
        body["time_in_force"] = "gtc" if symbol == COIN else "day"
        order = asked.order(self.desk, self.assets, self.account, {**body, **more})
        self.desk.submit(self.account, order)
        return order

    def push(self, symbol, ticks):
        shard = self.market.shards[symbol]
        at = max(1_000, shard.last_ticks + ticks)
        side = Side.BUY if ticks > 0 else Side.SELL
        for which, price, lots in (
            (side, at - side.sign * 10, 10**12),
            (side.opposite, at + side.sign * 10, 10**12),
            (side.opposite, at, 5),
        ):
            made = shard.engine.limit(shard.next_order_id(), 0, which, price, lots)
            shard.apply(made, shard.stamp(self.market.now_ns))
        reached = sum(size for _, size in shard.engine.sweep(side, at, 1 << 60))
        self.market.crowd_trade(symbol, side, reached, at)


side = st.sampled_from(("buy", "sell"))
symbol = st.sampled_from((SHARE, COIN))
qty = st.sampled_from(("1", "2.5", "7", "40", "300"))
away = st.integers(-300, 300)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("market"), symbol, side, qty),
        st.tuples(st.just("limit"), symbol, side, qty, away),
        st.tuples(st.just("stop_limit"), symbol, side, qty, away),
        st.tuples(st.just("trailing_stop"), side, qty, st.integers(5, 200)),
        st.tuples(st.just("bracket"), side, qty, st.integers(5, 300)),
        st.tuples(st.just("oco"), side, qty, st.integers(5, 300)),
        st.tuples(st.just("option"), side, st.integers(0, 40)),
        st.tuples(st.just("replace"), st.integers(0, 30), st.integers(1, 50), away),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("reject"), st.integers(0, 30)),
        st.tuples(st.just("push"), symbol, away),
        st.tuples(st.just("crowd"), symbol, st.sampled_from(Side), st.integers(1, 10_000)),
    ),
    max_size=25,
)


def near(bench, name, ticks):
    instrument = bench.assets.all[name]
    return str(instrument.last + ticks * instrument.tick)


def size(name, text):
    return Decimal(text) / 100 if name == COIN else text


def pair(bench, away, gains):
    last = bench.assets.all[SHARE].last
    return {
        "take_profit": {"limit_price": str(last + gains * away * Decimal("0.01"))},
        "stop_loss": {"stop_price": str(last - gains * away * Decimal("0.01"))},
    }


def ask(bench, step):
    match step:
        case ("market", name, which, text):
            bench.place(name, which, size(name, text))
        case ("limit", name, which, text, ticks):
            price = near(bench, name, ticks)
            bench.place(name, which, size(name, text), "limit", limit_price=price)
        case ("stop_limit", name, which, text, ticks):
            stop, limit = near(bench, name, ticks), near(bench, name, ticks + 5)
            prices = {"stop_price": stop, "limit_price": limit}
            bench.place(name, which, size(name, text), "stop_limit", **prices)
        case ("trailing_stop", which, text, ticks):
            trail = str(ticks * Decimal("0.01"))
            bench.place(SHARE, which, text, "trailing_stop", trail_price=trail)
        case ("bracket", which, text, ticks):
            legs = pair(bench, ticks, 1 if which == "buy" else -1)
            bench.place(SHARE, which, text, order_class="bracket", **legs)
        case ("oco", which, text, ticks):
            legs = pair(bench, ticks, -1 if which == "buy" else 1)
            bench.place(SHARE, which, text, "limit", order_class="oco", **legs)
        case ("option", which, index):
            contracts = bench.assets.contracts()
            bench.place(contracts[index % len(contracts)].symbol, which, "1")


def move(bench, step):
    orders = list(bench.account.orders.values())
    match step:
        case ("replace", index, whole, ticks) if index < len(orders):
            old = orders[index]
            change = {"qty": str(whole)} if not old.role else {}
            if old.limit is not None:
                change["limit_price"] = near(bench, old.instrument.symbol, ticks)
            new = asked.change(bench.desk, bench.account, old, change)
            bench.desk.replace(bench.account, old, new)
        case ("cancel", index) if index < len(orders) and orders[index].open:
            bench.desk.cancel(bench.account, orders[index])
        case ("reject", index) if index < len(orders):
            bench.desk.reject(bench.account, orders[index])
        case ("push", name, ticks) if ticks:
            bench.push(name, ticks)
        case ("crowd", name, which, lots):
            bench.crowd(name, which, lots)


def check(bench):
    account = bench.account
    cash, held = FUNDS, {}
    for fill in account.fills:
        instrument, sign = fill.order.instrument, fill.order.side.sign
        cash -= sign * fill.qty * fill.price * instrument.multiplier
        held[instrument.symbol] = held.get(instrument.symbol, 0) + sign * fill.qty
        if fill.fee_asset == "USD":
            cash -= fill.fee
        else:
            held[instrument.symbol] -= fill.fee
    assert account.cash == cash
    assert {name: qty for name, qty in held.items() if qty} == {
        name: position.qty for name, position in account.positions.items()
    }
    for name, position in account.positions.items():
        assert 0 <= account.available(name) <= abs(position.qty)
        assert position.entry > 0
    for order in account.orders.values():
        assert order.filled_qty == sum(fill.qty for fill in order.fills) <= order.qty
        assert order.open == (order.id in account.open)
        assert bench.filled.get(order.id, 0) == order.filled_qty
        if order.id in bench.states and order.status != "held":
            assert bench.states[order.id] == order.status
        if order.status == "filled":
            assert order.left == 0
        assert order.house == 0 or order.open
        if order.role == "target" and order.status == "filled":
            assert not any(twin.open for twin in order.twins)
    ends = [each for each in bench.events if each[1] in ("fill", "canceled", "expired", "rejected")]
    assert len(ends) == len(set(ends)), "an order ends once"


@settings(max_examples=40, deadline=None)
@given(steps)
def test_money_is_conserved_and_updates_tell_the_truth(run):
    bench = Bench()
    for step in run:
        try:
            ask(bench, step)
            move(bench, step)
        except Refusal:
            continue
        check(bench)


def test_an_option_is_exercised_in_the_money_and_forgotten_out_of_it():
    bench = Bench()
    last = bench.assets.all[SHARE].last
    calls = [each for each in bench.assets.contracts() if each.contract.call]
    first = min(each.contract.expiry for each in calls)
    near = sorted(
        (each for each in calls if each.contract.expiry == first),
        key=lambda each: each.contract.strike,
    )
    inside, outside = near[0], near[-1]
    for instrument in (inside, outside):
        bench.place(instrument.symbol, "buy", "1")
    assert inside.contract.strike < last < outside.contract.strike
    cash = bench.account.cash
    bench.desk._each_second(inside.contract.expiry_ms)
    assert bench.account.held(SHARE) == 100
    assert bench.account.cash == cash - 100 * inside.contract.strike
    kinds = [row.type for row in bench.account.activities if hasattr(row, "type")]
    assert sorted(kinds) == ["OPEXC", "OPEXP"]
    assert set(bench.account.positions) == {SHARE}
