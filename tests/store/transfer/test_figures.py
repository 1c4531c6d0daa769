from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.transfer.figures import FloatFigures, OffStep, figure, in_steps, iso, texts, time_ns

STEPS = st.sampled_from([Decimal(text) for text in ("1", "10", "0.01", "0.05", "0.25", "1e-8")])


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=9, min_value=-(10**12), max_value=10**12
    )
)
def test_any_decimal_is_read_exactly(value: Decimal) -> None:
    for text in (str(value), format(value, "f"), f" {value:f}\n", format(value, "e")):
        digits, places = figure(text)
        assert Decimal(digits).scaleb(-places) == value


@pytest.mark.parametrize("text", ["", "x", "1,5", "--1", "1.2.3", "nan", "inf", "٣", "0x1", "1_0"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a"):
        figure(text)
    with pytest.raises(ValueError, match="must be a"):
        FloatFigures()(text)


def test_more_decimals_than_are_kept_are_refused_but_noise_of_floats_is_rounded() -> None:
    with pytest.raises(ValueError, match="at most 18 decimals"):
        figure("0.1234567890123456789")
    floats = FloatFigures()
    assert floats("0.30000000000000004") == (3, 1)
    assert floats("1e-05") == (1, 5)
    assert floats("42283.58") == (4228358, 2)
    assert floats.rounded == 1


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1), STEPS)
def test_counts_of_a_step_are_written_and_read_back(counts: list[int], step: Decimal) -> None:
    written = texts(np.array(counts, np.int64), step)
    assert [Decimal(text) for text in written] == [count * step for count in counts]
    found, _ = in_steps([figure(text) for text in written], step)
    assert found.tolist() == counts
    coarse, power = in_steps([figure(text) for text in written], None)
    assert [count * power for count in coarse.tolist()] == [count * step for count in counts]
    assert power == 1 or any(count % 10 for count in coarse.tolist())


def test_a_figure_between_steps_is_named() -> None:
    with pytest.raises(OffStep) as error:
        in_steps([figure("1.00"), figure("1.02"), figure("1.03")], Decimal("0.02"))
    assert error.value.index == 2
    with pytest.raises(OverflowError):
        in_steps([figure("99999999999"), figure("0.0000000001")], None)


@given(st.integers(10**18, 4 * 10**18))
def test_times_are_written_and_read_back(ts_ns: int) -> None:
    assert time_ns(iso(ts_ns)) == ts_ns
    assert time_ns(str(ts_ns)) == ts_ns
    assert time_ns(str(ts_ns // 10**6)) == ts_ns // 10**6 * 10**6


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-01", 1_704_067_200_000_000_000),
        ("2024-01-01T00:00", 1_704_067_200_000_000_000),
        ("2024-01-01 01:00:00+01:00", 1_704_067_200_000_000_000),
        ("2023-12-31T19:00:00-0500", 1_704_067_200_000_000_000),
        ("2024-01-01 00:00:00.5 UTC", 1_704_067_200_500_000_000),
        ("1704067200", 1_704_067_200_000_000_000),
        ("1704067200000", 1_704_067_200_000_000_000),
        ("1704067200000000", 1_704_067_200_000_000_000),
    ],
)
def test_times_are_read_in_the_ways_people_write_them(text: str, expected: int) -> None:
    assert time_ns(text) == expected


@pytest.mark.parametrize(
    "text", ["", "11/5/2019 9:30", "2024-13-01", "soon", "1.5", "-5", "9" * 30]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the words are those of datetime at times
        time_ns(text)
