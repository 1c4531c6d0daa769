"""What the scanner reads of a value is what the slower parser's own conversions say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache

import numba
import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from core.engine.compiled import address, entry, view
from core.feeds.binance.digits import text_of
from core.feeds.coinbase.values import MOMENT, read_decimal, read_moment, read_steps
from core.feeds.stamps import Stamps
from core.feeds.steps import Steps
from core.model.errors import DataError


def _read(frame: bytes, place: int, places: int, unit: int) -> tuple[int, int, int, int, int]:
    """Return time and its end, steps and their end, end of a decimal, all from a place on."""
    data, size = text_of(frame), len(frame)
    last = view(place, 1, MOMENT)[0]
    moment, moment_end = read_moment(data, size, 1, last)
    steps, steps_end = read_steps(data, size, 0, places, unit)
    return moment, moment_end, steps, steps_end, read_decimal(data, size, 1)[2]


_READ = numba.njit(_read)


@cache
def compiled() -> Callable[..., tuple[int, int, int, int, int]]:
    """Return the kernel's own entry."""
    made: Callable[..., tuple[int, int, int, int, int]] = entry(_READ, b"", 0, 0, 0)
    return made


MEMORY = np.zeros((1, MOMENT), np.int64)


def read(text: str, places: int = 2, unit: int = 1) -> tuple[int, int, int, int, int]:
    data = f'"{text}",         "'.encode()
    found: tuple[int, int, int, int, int] = compiled()(data, address(MEMORY), places, unit)
    return found


def slowly(text: str) -> int | None:
    try:
        return Stamps().ns(text)
    except DataError:
        return None


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31)),  # noqa: DTZ001  spelt as UTC
    st.text("0123456789", max_size=10),
)
@example(datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC), "1")
@example(datetime(2100, 2, 28, tzinfo=UTC), "")
def test_a_moment_is_the_one_the_text_says(moment: datetime, places: str) -> None:
    text = f"{moment:%Y-%m-%dT%H:%M:%S}{'.' if places else ''}{places}Z"
    ns, end, *_ = read(text)
    if len(places) < 10:
        assert (ns, end) == (slowly(text), len(text) + 2)
    else:
        assert end > len(text) + 2


@given(st.data())
def test_a_moment_that_is_none_is_left_alone(data: st.DataObject) -> None:
    text = list("2026-08-09T21:05:48.170326Z")
    for _ in range(data.draw(st.integers(1, 2))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(
            st.sampled_from("0123456789-:TZ. ")
        )
    spelt = "".join(text)
    ns, end, *_ = read(spelt)
    if end == len(spelt) + 2:
        assert ns == slowly(spelt)


@given(
    st.from_regex(r"[0-9]{1,20}(\.[0-9]{0,20})?", fullmatch=True),
    st.sampled_from([("0.01", 2, 1), ("1E-8", 8, 1), ("0.05", 2, 5), ("5", 0, 5), ("10", 0, 10)]),
)
def test_steps_are_exact_or_not_told(text: str, step: tuple[str, int, int]) -> None:
    *_, steps, end, _ = read(text, step[1], step[2])
    if end == len(text) + 2 and steps >= 0:
        assert steps == Steps(Decimal(step[0]), "price", "X")[text]
    elif len(text) < 11 and "." not in text:
        assert int(text) % Decimal(step[0])


def test_a_decimal_has_digits_on_both_sides_of_its_point() -> None:
    ends = {text: read(text)[4] for text in ("1", "0.10", "1.", ".5", "", "1.2.3", "-1", "1" * 19)}
    fail = {text for text, end in ends.items() if end != len(text) + 1}
    assert fail == {"1.", ".5", "", "1.2.3", "-1", "1" * 19}
