"""Market events as compiled kernels look into them.

A field of a struct is a pointer at a place that its class's descriptor knows. Places are looked up
when the process starts and tried on an event; where one is not as expected `READABLE` says so, and
kernels leave all events to Python.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.codegen import ll
from numba.extending import intrinsic

from core.engine.compiled import Grid, address, view
from core.engine.lent import Lent, looked_into
from core.engine.made import NO_LEVELS
from core.model.market import BookCheck, BookDelta, CheckedDelta, Levels

_FIELDS: Final = (
    (BookDelta, "first_id"), (BookDelta, "last_id"), (BookDelta, "prev_id"), (BookDelta, "bids"),
    (BookDelta, "asks"), (BookDelta, "ts_recv_ns"), (CheckedDelta, "check"),
    (BookCheck, "checksum"), (BookCheck, "bids"), (BookCheck, "asks"),
)  # fmt: skip
FIRST_ID, LAST_ID, PREV_ID, BIDS, ASKS, RECV_NS, CHECK, CHECKSUM, BID_TEXTS, ASK_TEXTS = range(
    len(_FIELDS)
)
READABLE: Final = len(_FIELDS)
DELTA, CHECKED, CHECKS, NO_TEXTS = range(READABLE + 1, READABLE + 5)
"""Words of the table: whether places are known, addresses of classes, and of the empty tuple."""
_WORDS: Final = NO_TEXTS + 1

_DESCRIBED: Final = 5
"""Word of a ``PyMemberDescrObject`` that leads to its ``PyMemberDef``, whose third is the place."""
_PLACE: Final = 2


def _places() -> Grid:
    """Return the table."""
    check = BookCheck(1, (("2", "3"),), (("4", "5"),))
    trial = CheckedDelta("x", 1, 2, 1 << 40, 1 << 41, 1 << 42, NO_LEVELS[:], NO_LEVELS[:], check)  # type: ignore[arg-type]  # a name
    places, good = [], True
    for kind, name in _FIELDS:
        member = ctypes.c_int64.from_address(id(getattr(kind, name)) + 8 * _DESCRIBED).value
        place = ctypes.c_int64.from_address(member + 8 * _PLACE).value
        item = check if kind is BookCheck else trial
        good = good and 0 < place < type(item).__basicsize__
        good = good and _at(item, place) == id(getattr(item, name))
        places.append(place)
    kinds = id(BookDelta), id(CheckedDelta), id(BookCheck), id(_EMPTY)
    return np.array([[*places, good, *kinds]], np.int64)


def _at(item: object, place: int) -> int:
    return ctypes.c_int64.from_address(id(item) + place).value


_EMPTY: Final[tuple[object, ...]] = ()
_TABLE: Final = _places()
_SYMBOL: Final = "clx_fields"
"""What compiled code, also out of the cache, calls that table."""

ll.add_symbol(_SYMBOL, address(_TABLE))


@intrinsic
def _address_of_table(typing: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        symbol = context.get_c_value(builder, cgutils.int8_t, _SYMBOL)
        return builder.ptrtoint(symbol, cgutils.intp_t)

    return types.int64(), generate


@intrinsic
def _array(typing: Any, place: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        value = builder.inttoptr(values[0], cgutils.voidptr_t)
        kind = signature.return_type[0]
        array, good = looked_into(kind, value, context, builder)
        return context.make_tuple(builder, signature.return_type, [array, good])

    return types.Tuple([Lent(), types.boolean])(types.int64), generate


@intrinsic
def _number(typing: Any, place: Any) -> Any:
    """Return a whole number, and whether it is one of 64 bits."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        python = context.get_python_api(builder)
        value = builder.inttoptr(values[0], python.pyobj)
        number = python.long_as_longlong(value)
        good = cgutils.alloca_once_value(builder, cgutils.true_bit)
        odd = builder.icmp_signed("==", number, number.type(-1))
        with builder.if_then(odd, likely=False), builder.if_then(python.c_api_error()):
            python.err_clear()
            builder.store(cgutils.false_bit, good)
        return context.make_tuple(
            builder, signature.return_type, [number, builder.load(good)]
        )  # fmt: skip

    return types.Tuple([types.int64, types.boolean])(types.int64), generate


@numba.njit(cache=True, forceinline=True)
def kind_of(event: int) -> int:
    """Return the address of an event's class."""
    return int(view(event, 1, 2)[0, 1])


@numba.njit(cache=True, forceinline=True)
def known(what: int) -> int:
    """Return a word of the table."""
    return int(view(_address_of_table(), 1, _WORDS)[0, what])


@numba.njit(cache=True, forceinline=True)
def field(event: int, which: int) -> int:
    """Return the address of the object in a field, of an event that has it."""
    return int(view(event + known(which), 1, 1)[0, 0])


@numba.njit(cache=True, forceinline=True)
def whole(item: int) -> tuple[int, bool]:
    """Return the whole number that an object is, and whether it is one of 64 bits."""
    found: tuple[int, bool] = _number(item)
    return found


@numba.njit(cache=True, forceinline=True)
def number(event: int, which: int) -> tuple[int, bool]:
    """Return the whole number in a field, and whether there is one of 64 bits."""
    found: tuple[int, bool] = _number(field(event, which))
    return found


@numba.njit(cache=True, forceinline=True)
def levels(event: int, which: int) -> tuple[Levels, bool]:
    """Return the levels in a field, lent as long as the event is held, and whether they are any."""
    found: tuple[Levels, bool] = _array(field(event, which))
    return found
