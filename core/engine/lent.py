"""Arrays as compiled kernels borrow them from their caller."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.codegen import ll
from numba.extending import NativeValue, models, register_model, unbox


class Lent(types.Array):  # type: ignore[misc]  # numba is untyped
    """An int64 array of two dimensions as a kernel of an `entry` is lent it.

    numba's own way counts another holder of the array, which costs 30 ns; ours is held by the
    caller for as long as the call, so kernels must neither keep nor return it.
    """

    def __init__(self) -> None:
        super().__init__(types.int64, 2, "A", name="Lent")


register_model(Lent)(models.ArrayModel)

_ARRAY: Final = "clx_ndarray"
"""What compiled code, also out of the cache, calls numpy's type of arrays."""

ll.add_symbol(_ARRAY, id(np.ndarray))

_TYPE, _DATA, _AXES, _LENGTHS, _STRIDES, _KIND = 1, 2, 3, 4, 5, 7
"""Words of a `PyArrayObject`, which is the same in every version of numpy's binary interface."""

_ORDER, _NUMBER = 26, 28
"""Bytes of its `PyArray_Descr`: the byte order and the number of the type."""


def looked_into(kind: Any, value: Any, context: Any, builder: Any) -> tuple[Any, Any]:
    """Return an array out of an object, and whether it is one; that of another is of no use."""
    number, word = cgutils.intp_t, cgutils.intp_t.as_pointer()
    short = cgutils.int32_t.as_pointer()

    def load(place: Any, index: int) -> Any:
        return builder.load(builder.gep(place, [number(index)]))

    def pointed(place: Any, index: int, to: Any) -> Any:
        return builder.inttoptr(load(place, index), to)

    fields = builder.bitcast(value, word)
    own = context.get_c_value(builder, cgutils.int8_t, _ARRAY)
    is_array = builder.icmp_unsigned("==", load(fields, _TYPE), builder.ptrtoint(own, number))
    good = cgutils.alloca_once_value(builder, cgutils.false_bit)
    array = context.make_array(kind)(context, builder)
    with builder.if_then(is_array, likely=True):
        kind_of = pointed(fields, _KIND, cgutils.voidptr_t)
        order = load(kind_of, _ORDER)
        numbered = load(builder.bitcast(builder.gep(kind_of, [number(_NUMBER)]), short), 0)
        axes = load(builder.bitcast(builder.gep(fields, [number(_AXES)]), short), 0)
        same = builder.and_(
            builder.icmp_unsigned("==", order, order.type(ord("="))),
            builder.icmp_unsigned("==", numbered, numbered.type(np.dtype(np.int64).num)),
        )
        same = builder.and_(same, builder.icmp_unsigned("==", axes, axes.type(2)))
        builder.store(same, good)
        with builder.if_then(same, likely=True):
            lengths, strides = pointed(fields, _LENGTHS, word), pointed(fields, _STRIDES, word)
            shape = [load(lengths, 0), load(lengths, 1)]
            array.data = pointed(fields, _DATA, array.data.type)
            array.nitems = builder.mul(*shape)
            array.itemsize = number(8)
            array.shape = cgutils.pack_array(builder, shape)
            array.strides = cgutils.pack_array(builder, [load(strides, 0), load(strides, 1)])
            array.meminfo = array.meminfo.type(None)
            array.parent = array.parent.type(None)
    return array._getvalue(), builder.load(good)


@unbox(Lent)
def _unbox_lent(kind: Any, value: Any, on: Any) -> Any:
    """Take address, lengths and strides out of an array; anything else raises TypeError."""
    array, good = looked_into(kind, value, on.context, on.builder)
    bad = on.builder.not_(good)
    with on.builder.if_then(bad, likely=False):
        on.pyapi.err_set_string(
            "PyExc_TypeError", "a kernel needs a numpy array of int64 with two dimensions"
        )
    return NativeValue(array, is_error=bad)
