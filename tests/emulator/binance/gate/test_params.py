"""Parameters: decimals are exact, and whatever is sent is read or refused."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.binance.gate.errors import ApiError
from emulator.binance.gate.params import Params
from emulator.binance.wire import amount


@given(st.integers(0, 10**18))
def test_amounts_survive_writing_and_reading(value):
    assert Params({"x": amount(value)}).decimal_e8("x") == value


@given(st.decimals(0, 10**9, places=8))
def test_decimals_are_read_exactly(value):
    assert Params({"x": f"{value:f}"}).decimal_e8("x") == value * 10**8


@given(st.text(max_size=12))
def test_any_text_is_a_number_or_an_api_error(text):
    try:
        value = Params({"x": text}).decimal_e8("x")
    except ApiError:
        return
    assert value == Decimal(text) * 10**8


@pytest.mark.parametrize("text", ["1e5", "+1", "-1", ".5", "1.", "0x1", "1_000", "NaN", "١", "1\n"])
def test_numbers_in_other_spellings_are_refused(text):
    with pytest.raises(ApiError) as refused:
        Params({"x": text}).decimal_e8("x")
    assert refused.value.code == -1100


def test_body_and_query_join_and_unread_ones_are_counted():
    params = Params.of_query("a=1&b=2", "c=3")
    assert (params.need("a"), params.need("c")) == ("1", "3")
    with pytest.raises(ApiError, match="read '2' parameter\\(s\\) but was sent '3'"):
        params.finish()


def test_websocket_values_are_taken_as_text_and_signed_sorted():
    params = Params.of_json({"b": 2, "a": True, "signature": "x", "c": "z"})
    assert params.signed_payload() == "a=true&b=2&c=z"


@pytest.mark.parametrize("params", [[], "text", 5])
def test_websocket_params_must_be_an_object(params):
    with pytest.raises(ApiError) as refused:
        Params.of_json(params)
    assert refused.value.code == -1135
