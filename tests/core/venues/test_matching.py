"""The engine against a naive reference written from the rules, and the rules themselves."""

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.errors import InvariantError
from core.model.market import Side
from core.model.orders import TimeInForce
from core.venues.matching import (
    CROWD,
    Accepted,
    Canceled,
    Expired,
    LevelChanged,
    MatchingEngine,
    Reason,
    Rejected,
    Traded,
)


class NaiveBook:
    """Price-time priority by scanning one list; slow and obvious."""

    def __init__(self):
        self.resting = []  # [id, owner, side, price, lots] in order of arrival
        self.fills = []
        self.ends = []

    def _queue(self, side, limit):
        opposite = [o for o in self.resting if o[2] is not side]
        if limit is not None:
            opposite = [o for o in opposite if (o[3] - limit) * side.sign <= 0]
        return sorted(opposite, key=lambda o: o[3] * side.sign)  # stable: arrival breaks ties

    def _take(self, order_id, owner, side, limit, lots):
        for maker in self._queue(side, limit):
            if lots == 0:
                break
            if owner != CROWD and maker[1] == owner:
                return lots, True
            size = min(lots, maker[4])
            lots -= size
            maker[4] -= size
            self.fills.append((maker[0], order_id, maker[3], size))
        self.resting = [o for o in self.resting if o[4]]
        return lots, False

    def limit(self, order_id, owner, side, price, lots, tif, post_only):
        queue = self._queue(side, price)
        if post_only and queue:
            self.ends.append((order_id, "rejected"))
            return
        if tif is TimeInForce.FOK:
            able = 0
            for maker in queue:
                if owner != CROWD and maker[1] == owner:
                    break
                able += maker[4]
            if able < lots:
                self.ends.append((order_id, lots))
                return
        left, met_self = self._take(order_id, owner, side, price, lots)
        self.resting = [o for o in self.resting if o[4]]
        if left and (met_self or tif is not TimeInForce.GTC):
            self.ends.append((order_id, left))
        elif left:
            self.resting.append([order_id, owner, side, price, left])

    def market(self, order_id, owner, side, lots):
        left, _ = self._take(order_id, owner, side, None, lots)
        self.resting = [o for o in self.resting if o[4]]
        if left:
            self.ends.append((order_id, left))

    def cancel(self, order_id):
        for order in self.resting:
            if order[0] == order_id:
                self.ends.append((order_id, order[4]))
        self.resting = [o for o in self.resting if o[0] != order_id]

    def cancel_all(self, owner):
        for order in [o for o in self.resting if o[1] == owner]:
            self.cancel(order[0])

    def levels(self, side):
        total = defaultdict(int)
        for order in self.resting:
            if order[2] is side:
                total[order[3]] += order[4]
        return sorted(total.items(), reverse=side is Side.BUY)


sides = st.sampled_from(Side)
owners = st.sampled_from([CROWD, CROWD, 1, 2])
prices = st.integers(95, 106)
sizes = st.integers(1, 12)
operations = st.lists(
    st.one_of(
        st.tuples(
            st.just("limit"),
            owners,
            sides,
            prices,
            sizes,
            st.sampled_from(TimeInForce),
            st.booleans(),
        ),
        st.tuples(st.just("market"), owners, sides, sizes),
        st.tuples(st.just("cancel"), st.integers(1, 80)),
        st.tuples(st.just("cancel_all"), st.sampled_from([1, 2])),
    ),
    max_size=80,
)


def run(engine, operation, order_id):
    match operation:
        case ("limit", owner, side, price, lots, tif, post_only):
            return engine.limit(order_id, owner, side, price, lots, tif, post_only=post_only)
        case ("market", owner, side, lots):
            return engine.market(order_id, owner, side, lots)
        case ("cancel", target):
            return engine.cancel(target)
        case ("cancel_all", owner):
            return engine.cancel_all(owner)


def run_naive(book, operation, order_id):
    name, *args = operation
    if name in ("limit", "market"):
        getattr(book, name)(order_id, *args)
    else:
        getattr(book, name)(*args)


@given(operations)
def test_any_sequence_equals_the_naive_reference(ops):
    engine, naive = MatchingEngine(), NaiveBook()
    fills, ends, mirror = [], [], {Side.BUY: {}, Side.SELL: {}}
    last_seq = 0
    for order_id, operation in enumerate(ops, 1):
        run_naive(naive, operation, order_id)
        for event in run(engine, operation, order_id):
            assert event.seq == last_seq + 1
            last_seq = event.seq
            match event:
                case Traded():
                    fills.append((event.maker_id, event.taker_id, event.price_ticks, event.lots))
                    assert event.maker_owner == CROWD or event.maker_owner != event.taker_owner
                case Rejected():
                    ends.append((event.order_id, "rejected"))
                case Expired() | Canceled():
                    ends.append((event.order_id, event.lots))
                case LevelChanged():
                    mirror[event.side][event.price_ticks] = event.lots
        assert fills == naive.fills
        assert ends == naive.ends
        for side in Side:
            depth = engine.depth(side, 100)
            assert depth == naive.levels(side)
            seen = {price: lots for price, lots in mirror[side].items() if lots}
            assert dict(depth) == seen, "level events alone rebuild the book"
        bid, ask = engine.best_bid(), engine.best_ask()
        assert bid is None or ask is None or bid < ask, "never crossed"


