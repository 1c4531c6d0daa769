import pytest

from core.model.errors import ConfigError
from core.wire.limits import WeightLimiter


def test_budget_is_spent_then_waits_for_the_next_window(clock):
    limiter = WeightLimiter(clock=clock, capacity=100)
    assert limiter.delay_s(100) == 0.0
    limiter.spend(100)
    wait = limiter.delay_s(1)
    assert 0 < wait <= 60
    clock.advance(wait)
    assert limiter.delay_s(1) == 0.0
    assert limiter.used == 0


def test_reserve_is_left_to_urgent_requests(clock):
    limiter = WeightLimiter(clock=clock, capacity=100, reserve=20)
    limiter.spend(80)
    assert limiter.delay_s(1) > 0
    assert limiter.delay_s(20, urgent=True) == 0.0
    limiter.spend(20)
    assert limiter.delay_s(1, urgent=True) > 0


def test_the_venues_higher_count_wins_and_a_lower_one_does_not(clock):
    limiter = WeightLimiter(clock=clock, capacity=100)
    limiter.spend(10)
    limiter.observe(95)
    limiter.observe(3)
    assert limiter.used == 95
    assert limiter.delay_s(6) > 0


def test_a_block_stops_urgent_requests_too_and_is_never_shortened(clock):
    limiter = WeightLimiter(clock=clock, capacity=100)
    limiter.block(30)
    limiter.block(5)
    clock.advance(20)
    assert limiter.delay_s(1, urgent=True) == pytest.approx(10)
    clock.advance(10)
    assert limiter.delay_s(1) == 0.0


def test_reserve_as_large_as_the_capacity_is_refused(clock):
    with pytest.raises(ConfigError, match="was reserve=100"):
        WeightLimiter(clock=clock, capacity=100, reserve=100)
