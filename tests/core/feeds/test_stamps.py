from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.feeds.stamps import Stamps, rfc3339, whole_ns
from core.model.errors import DataError

TEN = 1_710_239_268_000_000_000


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2024-03-12T10:27:48Z", TEN),
        ("2024-03-12T10:27:48.8Z", TEN + 800_000_000),
        ("2024-03-12T10:27:48.858228144Z", TEN + 858_228_144),
        ("2024-03-12T06:27:48.000001-04:00", TEN + 1_000),
        ("2024-03-12T11:57:48+01:30", TEN),
        ("1970-01-01T00:00:00.000000001Z", 1),
    ],
)
def test_times_are_read_exactly(text, ns):
    assert Stamps().ns(text) == ns


@given(st.integers(0, 4_000_000_000 * 10**9))
def test_what_is_written_is_read_again(ns):
    stamps = Stamps()
    assert stamps.ns(rfc3339(ns)) == ns
    assert rfc3339(ns)[:19] == datetime.fromtimestamp(ns // 10**9, UTC).isoformat()[:19]


@pytest.mark.parametrize(
    "text",
    [
        "", "Z", "2024-03-12", "2024-03-12T10:27:48", "2024-03-12T10:27:48.Z",
        "2024-03-12T10:27:48.1234567890Z", "2024-13-12T10:27:48Z", "2024-03-12 10:27:48Z",
        "2024-03-12T10:27:48.12x4Z", "2024-03-12T10:27:48.٣Z", "2024-03-12T10:27:48.+1Z",
        "2024-03-12T10:27:48.1+0100", "1969-12-31T23:59:59Z", "2024-03-12T10:27:60Z",
        "2024-03-12T10:27:48.²Z", "2024-03-12T10:27:48,5Z",
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused(text):
    with pytest.raises(DataError, match="RFC 3339"):
        Stamps().ns(text)


def test_a_bad_time_does_not_spoil_the_next():
    stamps = Stamps()
    assert stamps.ns("2024-03-12T10:27:48Z") == TEN
    with pytest.raises(DataError):
        stamps.ns("2024-99-12T10:27:48Z")
    assert stamps.ns("2024-03-12T10:27:48Z") == TEN


def test_counts_of_the_wrong_unit_are_refused():
    assert whole_ns(1_710_239_268, 10**9, "t") == TEN
    for count, unit in ((1_710_239_268_000, 10**9), (-1, 10**6)):
        with pytest.raises(DataError, match="time after 1970"):
            whole_ns(count, unit, "t")
