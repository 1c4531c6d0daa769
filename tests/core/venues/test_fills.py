from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.fees import FeeRates
from core.model.ids import ClientOrderId, InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import Bar, Quote, Side, Timeframe, Trade
from core.model.orders import (
    CancelRejected,
    Order,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderIntent,
    OrderRejected,
    OrderState,
    OrderType,
    TimeInForce,
)
from core.model.tiers import flat
from core.venues.fills import FillModel
from core.venues.margin import Terms

BTC = InstrumentId("BTC-USDT.binance")
BOOK = ([(99, 10), (98, 20)], [(101, 10), (102, 20)])


def model(instrument, book=BOOK, **balances):
    made = FillModel(
        VenueName("paper"),
        balances={"USDT": Decimal(100_000), "BTC": Decimal(100)}
        | {k: Decimal(v) for k, v in balances.items()},
        rates=lambda _: FeeRates(Decimal("0.001"), Decimal("0.002"), "test"),
        terms=lambda _: Terms(Decimal(10), flat(BTC, Decimal("0.005"), "us"), Decimal("0.0125")),
        depth=lambda _: book,
    )
    made.add_instruments([instrument])
    return made


def kinds(events):
    return [type(event) for event in events]


def executions(events):
    return [(int(e.price), int(e.size * 10), e.maker) for e in events if isinstance(e, OrderFilled)]


def total(made, asset):
    return next(b.total for b in made.account.balances() if b.asset == asset)


def held(made, asset):
    return next(b.held for b in made.account.balances() if b.asset == asset)


def test_market_order_walks_the_levels_and_pays_the_taker_fee(instrument, limit):
    made = model(instrument)
    events = made.place(limit("buy", None, 25), 5)
    assert executions(events) == [(101, 10, False), (102, 15, False)]
    assert kinds(events) == [OrderAccepted, OrderFilled, OrderFilled]
    cost = Decimal(101) + Decimal(102) * Decimal("1.5")
    assert total(made, "USDT") == 100_000 - cost - cost * Decimal("0.002")
    assert total(made, "BTC") == Decimal("102.5")
    assert {e.fee_asset for e in events if isinstance(e, OrderFilled)} == {"USDT"}


def test_market_order_beyond_the_book_fills_what_is_there_and_expires(instrument, limit):
    events = model(instrument).place(limit("sell", None, 40), 5)
    assert executions(events) == [(99, 10, False), (98, 20, False)]
    assert isinstance(events[-1], OrderExpired)


def test_limit_order_takes_up_to_its_price_and_rests_the_remainder(instrument, limit):
    made = model(instrument)
    events = made.place(limit("buy", 101, 25), 5)
    assert executions(events) == [(101, 10, False)]
    (rests,) = made.open_orders()
    assert (rests.state, rests.filled) == (OrderState.PARTIALLY_FILLED, Decimal(1))
    assert held(made, "USDT") == Decimal("1.5") * 101


@pytest.mark.parametrize(
    ("time_in_force", "lots", "expected"),
    [
        (TimeInForce.IOC, 15, [OrderAccepted, OrderFilled, OrderExpired]),
        (TimeInForce.FOK, 15, [OrderAccepted, OrderExpired]),
        (TimeInForce.FOK, 10, [OrderAccepted, OrderFilled]),
    ],
)
def test_ioc_and_fok(instrument, limit, time_in_force, lots, expected):
    made = model(instrument)
    events = made.place(limit("buy", 101, lots, time_in_force=time_in_force), 5)
    assert kinds(events) == expected
    assert made.open_orders() == []
    assert held(made, "USDT") == 0


def test_what_was_taken_stays_taken_until_the_level_changes(instrument, limit):
    asks = [(101, 10), (102, 20)]
    made = model(instrument, book=([(99, 10)], asks))
    assert executions(made.place(limit("buy", 101, 6), 5)) == [(101, 6, False)]
    second = made.place(limit("buy", None, 6), 6)
    assert executions(second) == [(101, 4, False), (102, 2, False)]
    asks[0] = (101, 8)
    assert executions(made.place(limit("buy", 101, 20), 7)) == [(101, 8, False)]


