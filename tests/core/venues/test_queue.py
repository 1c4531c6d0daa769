"""Where a resting order stands in its queue, by what the book shows."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.fees import FeeRates
from core.model.ids import VenueName
from core.model.orders import OrderFilled
from core.model.tiers import flat
from core.venues.fills import FillModel
from core.venues.margin import Terms


def model(instrument, book):
    made = FillModel(
        VenueName("paper"),
        balances={"USDT": Decimal(100_000), "BTC": Decimal(100)},
        rates=lambda _: FeeRates(Decimal(0), Decimal(0), "test"),
        terms=lambda item: Terms(Decimal(10), flat(item.id, Decimal("0.005"), "us"), Decimal(0)),
        depth=lambda _: book,
    )
    made.add_instruments([instrument])
    return made


def lots(events):
    return [int(e.size * 10) for e in events if isinstance(e, OrderFilled)]


def ahead(made):
    ((order,),) = made._working.values()
    return order.ahead


def test_of_what_leaves_a_level_the_orders_share_is_taken_to_have_been_ahead(
    instrument, limit, quote
):
    bids, asks = [(99, 20)], [(101, 10)]
    made = model(instrument, (bids, asks))
    made.place(limit("buy", 99, 5), 1)
    assert ahead(made) == 20
    # Twenty more come behind, then half of all the forty go: half of those ahead were among them.
    bids[0] = (99, 40)
    made.on_quote(quote(99, 40, 101, 10), 2)
    assert ahead(made) == 20
    bids[0] = (99, 20)
    made.on_quote(quote(99, 20, 101, 10), 3)
    assert ahead(made) == 10


def test_what_was_traded_is_not_counted_as_left_again(instrument, limit, quote, trade):
    bids, asks = [(99, 20)], [(101, 10)]
    made = model(instrument, (bids, asks))
    made.place(limit("buy", 99, 5), 1)
    made.on_trade(trade("sell", 99, 8), 2)
    assert ahead(made) == 12
    bids[0] = (99, 12)
    made.on_quote(quote(99, 12, 101, 10), 3)
    assert ahead(made) == 12
    assert lots(made.on_trade(trade("sell", 99, 14), 4)) == [2]


def test_queue_below_the_best_price_moves_too(instrument, limit, quote):
    bids, asks = [(99, 20), (97, 30)], [(101, 10)]
    made = model(instrument, (bids, asks))
    made.place(limit("buy", 97, 5), 1)
    bids[1] = (97, 15)
    made.on_quote(quote(99, 20, 101, 10), 2)
    assert ahead(made) == 15
    del bids[1]
    bids.append((96, 5))
    made.on_quote(quote(99, 20, 101, 10), 3)
    assert ahead(made) == 0


def test_beyond_the_levels_the_book_reaches_nothing_is_known(instrument, limit, quote):
    bids, asks = [(99, 20), (97, 30)], [(101, 10)]
    made = model(instrument, (bids, asks))
    made.place(limit("buy", 97, 5), 1)
    bids.pop()
    made.on_quote(quote(99, 20, 101, 10), 2)
    assert ahead(made) == 30


def test_with_quotes_alone_nobody_ahead_is_taken_to_have_left(instrument, limit, quote):
    made = model(instrument, None)
    made.on_quote(quote(99, 20, 101, 10), 1)
    made.place(limit("buy", 98, 5), 2)
    assert ahead(made) == 20
    made.on_quote(quote(99, 5, 101, 10), 3)
    assert ahead(made) == 20
    # Once it is the best price, no more than is shown can be ahead.
    made.on_quote(quote(98, 7, 101, 10), 4)
    assert ahead(made) == 7


def test_iceberg_stands_at_the_end_again_with_each_part(instrument, limit, trade):
    bids, asks = [(99, 10)], [(101, 10)]
    made = model(instrument, (bids, asks))
    made.place(limit("buy", 99, 9, display_size=Decimal("0.3")), 1)
    assert lots(made.on_trade(trade("sell", 99, 40), 2)) == [3]
    assert ahead(made) == 10
    assert made.on_trade(trade("sell", 99, 10), 3) == []
    assert lots(made.on_trade(trade("sell", 99, 2), 4)) == [2]
    # A trade through its price takes what it hides as well.
    assert lots(made.on_trade(trade("sell", 98, 1), 5)) == [4]


@given(
    st.lists(
        st.tuples(st.sampled_from(["trade", "book"]), st.integers(0, 60)), min_size=1, max_size=30
    )
)
@settings(max_examples=60, deadline=None)
def test_queue_never_grows_and_is_never_longer_than_the_level(steps):
    import core.model.market as m
    from core.model.ids import ClientOrderId, InstrumentId
    from core.model.instruments import Instrument
    from core.model.market import Side
    from core.model.orders import OrderIntent, OrderType

    name = InstrumentId("BTC-USDT.binance")
    instrument = Instrument(
        id=name, venue=VenueName("binance"), venue_symbol="BTCUSDT", base="BTC", quote="USDT",
        price_tick=Decimal(1), size_lot=Decimal("0.1"),
    )  # fmt: skip
    bids = [(99, 30), (90, 1)]
    made = model(instrument, (bids, [(101, 10)]))
    intent = OrderIntent(
        client_order_id=ClientOrderId("o"), instrument_id=name, side=Side.BUY,
        type=OrderType.LIMIT, size=Decimal(100), price=Decimal(99), origin="cli",
    )  # fmt: skip
    made.place(intent, 0)
    before = 30
    for what, size in steps:
        if what == "trade":
            made.on_trade(m.Trade(name, 1, 1, 99, size, True, 1), 1)
        else:
            bids[0] = (99, size)
            made.on_quote(m.Quote(name, 1, 1, 100, 1, 101, 10, 1), 1)
            assert ahead(made) <= size
        assert 0 <= ahead(made) <= before
        before = ahead(made)
