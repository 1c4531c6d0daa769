"""Decimals and doubles that compiled kernels make of digits, and the event made of doubles.

See `core.engine.stated` for values that are looked up by their texts, and for other events.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.codegen import ll
from numba.extending import intrinsic

from core.engine.compiled import Grid, address
from core.engine.made import _POINTER, _WORD, Object, _called, _held, _integer, ir
from core.engine.stated import _named
from core.model.market import OptionGreeks

PLACES: Final = 32
"""Most decimals of a `decimal`, and one."""

TENTHS: Final = tuple(Decimal(1).scaleb(-places) for places in range(PLACES))
"""``-197 * TENTHS[5]`` is Decimal("-0.00197"), spelt as -0.00197 was."""

_GREEKS: Final = OptionGreeks.__struct_fields__
_KIND, _NAMES, _TENTHS = range(3)
_TABLE: Final[Grid] = np.array([[id(OptionGreeks), id(_GREEKS), *map(id, TENTHS)]], np.int64)
_SYMBOL: Final = "clx_values"
"""What compiled code, also out of the cache, calls that table."""

ll.add_symbol(_SYMBOL, address(_TABLE))


@intrinsic
def _word_of_table(typing: Any, index: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        table = context.get_c_value(builder, cgutils.int8_t, _SYMBOL)
        words = builder.bitcast(table, _WORD.as_pointer())
        return builder.load(builder.gep(words, [values[0]]))

    return types.int64(types.int64), generate


@intrinsic
def _double(typing: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        made = _called(builder, "PyFloat_FromDouble", _POINTER, values[0])
        return builder.ptrtoint(made, _WORD)

    return types.int64(types.float64), generate


@intrinsic
def _product(typing: Any, one: Any, other: Any) -> Any:
    """Multiply an object that someone else keeps by one of the kernel's own, which is given up."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        out = cgutils.alloca_once_value(builder, _WORD(0))
        one, other = (builder.inttoptr(value, _POINTER) for value in values)
        with builder.if_then(cgutils.is_not_null(builder, other), likely=True):
            made = _called(builder, "PyNumber_Multiply", _POINTER, one, other)
            _called(builder, "Py_DecRef", ir.VoidType(), other)
            builder.store(builder.ptrtoint(made, _WORD), out)
        return builder.load(out)

    return types.int64(types.int64, types.int64), generate


@numba.njit(cache=True, forceinline=True)
def decimal(digits: int, places: int) -> Object:
    """Return a `Decimal` of digits, of which so many, fewer than `PLACES`, are decimals."""
    return _product(_word_of_table(_TENTHS + places), _integer(digits))


@numba.njit(cache=True, forceinline=True)
def greeks(
    name: int,
    ts_ns: int,
    recv: int,
    ivs: tuple[float, float, float],
    values: tuple[float, float, float, float, float],
    underlying: float,
) -> Object:
    """Return `OptionGreeks`: volatilities of mark, bid and ask; delta, gamma, vega, theta, rho."""
    return _named(
        _word_of_table(_KIND), _word_of_table(_NAMES),
        (
            _held(name), _integer(ts_ns), _held(recv), _double(ivs[0]), _double(ivs[1]),
            _double(ivs[2]), _double(values[0]), _double(values[1]), _double(values[2]),
            _double(values[3]), _double(values[4]), _double(underlying),
        ),
    )  # fmt: skip
