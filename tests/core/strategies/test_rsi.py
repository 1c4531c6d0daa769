"""The built-in RSI strategy."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.model.errors import ConfigError
from core.model.market import Timeframe
from core.model.signals import Direction
from core.strategies.stage import Assignment, Stage


@pytest.fixture
def rsi(settings):
    def make(**more):
        return Stage(Assignment.of("rsi", settings("rsi", size="0.25", **more)))

    return make


def say(stage, message):
    answers = stage.handle(message)
    return [
        (a.direction, round(a.confidence, 4)) if hasattr(a, "direction") else a.size
        for a in answers
    ]


def test_defaults_are_the_documented_ones(rsi) -> None:
    info = rsi().info
    assert info.parameters == {
        "period": 14, "overbought": 70.0, "oversold": 30.0, "cooldown_ms": 100, "short": False,
    }  # fmt: skip
    assert info.indicators == ("rsi(14)",)
    assert info.warmup_bars == 15
    assert info.title == "RSI reversal"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (30.0, [(Direction.LONG, 0.0), Decimal("0.25")]),
        (24.0, [(Direction.LONG, 0.2), Decimal("0.25")]),
        (0.0, [(Direction.LONG, 1.0), Decimal("0.25")]),
        (30.1, []),
        (50.0, []),
        (69.9, []),
        (70.0, [(Direction.FLAT, 0.0), Decimal(0)]),
        (85.0, [(Direction.FLAT, 0.5), Decimal(0)]),
        (100.0, [(Direction.FLAT, 1.0), Decimal(0)]),
        (float("nan"), []),
    ],
)
def test_confidence_is_the_distance_beyond_the_threshold(rsi, bar, value, expected) -> None:
    assert say(rsi(), bar(1, {"rsi(14)": value})) == expected


def test_short_is_a_choice(rsi, bar) -> None:
    answers = say(rsi(parameters={"short": True}), bar(1, {"rsi(14)": 91.0}))
    assert answers == [(Direction.SHORT, 0.7), Decimal("-0.25")]


def test_thresholds_and_period_are_parameters(rsi, bar) -> None:
    stage = rsi(parameters={"period": 7, "oversold": 40, "overbought": 60})
    assert stage.info.indicators == ("rsi(7)",)
    assert say(stage, bar(1, {"rsi(7)": 36.0})) == [(Direction.LONG, 0.1), Decimal("0.25")]


def test_within_the_cooldown_it_is_silent_in_event_time(rsi, bar) -> None:
    stage = rsi(parameters={"cooldown_ms": 2000}, timeframe="1s")
    said = [
        bool(stage.handle(bar(place, {"rsi(14)": 20.0}, timeframe=Timeframe.S1)))
        for place in range(5)
    ]
    assert said == [True, False, True, False, True]


def test_a_revision_of_the_same_bar_is_within_the_default_cooldown(rsi, bar) -> None:
    stage = rsi()
    assert stage.handle(bar(1, {"rsi(14)": 20.0}))
    assert stage.handle(bar(1, {"rsi(14)": 19.0})) == []


def test_each_instrument_cools_down_on_its_own(rsi, bar) -> None:
    stage = rsi(instruments=("BTC-USDT.binance", "ETH-USDT.binance"))
    assert stage.handle(bar(1, {"rsi(14)": 20.0}))
    assert stage.handle(bar(1, {"rsi(14)": 20.0}, instrument="ETH-USDT.binance"))


def test_warmup_starts_no_cooldown(rsi, bar) -> None:
    stage = rsi(parameters={"cooldown_ms": 600_000})
    assert stage.handle(bar(1, {"rsi(14)": 20.0}, warmup=True)) == []
    assert stage.handle(bar(2, {"rsi(14)": 20.0}))


def test_a_misspelt_parameter_gets_the_nearest(rsi) -> None:
    with pytest.raises(
        ConfigError, match="has no parameter 'overbougt'; did you mean 'overbought'"
    ):
        rsi(parameters={"overbougt": 60})
