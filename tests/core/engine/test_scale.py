from __future__ import annotations

from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.engine.scale import Scale
from core.engine.series import Columns
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument


def scale(tick: str, lot: str = "0.001") -> Scale:
    return Scale(
        Instrument(
            id=InstrumentId("A-B.x"), venue=VenueName("x"), venue_symbol="AB", base="A", quote="B",
            price_tick=Decimal(tick), size_lot=Decimal(lot),
        )
    )  # fmt: skip


@given(st.integers(0, 2**40), st.sampled_from(["0.01", "0.00000001", "0.25", "5", "0.05"]))
def test_price_is_the_float_nearest_to_the_decimal(ticks: int, tick: str) -> None:
    assert scale(tick).price(ticks) == float(ticks * Decimal(tick))


@given(st.lists(st.integers(1, 2**33), min_size=1), st.sampled_from(["0.01", "0.05", "0.0001"]))
def test_columns_and_scalars_are_the_same_bit_for_bit(ticks: list[int], tick: str) -> None:
    steps = np.array(ticks, np.int64)
    columns = scale(tick).columns(Columns(*[steps] * 7))
    assert columns[3].tolist() == [scale(tick).price(item) for item in ticks]
    assert columns[4].tolist() == [scale(tick).size(item) for item in ticks]