@given(operations)
def test_every_lot_is_filled_resting_or_ended(ops):
    engine = MatchingEngine()
    wanted, gone = {}, defaultdict(int)
    for order_id, operation in enumerate(ops, 1):
        for event in run(engine, operation, order_id):
            match event:
                case Accepted():
                    wanted[event.order_id] = event.lots
                case Traded():
                    gone[event.maker_id] += event.lots
                    gone[event.taker_id] += event.lots
                    assert event.lots > 0
                case Expired() | Canceled():
                    gone[event.order_id] += event.lots
    resting = {order.id: order.lots for order in engine.orders()}
    for order_id, lots in wanted.items():
        assert gone[order_id] + resting.get(order_id, 0) == lots


@given(operations, sides, st.integers(1, 4000), owners)
def test_quote_sized_market_spends_what_it_can_and_never_more(ops, side, budget, owner):
    engine = MatchingEngine()
    for order_id, operation in enumerate(ops, 1):
        run(engine, operation, order_id)
    events = engine.market_quote(10_000, owner, side, budget)
    spent = sum(e.price_ticks * e.lots for e in events if isinstance(e, Traded))
    assert spent <= budget
    expired = [e for e in events if isinstance(e, Expired)]
    if not expired:
        best = engine.best_ask() if side is Side.BUY else engine.best_bid()
        assert best is not None
        assert budget - spent < best


def filled_book():
    engine = MatchingEngine()
    engine.limit(1, CROWD, Side.SELL, 101, 5)
    engine.limit(2, CROWD, Side.SELL, 101, 3)
    engine.limit(3, 7, Side.SELL, 102, 4)
    return engine


def test_same_price_fills_the_older_order_first():
    trades = [e for e in filled_book().market(9, CROWD, Side.BUY, 6) if isinstance(e, Traded)]
    assert [(t.maker_id, t.lots, t.maker_left) for t in trades] == [(1, 5, 0), (2, 1, 2)]


def test_better_price_fills_before_older_order():
    engine = filled_book()
    engine.limit(4, CROWD, Side.SELL, 100, 1)
    trades = [e for e in engine.market(9, CROWD, Side.BUY, 2) if isinstance(e, Traded)]
    assert [t.maker_id for t in trades] == [4, 1]


def test_taker_gets_the_makers_price():
    events = filled_book().limit(9, CROWD, Side.BUY, 105, 2)
    assert [e.price_ticks for e in events if isinstance(e, Traded)] == [101]


def test_market_beyond_the_book_expires_the_rest():
    events = filled_book().market(9, CROWD, Side.BUY, 50)
    assert [e for e in events if isinstance(e, Expired)] == [
        Expired(events[-3].seq, 9, CROWD, 38, Reason.NO_LIQUIDITY)
    ]


def test_post_only_that_would_take_is_rejected_and_leaves_no_trace():
    engine = filled_book()
    before = engine.depth(Side.SELL, 9)
    events = engine.limit(9, CROWD, Side.BUY, 101, 1, post_only=True)
    assert [type(e) for e in events] == [Rejected]
    assert events[0].reason is Reason.WOULD_TAKE
    assert engine.depth(Side.SELL, 9) == before
    assert engine.depth(Side.BUY, 9) == []


def test_fok_counts_only_what_stands_before_its_own_order():
    engine = filled_book()
    events = engine.limit(9, 7, Side.BUY, 102, 9, TimeInForce.FOK)
    assert [type(e) for e in events] == [Accepted, Expired]
    assert engine.depth(Side.SELL, 9) == [(101, 8), (102, 4)]


def test_self_trade_expires_the_taker_and_keeps_the_maker():
    engine = filled_book()
    events = engine.limit(9, 7, Side.BUY, 102, 10)
    expired = [e for e in events if isinstance(e, Expired)]
    assert [(e.lots, e.reason) for e in expired] == [(2, Reason.SELF_TRADE)]
    assert engine.order(3).lots == 4
    assert engine.order(9) is None


def test_queue_ahead_shrinks_as_older_orders_leave():
    engine = filled_book()
    assert engine.queue_ahead(2) == 5
    engine.market(9, CROWD, Side.BUY, 2)
    assert engine.queue_ahead(2) == 3
    engine.cancel(1)
    assert engine.queue_ahead(2) == 0


