from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.errors import ConfigError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, decimals_of

BTC = Instrument(
    id=InstrumentId("BTC-USDT.binance"),
    venue=VenueName("binance"),
    venue_symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    price_tick=Decimal("0.01"),
    size_lot=Decimal("0.00001"),
)


@given(ticks=st.integers(0, 10**12), lots=st.integers(0, 10**12))
def test_ticks_and_lots_round_trip_exactly(ticks: int, lots: int) -> None:
    assert BTC.ticks(BTC.price(ticks)) == ticks
    assert BTC.lots(BTC.size(lots)) == lots


def test_a_price_off_tick_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"price tick.*0\.01, was 1\.005; nearest is 1\.00"):
        BTC.ticks(Decimal("1.005"))


def test_a_size_is_floored_to_lots() -> None:
    assert BTC.floor_lots(Decimal("0.000019")) == 1


@pytest.mark.parametrize(("step", "places"), [("0.01", 2), ("1", 0), ("10", 0), ("0.50", 1)])
def test_decimals_of_a_step(step: str, places: int) -> None:
    assert decimals_of(Decimal(step)) == places
