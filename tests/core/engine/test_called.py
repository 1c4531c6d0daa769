"""Kernels called with bare arguments."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import Any

import numba
import pytest

from core.engine.called import Decode, called
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


class Ways:
    """What decodes by a kernel, and notes which way a frame went."""

    def __init__(self, kernel: Any, *, ready: bool = True) -> None:
        self.quick = Decode(called(kernel, 2), -1, self.left, self.whole)
        self.quick.ready(ready=ready)
        self.decode = self.quick.call

    def left(self, *frame: Any) -> Any:
        return "left", frame

    def whole(self, *frame: Any) -> Any:
        if len(frame) != 5:
            raise TypeError("a frame has five parts")
        return "whole", frame


def test_a_frame_goes_to_the_kernel_and_what_it_leaves_to_the_other_way() -> None:
    decode = Ways(_echo).decode
    item, data = object(), bytes(bytearray(b"abc"))
    held_by = sys.getrefcount(item), sys.getrefcount(data)
    assert decode("recv", 1 << 62, item, "", data) == (item,)
    assert decode("recv", 2, item, "", data) == ()
    assert decode("recv", 3, item, "url", data) == ("left", ("recv", 3, item, "url", data))
    nones = sys.getrefcount(None)
    for _ in range(50):
        decode("recv", 3, item, "url", data)
    assert abs(sys.getrefcount(None) - nones) < 20
    assert (sys.getrefcount(item), sys.getrefcount(data)) == held_by


def test_other_frames_and_all_until_the_kernel_is_ready_go_the_whole_way() -> None:
    ways = Ways(_echo, ready=False)
    frame = "recv", 2, 1, "", b""
    assert ways.decode(*frame) == ("whole", frame)
    ways.quick.ready(ready=True)
    assert ways.decode(*frame) == ()
    for kind in ("http", "".join(["re", "cv"]), 7):
        assert ways.decode(kind, *frame[1:]) == ("whole", (kind, *frame[1:]))
    ways.quick.ready(ready=False)
    assert ways.decode(*frame) == ("whole", frame)
    with pytest.raises(TypeError, match="five"):
        ways.decode("recv", 2)


@pytest.mark.parametrize(
    ("conn", "data", "error"),
    [(2, "text", TypeError), ("2", b"", TypeError), (1 << 63, b"", OverflowError)],
)
def test_a_part_of_another_kind_raises(conn: Any, data: Any, error: type) -> None:
    with pytest.raises(error):
        Ways(_echo).decode("recv", conn, 1, "", data)


def test_what_any_way_raises_is_raised() -> None:
    @numba.njit
    def failing(frame: bytes, place: int, conn: int, recv: Any) -> Any:
        if conn == 7:
            raise ValueError("seven")
        return unmade()

    ways = Ways(failing)
    with pytest.raises(ValueError, match="seven"):
        ways.decode("recv", 7, 1, "", b"")
    assert ways.decode("recv", -1, 1, "", b"")[0] == "left"


def test_without_a_kernel_every_frame_goes_the_whole_way() -> None:
    def whole(*frame: Any) -> Any:
        return frame

    decode = Decode(lambda *frame: (), 0, whole, whole)
    decode.ready(ready=True)
    assert decode.call is whole


def test_what_decodes_is_let_go_of_with_its_kernel() -> None:
    ways = Ways(_echo)
    gone, decode = weakref.ref(ways), ways.decode
    del ways
    gc.collect()
    assert gone() is not None
    assert decode("recv", 2, 1, "", b"") == ()
    del decode
    gc.collect()
    assert gone() is None
