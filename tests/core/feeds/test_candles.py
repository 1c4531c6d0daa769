from __future__ import annotations

from decimal import Decimal

import pytest

from core.feeds.candles import offered, text_bar
from core.model.errors import ConfigError, DataError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.market import Timeframe

ITEM = Instrument(
    id=InstrumentId("AAA-USD.toy"), venue=VenueName("toy"), venue_symbol="AAA", base="AAA",
    quote="USD", price_tick=Decimal("0.5"), size_lot=Decimal("0.1"),
)  # fmt: skip
ROW = ["1700000040", "10", "12", "9", "11", "2.5"]
S = 10**9


@pytest.mark.parametrize(
    ("row", "unit_ns", "order"),
    [
        (ROW, S, (1, 2, 3, 4)),
        (["1700000040000", *ROW[1:], "more"], S // 1000, (1, 2, 3, 4)),
        (["1700000040", "10", "11", "12", "9", "2.5"], S, (1, 3, 4, 2)),
    ],
)
def test_rows_of_any_unit_and_order_give_the_same_bar(
    row: list[str], unit_ns: int, order: tuple[int, int, int, int]
) -> None:
    bar = text_bar(ITEM, Timeframe.M1, row, unit_ns, order)
    assert (bar.ts_open_ns, bar.volume_lots) == (1_700_000_040 * S, 25)
    assert (bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks) == (20, 24, 18, 22)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([], "must be"),
        (ROW[:5], "must be"),
        (["1700000040000", *ROW[1:]], "must be"),
        (["-1", *ROW[1:]], "must be"),
        (["٣", *ROW[1:]], "must be"),
        ([*ROW[:4], "", "1"], "was empty"),
        ([*ROW[:5], "NaN"], "decimal number"),
        (["1700000040", "10", "9", "12", "11", "1"], "enclose"),
    ],
)
def test_rows_that_are_no_bars_are_refused(row: list[str], words: str) -> None:
    with pytest.raises(DataError, match=words):
        text_bar(ITEM, Timeframe.M1, row, S)


def test_lengths_a_venue_has_not_are_refused_with_those_it_has() -> None:
    assert offered({Timeframe.M1: "1min"}, Timeframe.M1, ITEM) == "1min"
    with pytest.raises(ConfigError, match=r"toy has no 1s bars of AAA-USD\.toy; take 1m"):
        offered({Timeframe.M1: "1min"}, Timeframe.S1, ITEM)
