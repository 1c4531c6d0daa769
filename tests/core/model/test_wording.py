"""One of a thing is not many."""

from decimal import Decimal

import pytest

from core.model.wording import counted, gain


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 orders"), (1, "1 order"), (2, "2 orders"), (1200, "1,200 orders")]
)
def test_a_noun_follows_its_number(number, words):
    assert counted(number, "order") == words


def test_some_have_a_plural_of_their_own():
    assert counted(1, "query", "queries") == "1 query"
    assert counted(3, "query", "queries") == "3 queries"


@pytest.mark.parametrize(
    ("value", "asset", "words"),
    [
        ("-3.2665", "USDT", "-3.27"),
        ("0.004", "USDT", "0.00"),
        ("12", "", "+12.00"),
        ("-0.000006695842889084", "BTC", "-0.0000067 BTC"),
        ("0.00000368", "BTC", "+0.00000368 BTC"),
        ("-0.000000001", "BTC", "0.00 BTC"),
        ("1234.5678", "SOL", "+1,234.57 SOL"),
        ("2.5", "ETH", "+2.50 ETH"),
    ],
)
def test_a_gain_has_the_places_and_the_asset_it_needs(value, asset, words):
    assert gain(Decimal(value), asset) == words
