"""Executors as they are typed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from fake_market import instruments
from msgspec.structs import replace

from core.model.errors import ConfigError
from tui.plans import PlanText, cost_words, plan_words, read, span

NOON = 1_800_014_400_000_000_000
TWAP = PlanText(size="2", orders="10", minutes="30")
SCALED = PlanText(kind="scaled", size="2", orders="5", first="64000", last="62000")


@pytest.fixture
def coin() -> Any:
    return instruments()[0]


def test_a_twap_says_its_parts_their_pause_and_its_end(coin: Any) -> None:
    plan = read(TWAP, coin)
    assert (plan.seconds, plan.price, plan.last_price) == (1800, None, None)
    words = plan_words(plan, coin, NOON)
    assert words.startswith("10 orders of 0.2")
    assert "at market, one every 3 min 20 s, the last at 12:30:00 UTC" in words
    assert cost_words(plan, coin, Decimal(64000)) == "= 128,000.00 USDT"
    assert "at 64,500 or better" in plan_words(read(replace(TWAP, worst="64500"), coin), coin, 0)


def test_a_scaled_entry_says_how_far_apart_its_orders_lie(coin: Any) -> None:
    plan = read(replace(SCALED, only="post"), coin)
    assert plan.post_only
    assert plan.seconds == 0
    assert "500.00 USDT apart, all at once" in plan_words(plan, coin, NOON)
    third = read(replace(SCALED, orders="4"), coin)
    assert "666.67 USDT apart" in plan_words(third, coin, NOON)
    assert cost_words(plan, coin, None) == "= 126,000.00 USDT"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (replace(TWAP, size="two"), "size must be a number"),
        (replace(TWAP, orders="1"), "orders: a whole number from 2 to 500, was '1'"),
        (replace(TWAP, minutes="10081"), "minutes: at most 10080"),
        (replace(TWAP, only="post"), "parts of a TWAP trade at once"),
        (replace(TWAP, worst="64000.001"), "tick"),
        (replace(SCALED, last=""), "to is empty"),
    ],
)
def test_what_cannot_be_read_names_its_field(coin: Any, text: PlanText, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read(text, coin)


def test_spans_are_said_in_the_unit_that_fits() -> None:
    assert [span(s) for s in (0.5, 4, 45, 200, 180, 3900, 7200)] == [
        "0.5 s", "4 s", "45 s", "3 min 20 s", "3 min", "1 h 5 min", "2 h",
    ]  # fmt: skip
