from __future__ import annotations

import numba
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.engine.compiled import entry
from core.feeds.binance.digits import text_of
from core.feeds.literals import literal, past, text_end

_HEAD = literal('"product_id":"')


def _passed(frame: bytes, at: int) -> tuple[int, int]:
    data, size = text_of(frame), len(frame)
    return past(data, size, at, _HEAD), text_end(data, size, at)


_PASS = numba.njit(_passed)


def passed(data: bytes, at: int) -> tuple[int, int]:
    found: tuple[int, int] = entry(_PASS, b"", 0)(data, at)
    return found


def test_a_literal_shorter_than_a_word_is_refused() -> None:
    with pytest.raises(ValueError, match="8 bytes or more"):
        literal("short")


@given(st.binary(max_size=40), st.integers(0, 41))
def test_texts_end_at_their_quote_unless_they_are_odd(data: bytes, at: int) -> None:
    size = len(data)
    found = passed(data, at)[1]
    end = data.find(b'"', at)
    odd = end < 0 or any(one < 32 or one > 127 or one == 92 for one in data[at:end])
    assert found == (size + 1 if odd or at > size else end)


@pytest.mark.parametrize("at", range(20))
def test_a_literal_is_passed_where_it_stands(at: int) -> None:
    data = b"x" * at + b'"product_id":"'
    assert passed(data, at)[0] == len(data)
    for wrong in range(at, len(data)):
        other = bytearray(data)
        other[wrong] ^= 1
        assert passed(bytes(other), at)[0] == len(data) + 1
    assert passed(data[:-1], at)[0] == len(data)
