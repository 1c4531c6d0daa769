"""Ids a stream left out."""

from hypothesis import given
from hypothesis import strategies as st

from core.engine.missing import MOST, MissingIds


def test_each_id_left_out_is_taken_once() -> None:
    missing = MissingIds()
    missing.add(5, 7)
    missing.add(20, 20)
    assert [n for n in range(30) if missing.take(n)] == [5, 6, 7, 20]
    assert not missing
    assert not missing.take(6)


def test_joined_ids_are_taken_together() -> None:
    missing = MissingIds()
    missing.add(5, 9)
    missing.add(12, 14)
    assert missing.take(13, 8) == 4
    assert [n for n in range(20) if missing.take(n)] == [5, 6, 7, 14]


def test_oldest_ranges_give_way() -> None:
    missing = MissingIds()
    for number in range(MOST + 1):
        missing.add(number * 10, number * 10 + 1)
    assert not missing.take(0)
    assert missing.take(10)


@given(st.sets(st.integers(1, 60)), st.lists(st.integers(0, 61)))
def test_agrees_with_a_set(gone: set[int], asked: list[int]) -> None:
    missing, left = MissingIds(), set(gone)
    for number in sorted(gone):
        missing.add(number, number)
    for number in asked:
        assert missing.take(number) == (number in left)
        left.discard(number)
    assert bool(missing) is bool(left)
