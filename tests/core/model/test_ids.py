import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.errors import ConfigError
from core.model.ids import (
    ORIGINS,
    OriginKind,
    check_client_order_id,
    client_order_id,
    origin_of,
    split_instrument_id,
)


@given(
    origin=st.sampled_from(list(ORIGINS)),
    ts_ns=st.integers(0, 2**63 - 1),
    entropy=st.integers(0, 2**64 - 1),
)
def test_an_id_is_valid_everywhere_and_tells_its_origin(
    origin: OriginKind, ts_ns: int, entropy: int
) -> None:
    made = client_order_id(origin, ts_ns, entropy)
    assert check_client_order_id(made) == made
    assert origin_of(made) == origin


def test_different_entropy_gives_different_ids() -> None:
    assert client_order_id("tui", 1, 1) != client_order_id("tui", 1, 2)


@pytest.mark.parametrize("text", ["web_1234", "x", "", "clxq-1"])
def test_an_id_of_somebody_else_has_no_origin(text: str) -> None:
    assert origin_of(text) is None


@pytest.mark.parametrize("text", ["", "a b", "x" * 33, "é", "x\n"])
def test_an_id_a_venue_would_refuse_is_refused_here(text: str) -> None:
    with pytest.raises(ConfigError, match="client order id"):
        check_client_order_id(text)


def test_an_instrument_id_splits_at_its_last_dot() -> None:
    assert split_instrument_id("BRK.B.alpaca") == ("BRK.B", "alpaca")


def test_an_instrument_id_without_venue_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"SYMBOL\.venue"):
        split_instrument_id("BTC-USDT")