@pytest.mark.parametrize(
    ("args", "changes", "code"),
    [
        (("buy", 101, 5), {"post_only": True}, "post-only"),
        (("buy", 100, 5), {"post_only": True, "time_in_force": TimeInForce.IOC}, "post-only"),
        (("buy", 100, 5), {"price": Decimal("100.5")}, "off-step"),
        (("buy", 100, 5), {"size": Decimal("0.55")}, "off-step"),
        (("buy", 100, 0), {}, "size"),
        (("buy", 100, 10_001), {}, "size"),
        (("buy", 1, 5), {}, "notional"),
        (("buy", 100, 9_999), {}, "balance"),
        (("sell", 100, 2_000), {}, "balance"),
        (("buy", 100, 5), {"instrument_id": "X.y"}, "unknown-instrument"),
        (("buy", None, 5), {"type": OrderType.LIMIT}, "price"),
    ],
)
def test_orders_a_venue_would_refuse_are_rejected_and_move_nothing(
    instrument, limit, args, changes, code
):
    made = model(instrument, USDT=10_000)
    before = made.account.balances()
    (event,) = made.place(limit(*args, **changes), 5)
    assert isinstance(event, OrderRejected)
    assert event.code == code
    assert made.account.balances() == before


def test_market_order_without_any_market_is_rejected(instrument, limit):
    (event,) = model(instrument, book=None).place(limit("buy", None, 5), 5)
    assert event.code == "no-market"


def test_an_id_used_before_is_rejected(instrument, limit):
    made = model(instrument)
    intent = limit("buy", 90, 5)
    made.place(intent, 5)
    assert made.place(intent, 6)[0].code == "duplicate"
    assert len(made.open_orders()) == 1


def test_second_order_cannot_spend_what_the_first_holds_with_its_fee(instrument, limit):
    made = model(instrument, USDT="1000.5")
    assert kinds(made.place(limit("buy", 90, 55), 5)) == [OrderAccepted]
    assert held(made, "USDT") == 495
    assert made.place(limit("buy", 90, 56), 6)[0].code == "balance"
    assert kinds(made.place(limit("buy", 90, 55), 7)) == [OrderAccepted]


def test_trade_at_the_price_serves_only_after_the_queue_ahead(instrument, limit, trade):
    made = model(instrument)
    made.place(limit("buy", 99, 5), 5)
    assert made.on_trade(trade("sell", 99, 7), 6) == []
    assert executions(made.on_trade(trade("sell", 99, 5), 7)) == [(99, 2, True)]
    assert executions(made.on_trade(trade("sell", 99, 50), 8)) == [(99, 3, True)]
    assert made.open_orders() == []


def test_trade_of_the_own_side_at_the_price_serves_nobody(instrument, limit, trade):
    made = model(instrument)
    made.place(limit("buy", 100, 5), 5)
    assert made.on_trade(trade("buy", 100, 50), 6) == []


def test_trade_through_the_price_fills_the_whole_order_at_its_own_price(instrument, limit, trade):
    made = model(instrument)
    made.place(limit("sell", 102, 15), 5)
    events = made.on_trade(trade("buy", 103, 1, ts_ns=55), 6)
    assert executions(events) == [(102, 15, True)]
    assert events[0].ts_event_ns == 55
    assert events[0].fee == Decimal("102") * Decimal("1.5") * Decimal("0.001")


def test_two_own_orders_at_one_price_share_what_is_left_of_a_trade(instrument, limit, trade):
    made = model(instrument)
    first, second = limit("buy", 99, 5), limit("buy", 99, 5)
    made.place(first, 5)
    made.place(second, 6)
    events = made.on_trade(trade("sell", 99, 17), 7)
    assert [(e.client_order_id, int(e.size * 10)) for e in events] == [
        (first.client_order_id, 5),
        (second.client_order_id, 2),
    ]


