from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from core.model.occ import read_option


@pytest.mark.parametrize(
    ("occ", "symbol"),
    [
        ("AAPL261218C00200000", "AAPL-USD-20261218-200-C"),
        ("SPY240119P00472500", "SPY-USD-20240119-472.5-P"),
        ("F250117C00012000", "F-USD-20250117-12-C"),
        ("AAPL1261218C00200500", "AAPL1-USD-20261218-200.5-C"),
    ],
)
def test_either_name_of_an_option_leads_to_the_other(occ: str, symbol: str) -> None:
    for text in (occ, symbol, occ.lower()):
        name = read_option(text)
        assert name is not None
        assert (name.occ, name.symbol) == (occ, symbol)


def test_a_name_says_root_day_right_and_strike() -> None:
    name = read_option("AAPL261218C00200000")
    assert name == ("AAPL", dt.date(2026, 12, 18), "C", Decimal(200))


@pytest.mark.parametrize(
    "text", ["", "AAPL", "AAPL-USD", "BTC-USDT", "AAPL261318C00200000", "AAPL261218X00200000",
             "BTC-25DEC26-100000-C", "AAPL-USD-20261318-200-C", "2", "$1000"],
)  # fmt: skip
def test_other_words_are_no_option(text: str) -> None:
    assert read_option(text) is None
