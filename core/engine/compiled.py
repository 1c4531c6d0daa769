"""Calls into compiled kernels without the dispatcher's look at every argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


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
    import numba

    wanted = tuple(numba.typeof(value) for value in example)
    compiled: Callable[..., Any] = overloads[wanted].entry_point
    return compiled
