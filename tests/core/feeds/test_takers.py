from __future__ import annotations

import pytest

from core.feeds.takers import TakerGuess


@pytest.mark.parametrize(
    ("price", "sold"),
    [(99, True), (100, True), (101, True), (103, False), (104, False), (105, False)],
)
def test_the_nearer_side_of_the_quote_decides(price, sold):
    guess = TakerGuess()
    guess.quote(100, 104)
    assert guess.sold(price) is sold


def test_in_the_middle_the_last_change_of_price_decides():
    guess = TakerGuess()
    guess.quote(100, 104)
    assert guess.sold(103) is False
    assert guess.sold(102) is True
    assert guess.sold(102) is True
    guess.quote(98, 106)
    assert guess.sold(102) is True


def test_without_a_quote_prices_alone_decide():
    guess = TakerGuess()
    assert [guess.sold(price) for price in (10, 11, 11, 9, 9, 10)] == [
        False, False, False, True, True, False,
    ]  # fmt: skip


def test_a_crossed_or_one_sided_quote_decides_nothing_it_does_not_know():
    guess = TakerGuess()
    guess.quote(105, 100)
    assert guess.sold(103) is False
    guess.quote(0, 104)
    assert (guess.sold(104), guess.sold(100)) == (False, True)
    guess.quote(100, 0)
    assert (guess.sold(100), guess.sold(101)) == (True, False)
