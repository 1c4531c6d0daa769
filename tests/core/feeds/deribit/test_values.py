"""Numbers of Deribit's messages, read sixteen bytes at a step and one by one."""

from __future__ import annotations

import numba
import pytest

from core.feeds.binance.digits import text_of, two_others
from core.feeds.deribit.values import _any_number, past_object, past_scalar, read_number

WHOLE = ["0", "7", "07", "00", "12345678", "123456789", "123456789012345", "9" * 16, "", "-5", "-0"]
PARTS = ["", ".", ".0", ".5", ".00012345", ".12345678", ".123456789", ".1e5", ".5x", "e5"]
ENDS = [",", "}", "]", " ", '"']
TAILS = ["", '"a":1}}}', '"next":0.25,"more":12345678,"x":1}']


@numba.njit
def _read(data: bytes, at: int) -> tuple[int, int, int, int]:
    found: tuple[int, int, int, int] = read_number(text_of(data), len(data), at)
    return found


@numba.njit
def _slowly(data: bytes, at: int) -> tuple[int, int, int, int]:
    found: tuple[int, int, int, int] = _any_number(text_of(data), len(data), at)
    return found


@numba.njit
def _past(data: bytes, at: int) -> int:
    return int(past_scalar(text_of(data), len(data), at))


@numba.njit
def _past_object(data: bytes, at: int) -> int:
    return int(past_object(text_of(data), len(data), at))


@numba.njit
def _others(data: bytes, at: int) -> tuple[int, int]:
    found: tuple[int, int] = two_others(text_of(data), at)
    return found


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("sign", ["", "-", "--"])
def test_number_is_read_alike_at_any_length_and_place(sign: str, tail: str) -> None:
    quick = 0
    for whole in WHOLE:
        for part in PARTS:
            for end in ENDS:
                data = f'"k":{sign}{whole}{part}{end}{tail}'.encode()
                assert _read(data, 4) == _slowly(data, 4), data
                quick += _read(data, 4)[3] <= len(data)
    assert bool(quick) is (sign != "--")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("-0.27932", (1, 27932, 5)),
        ("0.00090385", (0, 90385, 8)),
        ("12345678.12345", (0, 1234567812345, 5)),
        ("-0.0", (1, 0, 1)),
        ("100.0", (0, 1000, 1)),
    ],
)
def test_number_is_its_digits_and_decimals(text: str, told: tuple[int, int, int]) -> None:
    for tail in TAILS:
        data = f"{text},{tail}".encode()
        assert _read(data, 0) == (*told, len(text))


@pytest.mark.parametrize("tail", TAILS)
def test_number_nobody_needs_is_passed_as_it_ends(tail: str) -> None:
    for sign in ("", "-"):
        for whole in ("0", "7", "1234567", "12345678901234", "123456789012345678901"):
            for part in ("", ".0", ".12345678", ".1234567890123456789"):
                text = sign + whole + part
                assert _past(f"{text},{tail}".encode(), 0) == len(text)
        for odd in ("", "07", "00.1", "1.", ".5", "-1"):
            data = f"{sign}{odd},{tail}".encode()
            if sign + odd != "-1":
                assert _past(data, 0) > len(data), data


def test_object_ends_with_its_brace_wherever_that_is() -> None:
    for length in range(40):
        inner = b"{" + b"x" * length
        for tail in (b"", b",", b"}" * 3, b'"state":"open","more":{}}'):
            data = inner + b"}" + tail
            assert _past_object(data, 0) == length + 2
        assert _past_object(inner, 0) > len(inner)
    # Bytes that differ from a brace in one bit are none, nor are those with the highest bit.
    assert _past_object(b"{|\xfd\x3d\x5d\x6d\x75\x79\x7f}..........", 0) == 10


def test_others_are_found_as_without_compiling() -> None:
    for text in (b"0123456789012345", b"/123456789:12345", b"12.5,6789\xb0\xff\x000000", b"a" * 16):
        data = b"." + text + b"."
        assert _others(data, 1) == two_others(data, 1)
    assert two_others(b"0123456789012345", 0) == (16, 17)
    assert two_others(b"12.5,67890123456", 0) == (2, 4)
