"""Kernels called with bare arguments."""

from __future__ import annotations

import gc
import sys
from typing import Any

import numba
import pytest

from core.engine.called import called
from core.engine.made import held, nothing, one, taken, unmade


@numba.njit
def _echo(frame: bytes, place: int, conn: int, recv: Any) -> Any:
    if len(frame) == 3 and frame.data[0] == 97 and place == -1 and conn == 1 << 62:  # type: ignore[attr-defined]  # a Frame
        return one(held(taken(recv)))
    return nothing() if conn == 2 else unmade()


@numba.njit
def _short(frame: bytes, place: int, recv: Any) -> Any:
    if place == 7:
        raise ValueError("seven")
    return one(held(taken(recv)))


def test_a_kernel_is_given_its_arguments_and_its_answer_is_owned_once() -> None:
    echo = called(_echo, 2)
    item = object()
    before = sys.getrefcount(item)
    told = echo(b"abc", -1, 1 << 62, item)
    assert told == (item,)
    assert sys.getrefcount(item) == before + 1
    del told
    assert sys.getrefcount(item) == before
    assert (echo(b"abc", 1, 2, item), echo(b"", 1, 3, item)) == ((), None)
    assert called(_short, 1)(b"", 1, item) == (item,)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ((b"abc", 1, 2), TypeError), ((b"abc", 1, 2, 3, 4), TypeError), ((), TypeError),
        (("abc", 1, 2, 3), TypeError), ((b"abc", "1", 2, 3), TypeError),
        ((b"abc", 1, None, 3), TypeError), ((b"abc", 1, 1 << 63, 3), OverflowError),
    ],
)  # fmt: skip
def test_an_argument_of_another_kind_raises(given: tuple[Any, ...], error: type) -> None:
    with pytest.raises(error):
        called(_echo, 2)(*given)


def test_what_a_kernel_raises_is_raised() -> None:
    with pytest.raises(ValueError, match="seven"):
        called(_short, 1)(b"", 7, None)


def test_a_kernel_lives_as_long_as_what_calls_it() -> None:
    def made() -> Any:
        @numba.njit
        def kernel(frame: bytes, place: int, recv: Any) -> Any:
            return one(held(taken(recv)))

        return called(kernel, 1)

    call = made()
    gc.collect()
    assert call(b"", 1, "x") == ("x",)
