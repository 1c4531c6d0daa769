"""Numbers keep their width and their sense."""

import math
from decimal import Decimal

import pytest

from tui.draw import numbers
from tui.draw.glyphs import ASCII, BLOCK


def test_prices_and_sizes_have_the_steps_decimals(make):
    btc, doge = make.instrument(), make.instrument("DOGE-USDT", "0.00001", "1")
    assert numbers.price(btc, 6_421_850) == "64,218.50"
    assert numbers.price(doge, 10_421) == "0.10421"
    assert numbers.size_decimals(btc, 6_421_850) == 4
    assert numbers.size_decimals(doge, 10_421) == 0
    assert numbers.size(btc, 41_200, 4) == "0.4120"


@pytest.mark.parametrize(
    ("value", "text"),
    [("0.5", "0.500"), ("0.12345", "0.12345"), ("12", "12"), ("1204.5000", "1,204.500")],
)
def test_amounts_are_trimmed_but_not_too_much(value, text):
    assert numbers.trimmed(Decimal(value)) == text


def test_numbers_line_up_on_their_point_and_words_stay():
    assert numbers.aligned(["1,204.50", "0.5", "12", "market", "-"]) == [
        "1,204.50", "0.5 ", "12   ", "market", "-",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("tick", "value", "text"),
    [
        ("0.000000001", "87813.46", "87,813.460"),
        ("0.01", "87813.46", "87,813.46"),
        ("1", "87813", "87,813"),
        ("0.000000001", "123456789", "123,456,789.00"),
        ("0.00001", "0.40365", "0.40365"),
        ("0.00000001", "0.00001234", "0.00001234"),
    ],
)
def test_prices_of_a_list_are_no_longer_than_they_are_worth(make, tick, value, text):
    assert numbers.glance(make.instrument("BTC-USD", tick, "1"), Decimal(value)) == text


@pytest.mark.parametrize(
    ("value", "text"), [("12.346", "+12.35"), ("-3", "-3.00"), ("0", "0.00"), ("-0.001", "0.00")]
)
def test_a_sign_is_shown_unless_nothing_is_left(value, text):
    assert numbers.signed(Decimal(value)) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (-5, "0 ms"), (38, "38 ms"), (999, "999 ms"), (1_250, "1.2 s"), (9_999, "9.9 s"),
        (14_000, "14 s"), (180_000, "3 min"), (7_200_000, "2 h"), (4 * 86_400_000, "4 d"),
    ],
)  # fmt: skip
def test_ages_are_short(ms, text):
    assert numbers.age(ms) == text


@pytest.mark.parametrize("value", [0, 0.5, 12.34, 812, 9_999.6, 35_120, 2.04e6, 9.996e9, 7e14])
def test_quantities_never_take_more_than_six_cells(value):
    assert len(numbers.short(value)) <= 6
    assert len(numbers.short(-value)) <= 7


def test_what_is_no_number_is_a_dash():
    assert numbers.short(math.nan) == numbers.percent(math.inf) == numbers.NOTHING
    assert numbers.clock(0) == numbers.NOTHING
    assert numbers.amount(None) == numbers.NOTHING


def test_bars_fill_from_the_left_and_never_overflow():
    assert numbers.bar(0.5, 4, BLOCK.bars) == "██  "
    assert numbers.bar(7.0, 4, BLOCK.bars) == "████"
    assert numbers.bar(0.0001, 4, BLOCK.bars) == "▏   "
    assert numbers.bar(0.0, 4, ASCII.bars) == "    "
    assert numbers.bar(math.nan, 2, BLOCK.bars) == "  "


def test_a_sparkline_spans_its_own_extremes():
    assert numbers.sparkline([1.0, 2.0, 3.0], 4, BLOCK.columns) == " ▁▅█"
    assert len(numbers.sparkline([5.0] * 20, 8, BLOCK.columns)) == 8
    assert numbers.sparkline([], 3, BLOCK.columns) == "   "
