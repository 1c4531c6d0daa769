"""Calls into compiled kernels without the dispatcher's look at every argument."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, TypeAlias

import numba
import numpy as np
import numpy.typing as npt
from numba import types
from numba.core import cgutils
from numba.extending import (
    NativeValue,
    intrinsic,
    make_attribute_wrapper,
    models,
    overload,
    register_model,
    unbox,
)

from core.engine.lent import Lent

Grid: TypeAlias = npt.NDArray[np.int64]


class Frame(types.Type):  # type: ignore[misc]  # numba is untyped
    """Bytes as a kernel of an `entry` is given them: `data`, a bare pointer, and `size`.

    numba's own bytes keep a counted buffer, whose making costs as much as reading a short frame;
    ours are held by the caller for as long as the call.
    """

    def __init__(self) -> None:
        super().__init__(name="Frame")


@register_model(Frame)
class _FrameModel(models.StructModel):  # type: ignore[misc]  # numba is untyped
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(
            manager, kind, [("data", types.CPointer(types.uint8)), ("size", types.int64)]
        )


make_attribute_wrapper(Frame, "data", "data")
make_attribute_wrapper(Frame, "size", "size")


@unbox(Frame)
def _unbox_frame(kind: Any, value: Any, on: Any) -> Any:
    """Take the address and length out of a bytes object; any other raises TypeError."""
    builder, python = on.builder, on.pyapi
    place = cgutils.alloca_once(builder, python.cstring)
    size = cgutils.alloca_once(builder, python.py_ssize_t)
    good = python.bytes_as_string_and_size(value, place, size)
    frame = cgutils.create_struct_proxy(kind)(on.context, builder)
    frame.data = builder.load(place)
    frame.size = builder.load(size)
    return NativeValue(frame._getvalue(), is_error=builder.not_(good))


@overload(len)
def _frame_length(value: Any) -> Callable[[Any], Any] | None:
    if not isinstance(value, Frame):
        return None

    def length(value: Any) -> Any:
        return value.size

    return length


def address(array: Grid) -> int:
    """Return where a C-ordered array lies; hold on to the array as long as the address is used."""
    # Five times as quick as the array's own `ctypes`.
    return ctypes.addressof(ctypes.c_char.from_buffer(array.data))


def view(place: int, rows: int, columns: int) -> Grid:
    """Return the C-ordered int64 array at an `address`, in kernels and elsewhere.

    A kernel takes a number ten times as quickly as an array, which it must look into and count.
    """
    whole = (ctypes.c_int64 * int(rows * columns)).from_address(int(place))
    return np.ctypeslib.as_array(whole).reshape(rows, columns)


@intrinsic
def _pointer(typing: Any, place: Any) -> Any:  # the signature is numba's
    """Give the compiled code a number as a pointer."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.inttoptr(values[0], context.get_value_type(signature.return_type))

    return types.CPointer(types.int64)(types.int64), generate


@overload(view)
def _compiled_view(place: Any, rows: Any, columns: Any) -> Callable[[Any, Any, Any], Any]:
    def view(place: Any, rows: Any, columns: Any) -> Any:
        return numba.carray(_pointer(place), (rows, columns))

    return view


def slide(array: Grid, to: int, at: int, count: int) -> None:
    """Move `count` numbers of a contiguous array from one place to another they may overlap."""
    array[to : to + count] = array[at : at + count].copy()


@intrinsic
def _memmove(typing: Any, array: Any, to: Any, at: Any, count: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, values[0]).data
        there, here = (builder.gep(data, [place]) for place in values[1:3])
        cgutils.raw_memmove(builder, there, here, values[3], 8)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64, types.int64), generate


@overload(slide)
def _compiled_slide(
    array: Any, to: Any, at: Any, count: Any
) -> Callable[[Any, Any, Any, Any], Any]:
    def slide(array: Any, to: Any, at: Any, count: Any) -> Any:
        _memmove(array, to, at, count)

    return slide


def entry(kernel: Any, *example: object, lent: bool = False) -> Callable[..., Any]:
    """Compile or load a numba kernel for the example's types and return its own entry.

    It saves some 100 ns a call and checks nothing: give it arguments of exactly the example's
    types, dtypes and memory layout, such as arrays the caller made itself. Bytes become a `Frame`,
    and where `lent` int64 arrays of two dimensions and any layout a `Lent`, which is checked. A
    numba type stands for itself.
    """
    if not hasattr(kernel, "overloads"):
        # numba is switched off (NUMBA_DISABLE_JIT), so this is plain Python.
        plain: Callable[..., Any] = kernel
        return plain
    wanted = tuple(_kind_of(value, lent=lent) for value in example)
    kernel.compile(wanted)
    compiled: Callable[..., Any] = kernel.overloads[wanted].entry_point
    return compiled


def _kind_of(value: object, *, lent: bool) -> Any:
    if isinstance(value, types.Type):
        return value
    if isinstance(value, bytes):
        return Frame()
    if lent and isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype == np.int64:
        return Lent()
    return numba.typeof(value)
