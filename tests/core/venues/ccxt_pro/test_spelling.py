"""Client order ids there and back, on exchanges that take none of ours."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.errors import ConfigError
from core.model.ids import ORIGINS, ClientOrderId, client_order_id
from core.venues.ccxt_pro.spelling import spelling_of

TAILS = st.from_regex(r"[a-z0-9_-]{0,5}", fullmatch=True)
MADE = st.builds(
    lambda origin, ts, entropy, tail: ClientOrderId(client_order_id(origin, ts, entropy) + tail),
    st.sampled_from(sorted(ORIGINS)),
    st.integers(0, 2**60),
    st.integers(0, 2**40 - 1),
    TAILS,
)


@given(MADE, st.sampled_from(["okx", "kraken", "gate", "binance", "coinbase"]))
def test_every_id_clx_makes_comes_back(order_id: ClientOrderId, exchange: str) -> None:
    spelling = spelling_of(exchange)
    assert spelling.ours(spelling.wire(order_id)) == order_id


@given(MADE)
def test_okx_gets_at_most_32_letters_and_digits(order_id: ClientOrderId) -> None:
    assert re.fullmatch(r"[A-Za-z0-9]{1,32}", spelling_of("okx").wire(order_id))


@given(MADE)
def test_kraken_gets_a_uuid(order_id: ClientOrderId) -> None:
    text = spelling_of("kraken").wire(order_id)
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text)


@given(st.uuids())
def test_uuids_of_others_are_left_alone_or_name_one_id(uuid: object) -> None:
    spelling = spelling_of("kraken")
    ours = spelling.ours(str(uuid))
    assert ours == str(uuid) or spelling.wire(ClientOrderId(ours)) == str(uuid)


@pytest.mark.parametrize(("exchange", "text"), [("kraken", "my-own-id"), ("okx", "clxtYZ-1")])
def test_id_that_cannot_be_written_is_refused_with_words(exchange: str, text: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(repr(text))):
        spelling_of(exchange).wire(ClientOrderId(text))