def test_quote_that_reaches_the_order_fills_at_most_the_size_quoted_once(instrument, limit, quote):
    made = model(instrument, book=None)
    made.on_quote(quote(99, 10, 101, 10), 4)
    made.place(limit("buy", 100, 9), 5)
    assert executions(made.on_quote(quote(98, 5, 100, 4), 6)) == [(100, 4, True)]
    assert made.on_quote(quote(98, 6, 100, 4), 7) == []
    assert executions(made.on_quote(quote(98, 6, 99, 30), 8)) == [(100, 5, True)]


def test_cancels_ahead_shorten_the_queue(instrument, limit, quote, trade):
    made = model(instrument)
    made.place(limit("buy", 99, 5), 5)
    made.on_quote(quote(99, 2, 101, 10), 6)
    assert executions(made.on_trade(trade("sell", 99, 3), 7)) == [(99, 1, True)]
    made.on_quote(quote(98, 20, 101, 10), 8)
    assert executions(made.on_trade(trade("sell", 99, 1), 9)) == [(99, 1, True)]


def test_cancel_frees_what_was_held_and_is_refused_the_second_time(instrument, limit):
    made = model(instrument)
    intent = limit("sell", 105, 30)
    made.place(intent, 5)
    assert held(made, "BTC") == 3
    assert kinds(made.cancel(intent.client_order_id, 6)) == [OrderCanceled]
    assert held(made, "BTC") == 0
    assert kinds(made.cancel(intent.client_order_id, 7)) == [CancelRejected]
    found = made.account.find(intent.client_order_id)
    assert found is not None
    assert found.state is OrderState.CANCELED


def bar(low, high, volume=1000):
    return Bar(BTC, Timeframe.M1, 0, 100, high, low, 100, volume, 1)


def test_bar_serves_an_order_it_goes_beyond_but_not_one_it_only_touches(instrument, limit):
    made = model(instrument)
    made.place(limit("buy", 97, 5), 5)
    made.place(limit("sell", 104, 5), 5)
    assert made.on_bar(bar(97, 104), 6) == []
    assert executions(made.on_bar(bar(96, 105), 7)) == [(97, 5, True), (104, 5, True)]


def test_bar_serves_no_more_than_its_volume(instrument, limit):
    made = model(instrument)
    made.place(limit("buy", 97, 5), 5)
    assert executions(made.on_bar(bar(96, 100, volume=3), 6)) == [(97, 3, True)]


def working(intent, filled="0", venue_order_id="x"):
    return Order(
        intent=intent,
        venue=VenueName("paper"),
        state=OrderState.ACCEPTED,
        venue_order_id=venue_order_id,
        filled=Decimal(filled),
        ts_submitted_ns=1,
        ts_updated_ns=2,
    )


def test_restored_order_works_on_with_its_hold_at_the_back_of_the_queue(instrument, limit, trade):
    made = model(instrument)
    intent = limit("buy", 99, 5)
    made.restore([working(intent, "0.2")], {"USDT": Decimal(500)})
    (order,) = made.open_orders()
    assert (order.filled, order.state) == (Decimal("0.2"), OrderState.PARTIALLY_FILLED)
    assert held(made, "USDT") == Decimal("0.3") * 99
    assert made.on_trade(trade("sell", 99, 10), 6) == []
    (event,) = made.on_trade(trade("sell", 99, 10), 7)
    assert event.size == Decimal("0.3")
    assert event.execution_id == f"{intent.client_order_id}.5"


def test_restored_order_waits_for_a_market_before_it_believes_its_queue(
    instrument, limit, trade, quote
):
    book = []
    made = model(instrument, book=None)
    made.liquidity._depth = lambda _: book[0] if book else None
    made.restore([working(limit("buy", 99, 5))], {"USDT": Decimal(500)})
    assert made.on_trade(trade("sell", 99, 100), 6) == []
    book.append(BOOK)
    assert executions(made.on_trade(trade("sell", 99, 12), 7)) == [(99, 2, True)]


