"""Clocks that are compared over lines that take their time."""

import pytest

from core.venues.offset import ClockOffset

MS = 1_000_000
NOON = 1_700_000_000_000


def sampled(*samples: tuple[int, int, int]) -> ClockOffset:
    """Take samples of when it was asked, what the venue said and when that came, from noon."""
    offset = ClockOffset()
    for asked, there, answered in samples:
        offset.take((NOON + asked) * MS, NOON + there, (NOON + answered) * MS)
    return offset


def test_nothing_is_assumed_before_it_was_asked() -> None:
    assert (ClockOffset().ms, ClockOffset().surely_ms) == (0, 0)


@pytest.mark.parametrize(("there", "surely"), [(1_405, 1_395), (-1_395, -1_395), (4, 0)])
def test_a_quick_answer_says_how_far_they_are_apart(there: int, surely: int) -> None:
    offset = sampled((0, there, 10))
    assert (offset.ms, offset.surely_ms) == (there - 5, surely)


def test_an_answer_that_was_long_on_its_way_proves_no_skew() -> None:
    offset = sampled((0, 5_900, 6_000))
    assert (offset.ms, offset.surely_ms) == (2_900, 0)


def test_a_quick_answer_takes_the_place_of_a_slow_one() -> None:
    assert sampled((0, 5_900, 6_000), (7_000, 7_003, 7_006)).ms == 0


def test_a_slow_answer_that_agrees_with_a_quick_one_changes_nothing() -> None:
    assert sampled((0, 203, 6), (1_000, 7_100, 7_000)).ms == 200


def test_once_the_venue_refused_a_time_the_next_answer_is_believed() -> None:
    offset = sampled((0, 203, 6))
    offset.doubt()
    assert (offset.ms, offset.surely_ms) == (200, 197)
    offset.take((NOON + 1_000) * MS, NOON + 4_500, (NOON + 7_000) * MS)
    assert offset.ms == 500


def test_a_slow_answer_that_contradicts_a_quick_one_is_believed() -> None:
    offset = sampled((0, 3, 6), (1_000, 5_000, 2_000))
    assert (offset.ms, offset.surely_ms) == (3_500, 3_000)
