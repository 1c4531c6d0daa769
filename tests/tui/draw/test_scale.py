"""Scales stay while they serve, and their steps are round."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.draw.chart.scale import Scale, fit_scale, nice_step, nice_top, time_step_s


def test_a_scale_is_kept_while_the_data_fits_and_fills_it():
    scale = fit_scale(None, 100, 200)
    assert fit_scale(scale, 120, 203) is scale
    assert fit_scale(scale, 120, 240) is not scale
    assert fit_scale(scale, 150, 160) is not scale


@given(st.integers(1, 10**12), st.integers(0, 10**9))
def test_every_scale_holds_its_data_with_room(low, span):
    scale = fit_scale(None, low, low + span)
    assert scale.low < low
    assert low + span < scale.high
    assert 0 <= scale.part(low, 40) <= 39
    assert scale.part(low + span, 40) <= scale.part(low, 40)


def test_values_outside_are_clipped_to_the_edge_rows():
    scale = Scale(0.0, 100.0)
    assert scale.part(1e9, 10) == 0
    assert scale.part(-1e9, 10) == 9
    assert scale.value(0, 10) == pytest.approx(95.0)


@given(st.floats(1e-6, 1e9), st.integers(1, 40))
def test_steps_are_few_and_round(span, most):
    step = nice_step(span, most)
    assert span / step <= most * (1 + 1e-6)
    mantissa = float(f"{step:e}".split("e")[0])
    assert mantissa in (1.0, 2.0, 2.5, 5.0)


def test_no_step_is_below_the_smallest_that_means_anything():
    assert nice_step(0.03, 10, 0.01) == pytest.approx(0.01)
    # A quarter of a tick would need a decimal the price has not.
    assert nice_step(0.22, 10, 0.01) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (1, 1), (3, 5), (10, 10), (11, 20), (501, 1000)]
)
def test_full_lengths_are_round(value, top):
    assert nice_top(value) == top


def test_times_step_by_what_clocks_show():
    assert time_step_s(60, 14) == 900
    assert time_step_s(1, 14) == 15
    assert time_step_s(86_400, 15) == 2_592_000