@pytest.mark.parametrize(
    "changes",
    [
        {"time_in_force": TimeInForce.IOC},
        {"instrument_id": InstrumentId("GONE-USDT.binance")},
        {"price": Decimal("99.5")},
    ],
)
def test_order_that_cannot_be_working_any_more_is_remembered_as_expired(instrument, limit, changes):
    made = model(instrument)
    intent = limit("buy", 99, 5, **changes)
    made.restore([working(intent, "0.2")], {"USDT": Decimal(500)})
    found = made.account.find(intent.client_order_id)
    assert found is not None
    assert (found.state, found.filled) == (OrderState.EXPIRED, Decimal("0.2"))
    assert made.open_orders() == []


# -- what must hold whatever happens ------------------------------------------------------------

PRICES = st.integers(90, 110)
LOTS = st.integers(1, 40)
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("place"),
            st.sampled_from(["buy", "sell"]),
            st.one_of(st.none(), PRICES),
            LOTS,
            st.sampled_from(list(TimeInForce)),
        ),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("trade"), st.booleans(), PRICES, LOTS),
        st.tuples(st.just("quote"), st.integers(90, 100), LOTS, st.integers(101, 110), LOTS),
        st.tuples(st.just("bar"), st.integers(90, 99), st.integers(101, 110), LOTS),
    ),
    max_size=60,
)


def run(steps):
    instrument = Instrument(
        id=BTC,
        venue=VenueName("binance"),
        venue_symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        price_tick=Decimal(1),
        size_lot=Decimal("0.1"),
    )
    made = model(instrument, book=None, USDT=1500, BTC=8)
    ids: list[ClientOrderId] = []
    events = []
    for ts, step in enumerate(steps):
        match step:
            case ("place", side, price, lots, time_in_force):
                order_id = ClientOrderId(f"o{len(ids)}")
                ids.append(order_id)
                intent = OrderIntent(
                    client_order_id=order_id,
                    instrument_id=BTC,
                    side=Side(side),
                    type=OrderType.MARKET if price is None else OrderType.LIMIT,
                    size=lots * Decimal("0.1"),
                    price=None if price is None else Decimal(price),
                    time_in_force=time_in_force,
                    origin="tui",
                )
                told = made.place(intent, ts)
                assert isinstance(told[0], OrderAccepted | OrderRejected)
                events += told
            case ("cancel", index):
                if index < len(ids):
                    events += made.cancel(ids[index], ts)
            case ("trade", sold, price, lots):
                events += made.on_trade(Trade(BTC, ts, ts, price, lots, sold, ts), ts)
            case ("quote", bid, bid_lots, ask, ask_lots):
                events += made.on_quote(Quote(BTC, ts, ts, bid, bid_lots, ask, ask_lots, ts), ts)
            case ("bar", low, high, volume):
                events += made.on_bar(
                    Bar(BTC, Timeframe.M1, ts, 100, high, low, 100, volume, 1), ts
                )
    return made, events


@given(STEPS)
def test_money_and_sizes_add_up_whatever_happens(steps):
    made, events = run(steps)
    fills = [e for e in events if isinstance(e, OrderFilled)]
    base = sum((f.size * f.side.sign for f in fills), Decimal(8))
    quote = sum((-f.price * f.size * f.side.sign - f.fee for f in fills), Decimal(1500))
    assert (total(made, "BTC"), total(made, "USDT")) == (base, quote)
    for asset in ("BTC", "USDT"):
        assert made.account.wallet.free(asset) >= 0
        assert held(made, asset) >= 0
    if not made.open_orders():
        assert held(made, "BTC") == held(made, "USDT") == 0
    assert len({f.execution_id for f in fills}) == len(fills)
    for order_id in {f.client_order_id for f in fills}:
        order = made.account.find(order_id)
        assert order is not None
        filled = sum(f.size for f in fills if f.client_order_id == order_id)
        assert filled == order.filled <= order.size
        assert (order.state is OrderState.FILLED) == (filled == order.size)
        for fill in fills:
            if fill.client_order_id == order_id and order.price is not None:
                assert (fill.price - order.price) * order.side.sign <= 0


@settings(max_examples=30, deadline=None)
@given(STEPS)
def test_same_calls_give_the_same_events(steps):
    assert run(steps)[1] == run(steps)[1]
