"""Calls into compiled kernels without the dispatcher's look at every argument."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, TypeAlias

import numba
import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import intrinsic, overload

Grid: TypeAlias = npt.NDArray[np.int64]


def address(array: Grid) -> int:
    """Return where a C-ordered array lies; hold on to the array as long as the address is used."""
    where: int = array.ctypes.data
    return where


def view(place: int, rows: int, columns: int) -> Grid:
    """Return the C-ordered int64 array at an `address`, in kernels and elsewhere.

    A kernel takes a number ten times as quickly as an array, which it must look into and count.
    """
    whole = (ctypes.c_int64 * (rows * columns)).from_address(place)
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


def entry(kernel: Any, *example: object) -> Callable[..., Any]:
    """Compile or load a numba kernel for the example's types and return its own entry.

    It saves some 100 ns a call and checks nothing: give it arguments of exactly the example's
    types, dtypes and memory layout, such as arrays the caller made itself.
    """
    kernel(*example)
    overloads = getattr(kernel, "overloads", None)
    if not overloads:  # numba is switched off (NUMBA_DISABLE_JIT), so this is plain Python.
        plain: Callable[..., Any] = kernel
        return plain
    wanted = tuple(numba.typeof(value) for value in example)
    compiled: Callable[..., Any] = overloads[wanted].entry_point
    return compiled
