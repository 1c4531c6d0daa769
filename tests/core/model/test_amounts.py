from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.amounts import Amount, Unit, parse_amount
from core.model.errors import ConfigError

NUMBERS = st.decimals("0.0001", "100", places=4)


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("0.5", Unit.QUANTITY, "0.5"),
        (".5", Unit.QUANTITY, "0.5"),
        ("$1000", Unit.NOTIONAL, "1000"),
        ("1000$", Unit.NOTIONAL, "1000"),
        ("10%", Unit.EQUITY, "10"),
        ("r1%", Unit.RISK, "1"),
        ("R0.5%", Unit.RISK, "0.5"),
    ],
)
def test_every_way_to_say_how_much_is_understood(text: str, unit: Unit, value: str) -> None:
    assert parse_amount(text) == Amount(value=Decimal(value), unit=unit)


@pytest.mark.parametrize(
    "text",
    ["", "one", "1,5", "-1", "0", "0%", "$", "%", "r1", "r%", "$5%", "101%", "r101%", "1.2.3"],
)
def test_what_is_no_amount_is_an_error_naming_it(text: str) -> None:
    with pytest.raises(ConfigError, match="size"):
        parse_amount(text)


@given(NUMBERS, st.sampled_from(Unit))
def test_an_amount_written_and_read_again_is_the_same(value: Decimal, unit: Unit) -> None:
    amount = Amount(value=value, unit=unit)
    assert parse_amount(amount.text) == amount
