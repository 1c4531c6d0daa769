"""A hole in a venue's answer is an outage, a quiet time, or a time it never offered."""

from __future__ import annotations

from core.history.holes import Hole, holes_in
from core.model.stores import EmptyKind

STEP = 60


def times(*ranges: tuple[int, int]) -> list[int]:
    return [at * STEP for first, last in ranges for at in range(first, last)]


def kinds(opens: list[int], start: int, end: int, *, first: bool = False) -> list[EmptyKind]:
    return [h.kind for h in holes_in(opens, start * STEP, end * STEP, STEP, first=first)]


def test_answer_without_holes_has_none() -> None:
    assert holes_in(times((0, 100)), 0, 100 * STEP, STEP) == []


def test_long_hole_in_a_busy_market_is_an_outage() -> None:
    found = holes_in(times((0, 100), (110, 200)), 0, 200 * STEP, STEP)
    assert found == [Hole(100 * STEP, 110 * STEP, EmptyKind.OUTAGE)]


def test_short_hole_is_a_quiet_time() -> None:
    assert kinds(times((0, 100), (102, 200)), 0, 200) == [EmptyKind.NO_TRADE]


def test_same_hole_in_a_market_that_often_skips_is_a_quiet_time() -> None:
    sparse = [at * STEP for at in range(0, 100, 2)] + [at * STEP for at in range(110, 200, 2)]
    assert set(kinds(sparse, 0, 200)) == {EmptyKind.NO_TRADE}


def test_what_lies_before_the_first_bar_ever_was_not_offered() -> None:
    assert kinds(times((50, 100)), 0, 100, first=True) == [EmptyKind.NOT_OFFERED]
    assert kinds(times((50, 100)), 0, 100) == [EmptyKind.OUTAGE]


def test_empty_answer_before_anything_known_was_not_offered() -> None:
    assert kinds([], 0, 100, first=True) == [EmptyKind.NOT_OFFERED]
    assert kinds([], 0, 100) == [EmptyKind.OUTAGE]
    assert kinds([], 0, 2) == [EmptyKind.NO_TRADE]


def test_holes_at_both_ends_are_found() -> None:
    assert len(holes_in(times((10, 90)), 0, 100 * STEP, STEP)) == 2
