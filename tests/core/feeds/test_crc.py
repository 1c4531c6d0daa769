from __future__ import annotations

from zlib import crc32

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.feeds.crc import FULL, MOST, before, moved_on, slot, summed, tables

parts = st.lists(st.binary(min_size=1, max_size=3 * MOST), max_size=12)


def row(text: bytes) -> np.ndarray:
    return np.frombuffer(text, np.uint8).astype(np.int64)


@given(parts)
def test_sums_of_parts_join_to_the_sum_of_the_whole(texts: list[bytes]) -> None:
    on, register = tables(), FULL
    for text in texts:
        register = int(moved_on(register, len(text), on)) ^ int(summed(row(text), len(text), on))
    assert register ^ FULL == crc32(b"".join(texts))


@given(st.binary(max_size=40))
def test_a_first_byte_that_does_not_count_is_begun_before(text: bytes) -> None:
    on, whole = tables(), b":" + text
    register = int(moved_on(before(b":"), len(whole), on)) ^ int(summed(row(whole), len(whole), on))
    assert register ^ FULL == crc32(text)


def test_prices_side_by_side_are_remembered_apart() -> None:
    places = {int(slot(ticks)) for ticks in range(618_000, 618_050)}
    assert len(places) == 50
    assert all(0 <= place < 256 for place in places)


@given(st.integers(0, FULL), st.integers(0, 4 * 48 * MOST))
def test_register_is_moved_on_by_any_count_of_zeros(register: int, count: int) -> None:
    assert int(moved_on(register, count, tables())) == crc32(bytes(count), register ^ FULL) ^ FULL
