from __future__ import annotations

from zlib import crc32

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.feeds.crc import (
    FULL,
    MOST,
    before,
    by_bits,
    has_instruction,
    power,
    product,
    reduced,
    slot,
    summed,
    tables,
)

parts = st.lists(st.binary(min_size=1, max_size=90), max_size=12)
registers = st.integers(0, FULL)


@numba.njit
def compiled(one: np.uint64, other: np.uint64) -> np.uint64:
    """Multiply as kernels do."""
    return product(one, other)


@numba.njit
def by_loop(one: np.uint64, other: np.uint64) -> np.uint64:
    """Multiply as kernels do where the processor has no instruction for it."""
    return by_bits(one, other)


WAYS = [compiled, by_loop, product]


def row(text: bytes) -> np.ndarray:
    return np.frombuffer(text, np.uint8).astype(np.int64)


def moved(register: int, count: int) -> int:
    """Return a product of which `reduced` makes the register after so many zero bytes."""
    return int(compiled(np.uint64(register), power(count, tables())))


def joined(first: int, texts: list[bytes]) -> int:
    on, behind, products = tables(), 0, 0
    for text in reversed(texts):
        products ^= moved(int(summed(row(text), len(text), on)), behind)
        behind += len(text)
    return int(reduced(np.uint64(products ^ moved(first, behind)), on)) ^ FULL


@given(parts)
def test_sums_of_parts_join_to_the_sum_of_the_whole(texts: list[bytes]) -> None:
    assert joined(FULL, texts) == crc32(b"".join(texts))


@given(st.binary(max_size=40))
def test_a_first_byte_that_does_not_count_is_begun_before(text: bytes) -> None:
    assert joined(before(b":"), [b":" + text]) == crc32(text)


def test_prices_side_by_side_are_remembered_apart() -> None:
    places = {int(slot(ticks)) for ticks in range(618_000, 618_050)}
    assert len(places) == 50
    assert all(0 <= place < 256 for place in places)


@given(registers, st.integers(0, MOST))
def test_register_is_moved_on_by_any_count_of_zeros(register: int, count: int) -> None:
    found = int(reduced(np.uint64(moved(register, count)), tables()))
    assert found == crc32(bytes(count), register ^ FULL) ^ FULL


@given(registers, registers)
def test_registers_are_multiplied_alike_on_any_processor(one: int, other: int) -> None:
    wanted = 0
    for bit in range(32):
        wanted ^= (one << bit) * (other >> bit & 1)
    assert [int(way(np.uint64(one), np.uint64(other))) for way in WAYS] == [wanted] * len(WAYS)


@pytest.mark.parametrize(
    ("features", "known"),
    [("+sse2,+pclmul,-avx", True), ("+sse2,-pclmul", False), ("", False), ("+vpclmulqdq", False)],
)
def test_the_instruction_is_used_where_the_processor_says_it_has_it(
    features: str, known: bool
) -> None:
    assert has_instruction(features) is known
