from __future__ import annotations

from decimal import Decimal

import pytest

from core.feeds.steps import OffStep, Steps
from core.model.errors import DataError

LARGEST = (1 << 63) - 1


def steps(*, rounding: bool = False) -> Steps:
    made = Steps(Decimal("0.1"), "size", "AAA")
    made.rounding = rounding
    return made


@pytest.mark.parametrize(("text", "count"), [("1.0", 10), ("0", 0), ("2e1", 200), ("0.10", 1)])
def test_texts_are_whole_steps_exactly(text: str, count: int) -> None:
    assert steps()[text] == count
    assert steps().nearest(text) == count


@pytest.mark.parametrize(("text", "count"), [("1.04", 10), ("1.06", 11), ("0.01", 1)])
def test_what_is_finer_is_refused_or_becomes_the_nearest_and_never_nothing(
    text: str, count: int
) -> None:
    with pytest.raises(OffStep):
        steps()[text]
    assert steps().nearest(text) == count
    rounding = steps(rounding=True)
    assert (rounding[text], rounding[text], rounding.rounded) == (count, count, 1)


def test_largest_that_fits_is_read_and_the_next_is_refused() -> None:
    largest = str(Decimal(LARGEST) / 10)
    assert steps()[largest] == LARGEST
    with pytest.raises(DataError, match="AAA size is beyond 64 bits"):
        steps()[str(Decimal(LARGEST + 1) / 10)]


@pytest.mark.parametrize("text", ["1000000000000000000.01", "9" * 25 + ".00001"])
def test_what_is_finer_and_too_large_is_refused_too(text: str) -> None:
    for read in (steps().nearest, steps(rounding=True).__getitem__):
        with pytest.raises(DataError, match="AAA size is beyond 64 bits"):
            read(text)


@pytest.mark.parametrize("text", ["", "-1", "NaN", "1e400", "0x10", "1 ", "٣", "1." * 9])
def test_what_is_no_plain_number_is_refused(text: str) -> None:
    for read in (steps().__getitem__, steps().nearest):
        with pytest.raises(DataError, match="must be a decimal number"):
            read(text)
