from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.engine.stake import Stake
from core.model.ids import ClientOrderId, ExecutionId, InstrumentId, VenueName, VenueOrderId
from core.model.instruments import Instrument
from core.model.market import Side
from core.model.orders import OrderFilled

BTC = Instrument(
    id=InstrumentId("BTC-USDT.x"), venue=VenueName("x"), venue_symbol="BTCUSDT", base="BTC",
    quote="USDT", price_tick=Decimal("0.01"), size_lot=Decimal("0.001"),
)  # fmt: skip


def fill(side: Side, size: str, price: str, fee: str = "0", asset: str = "USDT") -> OrderFilled:
    return OrderFilled(
        client_order_id=ClientOrderId("o"), venue=BTC.venue, instrument_id=BTC.id,
        venue_order_id=VenueOrderId("1"), execution_id=ExecutionId("1"), side=side,
        price=Decimal(price), size=Decimal(size), fee=Decimal(fee), fee_asset=asset, maker=False,
        ts_event_ns=0, ts_ns=0,
    )  # fmt: skip


def stake(*fills: OrderFilled) -> Stake:
    made = Stake()
    for item in fills:
        made.take(item, BTC)
    return made


def test_round_trip_realises_price_difference_less_fees() -> None:
    made = stake(fill(Side.BUY, "2", "100", "0.2"), fill(Side.SELL, "2", "110", "0.22"))
    assert (made.size, made.realised) == (0, Decimal("19.58"))


def test_average_follows_what_is_added_and_not_what_is_closed() -> None:
    made = stake(fill(Side.BUY, "1", "100"), fill(Side.BUY, "3", "120"))
    assert made.average == 115
    made.take(fill(Side.SELL, "2", "125"), BTC)
    assert (made.average, made.size, made.realised) == (115, 2, 20)


def test_turning_over_starts_at_the_turning_price() -> None:
    made = stake(fill(Side.BUY, "1", "100"), fill(Side.SELL, "3", "90"))
    assert (made.size, made.average, made.realised) == (-2, 90, -10)


def test_fee_in_base_leaves_less_to_sell() -> None:
    made = stake(fill(Side.BUY, "1", "100", "0.001", "BTC"))
    assert (made.size, made.realised) == (Decimal("0.999"), Decimal("-0.1"))


_fills: Any = st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 9), st.integers(90, 110)))


@given(_fills)
def test_realised_and_open_profit_together_are_the_cash_moved(fills: Any) -> None:
    made = stake(*(fill(side, str(size), str(price)) for side, size, price in fills))
    cash = sum(-side.sign * size * price for side, size, price in fills)
    mark = 100
    worth = made.realised + made.size * (mark - made.average if made.size else Decimal(0))
    assert abs(worth - (cash + made.size * mark)) < Decimal("1e-15")
