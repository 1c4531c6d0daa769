import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.model.errors import DataError
from store.blocks import checksum, decode, decode_into, encode

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
TABLES = hnp.arrays(
    np.int64,
    st.tuples(st.integers(1, 5), st.integers(1, 40)),
    elements=st.one_of(INT64, st.integers(-300, 300), st.just(7)),
)


@given(TABLES)
def test_any_int64_columns_come_back_exactly(table: np.ndarray) -> None:
    blob = encode(table)
    assert (decode(blob) == table).all()
    assert (decode(blob, columns=1) == table[:1]).all()


@pytest.mark.parametrize("scale", [1, 100, 40_000, 1 << 20, 1 << 40])
def test_columns_of_every_width_come_back_exactly(scale: int) -> None:
    rng = np.random.default_rng(3)
    steps = rng.integers(-scale, scale, (3, 500))
    table = np.stack((*np.cumsum(steps, axis=1), np.arange(500) * scale, steps[0] % (scale + 1)))
    assert (decode(encode(table)) == table).all()


def test_regular_times_and_constants_take_no_room() -> None:
    regular = np.stack((np.arange(100_000) * 60_000_000_000, np.full(100_000, 5)))
    assert len(encode(regular)) < 100


@given(TABLES, st.data())
def test_a_changed_byte_is_found_by_the_checksum(table: np.ndarray, data: st.DataObject) -> None:
    blob = bytearray(encode(table))
    kept = checksum((1, "1m"), bytes(blob))
    at = data.draw(st.integers(0, len(blob) - 1))
    blob[at] ^= data.draw(st.integers(1, 255))
    assert checksum((1, "1m"), bytes(blob)) != kept


def test_a_block_in_another_place_does_not_match_its_checksum() -> None:
    blob = encode(np.ones((1, 3), np.int64))
    assert checksum((1, "1m", 0), blob) != checksum((1, "1m", 86_400), blob)


@given(TABLES, st.data())
def test_a_truncated_block_never_decodes_to_something_else(
    table: np.ndarray, data: st.DataObject
) -> None:
    blob = encode(table)
    with contextlib.suppress(DataError):
        assert (decode(blob[: data.draw(st.integers(0, len(blob) - 1))]) == table).all()


def test_a_block_is_not_decoded_into_another_shape() -> None:
    blob = encode(np.ones((2, 3), np.int64))
    with pytest.raises(DataError, match="2 columns of 3 rows"):
        decode_into(blob, np.empty((2, 4), np.int64))