def test_sweep_foretells_what_a_market_order_trades():
    engine = filled_book()
    foretold = engine.sweep(Side.BUY, None, 10)
    trades = [e for e in engine.market(9, CROWD, Side.BUY, 10) if isinstance(e, Traded)]
    assert sum(price * lots for price, lots in foretold) == sum(
        t.price_ticks * t.lots for t in trades
    )


def test_cancel_of_an_unknown_order_gives_no_events():
    assert filled_book().cancel(404) == []


def test_reused_resting_id_is_refused_with_the_id_named():
    with pytest.raises(InvariantError, match="order id 1 is resting already"):
        filled_book().limit(1, CROWD, Side.BUY, 90, 1)


@pytest.mark.parametrize(("price", "lots", "word"), [(0, 1, "price_ticks"), (1, 0, "size")])
def test_price_or_size_not_positive_is_refused(price, lots, word):
    with pytest.raises(InvariantError, match=word):
        MatchingEngine().limit(1, CROWD, Side.BUY, price, lots)


def test_an_iceberg_shows_a_part_at_a_time_behind_those_who_came_after():
    book = MatchingEngine()
    book.limit(1, 1, Side.SELL, 100, 25, peak=10)
    book.limit(2, 2, Side.SELL, 100, 5)
    assert book.lots_at(Side.SELL, 100) == 15
    events = book.market(3, 3, Side.BUY, 32)
    trades = [(e.maker_id, e.lots, e.maker_left) for e in events if isinstance(e, Traded)]
    assert trades == [(1, 10, 15), (2, 5, 0), (1, 10, 5), (1, 5, 0)]
    assert isinstance(events[-2], Expired)
    assert events[-2].lots == 2
    assert book.depth(Side.SELL, 5) == []


def test_fok_and_sweep_count_what_an_iceberg_hides():
    book = MatchingEngine()
    book.limit(1, 1, Side.SELL, 100, 25, peak=10)
    assert book.sweep(Side.BUY, None, 40) == [(100, 25)]
    events = book.limit(2, 2, Side.BUY, 100, 25, TimeInForce.FOK)
    assert sum(e.lots for e in events if isinstance(e, Traded)) == 25


def test_cancel_of_an_iceberg_takes_out_what_it_hides_too():
    book = MatchingEngine()
    book.limit(1, 1, Side.BUY, 100, 25, peak=10)
    canceled, level = book.cancel(1)
    assert (canceled.lots, level.lots) == (25, 0)
    book.limit(2, 1, Side.BUY, 100, 4)
    assert book.sweep(Side.SELL, None, 40) == [(100, 4)]


def test_a_smaller_order_keeps_its_place():
    book = MatchingEngine()
    book.limit(1, 1, Side.SELL, 100, 10)
    book.limit(2, 2, Side.SELL, 100, 10)
    (level,) = book.reduce(1, 4)
    assert level.lots == 16
    events = book.market(3, 3, Side.BUY, 8)
    assert [(e.maker_id, e.lots) for e in events if isinstance(e, Traded)] == [(1, 6), (2, 2)]


@pytest.mark.parametrize(("by", "shown", "whole"), [(5, 10, 20), (15, 10, 10), (20, 5, 5)], ids=str)
def test_an_iceberg_gives_up_what_it_hides_first(by, shown, whole):
    book = MatchingEngine()
    book.limit(1, 1, Side.SELL, 100, 25, peak=10)
    book.reduce(1, by)
    assert book.lots_at(Side.SELL, 100) == shown
    assert book.sweep(Side.BUY, None, 100) == [(100, whole)]


@pytest.mark.parametrize(("order_id", "by"), [(1, 0), (1, 10), (2, 1)])
def test_nothing_shrinks_by_nothing_to_nothing_or_from_nowhere(order_id, by):
    book = MatchingEngine()
    book.limit(1, 1, Side.SELL, 100, 10)
    with pytest.raises(InvariantError):
        book.reduce(order_id, by)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(Side), st.integers(95, 105), st.integers(1, 60), st.integers(0, 9)
        ),
        max_size=40,
    )
)
def test_levels_with_icebergs_always_add_up(orders):
    book = MatchingEngine()
    traded = placed = 0
    for number, (side, price, lots, peak) in enumerate(orders, start=1):
        placed += lots
        events = book.limit(number, number, side, price, lots, peak=peak)
        traded += 2 * sum(event.lots for event in events if isinstance(event, Traded))
    resting = book.orders()
    assert placed == traded + sum(order.lots + order.hidden for order in resting)
    for side in Side:
        shown = defaultdict(int)
        for order in resting:
            if order.side is side:
                assert 0 < order.lots <= (order.peak or order.lots)
                shown[order.price_ticks] += order.lots
        assert dict(book.depth(side, 100)) == dict(shown)
        every = sum(order.lots + order.hidden for order in resting if order.side is side)
        assert sum(lots for _, lots in book.sweep(side.opposite, None, 10**9)) == every
