from __future__ import annotations

import pytest

from clx.cli.data.times import show_time


@pytest.mark.parametrize(
    ("ts_ns", "text"),
    [
        (1_723_161_300_000_000_000, "2024-08-08 23:55"),
        (1_723_161_307_999_999_999, "2024-08-08 23:55:07"),
    ],
)
def test_time_has_its_second_where_it_has_one(ts_ns: int, text: str) -> None:
    assert show_time(ts_ns) == text
