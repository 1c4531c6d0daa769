"""Client order ids on their way to OKX and back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.errors import ConfigError
from core.model.ids import ClientOrderId, client_order_id
from core.venues.okx.names import LONGEST, from_wire, to_wire

_LETTERS = "abcxyzABCXYZ0189-_"
_ANY = st.text(_LETTERS, min_size=1, max_size=LONGEST).map(ClientOrderId)


def test_an_id_of_ours_loses_its_dashes_and_gets_them_back():
    made = client_order_id("tui", 1_700_000_000_000_000_000, 77)
    assert to_wire(made) == made.replace("-", "")
    assert from_wire(to_wire(made)) == made


@given(_ANY)
def test_any_other_id_comes_back_and_fits_the_venue(name):
    wire = to_wire(name)
    assert re.fullmatch(r"[A-Za-z0-9]{1,32}", wire)
    assert from_wire(wire) == name


@given(_ANY, _ANY)
def test_two_ids_never_share_a_name(first, second):
    assert (to_wire(first) == to_wire(second)) == (first == second)


@pytest.mark.parametrize("name", ["-" * LONGEST, "z" * LONGEST, "clxt-01kv3c9q2m-0000000a-sl"])
def test_the_longest_ids_fit(name):
    assert len(to_wire(ClientOrderId(name))) <= 32
    assert from_wire(to_wire(ClientOrderId(name))) == name


@pytest.mark.parametrize("name", ["", "a" * (LONGEST + 1), "with space", "über"])
def test_what_cannot_be_spelled_there_is_refused(name):
    with pytest.raises(ConfigError, match="client order id"):
        to_wire(ClientOrderId(name))


@pytest.mark.parametrize("name", ["b15", "clxz", "clxz0", "clxq0000", "client_order_123"])
def test_names_of_others_stay_as_they_are(name):
    assert from_wire(name) == name
